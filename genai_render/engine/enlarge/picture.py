# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture two or four times as long and wide: edges drawn by a network, its colors kept.

What the network makes is held to the picture it comes from: reduced again, it is that picture, but
for the steps of its slanted edges. So colors stay, and most of a texture that the network would
have taken for noise.
"""

from __future__ import annotations

import time
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..raster.arrays import Floats
from ..raster.parallel import THREADS, each_band
from ..raster.progress import Step, silent
from ..raster.resample import ColorRows, blur
from . import network

Method = Literal["auto", "network", "resample"]
METHODS: tuple[str, ...] = get_args(Method)
PATIENCE = 120.0  # seconds that "auto" lets the network take

_OPERATIONS = 1.24e6  # multiplications and additions of the network for a pixel
_LEAST_BAND = 1 << 15  # pixels: smaller ones work too much on the rows around them
_BAND = 1 << 20  # pixels of the result
_SOFT = 0.6  # pixels of the source: what is finer in the difference are the steps of its edges


def enlarge(
    pixels: NDArray[np.uint8],
    times: int,
    step: Step = silent,
    method: Method = "auto",
) -> tuple[NDArray[np.uint8], Method]:
    """(H, W, 3) or, with straight alpha, (H, W, 4) uint8, 2 or 4 times as long and wide; and how.

    method "auto" is the network, unless numpy multiplies so slowly here that it would take long.
    Raises what `step` raises.
    """
    assert times in (2, 4)
    height, width = pixels.shape[:2]
    if method == "auto":
        method = "network" if _seconds(height * width) <= PATIENCE else "resample"
    color = np.ascontiguousarray(pixels[..., :3])
    if method == "network":
        out = _drawn(color, times, step)
    else:
        step(0.0, "Enlarging")
        out = np.asarray(_resized(color, times)).copy()
    step(0.9, "Keeping the colors")
    _hold(out, color, times, _SOFT if method == "network" else 0.0)
    if pixels.shape[2] == 3:
        return out, method
    result = np.empty((*out.shape[:2], 4), np.uint8)
    result[..., :3] = out
    result[..., 3] = np.asarray(_resized(np.ascontiguousarray(pixels[..., 3]), times))
    return result, method


def _resized(pixels: NDArray[np.uint8], times: int) -> Image.Image:
    height, width = pixels.shape[:2]
    size = (width * times, height * times)
    return Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)


def _drawn(color: NDArray[np.uint8], times: int, step: Step) -> NDArray[np.uint8]:
    height, width = color.shape[:2]
    picture = color.astype(np.float32) / np.float32(255)
    out = np.empty((height * times, width * times, 3), np.uint8)
    every = network.TIMES // times
    rows_done = 0

    def report() -> None:
        nonlocal rows_done
        rows_done += 1  # about: two threads may count one row together
        step(0.9 * min(1.0, rows_done / (height * 1.2)), "Enlarging")

    def band(first: int, last: int) -> None:
        for row, added in network.detail(picture, first, last, report):
            large = picture[row].repeat(network.TIMES, axis=0)[None] + added
            if every > 1:
                parts = large.reshape(times, every, width * times, every, 3)
                large = parts.mean((1, 3))
            np.clip(large, 0, 1, out=large)
            large *= np.float32(255)
            large += np.float32(0.5)
            out[row * times : (row + 1) * times] = large

    each_band(height, width, band, pixels=max(_LEAST_BAND, height * width // THREADS))
    return out


def _hold(out: NDArray[np.uint8], color: NDArray[np.uint8], times: int, soft: float) -> None:
    """Add to the enlargement, in place, what it lacks of the picture when it is reduced again.

    soft: pixels of the picture that this is blurred by.
    """
    missing = color.astype(np.float32)

    def compare(first: int, last: int) -> None:
        large = out[first * times : last * times]
        parts = large.reshape(last - first, times, -1, times, 3)
        missing[first:last] -= parts.astype(np.float32).mean((1, 3))

    height, width = color.shape[:2]
    each_band(height, width, compare, pixels=_BAND // times**2)
    rows = ColorRows(blur(missing, soft), height * times, width * times)

    def add(first: int, last: int) -> None:
        values = rows(first, last)
        values += out[first:last]
        values += np.float32(0.5)
        out[first:last] = np.clip(values, 0, 255)

    each_band(height * times, width * times, add, pixels=_BAND)


def _seconds(pixels: int) -> float:
    """About how long the network takes for so many pixels here."""
    row, weight = np.ones((512, 192), np.float32), np.ones((192, 64), np.float32)
    out: Floats = row @ weight
    best = 1.0
    for _ in range(3):
        start = time.perf_counter()
        np.matmul(row, weight, out=out)
        best = min(best, time.perf_counter() - start)
    # Half as long again for all that is not a multiplication of matrices.
    return pixels * _OPERATIONS / (2 * out.size * 192 / best) * 1.5
