# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip and a 3D model of a picture, pressed in the panel: dialog, progress, and what is then done
with them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..servers import fal_api, model3d_api
from .blender_window import BlenderWindow
from .test_cloud import _KEYRING, preferences
from .test_panel import WORKS

NEWEST = "history_view.page(bpy.context).items[0]"
_NAME = "fal-ai/kling-video/v2.5-turbo/pro/image-to-video"

# Made by the Blender of the window: eight pictures at 24 a second.
_CLIP = """
import base64, os, tempfile
other = bpy.data.scenes.new("Clip")
render = other.render
render.resolution_x, render.resolution_y, render.resolution_percentage = 320, 180, 100
render.fps, other.frame_start, other.frame_end = 24, 1, 24
if bpy.app.version >= (5, 0):
    render.image_settings.media_type = "VIDEO"
render.image_settings.file_format = "FFMPEG"
render.ffmpeg.format, render.ffmpeg.codec = "MPEG4", "H264"
render.filepath = os.path.join(tempfile.mkdtemp(), "clip.mp4")
editor = other.sequence_editor_create()
strips = editor.strips if hasattr(editor, "strips") else editor.sequences
length = {"frame_end": 25} if bpy.app.version < (5, 0) else {"length": 24}
color = strips.new_effect(name="Color", type="COLOR", channel=1, frame_start=1, **length)
color.color = (0.9, 0.45, 0.1)
bpy.ops.render.render(animation=True, scene="Clip")
with open(render.filepath, "rb") as file:
    answer = base64.b64encode(file.read()).decode()
bpy.data.scenes.remove(other)
"""


@pytest.fixture
def first(scene: BlenderWindow) -> Iterator[str]:
    """A picture of the view, selected."""
    scene.run(_KEYRING)
    scene.run(
        "settings.mode = 'fast'\nsettings.prompt = 'daylight'\nsettings.aspect = '16:9'\n"
        "settings.model = 'offline'\nbpy.context.preferences.system.use_online_access = True"
    )
    scene.run("with override(): bpy.ops.genai_render.generate()")
    scene.wait_for(f"({WORKS}) == 0 and bpy.context.window_manager.genai_render.selected", 180)
    scene.settle(1)
    yield scene.run("answer = bpy.context.window_manager.genai_render.selected")
    scene.run("prefs.tables.clear(); prefs.models_file = ''; prefs.own_servers.clear()")


def select_newest(window: BlenderWindow) -> None:
    window.run(f"bpy.context.window_manager.genai_render.selected = {NEWEST}.id")
    window.settle(1.5)


def test_a_picture_moves_and_goes_into_the_sequencer(
    scene: BlenderWindow, first: str, tmp_path: Path
) -> None:
    clip = base64.b64decode(scene.run(_CLIP, timeout=120))
    scene.run("with override(): pass\nbpy.context.scene.frame_current = 12")
    with fal_api.FalServer(waits=8) as server:
        server.media = clip
        path = tmp_path / "studio.toml"
        path.write_text(
            '[[provider]]\nid = "studio"\nlabel = "Studio"\ndialect = "fal"\n'
            f'base_url = "{server.origin}"\nvariables = ["STUDIO_API_KEY"]\n'
            f'key_format = "Key {{}}"\n[[provider.model]]\nname = "{_NAME}"\n'
            'label = "Studio Clips"\nmakes = "video"\nmax_references = 1\nmax_count = 1\n'
            'options = [{ use = "duration", default = "5", choices = ["5", "10"] }]\n'
            'price = { per_second = { "" = 0.07 }, source = "studio", date = "2026-11-28" }\n'
            'extra.fields = { start = "image_url", end = "tail_image_url" }\nextra.end = true\n'
        )
        scene.run(f"prefs.models_file = {str(path)!r}")
        with preferences(scene, "SERVICES"):
            scene.settle(1)
            scene.run("mine = next(one for one in prefs.tables if one.name == 'studio')")
            scene.run(f"mine.key_entry = {fal_api.KEY!r}")
            scene.wait_for("list(ring.kept.values())", 20)
        scene.screenshot("send-on-buttons")
        scene.press("send_on(action='video'", 0.3, begin=0.4)
        scene.settle(1.5)
        scene.screenshot("send-on-video-dialog-first")
        scene.key("Escape")
        # With the model that is there: what stands in a dialog is a property of its operator.
        scene.run(
            "with override(): bpy.ops.genai_render.send_on('INVOKE_DEFAULT', action='video', "
            f"send_model='studio/{_NAME}', words='the camera glides slowly forward')"
        )
        scene.settle(1.5)
        scene.screenshot("send-on-video-dialog")
        scene.key("Return")
        scene.wait_for(f"({WORKS}) == 1", 20)
        scene.settle(1)
        scene.screenshot("send-on-video-running")
        scene.wait_for(f"({WORKS}) == 0 and {NEWEST}.kind == 'video'", 120)
        assert scene.run(f"answer = {NEWEST}.cost_usd") == pytest.approx(0.35)
        select_newest(scene)
        scene.screenshot("send-on-video-made")
        scene.press("send_on(action='strip'", 0.8)
        scene.settle(1)
        strips = scene.run(
            "scene = getattr(bpy.context, 'sequencer_scene', None) or bpy.context.scene\n"
            "editor = scene.sequence_editor\n"
            "strips = editor.strips if hasattr(editor, 'strips') else editor.sequences\n"
            "answer = [(one.type, one.frame_final_start, one.frame_duration) for one in strips]"
        )
        assert strips == [["MOVIE", 12, 24]]
        scene.screenshot("send-on-strip")


def test_a_3d_model_stands_in_the_scene(scene: BlenderWindow, first: str) -> None:
    before = scene.run("answer = sorted(one.name for one in bpy.data.objects)")
    with model3d_api.ModelServer() as server:
        scene.run(
            "prefs.own_servers.clear()\none = prefs.own_servers.add()\n"
            f"one.name, one.base_url, one.kind = 'Desk', {server.origin!r}, 'model3d'\n"
            "ours('catalog').reload()"
        )
        scene.run(
            "with override(): bpy.ops.genai_render.send_on('INVOKE_DEFAULT', action='model', "
            "send_model='own-3d', texture=False)"
        )
        scene.settle(1.5)
        scene.screenshot("send-on-model-dialog")
        scene.key("Return")
        scene.wait_for(f"({WORKS}) == 0 and {NEWEST}.kind == 'model'", 120)
        select_newest(scene)
        scene.screenshot("send-on-model-made")
        scene.run("bpy.ops.object.select_all(action='DESELECT')")
        scene.run("bpy.context.scene.cursor.location = (2.5, -2, 0)")
        scene.run("with override(): bpy.ops.ed.undo_push(message='Before')")
        scene.press("send_on(action='import'", 0.5)
        scene.settle(1.5)
        came = scene.run(
            f"answer = sorted(one.name for one in bpy.data.objects if one.name not in {before!r})"
        )
        assert came == ["Box"]
        scene.screenshot("send-on-model-in-scene")
        scene.run("with override(): bpy.ops.ed.undo()")
        scene.settle(1)
        assert scene.run("answer = sorted(one.name for one in bpy.data.objects)") == before
