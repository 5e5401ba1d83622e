# SPDX-License-Identifier: GPL-3.0-or-later
"""Back through a view transform: the scene-linear color that is shown as a given display color.

A finished picture is made for a display. What a render gives is scene linear, and a view transform
(AgX, Filmic, Standard, with its look, exposure and curves) makes a display color of it. There is
no formula for the way back, so the way there is measured on a grid and inverted by numbers. Colors
that the transform cannot show at all, such as pure red through AgX, become the nearest one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Show = Callable[[Floats], Floats]
"""(N, 3) scene-linear colors to the display's, 0 to 1."""

GRID = 48
_NODES = 33
_COARSE_NODES = 13
_DARK, _BRIGHT = 2.0**-10, 2.0**4.5  # where the steps begin to be even stops, and the last one
_DAMPING = 1e-4
_BAND = 1 << 17  # pixels at once

_EXACT = 0.6 / 255

# Two scales to measure along, as primaries in linear Rec. 709. Those of Rec.2020 lie outside, where
# AgX takes its strongest colors from; other transforms make nothing sensible of what lies there.
_SCALES = (
    np.eye(3, dtype=np.float32),
    np.array(
        (
            (1.66049100, -0.58764114, -0.07284986),
            (-0.12455047, 1.13289990, -0.00834942),
            (-0.01815076, -0.10057890, 1.11872966),
        ),
        np.float32,
    ),
)


@dataclass(frozen=True, slots=True)
class Inverse:
    """places: (n, n, n, 3) for an even grid of display colors, where on the scale each lies; None
    where the transform does nothing but encode for an sRGB display. primaries: the scale's."""

    places: Floats | None = None
    primaries: Floats | None = None

    def __call__(self, display: NDArray[np.uint8]) -> Floats:
        """(…, 3) sRGB codes to scene-linear floats (Rec. 709 primaries)."""
        if self.places is None or self.primaries is None:
            return linear_srgb(display)
        codes = display.reshape(-1, 3)
        out = np.empty(codes.shape, np.float32)
        for start in range(0, len(codes), _BAND):
            part = codes[start : start + _BAND].astype(np.float32) / np.float32(255)
            out[start : start + _BAND] = _linear(_look_up(self.places, part), self.primaries)
        return out.reshape(display.shape)


def linear_srgb(codes: NDArray[np.uint8]) -> Floats:
    """sRGB codes as linear floats: the way back through a transform that only encodes."""
    steps = np.arange(256, dtype=np.float64) / 255
    bent = np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)
    return bent.astype(np.float32)[codes]


def _linear(places: Floats, primaries: Floats) -> Floats:
    scale = _DARK * (np.exp2(places * np.float32(np.log2(_BRIGHT / _DARK + 1))) - 1)
    return (scale @ primaries.T).astype(np.float32)


def grid(nodes: int) -> Floats:
    """(nodes³, 3) places, evenly."""
    steps = np.linspace(0, 1, nodes, dtype=np.float32)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)


def invert(show: Show) -> Inverse:
    """Measure a view transform, and find the way back."""
    codes = (grid(6) * 255).astype(np.uint8)
    if np.abs(show(linear_srgb(codes)) - codes / 255).max() < _EXACT:
        return Inverse()
    found = [_inverted(show, primaries) for primaries in _SCALES]
    return min(found, key=lambda one: one[0])[1]


def _inverted(show: Show, primaries: Floats) -> tuple[float, Inverse]:
    """With how far it misses."""
    shown = show(_linear(grid(GRID), primaries)).reshape(GRID, GRID, GRID, 3).astype(np.float32)
    coarse = grid(_COARSE_NODES)
    places, _ = _solve(shown, coarse, _nearest(shown, coarse), rounds=30)
    start = places.reshape(_COARSE_NODES, _COARSE_NODES, _COARSE_NODES, 3)
    fine = grid(_NODES)
    places, missed = _solve(shown, fine, _look_up(start, fine), rounds=8)
    inverse = Inverse(places.reshape(_NODES, _NODES, _NODES, 3), primaries)
    return float(np.abs(missed).mean()), inverse


def _nearest(shown: Floats, wanted: Floats) -> Floats:
    """A first guess: the nearest of what was measured, every other step."""
    places = grid(GRID).reshape(GRID, GRID, GRID, 3)[::2, ::2, ::2].reshape(-1, 3)
    known = shown[::2, ::2, ::2].reshape(-1, 3)
    lengths = (known**2).sum(-1)
    best = np.empty(len(wanted), np.intp)
    for start in range(0, len(wanted), 256):
        part = wanted[start : start + 256]
        best[start : start + 256] = (lengths - 2 * part @ known.T).argmin(-1)
    return places[best]


def _solve(shown: Floats, wanted: Floats, places: Floats, rounds: int) -> tuple[Floats, Floats]:
    """Levenberg's method for all colors at once: a step is kept only where it is nearer."""
    step = np.float32(0.5 / GRID)
    damping = np.full((len(wanted), 1, 1), _DAMPING, np.float32)
    missed = _look_up(shown, places) - wanted
    for _ in range(rounds):
        slopes = np.empty((len(wanted), 3, 3), np.float32)
        for axis in range(3):
            there, back = places.copy(), places.copy()
            there[:, axis] = np.minimum(there[:, axis] + step, 1)
            back[:, axis] = np.maximum(back[:, axis] - step, 0)
            width = (there[:, axis] - back[:, axis])[:, None]
            slopes[:, :, axis] = (_look_up(shown, there) - _look_up(shown, back)) / width
        across = slopes.transpose(0, 2, 1)
        normal = across @ slopes + damping * np.eye(3, dtype=np.float32)
        change = np.linalg.solve(normal, across @ missed[..., None])[..., 0]
        tried = np.clip(places - change, 0, 1).astype(np.float32)
        now = _look_up(shown, tried) - wanted
        nearer = (now**2).sum(-1) < (missed**2).sum(-1)
        places = np.where(nearer[:, None], tried, places)
        missed = np.where(nearer[:, None], now, missed)
        damping = np.where(nearer[:, None, None], damping * 0.4, damping * 6)
        damping = np.clip(damping, 1e-7, 1e3)
    return places, missed


def _look_up(table: Floats, places: Floats) -> Floats:
    """(N, 3) from an (n, n, n, 3) table, between its nodes."""
    last = table.shape[0] - 1
    scaled = np.clip(places, 0, 1) * np.float32(last)
    low = np.minimum(scaled.astype(np.int32), last - 1)
    share = scaled - low
    flat = table.reshape(-1, 3)
    first = (low[:, 0] * (last + 1) + low[:, 1]) * (last + 1) + low[:, 2]
    out = np.zeros(places.shape, np.float32)
    for corner in range(8):
        offset = 0
        weight = np.ones(len(places), np.float32)
        for axis, stride in enumerate(((last + 1) ** 2, last + 1, 1)):
            upper = corner >> axis & 1
            offset += upper * stride
            weight = weight * (share[:, axis] if upper else 1 - share[:, axis])
        out += flat[first + offset] * weight[:, None]
    return out
