# SPDX-License-Identifier: GPL-3.0-or-later
"""What someone who makes a picture of a canvas should know, and why a canvas shows nothing.

A picture that is black, magenta or without half of the scene is no error: it is said with the
likely reason, for whoever reads it in the panel or in the log of a night.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import bpy
from mathutils import Vector

from ...core import lazy
from ...core.errors import SceneError
from . import scene_copy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .planes import Planes
else:
    np = lazy.module("numpy")

_FLAT = 6  # codes of 255 between the darkest and the lightest, but for one pixel in two hundred
_BLACK, _WHITE = 8, 247
_MAGENTA, _MAGENTA_SHARE = 240, 0.005
_COARSE = 2e-4  # of the distance: what depth is exact to, elsewhere
_NAMED = 3
_SOLID = ("MESH", "CURVE", "SURFACE", "META", "FONT", "CURVES", "POINTCLOUD")
_ENGINE_NAMES = {
    "BLENDER_EEVEE": "EEVEE",
    "BLENDER_EEVEE_NEXT": "EEVEE",
    "BLENDER_WORKBENCH": "Workbench",
    "HYDRA_STORM": "Storm",
}


def stand_in(wanted: str, engine: str) -> list[str]:
    """That another engine than the scene's drew the color."""
    if wanted == engine:
        return []
    name = _ENGINE_NAMES.get(wanted, wanted)
    return [
        f"Cycles drew the view, since {name} needs a graphics card that is not here: "
        "light, shadows, reflections and see-through materials can differ from it."
    ]


def left_out_strokes(scene: Any) -> list[str]:
    strokes = [thing.name for thing in scene.objects if scene_copy.is_grease_pencil(thing)]
    if not strokes:
        return []
    return [
        f"Grease Pencil is not in the picture: {_names(strokes)}. "
        "Blender draws it with a graphics driver, which is not here."
    ]


def of_distance(camera: Vector, planes: Planes) -> list[str]:
    """Blender counts in numbers of 24 bits: far from the origin, places lie in steps."""
    depth = planes.depth[np.isfinite(planes.depth)]
    far = max(abs(value) for value in camera)
    step = float(np.spacing(np.float32(far)))
    if not len(depth) or step < _COARSE * abs(float(np.median(depth))):
        return []
    return [
        f"The camera is {far:,.0f} Blender units away from the scene's origin, where Blender knows "
        f"places only in steps of {step:.2g}: depth and normals are that coarse. Move everything "
        "nearer to the origin."
    ]


def of_magenta(planes: Planes, missing: bool) -> list[str]:
    """Textures whose file is there and cannot be read are magenta, too."""
    if missing:
        return []
    seen = planes.albedo[np.isfinite(planes.depth)].astype(np.int16)
    red, green, blue = seen.T
    magenta = (np.minimum(red, blue) >= _MAGENTA) & (green <= 8) & (np.abs(red - blue) <= 2)
    if not len(seen) or magenta.mean() < _MAGENTA_SHARE:
        return []
    return [
        "A part of the view is magenta, as Blender draws a texture that it cannot read. "
        "Check the image files of the materials in view."
    ]


def of_one_color(scene: Any, color: NDArray[np.uint8], planes: Planes, camera: Vector) -> list[str]:
    """That there is nothing to be seen in the color, and the likely reason."""
    shown = color[color[..., 3] > 0][:, :3]
    if not len(shown):
        return ["The picture is empty: nothing that is drawn is in the frame."]
    low, high = np.percentile(shown, (0.25, 99.75), axis=0)
    if (high - low).max() > _FLAT:
        return []
    mean = shown.mean(axis=0)
    if mean.max() < _BLACK:
        return [f"The picture is all black: {_why_black(scene, planes, camera)}"]
    if mean.min() > _WHITE:
        return [f"The picture is all white: {_why_white(scene, planes, camera)}"]
    code = "#{:02x}{:02x}{:02x}".format(*(round(float(value)) for value in mean))
    return [f"The picture is all of one color ({code}): {_why_flat(planes, camera, scene)}"]


def _why_black(scene: Any, planes: Planes, camera: Vector) -> str:
    if scene.view_settings.exposure <= -5:
        return f"the scene's exposure is {scene.view_settings.exposure:g}."
    if not _gives_light(scene):
        return "nothing in the scene gives light. Add a lamp, or make the world brighter."
    inside = _around(scene, planes, camera)
    if inside:
        return f'the camera is inside "{inside}". Move it out, or hide that from renders.'
    return "no light reaches what the camera sees. Move a lamp, or make it stronger."


def _why_white(scene: Any, planes: Planes, camera: Vector) -> str:
    if scene.view_settings.exposure >= 4:
        return f"the scene's exposure is {scene.view_settings.exposure:g}."
    return "its lamps or its world are too bright, or it has nothing but one white surface."


def _why_flat(planes: Planes, camera: Vector, scene: bpy.types.Scene) -> str:
    if scene.world is not None and scene_copy.volume_of(scene.world):
        return "the fog of the world hides everything. Make it thinner."
    inside = _around(scene, planes, camera)
    if inside:
        return f'the camera is inside "{inside}". Move it out, or hide that from renders.'
    depth = planes.depth[np.isfinite(planes.depth)]
    return (
        f"the camera sees one plain surface, {float(np.median(depth)):.3g} Blender units away."
        if len(depth)
        else "only the world is in the frame."
    )


def _gives_light(scene: Any) -> bool:
    lamps = [thing.data for thing in scene.objects if _is_drawn(thing) and thing.type == "LIGHT"]
    if any(lamp.energy > 0 for lamp in lamps):
        return True
    if scene.world is not None and _shines(scene.world):
        return True
    painted = {slot.material for thing in scene.objects for slot in thing.material_slots}
    return any(material is not None and _glows(material) for material in painted)


def _shines(world: Any) -> bool:
    tree = world.node_tree
    if tree is None or (bpy.app.version < (5, 0, 0) and not world.use_nodes):
        return max(world.color) > 0
    return any(
        _is_on(node, "Strength") and _is_on(node, "Color")
        for node in tree.nodes
        if node.type == "BACKGROUND"
    )


def _glows(material: bpy.types.Material) -> bool:
    tree = material.node_tree
    if tree is None:
        return False
    return any(
        (node.type == "EMISSION" and _is_on(node, "Strength"))
        or (node.type == "BSDF_PRINCIPLED" and _is_on(node, "Emission Strength"))
        or node.type == "GROUP"
        for node in tree.nodes
    )


def _is_on(node: Any, name: str) -> bool:
    socket = node.inputs.get(name)
    if socket is None or socket.is_linked:
        return True
    value = socket.default_value
    return max(value[:3]) > 0 if hasattr(value, "__len__") else value > 0


def _around(scene: Any, planes: Planes, camera: Vector) -> str:
    """The smallest object whose inside is all that the camera sees; "" if there is none."""
    if not np.isfinite(planes.depth).all():
        return ""
    farthest = float(planes.depth.max())
    found = []
    for thing in scene.objects:
        if thing.type not in _SOLID or not _is_drawn(thing):
            continue
        corners = np.array([thing.matrix_world @ Vector(corner) for corner in thing.bound_box])
        low, high = corners.min(axis=0), corners.max(axis=0)
        size = float(np.linalg.norm(high - low))
        if (low < camera).all() and (high > camera).all() and farthest <= size:
            found.append((size, thing.name))
    return min(found)[1] if found else ""


# --- nothing in sight -----------------------------------------------------------------------------


def sees_nothing(scene: Any, camera: str) -> SceneError:
    """Why a camera has no surface in its frame, as far as the scene tells."""
    drawn = [thing for thing in scene.objects if _is_drawn(thing)]
    solid = [thing for thing in drawn if thing.type in _SOLID or thing.is_instancer]
    wires = [thing.name for thing in solid if _is_wire(thing)]
    strokes = [thing.name for thing in drawn if scene_copy.is_grease_pencil(thing)]
    hidden = [
        thing.name for thing in scene.objects if thing.type in _SOLID and not _is_drawn(thing)
    ]
    why, action = (
        "No surface that is rendered is in its frame.",
        "Point it at an object, or check what is hidden from renders.",
    )
    if not solid and strokes:
        why = (
            f"Only Grease Pencil is there ({_names(strokes)}), "
            "which Blender draws with a graphics driver, and none is here."
        )
        action = "Install one, or convert it to curves with a bevel or to a mesh."
    elif solid and len(wires) == len(solid):
        why = f"What is there has no faces ({_names(wires)}), and a render leaves out mere lines."
        action = "Give them a Wireframe or Skin modifier, or curves a bevel."
    elif not solid and hidden:
        why = f"{len(hidden)} objects are there, all hidden from renders: {_names(hidden)}."
        action = "Turn on the camera icon beside them in the Outliner."
    elif not solid:
        why = "The scene has nothing in it that is rendered."
        action = "Add an object."
    return SceneError(f'The camera "{camera}" sees nothing.', why, action)


def without_surface(scene: Any) -> list[bpy.types.Object]:
    """What has a picture, but no surface: Grease Pencil and volumes."""
    return [
        thing
        for thing in scene.objects
        if _is_drawn(thing) and (scene_copy.is_grease_pencil(thing) or scene_copy.is_volume(thing))
    ]


def taken_as_flat(things: Iterable[bpy.types.Object], distance: float) -> str:
    return (
        f"What is in view has no surface ({_names([thing.name for thing in things])}): its depth "
        f"is that of a flat picture, {distance:.3g} Blender units away."
    )


def _is_wire(thing: bpy.types.Object) -> bool:
    data = thing.data
    if isinstance(data, bpy.types.Mesh):
        return not len(data.polygons) and not thing.modifiers
    if isinstance(data, bpy.types.Curve) and thing.type == "CURVE":
        solid = data.bevel_depth > 0 or data.extrude > 0 or data.bevel_object is not None
        return not solid and not thing.modifiers and (data.dimensions == "3D" or not data.splines)
    return False


def _is_drawn(thing: bpy.types.Object) -> bool:
    homes = thing.users_collection
    return not thing.hide_render and not (homes and all(home.hide_render for home in homes))


def _names(names: list[str]) -> str:
    named = ", ".join(f'"{name}"' for name in names[:_NAMED])
    return named + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
