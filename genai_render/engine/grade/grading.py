# SPDX-License-Identifier: GPL-3.0-or-later
"""From scene light to a picture: exposure, film curve, and one table for all colour grading."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ..look.look import Grade
from ..raster.arrays import Plane
from ..raster.color import Pixels, from_oklab, oklab, to_display, to_linear

TABLE = 33


def lattice() -> Pixels:
    """(33³, 3) every colour of the table, red fastest, as Pillow wants them."""
    steps = np.linspace(0, 1, TABLE, dtype=np.float32)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    return np.stack((red, green, blue), -1).reshape(-1, 3)


def graded(code: Pixels, grade: Grade) -> Pixels:
    """(n, 3) display colours as the grade wants them."""
    lab = oklab(code)
    light = lab[:, 0]
    if grade.contrast != 1:
        # An S around middle gray that leaves black and white where they are.
        t = np.clip(light, 0, 1)
        bent = np.where(
            t < 0.55,
            0.55 * (t / 0.55) ** grade.contrast,
            1 - 0.45 * ((1 - t) / 0.45) ** grade.contrast,
        )
        light = bent + (light - t)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    gain = grade.saturation * (1 + grade.vibrance * np.exp(-((chroma / 0.11) ** 2)))
    a, b = lab[:, 1] * gain, lab[:, 2] * gain
    if grade.split:
        dark, bright = (
            oklab(to_display(np.asarray([color], np.float32)))[0]
            for color in (grade.shadow_tint, grade.light_tint)
        )
        low = (1 - np.clip(light, 0, 1)) ** 1.5 * grade.split
        high = np.clip(light, 0, 1) ** 1.5 * grade.split
        # Never tint black and white themselves: they stay clean.
        middle = np.clip(4 * light * (1 - light), 0, 1) ** 0.5
        a = a + (dark[1] * low + bright[1] * high) * middle * 0.8
        b = b + (dark[2] * low + bright[2] * high) * middle * 0.8
    result = from_oklab(np.stack((light, a, b), -1))
    if grade.mono > 0:
        gray = to_linear(result) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
        tinted = to_display(gray[:, None] * _bright(grade.mono_color))
        result = result + (tinted - result) * np.float32(grade.mono)
    if grade.fade:
        result = result * np.float32(1 - 0.16 * grade.fade) + np.float32(0.1 * grade.fade)
    if grade.invert:
        result = result + (1 - 2 * result) * np.float32(grade.invert)
    return np.clip(result, 0, 1).astype(np.float32)


def lookup_table(colors: Pixels) -> ImageFilter.Color3DLUT:
    """Pillow's table from the (33³, 3) display colours that the lattice becomes."""
    return ImageFilter.Color3DLUT(TABLE, np.ascontiguousarray(colors, np.float32).reshape(-1))


def quantized(color: Plane, noise: Plane) -> NDArray[np.uint8]:
    """(h, w, 3) from (3, h, w) display colour; noise (0..1 planes) dithers what would band."""
    pixels = np.empty((*color.shape[1:], 3), np.uint8)
    for axis in range(3):
        plane = color[axis] * np.float32(254.999)
        plane += noise
        pixels[..., axis] = plane
    return pixels


def through_table(pixels: NDArray[np.uint8], lut: ImageFilter.Color3DLUT) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).filter(lut))


def _bright(color: tuple[float, float, float]) -> Pixels:
    """The colour's hue at the brightness of white."""
    value = np.asarray(color, np.float32)
    return value / max(float(value @ np.array([0.2126, 0.7152, 0.0722], np.float32)), 1e-3)
