# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu GenAI, which has every action of ours, so that Blender's search finds it by that word
and by its own name; and our entries in Blender's menus.
"""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportIncompatibleMethodOverride=false, reportOptionalMemberAccess=false
from __future__ import annotations

from typing import Any

import bpy

from ..translation import CONTEXT, translated
from . import image_actions


class GENAI_RENDER_MT_main(bpy.types.Menu):
    bl_idname = "GENAI_RENDER_MT_main"
    bl_label = "GenAI"

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        layout.operator("genai_render.generate", icon="RENDER_STILL")
        layout.operator("genai_render.pack", icon="RENDERLAYERS")
        layout.operator("genai_render.cancel", icon="X")
        layout.operator("genai_render.cancel_all")
        layout.separator()
        layout.operator("genai_render.browse", icon="IMGDISPLAY")
        layout.operator("genai_render.hide_result", icon="VIEW3D")
        layout.operator("genai_render.wipe")
        layout.operator("genai_render.previous_result")
        layout.operator("genai_render.step_result").by = 1
        layout.operator("genai_render.leave_comparison")
        layout.separator()
        layout.menu("GENAI_RENDER_MT_image_actions")
        layout.menu("GENAI_RENDER_MT_prompt_actions")
        layout.menu("GENAI_RENDER_MT_reference_actions")
        layout.menu("GENAI_RENDER_MT_history_actions")
        layout.separator()
        layout.operator("genai_render.pick_model", icon="COLLAPSEMENU")
        layout.operator("genai_render.search_model", icon="VIEWZOOM")
        layout.operator("genai_render.refresh_models", icon="FILE_REFRESH")
        layout.operator("genai_render.open_packs", icon="FILE_FOLDER")
        layout.operator("genai_render.random_seed", icon="FILE_REFRESH")
        layout.operator("genai_render.allow_online_access", icon="INTERNET")
        layout.operator("genai_render.clear_messages")
        layout.operator("genai_render.show_log", icon="TEXT")


class GENAI_RENDER_MT_image_actions(bpy.types.Menu):
    bl_idname = "GENAI_RENDER_MT_image_actions"
    bl_label = "Selected Image"

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        layout.operator("genai_render.download", icon="EXPORT")
        layout.operator("genai_render.edit", icon="GREASEPENCIL")
        layout.operator("genai_render.favourite", icon="SOLO_ON")
        image_actions.draw_all(layout, context)


class GENAI_RENDER_MT_prompt_actions(bpy.types.Menu):
    bl_idname = "GENAI_RENDER_MT_prompt_actions"
    bl_label = "Prompt"
    bl_translation_context = CONTEXT

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        layout.operator("genai_render.edit_prompt", icon="GREASEPENCIL")
        layout.operator("genai_render.prompt_to_text", icon="TEXT")
        layout.operator("genai_render.save_prompt", icon="ADD")
        layout.operator("genai_render.forget_prompt", icon="REMOVE")
        layout.operator("genai_render.show_scene_text", icon="INFO")


class GENAI_RENDER_MT_reference_actions(bpy.types.Menu):
    bl_idname = "GENAI_RENDER_MT_reference_actions"
    bl_label = "Reference"

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        layout.operator("genai_render.reference_file", icon="ADD")
        layout.operator("genai_render.reference_paste", icon="PASTEDOWN")
        layout.operator("genai_render.reference_image", icon="IMAGE_DATA")
        layout.operator("genai_render.reference_swap", icon="ARROW_LEFTRIGHT")
        for number in (1, 2):
            text = translated(f"Clear Reference {number}")
            layout.operator("genai_render.reference_clear", text=text, icon="X").slot = number


class GENAI_RENDER_MT_history_actions(bpy.types.Menu):
    bl_idname = "GENAI_RENDER_MT_history_actions"
    bl_label = "History"
    bl_translation_context = CONTEXT

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        layout.operator("genai_render.turn_page", text="Older History Page").by = 1
        layout.operator("genai_render.turn_page", text="Newer History Page").by = -1
        layout.operator("genai_render.restore", icon="LOOP_BACK")
        layout.operator("genai_render.empty_bin", icon="TRASH")


def _our_menu(self: Any, context: bpy.types.Context) -> None:
    layout = self.layout
    layout.separator()
    layout.menu("GENAI_RENDER_MT_main", icon="RENDER_STILL")


def _image_menu(self: Any, context: bpy.types.Context) -> None:
    layout = self.layout
    layout.separator()
    for number in (1, 2):
        text = translated(f"Use as GenAI Reference {number}")
        layout.operator("genai_render.reference_image", text=text).slot = number


def _draw_sources(layout: Any, number: int) -> None:
    layout.operator(
        "genai_render.reference_file", text="Image File", icon="FILEBROWSER"
    ).slot = number
    layout.operator("genai_render.use_as_reference", text="Selected Image").slot = number
    layout.operator(
        "genai_render.reference_paste", text="Clipboard", icon="PASTEDOWN"
    ).slot = number
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


_CLASSES = (
    GENAI_RENDER_MT_image_actions,
    GENAI_RENDER_MT_prompt_actions,
    GENAI_RENDER_MT_reference_actions,
    GENAI_RENDER_MT_history_actions,
    GENAI_RENDER_MT_main,
    GENAI_RENDER_MT_reference_1,
    GENAI_RENDER_MT_reference_2,
)
_ENTRIES = (
    ("VIEW3D_MT_view", _our_menu),
    ("TOPBAR_MT_render", _our_menu),
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
