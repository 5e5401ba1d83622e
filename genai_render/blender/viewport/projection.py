# SPDX-License-Identifier: GPL-3.0-or-later
"""An image of History thrown onto the scene from where its view was, as a projector would.

The user's own materials are never touched: each slot gets a copy of its material, in which the
picture lies over what was there, where the view saw it. What a slot had is kept in the scene, so
that it is put back exactly, also after the file was saved and opened again.
"""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportOptionalMemberAccess=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ...core import lazy
from ...core.errors import SceneError
from ..capture import camera

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...core.view.canvas import View
else:
    np = lazy.module("numpy")

_MARK = "genai_render_projection"
_LARGEST_DEPTH = 1024  # pixels a side: enough to know what is hidden
_FAR = 6e4  # metres, where nothing was; what a half float can still hold
_TOLERANCE = 0.01  # of the distance: how far behind what was seen still counts as seen

# What makes a picture, put through the view transform, come out as it went in.
_INVERSE_OF_VIEW = {"AgX": "AgX Base sRGB", "Filmic": "Filmic sRGB"}


class GenAISlot(bpy.types.PropertyGroup):
    """What a material slot was like. added: there was none."""

    object: PointerProperty(type=bpy.types.Object)  # pyright: ignore[reportInvalidTypeForm]
    index: IntProperty()  # pyright: ignore[reportInvalidTypeForm]
    link: StringProperty()  # pyright: ignore[reportInvalidTypeForm]
    material: PointerProperty(type=bpy.types.Material)  # pyright: ignore[reportInvalidTypeForm]
    added: BoolProperty()  # pyright: ignore[reportInvalidTypeForm]


class GenAIProjection(bpy.types.PropertyGroup):
    """The projection that is on in a scene. item: its id in History; "" while there is none.

    shading: what the viewport showed before.
    """

    item: StringProperty()  # pyright: ignore[reportInvalidTypeForm]
    shading: StringProperty()  # pyright: ignore[reportInvalidTypeForm]
    slots: CollectionProperty(type=GenAISlot)  # pyright: ignore[reportInvalidTypeForm]


def of(scene: bpy.types.Scene) -> Any:
    """The scene's GenAIProjection."""
    return scene.genai_render_projection


def is_on(scene: bpy.types.Scene) -> bool:
    return bool(of(scene).item)


def put(
    context: bpy.types.Context,
    item_id: str,
    image: bpy.types.Image,
    view: "View",
    depth: "NDArray[np.float32] | None",
) -> int:
    """Throw a picture onto all that the scene shows; how many objects could not be given it.

    image: the picture, which covers exactly the view; it is the projection's from now on.
    depth: (H, W) float32 metres, row 0 on top, for what the view did not see to stay as it is;
    None throws it through everything.
    Raises SceneError if there is nothing to throw it on.
    """
    scene = context.scene
    remove(scene)
    image[_MARK] = True
    things, left_out = _things(context)
    if not things:
        _clear_up()
        raise SceneError(
            "There is nothing to project the image onto.", action="Show an object of this file."
        )
    _see_as_it_is(image, scene)
    group = _node_group(image, view, depth, camera.unit_metres(scene))
    record = of(scene)
    record.item = item_id
    copies: dict[bpy.types.Material | None, bpy.types.Material] = {}
    for thing in things:
        added = len(thing.material_slots) == 0
        if added:
            thing.data.materials.append(None)
        for index, slot in enumerate(thing.material_slots):
            before = slot.material
            if before not in copies:
                copies[before] = _projected(before, group)
            kept = record.slots.add()
            kept.object, kept.index, kept.link, kept.added = thing, index, slot.link, added
            slot.link = "OBJECT"
            kept.material = slot.material
            slot.material = copies[before]
    return left_out


def remove(scene: bpy.types.Scene) -> bool:
    """Give every slot back what it had. False if there was no projection."""
    record = of(scene)
    if not record.item:
        return False
    for kept in reversed(list(record.slots)):
        thing = kept.object
        # What the user has deleted or given another material since then stays so.
        if thing is None or kept.index >= len(thing.material_slots):
            continue
        slot = thing.material_slots[kept.index]
        if slot.link == "OBJECT" and _is_ours(slot.material):
            slot.material = kept.material
            slot.link = kept.link
        if kept.added:
            _take_slot(thing, kept.index)
    record.slots.clear()
    record.item = ""
    _clear_up()
    return True


def _take_slot(thing: bpy.types.Object, index: int) -> None:
    """Remove the empty slot that was added, unless somebody uses it now."""
    materials: Any = thing.data.materials
    users = [one for one in bpy.data.objects if one.data == thing.data]
    used = any(
        len(one.material_slots) > index and one.material_slots[index].material for one in users
    )
    if not used and len(materials) == index + 1 and materials[index] is None:
        materials.clear()  # pop would leave the objects with a slot too many


def _clear_up() -> None:
    """Remove what nobody uses any more of what a projection was made of."""
    for collection in (bpy.data.materials, bpy.data.node_groups, bpy.data.images):
        for one in list(collection):
            if _is_ours(one) and one.users == 0:
                collection.remove(one)


def _is_ours(one: bpy.types.ID | None) -> bool:
    return one is not None and bool(one.get(_MARK))


def _things(context: bpy.types.Context) -> tuple[list[bpy.types.Object], int]:
    """The objects that are seen and can be given a material, and how many cannot."""
    found: dict[bpy.types.Object, bool] = {}
    for instance in context.evaluated_depsgraph_get().object_instances:
        thing = instance.object.original
        if thing.type in ("VOLUME", "GREASEPENCIL", "GPENCIL"):
            continue
        if thing.data is None or not hasattr(thing.data, "materials"):
            continue
        slots = len(thing.material_slots) > 0
        # Another scene may show the same object with a projection of its own.
        taken = any(_is_ours(slot.material) for slot in thing.material_slots)
        found[thing] = thing.is_editable and not taken and (slots or thing.data.is_editable)
    return [thing for thing, can in found.items() if can], sum(not can for can in found.values())


def _see_as_it_is(image: bpy.types.Image, scene: bpy.types.Scene) -> None:
    name = _INVERSE_OF_VIEW.get(scene.view_settings.view_transform, "sRGB")
    try:
        image.colorspace_settings.name = name
    except TypeError:  # a colour configuration of the user's own
        image.colorspace_settings.name = "sRGB"


def _depth_image(depth: "NDArray[np.float32]") -> bpy.types.Image:
    step = -(-max(depth.shape) // _LARGEST_DEPTH)
    small = np.where(np.isfinite(depth), depth, _FAR)[::step, ::step]
    # A pixel of a slanted surface spans some depth: take the farthest around it.
    padded = np.pad(small, 1, mode="edge")
    height, width = small.shape
    farthest = small
    for y in range(3):
        for x in range(3):
            near_by = padded[y : y + height, x : x + width]
            farthest = np.where(near_by < _FAR, np.maximum(farthest, near_by), farthest)
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = farthest[::-1, :, None]
    image = bpy.data.images.new("Projection Depth", width, height, float_buffer=True, is_data=True)
    image.use_half_precision = False
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    image[_MARK] = True
    return image


def _node_group(
    image: bpy.types.Image, view: "View", depth: "NDArray[np.float32] | None", metres: float
) -> bpy.types.NodeTree:
    """From a place in the world to what the picture has there: a shader, and how much of it."""
    tree: Any = bpy.data.node_groups.new("GenAI Projection", "ShaderNodeTree")
    tree[_MARK] = True
    tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketShader")
    tree.interface.new_socket("Factor", in_out="OUTPUT", socket_type="NodeSocketFloat")
    nodes = _Nodes(tree)

    to_camera = np.linalg.inv(np.array(view.camera_to_world)) @ np.diag([metres] * 3 + [1.0])
    clip = np.array(view.projection_matrix) @ to_camera
    place = nodes.add("ShaderNodeNewGeometry").outputs["Position"]
    across, up, over = (
        nodes.along(place, row)
        for row in ((clip[0] + clip[3]) / 2, (clip[1] + clip[3]) / 2, clip[3])
    )
    ahead = nodes.along(place, -to_camera[2])
    corner = nodes.add("ShaderNodeCombineXYZ")
    nodes.link(nodes.math("DIVIDE", across, over), corner.inputs["X"])
    nodes.link(nodes.math("DIVIDE", up, over), corner.inputs["Y"])

    picture = nodes.picture(image, corner.outputs[0], "Linear")
    picture.extension = "CLIP"
    factor = nodes.math("MULTIPLY", picture.outputs["Alpha"], nodes.math("GREATER_THAN", over, 0.0))
    if depth is not None:
        seen = nodes.picture(_depth_image(depth), corner.outputs[0], "Closest")
        seen.extension = "EXTEND"
        limit = nodes.math("MULTIPLY", seen.outputs["Color"], 1 + _TOLERANCE)
        factor = nodes.math("MULTIPLY", factor, nodes.math("LESS_THAN", ahead, limit))
    # The scene is lit by its own surfaces, not by the picture on them.
    ray = nodes.add("ShaderNodeLightPath").outputs["Is Camera Ray"]
    factor = nodes.math("MULTIPLY", factor, ray)
    light = nodes.add("ShaderNodeEmission")
    nodes.link(picture.outputs["Color"], light.inputs["Color"])
    end = nodes.add("NodeGroupOutput")
    nodes.link(light.outputs[0], end.inputs["Image"])
    nodes.link(factor, end.inputs["Factor"])
    return tree


class _Nodes:
    """Adds nodes to a tree, in columns from left to right."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree
        self._count = 0

    def add(self, kind: str) -> Any:
        node = self._tree.nodes.new(kind)
        node.location = self._count // 3 * 200, -self._count % 3 * 220
        self._count += 1
        return node

    def link(self, start: Any, end: Any) -> None:
        self._tree.links.new(start, end)

    def math(self, operation: str, one: Any, other: Any) -> Any:
        """other: a socket or a number."""
        node = self.add("ShaderNodeMath")
        node.operation = operation
        self.link(one, node.inputs[0])
        if isinstance(other, float):
            node.inputs[1].default_value = other
        else:
            self.link(other, node.inputs[1])
        return node.outputs[0]

    def along(self, place: Any, row: "NDArray[np.float64]") -> Any:
        """A row of a matrix times a place."""
        node = self.add("ShaderNodeVectorMath")
        node.operation = "DOT_PRODUCT"
        self.link(place, node.inputs[0])
        node.inputs[1].default_value = tuple(float(value) for value in row[:3])
        return self.math("ADD", node.outputs["Value"], float(row[3]))

    def picture(self, image: bpy.types.Image, corner: Any, interpolation: str) -> Any:
        node = self.add("ShaderNodeTexImage")
        node.image, node.interpolation = image, interpolation
        self.link(corner, node.inputs["Vector"])
        return node


def _projected(material: bpy.types.Material | None, group: Any) -> bpy.types.Material:
    """A copy of a material with the picture over it."""
    own: Any
    if material is None:
        own = bpy.data.materials.new("Projected")
    else:
        own = material.copy()
        own.name = f"{material.name} Projected"
        own.use_fake_user = False
    own[_MARK] = True
    if not own.use_nodes:
        own.use_nodes = True
    tree = own.node_tree
    for output in list(_outputs(tree)):
        surface = output.inputs["Surface"]
        before = surface.links[0].from_socket if surface.is_linked else None
        thrown = tree.nodes.new("ShaderNodeGroup")
        thrown.node_tree = group
        mixed = tree.nodes.new("ShaderNodeMixShader")
        x, y = output.location
        mixed.location, thrown.location = (x, y + 160), (x - 200, y + 220)
        if before is not None:
            tree.links.new(before, mixed.inputs[1])
        tree.links.new(thrown.outputs["Factor"], mixed.inputs["Fac"])
        tree.links.new(thrown.outputs["Image"], mixed.inputs[2])
        tree.links.new(mixed.outputs[0], surface)
    return own


def _outputs(tree: Any) -> Iterator[Any]:
    found = [node for node in tree.nodes if node.type == "OUTPUT_MATERIAL"]
    return iter(found or [tree.nodes.new("ShaderNodeOutputMaterial")])


_CLASSES = (GenAISlot, GenAIProjection)


_register, _unregister = bpy.utils.register_classes_factory(_CLASSES)


def register() -> None:
    _register()
    bpy.types.Scene.genai_render_projection = PointerProperty(type=GenAIProjection)


def unregister() -> None:
    del bpy.types.Scene.genai_render_projection
    _unregister()
