# SPDX-License-Identifier: GPL-3.0-or-later
"""Feature lines drawn: anti-aliased, as ruled or by a hand that wavers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ...core.view.canvas import View
from ..raster.arrays import Floats, smoothstep
from ..raster.noise import fbm
from ..raster.parallel import alongside, each_band
from ..raster.progress import Step
from ..raster.resample import Rows, blur, gradient, pick, resize, unit, working_size
from .edges import Edges


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

    def report(share: float) -> None:
        if step is not None:
            step(0.9 + 0.1 * share, "Lines")

    each_band(height, width, work, report)
    return mask


def draw_lines(
    color: Floats, mask: Floats, ink: tuple[float, float, float], strength: float = 1
) -> None:
    """Draw lines of an ink (display sRGB) into color (H, W, 3), in place."""
    tint = np.asarray(ink, np.float32)

    def work(top: int, bottom: int) -> None:
        share = (mask[top:bottom] * np.float32(strength))[..., None]
        color[top:bottom] += (tint - color[top:bottom]) * share

    each_band(mask.shape[0], mask.shape[1], work)


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

        with alongside(weighed) as share:
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
