# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs with one --output, at the same time: every file of both is there."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pure"))

from history_samples import request, result

from genai_render.blender.cli.output_folder import OutputFolder
from genai_render.core.errors import StorageError
from genai_render.core.history.store import HistoryStore


def test_two_runs_leave_all_their_files(tmp_path: Path):
    output = tmp_path / "new" / "shots"
    with HistoryStore(tmp_path / "history") as store:
        items = [store.add(request(f"number {n}"), result(n)) for n in range(8)]
        written: list[Path] = []
        barrier = threading.Barrier(2)

        def work() -> None:
            with OutputFolder(output) as folder:
                barrier.wait()
                for item in items:
                    written.append(folder.write(store, item, "CON", None))

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(written)) == 16
    assert sorted(output.iterdir()) == sorted(written)
    assert all(path.stat().st_size for path in written)
    assert {path.name for path in written} >= {"_CON.png", "_CON-2.png", "_CON-16.png"}


def test_a_run_that_made_nothing_takes_no_other_runs_folder_away(tmp_path: Path):
    output = tmp_path / "shots"
    with HistoryStore(tmp_path / "history") as store:
        item = store.add(request(), result())
        with OutputFolder(output) as first:
            with OutputFolder(output):
                pass
            output.rmdir()  # as one that ended in between would
            assert first.write(store, item, "a", None).is_file()
            assert first.make_folder("b").name == "b"
            assert first.make_folder("b").name == "b-2"
    with pytest.raises(StorageError), OutputFolder(tmp_path / "shots" / "a.png"):
        pass
    with pytest.raises(StorageError), OutputFolder(Path("nul\0")):
        pass
