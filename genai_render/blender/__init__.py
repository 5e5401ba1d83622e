# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that touches Blender: the only folder that imports bpy, on the main thread only."""

from __future__ import annotations

import contextlib

from ..core import log
from ..core.errors import GenAIError
from . import addon, cli, keymaps, operators, panels, preferences, render_engine, translation
from .jobs import history_news, result_image
from .settings import options, scene_settings, stored_properties, window_state
from .viewport import drawn_color, gizmos, live_preview, overlay, projection, viewport_rest

# In the order of registering; taken away in reverse.
_MODULES = (
    translation,
    preferences,
    cli,
    scene_settings,
    window_state,
    options,
    projection,
    history_news,
    result_image,
    render_engine,
    overlay,
    operators,
    gizmos,
    panels,
    keymaps,
    viewport_rest,
    drawn_color,
    live_preview,
    stored_properties,
)


def register() -> None:
    """Raises what a module raised, with those before it taken away again."""
    with contextlib.suppress(GenAIError):  # without a folder of its own, there is no log
        log.keep_in(addon.user_folder("log", create=False))
    done = []
    try:
        for module in _MODULES:
            module.register()
            done.append(module)
    except Exception:
        for module in reversed(done):
            module.unregister()
        addon.discard_all()
        raise


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
    addon.discard_all()
    log.close()
