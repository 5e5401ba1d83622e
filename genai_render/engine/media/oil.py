# SPDX-License-Identifier: GPL-3.0-or-later
"""Oil on canvas: visible strokes that follow the forms, thick enough to catch the light."""

from __future__ import annotations

import numpy as np

from ..raster.arrays import Floats
from ..raster.color import brightness
from ..raster.progress import Step
from ..raster.resample import ColorRows, blur, resize, unit, working_size
from ..strokes.brush import Brush, relief_light
from .brushwork import Layers, form_and_edges, lay_layers, missing
from .ground import compose, prepare
from .shaded import Shaded

BRUSHES = (
    Brush(length=96, width=28, coverage=3.0, dry=0.0, jitter=0.035, unsteady=0.35),
    Brush(length=60, width=15, coverage=2.2, dry=0.1, jitter=0.045, unsteady=0.25),
    Brush(length=34, width=7.5, coverage=2.2, dry=0.1, jitter=0.05),
    Brush(length=18, width=3.6, coverage=2.4, dry=0.05, jitter=0.03, ragged=0.25),
)
LAYERS = Layers("oil", "Oil: painting", BRUSHES, 5, 0.6, begin=0.12, share=0.17)
UNDERPAINT = np.array([0.52, 0.38, 0.27], np.float32)


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Oil: looking")
    ground = prepare(shaded, step)
    height, width = shaded.depth.shape
    working = working_size(height, width, 2.5)
    scale = ground.scale * working[1] / width
    vivid = _paints(ground.color)
    field = form_and_edges(ground)
    # A thin underpainting of the broad masses, warmed by the ground.
    masses = blur(vivid, 5.0)
    paint = resize(masses * np.float32(0.86) + UNDERPAINT * np.float32(0.1), *working)
    weave = canvas(*working)
    relief = weave * np.float32(0.3)

    def chance(index: int) -> Floats:
        if index == 0:
            return np.ones_like(ground.value)
        return missing(paint, vivid, ground, low=0.02 + 0.012 * index, high=0.1)

    lay_layers(LAYERS, ground, paint, relief, vivid, field, chance, step)
    step(0.85, "Oil: light on the paint")
    light = relief_light(relief, scale, 0.12)
    paint *= light[..., None]
    paint += np.clip(light - 1.1, 0, 1)[..., None] * 0.5
    step(0.95, "Oil")
    return compose((height, width), ColorRows(paint, height, width), step, "Oil", 0.95)


def _paints(color: Floats) -> Floats:
    """The picture's colours as paints: a little richer, shadows warm, not black."""
    gray = brightness(color)[..., None]
    rich = gray + (color - gray) * np.float32(1.22)
    warm = np.array([0.035, 0.012, -0.01], np.float32)
    return np.clip(rich + warm * (1 - gray) ** 2, 0.01, 1).astype(np.float32)


def canvas(height: int, width: int) -> Floats:
    """(height, width) the weave of a canvas, about -1..1."""
    scale = unit(height, width)
    x = np.sin(np.arange(width, dtype=np.float32) * np.float32(2 * np.pi / (3.6 * scale)))
    y = np.sin(np.arange(height, dtype=np.float32) * np.float32(2 * np.pi / (3.6 * scale)))
    return (x[None, :] * y[:, None]).astype(np.float32)
