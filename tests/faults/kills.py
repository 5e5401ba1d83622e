# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that write History are killed at any moment: what they reported is there and whole."""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "pure"))

from test_history_crash import Writers, assert_whole

from genai_render.core.history.store import HistoryStore

_ALL_EVERY = 25  # kills between two looks at everything


class Kills:
    """Four writers, of which another is started for each that dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._watcher = HistoryStore(folder)
        self._writers = Writers(folder)
        self._kills = 0

    def one(self, chance: random.Random) -> str:
        self._writers.wait_for(len(self._writers.saved) + chance.randrange(4))
        time.sleep(chance.uniform(0, 0.05))
        self._writers.kill_one(chance)
        self._kills += 1
        if self._writers.broke:
            return f"untyped: {self._writers.broke.pop()}"
        for item in self._watcher.search(limit=3):
            if problems := self._watcher.check(item.id):
                return f"lost: {problems}"
        return self._everything(chance) if self._kills % _ALL_EVERY == 0 else ""

    def _everything(self, chance: random.Random) -> str:
        reported = set(self._writers.saved)
        with HistoryStore(self._folder) as store:
            if chance.random() < 0.3:
                store.rebuild()
            listed = {item.id for item in store.search(limit=10**6)}
            listed |= {item.id for item in store.search(limit=10**6, in_bin=True)}
            if not reported <= listed:
                return f"lost: {len(reported - listed)} of {len(reported)}"
            for item_id in chance.sample(sorted(reported), min(20, len(reported))):
                try:
                    assert_whole(store, item_id)
                except AssertionError as error:
                    return f"lost: {item_id} is not whole: {error}"
        return ""

    def close(self) -> None:
        self._writers.stop()
        self._watcher.close()


@contextlib.contextmanager
def harm() -> Iterator[Kills]:
    with tempfile.TemporaryDirectory(prefix="genai-faults-") as folder:
        kills = Kills(Path(folder) / "history")
        try:
            yield kills
        finally:
            kills.close()
