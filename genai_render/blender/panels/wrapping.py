# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of several lines in a panel."""

from __future__ import annotations

import textwrap

import bpy

LETTER = 6.4  # pixels, on average, at a scale of 1


def wrapped(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    text: str,
    icon: str = "NONE",
    most: int = 0,
    translate: bool = False,
) -> None:
    """Labels as wide as the region. most: lines, the rest is left out; 0 for all."""
    width = context.region.width if context.region is not None else 280
    letters = max(12, int((width / context.preferences.system.ui_scale - 56) / LETTER))
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, letters)]
    if most and len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1] + "…"]
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(lines):
        if icon == "NONE":
            column.label(text=line, translate=translate)
        else:
            column.label(text=line, icon=icon if number == 0 else "BLANK1", translate=translate)  # pyright: ignore
