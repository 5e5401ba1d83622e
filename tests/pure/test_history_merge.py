# SPDX-License-Identifier: GPL-3.0-or-later
"""Several Histories into one: everything once, whatever interrupts it."""

from __future__ import annotations

import dataclasses

import pytest
from history_samples import request, result

from genai_render.core.batch.progress import Progress
from genai_render.core.errors import InvalidInput, NotFound, StorageError
from genai_render.core.history import folders, merging
from genai_render.core.history.store import HistoryStore


def _nothing(done, total):
    pass


def _filled(folder, words, cost=None):
    with HistoryStore(folder) as store:
        made = dataclasses.replace(result(), cost_usd=cost)
        return [store.add(request(prompt=word), made).id for word in words]


def _content(folder):
    with HistoryStore(folder) as store:
        return {item.id: store.image(item.id) for item in store.search(limit=1000)}


def test_everything_is_there_once_with_its_marks_and_costs(tmp_path):
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    ids = _filled(one, ["a", "b"], 0.25)
    others = _filled(two, ["c", "d", "e"], 0.5)
    with HistoryStore(two) as store:
        store.set_favourite(others[0])
        store.delete(others[1])
        store.delete(others[2])
    Progress(one / "batches" / "night", "1-of-2").put("aa", "done", id=ids[0])
    Progress(two / "batches" / "night", "2-of-2").put("bb", "done", id=others[0])

    first = [merging.merge(three, each, _nothing) for each in (one, two)]
    assert [(each.added, each.known) for each in first] == [(2, 0), (3, 0)]
    again = [merging.merge(three, each, _nothing) for each in (one, two, one)]
    assert [(each.added, each.known) for each in again] == [(0, 2), (0, 3), (0, 2)]
    with HistoryStore(three) as store:
        assert {item.id for item in store.search()} == {*ids, others[0]}
        assert {item.id for item in store.search(in_bin=True)} == set(others[1:])
        assert store.get(others[0]).favourite
        assert store.spent() == pytest.approx(2 * 0.25 + 3 * 0.5)
        assert not any(store.check(item.id) for item in store.search())
    marks = Progress(three / "batches" / "night", "").marks
    assert {key: mark.id for key, mark in marks.items()} == {"aa": ids[0], "bb": others[0]}
    assert _content(one).items() <= _content(three).items()
    assert len(_content(two)) == 1, "the other one was changed"


def test_one_that_was_interrupted_is_gone_on_with(tmp_path, monkeypatch):
    one, two = tmp_path / "one", tmp_path / "two"
    _filled(one, "abcdef")
    copied = folders.storage.copy_folder
    calls = []

    def full(source, staging):
        calls.append(source)
        copied(source, staging)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(folders.storage, "copy_folder", full)
    with pytest.raises(StorageError):
        merging.merge(two, one, _nothing)
    monkeypatch.undo()
    assert len(_content(two)) == 3, "a part of an item was taken for one"
    merged = merging.merge(two, one, _nothing)
    assert (merged.added, merged.known) == (3, 3)
    assert _content(two) == _content(one)


def test_what_is_none_and_what_is_itself_is_refused(tmp_path):
    _filled(tmp_path / "one", "a")
    with pytest.raises(NotFound):
        merging.merge(tmp_path / "two", tmp_path / "nothing", _nothing)
    assert not (tmp_path / "two").exists()
    with pytest.raises(InvalidInput):
        merging.merge(tmp_path / "one", tmp_path / "one", _nothing)
