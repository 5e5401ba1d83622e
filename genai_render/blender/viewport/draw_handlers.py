# SPDX-License-Identifier: GPL-3.0-or-later
"""What of ours Blender calls while it draws a 3D Viewport."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import bpy

from .. import addon

Stage = Literal["PRE_VIEW", "POST_VIEW", "POST_PIXEL"]
"""PRE_VIEW: before the scene; the framebuffer holds the scene as it was drawn the last time, in
linear light. POST_VIEW: after the scene and Blender's overlays, in a layer of their own; the
camera's border and passepartout and the gizmos come over it. POST_PIXEL: over all of them.
"""


class _Handlers:
    def __init__(self) -> None:
        self._handles: list[Any] = []

    def add(self, draw: Callable[[], None], stage: Stage) -> None:
        add = bpy.types.SpaceView3D.draw_handler_add
        self._handles.append(add(draw, (), "WINDOW", stage))

    def close(self) -> None:
        for handle in self._handles:
            bpy.types.SpaceView3D.draw_handler_remove(handle, "WINDOW")
        self._handles.clear()


def add(draw: Callable[[], None], stage: Stage) -> None:
    """Call `draw` for each region of a viewport until the add-on is disabled."""
    if not bpy.app.background:
        addon.state(_Handlers).add(draw, stage)
