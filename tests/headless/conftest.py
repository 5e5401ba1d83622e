# SPDX-License-Identifier: GPL-3.0-or-later
"""A clean Blender for each test."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Iterator
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")


@pytest.fixture(autouse=True)
def empty_file() -> None:
    """An empty file with factory settings: one scene, one view layer, nothing in it."""
    bpy.ops.wm.read_factory_settings(use_empty=True)


@pytest.fixture
def prefs() -> Iterator[Any]:
    """The preferences of the add-on, which is enabled for this test."""
    import genai_render.blender as ours
    from genai_render.blender import addon

    ours.register()
    entry = bpy.context.preferences.addons.new()
    entry.module = addon.PACKAGE
    yield addon.preferences()
    bpy.context.preferences.addons.remove(entry)
    ours.unregister()


def _let_blender_end() -> None:
    """Before 5.0 Blender keeps the functions of properties that were unregistered, and with them
    all that their module has imported. If that is bpy, the bpy module never ends as it should, and
    the process crashes when it is over."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("genai_render", "tests") and module is not None:
            vars(module).pop("bpy", None)


if bpy.app.version < (5, 0):
    atexit.register(_let_blender_end)
