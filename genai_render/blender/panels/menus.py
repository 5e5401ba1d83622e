# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries in Blender's own menus."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportIncompatibleMethodOverride=false
from __future__ import annotations

from typing import Any

import bpy


def _view_menu(self: Any, context: bpy.types.Context) -> None:
    layout = self.layout
    layout.separator()
    layout.operator("genai_render.generate", icon="RENDER_STILL")
    layout.operator("genai_render.hide_result")
    layout.operator("genai_render.cancel_all")


def _render_menu(self: Any, context: bpy.types.Context) -> None:
    layout = self.layout
    layout.separator()
    layout.operator("genai_render.generate", icon="RENDER_STILL")


def _image_menu(self: Any, context: bpy.types.Context) -> None:
    layout = self.layout
    layout.separator()
    for number in (1, 2):
        text = f"Use as GenAI Reference {number}"
        layout.operator("genai_render.reference_image", text=text).slot = number


def _draw_sources(layout: Any, number: int) -> None:
    layout.operator(
        "genai_render.reference_file", text="Picture File", icon="FILEBROWSER"
    ).slot = number
    layout.operator("genai_render.use_as_reference", text="Image from History").slot = number
    layout.operator("genai_render.reference_paste", icon="PASTEDOWN").slot = number
    pictures = [image for image in bpy.data.images if image.type in ("IMAGE", "RENDER_RESULT")]
    if pictures:
        layout.separator()
    for image in pictures[:20]:
        operator = layout.operator(
            "genai_render.reference_image", text=image.name, icon="IMAGE_DATA", translate=False
        )
        operator.slot, operator.image = number, image.name


class GENAI_RENDER_MT_reference_1(bpy.types.Menu):
    bl_idname = "GENAI_RENDER_MT_reference_1"
    bl_label = "Reference 1 From"

    def draw(self, context: bpy.types.Context) -> None:
        _draw_sources(self.layout, 1)


class GENAI_RENDER_MT_reference_2(bpy.types.Menu):
    bl_idname = "GENAI_RENDER_MT_reference_2"
    bl_label = "Reference 2 From"

    def draw(self, context: bpy.types.Context) -> None:
        _draw_sources(self.layout, 2)


_CLASSES = (GENAI_RENDER_MT_reference_1, GENAI_RENDER_MT_reference_2)
_ENTRIES = (
    ("VIEW3D_MT_view", _view_menu),
    ("TOPBAR_MT_render", _render_menu),
    ("IMAGE_MT_image", _image_menu),
)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    for menu, draw in _ENTRIES:
        getattr(bpy.types, menu).append(draw)


def unregister() -> None:
    for menu, draw in _ENTRIES:
        getattr(bpy.types, menu).remove(draw)
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
