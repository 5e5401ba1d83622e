# SPDX-License-Identifier: GPL-3.0-or-later
"""Every pixel's depth and normal are those of the surface at its centre, whatever the camera."""

from __future__ import annotations

import math

import bpy
import numpy as np
import pytest

from genai_render.blender.capture import CaptureSpec, camera_aspect, capture, passes
from genai_render.core.framing import size_for

from . import stage


def fast(width=256, height=160, **options):
    """One render, one sample: enough for depth and normals."""
    spec = CaptureSpec(width, height, mode="fast", samples=1, **options)
    return capture(bpy.context, spec)


# Each changes the camera or the render settings of the scene.
def perspective(scene, camera):
    pass


def orthographic(scene, camera):
    camera.data.type = "ORTHO"
    camera.data.ortho_scale = 4.4


def shifted(scene, camera):
    camera.data.shift_x, camera.data.shift_y = 0.17, -0.11


def shifted_orthographic(scene, camera):
    orthographic(scene, camera)
    camera.data.shift_x, camera.data.shift_y = -0.13, 0.09


def vertical_sensor(scene, camera):
    camera.data.sensor_fit = "VERTICAL"
    camera.data.sensor_height = 17.0
    camera.data.shift_y = 0.05


def horizontal_sensor(scene, camera):
    camera.data.sensor_fit = "HORIZONTAL"
    camera.data.sensor_width = 29.0


def tall_picture(scene, camera):
    scene.render.resolution_x, scene.render.resolution_y = 90, 160


def wide_pixels(scene, camera):
    scene.render.resolution_x = 160
    scene.render.pixel_aspect_x = 2.0


def tall_pixels(scene, camera):
    scene.render.resolution_x = 640
    scene.render.pixel_aspect_y = 2.0
    camera.data.shift_x = 0.1


def percentage(scene, camera):
    scene.render.resolution_percentage = 37


def cropped_to_region(scene, camera):
    scene.render.use_border = scene.render.use_crop_to_border = True
    scene.render.border_min_x, scene.render.border_max_x = 0.2, 0.7
    scene.render.border_min_y, scene.render.border_max_y = 0.15, 0.9


def scaled_camera(scene, camera):
    camera.scale = (3.0, 0.5, 2.0)


def camera_of_a_scaled_parent(scene, camera):
    parent = stage.add("Parent", None, (0.5, 0.2, 0.1), (10, 5, 30))
    parent.scale = (2, 2, 2)
    camera.parent = parent
    camera.matrix_parent_inverse = parent.matrix_world.inverted()


def very_wide_lens(scene, camera):
    camera.data.lens = 6.0
    camera.location = (1.2, -1.9, 1.9)


def very_long_lens(scene, camera):
    camera.data.lens = 800
    camera.matrix_world.translation = stage.BALL + (camera.location - stage.BALL) * 12


def through_a_spot_lamp(scene, camera):
    data = bpy.data.lights.new("Lamp", "SPOT")
    data.spot_size = math.radians(70)
    lamp = bpy.data.objects.new("Lamp", data)
    scene.collection.objects.link(lamp)
    lamp.matrix_world = camera.matrix_world
    scene.camera = lamp


CAMERAS = [
    perspective,
    orthographic,
    shifted,
    shifted_orthographic,
    vertical_sensor,
    horizontal_sensor,
    tall_picture,
    wide_pixels,
    tall_pixels,
    percentage,
    cropped_to_region,
    scaled_camera,
    camera_of_a_scaled_parent,
    very_wide_lens,
    very_long_lens,
    through_a_spot_lamp,
]


@pytest.mark.parametrize("change", CAMERAS, ids=lambda change: change.__name__)
def test_depth_and_normals_are_exact(change):
    camera = stage.build()
    change(bpy.context.scene, camera)
    bpy.context.view_layer.update()
    size = size_for("auto", "1K", camera_aspect(bpy.context.scene))
    canvas = fast(max(64, size.width // 4), max(64, size.height // 4))
    stage.check_against_truth(canvas)


@pytest.mark.parametrize("change", CAMERAS, ids=lambda change: change.__name__)
def test_the_picture_is_the_one_that_blender_renders(change, tmp_path):
    """The camera's frame, against the alpha of a render of the scene itself."""
    camera = stage.build(around=64)
    scene = bpy.context.scene
    change(scene, camera)
    aspect = camera_aspect(scene)
    canvas = fast(round(160 * min(1, aspect)), round(160 * min(1, aspect) / aspect))
    render = scene.render
    render.film_transparent = True
    render.resolution_percentage = 100
    scene.cycles.samples, scene.cycles.max_bounces = 1, 0
    scene.cycles.use_denoising = False
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BOX", 0.01
    path = tmp_path / "own.png"
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGBA"
    render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    own = passes._read_png(path)[..., 3] > 127
    ys = ((np.arange(canvas.height) + 0.5) / canvas.height * own.shape[0]).astype(int)
    xs = ((np.arange(canvas.width) + 0.5) / canvas.width * own.shape[1]).astype(int)
    assert stage.agree_to_a_pixel(own[ys][:, xs], canvas.covered)
    assert canvas.covered.mean() > 0.1


@pytest.mark.parametrize("how", ["extend", "crop"])
@pytest.mark.parametrize("size", [(128, 128), (256, 96), (90, 160)])
@pytest.mark.parametrize("change", [perspective, orthographic, shifted, wide_pixels])
def test_another_aspect_ratio_is_never_squashed(how, size, change):
    camera = stage.build(around=64)
    change(bpy.context.scene, camera)
    own_size = size_for("auto", "1K", camera_aspect(bpy.context.scene))
    own = fast(own_size.width // 8, own_size.height // 8)
    canvas = fast(*size, fit=how)
    seen, before = (np.array(c.view.projection_matrix) for c in (canvas, own))
    # Square pixels: as many per metre across as down.
    assert seen[0, 0] * canvas.width == pytest.approx(seen[1, 1] * canvas.height, rel=1e-5)
    # The frame's centre stays, and its extent grows ("extend") or shrinks in one direction only.
    grown = before[0, 0] / seen[0, 0], before[1, 1] / seen[1, 1]
    aspect = camera_aspect(bpy.context.scene)
    assert grown[0] / grown[1] == pytest.approx(canvas.width / canvas.height / aspect, rel=2e-2)
    assert (min(grown) if how == "extend" else max(grown)) == pytest.approx(1, rel=1e-2)


def test_an_extended_picture_shows_more_around_the_same():
    stage.build()
    own = fast(256, 160)
    canvas = fast(256, 256)
    stage.check_against_truth(canvas)
    middle = canvas.depth[48:208]
    same = np.isclose(middle, own.depth, rtol=1e-4) | (np.isinf(middle) & np.isinf(own.depth))
    assert same.mean() > 0.995


@pytest.mark.parametrize("metres", [0.01, 25.4])
def test_lengths_are_metres_whatever_the_units_of_the_scene(metres):
    camera = stage.build()
    camera.data.dof.use_dof = True
    camera.data.dof.focus_distance = 6.0
    units = bpy.context.scene.unit_settings
    units.system, units.scale_length = "METRIC", metres
    canvas = fast()
    stage.check_against_truth(canvas, metres)
    assert canvas.view.focus_distance == pytest.approx(6.0 * metres)
    assert canvas.view.near == pytest.approx(camera.data.clip_start * metres)


def test_without_units_a_blender_unit_is_a_metre():
    stage.build()
    units = bpy.context.scene.unit_settings
    units.system, units.scale_length = "NONE", 0.01
    stage.check_against_truth(fast())


def test_two_renders_are_as_exact_as_one():
    stage.build()
    canvas = capture(bpy.context, CaptureSpec(256, 160, samples=2))
    stage.check_against_truth(canvas)


def test_a_large_picture_in_strips_is_the_same(monkeypatch):
    stage.build()
    spec = CaptureSpec(203, 127, samples=1)
    whole = capture(bpy.context, spec)
    monkeypatch.setattr(passes, "_STRIP_PIXELS", 203 * 30)
    strips = capture(bpy.context, spec)
    stage.check_against_truth(strips)
    assert np.array_equal(whole.covered, strips.covered)
    assert np.allclose(whole.depth[whole.covered], strips.depth[whole.covered], rtol=1e-5)


@pytest.mark.parametrize("size", [(64, 64), (8192, 64), (64, 2048)])
def test_the_smallest_and_longest_sizes(size):
    stage.build(around=64)
    canvas = fast(*size)
    assert canvas.color.shape == (size[1], size[0], 4)
    assert canvas.covered.any()


def test_a_camera_that_moves_is_seen_where_it_is_at_the_frame():
    camera = stage.build()
    camera.keyframe_insert("location", frame=1)
    camera.location.x -= 4
    camera.keyframe_insert("location", frame=11)
    camera.data.lens = 45
    camera.data.keyframe_insert("lens", frame=1)
    camera.data.lens = 30
    camera.data.keyframe_insert("lens", frame=11)
    bpy.context.scene.frame_set(11)
    canvas = fast()
    assert canvas.view.frame == 11
    assert canvas.view.lens_mm == pytest.approx(30)
    assert canvas.view.camera_to_world[0][3] == pytest.approx(camera.matrix_world.translation.x)
    stage.check_against_truth(canvas)


def test_a_camera_that_follows_a_constraint():
    camera = stage.build()
    goal = stage.add("Goal", None, tuple(stage.BALL))
    camera.matrix_world.translation = (4, -5, 4)
    track = camera.constraints.new("TRACK_TO")
    track.target, track.track_axis, track.up_axis = goal, "TRACK_NEGATIVE_Z", "UP_Y"
    bpy.context.view_layer.update()
    canvas = fast()
    stage.check_against_truth(canvas)
    middle = canvas.depth[78:82, 126:130]
    assert np.allclose(middle, math.dist((4, -5, 4), stage.BALL) - 1, rtol=2e-3)


def test_another_camera_of_the_scene_by_name():
    stage.build()
    other = stage.camera("Other", (-4, -3, 5), lens=38, roll=0)
    canvas = fast(camera="Other")
    assert canvas.view.camera == "Other"
    assert np.allclose(canvas.view.camera_to_world, other.matrix_world, atol=1e-6)
    stage.check_against_truth(canvas)


def test_a_camera_in_an_excluded_collection():
    camera = stage.build()
    away = bpy.data.collections.new("Away")
    bpy.context.scene.collection.children.link(away)
    bpy.context.scene.collection.objects.unlink(camera)
    away.objects.link(camera)
    bpy.context.view_layer.layer_collection.children["Away"].exclude = True
    stage.check_against_truth(fast())


def test_focus_is_where_the_camera_focuses():
    camera = stage.build(around=64)
    assert fast(64, 64).view.focus_distance is None
    camera.data.dof.use_dof = True
    camera.data.dof.focus_distance = 3.5
    assert fast(64, 64).view.focus_distance == pytest.approx(3.5)
    camera.data.dof.focus_object = bpy.data.objects["Ball"]
    expected = -(camera.matrix_world.inverted() @ stage.BALL).z
    assert fast(64, 64).view.focus_distance == pytest.approx(expected, rel=1e-5)


def test_the_view_says_where_it_comes_from():
    camera = stage.build(around=64)
    canvas = fast(64, 64)
    view = canvas.view
    assert (view.source, view.engine, view.scene, view.camera) == (
        "passes",
        "CYCLES",
        "Scene",
        camera.name,
    )
    assert view.blender_version == bpy.app.version_string
    assert view.near == pytest.approx(camera.data.clip_start)
    assert view.far == pytest.approx(camera.data.clip_end)
