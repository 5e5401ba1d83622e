# SPDX-License-Identifier: GPL-3.0-or-later
"""What all media draw on: a small copy of the picture that decides where the hand goes.

Its size does not depend on the picture's, so that 1K and 4K get the same strokes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..lines.edges import Edges, detect_edges, stroke_barrier
from ..lines.pen import Pen
from ..raster.arrays import Floats, inner, smoothstep
from ..raster.color import brightness
from ..raster.noise import NoiseRows
from ..raster.parallel import alongside, each_band
from ..raster.progress import Step
from ..raster.resample import blur, pick, resize, unit, working_size
from ..strokes.directions import surface_directions
from .shaded import Shaded

GRID_UNITS = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """value: (h, w) 0..1 what the eye sees, black to white, stretched over the paper's range.

    tone: light alone. color: (h, w, 3). barrier: where strokes end. per_unit: pixels of this grid
    per drawing unit. scale: pixels of the picture per drawing unit.
    """

    color: Floats
    value: Floats
    tone: Floats
    normal: Floats
    covered: NDArray[np.bool_]
    barrier: NDArray[np.bool_]
    edges: Edges
    per_unit: float
    scale: float
    height: int
    width: int
    shaded: Shaded

    def pen(self, units: float, crease: float = 0.75, paint: float = 0.6) -> Pen:
        """A pen for the feature lines, `units` drawing units wide."""
        shaded = self.shaded
        return Pen(
            self.edges, shaded.depth, shaded.view, units * self.scale, crease=crease, paint=paint
        )

    def directions(self, *angles: float) -> list[Floats]:
        """(h, w, 2) fields for `flow.surface_directions`, without the grain of rough materials."""
        smooth = blur(self.normal, 1.6)
        smooth /= np.sqrt(inner(smooth, smooth))[..., None] + np.float32(1e-6)
        smooth[~self.covered] = 0
        return surface_directions(smooth, self.shaded.view, angles)


def prepare(shaded: Shaded, step: Step, local: float = 0.6, key: float = 0.0) -> Ground:
    """local: how much a surface's own colour counts in `value`, beside the light on it.

    key: the mean of `value` at least; a drawing of a dark scene is still mostly paper.
    """
    full_height, full_width = shaded.depth.shape
    height, width = working_size(full_height, full_width, GRID_UNITS)
    step(0.01, "Looking")

    def small(_: object) -> tuple[Floats, Floats]:
        return resize(shaded.color, height, width, "box"), resize(shaded.tone, height, width, "box")

    with alongside(small) as small_planes:
        edges = edges_of(shaded, lambda fraction, message: step(0.03 + 0.1 * fraction, message))
        color, tone = small_planes()
    value = brightness(color) * np.float32(local) + tone * np.float32(1 - local)
    depth = pick(shaded.depth, height, width)
    return Ground(
        color=color,
        value=raise_key(stretch(value), key),
        tone=tone,
        normal=pick(shaded.normal, height, width),
        covered=np.isfinite(depth),
        barrier=stroke_barrier(edges, height, width),
        edges=edges,
        per_unit=width / full_width * unit(full_height, full_width),
        scale=unit(full_height, full_width),
        height=height,
        width=width,
        shaded=shaded,
    )


def edges_of(shaded: Shaded, step: Step) -> Edges:
    """The feature lines' edges, looked for only if they are not known yet."""
    if shaded.edges is not None:
        return shaded.edges
    return detect_edges(shaded.depth, shaded.normal, shaded.view, shaded.albedo, step)


def pen(
    shaded: Shaded,
    units: float,
    step: Step,
    begin: float,
    end: float,
    *,
    crease: float = 0.75,
    paint: float = 0.6,
) -> Pen:
    """A pen for the feature lines, for media that need no Ground; step goes from begin to end."""

    def part(fraction: float, message: str) -> None:
        step(begin + (end - begin) * fraction, message)

    edges = edges_of(shaded, part)
    width = units * unit(*shaded.depth.shape)
    return Pen(edges, shaded.depth, shaded.view, width, crease=crease, paint=paint, step=part)


def compose(
    size: tuple[int, ...],
    rows: Callable[[int, int], Floats],
    step: Step,
    message: str,
    begin: float,
    end: float = 1.0,
) -> Floats:
    """(H, W, 3) the finished page, from what `rows` makes of rows top to bottom - 1."""
    height, width = size
    page = np.empty((height, width, 3), np.float32)

    def work(top: int, bottom: int) -> None:
        page[top:bottom] = rows(top, bottom)

    each_band(height, width, work, lambda share: step(begin + (end - begin) * share, message))
    return page


def stretch(value: Floats, low: float = 0.03, high: float = 0.985) -> Floats:
    """Values spread so that the darkest are near black and the lightest are white paper."""
    sample = np.sort(value[::3, ::3], axis=None)
    dark, light = (float(sample[int((sample.size - 1) * share)]) for share in (0.015, 0.97))
    span = max(light - dark, 0.25)
    result = (value - dark) / np.float32(span) * np.float32(high - low) + np.float32(low)
    return np.clip(result, 0, 1).astype(np.float32)


def key_power(value: Floats, key: float) -> float:
    """The power that gives values 0..1 a mean of about `key` at least; never a darkening one."""
    mean = float(value.mean())
    if mean >= key:
        return 1.0
    return max(0.5, float(np.log(key) / np.log(max(mean, 0.02))))


def raise_key(value: Floats, key: float) -> Floats:
    """The values with a mean of at least `key`: black stays black and white white."""
    power = key_power(value, key)
    return value if power == 1.0 else value ** np.float32(power)


class MarginRows:
    """1 inside, 0 on a margin of white paper, painted up to with a wet brush; rows at a time."""

    def __init__(self, height: int, width: int, units: float, seed: int) -> None:
        """units: the margin's width in drawing units."""
        self._size, self._units, self._scale = (height, width), units, unit(height, width)
        self._sweep = NoiseRows(height, width, 160.0, seed, "margin/sweep", 2)
        self._hand = NoiseRows(height, width, 22.0, seed, "margin/hand", 2)

    def __call__(self, top: int, bottom: int) -> Floats:
        height, width = self._size
        row = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5)
        column = np.arange(width, dtype=np.float32)[None, :] + np.float32(0.5)
        distance = np.minimum(
            np.minimum(row, height - row), np.minimum(column, width - column)
        ) / np.float32(self._scale)
        return self._edge(distance, top, bottom)

    def _edge(self, distance: Floats, top: int, bottom: int) -> Floats:
        uneven = self._sweep(top, bottom) * np.float32(0.28 * self._units)
        uneven += self._hand(top, bottom) * np.float32(0.07 * self._units)
        return smoothstep(-0.9, 0.9, distance - np.float32(self._units) + uneven)


__all__ = ["Ground", "MarginRows", "compose", "key_power", "pen", "prepare", "raise_key", "stretch"]
