# SPDX-License-Identifier: GPL-3.0-or-later
"""From scene light to a picture: exposure, film curve, and one table for all colour grading."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .geometry import Plane
from .look import Grade

TABLE = 33
Pixels = Plane
"""(…, 3) float32."""


def auto_exposure(luminance: Plane, weight: Plane, grade: Grade, middle_gray: float) -> float:
    """What to multiply light by, so that the weighted middle of the picture is that bright."""
    value = np.log(np.maximum(luminance.astype(np.float64), 1e-4))
    share = weight.astype(np.float64)
    middle = float(np.exp((value * share).sum() / max(float(share.sum()), 1e-9)))
    stops = float(np.clip(np.log2(middle_gray / max(middle, 1e-4)), -4, 4)) * grade.auto
    return float(2.0 ** (stops + grade.exposure))


def balance(grade: Grade) -> tuple[float, float, float]:
    """Gains of red, green and blue for temperature and tint, of about equal brightness."""
    warm, pink = grade.temperature, grade.tint
    gains = np.array([1 + 0.28 * warm + 0.08 * pink, 1 - 0.1 * pink, 1 - 0.32 * warm + 0.08 * pink])
    gains = np.clip(gains, 0.2, 3)
    gains /= 0.2126 * gains[0] + 0.7152 * gains[1] + 0.0722 * gains[2]
    return float(gains[0]), float(gains[1]), float(gains[2])


def film(color: Plane, gains: tuple[float, float, float], curve: bool = True) -> None:
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


def lattice() -> Pixels:
    """(33³, 3) every colour of the table, red fastest, as Pillow wants them."""
    steps = np.linspace(0, 1, TABLE, dtype=np.float32)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    return np.stack((red, green, blue), -1).reshape(-1, 3)


def to_linear(code: Pixels) -> Pixels:
    code = np.asarray(code, np.float32)
    return np.where(
        code <= 0.04045, code / 12.92, ((np.maximum(code, 0) + 0.055) / 1.055) ** 2.4
    ).astype(np.float32)


def to_display(linear: Pixels) -> Pixels:
    linear = np.maximum(np.asarray(linear, np.float32), 0)
    return np.where(
        linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055
    ).astype(np.float32)


_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def oklab(code: Pixels) -> NDArray[np.float64]:
    """Lightness and two colour axes of (n, 3) display colours."""
    lms = np.cbrt(_apply(to_linear(code).astype(np.float64), _TO_LMS))
    return _apply(lms, _TO_LAB)


def from_oklab(lab: NDArray[np.float64]) -> Pixels:
    """Display colours, unclipped below, of (n, 3) Oklab colours."""
    lms = _apply(lab, np.linalg.inv(_TO_LAB)) ** 3
    return to_display(_apply(lms, np.linalg.inv(_TO_LMS)).astype(np.float32))


def _apply(colors: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    # By hand: BLAS may add in another order on another machine.
    return np.stack([(colors * row).sum(-1) for row in matrix], -1)


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


def table(colors: Pixels) -> ImageFilter.Color3DLUT:
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


def through(pixels: NDArray[np.uint8], lut: ImageFilter.Color3DLUT) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).filter(lut))


def _bright(color: tuple[float, float, float]) -> Pixels:
    """The colour's hue at the brightness of white."""
    value = np.asarray(color, np.float32)
    return value / max(float(value @ np.array([0.2126, 0.7152, 0.0722], np.float32)), 1e-3)
