# SPDX-License-Identifier: GPL-3.0-or-later
"""Clay: the fine relief of modelled plaster on a picture whose light already fits it."""

from __future__ import annotations

import numpy as np

from ..raster import noise
from ..raster.arrays import Floats
from ..raster.color import brightness
from ..raster.progress import Step
from ..raster.resample import Rows, blur, gradient, resize, unit, working_size
from .ground import compose, key_power
from .shaded import Shaded

BODY = np.array([0.86, 0.83, 0.79], np.float32)
BACKGROUND = np.array([0.8, 0.79, 0.78], np.float32)


def draw(shaded: Shaded, step: Step) -> Floats:
    """Takes the colour away but for a warm grey, whatever the lighting made of it."""
    step(0.0, "Clay: kneading")
    height, width = shaded.depth.shape
    scale = unit(height, width)
    key = key_power(shaded.tone[::4, ::4], 0.66)
    small = working_size(height, width, 0.5)
    sky = blur(brightness(resize(shaded.color, *small, "box")), 12 * unit(*small))
    behind = Rows(BACKGROUND[0] * (0.72 + 0.32 * sky), height, width, "bilinear")
    marks = noise.NoiseRows(height, width, 26.0, shaded.seed, "clay/thumb", 3, 0.55)
    grit = noise.NoiseRows(height, width, 2.6, shaded.seed, "clay/grit", 2)

    step(0.15, "Clay: modelling")

    def rows(top: int, bottom: int) -> Floats:
        # How thumb marks and grit catch a light from above left.
        low, high = max(0, top - 1), min(height, bottom + 1)
        relief = marks(low, high) * np.float32(9.0 * scale)
        relief += grit(low, high) * np.float32(0.8 * scale)
        down, right = gradient(relief)
        facing = np.clip(shaded.normal[top:bottom, :, 2], 0.25, 1)
        slope = (down + right)[top - low : bottom - low]
        light = 1 + np.clip(slope * facing * np.float32(0.7), -2, 2) * np.float32(0.022)
        tone = np.clip(shaded.tone[top:bottom], 0, 1) ** np.float32(key)
        body = BODY * ((0.14 + 0.92 * tone) * light)[..., None]
        background = behind(top, bottom)[..., None] * (BACKGROUND / BACKGROUND[0])
        covered = np.isfinite(shaded.depth[top:bottom])[..., None]
        return np.where(covered, body, background)

    return compose((height, width), rows, step, "Clay", 0.2)
