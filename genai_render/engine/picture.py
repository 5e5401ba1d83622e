# SPDX-License-Identifier: GPL-3.0-or-later
"""The offline renderer's whole way: a canvas and a look in, a finished picture out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFilter

from ..core.canvas import Canvas
from . import backdrop, develop, focus, lines, media
from .antialias import antialias
from .bands import beside, each_band
from .finish import finish
from .geometry import Plane
from .look import Look
from .palette import Palette
from .plan import Grown, Plan, Quality, add_air, add_wet, make_plan, put_behind, quieten
from .shade import Fields
from .shaded import Shaded, Step
from .surfaces import Source, Surfaces


def silent(fraction: float, message: str) -> None:
    """A Step that tells nobody."""


def render(
    canvas: Canvas,
    look: Look,
    palette: Palette | None = None,
    seed: int = 0,
    step: Step = silent,
    quality: Quality = "balanced",
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 display sRGB: the canvas in that look.

    The same canvas, look, palette and seed give the same pixels, whatever the machine is doing.
    Raises whatever `step` raises (Cancelled).
    """
    step(0.0, "Looking at the scene")
    source = Source(canvas)
    with beside(source.mend) as mended:
        plan = make_plan(source, look, seed, step, quality)
        mended()
    step(0.3, "Lighting")
    drawn = look.line.strength > 0 or bool(look.medium)
    extra = _Extra.empty(source) if drawn else None
    lut = _table(plan, palette)
    step(0.3, "Lighting")
    pixels = _Large(source, plan, lut, extra, seed, step).made()
    pixels = antialias(pixels, step, 0.7, 0.75)
    if extra is not None:
        pixels = _drawn(source, look, pixels, extra, seed, step)
    finish(pixels, look, seed, step)
    step(1.0, "Done")
    return pixels


@dataclass(slots=True, eq=False)
class _Extra:
    """What lines and media want to know of the large picture. albedo: display sRGB."""

    tone: Plane
    albedo: Plane

    @classmethod
    def empty(cls, source: Source) -> _Extra:
        shape = (source.height, source.width)
        return cls(np.empty(shape, np.float32), np.empty((*shape, 3), np.float32))


def _table(plan: Plan, palette: Palette | None) -> ImageFilter.Color3DLUT:
    """All grading in one table; the palette is fitted to the small picture as it is graded."""
    grade = plan.look.grade
    colors = develop.graded(develop.lattice(), grade)
    if palette is not None:
        shown = np.maximum(plan.shown * np.float32(plan.exposure), 0)
        develop.film(shown, develop.balance(grade), not plan.found.flat)
        shown = develop.graded(shown.reshape(3, -1).T[:: max(1, shown[0].size // 30000)], grade)
        colors = palette.applied(colors, shown)
    return develop.table(colors)


class _Large:
    """The large picture, made in bands of rows."""

    def __init__(
        self,
        source: Source,
        plan: Plan,
        lut: ImageFilter.Color3DLUT,
        extra: _Extra | None,
        seed: int,
        step: Step,
    ) -> None:
        self.source, self.plan, self.lut = source, plan, lut
        self.extra, self.seed, self.step = extra, seed, step
        self.grown = Grown(source, plan)
        self.gains = develop.balance(plan.look.grade)
        self.pixels = np.empty((source.height, source.width, 3), np.uint8)
        random = np.random.default_rng(seed + 11)
        self.dither = random.random((64, source.width), np.float32)
        self.stars: tuple[NDArray[np.intp], Plane] | None = None
        if plan.look.sky.stars > 0 and not (plan.studio or plan.keep):
            scale = max(source.height, source.width) / 1400
            self.stars = backdrop.stars(source.camera, plan.look, seed, scale)

    def made(self) -> NDArray[np.uint8]:
        height, width = self.source.height, self.source.width
        look, found = self.plan.look, self.plan.found
        if look.lens.blur <= 0 or found.flat or found.empty:
            each_band(height, width, self._straight, self._tell(0.3, 0.7, "Lighting"))
            return self.pixels
        light = np.empty((3, height, width), np.float32)
        discs = np.empty((height, width), np.float32)
        tight = 0.4 if found.place else 1.0

        def lit(first: int, last: int) -> None:
            surfaces = self._surfaces(first, last)
            light[:, first:last] = self._light(surfaces, first, last)
            discs[first:last] = focus.circles(
                surfaces.depth, found.focus, look.lens.blur, found.size, tight
            )

        each_band(height, width, lit, self._tell(0.3, 0.5, "Lighting"))
        focus.defocus(light, discs, self.step, 0.5, 0.62)

        def developed(first: int, last: int) -> None:
            self._develop(light[:, first:last], first, last)

        each_band(height, width, developed, self._tell(0.62, 0.7, "Developing"))
        return self.pixels

    def _tell(self, start: float, end: float, message: str) -> Callable[[float], None]:
        return lambda done: self.step(start + (end - start) * done, message)

    def _straight(self, first: int, last: int) -> None:
        self._develop(self._light(self._surfaces(first, last), first, last), first, last)

    def _surfaces(self, first: int, last: int) -> Surfaces:
        return self.source.rows(first, last)

    def _light(self, surfaces: Surfaces, first: int, last: int) -> Plane:
        """(3, rows, w) linear light of these rows."""
        plan, camera = self.plan, self.source.camera
        planes = self.grown.rows(first, last, surfaces)
        if "bumpy" in planes:
            calmed = np.stack([planes[f"calm{axis}"] for axis in range(3)])
            quieten(plan.look, surfaces, calmed, planes["bumpy"], plan.rig.calming)
        bounce = None
        if "bounce0" in planes:
            bounce = np.stack([planes[f"bounce{axis}"] for axis in range(3)])
        old = None
        if "old0" in planes:
            old = np.stack([planes[f"old{axis}"] for axis in range(3)])
        fields = Fields(planes["open"], planes["shadow"], planes["glow"], bounce, old)
        viewer = camera.toward_viewer(first, last - first)
        albedo = plan.rig.albedo(surfaces, old)
        point = camera.positions(surfaces.depth, first)
        color, tone = plan.rig.light(surfaces, albedo, fields, viewer, point)
        if "mirror0" in planes:
            mirrored = np.stack([planes[f"mirror{axis}"] for axis in range(3)])
            add_wet(plan, surfaces, color, mirrored, first, camera)
        haze = np.stack([self.grown.haze.rows(plane, first, last) for plane in plan.haze])
        add_air(plan, surfaces, color, haze, point, camera)
        bare = bool((surfaces.alpha < 1).any())
        if bare or (plan.studio and plan.fade[1] > 0):
            sky = np.stack([self.grown.sky.rows(plane, first, last) for plane in plan.sky])
            if self.stars is not None:
                self._add_stars(sky, first, last)
            put_behind(plan, surfaces, color, sky, haze, point, camera, first)
            tone = self._tone(tone, surfaces.alpha, sky)
        if self.extra is not None:
            self.extra.tone[first:last] = np.clip(tone * np.float32(0.62), 0, 1)
            # Lines follow paint, not the shadows and highlights of the captured picture.
            own = surfaces.albedo if surfaces.albedo is not None else albedo
            shown = np.clip(np.where(surfaces.alpha > 0.5, own, color), 0, 1)
            self.extra.albedo[first:last] = develop.to_display(shown).transpose(1, 2, 0)
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
                color[axis] += self.grown.enlarger.rows(plan.bloom[axis], first, last)
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
        develop.film(color, self.gains, not plan.found.flat)
        rows = np.arange(first, last) % len(self.dither)
        pixels = develop.quantized(color, self.dither[rows])
        self.pixels[first:last] = develop.through(pixels, self.lut)


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
        edges = lines.detect(depth, normal, view, paint, part(0.75, 0.8))
        width = line.width * max(view.height, view.width) / 1024
        mask = lines.line_mask(
            edges, depth, view, width, paint=line.paint, seed=seed, step=part(0.8, 0.82)
        )
        ink = develop.to_display(np.asarray(line.color, np.float32))
        lines.draw(color, mask, (float(ink[0]), float(ink[1]), float(ink[2])), line.strength)
    if look.medium:
        shaded = Shaded(color, extra.tone, extra.albedo, depth, normal, view, seed, edges)
        color = media.apply(look.medium, shaded, look.amount, part(0.82, 0.97))
    result = np.empty_like(pixels)

    def back(first: int, last: int) -> None:
        values = np.clip(color[first:last], 0, 1)
        result[first:last] = values * np.float32(255) + np.float32(0.5)

    each_band(pixels.shape[0], pixels.shape[1], back)
    return result
