# SPDX-License-Identifier: GPL-3.0-or-later
"""A clean Blender for each test."""

from __future__ import annotations

import pytest

bpy = pytest.importorskip("bpy")


@pytest.fixture(autouse=True)
def empty_file() -> None:
    """An empty file with factory settings: one scene, one view layer, nothing in it."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
