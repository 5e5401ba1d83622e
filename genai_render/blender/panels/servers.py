# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's own servers: a row for each in the sidebar, and their list in the preferences."""

# Blender's stubs do not know what a panel always has.
# pyright: reportOptionalMemberAccess=false, reportArgumentType=false
from __future__ import annotations

from typing import Any

import bpy

from ...backends.base import BACKENDS, of_kind
from ...backends.self_hosted import errors, servers
from ...core.errors import GenAIError
from .. import backend_settings, catalog
from ..connections import keys, own_servers, server_status
from ..jobs import request_builder
from ..settings import choices, scene_settings
from ..translation import translated
from .connections import draw_plain_key
from .main import SidebarPanel
from .wrapping import wrapped


class GENAI_RENDER_PT_servers(SidebarPanel, bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_servers"
    bl_label = "Servers"
    bl_order = 2

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        settings = scene_settings.settings(context)
        model = choices.known_model(settings)
        return model is not None and model.backend in servers.KINDS

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        model = choices.chosen_model(scene_settings.settings(context))
        try:
            settings = backend_settings.for_own_servers(model.backend)
            found = servers.endpoints_of(settings, model.backend)
        except GenAIError as error:
            wrapped(layout, context, error.text, icon="ERROR")
            return
        column = layout.column(align=True)
        for name in found:
            state = server_status.server_status(model.backend, name, settings)
            row = column.row()
            row.alert = state is not None and state.is_error
            icon = "SORTTIME" if state is None else "ERROR" if state.is_error else "CHECKMARK"
            part = row.split(factor=0.4)
            part.label(text=name, icon=icon, translate=False)
            part.label(text="…" if state is None else translated(state.text), translate=False)
            if state is not None and state.todo:
                wrapped(column, context, state.todo)
        problem = request_builder.prepared(context).problem
        if isinstance(problem, errors.MissingParts):
            wrapped(layout, context, problem.text, icon="ERROR")
        if model.backend == "comfyui":
            _draw_workflow(layout, model.extra.get("workflow_file"))


def _draw_workflow(layout: Any, path: str | None) -> None:
    row = layout.row(align=True)
    if path:
        row.operator("genai_render.workflow_map", icon="NODETREE").path = path
        row.operator("genai_render.workflow_add", text="", icon="ADD")
    else:
        row.operator("genai_render.workflow_add", icon="ADD")


def draw_preferences(layout: Any, context: Any, prefs: Any) -> None:
    for number, server in enumerate(prefs.own_servers):
        _draw_one(layout, context, server, number)
    row = layout.row(align=True)
    row.alignment = "LEFT"
    for info in of_kind("self-hosted"):
        text = translated(f"Add {info.label} Server")
        row.operator("genai_render.own_server_add", text=text, icon="ADD").kind = info.id
    if any(server.kind == "comfyui" for server in prefs.own_servers):
        row = layout.row(align=True)
        row.prop(prefs, "workflow_folder", placeholder="A folder of the add-on's own")
        row.operator("genai_render.workflows_read", text="", icon="FILE_REFRESH")
        row.operator("genai_render.workflow_add", text="", icon="ADD")
        for model in catalog.catalog().models.values():
            path = model.extra.get("workflow_file")
            if path:
                row = layout.row()
                row.label(text=model.label, icon="NODETREE", translate=False)
                part = row.row()
                part.alignment = "RIGHT"
                part.operator("genai_render.workflow_map").path = path
    for problem in catalog.server_problems():
        column = layout.column()
        column.alert = True
        wrapped(column, context, problem.text, icon="ERROR")


def _draw_one(layout: Any, context: Any, server: Any, number: int) -> None:
    box = layout.box()
    row = box.row()
    row.use_property_split = False
    row.prop(server, "use", text="")
    row.label(text=f"{BACKENDS[server.kind].label}: {server.name}", translate=False)
    part = row.row(align=True)
    part.alignment = "RIGHT"
    part.enabled = not keys.busy(server.endpoint)
    part.operator("genai_render.own_server_test", icon="PLUGIN").index = number
    row.operator("genai_render.own_server_remove", text="", icon="X", emboss=False).index = number
    column = box.column()
    column.active = server.use
    column.prop(server, "name")
    column.prop(server, "base_url", placeholder=own_servers.usual_address(server.kind))
    column.prop(server, "key_entry", placeholder="If it needs one: name:password, or the key")
    draw_plain_key(box.column(align=True), context, server)
    doing, told = keys.busy(server.endpoint), keys.told(server.endpoint)
    if doing:
        box.label(text=f"{translated(doing)} …", icon="SORTTIME", translate=False)
    elif told is not None:
        column = box.column(align=True)
        column.alert = told.is_error
        wrapped(column, context, told.text, icon="ERROR" if told.is_error else "CHECKMARK")


def register() -> None:
    bpy.utils.register_class(GENAI_RENDER_PT_servers)


def unregister() -> None:
    bpy.utils.unregister_class(GENAI_RENDER_PT_servers)
