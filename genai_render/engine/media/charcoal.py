# SPDX-License-Identifier: GPL-3.0-or-later
"""Charcoal: broad strokes with the side of the stick, smudged, on a toothed, warm paper."""

from __future__ import annotations

import math

import numpy as np

from ..raster import noise
from ..raster.arrays import Floats, smoothstep
from ..raster.progress import Step
from ..raster.resample import Rows, blur, resize, working_size
from ..strokes.hatching import Hatching, hatch, lay
from .ground import compose, prepare
from .shaded import Shaded

PAPER = np.array([0.925, 0.9, 0.85], np.float32)
COAL = np.array([0.1, 0.095, 0.095], np.float32)
HAIRS = 9


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Charcoal: looking")
    ground = prepare(shaded, step, local=0.6, key=0.55)
    height, width = shaded.depth.shape
    working = working_size(height, width, 1.5)
    raster = working[1] / width * ground.scale
    dark = 1 - ground.value
    layers = (
        (math.radians(48), 0.12, 0.85, 0.55, 10.0, 64.0),
        (math.radians(36), 0.4, 0.95, 0.6, 6.0, 44.0),
        (math.radians(-20), 0.6, 1.0, 0.6, 5.0, 36.0),
    )
    fields = ground.directions(*(layer[0] for layer in layers))
    density = np.zeros(working, np.float32)
    for index, (field, layer) in enumerate(zip(fields, layers, strict=True)):
        step(0.15 + 0.14 * index, "Charcoal: strokes")
        _, low, high, most, stick, length = layer
        want = smoothstep(low, high, dark) * np.float32(most)
        rng = noise.generator(shaded.seed, f"charcoal/{index}")
        style = Hatching(length=length, width=stick, pressure=0.45, waver=0.1, rounds=4)
        strokes = hatch(want, field, ground.barrier, ground.per_unit, style, rng)
        hairs = rng.random((len(strokes.x), HAIRS), np.float32) ** 0.7 * 1.35
        density += lay(strokes, *working, raster, stick, hairs)
    step(0.6, "Charcoal: smudging")
    # The thumb: tone rubbed into the paper, on which the strokes' own grain stands.
    rubbed = blur(density, 5.0 * raster) * np.float32(0.3)
    rubbed += resize(smoothstep(0.05, 1.0, blur(dark, 1.5)) * np.float32(0.85), *working)
    step(0.72, "Charcoal: accents")
    accent = ground.pen(3.0, crease=0.7, paint=0.45).line(1.1, shaded.seed)
    densities, smudge = Rows(density, height, width), Rows(rubbed, height, width, "bilinear")
    paper = noise.PaperRows(height, width, shaded.seed, 1.2)

    def rows(top: int, bottom: int) -> Floats:
        tooth, coal = paper(top, bottom), np.maximum(densities(top, bottom), 0)
        grain = smoothstep(-1.0, 1.1, tooth + (coal - 0.4) * 1.2)
        rub = smudge(top, bottom) * np.clip(1 + 0.22 * tooth, 0.3, 1.7)
        cover = (1 - np.exp(-(coal * grain * 1.1 + rub))) * np.float32(0.96)
        line = accent(top, bottom)
        line *= (0.35 + 0.65 * smoothstep(-1.9, 0.1, tooth)) * np.float32(0.88)
        cover = 1 - (1 - cover) * (1 - line)
        sheet = PAPER * (1 + 0.016 * tooth)[..., None]
        return sheet + (COAL - sheet) * cover[..., None]

    return compose((height, width), rows, step, "Charcoal", 0.8)
