# SPDX-License-Identifier: GPL-3.0-or-later
"""The image GenAI Result in a window: an open Image Editor follows it, and undo leaves it."""

from __future__ import annotations

from .blender_window import BlenderWindow

_IMAGE = "ours('jobs.result_image')"
_NEWEST = "ours('jobs.session').session().store.search(limit=1)[0].id"


def _generate(window: BlenderWindow) -> str:
    window.run("with override(): bpy.ops.genai_render.generate()")
    window.wait_for("not ours('jobs.session').session().works()", timeout=300)
    window.wait_for(f"{_IMAGE}.image_id() == {_NEWEST}", timeout=30)
    return window.run(f"answer = {_NEWEST}")


def test_an_open_image_editor_follows_and_undo_leaves_it(scene: BlenderWindow):
    assert scene.run(f"answer = {_IMAGE}.find() is None")
    scene.run("bpy.context.scene.genai_render.prompt = 'golden hour, watercolor'")
    first = _generate(scene)
    scene.run(
        "editor = area('PROPERTIES')\n"
        "editor.type = 'IMAGE_EDITOR'\n"
        f"editor.spaces.active.image = {_IMAGE}.find()\n"
        "bpy.ops.ed.undo_push(message='Before')\n"
        "bpy.context.scene.objects['Suzanne'].location.x = 1\n"
        "bpy.ops.ed.undo_push(message='Moved')\n"
        "bpy.context.scene.genai_render.aspect = '1:1'"
    )
    sizes = [scene.run(f"answer = list({_IMAGE}.find().size)")]
    second = _generate(scene)
    sizes.append(scene.run(f"answer = list({_IMAGE}.find().size)"))
    assert sizes[1][0] == sizes[1][1] != sizes[0][1]
    scene.settle(1)
    scene.screenshot("result-image-editor")
    scene.run("with override(): bpy.ops.ed.undo()")
    scene.settle(1)
    assert scene.run("answer = bpy.context.scene.objects['Suzanne'].location.x") == 0
    assert scene.run(f"answer = {_IMAGE}.image_id()") == second != first
    assert scene.run(f"answer = list({_IMAGE}.find().size)") == sizes[1]
    scene.run("with override(): bpy.ops.ed.redo()")
    assert scene.run(f"answer = {_IMAGE}.image_id()") == second
