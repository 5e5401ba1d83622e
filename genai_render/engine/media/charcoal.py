# SPDX-License-Identifier: GPL-3.0-or-later
"""Charcoal: broad strokes with the side of the stick, smudged, on a toothed, warm paper."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .. import lines, noise
from ..resample import blur, resize, smoothstep, working_size
from ..shaded import Shaded, Step
from ..strokes import Hatching, hatch, lay
from .ground import prepare

PAPER = np.array([0.925, 0.9, 0.85], np.float32)
COAL = np.array([0.1, 0.095, 0.095], np.float32)
HAIRS = 9


def draw(shaded: Shaded, step: Step) -> NDArray[np.float32]:
    step(0.0, "Charcoal: looking")
    ground = prepare(shaded, local=0.6)
    height, width = shaded.depth.shape
    working = working_size(height, width, 1.5)
    raster = working[1] / width * ground.scale
    dark = 1 - ground.value
    layers = (
        (math.radians(48), 0.1, 0.75, 0.6, 14.0, 70.0),
        (math.radians(-12), 0.4, 0.95, 0.75, 9.0, 46.0),
    )
    fields = ground.directions(*(layer[0] for layer in layers))
    density = np.zeros(working, np.float32)
    for index, (field, layer) in enumerate(zip(fields, layers, strict=True)):
        step(0.15 + 0.2 * index, "Charcoal: strokes")
        _, low, high, most, stick, length = layer
        want = smoothstep(low, high, dark) * np.float32(most)
        rng = noise.generator(shaded.seed, f"charcoal/{index}")
        style = Hatching(length=length, width=stick, pressure=0.42, waver=0.16, rounds=5)
        strokes = hatch(want, field, ground.barrier, ground.per_unit, style, rng)
        hairs = rng.random((len(strokes.x), HAIRS), np.float32) ** 0.7 * 1.35
        density += lay(strokes, *working, raster, stick, hairs)
    step(0.6, "Charcoal: smudging")
    # The thumb: tone rubbed into the paper, beyond the strokes' own grain.
    rubbed = blur(density, 6.0 * raster) * 0.5 + resize(
        blur(dark, 1.5) ** 1.4 * np.float32(0.42), *working
    )
    density = resize(density, height, width, "bicubic")
    rubbed = resize(rubbed, height, width)
    tooth = noise.paper(height, width, shaded.seed, 1.25)
    grain = smoothstep(-0.9, 1.0, tooth + (density - 0.55) * 1.3)
    coal = 1 - np.exp(-(density * grain * 1.55 + rubbed * np.clip(1 + 0.18 * tooth, 0.4, 1.6)))
    step(0.75, "Charcoal: accents")
    mask = lines.line_mask(
        shaded.depth,
        shaded.normal,
        shaded.view,
        3.0 * ground.scale,
        albedo=shaded.albedo,
        crease=0.7,
        paint=0.45,
        hand=1.1,
        seed=shaded.seed,
    )
    mask *= smoothstep(-1.5, 0.4, tooth) * np.float32(0.85)
    coal = 1 - (1 - coal * np.float32(0.96)) * (1 - mask)
    step(0.97, "Charcoal")
    paper = PAPER * (1 + 0.016 * tooth[..., None])
    return paper + (COAL - paper) * coal[..., None]
