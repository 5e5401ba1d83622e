# SPDX-License-Identifier: GPL-3.0-or-later
"""Light that spills: bloom around bright things, streaks, and shafts through the air."""

from __future__ import annotations

import numpy as np

from ..look.look import Lens, Look
from ..raster.arrays import Plane, smoothstep
from ..raster.resample import blur, blur_planes, resize
from ..scene.camera import Vector
from ..scene.surfaces import LowRes


def bloom(color: Plane, lens: Lens, exposure: float) -> Plane:
    """(3, h, w) light to add to the small picture's own, from what is brighter than white."""
    height, width = color.shape[1:]
    unit = max(height, width) / 640
    peak = color.max(0) * np.float32(exposure)
    # A soft knee: light starts to spill below white, and very bright lamps do not flood.
    excess = np.clip(peak - np.float32(0.75), 0, None)
    excess = excess / (1 + np.float32(0.12) * excess)
    bright = color * (excess / np.maximum(peak, np.float32(1e-4)))
    total = np.zeros_like(color)
    for sigma, share in ((1.6, 0.4), (5.0, 0.32), (15.0, 0.2), (42.0, 0.14)):
        total += blur_planes(bright, sigma * unit) * np.float32(share)
    total *= np.float32(lens.bloom)
    if lens.flare > 0:
        spark = color * (np.clip(peak - np.float32(1.6), 0, 6) / np.maximum(peak, np.float32(1e-4)))
        streak = np.stack([_streak(plane, unit) for plane in spark])
        tint = np.array([0.35, 0.6, 1.0], np.float32)[:, None, None]
        total += streak * tint * np.float32(lens.flare)
    return total


def light_shafts(small: LowRes, sun: Vector, look: Look, sky: Plane) -> Plane:
    """(3, h, w) shafts of light: the bright background, smeared away from the sun."""
    camera = small.camera
    height, width = camera.height, camera.width
    point = np.asarray(sun, np.float32)[:, None, None] * np.float32(1e5)
    if camera.ortho or sun[2] > -0.05:
        # The sun is behind the camera or beside it: shafts come slanting from above instead.
        side = 1.0 if sun[0] > 0 else -1.0
        column, row = (0.5 + 0.75 * side) * width, -0.6 * height
    else:
        x, y = camera.project(point)
        column, row = float(x[0, 0]), float(y[0, 0])
    light = sky.max(0) * (1 - small.surfaces.alpha)
    light = np.minimum(light, np.float32(2))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for k in range(28):
        part = np.float32(k / 28 * 0.85)
        at_x = np.clip(x + (column - x) * part, 0, width - 1).astype(np.intp)
        at_y = np.clip(y + (row - y) * part, 0, height - 1).astype(np.intp)
        total += light[at_y, at_x] * np.float32(weight)
        weight *= 0.965
    total = blur(total * np.float32(1 / 18), max(height, width) / 320)
    color = np.asarray(look.light.key_color, np.float32)[:, None, None]
    return color * (smoothstep(0.02, 1.0, total) * np.float32(0.55 * look.air.rays))[None]


def _streak(plane: Plane, unit: float) -> Plane:
    """A long horizontal smear."""
    height, width = plane.shape
    thin = resize(plane, height, max(8, width // 24), "bicubic")
    return resize(blur(thin, 1.6), height, width, "bicubic") * np.float32(1.5)
