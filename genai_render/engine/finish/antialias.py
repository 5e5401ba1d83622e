# SPDX-License-Identifier: GPL-3.0-or-later
"""Smooth the stairs of edges in a finished picture, after Lottes's FXAA: only where edges are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..raster.parallel import each_band
from ..raster.progress import Step

_SEARCH = (1, 1, 1, 1, 1.5, 2, 2, 4)


def antialias(
    pixels: NDArray[np.uint8], step: Step, start: float = 0.75, end: float = 0.8
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 with its jagged edges smoothed; flat areas and fine texture stay."""
    height, width = pixels.shape[:2]
    if height < 3 or width < 3:
        return pixels
    green = np.empty((height, width), np.float32)

    def gray(first: int, last: int) -> None:
        part = pixels[first:last]
        line = part[..., 0] * np.float32(0.299 / 255)
        line += part[..., 1] * np.float32(0.587 / 255)
        line += part[..., 2] * np.float32(0.114 / 255)
        green[first:last] = line

    each_band(height, width, gray)
    result = pixels.copy()

    def work(first: int, last: int) -> None:
        _smooth(pixels, green, result, max(first, 1), min(last, height - 1))

    each_band(
        height, width, work, lambda done: step(start + (end - start) * done, "Smoothing edges")
    )
    return result


def _smooth(
    pixels: NDArray[np.uint8],
    light: NDArray[np.float32],
    result: NDArray[np.uint8],
    first: int,
    last: int,
) -> None:
    if first >= last:
        return
    height, width = light.shape
    m = light[first:last, 1:-1]
    n, s = light[first - 1 : last - 1, 1:-1], light[first + 1 : last + 1, 1:-1]
    w, e = light[first:last, :-2], light[first:last, 2:]
    high = np.maximum(np.maximum(np.maximum(n, s), np.maximum(w, e)), m)
    low = np.minimum(np.minimum(np.minimum(n, s), np.minimum(w, e)), m)
    contrast = high - low
    at = np.flatnonzero(contrast > np.maximum(np.float32(0.045), high * np.float32(0.11)))
    if not len(at):
        return
    row, column = np.divmod(at, width - 2)
    row += first
    column += 1
    flat = light.reshape(-1)
    here = row * width + column

    def near(dy: int, dx: int) -> NDArray[np.float32]:
        return flat[here + dy * width + dx]

    middle = flat[here]
    up, down, left, right = near(-1, 0), near(1, 0), near(0, -1), near(0, 1)
    nw, ne, sw, se = near(-1, -1), near(-1, 1), near(1, -1), near(1, 1)
    across = (
        np.abs(nw + sw - 2 * left)
        + 2 * np.abs(up + down - 2 * middle)
        + np.abs(ne + se - 2 * right)
    )
    along = (
        np.abs(nw + ne - 2 * up)
        + 2 * np.abs(left + right - 2 * middle)
        + np.abs(sw + se - 2 * down)
    )
    level = across >= along  # the edge runs from left to right
    one = np.where(level, up, left)
    two = np.where(level, down, right)
    first_side = np.abs(one - middle) >= np.abs(two - middle)
    toward = np.where(first_side, -1, 1)
    other = np.where(first_side, one, two)
    slope = np.float32(0.25) * np.maximum(np.abs(one - middle), np.abs(two - middle))
    mean = np.float32(0.5) * (middle + other)
    across_step = np.where(level, width, 1) * toward
    along_y = np.where(level, 0, 1)
    along_x = np.where(level, 1, 0)

    def follow(sign: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        distance = np.zeros(len(here), np.float32)
        end = np.zeros(len(here), np.float32)
        going = np.ones(len(here), np.bool_)
        for length in _SEARCH:
            distance[going] += np.float32(length)
            offset = np.rint(distance).astype(np.intp) * sign
            y = np.clip(row + along_y * offset, 1, height - 2)
            x = np.clip(column + along_x * offset, 1, width - 2)
            index = y * width + x
            value = np.float32(0.5) * (flat[index] + flat[index + across_step]) - mean
            end = np.where(going, value, end)
            going &= np.abs(value) < slope
            if not going.any():
                break
        return distance, end

    back, back_end = follow(-1)
    forth, forth_end = follow(1)
    nearer = np.minimum(back, forth)
    end = np.where(back < forth, back_end, forth_end)
    right_way = (end < 0) != (middle - mean < 0)
    shift = np.where(right_way, np.float32(0.5) - nearer / (back + forth), np.float32(0))
    # Single bright or dark pixels are softened a little.
    around = (2 * (up + down + left + right) + nw + ne + sw + se) / 12
    lone = np.clip(np.abs(around - middle) / np.maximum(contrast.reshape(-1)[at], 1e-4), 0, 1)
    lone = lone * lone * (3 - 2 * lone)
    shift = np.maximum(shift, lone * lone * np.float32(0.6)).astype(np.float32)
    source = pixels.reshape(-1, 3)
    a, b = source[here].astype(np.float32), source[here + across_step].astype(np.float32)
    mixed = a + (b - a) * shift[:, None]
    result.reshape(-1, 3)[here] = (mixed + np.float32(0.5)).astype(np.uint8)
