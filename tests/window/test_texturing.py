# SPDX-License-Identifier: GPL-3.0-or-later
"""An image baked into textures, and where it left its scene: pressed and looked at in a window."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .blender_window import BlenderWindow
from .test_panel import WORKS, box_on_screen
from .test_picture_actions import first  # noqa: F401 - a fixture

_ERRANDS = "len(ours('jobs.errands').under_way())"
_TEXTURED = "sum('genai_render_texture' in thing for thing in bpy.data.objects)"
_STATE = """
answer = [sorted(bpy.data.materials.keys()), sorted(bpy.data.images.keys()),
          sorted(bpy.data.scenes.keys()), sorted(bpy.data.meshes.keys()),
          sorted(thing.name for thing in bpy.context.selected_objects), bpy.context.mode,
          {thing.name: [(slot.link, slot.material and slot.material.name)
           for slot in thing.material_slots] for thing in bpy.data.objects},
          {mesh.name: mesh.uv_layers.keys() for mesh in bpy.data.meshes}]
"""
_TOLD = "[(told.is_error, told.text) for told in ours('jobs.session').opened().told]"


def _over_the_view(window: BlenderWindow, share: float = 0.4) -> None:
    x, y, width, height = window.region()
    window.move_mouse(x + width * share, y + height / 2)


def test_an_image_becomes_textures_and_goes_again(scene: BlenderWindow, first: str) -> None:  # noqa: F811
    with_none = scene.run(_STATE)
    _over_the_view(scene)
    scene.search("Bake into Textures")
    scene.settle(1.5)
    scene.screenshot("texture-dialog")
    scene.key("Return")
    scene.wait_for(f"({_ERRANDS}) == 0 and ({_TEXTURED}) > 0", 120)
    scene.settle(2)
    scene.screenshot("texture-baked")
    assert "Baked textures" in scene.run(f"answer = {_TOLD}")[-1][1]
    assert scene.run("answer = area().spaces.active.shading.type") == "MATERIAL"
    scene.run("with override(): bpy.ops.genai_render.texture(action='REMOVE')")
    assert scene.run(_STATE) == with_none


def test_views_come_one_at_a_time_and_can_be_cancelled(scene: BlenderWindow, first: str) -> None:  # noqa: F811
    start = "with override(): bpy.ops.genai_render.texture(views='SIX', resolution='1K')"
    scene.run(start)
    assert scene.run(f"answer = {_ERRANDS}") == 1, "Blender answers while views are to come"
    scene.settle(0.5)
    scene.screenshot("texture-views-under-way")
    scene.run("with override(): bpy.ops.genai_render.cancel_all()")
    scene.wait_for(f"({_ERRANDS}) == 0 and ({WORKS}) == 0", 120)
    assert scene.run(f"answer = {_TEXTURED}") == 0


def test_where_an_image_left_the_scene(scene: BlenderWindow, first: str) -> None:  # noqa: F811
    scene.wait_for("ours('background').addon.state(ours('background').Background).pending == 0", 60)
    scene.settle(0.5)
    plain = np.asarray(Image.open(scene.screenshot("heat-off")).crop(box_on_screen(scene)))
    scene.press("show_heat", 0.5)
    scene.settle(2)
    shown = np.asarray(Image.open(scene.screenshot("heat-on")).crop(box_on_screen(scene)))
    greener = shown[..., 1].astype(int) - plain[..., 1].astype(int)
    assert (greener > 8).mean() > 0.03, "the edges that lie on the scene's are green"
    scene.press("show_heat", 0.5)
    scene.settle(1)
    again = np.asarray(Image.open(scene.screenshot("heat-off-again")).crop(box_on_screen(scene)))
    assert np.median(np.abs(again.astype(int) - plain.astype(int))) <= 1
