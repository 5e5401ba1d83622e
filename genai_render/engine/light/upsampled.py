# SPDX-License-Identifier: GPL-3.0-or-later
"""The lighting plan's small planes at full size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..raster.arrays import Plane
from ..raster.upsampler import Upsampler
from ..scene.surfaces import FAR, Source, Surfaces
from .lighting_plan import LightingPlan


class Upsampled:
    """The small picture's planes at full size, mended where surfaces end."""

    def __init__(self, source: Source, plan: LightingPlan) -> None:
        self.plan = plan
        small = plan.small.camera
        size = (source.height, source.width)
        self.upsampler = Upsampler((small.height, small.width), size)
        self.haze = Upsampler(plan.haze.shape[1:], size)  # pyright: ignore[reportArgumentType]
        self.sky = Upsampler(plan.sky.shape[1:], size)  # pyright: ignore[reportArgumentType]
        self.inverse = 1 / plan.small.surfaces.depth
        self.normal = plan.small.surfaces.normal
        self.same = self.upsampler.small == self.upsampler.large

    def rows(self, first: int, last: int, surfaces: Surfaces) -> dict[str, Plane]:
        enlarged = [self.upsampler.rows(plane, first, last) for plane in self.plan.planes]
        if not self.same:
            self._mend(enlarged, first, last, surfaces)
        return dict(zip(self.plan.names, enlarged, strict=True))

    def _mend(self, enlarged: list[Plane], first: int, last: int, surfaces: Surfaces) -> None:
        """Where the small pixels around belong to different surfaces, take those of the same.

        Two surfaces that meet, as a thing and its floor, differ in their normals only.
        """
        e = self.upsampler
        inverse = 1 / surfaces.depth
        expected = e.rows(self.inverse, first, last)
        wrong = np.abs(expected - inverse) > inverse * np.float32(0.02)
        wrong |= self._turned(enlarged, first, last, surfaces)
        wrong &= surfaces.depth < FAR
        at = np.flatnonzero(wrong)
        if not len(at):
            return
        row, column = np.divmod(at, e.large[1])
        row += first
        own = inverse.reshape(-1)[at]
        facing = surfaces.normal.reshape(3, -1)[:, at]
        normals = self.normal.reshape(3, -1)
        width = e.small[1]
        total = np.zeros(len(at), np.float32)
        sums = [np.zeros(len(at), np.float32) for _ in enlarged]
        for y, fy in ((e.y0[row], 1 - e.fy[row]), (e.y1[row], e.fy[row])):
            for x, fx in ((e.x0[column], 1 - e.fx[column]), (e.x1[column], e.fx[column])):
                index = y * width + x
                off = self.inverse.reshape(-1)[index] / own - 1
                turn = np.float32(1) - (normals[:, index] * facing).sum(0)
                weight = (fy * fx + np.float32(0.02)) / (np.float32(4e-4) + off * off)
                weight /= np.float32(0.01) + turn * turn
                total += weight
                for i, plane in enumerate(self.plan.planes):
                    sums[i] += plane.reshape(-1)[index] * weight
        for plane, value in zip(enlarged, sums, strict=True):
            plane.reshape(-1)[at] = value / total

    def _turned(
        self, enlarged: list[Plane], first: int, last: int, surfaces: Surfaces
    ) -> NDArray[np.bool_]:
        """Where the small pixels around face another way than the surface; not on rough ones."""
        expected = np.zeros_like(surfaces.depth)
        for axis in range(3):
            part = self.upsampler.rows(self.normal[axis], first, last)
            part *= surfaces.normal[axis]
            expected += part
        turned = expected < np.float32(0.9)
        if "bumpy" in self.plan.names:
            turned &= enlarged[self.plan.names.index("bumpy")] < np.float32(0.3)
        return turned
