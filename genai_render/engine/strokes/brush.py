# SPDX-License-Identifier: GPL-3.0-or-later
"""A brush: strokes of thick paint laid over each other, from broad to fine.

Every stroke is first drawn as a shape that holds only its number; each pixel then finds, from the
stroke it belongs to, where along and across the brush it lies, and so which bristle painted it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..raster.arrays import Floats
from ..raster.noise import generator
from ..raster.parallel import alongside, each_band
from ..raster.resample import blur, gradient, lookup
from .hatching import trace

TEXTURE = 512
TEXEL_UNITS = 0.3


@dataclass(frozen=True, slots=True)
class Brush:
    """Sizes in drawing units.

    coverage: how many strokes lie over each place on average.
    ragged: how uneven its ends and sides are; dry: how much of what is below shows between hairs.
    streaks: how much the hairs of one stroke differ in colour; jitter: how much strokes differ.
    body: how thick the paint is. unsteady: how much directions differ, in radians.
    """

    length: float
    width: float
    coverage: float = 1.6
    ragged: float = 0.35
    dry: float = 0.1
    streaks: float = 0.5
    jitter: float = 0.05
    body: float = 1.0
    unsteady: float = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Strokes on the paper: arrays of length N; places and lengths in drawing units."""

    x: Floats
    y: Floats
    angle: Floats
    half_length: Floats
    half_width: Floats
    sag: Floats
    first: Floats
    second: Floats
    hair: Floats

    def __len__(self) -> int:
        return len(self.x)


def place(
    brush: Brush,
    color: Floats,
    field: Floats,
    barrier: NDArray[np.bool_],
    chance: Floats,
    depth_order: Floats,
    per_unit: float,
    rng: np.random.Generator,
) -> Placed:
    """Choose strokes on a grid of per_unit pixels per drawing unit.

    color (h, w, 3): the paint wanted. chance (h, w): 0..1, the share of strokes to keep.
    depth_order (h, w): strokes where it is greater are laid first.
    """
    height, width = chance.shape
    cell = math.sqrt(brush.length * brush.width / brush.coverage) * per_unit
    rows, columns = max(2, round(height / cell)), max(2, round(width / cell))
    gx = (np.arange(columns)[None, :] + rng.random((rows, columns))) * (width / columns)
    gy = (np.arange(rows)[:, None] + rng.random((rows, columns))) * (height / rows)
    dice, vary, broad, tilt, hair, order = rng.random((6, rows * columns), np.float32)
    tint = rng.standard_normal((rows * columns, 3), np.float32)
    value = rng.standard_normal((rows * columns, 1), np.float32)
    x, y = gx.ravel().astype(np.float32), gy.ravel().astype(np.float32)
    keep = dice < lookup(chance, x, y)
    x, y, vary, broad, tilt, hair, order, tint, value = (
        a[keep] for a in (x, y, vary, broad, tilt, hair, order, tint, value)
    )
    lengths = brush.length * per_unit * (0.45 + 1.1 * vary)
    step = max(1.0, brush.length * per_unit / 24)
    xs, ys, alive, _ = trace(x, y, field, barrier, lengths, step)
    last = xs.shape[1] - 1
    middle = last // 2
    index = np.arange(len(x))
    tail = middle - alive[:, :middle].sum(axis=1).astype(int)
    head = middle + alive[:, middle + 1 :].sum(axis=1).astype(int)
    ax, ay, bx, by = xs[index, tail], ys[index, tail], xs[index, head], ys[index, head]
    centre = (tail + head) // 2
    mx, my = xs[index, centre], ys[index, centre]
    angle = np.arctan2(by - ay, bx - ax)
    local = lookup(field, x, y)
    short = np.hypot(bx - ax, by - ay) < 1.5
    angle = np.where(short, np.arctan2(local[:, 1], local[:, 0]), angle)
    # How far the stroke's middle lies off the straight line between its ends.
    sag = -(mx - (ax + bx) / 2) * np.sin(angle) + (my - (ay + by) / 2) * np.cos(angle)
    half_length = np.maximum(np.hypot(bx - ax, by - ay) / 2, brush.width * per_unit * 0.7)
    here = lookup(color, mx, my)
    other = lookup(color, (ax + x) / 2, (ay + y) / 2)
    light = 1 + brush.jitter * value
    spread = brush.jitter * 0.25
    first = np.clip(here * light + tint * spread, 0, 1)
    second = np.clip(other * (light + brush.streaks * 0.1) + tint[:, ::-1] * spread, 0, 1)
    layer = np.lexsort((order, -np.round(lookup(depth_order, mx, my) * 6)))
    half_width = brush.width / 2 * (0.65 + 0.7 * broad)
    angle = angle + (tilt - 0.5) * np.float32(2 * brush.unsteady)
    per = np.float32(1 / per_unit)
    parts = (
        (ax + bx) / 2 * per,
        (ay + by) / 2 * per,
        angle,
        half_length * per,
        half_width,
        sag * per,
        first,
        second,
        hair,
    )
    return Placed(*(np.ascontiguousarray(part[layer], np.float32) for part in parts))


def lay_paint(
    paint: Floats,
    relief: Floats,
    strokes: Placed,
    brush: Brush,
    scale: float,
    seed: int,
    grain: Floats | None = None,
    report: Callable[[float], None] | None = None,
) -> None:
    """Paint the strokes onto paint (H, W, 3) and relief (H, W), in place.

    scale: pixels per drawing unit. grain (H, W): a relief that catches paint where it is high.
    """
    if not len(strokes):
        return
    height, width = relief.shape
    with alongside(lambda _: _bristles(seed)) as bristles:
        numbers = _shapes(strokes, height, width, scale)
    hairs = bristles().reshape(-1)
    values = [
        a.astype(np.float32)
        for a in (
            strokes.x * scale,
            strokes.y * scale,
            np.cos(strokes.angle),
            np.sin(strokes.angle),
            1 / (strokes.half_length * scale),
            1 / (strokes.half_width * scale),
            strokes.sag * scale,
            strokes.hair * TEXTURE,
        )
    ]
    span = strokes.second - strokes.first
    across = (strokes.half_width / TEXEL_UNITS).astype(np.float32)
    along = (strokes.half_length / TEXEL_UNITS / 5).astype(np.float32)
    lanes = (strokes.hair * TEXTURE * 0.37).astype(np.int32) % TEXTURE

    def work(top: int, bottom: int) -> None:
        part = numbers[top:bottom].reshape(-1)
        at = np.flatnonzero(part)
        if at.size == 0:
            return
        which = part[at] - 1
        row = at // width
        cx, cy, cos, sin, per_length, per_width, sag, hair = (v[which] for v in values)
        dx = (at - row * width).astype(np.float32) + np.float32(0.5) - cx
        dy = row.astype(np.float32) + np.float32(top + 0.5) - cy
        u = (dx * cos + dy * sin) * per_length
        v = (dy * cos - dx * sin - sag * (1 - np.minimum(u * u, 1.5))) * per_width
        row = (v * across[which] + hair).astype(np.int32) % TEXTURE * TEXTURE
        column = (u * along[which] + hair * 1.7).astype(np.int32) % TEXTURE
        bristle = hairs[row + column]
        lane = hairs[row + lanes[which]]
        ragged = np.float32(brush.ragged)
        side = 1 - np.abs(v) - ragged * 0.3 * bristle
        # Hairs lift one after the other at the ends, which are round.
        round_end = np.sqrt(np.maximum(1 - 0.55 * v * v, 0))
        end = (round_end - np.abs(u)) * 2.4 - ragged * (lane * 1.1 + 0.2 * bristle)
        cover = np.clip(np.minimum(side * 6.0, end * 3.0), 0, 1)
        # The paint runs out towards the stroke's end: the hairs part.
        run_out = brush.dry * (0.6 + 0.9 * np.clip(u, -0.4, 1))
        cover *= np.clip((bristle - run_out) * 5.0 + 0.5, 0, 1) if brush.dry > 0 else 1.0
        if grain is not None:
            cover *= np.clip(grain[top:bottom].reshape(-1)[at], 0, 1)
        mix = np.clip(0.5 + (lane - 0.5) * 2.0 * brush.streaks, 0, 1)[:, None]
        color = strokes.first[which] + span[which] * mix
        color *= (1 + (bristle - 0.5) * np.float32(0.1 * brush.streaks))[:, None]
        page = paint[top:bottom].reshape(-1, 3)
        under = page[at]
        color -= under
        color *= cover[:, None]
        color += under
        page[at] = color
        if brush.body > 0:
            ridge = np.clip((np.abs(v) - 0.55) * 1.6, 0, 0.6)
            thick = (0.35 + 0.75 * bristle + ridge) * np.float32(brush.body)
            heights = relief[top:bottom].reshape(-1)
            below = heights[at]
            heights[at] = below + (thick - below * 0.55) * cover

    each_band(height, width, work, report)


def relief_light(relief: Floats, scale: float, strength: float) -> Floats:
    """(H, W) factor about 1: the paint's relief in a light from above left."""
    soft = blur(relief, 0.55 * scale)
    gy, gx = gradient(soft)
    slope = (gx * 0.8 + gy) * np.float32(scale)
    return 1 + np.clip(slope * np.float32(strength), -0.32, 0.42)


def _shapes(strokes: Placed, height: int, width: int, scale: float) -> NDArray[np.int32]:
    """(height, width) the number of the uppermost stroke, counted from 1; 0 where there is none."""
    t = np.array([-1.08, -0.6, 0, 0.6, 1.08], np.float32)
    cos, sin = np.cos(strokes.angle)[:, None], np.sin(strokes.angle)[:, None]
    along = t[None] * strokes.half_length[:, None]
    arc = strokes.sag[:, None] * (1 - np.minimum(t * t, 1.5))[None]
    half = strokes.half_width[:, None] * np.array([0.8, 1.05, 1.05, 1.05, 0.8], np.float32)
    outline = []
    for side in (1, -1):
        off = arc + half * side
        px = (strokes.x[:, None] + along * cos - off * sin) * scale
        py = (strokes.y[:, None] + along * sin + off * cos) * scale
        outline.append(np.stack([px, py], axis=2)[:, ::side])
    corners = np.concatenate(outline, axis=1).reshape(len(strokes), -1)
    image = Image.new("I", (width, height), 0)
    pen = ImageDraw.Draw(image)
    for number, points in enumerate(corners.tolist(), 1):
        pen.polygon(points, fill=number)
    return np.asarray(image, np.int32)


def _bristles(seed: int) -> Floats:
    """(TEXTURE, TEXTURE) 0..1: hairs run along the rows; wraps around."""
    grid = generator(seed, "painter/bristles").standard_normal((TEXTURE, TEXTURE), np.float32)
    spectrum = np.fft.rfft2(grid)
    fy = np.fft.fftfreq(TEXTURE)[:, None] * TEXTURE
    fx = np.fft.rfftfreq(TEXTURE)[None, :] * TEXTURE
    # Hairs of some 4 texels; 12 times as long as they are apart.
    keep = np.exp(-((fy / 105) ** 2)) * (1 - np.exp(-((fy / 9) ** 2))) * np.exp(-((fx / 9) ** 2))
    smooth = np.fft.irfft2(spectrum * keep, (TEXTURE, TEXTURE))
    smooth /= smooth.std()
    return np.clip(0.5 + 0.3 * smooth, 0, 1).astype(np.float32)
