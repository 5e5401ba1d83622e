# SPDX-License-Identifier: GPL-3.0-or-later
"""Marks that are drawn on an image: strokes as a transparent picture of its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import lazy
from ..errors import InvalidInput
from ..image import images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image, ImageDraw
else:
    np = lazy.module("numpy")
    Image = lazy.module("PIL.Image")
    ImageDraw = lazy.module("PIL.ImageDraw")

_FINE = 3  # drawn so many times as large, which smooths the edges
_MOST_PIXELS = 1 << 25  # of that; a very large image is drawn with plainer edges
_THINNEST = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """points: (N, 2), pixels of the image from its top left. color: RGBA, 0 to 1, as it is seen.
    width: pixels."""

    points: NDArray[np.float64]
    color: tuple[float, float, float, float]
    width: float


def drawn(strokes: Sequence[Stroke], width: int, height: int) -> bytes:
    """The strokes as a PNG that is transparent elsewhere, the last on top.

    Raises InvalidInput if none of them is on the image.
    """
    fine = _FINE if width * height * _FINE**2 <= _MOST_PIXELS else 1
    picture = Image.new("RGBA", (width * fine, height * fine))
    for stroke in strokes:
        layer = Image.new("L", picture.size)
        _draw(ImageDraw.Draw(layer), stroke, fine)
        red, green, blue, alpha = (round(255 * min(max(part, 0.0), 1.0)) for part in stroke.color)
        whole = Image.new("RGBA", picture.size, (red, green, blue, 255))
        whole.putalpha(layer.point([value * alpha // 255 for value in range(256)]))
        picture.alpha_composite(whole)
    if fine > 1:
        picture = picture.reduce(fine)
    pixels = np.array(picture)
    if not pixels[..., 3].any():
        raise InvalidInput(
            "No mark is on this image.", action="Draw on the image, or from where it was made."
        )
    pixels[pixels[..., 3] == 0] = 0
    return images.encode_png(pixels)


def _draw(draw: ImageDraw.ImageDraw, stroke: Stroke, fine: int) -> None:
    # Pixel centers lie at halves.
    points = np.clip(stroke.points * fine - 0.5, -1e6, 1e6)
    wide = max(stroke.width, _THINNEST) * fine
    flat = [(float(x), float(y)) for x, y in points]
    if len(flat) > 1:
        draw.line(flat, fill=255, width=max(1, round(wide)))
    for x, y in flat:  # round ends and joints
        half = wide / 2
        draw.ellipse((x - half, y - half, x + half, y + half), fill=255)
