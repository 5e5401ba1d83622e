# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips and 3D models in Blender: made from an operator and from the command line against servers
of ours, as strips and as objects of the scene."""

from __future__ import annotations

import io
import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")
pytest.importorskip("google.genai")

from genai_render.blender import addon, cli  # noqa: E402
from genai_render.blender.cli import control_clip  # noqa: E402
from genai_render.blender.jobs import session  # noqa: E402
from genai_render.blender.sending import models, strips  # noqa: E402
from genai_render.core import media  # noqa: E402
from genai_render.core.errors import SceneError  # noqa: E402
from genai_render.core.events import Result  # noqa: E402
from genai_render.core.media import MediaError  # noqa: E402
from genai_render.core.request import RenderRequest  # noqa: E402

from ..servers import fal_api, media_files, model3d_api  # noqa: E402
from ..servers.client import image  # noqa: E402

KLING = "fal/fal-ai/kling-video/v2.5-turbo/pro/image-to-video"


@pytest.fixture
def folder(prefs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """History's, of an add-on that is enabled."""
    monkeypatch.setattr(addon, "history_folder", lambda: tmp_path / "history")
    yield tmp_path / "history"
    addon.discard_all()


@pytest.fixture(scope="module")
def real_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures at 12 a second, as H.264 in MP4."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = 64, 48, 100
    render.fps, scene.frame_start, scene.frame_end = 12, 1, 8
    if bpy.app.version >= (5, 0):
        render.image_settings.media_type = "VIDEO"
    render.image_settings.file_format = "FFMPEG"
    render.ffmpeg.format, render.ffmpeg.codec = "MPEG4", "H264"
    path = tmp_path_factory.mktemp("clip") / "real.mp4"
    render.filepath = str(path)
    editor = scene.sequence_editor_create()
    all_strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    kind = {"frame_end": 9} if bpy.app.version < (5, 0) else {"length": 8}
    all_strips.new_effect(name="Color", type="COLOR", channel=1, frame_start=1, **kind)
    bpy.ops.render.render(animation=True)
    return path


def kept(made: bytes, kind: str) -> str:
    """The id of a clip or a 3D model in History."""
    store = session.session().store
    request = RenderRequest(prompt="a red house", kind=kind, model="own-3d", source=image(64, 48))  # pyright: ignore
    result = Result(
        image(64, 48),
        "image/png",
        64,
        48,
        cost_usd=0.1,
        media=media.read(made, kind),  # pyright: ignore
    )
    return store.add(request, result).id


def finished() -> Any:
    end = time.monotonic() + 60
    while session.session().follow():
        assert time.monotonic() < end
        time.sleep(0.02)
    return session.session().store.search()[0]


# ---- clips -------------------------------------------------------------------------------------


def test_a_clip_is_a_strip_at_the_current_frame(real_clip: Path, folder: Path) -> None:
    item = kept(real_clip.read_bytes(), "video")
    scene = bpy.context.scene
    scene.render.fps, scene.frame_current = 24, 30
    assert bpy.ops.genai_render.send_on(id=item, action="strip") == {"FINISHED"}
    editor = scene.sequence_editor
    [strip] = list(editor.strips if hasattr(editor, "strips") else editor.sequences)
    assert (strip.type, strip.frame_final_start, strip.channel) == ("MOVIE", 30, 1)
    assert strip.frame_duration == 8
    assert "12 frames a second and the scene 24" in strips.pace(scene, strip)
    scene.render.fps = 12
    assert strips.pace(scene, strip) == ""
    assert editor.active_strip == strip
    bpy.ops.genai_render.send_on(id=item, action="strip")
    channels = [
        one.channel for one in (editor.strips if hasattr(editor, "strips") else editor.sequences)
    ]
    assert channels == [1, 2], "above what is there"


def test_a_clip_goes_beside_a_saved_file(real_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "shot").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot" / "scene.blend"))
    [strip] = strips.add(bpy.context.scene, real_clip, "red-house", False)
    assert strip.filepath == "//clips/red-house.mp4"
    assert (tmp_path / "shot" / "clips" / "red-house.mp4").read_bytes() == real_clip.read_bytes()


def test_what_blender_cannot_read_is_no_strip(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.write_bytes(media_files.clip())
    with pytest.raises(SceneError):
        strips.add(bpy.context.scene, path, "empty", True)
    editor = bpy.context.scene.sequence_editor
    assert not list(editor.strips if hasattr(editor, "strips") else editor.sequences)


# ---- 3D models ---------------------------------------------------------------------------------


def size_of(collection: Any) -> tuple[Any, Any]:
    bpy.context.view_layer.update()
    return models._bounds(list(collection.all_objects))


def model_file(tmp_path: Path, data: bytes | None = None) -> Path:
    path = tmp_path / "model.glb"
    path.write_bytes(media_files.model() if data is None else data)
    return path


def test_a_model_stands_on_the_cursor_in_a_collection_of_its_own(tmp_path: Path) -> None:
    scene = bpy.context.scene
    scene.cursor.location = (3, 4, 5)
    made = models.add(bpy.context, model_file(tmp_path), "Red House")
    assert made.name == "Red House"
    assert [one.name for one in scene.collection.children] == ["Red House"]
    assert not scene.collection.objects
    low, high = size_of(made)
    assert max(high - low) == pytest.approx(1.0), "one metre"
    assert (low.z, (low.x + high.x) / 2, (low.y + high.y) / 2) == pytest.approx((5, 3, 4))
    assert bpy.context.object in list(made.objects)
    assert bpy.context.object.select_get()
    assert bpy.context.mode == "OBJECT"


def test_a_model_is_as_large_as_what_is_selected(tmp_path: Path) -> None:
    bpy.ops.mesh.primitive_cube_add(size=3.0)
    bpy.context.object.scale.z = 2.0
    cube = bpy.context.object
    bpy.context.view_layer.update()
    bpy.ops.object.mode_set(mode="EDIT")
    made = models.add(bpy.context, model_file(tmp_path), "House")
    low, high = size_of(made)
    assert max(high - low) == pytest.approx(6.0)
    assert bpy.context.mode == "OBJECT"
    assert not cube.select_get()
    bpy.context.scene.unit_settings.scale_length = 0.01
    bpy.ops.object.select_all(action="DESELECT")
    again = models.add(bpy.context, model_file(tmp_path), "House")
    low, high = size_of(again)
    assert max(high - low) == pytest.approx(100.0), "one metre, in centimetres"


def test_what_may_not_be_opened_changes_nothing(tmp_path: Path) -> None:
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    before = [len(getattr(bpy.data, kind)) for kind in models._KINDS]
    outside = json.loads(_document())
    outside["buffers"] = [{"uri": "file:///etc/passwd", "byteLength": 168}]
    for data, kind in (
        (media_files.model(outside), MediaError),
        (media_files.model()[:-40], MediaError),
        (_unknown_extension(), SceneError),
    ):
        with pytest.raises(kind):
            models.add(bpy.context, model_file(tmp_path, data), "House")
        assert [len(getattr(bpy.data, one)) for one in models._KINDS] == before
        assert (bpy.context.object, cube.select_get()) == (cube, True)


def _document() -> str:
    data = media_files.model()
    (length,) = struct.unpack("<I", data[12:16])
    return data[20 : 20 + length].decode()


def _unknown_extension() -> bytes:
    document = json.loads(_document())
    document["extensionsRequired"] = document["extensionsUsed"] = ["ACME_unknown"]
    return media_files.model(document)


def test_a_model_of_history_is_brought_in_and_saved(folder: Path, tmp_path: Path) -> None:
    item = kept(media_files.model(), "model")
    assert bpy.ops.genai_render.send_on(id=item, action="import") == {"FINISHED"}
    [made] = bpy.context.scene.collection.children
    assert made.name.startswith("a-red-house")
    target = tmp_path / "house.png"
    assert bpy.ops.genai_render.download(id=item, filepath=str(target)) == {"FINISHED"}
    assert (tmp_path / "house.glb").read_bytes() == media_files.model()


def test_a_picture_has_no_clip(folder: Path) -> None:
    store = session.session().store
    request = RenderRequest(prompt="a red house", model="gpt-image-2")
    item = store.add(request, Result(image(), "image/png", 40, 30)).id
    with pytest.raises(RuntimeError, match="no clip and no 3D model"):
        bpy.ops.genai_render.send_on(id=item, action="strip")


# ---- sent --------------------------------------------------------------------------------------


def test_a_picture_is_sent_on_from_the_operator(
    folder: Path, monkeypatch: pytest.MonkeyPatch, prefs: Any
) -> None:
    store = session.session().store
    request = RenderRequest(prompt="a red house", model="gpt-image-2")
    item = store.add(request, Result(image(64, 48), "image/png", 64, 48)).id
    with model3d_api.ModelServer() as server:
        monkeypatch.setenv("GENAI_RENDER_MODEL3D", server.origin)
        assert bpy.ops.genai_render.send_on(
            id=item, action="model", send_model="own-3d", texture=False
        ) == {"FINISHED"}
        made = finished()
    assert (made.kind, made.parent, made.cost_usd) == ("model", item, 0.0)
    assert made.prompt == "3D Model: a red house"
    assert made.media_path.read_bytes() == media_files.model()
    prefs.use_max_cost, prefs.max_cost = True, 0.1
    with pytest.raises(RuntimeError, match="your limit is"):
        bpy.ops.genai_render.send_on(id=item, action="video", send_model=KLING, words="it moves")


def test_the_animation_is_a_clip_of_depth_that_a_model_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Near is white, in one scale for all frames; the user's scene is as it was."""
    scene = bpy.context.scene
    scene.render.fps, scene.frame_start, scene.frame_current = 24, 1, 7
    bpy.ops.mesh.primitive_plane_add(size=60, location=(0, 0, -40))
    bpy.ops.mesh.primitive_cube_add(size=4, location=(0, 0, -30))
    cube = bpy.context.object
    cube.keyframe_insert("location", frame=1)
    cube.location.z = -8
    cube.keyframe_insert("location", frame=49)
    bpy.ops.object.camera_add(location=(0, 0, 0))
    scene.camera = bpy.context.object
    before = [item.name for item in bpy.data.scenes], scene.render.resolution_x, _strips(scene)
    moments = control_clip.times(1, 1.0, 16, 24.0)
    assert (len(moments), moments[1], moments[-1]) == (17, (2, 0.5), (25, 0.0))
    data = control_clip.make(bpy.context, "depth", (96, 64), moments[::4], 16)
    after = [item.name for item in bpy.data.scenes], scene.render.resolution_x, _strips(scene)
    assert (after, scene.frame_current) == (before, 7)
    clip = media.read(data, "video")
    assert (clip.width, clip.height, clip.sound) == (96, 64, False)
    assert clip.seconds == pytest.approx(5 / 16, abs=0.02)
    pictures = control_clip.shown([_flat(20.0), _flat(10.0), _flat(40.0)], "depth")
    assert pictures[1].max() == 255
    assert 0 < pictures[2].max() < pictures[0].max() < 255

    bpy.context.preferences.system.use_online_access = True
    picture = tmp_path / "house.png"
    picture.write_bytes(image(160, 90))
    with fal_api.FalServer() as server:
        own_file = tmp_path / "studio.toml"
        own_file.write_text(_FOLLOWING.format(server.origin), "utf-8")
        monkeypatch.setenv("GENAI_RENDER_MODELS", str(own_file))
        monkeypatch.setenv("STUDIO_API_KEY", fal_api.KEY)
        said = ["video", str(picture), "--prompt", "dusk"]
        said += ["--history", str(tmp_path / "history")]
        model = ["--model", "studio/fal-ai/wan-vace-14b/depth"]
        assert run(*said, *model)[0] == 2, "without a clip to follow"
        assert run(*said, "--model", KLING, "--follow", "depth")[0] == 2
        code, told = run(*said, *model, "--follow", "depth")
        assert code == 0, told
        endpoint, order = next(iter(server.orders.values()))
    assert endpoint == "fal-ai/wan-vace-14b/depth"
    sent = media.read(server.picture(order["video_url"]), "video")
    assert sent.seconds == pytest.approx(17 / 16, abs=0.05)
    assert (sent.width % 16, sent.height % 16) == (0, 0)
    assert order["match_input_num_frames"] is True
    assert order["preprocess"] is False
    assert server.picture(order["first_frame_url"]) == picture.read_bytes()
    [done] = [one for one in told if one["event"] == "result"]
    folder = Path(done["path"]).parent
    assert (folder / "control.mp4").read_bytes() == sent.data


def _strips(scene: Any) -> list[str]:
    editor = scene.sequence_editor
    if editor is None:
        return []
    return [one.name for one in (editor.strips if hasattr(editor, "strips") else editor.sequences)]


def _flat(distance: float) -> np.ndarray:
    return np.full((8, 8), distance, np.float32)


_FOLLOWING = """
[[provider]]
id = "studio"
label = "Studio"
dialect = "fal"
base_url = "{}"
variables = ["STUDIO_API_KEY"]
key_format = "Key {{}}"

[[provider.model]]
name = "fal-ai/wan-vace-14b/depth"
makes = "video"
max_references = 1
max_count = 1
options = [{{ use = "duration", default = "1", choices = ["1"] }}]
extra.fields = {{ start = "first_frame_url", end = "last_frame_url", control = "video_url" }}
extra.fixed = {{ preprocess = false, match_input_num_frames = true }}
extra.aspects = ["16:9", "1:1", "9:16"]
extra.lines = "480p"
extra.control = {{ rate = 16, layers = ["depth"] }}
"""
_NAME = "fal-ai/kling-video/v2.5-turbo/pro/image-to-video"
_STUDIO = f"""
[[provider]]
id = "studio"
label = "Studio"
dialect = "fal"
base_url = "{{}}"
variables = ["STUDIO_API_KEY"]
key_format = "Key {{{{}}}}"

[[provider.model]]
name = "{_NAME}"
makes = "video"
max_references = 1
max_count = 1
options = [{{{{ use = "duration", default = "5", choices = ["5", "10"] }}}}]
price.per_second = {{{{ "" = 0.07 }}}}
extra.fields = {{{{ start = "image_url", end = "tail_image_url" }}}}
"""


def run(*words: str) -> tuple[int, list[dict[str, Any]]]:
    out = io.StringIO()
    code = cli.run([*words, "--json"], out)
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bpy.context.preferences.system.use_online_access = True
    picture, end = tmp_path / "house.png", tmp_path / "end.png"
    picture.write_bytes(image(160, 90))
    end.write_bytes(image(160, 90, tone=9))
    history = ["--history", str(tmp_path / "history"), "--output", str(tmp_path / "out")]
    with fal_api.FalServer() as server, model3d_api.ModelServer() as own:
        own_file = tmp_path / "studio.toml"
        own_file.write_text(_STUDIO.format(server.origin), "utf-8")
        monkeypatch.setenv("GENAI_RENDER_MODELS", str(own_file))
        monkeypatch.setenv("STUDIO_API_KEY", fal_api.KEY)
        monkeypatch.setenv("GENAI_RENDER_MODEL3D", own.origin)
        said = [
            "video",
            str(picture),
            "--model",
            f"studio/{_NAME}",
            "--prompt",
            "it turns",
            "--end",
            str(end),
        ]
        code, [plan] = run(*said, "--duration", "10", "--dry-run", *history)
        assert (code, plan["cost_usd"]) == (0, pytest.approx(0.7))
        assert server.received == []
        assert run(*said, "--duration", "7", *history)[0] == 2
        assert run(*said, "--duration", "10", "--max-cost", "0.5", *history)[0] == 6
        code, told = run(*said, "--duration", "10", *history)
        [result] = [one for one in told if one["event"] == "result"]
        assert code == 0
        assert (result["kind"], result["clip_seconds"], result["cost_usd"]) == (
            "video",
            10,
            pytest.approx(0.7),
        )
        assert Path(result["path"]).name == "house-clip.mp4"
        code, told = run("model3d", result["id"], "--model", "own-3d", *history)
        [model] = [one for one in told if one["event"] == "result"]
        assert (code, model["kind"]) == (0, "model")
        assert Path(model["path"]).read_bytes() == media_files.model()
    code, told = run("models")
    listed = {one["id"]: one for one in told}
    assert listed[KLING]["makes"] == "video"
    assert listed[KLING]["usd_per_second"] == {"": 0.07}
