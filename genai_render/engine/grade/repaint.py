# SPDX-License-Identifier: GPL-3.0-or-later
"""A surface in another color, with the light and shadow that are on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..raster.color import from_oklab, oklab

_LIT = 70.0  # percentile of the surface's lightness that is taken for its own color in daylight
_BAND = 256  # rows at a time


def repainted(
    pixels: NDArray[np.uint8],
    share: NDArray[np.float32],
    color: tuple[float, float, float],
    lighter: float = 0.0,
    colorful: float = 1.0,
) -> NDArray[np.uint8]:
    """(H, W, 3 or 4) uint8 display sRGB with that color where share, (H, W) 0 to 1, says so.

    What is brighter or darker on the surface stays so, and what shines on it keeps its white.
    lighter, colorful: what is done to the color in Oklab.
    """
    inside = share > 0.5 / 255
    if pixels.shape[2] == 4:
        inside &= pixels[..., 3] > 0
    if not inside.any():
        return pixels
    target = oklab(np.array([color], np.float32))[0]
    light = float(np.clip(target[0] + lighter, 0.12, 0.98))
    axes = target[1:] * colorful
    bands = [slice(first, first + _BAND) for first in range(0, len(pixels), _BAND)]
    bands = [rows for rows in bands if inside[rows].any()]
    lightness = np.zeros(share.shape, np.float32)
    for rows in bands:
        shown = pixels[rows][inside[rows]][:, :3].astype(np.float32) / np.float32(255)
        lightness[rows][inside[rows]] = oklab(shown)[:, 0]
    whole = inside & (share > 0.5)
    own = float(np.percentile(lightness[whole if whole.any() else inside], _LIT))
    out = pixels.copy()
    for rows in bands:
        here = inside[rows]
        ratio = lightness[rows][here].astype(np.float64) / max(own, 0.05)
        over = np.maximum(ratio - 1, 0)
        # Above its own brightness it goes towards white, and less and less.
        room = 1 - light
        bright = light + room * (1 - np.exp(-over * light / max(room, 0.02)))
        shown = np.where(ratio < 1, light * ratio, bright)
        # A shadow has less of the color, and what shines none.
        shine = np.clip((shown - light) / max(room, 0.02), 0, 1) ** 1.5
        strength = np.minimum(1.0, np.sqrt(np.maximum(shown, 0) / light)) * (1 - 0.85 * shine)
        lab = np.stack([shown, axes[0] * strength, axes[1] * strength], -1)
        new = np.clip(from_oklab(lab), 0, 1) * np.float32(255)
        part = out[rows]
        weight = share[rows][here][:, None]
        was = part[here][:, :3].astype(np.float32)
        changed = part[here]
        changed[:, :3] = (was + (new - was) * weight + np.float32(0.5)).astype(np.uint8)
        part[here] = changed
    return out
