# SPDX-License-Identifier: GPL-3.0-or-later
"""Pen and ink: crisp hatching and cross-hatching along the forms, spot blacks, contours."""

from __future__ import annotations

import math

import numpy as np

from ..raster import noise
from ..raster.arrays import Floats, smoothstep
from ..raster.progress import Step
from ..raster.resample import Rows, blur, working_size
from ..strokes.hatching import Hatching, hatch, lay
from .ground import compose, prepare
from .shaded import Shaded

PAPER = np.array([0.985, 0.975, 0.95], np.float32)
INK = np.array([0.055, 0.05, 0.06], np.float32)


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Ink: looking")
    ground = prepare(shaded, step, local=0.6, key=0.66)
    height, width = shaded.depth.shape
    working = working_size(height, width, 2.0)
    raster = working[1] / width * ground.scale
    dark = 1 - ground.value
    layers = (
        (math.radians(40), 0.22, 0.6, 0.42),
        (math.radians(-35), 0.48, 0.8, 0.42),
        (math.radians(88), 0.68, 0.92, 0.45),
    )
    fields = ground.directions(*(layer[0] for layer in layers))
    density = np.zeros(working, np.float32)
    for index, (field, (_, low, high, most)) in enumerate(zip(fields, layers, strict=True)):
        step(0.12 + 0.18 * index, "Ink: hatching")
        want = smoothstep(low, high, dark) * np.float32(most)
        rng = noise.generator(shaded.seed, f"ink/{index}")
        style = Hatching(length=34, width=1.15, pressure=1.0, waver=0.045)
        strokes = hatch(want, field, ground.barrier, ground.per_unit, style, rng)
        np.maximum(density, lay(strokes, *working, raster, style.width), out=density)
    step(0.68, "Ink: blacks")
    brush = noise.fbm(ground.height, ground.width, 10.0, shaded.seed, "ink/brush", 2)
    spots = Rows(blur(dark, 1.0) + 0.035 * brush, height, width)
    hatching = Rows(density, height, width)
    step(0.75, "Ink: lines")
    contour = ground.pen(2.1, crease=0.7).line(0.6, shaded.seed)
    paper = noise.PaperRows(height, width, shaded.seed, 0.8)
    # A pen leaves ink or it does not: the edge of each stroke is made crisp at the picture's size.
    crisp = 0.5 / max(1.0, height / working[0])
    soft = 0.012 / ground.scale

    def rows(top: int, bottom: int) -> Floats:
        ink = smoothstep(0.42 - crisp * 0.5, 0.42 + crisp * 0.6, hatching(top, bottom))
        np.maximum(ink, smoothstep(0.9 - soft, 0.9 + soft, spots(top, bottom)), out=ink)
        np.maximum(ink, contour(top, bottom), out=ink)
        tooth = paper(top, bottom)
        sheet = PAPER * (1 + 0.006 * tooth)[..., None]
        ink *= np.clip(0.97 + 0.02 * tooth, 0.85, 1)
        return sheet + (INK - sheet) * ink[..., None]

    return compose((height, width), rows, step, "Ink", 0.85)
