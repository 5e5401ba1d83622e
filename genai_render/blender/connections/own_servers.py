# SPDX-License-Identifier: GPL-3.0-or-later
"""ComfyUI and A1111 servers of the user's own in the preferences, the models that they bring, and
how each is at the moment.

Where they are is kept in Blender's preferences, or said by the environment; never in a scene.
"""

# Blender's stubs do not know a type's own members.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import PropertyGroup

from ...backends.base import BACKENDS, of_kind
from ...backends.http.settings import BackendSettings, Endpoint, is_loopback
from ...backends.self_hosted import servers, status
from ...backends.self_hosted.comfyui import library
from ...backends.self_hosted.errors import ServerGone
from ...core import catalog
from ...core.catalog import Catalog
from ...core.credentials import origin_of
from ...core.errors import GenAIError
from ...core.events import CancelToken
from .. import redraw
from . import keys, providers

_LOOK_SECONDS = 2.0
_TICK_SECONDS = 0.25


def _models_changed(self: Any, context: bpy.types.Context) -> None:
    from ..settings import properties

    keys.forget(self.endpoint)
    properties.reload_catalog()


def _renamed(self: Any, context: bpy.types.Context) -> None:
    prefs = providers._preferences()
    taken = {other.endpoint for other in prefs.own_servers if other != self}
    base = self.name.strip().replace(":", " ") or "Server"
    name, number = base, 2
    while servers.endpoint_name(self.kind, name) in taken:
        name, number = f"{base} {number}", number + 1
    if name != self.name:
        self.name = name  # which brings us here again
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

    def to_endpoint(self, prefs: Any) -> Endpoint:
        made = providers.plain_endpoint(prefs)
        address = self.base_url.strip().rstrip("/") or usual_address(self.kind)
        address = address if "://" in address else f"http://{address}"
        return replace(made, base_url=address, needs_key=False)


CLASSES = (GenAIOwnServer,)


def usual_address(kind: str) -> str:
    """Where a server of that kind is if nobody says otherwise."""
    return BACKENDS[kind].usual_address


# ---- what they bring ---------------------------------------------------------------------------


def endpoints(prefs: Any, kind: str) -> dict[str, Endpoint]:
    """Of the servers of that kind that are used. Raises InvalidInput for a bad address."""
    return {
        server.endpoint: server.to_endpoint(prefs)
        for server in prefs.own_servers
        if server.kind == kind and server.use
    }


def own_settings(kind: str) -> BackendSettings:
    """For the servers of one kind. Raises InvalidInput for a bad address."""
    prefs = providers._preferences()
    known = {} if prefs is None else endpoints(prefs, kind)
    return BackendSettings(
        online_access=bpy.app.online_access, endpoints=known, credentials=keys.credentials
    )


def workflow_folder(prefs: Any, create: bool = False) -> Path | None:
    """The one that the environment or the preferences name, else one of the add-on's own.

    None where that is not there yet. Raises StorageError if it cannot be made.
    """
    from ..preferences import user_folder

    said = os.environ.get(servers.WORKFLOWS_VARIABLE, "").strip()
    if said:
        return Path(said)
    if prefs is not None and prefs.workflow_folder:
        return Path(bpy.path.abspath(prefs.workflow_folder))
    folder = user_folder("workflows", create)
    return folder if folder.is_dir() else None


_problems: list[GenAIError] = []


def with_models(known: Catalog, prefs: Any) -> Catalog:
    """With the models of the kinds of servers that there are: without a server, none."""
    _problems.clear()
    for kind in servers.KINDS:
        try:
            found = servers.from_environment(kind)
            if not found and prefs is not None:
                found = endpoints(prefs, kind)
            addresses = [endpoint.base_url for endpoint in found.values()]
            online = not all(map(_is_here, addresses))
        except GenAIError as error:
            _problems.append(error)
            continue
        if not addresses:
            continue
        if kind == "comfyui":
            known, problems = library.with_workflows(
                known, workflow_folder(prefs), online, addresses[0]
            )
            _problems.extend(problems)
        else:
            own = catalog.load([catalog.DATA / "a1111.toml"]).models.values()
            known = known.plus(
                replace(model, online=online, price=library.OWN_PRICE)
                for model in own
                if model.backend == kind
            )
    return known


def _is_here(address: str) -> bool:
    host = origin_of(address).partition("://")[2]
    return is_loopback(host.rpartition(":")[0] if ":" in host else host)


def problems() -> list[GenAIError]:
    """What is wrong with addresses and workflow files, as of the last look."""
    return list(_problems)


# ---- how they are ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """A server's state in words. For an error, text is a word or two, and `todo` the rest."""

    text: str
    is_error: bool
    when: float
    todo: str = ""


_shown: dict[str, Shown] = {}
_looking: dict[str, tuple[threading.Thread, CancelToken]] = {}
_news = False


def state_of(kind: str, name: str, settings: BackendSettings) -> Shown | None:
    """How a server is; None until it has answered for the first time. Never waits: it is asked by
    a thread every few seconds, as long as somebody looks."""
    which = servers.endpoint_name(kind, name)
    known = _shown.get(which)
    if which not in _looking and (known is None or time.monotonic() - known.when > _LOOK_SECONDS):
        cancel = CancelToken()
        only = replace(settings, endpoints={which: servers.endpoints_of(settings, kind)[name]})
        thread = threading.Thread(
            target=_look, args=(kind, which, only, cancel), name="genai-server-status"
        )
        _looking[which] = thread, cancel
        thread.start()
        if not bpy.app.timers.is_registered(_tick):
            bpy.app.timers.register(_tick, first_interval=_TICK_SECONDS, persistent=True)
    return known


def _look(kind: str, which: str, settings: BackendSettings, cancel: CancelToken) -> None:
    """In the thread."""
    global _news
    try:
        (server,) = [
            server
            for server in servers.servers_of(settings, kind)
            if servers.endpoint_name(kind, server.name) == which
        ]
        told = status.look(server, cancel, settings.online_access).text
        shown = Shown(told, False, time.monotonic())
    except GenAIError as error:
        if isinstance(error, ServerGone):
            shown = Shown("Not there", True, time.monotonic(), error.action)
        else:
            shown = Shown("Trouble", True, time.monotonic(), error.text)
    except Exception as failure:
        shown = Shown("Trouble", True, time.monotonic(), f"({type(failure).__name__})")
    _shown[which] = shown
    _looking.pop(which, None)
    _news = True


def _tick() -> float | None:
    global _news
    if _news:
        _news = False
        redraw.sidebars()
        redraw.preferences()
    # What is looked at is drawn again after a while, which asks anew.
    newest = max((shown.when for shown in _shown.values()), default=0.0)
    if not _looking and time.monotonic() - newest > _LOOK_SECONDS:
        redraw.sidebars()
        return None
    return _TICK_SECONDS


# ---- in the preferences ------------------------------------------------------------------------


def draw(layout: Any, context: Any, prefs: Any) -> None:
    from ..panels import servers as panel

    panel.draw_preferences(layout, context, prefs)


def register() -> None:
    from ..operators import servers as operators

    operators.register()


def unregister() -> None:
    from ..operators import servers as operators

    operators.unregister()
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    for thread, cancel in list(_looking.values()):
        cancel.cancel()
        thread.join(5.0)
    _looking.clear()
    _shown.clear()
    _problems.clear()
