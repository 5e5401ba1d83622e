# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of view this is: a thing or a place, indoors or out, where ground and subject are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.view.canvas import View
from ..raster.arrays import Plane
from ..raster.color import luminance
from .camera import Vector, dot
from .surfaces import FAR, Floor, LowRes, Surfaces

_BLANK_SPREAD = 0.035
_COLORED = 0.12
"""Difference between the channels (square roots of linear light) of a background of one color that
no one gets without choosing it."""
_BELOW_HORIZON = 0.1
"""Sine of how far below the horizon a floor may end and still look like the ground."""
_ROLLED = 0.25
"""Sine of the horizon's slope from which on the camera flies and does not stand."""
_TOP_DOWN = -0.85
"""The camera's tilt below which it looks down on things as on a sheet of paper."""


@dataclass(frozen=True, slots=True)
class SceneAnalysis:
    """focus: depth in metres of the subject. center: its camera-space point. reach: depth in metres
    that nearly everything lies within. size: how wide the view is at the focus, in metres.

    floor_height: in the world, of the floor that is seen and goes on beyond the frame, else None: a
    plate, a sheet or a map that is seen whole, or whose end is seen, is a thing.
    top_down: the camera looks down so steeply that no floor leads away to a horizon.
    tinted: what is behind the scene is a plain color that was chosen, as a night's blue.
    space: a place that no ground belongs to, before black.
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
    top_down: bool = False
    tinted: bool = False
    space: bool = False


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
    ground, ends_in_sight = None, False
    if floor.mean() > 0.03:
        levels = height[floor]
        # The lowest level that a good part of the level surfaces share.
        candidate = float(np.quantile(levels, 0.08))
        top_down = camera.tilt < _TOP_DOWN
        level = floor & (np.abs(height - candidate) < 0.02 * max(middle, 1e-6))
        if candidate - low < 0.12 * max(far, 1e-6) and not top_down and _leaves_frame(level):
            ground = candidate
            ends = _end(level, covered)
            if ends.any():
                away = np.sqrt((point[:, ends] ** 2).sum(0))
                ends_in_sight = _long(ends) and (
                    camera.ortho
                    or float(np.median((camera.level - ground) / away)) > _BELOW_HORIZON
                )

    ceiling = covered & (lift < -0.9) & (height > camera.level)
    indoor = not flat and share > 0.96 and (ceiling.mean() > 0.01 or (share > 0.995 and far < 15))
    # A room with a large window: enclosed above and below all the same.
    enclosed = share > 0.7 and float(covered[-1].mean()) > 0.98 and float(covered[0].mean()) > 0.85
    indoor = indoor or (not flat and enclosed and float(ceiling.mean()) > 0.02)
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
        None if ends_in_sight else ground,
        low,
        bool(bottom.mean() > 0.02),
        blank,
        camera.tilt < _TOP_DOWN,
        blank and _tinted(small),
        blank
        and place
        and not indoor
        and (ground is None or ends_in_sight or abs(camera.up[0]) > _ROLLED)
        and _black(small),
    )


def _leaves_frame(floor: NDArray[np.bool_]) -> bool:
    """A good part of the frame's border shows it."""
    border = np.concatenate((floor[0], floor[-1], floor[1:-1, 0], floor[1:-1, -1]))
    return float(border.mean()) > 0.08


def _end(floor: NDArray[np.bool_], covered: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where the floor has nothing above, left or right of it."""
    bare = ~covered
    beside = np.zeros_like(floor)
    beside[1:] |= bare[:-1]
    beside[:, 1:] |= bare[:, :-1]
    beside[:, :-1] |= bare[:, 1:]
    return floor & beside


def _long(ends: NDArray[np.bool_]) -> bool:
    return int(ends.sum()) > 0.15 * sum(ends.shape)


def lay_floor(small: LowRes, analysis: SceneAnalysis, color: Vector) -> Floor | None:
    """The floor carried on to the horizon, or one of that colour under things that have none.

    None where there is no room for one: indoors, in space, from below or straight above, under
    what the frame cuts off.
    """
    camera, surfaces = small.camera, small.surfaces
    nowhere = analysis.empty or analysis.flat or analysis.space
    if nowhere or analysis.indoor or analysis.top_down:
        return None
    if analysis.floor_height is not None:
        ground = analysis.floor_height
        up = surfaces.covered & (dot(surfaces.normal, camera.up) > 0.97)
        point = camera.positions(np.minimum(surfaces.depth, FAR))
        height = dot(point, camera.up) + np.float32(camera.level)
        up &= np.abs(height - ground) < max(analysis.size * 0.02, 1e-4)
        if up.any():
            # It goes on from its far end: that is where the two meet.
            up &= surfaces.depth >= np.quantile(surfaces.depth[up], 0.5)
        source = surfaces.albedo if surfaces.albedo is not None else surfaces.color
        return Floor(
            ground - analysis.size * 0.001,
            analysis.reach * 60 + analysis.size * 60,
            _median(source, up, color),
            _median(surfaces.color, up, color),
        )
    if analysis.place or analysis.cropped or float(surfaces.covered.mean()) > 0.9:
        return None
    if camera.tilt > -0.05:  # the camera looks level or up: a floor would show its edge
        return None
    return Floor(
        analysis.lowest,
        analysis.reach * 12 + analysis.size * 8,
        color,
        _as_lit(surfaces, color),
    )


def _median(planes: Plane, where: NDArray[np.bool_], otherwise: Vector) -> Vector:
    if not where.any():
        return otherwise
    red, green, blue = (float(np.median(plane[where])) for plane in planes)
    return red, green, blue


def _as_lit(surfaces: Surfaces, color: Vector) -> Vector:
    """How the color would show in the captured picture: lit as what is there usually is."""
    if surfaces.albedo is None or not surfaces.covered.any():
        return color
    covered = surfaces.covered
    light = luminance(surfaces.color)[covered] / (luminance(surfaces.albedo)[covered] + 0.02)
    usual = float(np.median(light))
    return color[0] * usual, color[1] * usual, color[2] * usual


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


def _tinted(small: LowRes) -> bool:
    """The background is drawn, and in a color: not gray, and not the magenta of a lost texture."""
    behind = ~small.surfaces.covered & (small.opacity > 127)
    if float(behind.mean()) < 0.01:
        return False
    red, green, blue = (float(v) for v in np.median(small.surfaces.color[:, behind], axis=1) ** 0.5)
    lost = min(red, blue) > 0.9 and green < 0.1
    return max(red, green, blue) - min(red, green, blue) > _COLORED and not lost


def _black(small: LowRes) -> bool:
    """The background is drawn, and as good as black."""
    behind = ~small.surfaces.covered & (small.opacity > 127)
    if float(behind.mean()) < 0.01:
        return False
    return float(np.median(small.surfaces.color[:, behind].max(0))) < 0.005
