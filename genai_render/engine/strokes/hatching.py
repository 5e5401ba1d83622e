# SPDX-License-Identifier: GPL-3.0-or-later
"""Strokes of a hand: placed where tone is missing, traced along a surface, laid on the paper.

A stroke is a row of points in drawing units with the pressure at each: what pencil, charcoal, ink
and crayons share. All strokes of a round are handled together as arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..raster.arrays import Floats, inner
from ..raster.resample import blur, lookup


@dataclass(frozen=True, slots=True, eq=False)
class Strokes:
    """x, y: (N, P) in drawing units; pressure: (N, P) 0..1, 0 where the hand is lifted."""

    x: Floats
    y: Floats
    pressure: Floats

    @staticmethod
    def join(parts: list[Strokes]) -> Strokes:
        points = max((part.x.shape[1] for part in parts), default=2)

        def padded(array: Floats, mode: str) -> Floats:
            extra = ((0, 0), (0, points - array.shape[1]))
            return np.pad(array, extra, mode=mode)  # pyright: ignore[reportCallIssue, reportArgumentType]

        if not parts:
            empty = np.zeros((0, points), np.float32)
            return Strokes(empty, empty, empty)
        return Strokes(
            np.concatenate([padded(part.x, "edge") for part in parts]),
            np.concatenate([padded(part.y, "edge") for part in parts]),
            np.concatenate([padded(part.pressure, "constant") for part in parts]),
        )


def trace(
    x: Floats, y: Floats, field: Floats, barrier: NDArray[np.bool_], lengths: Floats, step: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Follow `field` both ways from (x, y), in pixels of the field, until a barrier or the end.

    lengths: (N,) whole length of each in pixels. Returns x, y (N, P), alive (N, P) 0 or 1, and
    the place along the stroke (N, P), -1 at one intended end and 1 at the other.
    """
    half = max(1, int(np.ceil(float(lengths.max(initial=step)) / 2 / step)))
    count = len(x)
    xs = np.empty((count, 2 * half + 1), np.float32)
    ys, alive = np.empty_like(xs), np.zeros_like(xs)
    xs[:, half], ys[:, half], alive[:, half] = x, y, 1
    first = lookup(field, x, y)
    limit = lengths / 2
    for sign in (1.0, -1.0):
        px, py = x.astype(np.float32), y.astype(np.float32)
        direction = first * np.float32(sign)
        going = np.ones(count, bool)
        on_line = lookup(barrier, px, py)
        for i in range(1, half + 1):
            px = px + direction[:, 0] * np.float32(step)
            py = py + direction[:, 1] * np.float32(step)
            met = lookup(barrier, px, py)
            going &= ~(met & ~on_line) & (i * step <= limit)
            on_line = met & on_line
            column = half + i if sign > 0 else half - i
            xs[:, column], ys[:, column], alive[:, column] = px, py, going
            following = lookup(field, px, py)
            turn = inner(following, direction)
            following = np.where(turn[:, None] < 0, -following, following)
            # A hand has momentum: no sharp turns.
            direction = direction * np.float32(0.6) + following * np.float32(0.4)
            norm = np.sqrt(inner(direction, direction))[:, None] + np.float32(1e-6)
            direction = direction / norm
    place = np.arange(-half, half + 1, dtype=np.float32)[None, :] * np.float32(step)
    return xs, ys, alive, place / np.maximum(limit[:, None], np.float32(1e-3))


@dataclass(frozen=True, slots=True)
class Hatching:
    """One layer of strokes. Lengths in drawing units.

    waver: how much a stroke's direction differs from its neighbours', in radians.
    """

    length: float = 34.0
    width: float = 1.2
    pressure: float = 0.8
    waver: float = 0.06
    rounds: int = 4


def hatch(
    want: Floats,
    field: Floats,
    barrier: NDArray[np.bool_],
    per_unit: float,
    style: Hatching,
    rng: np.random.Generator,
) -> Strokes:
    """Strokes whose density follows `want`, (h, w) 0..1 coverage, spread evenly.

    field, barrier: (h, w, 2), (h, w) on the same grid, of per_unit pixels per drawing unit. Each
    round puts strokes where coverage is missing and nothing lies yet.
    """
    height, width = want.shape
    have = np.zeros_like(want)
    cell = 4.0 * per_unit
    rows, columns = max(1, int(height / cell)), max(1, int(width / cell))
    deposit = style.length * style.width * style.pressure * per_unit * per_unit * 0.7
    parts: list[Strokes] = []
    step = 1.0
    for turn in range(style.rounds):
        share = (turn + 1) / style.rounds
        gx = (np.arange(columns)[None, :] + rng.random((rows, columns))) * (width / columns)
        gy = (np.arange(rows)[:, None] + rng.random((rows, columns))) * (height / rows)
        dice, vary, slant, push = rng.random((4, rows * columns), np.float32)
        x, y = gx.ravel().astype(np.float32), gy.ravel().astype(np.float32)
        local = blur(have, 3.0 * per_unit)
        near = blur(have, 0.6 * per_unit)
        missing = lookup(want, x, y) * np.float32(share) - lookup(local, x, y)
        chance = missing * (width * height / (rows * columns)) / deposit * 1.25
        free = lookup(near, x, y) < 0.42 * style.pressure * share + 0.1
        chosen = (dice < chance) & free & (missing > 0.015)
        if not chosen.any():
            continue
        x, y, vary, slant, push = (a[chosen] for a in (x, y, vary, slant, push))
        lengths = style.length * per_unit * (0.55 + 0.9 * vary)
        xs, ys, alive, place = trace(x, y, field, barrier, lengths, step)
        # A slightly different slant for each: shear the points about the middle.
        angle = (slant - 0.5) * np.float32(2 * style.waver)
        mx, my = x[:, None], y[:, None]
        dx, dy = xs - mx, ys - my
        sin, cos = np.sin(angle)[:, None], np.cos(angle)[:, None]
        xs, ys = mx + dx * cos - dy * sin, my + dx * sin + dy * cos
        # Strokes end where the tone wanted ends, and thin out at their ends.
        local_want = lookup(want, xs, ys)
        enough = np.clip(local_want * 6.0, 0, 1)
        ends = np.clip((1 - np.abs(place)) * 3.2, 0, 1)
        along = np.clip(0.62 + 0.5 * (1 - (place * 0.5 + 0.5)), 0, 1)
        force = style.pressure * (0.72 + 0.5 * push)[:, None]
        pressure = (alive * ends * along * enough * force).astype(np.float32)
        strokes = Strokes(xs / per_unit, ys / per_unit, pressure)
        parts.append(strokes)
        have += lay(strokes, height, width, per_unit, style.width)
    return Strokes.join(parts)


def lay(
    strokes: Strokes,
    height: int,
    width: int,
    per_unit: float,
    stroke_width: float,
    bristles: Floats | None = None,
) -> Floats:
    """(height, width) how much was laid on each pixel: about 1 along a stroke at full pressure.

    per_unit: pixels of the result per drawing unit; stroke_width: in drawing units.
    bristles: (N, B) 0..1 makes each stroke of B hairs side by side, each with its strength.
    """
    if strokes.x.size == 0:
        return np.zeros((height, width), np.float32)
    # Only the pieces between two points where the hand is down, in pixels.
    down = strokes.pressure > 1e-3
    down = down[:, :-1] | down[:, 1:]
    per = np.float32(per_unit)
    x0, x1 = strokes.x[:, :-1][down] * per, strokes.x[:, 1:][down] * per
    y0, y1 = strokes.y[:, :-1][down] * per, strokes.y[:, 1:][down] * per
    p0, p1 = strokes.pressure[:, :-1][down], strokes.pressure[:, 1:][down]
    if x0.size == 0:
        return np.zeros((height, width), np.float32)
    dx, dy = x1 - x0, y1 - y0
    length = np.sqrt(dx * dx + dy * dy)
    mean_length = float(length.mean())
    fill = max(1, int(np.ceil(mean_length / 0.85 - 0.25)))
    width_px = stroke_width * per_unit
    rows = max(1, round(width_px / 0.9)) if bristles is None else bristles.shape[1]
    spread = width_px / rows
    share = np.float32(mean_length / fill * min(spread, 1.0 if rows > 1 else spread))
    hairs = None if bristles is None else np.repeat(bristles, down.sum(axis=1), axis=0)
    safe = np.maximum(length, np.float32(1e-6))
    across_x, across_y = -dy / safe, dx / safe
    total = np.zeros(height * width, np.float64)
    for row in range(rows):
        offset = (row + 0.5) / rows - 0.5
        # The profile of a round point: less at its sides.
        side = math.sqrt(max(0.05, 1 - (2 * offset) ** 2)) if hairs is None else 1.0
        force = np.float32(side) * share
        off_x, off_y = (
            across_x * np.float32(offset * width_px),
            across_y * np.float32(offset * width_px),
        )
        for piece in range(fill):
            t = np.float32((piece + 0.5) / fill)
            weight = (p0 + (p1 - p0) * t) * force
            if hairs is not None:
                weight = weight * hairs[:, row]
            _splat(total, x0 + dx * t + off_x, y0 + dy * t + off_y, weight, height, width)
    return total.reshape(height, width).astype(np.float32)


def _splat(total: NDArray, x: Floats, y: Floats, weight: Floats, height: int, width: int) -> None:
    """Add weights at positions, each shared by the four pixels around it."""
    x, y = x - 0.5, y - 0.5
    inside = (x >= 0) & (y >= 0) & (x < width - 1) & (y < height - 1)
    x, y, weight = x[inside], y[inside], weight[inside]
    column, row = x.astype(np.int32), y.astype(np.int32)
    fx, fy = x - column, y - row
    index = row * width + column
    right, below = weight * fx, weight * fy
    both = right * fy
    size = height * width
    for offset, part in (
        (0, weight - right - below + both),
        (1, right - both),
        (width, below - both),
        (width + 1, both),
    ):
        total += np.bincount(index + offset, part, size)
