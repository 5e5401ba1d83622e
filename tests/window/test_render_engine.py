# SPDX-License-Identifier: GPL-3.0-or-later
"""F12 in a real window, with the render engine GenAI Render."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .blender_window import MODULE, BlenderWindow

_SET_UP = """
import bpy
bpy.context.preferences.view.render_display_type = "SCREEN"
scene = bpy.context.scene
scene.render.engine = "GENAI_RENDER"
scene.genai_render.canvas_engine = "CYCLES"
scene.genai_render.prompt = "golden hour, watercolor"
scene.render.resolution_x, scene.render.resolution_y = 480, 270
scene.view_settings.view_transform = "Standard"
rendered = bpy.app.driver_namespace["rendered"] = []
for handlers, name in (
    (bpy.app.handlers.render_complete, "complete"), (bpy.app.handlers.render_cancel, "cancel")
):
    handlers.append(lambda *_, name=name: rendered.append(name))
"""
_NEWEST = """
found = ours("jobs.session").session().store.search(limit=1)
answer = [[item.id, str(item.image_path), item.status, item.camera] for item in found]
"""


@pytest.fixture
def ready(scene: BlenderWindow) -> BlenderWindow:
    scene.run(_SET_UP)
    return scene


def _press_f12(window: BlenderWindow) -> None:
    left, top, width, height = window.region()
    window.move_mouse(left + width // 2, top + height // 2)
    window.settle()
    # By its operator: not every virtual display has function keys.
    window.run("with override(): bpy.ops.render.render('INVOKE_DEFAULT', use_viewport=True)")


def test_f12_gives_the_picture_that_is_in_history(ready: BlenderWindow):
    _press_f12(ready)
    ready.wait_for("len(ours('jobs.session').session().works())", timeout=300)
    # The window is alive meanwhile: it answers, and shows how far it is.
    ready.screenshot("render-under-way")
    ready.wait_for("bpy.app.driver_namespace['rendered']", timeout=600)
    assert ready.run("answer = bpy.app.driver_namespace['rendered']") == ["complete"]
    ready.settle(2)
    ready.screenshot("render-result")
    saved = ready.folder / "result.png"
    ready.run(
        f"bpy.data.images['Render Result'].save_render({str(saved)!r}, scene=bpy.context.scene)"
    )
    ((_, path, status, camera),) = ready.run(_NEWEST)
    assert (status, camera) == ("done", "Camera")
    rendered = np.asarray(Image.open(saved).convert("RGB"), int)
    assert rendered.shape == (270, 480, 3)
    kept = Image.open(path).convert("RGB").resize((480, 270), Image.Resampling.LANCZOS)
    # The canvas shows a little more than the frame: it is cut off, which moves edges a little.
    assert np.abs(rendered - np.asarray(kept, int)).mean() < 12
    assert ready.run(
        "answer = ours('addon').existing(ours('render_engine.frame_render').CanvasProcesses)"
        ".current is None"
    )
    ready.key("Escape")


def test_escape_ends_it_at_once(ready: BlenderWindow):
    before = ready.run(_NEWEST)
    _press_f12(ready)
    ready.wait_for("len(ours('jobs.session').session().works())", timeout=300)
    ready.settle(1)
    ready.key("Escape")
    ready.wait_for("bpy.app.driver_namespace['rendered']", timeout=120)
    ready.wait_for("not ours('jobs.session').session().works()", timeout=120)
    assert ready.run("answer = bpy.app.driver_namespace['rendered']") == ["cancel"]
    after = ready.run(_NEWEST)
    assert after == before
    ready.key("Escape")


def test_the_properties_show_what_other_engines_show(ready: BlenderWindow):
    for tab in ("RENDER", "OUTPUT"):
        ready.run(f"area('PROPERTIES').spaces.active.context = {tab!r}")
        ready.settle(1)
        ready.screenshot(f"render-properties-{tab.lower()}")
    drawn = ready.run(
        "def polled(name):\n"
        "    panel = getattr(bpy.types, name)\n"
        "    with override('WINDOW', 'PROPERTIES'):\n"
        "        return panel.poll(bpy.context)\n"
        "answer = [name for name in ('RENDER_PT_format', 'RENDER_PT_output', "
        "'RENDER_PT_color_management', 'DATA_PT_lens', 'GENAI_RENDER_PT_engine') "
        "if not getattr(bpy.types, name).COMPAT_ENGINES & {'GENAI_RENDER'}]"
    )
    assert drawn == []


def test_a_render_farm_renders_the_file_as_any_other(
    ready: BlenderWindow, blender: str, tmp_path: Path
):
    """`blender -b FILE -a` and `-f N`, through the file's own output settings."""
    file = tmp_path / "shot.blend"
    ready.run(
        "scene.frame_start, scene.frame_end = 3, 4\n"
        "scene.render.filepath = '//frames/shot_###'\n"
        f"bpy.ops.wm.save_as_mainfile(filepath={str(file)!r}, copy=True)"
    )
    started = [blender, "--background", str(file), "--factory-startup", "--addons", MODULE]
    for words, frames in ((("-a",), {3, 4}), (("-f", "7"), {7})):
        done = subprocess.run(
            [*started[:1], "--factory-startup", *started[1:3], *started[4:], *words],
            env=ready.environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:]
        for frame in frames:
            written = tmp_path / f"frames/shot_{frame:03}.png"
            assert written.exists(), done.stdout[-3000:]
            picture = np.asarray(Image.open(written).convert("RGB"))
            assert picture.shape == (270, 480, 3)
            assert picture.std() > 10
    assert ready.run(_NEWEST)[0][2] == "done"
