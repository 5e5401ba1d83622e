# SPDX-License-Identifier: GPL-3.0-or-later
"""A canvas as planes of linear light: whole and small, or some rows of it at full size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.view.canvas import Canvas
from ..raster.arrays import Plane
from ..raster.color import LINEAR
from ..raster.parallel import each_band
from .borders import Borders, Slivers
from .camera import Camera

FAR = np.float32(1e7)
"""Metres; stands for infinity where arithmetic has to go on."""


@dataclass(frozen=True, slots=True)
class Floor:
    """A horizontal floor that the scene does not have, for things to stand on.

    height: in the world. reach: metres from the camera to which it is laid. color: its own, linear.
    shown: that color in the light of the captured picture.
    """

    height: float
    reach: float
    color: tuple[float, float, float]
    shown: tuple[float, float, float]

    def depth(self, camera: Camera, first: int, last: int) -> Plane:
        """Depth along the camera's axis of each pixel of these rows; FAR where it is not hit."""
        up = [np.float32(v) for v in camera.up]
        x, y = camera.ray_x[None, :], camera.ray_y[first:last, None]
        drop = np.float32(self.height - camera.level)
        with np.errstate(divide="ignore", invalid="ignore"):
            if camera.ortho:  # position + depth along -Z meets the plane
                depth = (x * up[0] + y * up[1] - drop) / (up[2] if abs(up[2]) > 1e-6 else np.nan)
            else:
                depth = drop / (x * up[0] + y * up[1] - up[2])
        return np.where((depth > 0) & (depth < self.reach), depth, FAR).astype(np.float32)


@dataclass(slots=True, eq=False)
class Surfaces:
    """Planes of some rows. color, albedo, normal: (3, h, w); color and albedo are linear.

    depth: FAR where nothing is. alpha: how much of each pixel is surface (0..1).
    laid: True where only a laid floor is, None without one.
    """

    depth: Plane
    alpha: Plane
    normal: Plane
    color: Plane
    albedo: Plane | None
    laid: NDArray[np.bool_] | None = None

    @property
    def covered(self) -> NDArray[np.bool_]:
        return self.depth < FAR

    def lay(self, floor: Floor, camera: Camera, first: int) -> None:
        """Put the floor where there is nothing."""
        depth = floor.depth(camera, first, first + self.depth.shape[0])
        under = depth < FAR
        bare = (self.alpha < 0.5) & under
        # What stands before the floor covers its pixels whole: the sky does not shine through.
        self.alpha[under & ~bare] = 1
        self.laid = bare
        if not bare.any():
            return
        self.depth[bare] = depth[bare]
        self.alpha[bare] = 1
        for axis in range(3):
            self.normal[axis][bare] = camera.up[axis]
            self.color[axis][bare] = floor.shown[axis]
            if self.albedo is not None:
                self.albedo[axis][bare] = floor.color[axis]


class Source:
    """A canvas, read in rows once it is mended, or as a whole but small."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas
        self.camera = Camera.of(canvas.view)
        self.edges: Borders | None = None
        self.slivers: Slivers | None = None
        self.floor: Floor | None = None

    def mend(self, check: Callable[[], None] = lambda: None) -> None:
        """Find the pixels whose values have to be replaced; check() may raise to stop it."""
        self.edges = Borders.of(self.canvas)
        check()
        canvas = self.canvas
        self.slivers = Slivers.of(canvas.depth, canvas.normal, canvas.color, check)

    @property
    def height(self) -> int:
        return self.canvas.height

    @property
    def width(self) -> int:
        return self.canvas.width

    def rows(self, first: int, last: int) -> Surfaces:
        canvas = self.canvas
        part = slice(first, last)
        depth = canvas.depth[part].copy()
        depth[~np.isfinite(depth)] = FAR
        normal = np.ascontiguousarray(canvas.normal[part].transpose(2, 0, 1))
        color = canvas.color[part]
        if self.slivers is not None:
            self.slivers.apply(first, last, normal)
        alpha = (depth < FAR).astype(np.float32)
        planes = LINEAR[np.ascontiguousarray(color[..., :3].transpose(2, 0, 1))]
        albedo = None
        if canvas.albedo is not None:
            albedo = LINEAR[np.ascontiguousarray(canvas.albedo[part].transpose(2, 0, 1))]
        if self.edges is not None:
            self.edges.apply(first, last, depth, alpha, normal, planes, albedo)
        surfaces = Surfaces(depth, alpha, normal, planes, albedo)
        if self.floor is not None:
            surfaces.lay(self.floor, self.camera, first)
        return surfaces

    def seen(self) -> tuple[Plane, Plane]:
        """(H, W) depth, +inf where nothing is, and (H, W, 3) normals, with the floor in place."""
        canvas = self.canvas
        if self.floor is None:
            return canvas.depth, canvas.normal
        floor = self.floor
        depth, normal = np.empty_like(canvas.depth), np.empty_like(canvas.normal)

        def put(first: int, last: int) -> None:
            part = slice(first, last)
            depth[part], normal[part] = canvas.depth[part], canvas.normal[part]
            laid = floor.depth(self.camera, first, last)
            bare = ~np.isfinite(depth[part]) & (laid < FAR)
            depth[part][bare] = laid[bare]
            normal[part][bare] = self.camera.up

        each_band(self.height, self.width, put)
        return depth, normal

    def low_res(self, side: int) -> LowRes:
        """The whole canvas with at most `side` pixels on its longer side, without the floor."""
        canvas = self.canvas
        shrink = min(1.0, side / max(self.width, self.height))
        width, height = (max(8, round(v * shrink)) for v in (self.width, self.height))
        rows = ((np.arange(height) + 0.5) * self.height / height).astype(np.intp)
        columns = ((np.arange(width) + 0.5) * self.width / width).astype(np.intp)
        grid = np.ix_(rows, columns)
        depth = canvas.depth[grid]
        normals = canvas.normal[grid]
        color = _shrunk(canvas.color, width, height)
        normal = np.ascontiguousarray(normals.transpose(2, 0, 1))
        Slivers.of(depth, normals, color.transpose(1, 2, 0)).apply(0, height, normal)
        depth = np.where(np.isfinite(depth), depth, FAR).astype(np.float32)
        albedo = None
        if canvas.albedo is not None:
            albedo = LINEAR[_shrunk(canvas.albedo, width, height)[:3]]
        surfaces = Surfaces(
            depth, (depth < FAR).astype(np.float32), normal, LINEAR[color[:3]], albedo
        )
        return LowRes(self.camera.at(rows, columns), surfaces, color[3])


@dataclass(slots=True, eq=False)
class LowRes:
    """A small copy of the canvas. opacity: the colour's own alpha, (h, w) uint8."""

    camera: Camera
    surfaces: Surfaces
    opacity: NDArray[np.uint8]

    def with_floor(self, floor: Floor) -> LowRes:
        surfaces = replace(
            self.surfaces,
            depth=self.surfaces.depth.copy(),
            alpha=self.surfaces.alpha.copy(),
            normal=self.surfaces.normal.copy(),
            color=self.surfaces.color.copy(),
            albedo=None if self.surfaces.albedo is None else self.surfaces.albedo.copy(),
        )
        surfaces.lay(floor, self.camera, 0)
        return LowRes(self.camera, surfaces, self.opacity)


def _shrunk(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """(channels, height, width), each the mean of the pixels it stands for."""
    if pixels.shape[:2] == (height, width):
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))
    picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX)
    return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))
