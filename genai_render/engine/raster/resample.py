# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the size of float images, blur them and look values up between pixels.

Pillow does the work in C; numpy has no resize, and a box filter in numpy is slow at 4K.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .arrays import Floats
from .parallel import run_all

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def unit(height: int, width: int) -> float:
    """Pixels in one drawing unit: 1 for a megapixel, 4 for 4K. What makes sizes alike on both."""
    return math.sqrt(height * width) / 1024.0


def working_size(height: int, width: int, units: float) -> tuple[int, int]:
    """(height, width) of the picture at no more than `units` pixels per drawing unit."""
    scale = min(1.0, units / unit(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def resize(image: Floats, height: int, width: int, how: str = "bilinear") -> Floats:
    """(H, W) or (H, W, C) float32 → the new size; smaller sizes are averaged, not skipped."""
    if image.shape[:2] == (height, width):
        return image
    if image.ndim == 2:
        source = Image.fromarray(np.ascontiguousarray(image, np.float32))
        return np.asarray(source.resize((width, height), _FILTERS[how]), np.float32)
    result = np.empty((height, width, image.shape[2]), np.float32)

    def one(channel: int) -> None:
        result[..., channel] = resize(image[..., channel], height, width, how)

    run_all([partial(one, channel) for channel in range(image.shape[2])])
    return result


def resize_planes(planes: Floats, height: int, width: int, how: str = "bicubic") -> Floats:
    """(n, h, w) float32 planes at another size."""
    return np.stack([resize(plane, height, width, how) for plane in planes])


class Rows:
    """A float image (h, w) at another size, some rows at a time: the same values as all at once.

    Threads may share one.
    """

    def __init__(
        self,
        image: Floats,
        height: int,
        width: int,
        how: str = "bicubic",
        box: tuple[float, float, float, float] | None = None,
    ) -> None:
        """box: the part of the image to use, left, top, right and bottom in its pixels."""
        self._same = image if box is None and image.shape == (height, width) else None
        self._image = Image.fromarray(np.ascontiguousarray(image, np.float32))
        self._height, self._width = height, width
        self._filter = _FILTERS[how]
        self._box = box or (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))

    def __call__(self, top: int, bottom: int) -> Floats:
        """Rows top to bottom - 1: (bottom - top, width), an array of its own."""
        if self._same is not None:
            return self._same[top:bottom].copy()
        left, first, right, last = self._box
        per_row = (last - first) / self._height
        box = (left, first + top * per_row, right, min(first + bottom * per_row, last))
        size = (self._width, bottom - top)
        return np.array(self._image.resize(size, self._filter, box=box), np.float32)


class ColorRows:
    """Rows of an (h, w, C) image."""

    def __init__(self, image: Floats, height: int, width: int, how: str = "bicubic") -> None:
        self._channels = [Rows(image[..., c], height, width, how) for c in range(image.shape[2])]

    def __call__(self, top: int, bottom: int) -> Floats:
        """(bottom - top, width, C)."""
        return np.stack([channel(top, bottom) for channel in self._channels], axis=2)


def pick(image: NDArray, height: int, width: int) -> NDArray:
    """The new size by taking one pixel each, for what must not be mixed: depth, normals."""
    rows, columns = image.shape[:2]
    if (rows, columns) == (height, width):
        return image
    y = ((np.arange(height) + 0.5) * rows / height).astype(np.intp)
    x = ((np.arange(width) + 0.5) * columns / width).astype(np.intp)
    return image[y[:, None], x[None, :]]


def blur(image: Floats, sigma: float) -> Floats:
    """Gaussian blur of (H, W) or (H, W, C); sigma in pixels. Edges repeat."""
    if sigma <= 0.05:
        return image
    height, width = image.shape[:2]
    if sigma > 3.0:  # a wide blur has no detail: do it small
        factor = sigma / 2.0
        small = (max(2, round(height / factor)), max(2, round(width / factor)))
        if min(small) < 3:
            mean = image.mean(axis=(0, 1), keepdims=True)
            return np.broadcast_to(mean, image.shape).astype(np.float32)
        # Averaging down and interpolating up blur by about 0.6 of a small pixel themselves.
        inner = blur(resize(image, *small, "box"), 1.88)
        return resize(inner, height, width, "bicubic")
    radius = max(1, math.ceil(2.6 * sigma))
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    return _convolve(_convolve(image, kernel, 0), kernel, 1)


def blur_planes(planes: Floats, sigma: float) -> Floats:
    """Gaussian blur of (n, h, w) planes."""
    return np.stack([blur(plane, sigma) for plane in planes])


def _convolve(image: Floats, kernel: Floats, axis: int) -> Floats:
    radius = len(kernel) // 2
    size = image.shape[axis]
    padding = [(0, 0)] * image.ndim
    padding[axis] = (radius, radius)
    padded = np.pad(image, padding, mode="edge")

    def part(start: int) -> Floats:
        return padded[start : start + size] if axis == 0 else padded[:, start : start + size]

    result = part(radius) * kernel[radius]
    both = np.empty_like(result)
    for offset in range(radius):  # the kernel is symmetric: one product for two taps
        np.add(part(offset), part(2 * radius - offset), out=both)
        both *= kernel[offset]
        result += both
    return result


def lookup(image: NDArray, x: NDArray, y: NDArray) -> NDArray:
    """The nearest pixel at each (x, y), where 0.5 is the middle of the first; edges repeat."""
    rows, columns = image.shape[:2]
    column = np.clip(x.astype(np.int32), 0, columns - 1)
    row = np.clip(y.astype(np.int32), 0, rows - 1)
    return image[row, column]


def warp(image: Floats, dx: Floats, dy: Floats) -> Floats:
    """image moved by (dx, dy) pixels, all (H, W): bilinear, edges repeat."""
    rows, columns = image.shape[:2]
    x = np.clip(np.arange(columns, dtype=np.float32)[None, :] + dx, 0, columns - 1.001)
    y = np.clip(np.arange(rows, dtype=np.float32)[:, None] + dy, 0, rows - 1.001)
    column = x.astype(np.int32)
    row = y.astype(np.int32)
    fx = x - column
    fy = y - row
    index = row * columns + column
    flat = image.reshape(rows * columns, -1)
    if image.ndim == 3:
        fx, fy = fx[..., None], fy[..., None]
        gather = flat.__getitem__
    else:
        gather = flat[:, 0].__getitem__
    right = 1 if columns > 1 else 0
    below = columns if rows > 1 else 0
    top = gather(index) * (1 - fx) + gather(index + right) * fx
    bottom = gather(index + below) * (1 - fx) + gather(index + below + right) * fx
    return top * (1 - fy) + bottom * fy


def gradient(image: Floats) -> tuple[Floats, Floats]:
    """How much (H, W) changes per pixel, down and to the right."""
    down, right = np.gradient(image)
    return np.asarray(down), np.asarray(right)
