# SPDX-License-Identifier: GPL-3.0-or-later
"""A small convolutional network that makes a picture four times as long and wide, in numpy.

It is Real-ESRGAN's "animevideov3" (Wang et al. 2021, BSD-3-Clause; see data/networks): 18
convolutions of 3 × 3 with 64 channels, and a bilinear enlargement that their output is added to.
Rows flow through all layers at once: a layer holds no more than its last three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..raster.arrays import Floats

TIMES = 4
REACH = 18  # rows to each side that a row depends on: one a layer
WEIGHTS = Path(__file__).parents[2] / "data" / "networks" / "animevideov3_x4.npz"


class Layer(NamedTuple):
    """weights: three of (3 × channels in, channels out), for the row above, itself and below.

    slope: what values below zero are multiplied by; None for the last layer.
    """

    weights: tuple[Floats, Floats, Floats]
    bias: Floats
    slope: Floats | None


@lru_cache(maxsize=1)
def layers() -> tuple[Layer, ...]:
    """The network, read once."""
    with np.load(WEIGHTS, allow_pickle=False) as arrays:
        found = []
        for number in range(sum(name.startswith("weight") for name in arrays.files)):
            weight = arrays[f"weight{number}"].astype(np.float32)  # (out, in, down, across)
            rows = weight.transpose(2, 3, 1, 0).reshape(3, -1, weight.shape[0])
            above, middle, below = (np.ascontiguousarray(row) for row in rows)
            slope = f"slope{number}"
            found.append(
                Layer(
                    (above, middle, below),
                    arrays[f"bias{number}"],
                    arrays[slope] if slope in arrays.files else None,
                )
            )
    return tuple(found)


class _Stage:
    """One layer on rows that come from the top down; beside and beyond the picture is zero."""

    def __init__(self, layer: Layer, width: int) -> None:
        self._layer = layer
        channels = len(layer.weights[0])
        self._ring = np.zeros((3, width, channels), np.float32)
        self._taken = 0
        self._part = np.empty((width, layer.weights[0].shape[1]), np.float32)

    def take(self, row: Floats | None) -> Floats | None:
        """Give it a row (width, channels), or None below the last: the row before it, finished."""
        slot = self._ring[self._taken % 3]
        if row is None:
            slot[:] = 0
        else:
            # Each pixel with its two neighbors: the horizontal half of the convolution's window.
            channels = row.shape[1]
            slot[1:, :channels] = row[:-1]
            slot[:, channels : 2 * channels] = row
            slot[:-1, 2 * channels :] = row[1:]
        self._taken += 1
        if self._taken < 2:
            return None
        above, middle, below = self._layer.weights
        last = self._taken
        out = self._ring[(last - 2) % 3] @ middle
        out += self._layer.bias
        for weight, number in ((above, last - 3), (below, last - 1)):
            if number >= 0:
                out += np.matmul(self._ring[number % 3], weight, out=self._part)
        if self._layer.slope is not None:
            np.minimum(out, 0, out=self._part)
            np.maximum(out, 0, out=out)
            self._part *= self._layer.slope
            out += self._part
        return out


def detail(
    picture: Floats, first: int, last: int, step: Callable[[], None]
) -> Iterator[tuple[int, Floats]]:
    """What the network adds to a bilinear enlargement of the (H, W, 3) picture, 0 to 1.

    Gives (row, (4, 4 W, 3)) for each row of the picture from `first` to `last` - 1, in order: the
    four rows that it becomes. step is called for each row, and may raise.
    """
    height, width = picture.shape[:2]
    top, bottom = max(0, first - REACH), min(height, last + REACH)
    stages = [_Stage(layer, width) for layer in layers()]
    finished = 0
    for at in range(top, bottom + len(stages)):
        step()
        row = picture[at] if at < bottom else None
        # A layer gets its first row one row later than the layer before it, and its last, too.
        for stage in stages[max(0, at - bottom) :]:
            row = stage.take(row)
            if row is None:
                break
        else:
            assert row is not None
            number = top + finished
            finished += 1
            if first <= number < last:
                # Channels hold color, then the place within four by four.
                block = row.reshape(width, 3, TIMES, TIMES)
                yield number, block.transpose(2, 0, 3, 1).reshape(TIMES, width * TIMES, 3)
