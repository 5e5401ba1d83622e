# SPDX-License-Identifier: GPL-3.0-or-later
"""`pack` and `packs` as another process: placed cameras, a page, and the winners once more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from genai_render.core.history.store import HistoryStore
from tests.headless.test_cli import SCENES, events, genai_render


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs")
    subprocess.run(
        [sys.executable, "-c", SCENES, str(folder)], check=True, capture_output=True, timeout=120
    )
    return folder / "no camera.blend"


def test_all_that_ship_are_listed():
    run = genai_render("packs", "--json")
    assert run.returncode == 0, run.stderr
    packs = {one["id"]: one for one in events(run, "pack")}
    assert len(packs["campaign"]["shots"]) == 7
    assert set(packs["campaign"]["fields"]) == {"direction", "location"}


def test_shots_by_placed_cameras_a_page_and_the_winner_again(scene, tmp_path):
    history, out, page = tmp_path / "history", tmp_path / "out", tmp_path / "page"
    words = [scene, "pack", "campaign", "--history", history, "--prompt", "a marble"]
    words += ["--location", "a bakery", "--mode", "fast", "--json"]
    dry = genai_render(*words, "--dry-run")
    (planned,) = events(dry, "plan")
    assert (planned["pictures"], planned["captures"], planned["cost_usd"]) == (7, 7, 0)
    assert not history.exists()

    words += ["--resolution", "1K", "--output", out, "--report", page]
    run = genai_render(*words, "--shots", "hero,editorial")
    assert run.returncode == 0, run.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        "editorial-detail.png",
        "website-hero.png",
    ]
    with Image.open(out / "website-hero.png") as picture:
        assert picture.width / picture.height == pytest.approx(16 / 9, rel=0.02)
    (report,) = events(run, "report")
    assert Path(report["sheet"]).is_file()
    assert "pack campaign" in Path(report["page"]).read_text()
    with HistoryStore(history) as store:
        items = {item.camera: item for item in store.search()}
        assert set(items) == {"hero (placed)", "detail (placed)"}
        assert "set in a bakery" in items["hero (placed)"].prompt
        hero = items["hero (placed)"]
        before = store.image(hero.id)

    # The same request at another size, of a view that is captured for it: here at the same size,
    # which gives the same picture to the last bit.
    again = [scene, "pack", "campaign", "--history", history, "--winners", hero.id, "--json"]
    (planned,) = events(genai_render(*again, "--dry-run"), "plan")
    assert (planned["pictures"], planned["captures"]) == (1, 1)
    run = genai_render(*again, "--resolution", "1K")
    assert run.returncode == 0, run.stderr
    (result,) = events(run, "result")
    assert result["seed"] == hero.seed
    with HistoryStore(history) as store:
        assert store.image(result["id"]) == before
        record = json.dumps(store.record(result["id"])["request"]["batch"])
    assert "winners" in record


def test_what_is_wrong_is_said(scene, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('[[shot]]\nid = "a"\ncamera = "heroo"\n')
    for words, said in (
        (["nothing"], "nothing"),
        (["campaign", "--shots", "heroo"], "hero"),
        (["campaign", "--field", "mood=x"], "mood"),
        (["campaign", "--no-canvas"], "--reference"),
        (["day-cycle"], "no camera"),
        ([own], "heroo"),
    ):
        run = genai_render(scene, "pack", *words, "--history", tmp_path / "history")
        assert run.returncode in (2, 7), (words, run.stderr)
        assert said in run.stderr
        assert not (tmp_path / "history").exists()
