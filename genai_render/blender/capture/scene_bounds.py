# SPDX-License-Identifier: GPL-3.0-or-later
"""How large the scene is, or some of it: for cameras that go around it."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
from mathutils import Vector

from ...core.errors import SceneError
from .camera import unit_metres

_SURFACES = ("MESH", "CURVE", "SURFACE", "META", "FONT", "CURVES", "POINTCLOUD")


def center(
    context: bpy.types.Context, things: Sequence[bpy.types.Object] = ()
) -> tuple[float, float, float]:
    """The middle of those objects, or of all that are rendered; in metres, world space.

    Raises SceneError where there is nothing.
    """
    depsgraph = context.evaluated_depsgraph_get()
    wanted = list(things) or [
        thing
        for thing in context.view_layer.objects
        if thing.type in _SURFACES and not thing.hide_render and thing.visible_get()
    ]
    corners: list[Vector] = []
    for thing in wanted:
        seen = thing.evaluated_get(depsgraph)
        corners += [seen.matrix_world @ Vector(corner) for corner in seen.bound_box]
    if not corners:
        raise SceneError(
            "There is nothing to turn around.", action="Add an object, or show one that is hidden."
        )
    metres = unit_metres(context.scene)
    low, high = (
        [how(corner[axis] for corner in corners) for axis in range(3)] for how in (min, max)
    )
    x, y, z = ((a + b) / 2 * metres for a, b in zip(low, high, strict=True))
    return x, y, z
