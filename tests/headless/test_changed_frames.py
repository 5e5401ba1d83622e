# SPDX-License-Identifier: GPL-3.0-or-later
"""`--changed`: after an edit of the scene, only the frames that look otherwise are made again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from genai_render.core.history.store import HistoryStore
from tests.headless.test_cli import ROOT, SCENES, events, genai_render

_EDIT = """
import sys, bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
bpy.ops.mesh.primitive_cube_add(location=(1.5, -2, 1))
cube = bpy.context.object
for frame, hidden in ((1, True), (3, False)):
    cube.hide_render = hidden
    cube.keyframe_insert("hide_render", frame=frame)
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[2])
"""


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    words = [sys.executable, "-c", SCENES, str(tmp_path)]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    return tmp_path / "ball.blend"


def _edit(scene: Path) -> None:
    """A cube, seen from frame 3 on."""
    words = [sys.executable, "-c", _EDIT, str(scene), str(scene)]
    subprocess.run(words, check=True, capture_output=True, timeout=120, cwd=ROOT)


def test_only_frames_that_look_otherwise_are_made_again(scene: Path, tmp_path: Path) -> None:
    film = tmp_path / "film"
    words = ["render", "--prompt", "daylight", "--frames", "1,3", "--mode", "fast"]
    words += ["--history", str(tmp_path / "history"), "--json"]
    assert genai_render(scene, *words).returncode == 0
    _edit(scene)
    run = genai_render(scene, *words, "--changed", "--output", film)
    assert run.returncode == 0, run.stderr
    assert sorted(path.stem for path in film.iterdir()) == ["Camera-0001", "Camera-0003"]
    assert [one["frame"] for one in events(run, "kept")] == [1]
    assert [one["frame"] for one in events(run, "result")] == [3]
    assert events(run, "done")[0]["kept"] == 1
    with HistoryStore(tmp_path / "history") as store:
        items = store.search(limit=100)
    assert len({item.seed for item in items}) == 1
    assert {(item.camera, item.frame) for item in items} == {("Camera", 1), ("Camera", 3)}


def test_a_batch_is_looked_through_for_what_is_out_of_date(scene: Path, tmp_path: Path) -> None:
    file = tmp_path / "film.toml"
    file.write_text('[[batch]]\nprompt = "daylight"\nframe = "1,3"\nmode = "fast"\n')
    words = ["batch", str(file), "--history", str(tmp_path / "history"), "--json"]
    assert genai_render(scene, *words).returncode == 0
    _edit(scene)
    run = genai_render(scene, *words, "--changed")
    assert run.returncode == 0, run.stderr
    (said,) = events(run, "changed")
    assert (said["kept"], said["stale"], len(events(run, "result"))) == (1, 1, 1)
    again = genai_render(scene, *words, "--changed")
    assert (events(again, "changed")[0]["kept"], events(again, "result")) == (2, [])
