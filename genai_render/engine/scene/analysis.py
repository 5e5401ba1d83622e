# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of view this is: a thing or a place, indoors or out, where ground and subject are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.canvas import View
from .camera import Vector, dot
from .surfaces import FAR, Floor, LowRes

_BLANK_SPREAD = 0.035


@dataclass(frozen=True, slots=True)
class SceneAnalysis:
    """focus: depth in metres of the subject. center: its camera-space point. reach: depth in metres
    that nearly everything lies within. size: how wide the view is at the focus, in metres.

    floor_height: in the world, of the floor that is seen, else None.
    lowest: height of the lowest thing in view. blank: nothing is drawn behind the scene.
    flat: the canvas is a picture without depth.
    """

    empty: bool
    flat: bool
    indoor: bool
    place: bool
    focus: float
    reach: float
    size: float
    center: Vector
    floor_height: float | None
    lowest: float
    cropped: bool
    blank: bool


def analyze_scene(small: LowRes, view: View) -> SceneAnalysis:
    camera, surfaces = small.camera, small.surfaces
    covered = surfaces.covered
    share = float(covered.mean())
    blank = _blank(small)
    if share < 0.0005:
        return SceneAnalysis(
            True, False, False, False, 10.0, 50.0, 10.0, (0, 0, -10), None, 0.0, False, blank
        )
    depth = surfaces.depth[covered]
    point = camera.positions(np.minimum(surfaces.depth, FAR))
    lift = dot(surfaces.normal, camera.up)
    height = dot(point, camera.up) + np.float32(camera.level)
    flat = view.source == "image" or (
        share > 0.999 and float(depth.max() - depth.min()) < 1e-4 * float(depth.max())
    )
    near, middle, far = (float(v) for v in np.quantile(depth, (0.02, 0.5, 0.97)))

    floor = covered & (lift > 0.97)
    low = float(np.quantile(height[covered], 0.004))
    ground = None
    if floor.mean() > 0.03:
        levels = height[floor]
        # The lowest level that a good part of the level surfaces share.
        candidate = float(np.quantile(levels, 0.08))
        if candidate - low < 0.12 * max(far, 1e-6):
            ground = candidate

    ceiling = covered & (lift < -0.9) & (height > camera.level)
    indoor = not flat and share > 0.96 and (ceiling.mean() > 0.01 or (share > 0.995 and far < 15))
    indoor = indoor and camera.tilt > -0.6

    focus = (
        view.focus_distance
        if view.focus_distance
        else _subject(small, floor & (ground is not None))
    )
    focus = min(max(focus, near * 0.5), far * 2)
    spread = float(np.abs(camera.ray_x).max() + np.abs(camera.ray_y).max())
    size = spread if camera.ortho else spread * focus
    beside = covered & (np.abs(np.log(np.maximum(surfaces.depth, 1e-6) / focus)) < 0.25) & ~floor
    chosen = beside if beside.any() else covered
    # A table top before a wall is a thing, however it is enclosed.
    place = not flat and ((indoor and size > 2) or (far > 20 and far > 2.5 * middle) or far > 60)
    center = tuple(float(np.median(axis[chosen])) for axis in point)
    bottom = covered[-1] & ~floor[-1]
    return SceneAnalysis(
        False,
        flat,
        indoor,
        place,
        focus,
        far,
        size,
        center,  # pyright: ignore[reportArgumentType]
        ground,
        low,
        bool(bottom.mean() > 0.02),
        blank,
    )


def lay_floor(small: LowRes, analysis: SceneAnalysis, color: Vector) -> Floor | None:
    """The floor carried on to the horizon, or one of that colour under things that have none.

    None where it would make no sense: indoors, from below, under what the frame cuts off.
    """
    if analysis.empty or analysis.flat or analysis.indoor:
        return None
    surfaces = small.surfaces
    if analysis.floor_height is not None:
        ground = analysis.floor_height
        up = surfaces.covered & (dot(surfaces.normal, small.camera.up) > 0.97)
        point = small.camera.positions(np.minimum(surfaces.depth, FAR))
        height = dot(point, small.camera.up) + np.float32(small.camera.level)
        up &= np.abs(height - ground) < max(analysis.size * 0.02, 1e-4)
        source = surfaces.albedo if surfaces.albedo is not None else surfaces.color
        color = tuple(float(np.median(plane[up])) for plane in source) if up.any() else color  # pyright: ignore[reportAssignmentType]
        return Floor(
            ground - analysis.size * 0.001, analysis.reach * 60 + analysis.size * 60, color
        )
    if analysis.place or analysis.cropped or float(surfaces.covered.mean()) > 0.9:
        return None
    if small.camera.tilt > -0.05:  # the camera looks level or up: a floor would show its edge
        return None
    return Floor(analysis.lowest, analysis.reach * 12 + analysis.size * 8, color)


def _subject(small: LowRes, floor: np.ndarray) -> float:
    """Depth of what is in the middle of the picture, preferring things over the floor."""
    depth = small.surfaces.depth
    height, width = depth.shape
    y, x = np.mgrid[0:height, 0:width]
    off = ((x / width - 0.5) / 0.27) ** 2 + ((y / height - 0.56) / 0.27) ** 2
    weight = np.exp(-off) * small.surfaces.covered * np.where(floor, 0.08, 1.0)
    # Nearer and more colourful things are likelier to be meant than the wall behind them.
    weight = weight / np.maximum(depth, 1e-6) ** 1.1
    paint = small.surfaces.albedo if small.surfaces.albedo is not None else small.surfaces.color
    peak = np.sqrt(np.maximum(paint.max(0), 0))
    weight = weight * (0.3 + 3 * (peak - np.sqrt(np.maximum(paint.min(0), 0))) ** 1.5)
    if not (weight > 0).any():
        return float(np.median(depth[small.surfaces.covered]))
    # The nearest of the distances at which there is much to see.
    away = np.log(np.clip(depth, 1e-4, FAR))
    chosen = weight > 0
    low, high = float(away[chosen].min()), float(away[chosen].max())
    bins = 64
    place = np.clip((away - low) / max(high - low, 1e-6) * bins, 0, bins - 1).astype(np.intp)
    amount = np.bincount(place[chosen], weights=weight[chosen], minlength=bins)
    amount = np.convolve(amount, (0.25, 0.6, 1, 0.6, 0.25), mode="same")
    first = int(np.argmax(amount > 0.6 * amount.max()))
    # Up to the top of that hill.
    while first + 1 < bins and amount[first + 1] > amount[first]:
        first += 1
    near = chosen & (np.abs(place - first) <= 1)
    return float(np.median(depth[near])) if near.any() else float(np.median(depth[chosen]))


def _blank(small: LowRes) -> bool:
    """Nothing to see behind the scene: not drawn at all, or one even colour or a plain ramp."""
    behind = ~small.surfaces.covered
    if not behind.any() or float(small.opacity[behind].mean()) < 127:
        return True
    # Away from the borders, where colours mix.
    inner = behind.copy()
    inner[1:] &= behind[:-1]
    inner[:-1] &= behind[1:]
    inner[:, 1:] &= behind[:, :-1]
    inner[:, :-1] &= behind[:, 1:]
    if inner.sum() < 16:
        return True
    color = np.sqrt(small.surfaces.color[:, inner])
    rows = np.nonzero(inner)[0].astype(np.float64)
    rows -= rows.mean()
    square = max(float((rows * rows).sum()), 1e-9)
    for plane in color:
        plane = plane - plane.mean()
        ramp = rows * (float((rows * plane).sum()) / square)
        if float(np.std(plane - ramp)) > _BLANK_SPREAD:
            return False
    return True
