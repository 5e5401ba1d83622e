# SPDX-License-Identifier: GPL-3.0-or-later
"""Test a connection, remove its key, and the list of the user's own servers."""

# Blender's stubs do not know a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from typing import Any

import bpy
from bpy.props import IntProperty, StringProperty

from ...core.errors import InvalidInput
from .. import addon, backend_settings, catalog, redraw
from ..connections import keys, plain_keys, providers
from ..panels.wrapping import wrapped
from ..translation import translated
from .reporting import TellingOperator, attempt


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
        one = providers.connection(self.endpoint)
        keys.test(
            self.endpoint, one.backend, backend_settings.for_connection(one, catalog.catalog())
        )
        return {"FINISHED"}


class GENAI_RENDER_OT_key_remove(_ConnectionOperator):
    """Take this key out of the system keyring"""

    bl_idname = "genai_render.key_remove"
    bl_label = "Remove Key"

    def act(self, context: bpy.types.Context) -> set[str]:
        keys.remove(
            self.endpoint,
            backend_settings.for_connection(providers.connection(self.endpoint), catalog.catalog()),
        )
        return {"FINISHED"}


class GENAI_RENDER_OT_plain_key_allow(_ConnectionOperator):
    """Send this server's key without encryption, after a warning"""

    bl_idname = "genai_render.plain_key_allow"
    bl_label = "Send the Key Unencrypted"
    _WIDTH = 420

    # What the user has read: another address or proxy by the time of OK is not what was allowed.
    way: StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> Any:
        return attempt(self, lambda: self._ask(context))

    def _ask(self, context: bpy.types.Context) -> Any:
        found = plain_keys.of_connection(providers.connection(self.endpoint))
        if found is None:
            return {"CANCELLED"}
        self.way = found.way
        return context.window_manager.invoke_props_dialog(
            self,
            width=self._WIDTH,
            title=translated(f"Send the key to {found.server}?"),
            confirm_text="Allow",
        )

    def draw(self, context: bpy.types.Context) -> None:
        found = plain_keys.of_connection(providers.connection(self.endpoint))
        if found is None:
            return
        layout = self.layout.column()
        told = f"With each request, {found.warning}"
        wrapped(layout, context, told, icon="ERROR", width=self._WIDTH)
        wrapped(
            layout,
            context,
            f"Allow it only on a network that you trust. It holds for {found.way} and nothing "
            "else: with another address you are asked again.",
            width=self._WIDTH,
        )

    def act(self, context: bpy.types.Context) -> set[str]:
        one = providers.connection(self.endpoint)
        found = plain_keys.of_connection(one)
        if found is None or found.way != self.way:
            raise InvalidInput(
                "The server's address has changed.", action="Read the warning again, and allow it."
            )
        one.plain_key = self.way
        keys.forget(self.endpoint)
        redraw.preferences()
        return {"FINISHED"}


class GENAI_RENDER_OT_plain_key_forbid(_ConnectionOperator):
    """Send this server's key no more, as long as it would go without encryption"""

    bl_idname = "genai_render.plain_key_forbid"
    bl_label = "Keep the Key Here"

    def act(self, context: bpy.types.Context) -> set[str]:
        providers.connection(self.endpoint).plain_key = ""
        keys.forget(self.endpoint)
        redraw.preferences()
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
            providers.connection(endpoint).models = ", ".join(names)

        keys.ask_models(
            endpoint,
            server.backend,
            backend_settings.for_connection(server, catalog.catalog()),
            fill,
        )
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
    GENAI_RENDER_OT_plain_key_allow,
    GENAI_RENDER_OT_plain_key_forbid,
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
