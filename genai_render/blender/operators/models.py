# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose a model: from a pop-up, by search, or by id; mark it; ask the providers for theirs."""

# Blender's stubs do not know a type's own members.
# pyright: reportAttributeAccessIssue=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from typing import Any

import bpy
from bpy.props import EnumProperty, StringProperty

from ...backends.self_hosted import servers
from ...core.models import catalog as catalog_files
from .. import addon, backend_settings, catalog, redraw
from ..connections import model_access, model_refresh
from ..connections.providers import connection
from ..jobs import model_facts
from ..panels import model_picker
from ..settings import choices, model_rows, scene_settings
from ..settings.model_marks import marks
from ..translation import translated
from .reporting import TellingOperator, attempt, open_folder


class GENAI_RENDER_OT_pick_model(TellingOperator):
    """Choose what makes the image"""

    bl_idname = "genai_render.pick_model"
    bl_label = "Choose Model"
    bl_options = {"REGISTER"}
    _width = 0

    @classmethod
    def description(cls, context: bpy.types.Context, properties: Any) -> str:
        model = choices.known_model(scene_settings.settings(context))
        return "Choose what makes the image" if model is None else model_facts.about(context, model)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        def ask() -> Any:
            model_access.look_up_all()
            model_rows.rows().search = ""
            model_rows.fill()
            self._width = model_picker.width(context)
            return context.window_manager.invoke_popup(self, width=self._width)

        return attempt(self, ask)

    def draw(self, context: bpy.types.Context) -> None:
        model_picker.draw(self.layout, context, self._width)

    def act(self, context: bpy.types.Context) -> set[str]:
        return {"FINISHED"}


class _ModelOperator(TellingOperator):
    model: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Model", description="The id of a model", options={"SKIP_SAVE"}
    )


class GENAI_RENDER_OT_use_model(_ModelOperator):
    """Make images with this model"""

    bl_idname = "genai_render.use_model"
    bl_label = "Use Model"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def description(cls, context: bpy.types.Context, properties: Any) -> str:
        model = catalog.catalog().models.get(properties.model)
        return "" if model is None else model_facts.about(context, model)

    def act(self, context: bpy.types.Context) -> set[str]:
        model = catalog.catalog().model(self.model)
        choices.MODEL.choose(scene_settings.settings(context), model.id)
        redraw.popup(context)
        redraw.sidebars()
        return {"FINISHED"}


_found: list[tuple[str, str, str, str, int]] = []  # Blender keeps no copy of an enum's texts


def _search_items(self: Any, context: bpy.types.Context | None) -> list[Any]:
    if context is None:
        return _found
    items = [
        (
            model.id,
            f"{model.label}  ·  {model_facts.price(context, model)}",
            model.description,
            "LOCKED" if model_access.needs_key(model) else "URL" if model.online else "DISK_DRIVE",
            number,
        )
        for number, model in enumerate(catalog.catalog().offered().values())
    ]
    if items != _found:
        _found[:] = items
    return _found


class GENAI_RENDER_OT_search_model(TellingOperator):
    """Choose a model by typing a part of its name"""

    bl_idname = "genai_render.search_model"
    bl_label = "Search Model"
    bl_options = {"REGISTER", "UNDO"}
    bl_property = "model"

    model: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Model", description="What makes the image", items=_search_items
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}

    def act(self, context: bpy.types.Context) -> set[str]:
        choices.MODEL.choose(scene_settings.settings(context), self.model)
        redraw.sidebars()
        return {"FINISHED"}


class GENAI_RENDER_OT_favourite_model(_ModelOperator):
    """Mark this model as a favorite, or take the mark away"""

    bl_idname = "genai_render.favourite_model"
    bl_label = "Favorite Model"
    bl_options = {"REGISTER"}

    def act(self, context: bpy.types.Context) -> set[str]:
        chosen = choices.MODEL.id_of(scene_settings.settings(context))
        marks().toggle(catalog.catalog().model(self.model or chosen).id)
        model_rows.fill()
        redraw.popup(context)
        redraw.sidebars()
        return {"FINISHED"}


class GENAI_RENDER_OT_refresh_models(TellingOperator):
    """Ask every provider that has a key for the models that it has now, and your own servers for \
their checkpoints, samplers and nodes, and keep the lists. It costs nothing"""

    bl_idname = "genai_render.refresh_models"
    bl_label = "Refresh Models"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if model_refresh.state().running:
            cls.poll_message_set(translated("The providers are being asked already"))
            return False
        if not bpy.app.online_access and not _has_servers_here():
            how = backend_settings.how_to_allow().rstrip(".")
            cls.poll_message_set(translated(f"The lists of models need the network. {how}"))
            return False
        return True

    def act(self, context: bpy.types.Context) -> set[str]:
        model_refresh.state().start()
        redraw.popup(context)
        return {"FINISHED"}


def _has_servers_here() -> bool:
    """Servers of the user's own on this computer, which need no network."""
    known = catalog.catalog().models.values()
    return any(model.backend in servers.KINDS and not model.online for model in known)


class GENAI_RENDER_OT_stop_refresh(TellingOperator):
    """Ask no more providers. What was answered so far is kept"""

    bl_idname = "genai_render.stop_refresh"
    bl_label = "Stop"
    bl_options = {"INTERNAL"}

    def act(self, context: bpy.types.Context) -> set[str]:
        model_refresh.state().cancel()
        return {"FINISHED"}


class GENAI_RENDER_OT_open_packs(TellingOperator):
    """Show the folder in which files with models, styles and providers of your own are found \
without being named anywhere"""

    bl_idname = "genai_render.open_packs"
    bl_label = "Open Packs Folder"
    bl_options = {"REGISTER"}

    def act(self, context: bpy.types.Context) -> set[str]:
        return open_folder(context, addon.user_folder(catalog_files.PACKS_FOLDER))


class GENAI_RENDER_OT_read_models(TellingOperator):
    """Read the files with models, styles and providers again, after one was added or changed"""

    bl_idname = "genai_render.read_models"
    bl_label = "Read Packs Again"
    bl_options = {"REGISTER"}

    def act(self, context: bpy.types.Context) -> set[str]:
        catalog.reload()
        redraw.sidebars()
        problem = catalog.models_problem()
        self.report({"ERROR"} if problem else {"INFO"}, problem or _counted())
        return {"FINISHED"}


def _counted() -> str:
    known = catalog.catalog()
    return f"{len(known.offered())} models and {len(known.styles)} styles"


class GENAI_RENDER_OT_enter_key(TellingOperator):
    """Show this provider in the add-on's preferences, where its key is entered"""

    bl_idname = "genai_render.enter_key"
    bl_label = "Enter Key"
    bl_options = {"REGISTER"}

    provider: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Provider", options={"HIDDEN", "SKIP_SAVE"}
    )

    def act(self, context: bpy.types.Context) -> set[str]:
        prefs = addon.preferences()
        if prefs is not None:
            prefs.show = "SERVICES"
            model_access.look_up_all()
            connection(self.provider).show_server = True
        return bpy.ops.preferences.addon_show(module=addon.PACKAGE)  # pyright: ignore[reportReturnType]


_CLASSES = (
    GENAI_RENDER_OT_pick_model,
    GENAI_RENDER_OT_use_model,
    GENAI_RENDER_OT_search_model,
    GENAI_RENDER_OT_favourite_model,
    GENAI_RENDER_OT_refresh_models,
    GENAI_RENDER_OT_stop_refresh,
    GENAI_RENDER_OT_open_packs,
    GENAI_RENDER_OT_read_models,
    GENAI_RENDER_OT_enter_key,
)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
    _found.clear()
