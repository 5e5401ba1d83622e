# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels of Blender's Properties editor in a scene that renders with us: those that other
engines show, and our own."""

from __future__ import annotations

from typing import Any

import bpy

from ..settings import choices, scene_settings
from ..settings.scene_settings import RENDER_ENGINE
from . import model_picker, output

_NAMES = 0.4  # of the width, as Blender has it
_SHARED = "BLENDER_RENDER"  # panels that any engine may show
# Materials, worlds and lights are made for the engine that draws the canvas.
_CANVAS = ("BLENDER_EEVEE_NEXT", "BLENDER_EEVEE")
_CANVAS_TABS = ("material", "world", "data", "object", "texture", "particle", "physics")


class GENAI_RENDER_PT_engine(bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_engine"
    bl_label = "GenAI Render"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "render"
    COMPAT_ENGINES = {RENDER_ENGINE}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.engine in cls.COMPAT_ENGINES

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = scene_settings.settings(context)
        layout.prop(settings, "canvas_engine")
        column = layout.column()
        column.prop(settings, "prompt")
        column.prop(settings, "style")
        model = choices.known_model(settings)
        row = column.split(factor=_NAMES)
        name = row.row()
        name.alignment = "RIGHT"
        name.label(text="Model")
        output.draw_chosen(row, context, settings, model, _NAMES)
        if model is not None:
            model_picker.draw_notes(column.column(), context, model)
        column.prop(settings, "resolution")
        column.prop(settings, "mode")
        column.prop(settings, "closeness")
        if context.scene.view_settings.view_transform != "Standard":
            layout.label(text="Exact colors: Standard", icon="INFO")
        layout.label(text="More in the GenAI tab", icon="INFO")


def _wanted(panel: Any) -> bool:
    engines = panel.COMPAT_ENGINES
    if _SHARED in engines:
        return True
    tab = getattr(panel, "bl_context", "")
    return tab in _CANVAS_TABS and any(name in engines for name in _CANVAS)


def _panels() -> list[Any]:
    return [
        panel
        for panel in bpy.types.Panel.__subclasses__()
        if isinstance(getattr(panel, "COMPAT_ENGINES", None), set)
    ]


def register() -> None:
    bpy.utils.register_class(GENAI_RENDER_PT_engine)
    for panel in _panels():
        if _wanted(panel):
            panel.COMPAT_ENGINES.add(RENDER_ENGINE)


def unregister() -> None:
    for panel in _panels():
        if panel is not GENAI_RENDER_PT_engine:
            panel.COMPAT_ENGINES.discard(RENDER_ENGINE)
    bpy.utils.unregister_class(GENAI_RENDER_PT_engine)
