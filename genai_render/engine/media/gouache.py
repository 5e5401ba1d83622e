# SPDX-License-Identifier: GPL-3.0-or-later
"""Gouache: flat, matte, opaque shapes of few tones, with dry brush marks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .. import noise
from ..bands import beside
from ..painter import Brush, lay_paint, place
from ..resample import ColorRows, Floats, blur, luminance, resize, working_size
from ..shaded import Shaded, Step
from .ground import compose, prepare
from .oil import far_first, form_and_edges, missing

_FLAT = Brush(length=120, width=44, coverage=2.4, dry=0.0, ragged=0.2, jitter=0.02, body=0)
LAYERS = (
    replace(_FLAT, streaks=0.12, unsteady=0.3),
    replace(_FLAT, length=64, width=18, dry=0.22, streaks=0.2, jitter=0.03, unsteady=0.3),
    replace(_FLAT, length=30, width=8, dry=0.1, streaks=0.15),
    replace(_FLAT, length=15, width=3.4, coverage=2.6, streaks=0.1, jitter=0.012),
)


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Gouache: looking")
    ground = prepare(shaded, step)
    height, width = shaded.depth.shape
    working = working_size(height, width, 2.5)
    scale = ground.scale * working[1] / width
    wanted, far = flat_tones(ground.color), far_first(ground)
    with beside(lambda _: noise.paper(*working, shaded.seed, 1.2)) as paper:
        field = form_and_edges(ground)
        tooth = paper()
    paint = resize(blur(wanted, 4.0), *working) * np.float32(0.93) + np.float32(0.04)
    relief = np.zeros(working, np.float32)
    for index, brush in enumerate(LAYERS):
        begin = 0.12 + 0.17 * index
        step(begin, "Gouache: painting")
        color = blur(wanted, max(0.5, brush.width * ground.per_unit / 7))
        chance = np.ones_like(ground.value)
        if index:
            chance = missing(paint, wanted, ground, low=0.015 + 0.01 * index, high=0.08)
        # Fine strokes run along the edges, which broad ones must not cross.
        barrier = ground.barrier if index < 2 else np.zeros_like(ground.barrier)
        rng = noise.generator(shaded.seed, f"gouache/{index}")
        strokes = place(brush, color, field, barrier, chance, far, ground.per_unit, rng)
        lay_paint(
            paint,
            relief,
            strokes,
            brush,
            scale,
            shaded.seed + index,
            grain=1.15 + 0.28 * tooth if index in (1, 2) else None,
            tell=lambda share, begin=begin: step(begin + 0.15 * share, "Gouache: painting"),
        )
    step(0.9, "Gouache: paper")
    paint *= (1 + 0.012 * tooth)[..., None]
    return compose((height, width), ColorRows(paint, height, width), step, "Gouache", 0.95)


def flat_tones(color: Floats, steps: float = 7.0) -> Floats:
    """Colours with their brightness drawn towards a few tones."""
    gray = luminance(color)
    level = gray * np.float32(steps)
    base = np.floor(level)
    share = level - base
    sharp = share * share * (3 - 2 * share)
    sharp = sharp * sharp * (3 - 2 * sharp)
    target = (base + sharp) / np.float32(steps)
    ratio = (target + 0.02) / (gray + 0.02)
    soft = np.clip(color * ratio[..., None], 0, 1)
    middle = luminance(soft)[..., None]
    return np.clip(middle + (soft - middle) * np.float32(1.12), 0, 1).astype(np.float32)
