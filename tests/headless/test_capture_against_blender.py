# SPDX-License-Identifier: GPL-3.0-or-later
"""A canvas beside Blender's own render of the same camera, with a figure for how far they differ.

What belongs to the picture of a camera is in the canvas: its frame, the exposure and the view
transform, holdouts, a transparent film. What a lens or a compositor lays over it is not, and is
compared with a render that has it turned off; so is motion blur, since a canvas shows a moment.
"""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from PIL import Image

from genai_render.blender.capture import CaptureSpec, camera_aspect, capture, passes
from genai_render.blender.capture import camera as camera_frame

from . import stage
from .test_capture_leaves_no_trace import compositor

WIDTH = 128
SAMPLES = 16


def scene_of_colors():
    """The ball and the floor below a gray sky, bright enough for every view transform."""
    seen = stage.build(around=64)
    scene = bpy.context.scene
    scene.world = bpy.data.worlds.new("Sky")
    scene.world.color = (0.3, 0.4, 0.6)
    return scene, seen


def own_render(scene, path, percentage: float):
    """Blender's render of the scene as it is, as F12 makes it, with few samples."""
    render = scene.render
    render.resolution_percentage = round(percentage)
    scene.cycles.samples = SAMPLES
    scene.cycles.use_denoising = True
    render.dither_intensity = 0
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = "IMAGE"
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGBA"
    render.filepath = str(path / "own.png")
    bpy.ops.render.render(write_still=True)
    return passes._read_png(path / "own.png")


def difference(scene, tmp_path, **options) -> float:
    """The mean difference of the colors, of 255; alpha is compared as a color, too."""
    aspect = camera_aspect(scene)
    size = (WIDTH, max(64, round(WIDTH / aspect)))
    canvas = capture(bpy.context, CaptureSpec(*size, samples=SAMPLES, **options))
    left, right, *_ = camera_frame.region(scene.render)
    own = own_render(scene, tmp_path, 100 * WIDTH / scene.render.resolution_x / (right - left))
    assert own.shape[1] / own.shape[0] * _pixel(scene) == pytest.approx(aspect, rel=0.03)
    if own.shape != canvas.color.shape:
        own = np.array(Image.fromarray(own).resize(size, Image.Resampling.BILINEAR))
    return float(np.abs(_blurred(canvas.color) - _blurred(own)).mean())


def _pixel(scene) -> float:
    return scene.render.pixel_aspect_x / scene.render.pixel_aspect_y


def _blurred(color):
    """Over 3 × 3 pixels, with the colors weighted by alpha: edges lie at slightly other places."""
    color = color.astype(np.float64)
    color[..., :3] *= color[..., 3:] / 255
    padded = np.pad(color, ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = color.shape[:2]
    return sum(padded[y : y + height, x : x + width] for y in range(3) for x in range(3)) / 9


def plain(scene, camera):
    pass


def lens_shift(scene, camera):
    camera.data.shift_x, camera.data.shift_y = 0.2, -0.15


def orthographic(scene, camera):
    camera.data.type, camera.data.ortho_scale = "ORTHO", 4.4


def crop_to_region(scene, camera):
    scene.render.use_border = scene.render.use_crop_to_border = True
    scene.render.border_min_x, scene.render.border_max_x = 0.2, 0.8
    scene.render.border_min_y, scene.render.border_max_y = 0.1, 0.9


def wide_pixels(scene, camera):
    scene.render.resolution_x, scene.render.pixel_aspect_x = 160, 2.0


def exposure(scene, camera):
    scene.view_settings.exposure, scene.view_settings.gamma = 1.3, 1.2


def filmic_with_a_look(scene, camera):
    scene.view_settings.view_transform = "Filmic"
    scene.view_settings.look = next(
        name for name in ("High Contrast", "Filmic - High Contrast") if _has_look(scene, name)
    )


def _has_look(scene, name) -> bool:
    try:
        scene.view_settings.look = name
    except TypeError:
        return False
    return True


def curves_of_the_view(scene, camera):
    scene.view_settings.use_curve_mapping = True
    scene.view_settings.curve_mapping.curves[0].points[0].location[1] = 0.3
    scene.view_settings.curve_mapping.update()


def film_transparent(scene, camera):
    scene.render.film_transparent = True


def holdout(scene, camera):
    scene.render.film_transparent = True
    bpy.data.objects["Ball"].is_holdout = True


def half_clear_surface(scene, camera):
    paint = bpy.data.materials["Red"]
    shader = next(n for n in paint.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Alpha"].default_value = 0.4


def clip_planes(scene, camera):
    camera.data.clip_start = 6.0


@pytest.mark.parametrize(
    "change",
    [
        plain,
        lens_shift,
        orthographic,
        crop_to_region,
        wide_pixels,
        exposure,
        filmic_with_a_look,
        curves_of_the_view,
        film_transparent,
        holdout,
        half_clear_surface,
        clip_planes,
    ],
    ids=lambda change: change.__name__,
)
def test_the_canvas_is_blenders_own_picture(change, tmp_path):
    scene, camera = scene_of_colors()
    change(scene, camera)
    bpy.context.view_layer.update()
    assert difference(scene, tmp_path) < 2.0


def test_these_figures_tell_a_shift_of_the_lens_apart():
    _, camera = scene_of_colors()
    canvas = capture(bpy.context, CaptureSpec(96, 64, samples=SAMPLES))
    camera.data.shift_x = 0.04
    moved = capture(bpy.context, CaptureSpec(96, 64, samples=SAMPLES))
    assert np.abs(_blurred(canvas.color) - _blurred(moved.color)).mean() > 3


def test_depth_of_field_is_in_the_color_where_it_is_wanted(tmp_path):
    scene, camera = scene_of_colors()
    dof = camera.data.dof
    dof.use_dof, dof.focus_distance, dof.aperture_fstop = True, 3.0, 0.03
    blurred = difference(scene, tmp_path, depth_of_field=True)
    assert blurred < 4.0
    assert difference(scene, tmp_path) > 2 * blurred  # and else it is sharp
    dof.use_dof = False
    assert difference(scene, tmp_path) < 2.0


def test_motion_blur_is_left_out(tmp_path):
    scene, _ = scene_of_colors()
    ball = bpy.data.objects["Ball"]
    for frame, x in ((1, -1.5), (3, 2.1)):
        ball.location.x = x
        ball.keyframe_insert("location", frame=frame)
    scene.frame_set(2)
    scene.render.use_motion_blur, scene.render.motion_blur_shutter = True, 1.0
    blurred = difference(scene, tmp_path)
    scene.render.use_motion_blur = False
    assert difference(scene, tmp_path) < 2.0 < blurred


def test_effects_of_the_compositor_are_left_out(tmp_path):
    """Lens distortion, glare and the like are of the finished picture, not of the scene."""
    scene, _ = scene_of_colors()
    scene.render.use_compositing = True
    compositor(scene, tmp_path / "written")  # all green
    composited = difference(scene, tmp_path)
    scene.render.use_compositing = False
    assert difference(scene, tmp_path) < 2.0 < composited
