# SPDX-License-Identifier: GPL-3.0-or-later
"""Oil on canvas: visible strokes that follow the forms, thick enough to catch the light."""

from __future__ import annotations

import numpy as np

from .. import noise
from ..bands import beside
from ..flow import blend_directions, edge_directions
from ..painter import Brush, lay_paint, place, relief_light
from ..resample import (
    ColorRows,
    Floats,
    blur,
    largest,
    luminance,
    pick,
    resize,
    smoothstep,
    unit,
    working_size,
)
from ..shaded import Shaded, Step
from .ground import Ground, compose, prepare

LAYERS = (
    Brush(length=96, width=28, coverage=3.0, dry=0.0, jitter=0.035, unsteady=0.35),
    Brush(length=60, width=15, coverage=2.2, dry=0.1, jitter=0.045, unsteady=0.25),
    Brush(length=34, width=7.5, coverage=2.2, dry=0.1, jitter=0.05),
    Brush(length=18, width=3.6, coverage=2.4, dry=0.05, jitter=0.03, ragged=0.25),
)
UNDERPAINT = np.array([0.52, 0.38, 0.27], np.float32)


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Oil: looking")
    ground = prepare(shaded, step)
    height, width = shaded.depth.shape
    working = working_size(height, width, 2.5)
    scale = ground.scale * working[1] / width
    vivid = _paints(ground.color)
    field = form_and_edges(ground)
    far = far_first(ground)
    # A thin underpainting of the broad masses, warmed by the ground.
    masses = blur(vivid, 5.0)
    paint = resize(masses * np.float32(0.86) + UNDERPAINT * np.float32(0.1), *working)
    weave = canvas(*working)
    relief = weave * np.float32(0.3)
    for index, brush in enumerate(LAYERS):
        begin = 0.12 + 0.17 * index
        step(begin, "Oil: painting")
        wanted = blur(vivid, max(0.6, brush.width * ground.per_unit / 5))
        if index == 0:
            chance = np.ones_like(ground.value)
        else:
            chance = missing(paint, vivid, ground, low=0.02 + 0.012 * index, high=0.1)
        # Fine strokes run along the edges, which broad ones must not cross.
        barrier = ground.barrier if index < 2 else np.zeros_like(ground.barrier)
        rng = noise.generator(shaded.seed, f"oil/{index}")
        strokes = place(brush, wanted, field, barrier, chance, far, ground.per_unit, rng)
        lay_paint(
            paint,
            relief,
            strokes,
            brush,
            scale,
            shaded.seed + index,
            tell=lambda share, begin=begin: step(begin + 0.15 * share, "Oil: painting"),
        )
    step(0.85, "Oil: light on the paint")
    light = relief_light(relief, scale, 0.12)
    paint *= light[..., None]
    paint += np.clip(light - 1.1, 0, 1)[..., None] * 0.5
    step(0.95, "Oil")
    return compose((height, width), ColorRows(paint, height, width), step, "Oil", 0.95)


def _paints(color: Floats) -> Floats:
    """The picture's colours as paints: a little richer, shadows warm, not black."""
    gray = luminance(color)[..., None]
    rich = gray + (color - gray) * np.float32(1.22)
    warm = np.array([0.035, 0.012, -0.01], np.float32)
    return np.clip(rich + warm * (1 - gray) ** 2, 0.01, 1).astype(np.float32)


def form_and_edges(ground: Ground) -> Floats:
    """(h, w, 2) where the brush goes: along edges beside them, along the forms within."""
    gray = blur(luminance(ground.color), 1.0)
    with beside(lambda _: edge_directions(gray, 2.5)) as along_edges:
        (form,) = ground.directions(0.5)
        edge, clear = along_edges()
    wind = noise.fbm(ground.height, ground.width, 180.0, ground.shaded.seed, "oil/wind", 2)
    sky = np.stack([np.cos(0.5 * wind), np.sin(0.5 * wind)], axis=2)
    form = np.where(ground.covered[..., None], form, sky).astype(np.float32)
    # On large even areas a painter's arm swings; near detail the brush obeys.
    swing = noise.fbm(ground.height, ground.width, 120.0, ground.shaded.seed, "oil/swing", 2) * 0.5
    sin, cos = np.sin(swing), np.cos(swing)
    form = np.stack(
        [form[..., 0] * cos - form[..., 1] * sin, form[..., 0] * sin + form[..., 1] * cos], axis=2
    )
    return blend_directions(form, edge, smoothstep(0.25, 0.75, clear).astype(np.float32), 2.0)


def far_first(ground: Ground) -> Floats:
    """(h, w) 0 near … 1 far: a painter lays the background first."""
    depth = pick(ground.shaded.depth, ground.height, ground.width)
    finite = depth[np.isfinite(depth)]
    if finite.size == 0:
        return np.ones_like(ground.value)
    middle = np.float32(np.median(finite))
    return (1 - 1 / (1 + np.where(np.isfinite(depth), depth, 1e6) / middle)).astype(np.float32)


def missing(paint: Floats, wanted: Floats, ground: Ground, low: float, high: float) -> Floats:
    """(h, w) 0..1: where the paint so far differs from what is wanted."""
    now = resize(paint, ground.height, ground.width, "box")
    error = largest(np.abs(now - wanted))
    return smoothstep(low, high, blur(error, 1.2)).astype(np.float32)


def canvas(height: int, width: int) -> Floats:
    """(height, width) the weave of a canvas, about -1..1."""
    scale = unit(height, width)
    x = np.sin(np.arange(width, dtype=np.float32) * np.float32(2 * np.pi / (3.6 * scale)))
    y = np.sin(np.arange(height, dtype=np.float32) * np.float32(2 * np.pi / (3.6 * scale)))
    return (x[None, :] * y[:, None]).astype(np.float32)
