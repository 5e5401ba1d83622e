# SPDX-License-Identifier: GPL-3.0-or-later
"""Soft pastel: chalky strokes of light, rich colours on a tinted, toothed paper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..raster import noise
from ..raster.arrays import Floats, smoothstep
from ..raster.color import brightness
from ..raster.progress import Step
from ..raster.resample import ColorRows, blur, resize, working_size
from ..strokes.brush import Brush
from .brushwork import Layers, form_and_edges, lay_layers, missing
from .ground import compose, prepare
from .shaded import Shaded

_CHALK = Brush(length=74, width=17, coverage=3.0, ragged=0.7, dry=0.0, streaks=0.35, body=0)
BRUSHES = (
    _CHALK,
    replace(_CHALK, length=46, width=8, coverage=2.4, dry=0.1, jitter=0.06),
    replace(_CHALK, length=26, width=4.2, coverage=2.4, ragged=0.6, dry=0.05),
    replace(_CHALK, length=15, width=2.4, coverage=2.4, ragged=0.5, streaks=0.2, jitter=0.03),
)
LAYERS = Layers("pastel", "Pastel: strokes", BRUSHES, 6, 0.5, begin=0.12, share=0.19)
TINT = np.array([0.5, 0.47, 0.46], np.float32)


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Pastel: looking")
    ground = prepare(shaded, step)
    height, width = shaded.depth.shape
    working = working_size(height, width, 2.5)
    wanted = _chalks(ground.color)
    field = form_and_edges(ground)
    tooth = noise.paper(*working, shaded.seed, 0.8)
    # The first layer is rubbed into the paper with a finger.
    rubbed = resize(blur(wanted, 4.0), *working)
    paint = TINT * np.float32(0.16) + rubbed * np.float32(0.82)
    paint *= (1 + 0.035 * tooth)[..., None]
    relief = np.zeros(working, np.float32)

    def chance(index: int) -> Floats:
        if index == 0:
            return np.full_like(ground.value, 0.75)
        return np.maximum(missing(paint, wanted, ground, 0.03, 0.12), 0.1 / index)

    def grain(index: int) -> Floats:
        return smoothstep(-1.5, 1.1, tooth + 0.3 * index) * np.float32(0.9)

    lay_layers(LAYERS, ground, paint, relief, wanted, field, chance, step, grain)
    step(0.95, "Pastel")
    return compose((height, width), ColorRows(paint, height, width), step, "Pastel", 0.95)


def _chalks(color: Floats) -> Floats:
    """Chalks are mixed with white: lifted darks, and clear hues."""
    gray = brightness(color)[..., None]
    rich = gray + (color - gray) * np.float32(1.4)
    return np.clip(0.09 + rich * 0.91, 0, 1).astype(np.float32)
