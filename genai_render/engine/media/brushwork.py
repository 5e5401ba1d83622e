# SPDX-License-Identifier: GPL-3.0-or-later
"""What all painting with a brush shares: where strokes go, and layers of them, broad to fine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..raster import noise
from ..raster.arrays import Floats, largest, smoothstep
from ..raster.color import brightness
from ..raster.parallel import alongside
from ..raster.progress import Step
from ..raster.resample import blur, pick, resize
from ..strokes.brush import Brush, lay_paint, place
from ..strokes.directions import blend_directions, edge_directions
from .ground import Ground


@dataclass(frozen=True, slots=True)
class Layers:
    """How a medium lays its paint.

    brushes: from broad to fine. softness: how many brush widths fit into the blur of the colours
    that a brush sees; sharpest: that blur's least, in pixels of the ground.
    begin, share: when the first layer begins and how much of the whole each takes, for progress.
    """

    name: str
    message: str
    brushes: Sequence[Brush]
    softness: float
    sharpest: float
    begin: float
    share: float


def lay_layers(
    layers: Layers,
    ground: Ground,
    paint: Floats,
    relief: Floats,
    wanted: Floats,
    field: Floats,
    chance: Callable[[int], Floats],
    step: Step,
    grain: Callable[[int], Floats | None] = lambda index: None,
) -> None:
    """Paint `wanted` (h, w, 3) onto paint (H, W, 3) and relief (H, W), in place.

    field (h, w, 2): where the brush goes. chance(index): (h, w) 0..1, the share of strokes that
    a layer keeps, asked when the layers below are laid. grain(index): see `lay_paint`.
    """
    scale = ground.scale * paint.shape[1] / ground.shaded.depth.shape[1]
    far = far_first(ground)
    seed = ground.shaded.seed
    for index, brush in enumerate(layers.brushes):
        begin = layers.begin + layers.share * index
        step(begin, layers.message)
        color = blur(wanted, max(layers.sharpest, brush.width * ground.per_unit / layers.softness))
        # Fine strokes run along the edges, which broad ones must not cross.
        barrier = ground.barrier if index < 2 else np.zeros_like(ground.barrier)
        rng = noise.generator(seed, f"{layers.name}/{index}")
        strokes = place(brush, color, field, barrier, chance(index), far, ground.per_unit, rng)

        def report(part: float, begin: float = begin) -> None:
            step(begin + (layers.share - 0.02) * part, layers.message)

        lay_paint(
            paint, relief, strokes, brush, scale, seed + index, grain=grain(index), report=report
        )


def form_and_edges(ground: Ground) -> Floats:
    """(h, w, 2) where the brush goes: along edges beside them, along the forms within."""
    gray = blur(brightness(ground.color), 1.0)
    with alongside(lambda _: edge_directions(gray, 2.5)) as along_edges:
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
