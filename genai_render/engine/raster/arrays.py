# SPDX-License-Identifier: GPL-3.0-or-later
"""The arrays that the engine works on, and small arithmetic on them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
"""float32 images; numpy's types cannot promise that arithmetic keeps them so, but it does."""


Plane = NDArray[Any]
"""(h, w) float32, or where said so (3, h, w): numpy is fastest with whole planes of a picture."""


def smoothstep(low: float, high: float, value: NDArray) -> NDArray:
    """0 below low, 1 above high, smooth between; low may be above high."""
    t = np.asarray(value - low)
    t *= 1.0 / (high - low)
    np.clip(t, 0.0, 1.0, out=t)
    result = t * -2.0
    result += 3.0
    result *= t
    result *= t
    return result


def inner(a: Floats, b: Floats) -> Floats:
    """The dot product over the last axis, of 2 or 3: numpy's sum over a short axis is slow."""
    total = a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1]
    return total + a[..., 2] * b[..., 2] if a.shape[-1] == 3 else total


def largest(color: Floats) -> Floats:
    """The largest of three channels; numpy's max over a short axis is slow."""
    return np.maximum(np.maximum(color[..., 0], color[..., 1]), color[..., 2])
