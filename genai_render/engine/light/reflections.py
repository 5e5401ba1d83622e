# SPDX-License-Identifier: GPL-3.0-or-later
"""What wet floors mirror."""

from __future__ import annotations

import numpy as np

from ..look.look import Look
from ..raster.arrays import Plane, smoothstep
from ..raster.resample import blur, resize
from ..scene.camera import Camera, dot
from ..scene.surfaces import LowRes, Surfaces
from . import screen_space
from .lighting_plan import LightingPlan


def mirrored_light(small: LowRes, look: Look, color: Plane, sky: Plane) -> Plane:
    """(3, h, w) what wet floors mirror: the scene where a ray finds it, else the sky's colour."""
    camera, surfaces = small.camera, small.surfaces
    wanted = screen_space.floors(camera, surfaces) > 0.01
    mirrored, share = screen_space.mirror(camera, surfaces, wanted, color, _far(small))
    fallback = (
        np.asarray(look.sky.horizon, np.float32) * 0.55
        + np.asarray(look.sky.zenith, np.float32) * 0.45
    ) * np.float32(look.sky.brightness)
    if sky.size:
        top = sky[:, : max(1, sky.shape[1] // 3)]
        fallback = 0.5 * fallback + 0.5 * top.mean((1, 2))
    result = mirrored + fallback[:, None, None] * (1 - share)
    # Mirrors in the wet are drawn out downward.
    weight = wanted.astype(np.float32)
    spread = _streak(weight, camera.height)
    soft = np.stack([_streak(plane * weight, camera.height) for plane in result])
    soft /= np.maximum(spread, np.float32(1e-3))
    near = np.maximum(blur(weight, 1.3), np.float32(1e-3))
    fine = np.stack([blur(plane * weight, 1.3) for plane in result]) / near
    mixed = np.float32(0.5) * fine + np.float32(0.5) * soft
    return np.where(wanted, mixed, 0).astype(np.float32)


def _streak(plane: Plane, height: int) -> Plane:
    squeezed = resize(plane, max(8, height // 5), plane.shape[1], "box")
    return resize(blur(squeezed, 1.2), height, plane.shape[1], "bicubic")


def _far(small: LowRes) -> float:
    depth = small.surfaces.depth[small.surfaces.covered]
    return float(np.quantile(depth, 0.98)) * 1.2


def add_reflections(
    plan: LightingPlan,
    surfaces: Surfaces,
    color: Plane,
    mirrored: Plane,
    first: int,
    camera: Camera,
) -> None:
    """Lay mirrors over floors, in place, stronger at grazing angles."""
    wet = plan.look.surface.wet
    lift = dot(surfaces.normal, camera.up)
    share = smoothstep(0.86, 0.97, lift)
    vx, vy, vz = camera.toward_viewer(first, surfaces.depth.shape[0])
    across = surfaces.normal[0] * vx + surfaces.normal[1] * vy + surfaces.normal[2] * vz
    graze = 1 - np.clip(across, 0, 1)
    share *= np.float32(wet) * (np.float32(0.1) + np.float32(0.75) * graze * graze * graze)
    np.clip(share, 0, 0.9, out=share)
    darker = 1 - smoothstep(0.86, 0.97, lift) * np.float32(0.35 * min(wet, 1))
    for axis in range(3):
        color[axis] *= darker
        color[axis] += (mirrored[axis] - color[axis]) * share
