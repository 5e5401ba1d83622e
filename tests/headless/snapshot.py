# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a Blender file and session holds, as plain values that can be compared."""

from __future__ import annotations

from typing import Any

import bpy

# Geometry is only counted; the rest changes by itself or leads back to the whole file.
_COUNTED = {
    "vertices", "edges", "loops", "polygons", "loop_triangles", "loop_triangle_polygons",
    "vertex_normals", "polygon_normals", "corner_normals", "data",
    "position_data", "normals", "pixels",
}  # fmt: skip
_LEFT_OUT = {
    "rna_type", "bl_rna", "original", "id_data", "depsgraph", "session_uid", "is_evaluated",
    "cache_point_density", "preview", "original_mesh", "is_updated", "is_updated_data",
    "uv_sculpt",  # reading that of another scene ends Blender 4.2
}  # fmt: skip


_Key = tuple[int, str]


def snapshot() -> dict[str, Any]:
    """By path, such as 'scenes["Scene"].render.resolution_x'."""
    found: dict[str, Any] = {}
    for name in bpy.data.bl_rna.properties.keys():  # noqa: SIM118 - not a dictionary
        group = getattr(bpy.data, name, None)
        if name in ("window_managers", "screens", "workspaces") or not _is_collection(group):
            continue
        found[f"{name} names"] = tuple(sorted(group.keys()))
        for block in group:
            _walk(found, f'{name}["{block.name_full}"]', block, {_key(block)}, 0)
    found["is_dirty"] = bpy.data.is_dirty
    found["filepath"] = bpy.data.filepath
    context = bpy.context
    found["scene"], found["layer"] = context.scene.name, context.view_layer.name
    found["windows"] = [w.scene.name for w in context.window_manager.windows]
    for scene in bpy.data.scenes:
        for layer in scene.view_layers:
            active = layer.objects.active
            key = f"{scene.name}/{layer.name}"
            found[f"{key} active"] = active and active.name
            found[f"{key} seen"] = {
                thing.name: (
                    thing.select_get(view_layer=layer),
                    thing.hide_get(view_layer=layer),
                    thing.visible_get(view_layer=layer),
                )
                for thing in layer.objects
            }
    for name in dir(bpy.app.handlers):
        handlers = getattr(bpy.app.handlers, name)
        if isinstance(handlers, list):
            found[f"handlers {name}"] = list(handlers)
    return found


def _is_collection(value: Any) -> bool:
    return type(value).__name__ == "bpy_prop_collection" or hasattr(value, "foreach_get")


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [
        f"{path}: {before.get(path, '(nothing)')!r} became {after.get(path, '(nothing)')!r}"
        for path in sorted(before.keys() | after.keys())
        if path not in before or path not in after or not _same(before[path], after[path])
    ]


def _same(first: Any, second: Any) -> bool:
    return first == second or (first != first and second != second)  # a NaN is as it was


def _walk(found: dict[str, Any], path: str, owner: Any, above: set[_Key], depth: int) -> None:
    if depth > 7:
        return
    for property_ in owner.bl_rna.properties:
        name = property_.identifier
        if name in _LEFT_OUT:
            continue
        try:
            value = getattr(owner, name)
        except (AttributeError, TypeError, RuntimeError, ReferenceError):
            continue
        _note(found, f"{path}.{name}", name, property_, value, above, depth)
    if isinstance(owner, bpy.types.ID):
        found[f"{path} users"] = owner.users
        found[f"{path} own properties"] = {
            key: str(getattr(owner[key], "to_dict", lambda value=owner[key]: value)())
            for key in owner.keys()  # noqa: SIM118
        }


def _note(
    found: dict[str, Any],
    path: str,
    name: str,
    property_: Any,
    value: Any,
    above: set[_Key],
    depth: int,
) -> None:
    if property_.type == "POINTER":
        if value is None:
            found[path] = None
        elif isinstance(value, bpy.types.ID) and not value.is_embedded_data:
            found[path] = (type(value).__name__, value.name_full)
        elif _key(value) not in above:
            inner = above | {_key(value)}
            _walk(found, path, value, inner, depth + 1)
    elif property_.type == "COLLECTION":
        count = len(value)
        found[f"{path} count"] = count
        if name in _COUNTED or count > 200:
            return
        for index, item in enumerate(value):
            if isinstance(item, bpy.types.ID):
                found[f"{path}[{index}]"] = (type(item).__name__, item.name_full)
            elif item is not None:
                inner = above | {_key(item)}
                _walk(found, f"{path}[{index}]", item, inner, depth + 1)
    elif getattr(property_, "is_array", False):
        try:
            found[path] = _flat(value)
        except (TypeError, ValueError):
            found[path] = str(value)
    else:
        found[path] = value if not isinstance(value, set) else frozenset(value)


def _key(value: Any) -> tuple[int, str]:
    # A struct and its first member have the same address.
    return value.as_pointer(), type(value).__name__


def _flat(value: Any) -> tuple[Any, ...]:
    return tuple(_flat(v) if hasattr(v, "__len__") else v for v in value)
