# SPDX-License-Identifier: GPL-3.0-or-later
"""The model, what it costs, and how large the image will be."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ...core.models import closeness
from ..jobs import request_builder
from ..settings import choices, options, scene_settings
from ..translation import translated
from . import model_picker
from .main import SidebarPanel
from .wrapping import room, shortened, wrapped

if TYPE_CHECKING:
    from ...core.models.catalog import Model
    from ...core.request import OptionValue

_TITLE_PIXELS = 84
_BUTTONS_PIXELS = 44


class GENAI_RENDER_PT_output(SidebarPanel, bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_output"
    bl_label = "Model"
    bl_order = 1
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        settings = scene_settings.settings(context)
        model = choices.known_model(settings)
        row = self.layout.row()
        row.alignment = "RIGHT"
        row.operator(
            "genai_render.pick_model",
            text=_summary(context, model, settings.resolution),
            emboss=False,
            translate=False,
        )
        row.separator(factor=0.5)  # from the panel's grip

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = scene_settings.settings(context)
        model = choices.known_model(settings)
        draw_chosen(layout, context, settings, model)
        if model is not None:
            _draw_facts(layout, context, model)
            model_picker.draw_notes(layout.column(), context, model)
        layout.prop(settings, "aspect", text="Aspect")
        layout.row().prop(settings, "resolution", expand=True, text="Size")
        layout.prop(settings, "count")
        layout.prop(settings, "mode")
        decided = {} if model is None else _draw_closeness(layout, context, settings, model)
        row = layout.row(align=True, heading="Seed")
        row.prop(settings, "use_seed", text="")
        value = row.row(align=True)
        value.active = settings.use_seed
        value.prop(settings, "seed", text="")
        row.operator("genai_render.random_seed", text="", icon="FILE_REFRESH")
        if model is not None:
            for reason in options.draw_options(layout, context.scene, model, decided):
                wrapped(layout, context, reason, icon="INFO")
            model_picker.draw_inputs(layout, model)


def _summary(context: Any, model: Model | None, resolution: str) -> str:
    """What of the name and the size fits into the header: a name's end in brackets, which says
    whose model it is, goes first."""
    if model is None:
        return translated("Missing")
    pixels = room(context) - _TITLE_PIXELS
    short = model.label.partition(" (")[0].removeprefix("ComfyUI: ").removeprefix("A1111: ")
    for text in (f"{model.label}, {resolution}", f"{short}, {resolution}", short):
        if shortened(context, text, pixels) == text:
            return text
    return shortened(context, short, pixels)


def draw_chosen(
    layout: Any, context: Any, settings: Any, model: Model | None, taken: float = 0.0
) -> None:
    """The model as a button that opens the list, by mouse and by keys. taken: how much of the
    width something else has."""
    row = layout.row(align=True)
    row.alert = model is None
    name = model.label if model is not None else choices.MODEL.id_of(settings)
    text = name if model is not None else translated(f"Missing: {name}")
    row.operator(
        "genai_render.pick_model",
        text=shortened(context, text, room(context) * (1 - taken) - _BUTTONS_PIXELS),
        icon="DOWNARROW_HLT",
        translate=False,
    )
    if model is not None:
        model_picker.draw_star(row, model)
    row.operator("genai_render.search_model", text="", icon="VIEWZOOM")


def _draw_closeness(
    layout: Any, context: Any, settings: Any, model: Model
) -> dict[str, OptionValue]:
    """The control, and what it does or why it cannot do anything. Gives the options it decides."""
    reason = closeness.why_not(model)
    if not reason and not settings.use_canvas:
        reason = "The view is not used."
    row = layout.row()
    row.enabled = not reason
    row.prop(settings, "closeness", text="Closeness")
    step = request_builder.closeness_for(settings, model, settings.use_canvas)
    if reason:
        wrapped(layout, context, reason, icon="INFO")
    elif step != "auto":
        column = layout.column()
        column.active = False
        wrapped(column, context, f"{closeness.effect(model, step)}.")
    return closeness.options_at(model, step)


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
