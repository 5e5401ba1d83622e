# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done with the selected image: the two main actions large, the others in a menu."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportIncompatibleMethodOverride=false, reportOptionalMemberAccess=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..jobs import history_page
from ..settings import window_state
from ..viewport import projection

if TYPE_CHECKING:
    from ...core.history.store import Item


_ACTION = "genai_render.picture_action"
_TEXTURED = "genai_render_texture"  # what texturing.materials keeps with an object
_SEND_ON = "genai_render.send_on"


class GENAI_RENDER_MT_image(bpy.types.Menu):
    bl_idname = "GENAI_RENDER_MT_image"
    bl_label = "More Actions"

    def draw(self, context: bpy.types.Context) -> None:
        draw_all(self.layout, context)


def draw_main(layout: Any, item: Item) -> None:
    """Download, Edit and what is used most besides."""
    column = layout.column(align=True)
    if item.kind in ("video", "model"):
        draw_made(column, item)
    row = column.row(align=True)
    row.scale_y = 1.4
    row.operator("genai_render.download", text="Download", icon="EXPORT")
    row.operator("genai_render.edit", text="Edit", icon="GREASEPENCIL")
    row.operator("genai_render.paint_mask", text="", icon="BRUSH_DATA").action = "PAINT"
    row = column.row(align=True)
    row.operator("genai_render.use_as_reference", text="As Reference")
    row.operator("genai_render.vary", text="Vary")
    star = "SOLO_ON" if item.favourite else "SOLO_OFF"
    row.operator("genai_render.favourite", text="", icon=star)
    row.operator("genai_render.delete", text="", icon="TRASH")
    row.menu("GENAI_RENDER_MT_image", text="", icon="DOWNARROW_HLT")
    draw_next_steps(layout, item)


def draw_made(layout: Any, item: Item) -> None:
    """What is done with a clip or a 3D model: before anything that is done with its picture."""
    column = layout.column(align=True)
    column.scale_y = 1.4
    if item.kind == "video":  # one below the other: side by side their names are cut off
        column.operator(_SEND_ON, text="Play Clip", icon="PLAY").action = "play"
        column.operator(_SEND_ON, text="Add to Sequencer", icon="SEQUENCE").action = "strip"
    else:
        column.operator(_SEND_ON, text="Add to Scene", icon="IMPORT").action = "import"


def draw_next_steps(layout: Any, item: Item) -> None:
    """What fits the image next: what asks for the depth of its view only where that is known."""
    column = layout.column(align=True)
    row = column.row(align=True)
    row.operator(_ACTION, text="Upscale", icon="FULLSCREEN_ENTER").action = "upscale"
    row.operator(_ACTION, text="Reframe", icon="CLIPUV_HLT").action = "reframe"
    seen = bool(history_page.made_from_view(item.id))
    if seen:
        row.operator(_ACTION, text="Relight", icon="LIGHT_SUN").action = "relight"
    row = column.row(align=True)
    row.operator(_ACTION, text="Cut Out", icon="IMAGE_ALPHA").action = "cutout"
    row.operator(_ACTION, text="Background", icon="IMAGE_BACKGROUND").action = "background"
    row = column.row(align=True)
    row.operator(_SEND_ON, text="Image to Video", icon="FILE_MOVIE").action = "video"
    row.operator(_SEND_ON, text="Image to 3D", icon="MESH_MONKEY").action = "model"


def draw_mask(layout: Any, item_id: str) -> None:
    """Where a mask is painted: what can be done with it."""
    column = layout.column(align=True)
    row = column.row(align=True)
    row.scale_y = 1.4
    _of_mask(row, "USE", "Edit Painted Part", "GREASEPENCIL", item_id)
    row = column.row(align=True)
    _of_mask(row, "CLEAR", "Clear", "X", item_id)
    _of_mask(row, "INVERT", "Invert", "ARROW_LEFTRIGHT", item_id)
    _of_mask(row, "END", "End Painting", "CHECKMARK", item_id)


def _of_mask(layout: Any, action: str, text: str, icon: str, item_id: str) -> None:
    button = layout.operator("genai_render.paint_mask", text=text, icon=icon)
    button.action, button.id = action, item_id


def draw_all(layout: Any, context: bpy.types.Context) -> None:
    """Every action with the selected image, by the name that the search finds it by."""
    item = history_page.item(window_state.window(context).selected)
    layout.operator("genai_render.details", icon="INFO")
    layout.operator("genai_render.recall", icon="RECOVER_LAST")
    layout.operator("genai_render.vary", icon="FILE_REFRESH")
    layout.operator("genai_render.repeat", icon="LOOP_FORWARDS").vary = False
    layout.operator("genai_render.use_as_reference", icon="IMAGE_REFERENCE")
    layout.operator("genai_render.paint_mask", icon="BRUSH_DATA").action = "PAINT"
    layout.separator()
    for action, text, icon in (
        ("upscale", "Upscale", "FULLSCREEN_ENTER"),
        ("cutout", "Remove Background", "IMAGE_ALPHA"),
        ("background", "Change Background", "IMAGE_BACKGROUND"),
        ("reframe", "Reframe", "CLIPUV_HLT"),
        ("relight", "Relight", "LIGHT_SUN"),
        ("material", "Change Material", "MATERIAL"),
        ("swap-subject", "Swap Subject", "MESH_MONKEY"),
        ("swap-face", "Swap Face", "USER"),
    ):
        layout.operator(_ACTION, text=text, icon=icon).action = action
    layout.separator()
    layout.operator(_SEND_ON, text="Image to Video", icon="FILE_MOVIE").action = "video"
    layout.operator(_SEND_ON, text="Image to 3D", icon="MESH_MONKEY").action = "model"
    if item is not None and item.kind == "video":
        layout.operator(_SEND_ON, text="Play Clip", icon="PLAY").action = "play"
        layout.operator(_SEND_ON, text="Add to Sequencer", icon="SEQUENCE").action = "strip"
    if item is not None and item.kind == "model":
        layout.operator(_SEND_ON, text="Add to Scene", icon="IMPORT").action = "import"
    layout.separator()
    layout.operator("genai_render.show_result", icon="VIEW3D")
    layout.operator("genai_render.return_to_view", icon="HIDE_OFF")
    layout.operator("genai_render.compare", icon="SPLIT_VERTICAL")
    layout.operator("genai_render.next_camera", icon="OUTLINER_DATA_CAMERA")
    layout.separator()
    layout.operator("genai_render.open_image", icon="IMAGE_DATA")
    layout.operator("genai_render.camera_background", icon="CAMERA_DATA")
    if item is None or projection.of(context.scene).item != item.id:
        layout.operator("genai_render.project", icon="MOD_UVPROJECT")
    if projection.is_on(context.scene):
        layout.operator("genai_render.unproject", icon="X")
    layout.operator("genai_render.texture", icon="TEXTURE").action = "BAKE"
    if any(_TEXTURED in thing for thing in context.scene.objects):
        button = layout.operator("genai_render.texture", text="Remove Baked Textures", icon="X")
        button.action = "REMOVE"
    layout.separator()
    layout.operator("genai_render.copy_prompt", icon="COPYDOWN")
    layout.operator("genai_render.reveal", icon="FILE_FOLDER")
    layout.separator()
    layout.operator("genai_render.delete", icon="TRASH")


register, unregister = bpy.utils.register_classes_factory((GENAI_RENDER_MT_image,))
