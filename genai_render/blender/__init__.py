# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that touches Blender: the only folder that imports bpy, on the main thread only."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

from ..core import lazy, log
from ..core.errors import GenAIError

__getattr__ = lazy.submodules(__name__)


def _modules() -> tuple[Any, ...]:
    """In the order of registering; taken away in reverse.

    Named in here, so that what they import of this folder is loaded no sooner than it is used.
    """
    from . import cli, keymaps, operators, panels, preferences, render_engine, translation
    from .jobs import history_news, result_image
    from .settings import model_rows, options, scene_settings, stored_properties, window_state
    from .viewport import gizmos, live_preview, live_render, overlay, projection, viewport_rest

    return (
        translation,
        preferences,
        cli,
        scene_settings,
        window_state,
        model_rows,
        options,
        projection,
        history_news,
        result_image,
        render_engine,
        overlay,
        live_render,
        operators,
        gizmos,
        panels,
        keymaps,
        viewport_rest,
        live_preview,
        stored_properties,
    )


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Classes are made by the hundred and all are kept: to look for garbage among them, and among
    all that Blender has loaded, takes a tenth of the start and finds nothing."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


def register() -> None:
    """Raises what a module raised, with those before it taken away again."""
    from . import addon

    with contextlib.suppress(GenAIError):  # without a folder of its own, there is no log
        log.keep_in(addon.user_folder("log", create=False))
    done = []
    try:
        with _no_collection():
            for module in _modules():
                module.register()
                done.append(module)
    except Exception:
        for module in reversed(done):
            module.unregister()
        addon.discard_all()
        raise


def unregister() -> None:
    from . import addon

    for module in reversed(_modules()):
        module.unregister()
    addon.discard_all()
    log.close()
