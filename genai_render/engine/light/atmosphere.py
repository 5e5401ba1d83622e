# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies between the camera and things, and behind them: fog, the sky, the studio's backdrop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..raster.arrays import Plane, smoothstep
from ..scene.analysis import SceneAnalysis
from ..scene.camera import Camera, dot
from ..scene.surfaces import FAR, LowRes, Surfaces
from .lighting_plan import LightingPlan


def fade_distances(small: LowRes, analysis: SceneAnalysis) -> tuple[float, float]:
    """Between which distances from the subject a floor becomes the studio's backdrop."""
    camera, surfaces = small.camera, small.surfaces
    if not (~surfaces.covered).any() and surfaces.laid is None:
        return 0.0, 0.0
    chosen = _on_floor(camera, surfaces, analysis, 0) > 0.5
    if not chosen.any():
        return 0.0, 0.0
    away = _spread(camera, camera.positions(surfaces.depth), analysis)
    reach = float(np.quantile(away[chosen], 0.985))
    end = min(reach * 0.97, analysis.size * 2.4)
    start = end * 0.3
    things = _things(surfaces, chosen)
    if things.any():  # what lies or stands on the floor stays whole, and so does the floor under it
        start = max(start, float(np.quantile(away[things], 0.98)) * 1.08)
        end = max(end, start * 1.5)
    return start, end


def _things(surfaces: Surfaces, floor: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What is no floor, and what lies flat on it but is of another color."""
    things = surfaces.covered & ~floor
    if surfaces.albedo is None:
        return things
    paint = np.sqrt(np.maximum(surfaces.albedo, 0))
    usual = np.median(paint[:, floor], axis=1)[:, None, None]
    other = floor & (np.abs(paint - usual).max(0) > 0.12)
    # Where much of a floor differs from its usual color, it is its pattern.
    return things | other if float(other.sum()) < 0.3 * float(floor.sum()) else things


def _spread(camera: Camera, point: Plane, analysis: SceneAnalysis) -> Plane:
    """Horizontal distance of points from the subject."""
    right, ahead = np.asarray(camera.right), np.asarray(camera.ahead)
    center = np.asarray(analysis.center)
    x = dot(point, camera.right) - np.float32(right @ center)
    y = dot(point, camera.ahead) - np.float32(ahead @ center)
    return np.sqrt(x * x + y * y)


def _on_floor(camera: Camera, surfaces: Surfaces, analysis: SceneAnalysis, first: int) -> Plane:
    """0..1: the laid floor, and the scene's own where it goes on beyond the frame."""
    ground = analysis.floor_height
    if ground is None:
        laid = surfaces.laid
        return np.zeros_like(surfaces.depth) if laid is None else laid.astype(np.float32)
    lift = dot(surfaces.normal, camera.up)
    point = camera.positions(np.minimum(surfaces.depth, FAR), first)
    height = dot(point, camera.up) + np.float32(camera.level - ground)
    near = np.abs(height) < max(analysis.size * 0.03, 1e-4)
    return smoothstep(0.9, 0.98, lift) * near


def add_air(
    plan: LightingPlan,
    surfaces: Surfaces,
    color: Plane,
    haze: Plane,
    point: Plane | None,
    camera: Camera,
) -> None:
    """Fog between the camera and surfaces, in place."""
    air, analysis = plan.look.air, plan.analysis
    if analysis.flat or analysis.empty or (air.fog <= 0 and air.mist <= 0):
        return
    if analysis.place:
        away = surfaces.depth - np.float32(0.35 * min(analysis.focus, analysis.reach * 0.5))
        scale = analysis.reach * (1.6 if analysis.indoor else 0.8)
    else:
        away = surfaces.depth - np.float32(analysis.focus - 0.2 * analysis.size)
        scale = analysis.size * 1.6
    np.clip(away, 0, analysis.reach * 4, out=away)
    away *= np.float32(1 / scale)
    thick = away * np.float32(air.fog * (1.3 if analysis.indoor else 2.4))
    if air.mist > 0 and point is not None:
        base = analysis.floor_height if analysis.floor_height is not None else analysis.lowest
        height = dot(point, camera.up) + np.float32(camera.level - base)
        low = np.exp(np.clip(height, 0, None) * np.float32(-1 / (0.09 * max(analysis.size, 1e-6))))
        amount = np.float32(air.mist * (0.4 if analysis.indoor else 1.4))
        thick += low * np.minimum(away * 3 + np.float32(0.12), 1) * amount
    np.negative(thick, out=thick)
    np.exp(thick, out=thick)  # what comes through
    for axis in range(3):
        color[axis] -= haze[axis]
        color[axis] *= thick
        color[axis] += haze[axis]


def put_behind(
    plan: LightingPlan,
    surfaces: Surfaces,
    color: Plane,
    sky: Plane,
    haze: Plane,
    point: Plane,
    camera: Camera,
    first: int,
) -> None:
    """The backdrop behind what is covered, in place."""
    analysis = plan.analysis
    alpha = surfaces.alpha
    if plan.studio and plan.fade[1] > 0:
        near = _on_floor(camera, surfaces, analysis, first)
        if near.any():
            far = smoothstep(plan.fade[0], plan.fade[1], _spread(camera, point, analysis))
            alpha = alpha * (1 - near * far)
    if plan.look.air.fog > 0 and not (plan.studio or plan.keep or analysis.flat):
        ray_up = _elevation(camera, first, surfaces.depth.shape[0])
        # At the horizon one looks through fog without end; a thin one reaches less high.
        thick = np.exp(np.abs(ray_up) * np.float32(-1.3 / max(plan.look.air.fog, 0.02)))
        sky = sky + (haze - sky) * thick
    for axis in range(3):
        color[axis] -= sky[axis]
        color[axis] *= alpha
        color[axis] += sky[axis]


def _elevation(camera: Camera, first: int, rows: int) -> Plane:
    if camera.ortho:
        return np.zeros((rows, camera.width), np.float32)
    x, y = camera.ray_x[None, :], camera.ray_y[first : first + rows, None]
    up = x * np.float32(camera.up[0]) + y * np.float32(camera.up[1]) - np.float32(camera.up[2])
    return up / np.sqrt(x * x + y * y + np.float32(1))
