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
    from PIL import Image, ImageDraw, ImageFont
else:
    np = lazy.module("numpy")
    Image = lazy.module("PIL.Image")
    ImageDraw = lazy.module("PIL.ImageDraw")
    ImageFont = lazy.module("PIL.ImageFont")

_FINE = 3  # drawn so many times as large, which smooths the edges
_MOST_PIXELS = 1 << 25  # of that; a very large image is drawn with plainer edges
_THINNEST = 1.5
_SMALLEST_TEXT = 24.0


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """points: (N, 2), pixels of the image from its top left. color: RGBA, 0 to 1, as it is seen.
    width: pixels. number: of the marker that it belongs to, written beside it; 0 for none."""

    points: NDArray[np.float64]
    color: tuple[float, float, float, float]
    width: float
    number: int = 0


@dataclass(frozen=True, slots=True)
class Marks:
    """What is drawn on an image as a PNG, and what each of its numbered markers asks for."""

    picture: bytes
    instructions: tuple[str, ...] = ()

    def with_prompt(self, prompt: str) -> str:
        """The words of a person, and one line for each marker."""
        lines = [
            f"At marker {number}: {text}" for number, text in enumerate(self.instructions, start=1)
        ]
        return "\n".join(filter(None, (prompt.strip(), *lines)))


def number_places(strokes: Sequence[Stroke]) -> dict[int, Stroke]:
    """The stroke at whose beginning each number is written."""
    places: dict[int, Stroke] = {}
    for stroke in strokes:
        if stroke.number:
            places.setdefault(stroke.number, stroke)
    return places


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
    for number, stroke in number_places(strokes).items():
        _write(ImageDraw.Draw(picture), str(number), stroke, fine)
    if fine > 1:
        picture = picture.reduce(fine)
    pixels = np.array(picture)
    if not pixels[..., 3].any():
        raise InvalidInput(
            "No mark is on this image.", action="Draw on the image, or from where it was made."
        )
    pixels[pixels[..., 3] == 0] = 0
    return images.encode_png(pixels)


def _write(draw: ImageDraw.ImageDraw, text: str, stroke: Stroke, fine: int) -> None:
    """Beside where the stroke begins, inside of the picture, with an edge of the other tone."""
    size = max(_SMALLEST_TEXT, 8 * stroke.width) * fine
    font = ImageFont.load_default(size)
    wide, high = draw.im.size
    x, y = stroke.points[0] * fine
    x = min(max(float(x) + size * 0.4, 0.0), max(wide - size * 0.7 * len(text), 0.0))
    y = min(max(float(y) - size * 1.2, 0.0), max(high - size * 1.3, 0.0))
    red, green, blue = (round(255 * min(max(part, 0.0), 1.0)) for part in stroke.color[:3])
    edge = (0, 0, 0) if red * 0.3 + green * 0.6 + blue * 0.1 > 110 else (255, 255, 255)
    draw.text(
        (x, y),
        text,
        fill=(red, green, blue, 255),
        font=font,
        stroke_width=round(size / 12),
        stroke_fill=(*edge, 255),
    )


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
