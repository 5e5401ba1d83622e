# SPDX-License-Identifier: GPL-3.0-or-later
"""Engraving: long even lines around the forms that swell with the shade, as on old prints."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .. import lines, noise
from ..resample import resize, smoothstep, working_size
from ..shaded import Shaded, Step
from ..strokes import Hatching, hatch, lay
from .ground import prepare

PAPER = np.array([0.955, 0.93, 0.87], np.float32)
INK = np.array([0.1, 0.085, 0.08], np.float32)


def draw(shaded: Shaded, step: Step) -> NDArray[np.float32]:
    step(0.0, "Engraving: looking")
    ground = prepare(shaded, local=0.6)
    height, width = shaded.depth.shape
    working = working_size(height, width, 2.0)
    raster = working[1] / width * ground.scale
    dark = 1 - ground.value
    layers = (
        (math.radians(2), 0.03, 0.8, 0.62, 120.0),
        (math.radians(62), 0.5, 0.95, 0.5, 90.0),
    )
    fields = ground.directions(*(layer[0] for layer in layers))
    density = np.zeros(working, np.float32)
    wanted = np.zeros_like(dark)
    for index, (field, (_, low, high, most, length)) in enumerate(zip(fields, layers, strict=True)):
        step(0.12 + 0.25 * index, "Engraving: cutting")
        want = smoothstep(low, high, dark) * np.float32(most)
        np.maximum(wanted, want, out=wanted)
        rng = noise.generator(shaded.seed, f"engraving/{index}")
        # All lines are cut; how deep follows the tone.
        even = np.where(want > 0.02, np.float32(0.36), np.float32(0))
        style = Hatching(length=length, width=1.3, pressure=1.0, waver=0.0, rounds=6)
        strokes = hatch(even, field, ground.barrier, ground.per_unit, style, rng)
        layer = lay(strokes, *working, raster, style.width)
        depth = resize(want / most, *working)
        np.maximum(density, layer * (0.35 + 0.95 * depth), out=density)
    step(0.7, "Engraving: printing")
    full = resize(density, height, width, "bicubic")
    crisp = 0.5 / max(1.0, height / working[0])
    ink = smoothstep(0.4 - crisp * 0.6, 0.4 + crisp * 0.6, full)
    step(0.78, "Engraving: lines")
    mask = lines.line_mask(
        shaded.depth,
        shaded.normal,
        shaded.view,
        1.5 * ground.scale,
        albedo=shaded.albedo,
        hand=0.25,
        seed=shaded.seed,
    )
    np.maximum(ink, mask, out=ink)
    step(0.95, "Engraving")
    tooth = noise.paper(height, width, shaded.seed, 0.9)
    paper = PAPER * (1 + 0.012 * tooth[..., None])
    return paper + (INK - paper) * (ink * np.clip(0.93 + 0.06 * tooth, 0.6, 1))[..., None]
