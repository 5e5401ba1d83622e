# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast History is with many items in it: prints a table, and judges nothing.

python tests/bench_history.py [ITEMS]
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent / "pure")]

from history_samples import full_request, result  # noqa: E402

from genai_render.core.history.store import HistoryStore, new_id  # noqa: E402

ADJECTIVES = ("golden", "foggy", "neon", "wooden", "tiny", "ancient", "glowing", "wet", "marble")
NOUNS = ("street", "castle", "car", "teapot", "forest", "harbour", "robot", "kitchen", "café")


def fill(store: HistoryStore, items: int) -> None:
    """Items with their records alone: their pictures would take an hour and change nothing."""
    chance = random.Random(1)
    record = store.record(store.add(full_request(), result(cost_usd=0.04)).id)
    for _ in range(items - 1):
        item_id = new_id()
        pairs = (f"{chance.choice(ADJECTIVES)} {chance.choice(NOUNS)}" for _ in range(20))
        record["id"], record["request"]["prompt"] = item_id, ", ".join(pairs)
        record["request"]["style"] = chance.choice(("auto", "comic", "movie"))
        folder = store.folder / "results" / item_id[:4] / item_id[4:6] / item_id
        folder.mkdir(parents=True)
        (folder / "request.json").write_text(json.dumps(record))


def measure(name: str, action: Callable[[], object], repeats: int = 5) -> None:
    """CPU time, the least of several: other programs make wall-clock time mean little."""
    best = float("inf")
    for _ in range(repeats):
        begun = time.process_time()
        action()
        best = min(best, time.process_time() - begun)
    print(f"{name:34} {best * 1000:9.1f} ms")


def main() -> None:
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    folder = Path(tempfile.mkdtemp())
    try:
        with HistoryStore(folder) as store:
            print(f"{items} items")
            fill(store, items)
            measure("rebuild the index", store.rebuild, 1)
            measure("the newest 100", store.search)
            measure("a word that many have", lambda: store.search("gold"))
            measure("words that none has", lambda: store.search("golden unicorn"))
            measure("one style", lambda: store.search(style="comic"))
            measure("favourites", lambda: store.search(favourite=True))
            measure("the oldest 100", lambda: store.search(offset=items - 100))
            measure("count a word", lambda: store.count("gold"))
            measure("count all", store.count)
            measure("the bin", lambda: store.search(in_bin=True))
            measure("spent this month", store.spent_this_month)
            number = iter(range(1000))
            measure("add", lambda: store.add(full_request(), result(next(number))))
        measure("open, right after an add", lambda: HistoryStore(folder).close())
        time.sleep(5)  # by then a disk's clock has moved on, whatever disk it is
        HistoryStore(folder).close()
        measure("open again", lambda: HistoryStore(folder).close())
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
