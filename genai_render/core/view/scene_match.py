# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a picture has left the scene that it was made from: its edges, found again, in pixels.

The edges of the canvas are where depth jumps and where normals turn: no light and no color draws
them. In small windows all over the picture, the shift is looked for at which those edges lie best
on edges of the picture that run the same way, whichever side of them is brighter. What is found is
how far each part has moved, and how surely it was found at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import lazy
from .canvas import Canvas
from .reprojection import check_shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    Floats = NDArray[np.float32]
else:
    np = lazy.module("numpy")
    Image = lazy.module("PIL.Image")

_SIDE = 512  # pixels of the longer side that it is computed at
_WINDOW = 64
_STEP = 32
_REACH = 20  # pixels of those that a part may have moved
_FEWEST = 24.0  # edge pixels that a window has to have
_TURN = 0.12  # of a normal from pixel to pixel: an edge
_JUMP = 0.02  # of the distance's logarithm, beyond its slope
_FOUND = 0.3  # of what a window of the very same edges would give
_SURE = 1.35  # the best shift against the second best elsewhere


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """shift: pixels of the picture, how far its edges lie from the scene's; None where none were
    found. lost: the share of the scene's edges that were not found again, 0 to 1.

    heat: (rows, columns) shift of each window in pixels; NaN where there is nothing to tell, and
    infinite where its edges were not found.
    """

    shift: float | None
    lost: float
    heat: Floats

    def left(self, limit: float) -> bool:
        """Whether the picture has left the scene by more than so many pixels."""
        return self.lost > 0.5 or (self.shift is not None and self.shift > limit)

    @property
    def text(self) -> str:
        """For people: "0.4 px off the scene, 3 % of its edges lost"."""
        lost = round(self.lost * 100)
        if self.shift is None:
            return f"{lost} % of the scene's edges are not in the image"
        off = f"{self.shift:.1f}"
        return f"{off} px off the scene, {lost} % of its edges lost"

    def to_json(self) -> dict[str, Any]:
        rows = [
            [None if math.isnan(v) else -1 if math.isinf(v) else round(float(v), 2) for v in row]
            for row in self.heat
        ]
        shift = None if self.shift is None else round(self.shift, 3)
        return {"shift": shift, "lost": round(self.lost, 4), "heat": rows}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Match:
        """Raises KeyError, TypeError or ValueError for what `to_json` has not made."""
        heat = np.array(
            [
                [math.nan if v is None else math.inf if v < 0 else float(v) for v in row]
                for row in values["heat"]
            ],
            np.float32,
        )
        shift = values["shift"]
        if heat.ndim != 2:
            raise ValueError("heat")
        return cls(None if shift is None else float(shift), float(values["lost"]), heat)


def match(canvas: Canvas, picture: NDArray[np.uint8]) -> Match | None:
    """None where the scene has no edges to go by, as a plain wall has none.

    Raises InvalidInput for a picture of another shape than its view.
    """
    scale = max(1.0, max(picture.shape[:2]) / _SIDE)
    height, width = (max(1, round(side / scale)) for side in picture.shape[:2])
    small = np.asarray(
        Image.fromarray(picture[..., :3]).resize((width, height), Image.Resampling.BOX)
    )
    check_shape(canvas, picture)
    # Of an even number of pixels that become one, none is the middle one: both beside it are taken.
    scene = (_lines(canvas, small, np.floor) + _lines(canvas, small, np.ceil)) / 2
    drawn = _drawn(small)
    windows = _windows(scene, drawn)
    if windows is None:
        return None
    amount, score, sure, moved, shape = windows
    found = (score >= _FOUND) & sure
    told = amount >= _FEWEST
    if not told.any():
        return None
    weight = amount * told
    lost = float((weight * ~found).sum() / weight.sum())
    heat = np.where(told, np.where(found, moved * scale, np.inf), np.nan).astype(np.float32)
    good = weight * found
    shift = _median(moved, good) * scale if good.any() else None
    return Match(shift, lost, heat.reshape(shape))


def _median(values: Floats, weight: Floats) -> float:
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def heat_picture(found: Match, limit: float, width: int, height: int) -> NDArray[np.uint8]:
    """(H, W, 4) to lay over the picture: clear where nothing is told, green where it keeps to the
    scene, over yellow to red where it is off by the limit and more, or was not found."""
    off = np.where(np.isinf(found.heat), limit, found.heat) / max(limit, 1e-6)
    part = np.clip(np.nan_to_num(off), 0, 1)
    rgba = np.zeros((*off.shape, 4), np.float32)
    rgba[..., 0] = np.clip(2 * part, 0, 1)
    rgba[..., 1] = np.clip(2 - 2 * part, 0, 1)
    rgba[..., 3] = np.where(np.isnan(off), 0, 0.25 + 0.35 * part)
    flat = Image.fromarray((rgba * 255).astype(np.uint8), "RGBA")
    return np.asarray(flat.resize((width, height), Image.Resampling.BILINEAR))


# --- edges, as complex numbers: how strong, and which way at twice the angle ----------------------


def _lines(canvas: Canvas, small: NDArray[np.uint8], side: Any) -> NDArray[np.complex64]:
    """Of the scene, at the size of `small`: 1 in size on an edge."""
    grid = []
    for own, wanted in ((canvas.height, small.shape[0]), (canvas.width, small.shape[1])):
        place = (np.arange(wanted) + 0.5) * own / wanted - 0.5
        grid.append(np.clip(side(place), 0, own - 1).astype(np.intp))
    depth, normal = canvas.depth[np.ix_(*grid)], canvas.normal[np.ix_(*grid)]
    covered = np.isfinite(depth)
    far = np.where(covered, depth, np.float32(1))
    if canvas.view.projection == "PERSP":
        plane = np.log(np.maximum(far, np.float32(1e-6)))
    else:
        span = canvas.depth_range()
        size = 1.0 if span is None else max(span[1] - span[0], 1e-6)
        plane = far / np.float32(size)
    strength = []
    for axis in (0, 1):
        step = np.diff(plane, axis=axis, append=plane.take([-1], axis))
        bend = np.abs(step - np.roll(step, 1, axis))
        turn = np.diff(normal, axis=axis, append=normal.take([-1], axis))
        turned = _on_both_sides(np.sqrt((turn * turn).sum(-1)), axis)
        rim = np.diff(covered.astype(np.float32), axis=axis, append=covered.take([-1], axis))
        rim = _on_both_sides(np.abs(rim), axis)
        strong = np.maximum(np.clip(bend / _JUMP, 0, 1), np.clip(turned / (4 * _TURN), 0, 1))
        strong = np.where((bend > _JUMP) | (turned > _TURN), strong, 0)
        strength.append(np.maximum(strong, rim).astype(np.float32))
    edges = np.maximum(*strength)
    edges[:2], edges[-2:], edges[:, :2], edges[:, -2:] = 0, 0, 0, 0
    blurred = _blurred(edges)
    return _directed(blurred, np.clip(edges, 0, 1))


def _on_both_sides(step: Floats, axis: int) -> Floats:
    """Of what changes between two pixels, both are the edge: else it lay half a pixel off."""
    before = np.roll(step, 1, axis)
    return np.maximum(step, before)


def _drawn(small: NDArray[np.uint8]) -> NDArray[np.complex64]:
    """Of the picture: as strong as its surroundings let an edge be."""
    code = small.astype(np.float32) / np.float32(255)
    best = np.zeros(code.shape[:2], np.complex64)
    size = np.zeros(code.shape[:2], np.float32)
    for channel in range(3):
        down, across = np.gradient(_blurred(code[..., channel]))
        strong = np.hypot(across, down)
        better = strong > size
        squared = (across + 1j * down) ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            turned = np.where(strong > 0, squared / np.maximum(strong, 1e-9), 0)
        best = np.where(better, turned, best)
        size = np.maximum(size, strong)
    # In the dark and in mist an edge is as much of an edge: by what is around it.
    around = size
    for _ in range(3):
        around = _wide(around)
    return (best / (around + np.float32(0.012))).astype(np.complex64)


def _directed(soft: Floats, strength: Floats) -> NDArray[np.complex64]:
    """Edges as thin lines with the direction that they run in: of the ridge of their blur."""
    down, across = np.gradient(soft)
    dd, da = np.gradient(down)
    _, aa = np.gradient(across)
    # Across a ridge the blur curves most: the tensor's own direction, at twice its angle.
    double = (aa - dd) + 2j * da
    size = np.abs(double)
    with np.errstate(invalid="ignore", divide="ignore"):
        way = np.where(size > 1e-6, -double / np.maximum(size, 1e-9), 0)
    return (way * strength).astype(np.complex64)


def _blurred(plane: Floats) -> Floats:
    """By about a pixel."""
    for axis in (0, 1):
        padded = np.concatenate((plane.take([0], axis), plane, plane.take([-1], axis)), axis)
        count = plane.shape[axis]
        parts = [padded.take(range(i, i + count), axis) for i in range(3)]
        plane = (parts[0] + 2 * parts[1] + parts[2]) * np.float32(0.25)
    return plane


def _wide(plane: Floats) -> Floats:
    """The mean of 9 × 9."""
    for axis in (0, 1):
        edge = [(0, 0), (0, 0)]
        edge[axis] = (5, 4)
        total = np.cumsum(np.pad(plane, edge, mode="edge"), axis, dtype=np.float64)
        count = plane.shape[axis]
        high, low = total.take(range(9, 9 + count), axis), total.take(range(count), axis)
        plane = ((high - low) / 9).astype(np.float32)
    return plane


# --- window by window -----------------------------------------------------------------------------


def _windows(
    scene: NDArray[np.complex64], drawn: NDArray[np.complex64]
) -> tuple[Floats, Floats, NDArray[np.bool_], Floats, tuple[int, int]] | None:
    """For each window: edge pixels, how well they were found, whether surely, and how far off."""
    height, width = scene.shape
    wide = _WINDOW + 2 * _REACH
    rows = list(range(0, max(1, height - _STEP), _STEP))
    columns = list(range(0, max(1, width - _STEP), _STEP))
    pad = ((_REACH, wide), (_REACH, wide))
    scene, drawn = (np.pad(plane, pad) for plane in (scene, drawn))
    shape = (len(rows), len(columns))
    corners = [(row, column) for row in rows for column in columns]
    amount = np.array(
        [
            np.abs(
                scene[r + _REACH : r + _REACH + _WINDOW, c + _REACH : c + _REACH + _WINDOW]
            ).sum()
            for r, c in corners
        ],
        np.float32,
    )
    score, moved = np.zeros(len(corners), np.float32), np.zeros(len(corners), np.float32)
    sure = np.zeros(len(corners), bool)
    busy = np.nonzero(amount >= _FEWEST)[0]
    if not len(busy):
        return None
    for first in range(0, len(busy), 32):
        part = busy[first : first + 32]
        ours = np.zeros((len(part), wide, wide), np.complex64)
        theirs = np.empty((len(part), wide, wide), np.complex64)
        for index, which in enumerate(part):
            r, c = corners[which]
            ours[index, :_WINDOW, :_WINDOW] = scene[
                r + _REACH : r + _REACH + _WINDOW, c + _REACH : c + _REACH + _WINDOW
            ]
            theirs[index] = drawn[r : r + wide, c : c + wide]
        score[part], sure[part], moved[part] = _best(ours, theirs, amount[part])
    return amount, score, sure, moved, shape


def _best(
    ours: NDArray[np.complex64], theirs: NDArray[np.complex64], amount: Floats
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Where the edges of a stack of windows lie best, to a part of a pixel."""
    there = np.fft.fft2(theirs) * np.conj(np.fft.fft2(ours))
    span = 2 * _REACH + 1
    plane = np.fft.ifft2(there).real[:, :span, :span].astype(np.float32)
    plane /= amount[:, None, None]
    # Of two shifts that explain as much, as along a straight edge, the smaller one is meant.
    off = np.arange(span) - _REACH
    distance = np.hypot(off[:, None], off[None, :]).astype(np.float32)
    chosen = plane - np.float32(0.004) * distance * np.abs(plane).max((1, 2), keepdims=True)
    flat = chosen.reshape(len(plane), -1).argmax(1)
    row, column = flat // span, flat % span
    score = np.empty(len(plane), np.float32)
    moved = np.empty(len(plane), np.float32)
    sure = np.empty(len(plane), bool)
    for index in range(len(plane)):
        r, c = int(row[index]), int(column[index])
        one = plane[index]
        best = float(one[r, c])
        down = _vertex(one[:, c], r)
        across = _vertex(one[r], c)
        score[index] = best
        moved[index] = math.hypot(down - _REACH, across - _REACH)
        sure[index] = best > _SURE * float(np.maximum(one, 0).mean() + 1e-6)
    return score, sure, moved


def _vertex(line: Floats, at: int) -> float:
    """Where a parabola through a peak and its neighbours is highest."""
    if not 0 < at < len(line) - 1:
        return float(at)
    low, middle, high = (float(line[at + i]) for i in (-1, 0, 1))
    bend = low - 2 * middle + high
    part = 0.5 * (low - high) / bend if bend < 0 else 0.0
    return at + min(0.5, max(-0.5, part))  # of a slope that has its peak elsewhere, no more
