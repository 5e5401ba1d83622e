# SPDX-License-Identifier: GPL-3.0-or-later
"""History in a wide pop-up: many large tiles, a search, and what can be done with the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy

from ..jobs import history_page
from ..settings import window_state
from . import history, image_actions, tiles
from .wrapping import UNIT, wrapped

_WIDEST = 1120
_COLUMNS = 6
_MOST_ROWS = 4
_OTHER_UNITS = 11.0  # of height: search, pages and actions
_PROMPT_LINES = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """width: in pixels at a scale of 1."""

    width: int
    columns: int
    rows: int

    @property
    def tile(self) -> float:
        """Units."""
        return (self.width / UNIT - 1) / self.columns


def shape(context: bpy.types.Context) -> Shape:
    """What fits into the window."""
    scale = context.preferences.system.ui_scale
    window: Any = context.window
    width = round(min(_WIDEST, window.width / scale * 0.9))
    tile = (width / UNIT - 1) / _COLUMNS
    rows = int((window.height / scale / UNIT - _OTHER_UNITS) / tile)
    return Shape(width, _COLUMNS, max(1, min(_MOST_ROWS, rows)))


def draw(layout: Any, context: bpy.types.Context, shape: Shape) -> None:
    state = window_state.window(context)
    row = layout.row(align=True)
    row.prop(state, "search", text="", icon="VIEWZOOM", placeholder="Search")
    row.prop(state, "only_favourites", text="", icon="SOLO_ON")
    row.separator()
    filters = row.row(align=True)
    history.draw_filters(filters, state)
    period = row.row()
    period.ui_units_x = 5
    period.prop(state, "period", text="")
    page = history_page.page(context, shape.columns * shape.rows)
    if not history.draw_empty(layout, context, state, page):
        return
    tiles.draw(layout, page.items, shape.columns, shape.tile, at_once=True)
    history.draw_turning(layout, state, page)
    if state.show_bin:
        history.draw_deleted(layout)
        return
    item = history_page.item(state.selected)
    if item is None:
        layout.label(text="Click an image to show it over the view, Shift-click to compare")
        return
    split = layout.split(factor=0.65)
    wrapped(
        split.column(),
        context,
        item.prompt,
        most=_PROMPT_LINES,
        width=shape.width * 0.65,
        translate=False,
    )
    image_actions.draw_main(split.column(), item)
