# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that touches Blender: the only folder that imports bpy, on the main thread only."""

from __future__ import annotations

from . import cli, keymaps, operators, panels, preferences
from .capture import viewport
from .connections import keys, own_servers
from .jobs import history_page, session
from .settings import properties, thumbnails
from .viewport import gizmos, live_preview, overlay, projection

# In the order of registering; taken away in reverse.
_MODULES = (
    preferences,
    cli,
    keys,
    thumbnails,
    properties,
    own_servers,
    projection,
    viewport,
    session,
    history_page,
    overlay,
    operators,
    gizmos,
    panels,
    keymaps,
    live_preview,
)


def register() -> None:
    """Raises what a module raised, with those before it taken away again."""
    done = []
    try:
        for module in _MODULES:
            module.register()
            done.append(module)
    except Exception:
        for module in reversed(done):
            module.unregister()
        raise


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
