# SPDX-License-Identifier: GPL-3.0-or-later
"""Watercolor: transparent washes, wet edges, bleeding, granulation, white paper."""

from __future__ import annotations

import numpy as np

from ..raster import noise
from ..raster.arrays import Floats, smoothstep
from ..raster.color import brightness
from ..raster.progress import Step
from ..raster.resample import ColorRows, blur, gradient, resize, unit, warp, working_size
from .ground import MarginRows, compose, pen, raise_key
from .shaded import Shaded

PAPER = np.array([0.985, 0.975, 0.95], np.float32)
GRAPHITE = np.array([0.27, 0.24, 0.24], np.float32)
WASH_UNITS = 1.3
TONES = (0.2, 0.42, 0.66)
"""How much darker than paper the second, third and fourth wash begin."""


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Watercolor: wetting the paper")
    height, width = shaded.depth.shape
    small = working_size(height, width, WASH_UNITS)
    scale = unit(*small)
    seed = shaded.seed
    color = resize(shaded.color, *small, "box")
    color *= (raise_key(brightness(color), 0.62) / np.maximum(brightness(color), 0.02))[..., None]
    color = _hand_moved(np.clip(color, 0, 1), seed, scale)
    step(0.15, "Watercolor: washes")
    washes = abstract(color, scale)
    step(0.35, "Watercolor: washes")
    density = _densities(washes)
    density = _in_layers(density, seed, scale)
    step(0.5, "Watercolor: bleeding")
    density = _bleed(density, seed, scale)
    step(0.6, "Watercolor: pigment")
    pigment = _pigment(density, seed, scale)
    density = density * pigment[..., None]
    step(0.7, "Watercolor: pencil lines")
    pencil = pen(shaded, 1.1, step, 0.7, 0.82, paint=0.5).line(1.3, seed)
    densities = ColorRows(density, height, width)
    inside = MarginRows(height, width, 15.0, seed)
    paper = noise.PaperRows(height, width, seed, 2.0)

    def rows(top: int, bottom: int) -> Floats:
        tooth, filled = paper(top, bottom), inside(top, bottom)
        pigment = np.maximum(densities(top, bottom), 0)
        # Granulation: pigment settles in the paper's valleys, where there is enough of it.
        thick = np.clip(brightness(pigment), 0, 1.2)
        grains = 1 - tooth * (0.03 + 0.13 * np.sqrt(thick) - 0.07 * thick)
        pigment *= (np.clip(grains, 0.35, 1.7) * filled)[..., None]
        # Light falls through the pigment onto the paper and back.
        sheet = PAPER * (1 + 0.016 * tooth)[..., None] * np.exp(-pigment)
        line = pencil(top, bottom) * filled * np.clip(0.85 + 0.25 * tooth, 0.2, 1)
        return sheet + (GRAPHITE - sheet) * (line * np.float32(0.34))[..., None]

    return compose((height, width), rows, step, "Watercolor: drying", 0.82)


def _hand_moved(color: Floats, seed: int, scale: float) -> Floats:
    """Shapes as a brush fills them: their borders waver a little."""
    height, width = color.shape[:2]
    shift = [
        noise.fbm(height, width, 34.0, seed, f"watercolor/hand/{axis}", 2, 0.5)
        * np.float32(1.5 * scale)
        for axis in "xy"
    ]
    return warp(color, *shift)


def abstract(color: Floats, scale: float) -> Floats:
    """Fine detail gathered into flat patches with clear borders (a small Kuwahara filter).

    Of four windows around each pixel, the calmest gives its mean.
    """
    radius = max(2, round(2.4 * scale))
    gray = brightness(color)
    best = np.full(gray.shape, np.inf, np.float32)
    result = np.empty_like(color)
    mean = _box(color, radius)
    gray_mean, square = _box(gray, radius), _box(gray * gray, radius)
    variance = np.maximum(square - gray_mean * gray_mean, 0)
    padding = ((radius, radius), (radius, radius))
    padded_mean = np.pad(mean, (*padding, (0, 0)), mode="edge")
    padded_variance = np.pad(variance, padding, mode="edge")
    height, width = gray.shape
    for y in (0, 2 * radius):
        for x in (0, 2 * radius):
            calm = padded_variance[y : y + height, x : x + width]
            better = calm < best
            best = np.where(better, calm, best)
            np.copyto(result, padded_mean[y : y + height, x : x + width], where=better[..., None])
    return blur(result, 0.7)


def _box(image: Floats, radius: int) -> Floats:
    """Mean over the window of (2·radius/2 + 1)² pixels around each."""
    half = max(1, radius // 2 + 1)
    size = 2 * half + 1
    padding = ((half + 1, half), (half + 1, half)) + (((0, 0),) if image.ndim == 3 else ())
    total = np.pad(image, padding, mode="edge").astype(np.float64).cumsum(0).cumsum(1)
    result = (
        total[size:, size:] - total[:-size, size:] - total[size:, :-size] + total[:-size, :-size]
    )
    return (result / (size * size)).astype(np.float32)


def _densities(color: Floats) -> Floats:
    """How much pigment filters each of red, green and blue; lights stay nearly white paper."""
    gray = brightness(color)[..., None]
    vivid = gray + (color - gray) * np.float32(1.3)
    light = np.clip(vivid * 1.06 + 0.03, 0.035, 0.995)
    density = -np.log(light)
    # Darks of watercolour are never quite dark.
    return (density / (1 + 0.16 * density)).astype(np.float32)


def _in_layers(density: Floats, seed: int, scale: float) -> Floats:
    """The tone built up of glazes: each has an uneven border, wet and dark in places."""
    height, width = density.shape[:2]
    tone = 1 - np.exp(-brightness(density))
    wander = noise.fbm(height, width, 70.0, seed, "watercolor/border", 4, 0.48)
    smooth = blur(tone, 1.6 * scale) + wander * 0.016
    wet = smoothstep(-0.3, 0.9, noise.fbm(height, width, 150.0, seed, "watercolor/wet", 2))
    gy, gx = gradient(smooth)
    slope = np.sqrt(gx * gx + gy * gy) + np.float32(1e-4)
    built = np.zeros_like(tone)
    rim = np.zeros_like(tone)
    levels = (0.0, *TONES, 0.95)
    for index, low in enumerate(TONES):
        distance = (smooth - low) / slope / np.float32(scale)  # drawing units into the glaze
        soft = 1.2 + 16.0 * wet
        inside = np.clip(0.5 + distance / soft, 0, 1)
        built += inside * (levels[index + 2] - levels[index + 1])
        rim += np.exp(-((np.maximum(distance, 0) / 2.2) ** 1.3)) * (distance > -0.6) * (1 - wet)
    built += np.minimum(smooth, TONES[0]) * 0.9
    target = tone * 0.42 + built * 0.58
    ratio = (-np.log(np.clip(1 - target, 0.04, 1)) + 0.02) / (brightness(density) + 0.02)
    return density * (np.clip(ratio, 0.55, 1.6) * (1 + 0.2 * rim))[..., None]


def _bleed(density: Floats, seed: int, scale: float) -> Floats:
    """In wet places colours run into each other, further the wetter."""
    height, width = density.shape[:2]
    water = noise.fbm(height, width, 110.0, seed, "watercolor/bleed", 3, 0.6)
    # A painter lets the large areas run, and waits for the paper to dry around fine things.
    gray = brightness(density)
    fine = blur(np.abs(gray - blur(gray, 2.5 * scale)), 6.0 * scale)
    share = smoothstep(0.3, 1.6, water) * (0.12 + 0.7 * smoothstep(0.11, 0.02, fine))
    run = [
        noise.fbm(height, width, 26.0, seed, f"watercolor/run/{axis}", 3, 0.55)
        * np.float32(6.0 * scale)
        for axis in "xy"
    ]
    run[1] = run[1] - np.float32(4.0 * scale)  # wet paint runs down
    wet = warp(blur(density, 3.5 * scale), *run)
    return density + (wet - density) * share[..., None]


def _pigment(density: Floats, seed: int, scale: float) -> Floats:
    """(h, w) factor: dark rims where washes end, blooms, and the flow of the pigment within."""
    height, width = density.shape[:2]
    amount = brightness(density)
    # A rim stands on the darker side of a border: darker than the mean around, near an edge.
    near, wide = blur(amount, 1.0 * scale), blur(amount, 3.4 * scale)
    rim = np.clip((near - wide) / (wide + 0.15), 0, 0.6)
    flow = noise.fbm(height, width, 95.0, seed, "watercolor/flow", 5, 0.58)
    bloom = noise.fbm(height, width, 210.0, seed, "watercolor/bloom", 4, 0.6)
    gy, gx = gradient(bloom)
    slope = np.sqrt(gx * gx + gy * gy) + np.float32(1e-4)
    distance = np.abs(bloom - 1.15) / slope / np.float32(scale)
    backrun = np.exp(-((distance / 2.0) ** 2)) * 0.16 - smoothstep(1.1, 1.7, bloom) * 0.16
    return (1 + 0.75 * rim + 0.13 * flow + backrun).astype(np.float32)
