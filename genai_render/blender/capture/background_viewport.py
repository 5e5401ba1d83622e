# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture of a 3D Viewport just as it looks, also in background where Blender can (5.2 and later).

In background, the windows of the file exist without being shown, and so does its 3D Viewport with
all its settings: the same drawing as in a window works there, once there is a GPU context.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import bpy

from ...core.errors import SceneError
from ...core.framing import AUTO, Size
from . import camera as camera_frame
from . import missing_files, passes, placing, viewport, viewport_frame
from .gpu_probe import find_gpu

if TYPE_CHECKING:
    from ...core.view.canvas import Canvas, View
    from ...core.view.placement import Placement
    from .spec import CaptureSpec


def capture_viewport(context: bpy.types.Context, spec: CaptureSpec) -> Canvas:
    """Draw the largest 3D Viewport of the file's first window, or the context's own.

    It is seen from where it looks, or through the camera that the spec names, with its shading but
    without overlays. The viewport's settings are as before afterwards. Raises SceneError where
    nothing can be drawn, or nothing is in sight.
    """
    _need_gpu()
    area, region, space = _find_view(context)
    windows = context.window_manager.windows
    window = next(
        (window for window in windows if area in window.screen.areas.values()), context.window
    )
    with context.temp_override(window=window, area=area, region=region):
        here = bpy.context
        if spec.view is not None:
            frame = _of_view(spec, spec.view, camera_frame.unit_metres(context.scene))
        elif spec.placed is not None:
            frame = _of_placed(spec, spec.placed)
        elif spec.camera is None:
            frame = viewport_frame.frame(here, area, region, space, spec.aspect)
        else:
            frame = _camera(here, spec)
        canvas = viewport.to_canvas(
            viewport.draw(here, space, region, frame, Size(spec.width, spec.height), ids=spec.ids)
        )
    canvas = replace(canvas, notices=tuple(missing_files.notices(context.scene)))
    if not canvas.covered.any():
        raise SceneError(
            "The 3D Viewport sees nothing.",
            "No surface is in its view.",
            "Turn it to an object, or capture a camera instead.",
        )
    return _in_metres(canvas, camera_frame.unit_metres(context.scene))


def frame_aspect(context: bpy.types.Context) -> float:
    """Width over height of what that viewport frames. Raises SceneError where there is none."""
    area, region, space = _find_view(context)
    return viewport_frame.aspect_of(context, area, region, space, AUTO)


def _find_view(
    context: bpy.types.Context,
) -> tuple[bpy.types.Area, bpy.types.Region, bpy.types.SpaceView3D]:
    view = viewport_frame.find_view(context)
    if view is None:
        raise SceneError(
            "There is no 3D Viewport to capture.",
            "The file's window shows none." if context.window_manager.windows else "",
            "Capture a camera instead, or open a 3D Viewport and save the file.",
        )
    return view


def _need_gpu() -> None:
    if not bpy.app.background:
        return
    import gpu

    if not hasattr(gpu, "init"):
        raise SceneError(
            "This Blender cannot draw a 3D Viewport in background.",
            "Blender 5.2 is the first that can.",
            "Capture a camera instead.",
        )
    if not find_gpu().usable:
        raise SceneError(
            "A 3D Viewport cannot be drawn here.",
            "Blender finds no GPU driver.",
            "Install one (on Debian: libegl1 and libgl1-mesa-dri), or capture a camera instead.",
        )
    gpu.init()


def _camera(context: bpy.types.Context, spec: CaptureSpec) -> viewport_frame.Frame:
    camera = passes.find_camera(context.scene, spec.camera)
    camera_frame.check_camera(camera)
    depsgraph = context.evaluated_depsgraph_get()
    seen = camera.evaluated_get(depsgraph)
    frame = camera_frame.frame_of(seen, depsgraph, camera_frame.render_shape(context.scene.render))
    frame = frame.fitted(spec.aspect, spec.fit, spec.position)
    return viewport_frame.Frame(
        0,
        0,
        spec.width,
        spec.height,
        camera_frame.world_matrix(seen).inverted(),
        frame.projection(),
        camera.name,
    )


def _of_view(spec: CaptureSpec, view: View, metres: float) -> viewport_frame.Frame:
    world, frame = camera_frame.of_view(view, metres)
    frame = frame.fitted(spec.aspect, spec.fit)
    return viewport_frame.Frame(0, 0, spec.width, spec.height, world.inverted(), frame.projection())


def _of_placed(spec: CaptureSpec, placed: Placement) -> viewport_frame.Frame:
    world, frame = placing.frame_of(placed)
    projection = frame.fitted(spec.aspect, spec.fit).projection()
    name = spec.camera or "placed"
    return viewport_frame.Frame(0, 0, spec.width, spec.height, world.inverted(), projection, name)


def _in_metres(canvas: Canvas, metres: float) -> Canvas:
    """A canvas in Blender units, in metres."""
    if metres == 1.0:
        return canvas
    view = canvas.view
    world = [list(row) for row in view.camera_to_world]
    for row in world[:3]:
        row[3] *= metres
    focus = view.focus_distance
    return replace(
        canvas,
        depth=canvas.depth * canvas.depth.dtype.type(metres),
        view=replace(
            view,
            projection_matrix=camera_frame.projection_in_metres(
                camera_frame.Matrix(view.projection_matrix), view.projection == "PERSP", metres
            ),
            camera_to_world=tuple(tuple(row) for row in world),  # pyright: ignore
            near=view.near * metres,
            far=view.far * metres,
            focus_distance=None if focus is None else focus * metres,
        ),
    )
