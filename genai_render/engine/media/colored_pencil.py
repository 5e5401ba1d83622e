# SPDX-License-Identifier: GPL-3.0-or-later
"""Coloured pencils: layered strokes of each form's own colour, with cooler ones in the shade."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .. import lines, noise
from ..resample import Floats, blur, luminance, resize, smoothstep, working_size
from ..shaded import Shaded, Step
from ..strokes import Hatching, hatch, lay
from .ground import Ground, prepare

PAPER = np.array([0.98, 0.972, 0.95], np.float32)
SHADE = np.array([0.2, 0.19, 0.36], np.float32)


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Coloured pencil: looking")
    ground = prepare(shaded, step, local=0.8, key=0.55)
    height, width = shaded.depth.shape
    working = working_size(height, width, 1.5)
    raster = working[1] / width * ground.scale
    dark = 1 - ground.value
    own = pencils(ground)
    chroma = ground.color.max(axis=2) - ground.color.min(axis=2)
    body = np.clip(dark * 0.8 + chroma * 0.75, 0, 1)
    layers = (
        # angle, wanted coverage, pencil
        (math.radians(35), smoothstep(0.02, 0.5, body) * 0.62, own),
        (math.radians(62), smoothstep(0.2, 0.85, body) * 0.6, own * np.float32(0.9)),
        (
            math.radians(-28),
            smoothstep(0.42, 0.95, dark) * 0.62,
            own * np.float32(0.45) + SHADE * np.float32(0.45),
        ),
    )
    fields = ground.directions(*(angle for angle, *_ in layers))
    tooth = noise.paper(height, width, shaded.seed)
    light = np.broadcast_to(PAPER, (height, width, 3)).copy()
    light *= (1 + 0.01 * tooth)[..., None]
    # First the side of the lead, lightly, over everything; thick wax fills the paper's valleys.
    soft = resize(smoothstep(0.0, 0.7, body) * np.float32(1.0) + dark * dark, height, width)
    _glaze(light, resize(own, height, width), soft * np.clip(1 + 0.3 * tooth, 0.2, 2))
    grain = np.clip(1 + 0.3 * tooth, 0.35, 1.8)
    for index, (field, (_, want, color)) in enumerate(zip(fields, layers, strict=True)):
        step(0.2 + 0.2 * index, "Coloured pencil: strokes")
        rng = noise.generator(shaded.seed, f"colored/{index}")
        style = Hatching(length=30, width=1.5, pressure=0.55, waver=0.07, rounds=3)
        strokes = hatch(want.astype(np.float32), field, ground.barrier, ground.per_unit, style, rng)
        density = resize(lay(strokes, *working, raster, style.width), height, width, "bicubic")
        _glaze(light, resize(color, height, width), np.maximum(density, 0) * grain * 0.8)
    step(0.82, "Coloured pencil: lines")
    mask = ground.outline(1.5, hand=0.9)
    dark_own = resize(blur(own, 1.5) * np.float32(0.42), height, width)
    step(0.95, "Coloured pencil")
    return lines.draw(light, mask * np.clip(0.8 + 0.25 * tooth, 0.2, 1), dark_own, 0.8)


def pencils(ground: Ground) -> Floats:
    """The pencil for each place: its colour, more saturated and no darker than a pencil is."""
    color = blur(ground.color, 1.0)
    gray = luminance(color)[..., None]
    vivid = gray + (color - gray) * np.float32(1.35)
    lift = np.maximum(0.34 - gray, 0)
    return np.clip(vivid + lift * np.float32(0.7), 0.03, 1).astype(np.float32)


def _glaze(light: Floats, color: Floats, amount: NDArray) -> None:
    """Lay wax of a colour: it covers, and where it is thick it filters what is below."""
    share = (1 - np.exp(-amount))[..., None]
    below = np.minimum(light, 1)
    light += (color * (np.float32(0.55) + np.float32(0.45) * below) - light) * share
