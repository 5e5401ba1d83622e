# SPDX-License-Identifier: GPL-3.0-or-later
"""The selected image: how it lies over the view, and what can be done with it."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..jobs import history_page
from ..settings import thumbnails, window_state
from ..viewport import overlay, projection
from .main import SidebarPanel
from .wrapping import wrapped

if TYPE_CHECKING:
    from ...core.history.item import Item


class GENAI_RENDER_PT_result(SidebarPanel, bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_result"
    bl_label = "Image"
    bl_order = 1

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(window_state.window(context).selected) or overlay.shown() is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        state = window_state.window(context)
        item = history_page.item(state.selected)
        shown = overlay.shown()
        if shown is not None:
            _draw_over_view(layout, state, shown)
        elif item is not None:
            icon = thumbnails.picture_icon(item.id, item.thumbnail_path)
            if icon:
                layout.template_icon(icon, scale=8.0)
            layout.operator("genai_render.show_result", text="Show over View", icon="VIEW3D")
        if item is None:
            return
        wrapped(layout, context, item.prompt, most=3)
        column = layout.column(align=True)
        row = column.row(align=True)
        row.operator("genai_render.download", text="Download", icon="EXPORT")
        star = "SOLO_ON" if item.favourite else "SOLO_OFF"
        row.operator("genai_render.favourite", text="", icon=star)
        row.operator("genai_render.details", text="", icon="INFO")
        row.operator("genai_render.delete", text="", icon="TRASH")
        column.operator("genai_render.use_as_reference", icon="IMAGE_REFERENCE")
        row = column.row(align=True)
        row.operator("genai_render.edit", text="Edit", icon="GREASEPENCIL")
        row.operator("genai_render.vary", text="Vary", icon="FILE_REFRESH")
        row = column.row(align=True)
        row.operator("genai_render.recall", text="Recall", icon="RECOVER_LAST")
        row.operator("genai_render.repeat", text="Same Again", icon="LOOP_BACK")
        column.operator("genai_render.open_image", icon="IMAGE_DATA")
        column.operator("genai_render.camera_background", icon="CAMERA_DATA")
        column.operator("genai_render.return_to_view", text="Return to Its View", icon="HIDE_OFF")
        _draw_projection(column, context, item)


def _draw_over_view(layout: Any, state: Any, shown: overlay.Shown) -> None:
    if not shown.compared:
        column = layout.column(align=True)
        column.prop(state, "wipe", slider=True)
        column.prop(state, "opacity", slider=True)
    row = layout.row(align=True)
    if len(shown.ids) > 1 and not shown.compared:
        row.operator("genai_render.step_result", text="", icon="TRIA_LEFT").by = -1
        row.operator("genai_render.step_result", text="", icon="TRIA_RIGHT").by = 1
    row.operator("genai_render.hide_result", text="Back to the Scene", icon="VIEW3D")


def _draw_projection(layout: Any, context: Any, item: Item) -> None:
    scene = context.scene
    row = layout.row(align=True)
    if projection.of(scene).item != item.id:
        row.operator("genai_render.project", icon="MOD_UVPROJECT")
    if projection.is_on(scene):
        row.operator("genai_render.unproject", icon="X", depress=True)


_CLASSES = (GENAI_RENDER_PT_result,)

register, unregister = bpy.utils.register_classes_factory(_CLASSES)
