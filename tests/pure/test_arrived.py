# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that was paid for is lost: not by a kill, not by a disk that is full or gone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from genai_render.core.errors import Cancelled, StorageError
from genai_render.core.events import CancelToken, Progress, Result
from genai_render.core.files import storage
from genai_render.core.history.rescue import rescue
from genai_render.core.history.store import HistoryStore
from genai_render.core.image import images
from genai_render.core.jobs import Finished, JobQueue, JobState, Saved
from genai_render.core.request import Reference, RenderRequest
from tests.servers.client import canvas, image

PATIENCE = 20.0
REQUEST = RenderRequest(
    prompt="A red house", model="gpt-image-2", references=(Reference(image()),), canvas=canvas()
)

MASK = np.full((30, 40, 4), 255, np.uint8)
MASK[:, 20:, 3] = 0
EDIT = RenderRequest(
    "A red house",
    model="gpt-image-2",
    kind="edit",
    source=image(tone=20),
    mask=images.encode_png(MASK),
)


def result(index: int = 0, more: int = 0) -> Result:
    data = image(tone=100 + index)
    return Result(
        data, "image/png", 40, 30, index, 7, "A red house.", info={"n": 1}, cost_usd=0.25, more=more
    )


def finished(queue: JobQueue) -> Finished:
    while True:
        told = queue.next_event(PATIENCE)
        assert told is not None
        if isinstance(told[1], Finished):
            return told[1]


def test_what_came_is_in_history_though_the_process_was_killed_before_it_was_saved(tmp_path):
    _killed(
        """
        import os, sys
        from tests.pure.test_arrived import REQUEST, result
        from genai_render.core.history.store import HistoryStore
        store = HistoryStore(sys.argv[1], "one run")
        store.arrive(REQUEST, result())
        print("there", flush=True)
        os.kill(os.getpid(), 9)
        """,
        tmp_path,
    )
    with HistoryStore(tmp_path) as store:
        (item,) = store.search()
        assert store.image(item.id) == result().image
        assert (item.status, item.seed, item.cost_usd, item.session) == ("done", 7, 0.25, "one run")
        assert store.request(item.id).references == REQUEST.references
        assert store.check(item.id) == []
        assert store.spent() == 0.25
    assert list((tmp_path / "arrived").iterdir()) == []
    with HistoryStore(tmp_path) as store:  # and once only
        assert len(store.search()) == 1


def test_an_edit_keeps_to_its_mask_though_the_process_was_killed_while_they_were_combined(tmp_path):
    _killed(
        """
        import os, sys
        from genai_render.core import jobs
        from genai_render.core.history.store import HistoryStore
        from tests.pure.test_arrived import EDIT, result

        def combined(request, came):
            print("there", flush=True)
            os.kill(os.getpid(), 9)

        jobs.kept_outside = combined
        store = HistoryStore(sys.argv[1], "one run")
        queue = jobs.JobQueue(lambda *_: "", arrive=store.arrive)
        queue.submit(EDIT, lambda *_: iter([result()]))
        queue.next_event(20), queue.next_event(20)
        """,
        tmp_path,
    )
    with HistoryStore(tmp_path) as store:
        (item,) = store.search()
        kept = images.decode(store.image(item.id))
    source, drawn = images.decode(EDIT.source or b""), images.decode(result().image)
    assert (kept[:, :20] == source[:, :20]).all()
    assert (kept[:, 20:] == drawn[:, 20:]).all()
    assert (source[:, :20] != drawn[:, :20]).any()


def _killed(work: str, history: Path) -> None:
    """Run it, which says "there" and then dies at once."""
    root = Path(__file__).parents[2]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(root), str(Path(__file__).parent)))}
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(work), str(history)],
        cwd=root,
        env=environ,
        capture_output=True,
        check=False,
    )
    assert told.stdout.strip() == b"there", told.stderr


def test_what_lies_there_belongs_to_who_is_at_work_on_it(tmp_path):
    with HistoryStore(tmp_path) as first:
        came = result()
        id = first.arrive(REQUEST, came)
        with HistoryStore(tmp_path) as second:
            assert second.search() == []
        item = first.add(REQUEST, Result(**{**as_values(came), "arrived": id}))
        assert item.id == id
        assert list((tmp_path / "arrived").iterdir()) == []
        assert len(first.search()) == 1
        assert first.spent() == 0.25


def as_values(one: Result) -> dict:
    return {name: getattr(one, name) for name in Result.__slots__}


@pytest.mark.parametrize("damage", ["about.json", "image"])
def test_half_of_what_came_is_no_result(tmp_path, damage):
    with HistoryStore(tmp_path) as store:
        id = store.arrive(REQUEST, result())
    (tmp_path / "arrived" / id / damage).write_bytes(b"{")
    with HistoryStore(tmp_path) as store:
        assert store.search() == []
    assert list((tmp_path / "arrived").iterdir()) == []


def test_all_images_of_one_answer_are_on_the_disk_before_the_first_is_worked_on():
    order = []

    def arrive(_request, one):
        order.append(f"arrived {one.index}")
        return f"id-{one.index}"

    def save(_request, one, _seconds):
        order.append(f"saved {one.arrived}")
        return one.arrived

    queue = JobQueue(save, arrive=arrive)
    three = [result(0, 2), result(1, 1), result(2, 0)]
    queue.submit(REQUEST.with_(count=3), lambda *_: iter(three))
    assert finished(queue).state is JobState.DONE
    assert order == [
        *("arrived 0", "arrived 1", "arrived 2"),
        *("saved id-0", "saved id-1", "saved id-2"),
    ]
    assert queue.close()


def test_images_that_cannot_be_kept_are_elsewhere_and_all_of_them(tmp_path):
    def save(_request, _one, _seconds):
        raise StorageError("The result cannot be saved.", "The disk is full.")

    queue = JobQueue(save, rescue=lambda _request, one: rescue(one, tmp_path / "out"))
    queue.submit(REQUEST.with_(count=2), lambda *_: iter([result(0, 1), result(1)]))
    end = finished(queue)
    assert end.state is JobState.FAILED
    files = sorted((tmp_path / "out").iterdir())
    assert {path.read_bytes() for path in files} == {result(0).image, result(1).image}
    assert end.error is not None
    assert "The disk is full." in end.error.text
    assert all(str(path) in end.error.text for path in files)
    assert queue.close()


def test_where_the_output_is_gone_too_a_temporary_folder_takes_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "file").write_text("in the way of a folder")
    path = rescue(result(), tmp_path / "file")
    assert path.parent.parent == tmp_path / "tmp"
    assert path.read_bytes() == result().image


def test_one_of_three_that_cannot_be_kept_costs_no_other(tmp_path):
    def save(_request, one, _seconds):
        if one.index == 1:
            raise OSError(28, "No space left on device")
        return f"id-{one.index}"

    queue = JobQueue(save, rescue=lambda _request, one: rescue(one, tmp_path))
    job = queue.submit(
        REQUEST.with_(count=3), lambda *_: iter([result(0, 2), result(1, 1), result(2)])
    )
    end = finished(queue)
    assert end.state is JobState.DONE
    assert job.saved == ["id-0", "id-2"]
    assert end.error is not None
    assert str(job.rescued[0]) in end.error.text
    assert job.missing == ""
    assert queue.close()


def test_that_history_can_be_written_is_found_out_by_writing(tmp_path, monkeypatch):
    with HistoryStore(tmp_path / "history") as store:
        before = sorted(path.name for path in (tmp_path / "history").rglob("*"))
        store.check_writable()
        assert sorted(path.name for path in (tmp_path / "history").rglob("*")) == before

        def full(path, data):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(storage, "write_file", full)
        with pytest.raises(StorageError, match="The disk is full"):
            store.check_writable()
        monkeypatch.undo()
        shutil.rmtree(tmp_path / "history" / "results")
        with pytest.raises(StorageError, match="is not there"):
            store.check_writable()


@pytest.mark.parametrize(("price", "sent", "kept"), [("about $0.04", True, 1), ("", True, 0)])
def test_a_paid_request_that_is_cancelled_after_it_was_sent_leaves_an_entry(price, sent, kept):
    failures = []
    queue = JobQueue(lambda *_: "id", lambda _request, error: failures.append(error))

    def run(_request, cancel: CancelToken):
        yield Progress(None, "Sending")
        if sent:
            cancel.note_sent()
        cancel.cancel()
        cancel.check()
        yield Progress(None)

    queue.submit(REQUEST, run, price=price)
    end = finished(queue)
    assert end.state is JobState.CANCELLED
    assert isinstance(end.error, Cancelled)
    assert len(failures) == kept
    if kept:
        assert price in failures[0].text
    assert queue.close()


def test_saved_is_told_after_an_answer_of_several():
    queue = JobQueue(lambda _request, one, _seconds: f"id-{one.index}")
    queue.submit(REQUEST.with_(count=2), lambda *_: iter([result(0, 1)]))  # the second never came
    events = []
    while not events or not isinstance(events[-1], Finished):
        told = queue.next_event(PATIENCE)
        assert told is not None
        events.append(told[1])
    assert [event.id for event in events if isinstance(event, Saved)] == ["id-0"]
    assert queue.close()
