# SPDX-License-Identifier: GPL-3.0-or-later
"""A 3D model brought into the scene: at the 3D cursor, in a collection of its own, of a size that
fits what is there."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import bpy
from mathutils import Matrix, Vector

from ...core import glb
from ...core.errors import SceneError
from ..capture.camera import unit_metres

_ENOUGH = 1e-6
_KINDS = ("objects", "meshes", "materials", "images", "collections", "armatures", "actions")


def add(context: bpy.types.Context, path: Path, name: str) -> bpy.types.Collection:
    """Raises MediaError for a file that may not be opened, SceneError where Blender cannot."""
    glb.check(path.read_bytes())
    scene, layer = context.scene, context.view_layer
    size = size_in(context)
    if context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    active = layer.objects.active
    selected = list(context.selected_objects)
    before = {kind: set(getattr(bpy.data, kind)) for kind in _KINDS}
    try:
        _import(path)
        came = [one for one in bpy.data.objects if one not in before["objects"]]
        if not any(one.type == "MESH" for one in came):
            raise SceneError("There is no mesh in the 3D model.", action="Make it again.")
    except BaseException:
        _take_away(before)
        _select(layer, selected, active)
        raise
    collection = bpy.data.collections.new(name)
    scene.collection.children.link(collection)
    for one in came:
        for other in list(one.users_collection):
            other.objects.unlink(one)
        collection.objects.link(one)
    for extra in set(bpy.data.collections) - before["collections"] - {collection}:
        if not extra.objects and not extra.children:
            bpy.data.collections.remove(extra)
    layer.update()
    _place(came, scene.cursor.location, size)
    layer.update()
    meshes = [one for one in came if one.type == "MESH"]
    _select(layer, came, meshes[0])
    return collection


def size_in(context: bpy.types.Context) -> float:
    """How large the model is to be, in the scene's units: as the longest side of what is selected;
    else one metre."""
    low, high = _bounds([one for one in context.selected_objects if one.type != "CAMERA"])
    longest = max(high - low) if low is not None else 0.0
    if longest > _ENOUGH:
        return longest
    return 1.0 / unit_metres(context.scene)


def _import(path: Path) -> None:
    try:
        bpy.ops.import_scene.gltf.get_rna_type()  # pyright: ignore[reportCallIssue]
    except KeyError:
        raise SceneError(
            "Blender's importer for glTF is turned off.",
            action='Turn on "glTF 2.0 format" in Preferences, Add-ons.',
        ) from None
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):  # it tells of every texture
            done = bpy.ops.import_scene.gltf(filepath=str(path))
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        raise SceneError("Blender cannot open this 3D model.", why, "Make it again.") from None
    if "FINISHED" not in done:
        raise SceneError("Blender cannot open this 3D model.", action="Make it again.")


def _take_away(before: dict[str, set[Any]]) -> None:
    for kind in _KINDS:
        came = set(getattr(bpy.data, kind)) - before[kind]
        if came:
            bpy.data.batch_remove(list(came))


def _select(layer: bpy.types.ViewLayer, objects: list[Any], active: Any) -> None:
    for one in layer.objects:
        one.select_set(False)
    for one in objects:
        with contextlib.suppress(RuntimeError, ReferenceError):  # hidden, or not in this layer
            one.select_set(True)
    layer.objects.active = active


def _place(objects: list[Any], at: Vector, size: float) -> None:
    """Scale it to its size, and stand it on the place."""
    low, high = _bounds(objects)
    if low is None:
        return
    longest = max(high - low)
    scale = size / longest if longest > _ENOUGH else 1.0
    base = Vector(((low.x + high.x) / 2, (low.y + high.y) / 2, low.z))
    move = Matrix.Translation(at[:]) @ Matrix.Scale(scale, 4) @ Matrix.Translation((-base)[:])
    for one in objects:
        if one.parent is None:
            one.matrix_world = move @ one.matrix_world


def _bounds(objects: list[Any]) -> tuple[Any, Any]:
    """The corners of the box round them, in the world; None twice where there is nothing."""
    corners = [
        one.matrix_world @ Vector(corner)
        for one in objects
        if one.type in ("MESH", "CURVE", "SURFACE", "META", "FONT", "VOLUME", "CURVES")
        for corner in one.bound_box
    ]
    if not corners:
        return None, None
    low = Vector(tuple(min(corner[axis] for corner in corners) for axis in range(3)))
    high = Vector(tuple(max(corner[axis] for corner in corners) for axis in range(3)))
    return low, high
