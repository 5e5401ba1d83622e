# SPDX-License-Identifier: GPL-3.0-or-later
"""From pictures of a camera's frame to the pixels that Blender wants of it: plain numbers only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.bounds import MAX_SIDE, MIN_SIDE
from ...core.framing import Size, fit_view

NOTHING = 1e10
"""What Blender's own depth is where nothing is."""


@dataclass(frozen=True, slots=True)
class ResultPixels:
    """The pixels of a render.

    full: those of the whole frame. left, bottom, width, height: the part that is wanted, which is
    less than the whole with a render region that is not cropped to.
    aspect: width over height of the frame as a viewer sees it: pixels need not be square.
    """

    full: Size
    left: int
    bottom: int
    width: int
    height: int
    aspect: float

    def data_size(self) -> Size:
        """Square pixels, as many across as wanted, for depth and normals of the whole frame."""
        width, height = self.full.width, self.full.width / self.aspect
        shrink = min(1.0, MAX_SIDE / max(width, height))
        grow = max(1.0, MIN_SIDE / min(width, height))
        sides = (
            max(MIN_SIDE, min(MAX_SIDE, round(side * shrink * grow))) for side in (width, height)
        )
        return Size(*sides)

    def _box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Where the wanted part lies in a picture that may show more around the frame: left, top,
        right and bottom in its pixels."""
        shown = fit_view(self.aspect, width / height)
        frame_width, frame_height = width / shown.scale_x, height / shown.scale_y
        x, y = (width - frame_width) / 2, (height - frame_height) / 2
        top = self.full.height - self.bottom - self.height
        across, down = frame_width / self.full.width, frame_height / self.full.height
        box = (
            x + self.left * across,
            y + top * down,
            x + (self.left + self.width) * across,
            y + (top + self.height) * down,
        )
        return (max(0.0, box[0]), max(0.0, box[1]), min(width, box[2]), min(height, box[3]))

    def picture(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(height, width, 3) from the picture that was made, whatever its size. Smooth."""
        box = self._box(pixels.shape[1], pixels.shape[0])
        opaque = np.ascontiguousarray(pixels[..., :3])
        return np.asarray(
            Image.fromarray(opaque).resize(
                (self.width, self.height), Image.Resampling.LANCZOS, box=box
            )
        )

    def data(self, plane: NDArray[Any]) -> NDArray[Any]:
        """(height, width, …) of depth or normals: the nearest pixel's, never a blend of two."""
        left, top, right, bottom = self._box(plane.shape[1], plane.shape[0])
        columns = left + (np.arange(self.width) + 0.5) * (right - left) / self.width
        rows = top + (np.arange(self.height) + 0.5) * (bottom - top) / self.height
        columns = np.clip(columns.astype(np.intp), 0, plane.shape[1] - 1)
        rows = np.clip(rows.astype(np.intp), 0, plane.shape[0] - 1)
        return plane[rows[:, None], columns]


def depth_pass(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.isfinite(depth), depth, np.float32(NOTHING))


def normal_pass(normal: NDArray[np.float32], camera_to_world: Any) -> NDArray[np.float32]:
    """From camera space to world space, as Blender's own Normal pass is."""
    turn = np.array(camera_to_world, np.float32)[:3, :3]
    return (normal @ turn.T).astype(np.float32)
