# SPDX-License-Identifier: GPL-3.0-or-later
"""The offline renderer's whole way: a canvas and a look in, a finished picture out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFilter

from ..core.view.canvas import Canvas
from . import media
from .finish.antialias import antialias
from .finish.depth_of_field import circles_of_confusion, defocus
from .finish.effects import add_effects
from .grade.grading import graded, lattice, lookup_table, quantized, through_table
from .grade.palette import Palette
from .grade.tone_mapping import tone_map, white_balance
from .light import backdrop
from .light.atmosphere import add_air, put_behind
from .light.lighting_plan import LightingPlan, Quality
from .light.planner import choose_stage, plan_lighting
from .light.reflections import add_reflections
from .light.rig import LightFields
from .light.screen_space import flatten_bumps
from .light.stage import Stage
from .light.upsampled import Upsampled
from .lines.captured_lines import find_captured_lines
from .lines.edges import detect_edges
from .lines.pen import draw_lines, line_mask
from .look.look import Grade, Look
from .media.shaded import Shaded
from .raster.arrays import Plane
from .raster.color import to_display
from .raster.parallel import alongside, each_band
from .raster.progress import Step, silent
from .scene.surfaces import Source, Surfaces


def render(
    canvas: Canvas,
    look: Look,
    palette: Palette | None = None,
    seed: int = 0,
    step: Step = silent,
    quality: Quality = "balanced",
    stage: Stage | None = None,
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 display sRGB: the canvas in that look.

    stage: what is behind the scene, chosen for a whole batch (`stage_for`); without, for this
    picture. The same arguments give the same pixels, whatever the machine is doing.
    Raises whatever `step` raises (Cancelled).
    """
    step(0.0, "Looking at the scene")
    source = Source(canvas)
    with alongside(source.mend) as mended:
        plan = plan_lighting(source, look, seed, step, quality, stage)
        mended()
    step(0.3, "Lighting")
    drawn = look.line.strength > 0 or bool(look.medium)
    extra = _Extra.empty(source) if drawn else None
    lut = _table(plan, palette)
    step(0.3, "Lighting")
    pixels = _Large(source, plan, lut, extra, seed, step).rendered()
    if quality != "draft":
        pixels = antialias(pixels, step, 0.7, 0.75)
    captured_lines = None if quality == "draft" else find_captured_lines(canvas)
    if captured_lines is not None:
        captured_lines.draw(pixels)
    if extra is not None:
        pixels = _drawn(source, look, pixels, extra, seed, step)
    add_effects(pixels, look, seed, step)
    step(1.0, "Done")
    return pixels


def stage_for(canvas: Canvas, look: Look, quality: Quality = "balanced") -> Stage | None:
    """The stage that all pictures of a batch share, from one of them; None if that one is empty."""
    return choose_stage(Source(canvas), look, quality)


@dataclass(slots=True, eq=False)
class _Extra:
    """What lines and media want to know of the large picture. albedo: display sRGB."""

    tone: Plane
    albedo: Plane

    @classmethod
    def empty(cls, source: Source) -> _Extra:
        shape = (source.height, source.width)
        return cls(np.empty(shape, np.float32), np.empty((*shape, 3), np.float32))


def _table(plan: LightingPlan, palette: Palette | None) -> ImageFilter.Color3DLUT:
    """All grading in one table; the palette is fitted to the small picture as it is graded."""
    grade = plan.look.grade
    if palette is None:
        return _table_of(grade)
    shown = np.maximum(plan.shown * np.float32(plan.exposure), 0)
    tone_map(shown, white_balance(grade), not plan.analysis.flat)
    shown = graded(shown.reshape(3, -1).T[:: max(1, shown[0].size // 30000)], grade)
    return lookup_table(palette.applied(graded(lattice(), grade), shown))


@functools.lru_cache(maxsize=8)
def _table_of(grade: Grade) -> ImageFilter.Color3DLUT:
    return lookup_table(graded(lattice(), grade))


class _Large:
    """The large picture, made in bands of rows."""

    def __init__(
        self,
        source: Source,
        plan: LightingPlan,
        lut: ImageFilter.Color3DLUT,
        extra: _Extra | None,
        seed: int,
        step: Step,
    ) -> None:
        self.source, self.plan, self.lut = source, plan, lut
        self.extra, self.seed, self.step = extra, seed, step
        self.upsampled = Upsampled(source, plan)
        self.gains = white_balance(plan.look.grade)
        self.pixels = np.empty((source.height, source.width, 3), np.uint8)
        random = np.random.default_rng(seed + 11)
        self.dither = random.random((64, source.width), np.float32)
        self.stars: tuple[NDArray[np.intp], Plane] | None = None
        if plan.look.sky.stars > 0 and not (plan.studio or plan.keep):
            scale = max(source.height, source.width) / 1400
            self.stars = backdrop.stars(source.camera, plan.look, seed, scale)

    def rendered(self) -> NDArray[np.uint8]:
        height, width = self.source.height, self.source.width
        look, analysis = self.plan.look, self.plan.analysis
        if look.lens.blur <= 0 or analysis.flat or analysis.empty:
            each_band(height, width, self._straight, self._report(0.3, 0.7, "Lighting"))
            return self.pixels
        light = np.empty((3, height, width), np.float32)
        discs = np.empty((height, width), np.float32)
        tight = 0.4 if analysis.place else 1.0

        def lit(first: int, last: int) -> None:
            surfaces = self._surfaces(first, last)
            light[:, first:last] = self._light(surfaces, first, last)
            discs[first:last] = circles_of_confusion(
                surfaces.depth, analysis.focus, look.lens.blur, analysis.size, tight
            )

        each_band(height, width, lit, self._report(0.3, 0.5, "Lighting"))
        defocus(light, discs, self.step, 0.5, 0.62)

        def developed(first: int, last: int) -> None:
            self._develop(light[:, first:last], first, last)

        each_band(height, width, developed, self._report(0.62, 0.7, "Developing"))
        return self.pixels

    def _report(self, start: float, end: float, message: str) -> Callable[[float], None]:
        return lambda done: self.step(start + (end - start) * done, message)

    def _straight(self, first: int, last: int) -> None:
        self._develop(self._light(self._surfaces(first, last), first, last), first, last)

    def _surfaces(self, first: int, last: int) -> Surfaces:
        return self.source.rows(first, last)

    def _light(self, surfaces: Surfaces, first: int, last: int) -> Plane:
        """(3, rows, w) linear light of these rows."""
        plan, camera = self.plan, self.source.camera
        planes = self.upsampled.rows(first, last, surfaces)
        if "bumpy" in planes:
            calmed = np.stack([planes[f"calm{axis}"] for axis in range(3)])
            flatten_bumps(plan.look, surfaces, calmed, planes["bumpy"], plan.rig.calming)
        bounce = None
        if "bounce0" in planes:
            bounce = np.stack([planes[f"bounce{axis}"] for axis in range(3)])
        captured = None
        if "captured0" in planes:
            captured = np.stack([planes[f"captured{axis}"] for axis in range(3)])
        fields = LightFields(
            planes["open"], planes["shadow"], planes["glow"], bounce, captured, planes.get("own")
        )
        viewer = camera.toward_viewer(first, last - first)
        albedo = plan.rig.albedo(surfaces, fields)
        point = camera.positions(surfaces.depth, first)
        color, tone = plan.rig.light(surfaces, albedo, fields, viewer, point)
        if "mirror0" in planes:
            mirrored = np.stack([planes[f"mirror{axis}"] for axis in range(3)])
            add_reflections(plan, surfaces, color, mirrored, first, camera)
        haze = np.stack([self.upsampled.haze.rows(plane, first, last) for plane in plan.haze])
        add_air(plan, surfaces, color, haze, point, camera)
        bare = bool((surfaces.alpha < 1).any())
        if bare or (plan.studio and plan.fade[1] > 0):
            sky = np.stack([self.upsampled.sky.rows(plane, first, last) for plane in plan.sky])
            if self.stars is not None:
                self._add_stars(sky, first, last)
            put_behind(plan, surfaces, color, sky, haze, point, camera, first)
            tone = self._tone(tone, surfaces.alpha, sky)
        if self.extra is not None:
            self.extra.tone[first:last] = np.clip(tone * np.float32(0.62), 0, 1)
            # Lines follow paint, not the shadows and highlights of the captured picture.
            own = surfaces.albedo if surfaces.albedo is not None else albedo
            shown = np.clip(np.where(surfaces.alpha > 0.5, own, color), 0, 1)
            self.extra.albedo[first:last] = to_display(shown).transpose(1, 2, 0)
        return color

    def _tone(self, tone: Plane, alpha: Plane, sky: Plane) -> Plane:
        light = sky.max(0) * np.float32(self.plan.exposure)
        return light + (tone - light) * alpha

    def _add_stars(self, sky: Plane, first: int, last: int) -> None:
        assert self.stars is not None
        index, light = self.stars
        width = self.source.width
        start, stop = np.searchsorted(index, (first * width, last * width))
        at = index[start:stop] - first * width
        for axis in range(3):
            np.maximum.at(sky[axis].reshape(-1), at, light[start:stop] / self.plan.exposure * 0.8)

    def _develop(self, color: Plane, first: int, last: int) -> None:
        plan = self.plan
        if plan.bloom is not None:
            for axis in range(3):
                color[axis] += self.upsampled.upsampler.rows(plan.bloom[axis], first, last)
        color *= np.float32(plan.exposure)
        vignette = plan.look.lens.vignette
        if vignette > 0:
            height, width = self.source.height, self.source.width
            x = (np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1
            y = (np.arange(first, last, dtype=np.float32) + 0.5) / height * 2 - 1
            away = x[None, :] ** 2 * np.float32(0.9) + y[:, None] ** 2 * np.float32(0.9)
            away *= np.float32(0.55)
            away = 1 / (1 + away * away * np.float32(vignette * 2.2))
            color *= away
        np.maximum(color, 0, out=color)
        tone_map(color, self.gains, not plan.analysis.flat)
        rows = np.arange(first, last) % len(self.dither)
        pixels = quantized(color, self.dither[rows])
        self.pixels[first:last] = through_table(pixels, self.lut)


def _drawn(
    source: Source, look: Look, pixels: NDArray[np.uint8], extra: _Extra, seed: int, step: Step
) -> NDArray[np.uint8]:
    """The picture with its lines and in its medium."""

    def part(start: float, end: float) -> Step:
        return lambda fraction, message: step(start + (end - start) * fraction, message)

    view = source.canvas.view
    depth, normal = source.seen()
    color = np.empty(pixels.shape, np.float32)

    def light(first: int, last: int) -> None:
        np.multiply(pixels[first:last], np.float32(1 / 255), out=color[first:last])

    each_band(pixels.shape[0], pixels.shape[1], light)
    step(0.75, "Lines")
    line = look.line
    edges = None
    if line.strength > 0:
        paint = extra.albedo if line.paint > 0 or look.medium else None
        edges = detect_edges(depth, normal, view, paint, part(0.75, 0.8))
        width = line.width * max(view.height, view.width) / 1024
        mask = line_mask(
            edges, depth, view, width, paint=line.paint, seed=seed, step=part(0.8, 0.82)
        )
        ink = to_display(np.asarray(line.color, np.float32))
        draw_lines(color, mask, (float(ink[0]), float(ink[1]), float(ink[2])), line.strength)
    if look.medium:
        shaded = Shaded(color, extra.tone, extra.albedo, depth, normal, view, seed, edges)
        color = media.apply(look.medium, shaded, look.amount, part(0.82, 0.97))
    result = np.empty_like(pixels)

    def back(first: int, last: int) -> None:
        values = np.clip(color[first:last], 0, 1)
        result[first:last] = values * np.float32(255) + np.float32(0.5)

    each_band(pixels.shape[0], pixels.shape[1], back)
    return result
