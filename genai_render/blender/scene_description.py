# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene in words, for a model that only sees its picture: camera, light, materials, things."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

import math
import re

import bpy

MOST_NAMES = 8
MOST_THINGS = 60
LIMIT = 600

_DEFAULT_NAMES = re.compile(
    r"(Cube|Sphere|Icosphere|Cylinder|Cone|Torus|Plane|Circle|Grid|Suzanne|Material|Empty|Mesh|"
    r"Object|Light|Point|Sun|Area|Spot|BezierCurve|BezierCircle|Text|Surface|Mball|Collection)"
    r"(\.\d+)?",
    re.IGNORECASE,
)
_LIGHTS = {
    "SUN": "sunlight",
    "POINT": "point light",
    "SPOT": "spotlight",
    "AREA": "soft area light",
}


def describe(context: bpy.types.Context) -> str:
    """One or two sentences about what is visible; "" for an empty scene. At most LIMIT characters.

    Names that Blender gave by itself say nothing and are left out.
    """
    visible = [thing for thing in context.view_layer.objects if thing.visible_get()]
    parts = [_things(visible), _materials(visible), _lights(visible), _camera(context)]
    text = ". ".join(part for part in parts if part)
    if len(text) > LIMIT:
        text = text[:LIMIT].rsplit(" ", 1)[0].rstrip(",.;") + "…"
    return text


def things(context: bpy.types.Context) -> str:
    """Only what is visible, by name: for an engine that reads the names and nothing else."""
    visible = [thing for thing in context.view_layer.objects if thing.visible_get()]
    return _things(visible, MOST_THINGS)


def _things(visible: list[bpy.types.Object], most: int = MOST_NAMES) -> str:
    shown = [
        thing for thing in visible if thing.type not in {"LIGHT", "CAMERA", "EMPTY", "SPEAKER"}
    ]
    largest = sorted(shown, key=lambda thing: -max(thing.dimensions))
    names = _names((thing.name for thing in largest), most)
    return f"Shows {', '.join(names)}" if names else ""


def _materials(visible: list[bpy.types.Object]) -> str:
    found: dict[str, str] = {}
    for thing in visible:
        for slot in thing.material_slots:
            material = slot.material
            if material is not None and not _DEFAULT_NAMES.fullmatch(material.name):
                found.setdefault(_plain(material.name), _surface(material))
    words = [f"{name} ({surface})" if surface else name for name, surface in found.items()]
    return f"Materials: {', '.join(words[:MOST_NAMES])}" if words else ""


def _surface(material: bpy.types.Material) -> str:
    """What the Principled BSDF says of a surface: "metal, glossy"."""
    tree = material.node_tree
    nodes = tree.nodes if tree is not None else ()
    shader = next((node for node in nodes if node.type == "BSDF_PRINCIPLED"), None)
    if shader is None:
        return ""

    def value(name: str) -> float | None:
        socket = shader.inputs.get(name)
        if socket is None or socket.is_linked:
            return None
        return float(socket.default_value)

    words = []
    if (value("Transmission Weight") or 0) > 0.5:
        words.append("glass")
    if (value("Metallic") or 0) > 0.5:
        words.append("metal")
    if (value("Subsurface Weight") or 0) > 0.2:
        words.append("translucent")
    if (value("Emission Strength") or 0) > 0.5 and _glows(shader):
        words.append("glowing")
    roughness = value("Roughness")
    if roughness is not None and (roughness < 0.2 or roughness > 0.8):
        words.append("glossy" if roughness < 0.2 else "matte")
    return ", ".join(words)


def _glows(shader: bpy.types.Node) -> bool:
    color = shader.inputs.get("Emission Color")
    return color is not None and max(color.default_value[:3]) > 0.05  # pyright: ignore[reportAttributeAccessIssue]


def _lights(visible: list[bpy.types.Object]) -> str:
    counts: dict[str, int] = {}
    for thing in visible:
        if thing.type == "LIGHT":
            light = thing.data
            words = f"{_tint(light.color)}{_LIGHTS.get(light.type, 'light')}"  # pyright: ignore[reportAttributeAccessIssue]
            counts[words] = counts.get(words, 0) + 1
    if not counts:
        return ""
    return "Lit by " + ", ".join(
        words if count == 1 else f"{count} × {words}" for words, count in counts.items()
    )


def _tint(color) -> str:
    red, _, blue = color
    if red > blue * 1.25:
        return "warm "
    return "cool " if blue > red * 1.25 else ""


def _camera(context: bpy.types.Context) -> str:
    space = context.space_data
    through_camera = (
        not isinstance(space, bpy.types.SpaceView3D) or space.region_3d.view_perspective == "CAMERA"
    )
    camera = context.scene.camera
    if not through_camera or camera is None or camera.type != "CAMERA":
        return ""
    data = camera.data
    if data.type == "ORTHO":  # pyright: ignore[reportAttributeAccessIssue]
        return "Orthographic camera"
    lens = data.lens  # pyright: ignore[reportAttributeAccessIssue]
    kind = "wide-angle" if lens < 28 else "telephoto" if lens > 70 else "normal"
    words = [f"Seen with a {kind} {lens:.0f} mm lens"]
    pitch = math.degrees(camera.matrix_world.to_euler("XYZ").x) - 90
    if pitch < -20:
        words.append("from above")
    elif pitch > 10:
        words.append("from below")
    if data.dof.use_dof:  # pyright: ignore[reportAttributeAccessIssue]
        words.append("with a shallow depth of field")
    return " ".join(words)


def _names(names, most: int) -> list[str]:
    found: dict[str, None] = {}
    for name in names:
        if not _DEFAULT_NAMES.fullmatch(name):
            found.setdefault(_plain(name))
    return list(found)[:most]


def _plain(name: str) -> str:
    """ "Chair_leg.003" → "chair leg"."""
    return re.sub(r"[_\-]+", " ", re.sub(r"\.\d{3,}$", "", name)).strip().lower()
