# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab in the sidebar: the view, the prompt, the button, and what is under way."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ...core import cost
from .. import catalog
from ..jobs import request_builder, session
from ..settings import choices, options, reference_store, scene_settings, thumbnails, window_state
from .wrapping import wrapped

if TYPE_CHECKING:
    from ...core.catalog import Model
    from ...core.preflight import Prepared
    from ..jobs.work import Work

CATEGORY = "GenAI"


class SidebarPanel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = CATEGORY


class GENAI_RENDER_PT_main(SidebarPanel, bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_main"
    bl_label = "GenAI Render"
    bl_order = 0

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        settings = scene_settings.settings(context)
        prepared = request_builder.prepared(context)
        _draw_view(layout, context, settings, prepared)
        _draw_prompt(layout, context, settings)
        _draw_style(layout, settings)
        _draw_generate(layout, context, settings, prepared)
        _draw_jobs(layout, context)


def _draw_view(layout: Any, context: Any, settings: Any, prepared: Prepared) -> None:
    state = window_state.window(context)
    row = layout.row(align=True)
    row.prop(settings, "use_canvas")
    buttons = row.row(align=True)
    buttons.alignment = "RIGHT"
    buttons.active = settings.use_canvas
    buttons.prop(state, "canvas_view", expand=True, icon_only=True)
    buttons.separator()
    buttons.prop(state, "show_live", text="", icon="FILE_REFRESH")
    buttons.prop(state, "show_frame", text="", icon="SELECT_SET")
    if not settings.use_canvas:
        return
    icon = thumbnails.canvas_icon()
    if icon:
        layout.template_icon(icon, scale=8.0)
    else:
        layout.label(text="The view appears here", icon="IMAGE_DATA")
    if prepared.spec is not None:
        row = layout.row()
        row.alignment = "CENTER"
        row.label(text=prepared.spec.text, translate=False)


def _draw_prompt(layout: Any, context: Any, settings: Any) -> None:
    column = layout.column(align=True)
    row = column.row(align=True)
    if settings.prompt_text is not None:
        row.prop(settings, "prompt_text", text="")
    else:
        row.prop(settings, "prompt", text="", placeholder="What do you want to see?")
    row.operator("genai_render.edit_prompt", text="", icon="GREASEPENCIL")
    row.menu("GENAI_RENDER_MT_prompts", text="", icon="DOWNARROW_HLT")
    if len(settings.prompt) > 30 and settings.prompt_text is None:
        wrapped(column.box(), context, settings.prompt, most=6)
    row = column.row(align=True)
    row.prop(settings, "enhance")
    if settings.enhance:
        row.operator("genai_render.show_scene_text", text="", icon="INFO", emboss=False)
    count = row.row()
    count.alignment = "RIGHT"
    count.label(text=request_builder.prompt_count(settings), translate=False)


def _draw_style(layout: Any, settings: Any) -> None:
    styles = catalog.catalog().styles
    if not styles:
        return
    row = layout.row(align=True)
    picture = row.column()
    picture.template_icon_view(settings, "style", show_labels=True, scale=3.0, scale_popup=6.0)
    words = row.column()
    style = styles.get(choices.STYLE.id_of(settings))
    chosen = words.row()
    chosen.alert = style is None
    chosen.prop(settings, "style", text="")
    if style is not None:
        text = words.column(align=True)
        text.scale_y = 0.75
        text.active = False
        for line in _halves(style.description):
            text.label(text=line)


def _halves(text: str, letters: int = 26) -> list[str]:
    import textwrap

    return textwrap.wrap(text, letters, max_lines=3, placeholder="…")


def _draw_generate(layout: Any, context: Any, settings: Any, prepared: Prepared) -> None:
    label = iface_("Generate")
    if settings.count > 1:
        label = iface_("Generate {count} Images").format(count=settings.count)
    if prepared.cost:
        label += f"  ({prepared.cost})"
    row = layout.row()
    row.scale_y = 1.6
    row.operator("genai_render.generate", text=label, icon="RENDER_STILL", translate=False)
    if prepared.problem is not None:
        wrapped(layout, context, prepared.problem.text, icon="INFO")
    else:
        for notice in prepared.notices:
            wrapped(layout, context, notice, icon="INFO")


def _draw_jobs(layout: Any, context: Any) -> None:
    current = session.opened()
    if current is None:
        return
    works = current.works()
    for work in works:
        row = layout.row(align=True)
        row.progress(factor=work.share, text=progress_text(work))
        row.operator("genai_render.cancel", text="", icon="X").job = work.job.id
    if len(works) > 1:
        layout.operator("genai_render.cancel_all", text="Cancel All")
    if current.told:
        box = layout.box()
        for told in current.told:
            box.alert = told.is_error
            wrapped(box, context, told.text, icon="ERROR" if told.is_error else "INFO")
        row = box.row()
        row.alignment = "RIGHT"
        row.operator("genai_render.clear_messages", text="Close", emboss=False, icon="X")


def progress_text(work: Work) -> str:
    """ "Shading · 4 s of about 9 s" """
    if work.job.started is None:
        return f"Waiting · {work.title}"
    if work.waits:
        return work.message  # which counts the seconds down itself
    spent = f"{work.job.seconds:.0f} s"
    if work.expected and work.expected > work.job.seconds:
        spent += f" of about {work.expected:.0f} s"
    return f"{work.message} · {spent}" if work.message else spent


class GENAI_RENDER_PT_references(SidebarPanel, bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_references"
    bl_label = "References"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        settings = scene_settings.settings(context)
        row = layout.row(align=False)
        for number, slot in enumerate(scene_settings.references(settings), 1):
            _draw_slot(row.column(align=True), slot, number)
        if any(slot.digest for slot in scene_settings.references(settings)):
            layout.operator("genai_render.reference_swap", icon="ARROW_LEFTRIGHT", text="Swap")


def _draw_slot(column: Any, slot: Any, number: int) -> None:
    box = column.box()
    if not slot.digest:
        # Where a picture will be, so that nothing jumps when it comes.
        box.operator("genai_render.reference_file", text="Open", icon="FILEBROWSER").slot = number
        box.menu(f"GENAI_RENDER_MT_reference_{number}", text="More", icon="ADD")
        box.label(text="or drop a picture")
        return
    path = reference_store.path_of(slot.digest)
    icon = thumbnails.picture_icon(slot.digest, path)
    if icon:
        box.template_icon(icon, scale=5.0)
    else:
        row = box.row()
        row.alert = True
        row.label(text="Not on this computer", icon="ERROR")
    row = column.row(align=True)
    row.prop(slot, "role", text="")
    row.operator("genai_render.reference_clear", text="", icon="X").slot = number
    column.prop(slot, "weight", text="Weight")


class GENAI_RENDER_PT_output(SidebarPanel, bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_output"
    bl_label = "Model and Size"
    bl_order = 3

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
            _draw_facts(layout, context, settings, model)
        layout.prop(settings, "aspect")
        layout.row().prop(settings, "resolution", expand=True)
        layout.prop(settings, "count")
        layout.prop(settings, "mode")
        row = layout.row(align=True, heading="Seed")
        row.prop(settings, "use_seed", text="")
        value = row.row(align=True)
        value.active = settings.use_seed
        value.prop(settings, "seed", text="")
        row.operator("genai_render.random_seed", text="", icon="FILE_REFRESH")
        if model is not None:
            options.draw_options(layout, context.scene, model)


def _draw_facts(layout: Any, context: Any, settings: Any, model: Model) -> None:
    good_for = model.good_for and f"{iface_('Good for')}: {model.good_for}"
    terms = " · ".join(part for part in (model.speed, price(model, settings.resolution)) if part)
    column = layout.column()
    column.active = False
    for fact in (model.description, good_for, terms):
        if fact:
            wrapped(column, context, fact)


def price(model: Model, resolution: str) -> str:
    """What one image costs, without what is sent: "free", "about $0.04 each"."""
    usd = cost.per_image(model, resolution)
    if usd is None:
        return ""
    return iface_("free") if usd == 0 else iface_("about {usd} each").format(usd=cost.dollars(usd))


def draw_status(self: Any, context: bpy.types.Context) -> None:
    """In the status bar."""
    current = session.opened()
    works = current.works() if current is not None else []
    if not works:
        return
    row = self.layout.row(align=True)
    text = progress_text(works[0]) if len(works) == 1 else f"{len(works)} images"
    part = row.row()
    part.ui_units_x = 9
    part.progress(factor=sum(work.share for work in works) / len(works), text=text)
    row.operator("genai_render.cancel_all", text="", icon="X", emboss=False)


_CLASSES = (GENAI_RENDER_PT_main, GENAI_RENDER_PT_references, GENAI_RENDER_PT_output)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.STATUSBAR_HT_header.append(draw_status)


def unregister() -> None:
    bpy.types.STATUSBAR_HT_header.remove(draw_status)
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
