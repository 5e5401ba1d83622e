# SPDX-License-Identifier: GPL-3.0-or-later
"""Pixels on the border between surface and nothing: their coverage, and colour without background.

Depth and normals are those of a pixel's centre, but its colour is a mean over the pixel. Lit as
they stand, such pixels make dashed horizons and fringes of the old background.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.view.canvas import Canvas
from ..raster.arrays import Plane

_AROUND = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
_ALIKE = 6  # codes of 255


@dataclass(frozen=True, slots=True, eq=False)
class Borders:
    """What replaces the canvas's values at the border pixels `index` (flat, rising)."""

    index: NDArray[np.intp]
    width: int
    alpha: Plane
    depth: Plane
    normal: Plane
    color: Plane
    albedo: Plane | None

    @classmethod
    def of(cls, canvas: Canvas) -> Borders:
        height, width = canvas.height, canvas.width
        covered = np.isfinite(canvas.depth)
        border = _border(covered)
        y, x = np.divmod(border, width)
        inside = covered.reshape(-1)[border]

        # The direction into the surface, from which neighbours are covered.
        gy, gx = np.zeros(len(border), np.float32), np.zeros(len(border), np.float32)
        near = np.full(len(border), -1, np.intp)
        for dy, dx in _AROUND:
            ny, nx = np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)
            there = covered[ny, nx]
            gy += dy * there
            gx += dx * there
            near = np.where(there & (near < 0), ny * width + nx, near)
        length = np.maximum(np.hypot(gy, gx), 1e-6)
        gy, gx = gy / length, gx / length

        def step(distance: float) -> NDArray[np.intp]:
            ny = np.clip(np.rint(y + gy * distance).astype(np.intp), 0, height - 1)
            nx = np.clip(np.rint(x + gx * distance).astype(np.intp), 0, width - 1)
            return ny * width + nx

        flat = covered.reshape(-1)
        inward = step(2)
        inward = np.where(flat[inward], inward, step(1.45))
        own = np.where(inside, border, np.maximum(near, 0))
        inward = np.where(flat[inward], inward, own)
        outward = step(-2)
        outward = np.where(flat[outward], np.where(inside, outward, border), outward)

        rgba = canvas.color.reshape(-1, 4)
        color = rgba[:, :3]
        here = color[border].astype(np.float32)
        surface = color[inward].astype(np.float32)
        opaque = rgba[outward, 3] > 127
        behind = color[outward].astype(np.float32)
        span = surface - behind
        square = (span * span).sum(1)
        mixed = np.clip(((here - behind) * span).sum(1) / np.maximum(square, 1), 0, 1)
        hard = inside.astype(np.float32)
        # Too alike to tell them apart, or nothing but surface around: go by the centre.
        # A thing so thin that it has no inside keeps its own colour.
        thin = inside & (inward == border)
        unclear = (square < 3000) | flat[outward] | thin
        matted = np.where(unclear, hard, mixed)
        # A centre that is covered shows at least some surface, and the other way round.
        matted = np.where(inside, np.maximum(matted, 0.35), np.minimum(matted, 0.65))
        alpha = np.where(opaque, matted, rgba[border, 3] / np.float32(255)).astype(np.float32)
        alpha = np.where((near < 0) & ~inside, 0, alpha).astype(np.float32)
        straight = np.where(
            opaque[:, None], surface, np.where(rgba[border, 3:] > 24, here, surface)
        )
        own = np.where(inside, border, inward)
        albedo = None
        if canvas.albedo is not None:
            albedo = canvas.albedo.reshape(-1, 3)[inward]
        return cls(
            border,
            width,
            alpha,
            canvas.depth.reshape(-1)[own],
            canvas.normal.reshape(-1, 3)[own],
            _linear(straight),
            None if albedo is None else _linear(albedo),
        )

    def apply(
        self,
        first: int,
        last: int,
        depth: Plane,
        alpha: Plane,
        normal: Plane,
        color: Plane,
        albedo: Plane | None,
    ) -> None:
        """Put the values into planes of rows first to last, in place."""
        start, stop = np.searchsorted(self.index, (first * self.width, last * self.width))
        if start == stop:
            return
        part = slice(start, stop)
        shown = self.alpha[part] > 0
        at = self.index[part] - first * self.width
        alpha.reshape(-1)[at] = self.alpha[part]
        at = at[shown]
        depth.reshape(-1)[at] = self.depth[part][shown]
        for axis in range(3):
            normal[axis].reshape(-1)[at] = self.normal[part, axis][shown]
            color[axis].reshape(-1)[at] = self.color[part, axis][shown]
            if albedo is not None and self.albedo is not None:
                albedo[axis].reshape(-1)[at] = self.albedo[part, axis][shown]


@dataclass(frozen=True, slots=True, eq=False)
class Slivers:
    """Faces of one pixel's width, with the normal of what is beside them.

    They lie in a surface, or turn away where one surface ends before another and the color shows
    nothing of them. Seen at pixel centres such a face is there in one pixel and gone in the next:
    dashed lines.
    """

    index: NDArray[np.intp]
    width: int
    normal: Plane

    @classmethod
    def of(
        cls,
        depths: Plane,
        all_normals: Plane,
        colors: NDArray[np.uint8],
        check: Callable[[], None] = lambda: None,
    ) -> Slivers:
        """Of (h, w) depths, inf where nothing is, (h, w, 3) normals and (h, w, 3 or 4) colors."""
        height, width = depths.shape
        indices: list[NDArray[np.intp]] = []
        normals: list[Plane] = []
        rows = max(16, (1 << 18) // width)
        for first in range(1, height - 1, rows):
            last = min(height - 1, first + rows)
            check()
            normal = all_normals[first - 1 : last + 1]
            depth = depths[first - 1 : last + 1]
            middle = normal[1:-1, 1:-1]
            sliver = np.zeros(middle.shape[:2], np.bool_)
            mean = np.zeros_like(middle)
            covered = np.isfinite(depth[1:-1, 1:-1])
            for a, b in (
                ((slice(1, -1), slice(None, -2)), (slice(1, -1), slice(2, None))),
                ((slice(None, -2), slice(1, -1)), (slice(2, None), slice(1, -1))),
            ):
                alike = np.einsum("ijk,ijk->ij", normal[a], normal[b])
                own = np.einsum("ijk,ijk->ij", middle, normal[a])
                narrow = own < 0.93
                narrow &= np.einsum("ijk,ijk->ij", middle, normal[b]) < 0.93
                narrow &= (alike < 0.985) & ~sliver & covered
                unseen, instead = _unseen(narrow, first, a, depths, all_normals, colors)
                mean[unseen] = instead
                sliver[unseen] = True
                there = (alike > 0.985) & (own < 0.93)
                if not there.any():
                    continue
                here = depth[1:-1, 1:-1]
                with np.errstate(invalid="ignore"):
                    even = np.abs((depth[a] + depth[b]) * np.float32(0.5) - here) < here * 0.01
                there &= even & ~sliver
                mean[there] = normal[a][there]
                sliver |= there
            y, x = np.nonzero(sliver)
            indices.append((y + first) * width + x + 1)
            normals.append(mean[sliver])
        if not indices:
            return cls(np.empty(0, np.intp), width, np.empty((0, 3), np.float32))
        return cls(np.concatenate(indices), width, np.concatenate(normals))

    def apply(self, first: int, last: int, normal: Plane) -> None:
        """Put the normals into (3, …) planes of rows first to last, in place."""
        start, stop = np.searchsorted(self.index, (first * self.width, last * self.width))
        at = self.index[start:stop] - first * self.width
        for axis in range(3):
            normal[axis].reshape(-1)[at] = self.normal[start:stop, axis]


def _unseen(
    narrow: NDArray[np.bool_],
    first: int,
    before: tuple[slice, slice],
    depth: Plane,
    normals: Plane,
    colors: NDArray[np.uint8],
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], Plane]:
    """Which narrow faces between two even surfaces have no color of their own, and the normal of
    the one that they belong to.

    narrow: of the rows from `first` on. before: which of its neighbors comes first.
    """
    y, x = np.nonzero(narrow)
    down, right = (1, 0) if before[0].start is None else (0, 1)
    height, width = depth.shape
    row, column = y + first, x + 1
    inside = (row >= 2 * down) & (row < height - 2 * down)
    inside &= (column >= 2 * right) & (column < width - 2 * right)
    y, x, row, column = y[inside], x[inside], row[inside], column[inside]

    def beside(plane: NDArray, steps: int) -> NDArray:
        return plane[row + steps * down, column + steps * right]

    here = depth[row, column]
    near, far = beside(depth, -1), beside(depth, 1)
    with np.errstate(invalid="ignore"):
        far_gap, near_gap = np.abs(far - here), np.abs(near - here)
        # Not a wire before a wall: it goes on in one of the two.
        chosen = np.isfinite(far_gap + near_gap) & (np.minimum(far_gap, near_gap) < here * 0.02)
    one, other = beside(normals, -1), beside(normals, 1)
    chosen &= np.einsum("ij,ij->i", one, beside(normals, -2)) > 0.9
    chosen &= np.einsum("ij,ij->i", other, beside(normals, 2)) > 0.9
    color = colors[..., :3]
    shown = color[row, column].astype(np.int16)
    low, high = (beside(color, way).astype(np.int16) for way in (-1, 1))
    chosen &= (shown >= np.minimum(low, high) - _ALIKE).all(1)
    chosen &= (shown <= np.maximum(low, high) + _ALIKE).all(1)
    # It goes with what it is not cut off from, else with what it looks like.
    differs = np.abs(shown - low).sum(1) - np.abs(shown - high).sum(1)
    first_one = np.where(near_gap > here * 0.01, False, (far_gap > here * 0.01) | (differs <= 0))
    normal = np.where(first_one[:, None], one, other)
    return (y[chosen], x[chosen]), normal[chosen]


def _border(covered: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Flat indices of covered pixels beside nothing, and of empty ones beside a surface."""
    edge = np.zeros_like(covered)
    for a, b in (
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
        ((slice(1, None), slice(1, None)), (slice(None, -1), slice(None, -1))),
        ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))),
    ):
        differ = covered[a] != covered[b]
        edge[a] |= differ
        edge[b] |= differ
    return np.flatnonzero(edge)


def _linear(code: Plane | NDArray[np.uint8]) -> Plane:
    value = np.asarray(code, np.float32) / np.float32(255)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )
