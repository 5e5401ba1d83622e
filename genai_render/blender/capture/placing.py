# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras that are placed by themselves: what the subject is, where its front is, and from where it
is seen whole. Nothing is added to the scene: a placed camera is numbers.
"""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bpy
from mathutils import Matrix, Vector

from ...core import lazy
from ...core.errors import SceneError
from ...core.view import placement
from .camera import CameraFrame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = lazy.module("numpy")

_SURFACES = ("MESH", "CURVE", "SURFACE", "META", "FONT", "CURVES", "POINTCLOUD", "VOLUME")
_MADE_OF_CURVES = ("CURVE", "SURFACE", "META", "FONT")
_MOST_POINTS = 2000  # of one object: its outline is known well enough then
_MOST_THINGS = 2000  # with points of their own; of further ones only the ends
_THIN = 0.06  # as a share of a thing's other sides: a floor, a wall, a backdrop
_SURROUNDS = 0.6  # so many of the others' middles are within a room
_AROUND = 0.75  # of the main thing's size: what is nearer belongs to it
_ROUNDS = 3  # and what is as near to that
_TRIED_TURNS = (0, 15, -15, 30, -30, 50, -50, 75, -75, 105, -105, 140, -140, 180)
_TRIED_LENSES = (1.0, 0.62, 0.42)  # nearer, where a wall stands between
_SEEN_ENOUGH = 0.8
_RAYS = 24


def subject(context: bpy.types.Context) -> tuple[str, ...]:
    """The names of the objects that a placed camera is for: the selected ones, else what the scene
    is about. Raises SceneError where there is nothing."""
    things = {thing.name: thing for thing in context.view_layer.objects}
    selected = [thing for thing in things.values() if thing.select_get()]
    there = _boxes(context, None)
    chosen = [one.name for one in selected if any(_belongs(things[n], {one.name}) for n in there)]
    if chosen:
        return tuple(sorted(chosen))
    if not there:
        raise SceneError("There is nothing to place a camera for.", action="Show an object.")
    camera = context.scene.camera
    focused = None
    if camera is not None and camera.type == "CAMERA" and camera.data.dof.use_dof:
        focused = camera.data.dof.focus_object
    if focused is not None and any(_belongs(things[n], {focused.name}) for n in there):
        return (focused.name,)
    return tuple(sorted(_main(there, camera)))


def placed(
    context: bpy.types.Context,
    around: Sequence[str],
    how: str,
    turn: float,
    room: str,
    aspect: float,
) -> placement.Placement:
    """From where objects are seen whole and, if that can be, with nothing before them. Raises
    SceneError, InvalidInput."""
    rule = placement.rule(how)
    names = set(around) or set(subject(context))
    points = _outline(context, names)
    if not len(points):
        raise SceneError(
            "The objects that a camera was to be placed for are not there.",
            f"They are: {', '.join(sorted(names)[:5])}.",
            "Show them, or select others.",
        )
    front, side = _front(context, names, points)
    depsgraph = context.evaluated_depsgraph_get()
    best: tuple[float, placement.Placement] | None = None
    for lens in _TRIED_LENSES if rule.elevation < 60 else (1.0,):
        for more in _TRIED_TURNS:
            azimuth = side * (rule.azimuth + more + turn)
            tried = replace(rule, azimuth=azimuth, lens=rule.lens * lens)
            found = placement.place(points, tried, aspect, front, room)
            seen = _seen(context, depsgraph, found, points, names)
            if seen >= _SEEN_ENOUGH:
                return found
            if best is None or seen > best[0] + 0.05:
                best = seen, found
            if turn:  # a turntable has its own way round
                break
    assert best is not None
    return best[1]


def around(
    context: bpy.types.Context,
    names: Sequence[str],
    how: str,
    aspect: float,
    seen_from: Sequence[float],
) -> list[tuple[str, placement.Placement]]:
    """Cameras around objects, or around what the scene is about; each with a name.

    seen_from: where in the world a picture of them was made from. Raises SceneError, InvalidInput.
    """
    points = _outline(context, set(names) or set(subject(context)))
    if not len(points):
        raise SceneError(
            "The objects that a camera was to be placed for are not there.",
            action="Show them, or select others.",
        )
    return placement.all_around(points, how, aspect, np.array(seen_from, np.float64))


def frame_of(found: placement.Placement) -> tuple[Matrix, CameraFrame]:
    """Camera to world, and what it looks through."""
    frame = CameraFrame(found.width, found.height, 0.0, 0.0, True, found.near, found.far)
    return Matrix(found.matrix), frame


# --- what is there --------------------------------------------------------------------------------


def _instances(
    context: bpy.types.Context, names: set[str] | None
) -> Iterator[tuple[Any, Any, Matrix]]:
    """Owner, evaluated object and matrix of each surface that a render shows."""
    for one in context.evaluated_depsgraph_get().object_instances:
        thing = one.object
        if thing is None or thing.type not in _SURFACES or not one.show_self:
            continue
        owner = (one.parent if one.is_instance else thing).original
        if owner.hide_render or thing.original.hide_render or owner.display_type == "BOUNDS":
            continue
        if names is None or _belongs(owner, names):
            yield owner, thing, one.matrix_world.copy()


def _belongs(thing: Any, names: set[str]) -> bool:
    """Whether it is one of them, or a child of one that has no surface itself."""
    while thing is not None:
        if thing.name in names:
            return True
        thing = thing.parent
    return False


def _boxes(context: bpy.types.Context, names: set[str] | None) -> dict[str, NDArray[np.float64]]:
    """Lowest and highest corner of each object, by name."""
    found: dict[str, NDArray[np.float64]] = {}
    for name, points in _surfaces(context, names):
        box = np.stack((points.min(axis=0), points.max(axis=0)))
        if name in found:
            before = found[name]
            box = np.stack((np.minimum(before[0], box[0]), np.maximum(before[1], box[1])))
        found[name] = box
    return {name: box for name, box in found.items() if np.isfinite(box).all()}


def _outline(context: bpy.types.Context, names: set[str]) -> NDArray[np.float64]:
    parts = [points for _, points in _surfaces(context, names)]
    return np.concatenate(parts) if parts else np.empty((0, 3))


def _surfaces(
    context: bpy.types.Context, names: set[str] | None
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """The owner's name of each surface, and points of it in world space."""
    known: dict[tuple[str, str], NDArray[np.float64]] = {}
    for owner, thing, matrix in _instances(context, names):
        key = thing.name_full, thing.type
        if key not in known:
            known[key] = _points(thing)
        local = known[key]
        if len(known) > _MOST_THINGS and len(local) > 8:
            local = np.stack((local.min(axis=0), local.max(axis=0)))
        if len(local):
            turned = np.array(matrix, np.float64)
            yield owner.name, local @ turned[:3, :3].T + turned[:3, 3]


def _points(thing: Any) -> NDArray[np.float64]:
    """Of an evaluated object, in its own space."""
    made = None
    mesh = thing.data if thing.type == "MESH" else None
    if thing.type in _MADE_OF_CURVES:  # their box is not the one of what is seen
        made = mesh = thing.to_mesh()
    try:
        count = 0 if mesh is None else len(mesh.vertices)
        if mesh is None:
            return np.array([tuple(corner) for corner in thing.bound_box], np.float64)
        flat = np.empty(count * 3, np.float32)
        mesh.vertices.foreach_get("co", flat)
        return flat.reshape(-1, 3)[:: max(1, count // _MOST_POINTS)].astype(np.float64)
    finally:
        if made is not None:
            thing.to_mesh_clear()


def _main(boxes: dict[str, NDArray[np.float64]], camera: bpy.types.Object | None) -> Iterable[str]:
    """What a scene is about: what the camera sees largest and most in the middle, with what is
    around it; without the floor, walls, the room and what is far off."""
    standing = _standing(boxes) or boxes
    names = list(standing)
    whole = np.stack(list(standing.values()))
    sizes = np.linalg.norm(whole[:, 1] - whole[:, 0], axis=1)
    anchor = int(np.argmax(sizes * _seen_by(camera, whole.mean(axis=1))))
    low, high = whole[anchor]
    reach = float(sizes[anchor]) * _AROUND
    chosen = np.zeros(len(names), bool)
    for _ in range(_ROUNDS):
        gap = np.maximum(np.maximum(whole[:, 0] - high, low - whole[:, 1]), 0)
        chosen = np.linalg.norm(gap, axis=1) <= reach
        low, high = whole[chosen, 0].min(axis=0), whole[chosen, 1].max(axis=0)
    return [name for name, one in zip(names, chosen, strict=True) if one]


def _standing(boxes: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Without what is a room around the others, and what is thin and larger than they are."""
    middles = np.stack(list(boxes.values())).mean(axis=1)
    solid: dict[str, NDArray[np.float64]] = {}
    thin: dict[str, NDArray[np.float64]] = {}
    for name, box in boxes.items():
        within = ((middles >= box[0]) & (middles <= box[1])).all(axis=1).mean()
        if len(boxes) > 2 and within >= _SURROUNDS:
            continue
        sides = np.sort(box[1] - box[0])
        (thin if sides[0] <= _THIN * sides[1] else solid)[name] = box
    if not solid:
        return thin
    largest = max(float(np.linalg.norm(box[1] - box[0])) for box in solid.values())
    small = {n: box for n, box in thin.items() if np.linalg.norm(box[1] - box[0]) <= largest}
    return {name: box for name, box in boxes.items() if name in solid or name in small}


def _seen_by(camera: bpy.types.Object | None, middles: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much each thing counts for where it is: the nearer to the middle of the view and to the
    eye, the more."""
    if camera is None or camera.type != "CAMERA":
        return np.ones(len(middles))
    back = np.array(camera.matrix_world.normalized().inverted_safe(), np.float64)
    local = middles @ back[:3, :3].T + back[:3, 3]
    ahead = np.maximum(-local[:, 2], 1e-6)
    aside = np.hypot(local[:, 0], local[:, 1]) / ahead
    return np.where(local[:, 2] < 0, 1 / (ahead * (1 + (3 * aside) ** 2)), 1e-9)


# --- from where -----------------------------------------------------------------------------------


def _front(
    context: bpy.types.Context, names: set[str], points: NDArray[np.float64]
) -> tuple[float, float]:
    """Degrees that the front is turned by from -y, and on which side of it (1 or -1) one stands.

    The front is the side that the scene's camera sees most of; without a camera it is -y, as
    Blender has it. One object that is turned has its own sides.
    """
    own = 0.0
    if len(names) == 1:
        thing = context.view_layer.objects.get(next(iter(names)))
        if thing is not None:
            own = math.degrees(thing.matrix_world.to_euler().z) % 90
    camera = context.scene.camera
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    if camera is None:
        return (own if own <= 45 else own - 90), 1.0
    place = camera.matrix_world.translation
    across, along = place.x - middle[0], place.y - middle[1]
    if math.hypot(across, along) < 1e-6:
        return own, 1.0
    looks_from = math.degrees(math.atan2(across, -along))
    front = round((looks_from - own) / 90) * 90 + own
    return front, 1.0 if looks_from >= front else -1.0


def _seen(
    context: bpy.types.Context,
    depsgraph: bpy.types.Depsgraph,
    found: placement.Placement,
    points: NDArray[np.float64],
    names: set[str],
) -> float:
    """How much of the subject is seen past what else is there, 0 to 1."""
    eye = Vector([row[3] for row in found.matrix[:3]])
    tried = points[:: max(1, len(points) // _RAYS)]
    free = 0
    for point in tried:
        way = Vector(point) - eye
        hit, _, _, _, thing, _ = context.scene.ray_cast(
            depsgraph, eye, way.normalized(), distance=max(1e-6, way.length * 0.999)
        )
        free += not hit or thing is None or _belongs(thing.original, names)
    return free / len(tried)
