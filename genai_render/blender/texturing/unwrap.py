# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers of UVs: whether a mesh's own can carry a texture, and a new one where they cannot.

A new one is Blender's Smart UV Project of a copy, in a scene of its own: the user's mode, selection
and meshes are not touched.
"""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...engine.texture import surface

MOST_SHARED = 0.02  # of the texture that several places may lie on
MOST_LAYERS = 8  # Blender's own limit
_NAME = "GenAI Texture"
_LEAST_USED = 0.02  # of the texture, and
_LEAST_FACES = 0.98  # of the faces, that have a part of it
_ISLAND_MARGIN = 0.004
_ANGLE = 1.1519  # radians; 66°, as in Blender's menu


def is_good(mesh: Any, layer: str) -> bool:
    """Whether each face has a part of the texture, and none the same as another."""
    mesh.calc_loop_triangles()
    count = len(mesh.loop_triangles)
    flat = np.empty(len(mesh.loops) * 2, np.float32)
    if len(mesh.uv_layers[layer].uv) != len(mesh.loops) or not count:
        return False
    mesh.uv_layers[layer].uv.foreach_get("vector", flat)
    loops = np.empty(count * 3, np.int32)
    mesh.loop_triangles.foreach_get("loops", loops)
    uvs = flat.reshape(-1, 2)[loops].reshape(-1, 3, 2)
    if not np.isfinite(uvs).all():
        return False
    first, second = uvs[:, 1] - uvs[:, 0], uvs[:, 2] - uvs[:, 0]
    area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    if (area > 1e-10).mean() < _LEAST_FACES or not area.sum() > _LEAST_USED:
        return False
    return surface.shared(uvs) <= MOST_SHARED


def new_name(mesh: Any) -> str:
    name, number = _NAME, 1
    while name in mesh.uv_layers or name in mesh.attributes:
        number += 1
        name = f"{_NAME} {number}"
    return name


def unwrapped(mesh: Any) -> NDArray[np.float32]:
    """(loops, 2) each face with a part of the texture of its own."""
    scene = bpy.data.scenes.new("Unwrapping")
    copy = mesh.copy()
    thing = bpy.data.objects.new("Unwrapping", copy)
    try:
        while copy.uv_layers:
            copy.uv_layers.remove(copy.uv_layers[0])
        layer = copy.uv_layers.new(name=_NAME)
        for name in ("hide", "select"):
            copy.polygons.foreach_set(name, [name == "select"] * len(copy.polygons))
        scene.collection.objects.link(thing)
        view = scene.view_layers[0]
        view.objects.active = thing
        thing.select_set(True, view_layer=view)
        shown = {
            "scene": scene,
            "view_layer": view,
            "object": thing,
            "active_object": thing,
            "selected_objects": [thing],
        }
        with bpy.context.temp_override(**shown):
            bpy.ops.object.mode_set(mode="EDIT")
        try:
            with bpy.context.temp_override(**shown, edit_object=thing):
                bpy.ops.uv.smart_project(angle_limit=_ANGLE, island_margin=_ISLAND_MARGIN)
        finally:
            with bpy.context.temp_override(**shown, edit_object=thing):
                bpy.ops.object.mode_set(mode="OBJECT")
        layer = copy.uv_layers[_NAME]
        flat = np.empty(len(copy.loops) * 2, np.float32)
        layer.uv.foreach_get("vector", flat)
        return flat.reshape(-1, 2)
    finally:
        keys = copy.shape_keys
        bpy.data.objects.remove(thing)
        bpy.data.meshes.remove(copy)
        if keys is not None:
            with contextlib.suppress(AttributeError, ReferenceError):
                bpy.data.shape_keys.remove(keys)
        bpy.data.scenes.remove(scene)


def add(mesh: Any, layer: str, uvs: NDArray[np.float32]) -> None:
    """Give a mesh the layer. Which one was active and rendered stays so."""
    layers = mesh.uv_layers
    active = layers.active_index
    rendered = next((one.name for one in layers if one.active_render), "")
    layers.new(name=layer, do_init=False)
    layers[layer].uv.foreach_set("vector", np.ascontiguousarray(uvs, np.float32).reshape(-1))
    if len(layers) > 1:
        layers.active_index = active
        if rendered:
            layers[rendered].active_render = True


def take_away(mesh: Any, layer: str) -> None:
    layers = mesh.uv_layers
    if layer not in layers:
        return
    rendered = next((one.name for one in layers if one.active_render), "")
    active = layers.active.name if layers.active is not None else ""
    layers.remove(layers[layer])
    if active in layers:
        layers.active_index = layers.find(active)
    if rendered in layers:
        layers[rendered].active_render = True


@contextlib.contextmanager
def added(mesh: Any, layer: str, uvs: NDArray[np.float32]) -> Iterator[None]:
    """With the layer for as long as this lasts."""
    if layer in mesh.uv_layers:  # of another object with the same mesh
        yield
        return
    add(mesh, layer, uvs)
    try:
        yield
    finally:
        take_away(mesh, layer)
