# SPDX-License-Identifier: GPL-3.0-or-later
"""After a capture everything is as it was, also when something went wrong in the middle."""

from __future__ import annotations

import tempfile
from pathlib import Path

import bpy
import numpy as np
import pytest

from genai_render.blender.capture import CaptureSpec, camera, capture, passes, scene_copy
from genai_render.core.errors import SceneError

from . import stage
from .snapshot import differences, snapshot

SPEC = CaptureSpec(96, 64, samples=1)


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """Where temporary files go, to see that none stays."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def file(tmp_path) -> Path:
    """A saved file with a bit of everything, opened again."""
    stage.build(around=24)
    busy_scene(tmp_path)
    path = tmp_path / "busy.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    bpy.context.view_layer.update()
    return path


def busy_scene(folder: Path) -> None:
    scene = bpy.context.scene
    scene.frame_set(4)
    render = scene.render
    render.resolution_percentage = 63
    render.use_border = True
    render.border_max_x = 0.6
    render.use_stamp = True
    render.use_motion_blur = True
    render.film_transparent = True
    render.filepath = str(folder / "the user's own output")
    render.image_settings.file_format = "JPEG"
    render.image_settings.quality = 41
    render.pixel_aspect_x = 1.2
    scene.view_settings.exposure = 0.4
    scene.view_settings.use_curve_mapping = True
    scene.display.shading.light = "MATCAP"
    scene.unit_settings.system, scene.unit_settings.scale_length = "IMPERIAL", 0.5
    scene["mine"] = 3
    scene.timeline_markers.new("Here", frame=4).camera = scene.camera
    scene.keyframe_insert("view_settings.exposure", frame=1)
    # View layers, hidden and excluded things.
    other = scene.view_layers.new("Other layer")
    other.use = False
    other.use_pass_mist = True
    hidden = bpy.data.collections.new("Excluded")
    scene.collection.children.link(hidden)
    stage.ball("Excluded ball", (2, 0, 0), 0.4, 12, collection=hidden)
    scene.view_layers[0].layer_collection.children["Excluded"].exclude = True
    away = stage.ball("Hidden ball", (-2, 0, 0), 0.4, 12)
    away.hide_render = True
    away.hide_set(True)
    # Instances, a curve, an empty, an armature, constraints, drivers, a physics world.
    instance = stage.add("Instance", None, (0, 3, 0))
    instance.instance_type, instance.instance_collection = "COLLECTION", hidden
    scene.camera.constraints.new("LIMIT_LOCATION")
    driver = scene.camera.data.driver_add("lens").driver
    driver.expression = "45 + 0 * frame"
    scene.camera.data.dof.use_dof = True
    scene.camera.data.dof.focus_object = bpy.data.objects["Ball"]
    bpy.data.objects["Ball"].select_set(True)
    bpy.context.view_layer.objects.active = bpy.data.objects["Floor"]
    # A second scene, a world, a compositor that writes files, a strip.
    bpy.data.scenes.new("Another scene")
    scene.world = bpy.data.worlds.new("Sky")
    compositor(scene, folder / "written by the compositor")
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    try:
        strips.new_effect(name="Blue", type="COLOR", channel=1, frame_start=1, frame_end=50)
    except TypeError:
        strips.new_effect(name="Blue", type="COLOR", channel=1, frame_start=1, length=50)


def compositor(scene: bpy.types.Scene, folder: Path) -> None:
    """Makes the picture green, and writes it to the folder."""
    folder.mkdir()
    if hasattr(scene, "compositing_node_group"):
        tree = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
        scene.compositing_node_group = tree
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        end = tree.nodes.new("NodeGroupOutput")
    else:
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
        end = tree.nodes.new("CompositorNodeComposite")
    green = tree.nodes.new("CompositorNodeRGB")
    green.outputs[0].default_value = (0, 1, 0, 1)
    tree.links.new(green.outputs[0], end.inputs[0])
    output = tree.nodes.new("CompositorNodeOutputFile")
    if hasattr(output, "file_output_items"):
        output.directory = str(folder)
        output.file_output_items.new("RGBA", "Image")
    else:
        output.base_path = str(folder)
    tree.links.new(green.outputs[0], output.inputs[0])


def test_the_file_is_as_before(file, temporary):
    before = snapshot()
    for mode in ("fast", "balanced"):
        capture(bpy.context, CaptureSpec(96, 64, mode=mode, samples=1))
        assert differences(before, snapshot()) == []
    assert len(before) > 3000  # it did look
    assert list(temporary.iterdir()) == []


def change_render():
    bpy.context.scene.render.resolution_percentage += 1


def change_colour_curve():
    bpy.context.scene.view_settings.curve_mapping.curves[0].points[0].location[1] += 0.1


def change_camera():
    bpy.data.cameras["Camera"].dof.aperture_fstop += 0.1


def change_selection():
    bpy.data.objects["Floor"].select_set(not bpy.data.objects["Floor"].select_get())


def change_layer():
    bpy.context.view_layer.layer_collection.children["Excluded"].holdout = True


def change_compositor():
    scene = bpy.context.scene
    tree = getattr(scene, "compositing_node_group", None) or scene.node_tree
    green = next(node for node in tree.nodes if node.type == "RGB")
    green.outputs[0].default_value[0] = 0.5


def change_users():
    bpy.data.materials["Red"].use_fake_user = True


def change_blocks():
    bpy.data.images.new("One more", 1, 1)


CHANGES = [
    change_render,
    change_colour_curve,
    change_camera,
    change_selection,
    change_layer,
    change_compositor,
    change_users,
    change_blocks,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_these_tests_would_notice(file, change):
    before = snapshot()
    change()
    assert differences(before, snapshot()) != []


@pytest.fixture
def falling():
    """A ball in the middle of its fall, which no cache but Blender's own memory knows."""
    stage.build(around=64)
    scene, ball = bpy.context.scene, bpy.data.objects["Ball"]
    ball.location.z = 3
    bpy.ops.rigidbody.world_add()
    with bpy.context.temp_override(object=ball, active_object=ball, selected_objects=[ball]):
        bpy.ops.rigidbody.object_add(type="ACTIVE")
    for frame in range(1, 14):
        scene.frame_set(frame)
    assert 0.5 < ball.matrix_world.translation.z < 2.5
    return ball


def test_what_physics_moves_is_where_it_is(falling, monkeypatch):
    place = falling.matrix_world.translation.copy()
    monkeypatch.setattr(stage, "BALL", place)
    canvas = capture(bpy.context, CaptureSpec(160, 160, mode="fast", samples=1))
    known = stage.truth(canvas.view)
    surface = known.inner & np.isfinite(known.depth)
    off = np.abs(canvas.depth[surface] - known.depth[surface]) / known.depth[surface]
    assert (off < 2e-3).mean() > 0.99
    assert falling.matrix_world.translation == place
    # And it falls on from there.
    bpy.context.scene.frame_set(14)
    assert place.z - 0.4 < falling.matrix_world.translation.z < place.z - 0.1


@pytest.mark.parametrize("step", [None, "_place", "read_planes"])
def test_a_scene_with_physics_is_as_before(falling, tmp_path, temporary, monkeypatch, step):
    busy_scene(tmp_path)
    bpy.context.scene.frame_set(13)
    bpy.context.scene.render.image_settings.file_format = "OPEN_EXR"
    bpy.context.scene.view_settings.view_transform = "Filmic"
    bpy.context.scene.view_settings.look = "High Contrast"
    before = snapshot()
    if step is None:
        for mode in ("fast", "balanced"):
            capture(bpy.context, CaptureSpec(96, 64, mode=mode, samples=1))
    else:

        def fail(*args, **kwargs):
            raise RuntimeError("something went wrong")

        monkeypatch.setattr(passes, step, fail)
        with pytest.raises(RuntimeError, match="something went wrong"):
            capture(bpy.context, SPEC)
    # After edits, Blender calls what it holds of a simulation outdated; it goes on all the same.
    changed = [line for line in differences(before, snapshot()) if ".point_cache" not in line]
    assert changed == []
    assert list(temporary.iterdir()) == []


def test_nothing_is_written_for_the_user(file, temporary):
    folder = file.parent
    before = sorted(path.name for path in folder.rglob("*"))
    canvas = capture(bpy.context, SPEC)
    assert sorted(path.name for path in folder.rglob("*")) == before
    # And the compositor's green is not in the picture.
    seen = canvas.color[canvas.covered][:, :3].reshape(-1, 3)
    assert not (seen == (0, 255, 0)).all(axis=-1).any()


STEPS = [
    (scene_copy, "_only_the_camera"),
    (scene_copy, "_own_camera"),
    (scene_copy, "look_through"),
    (passes, "_look"),
    (passes, "_place"),
    (passes, "_color_settings"),
    (passes, "_cycles_color"),
    (passes, "_read_png"),
    (passes, "_narrow_filter"),
    (passes, "_data_passes"),
    (passes, "_save_as_exr"),
    (passes, "read_planes"),
    (passes, "_describe"),
    (passes, "_canvas"),
    (camera, "frame_of"),
]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _, step in STEPS])
def test_the_file_is_as_before_after_an_error(file, temporary, monkeypatch, module, step, error):
    def fail(*args, **kwargs):
        raise error("something went wrong")

    monkeypatch.setattr(module, step, fail)
    before = snapshot()
    with pytest.raises(error, match="something went wrong"):
        capture(bpy.context, SPEC)
    assert differences(before, snapshot()) == []
    assert list(temporary.iterdir()) == []


def test_a_render_that_fails_says_so_and_leaves_no_trace(file, temporary, monkeypatch):
    monkeypatch.setattr(passes, "_run_operator", lambda copy: {"CANCELLED"})
    before = snapshot()
    with pytest.raises(SceneError, match="could not be rendered"):
        capture(bpy.context, SPEC)
    assert differences(before, snapshot()) == []
    assert list(temporary.iterdir()) == []


def test_handlers_of_other_add_ons_are_not_called(file):
    called = []
    names = ("render_init", "render_pre", "render_post", "render_complete", "render_write",
             "frame_change_pre", "frame_change_post", "depsgraph_update_post")  # fmt: skip
    for name in names:
        handlers = getattr(bpy.app.handlers, name)
        handlers.append(lambda *_, name=name: called.append(name))
    before = snapshot()
    capture(bpy.context, SPEC)
    assert called == []
    assert differences(before, snapshot()) == []


@pytest.mark.parametrize("physics", [False, True])
def test_the_users_last_render_is_still_there(tmp_path, physics):
    stage.build(around=24)
    scene = bpy.context.scene
    if physics:
        bpy.ops.rigidbody.world_add()
    scene.render.resolution_x, scene.render.resolution_y = 48, 32
    bpy.ops.render.render()

    def saved(name):
        path = tmp_path / name
        bpy.data.images["Render Result"].save_render(str(path), scene=scene)
        return passes._read_png(path)

    first = saved("before.png")
    capture(bpy.context, SPEC)
    second = saved("after.png")
    assert first.shape == second.shape
    assert (first == second).all()


def test_a_capture_of_an_unsaved_file_is_the_same():
    stage.build(around=24)
    before = snapshot()
    capture(bpy.context, SPEC)
    assert differences(before, snapshot()) == []
