# SPDX-License-Identifier: GPL-3.0-or-later
"""The canvas as ControlNets know it: what they were trained on, in eight bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core import lazy
from ...core.image import images
from ...core.view.canvas import Canvas
from ...core.view.guides import encode_depth, encode_normal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image
else:
    np = lazy.module("numpy")
    Image = lazy.module("PIL.Image")

_LONGEST_SIDE = 2048
_BACKGROUND = (128, 128, 128)


def view_guide(canvas: Canvas) -> NDArray[np.uint8]:
    """(H, W, 3): the colours, over grey where nothing is."""
    return images.flatten(canvas.color, _BACKGROUND)


def depth_guide(canvas: Canvas) -> NDArray[np.uint8]:
    """(H, W, 3): linear in 1/distance, near white, nothing black.

    As 8-bit RGB: ComfyUI's Load Image clips 16-bit pictures to white.
    """
    grey = encode_depth(canvas.depth, "disparity", 8)[0]
    return np.repeat(grey[..., None], 3, axis=2)


def normal_guide(canvas: Canvas, red_left: bool = True) -> NDArray[np.uint8]:
    """(H, W, 3): normals, green up and blue to the viewer.

    red_left: red is to the left, as ScanNet has it and the ControlNets trained on it; else to the
    right, as renderers have it. Where nothing is, the surface faces the viewer.
    """
    normal = canvas.normal.copy()
    normal[~canvas.covered] = (0.0, 0.0, 1.0)
    if red_left:
        normal[..., 0] *= -1
    return encode_normal(normal)


def encoded(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file, made smaller where the server would only do so itself."""
    height, width = pixels.shape[:2]
    scale = _LONGEST_SIDE / max(width, height)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
    return images.encode_png(pixels)
