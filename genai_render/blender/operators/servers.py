# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of the user's own ComfyUI and A1111 servers, and where a workflow or a model takes
what."""

# Blender's stubs do not know a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
from __future__ import annotations  # else, Python 3.14 has no __annotations__ to add to

from pathlib import Path
from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    IntProperty,
    StringProperty,
)
from bpy.types import PropertyGroup

from ...backends.base import of_kind
from ...backends.self_hosted.comfyui import library
from ...backends.self_hosted.comfyui import workflow as comfyui_workflow
from ...backends.self_hosted.comfyui.inputs import INPUTS
from ...core.models import input_maps
from .. import addon, backend_settings, catalog, redraw
from ..connections import keys
from ..settings import scene_settings
from ..translation import translated
from .reporting import TellingOperator, attempt


def _list() -> Any:
    prefs = addon.preferences()
    assert prefs is not None, "the preferences show these buttons"
    return prefs.own_servers


class GENAI_RENDER_OT_own_server_add(TellingOperator):
    """Add a server that runs ComfyUI, or one with A1111's API"""

    bl_idname = "genai_render.own_server_add"
    bl_label = "Add Server"
    bl_options = {"INTERNAL"}

    kind: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        items=[(row.id, row.label, row.description) for row in of_kind("self-hosted")],
        options={"SKIP_SAVE"},
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
        catalog.reload()
        return {"FINISHED"}


class GENAI_RENDER_OT_own_server_test(_ServerOperator):
    """Ask the server how it is"""

    bl_idname = "genai_render.own_server_test"
    bl_label = "Test"

    def act(self, context: bpy.types.Context) -> set[str]:
        server = _list()[self.index]
        settings = backend_settings.for_connection(server, catalog.catalog())
        keys.test(server.endpoint, server.backend, settings)
        return {"FINISHED"}


class GENAI_RENDER_OT_workflow_add(TellingOperator):
    """Take a workflow that was exported from ComfyUI in API format into the list of models"""

    bl_idname = "genai_render.workflow_add"
    bl_label = "Add Workflow"
    bl_options = {"INTERNAL"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})  # pyright: ignore[reportInvalidTypeForm]

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> Any:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def act(self, context: bpy.types.Context) -> set[str]:
        folder = catalog.workflow_folder(addon.preferences(), create=True)
        assert folder is not None, "it was made"
        path = library.add(Path(self.filepath), folder)
        catalog.reload()
        scene_settings.settings(context).model = library.of_file(path).id
        redraw.sidebars()
        text = f'"{path.stem}" is in the list of models now'
        self.report({"INFO"}, translated(text, "reports"))
        return {"FINISHED"}


class GENAI_RENDER_OT_workflows_read(TellingOperator):
    """Read the folder of workflows again, after files in it have changed"""

    bl_idname = "genai_render.workflows_read"
    bl_label = "Read Workflows Again"
    bl_options = {"INTERNAL"}

    def act(self, context: bpy.types.Context) -> set[str]:
        catalog.reload()
        return {"FINISHED"}


# ---- the mapping of a workflow -----------------------------------------------------------------

_NONE = "-"
# Blender keeps no copy of the texts of a dynamic enum's items: something has to hold them.
_held: dict[str, list[tuple[str, str, str]]] = {}
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
_NOWHERE = (_NONE, "Nowhere", "The workflow does not take it")


def _place_property(name: str) -> Any:
    def places(self: Any, context: bpy.types.Context | None) -> list[tuple[str, str, str]]:
        return _held.get(name) or [_NOWHERE]

    return EnumProperty(
        name=_NAMES[name], description="Which setting of the workflow gets it", items=places
    )


class GenAIWorkflowWidget(PropertyGroup):
    """A setting of a workflow that can be an option of the panel."""

    place: StringProperty()  # pyright: ignore[reportInvalidTypeForm]
    value: StringProperty()  # pyright: ignore[reportInvalidTypeForm]
    shown: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Show", description="Show this setting as an option in the sidebar"
    )


class GENAI_RENDER_UL_workflow_widgets(bpy.types.UIList):
    """Ticked settings are shown in the sidebar; `name`, node and setting, is what is searched."""

    def draw_item(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: Any,
        item: Any,
        icon: int,
        active_data: Any,
        active_property: str | None,
        index: int = 0,
        flt_flag: int = 0,
    ) -> None:
        row = layout.row()
        row.use_property_split = False
        row.prop(item, "shown", text="")
        part = row.split(factor=0.6)
        part.label(text=item.name, translate=False)
        value = part.row()
        value.active = False
        value.label(text=item.value, translate=False)


class GENAI_RENDER_OT_workflow_map(TellingOperator):
    """Choose what goes where in this workflow, and which of its settings are shown as options"""

    bl_idname = "genai_render.workflow_map"
    bl_label = "Inputs and Options"
    bl_options = {"INTERNAL"}

    path: StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]
    widgets: CollectionProperty(type=GenAIWorkflowWidget, options={"SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]
    active: IntProperty(options={"SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]
    __annotations__.update({name: _place_property(name) for name in INPUTS})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> Any:
        return attempt(self, lambda: self._ask(context))

    def _ask(self, context: bpy.types.Context) -> Any:
        path = Path(self.path)
        graph = comfyui_workflow.read(path)
        workflow = comfyui_workflow.of_graph(path.stem, graph, library.read_mapping(path))

        names = workflow.names

        def item(place: str) -> tuple[str, str, str]:
            id, _, key = place.partition(".")
            value = str(graph[id]["inputs"].get(key))
            return (
                place,
                f"{names[id]}: {key}",
                translated(f"Node {id}, now {value}", "tooltips")[:200],
            )

        for name in INPUTS:
            now = workflow.places.get(name, ())
            places = dict.fromkeys([*now, *comfyui_workflow.widgets_for(name, graph)])
            _held[name] = [_NOWHERE, *map(item, places)]
            setattr(self, name, next(iter(now), _NONE))
        taken = {place for places in workflow.places.values() for place in places}
        shown = {place for places in workflow.option_places.values() for place in places}
        self.widgets.clear()
        for id, node in graph.items():
            for key, value in node["inputs"].items():
                place = f"{id}.{key}"
                if isinstance(value, (list, dict)) or place in taken:
                    continue
                widget = self.widgets.add()
                widget.place, widget.name = place, f"{names[id]}: {key}"
                widget.value, widget.shown = str(value)[:60], place in shown
        return context.window_manager.invoke_props_dialog(self, width=480)

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.label(text=Path(self.path).stem, icon="NODETREE", translate=False)
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        for name in INPUTS:
            if len(_held.get(name, ())) > 1:
                column.prop(self, name)
        layout.label(text="Options in the sidebar:")
        layout.template_list(
            "GENAI_RENDER_UL_workflow_widgets", "", self, "widgets", self, "active", rows=7
        )

    def act(self, context: bpy.types.Context) -> set[str]:
        path = Path(self.path)
        graph = comfyui_workflow.read(path)
        mapping = library.read_mapping(path)
        before = comfyui_workflow.of_graph(path.stem, graph, mapping)
        inputs = {}
        for name in INPUTS:
            chosen, were = getattr(self, name), before.places.get(name, ())
            # One that goes to several places keeps them, unless another was chosen.
            inputs[name] = list(were) if were[:1] == (chosen,) else [chosen]
            if chosen in ("", _NONE):
                inputs[name] = []
        shown = [widget.place for widget in self.widgets if widget.shown]
        options = comfyui_workflow.options_at(path.stem, graph, shown)
        # What somebody wrote into the file of an option, such as its limits, stays.
        kept = {tuple(entry["places"]): entry for entry in mapping.get("options", ())}
        options = [kept.get(tuple(option["places"]), option) for option in options]
        library.write_mapping(path, {**mapping, "inputs": inputs, "options": options})
        catalog.reload()
        redraw.sidebars()
        return {"FINISHED"}


# ---- the inputs of a model that tells them by a schema -------------------------------------------

_BY_NAME, _NOTHING = "auto", "none"
_ROLES = (
    (_BY_NAME, "By Its Name", "What its name and its description say"),
    (_NOTHING, "Nothing", "It stays empty"),
    ("color", "View", "The view, or the image that is changed"),
    ("depth", "Depth", "The depth of the view"),
    ("normal", "Normals", "The normals of the view"),
    ("mask", "Mask", "Where the image may change, in white"),
    ("reference_1", "Reference 1", "The first reference image"),
    ("reference_2", "Reference 2", "The second reference image"),
    ("images", "All Images", "The view, its guides and the references, as a list"),
)


class GenAIInputField(PropertyGroup):
    """An input of a model that can take an image; `name` is the provider's own."""

    role: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Takes", description="What goes to this input of the model", items=_ROLES
    )


class GENAI_RENDER_OT_input_map(TellingOperator):
    """Choose which input of this model takes the view, its depth and normals, a mask or a \
reference"""

    bl_idname = "genai_render.input_map"
    bl_label = "Inputs"
    bl_options = {"INTERNAL"}

    model: StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]
    fields: CollectionProperty(type=GenAIInputField, options={"SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> Any:
        return attempt(self, lambda: self._ask(context))

    def _ask(self, context: bpy.types.Context) -> Any:
        model = catalog.catalog().model(self.model)
        own = catalog.own_input_maps().get(model.id, {})
        self.fields.clear()
        for one in input_maps.image_fields(model):
            field = self.fields.add()
            field.name = one.name
            field.role = (own[one.name] or _NOTHING) if one.name in own else _BY_NAME
        return context.window_manager.invoke_props_dialog(self, width=420)

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        model = catalog.catalog().models.get(self.model)
        if model is None:
            return
        layout.label(text=model.label, icon="NODETREE", translate=False)
        there = input_maps.found(model, self._roles())
        labels = {role: label for role, label, _ in _ROLES}
        column = layout.column()
        for field in self.fields:
            row = column.split(factor=0.42)
            row.label(text=field.name, translate=False)
            part = row.split(factor=0.6)
            part.prop(field, "role", text="")
            said = part.row()
            said.active = False
            if field.role == _BY_NAME:
                said.label(text=labels[there.get(field.name, _NOTHING)])

    def _roles(self) -> dict[str, str]:
        return {
            field.name: "" if field.role == _NOTHING else field.role
            for field in self.fields
            if field.role != _BY_NAME
        }

    def act(self, context: bpy.types.Context) -> set[str]:
        model, roles = catalog.catalog().model(self.model), self._roles()
        input_maps.check(model, roles)
        catalog.keep_input_map(model.id, roles)
        redraw.sidebars()
        redraw.preferences()
        return {"FINISHED"}


_CLASSES = (
    GENAI_RENDER_OT_own_server_add,
    GENAI_RENDER_OT_own_server_remove,
    GENAI_RENDER_OT_own_server_test,
    GENAI_RENDER_OT_workflow_add,
    GENAI_RENDER_OT_workflows_read,
    GenAIWorkflowWidget,
    GENAI_RENDER_UL_workflow_widgets,
    GENAI_RENDER_OT_workflow_map,
    GenAIInputField,
    GENAI_RENDER_OT_input_map,
)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
    _held.clear()
