# SPDX-License-Identifier: GPL-3.0-or-later
"""Gouache: flat, matte, opaque shapes of few tones, with dry brush marks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..raster import noise
from ..raster.arrays import Floats
from ..raster.color import brightness
from ..raster.parallel import alongside
from ..raster.progress import Step
from ..raster.resample import ColorRows, blur, resize, working_size
from ..strokes.brush import Brush
from .brushwork import Layers, form_and_edges, lay_layers, missing
from .ground import compose, prepare
from .shaded import Shaded

_FLAT = Brush(length=120, width=44, coverage=2.4, dry=0.0, ragged=0.2, jitter=0.02, body=0)
BRUSHES = (
    replace(_FLAT, streaks=0.12, unsteady=0.3),
    replace(_FLAT, length=64, width=18, dry=0.22, streaks=0.2, jitter=0.03, unsteady=0.3),
    replace(_FLAT, length=30, width=8, dry=0.1, streaks=0.15),
    replace(_FLAT, length=15, width=3.4, coverage=2.6, streaks=0.1, jitter=0.012),
)
LAYERS = Layers("gouache", "Gouache: painting", BRUSHES, 7, 0.5, begin=0.12, share=0.17)


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Gouache: looking")
    ground = prepare(shaded, step)
    height, width = shaded.depth.shape
    working = working_size(height, width, 2.5)
    wanted = flat_tones(ground.color)
    with alongside(lambda _: noise.paper(*working, shaded.seed, 1.2)) as paper:
        field = form_and_edges(ground)
        tooth = paper()
    paint = resize(blur(wanted, 4.0), *working) * np.float32(0.93) + np.float32(0.04)
    relief = np.zeros(working, np.float32)

    def chance(index: int) -> Floats:
        if index == 0:
            return np.ones_like(ground.value)
        return missing(paint, wanted, ground, low=0.015 + 0.01 * index, high=0.08)

    def grain(index: int) -> Floats | None:
        return 1.15 + 0.28 * tooth if index in (1, 2) else None

    lay_layers(LAYERS, ground, paint, relief, wanted, field, chance, step, grain)
    step(0.9, "Gouache: paper")
    paint *= (1 + 0.012 * tooth)[..., None]
    return compose((height, width), ColorRows(paint, height, width), step, "Gouache", 0.95)


def flat_tones(color: Floats, steps: float = 7.0) -> Floats:
    """Colours with their brightness drawn towards a few tones."""
    gray = brightness(color)
    level = gray * np.float32(steps)
    base = np.floor(level)
    share = level - base
    sharp = share * share * (3 - 2 * share)
    sharp = sharp * sharp * (3 - 2 * sharp)
    target = (base + sharp) / np.float32(steps)
    ratio = (target + 0.02) / (gray + 0.02)
    soft = np.clip(color * ratio[..., None], 0, 1)
    middle = brightness(soft)[..., None]
    return np.clip(middle + (soft - middle) * np.float32(1.12), 0, 1).astype(np.float32)
