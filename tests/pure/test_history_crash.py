# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever moment a writer is killed at, what it reported is there and whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from genai_render.core.history.store import HistoryStore
from genai_render.core.image import images

ROOT = Path(__file__).parents[2]
KILLS = 60
LONGEST = 120.0  # seconds; a slow machine gets fewer kills, but never none

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


class Writers:
    """The processes of history_writer, what they report, and a way to kill them."""

    def __init__(self, folder: Path) -> None:
        self.saved: list[str] = []
        self.broke: list[str] = []
        self.alive: list[int] = []
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("history_writer.py")), str(folder)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            kind, _, value = line.strip().partition(" ")
            if kind == "saved":
                self.saved.append(value)
            elif kind == "started":
                self.alive.append(int(value))
            else:
                self.broke.append(value)

    def wait_for(self, results: int) -> None:
        """Wait until so many were reported."""
        until = time.monotonic() + 30
        while len(self.saved) < results:
            assert self._process.poll() is None, "the writers' parent has ended"
            assert time.monotonic() < until, f"the writers are stuck: {self.broke}"
            time.sleep(0.002)

    def kill_one(self, chance: random.Random) -> None:
        while not self.alive:
            assert self._process.poll() is None, "the writers' parent has ended"
            time.sleep(0.005)
        pid = self.alive.pop(chance.randrange(len(self.alive)))
        os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Kill all that are left."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def assert_whole(store: HistoryStore, item_id: str) -> None:
    assert store.check(item_id) == []
    assert images.decode(store.image(item_id)).shape == (48, 64, 3)
    request = store.request(item_id)
    assert (request.canvas is None) == ("number" in request.prompt)
    thumbnail = store.get(item_id).thumbnail_path
    assert thumbnail is not None
    images.decode(thumbnail.read_bytes())


@needs_fork
def test_killed_writers_lose_nothing_they_reported(tmp_path: Path):
    chance = random.Random(20)
    folder = tmp_path / "history"
    watcher = HistoryStore(folder)
    writers = Writers(folder)
    kills, seen = 0, 0
    begun = time.monotonic()
    try:
        while kills < KILLS and (kills < 8 or time.monotonic() - begun < LONGEST):
            # By results rather than by the clock: on a busy machine all would die at their start.
            writers.wait_for(len(writers.saved) + chance.randrange(4))
            time.sleep(chance.uniform(0, 0.05))
            writers.kill_one(chance)
            kills += 1
            # Another window looks meanwhile: all that it is shown is whole.
            for item in watcher.search(limit=3):
                assert watcher.check(item.id) == []
                seen += 1
    finally:
        writers.stop()
        watcher.close()

    print(f"{kills} kills, {len(writers.saved)} results reported, {seen} looked at meanwhile")
    assert writers.broke == []
    assert len(writers.saved) >= kills // 2
    assert seen > 0
    with HistoryStore(folder) as store:
        listed = {item.id for item in store.search(limit=10**6)}
        listed |= {item.id for item in store.search(limit=10**6, in_bin=True)}
        assert set(writers.saved) <= listed
        for item_id in listed:
            assert_whole(store, item_id)
        rebuilt = store.rebuild()
        assert (rebuilt.items, rebuilt.added, rebuilt.dropped) == (len(listed), 0, 0)
        assert rebuilt.unreadable == ()
        favourites = {item.id for item in store.search(favourite=True, limit=10**6)}

        for leftover in (folder / "writing").iterdir():
            os.utime(leftover, (1, 1))  # as if it were from long ago
        store.rebuild()
        assert list((folder / "writing").iterdir()) == []

    for path in folder.glob("history.sqlite3*"):
        path.unlink()
    with HistoryStore(folder) as store:  # the folders alone are enough
        again = {item.id for item in store.search(limit=10**6)}
        again |= {item.id for item in store.search(limit=10**6, in_bin=True)}
        assert again == listed
        assert {item.id for item in store.search(favourite=True, limit=10**6)} == favourites
