# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the scene to render from, which leaves no trace in the file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import bpy
from mathutils import Matrix

from .camera import CameraFrame, look_through

# Handlers of other add-ons answer to renders and frames of the user: not to ours, which they could
# save, announce, or change the scene for.
_MUTED = (
    "render_init",
    "render_pre",
    "render_post",
    "render_write",
    "render_stats",
    "render_complete",
    "render_cancel",
    "composite_pre",
    "composite_post",
    "composite_cancel",
    "frame_change_pre",
    "frame_change_post",
    "depsgraph_update_pre",
    "depsgraph_update_post",
)
_RENDER_RESULT = "Render Result"
_UNSET = object()
_GREASE_PENCIL = ("GPENCIL", "GREASEPENCIL")


@dataclass(slots=True)
class SceneCopy:
    """The copy, its one view layer that is rendered, and the camera that it is seen through."""

    scene: Any  # a bpy.types.Scene and bpy.types.ViewLayer, with what Cycles adds to them
    layer: Any
    camera: bpy.types.Object

    def depsgraph(self) -> bpy.types.Depsgraph:
        self.layer.update()
        return self.layer.depsgraph


@contextlib.contextmanager
def scene_copy(
    context: bpy.types.Context, on_stats: Callable[[str], None] | None = None
) -> Iterator[SceneCopy]:
    """A copy of the context's scene, with a camera of its own, gone again however this ends.

    on_stats: called, maybe from another thread, with what Blender says while it renders.

    What is shared with the user's scene (objects, collections, worlds, materials) stays as it is.
    The user's compositor, sequencer, stereo views, stamps, markers and animated settings have no
    effect on the copy: its picture is the camera's.
    """
    user_layer = context.view_layer
    with contextlib.ExitStack() as undo:
        undo.enter_context(_muted_handlers())
        if on_stats is not None:
            undo.enter_context(_heard(on_stats))
        undo.enter_context(_render_result_as_before())
        if _can_copy(context.scene):
            scene = undo.enter_context(_copied(context.scene))
        else:
            scene = undo.enter_context(_borrowed(context.scene))
        for layer in scene.view_layers:
            layer.use = layer.name == user_layer.name
        _only_the_camera(scene)
        camera = _own_camera(scene, undo)
        undo.callback(_free_what_renders_kept, scene)
        yield SceneCopy(scene, scene.view_layers[user_layer.name], camera)


def _can_copy(scene: bpy.types.Scene) -> bool:
    """A copy of a physics world starts its simulation again, and moves the user's objects. And
    before 4.5, each copy of a scene is counted once too often as a user of what is in it."""
    return scene.rigidbody_world is None and bpy.app.version >= (4, 5, 0)


@contextlib.contextmanager
def _copied(user_scene: bpy.types.Scene) -> Iterator[bpy.types.Scene]:
    scene: Any = user_scene.copy()
    try:
        scene.animation_data_clear()
        scene.timeline_markers.clear()
        yield scene
    finally:
        bpy.data.scenes.remove(scene)


@contextlib.contextmanager
def _borrowed(scene: Any) -> Iterator[bpy.types.Scene]:
    """The user's scene itself; all of its settings are as before afterwards."""
    owners = [
        scene.render,
        scene.render.image_settings,
        scene.cycles,
        scene.eevee,
        scene.display_settings,
        scene.view_settings,
        *scene.view_layers,
        *(layer.cycles for layer in scene.view_layers),
    ]
    kept = [(owner, _settings(owner)) for owner in owners]
    extended = [(owner, "cycles" in owner) for owner in (scene, *scene.view_layers)]
    image = bpy.data.images.get(_RENDER_RESULT)
    slots = None if image is None or len(image.render_slots) < 2 else image.render_slots
    slot = None if slots is None else slots.active_index
    try:
        if slots is not None:  # so that the user's last render is not written over
            slots.active_index = next(i for i in (len(slots) - 1, 0) if i != slot)
        yield scene
    finally:
        if slots is not None:
            slots.active_index = slot
        # Some settings decide which values others may have, so more than one round.
        for _ in range(3):
            for owner, before in kept:
                _restore(owner, before)
        for owner, had_values in extended:
            if not had_values and "cycles" in owner:
                del owner["cycles"]


def _settings(owner: Any) -> dict[str, Any]:
    """All plain values that can be set; _UNSET where it is only a default."""
    found = {}
    for property_ in owner.bl_rna.properties:
        if property_.is_readonly or property_.type in ("POINTER", "COLLECTION"):
            continue
        name = property_.identifier
        value = getattr(owner, name)
        found[name] = tuple(value) if getattr(property_, "is_array", False) else value
        if not owner.is_property_set(name):
            found[name] = _UNSET
    return found


def _restore(owner: Any, before: dict[str, Any]) -> None:
    for name, value in before.items():
        if value is _UNSET:
            if owner.is_property_set(name):
                owner.property_unset(name)
            continue
        now = getattr(owner, name)
        if (tuple(now) if isinstance(value, tuple) else now) != value:
            # Not possible yet, or a value that Blender itself could not name.
            with contextlib.suppress(TypeError, AttributeError):
                setattr(owner, name, value)


def place(copy: SceneCopy, matrix: Matrix, frame: CameraFrame, lens: float) -> None:
    """Put the copy's camera where `matrix` says, to see exactly `frame`."""
    data = copy.camera.data
    assert isinstance(data, bpy.types.Camera)
    look_through(data, frame, lens)
    # As the inverse of a parent's matrix, every matrix is kept to the last bit; as a location,
    # rotation and scale it would not be.
    copy.camera.matrix_parent_inverse = matrix


def _only_the_camera(scene: bpy.types.Scene) -> None:
    render = scene.render
    render.use_compositing = False
    render.use_sequencer = False
    render.use_multiview = False
    render.use_stamp = False
    render.use_motion_blur = False
    render.use_border = False
    render.use_crop_to_border = False
    render.use_single_layer = False
    render.use_overwrite = True
    render.use_placeholder = False
    render.use_file_extension = True
    render.use_lock_interface = False
    render.resolution_percentage = 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0
    render.dither_intensity = 0.0
    for name, value in (
        ("use_auto_generate_texture_cache", False),  # it would write beside the user's textures
        ("save_output", True),
    ):
        if hasattr(render, name):
            setattr(render, name, value)


def _own_camera(scene: bpy.types.Scene, undo: contextlib.ExitStack) -> bpy.types.Object:
    before = scene.camera
    data = bpy.data.cameras.new("genai_render")
    undo.callback(lambda: bpy.data.cameras.remove(data))
    camera = bpy.data.objects.new("genai_render", data)
    undo.callback(lambda: bpy.data.objects.remove(camera))
    anchor = bpy.data.objects.new("genai_render anchor", None)
    undo.callback(lambda: bpy.data.objects.remove(anchor))
    camera.parent = anchor

    def give_back() -> None:
        scene.camera = before
        for layer in scene.view_layers:
            if layer.depsgraph is not None:  # or a physics world would notice the removal
                layer.update()

    # In no collection of the scene: it is evaluated because the scene looks through it.
    undo.callback(give_back)
    scene.camera = camera
    return camera


def _free_what_renders_kept(scene: bpy.types.Scene) -> None:
    # Turning this off is what frees the data that was kept between two renders.
    scene.render.use_persistent_data = True
    scene.render.use_persistent_data = False


@contextlib.contextmanager
def _muted_handlers() -> Iterator[None]:
    kept: list[tuple[list[Any], list[Any]]] = []
    try:
        for name in _MUTED:
            handlers = getattr(bpy.app.handlers, name, None)
            if isinstance(handlers, list) and handlers:
                kept.append((handlers, list(handlers)))
                handlers.clear()
        yield
    finally:
        for handlers, before in kept:
            handlers[:] = before


@contextlib.contextmanager
def _heard(on_stats: Callable[[str], None]) -> Iterator[None]:
    def tell(*said: Any) -> None:
        on_stats(next((text for text in said if isinstance(text, str)), ""))

    # The one list of handlers is muted: it is put back as it was by that.
    bpy.app.handlers.render_stats.append(tell)
    try:
        yield
    finally:
        bpy.app.handlers.render_stats.remove(tell)


@contextlib.contextmanager
def _render_result_as_before() -> Iterator[None]:
    there = _RENDER_RESULT in bpy.data.images
    try:
        yield
    finally:
        image = bpy.data.images.get(_RENDER_RESULT)
        if image is not None and not there:
            bpy.data.images.remove(image)


@contextlib.contextmanager
def unnoticed() -> Iterator[None]:
    """Renders of ours within it call no handler of the user's and leave no result behind."""
    with _muted_handlers(), _render_result_as_before():
        yield


def is_grease_pencil(thing: bpy.types.Object) -> bool:
    return thing.type in _GREASE_PENCIL and not thing.hide_render


def has_grease_pencil(scene: bpy.types.Scene) -> bool:
    return any(is_grease_pencil(thing) for thing in scene.objects)


@contextlib.contextmanager
def without_grease_pencil(copy: SceneCopy) -> Iterator[None]:
    """Strokes are drawn by the GPU, also into a Cycles render."""
    if not has_grease_pencil(copy.scene):
        yield
    elif hasattr(copy.layer, "use_grease_pencil"):
        before = copy.layer.use_grease_pencil
        copy.layer.use_grease_pencil = False
        try:
            yield
        finally:
            copy.layer.use_grease_pencil = before
    else:  # Blender 4.2 has no such setting: the objects themselves, for the time
        hidden = [thing for thing in copy.scene.objects if is_grease_pencil(thing)]
        try:
            for thing in hidden:
                thing.hide_render = True
            yield
        finally:
            for thing in hidden:
                thing.hide_render = False


def has_volumes(scene: bpy.types.Scene) -> bool:
    return volume_of(scene.world) or any(is_volume(thing) for thing in bpy.data.objects)


@contextlib.contextmanager
def without_volumes(copy: SceneCopy) -> Iterator[None]:
    """Fog and clouds scatter a ray before it meets a surface: depth would be full of holes."""
    world = copy.scene.world
    shown = [thing for thing in bpy.data.objects if is_volume(thing) and thing.visible_camera]
    try:
        if volume_of(world):
            copy.scene.world = None
        for thing in shown:
            thing.visible_camera = False
        yield
    finally:
        copy.scene.world = world
        for thing in shown:
            thing.visible_camera = True


def is_volume(thing: bpy.types.Object) -> bool:
    """Whether there is nothing of it but volume."""
    if thing.type == "VOLUME":
        return True
    painted = [slot.material for slot in thing.material_slots if slot.material is not None]
    return bool(painted) and all(
        volume_of(material) and not _linked(material, "Surface") for material in painted
    )


def volume_of(owner: bpy.types.Material | bpy.types.World | None) -> bool:
    return owner is not None and _linked(owner, "Volume")


def _linked(owner: bpy.types.Material | bpy.types.World, socket: str) -> bool:
    tree = owner.node_tree
    # Before Blender 5, a material may have nodes that are not used.
    if tree is None or (bpy.app.version < (5, 0, 0) and not owner.use_nodes):
        return False
    output: Any = tree.get_output_node("CYCLES")
    return output is not None and output.inputs[socket].is_linked


def lets_light_through() -> bool:
    """Whether a ray from the camera may go on behind a surface, straight and by chance."""
    trees = [material.node_tree for material in bpy.data.materials if material.users]
    trees += [group for group in bpy.data.node_groups if group.type == "SHADER"]
    return any(_is_clear(node) for tree in trees if tree is not None for node in tree.nodes)


def _is_clear(node: bpy.types.Node) -> bool:
    if node.type in ("BSDF_TRANSPARENT", "EEVEE_SPECULAR"):
        return True
    if node.type != "BSDF_PRINCIPLED":
        return False
    alpha: Any = node.inputs["Alpha"]
    return alpha.is_linked or alpha.default_value < 1
