# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of a scene as the plain surfaces that a texture is baked for: with their modifiers, where
they stand, and as often as they are shown.

The objects stay as they are: a layer of UVs that one lacks is there only while it is read.
"""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from ...core.errors import SceneError
from ...engine.texture import surface
from ...engine.texture.surface import Surface
from ..capture.camera import unit_metres
from . import unwrap

_MOST_COPIES = 8  # of one object that is shown several times
_MOST_OBJECTS = 200
_NAMED = 5
_LEVELS = (("levels", "render_levels"), ("show_viewport", "show_render"))


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """An object that can be given a texture. layer: the name of its UVs. uvs: (loops, 2) for a
    layer that it does not have yet; None where it has it."""

    name: str
    layer: str
    uvs: NDArray[np.float32] | None
    surface: Surface


@dataclass(frozen=True, slots=True, eq=False)
class Collected:
    things: list[Thing]
    notices: list[str]


def collect(
    context: bpy.types.Context, names: Sequence[str], *, uvs: str = "AUTO", rendered: bool = False
) -> Collected:
    """The objects of these names, or all that the scene shows.

    uvs: "AUTO" takes an object's own where each place has its own part of the texture, and makes
    new ones elsewhere; "OWN" and "NEW" do the one and the other always.
    rendered: with modifiers as they are rendered, and not as the viewport shows them.
    Raises SceneError where there is nothing.
    """
    told = _Told()
    shown = _shown(context)
    wanted = _wanted(shown, names, told)
    things: list[Thing] = []
    with _as_rendered(wanted if rendered else []):
        chosen = [(thing, *_layer(thing, uvs, told)) for thing in wanted]
        chosen = [one for one in chosen if one[1]]
        with contextlib.ExitStack() as layers:
            for thing, layer, new in chosen:
                if new is not None:
                    layers.enter_context(unwrap.added(thing.data, layer, new))
            context.view_layer.update()
            depsgraph = context.evaluated_depsgraph_get()
            places = _shown(context)
            for thing, layer, new in chosen:
                whole = _surface(
                    thing.evaluated_get(depsgraph),
                    places[thing][:_MOST_COPIES],
                    layer,
                    unit_metres(context.scene),
                )
                if whole is None:
                    told.left_out(thing, "Without UVs after their modifiers")
                    continue
                if len(places[thing]) > 1:
                    told.shared(thing, "Shown several times with one texture")
                elif surface.shared(whole.uvs) > unwrap.MOST_SHARED:
                    told.shared(thing, "Parts that look alike, for their UVs overlap")
                things.append(Thing(thing.name, layer, new, whole))
        context.view_layer.update()
    if not things:
        raise SceneError(
            "There is no object that a texture can be baked for.",
            " ".join(told.notices()),
            "Show or name a mesh of this file.",
        )
    return Collected(things, told.notices())


class _Told:
    """What an artist should know of the objects, kind by kind."""

    def __init__(self) -> None:
        self._left_out: dict[str, list[str]] = {}
        self._shared: dict[str, list[str]] = {}

    def left_out(self, thing: Any, why: str) -> None:
        self._left_out.setdefault(why, []).append(thing.name)

    def shared(self, thing: Any, how: str) -> None:
        self._shared.setdefault(how, []).append(thing.name)

    def notices(self) -> list[str]:
        out = [f"Left out. {why}: {_few(names)}." for why, names in self._left_out.items()]
        return out + [f"{how}: {_few(names)}." for how, names in self._shared.items()]


def _few(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")


def _shown(context: bpy.types.Context) -> dict[Any, list[Matrix]]:
    """Each object with a surface, and where it stands."""
    found: dict[Any, list[Matrix]] = {}
    for one in context.evaluated_depsgraph_get().object_instances:
        if one.object is None or not one.show_self:
            continue
        thing = one.object.original
        if thing.type in ("MESH", "CURVE", "SURFACE", "META", "FONT"):
            found.setdefault(thing, []).append(one.matrix_world.copy())
    return found


def _wanted(shown: dict[Any, list[Matrix]], names: Sequence[str], told: _Told) -> list[Any]:
    there = {thing.name: thing for thing in shown}
    for name in names:
        if name not in there:
            raise SceneError(
                f'The scene shows no object "{name}" with a surface.', action="Check its name."
            )
    wanted = [there[name] for name in dict.fromkeys(names)] if names else list(shown)
    out = []
    for thing in wanted:
        slots = len(thing.material_slots) > 0
        if thing.type != "MESH":
            told.left_out(thing, "No meshes")
        elif not thing.is_editable or not (slots or thing.data.is_editable):
            told.left_out(thing, "From another file")
        elif thing.mode == "EDIT":
            told.left_out(thing, "In Edit Mode")
        elif len(thing.data.polygons) == 0 and not thing.modifiers:
            told.left_out(thing, "Without faces")
        elif len(out) >= _MOST_OBJECTS:
            told.left_out(thing, "More objects than can be done at once")
        else:
            out.append(thing)
    return out


def _layer(thing: Any, uvs: str, told: _Told) -> tuple[str, NDArray[np.float32] | None]:
    """The name of the layer of UVs, and what has to be put in it; "" where there can be none."""
    mesh = thing.data
    own = next((layer for layer in mesh.uv_layers if layer.active_render), None)
    if own is not None and uvs != "NEW" and (uvs == "OWN" or unwrap.is_good(mesh, own.name)):
        return own.name, None
    if not mesh.is_editable:
        told.left_out(thing, "With UVs that cannot be used, in a mesh from another file")
        return "", None
    if len(mesh.uv_layers) >= unwrap.MOST_LAYERS:
        told.left_out(thing, "Without room for another layer of UVs")
        return "", None
    return unwrap.new_name(mesh), unwrap.unwrapped(mesh)


@contextlib.contextmanager
def _as_rendered(things: Sequence[Any]) -> Iterator[None]:
    """With modifiers as a render has them, for as long as this lasts."""
    before: list[tuple[Any, str, Any]] = []
    try:
        for thing in things:
            for modifier in thing.modifiers:
                for shown, rendered in _LEVELS:
                    wanted = getattr(modifier, rendered, None)
                    if wanted is not None and getattr(modifier, shown) != wanted:
                        before.append((modifier, shown, getattr(modifier, shown)))
                        setattr(modifier, shown, wanted)
        yield
    finally:
        for modifier, shown, value in before:
            setattr(modifier, shown, value)


def _surface(evaluated: Any, places: Sequence[Matrix], layer: str, metres: float) -> Surface | None:
    mesh = evaluated.to_mesh()
    try:
        if mesh is None or layer not in mesh.uv_layers:
            return None
        mesh.calc_loop_triangles()
        count = len(mesh.loop_triangles)
        if not count:
            return None
        corners = np.empty(count * 3, np.int32)
        loops = np.empty(count * 3, np.int32)
        mesh.loop_triangles.foreach_get("vertices", corners)
        mesh.loop_triangles.foreach_get("loops", loops)
        co = np.empty(len(mesh.vertices) * 3, np.float32)
        mesh.vertices.foreach_get("co", co)
        normals = np.empty(len(mesh.loops) * 3, np.float32)
        mesh.corner_normals.foreach_get("vector", normals)
        flat = np.empty(len(mesh.loops) * 2, np.float32)
        mesh.uv_layers[layer].uv.foreach_get("vector", flat)
    finally:
        evaluated.to_mesh_clear()
    co = co.reshape(-1, 3)
    vertices = corners.reshape(-1, 3).astype(np.intp)
    local = co[corners].astype(np.float64)
    shaded = normals.reshape(-1, 3)[loops].astype(np.float64)
    uvs = flat.reshape(-1, 2)[loops].reshape(-1, 3, 2)
    welded = surface.welded(vertices, co)
    parts = []
    for place in places:
        matrix = np.array(place, np.float64)
        turn = matrix[:3, :3]
        points = (local @ turn.T + matrix[:3, 3]) * metres
        # Flattened to nothing, it has no sides; of what is left, the triangles say the normals.
        turned = shaded @ np.linalg.pinv(turn)
        size = np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)
        parts.append(
            Surface(
                points.reshape(-1, 3, 3).astype(np.float32),
                (turned / size).reshape(-1, 3, 3).astype(np.float32),
                uvs,
                welded,
                bool(np.linalg.det(turn) < 0),
            )
        )
    return surface.joined(parts)
