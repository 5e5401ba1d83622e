# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the README's pictures of the window, in a real Blender under Xvfb:

    .venv/bin/python -m tests.panel_pictures /path/to/blender

The sample product, the built extension, and mouse and keys: what it shows is what it does.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

from building.extension_zip import build_zip
from building.installed_blender import ask_blender
from building.project import Project
from tests.window.blender_window import PROJECT, BlenderWindow
from tests.window.conftest import _STOPPED

DOCS = PROJECT / "docs" / "pictures"
WIDTH = 1280
STATE = "bpy.context.window_manager.genai_render"
SETTINGS = "bpy.context.scene.genai_render"
WORKS = "len(ours('jobs.session').opened().works()) if ours('jobs.session').opened() else 0"

_PRODUCT = f"""
import sys
sys.path.insert(0, {str(PROJECT)!r})
for thing in list(bpy.data.objects):
    bpy.data.objects.remove(thing)
from tests.scenes import product
product.build()
bpy.context.view_layer.update()
view = area().spaces.active
view.show_region_ui, view.overlay.show_overlays = True, False
view.shading.type, view.shading.color_type = "SOLID", "MATERIAL"
view.region_3d.view_perspective, view.region_3d.view_camera_zoom = "CAMERA", 22
settings = {SETTINGS}
settings.use_seed, settings.resolution = True, "1K"
"""


class Pictures:
    def __init__(self, window: BlenderWindow) -> None:
        self.window = window
        window.run(_STOPPED)
        window.new_file()
        window.run(_PRODUCT)
        window.open_tab()
        window.settle(3)

    def make(self, prompt: str, style: str = "auto") -> None:
        """Write it, choose the style, press Generate."""
        run = self.window.run
        run(f"{SETTINGS}.prompt, {SETTINGS}.style = {prompt!r}, {style!r}")
        run("ours('redraw').sidebars()")
        self.window.settle(1)
        self.window.press("genai_render.generate", across=0.35, begin=0.4)
        self.window.wait_for(f"({WORKS}) > 0", 60)
        self.window.wait_for(f"({WORKS}) == 0", 600)
        run("ours('jobs.session').opened().told.clear(); ours('redraw').sidebars()")
        self.window.settle(2)

    def keep(self, name: str) -> None:
        """What is on the screen, for the README."""
        x, y, width, _ = self.window.region()
        self.window.move_mouse(x + width * 0.3, y + 3)
        self.window.settle(2)
        with Image.open(self.window.screenshot(name)) as shot:
            small = shot.convert("RGB").resize((WIDTH, round(shot.height * WIDTH / shot.width)))
        small.save(DOCS / f"{name}.webp", quality=84, method=6)


def take(window: BlenderWindow) -> None:
    pictures = Pictures(window)
    pictures.make("golden hour, low sun through a window")
    window.run(f"{STATE}.wipe = 0.55; ours('redraw').viewports()")
    pictures.keep("panel-wipe")
    window.run(f"{STATE}.wipe = 1.0")
    window.run("bpy.ops.genai_render.use_as_reference()")
    pictures.make("watercolor, pale morning light")
    pictures.keep("panel-second")
    for prompt, style in (
        ("neon at night", "cyberpunk"),
        ("moonlight, mist", "auto"),
        ("ink drawing, cross-hatching", "auto"),
        ("blueprint", "auto"),
        ("pencil sketch", "auto"),
    ):
        pictures.make(prompt, style)
    x, y, width, height = window.region("UI")
    window.move_mouse(x + width * 0.4, y + height * 0.5)
    window.scroll(60)
    window.settle(1)
    window.press("genai_render.browse(", across=0.86)
    window.settle(3)
    with Image.open(window.screenshot("panel-history")) as shot:
        small = shot.convert("RGB").resize((WIDTH, round(shot.height * WIDTH / shot.width)))
    small.save(DOCS / "panel-history.webp", quality=84, method=6)
    window.key("Escape")


def main(blender: str) -> None:
    known = ask_blender(blender)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "zip").mkdir()
        zip = build_zip(Project(PROJECT), known.platform, known.tag, folder / "zip")
        window = BlenderWindow(blender, folder / "window", folder / "shots", zip)
        try:
            take(window)
        finally:
            window.close()


if __name__ == "__main__":
    main(sys.argv[1])
