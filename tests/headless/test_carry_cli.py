# SPDX-License-Identifier: GPL-3.0-or-later
"""`carry` and key frames, by the command line's own functions, in one Blender."""

from __future__ import annotations

import io
import json
from pathlib import Path

import bpy
import numpy as np
from PIL import Image

from genai_render.blender import cli
from genai_render.blender.cli import movie
from genai_render.core.history.store import HistoryStore
from genai_render.core.image import images

from . import stage
from .snapshot import snapshot


def _run(*words: object) -> list[dict]:
    out = io.StringIO()
    code = cli.run([*map(str, words), "--json"], out)
    said = [json.loads(line) for line in out.getvalue().splitlines()]
    assert code == 0, said[-1]
    return said


def _of(said: list[dict], event: str) -> list[dict]:
    return [one for one in said if one["event"] == event]


def test_carried_into_a_camera_and_around_without_a_trace(tmp_path: Path) -> None:
    stage.build(around=96)
    second = stage.camera("Second", (2.2, -6.6, 3.0), roll=0.0)
    assert second.name == "Second"
    history = tmp_path / "history"
    (made,) = _of(
        _run("render", "--prompt", "golden hour", "--seed", 2, "--mode", "fast",
             "--history", history), "result"
    )  # fmt: skip
    assert made["scene_shift"] < 3
    assert made["scene_lost"] < 0.5
    before = snapshot()
    (plan,) = _of(
        _run("carry", made["id"], "--camera", "all", "--history", history, "--dry-run"), "plan"
    )
    assert plan["shots"] == ["Second"]
    (carried,) = _of(
        _run("carry", made["id"], "--camera", "Second", "--history", history), "result"
    )
    (around,) = _of(
        _run("carry", made["id"], "--turntable", 2, "--around", "Ball", "--history", history),
        "result",
    )
    assert snapshot() == before
    with HistoryStore(history) as store:
        record = store.record(carried["id"])
        assert record["request"]["parent"] == made["id"]
        assert record["request"]["carried"] is True
        assert record["request"]["canvas"]["camera"] == "Second"
        request = store.request(carried["id"])
        assert request.mask is not None
        kept = images.decode(request.mask)[..., 3] == 255
        result = images.decode(store.image(carried["id"]))[..., :3]
        assert kept.mean() > 0.4
        assert (result[kept] == images.decode(request.source or b"")[..., :3][kept]).all()
        one, other = (
            np.array(store.request(id).canvas.view.camera_to_world)[:3, 3]
            for id in (made["id"], around["id"])
        )
        assert np.allclose((one + other)[:2] / 2, stage.BALL[:2], atol=0.01)


def test_frames_between_key_frames_and_a_movie_of_all(tmp_path: Path) -> None:
    camera = stage.build(around=96)
    camera.keyframe_insert("location", frame=1)
    camera.location.x += 0.4
    camera.keyframe_insert("location", frame=3)
    bpy.context.scene.frame_set(1)
    before = snapshot()
    said = _run(
        "render", "--prompt", "golden hour", "--mode", "fast", "--frames", "1-3",
        "--keyframes", 2, "--history", tmp_path / "history", "--output", tmp_path / "film",
    )  # fmt: skip
    assert snapshot() == before
    results = _of(said, "result")
    assert [one["frame"] for one in results] == [1, 3, 2]
    (steady,) = _of(said, "steadiness")
    assert len(steady["each"]) == 2
    assert 0 < steady["unsteadiness"] < 20
    names = sorted(path.name for path in (tmp_path / "film").iterdir())
    assert names == ["Camera-0001.png", "Camera-0002.png", "Camera-0003.png", "Camera.mp4"]
    with HistoryStore(tmp_path / "history") as store:
        between = store.record(results[2]["id"])["request"]
    assert between["carried"] is True
    assert between["parent"] in (results[0]["id"], results[1]["id"])


def test_a_movie_shows_its_pictures_one_a_frame(tmp_path: Path) -> None:
    colors = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    paths = []
    for number, color in enumerate(colors):
        paths.append(tmp_path / f"folder {number}" / "image.png")
        paths[-1].parent.mkdir()
        Image.new("RGB", (96, 65), color).save(paths[-1])
    before = snapshot()
    path = movie.write(paths, tmp_path / "film.mp4")
    assert movie.write(paths, tmp_path / "film.mp4") != path
    assert snapshot() == before
    clip = bpy.data.movieclips.load(str(path))
    assert (clip.frame_duration, tuple(clip.size)) == (3, (96, 64))
