# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a 3D Viewport has finished drawing.

After a change, EEVEE draws a viewport again and again: while shaders are being compiled, then once
for each sample. A draw of ours in between would have to wait for all of that in one block, with
Blender frozen. Python is told of each draw, but not of the last one: it is over when none follows.
"""

from __future__ import annotations

import time

import bpy

from .. import addon
from . import draw_handlers

_LOOKS = 2  # how many times it is asked without a draw in between, at least

Mode = tuple[str, ...]


class _Region:
    """How a region was drawn last. ended: when. times: how often it was drawn in this mode so far.
    looks: how often it was asked for since.
    """

    def __init__(self, mode: Mode, ended: float, times: int) -> None:
        self.mode, self.ended, self.times = mode, ended, times
        self.looks = 0


class Regions:
    """How each region of a viewport was drawn last, by its address."""

    def __init__(self) -> None:
        self.by_address: dict[int, _Region] = {}

    def of(self, region: bpy.types.Region) -> _Region | None:
        return self.by_address.get(region.as_pointer())

    def close(self) -> None:
        self.by_address.clear()


def _regions() -> Regions:
    return addon.state(Regions)


def mode_of(scene: bpy.types.Scene, space: bpy.types.SpaceView3D) -> Mode:
    """What decides which engine draws a viewport, and with which shaders."""
    shading = space.shading
    engine = scene.render.engine if shading.type == "RENDERED" else ""
    return shading.type, engine, str(scene.session_uid)


def drawn_since(region: bpy.types.Region, moment: float) -> bool:
    """Whether the viewport has drawn itself after a moment of `time.perf_counter`."""
    seen = _regions().of(region)
    return seen is not None and seen.ended > moment


def times_drawn(region: bpy.types.Region, mode: Mode) -> int:
    """How often the viewport has drawn itself in this mode without another one in between."""
    seen = _regions().of(region)
    return 0 if seen is None or seen.mode != mode else seen.times


def has_finished(region: bpy.types.Region, mode: Mode, quiet: float) -> bool:
    """Whether the viewport has drawn itself in this mode, and then not again for so many seconds.

    To be asked by a timer: a look from which Blender has had no chance to draw counts for nothing.
    """
    seen = _regions().of(region)
    if seen is None or seen.mode != mode:
        return False
    seen.looks += 1
    return seen.looks > _LOOKS and time.perf_counter() - seen.ended >= quiet


def _drawn() -> None:
    """When Blender has drawn a viewport's scene."""
    context = bpy.context
    region, space = context.region, context.space_data
    if region is not None and isinstance(space, bpy.types.SpaceView3D):
        mode = mode_of(context.scene, space)
        times = times_drawn(region, mode) + 1
        _regions().by_address[region.as_pointer()] = _Region(mode, time.perf_counter(), times)


@bpy.app.handlers.persistent
def _before_load(*_: object) -> None:
    # Another file has other regions: an address of the old one may come up again.
    _regions().by_address.clear()


def register() -> None:
    if bpy.app.background:
        return
    draw_handlers.add(_drawn, "POST_PIXEL")
    bpy.app.handlers.load_pre.append(_before_load)


def unregister() -> None:
    if _before_load in bpy.app.handlers.load_pre:
        bpy.app.handlers.load_pre.remove(_before_load)
