# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab in the sidebar: the view, the prompt, the style, the button, and what is under way.

Nothing above the button changes its height by itself, so that the button stays where it is: what
is told, and what is under way, stands below.
"""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ...backends.http import errors as http_errors
from .. import catalog
from ..jobs import errands, request_builder, session
from ..settings import choices, scene_settings, thumbnails, window_state
from ..translation import translated
from ..viewport import live_render
from . import model_picker, tiles
from .wrapping import UNIT, lines, room, shortened, wrapped

if TYPE_CHECKING:
    from ...core.preflight import Prepared
    from ..jobs.work import Work

CATEGORY = "GenAI"
_VIEW_UNITS = 7.0
_PROMPT_LINES = 4
_STYLE_UNITS = 3.4
_STYLE_LINES = 3
_PROBLEM_LINES = 9


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
        _draw_style(layout, context, settings)
        _draw_generate(layout, settings, prepared)
        _draw_problem(layout, context, prepared)
        _draw_jobs(layout)
        _draw_messages(layout, context)


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
    buttons.prop(state, "live_render", text="", icon="PLAY")
    if not settings.use_canvas:
        return
    column = layout.column(align=True)
    # As high as it is with any picture, and without one. Blender fits a picture into a square.
    aspect = max(1.0, thumbnails.canvas_aspect())
    side = max(_VIEW_UNITS, min(_VIEW_UNITS * aspect, room(context) / UNIT))
    tiles.move(column, (_VIEW_UNITS - side) / 2)
    column.template_icon(thumbnails.canvas_icon(), scale=side)
    tiles.move(column, (_VIEW_UNITS - side) / 2)
    row = column.row()
    row.alignment = "CENTER"
    size = "" if prepared.spec is None else translated(prepared.spec.text)
    row.label(text=size, translate=False)


def _draw_prompt(layout: Any, context: Any, settings: Any) -> None:
    column = layout.column(align=True)
    row = column.row(align=True)
    if settings.prompt_text is not None:
        row.prop(settings, "prompt_text", text="")
    else:
        row.prop(settings, "prompt", text="", placeholder="What do you want to see?")
        row.operator("genai_render.edit_prompt", text="", icon="GREASEPENCIL")
    row.operator("genai_render.prompt_to_text", text="", icon="TEXT")
    row.menu("GENAI_RENDER_MT_prompts", text="", icon="DOWNARROW_HLT")
    _draw_prompt_lines(column.box(), context, settings)
    row = column.row(align=True)
    row.prop(settings, "enhance")
    if settings.enhance:
        row.operator("genai_render.show_scene_text", text="", icon="INFO", emboss=False)
    count = row.row()
    count.alignment = "RIGHT"
    count.label(text=request_builder.prompt_count(settings), translate=False)


def _draw_prompt_lines(box: Any, context: Any, settings: Any) -> None:
    prompt = request_builder.prompt_of(settings).strip()
    pixels = room(context) - 12
    broken = lines(context, prompt or translated("Light, mood, materials, style"), pixels)
    if len(broken) > _PROMPT_LINES:
        rest = " ".join(broken[_PROMPT_LINES - 1 :])
        broken = [*broken[: _PROMPT_LINES - 1], shortened(context, rest, pixels)]
    column = box.column(align=True)
    column.scale_y = 0.75
    column.active = bool(prompt)
    for line in (*broken, "", "", "")[:_PROMPT_LINES]:
        column.label(text=line, translate=False)


def _draw_style(layout: Any, context: Any, settings: Any) -> None:
    styles = catalog.catalog().styles
    if not styles:
        return
    row = layout.row(align=True)
    picture = row.column()
    picture.ui_units_x = _STYLE_UNITS
    picture.template_icon_view(
        settings, "style", show_labels=True, scale=_STYLE_UNITS, scale_popup=6.0
    )
    words = row.column()
    style = styles.get(choices.STYLE.id_of(settings))
    chosen = words.row()
    chosen.alert = style is None
    chosen.prop(settings, "style", text="")
    about = translated(style.description) if style is not None else ""
    pixels = room(context) - _STYLE_UNITS * UNIT - 8
    text = words.column(align=True)
    text.scale_y = 0.75
    text.active = False
    for line in (*lines(context, about, pixels), "", "", "")[:_STYLE_LINES]:
        text.label(text=line, translate=False)


def _draw_generate(layout: Any, settings: Any, prepared: Prepared) -> None:
    label = translated("Generate")
    if settings.count > 1:
        label = translated(f"Generate {settings.count} Images")
    cost = "price unknown" if prepared.cost == "unknown" else prepared.cost
    if cost:
        label += f"  ({translated(cost)})"
    row = layout.row()
    row.scale_y = 1.6
    row.operator("genai_render.generate", text=label, icon="RENDER_STILL", translate=False)


def _draw_problem(layout: Any, context: Any, prepared: Prepared) -> None:
    if prepared.problem is None:
        if live_render.message():
            wrapped(layout, context, live_render.message(), icon="INFO")
        for notice in prepared.notices:
            wrapped(layout, context, notice, icon="INFO")
        return
    # Below it stands what a person changes to put it right. All of it is in the button's tip.
    wrapped(layout, context, prepared.problem.text, icon="INFO", most=_PROBLEM_LINES)
    if isinstance(prepared.problem, http_errors.OnlineAccessOff):
        layout.operator("genai_render.allow_online_access", icon="INTERNET")
    elif prepared.model is not None and not prepared.model.offered():
        model_picker.draw_successor(layout, prepared.model)


def _draw_jobs(layout: Any) -> None:
    current = session.opened()
    works = current.works() if current is not None else []
    for work in works:
        row = layout.row(align=True)
        row.progress(factor=work.share, text=progress_text(work), translate=False)
        row.operator("genai_render.cancel", text="", icon="X").job = work.job.id
    for number, errand in enumerate(errands.under_way()):
        row = layout.row(align=True)
        row.progress(factor=errand.share, text=translated(errand.text), translate=False)
        row.operator("genai_render.cancel", text="", icon="X").errand = number
    if len(works) > 1:
        layout.operator("genai_render.cancel_all", text="Cancel All")


def _draw_messages(layout: Any, context: Any) -> None:
    current = session.opened()
    if current is None or not current.told:
        return
    for told in current.told:
        box = layout.box()
        box.alert = told.is_error
        wrapped(box, context, told.text, icon="ERROR" if told.is_error else "INFO")
        if told.deleted:
            restore = box.operator("genai_render.restore", text="Restore", icon="LOOP_BACK")
            restore.id = told.deleted
    row = layout.row()
    row.alignment = "RIGHT"
    row.operator("genai_render.clear_messages", text="Close", emboss=False, icon="X")


def progress_text(work: Work) -> str:
    """ "Shading · 4 s of about 9 s" """
    if work.job.started is None:
        return f"{translated('Waiting')} · {work.title}"
    if work.waits:
        return translated(work.message)  # which counts the seconds down itself
    spent = f"{work.job.seconds:.0f} s"
    if work.expected and work.expected > work.job.seconds:
        spent = f"{work.job.seconds:.0f} s of about {work.expected:.0f} s"
    spent = translated(spent)
    return f"{translated(work.message)} · {spent}" if work.message else spent


def draw_status(self: Any, context: bpy.types.Context) -> None:
    """In the status bar."""
    current = session.opened()
    works = current.works() if current is not None else []
    if not works:
        return
    row = self.layout.row(align=True)
    text = progress_text(works[0]) if len(works) == 1 else translated(f"{len(works)} images")
    part = row.row()
    part.ui_units_x = 9
    share = sum(work.share for work in works) / len(works)
    part.progress(factor=share, text=text, translate=False)
    row.operator("genai_render.cancel_all", text="", icon="X", emboss=False)


def register() -> None:
    bpy.utils.register_class(GENAI_RENDER_PT_main)
    bpy.types.STATUSBAR_HT_header.append(draw_status)


def unregister() -> None:
    bpy.types.STATUSBAR_HT_header.remove(draw_status)
    bpy.utils.unregister_class(GENAI_RENDER_PT_main)
