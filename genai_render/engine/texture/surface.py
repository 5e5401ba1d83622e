# SPDX-License-Identifier: GPL-3.0-or-later
"""What a texture lies on: the triangles of an object, where they are in the world and in it.

World space is Z up, in metres. A texture's row 0 is on top, where v is 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..raster.arrays import Floats

_BLOCK = 1 << 18  # texels that are worked on at a time
_MOST_TILES = 4.0  # a triangle that lies over more of them is not drawn
_USED_BOTH = 256  # pixels a side: enough to tell what shares a texture
_THIN = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """An object's triangles.

    points: (T, 3, 3) float32, metres in world space. normals: (T, 3, 3) float32, of the corners as
    they are shaded, world space. uvs: (T, 3, 2) float32. vertices: (T, 3) int, the same number for
    corners that are one point. mirrored: its matrix turns it inside out, as a negative scale does.
    """

    points: Floats
    normals: Floats
    uvs: Floats
    vertices: NDArray[np.intp]
    mirrored: bool = False

    @property
    def count(self) -> int:
        return len(self.points)

    def areas(self) -> Floats:
        """Square metres of each triangle."""
        return np.linalg.norm(self._across(), axis=1) / 2

    def faces(self) -> Floats:
        """(T, 3) unit vectors: the side of each triangle that is outside."""
        across = self._across() * (-1.0 if self.mirrored else 1.0)
        size = np.linalg.norm(across, axis=1, keepdims=True)
        return (across / np.maximum(size, _THIN)).astype(np.float32)

    def _across(self) -> Floats:
        first, second, third = (self.points[:, i].astype(np.float64) for i in range(3))
        return np.cross(second - first, third - first)

    def uv_areas(self) -> Floats:
        """Of the texture, 1 for all of it."""
        return np.abs(_twice_area(self.uvs.astype(np.float64))) / 2


def joined(parts: list[Surface]) -> Surface:
    """Surfaces that share a texture, as one. The first decides whether it is mirrored: the others
    are turned so that it holds for them, too."""
    if len(parts) == 1:
        return parts[0]
    base = 0
    turned: list[Surface] = []
    for part in parts:
        same = part.mirrored == parts[0].mirrored
        order = [0, 1, 2] if same else [0, 2, 1]
        turned.append(
            Surface(
                part.points[:, order],
                part.normals[:, order],
                part.uvs[:, order],
                part.vertices[:, order] + base,
                parts[0].mirrored,
            )
        )
        base += int(part.vertices.max(initial=-1)) + 1
    names = ("points", "normals", "uvs", "vertices")
    whole = {name: np.concatenate([getattr(one, name) for one in turned]) for name in names}
    return replace(turned[0], **whole)


def welded(vertices: NDArray[np.intp], places: Floats) -> NDArray[np.intp]:
    """The same number for vertices that lie in one place, as a split edge has them."""
    low = places.min(axis=0) if len(places) else np.zeros(3)
    span = float(np.ptp(places, axis=0).max()) if len(places) else 1.0
    grid = np.round((places - low) / max(span * 1e-6, 1e-12)).astype(np.int64)
    _, number = np.unique(grid, axis=0, return_inverse=True)
    return number.reshape(-1).astype(np.intp)[vertices]


def inside_out(surface: Surface) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For each triangle: whether its piece has its outside within, and whether the piece is closed.

    Only a closed piece has an inside; of an open one both sides are seen.
    """
    faces = surface.vertices
    if not len(faces):
        return np.zeros(0, bool), np.zeros(0, bool)
    piece = _pieces(faces)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    owner = np.tile(piece, 3)
    real = edges[:, 0] != edges[:, 1]
    code = edges[:, 0].astype(np.int64) * (int(faces.max()) + 1) + edges[:, 1]
    _, first, how_many = np.unique(code[real], return_index=True, return_counts=True)
    count = int(piece.max()) + 1
    open_ = np.bincount(owner[real][first], weights=how_many % 2, minlength=count) > 0
    points = surface.points.astype(np.float64)
    points = points - points.reshape(-1, 3).mean(axis=0)
    volume = (points[:, 0] * np.cross(points[:, 1], points[:, 2])).sum(-1)
    if surface.mirrored:
        volume = -volume
    within = np.bincount(piece, weights=volume, minlength=count) < 0
    closed = ~open_
    return (within & closed)[piece], closed[piece]


def _pieces(faces: NDArray[np.intp]) -> NDArray[np.intp]:
    """A number for each triangle: the same for all that hang together."""
    label = np.arange(int(faces.max()) + 1)
    while True:
        least = label[faces].min(axis=1)
        new = label.copy()
        for corner in range(3):
            np.minimum.at(new, faces[:, corner], least)
        new = new[new]  # twice as far each time
        if (new == label).all():
            break
        label = new
    _, number = np.unique(label[faces[:, 0]], return_inverse=True)
    return number.reshape(-1)


# --- texel by texel -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Texels:
    """Some texels of a texture. triangle: (N,), whose they are. place: (N,), row · side + column.
    share: (N, 3) float32, how much of each corner is in it."""

    triangle: NDArray[np.intp]
    place: NDArray[np.intp]
    share: Floats

    def of(self, corners: Floats) -> Floats:
        """(N, …) between the values of the corners, (T, 3, …)."""
        taken = corners[self.triangle]
        return np.einsum("nk,nkc->nc", self.share, taken)


def texels(uvs: Floats, side: int) -> Iterator[Texels]:
    """All texels whose middles the triangles cover, in blocks. Of two triangles with an edge in
    common, one has each texel of it."""
    corners = np.empty(uvs.shape, np.float64)
    tile = np.floor(uvs.reshape(len(uvs), 3, 2).min(axis=1, initial=np.inf))
    inner = uvs.astype(np.float64) - np.where(np.isfinite(tile), tile, 0)[:, None]
    corners[..., 0] = inner[..., 0] * side - 0.5
    corners[..., 1] = (1 - inner[..., 1]) * side - 0.5
    good = np.asarray(np.isfinite(corners).all(axis=(1, 2)))
    good &= np.where(good[:, None, None], inner, 0).max(axis=(1, 2), initial=0) <= _MOST_TILES
    good &= np.abs(_twice_area(np.where(good[:, None, None], corners, 0))) > 1e-9
    which = np.nonzero(good)[0]
    corners = corners[which]
    if not len(which):
        return
    first = np.ceil(corners[..., 1].min(axis=1)).astype(np.int64)
    last = np.ceil(corners[..., 1].max(axis=1)).astype(np.int64)  # not that row any more
    rows = np.maximum(last - first, 0)
    ends = np.cumsum(rows)
    start = 0
    while start < len(which):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _BLOCK, side="right")))
        part = slice(start, stop)
        yield from _of_rows(corners[part], which[part], first[part], rows[part], side)
        start = stop


def _of_rows(
    corners: Floats,
    which: NDArray[np.intp],
    first: NDArray[np.int64],
    rows: NDArray[np.int64],
    side: int,
) -> Iterator[Texels]:
    own = np.repeat(np.arange(len(which)), rows)
    if not len(own):
        return
    row = np.arange(len(own)) - np.repeat(np.cumsum(rows) - rows, rows) + first[own]
    left, right = np.full(len(own), np.inf), np.full(len(own), -np.inf)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        # From the upper end, so that both triangles of an edge compute the very same.
        swap = corners[:, i, 1] > corners[:, j, 1]
        above = np.where(swap[:, None], corners[:, j], corners[:, i])
        below = np.where(swap[:, None], corners[:, i], corners[:, j])
        height = below[:, 1] - above[:, 1]
        slope = (below[:, 0] - above[:, 0]) / np.where(height > 0, height, 1)
        crossed = (above[own, 1] <= row) & (row < below[own, 1])
        at = above[own, 0] + (row - above[own, 1]) * slope[own]
        left = np.where(crossed, np.minimum(left, at), left)
        right = np.where(crossed, np.maximum(right, at), right)
    some = np.isfinite(left) & np.isfinite(right)
    begin = np.ceil(np.where(some, left, 0)).astype(np.int64)
    width = np.where(some, np.ceil(np.where(some, right, 0)).astype(np.int64) - begin, 0)
    width = np.maximum(width, 0)
    ends = np.cumsum(width)
    inverse = _inverse(corners)
    start = 0
    while start < len(own):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _BLOCK, side="right")))
        part = slice(start, stop)
        count = width[part]
        span = np.repeat(np.arange(start, stop), count)
        start = stop
        if not len(span):
            continue
        column = np.arange(len(span)) - np.repeat(np.cumsum(count) - count, count) + begin[span]
        line, triangle = row[span], own[span]
        x, y = column - corners[triangle, 2, 0], line - corners[triangle, 2, 1]
        share = np.empty((len(span), 3), np.float32)
        share[:, 0] = inverse[triangle, 0, 0] * x + inverse[triangle, 0, 1] * y
        share[:, 1] = inverse[triangle, 1, 0] * x + inverse[triangle, 1, 1] * y
        np.clip(share[:, :2], 0, 1, out=share[:, :2])
        share[:, 2] = np.clip(1 - share[:, 0] - share[:, 1], 0, 1)
        place = (line % side) * side + column % side
        yield Texels(which[triangle], place.astype(np.intp), share)


def _inverse(corners: Floats) -> Floats:
    """(T, 2, 2): from a place to how much of the first two corners is in it."""
    a, b = corners[:, 0] - corners[:, 2], corners[:, 1] - corners[:, 2]
    twice = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    out = np.empty((len(corners), 2, 2))
    out[:, 0, 0], out[:, 0, 1] = b[:, 1], -b[:, 0]
    out[:, 1, 0], out[:, 1, 1] = -a[:, 1], a[:, 0]
    return out / twice[:, None, None]


def _twice_area(corners: Floats) -> Floats:
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def shared(uvs: Floats) -> float:
    """Which part of the used texture more than one place of the surface lies on, 0 to 1."""
    count = np.zeros(_USED_BOTH * _USED_BOTH, np.int64)
    for block in texels(uvs, _USED_BOTH):
        count += np.bincount(block.place, minlength=count.size)
    used = int((count > 0).sum())
    return float((count > 1).sum()) / used if used else 0.0
