# SPDX-License-Identifier: GPL-3.0-or-later
"""History: everything that was made, to look at and to use again.

In the sidebars of the 3D Viewport and the Image Editor, in as many columns as fit.
"""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import bpy

from .. import catalog
from ..jobs import edit_masks, history_page
from ..settings import window_state
from ..translation import CONTEXT, translated
from . import image_actions, tiles
from .main import CATEGORY, SidebarPanel
from .wrapping import UNIT, room, shortened, wrapped

if TYPE_CHECKING:
    from ...core.history.item import Item

_TILE_UNITS = 4.0  # about how wide a tile is
_ROWS = 4
_PICTURE_UNITS = 2.2  # in the list


class _HistoryPanel:
    bl_label = "History"
    bl_translation_context = CONTEXT

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        self.layout.operator(  # pyright: ignore[reportAttributeAccessIssue]
            "genai_render.browse", text="", icon="FULLSCREEN_ENTER", emboss=False
        )

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout  # pyright: ignore[reportAttributeAccessIssue]
        state = window_state.window(context)
        row = layout.row(align=True)
        row.prop(state, "search", text="", icon="VIEWZOOM", placeholder="Search")
        row.prop(state, "only_favourites", text="", icon="SOLO_ON")
        row.popover("GENAI_RENDER_PT_filters", text="", icon="FILTER")
        row.prop(state, "layout", expand=True, icon_only=True)
        columns = max(2, int(room(context) / (_TILE_UNITS * UNIT)))
        page = history_page.page(context, columns * _ROWS)
        if page.rebuilding is not None:
            layout.progress(factor=page.rebuilding.fraction, text=translated(page.rebuilding.text))
        if not draw_empty(layout, context, state, page):
            return
        if state.layout == "GRID":
            tiles.draw(layout, page.items, columns, room(context) / UNIT / columns)
        else:
            _draw_list(layout, context, state, page.items)
        draw_turning(layout, state, page)
        if state.show_bin:
            draw_deleted(layout)
            return
        hint = layout.row()
        hint.alignment, hint.active = "CENTER", False
        hint.label(text="Shift-click to compare")


class GENAI_RENDER_PT_history(SidebarPanel, _HistoryPanel, bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_history"
    bl_order = 5


class GENAI_RENDER_PT_image_history(_HistoryPanel, bpy.types.Panel):
    """With the selected image's actions, as there is no other panel of ours next to it."""

    bl_idname = "GENAI_RENDER_PT_image_history"
    bl_space_type = "IMAGE_EDITOR"
    bl_region_type = "UI"
    bl_category = CATEGORY

    def draw(self, context: bpy.types.Context) -> None:
        image = context.space_data.image  # pyright: ignore[reportAttributeAccessIssue]
        painted = "" if image is None else image.get(edit_masks.PAINTED, "")
        if painted:
            image_actions.draw_mask(self.layout, painted)
            self.layout.separator()
        item = history_page.item(window_state.window(context).selected)
        if item is not None:
            image_actions.draw_main(self.layout, item)
            self.layout.operator("genai_render.open_image", icon="IMAGE_DATA")
        super().draw(context)


def draw_empty(layout: Any, context: Any, state: Any, page: history_page.Page) -> bool:
    """Whether there is anything to show; says so if there is not."""
    if page.problem:
        wrapped(layout, context, page.problem, icon="ERROR")
    elif not page.items:
        empty = "Nothing was deleted" if state.show_bin else "Nothing here yet"
        layout.label(text="Nothing found" if _filtered(state) else empty)
    return bool(page.items)


def draw_deleted(layout: Any) -> None:
    row = layout.row(align=True)
    row.operator("genai_render.restore", text="Restore", icon="LOOP_BACK")
    row.operator("genai_render.empty_bin", text="Delete for Good", icon="TRASH")


def _filtered(state: Any) -> bool:
    flags = (state.only_favourites, state.only_this_file, state.only_style, state.only_model)
    flags = (*flags, state.only_pack, state.only_last)
    return bool(state.search) or any(flags) or state.period != "ALL"


def _draw_list(layout: Any, context: Any, state: Any, items: tuple[Item, ...]) -> None:
    column = layout.column(align=True)
    pixels = room(context) - _PICTURE_UNITS * UNIT - 12
    for item in items:
        row = column.row(align=True)
        picture = row.column()
        picture.ui_units_x = _PICTURE_UNITS
        tiles.draw(picture, (item,), 1, _PICTURE_UNITS)
        words = row.column(align=True)
        words.operator(
            "genai_render.select",
            text=shortened(context, item.prompt, pixels),
            icon="SOLO_ON" if item.favourite else "NONE",
            depress=item.id == state.selected,
            translate=False,
        ).id = item.id
        facts = words.row()
        facts.active = False
        facts.label(text=f"{_style(item)} · {translated(ago(item.created))}", translate=False)


def _style(item: Item) -> str:
    style = catalog.catalog().styles.get(item.style)
    return translated(style.label) if style is not None else item.style


def draw_turning(layout: Any, state: Any, page: history_page.Page) -> None:
    if page.total <= len(page.items):
        return
    row = layout.row(align=True)
    earlier = row.row(align=True)
    earlier.enabled = page.start > 0
    earlier.operator("genai_render.turn_page", text="", icon="TRIA_LEFT").by = -1
    row.prop(state, "history_page")
    last = page.start + len(page.items)
    later = row.row(align=True)
    later.enabled = last < page.total
    later.operator("genai_render.turn_page", text="", icon="TRIA_RIGHT").by = 1
    where = layout.row()
    where.alignment, where.active, where.scale_y = "CENTER", False, 0.8
    first, total = page.start + 1, page.total
    where.label(text=translated(f"{first}–{last} of {total}"), translate=False)


def ago(when: datetime) -> str:
    """ "now", "5 min", "3 h", else the date."""
    seconds = (datetime.now(UTC) - when).total_seconds()
    if seconds < 60:
        return "now"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 86400:
        return f"{seconds / 3600:.0f} h"
    return when.astimezone().strftime("%d %b")


def draw_filters(layout: Any, state: Any) -> None:
    for name in (
        "only_this_file",
        "only_model",
        "only_style",
        "only_last",
        "only_pack",
        "show_bin",
    ):
        layout.prop(state, name)


class GENAI_RENDER_PT_filters(bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_filters"
    bl_label = "Filter History"
    bl_space_type = "VIEW_3D"
    bl_region_type = "HEADER"

    def draw(self, context: bpy.types.Context) -> None:
        state = window_state.window(context)
        column = self.layout.column(align=True)
        draw_filters(column, state)
        column.separator()
        column.prop(state, "period", text="")


_CLASSES = (GENAI_RENDER_PT_filters, GENAI_RENDER_PT_history, GENAI_RENDER_PT_image_history)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
