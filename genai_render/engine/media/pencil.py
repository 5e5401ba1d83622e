# SPDX-License-Identifier: GPL-3.0-or-later
"""Graphite: contour lines, then layers of hatching along the forms, on toothed paper."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .. import lines, noise
from ..resample import resize, smoothstep, working_size
from ..shaded import Shaded, Step
from ..strokes import Hatching, hatch, lay
from .ground import prepare

PAPER = np.array([0.965, 0.955, 0.93], np.float32)
GRAPHITE = np.array([0.17, 0.17, 0.185], np.float32)


def draw(shaded: Shaded, step: Step) -> NDArray[np.float32]:
    step(0.0, "Pencil: looking")
    ground = prepare(shaded, local=0.55)
    height, width = shaded.depth.shape
    working = working_size(height, width, 1.6)
    raster = working[1] / width * ground.scale
    dark = 1 - ground.value
    layers = (
        # (in-plane angle, from darkness, to darkness, most coverage)
        (math.radians(38), 0.06, 0.55, 0.62),
        (math.radians(-32), 0.36, 0.75, 0.55),
        (math.radians(82), 0.58, 0.92, 0.6),
    )
    fields = ground.directions(*(angle for angle, *_ in layers))
    density = np.zeros(working, np.float32)
    for index, (field, (_, low, high, most)) in enumerate(zip(fields, layers, strict=True)):
        step(0.15 + 0.18 * index, "Pencil: hatching")
        want = smoothstep(low, high, dark) * np.float32(most)
        want[~ground.covered] *= 0.55
        rng = noise.generator(shaded.seed, f"pencil/{index}")
        style = Hatching(length=30 - 5 * index, width=1.25, pressure=0.5, waver=0.09)
        strokes = hatch(want, field, ground.barrier, ground.per_unit, style, rng)
        density += lay(strokes, *working, raster, style.width)
    step(0.7, "Pencil: lines")
    # A soft pass with the side of the lead under the strokes.
    density += resize(dark**1.6 * np.float32(0.34), *working)
    density = resize(density, height, width, "bicubic")
    tooth = noise.paper(height, width, shaded.seed)
    step(0.8, "Pencil: lines")
    graphite = 1 - np.exp(-density * np.clip(1 + 0.42 * tooth, 0.1, 2.2) * 1.15)
    contour = sum_of_lines(shaded, step)
    contour *= np.clip(0.86 + 0.22 * tooth, 0.25, 1)
    graphite = 1 - (1 - graphite * 0.93) * (1 - contour)
    step(0.97, "Pencil")
    paper = PAPER * (1 + 0.012 * tooth[..., None])
    return paper + (GRAPHITE - paper) * graphite[..., None]


def sum_of_lines(shaded: Shaded, step: Step) -> NDArray[np.float32]:
    """Contours drawn twice, as in a sketch: a searching line and a firm one."""
    width_px = 1.5 * math.sqrt(shaded.depth.size) / 1024
    total = np.zeros(shaded.depth.shape, np.float32)
    for turn, (hand, weight) in enumerate(((0.9, 0.8), (1.8, 0.4))):
        step(0.82 + 0.07 * turn, "Pencil: lines")
        mask = lines.line_mask(
            shaded.depth,
            shaded.normal,
            shaded.view,
            width_px * (1 - 0.25 * turn),
            albedo=shaded.albedo,
            hand=hand,
            seed=shaded.seed + turn,
        )
        total = 1 - (1 - total) * (1 - mask * np.float32(weight))
    return total
