# SPDX-License-Identifier: GPL-3.0-or-later
"""A baked texture on its object: a material beside the old ones, and the way back.

What the object had is kept with the object itself, so that it comes back exactly, also after the
file was saved, opened again or the object was copied.
"""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import bpy

from ...core.image import images
from . import unwrap

if TYPE_CHECKING:
    from ...engine.texture.bake import Baked
    from .surfaces import Thing

_RECORD = "genai_render_texture"
_PROJECTION = "genai_render_projection"  # on a material that would have to come off first
_NAME = "GenAI Texture"
_BRIGHTEST = 0.9  # of a surface that light falls on

# What makes a picture, put through the view transform, come out as it went in.
_INVERSE_OF_VIEW = {"AgX": "AgX Base sRGB", "Filmic": "Filmic sRGB"}


def is_on(scene: bpy.types.Scene) -> bool:
    return any(_RECORD in thing for thing in scene.objects)


def textured(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    return [thing for thing in scene.objects if _RECORD in thing]


def encoded(baked: Baked) -> bytes:
    """The file that is packed into the .blend. In any thread."""
    return images.encode_png(baked.pixels)


def put(
    scene: bpy.types.Scene, thing: bpy.types.Object, made: Thing, png: bytes, *, lit: bool
) -> bool:
    """Give the object its texture. False if it has changed so that it cannot have it.

    lit: whether the scene's light falls on it; else it looks as in the pictures.
    """
    mesh: Any = thing.data
    take_off(thing)
    if made.uvs is not None and len(mesh.loops) != len(made.uvs):
        return False
    if made.uvs is None and made.layer not in mesh.uv_layers:
        return False
    projected = any(
        slot.material and slot.material.get(_PROJECTION) for slot in thing.material_slots
    )
    if thing.mode == "EDIT" or projected:
        return False
    name = f"{thing.name} {_NAME}"
    added_layer = ""
    if made.uvs is not None:
        if made.layer not in mesh.uv_layers:
            unwrap.add(mesh, made.layer, made.uvs)
        added_layer = made.layer
    image = _image(name, png)
    _see(image, scene, lit)
    material = _material(name, image, made.layer, lit)
    added_slot = len(thing.material_slots) == 0
    if added_slot:
        mesh.materials.append(None)
    slots = []
    for slot in thing.material_slots:
        link = slot.link
        slot.link = "OBJECT"
        kept: dict[str, Any] = {"link": link}
        if slot.material is not None:
            kept["material"] = slot.material
        slots.append(kept)
        slot.material = material
    thing[_RECORD] = {
        "slots": {str(number): kept for number, kept in enumerate(slots)},
        "added_slot": added_slot,
        "layer": added_layer,
    }
    return True


def take_off(thing: bpy.types.Object) -> bool:
    """Give the object back what it had. False if it has no texture of ours."""
    if _RECORD not in thing:
        return False
    record: Any = thing[_RECORD]
    ours: set[Any] = {slot.material for slot in thing.material_slots if _is_ours(slot.material)}
    used = {node.image for one in ours for node in _image_nodes(one)}
    for number, kept in list(record["slots"].items())[::-1]:
        index = int(number)
        # What the user has deleted or given another material since then stays so.
        if index >= len(thing.material_slots):
            continue
        slot = thing.material_slots[index]
        if slot.link == "OBJECT" and _is_ours(slot.material):
            slot.material = kept.get("material")
            slot.link = kept["link"]
    added_slot, layer = bool(record["added_slot"]), str(record["layer"])
    del thing[_RECORD]
    if added_slot:
        _take_slot(thing)
    if layer and not any(
        other.data == thing.data and _RECORD in other and other[_RECORD]["layer"] == layer
        for other in bpy.data.objects
    ):
        unwrap.take_away(thing.data, layer)
    for one in ours:
        if one.users == 0:
            bpy.data.materials.remove(one)
    for image in used:
        if image is not None and image.users == 0 and image.get(_RECORD):
            bpy.data.images.remove(image)
    return True


def _take_slot(thing: bpy.types.Object) -> None:
    """Remove the empty slot that was added, unless somebody uses it now."""
    materials: Any = thing.data.materials
    users = [one for one in bpy.data.objects if one.data == thing.data]
    used = any(slot.material for one in users for slot in one.material_slots)
    # Another object with the same mesh has its texture there, which it gives back itself.
    if not used and len(materials) == 1 and materials[0] is None:
        materials.clear()


def _is_ours(material: Any) -> bool:
    return material is not None and bool(material.get(_RECORD))


def _image_nodes(material: Any) -> Iterator[Any]:
    return (node for node in material.node_tree.nodes if node.type == "TEX_IMAGE")


def _image(name: str, png: bytes) -> bpy.types.Image:
    image = bpy.data.images.new(name, 1, 1)
    image.pack(data=png, data_len=len(png))  # pyright: ignore[reportCallIssue]
    image.source = "FILE"
    image[_RECORD] = True
    return image


def _see(image: bpy.types.Image, scene: bpy.types.Scene, lit: bool) -> None:
    name = "sRGB" if lit else _INVERSE_OF_VIEW.get(scene.view_settings.view_transform, "sRGB")
    try:
        image.colorspace_settings.name = name
    except TypeError:  # a color configuration of the user's own
        image.colorspace_settings.name = "sRGB"


def _material(name: str, image: bpy.types.Image, layer: str, lit: bool) -> bpy.types.Material:
    made: Any = bpy.data.materials.new(name)
    made[_RECORD] = True
    if not made.use_nodes:
        made.use_nodes = True
    tree = made.node_tree
    tree.nodes.clear()

    def add(kind: str, x: int, y: int) -> Any:
        node = tree.nodes.new(kind)
        node.location = x, y
        return node

    uvs = add("ShaderNodeUVMap", -700, 0)
    uvs.uv_map = layer
    texture = add("ShaderNodeTexImage", -500, 0)
    texture.image = image
    tree.links.new(uvs.outputs["UV"], texture.inputs["Vector"])
    surface = add("ShaderNodeBsdfPrincipled", 0, -100)
    surface.inputs["Roughness"].default_value = 0.7
    end = add("ShaderNodeOutputMaterial", 500, 0)
    if lit:
        tree.links.new(texture.outputs["Color"], surface.inputs["Base Color"])
        tree.links.new(surface.outputs["BSDF"], end.inputs["Surface"])
        return made
    # What it is seen as is the picture; what lights its surroundings is an honest surface.
    dull = add("ShaderNodeVectorMath", -200, -100)
    dull.operation = "MINIMUM"
    dull.inputs[1].default_value = (_BRIGHTEST,) * 3
    tree.links.new(texture.outputs["Color"], dull.inputs[0])
    tree.links.new(dull.outputs["Vector"], surface.inputs["Base Color"])
    shown = add("ShaderNodeEmission", 0, 100)
    tree.links.new(texture.outputs["Color"], shown.inputs["Color"])
    ray = add("ShaderNodeLightPath", 0, 400)
    mixed = add("ShaderNodeMixShader", 300, 0)
    tree.links.new(ray.outputs["Is Camera Ray"], mixed.inputs["Fac"])
    tree.links.new(surface.outputs["BSDF"], mixed.inputs[1])
    tree.links.new(shown.outputs["Emission"], mixed.inputs[2])
    tree.links.new(mixed.outputs["Shader"], end.inputs["Surface"])
    tree.nodes.active = texture
    return made
