# SPDX-License-Identifier: GPL-3.0-or-later
"""History: everything that was made, to look at and to use again."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import catalog
from ..jobs import history_page
from ..settings import thumbnails, window_state
from .main import SidebarPanel
from .wrapping import wrapped

if TYPE_CHECKING:
    from ...core.history.item import Item

COLUMNS = 3


class GENAI_RENDER_PT_history(SidebarPanel, bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_history"
    bl_label = "History"
    bl_order = 4

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        state = window_state.window(context)
        row = layout.row(align=True)
        row.prop(state, "search", text="", icon="VIEWZOOM", placeholder="Search")
        row.prop(state, "only_favourites", text="", icon="SOLO_ON")
        row.popover("GENAI_RENDER_PT_filters", text="", icon="FILTER")
        row.prop(state, "layout", expand=True, icon_only=True)
        page = history_page.page(context)
        if page.problem:
            wrapped(layout, context, page.problem, icon="ERROR")
            return
        if page.rebuilding is not None:
            layout.progress(factor=page.rebuilding.fraction, text=page.rebuilding.text)
        if not page.items:
            empty = "Nothing was deleted" if state.show_bin else "Nothing here yet"
            layout.label(text="Nothing found" if _filtered(state) else empty)
            return
        if state.layout == "GRID":
            _draw_grid(layout, state, page.items)
        else:
            _draw_list(layout, context, state, page.items)
        _draw_turning(layout, state, page)
        if state.show_bin:
            row = layout.row(align=True)
            row.operator("genai_render.restore", text="Restore", icon="LOOP_BACK")
            row.operator("genai_render.empty_bin", text="Empty", icon="TRASH")
        else:
            row = layout.row(align=True)
            for count in (2, 4):
                compare = row.operator("genai_render.compare", text=f"Compare {count}")
                compare.count = count
            row.operator("genai_render.reveal", text="", icon="FILE_FOLDER")


def _filtered(state: Any) -> bool:
    flags = (state.only_favourites, state.only_this_file, state.only_style, state.only_model)
    return bool(state.search) or any(flags) or state.period != "ALL"


def _draw_grid(layout: Any, state: Any, items: tuple[Item, ...]) -> None:
    grid = layout.grid_flow(
        row_major=True, columns=COLUMNS, even_columns=True, even_rows=True, align=True
    )
    for item in items:
        cell = grid.column(align=True)
        icon = thumbnails.picture_icon(item.id, item.thumbnail_path)
        if icon:
            cell.template_icon(icon, scale=4.0)
        _pick(cell, state, item, ago(item.created))


def _draw_list(layout: Any, context: Any, state: Any, items: tuple[Item, ...]) -> None:
    column = layout.column(align=True)
    for item in items:
        row = column.row(align=True)
        icon = thumbnails.picture_icon(item.id, item.thumbnail_path)
        if icon:
            picture = row.column()
            picture.ui_units_x = 2.2
            picture.template_icon(icon, scale=2.0)
        words = row.column(align=True)
        prompt = " ".join(item.prompt.split())
        _pick(words, state, item, prompt if len(prompt) <= 34 else prompt[:33] + "…")
        facts = words.row()
        facts.active = False
        facts.label(text=f"{_style(item)} · {ago(item.created)}", translate=False)


def _pick(layout: Any, state: Any, item: Item, text: str) -> None:
    layout.operator(
        "genai_render.select",
        text=text,
        icon="SOLO_ON" if item.favourite else "NONE",
        depress=item.id == state.selected,
        translate=False,
    ).id = item.id


def _style(item: Item) -> str:
    style = catalog.catalog().styles.get(item.style)
    return style.label if style is not None else item.style


def _draw_turning(layout: Any, state: Any, page: history_page.Page) -> None:
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
    of = iface_("{first}–{last} of {total}")
    where.label(text=of.format(first=page.start + 1, last=last, total=page.total), translate=False)


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


class GENAI_RENDER_PT_filters(bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_filters"
    bl_label = "Filter History"
    bl_space_type = "VIEW_3D"
    bl_region_type = "HEADER"

    def draw(self, context: bpy.types.Context) -> None:
        state = window_state.window(context)
        column = self.layout.column(align=True)
        for name in ("only_this_file", "only_model", "only_style", "show_bin"):
            column.prop(state, name)
        column.separator()
        column.prop(state, "period", text="")


_CLASSES = (GENAI_RENDER_PT_filters, GENAI_RENDER_PT_history)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
