# SPDX-License-Identifier: GPL-3.0-or-later
"""How a server of the user's own is: how much it has to do, how much memory is left."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.events import CancelToken
from .a1111_client import A1111Client
from .comfyui.client import ComfyClient
from .servers import Server

_READ_TIMEOUT = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Status:
    """length: jobs that run and wait. Memory in bytes, of the graphics card where there is one; 0
    where the server does not say."""

    length: int
    memory_free: int = 0
    memory_total: int = 0

    @property
    def text(self) -> str:
        """For people, short enough for a sidebar: "2 in queue, 18 GB free"."""
        queue = f"{self.length} in queue" if self.length else "Idle"
        if not self.memory_total:
            return queue
        free = self.memory_free / 2**30
        return f"{queue}, {free:.1f} GB free" if free < 9.5 else f"{queue}, {free:.0f} GB free"


def look(server: Server, cancel: CancelToken, online_access: bool) -> Status:
    """Ask a server. Raises what its client does, within some seconds."""
    if server.kind == "comfyui":
        with ComfyClient(
            server.where, server.label, cancel, online_access, _READ_TIMEOUT
        ) as client:
            load = client.load()
        return Status(load.length, load.memory_free, load.memory_total)
    if server.kind == "model3d":
        from .model_server import ask  # it has no queue to look into

        ask(server, cancel, online_access, _READ_TIMEOUT)
        return Status(0)
    with A1111Client(server, cancel, online_access, _READ_TIMEOUT) as client:
        return Status(client.jobs(), *client.memory())
