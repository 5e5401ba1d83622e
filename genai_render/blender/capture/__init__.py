# SPDX-License-Identifier: GPL-3.0-or-later
"""From the scene to a Canvas: colour, depth and normals of one view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core import lazy

if TYPE_CHECKING:
    from collections.abc import Callable

    import bpy

    from ...core.view.canvas import Canvas
    from .camera import camera_aspect
    from .spec import CaptureSpec

__all__ = ["CaptureSpec", "camera_aspect", "capture", "viewport_aspect"]

_submodule = lazy.submodules(__name__)


def __getattr__(name: str) -> Any:
    """Loaded when it is first used: Blender starts without it."""
    if name == "CaptureSpec":
        return _submodule("spec").CaptureSpec
    if name == "camera_aspect":
        return _submodule("camera").camera_aspect
    return _submodule(name)


def capture(
    context: bpy.types.Context,
    spec: CaptureSpec,
    progress: Callable[[float], None] | None = None,
) -> Canvas:
    """Capture the context's scene at its current frame. The file is as before, however this ends.

    progress: called with 0 to 1, maybe from another thread, while Blender renders.

    Raises SceneError for a scene that cannot be captured: without a camera, with a panoramic one,
    or with nothing in sight.
    """
    if spec.source == "viewport":
        from .background_viewport import capture_viewport

        return capture_viewport(context, spec)
    from .passes import capture_camera

    return capture_camera(context, spec, progress)


def viewport_aspect(context: bpy.types.Context) -> float:
    """Width over height of what a 3D Viewport frames. Raises SceneError where there is none."""
    from .background_viewport import frame_aspect

    return frame_aspect(context)
