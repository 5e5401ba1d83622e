# SPDX-License-Identifier: GPL-3.0-or-later
"""`batch`: every picture of a file once, also when it is killed and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genai_render.core.history.store import HistoryStore
from tests.headless.test_cli import ROOT, SCENES, events, genai_render

PICTURES = 8


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("batch")
    subprocess.run(
        [sys.executable, "-c", SCENES, str(folder)], check=True, capture_output=True, timeout=120
    )
    return folder / "ball.blend"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "night.toml"
    path.write_text('[[batch]]\nprompt = ["daylight", "moonlight"]\ncamera = "all"\nseed = "1-2"\n')
    return path


def _killed(scene: Path, words: list[object], after_results: int) -> list[dict]:
    """What a run said until it was killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "genai_render", str(scene), *map(str, words)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    said: list[dict] = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(json.loads(line))
        if sum(one["event"] == "result" for one in said) >= after_results:
            time.sleep(0.15)  # within the next picture, or while it is being saved
            break
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read()
    process.wait()
    return said + [json.loads(line) for line in rest.splitlines() if line.endswith("}")]


def test_killed_twice_it_makes_each_picture_and_each_view_once(scene, file, tmp_path):
    history = tmp_path / "history"
    words = ["batch", file, "--json", "--history", history]
    said = _killed(scene, words, 2)
    assert [one["pictures"] for one in said if one["event"] == "plan"] == [PICTURES]
    refused = genai_render(scene, *words)
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    said += _killed(scene, [*words, "--resume"], 2)

    run = genai_render(scene, *words, "--resume", "--report", tmp_path / "report")
    assert run.returncode == 0, run.stderr
    said += [json.loads(line) for line in run.stdout.splitlines()]
    (done,) = events(run, "done")
    assert (done["pictures"], done["failed"], done["unanswered"]) == (PICTURES, 0, 0)
    assert sum(one["event"] == "captured" for one in said) == 2, "a view was captured again"
    with HistoryStore(history) as store:
        items = store.search(limit=100)
        keys = {store.record(item.id)["request"]["batch"] for item in items}
    assert len(items) == len(keys) == PICTURES
    assert {item.camera for item in items} == {"Camera", "Side"}
    page = (tmp_path / "report" / "index.html").read_text()
    assert page.count("<img") == PICTURES

    again = genai_render(scene, *words, "--resume")
    assert again.returncode == 0
    assert events(again, "result") == []


def test_two_parts_in_one_history_are_the_whole(scene, tmp_path):
    history, file = tmp_path / "history", tmp_path / "day.toml"
    file.write_text('[[batch]]\nprompt = "daylight"\nseed = "1-3"\n')
    for part in ("1/2", "2/2"):
        run = genai_render(scene, "batch", file, "--history", history, "--shard", part, "--json")
        assert run.returncode == 0, run.stderr
    with HistoryStore(history) as store:
        assert store.count() == 3


def test_what_is_wrong_is_said_before_anything_is_captured(scene, tmp_path):
    for text, said in (
        ('[[batch]]\nprompt = "x"\nstyle = "no such"\n', "no such"),
        ('[[batch]]\nprompt = "x"\ncamera = "Nobody"\n', "Nobody"),
        ('[[batch]]\nprompt = "x"\nscene = "Elsewhere"\n', "Elsewhere"),
        ('[[batch]]\nprompt = "x"\nstile = "auto"\n', "stile"),
        ("", "nothing to make"),
    ):
        path = tmp_path / "b.toml"
        path.write_text(text)
        run = genai_render(scene, "batch", path, "--json", "--history", tmp_path / "history")
        assert run.returncode in (2, 7), run.stderr
        assert said in run.stderr
        assert events(run, "captured") == []


def test_a_dry_run_counts_and_prices(scene, file, tmp_path):
    run = genai_render(
        scene, "batch", file, "--dry-run", "--json", "--history", tmp_path / "history"
    )
    assert run.returncode == 0, run.stderr
    (planned,) = events(run, "plan")
    assert (planned["pictures"], planned["captures"], planned["cost_usd"]) == (PICTURES, 2, 0)
    assert not (tmp_path / "history").exists()


_SECOND_SCENE = """
import sys, bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
other = bpy.data.scenes.new("Other")
other.render.engine, other.cycles.samples = "CYCLES", 2
bpy.ops.object.camera_add(location=(0, -12, 3), rotation=(1.4, 0, 0))
other.camera = bpy.context.object
for thing in (other.camera, bpy.data.objects["Sphere"]):
    other.collection.objects.link(thing)
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[2])
"""


def test_each_scene_has_a_backdrop_of_its_own(scene, tmp_path):
    both, file, history = tmp_path / "two.blend", tmp_path / "two.toml", tmp_path / "history"
    words = [sys.executable, "-c", _SECOND_SCENE, str(scene), str(both)]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    file.write_text('[[batch]]\nprompt = "daylight"\nscene = ["Scene", "Other"]\n')
    run = genai_render(both, "batch", file, "--history", history, "--json")
    assert run.returncode == 0, run.stderr
    with HistoryStore(history) as store:
        stages = {i.scene: store.record(i.id)["result"]["info"]["stage"] for i in store.search()}
    assert stages["Scene"] != stages["Other"]
