# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of the user's own ComfyUI and A1111 servers, and where a workflow takes what."""

# Blender's stubs do not know a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty

from ...backends import comfyui_library, comfyui_workflow
from .. import connections, keys, preferences, properties
from .reporting import TellingOperator, attempt


def _list() -> Any:
    prefs = preferences.preferences()
    assert prefs is not None, "the preferences show these buttons"
    return prefs.own_servers


class GENAI_RENDER_OT_own_server_add(TellingOperator):
    """Add a server that runs ComfyUI, or one with A1111's API"""

    bl_idname = "genai_render.own_server_add"
    bl_label = "Add Server"
    bl_options = {"INTERNAL"}

    kind: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        items=[("comfyui", "ComfyUI", ""), ("a1111", "A1111", "")], options={"SKIP_SAVE"}
    )

    def act(self, context: bpy.types.Context) -> set[str]:
        server = _list().add()
        server.kind = self.kind
        if not server.name:
            server.name = "Server"
        return {"FINISHED"}


class _ServerOperator(TellingOperator):
    bl_options = {"INTERNAL"}

    index: IntProperty(options={"HIDDEN", "SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]


class GENAI_RENDER_OT_own_server_remove(_ServerOperator):
    """Take this server out of the list. A key of its own stays in the system keyring"""

    bl_idname = "genai_render.own_server_remove"
    bl_label = "Remove Server"

    def act(self, context: bpy.types.Context) -> set[str]:
        _list().remove(self.index)
        properties.reload_catalog()
        return {"FINISHED"}


class GENAI_RENDER_OT_own_server_test(_ServerOperator):
    """Ask the server how it is"""

    bl_idname = "genai_render.own_server_test"
    bl_label = "Test"

    def act(self, context: bpy.types.Context) -> set[str]:
        server = _list()[self.index]
        keys.test(server.endpoint, server.backend, connections.settings_of(server))
        return {"FINISHED"}


class GENAI_RENDER_OT_workflows_read(TellingOperator):
    """Read the folder of workflows again, after files in it have changed"""

    bl_idname = "genai_render.workflows_read"
    bl_label = "Read Workflows Again"
    bl_options = {"INTERNAL"}

    def act(self, context: bpy.types.Context) -> set[str]:
        properties.reload_catalog()
        return {"FINISHED"}


# ---- the mapping of a workflow -----------------------------------------------------------------

_NONE = "-"
# Blender keeps no copy of the texts of a dynamic enum's items: something has to hold them.
_held: list[tuple[str, str, str]] = []
_NAMES = {
    "color": "View",
    "depth": "Depth",
    "normal": "Normals",
    "mask": "Mask",
    "source": "Image to Edit",
    "reference_1": "Reference 1",
    "reference_2": "Reference 2",
    "positive": "Prompt",
    "negative": "Not Wanted",
    "seed": "Seed",
    "width": "Width",
    "height": "Height",
    "count": "Count",
}


def _places(self: Any, context: bpy.types.Context | None) -> list[tuple[str, str, str]]:
    return _held or [(_NONE, "Nowhere", "")]


def _place_property(name: str) -> Any:
    return EnumProperty(
        name=_NAMES[name],
        description=f"Which setting of the workflow gets it: {name}",
        items=_places,
    )


class GENAI_RENDER_OT_workflow_map(TellingOperator):
    """Choose what goes where in this workflow, and which of its settings are shown as options"""

    bl_idname = "genai_render.workflow_map"
    bl_label = "Map Workflow"
    bl_options = {"INTERNAL"}

    path: StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]
    shown: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Options",
        description="Settings to show in the panel, as node.setting with commas between",
    )
    __annotations__.update({name: _place_property(name) for name in comfyui_workflow.INPUTS})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> Any:
        return attempt(self, lambda: self._ask(context))

    def _ask(self, context: bpy.types.Context) -> Any:
        path = Path(self.path)
        graph = comfyui_workflow.read(path)
        workflow = comfyui_workflow.of_graph(path.stem, graph, comfyui_library.read_mapping(path))
        _held[:] = [(_NONE, "Nowhere", "")] + [
            (f"{id}.{key}", f"{workflow.titles[id]}: {key}", f"{id}.{key}, now {value!r}"[:200])
            for id, node in graph.items()
            for key, value in node["inputs"].items()
            if not isinstance(value, list)
        ]
        for name in comfyui_workflow.INPUTS:
            setattr(self, name, next(iter(workflow.places.get(name, ())), _NONE))
        self.shown = ", ".join(place for spot in workflow.option_places.values() for place in spot)
        return context.window_manager.invoke_props_dialog(self, width=420)

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        for name in comfyui_workflow.INPUTS:
            layout.prop(self, name)
        layout.prop(self, "shown")

    def act(self, context: bpy.types.Context) -> set[str]:
        path = Path(self.path)
        graph = comfyui_workflow.read(path)
        before = comfyui_workflow.of_graph(path.stem, graph, comfyui_library.read_mapping(path))
        inputs = {}
        for name in comfyui_workflow.INPUTS:
            chosen, were = getattr(self, name), before.places.get(name, ())
            # One that goes to several places keeps them, unless another was chosen.
            inputs[name] = list(were) if were[:1] == (chosen,) else [chosen]
            if chosen == _NONE:
                inputs[name] = []
        places = [place.strip() for place in self.shown.split(",") if place.strip()]
        options = comfyui_workflow.options_at(path.stem, graph, places)
        comfyui_library.write_mapping(path, {"inputs": inputs, "options": options})
        properties.reload_catalog()
        return {"FINISHED"}


_CLASSES = (
    GENAI_RENDER_OT_own_server_add,
    GENAI_RENDER_OT_own_server_remove,
    GENAI_RENDER_OT_own_server_test,
    GENAI_RENDER_OT_workflows_read,
    GENAI_RENDER_OT_workflow_map,
)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
    _held.clear()
