# SPDX-License-Identifier: GPL-3.0-or-later
"""From scene light to display color: exposure, white balance and the film curve."""

from __future__ import annotations

import numpy as np

from ..look.look import Grade
from ..raster.arrays import Plane
from ..raster.color import to_display


def auto_exposure(luminance: Plane, weight: Plane, grade: Grade, middle_gray: float) -> float:
    """What to multiply light by, so that the weighted middle of the picture is that bright."""
    value = np.log(np.maximum(luminance.astype(np.float64), 1e-4))
    share = weight.astype(np.float64)
    middle = float(np.exp((value * share).sum() / max(float(share.sum()), 1e-9)))
    stops = float(np.clip(np.log2(middle_gray / max(middle, 1e-4)), -4, 4)) * grade.auto
    return float(2.0 ** (stops + grade.exposure))


def white_balance(grade: Grade) -> tuple[float, float, float]:
    """Gains of red, green and blue for temperature and tint, of about equal brightness."""
    warm, pink = grade.temperature, grade.tint
    gains = np.array([1 + 0.28 * warm + 0.08 * pink, 1 - 0.1 * pink, 1 - 0.32 * warm + 0.08 * pink])
    gains = np.clip(gains, 0.2, 3)
    gains /= 0.2126 * gains[0] + 0.7152 * gains[1] + 0.0722 * gains[2]
    return float(gains[0]), float(gains[1]), float(gains[2])


def tone_map(color: Plane, gains: tuple[float, float, float], curve: bool = True) -> None:
    """(3, h, w) light → display sRGB 0..1, in place: bright colours bend toward white.

    curve False is for pictures that have been through one already: white stays white.
    """
    if not curve:
        for axis in range(3):
            color[axis] = to_display(np.minimum(color[axis] * np.float32(gains[axis]), 1))
        return
    for axis in range(3):
        color[axis] *= np.float32(gains[axis] * 0.85)
    # Mixing channels a little before the curve lets strong light pale, as film does.
    gray = color[0] + color[1]
    gray += color[2]
    gray *= np.float32(0.085 / 3)
    color *= np.float32(0.915)
    color += gray
    for plane in color:
        top = plane * np.float32(2.51)
        top += np.float32(0.03)
        top *= plane
        low = plane * np.float32(2.43)
        low += np.float32(0.59)
        low *= plane
        low += np.float32(0.14)
        top /= low
        np.clip(top, 0, 1, out=top)
        # The sRGB curve by square roots: within 0.0007 of the exact one.
        root = np.sqrt(top)
        quarter = np.sqrt(root)
        eighth = np.sqrt(quarter)
        root *= np.float32(0.662002687)
        quarter *= np.float32(0.684122060)
        root += quarter
        eighth *= np.float32(0.323583601)
        root -= eighth
        top *= np.float32(0.0225411470)
        root -= top
        plane[...] = root
    gray = color[0] + color[1]
    gray += color[2]
    gray *= np.float32(0.06 / 3)
    color *= np.float32(1.06)
    color -= gray
    np.clip(color, 0, 1, out=color)
