# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture continued beyond its edges by what is in it: mirrored there, and ever softer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

_SOFTER = (0.0, 0.012, 0.03)  # blurs, as shares of the picture's shorter side
_REACH = 0.35  # share of the shorter side over which the mirror image is at its softest


def extended(
    pixels: NDArray[np.uint8], left: int, right: int, top: int, bottom: int
) -> NDArray[np.uint8]:
    """(H, W, C) with so many pixels around it; its own pixels stay bit for bit."""
    height, width = pixels.shape[:2]
    rows = _mirrored(height, top, bottom)
    columns = _mirrored(width, left, right)
    out = pixels[rows[:, None], columns[None, :]]
    side = min(height, width)
    # How far from the picture each pixel lies.
    down = _distance(height, top, bottom)[:, None]
    across = _distance(width, left, right)[None, :]
    share = np.clip(np.hypot(down, across) / (_REACH * side), 0, 1).astype(np.float32)
    level = share * np.float32(len(_SOFTER) - 1)
    picture = Image.fromarray(out)
    soft = [
        np.asarray(picture.filter(ImageFilter.GaussianBlur(radius * side))) if radius else out
        for radius in _SOFTER
    ]
    result = out.copy()
    for number in range(len(soft) - 1):
        part = (level > number) if number else (level > 0)
        weight = np.clip(level[part] - number, 0, 1)[:, None]
        one, other = soft[number][part].astype(np.float32), soft[number + 1][part]
        result[part] = one + (other - one) * weight + np.float32(0.5)
    result[top : top + height, left : left + width] = pixels
    return result


def _mirrored(length: int, before: int, after: int) -> NDArray[np.intp]:
    """Which pixel stands where, back and forth."""
    if length == 1:
        return np.zeros(before + 1 + after, np.intp)
    period = 2 * (length - 1)
    at = np.abs(np.arange(-before, length + after)) % period
    return np.minimum(at, period - at).astype(np.intp)


def _distance(length: int, before: int, after: int) -> NDArray[np.float32]:
    at = np.arange(-before, length + after, dtype=np.float32)
    return np.maximum(np.maximum(-at, at - (length - 1)), 0)
