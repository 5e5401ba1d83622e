# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture of one view carried into another one, by what both views know of the same surfaces.

Each pixel of the target is a point of the scene; the source's camera says where it saw that point,
and the source's depth whether it did: something may have been in front of it. What is carried
keeps its place in the scene to a fraction of a pixel, and what the source did not see is told.

World space is Z up, in metres. Coordinates of pixels count from the centre of the first one.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import lazy
from ..errors import InvalidInput
from .canvas import Canvas, View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
else:
    np = lazy.module("numpy")

_BAND = 1 << 18  # pixels that are carried at a time
_THREADS = 4

_NEAR = 0.002  # relative: what two captures of one surface may be apart
_JUMP = 4.0  # a step to a neighbour so many times as high as that to the other one is an edge
_STEEPEST = 0.2  # relative to the distance: a higher step from pixel to pixel is no slope
_ENOUGH = 0.3  # of the weights of the pixels around a point: it was seen

# How squarely the source saw a surface, against how squarely the target sees it.
_SQUARE, _GRAZING = 0.25, 0.17
_BEHIND = -0.05  # of the cosine: the other side of it

_FLOOR_REACH = 12.0  # times as far as the scene is large: where the ground under it ends


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """What came over, of the target's size.

    color: (H, W, channels) uint8, the picture where it was seen, black elsewhere.
    unseen: (H, W) float32, 1 where the source saw nothing of it, 0 where it did, soft between.
    """

    color: NDArray[np.uint8]
    unseen: NDArray[np.float32]

    @property
    def share(self) -> float:
        """How much of the target was not seen, 0 to 1."""
        return float(self.unseen.mean())


def carry(
    picture: NDArray[np.uint8],
    source: Canvas,
    target: Canvas,
    *,
    points: Floats | None = None,
    grow: int = 2,
    background: bool = True,
) -> Carried:
    """The picture of `source` as the camera of `target` sees it.

    picture: (H, W, channels); of another size than its canvas where a model gave it so.
    points: (H, W, 3), where in the world each pixel of the target was when the source was seen,
        for scenes in motion; without, nothing has moved.
    grow: pixels by which the unseen is larger than it is, so that what a silhouette has mixed into
        its neighbours does not stay.
    background: whether what has no surface is carried, too: along the ground under the scene, and
        as far away as it can be; else it counts as unseen.
    Raises InvalidInput for a picture of another shape than its view.
    """
    source = at_picture(source, picture)
    seen_from = Source(picture, source)
    floor = _floor(source) if background else None
    height, width = target.height, target.width
    color = np.zeros((height, width, picture.shape[2]), np.uint8)
    weight = np.zeros((height, width), np.float32)
    rows = max(1, _BAND // width)

    def work(top: int) -> None:
        part = slice(top, min(height, top + rows))
        moved = None if points is None else points[part]
        color[part], weight[part] = _band(seen_from, target, part, moved, floor, background)

    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        for _ in pool.map(work, range(0, height, rows)):  # raises what went wrong in one
            pass
    _without_specks(color, weight)
    return Carried(color, _softened(1 - weight, grow))


def at_picture(canvas: Canvas, picture: NDArray[Any]) -> Canvas:
    """The canvas with one pixel for each of a picture that was made of it."""
    height, width = picture.shape[:2]
    if (height, width) == (canvas.height, canvas.width):
        return canvas
    check_shape(canvas, picture)
    across = (np.arange(width) + 0.5) * canvas.width / width - 0.5
    down = (np.arange(height) + 0.5) * canvas.height / height - 0.5
    column = np.clip(np.round(across), 0, canvas.width - 1).astype(np.intp)
    row = np.clip(np.round(down), 0, canvas.height - 1).astype(np.intp)
    grid = np.ix_(row, column)
    view = replace(canvas.view, width=width, height=height)
    depth = _between(canvas.depth, across, down, canvas.depth[grid])
    return Canvas(canvas.color[grid], depth, canvas.normal[grid], view)


def check_shape(canvas: Canvas, picture: NDArray[Any]) -> None:
    """Raises InvalidInput for a picture of another shape than the canvas."""
    height, width = picture.shape[:2]
    if not canvas.view.has_shape_of(width, height):
        raise InvalidInput(
            "The image has another shape than the view that it was made from.",
            f"It has {width} × {height} pixels, the view {canvas.width} × {canvas.height}.",
            "Choose an image that was not cropped or extended.",
        )


def _between(
    depth: NDArray[np.float32], across: Floats, down: Floats, nearest: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Distances between pixels: mixed on one surface, never across an edge."""
    height, width = depth.shape
    left = np.clip(np.floor(across), 0, width - 2).astype(np.intp)
    top = np.clip(np.floor(down), 0, height - 2).astype(np.intp)
    x, y = (across - left).astype(np.float32), (down - top).astype(np.float32)[:, None]
    taps = [depth[np.ix_(top + j, left + i)] for j in (0, 1) for i in (0, 1)]
    slope = np.maximum(_slope(depth, 1), _slope(depth, 0))[np.ix_(top, left)]
    with np.errstate(invalid="ignore"):
        mixed = (taps[0] * (1 - x) + taps[1] * x) * (1 - y) + (taps[2] * (1 - x) + taps[3] * x) * y
        high, low = np.maximum.reduce(taps), np.minimum.reduce(taps)
        smooth = high - low <= 4 * slope + _NEAR * low
    return np.where(smooth & np.isfinite(mixed), mixed, nearest).astype(np.float32)


def world_points(canvas: Canvas, part: slice = slice(None)) -> Floats:
    """(rows, W, 3): where in the world the surface of each pixel is. Not finite where none is."""
    camera = _camera_points(canvas.view, canvas.depth[part], part)
    matrix = np.array(canvas.view.camera_to_world, np.float64)
    return camera @ matrix[:3, :3].T + matrix[:3, 3]


# --- where a point is seen ------------------------------------------------------------------------


def _camera_points(view: View, depth: NDArray[np.float32], part: slice) -> Floats:
    """(rows, W, 3) in the camera's space, at those distances along its axis."""
    p = np.array(view.projection_matrix, np.float64)
    first, last, _ = part.indices(view.height)
    x = (np.arange(view.width) + 0.5) / view.width * 2 - 1
    y = 1 - (np.arange(first, last) + 0.5)[:, None] / view.height * 2
    z = -depth.astype(np.float64)
    out = np.empty((*depth.shape, 3))
    with np.errstate(invalid="ignore"):
        w = p[3, 2] * z + p[3, 3]
        out[..., 0] = (x * w - p[0, 2] * z - p[0, 3]) / p[0, 0]
        out[..., 1] = (y * w - p[1, 2] * z - p[1, 3]) / p[1, 1]
    out[..., 2] = z
    return out


def _rays(view: View, part: slice) -> Floats:
    """(rows, W, 3) in the camera's space: how far a point moves with 1 metre of distance."""
    first, last, _ = part.indices(view.height)
    shape = (last - first, view.width)
    one = _camera_points(view, np.ones(shape, np.float32), part)
    return one - _camera_points(view, np.zeros(shape, np.float32), part)


def project(view: View, camera: Floats) -> tuple[Floats, Floats, Floats]:
    """Column, row and distance of points in the camera's space; NaN for what is behind it."""
    p = np.array(view.projection_matrix, np.float64)
    x, y, z = camera[..., 0], camera[..., 1], camera[..., 2]
    w = p[3, 2] * z + p[3, 3]
    w = np.where(w > 0, w, np.nan)
    column = ((p[0, 0] * x + p[0, 2] * z + p[0, 3]) / w * 0.5 + 0.5) * view.width - 0.5
    row = (0.5 - (p[1, 1] * y + p[1, 2] * z + p[1, 3]) / w * 0.5) * view.height - 0.5
    return column, row, -z


class Source:
    """The picture, and all that is asked of its view, pixel by pixel."""

    def __init__(self, picture: NDArray[np.uint8], canvas: Canvas) -> None:
        self.view = canvas.view
        self.pixels = np.ascontiguousarray(picture).reshape(-1, picture.shape[2])
        self.depth = canvas.depth.reshape(-1)
        self.across = _slope(canvas.depth, 1).reshape(-1)
        self.down = _slope(canvas.depth, 0).reshape(-1)
        self.to_world = np.array(canvas.view.camera_to_world, np.float64)
        self.whole = _one_surface(canvas.depth, self.across, self.down).reshape(-1)


def _slope(depth: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """How much the distance changes from pixel to pixel on the surface that a pixel is of."""
    with np.errstate(invalid="ignore"):
        step = np.abs(np.diff(depth, axis=axis))
    step[~np.isfinite(step)] = np.inf
    edge = [(0, 0), (0, 0)]
    edge[axis] = (1, 0)
    before = np.pad(step, edge, constant_values=np.inf)
    edge[axis] = (0, 1)
    after = np.pad(step, edge, constant_values=np.inf)
    low, high = np.minimum(before, after), np.maximum(before, after)
    with np.errstate(invalid="ignore"):
        found = np.where(high <= _JUMP * low + _NEAR * depth, high, low)
    return np.minimum(np.nan_to_num(found, posinf=np.inf), _STEEPEST * depth).astype(np.float32)


def _one_surface(
    depth: NDArray[np.float32], across: NDArray[np.float32], down: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Whether the 4 × 4 pixels around the square behind each are of one surface."""
    across, down = across.reshape(depth.shape), down.reshape(depth.shape)
    whole = np.ones(depth.shape, bool)
    for axis, slope in ((1, across), (0, down)):
        with np.errstate(invalid="ignore"):
            step = np.abs(np.diff(depth, axis=axis))
            jump = ~(step <= 2 * np.take(slope, range(depth.shape[axis] - 1), axis) + 1e-12)
        both = ~np.isfinite(depth)
        first = np.take(both, range(depth.shape[axis] - 1), axis)
        second = np.take(both, range(1, depth.shape[axis]), axis)
        jump &= ~(first & second)
        edge = [(0, 0), (0, 0)]
        edge[axis] = (0, 1)
        whole &= ~np.pad(jump, edge, constant_values=True)
    out = np.zeros_like(whole)
    if min(depth.shape) > 3:
        inner = np.ones((depth.shape[0] - 3, depth.shape[1] - 3), bool)
        for y in range(4):
            for x in range(4):
                block = whole[y : y + inner.shape[0], x : x + inner.shape[1]]
                inner &= block
        out[1:-2, 1:-2] = inner
    return out


def _band(
    source: Source,
    target: Canvas,
    part: slice,
    moved: Floats | None,
    floor: float | None,
    background: bool,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Color, and how surely it was seen, of some rows of the target."""
    depth = target.depth[part]
    shape = depth.shape
    there = np.isfinite(depth)
    to_world = np.array(target.view.camera_to_world, np.float64)
    to_source = np.linalg.inv(source.to_world) @ to_world
    camera = _camera_points(target.view, np.where(there, depth, np.float32(1)), part)
    if moved is None:
        points = camera @ to_source[:3, :3].T + to_source[:3, 3]
    else:
        back = np.linalg.inv(source.to_world)
        points = moved @ back[:3, :3].T + back[:3, 3]
    facing = np.ones(shape)
    if moved is None:  # what turned meanwhile shows another side than its normal says
        facing = _facing(source, target, part, points, to_source)
    free = np.zeros(shape, bool)
    if background and not there.all():
        free = _background(source, target, part, ~there, points, to_source, floor)
    column, row, distance = project(source.view, points)
    distance = np.where(free, np.inf, distance)
    usable = (there | free) & np.isfinite(column) & np.isfinite(row)
    color, weight = sampled(source, column, row, distance, usable)
    weight *= np.where(there, facing, 1)
    return color, weight


def _facing(
    source: Source, target: Canvas, part: slice, points: Floats, to_source: Floats
) -> Floats:
    """1 where the source saw the same side of a surface squarely enough, 0 where it did not."""
    normal = target.normal[part].astype(np.float64)
    own = -(normal * _rays(target.view, part)).sum(-1)
    if target.view.projection == "PERSP":
        own /= np.linalg.norm(_rays(target.view, part), axis=-1)
    there = normal @ to_source[:3, :3].T
    if source.view.projection == "PERSP":
        length = np.maximum(np.linalg.norm(points, axis=-1), 1e-9)
        its = -(there * points).sum(-1) / length
    else:
        its = there[..., 2]
    ratio = its / np.maximum(np.abs(own), 1e-3)
    # Where the target itself sees it at a grazing angle, no more can be asked of the source.
    square = np.clip((ratio - _GRAZING) / (_SQUARE - _GRAZING), 0, 1)
    return np.where(its < _BEHIND, 0, np.where(np.abs(own) < 0.2, 1, square))


def _floor(source: Canvas) -> float | None:
    """The height of the ground that a scene without one stands on: of its lowest point."""
    covered = source.covered
    if covered.all() or not covered.any():
        return None
    lowest = np.inf
    for top in range(0, source.height, 256):
        part = slice(top, top + 256)
        if covered[part].any():
            lowest = min(lowest, world_points(source, part)[covered[part]][:, 2].min())
    return float(lowest)


def _background(
    source: Source,
    target: Canvas,
    part: slice,
    bare: NDArray[np.bool_],
    points: Floats,
    to_source: Floats,
    floor: float | None,
) -> NDArray[np.bool_]:
    """Put the points of what has no surface where the source may have seen them: on the ground
    under the scene (a picture may have laid shadows there), else in the same direction."""
    to_world = np.array(target.view.camera_to_world, np.float64)
    rays = _rays(target.view, part)[bare]
    along = rays @ to_world[:3, :3].T
    start = _camera_points(target.view, np.zeros(bare.shape, np.float32), part)[bare]
    start = start @ to_world[:3, :3].T + to_world[:3, 3]
    far = rays @ to_source[:3, :3].T
    direction = far / np.maximum(np.linalg.norm(far, axis=-1, keepdims=True), 1e-9)
    placed = direction * 1e7
    possible = np.ones(len(rays), bool)
    if source.view.projection == "ORTHO" or target.view.projection == "ORTHO":
        # Parallel rays have no far away: only what looks the same way sees the same.
        possible[:] = bool(np.allclose(to_source[:3, :3], np.eye(3), atol=1e-4))
        placed = start @ np.linalg.inv(source.to_world)[:3, :3].T
        placed = placed + np.linalg.inv(source.to_world)[:3, 3]
    if floor is not None:
        down = along[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = (floor - start[:, 2]) / down
        seen = np.isfinite(target.depth)
        limit = _FLOOR_REACH * float(target.depth[seen].max()) if seen.any() else 0.0
        lands = (reach > 0) & (reach < limit)
        ground = start + along * np.where(lands, reach, 0)[:, None]
        back = np.linalg.inv(source.to_world)
        placed = np.where(lands[:, None], ground @ back[:3, :3].T + back[:3, 3], placed)
        possible |= lands
    points[bare] = placed
    free = bare.copy()
    free[bare] = possible
    return free


# --- what is seen there ---------------------------------------------------------------------------


def sampled(
    source: Source, column: Floats, row: Floats, distance: Floats, usable: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    width, height = source.view.width, source.view.height
    with np.errstate(invalid="ignore"):
        usable &= (column > -0.5) & (column < width - 0.5) & (row > -0.5) & (row < height - 0.5)
    channels = source.pixels.shape[1]
    color = np.zeros((*usable.shape, channels), np.uint8)
    weight = np.zeros(usable.shape, np.float32)
    if not usable.any():
        return color, weight
    column, row = column[usable], row[usable]
    distance = distance[usable].astype(np.float32)
    left, top = np.floor(column).astype(np.intp), np.floor(row).astype(np.intp)
    across = (column - left).astype(np.float32)
    down = (row - top).astype(np.float32)
    total = np.zeros(len(left), np.float32)
    mixed = np.zeros((len(left), channels), np.float32)
    for y in (0, 1):
        for x in (0, 1):
            tap = np.clip(top + y, 0, height - 1) * width + np.clip(left + x, 0, width - 1)
            off_x, off_y = np.abs(x - across), np.abs(y - down)
            share = (1 - off_x) * (1 - off_y)
            share = share * _same_surface(source, tap, distance, off_x, off_y)
            total += share
            mixed += source.pixels[tap] * share[:, None]
    seen = total >= _ENOUGH
    mixed /= np.maximum(total, 1e-6)[:, None]
    inside = (left >= 1) & (top >= 1) & (left < width - 2) & (top < height - 2)
    corner = np.clip(top, 0, height - 1) * width + np.clip(left, 0, width - 1)
    smooth = seen & inside & (total > 0.999) & source.whole[corner]
    mixed[smooth] = _cubic(source, corner[smooth], across[smooth], down[smooth])
    mixed[~seen] = 0
    color[usable] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)
    weight[usable] = seen
    return color, weight


def _same_surface(
    source: Source,
    tap: NDArray[np.intp],
    distance: NDArray[np.float32],
    off_x: NDArray[np.float32],
    off_y: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Whether the pixel of the source is of the point's surface, as far away as its slope says."""
    there = source.depth[tap]
    with np.errstate(invalid="ignore"):
        slope = source.across[tap] * off_x + source.down[tap] * off_y
        tolerance = _NEAR * distance + np.float32(1.5) * slope
        same = np.abs(there - distance) <= tolerance
    return np.where(np.isfinite(distance), same & np.isfinite(there), ~np.isfinite(there))


def _cubic(
    source: Source, corner: NDArray[np.intp], x: NDArray[np.float32], y: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Between pixels by Catmull and Rom's curve, which keeps a picture as sharp as it is."""
    across, down = _catmull_rom(x), _catmull_rom(y)
    mixed = np.zeros((len(corner), source.pixels.shape[1]), np.float32)
    for j in range(4):
        line = np.zeros_like(mixed)
        for i in range(4):
            tap = corner + ((j - 1) * source.view.width + i - 1)
            line += source.pixels[tap] * across[i][:, None]
        mixed += line * down[j][:, None]
    return mixed


def _catmull_rom(t: NDArray[np.float32]) -> tuple[Floats, ...]:
    square, cube = t * t, t * t * t
    return (
        np.float32(0.5) * (-t + 2 * square - cube),
        np.float32(0.5) * (2 - 5 * square + 3 * cube),
        np.float32(0.5) * (t + 4 * square - 3 * cube),
        np.float32(0.5) * (cube - square),
    )


# --- the unseen -----------------------------------------------------------------------------------


def _without_specks(color: NDArray[np.uint8], weight: NDArray[np.float32]) -> None:
    """Fill single pixels that only rounding has left out, from those around them."""
    unseen = weight <= 0
    if not unseen.any():
        return
    padded = np.pad(unseen, 1, mode="edge")
    height, width = unseen.shape
    offsets = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    around = np.zeros(unseen.shape, np.uint8)
    for y, x in offsets:
        around += padded[y : y + height, x : x + width]
    rows, columns = np.nonzero(unseen & (around <= 2))
    total = np.zeros((len(rows), color.shape[2]), np.float32)
    count = np.zeros((len(rows), 1), np.float32)
    for y, x in offsets:
        at = np.clip(rows + y - 1, 0, height - 1), np.clip(columns + x - 1, 0, width - 1)
        there = ~unseen[at]
        total += color[at] * there[:, None]
        count += there[:, None]
    color[rows, columns] = np.clip(total / np.maximum(count, 1) + 0.5, 0, 255).astype(np.uint8)
    weight[rows, columns] = 1


def _softened(unseen: NDArray[np.float32], grow: int) -> NDArray[np.float32]:
    """Larger by some pixels, the outer of which fade."""
    if not unseen.any():
        return unseen
    whole = unseen
    for _ in range(grow):
        whole = _spread(whole, np.maximum)
    faded = whole
    for _ in range(max(1, grow)):
        faded = _spread(faded, lambda a, b: a + b) / np.float32(9)
    # The blur reaches outwards; what is unseen stays so in full.
    return np.maximum(np.maximum(faded, _inner(whole, grow)), unseen).astype(np.float32)


def _inner(whole: NDArray[np.float32], grow: int) -> NDArray[np.float32]:
    for _ in range(max(0, grow - 1)):
        whole = _spread(whole, np.minimum)
    return whole


def _spread(plane: NDArray[np.float32], how: Any) -> NDArray[np.float32]:
    """Each pixel with its eight neighbours."""
    padded = np.pad(plane, 1, mode="edge")
    rows = how(how(padded[:-2], padded[1:-1]), padded[2:])
    return how(how(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


def as_mask(unseen: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W, 4): the mask of an edit that makes only the unseen: transparent there."""
    mask = np.zeros((*unseen.shape, 4), np.uint8)
    mask[..., 3] = np.round((1 - np.clip(unseen, 0, 1)) * 255).astype(np.uint8)
    return mask
