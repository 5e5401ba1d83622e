# SPDX-License-Identifier: GPL-3.0-or-later
"""What a small copy of the canvas decides for the large picture: light, sky, exposure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from . import backdrop, develop, glow, screen
from .baked import find_glow, find_light, luminance
from .bands import beside
from .enlarger import Enlarger
from .geometry import Camera, Plane, dot
from .look import Look
from .media import PAINTED
from .resample import blur, blur_planes, resize, resize_planes, smoothstep
from .shade import Fields, Rig
from .shaded import Step
from .surfaces import FAR, Small, Source, Surfaces
from .survey import Survey, lay_floor, survey

Quality = Literal["fast", "balanced", "quality"]
_SIDES: dict[str, int] = {"fast": 384, "balanced": 512, "quality": 640}
_PAINTED_SIDE = 400


@dataclass(slots=True, eq=False)
class Plan:
    """What the small picture decided for the large one.

    planes: (n, h, w) on the small grid, by names. sky, haze, bloom: (3, …) light on grids of their
    own. fade: distances between which a floor becomes the studio's backdrop. shown: (3, h, w) the
    small picture as light, with all but grading.
    """

    look: Look
    found: Survey
    rig: Rig
    small: Small
    studio: bool
    keep: bool
    planes: Plane
    names: list[str]
    sky: Plane
    haze: Plane
    bloom: Plane | None
    shown: Plane
    exposure: float
    fade: tuple[float, float]


def make_plan(source: Source, look: Look, seed: int, step: Step, quality: Quality) -> Plan:
    canvas = source.canvas
    small = source.small(_PAINTED_SIDE if look.medium in PAINTED else _SIDES[quality])
    step(0.02, "Looking at the scene")
    found = survey(small, canvas.view)
    uncovered = float((~small.surfaces.covered).mean())
    choice = look.sky.backdrop
    if choice == "auto":
        choice = "keep" if not found.blank else "sky" if found.place else "studio"
    studio = choice == "studio" and not found.flat
    if choice != "keep" and look.sky.floor and uncovered > 0:
        source.floor = lay_floor(small, found, look.sky.studio if studio else look.sky.ground)
    baked = find_light(small.surfaces)
    glowing = blur(find_glow(small.surfaces, baked, canvas.view.engine), 0.6)
    rig = Rig.of(look, small.camera, found, baked, canvas.view.engine).measured(small.surfaces)
    look = rig.look
    if source.floor is not None:
        small = small.with_floor(source.floor)
    camera, surfaces = small.camera, small.surfaces

    def behind(_: object) -> tuple[Plane, Plane]:
        return _backdrop(source, small, rig, found, "studio" if studio else choice, seed)

    with beside(behind) as made:
        lit = _lit(small, rig, found, glowing, step)
        step(0.22, "Sky")
        sky, haze = made()
    step(0.24, "Sky")
    rig, fields, smoothed, point, color = lit
    fade = _fade(small, found) if studio and not found.place else (0.0, 0.0)

    # The small picture in full, for mirrors, exposure and bloom.
    small_sky = resize_planes(sky, camera.height, camera.width, "box")
    small_haze = resize_planes(haze, camera.height, camera.width)
    plan = Plan(
        *(look, found, rig, small, studio, choice == "keep"),
        *(np.empty(0), [], sky, small_haze, None, color, 1.0, fade),
    )
    planes = {"open": fields.open, "shadow": fields.shadow, "glow": glowing}
    if smoothed is not None:
        planes |= {f"calm{axis}": smoothed[0][axis] for axis in range(3)} | {"bumpy": smoothed[1]}
    if fields.old is not None:
        planes |= {f"old{axis}": fields.old[axis] for axis in range(3)}
    if fields.bounce is not None:
        planes |= {f"bounce{axis}": fields.bounce[axis] for axis in range(3)}
    if look.surface.wet > 0 and not (found.flat or found.empty):
        step(0.25, "Reflections")
        mirrored = _mirrored(small, look, color, small_sky)
        planes |= {f"mirror{axis}": mirrored[axis] for axis in range(3)}
        add_wet(plan, surfaces, color, mirrored, 0, camera)
    add_air(plan, surfaces, color, small_haze, point, camera)
    put_behind(plan, surfaces, color, small_sky, small_haze, point, camera, 0)
    step(0.27, "Exposure")

    def shafts(_: object) -> Plane | None:
        shown = look.air.rays > 0 and not found.flat
        return glow.rays(small, rig.key, look, small_sky) if shown else None

    with beside(shafts) as made:
        plan.exposure, plan.bloom = _exposed(plan, color)
        falling = made()
    if falling is not None:
        plan.bloom = falling if plan.bloom is None else plan.bloom + falling
    plan.names = list(planes)
    plan.planes = np.stack([planes[name] for name in plan.names]).astype(np.float32)
    return plan


def _exposed(plan: Plan, color: Plane) -> tuple[float, Plane | None]:
    """The exposure, and what glows at it."""
    look, found, small, studio = plan.look, plan.found, plan.small, plan.studio
    weight = _interest(small)
    # Before a studio's backdrop much is meant to be light.
    gray = 0.29 if studio and not found.place else 0.21
    exposure = (
        2.0**look.grade.exposure
        if found.flat
        else develop.auto_exposure(luminance(color), weight, look.grade, gray)
    )
    shines = look.lens.bloom > 0 or look.lens.flare > 0
    return exposure, glow.bloom(color, look.lens, exposure) if shines else None


def _lit(
    small: Small, rig: Rig, found: Survey, glowing: Plane, step: Step
) -> tuple[Rig, Fields, tuple[Plane, Plane] | None, Plane, Plane]:
    """The small picture's light: the rig as fitted, its fields, calm normals, points and colour."""
    look, size = rig.look, found.size
    camera, surfaces = small.camera, small.surfaces
    step(0.04, "Occlusion")
    if found.flat or found.empty:
        open_ = shadow = np.ones_like(surfaces.depth)
    else:
        reach = size * (0.16 if not found.place else 0.2)
        open_ = screen.smooth(screen.occlusion(camera, surfaces, reach), surfaces, 1)
        step(0.1, "Shadows")
        shadow = np.ones_like(surfaces.depth)
        if look.light.shadow > 0 and look.light.key > 0:
            # Indoors the walls and the ceiling that the frame shows would shade everything.
            length = size * (0.3 if found.indoor else 1.6 if found.place else 1.1)
            shadow = screen.shadow(camera, surfaces, rig.key, look.light.softness, length)
            if look.toon.steps:
                # Stepped light draws the shadow's outline: it has to be a clean curve.
                shadow = screen.smooth(screen.smooth(shadow, surfaces, 4), surfaces, 4)
    step(0.16, "Light between surfaces")
    smoothed = None if found.flat or found.empty else screen.calm(surfaces)
    if smoothed is not None:
        quieten(look, surfaces, smoothed[0], smoothed[1], rig.calming)
    fields = Fields(open_, shadow, glowing)
    if surfaces.albedo is not None and rig.trust > 0 and not (found.flat or found.empty):
        fields.old = _old_light(small)
    viewer = camera.toward_viewer(0, camera.height)
    point = camera.positions(surfaces.depth)
    albedo = rig.albedo(surfaces, fields.old)
    if fields.old is not None:
        _, tone = replace(rig, trust=0.0).light(surfaces, albedo, fields, viewer, point)
        rig = rig.matched(luminance(fields.old), tone, surfaces.covered)
    color, _ = rig.light(surfaces, albedo, fields, viewer, point)
    if look.light.bounce > 0 and not (found.flat or found.empty):
        fields.bounce = _bounced(small, color, size)
        color, _ = rig.light(surfaces, albedo, fields, viewer, point)
    return rig, fields, smoothed, point, color


def _backdrop(
    source: Source, small: Small, rig: Rig, found: Survey, choice: str, seed: int
) -> tuple[Plane, Plane]:
    """(3, …) light of what is behind everything, and of far haze, each on a grid of its own."""
    look, sun = rig.look, rig.key
    wide = min(source.width, 1280)
    camera = _grid(source.camera, wide, max(2, round(source.height * wide / source.width)))
    if choice == "studio":
        sky = backdrop.studio(camera, look)
    elif choice == "keep":
        sky = resize_planes(_behind(small), camera.height, camera.width)
    else:
        sky = backdrop.sky(camera, look, sun, seed)
        if found.indoor:  # what is seen through a window is brighter than the room
            sky *= np.float32(1.9)
    coarse = _grid(source.camera, 96, max(2, round(source.height * 96 / source.width)))
    return sky, backdrop.haze(coarse, look, sun)


def quieten(look: Look, surfaces: Surfaces, calmed: Plane, bumpy: Plane, strength: float) -> None:
    """Turn bumpy normals toward the calm ones, in place: wholly for stepped light."""
    hard = look.toon.steps or look.light.neon > 0 or look.surface.metal > 0
    share = bumpy * np.float32(1 if hard else strength)
    normal = surfaces.normal
    normal += (calmed - normal) * share
    length = np.sqrt((normal * normal).sum(0))
    normal /= np.maximum(length, np.float32(1e-6))


def _grid(camera: Camera, width: int, height: int) -> Camera:
    """The camera on a grid of any size, sampling evenly."""
    rows = np.clip(((np.arange(height) + 0.5) * camera.height / height), 0, camera.height - 1)
    columns = np.clip(((np.arange(width) + 0.5) * camera.width / width), 0, camera.width - 1)
    return camera.at(rows.astype(np.intp), columns.astype(np.intp))


def _tiny(small: Small) -> tuple[Camera, Surfaces, tuple[Plane, ...]]:
    """A still smaller picture, every few pixels of the small one, and which those are."""
    camera, surfaces = small.camera, small.surfaces
    every = max(1, round(max(camera.width, camera.height) / 240))
    rows = np.arange(every // 2, camera.height, every)
    columns = np.arange(every // 2, camera.width, every)
    grid = np.ix_(rows, columns)
    tiny = Surfaces(
        surfaces.depth[grid],
        surfaces.alpha[grid],
        np.ascontiguousarray(surfaces.normal[(slice(None), *grid)]),
        surfaces.color[:, :1, :1],
        None,
    )
    return camera.at(rows, columns), tiny, grid


def _grow_back(planes: Plane, small: Small) -> Plane:
    """(n, …) planes of the still smaller picture on the small one, kept within surfaces."""
    camera = small.camera
    grown = resize_planes(planes, camera.height, camera.width, "bilinear")
    return screen.smooth_all(grown, small.surfaces, 2)


def _bounced(small: Small, color: Plane, size: float) -> Plane:
    """Bounced light, found on a still smaller picture."""
    camera, tiny, grid = _tiny(small)
    lit = np.minimum(color[(slice(None), *grid)], np.float32(6))
    found = screen.bounce(camera, tiny, lit, size * 0.35)
    found = screen.smooth_all(found, tiny, 2)
    return np.maximum(_grow_back(found, small), 0)


def _old_light(small: Small) -> Plane:
    """(3, h, w) the light in the captured picture: its colour over its albedo, without detail.

    As fine as the small picture is, so that old shadows go with it; thin mirrors and noise stay.
    """
    surfaces = small.surfaces
    assert surfaces.albedo is not None
    light = (surfaces.color + np.float32(0.004)) / (surfaces.albedo + np.float32(0.02))
    np.clip(light, np.float32(0.01), np.float32(6), out=light)
    for radius in (2, 2):
        light = screen.smooth_all(light, surfaces, radius)
    return light


def _behind(small: Small) -> Plane:
    """The canvas's own background, with what is in front of it filled from around it."""
    bare = ~small.surfaces.covered
    bare[1:] &= ~small.surfaces.covered[:-1]
    bare[:-1] &= ~small.surfaces.covered[1:]
    if not bare.any():
        bare = ~small.surfaces.covered
    weight = bare.astype(np.float32)
    color = small.surfaces.color * weight
    result = color.copy()
    share = weight.copy()
    for sigma in (2.0, 8.0, 32.0):
        spread, wide = blur_planes(color, sigma), blur(weight, sigma)
        missing = np.clip(1 - share * 4, 0, 1) * (wide > 1e-4)
        result += spread / np.maximum(wide, 1e-4) * missing
        share = np.maximum(share, np.minimum(wide * 20, 1) * (wide > 1e-4))
        share = np.where(missing > 0, np.maximum(share, missing), share)
    return np.where(bare, small.surfaces.color, result).astype(np.float32)


def _fade(small: Small, found: Survey) -> tuple[float, float]:
    """Between which distances from the subject a floor becomes the studio's backdrop."""
    camera, surfaces = small.camera, small.surfaces
    if not (~surfaces.covered).any() and surfaces.laid is None:
        return 0.0, 0.0
    ground = found.ground if found.ground is not None else found.low
    chosen = _on_floor(camera, surfaces, ground, found, 0) > 0.5
    if not chosen.any():
        return 0.0, 0.0
    far = _spread(camera, camera.positions(surfaces.depth), found)[chosen]
    reach = float(np.quantile(far, 0.985))
    end = min(reach * 0.97, found.size * 2.4)
    return end * 0.3, end


def _spread(camera: Camera, point: Plane, found: Survey) -> Plane:
    """Horizontal distance of points from the subject."""
    right, ahead = np.asarray(camera.right), np.asarray(camera.ahead)
    center = np.asarray(found.center)
    x = dot(point, camera.right) - np.float32(right @ center)
    y = dot(point, camera.ahead) - np.float32(ahead @ center)
    return np.sqrt(x * x + y * y)


def _on_floor(
    camera: Camera, surfaces: Surfaces, ground: float, found: Survey, first: int
) -> Plane:
    lift = dot(surfaces.normal, camera.up)
    point = camera.positions(np.minimum(surfaces.depth, FAR), first)
    height = dot(point, camera.up) + np.float32(camera.level - ground)
    near = np.abs(height) < max(found.size * 0.03, 1e-4)
    return smoothstep(0.9, 0.98, lift) * near


def _interest(small: Small) -> Plane:
    """How much each pixel counts for the exposure: the middle more than the rim, the sky little."""
    height, width = small.surfaces.depth.shape
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    weight = np.exp(-(x * x + y * y) * np.float32(0.9))
    return weight * np.where(small.surfaces.covered, np.float32(1), np.float32(0.25))


def _mirrored(small: Small, look: Look, color: Plane, sky: Plane) -> Plane:
    """(3, h, w) what wet floors mirror: the scene where a ray finds it, else the sky's colour."""
    camera, surfaces = small.camera, small.surfaces
    wanted = screen.floors(camera, surfaces) > 0.01
    found, share = screen.mirror(camera, surfaces, wanted, color, _far(small))
    fallback = (
        np.asarray(look.sky.horizon, np.float32) * 0.55
        + np.asarray(look.sky.zenith, np.float32) * 0.45
    ) * np.float32(look.sky.brightness)
    if sky.size:
        top = sky[:, : max(1, sky.shape[1] // 3)]
        fallback = 0.5 * fallback + 0.5 * top.mean((1, 2))
    result = found + fallback[:, None, None] * (1 - share)
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


def _far(small: Small) -> float:
    depth = small.surfaces.depth[small.surfaces.covered]
    return float(np.quantile(depth, 0.98)) * 1.2


def add_wet(
    plan: Plan,
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


def add_air(
    plan: Plan,
    surfaces: Surfaces,
    color: Plane,
    haze: Plane,
    point: Plane | None,
    camera: Camera,
) -> None:
    """Fog between the camera and surfaces, in place."""
    air, found = plan.look.air, plan.found
    if found.flat or found.empty or (air.fog <= 0 and air.mist <= 0):
        return
    if found.place:
        away = surfaces.depth - np.float32(0.35 * min(found.focus, found.reach * 0.5))
        scale = found.reach * (1.6 if found.indoor else 0.8)
    else:
        away = surfaces.depth - np.float32(found.focus - 0.2 * found.size)
        scale = found.size * 1.6
    np.clip(away, 0, found.reach * 4, out=away)
    away *= np.float32(1 / scale)
    thick = away * np.float32(air.fog * (1.3 if found.indoor else 2.4))
    if air.mist > 0 and point is not None:
        base = found.ground if found.ground is not None else found.low
        height = dot(point, camera.up) + np.float32(camera.level - base)
        low = np.exp(np.clip(height, 0, None) * np.float32(-1 / (0.09 * max(found.size, 1e-6))))
        amount = np.float32(air.mist * (0.4 if found.indoor else 1.4))
        thick += low * np.minimum(away * 3 + np.float32(0.12), 1) * amount
    np.negative(thick, out=thick)
    np.exp(thick, out=thick)  # what comes through
    for axis in range(3):
        color[axis] -= haze[axis]
        color[axis] *= thick
        color[axis] += haze[axis]


def put_behind(
    plan: Plan,
    surfaces: Surfaces,
    color: Plane,
    sky: Plane,
    haze: Plane,
    point: Plane,
    camera: Camera,
    first: int,
) -> None:
    """The backdrop behind what is covered, in place."""
    found = plan.found
    alpha = surfaces.alpha
    if plan.studio and plan.fade[1] > 0:
        ground = found.ground if found.ground is not None else found.low
        near = _on_floor(camera, surfaces, ground, found, first)
        if near.any():
            far = smoothstep(plan.fade[0], plan.fade[1], _spread(camera, point, found))
            alpha = alpha * (1 - near * far)
    if plan.look.air.fog > 0 and not (plan.studio or plan.keep or found.flat):
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


class Grown:
    """The small picture's planes at full size, mended where surfaces end."""

    def __init__(self, source: Source, plan: Plan) -> None:
        self.plan = plan
        small = plan.small.camera
        size = (source.height, source.width)
        self.enlarger = Enlarger((small.height, small.width), size)
        self.haze = Enlarger(plan.haze.shape[1:], size)  # pyright: ignore[reportArgumentType]
        self.sky = Enlarger(plan.sky.shape[1:], size)  # pyright: ignore[reportArgumentType]
        self.inverse = 1 / plan.small.surfaces.depth
        self.same = self.enlarger.small == self.enlarger.large

    def rows(self, first: int, last: int, surfaces: Surfaces) -> dict[str, Plane]:
        grown = [self.enlarger.rows(plane, first, last) for plane in self.plan.planes]
        if not self.same:
            self._mend(grown, first, last, surfaces)
        return dict(zip(self.plan.names, grown, strict=True))

    def _mend(self, grown: list[Plane], first: int, last: int, surfaces: Surfaces) -> None:
        """Where the small pixels around belong to different surfaces, take those of the same."""
        e = self.enlarger
        inverse = 1 / surfaces.depth
        expected = e.rows(self.inverse, first, last)
        wrong = np.abs(expected - inverse) > inverse * np.float32(0.02)
        wrong &= surfaces.depth < FAR
        at = np.flatnonzero(wrong)
        if not len(at):
            return
        row, column = np.divmod(at, e.large[1])
        row += first
        own = inverse.reshape(-1)[at]
        width = e.small[1]
        total = np.zeros(len(at), np.float32)
        sums = [np.zeros(len(at), np.float32) for _ in grown]
        for y, fy in ((e.y0[row], 1 - e.fy[row]), (e.y1[row], e.fy[row])):
            for x, fx in ((e.x0[column], 1 - e.fx[column]), (e.x1[column], e.fx[column])):
                index = y * width + x
                off = self.inverse.reshape(-1)[index] / own - 1
                weight = (fy * fx + np.float32(0.02)) / (np.float32(4e-4) + off * off)
                total += weight
                for i, plane in enumerate(self.plan.planes):
                    sums[i] += plane.reshape(-1)[index] * weight
        for plane, value in zip(grown, sums, strict=True):
            plane.reshape(-1)[at] = value / total
