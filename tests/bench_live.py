# SPDX-License-Identifier: GPL-3.0-or-later
"""The live render in a real window: `build.py bench --live EXE`.

The view is turned a little with every redraw, for some seconds, with the live render off and on.
What counts is how many pictures a second come, how much longer a redraw takes than without, and how
soon after the last turn the finished picture is there.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from building.extension_zip import build_zip  # noqa: E402
from building.installed_blender import ask_blender  # noqa: E402
from building.project import Project  # noqa: E402
from tests.window.blender_window import MODULE, BlenderWindow  # noqa: E402

SECONDS = 6.0
_START = f"""
import time
from importlib import import_module
from mathutils import Quaternion
def ours(name):
    return import_module("{MODULE}.blender." + name)
state = bpy.context.window_manager.genai_render
state.show_live = state.show_frame = False
for thing in list(bpy.data.objects):
    if thing.type == "MESH":
        bpy.data.objects.remove(thing)
bpy.ops.mesh.primitive_monkey_add(location=(0, 0, 1))
bpy.ops.mesh.primitive_plane_add(size=8)
scene = bpy.context.scene
scene.genai_render.prompt, scene.genai_render.style = "golden hour", %r
live = ours("viewport.live_render").live()
turned = {{"end": 0.0, "draws": 0, "last": 0.0}}
def turn():
    now = time.perf_counter()
    if now > turned["end"]:
        return None
    with override("WINDOW"):
        view = bpy.context.region_data
        view.view_rotation = view.view_rotation @ Quaternion((0, 1, 0), 0.01)
        bpy.context.region.tag_redraw()
    turned["last"] = time.perf_counter()
    return 0.001
def drawn():
    turned["draws"] += 1
handle = bpy.types.SpaceView3D.draw_handler_add(drawn, (), "WINDOW", "POST_PIXEL")
"""
_TURN = f"""
turned["draws"], turned["end"] = 0, time.perf_counter() + {SECONDS}
before = live.made
bpy.app.timers.register(turn)
"""
_OVER = "time.perf_counter() > turned['end'] + 0.05"
_SWITCH = "with override('WINDOW'): bpy.context.window_manager.genai_render.live_render = {}"


def measure(window: BlenderWindow, style: str) -> str:
    window.run(_START % style)
    window.settle(1)
    window.run(_TURN)
    window.wait_for(_OVER, 60)
    alone = window.run("answer = turned['draws']")
    window.run(_SWITCH.format(True))
    window.wait_for("live.made >= 2 and not live._busy", 60)
    window.run(_TURN)
    window.wait_for(_OVER, 60)
    draws, made = window.run("answer = turned['draws'], live.made - before")
    window.wait_for("live._finished is not None and live._finished == live._seen", 60)
    window.wait_for("not live._busy", 60)
    late = window.run("answer = live._made_at[-1] - turned['last']")
    size = window.run("answer = live.draft_size")
    window.run(_SWITCH.format(False))
    return (
        f"{style:16}{made / SECONDS:>12.1f}{alone / SECONDS:>12.1f}{draws / SECONDS:>10.1f}"
        f"{alone / max(draws, 1):>8.2f}{late:>10.2f}  {size[0]} × {size[1]}"
    )


def main(blender: str, styles: list[str]) -> int:
    project = Project(Path(__file__).parents[1])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        known = ask_blender(blender)
        (folder / "zip").mkdir()
        zip = build_zip(project, known.platform, known.tag, folder / "zip")
        window = BlenderWindow(blender, folder / "window", folder, zip)
        try:
            print(
                f"{'style':16}{'pictures/s':>12}{'draws/s off':>12}{'on':>10}{'ratio':>8}"
                f"{'rest s':>10}  drafts"
            )
            for style in styles:
                print(measure(window, style), flush=True)
        finally:
            window.close()
    return 0
