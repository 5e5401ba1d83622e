# SPDX-License-Identifier: GPL-3.0-or-later
"""The two reference pictures."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

from typing import Any

import bpy

from ..settings import reference_store, scene_settings, thumbnails
from ..translation import translated
from .main import SidebarPanel
from .wrapping import room, shortened

_TITLE_PIXELS = 110  # of the panel's own name, its arrow and its grip


class GENAI_RENDER_PT_references(SidebarPanel, bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_references"
    bl_label = "References"
    bl_order = 3
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        slots = scene_settings.references(scene_settings.settings(context))
        roles = [
            slot.bl_rna.properties["role"].enum_items[slot.role].name
            for slot in slots
            if slot.digest
        ]
        text = ", ".join(translated(role) for role in roles) or translated("None")
        draw_summary(self.layout, context, text, _TITLE_PIXELS)

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        settings = scene_settings.settings(context)
        row = layout.row(align=False)
        for number, slot in enumerate(scene_settings.references(settings), 1):
            _draw_slot(row.column(align=True), slot, number)
        if any(slot.digest for slot in scene_settings.references(settings)):
            layout.operator("genai_render.reference_swap", icon="ARROW_LEFTRIGHT", text="Swap")


def draw_summary(layout: Any, context: Any, text: str, title_pixels: float) -> None:
    """What is set in a panel, in the header: to be read while the panel is closed."""
    row = layout.row()
    row.active = False
    row.alignment = "RIGHT"
    row.label(text=shortened(context, text, room(context) - title_pixels), translate=False)
    row.separator(factor=0.5)  # from the panel's grip


def _draw_slot(column: Any, slot: Any, number: int) -> None:
    box = column.box()
    if not slot.digest:
        # Where a picture will be, so that nothing jumps when it comes.
        box.operator("genai_render.reference_file", text="Add", icon="ADD").slot = number
        box.menu(
            f"GENAI_RENDER_MT_reference_{number}",
            text=translated("From"),
            icon="COLLAPSEMENU",
            translate=False,
        )
        box.label(text="or drop a file")
        return
    path = reference_store.path_of(slot.digest)
    icon = thumbnails.picture_icon(slot.digest, path)
    if icon:
        box.template_icon(icon, scale=5.0)
    else:
        row = box.row()
        row.alert = True
        row.label(text="Missing here", icon="ERROR")
    row = column.row(align=True)
    row.prop(slot, "role", text="")
    row.operator("genai_render.reference_clear", text="", icon="X").slot = number
    column.prop(slot, "weight", text="Weight")


register, unregister = bpy.utils.register_classes_factory((GENAI_RENDER_PT_references,))
