# SPDX-License-Identifier: GPL-3.0-or-later
"""Between display sRGB, linear light and Oklab, and how bright a color is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .arrays import Floats, Plane

_code = np.arange(256) / 255


LINEAR = np.where(_code <= 0.04045, _code / 12.92, ((_code + 0.055) / 1.055) ** 2.4).astype(
    np.float32
)
"""Linear light of each of the 256 display sRGB values."""


_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)


def luminance(color: Plane) -> Plane:
    result = color[0] * _WEIGHTS[0]
    result += color[1] * _WEIGHTS[1]
    result += color[2] * _WEIGHTS[2]
    return result


def brightness(color: Floats) -> Floats:
    """(H, W) perceived brightness of display sRGB, 0..1."""
    return color[..., 0] * 0.299 + color[..., 1] * 0.587 + color[..., 2] * 0.114


Pixels = Plane
"""(…, 3) float32."""


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
