# SPDX-License-Identifier: GPL-3.0-or-later
"""How the user's own servers are: asked in the background, as long as somebody looks."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import bpy

from ...backends.self_hosted import servers
from ...core import log
from ...core.errors import GenAIError
from ...core.events import CancelToken
from .. import addon, background, redraw

if TYPE_CHECKING:
    from ...backends.http.settings import BackendSettings

_FRESH_SECONDS = 2.0  # how long an answer stands


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """A server's state in words. For an error, text is a word or two, and `todo` the rest."""

    text: str
    is_error: bool
    when: float
    todo: str = ""


class ServerStatuses:
    """known: by endpoint. asking: those that have not answered yet."""

    def __init__(self) -> None:
        self.known: dict[str, ServerStatus] = {}
        self.asking: dict[str, CancelToken] = {}
        # One object: Blender knows a timer by its address. Drawing the panel again asks again, if
        # the panel is seen.
        self._look_again = redraw.sidebars

    def answered(self, endpoint: str, status: ServerStatus) -> None:
        self.known[endpoint] = status
        self.asking.pop(endpoint, None)
        redraw.sidebars()
        redraw.preferences()
        if not bpy.app.timers.is_registered(self._look_again):
            bpy.app.timers.register(
                self._look_again, first_interval=_FRESH_SECONDS + 0.1, persistent=True
            )

    def close(self) -> None:
        if bpy.app.timers.is_registered(self._look_again):
            bpy.app.timers.unregister(self._look_again)
        for cancel in self.asking.values():
            cancel.cancel()


def server_status(kind: str, name: str, settings: BackendSettings) -> ServerStatus | None:
    """How a server is; None until it has answered for the first time. Never waits."""
    statuses = addon.state(ServerStatuses)
    endpoint = servers.endpoint_name(kind, name)
    known = statuses.known.get(endpoint)
    if endpoint in statuses.asking:
        return known
    if known is not None and time.monotonic() - known.when < _FRESH_SECONDS:
        return known
    cancel = statuses.asking[endpoint] = CancelToken()
    only = replace(settings, endpoints={endpoint: servers.endpoints_of(settings, kind)[name]})

    background.run(
        lambda: _ask(kind, name, only, cancel),
        lambda answer: statuses.answered(endpoint, answer),
    )
    return known


def _ask(kind: str, name: str, settings: BackendSettings, cancel: CancelToken) -> ServerStatus:
    """In the background."""
    from ...backends.self_hosted import status
    from ...backends.self_hosted.errors import ServerGone

    try:
        server = next(one for one in servers.servers_of(settings, kind) if one.name == name)
        told = status.look(server, cancel, settings.online_access).text
        return ServerStatus(told, False, time.monotonic())
    except ServerGone as error:
        return ServerStatus("Not there", True, time.monotonic(), error.action)
    except GenAIError as error:
        return ServerStatus("Trouble", True, time.monotonic(), error.text)
    except Exception as failure:
        log.fault(f"The status of {name}", failure)
        return ServerStatus("Trouble", True, time.monotonic(), f"({type(failure).__name__})")
