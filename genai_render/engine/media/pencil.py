# SPDX-License-Identifier: GPL-3.0-or-later
"""Graphite: contour lines, then layers of hatching along the forms, on toothed paper."""

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

PAPER = np.array([0.965, 0.955, 0.93], np.float32)
GRAPHITE = np.array([0.16, 0.16, 0.175], np.float32)
LAYERS = (
    # angle on the surface, from darkness, to darkness, most coverage, strokes' length and width
    (math.radians(40), 0.07, 0.62, 0.7, 34.0, 1.15),
    (math.radians(28), 0.3, 0.85, 0.7, 26.0, 1.3),
    (math.radians(-34), 0.5, 0.95, 0.6, 22.0, 1.2),
)


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Pencil: looking")
    ground = prepare(shaded, step, local=0.55, key=0.66)
    height, width = shaded.depth.shape
    working = working_size(height, width, 1.6)
    raster = working[1] / width * ground.scale
    dark = 1 - ground.value
    fields = ground.directions(*(layer[0] for layer in LAYERS))
    density = np.zeros(working, np.float32)
    for index, (field, layer) in enumerate(zip(fields, LAYERS, strict=True)):
        step(0.2 + 0.15 * index, "Pencil: hatching")
        _, low, high, most, length, thick = layer
        want = smoothstep(low, high, dark) * np.float32(most)
        want[~ground.covered] *= 0.5
        rng = noise.generator(shaded.seed, f"pencil/{index}")
        style = Hatching(length=length, width=thick, pressure=0.62, waver=0.07, rounds=3)
        strokes = hatch(want, field, ground.barrier, ground.per_unit, style, rng)
        density += lay(strokes, *working, raster, thick)
    step(0.65, "Pencil: shading")
    # The side of the lead first, softly, under the strokes; pressed harder in the darks.
    under = smoothstep(0.1, 1.0, blur(dark, 0.8)) ** 1.3
    density = density * np.float32(0.62) + resize(under * np.float32(0.8), *working)
    step(0.7, "Pencil: lines")
    # A firm line and a searching one, as in a sketch.
    pen = ground.pen(1.3, paint=0.5)
    firm, searching = pen.line(0.8, shaded.seed), pen.line(1.9, shaded.seed + 1)
    densities = Rows(density, height, width)
    paper = noise.PaperRows(height, width, shaded.seed)

    def rows(top: int, bottom: int) -> Floats:
        tooth, lead = paper(top, bottom), np.maximum(densities(top, bottom), 0)
        # The paper's hills catch graphite; pressure fills its valleys too.
        catch = np.clip(1 + tooth * (0.5 - 0.16 * np.minimum(lead, 2)), 0.12, 2.0)
        bare = np.exp(-lead * catch)
        bite = np.clip(0.84 + 0.24 * tooth, 0.2, 1)
        bare *= 1 - firm(top, bottom) * bite * np.float32(0.85)
        bare *= 1 - searching(top, bottom) * bite * np.float32(0.33)
        sheet = PAPER * (1 + 0.012 * tooth)[..., None]
        return GRAPHITE + (sheet - GRAPHITE) * bare[..., None]

    return compose((height, width), rows, step, "Pencil", 0.8)
