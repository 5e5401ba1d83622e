# SPDX-License-Identifier: GPL-3.0-or-later
"""The selected image: how it lies over the view, and what can be done with it."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ...core.models import cost as prices
from .. import catalog
from ..jobs import history_page, scene_state
from ..settings import window_state
from ..viewport import overlay, projection
from . import image_actions, tiles
from .main import SidebarPanel
from .wrapping import UNIT, room, wrapped

if TYPE_CHECKING:
    from ...core.history.item import Item

_PROMPT_LINES = 2
_ACROSS = 4


class GENAI_RENDER_PT_result(SidebarPanel, bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_result"
    bl_label = "Image"
    bl_order = 4

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(window_state.window(context).selected) or overlay.shown() is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        state = window_state.window(context)
        item = history_page.item(state.selected)
        if item is not None:
            image_actions.draw_main(layout, item)
        shown = overlay.shown()
        if shown is not None:
            _draw_over_view(layout, state, shown)
        elif item is not None:
            layout.operator("genai_render.show_result", text="Show over View", icon="VIEW3D")
        if item is not None:
            wrapped(layout, context, item.prompt, most=_PROMPT_LINES, translate=False)
            _draw_made_with(layout, context, item)
            _draw_line(layout, context, item)
        if projection.is_on(context.scene):
            layout.operator("genai_render.unproject", icon="X")


def _draw_made_with(layout: Any, context: Any, item: Item) -> None:
    """Which model made it, and what it cost."""
    known = catalog.catalog()
    model = known.models.get(item.model) or known.media.get(item.model)
    name = model.label if model is not None else item.model
    cost = "cost unknown" if item.cost_usd is None else "free"
    if item.cost_usd:
        paid = prices.dollars(item.cost_usd)
        cost = f"{paid} paid"
    column = layout.column()
    column.active = False
    wrapped(column, context, f"{name} · {cost}")
    left, text = scene_state.has_left(item), scene_state.text(item)
    if left or (text and window_state.window(context).show_heat):
        row = layout.column()
        row.alert = left
        icon = "ERROR" if left else "CHECKMARK"
        wrapped(row, context, text, icon=icon, translate=False)


def _draw_line(layout: Any, context: Any, item: Item) -> None:
    """What it was made from and what was made from it: a click steps back, or on."""
    line = history_page.line(item.id)
    width = room(context) / UNIT / _ACROSS
    for title, items in (("Made From", line.before), ("Made from It", line.after)):
        if items:
            column = layout.column(align=True)
            row = column.row()
            label = row.row()
            label.active = False
            label.label(text=title)
            if items is line.before:
                compare = row.operator("genai_render.compare", text="", icon="SPLIT_VERTICAL")
                compare.id, compare.line = item.id, True
            tiles.draw(column, items, _ACROSS, width)


def _draw_over_view(layout: Any, state: Any, shown: overlay.Shown) -> None:
    column = layout.column(align=True)
    if shown.compared:
        column.operator("genai_render.leave_comparison", icon="X")
    else:
        column.prop(state, "wipe", slider=True)
        column.prop(state, "opacity", slider=True)
        if history_page.made_from_view(shown.current):
            column.prop(state, "show_heat", icon="OVERLAY", toggle=True)
    row = column.row(align=True)
    if len(shown.ids) > 1 and not shown.compared:
        row.operator("genai_render.previous_result", text="", icon="TRIA_LEFT")
        row.operator("genai_render.step_result", text="", icon="TRIA_RIGHT").by = 1
    row.operator("genai_render.hide_result", text="Back to the Scene", icon="VIEW3D")


register, unregister = bpy.utils.register_classes_factory((GENAI_RENDER_PT_result,))
