# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture as a witness: which places of the world it shows, in what color, and how well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.view import reprojection
from ...core.view.canvas import Canvas
from ..raster.arrays import Floats
from ..raster.color import LINEAR

_MOST_PIXELS = 48_000_000  # of all pictures together
_NEAR_AN_EDGE = 5  # pixels: so near to an edge, a picture counts less
_GRAZING, _CLEAR = 0.05, 0.2  # cosines: below the first a surface is not seen, above the other well
_BENT = 6.0  # pixels: a higher step in the distance from pixel to pixel is an edge
_BORDER = 0.15  # of the shorter side: within it a picture counts less and less
_BACK = 1e-4  # what the other side of an open surface counts, where no one saw the outside


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a picture knows of N places. color: (N, 3) float32 linear light. weight: (N,) float32,
    0 where it does not show the place. square: (N,) float32, cosine of the angle it sees it at.
    density: (N,) float32, pixels for a metre."""

    color: Floats
    weight: Floats
    square: Floats
    density: Floats


class Eye:
    """A picture with its canvas, made ready to be asked many times."""

    def __init__(self, picture: NDArray[np.uint8], canvas: Canvas, most_side: int) -> None:
        """Raises InvalidInput for a picture of another shape than its view."""
        picture = picture[..., :3]
        scale = min(1.0, most_side / max(picture.shape[:2]))
        if scale < 1:
            height, width = (max(4, round(side * scale)) for side in picture.shape[:2])
            whole = Image.fromarray(np.ascontiguousarray(picture))
            picture = np.asarray(whole.resize((width, height), Image.Resampling.BOX))
        canvas = reprojection.at_picture(canvas, picture)
        self._view = canvas.view
        self._source = reprojection.Source(picture, canvas)
        whole = self._source.whole.reshape(canvas.depth.shape) & canvas.covered & ~_steps(canvas)
        self._sure = _sureness(whole).reshape(-1)
        self._to_camera = np.linalg.inv(np.array(canvas.view.camera_to_world, np.float64))
        self.pixels = picture.shape[0] * picture.shape[1]

    def see(self, points: Floats, normals: Floats, faces: Floats, both: NDArray[np.bool_]) -> Seen:
        """normals: as they are shaded. faces: of the triangles, to the outside. both: whether the
        other side may be seen, too."""
        view, turn = self._view, self._to_camera
        camera = points.astype(np.float64) @ turn[:3, :3].T + turn[:3, 3]
        if view.projection == "PERSP":
            towards = -camera / np.maximum(np.linalg.norm(camera, axis=1, keepdims=True), 1e-12)
        else:
            towards = np.broadcast_to(np.array((0.0, 0.0, 1.0)), camera.shape)
        flat = ((faces @ turn[:3, :3].T) * towards).sum(1)
        shaded = ((normals @ turn[:3, :3].T) * towards).sum(1)
        outside = flat > 0
        square = np.where(outside, np.maximum(shaded, 0.3 * flat), -flat).astype(np.float32)
        square = np.minimum(square, np.where(outside, 1.5 * flat + 0.1, 1)).astype(np.float32)
        column, row, distance = reprojection.project(view, camera)
        usable = np.isfinite(column) & np.isfinite(row) & (outside | both)
        usable &= np.abs(flat) > _GRAZING
        color, weight = reprojection.sampled(
            self._source, np.nan_to_num(column), np.nan_to_num(row), distance, usable
        )
        left = np.clip(np.nan_to_num(column), 0, view.width - 1).astype(np.intp)
        top = np.clip(np.nan_to_num(row), 0, view.height - 1).astype(np.intp)
        sure = self._sure[top * view.width + left]
        focal = np.float64(view.projection_matrix[0][0]) * view.width / 2
        density = np.full(len(points), focal)
        if view.projection == "PERSP":
            density = focal / np.maximum(distance, 1e-9)
        density = np.nan_to_num(density).astype(np.float32)
        clear = np.clip((np.abs(flat) - _GRAZING) / (_CLEAR - _GRAZING), 0.02, 1)
        weight = weight * sure * clear * np.maximum(square, 0.02) ** 4 * density**2
        weight *= np.where(outside, 1, _BACK) * self._within(column, row)
        return Seen(LINEAR[color], weight.astype(np.float32), square, density)

    def _within(self, column: Floats, row: Floats) -> Floats:
        """Less towards the border of the picture, so that it ends softly where another goes on."""
        width, height = self._view.width, self._view.height
        aside = np.minimum(np.minimum(column, width - 1 - column), height - 1 - row)
        aside = np.nan_to_num(np.minimum(aside, row))
        return np.clip(aside / (_BORDER * min(width, height)), 0.01, 1) ** 3


def _steps(canvas: Canvas) -> NDArray[np.bool_]:
    """Where the distance bends by more than a surface does that is seen well enough: a step to what
    is a little behind, as between an ear and the head."""
    depth, view = canvas.depth, canvas.view
    far = np.where(np.isfinite(depth), depth, np.float32(np.nan))
    footprint = np.float32(2 / (view.projection_matrix[0][0] * view.width))
    if view.projection == "PERSP":
        # Nothing on a plane, however it is turned; times the distance, in pixels.
        with np.errstate(invalid="ignore", divide="ignore"):
            plane, scale = 1 / far, far / footprint
    else:
        plane, scale = far, np.float32(1) / footprint
    out = np.zeros(depth.shape, bool)
    for axis in (0, 1):
        edge = [(0, 0), (0, 0)]
        edge[axis] = (1, 1)
        bend = np.abs(np.diff(plane, 2, axis=axis))
        bend = np.pad(bend, edge, constant_values=0) * scale
        out |= np.nan_to_num(bend) > _BENT
    return out


def _sureness(whole: NDArray[np.bool_]) -> Floats:
    """0 at the edges of what is seen, where a pixel mixes it with what is behind, to 1 within."""
    total = np.zeros(whole.shape, np.float32)
    inner = whole
    for _ in range(_NEAR_AN_EDGE):
        padded = np.pad(inner, 1)
        rows = padded[:-2] & padded[1:-1] & padded[2:]
        inner = rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
        total += inner
    return total / np.float32(_NEAR_AN_EDGE)


def eyes(pictures: list[tuple[NDArray[np.uint8], Canvas]], side: int) -> list[Eye]:
    """All pictures, none with more pixels than the texture can show, nor than memory should hold.

    side: pixels a side of the largest texture. Raises InvalidInput.
    """
    each = int((_MOST_PIXELS / max(1, len(pictures))) ** 0.5)
    most = max(512, min(max(2048, side), each))
    return [Eye(picture, canvas, most) for picture, canvas in pictures]
