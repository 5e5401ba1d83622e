# SPDX-License-Identifier: GPL-3.0-or-later
"""ComfyUI and A1111 servers of the user's own in the preferences.

Where they are is kept in Blender's preferences, or said by the environment; never in a scene.
"""

# Blender's stubs do not know a type's own members.
# pyright: reportAttributeAccessIssue=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import PropertyGroup

from ...backends.base import BACKENDS, of_kind
from ...backends.self_hosted import servers
from .. import addon, backend_settings, catalog
from . import keys, providers

if TYPE_CHECKING:
    from ...backends.http.settings import Endpoint


def _models_changed(self: Any, context: bpy.types.Context) -> None:
    keys.forget(self.endpoint)
    catalog.reload()


def _renamed(self: Any, context: bpy.types.Context) -> None:
    prefs = addon.preferences()
    assert prefs is not None, "a server stands in the preferences"
    taken = {other.endpoint for other in prefs.own_servers if other != self}
    free = providers.free_name(
        self.name.strip().replace(":", " ") or "Server",
        lambda name: servers.endpoint_name(self.kind, name) in taken,
    )
    if free != self.name:
        self.name = free  # which brings us here again
        return
    _models_changed(self, context)


class GenAIOwnServer(providers.Connection, PropertyGroup):
    """A server that runs ComfyUI or has A1111's API."""

    kind: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Kind",
        items=[(row.id, row.label, row.description) for row in of_kind("self-hosted")],
        update=_renamed,
    )
    name: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Name", description="What you call this server", update=_renamed
    )
    base_url: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Address",
        description="Where the server is. Empty for its usual port on this computer",
        update=_models_changed,
    )
    use: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Use",
        description="Give jobs to this server",
        default=True,
        update=_models_changed,
    )

    @property
    def endpoint(self) -> str:
        return servers.endpoint_name(self.kind, self.name)

    @property
    def backend(self) -> str:
        return self.kind

    def to_endpoint(self, prefs: Any) -> "Endpoint":
        address = self.base_url.strip().rstrip("/") or usual_address(self.kind)
        address = address if "://" in address else f"http://{address}"
        return replace(
            backend_settings.plain_endpoint(prefs),
            base_url=address,
            needs_key=False,
            plain_key=self.plain_key,
        )


CLASSES = (GenAIOwnServer,)


def usual_address(kind: str) -> str:
    """Where a server of that kind is if nothing else is said."""
    return BACKENDS[kind].usual_address
