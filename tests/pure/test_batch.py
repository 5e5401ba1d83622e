# SPDX-License-Identifier: GPL-3.0-or-later
"""What a batch file stands for, and what is remembered of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from genai_render.core.batch import plan, report
from genai_render.core.batch.progress import Mark, Progress
from genai_render.core.batch.rows import Row
from genai_render.core.batch.run import BatchRun
from genai_render.core.errors import InvalidInput, StorageError
from genai_render.core.history.store import HistoryStore


def _ranges(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def _expand(*tables, cameras=("Left", "Right")):
    return plan.expand(tables, lambda scene: list(cameras), _ranges)


def test_all_combinations_each_once():
    table = {
        "prompt": ["a", "b"],
        "style": ["auto", "movie"],
        "camera": "all",
        "seed": "1-4",
        "frame": [1, "10-11"],
    }
    items = _expand(table, {**table, "seed": 2})
    assert len(items) == 2 * 2 * 2 * 4 * 3
    assert len({item.key for item in items}) == len(items)
    assert {item.camera for item in items} == {"Left", "Right"}
    assert {item.frame for item in items} == {1, 10, 11}


def test_a_count_is_seeds_in_a_row_and_the_same_every_time():
    once, again = (_expand({"prompt": "a", "count": 3}) for _ in range(2))
    assert [item.key for item in once] == [item.key for item in again]
    seeds = [item.seed for item in once]
    assert seeds == [seeds[0], seeds[0] + 1, seeds[0] + 2]
    assert {item.seed for item in _expand({"prompt": "a", "frame": "1-5"})} == {seeds[0]}


def test_shards_are_the_whole_without_a_double():
    items = _expand({"prompt": "a", "seed": "0-99"})
    parts = [plan.shard(items, f"{number}/8") for number in range(1, 9)]
    assert sorted(item.key for part in parts for item in part) == sorted(i.key for i in items)
    for wrong in ("0/8", "9/8", "8", "a/b", "1/0"):
        with pytest.raises(InvalidInput):
            plan.shard(items, wrong)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"style": "movie"}, "no prompt"),
        ({"prompt": "a", "stile": "movie"}, "stile"),
        ({"prompt": 3}, "prompt"),
        ({"prompt": "a", "seed": [1.5]}, "seed"),
        ({"prompt": "a", "count": 0}, "count"),
        ({"prompt": "a", "reference": [4]}, "reference"),
        ({"prompt": "a", "options": "x"}, "options"),
    ],
)
def test_what_is_wrong_is_named(table, said):
    with pytest.raises(InvalidInput) as error:
        _expand(table)
    assert said in error.value.text


def test_both_kinds_of_file(tmp_path):
    toml = tmp_path / "b.toml"
    toml.write_text('[[batch]]\nprompt = ["a", "b"]\nseed = "1-2"\n')
    lines = tmp_path / "b.jsonl"
    lines.write_text('{"prompt": "a", "seed": [1, 2]}\n\n{"prompt": "b", "seed": "1-2"}\n')
    one, other = (_expand(*plan.read(path)) for path in (toml, lines))
    assert [item.key for item in one] == [item.key for item in other]
    wrong = (("", "e.toml"), ("[1]", "f.jsonl"), ("{", "g.jsonl"), ("batch = 3", "h.toml"))
    for text, name in wrong:
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(InvalidInput):
            plan.read(path)


def test_progress_survives_a_line_that_was_cut_off(tmp_path):
    progress = Progress(tmp_path, "1-of-2")
    progress.put("aa", "sent")
    progress.put("aa", "done", id="x")
    progress.put("bb", "sent")
    path = tmp_path / "1-of-2.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    again = Progress(tmp_path, "1-of-2")
    assert again.state("aa") == "done"
    assert again.state("bb") is None
    again.put("bb", "done", id="y")
    assert Progress(tmp_path, "2-of-2").marks["bb"].id == "y"


def test_what_is_done_stays_done(tmp_path):
    first, second = Progress(tmp_path, "1"), Progress(tmp_path, "2")
    first.put("aa", "done", id="x")
    second.put("aa", "sent")
    assert Progress(tmp_path, "1").state("aa") == "done"


def test_the_page_shows_pictures_and_reasons_and_runs_nothing(tmp_path):
    rows = [
        Row("aa", "<script>a</script>", "movie", "id", "/tmp/a b.png", 0.0, "", b"webp"),
        Row("bb", "b", "auto", error="It was refused."),
    ]
    page = report.write(tmp_path / "out", "Night", "2 pictures", rows).read_text()
    assert "<script>" not in page
    assert "It was refused." in page
    assert (tmp_path / "out" / "pictures" / "aa.webp").read_bytes() == b"webp"
    assert len(json.loads((tmp_path / "out" / "results.json").read_text())["pictures"]) == 2


def test_the_guide_says_what_it_is(tmp_path):
    guide = (Path(__file__).parents[2] / "docs" / "batch.md").read_text(encoding="utf-8")
    path = tmp_path / "night.toml"
    path.write_text(guide.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")
    items = _expand(*plan.read(path))
    assert len(items) == 2 * 2 * 2 * 4 + 24
    for name in (*plan.LISTS, *plan.SINGLE):
        assert f"`{name}`" in guide


def test_what_another_process_makes_is_not_begun_again_under_it(tmp_path):
    with HistoryStore(tmp_path) as store:
        first = BatchRun(store, "night", "Night", [])
        first.lock()
        first.progress.put("aa", "done", id="x")
        with pytest.raises(StorageError):
            BatchRun(store, "night", "Night", [], restart=True)
        assert Progress(first.folder, "").state("aa") == "done"
        first.close()
        again = BatchRun(store, "night", "Night", [], restart=True)
        assert again.progress.marks == {}
        again.lock()  # it holds it already
        again.close()


def test_what_a_provider_makes_is_not_forgotten_by_a_restart(tmp_path):
    with HistoryStore(tmp_path) as store:
        first = BatchRun(store, "night", "Night", [])
        first.lock()
        first.progress.write([Mark("aa", "sent", when=1.0, job="night-1", ticket="batch_1")])
        first.close()
        with pytest.raises(InvalidInput) as error:
            BatchRun(store, "night", "Night", [], restart=True)
        assert "--resume" in error.value.text
        again = BatchRun(store, "night", "Night", [], restart=True, given_up=True)
        assert again.progress.marks == {}
        again.close()


def test_what_is_out_of_date_is_to_be_made_again_until_it_is(tmp_path):
    progress = Progress(tmp_path, "1")
    progress.put("aa", "done", id="x")
    progress.put("aa", "stale", id="x")
    assert Progress(tmp_path, "2").state("aa") == "stale"
    progress.put("aa", "done", id="y")
    assert Progress(tmp_path, "2").marks["aa"].id == "y"
