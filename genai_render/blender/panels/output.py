# SPDX-License-Identifier: GPL-3.0-or-later
"""The model, what it costs, and how large the image will be."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..jobs import request_builder
from ..settings import choices, options, scene_settings
from ..translation import translated
from .main import SidebarPanel
from .references import draw_summary
from .wrapping import wrapped

if TYPE_CHECKING:
    from ...core.catalog import Model

_TITLE_PIXELS = 84


class GENAI_RENDER_PT_output(SidebarPanel, bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_output"
    bl_label = "Model"
    bl_order = 1
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        settings = scene_settings.settings(context)
        model = choices.known_model(settings)
        name = translated(model.label if model is not None else "Missing")
        draw_summary(self.layout, context, f"{name}, {settings.resolution}", _TITLE_PIXELS)

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = scene_settings.settings(context)
        model = choices.known_model(settings)
        row = layout.row()
        row.alert = model is None
        row.prop(settings, "model", text="")  # no label: names are as long as the panel
        if model is not None:
            _draw_facts(layout, context, model)
        layout.prop(settings, "aspect", text="Aspect")
        layout.row().prop(settings, "resolution", expand=True, text="Size")
        layout.prop(settings, "count")
        layout.prop(settings, "mode")
        row = layout.row(align=True, heading="Seed")
        row.prop(settings, "use_seed", text="")
        value = row.row(align=True)
        value.active = settings.use_seed
        value.prop(settings, "seed", text="")
        row.operator("genai_render.random_seed", text="", icon="FILE_REFRESH")
        if model is not None:
            for reason in options.draw_options(layout, context.scene, model):
                wrapped(layout, context, reason, icon="INFO")


def _draw_facts(layout: Any, context: Any, model: Model) -> None:
    """What it does and is good at, how fast it is, and the price on the button."""
    good_for = model.good_for and f"Good for: {model.good_for}"
    terms = (model.speed, request_builder.prepared(context).cost)
    column = layout.column()
    column.active = False
    for fact in (model.description, good_for, " · ".join(part for part in terms if part)):
        if fact:
            wrapped(column, context, fact)


register, unregister = bpy.utils.register_classes_factory((GENAI_RENDER_PT_output,))
