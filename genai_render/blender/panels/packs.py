# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs of shots: which, of what, for how much, and how far it is."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..jobs import pack_jobs, session
from ..settings import pack_choice, scene_settings, window_state
from ..translation import translated
from .main import SidebarPanel
from .wrapping import wrapped

if TYPE_CHECKING:
    from ...core.batch.packs import Pack


class GENAI_RENDER_PT_packs(SidebarPanel, bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_packs"
    bl_label = "Packs and Batches"
    bl_order = 4
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        settings = scene_settings.settings(context)
        made = pack_jobs.packs_made()
        plan = made.plan(context)
        row = layout.row(align=True)
        row.active = plan.file is None
        row.prop(settings, "pack", text="")
        row.operator("genai_render.pack", text="", icon="FILE_FOLDER").action = "FOLDER"
        layout.prop(settings, "batch_file", text="", placeholder="Or a batch file")
        if plan.file is not None:
            _draw_file(layout, plan)
        if plan.pack is not None:
            wrapped(layout, context, plan.pack.description)
            _draw_shots(layout, settings, plan.pack)
            _draw_fields(layout, settings, plan.pack)
        for problem in pack_choice.packs().problems:
            wrapped(layout, context, problem.text, icon="ERROR")
        making = made.making
        if making is not None and not making.over:
            _draw_progress(layout, making)
        else:
            _draw_start(layout, context, plan, bool(made.left(context)))
        if session.opened() is not None and made.ids(context):
            _draw_results(layout, context, made)


def _draw_shots(layout: Any, settings: Any, pack: Pack) -> None:
    without = pack_choice.left_out(settings)
    column = layout.column(align=True)
    for shot in pack.shots:
        row = column.row(align=True)
        off = shot.id in without
        tick = row.operator(
            "genai_render.pack",
            text=translated(shot.title),
            icon="CHECKBOX_DEHLT" if off else "CHECKBOX_HLT",
            emboss=False,
            translate=False,
        )
        tick.action, tick.shot = "TICK", shot.id
        about = row.row()
        about.alignment, about.active = "RIGHT", False
        about.label(text="" if shot.aspect == "auto" else shot.aspect, translate=False)


def _draw_fields(layout: Any, settings: Any, pack: Pack) -> None:
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    for place, field in pack_choice.fields(pack).values():
        # What is sent where nothing is said stays as it is sent.
        column.prop(
            *(settings, place),
            text=translated(field.label),
            placeholder=field.default,
            translate=False,
        )
    column.prop(settings, "pack_resolution", text="Size")


def _draw_file(layout: Any, plan: pack_jobs.Plan) -> None:
    label = translated("Counting …") if plan.counting else ""
    if plan.sums is not None:
        label = translated(f"{plan.sums.pictures} pictures of {plan.sums.captures} views")
    if label:
        layout.label(text=label, translate=False)


def _draw_start(
    layout: Any, context: bpy.types.Context, plan: pack_jobs.Plan, is_left: bool
) -> None:
    row = layout.row()
    row.scale_y = 1.3
    row.enabled = plan.problem is None and not plan.counting
    label = translated("Start")
    if plan.sums is not None:
        price = "free" if plan.sums.usd == 0 else plan.sums.price
        label = translated(f"Make {plan.sums.pictures} Shots")
        if plan.file is not None:
            label = translated(f"Make {plan.sums.pictures} Pictures")
        label += f"  ({translated(price)})"
    row.operator(
        "genai_render.pack", text=label, icon="RENDER_STILL", translate=False
    ).action = "START"
    if plan.problem is not None:
        wrapped(layout, context, plan.problem.text, icon="INFO")
    if is_left:
        layout.operator("genai_render.pack", text="Go On", icon="PLAY").action = "GO_ON"


def _draw_progress(layout: Any, making: pack_jobs.Making) -> None:
    done, whole = len(making.run.of("done")), len(making.run.pictures)
    row = layout.row(align=True)
    row.progress(factor=making.share, text=translated(f"{done} of {whole} done"), translate=False)
    row.operator("genai_render.pack", text="", icon="X").action = "CANCEL"


def _draw_results(layout: Any, context: bpy.types.Context, made: pack_jobs.PackJobs) -> None:
    state = window_state.window(context)
    row = layout.row(align=True)
    shown = row.operator(
        "genai_render.pack", text="Show in History", icon="FILTER", depress=state.only_pack
    )
    shown.action = "HISTORY"
    sheet = row.row(align=True)
    sheet.enabled = made.page(context) is not None
    sheet.operator("genai_render.pack", text="Contact Sheet", icon="IMGDISPLAY").action = "SHEET"


register, unregister = bpy.utils.register_classes_factory((GENAI_RENDER_PT_packs,))
