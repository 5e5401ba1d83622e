# SPDX-License-Identifier: GPL-3.0-or-later
"""The color picture of a viewport that the viewport has drawn itself.

To draw a view once more with EEVEE takes a second EEVEE, and Blender is frozen while that compiles
its shaders and takes its samples. What the viewport drew the last time is there already: when it
begins to draw again, before the scene is drawn, its framebuffer still holds the last picture, as
linear light, without overlays, gizmos or anything of ours: these are drawn into another one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import addon, background
from ..capture import viewport_color
from . import draw_handlers

if TYPE_CHECKING:
    from ...core.framing import Size
    from ..capture.viewport_color import ViewTransform
    from ..capture.viewport_frame import Frame

Take = Callable[[NDArray[np.uint8]], None]


@dataclass(frozen=True, slots=True)
class _Wish:
    """What somebody waits for. frame: asked when the viewport draws; None if it shows another view
    by then.
    """

    region: int
    frame: Callable[[Any], Frame | None]
    size: Callable[[Frame], Size]
    take: Take
    missed: Callable[[], None]


class _Wishes:
    """The one that is waited for: the newest replaces an older one."""

    def __init__(self) -> None:
        self.wish: _Wish | None = None
        draw_handlers.add(_before_scene, "PRE_VIEW")

    def close(self) -> None:
        self.wish = None


def read(
    region: bpy.types.Region,
    frame: Callable[[Any], Frame | None],
    size: Callable[[Frame], Size],
    take: Take,
    missed: Callable[[], None],
) -> None:
    """Have `take` called, soon, with what a region shows in a frame: (H, W, 4) uint8 of that size,
    row 0 on top; or `missed`, if `frame` gives None by then or it cannot be read.
    """
    addon.state(_Wishes).wish = _Wish(region.as_pointer(), frame, size, take, missed)
    region.tag_redraw()


def _before_scene() -> None:
    """When a viewport begins to draw."""
    context = bpy.context
    wishes = addon.state(_Wishes)
    wish, region = wishes.wish, context.region
    if wish is None or region is None or region.as_pointer() != wish.region:
        return
    wishes.wish = None
    frame = wish.frame(context)
    light = None if frame is None else _light(frame, region)
    if frame is None or light is None:
        wish.missed()
        return
    size = wish.size(frame)
    transform = viewport_color.view_transform(context.scene, context.space_data)  # pyright: ignore
    background.run(lambda: _picture(light, size, transform), wish.take)


def _light(frame: Frame, region: bpy.types.Region) -> NDArray[np.float32] | None:
    """(H, W, 4) of the frame, row 0 at the bottom; zero where it is outside of the region."""
    import gpu

    left, bottom = math.floor(frame.x), math.floor(frame.y)
    right, top = math.ceil(frame.x + frame.width), math.ceil(frame.y + frame.height)
    inner_left, inner_bottom = max(0, left), max(0, bottom)
    width = min(right, region.width) - inner_left
    height = min(top, region.height) - inner_bottom
    if width < 1 or height < 1:
        return None
    try:
        framebuffer = gpu.state.active_framebuffer_get()
        buffer = framebuffer.read_color(inner_left, inner_bottom, width, height, 4, 0, "FLOAT")
    except (RuntimeError, ValueError, SystemError):
        return None
    buffer.dimensions = width * height * 4  # pyright: ignore[reportAttributeAccessIssue]
    seen = np.array(buffer, np.float32).reshape(height, width, 4)
    if (width, height) == (right - left, top - bottom):
        return seen
    # A camera's frame may be larger than the region by far: its empty part is not kept in full.
    step = max(1, math.ceil(max(right - left, top - bottom) / 2048))
    light = np.zeros((-(-(top - bottom) // step), -(-(right - left) // step), 4), np.float32)
    seen = seen[::step, ::step]
    row, column = (inner_bottom - bottom) // step, (inner_left - left) // step
    part = light[row : row + seen.shape[0], column : column + seen.shape[1]]
    part[:] = seen[: part.shape[0], : part.shape[1]]
    return light


def _picture(
    light: NDArray[np.floating[Any]], size: Size, transform: ViewTransform
) -> NDArray[np.uint8]:
    """In the background."""
    height, width = light.shape[:2]
    small = viewport_color.shrunk(light, min(size.width, width), min(size.height, height))
    return np.ascontiguousarray(viewport_color.to_colors(small, transform)[::-1])
