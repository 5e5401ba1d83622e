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
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..core.canvas import View
from .bands import beside, each, each_band
from .noise import fbm
from .resample import (
    Floats,
    Rows,
    blur,
    gradient,
    inner,
    pick,
    resize,
    smoothstep,
    unit,
    working_size,
)
from .shaded import Step

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
            for spacing, found in ((1, turns[axis]), (3, changes[axis])):
                last = min(bottom, len(found))
                rows = slice(top, last + spacing if axis == 0 else last)
                if top >= last:
                    continue
                if spacing == 1:
                    found[top:last] = _turn(unit_normal[rows], covered[rows], axis, 1)
                elif albedo is not None:
                    found[top:last] = _change(albedo[rows], axis)

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

    each([partial(look_around, axis) for axis in axes])
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
            for target, found in zip((silhouette, coverage, crease, paint), marks, strict=True):
                np.maximum(target[top:bottom], found[own], out=target[top:bottom])

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

    each([of_forms, of_paint])
    if step is not None:
        step(0.65, "Lines")
    return Edges(silhouette, crease, paint)


def line_mask(
    edges: Edges,
    depth: Floats,
    view: View,
    width_px: float,
    *,
    crease: float = 0.75,
    paint: float = 0.6,
    hand: float = 0.0,
    seed: int = 0,
    step: Step | None = None,
) -> Floats:
    """(H, W) 0..1, anti-aliased: how much of each pixel of a picture a line covers.

    edges: of any size. depth: (H, W) of the picture.
    width_px: of a silhouette, in pixels of this picture; far things get thinner ones.
    crease, paint: the width of inner edges and of edges of paint beside a silhouette's 1; 0 for
    none of them.
    hand: 0 as ruled, 1 drawn freely: wavering, pressing unevenly, leaving gaps.
    """
    pen = Pen(edges, depth, view, width_px, crease=crease, paint=paint, step=step)
    line = pen.line(hand, seed)
    height, width = depth.shape
    mask = np.empty((height, width), np.float32)

    def work(top: int, bottom: int) -> None:
        mask[top:bottom] = line(top, bottom)

    def tell(share: float) -> None:
        if step is not None:
            step(0.9 + 0.1 * share, "Lines")

    each_band(height, width, work, tell)
    return mask


def detect(
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


def draw(color: Floats, mask: Floats, ink: tuple[float, float, float], strength: float = 1) -> None:
    """Draw lines of an ink (display sRGB) into color (H, W, 3), in place."""
    tint = np.asarray(ink, np.float32)

    def work(top: int, bottom: int) -> None:
        share = (mask[top:bottom] * np.float32(strength))[..., None]
        color[top:bottom] += (tint - color[top:bottom]) * share

    each_band(mask.shape[0], mask.shape[1], work)


def barrier(edges: Edges, height: int, width: int) -> NDArray[np.bool_]:
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
"""Pixels between the two normals that tell a narrow rounded edge."""


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
    found = smoothstep(0.035, 0.12, more)
    found *= steepest
    return found


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


class Pen:
    """Edges made ready to be drawn at one width, by any number of hands.

    A line's two marked pixels are blurred to a ridge; covered is what is higher than its
    shoulder, and how high the shoulder is decides the width.
    """

    def __init__(
        self,
        edges: Edges,
        depth: Floats,
        view: View,
        width_px: float,
        *,
        crease: float = 0.75,
        paint: float = 0.6,
        step: Step | None = None,
    ) -> None:
        """depth: (H, W) of the picture; width_px: in its pixels, of a silhouette."""
        self._height, self._width = depth.shape
        height, width = edges.silhouette.shape
        scale = unit(height, width)
        marks = edges.all(float(crease > 0), float(paint > 0))
        broad = np.maximum(edges.silhouette, edges.crease * np.float32(crease))
        broad = np.maximum(broad, edges.paint * np.float32(paint))
        # Far, crowded things get finer lines, or a city's windows turn into a black mush.
        crowd = blur(marks, 9.0 * scale)
        finer = 1.0 - 0.5 * smoothstep(0.22, 0.6, crowd * scale)
        marks = smoothstep(0.12, 0.45, marks)
        line = width_px * height / self._height
        sigma = max(0.75, line / 2)
        ridge = blur(marks, sigma) * np.float32(1 / math.erf(1 / (sigma * math.sqrt(2))))
        if step is not None:
            step(0.75, "Lines")

        def weighed(_: object) -> Floats:
            # How wide, from the marks around; smooth, so half the size will do.
            half = (max(1, height // 2), max(1, width // 2))
            share = blur(resize(broad * (marks > 0), *half, "box"), 1.0)
            share /= np.maximum(blur(resize(marks, *half, "box"), 1.0), np.float32(1e-3))
            share *= resize(finer, *half) * _distance_weight(pick(depth, *half), view)
            return np.clip(share, 0, 1.3)

        with beside(weighed) as share:
            self._ridge = _smooth_along(ridge)
            self._share = share()
        if step is not None:
            step(0.85, "Lines")
        self._sigma = sigma
        # Lines thinner than the blur can show are drawn lighter instead.
        self._thin = min(1.0, line / (2 * sigma) * 1.15)

    def line(self, hand: float = 0.0, seed: int = 0) -> Callable[[int, int], Floats]:
        """A function that gives rows top to bottom - 1 of the mask; threads may share it."""
        height = self._ridge.shape[0]
        ridge, share = self._ridge, self._share
        if hand > 0:
            ridge = _moved(ridge, hand, seed)
            half = share.shape[0], share.shape[1]
            press = fbm(*half, 42.0, seed, "lines/press", 2)
            share = share * np.clip(1.0 + 0.25 * hand * press, 0.25, 1.4)
        ridges = Rows(ridge, self._height, self._width)
        shares = Rows(share, self._height, self._width, "bilinear")
        soft = 0.62 / max(self._sigma * self._height / height, 0.75)

        def rows(top: int, bottom: int) -> Floats:
            peak = ridges(top, bottom)
            result = np.zeros_like(peak)
            some = np.flatnonzero(peak.max(axis=1) > 0.02)
            if some.size == 0:
                return result
            first, last = int(some[0]), int(some[-1]) + 1
            peak = peak[first:last]
            wide = shares(top + first, top + last)
            fine = np.maximum(wide, np.float32(0.45))  # half the width at least; then fainter
            level = np.exp(fine * fine * np.float32(-0.5))
            cover = (peak / level - 1) * np.float32(0.5 / soft)
            cover += np.float32(0.5)
            np.clip(cover, 0, 1, out=cover)
            wide *= np.float32(1 / 0.45)
            cover *= np.minimum(wide, 1)
            cover *= np.float32(self._thin)
            result[first:last] = cover
            return result

        return rows


def _moved(ridge: Floats, hand: float, seed: int) -> Floats:
    """The ridges where a hand would have put them: a slow drift and a slight shake."""
    height, width = ridge.shape
    scale = unit(height, width)
    small = working_size(height, width, 0.6)
    drift, shake = np.float32(1.1 * hand * scale), np.float32(0.28 * hand * scale)
    shifts = [
        resize(
            fbm(*small, 60.0, seed, f"lines/waver/{axis}", 2) * drift
            + fbm(*small, 14.0, seed, f"lines/shake/{axis}", 1) * shake,
            height,
            width,
        )
        for axis in "xy"
    ]
    # Only near a line is there anything to move.
    cell = max(4, math.ceil(4.5 * hand * scale))
    coarse = (math.ceil(height / cell), math.ceil(width / cell))
    busy = resize(ridge, *coarse, "box") > 1e-4
    for axis in (0, 1):
        busy = busy | np.roll(busy, 1, axis) | np.roll(busy, -1, axis)
    rows, columns = np.nonzero(pick(busy, height, width))
    x = np.clip(columns + shifts[0][rows, columns], 0, width - 1.001)
    y = np.clip(rows + shifts[1][rows, columns], 0, height - 1.001)
    result = np.zeros_like(ridge)
    result[rows, columns] = _between(ridge, x, y)
    return result


def _between(image: Floats, x: Floats, y: Floats) -> Floats:
    """Bilinear values of (H, W) at positions, where 0 is the middle of the first pixel."""
    height, width = image.shape
    column, row = x.astype(np.int32), y.astype(np.int32)
    fx, fy = (x - column).astype(np.float32), (y - row).astype(np.float32)
    flat = image.reshape(-1)
    index = row * np.int32(width) + column
    right = index + (column < width - 1)
    below = np.int32(width) * (row < height - 1)
    top = flat[index] * (1 - fx) + flat[right] * fx
    bottom = flat[index + below] * (1 - fx) + flat[right + below] * fx
    return top * (1 - fy) + bottom * fy


def _distance_weight(depth: Floats, view: View) -> Floats:
    if view.projection == "ORTHO":
        return np.ones_like(depth)
    finite = depth[np.isfinite(depth)]
    if finite.size == 0:
        return np.ones_like(depth)
    middle = float(np.median(finite[:: max(1, finite.size // 50_000)]))
    # An edge belongs to the nearer of its two sides.
    nearest = np.where(np.isfinite(depth), depth, np.float32(middle * 20))
    nearest = np.minimum(nearest, np.roll(nearest, 1, 0))
    nearest = np.minimum(nearest, np.roll(nearest, -1, 0))
    nearest = np.minimum(nearest, np.roll(nearest, 1, 1))
    nearest = np.minimum(nearest, np.roll(nearest, -1, 1))
    return np.clip((middle / nearest) ** 0.18, 0.62, 1.15).astype(np.float32)


def _smooth_along(ridge: Floats) -> Floats:
    """Average along the line: the stairs of near-level lines go, their width stays."""
    height, width = ridge.shape
    rows, columns = np.nonzero(ridge > 0.04)
    if rows.size == 0 or min(height, width) < 8:
        return ridge
    half = resize(ridge, height // 2, width // 2, "box")
    gy, gx = gradient(half)
    xx, yy, xy = (blur(p, 1.1) for p in (gx * gx, gy * gy, gx * gy))
    theta = 0.5 * np.arctan2(2 * xy, xx - yy) + np.float32(math.pi / 2)
    at = (np.minimum(rows // 2, height // 2 - 1), np.minimum(columns // 2, width // 2 - 1))
    dx, dy = np.cos(theta).astype(np.float32)[at], np.sin(theta).astype(np.float32)[at]
    x, y = columns.astype(np.float32), rows.astype(np.float32)
    total = ridge[rows, columns]
    for distance in (-4.5, -3, -1.5, 1.5, 3, 4.5):
        px = np.clip(x + dx * np.float32(distance), 0, np.float32(width - 1.001))
        py = np.clip(y + dy * np.float32(distance), 0, np.float32(height - 1.001))
        total += _between(ridge, px, py)
    result = ridge.copy()
    result[rows, columns] = total / 7
    return result
