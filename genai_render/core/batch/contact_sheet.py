# SPDX-License-Identifier: GPL-3.0-or-later
"""All pictures of a batch as one image: in rows of one height, each in its own shape."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import lazy

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    from .rows import Row
else:
    Image = lazy.module("PIL.Image")
    ImageDraw = lazy.module("PIL.ImageDraw")
    ImageFont = lazy.module("PIL.ImageFont")

_WIDTH, _GAP, _LINE = 1800, 16, 26
_LOWEST, _HIGHEST = 170, 420  # of a row
_MOST = 200
_BACK, _WORDS, _TITLE = (29, 29, 29), (190, 190, 190), (235, 235, 235)


def draw(title: str, rows: Sequence[Row]) -> bytes | None:
    """A JPEG of the first 200; None where there is no picture."""
    pictures: list[tuple[Row, Image.Image]] = []
    for row in rows:
        if row.thumbnail is None or len(pictures) == _MOST:
            continue
        try:
            with Image.open(io.BytesIO(row.thumbnail)) as image:
                pictures.append((row, image.convert("RGB")))
        except OSError:  # an entry that was damaged on the disk is missing on the sheet
            continue
    if not pictures:
        return None
    lines = _lines([image.width / image.height for _, image in pictures])
    height = sum(high + _LINE + _GAP for _, high in lines) + _LINE + 2 * _GAP
    sheet = Image.new("RGB", (_WIDTH, height), _BACK)
    pen = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(22), ImageFont.load_default(15)
    pen.text((_GAP, _GAP), _fitting(pen, title, font, _WIDTH - 2 * _GAP), _TITLE, font)
    top, start = _LINE + 2 * _GAP, 0
    for count, high in lines:
        left = _GAP
        for row, image in pictures[start : start + count]:
            wide = max(1, round(high * image.width / image.height))
            sheet.paste(image.resize((wide, high), Image.Resampling.LANCZOS), (left, top))
            words = _fitting(pen, row.title, small, wide)
            pen.text((left, top + high + 4), words, _WORDS, small)
            left += wide + _GAP
        top += high + _LINE + _GAP
        start += count
    data = io.BytesIO()
    sheet.save(data, "JPEG", quality=88)
    return data.getvalue()


def _lines(shapes: Sequence[float]) -> list[tuple[int, int]]:
    """How many pictures are in each row, and how high it is."""
    room = _WIDTH - _GAP
    many = len(shapes)
    target = max(_LOWEST, min(_HIGHEST, int((room * 700 / sum(shapes)) ** 0.5)))
    lines: list[tuple[int, int]] = []
    start = 0
    while start < many:
        count, wide = 0, 0.0
        while start + count < many and (wide + shapes[start + count]) * target <= room:
            wide += shapes[start + count]
            count += 1
        if count == 0:
            count, wide = 1, shapes[start]
        elif start + count < many:  # one more, a little lower, fills the row
            more = wide + shapes[start + count]
            if (room - (count + 1) * _GAP) / more >= target * 0.7:
                count, wide = count + 1, more
        full = int((room - count * _GAP) / wide)
        lines.append((count, min(full, _HIGHEST if start + count < many else target)))
        start += count
    return lines


def _fitting(
    pen: ImageDraw.ImageDraw,
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    wide: int,
) -> str:
    text = " ".join(text.split())
    if pen.textlength(text, font) <= wide:
        return text
    while text and pen.textlength(text + "…", font) > wide:
        text = text[:-1]
    return text + "…"
