# SPDX-License-Identifier: GPL-3.0-or-later
"""From pixels to rays and back, for perspective and orthographic views, and which way is up."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.view.canvas import View
from ..raster.arrays import Plane

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A view's geometry on a grid of `width` × `height` pixels.

    ray_x (width,), ray_y (height,): a point's x and y at a depth of 1 (perspective), or its x and
    y whatever the depth (orthographic). up, right, ahead: the world's up, and the horizontal
    directions to the right and forward, in camera space. level: the camera's height in the world.
    """

    width: int
    height: int
    ortho: bool
    ray_x: Plane
    ray_y: Plane
    up: Vector
    right: Vector
    ahead: Vector
    level: float
    scale: tuple[float, float]
    offset: tuple[float, float]

    @classmethod
    def of(cls, view: View) -> Camera:
        matrix = np.asarray(view.projection_matrix, np.float64)
        # A view without a projection (a flat picture) is looked at straight.
        ortho = view.projection == "ORTHO" or matrix[3][2] == 0
        scale = (float(matrix[0][0]), float(matrix[1][1]))
        offset = (
            (-float(matrix[0][3]), -float(matrix[1][3]))
            if ortho
            else (float(matrix[0][2]), float(matrix[1][2]))
        )
        ndc_x = (np.arange(view.width) + 0.5) / view.width * 2 - 1
        ndc_y = 1 - (np.arange(view.height) + 0.5) / view.height * 2
        to_world = np.asarray(view.camera_to_world, np.float64)
        turn = to_world[:3, :3] / np.maximum(np.linalg.norm(to_world[:3, :3], axis=0), 1e-12)
        up = turn[2]
        # Horizontal forward; a camera that looks straight down or up goes by its own top edge.
        ahead = np.array([0.0, 0.0, -1.0]) - up * -up[2]
        if np.linalg.norm(ahead) < 0.05:
            ahead = np.array([0.0, 1.0, 0.0]) - up * up[1]
        ahead /= np.linalg.norm(ahead)
        return cls(
            view.width,
            view.height,
            ortho,
            ((ndc_x + offset[0]) / scale[0]).astype(np.float32),
            ((ndc_y + offset[1]) / scale[1]).astype(np.float32),
            _vector(up),
            _vector(np.cross(ahead, up)),
            _vector(ahead),
            float(to_world[2][3]),
            scale,
            offset,
        )

    def at(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Camera:
        """The same view on a coarser grid that samples these rows and columns."""
        return Camera(
            len(columns),
            len(rows),
            self.ortho,
            self.ray_x[columns],
            self.ray_y[rows],
            self.up,
            self.right,
            self.ahead,
            self.level,
            self.scale,
            self.offset,
        )

    @property
    def tilt(self) -> float:
        """The sine of the angle by which the camera looks up."""
        return -self.up[2]

    def positions(self, depth: Plane, first_row: int = 0) -> NDArray[np.float32]:
        """(3, rows, w) camera-space points of these rows' depths."""
        rows = depth.shape[0]
        point = np.empty((3, *depth.shape), np.float32)
        y = self.ray_y[first_row : first_row + rows, None]
        if self.ortho:
            point[0] = self.ray_x[None, :]
            point[1] = y
        else:
            np.multiply(depth, self.ray_x[None, :], out=point[0])
            np.multiply(depth, y, out=point[1])
        np.negative(depth, out=point[2])
        return point

    def toward_viewer(self, first_row: int, rows: int) -> tuple[Plane | float, ...]:
        """Unit vectors from these rows' points to the viewer, three (rows, w) planes."""
        if self.ortho:
            return 0.0, 0.0, 1.0
        x = self.ray_x[None, :]
        y = self.ray_y[first_row : first_row + rows, None]
        length = x * x + (y * y + np.float32(1))
        np.sqrt(length, out=length)
        np.reciprocal(length, out=length)
        return -x * length, -y * length, length

    def sky_rays(self) -> NDArray[np.float32]:
        """(3, h, w) unit directions in camera space, for what lies infinitely far away."""
        x, y = np.meshgrid(self.ray_x, self.ray_y)
        if self.ortho:  # parallel rays would see one point of the sky: look through a normal lens
            widest = max(float(np.abs(self.ray_x).max()), float(np.abs(self.ray_y).max()))
            spread = 0.5 / widest if widest else 0.0  # a picture of one pixel
            x, y = x * spread, y * spread
        ray = np.stack((x, y, np.full_like(x, -1))).astype(np.float32)
        ray /= np.sqrt((ray * ray).sum(0))
        return ray

    def project(self, point: Plane) -> tuple[Plane, Plane]:
        """Column and row, as floats (a pixel's centre is at +0), of camera-space points."""
        if self.ortho:
            ndc_x = point[0] * np.float32(self.scale[0]) - np.float32(self.offset[0])
            ndc_y = point[1] * np.float32(self.scale[1]) - np.float32(self.offset[1])
        else:
            inverse = -1 / np.minimum(point[2], np.float32(-1e-6))
            ndc_x = point[0] * inverse * np.float32(self.scale[0]) - np.float32(self.offset[0])
            ndc_y = point[1] * inverse * np.float32(self.scale[1]) - np.float32(self.offset[1])
        column = (ndc_x + 1) * np.float32(self.width / 2) - np.float32(0.5)
        row = (1 - ndc_y) * np.float32(self.height / 2) - np.float32(0.5)
        return column, row

    def direction(self, azimuth: float, elevation: float) -> Vector:
        """Toward something at that azimuth (degrees from behind the camera, + to the right)."""
        a, e = math.radians(azimuth), math.radians(elevation)
        flat = np.sin(a) * np.asarray(self.right) - np.cos(a) * np.asarray(self.ahead)
        return _vector(np.cos(e) * flat + np.sin(e) * np.asarray(self.up))


def _vector(values: NDArray[np.float64]) -> Vector:
    return float(values[0]), float(values[1]), float(values[2])


def dot(a: NDArray[np.float32], b: Vector) -> Plane:
    """The dot product of (3, …) vectors with one direction."""
    result = a[0] * np.float32(b[0])
    result += a[1] * np.float32(b[1])
    result += a[2] * np.float32(b[2])
    return result
