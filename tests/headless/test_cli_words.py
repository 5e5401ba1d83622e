# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of the command line that need no process of their own to be tried."""

from __future__ import annotations

import io
import json
from pathlib import Path

import bpy
import numpy as np
import pytest
from PIL import Image

from genai_render.__main__ import main
from genai_render.blender import backend_settings, cli, scene_description
from genai_render.core.history.store import HistoryStore

from ..servers.client import layer


def picture(folder: Path, width: int, height: int) -> Path:
    path = folder / f"{width}x{height}.png"
    pixels = np.full((height, width, 3), 90, np.uint8)
    pixels[: height // 2] = 210
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def genai_render(tmp_path: Path, capfd, monkeypatch):
    """Runs a command here: its exit code, its events, and all it says."""
    monkeypatch.setenv("BLENDER_USER_RESOURCES", str(tmp_path / "user"))

    def run(*words: object) -> tuple[int, list[dict], str]:
        out = io.StringIO()
        given = [*map(str, words)]
        if given[0] in ("render", "edit"):
            given += ["--history", str(tmp_path / "history"), "--json"]
        code = cli.run(given, out)
        lines = out.getvalue().splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return code, events, out.getvalue() + capfd.readouterr().err

    return run


def test_the_version_is_said(genai_render):
    code, _, said = genai_render("--version")
    assert code == 0
    assert said.startswith("genai_render 0.")
    assert bpy.app.version_string in said


def test_frames_without_any_are_an_error(genai_render):
    bpy.ops.wm.read_factory_settings()
    for words in ("", " "):
        code, _, said = genai_render("render", "--prompt", "x", "--dry-run", "--frames", words)
        assert code == 2
        assert "--frames" in said


def test_an_edit_is_planned_at_the_size_that_comes(genai_render, tmp_path):
    source = picture(tmp_path, 50, 30)
    code, events, _ = genai_render("edit", source, "--prompt", "golden hour", "--dry-run")
    assert code == 0
    (plan,) = [event for event in events if event["event"] == "plan"]
    code, events, _ = genai_render("edit", source, "--prompt", "golden hour")
    (made,) = [event for event in events if event["event"] == "result"]
    assert (plan["width"], plan["height"]) == (made["width"], made["height"]) == (50, 30)


def test_an_image_of_one_pixel_is_edited(genai_render, tmp_path):
    code, events, said = genai_render("edit", picture(tmp_path, 1, 1), "--prompt", "golden hour")
    assert code == 0, said
    (made,) = [event for event in events if event["event"] == "result"]
    with Image.open(made["path"]) as image:
        assert image.size == (1, 1)


def test_a_mask_is_obeyed_by_the_offline_engine(genai_render, tmp_path):
    source = picture(tmp_path, 64, 48)
    (tmp_path / "mask.png").write_bytes(layer(64, 48))
    code, events, said = genai_render(
        "edit", source, "--mask", tmp_path / "mask.png", "--prompt", "blue night"
    )
    assert code == 0, said
    (made,) = [event for event in events if event["event"] == "result"]
    with Image.open(made["path"]) as image, Image.open(source) as before:
        changed = np.any(np.asarray(image.convert("RGB")) != np.asarray(before), axis=2)
    inside = np.zeros((48, 64), bool)
    inside[12:24, 16:32] = True
    assert not changed[~inside].any()
    assert changed[inside].mean() > 0.9


@pytest.mark.parametrize("what", ["white", "other size"])
def test_a_mask_of_no_use_is_told_before_anything_is_done(genai_render, tmp_path, what):
    source, mask = picture(tmp_path, 64, 48), tmp_path / "mask.png"
    if what == "white":
        Image.new("RGB", (64, 48), "white").save(mask)
    else:
        mask.write_bytes(layer(9, 9))
    code, _, said = genai_render("edit", source, "--mask", mask, "--prompt", "x", "--dry-run")
    assert code == 2
    assert "mask" in said
    assert not (tmp_path / "history").exists()


def test_how_to_allow_the_network_names_all_ways(genai_render, monkeypatch):
    monkeypatch.delenv("GENAI_RENDER_ONLINE", raising=False)
    if bpy.app.online_access:
        pytest.skip("it is allowed already")
    words = ("render", "--no-canvas", "--prompt", "x", "--model", "gpt-image-2.5-flare")
    code, _, said = genai_render(*words)
    assert code == 5
    for way in ("--online", "GENAI_RENDER_ONLINE=1", "--online-mode"):
        assert way in said


@pytest.mark.parametrize("by", ["word", "variable", "no"])
def test_the_bpy_module_may_use_the_network_where_it_is_told(by, monkeypatch):
    if not getattr(bpy.app, "module", False):
        pytest.skip("only without Blender")
    system = bpy.context.preferences.system
    before = system.use_online_access
    monkeypatch.setenv("GENAI_RENDER_ONLINE", {"variable": "1", "no": "0"}.get(by, ""))
    try:
        system.use_online_access = False
        backend_settings.allow_online(by == "word")
        assert bpy.app.online_access == (by != "no")
    finally:
        system.use_online_access = before


def test_a_key_with_a_letter_of_another_alphabet_is_told_before_sending(genai_render, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-schlüssel-0123456789abcdef")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    words = ("render", "--no-canvas", "--prompt", "x", "--model", "gpt-image-2.5-flare")
    code, _, said = genai_render(*words)
    assert code == 4
    assert "OPENAI_API_KEY" in said
    assert "schlüssel" not in said


def test_a_scene_may_be_called_in_capitals(tmp_path, capfd):
    bpy.ops.wm.read_factory_settings()
    scene = tmp_path / "HOUSE.BLEND"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "house.blend"))
    (tmp_path / "house.blend").rename(scene)
    code = main([str(scene), "render", "--prompt", "x", "--dry-run"])
    assert code == 0, capfd.readouterr().err
    assert Path(bpy.data.filepath).name == "HOUSE.BLEND"


def test_the_names_of_the_objects_reach_the_offline_engine(genai_render, tmp_path):
    bpy.ops.wm.read_factory_settings()
    bpy.data.objects["Cube"].name = "Lamp.001"
    assert scene_description.things(bpy.context) == "Shows lamp"
    bpy.context.scene.render.engine = "BLENDER_WORKBENCH"
    words = ("render", "--prompt", "brass lamp", "--mode", "fast", "--model", "offline")
    code, events, said = genai_render(*words)
    assert code == 0, said
    (made,) = [event for event in events if event["event"] == "result"]
    with HistoryStore(tmp_path / "history") as store:
        assert store.request(made["id"]).scene_text == "Shows lamp"
