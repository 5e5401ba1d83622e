# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of several lines in a panel, broken where Blender's own font reaches the edge."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import blf
import bpy

from ..translation import translated

UNIT = 20.0  # pixels of a button's height at a scale of 1
_ICON = 20.0
_EDGES = 62.0  # the panel's margins, the tabs' column and a label's own padding
_NARROWEST = 80.0
_INTERFACE_FONT = 0


def room(context: bpy.types.Context, width: float = 0.0) -> float:
    """Pixels, at a scale of 1, for text in the region, or in a pop-up of that width."""
    if width:
        return width - 30
    region = context.region
    pixels = 280.0 if region is None else region.width / context.preferences.system.ui_scale
    return max(_NARROWEST, pixels - _EDGES)


def lines(context: bpy.types.Context, text: str, pixels: float) -> list[str]:
    """The text in lines of at most that many pixels, at a scale of 1."""
    return list(_broken(text, round(pixels), _points(context)))


def shortened(context: bpy.types.Context, text: str, pixels: float) -> str:
    """The text in one line, cut off with dots where it is wider than that."""
    return _cut(text, round(pixels), _points(context))


def wrapped(
    layout: Any,
    context: bpy.types.Context,
    text: str,
    icon: str = "NONE",
    most: int = 0,
    least: int = 0,
    translate: bool = True,
    width: float = 0.0,
) -> None:
    """Labels as wide as the region, or as a pop-up of that width.

    most: lines, the rest is left out; 0 for all. least: lines, empty ones fill them up.
    translate: not what the user wrote.
    """
    text = translated(text) if translate else text
    pixels = room(context, width) - (_ICON if icon != "NONE" else 0)
    broken = lines(context, text, pixels)
    if most and len(broken) > most:
        rest = " ".join(broken[most - 1 :])
        broken = [*broken[: most - 1], shortened(context, rest, pixels)]
    broken += [""] * (least - len(broken))
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(broken):
        if icon == "NONE":
            column.label(text=line, translate=False)
        else:
            column.label(text=line, icon=icon if number == 0 else "BLANK1", translate=False)


def _points(context: bpy.types.Context) -> float:
    return context.preferences.ui_styles[0].widget.points


@lru_cache(maxsize=4096)
def _width(text: str, points: float) -> float:
    blf.size(_INTERFACE_FONT, points)
    return blf.dimensions(_INTERFACE_FONT, text)[0]


@lru_cache(maxsize=512)
def _broken(text: str, pixels: int, points: float) -> tuple[str, ...]:
    broken: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}" if line else word
            if _width(longer, points) <= pixels:
                line = longer
                continue
            if line:
                broken.append(line)
            # A word that is wider than a line, as all of a Japanese sentence is.
            while _width(word, points) > pixels and len(word) > 1:
                fits = len(word) - 1
                while fits > 1 and _width(word[:fits], points) > pixels:
                    fits -= 1
                broken.append(word[:fits])
                word = word[fits:]
            line = word
        broken.append(line)
    return tuple(broken)


@lru_cache(maxsize=512)
def _cut(text: str, pixels: int, points: float) -> str:
    text = " ".join(text.split())
    if _width(text, points) <= pixels:
        return text
    fits = len(text)
    while fits > 1 and _width(f"{text[:fits]}…", points) > pixels:
        fits -= 1
    return f"{text[:fits].rstrip()}…"
