# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures that the documentation shows, made by using what they show.

`--shots docs/pictures` renews them.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from .blender_window import BlenderWindow

PROJECT = Path(__file__).resolve().parent.parent.parent

_SCENE = f"""
import sys
sys.path.insert(0, {str(PROJECT)!r})
for thing in list(bpy.data.objects):
    bpy.data.objects.remove(thing)
from tests.scenes import product
product.build()
view = area().spaces.active
view.shading.color_type = "MATERIAL"
view.shading.show_shadows = view.shading.show_cavity = True
view.overlay.show_floor = view.overlay.show_extras = False
bpy.context.scene.camera = bpy.data.objects["Camera"]
view.region_3d.view_perspective = "CAMERA"
view.region_3d.view_camera_zoom = 6
view.region_3d.view_camera_offset = (0.11, 0)
settings = bpy.context.scene.genai_render
settings.prompt, settings.style = "golden hour, warm light", "movie"
"""
_WORKING = "len(ours('jobs.session').opened().works()) if ours('jobs.session').opened() else 0"


def _make(window: BlenderWindow) -> str:
    window.run("with override(): bpy.ops.genai_render.generate()")
    window.wait_for(f"({_WORKING}) == 0", 400)
    window.settle(2)
    return window.run("answer = bpy.context.window_manager.genai_render.selected")


def _colors(path: Path) -> int:
    """How many colours are to be seen: an empty window has few."""
    small = Image.open(path).convert("RGB").resize((400, 250))
    return len(small.getcolors(maxcolors=100_000) or ())


def test_from_the_view_to_a_picture_and_on_to_the_next(scene: BlenderWindow) -> None:
    drawn = scene.run("answer = ours('viewport.live_preview').live().drawn_count")
    scene.run(_SCENE)
    scene.wait_for(f"ours('viewport.live_preview').live().drawn_count > {drawn}", 120)
    scene.settle(4)
    empty = _colors(scene.screenshot("doc-view"))

    first = _make(scene)
    assert first
    scene.run("bpy.context.window_manager.genai_render.wipe = 0.5")
    assert _colors(scene.screenshot("doc-wipe")) > empty / 2

    scene.run(f"bpy.ops.genai_render.use_as_reference(id={first!r}, slot=1)")
    scene.run("settings.prompt, settings.style = 'sunset, ink lines', 'comic'")
    scene.run("bpy.context.window_manager.genai_render.wipe = 1")
    second = _make(scene)
    assert second != first
    x, y, width, height = scene.region("UI")
    scene.move_mouse(x + width / 2, y + height / 2)
    scene.scroll(5)  # until the reference is seen
    scene.settle(1)
    scene.screenshot("doc-second")

    scene.run("with override(): bpy.ops.genai_render.compare(count=2)")
    scene.scroll(60)
    scene.move_mouse(x + width / 2, y - 8)  # away from what has a tool tip
    scene.settle(2)
    scene.screenshot("doc-history")
