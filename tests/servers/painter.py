# SPDX-License-Identifier: GPL-3.0-or-later
"""What the servers answer with: the picture that was sent, painted over, or one of bare colour."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps


def painted(
    sent: bytes | None, width: int, height: int, seed: int = 0, unfinished: int = 0
) -> NDArray[np.uint8]:
    """(height, width, 3) uint8. unfinished: how many steps it is from its end, the blurrier."""
    if sent is None:
        pixels = np.full((height, width, 3), (40 + 50 * seed % 200, 90, 160), np.uint8)
        pixels[: height * (3 - min(unfinished, 2)) // 8] = 20 + 60 * seed % 200
        return pixels
    with Image.open(io.BytesIO(sent)) as image:
        image = ImageOps.fit(image.convert("RGB"), (width, height))
    image = ImageOps.posterize(ImageOps.autocontrast(image, cutoff=1), 4)
    image = ImageEnhance.Color(image).enhance(1.6 + 0.4 * seed)
    warm = Image.new("RGB", image.size, (255, 170 - 30 * seed % 120, 90))
    image = Image.blend(image, warm, 0.18)
    if unfinished:
        image = image.filter(ImageFilter.GaussianBlur(max(width, height) / 60 * unfinished))
    return np.asarray(image)
