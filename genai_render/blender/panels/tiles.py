# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of History as tiles that are clicked themselves.

Blender draws a picture large only as a label, which takes no click. So a button lies below each
picture: what comes after an item of negative height is drawn over what came before, and a label
lets the mouse through to the button.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..settings import thumbnails, window_state
from ..viewport import overlay

if TYPE_CHECKING:
    from ...core.history.store import Item

_RIM = 0.3  # units of the button to be seen around its picture


def draw(
    layout: Any,
    items: Sequence[Item],
    columns: int,
    units: float,
    at_once: bool = False,
) -> None:
    """Rows of tiles. units: the width of one. at_once: as in a pop-up; see `picture_icon`."""
    shown = overlay.shown()
    compared = tuple(shown.ids) if shown is not None and shown.compared else ()
    selected = window_state.window().selected
    grid = layout.column(align=True)
    for start in range(0, len(items), columns):
        across = items[start : start + columns]
        row = grid.row(align=True)
        # As high as the highest of its pictures needs, and no picture is higher than wide.
        height = max(_height(item, units - _RIM) for item in across)
        for item in across:
            marked = item.id in compared if compared else item.id == selected
            _draw_tile(row.column(align=True), item, units - _RIM, height, marked, at_once)
        for _ in range(columns - len(across)):
            row.column(align=True).label(text="")


def _height(item: Item, width: float) -> float:
    return width * min(1.0, item.height / item.width) if item.width else width


def _draw_tile(
    cell: Any, item: Item, width: float, height: float, marked: bool, at_once: bool
) -> None:
    whole = height + _RIM
    button = cell.column(align=True)
    button.scale_y = whole
    button.operator("genai_render.select", text="", depress=marked).id = item.id
    icon = thumbnails.picture_icon(item.id, item.thumbnail_path, at_once)
    move(cell, -whole)
    if icon:
        side = _side(item, width, height)
        move(cell, (whole - side) / 2)
        cell.template_icon(icon, scale=side)
        move(cell, (whole - side) / 2)
    else:
        move(cell, whole)
    if item.favourite:
        move(cell, -whole)
        cell.label(icon="SOLO_ON")
        move(cell, whole - 1)


def _side(item: Item, width: float, height: float) -> float:
    """Of the square that Blender fits the picture into, so that it fills its tile."""
    ratio = item.width / item.height if item.height else 1.0
    return min(width / min(1.0, ratio), height / min(1.0, 1 / ratio), width)


def move(cell: Any, units: float) -> None:
    """Go on further down, or further up."""
    if abs(units) > 0.001:  # 0 would mean a whole unit
        step = cell.column(align=True)
        step.scale_y = units
        step.label(text="")
