# SPDX-License-Identifier: GPL-3.0-or-later
"""What a small copy of the canvas decides for the large picture: light, sky, exposure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..grade.tone_mapping import auto_exposure
from ..look.look import PAINTED, Look
from ..raster.arrays import Plane, smoothstep
from ..raster.color import luminance
from ..raster.parallel import alongside
from ..raster.progress import Step
from ..raster.resample import blur, blur_planes, resize_planes
from ..scene.analysis import SceneAnalysis, analyze_scene
from ..scene.camera import Camera
from ..scene.captured_light import find_emission, fit_captured_light, light_on
from ..scene.surfaces import LowRes, Source, Surfaces
from . import backdrop, bloom, screen_space
from .atmosphere import add_air, fade_distances, put_behind
from .lighting_plan import LightingPlan, Quality
from .reflections import add_reflections, mirrored_light
from .rig import LightFields, Rig
from .screen_space import flatten_bumps
from .stage import Stage, set_stage

_SIDES = {"draft": (176, 160), "fast": (384, 320), "balanced": (512, 400), "quality": (640, 512)}
"""Pixels on the longer side of the small picture, and of one that is painted over (PAINTED)."""
_BOUNCE_SIDE, _SHADOW_STEPS = 240, 44
_DRAFT_BOUNCE_SIDE, _DRAFT_SHADOW_STEPS = 88, 24


def choose_stage(source: Source, look: Look, quality: Quality = "balanced") -> Stage | None:
    """The stage for a batch, from one of its pictures; None for one with nothing in it."""
    small = source.low_res(_SIDES[quality][look.medium in PAINTED])
    analysis = analyze_scene(small, source.canvas.view)
    return None if analysis.empty else set_stage(small, analysis, look)


def plan_lighting(
    source: Source,
    look: Look,
    seed: int,
    step: Step,
    quality: Quality,
    stage: Stage | None = None,
) -> LightingPlan:
    """Lays the stage's floor in `source`. stage: that of the batch; without, the view's own."""
    canvas = source.canvas
    small = source.low_res(_SIDES[quality][look.medium in PAINTED])
    step(0.02, "Looking at the scene")
    analysis = analyze_scene(small, canvas.view)
    if stage is None:
        stage = set_stage(small, analysis, look)
    elif not (analysis.flat or analysis.empty):
        analysis = replace(analysis, place=stage.place, indoor=stage.indoor)
    choice = stage.backdrop
    studio = choice == "studio" and not analysis.flat
    floor = stage.floor
    room = not (analysis.flat or analysis.top_down or small.surfaces.covered.all())
    if floor is not None and room and small.camera.level > floor.height:
        source.floor = floor
    fit = fit_captured_light(small.surfaces)
    glowing = blur(find_emission(small.surfaces, fit, canvas.view.engine), 0.6)
    rig = Rig.of(look, small.camera, analysis, fit, canvas.view.engine).with_paint_gain(
        small.surfaces
    )
    look = rig.look
    if source.floor is not None:
        small = small.with_floor(source.floor)
    camera, surfaces = small.camera, small.surfaces

    def behind(_: object) -> tuple[Plane, Plane]:
        return _backdrop(source, small, rig, analysis, choice, seed)

    with alongside(behind) as backdrop_planes:
        lit = _lit(small, rig, analysis, glowing, step, quality == "draft")
        step(0.22, "Sky")
        sky, haze = backdrop_planes()
    step(0.24, "Sky")
    rig, fields, smoothed, point, color = lit
    fade = fade_distances(small, analysis) if studio and not analysis.place else (0.0, 0.0)

    # The small picture in full, for mirrors, exposure and bloom.
    small_sky = resize_planes(sky, camera.height, camera.width, "box")
    small_haze = resize_planes(haze, camera.height, camera.width)
    plan = LightingPlan(
        *(look, analysis, rig, small, studio, choice == "keep"),
        *(np.empty(0), [], sky, small_haze, None, color, 1.0, fade),
    )
    planes = {"open": fields.open, "shadow": fields.shadow, "glow": glowing}
    if smoothed is not None:
        planes |= {f"calm{axis}": smoothed[0][axis] for axis in range(3)} | {"bumpy": smoothed[1]}
    if fields.captured is not None:
        planes |= {f"captured{axis}": fields.captured[axis] for axis in range(3)}
    if fields.own is not None and fields.own.any():
        planes["own"] = fields.own
    if fields.bounce is not None:
        planes |= {f"bounce{axis}": fields.bounce[axis] for axis in range(3)}
    if look.surface.wet > 0 and not (analysis.flat or analysis.empty):
        step(0.25, "Reflections")
        mirrored = mirrored_light(small, look, color, small_sky)
        planes |= {f"mirror{axis}": mirrored[axis] for axis in range(3)}
        add_reflections(plan, surfaces, color, mirrored, 0, camera)
    add_air(plan, surfaces, color, small_haze, point, camera)
    put_behind(plan, surfaces, color, small_sky, small_haze, point, camera, 0)
    step(0.27, "Exposure")

    def shafts(_: object) -> Plane | None:
        shown = look.air.rays > 0 and not analysis.flat
        return bloom.light_shafts(small, rig.key, look, small_sky) if shown else None

    with alongside(shafts) as shaft_light:
        plan.exposure, plan.bloom = _exposed(plan, color)
        if plan.keep and analysis.tinted:  # it shows as it was chosen, whatever is before it
            plan.sky *= np.float32(1.15 / plan.exposure)
        falling = shaft_light()
    if falling is not None:
        falling *= 1 - np.float32(0.7) * _near_subject(small, analysis)
        plan.bloom = falling if plan.bloom is None else plan.bloom + falling
    plan.names = list(planes)
    plan.planes = np.stack([planes[name] for name in plan.names]).astype(np.float32)
    return plan


def _exposed(plan: LightingPlan, color: Plane) -> tuple[float, Plane | None]:
    """The exposure, and what glows at it."""
    look, analysis, small, studio = plan.look, plan.analysis, plan.small, plan.studio
    weight = _interest(small, 0.0 if plan.keep and analysis.tinted else 0.25)
    # Before a studio's backdrop much is meant to be light; things of one
    # shade are meant to look so.
    gray = 0.29 if studio and not analysis.place else 0.21
    gray *= _paleness(small, weight)
    exposure = (
        2.0**look.grade.exposure
        if analysis.flat
        else auto_exposure(luminance(color), weight, look.grade, gray)
    )
    shines = look.lens.bloom > 0 or look.lens.flare > 0
    return exposure, bloom.bloom(color, look.lens, exposure) if shines else None


def _lit(
    small: LowRes, rig: Rig, analysis: SceneAnalysis, glowing: Plane, step: Step, draft: bool
) -> tuple[Rig, LightFields, tuple[Plane, Plane] | None, Plane, Plane]:
    """The small picture's light: the rig as fitted, its fields, calm normals, points and colour."""
    look, size = rig.look, analysis.size
    camera, surfaces = small.camera, small.surfaces
    step(0.04, "Occlusion")
    if analysis.flat or analysis.empty:
        open_ = shadow = np.ones_like(surfaces.depth)
    else:
        reach = size * (0.16 if not analysis.place else 0.2)
        open_ = screen_space.smooth(screen_space.occlusion(camera, surfaces, reach), surfaces, 1)
        step(0.1, "Shadows")
        shadow = np.ones_like(surfaces.depth)
        if look.light.shadow > 0 and look.light.key > 0:
            # Indoors the walls and the ceiling that the frame shows would shade everything.
            length = size * (0.3 if analysis.indoor else 1.6 if analysis.place else 1.1)
            # Stepped light draws the shadow's outline: it has to be a clean curve.
            steps = _DRAFT_SHADOW_STEPS if draft else 112 if look.toon.steps else _SHADOW_STEPS
            shadow = screen_space.shadow(
                camera, surfaces, rig.key, look.light.softness, length, steps
            )
            if look.toon.steps:
                for _ in range(3):
                    shadow = screen_space.smooth(shadow, surfaces, 4)
    step(0.16, "Light between surfaces")
    smoothed = None if analysis.flat or analysis.empty else screen_space.calm_normals(surfaces)
    if smoothed is not None:
        flatten_bumps(look, surfaces, smoothed[0], smoothed[1], rig.calming)
    fields = LightFields(open_, shadow, glowing)
    if surfaces.albedo is not None and rig.trust > 0 and not (analysis.flat or analysis.empty):
        fields.captured, fields.own = _captured_light(small)
        rig = rig.with_captured_level(fields.captured, surfaces.covered)
    viewer = camera.toward_viewer(0, camera.height)
    point = camera.positions(surfaces.depth)
    albedo = rig.albedo(surfaces, fields)
    if fields.captured is not None:
        _, tone = replace(rig, trust=0.0).light(surfaces, albedo, fields, viewer, point)
        rig = rig.with_captured_gain(luminance(fields.captured), tone, surfaces.covered)
    color, _ = rig.light(surfaces, albedo, fields, viewer, point)
    if look.light.bounce > 0 and not (analysis.flat or analysis.empty):
        side = _DRAFT_BOUNCE_SIDE if draft else _BOUNCE_SIDE
        fields.bounce = _bounced(small, color, size, side)
        color, _ = rig.light(surfaces, albedo, fields, viewer, point)
    return rig, fields, smoothed, point, color


def _backdrop(
    source: Source, small: LowRes, rig: Rig, analysis: SceneAnalysis, choice: str, seed: int
) -> tuple[Plane, Plane]:
    """(3, …) light of what is behind everything, and of far haze, each on a grid of its own."""
    look, sun = rig.look, rig.key
    wide = min(source.width, 1280)
    camera = _grid(source.camera, wide, max(2, round(source.height * wide / source.width)))
    if choice == "studio" and not analysis.flat:
        sky = backdrop.studio(camera, look.sky.studio, look.sky.brightness)
    elif choice == "sky" and analysis.top_down:
        # Seen from straight above there is no sky: a plain sheet of its color instead.
        sky = backdrop.studio(camera, look.sky.horizon, look.sky.brightness)
    elif choice == "keep":
        sky = resize_planes(_behind(small), camera.height, camera.width)
    else:
        sky = backdrop.sky(camera, look, sun, seed)
        if analysis.indoor:  # what is seen through a window is brighter than the room
            sky *= np.float32(1.9)
    coarse = _grid(source.camera, 96, max(2, round(source.height * 96 / source.width)))
    return sky, backdrop.haze(coarse, look, sun)


def _grid(camera: Camera, width: int, height: int) -> Camera:
    """The camera on a grid of any size, sampling evenly."""
    rows = np.clip(((np.arange(height) + 0.5) * camera.height / height), 0, camera.height - 1)
    columns = np.clip(((np.arange(width) + 0.5) * camera.width / width), 0, camera.width - 1)
    return camera.at(rows.astype(np.intp), columns.astype(np.intp))


def _tiny(small: LowRes, side: int) -> tuple[Camera, Surfaces, tuple[Plane, ...]]:
    """A still smaller picture, every few pixels of the small one, and which those are."""
    camera, surfaces = small.camera, small.surfaces
    every = max(1, round(max(camera.width, camera.height) / side))
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


def _upsampled_within(planes: Plane, small: LowRes) -> Plane:
    """(n, …) planes of the still smaller picture on the small one, kept within surfaces."""
    camera = small.camera
    enlarged = resize_planes(planes, camera.height, camera.width, "bilinear")
    return screen_space.smooth_all(enlarged, small.surfaces, 2)


def _bounced(small: LowRes, color: Plane, size: float, side: int) -> Plane:
    """Bounced light, found on a still smaller picture."""
    camera, tiny, grid = _tiny(small, side)
    lit = np.minimum(color[(slice(None), *grid)], np.float32(6))
    bounced = screen_space.bounce(camera, tiny, lit, size * 0.35)
    bounced = screen_space.smooth_all(bounced, tiny, 2)
    return np.maximum(_upsampled_within(bounced, small), 0)


def _captured_light(small: LowRes) -> tuple[Plane, Plane]:
    """(3, h, w) the light in the captured picture, and (h, w) 0..1 where the albedo misses colors.

    The light is the color over the albedo, without detail: as fine as the small picture is, so that
    old shadows go with it; thin mirrors and noise stay. Light changes its hue slowly; where hues
    change from place to place, or a black surface shows something, that is the surface's own color:
    a picture that shines, a colored mirror, a material that has no albedo.
    """
    surfaces = small.surfaces
    assert surfaces.albedo is not None
    shown, paint = luminance(surfaces.color), luminance(surfaces.albedo)
    light = light_on(surfaces.albedo, surfaces.color)
    covered = surfaces.covered
    known = covered & (paint > 0.05)
    usual = float(np.median(luminance(light)[known])) if known.mean() > 0.01 else 1.0
    own = covered & (paint < 0.025) & (shown > 0.012 + 3 * paint * usual)
    missed = np.maximum(_many_hued(light, surfaces), own.astype(np.float32))
    gray = np.where(own, np.float32(usual), luminance(light))
    light += (gray - light) * missed
    for radius in (2, 2):
        light = screen_space.smooth_all(light, surfaces, radius)
    # Few samples leave blotches of color on plain walls: hue is smoothed farther than brightness.
    bright = luminance(light)
    hue = light / np.maximum(bright, np.float32(1e-4))
    for radius in (4, 4):
        hue = screen_space.smooth_all(hue, surfaces, radius)
    light = hue * bright
    return light, screen_space.smooth(missed, surfaces, 1)


def _many_hued(light: Plane, surfaces: Surfaces) -> Plane:
    """(h, w) 0..1 where the hue of light changes from place to place, if it does so everywhere.

    Around colored lamps and where things meet it changes as well, in a part of the picture.
    """
    covered = surfaces.covered.astype(np.float32)
    hue = light / np.maximum(luminance(light), np.float32(1e-3)) * covered
    unit = max(covered.shape) / 512
    wide = blur(covered, 7 * unit) + np.float32(1e-3)
    away = np.abs(hue - blur_planes(hue, 7 * unit) / wide).max(0) * covered
    often = blur((away > 0.25) * covered, 12 * unit) / (blur(covered, 12 * unit) + np.float32(1e-3))
    seen = surfaces.covered
    middle = np.asarray(np.median(often[seen]) if seen.any() else 0.0, np.float32)
    whole = smoothstep(0.3, 0.45, middle)
    # Dim light has the noise of few samples in its hue.
    bright = smoothstep(0.01, 0.04, luminance(surfaces.color))
    return (smoothstep(0.2, 0.45, often) * covered * bright * whole).astype(np.float32)


def _behind(small: LowRes) -> Plane:
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


def _near_subject(small: LowRes, analysis: SceneAnalysis) -> Plane:
    """1 on the subject and what is before it: light that falls through the air is behind them."""
    surfaces = small.surfaces
    near = surfaces.covered & (surfaces.depth < analysis.focus + 0.35 * analysis.size)
    if surfaces.laid is not None:
        near &= ~surfaces.laid
    return blur(near.astype(np.float32), 1.5)


def _paleness(small: LowRes, weight: Plane) -> float:
    """1 for surfaces of usual colors, less for dark ones and more for white ones."""
    surfaces = small.surfaces
    own = surfaces.covered if surfaces.laid is None else surfaces.covered & ~surfaces.laid
    if surfaces.albedo is None or not own.any():
        return 1.0
    paint = np.log(np.maximum(luminance(surfaces.albedo)[own].astype(np.float64), 0.01))
    share = weight[own].astype(np.float64)
    usual = float(np.exp((paint * share).sum() / max(float(share.sum()), 1e-9)))
    dark = float(np.clip((usual / 0.12) ** 0.5, 0.4, 1.0))
    return dark * float(np.clip((usual / 0.45) ** 0.4, 1.0, 1.3))


def _interest(small: LowRes, behind: float) -> Plane:
    """How much each pixel counts for the exposure: the middle more than the rim, the sky little.

    behind: what counts of the background. The plain color of a night is no reason for more light.
    """
    height, width = small.surfaces.depth.shape
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    weight = np.exp(-(x * x + y * y) * np.float32(0.9))
    return weight * np.where(small.surfaces.covered, np.float32(1), np.float32(behind))
