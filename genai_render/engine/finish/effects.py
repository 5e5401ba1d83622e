# SPDX-License-Identifier: GPL-3.0-or-later
"""Last things, on the finished pixels: falling rain and snow, motes, fringes, grain, bars."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from ..look.look import Look
from ..raster.arrays import Plane
from ..raster.color import to_display
from ..raster.noise import spectral_noise
from ..raster.parallel import each_band
from ..raster.progress import Step
from ..raster.upsampler import Upsampler

_SIDE = 1400
"""Pixels on the longer side of the pictures of drops and flakes; larger ones are enlarged."""


def add_effects(pixels: NDArray[np.uint8], look: Look, seed: int, step: Step) -> None:
    """Change the (H, W, 3) display pixels in place."""
    if look.air.dust > 0:
        step(0.97, "Dust")
        warm = to_display(np.asarray(look.light.key_color, np.float32))
        _screen(pixels, _motes(pixels.shape, look.air.dust, seed), tuple(warm))
    if look.sky.snow > 0:
        step(0.97, "Snow")
        _screen(pixels, _flakes(pixels.shape, look.sky.snow, seed), (0.97, 0.98, 1.0))
    if look.sky.rain > 0:
        step(0.97, "Rain")
        _screen(pixels, _drops(pixels.shape, look.sky.rain, seed), (0.78, 0.84, 0.9))
    if look.lens.fringe > 0:
        step(0.97, "Lens")
        _fringe(pixels, look.lens.fringe)
    if look.lens.grain > 0:
        step(0.98, "Grain")
        _grain(pixels, look.lens.grain, seed)
    if look.lens.bars > 0:
        height, width = pixels.shape[:2]
        bar = round((height - width / look.lens.bars) / 2)
        if bar > 0:
            pixels[:bar] = 0
            pixels[height - bar :] = 0


def _screen(pixels: NDArray[np.uint8], layer: Plane, color: tuple[float, ...]) -> None:
    """Lay light of a colour over the pixels by a small 0..1 layer."""
    height, width = pixels.shape[:2]
    upsampler = Upsampler((layer.shape[0], layer.shape[1]), (height, width))
    target = np.asarray(color, np.float32) * np.float32(255)

    def work(first: int, last: int) -> None:
        share = upsampler.rows(layer, first, last)
        part = pixels[first:last]
        for axis in range(3):
            plane = part[..., axis].astype(np.float32)
            # Light only adds: a drop before a bright wall is not seen.
            plane += np.maximum(target[axis] - plane * np.float32(0.85), 0) * share
            np.clip(plane, 0, 255, out=plane)
            part[..., axis] = plane

    each_band(height, width, work)


def _drawn(
    shape: tuple[int, ...],
    draw: Callable[[ImageDraw.ImageDraw, int, int, float], None],
    blur: float,
) -> Plane:
    """A (h, w) 0..1 layer of at most _SIDE pixels. draw(pen, width, height, unit)."""
    shrink = min(1.0, _SIDE / max(shape[0], shape[1]))
    width, height = max(1, round(shape[1] * shrink)), max(1, round(shape[0] * shrink))
    picture = Image.new("L", (width, height))
    unit = max(width, height) / 1000
    draw(ImageDraw.Draw(picture), width, height, unit)
    soft = picture.filter(ImageFilter.GaussianBlur(blur * unit))
    return np.asarray(soft, np.float32) / np.float32(255)


def _drops(shape: tuple[int, ...], amount: float, seed: int) -> Plane:
    """Streaks of rain: many thin far ones, few long near ones, all slanting the same way."""
    total: Plane | None = None
    for layer, (count, length, light, blur) in enumerate(
        ((1500, 17, 80, 0.35), (420, 40, 105, 0.5), (60, 110, 90, 1.0))
    ):
        random = np.random.default_rng(seed * 13 + layer)

        def draw(
            pen: ImageDraw.ImageDraw,
            width: int,
            height: int,
            unit: float,
            random: np.random.Generator = random,
            count: int = count,
            length: float = length,
            light: int = light,
        ) -> None:
            for _ in range(int(count * amount)):
                x, y = random.uniform(-0.1, 1.1) * width, random.uniform(-0.1, 1.0) * height
                run = length * unit * random.uniform(0.6, 1.3)
                slant = run * (0.16 + random.uniform(-0.015, 0.015))
                shade = int(light * random.uniform(0.35, 1))
                pen.line((x, y, x - slant, y + run), fill=shade, width=max(1, round(unit)))

        layer_light = _drawn(shape, draw, blur)
        total = layer_light if total is None else 1 - (1 - total) * (1 - layer_light)
    assert total is not None
    return total * np.float32(0.8)


def _flakes(shape: tuple[int, ...], amount: float, seed: int) -> Plane:
    total: Plane | None = None
    for layer, (count, radius, light, blur) in enumerate(
        ((1100, 0.9, 200, 0.35), (320, 1.9, 215, 0.8), (42, 6.5, 150, 3.0))
    ):
        total = _dots(shape, int(count * amount), radius, light, blur, seed * 17 + layer, total)
    assert total is not None
    return total


def _motes(shape: tuple[int, ...], amount: float, seed: int) -> Plane:
    total: Plane | None = None
    for layer, (count, radius, light, blur) in enumerate(
        ((150, 0.7, 210, 0.5), (50, 1.6, 150, 1.2), (14, 5.0, 70, 2.6))
    ):
        total = _dots(shape, int(count * amount), radius, light, blur, seed * 19 + layer, total)
    assert total is not None
    return total


def _dots(
    shape: tuple[int, ...],
    count: int,
    radius: float,
    light: int,
    blur: float,
    seed: int,
    under: Plane | None,
) -> Plane:
    random = np.random.default_rng(seed)

    def draw(pen: ImageDraw.ImageDraw, width: int, height: int, unit: float) -> None:
        for _ in range(count):
            x, y = random.random() * width, random.random() * height
            r = radius * unit * random.uniform(0.5, 1.5)
            shade = int(light * random.uniform(0.3, 1))
            pen.ellipse((x - r, y - r, x + r, y + r), fill=shade)

    layer = _drawn(shape, draw, blur)
    return layer if under is None else 1 - (1 - under) * (1 - layer)


def _fringe(pixels: NDArray[np.uint8], amount: float) -> None:
    """Red a little larger than green, blue a little smaller: colour at edges, most at the rim."""
    height, width = pixels.shape[:2]
    for axis, sign in ((0, -1), (2, 1)):
        zoom = 1 + sign * 0.0022 * amount
        shift = (1 - zoom) / 2
        channel = Image.fromarray(np.ascontiguousarray(pixels[..., axis]))
        moved = channel.transform(
            (width, height),
            Image.Transform.AFFINE,
            (zoom, 0, shift * width, 0, zoom, shift * height),
            Image.Resampling.BILINEAR,
        )
        # What lies beyond the frame is not black.
        margin = math.ceil(0.0013 * amount * max(height, width)) + 1
        inner = np.asarray(moved)[margin:-margin, margin:-margin]
        pixels[margin:-margin, margin:-margin, axis] = inner


def _grain(pixels: NDArray[np.uint8], amount: float, seed: int) -> None:
    height, width = pixels.shape[:2]
    unit = max(1.0, max(height, width) / 1500)
    size = 512
    side = max(size, round(size * unit))
    tile = Image.fromarray(spectral_noise(seed + 5, size, 0.3)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    grain = np.asarray(tile)
    random = np.random.default_rng(seed + 6)
    starts = random.integers(0, side, (height // side + 1, width // side + 1, 2))

    def work(first: int, last: int) -> None:
        rows = np.arange(first, last)
        line = np.empty((last - first, width), np.float32)
        for block_y in range(first // side, (last - 1) // side + 1):
            own = (rows // side) == block_y
            for block_x in range(width // side + 1):
                part = slice(block_x * side, min(width, (block_x + 1) * side))
                if part.start >= width:
                    continue
                dy, dx = starts[block_y, block_x]
                y = (rows[own] + dy) % side
                x = (np.arange(part.start, part.stop) + dx) % side
                line[own, part] = grain[y[:, None], x[None, :]]
        light = pixels[first:last, :, 1] * np.float32(1 / 255)
        # Most in the middle tones, next to none in black and white.
        line *= light * (1 - light) * np.float32(4 * 8.5 * amount) + np.float32(0.8 * amount)
        for axis in range(3):
            plane = pixels[first:last, :, axis] + line
            np.clip(plane, 0, 255, out=plane)
            pixels[first:last, :, axis] = plane

    each_band(height, width, work)
