# SPDX-License-Identifier: GPL-3.0-or-later
"""Image Editors of the window: found, or opened next to the 3D Viewport."""

from __future__ import annotations

import functools

import bpy

from ..capture import viewport_frame


def find_or_open(context: bpy.types.Context) -> bpy.types.Area | None:
    """None where there is no window, or no viewport to open one next to."""
    window = context.window
    if window is None:
        return None
    for area in window.screen.areas:
        if area.type == "IMAGE_EDITOR":
            return area
    found = viewport_frame.find_view(context)
    if found is None:
        return None
    known = {area.as_pointer() for area in window.screen.areas}
    with context.temp_override(area=found[0], region=found[1]):
        bpy.ops.screen.area_split(direction="VERTICAL", factor=0.5)
    for area in window.screen.areas:
        if area.as_pointer() not in known:
            area.type = "IMAGE_EDITOR"
            return area
    return None


def show_all_of_it(area: bpy.types.Area) -> None:
    """Soon: only when Blender has laid out an area that is new is it known how large it is."""
    bpy.app.timers.register(functools.partial(_fit, area.as_pointer()), first_interval=0.1)


def _fit(address: int) -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.as_pointer() != address or area.type != "IMAGE_EDITOR":
                continue
            region = next(one for one in area.regions if one.type == "WINDOW")
            with bpy.context.temp_override(window=window, area=area, region=region):
                bpy.ops.image.view_all(fit_view=True)
