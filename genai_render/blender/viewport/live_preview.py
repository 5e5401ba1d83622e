# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of the view in the panel, which follows the scene while nobody is hindered by it.

It is taken when the viewport itself has finished drawing what has changed, never before. Where
EEVEE draws the viewport, the color picture is what it drew; nothing is drawn a second time.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import bpy

from ...core import framing, lazy
from ...core.errors import GenAIError
from .. import addon, redraw, scene_changes
from ..capture import viewport, viewport_frame
from ..settings import scene_settings, thumbnails, window_state
from . import drawn_color, overlay, viewport_rest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...core.framing import Size
    from ...core.view.canvas import Canvas
else:
    np = lazy.module("numpy")

LOOK_SECONDS = 0.2
SHARE = 0.1  # of the main thread's time, at most
LONGEST_WAIT = 2.0  # after a draw, however slow it was
QUIET_SECONDS = 0.5  # without a draw of the viewport: it has finished
UNDRAWN_SECONDS = 2.0  # then a change is taken for one that the viewport does not draw
ENOUGH_SAMPLES = 16  # where EEVEE takes them without end: the first picture; then each 4 times more


class _Wanted(NamedTuple):
    """What a picture would show. place: the mode and where it is, after which no wait goes on."""

    mode: viewport_rest.Mode
    place: tuple[Any, ...]
    seen: tuple[Any, ...]
    """What the viewport draws, too."""
    ours: tuple[Any, ...]
    """What only the picture in the panel depends on."""


class LivePicture:
    """When the picture is drawn, and what it shows now."""

    def __init__(self) -> None:
        self.drawn_count = 0
        self.refresh()

    def refresh(self) -> None:
        """Draw it at the next chance, even if nothing has changed."""
        self._drawn: _Wanted | None = None
        self._seen: Any = None
        self._changed = self._looked = 0.0
        self._not_before = 0.0
        self._took = 0.0
        self._times, self._enough = 0, ENOUGH_SAMPLES

    def close(self) -> None:
        pass

    def look(self) -> None:
        """Draw the view small if it has changed, somebody sees it, and the viewport is done."""
        for window in bpy.context.window_manager.windows:
            area = _watched_area(window)
            if area is not None:
                with bpy.context.temp_override(window=window, area=area):
                    found = viewport_frame.find_view(bpy.context)
                    if found is not None and self._may_draw(bpy.context, *found):
                        self._draw(bpy.context, *found)
                break
        self._looked = time.perf_counter()

    def _may_draw(self, context: Any, area: Any, region: Any, space: Any) -> bool:
        wanted = _wanted(context, area, region, space)
        endless = _has_endless_samples(context, space)
        reads = _is_read(context, space)
        if wanted == self._drawn and not (endless and reads):
            return False
        now = time.perf_counter()
        if wanted.seen != self._seen:
            # It is being turned or edited: wait until it rests, so that this stays smooth.
            self._seen, self._changed = wanted.seen, self._looked
            times = viewport_rest.times_drawn(region, wanted.mode)
            self._times, self._enough = times, ENOUGH_SAMPLES
            return False
        if endless:
            times = viewport_rest.times_drawn(region, wanted.mode) - self._times
            if times < self._enough and (wanted == self._drawn or times < ENOUGH_SAMPLES):
                return False
            while self._enough <= times:
                self._enough *= 4
            return True
        if now < self._not_before and self._drawn is not None and wanted.place == self._drawn.place:
            return False
        # The slower the draw, the longer the pause in which it is taken to disturb nobody.
        quiet = min(LONGEST_WAIT, max(QUIET_SECONDS, self._took))
        if not viewport_rest.has_finished(region, wanted.mode, quiet):
            return False
        return (
            viewport_rest.drawn_since(region, self._changed)
            or now - self._changed > UNDRAWN_SECONDS
        )

    def _draw(self, context: Any, area: Any, region: Any, space: Any) -> None:
        self._drawn = _wanted(context, area, region, space)
        if _is_read(context, space):
            self._read(region, self._drawn)
            return
        began = time.perf_counter()
        _draw(context, area, region, space)
        ended = time.perf_counter()
        self._took = ended - began
        self._not_before = ended + min(LONGEST_WAIT, self._took * (1 / SHARE - 1))
        self._is_drawn()

    def _read(self, region: Any, wanted: _Wanted) -> None:
        """Have the picture taken from what the viewport shows."""

        def frame(context: Any) -> viewport_frame.Frame | None:
            here = context.area, context.region, context.space_data
            if _wanted(context, *here) != wanted:
                return None
            aspect = scene_settings.settings(context).aspect
            return viewport_frame.frame(context, *here, aspect)

        def take(pixels: NDArray[np.uint8]) -> None:
            if self._drawn == wanted:
                thumbnails.set_canvas(_on_backdrop(pixels))
                self._is_drawn()

        drawn_color.read(region, frame, _size, take, self.refresh)

    def _is_drawn(self) -> None:
        self.drawn_count += 1
        redraw.sidebars()


def live() -> LivePicture:
    return addon.state(LivePicture)


def _look() -> float:
    """The timer."""
    # A window or screen may go away this very moment; there is a next time.
    with contextlib.suppress(ReferenceError):
        live().look()
    return LOOK_SECONDS


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
            # Drawing it in another way would start the user's render from scratch each time.
            if not viewport.is_rendered_elsewhere(bpy.context, area.spaces.active):  # pyright: ignore
                return area
    return None


def _wanted(context: Any, area: Any, region: Any, space: Any) -> _Wanted:
    rv3d = viewport_frame.region_data(space, area, region)
    view = tuple(round(v, 5) for row in rv3d.perspective_matrix for v in row)
    shading = space.shading
    mode = viewport_rest.mode_of(context.scene, space)
    place = (mode, context.view_layer.name, space.as_pointer(), (region.width, region.height))
    seen = (
        *(scene_changes.count(), place, view, rv3d.view_perspective),
        *(shading.light, shading.color_type, context.scene.frame_current),
    )
    ours = (window_state.window(context).canvas_view, scene_settings.settings(context).aspect)
    return _Wanted(mode, place, seen, ours)


def _is_read(context: Any, space: Any) -> bool:
    """Whether the picture is what the viewport has drawn, since EEVEE draws it."""
    color = window_state.window(context).canvas_view == "COLOR"
    return color and viewport.is_drawn_by_eevee(context, space)


def _has_endless_samples(context: Any, space: Any) -> bool:
    """Whether the viewport never has finished."""
    return viewport.is_drawn_by_eevee(context, space) and context.scene.eevee.taa_samples == 0


def _size(frame: viewport_frame.Frame) -> Size:
    """Of the picture in the panel."""
    prefs = addon.preferences()
    longest = prefs.live_size if prefs is not None else 256
    shrink = longest / max(frame.width, frame.height)
    return framing.Size(max(1, round(frame.width * shrink)), max(1, round(frame.height * shrink)))


def _draw(context: Any, area: Any, region: Any, space: Any) -> None:
    wanted = window_state.window(context).canvas_view
    frame = viewport_frame.frame(
        context, area, region, space, scene_settings.settings(context).aspect
    )
    size = _size(frame)
    color, normals = wanted == "COLOR", wanted == "NORMAL"
    try:
        drawn = viewport.draw(
            *(context, space, region, frame, size), normals=normals, color=color, depth=not color
        )
    except GenAIError:
        return
    canvas = viewport.to_canvas(drawn, normals=normals)
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


@bpy.app.handlers.persistent
def _file_loaded(*_: object) -> None:
    live().refresh()


def register() -> None:
    if bpy.app.background:
        return
    bpy.app.handlers.load_post.append(_file_loaded)
    bpy.app.timers.register(_look, first_interval=1.0, persistent=True)


def unregister() -> None:
    if bpy.app.timers.is_registered(_look):
        bpy.app.timers.unregister(_look)
    if _file_loaded in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.remove(_file_loaded)
