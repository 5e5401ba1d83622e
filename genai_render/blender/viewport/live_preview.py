# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of the view in the panel, which follows the scene while nobody is hindered by it."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...core.canvas import Canvas
from ...core.errors import GenAIError
from ...core.framing import Size
from .. import addon, redraw
from ..capture import viewport, viewport_frame
from ..settings import scene_settings, thumbnails, window_state
from . import overlay

LOOK_SECONDS = 0.2
SHARE = 0.1  # of the main thread's time, at most

_edits = 0
_state: Any = None
_not_before = 0.0
drawn_count = 0
_view_seen: Any = None


@bpy.app.handlers.persistent
def _scene_changed(*_: object) -> None:
    global _edits
    _edits += 1


def _look() -> float:
    """The timer: draw the view small if it has changed and somebody sees it."""
    # A window or screen may go away this very moment; there is a next time.
    with contextlib.suppress(ReferenceError):
        _follow()
    return LOOK_SECONDS


def _follow() -> None:
    global _state, _not_before, drawn_count, _view_seen
    now = time.perf_counter()
    if now < _not_before:
        return
    for window in bpy.context.window_manager.windows:
        area = _watched_area(window)
        if area is None:
            continue
        with bpy.context.temp_override(window=window, area=area):
            context = bpy.context
            found = viewport_frame.find_view(context)
            if found is None:
                return
            state = _key(context, *found)
            if state == _state:
                return
            view = state[1]
            if view != _view_seen:
                # It is being turned: wait until it rests, so that orbiting stays smooth.
                _view_seen = view
                return
            _state = state
            _draw(context, *found)
        drawn_count += 1
        took = time.perf_counter() - now
        _not_before = time.perf_counter() + took * (1 / SHARE - 1)
        redraw.sidebars()
        return


def _watched_area(window: bpy.types.Window) -> bpy.types.Area | None:
    """The viewport of a window whose sidebar shows our tab; None while something is going on."""
    screen = window.screen
    if screen.is_animation_playing or len(window.modal_operators) > 0:
        return None
    with bpy.context.temp_override(window=window):
        scene = bpy.context.scene
        if not (window_state.window().show_live and scene.genai_render.use_canvas):
            return None
        for area in screen.areas:
            if area.type != "VIEW_3D" or not overlay.tab_visible(area):
                continue
            # Drawing it in another way would start the user's render anew each time.
            if not viewport.is_rendered_elsewhere(bpy.context, area.spaces.active):  # pyright: ignore
                return area
    return None


def _key(context: Any, area: Any, region: Any, space: Any) -> tuple[Any, ...]:
    rv3d = viewport_frame.region_data(space, area, region)
    view = tuple(round(v, 5) for row in rv3d.perspective_matrix for v in row)
    shading = space.shading
    return (
        _edits,
        (view, rv3d.view_perspective),
        (shading.type, shading.light, shading.color_type),
        (region.width, region.height),
        window_state.window(context).canvas_view,
        scene_settings.settings(context).aspect,
        context.scene.frame_current,
    )


def _draw(context: Any, area: Any, region: Any, space: Any) -> None:
    prefs = addon.preferences()
    longest = prefs.live_size if prefs is not None else 256
    wanted = window_state.window(context).canvas_view
    frame = viewport_frame.frame(
        context, area, region, space, scene_settings.settings(context).aspect
    )
    shrink = longest / max(frame.width, frame.height)
    size = Size(max(1, round(frame.width * shrink)), max(1, round(frame.height * shrink)))
    try:
        drawn = viewport.draw(context, space, region, frame, size, normals=wanted == "NORMAL")
    except GenAIError:
        return
    canvas = viewport.to_canvas(drawn, normals=wanted == "NORMAL")
    thumbnails.set_canvas(_on_backdrop(picture(canvas, wanted)))


def picture(canvas: Canvas, wanted: str) -> NDArray[np.uint8]:
    """Colour, depth or normals as (H, W, 4) uint8 to look at."""
    if wanted == "COLOR":
        return canvas.color
    covered = canvas.covered
    out = np.zeros((*covered.shape, 4), np.uint8)
    out[..., 3] = covered * np.uint8(255)
    if wanted == "NORMAL":
        out[..., :3] = np.clip((canvas.normal + 1) * 127.5, 0, 255)
    else:
        bounds = canvas.depth_range()
        if bounds is not None:
            near, far = bounds
            nearness = np.zeros(covered.shape, np.float32)
            nearness[covered] = 1 - (canvas.depth[covered] - near) / max(far - near, 1e-6)
            out[..., :3] = (30 + nearness * 225).astype(np.uint8)[..., None]
    out[~covered] = 0
    return out


def _on_backdrop(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Over a chequerboard, so that the edge of the frame is seen where nothing is."""
    height, width = pixels.shape[:2]
    row, column = np.ogrid[:height, :width]
    backdrop = np.where((row // 8 + column // 8) % 2, 52, 46).astype(np.float32)[..., None]
    alpha = pixels[..., 3:].astype(np.float32) / 255
    out = np.full_like(pixels, 255)
    out[..., :3] = pixels[..., :3] * alpha + backdrop * (1 - alpha)
    return out


def refresh() -> None:
    """Draw it anew at the next look, even if nothing has changed."""
    global _state, _not_before
    _state, _not_before = None, 0.0


@bpy.app.handlers.persistent
def _file_loaded(*_: object) -> None:
    refresh()


def register() -> None:
    if bpy.app.background:
        return
    bpy.app.handlers.depsgraph_update_post.append(_scene_changed)
    bpy.app.handlers.load_post.append(_file_loaded)
    bpy.app.timers.register(_look, first_interval=1.0, persistent=True)


def unregister() -> None:
    if bpy.app.timers.is_registered(_look):
        bpy.app.timers.unregister(_look)
    for handlers, one in (
        (bpy.app.handlers.depsgraph_update_post, _scene_changed),
        (bpy.app.handlers.load_post, _file_loaded),
    ):
        if one in handlers:
            handlers.remove(one)
    refresh()
