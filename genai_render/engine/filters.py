# SPDX-License-Identifier: GPL-3.0-or-later
"""Resizing and blurring of float planes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .geometry import Plane


def resize(
    plane: Plane, width: int, height: int, how: Image.Resampling = Image.Resampling.BICUBIC
) -> Plane:
    """A (h, w) float32 plane at another size."""
    if plane.shape == (height, width):
        return plane
    picture = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(picture.resize((width, height), how))


def resize_all(
    planes: Plane,
    width: int,
    height: int,
    how: Image.Resampling = Image.Resampling.BICUBIC,
) -> Plane:
    """(n, h, w) float32 planes at another size."""
    return np.stack([resize(plane, width, height, how) for plane in planes])


def blur(plane: Plane, sigma: float) -> Plane:
    """A Gaussian blur, sigma in pixels; edges repeat. Wide ones are made on a smaller copy."""
    if sigma < 0.3:
        return plane
    height, width = plane.shape
    shrink = int(max(1, min(sigma / 2.5, min(height, width) / 8)))
    if shrink == 1:
        return _gauss(plane, sigma)
    small = resize(
        plane, math.ceil(width / shrink), math.ceil(height / shrink), Image.Resampling.BOX
    )
    return resize(_gauss(small, sigma / shrink), width, height)


def blur_all(planes: Plane, sigma: float) -> Plane:
    return np.stack([blur(plane, sigma) for plane in planes])


def _gauss(plane: Plane, sigma: float) -> Plane:
    radius = max(1, min(math.ceil(2.6 * sigma), min(plane.shape) - 1))
    kernel = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    kernel = (kernel / (kernel[0] + 2 * kernel[1:].sum())).astype(np.float32)
    for axis in (0, 1):
        size = plane.shape[axis]
        pad = [(0, 0), (0, 0)]
        pad[axis] = (radius, radius)
        wide = np.pad(plane, pad, mode="edge")

        def part(at: int, wide: Plane = wide, axis: int = axis, size: int = size) -> Plane:
            return wide[at : at + size] if axis == 0 else wide[:, at : at + size]

        total = part(radius) * kernel[0]
        both = np.empty_like(total)
        for i in range(1, radius + 1):
            np.add(part(radius - i), part(radius + i), out=both)
            both *= kernel[i]
            total += both
        plane = total
    return plane


class Enlarger:
    """Bilinear enlargement from a small grid, some rows at a time."""

    def __init__(self, small: tuple[int, int], large: tuple[int, int]) -> None:
        """Both are (height, width)."""
        self.small, self.large = small, large
        self.y0, self.y1, self.fy = _taps(small[0], large[0])
        self.x0, self.x1, self.fx = _taps(small[1], large[1])

    def rows(self, plane: Plane, first: int, last: int) -> Plane:
        """Rows first to last of the (height, width) plane, enlarged; a new array."""
        if self.small == self.large:
            return plane[first:last].copy()
        fy = self.fy[first:last, None]
        upper = plane[self.y0[first:last]]
        upper += (plane[self.y1[first:last]] - upper) * fy
        left = upper.take(self.x0, axis=1)
        right = upper.take(self.x1, axis=1)
        right -= left
        right *= self.fx[None, :]
        left += right
        return left


def _taps(small: int, large: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Plane]:
    at = np.clip((np.arange(large) + 0.5) * (small / large) - 0.5, 0, small - 1)
    low = np.minimum(at.astype(np.intp), max(0, small - 2))
    return low, np.minimum(low + 1, small - 1), (at - low).astype(np.float32)
