# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that touches Blender: the only folder that imports bpy, on the main thread only."""

from __future__ import annotations

from . import (
    cli,
    gizmos,
    history_view,
    keymaps,
    keys,
    live_canvas,
    operators,
    overlay,
    panels,
    preferences,
    previews,
    projection,
    properties,
    server_preferences,
    session,
    view_capture,
    viewport_rest,
)

# In the order of registering; taken away in reverse.
_MODULES = (
    preferences,
    cli,
    keys,
    previews,
    properties,
    server_preferences,
    projection,
    view_capture,
    session,
    history_view,
    overlay,
    operators,
    gizmos,
    panels,
    keymaps,
    viewport_rest,
    live_canvas,
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
