# SPDX-License-Identifier: GPL-3.0-or-later
"""Clay: the fine relief of modelled plaster on a picture whose light already fits it."""

from __future__ import annotations

import numpy as np

from .. import noise
from ..resample import Floats, blur, gradient, luminance, resize, unit, working_size
from ..shaded import Shaded, Step
from .ground import raise_key

BODY = np.array([0.86, 0.83, 0.79], np.float32)


def draw(shaded: Shaded, step: Step) -> Floats:
    """Takes the colour away but for a warm grey, whatever the lighting made of it."""
    step(0.0, "Clay: kneading")
    height, width = shaded.depth.shape
    scale = unit(height, width)
    covered = np.isfinite(shaded.depth)
    tone = raise_key(np.clip(shaded.tone, 0, 1), 0.66)
    body = BODY * (0.14 + 0.92 * tone)[..., None]
    step(0.3, "Clay: relief")
    relief = relief_light(shaded)
    body *= (1 + 0.022 * relief)[..., None]
    step(0.7, "Clay: background")
    small = working_size(height, width, 0.5)
    sky = resize(
        blur(luminance(resize(shaded.color, *small, "box")), 12 * unit(*small)), height, width
    )
    background = np.array([0.8, 0.79, 0.78], np.float32) * (0.72 + 0.32 * sky)[..., None]
    share = blur(covered.astype(np.float32), 0.6 * max(1.0, scale * 0.5))[..., None]
    step(0.95, "Clay")
    return background + (body - background) * share


def relief_light(shaded: Shaded) -> Floats:
    """(H, W) about -2..2: how thumb marks and grit catch a light from above left."""
    height, width = shaded.depth.shape
    scale = unit(height, width)
    marks = noise.fbm(height, width, 26.0, shaded.seed, "clay/thumb", 3, 0.55)
    grit = noise.fbm(height, width, 2.6, shaded.seed, "clay/grit", 2)
    relief = marks * np.float32(9.0 * scale) + grit * np.float32(0.8 * scale)
    gy, gx = gradient(relief)
    facing = np.clip(shaded.normal[..., 2], 0.25, 1)
    return np.clip((gx + gy) * 0.7 * facing, -2, 2).astype(np.float32)
