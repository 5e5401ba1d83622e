# SPDX-License-Identifier: GPL-3.0-or-later
"""Test a connection, remove its key, and the list of the user's own servers."""

# Blender's stubs do not know a type's own members.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

from typing import Any

import bpy
from bpy.props import IntProperty, StringProperty

from .. import addon, catalog, redraw
from ..backend_settings import for_connection
from ..connections import keys
from ..connections.providers import connection
from ..translation import translated
from .reporting import TellingOperator


def _servers() -> Any:
    prefs = addon.preferences()
    assert prefs is not None, "the preferences show these buttons"
    return prefs.servers


class _ConnectionOperator(TellingOperator):
    bl_options = {"INTERNAL"}

    endpoint: StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]


class GENAI_RENDER_OT_test_access(_ConnectionOperator):
    """Ask the server whether it takes the key, which costs nothing"""

    bl_idname = "genai_render.test_access"
    bl_label = "Test"

    def act(self, context: bpy.types.Context) -> set[str]:
        one = connection(self.endpoint)
        keys.test(self.endpoint, one.backend, for_connection(one, catalog.catalog()))
        return {"FINISHED"}


class GENAI_RENDER_OT_key_remove(_ConnectionOperator):
    """Take this key out of the system keyring"""

    bl_idname = "genai_render.key_remove"
    bl_label = "Remove Key"

    def act(self, context: bpy.types.Context) -> set[str]:
        keys.remove(self.endpoint, for_connection(connection(self.endpoint), catalog.catalog()))
        return {"FINISHED"}


class GENAI_RENDER_OT_server_add(TellingOperator):
    """Add a server that speaks OpenAI's image API: LocalAI, vLLM, SGLang, a gateway and others"""

    bl_idname = "genai_render.server_add"
    bl_label = "Add Compatible Server"
    bl_options = {"INTERNAL"}

    def act(self, context: bpy.types.Context) -> set[str]:
        _servers().add().name = "Server"
        return {"FINISHED"}


class _ServerOperator(TellingOperator):
    bl_options = {"INTERNAL"}

    index: IntProperty(options={"HIDDEN", "SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]


class GENAI_RENDER_OT_server_remove(_ServerOperator):
    """Take this server out of the list. A key of its own stays in the system keyring"""

    bl_idname = "genai_render.server_remove"
    bl_label = "Remove Server"

    def act(self, context: bpy.types.Context) -> set[str]:
        _servers().remove(self.index)
        catalog.reload()
        return {"FINISHED"}


class GENAI_RENDER_OT_server_models(_ServerOperator):
    """Ask the server for the names of its models"""

    bl_idname = "genai_render.server_models"
    bl_label = "Ask for Models"

    def act(self, context: bpy.types.Context) -> set[str]:
        server = _servers()[self.index]
        endpoint = server.endpoint

        def fill(names: list[str]) -> None:
            connection(endpoint).models = ", ".join(names)

        keys.ask_models(endpoint, server.backend, for_connection(server, catalog.catalog()), fill)
        return {"FINISHED"}


class GENAI_RENDER_OT_allow_online_access(TellingOperator):
    """Turn on Allow Online Access in Blender's preferences, for all its extensions"""

    bl_idname = "genai_render.allow_online_access"
    bl_label = "Allow Online Access"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if bpy.app.online_access_override:
            cls.poll_message_set(
                translated("Blender was started with --offline-mode: start it without", "tooltips")
            )
            return False
        if bpy.app.online_access:
            cls.poll_message_set(translated("It is allowed already", "tooltips"))
            return False
        return True

    def act(self, context: bpy.types.Context) -> set[str]:
        context.preferences.system.use_online_access = True
        redraw.sidebars()
        return {"FINISHED"}


_CLASSES = (
    GENAI_RENDER_OT_allow_online_access,
    GENAI_RENDER_OT_test_access,
    GENAI_RENDER_OT_key_remove,
    GENAI_RENDER_OT_server_add,
    GENAI_RENDER_OT_server_remove,
    GENAI_RENDER_OT_server_models,
)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
