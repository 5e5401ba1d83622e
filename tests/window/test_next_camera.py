# SPDX-License-Identifier: GPL-3.0-or-later
"""Same Look, Next Camera, by mouse and keys: a picture that was accepted, from another camera."""

from __future__ import annotations

from .blender_window import BlenderWindow
from .test_panel import generate, item, prompt, wait

_TWO_CAMERAS = """
import math
from mathutils import Matrix
first = bpy.context.scene.camera
second = first.copy()
second.data = first.data.copy()
second.name = "Second"
bpy.context.collection.objects.link(second)
second.matrix_world = Matrix.Rotation(math.radians(20), 4, "Z") @ first.matrix_world
area().spaces.active.region_3d.view_perspective = "CAMERA"
with override():
    bpy.ops.ed.undo_push(message="Before")
"""
_STATE = """
answer = [sorted(thing.name for thing in bpy.data.objects), len(bpy.data.scenes),
          len(bpy.data.cameras), len(bpy.data.images), bpy.context.scene.camera.name,
          bpy.context.scene.render.resolution_x, area().spaces.active.shading.type,
          sorted(thing.name for thing in bpy.context.selected_objects)]
"""


def test_the_next_camera_shows_the_same_look(scene: BlenderWindow) -> None:
    scene.run(_TWO_CAMERAS)
    prompt(scene, "golden hour")
    made = generate(scene)
    scene.screenshot("next-camera-source")
    before = scene.run(_STATE)
    x, y, width, height = scene.region()
    scene.move_mouse(x + width * 0.4, y + height / 2)
    scene.search("Same Look, Next")
    scene.settle(1.5)
    scene.screenshot("next-camera-dialog")
    scene.key("Return")
    scene.wait_for(f"bpy.context.window_manager.genai_render.selected != {made!r}", 200)
    wait(scene)
    assert scene.run(_STATE) == before
    scene.run("with override(): bpy.ops.genai_render.show_result()")
    scene.settle(1)
    scene.screenshot("next-camera-result")
    result = item(scene, scene.run("answer = bpy.context.window_manager.genai_render.selected"))
    request = result["request"]
    assert isinstance(request, dict)
    assert (request["parent"], request["carried"], request["prompt"]) == (made, True, "golden hour")
    assert request["canvas"]["camera"] == "Second"
    # All around, from the menu of the picture.
    scene.run("bpy.context.window_manager.genai_render.selected = " + repr(made))
    scene.run("with override(): bpy.ops.genai_render.next_camera(target='TURNTABLE', views=3)")
    wait(scene)
    scene.wait_for("len(history_view.page(bpy.context).items) >= 4", 60)
    assert scene.run(_STATE) == before
    told = scene.run(
        "answer = [told.text for told in ours('jobs.session').opened().told if told.is_error]"
    )
    assert told == []
    scene.run("with override(): bpy.ops.genai_render.show_result()")
    scene.settle(1)
    scene.screenshot("next-camera-turntable")
