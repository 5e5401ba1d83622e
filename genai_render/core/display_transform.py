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
_NODES = 49
_COARSE_NODES = 13
_DARK, _BRIGHT = 2.0**-10, 2.0**4.5  # where the steps begin to be even stops, and the last one
_DAMPING = 1e-4
_BAND = 1 << 17  # pixels at once

# From Rec.2020 to Rec.709: its corners lie outside, where a transform takes its strongest colors.
_WIDE = np.array(
    (
        (1.66049100, -0.58764114, -0.07284986),
        (-0.12455047, 1.13289990, -0.00834942),
        (-0.01815076, -0.10057890, 1.11872966),
    ),
    np.float32,
)


@dataclass(frozen=True, slots=True)
class Inverse:
    """places: (n, n, n, 3) for an even grid of display colors, where on the scale each lies."""

    places: Floats

    def __call__(self, display: NDArray[np.uint8]) -> Floats:
        """(…, 3) sRGB codes to scene-linear floats (Rec. 709 primaries)."""
        codes = display.reshape(-1, 3)
        out = np.empty(codes.shape, np.float32)
        for start in range(0, len(codes), _BAND):
            part = codes[start : start + _BAND].astype(np.float32) / 255
            out[start : start + _BAND] = linear(_look_up(self.places, part))
        return out.reshape(display.shape)


def linear(places: Floats) -> Floats:
    """From places on the scale (0 to 1 for each wide primary) to scene-linear Rec. 709."""
    wide = _DARK * (np.exp2(places * np.float32(np.log2(_BRIGHT / _DARK + 1))) - 1)
    return (wide @ _WIDE.T).astype(np.float32)


def grid(nodes: int) -> Floats:
    """(nodes³, 3) places, evenly."""
    steps = np.linspace(0, 1, nodes, dtype=np.float32)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)


def invert(show: Show) -> Inverse:
    """Measure a view transform, and find the way back. `show` is called once."""
    shown = show(linear(grid(GRID))).reshape(GRID, GRID, GRID, 3).astype(np.float32)
    coarse = grid(_COARSE_NODES)
    places = _solve(shown, coarse, _along_gray(shown, coarse), rounds=40)
    start = places.reshape(_COARSE_NODES, _COARSE_NODES, _COARSE_NODES, 3)
    fine = grid(_NODES)
    places = _solve(shown, fine, _look_up(start, fine), rounds=10)
    return Inverse(places.reshape(_NODES, _NODES, _NODES, 3))


def _along_gray(shown: Floats, wanted: Floats) -> Floats:
    """A first guess: each primary as if the color were gray."""
    steps = np.arange(GRID)
    gray = np.maximum.accumulate(shown[steps, steps, steps].mean(-1))
    # A scale that stands still at its end would have no way back.
    gray = gray + np.arange(GRID) * 1e-6
    return np.interp(wanted, gray, np.linspace(0, 1, GRID)).astype(np.float32)


def _solve(shown: Floats, wanted: Floats, places: Floats, rounds: int) -> Floats:
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
        tried = np.clip(places - change, 0, 1)
        now = _look_up(shown, tried) - wanted
        nearer = (now**2).sum(-1) < (missed**2).sum(-1)
        places = np.where(nearer[:, None], tried, places)
        missed = np.where(nearer[:, None], now, missed)
        damping = np.where(nearer[:, None, None], damping * 0.4, damping * 6)
        damping = np.clip(damping, 1e-7, 1e3)
    return places


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
