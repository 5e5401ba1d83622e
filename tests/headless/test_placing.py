# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras that are placed by themselves: what they see, and that they leave nothing behind."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from mathutils import Vector

from genai_render.blender.capture import CaptureSpec, capture, placing
from genai_render.core.errors import SceneError
from genai_render.core.view import placement

from . import stage
from .snapshot import differences, snapshot


def _scene():
    """A ball on a large floor, before a wall; far off, another ball; a camera in front."""
    stage.build(around=24)
    stage.plane("Wall", 6, (0, 6, 3), (90, 0, 0))
    stage.ball("Far ball", (0, 60, 0), 1.0, 12)
    for thing in bpy.context.view_layer.objects:
        thing.select_set(False)
    bpy.context.view_layer.update()


def _placed(how, aspect=1.0, names=(), turn=0.0, room=""):
    return placing.placed(bpy.context, names, how, turn, room, aspect)


def test_the_subject_is_what_stands_there_or_what_is_selected():
    _scene()
    assert placing.subject(bpy.context) == ("Ball",)
    bpy.data.objects["Wall"].select_set(True)
    assert placing.subject(bpy.context) == ("Wall",)
    bpy.data.objects["Wall"].hide_render = True
    assert placing.subject(bpy.context) == ("Ball",), "a hidden object is no subject"
    for thing in bpy.data.objects:
        thing.hide_render = True
    with pytest.raises(SceneError):
        placing.subject(bpy.context)


@pytest.mark.parametrize("how", ["hero", "three-quarter", "top", "eye-level"])
@pytest.mark.parametrize(("aspect", "room"), [(1.0, ""), (16 / 9, "left"), (9 / 16, "top")])
def test_the_ball_is_seen_whole_in_its_part_of_the_picture(how, aspect, room):
    _scene()
    found = _placed(how, aspect, room=room)
    size = round(128 * aspect), 128
    canvas = capture(
        bpy.context, CaptureSpec(*size, samples=1, placed=found, camera=how, mode="fast")
    )
    assert canvas.view.camera == how
    assert canvas.view.lens_mm == found.lens
    rows, columns = np.nonzero(_of_ball(canvas))
    wide, high = size
    left, right = columns.min() / wide * 2 - 1, (columns.max() + 1) / wide * 2 - 1
    bottom, top = 1 - (rows.max() + 1) / high * 2, 1 - rows.min() / high * 2
    fill = placement.rule(how).fill
    pixel = 4 / min(wide, high)
    assert max(abs(left), abs(right), abs(bottom), abs(top)) <= fill + pixel
    assert max(right - left, top - bottom) > 0.5
    if room == "left":
        assert left > -0.33
    if room == "top":
        assert top < 0.33


def _of_ball(canvas):
    """Where the ball is, by the place of each pixel in the world."""
    world = np.array(canvas.view.camera_to_world)
    projection = np.array(canvas.view.projection_matrix)
    rows, columns = np.mgrid[: canvas.height, : canvas.width]
    x = (columns + 0.5) / canvas.width * 2 - 1
    y = 1 - (rows + 0.5) / canvas.height * 2
    depth = np.where(np.isfinite(canvas.depth), canvas.depth, 1e6)
    local = np.stack((depth * x / projection[0, 0], depth * y / projection[1, 1], -depth), axis=-1)
    points = local @ world[:3, :3].T + world[:3, 3]
    return np.abs(np.linalg.norm(points - np.array(stage.BALL), axis=-1) - 1) < 0.05


def test_it_stands_on_the_side_of_the_scenes_camera_and_before_no_wall():
    _scene()
    eye = Vector([row[3] for row in _placed("hero").matrix[:3]])
    camera = bpy.context.scene.camera.matrix_world.translation
    assert (eye - stage.BALL).xy.dot((camera - stage.BALL).xy) > 0
    # A wall right in front of where it would stand: another place is found.
    way = (eye - stage.BALL) * 0.5 + stage.BALL
    wall = stage.plane("Screen", 1.2, tuple(way))
    wall.rotation_euler = (eye - stage.BALL).to_track_quat("Z", "Y").to_euler()
    bpy.context.view_layer.update()
    other = Vector([row[3] for row in _placed("hero", names=("Ball",)).matrix[:3]])
    assert (other - eye).length > 0.5


def test_a_placed_capture_leaves_no_trace():
    _scene()
    before = snapshot()
    capture(bpy.context, CaptureSpec(64, 64, samples=1, placed=_placed("hero"), camera="hero"))
    assert not differences(before, snapshot())


def test_a_part_of_a_cameras_frame_is_what_the_whole_shows_there():
    _scene()
    whole = capture(bpy.context, CaptureSpec(128, 128, samples=1, fit="crop", mode="fast"))
    part = capture(
        bpy.context,
        CaptureSpec(128, 128, samples=1, mode="fast", fit="crop", part=(0.25, 0.25, 0.5, 0.5)),
    )
    near = np.array(whole.view.projection_matrix)[:2, :3]
    close = np.array(part.view.projection_matrix)[:2, :3]
    assert close[0, 0] == pytest.approx(2 * near[0, 0], rel=1e-4)
    assert close[1, 1] == pytest.approx(2 * near[1, 1], rel=1e-4)
    again = part.depth[32:96:8, 32:96:8]
    there = whole.depth[48:80:4, 48:80:4]
    same = np.isclose(again, there, rtol=0.02)
    assert same.mean() > 0.8
