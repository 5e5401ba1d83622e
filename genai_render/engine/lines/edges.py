# SPDX-License-Identifier: GPL-3.0-or-later
"""Feature lines: silhouettes, creases and the edges of paint, as an inker would draw them.

Each is looked for between two neighbouring pixels, along rows and along columns:

- silhouette: inverse depth is linear on any plane in perspective (depth itself is in an
  orthographic view), so what neither side's own slope explains is a gap in depth. A floor seen at
  a grazing angle gives nothing.
- crease: normals differ more between the two than on either side of them.
- paint: the surface's own colour differs, and more than the texture around it does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...core.view.canvas import View
from ..raster.arrays import Floats, inner, smoothstep
from ..raster.parallel import each_band, run_all
from ..raster.progress import Step
from ..raster.resample import blur, gradient, pick, resize, unit, working_size

DETECTION_UNITS = 1.7
"""Pixels per drawing unit that edges are looked for at: beyond, they are only drawn smoother."""


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Strength 0..1 of the edges at each pixel, (h, w) each; an edge marks both its pixels."""

    silhouette: Floats
    crease: Floats
    paint: Floats

    def all(self, crease: float = 1.0, paint: float = 1.0) -> Floats:
        marks = np.maximum(self.silhouette, self.crease * np.float32(crease))
        return np.maximum(marks, self.paint * np.float32(paint))


def find_edges(
    depth: Floats,
    normal: Floats,
    view: View,
    albedo: Floats | None = None,
    step: Step | None = None,
) -> Edges:
    """The edges of a view. depth (H, W), normal and albedo (display sRGB, or None) (H, W, 3)."""
    shape = height, width = depth.shape
    covered = np.empty(shape, np.bool_)
    unit_normal = np.empty(normal.shape, np.float32)

    def prepare(top: int, bottom: int) -> None:
        part = slice(top, bottom)
        length = np.sqrt(inner(normal[part], normal[part]))
        covered[part] = np.isfinite(depth[part]) & (length > 0.3)
        length = np.maximum(length, np.float32(1e-6), out=length)
        np.divide(normal[part], length[..., None], out=unit_normal[part])

    each_band(height, width, prepare)
    near = _nearness(depth, covered, view)
    axes = [axis for axis in (0, 1) if shape[axis] >= 8]
    if step is not None:
        step(0.15, "Lines")

    # How much normals and colours change, and how much they do all around.
    turns = {axis: np.empty(_less(shape, axis, 1), np.float32) for axis in axes}
    changes = {axis: np.empty(_less(shape, axis, 3), np.float32) for axis in axes}

    def measure(top: int, bottom: int) -> None:
        for axis in axes:
            for spacing, measured in ((1, turns[axis]), (3, changes[axis])):
                last = min(bottom, len(measured))
                rows = slice(top, last + spacing if axis == 0 else last)
                if top >= last:
                    continue
                if spacing == 1:
                    measured[top:last] = _turn(unit_normal[rows], covered[rows], axis, 1)
                elif albedo is not None:
                    measured[top:last] = _change(albedo[rows], axis)

    each_band(height, width, measure)
    if step is not None:
        step(0.25, "Lines")
    rough: dict[int, Floats] = {}
    busy: dict[int, Floats] = {}

    def look_around(axis: int) -> None:
        # Rough materials turn everywhere: a crease turns more than all around it.
        rough[axis] = blur(turns[axis], 4.0 * unit(*shape)) * np.float32(1.6)
        if albedo is not None:
            busy[axis] = blur(changes[axis], 6.0 * unit(*shape))

    run_all([partial(look_around, axis) for axis in axes])
    if step is not None:
        step(0.35, "Lines")
    silhouette, coverage, crease, paint = (np.zeros(shape, np.float32) for _ in range(4))

    def mark(top: int, bottom: int) -> None:
        # A pixel's marks depend on those up to 8 away.
        first, last = max(0, top - 10), min(height, bottom + 10)
        size = (last - first, width)
        own = slice(top - first, bottom - first)
        for axis in axes:
            marks = [np.zeros(size, np.float32) for _ in range(4)]
            part = slice(first, last)

            def of(measured: Floats, less: int, axis: int = axis) -> Floats:
                return measured[first : last - less if axis == 0 else last]

            between, against_nothing = _depth_gaps(near[part], covered[part], axis)
            _mark(marks[0], between, axis)
            _mark(marks[1], against_nothing, axis)
            wide = _turn(unit_normal[part], covered[part], axis, _WIDE)
            _mark(marks[2], _creases(of(turns[axis], 1), of(rough[axis], 1), wide, axis), axis)
            if albedo is not None:
                gaps = _paint_gaps(albedo[part], of(changes[axis], 3) - of(busy[axis], 3), axis)
                _mark(marks[3], gaps, axis)
            for target, mark in zip((silhouette, coverage, crease, paint), marks, strict=True):
                np.maximum(target[top:bottom], mark[own], out=target[top:bottom])

    each_band(height, width, mark, pixels=1 << 17)
    if step is not None:
        step(0.5, "Lines")
    scale = unit(*shape)

    def of_forms() -> None:
        np.maximum(silhouette, _coherent(coverage), out=silhouette)
        np.multiply(crease, _drawn_lines(crease, scale, 0.16, 0.34), out=crease)

    def of_paint() -> None:
        if albedo is not None:
            drawn = paint * _drawn_lines(paint, scale, 0.07, 0.17)
            paint[:] = _coherent(drawn, 0.15, 0.4)

    run_all([of_forms, of_paint])
    if step is not None:
        step(0.65, "Lines")
    return Edges(silhouette, crease, paint)


def detect_edges(
    depth: Floats,
    normal: Floats,
    view: View,
    albedo: Floats | None = None,
    step: Step | None = None,
) -> Edges:
    """The edges of a view at the size that lines are drawn from, at most DETECTION_UNITS."""
    height, width = depth.shape
    small = working_size(height, width, DETECTION_UNITS)
    color = None if albedo is None else pick(albedo, *small)
    return find_edges(pick(depth, *small), pick(normal, *small), view, color, step)


def stroke_barrier(edges: Edges, height: int, width: int) -> NDArray[np.bool_]:
    """(height, width) True where a stroke should end, from edges of any size."""
    marks = edges.all(1.0, 0.9)
    rows, columns = marks.shape
    if rows > height:  # the strongest of the pixels that fall together
        factor = math.ceil(rows / height)
        padded = np.pad(marks, ((0, -rows % factor), (0, -columns % factor)))
        marks = padded.reshape(
            padded.shape[0] // factor, factor, padded.shape[1] // factor, factor
        ).max(axis=(1, 3))
    return pick(marks, height, width) > 0.45


def _nearness(depth: Floats, covered: NDArray[np.bool_], view: View) -> Floats:
    """A measure that is linear on planes, greater for what is nearer, 0 where nothing is."""
    if view.projection == "ORTHO":
        inside = depth[covered]
        if inside.size == 0:
            return np.zeros_like(depth)
        low, high = float(inside.min()), float(inside.max())
        reach = max(high - low, 1e-6)
        # Never near 0 for a surface, so that gaps measured relative to it mean the same.
        return np.where(covered, 1.0 + (high - depth) / np.float32(reach), 0).astype(np.float32)
    return np.where(covered, 1.0 / np.maximum(depth, np.float32(1e-6)), 0).astype(np.float32)


def _along(image: NDArray, axis: int, start: int, stop: int) -> NDArray:
    """image[start : size + stop] along the axis."""
    end = image.shape[axis] + stop
    return image[start:end] if axis == 0 else image[:, start:end]


def _depth_gaps(near: Floats, covered: NDArray[np.bool_], axis: int) -> tuple[Floats, Floats]:
    """Strength of the gaps between pixels i+1 and i+2: between surfaces, and to nothing at all."""
    a, b, c, e = (_along(near, axis, k, k - 3) for k in range(4))
    from_left = np.maximum(2 * b - a, 0)
    from_right = np.maximum(2 * c - e, 0)
    jump = np.minimum(np.abs(c - from_left), np.abs(b - from_right))
    top = np.maximum(b, c) + np.float32(1e-9)
    slope = np.minimum(np.abs(b - a), np.abs(e - c))
    covered_b, covered_c = _along(covered, axis, 1, -2), _along(covered, axis, 2, -1)
    both = covered_b & covered_c
    inner = smoothstep(0.010, 0.028, (jump - slope * 0.5) / top) * both
    # Against nothing: only if the surface ends there, and does not run on to the horizon.
    edge_slope = np.where(covered_b, np.abs(b - a), np.abs(e - c))
    remains = (top - 2.0 * edge_slope) / top
    outer = smoothstep(0.25, 0.6, remains) * (covered_b != covered_c)
    return inner.astype(np.float32), outer.astype(np.float32)


_WIDE = 3
"""Pixels between the two normals that show a narrow rounded edge."""


def _less(shape: tuple[int, ...], axis: int, less: int) -> tuple[int, int]:
    height, width = shape
    return (height - less, width) if axis == 0 else (height, width - less)


def _turn(normal: Floats, covered: NDArray[np.bool_], axis: int, spacing: int) -> Floats:
    """How much the normal turns between pixels i and i + spacing."""
    chord = _along(normal, axis, 0, -spacing) - _along(normal, axis, spacing, 0)
    chord = np.sqrt(inner(chord, chord))
    chord *= _along(covered, axis, 0, -spacing) & _along(covered, axis, spacing, 0)
    return chord


def _change(albedo: Floats, axis: int) -> Floats:
    """How much the colour changes between pixels i and i + 3."""
    difference = _along(albedo, axis, 3, 0) - _along(albedo, axis, 0, -3)
    np.abs(difference, out=difference)
    return difference[..., 0] * 0.35 + difference[..., 1] * 0.45 + difference[..., 2] * 0.2


def _creases(sharp: Floats, rough: Floats, wide: Floats, axis: int) -> Floats:
    """Strength of creases between pixels i+1 and i+2; a rounded edge counts when it is narrow."""
    own = _along(sharp, axis, 1, -1)
    beside = np.maximum(_along(sharp, axis, 0, -2), _along(sharp, axis, 2, 0))
    np.maximum(beside, _along(rough, axis, 1, -1), out=beside)
    strength = smoothstep(0.24, 0.46, own - beside)
    if wide.shape[axis] > 2 * _WIDE:
        middle = _along(wide, axis, _WIDE, -_WIDE)
        around = np.maximum(_along(wide, axis, 0, -2 * _WIDE), _along(wide, axis, 2 * _WIDE, 0))
        calm = _along(rough, axis, _WIDE + 1, 0)
        calm = _along(calm, axis, 0, middle.shape[axis] - calm.shape[axis])
        np.maximum(1.5 * around, 2.5 * calm, out=around)
        rounded = smoothstep(0.4, 0.65, middle - around)
        rounded *= np.float32(0.8)
        # `middle` at j spans pixels j+3 … j+6: its centre is the gap between j+4 and j+5, which is
        # gap j+3 of `strength`.
        target = _along(strength, axis, _WIDE, 0)
        length = min(target.shape[axis], rounded.shape[axis])
        part = _along(target, axis, 0, length - target.shape[axis])
        np.maximum(part, _along(rounded, axis, 0, length - rounded.shape[axis]), out=part)
    return strength


def _paint_gaps(albedo: Floats, more: Floats, axis: int) -> Floats:
    """Strength of colour edges between pixels i+1 and i+2, where they are steepest.

    more: how much more the colour changes there than all around.
    """
    here = _along(albedo, axis, 2, -1) - _along(albedo, axis, 1, -2)
    np.abs(here, out=here)
    here = here[..., 0] + here[..., 1] + here[..., 2]
    padding = [(0, 0), (0, 0)]
    padding[axis] = (1, 1)
    beside = np.pad(here, padding)
    steepest = (here >= _along(beside, axis, 0, -2)) & (here > _along(beside, axis, 2, 0))
    strength = smoothstep(0.035, 0.12, more)
    strength *= steepest
    return strength


def _mark(target: Floats, gaps: Floats, axis: int) -> None:
    """Mark both pixels of each gap: gap i lies between pixels i+1 and i+2."""
    for first in (1, 2):
        part = _along(target, axis, first, first - 3)
        np.maximum(part, gaps, out=part)


def _drawn_lines(marks: Floats, scale: float, few: float, many: float) -> Floats:
    """0..1: marks that a person would draw. Crowds of short ones are a texture, and left out."""
    height, width = marks.shape
    # Both measures are smooth: half the size will do, unless the picture is tiny itself.
    half = resize(marks, max(8, height // 2), max(8, width // 2), "box")
    scale = max(scale, 0.5) * half.shape[1] / width  # a tiny picture has no finer lines than pixels
    there = resize((marks > 0.15).astype(np.float32), half.shape[0], half.shape[1], "box")
    crowd = blur(there, 10.0 * scale) * np.float32(scale * width / half.shape[1])
    gy, gx = gradient(blur(half, 0.4))
    xx, yy, xy = (blur(p, 3.5 * scale) for p in (gx * gx, gy * gy, gx * gy))
    straight = np.sqrt((xx - yy) ** 2 + 4 * xy * xy) / (xx + yy + np.float32(1e-7))
    drawn = 1 - smoothstep(few, many, crowd) * (1 - smoothstep(0.5, 0.8, straight))
    return resize(drawn.astype(np.float32, copy=False), height, width)


def _coherent(marks: Floats, low: float = 0.35, high: float = 0.75) -> Floats:
    """Marks that go on along their line: what comes and goes from pixel to pixel is left out."""
    scale = max(3.0, 5.0 * unit(*marks.shape))
    there = blur((marks > 0).astype(np.float32), scale)
    strength = blur(marks, scale) / np.maximum(there, np.float32(1e-4))
    return np.maximum(marks, (marks > 0) * strength) * smoothstep(low, high, strength)
