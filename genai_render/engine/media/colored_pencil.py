# SPDX-License-Identifier: GPL-3.0-or-later
"""Colored pencils: layered strokes of each form's own colour, with cooler ones in the shade."""

from __future__ import annotations

import math

import numpy as np

from ..raster import noise
from ..raster.arrays import Floats, largest, smoothstep
from ..raster.color import brightness
from ..raster.progress import Step
from ..raster.resample import ColorRows, Rows, blur, working_size
from ..strokes.hatching import Hatching, hatch, lay
from .ground import Ground, compose, prepare, raise_key
from .shaded import Shaded

PAPER = np.array([0.98, 0.972, 0.95], np.float32)
SHADE = np.array([0.2, 0.19, 0.36], np.float32)


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Colored pencil: looking")
    ground = prepare(shaded, step, local=0.8, key=0.55)
    height, width = shaded.depth.shape
    working = working_size(height, width, 1.5)
    raster = working[1] / width * ground.scale
    dark = 1 - ground.value
    own = pencils(ground)
    chroma = largest(ground.color) + largest(-ground.color)
    body = np.clip(dark * 0.8 + chroma * 0.75, 0, 1)
    layers = (
        # angle, wanted coverage, pencil
        (math.radians(35), smoothstep(0.02, 0.5, body) * 0.62, own),
        (math.radians(62), smoothstep(0.2, 0.85, body) * 0.6, own * np.float32(0.9)),
        (
            math.radians(-28),
            smoothstep(0.42, 0.95, dark) * 0.62,
            own * np.float32(0.45) + SHADE * np.float32(0.45),
        ),
    )
    fields = ground.directions(*(angle for angle, *_ in layers))
    paper = noise.PaperRows(height, width, shaded.seed)
    # First the side of the lead, lightly, over everything; thick wax fills the paper's valleys.
    base = smoothstep(0.0, 0.7, body) * np.float32(1.0) + dark * dark
    glazes = [(ColorRows(own, height, width, "bilinear"), Rows(base, height, width), 0.3, 0.2)]
    for index, (field, (_, want, color)) in enumerate(zip(fields, layers, strict=True)):
        step(0.2 + 0.15 * index, "Colored pencil: strokes")
        rng = noise.generator(shaded.seed, f"colored/{index}")
        style = Hatching(length=30, width=1.5, pressure=0.55, waver=0.07, rounds=3)
        strokes = hatch(want, field, ground.barrier, ground.per_unit, style, rng)
        density = lay(strokes, *working, raster, style.width) * np.float32(0.8)
        wax = ColorRows(color, height, width, "bilinear")
        glazes.append((wax, Rows(density, height, width), 0.3, 0.35))
    step(0.7, "Colored pencil: lines")
    contour = ground.pen(1.5).line(0.9, shaded.seed)
    dark_own = ColorRows(blur(own, 1.5) * np.float32(0.42), height, width, "bilinear")

    def rows(top: int, bottom: int) -> Floats:
        tooth = paper(top, bottom)
        light = PAPER * (1 + 0.01 * tooth)[..., None]
        for wax, density, grain, least in glazes:
            amount = np.maximum(density(top, bottom), 0) * np.clip(1 + grain * tooth, least, 2)
            # Wax covers, and where it is thick it filters what is below.
            filtered = wax(top, bottom) * (0.55 + 0.45 * np.minimum(light, 1))
            light += (filtered - light) * (1 - np.exp(-amount))[..., None]
        mask = contour(top, bottom) * np.clip(0.8 + 0.25 * tooth, 0.2, 1) * np.float32(0.8)
        return light + (dark_own(top, bottom) - light) * mask[..., None]

    return compose((height, width), rows, step, "Colored pencil", 0.8)


def pencils(ground: Ground) -> Floats:
    """The pencil for each place: its colour, more saturated and no darker than a pencil is."""
    color = blur(ground.color, 1.0)
    gray = np.maximum(brightness(color), 0.02)
    color = color * (raise_key(gray, 0.55) / gray)[..., None]
    gray = brightness(color)[..., None]
    vivid = gray + (color - gray) * np.float32(1.35)
    lift = np.maximum(0.34 - gray, 0)
    return np.clip(vivid + lift * np.float32(0.7), 0.03, 1).astype(np.float32)
