# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of History's index and ledger that change: nothing may be lost, and nothing locks it."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "pure"))

from history_samples import request, result

from genai_render.core.history.store import HistoryStore
from genai_render.core.view.canvas import View

ITEMS = 40
INDEX, LEDGER = "history.sqlite3", "spending.jsonl"


class Corruptions:
    """A History that is whole, and copies of it that are not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._whole = folder / "whole"
        chance = random.Random(1)
        words = ("golden", "foggy", "street", "castle", "café", "猫", "robot", "kitchen")
        with HistoryStore(self._whole) as store:
            for number in range(ITEMS):
                text = " ".join(chance.choices(words, k=12)) + f" number{number}"
                view = View(8, 8, blend_name=chance.choice(("Casa.blend", "")), camera="Front")
                made = result(number % 3, cost_usd=chance.choice((None, 0.0, 0.04, 1.5)))
                item = store.add(request(text), made, view=view, seconds=1.5)
                if chance.random() < 0.2:
                    store.set_favourite(item.id)
                if chance.random() < 0.2:
                    store.delete(item.id)
                    if chance.random() < 0.3:
                        store.empty_bin()
            self._expected = _seen(store)
            self._spent = store.spent()

    def one(self, chance: random.Random) -> str:
        copy = self._folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self._whole, copy, copy_function=_linked)
        try:
            if chance.random() < 0.15:
                return self._while_open(chance, copy)
            _harm(chance, copy)
            return self._judged(copy)
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    def _while_open(self, chance: random.Random, copy: Path) -> str:
        """Under the hands of a store that has the index open; another has entries in its log."""
        with HistoryStore(copy) as store:
            store.search("golden")
            added = store.add(request("one more"), result(cost_usd=0.5))
            _harm(chance, copy, log=True)
            store.search("castle")
            store.count()
            with contextlib.suppress(KeyError):
                store.get(next(iter(self._expected)))
            store.add(request("and another"), result())
            store.delete(added.id)
            store.restore(added.id)
            store.spent()
        return self._judged(copy, more=2, paid=0.5)

    def _judged(self, copy: Path, more: int = 0, paid: float = 0.0) -> str:
        with HistoryStore(copy) as store:
            seen = _seen(store)
            new = seen.keys() - self._expected.keys()
            if len(new) != more or not self._expected.keys() <= seen.keys():
                lost = self._expected.keys() - seen.keys()
                return f"lost: {len(lost)} of {len(self._expected)}, {len(new)} new"
            for item_id, was in self._expected.items():
                if seen[item_id] != was:
                    return f"changed: {item_id}"
            if store.count() + store.count(in_bin=True) != len(self._expected) + more:
                return "lost: the count is wrong"
            if abs(store.spent() - self._spent - paid) > 1e-9:
                return f"spent: {store.spent()} and not {self._spent + paid}"
            one = next(iter(self._expected))
            if store.get(one) is None or store.request(one).prompt != self._expected[one][0]:
                return "lost: an item cannot be opened"
            item = store.add(request("after the harm"), result(cost_usd=0.25))
            rebuilt = store.rebuild()
            if rebuilt.items != len(seen) + 1 or rebuilt.unreadable:
                return f"lost: {rebuilt.items} after a rebuild"
            if store.search("after the harm")[0].id != item.id:
                return "lost: what was added"
            if abs(store.spent() - self._spent - paid - 0.25) > 1e-9:
                return "spent: wrong after a rebuild"
            if _seen(store).keys() != seen.keys() | {item.id}:
                return "lost: after a rebuild"
        return ""


def _seen(store: HistoryStore) -> dict[str, Any]:
    found = {}
    for in_bin in (False, True):
        for item in store.search(limit=10**6, in_bin=in_bin):
            found[item.id] = (
                *(item.prompt, item.favourite, item.in_bin, item.cost_usd, item.created),
                *(item.blend, item.camera, item.width, item.status, item.session, item.image),
            )
    return found


def _linked(source: str, target: str) -> str:
    """The items' files are only read; index and ledger are written in place."""
    if os.path.basename(source).startswith(("history.", "spending.")):  # noqa: PTH119
        return shutil.copyfile(source, target)
    os.link(source, target)
    return target


def _harm(chance: random.Random, folder: Path, log: bool = False) -> None:
    names = [INDEX] * 8 + [LEDGER]
    if log:
        names += [f"{INDEX}-wal"] * 4 + [f"{INDEX}-shm"]
    path = folder / chance.choice(names)
    kind = chance.random()
    if kind < 0.8 or log:
        _flip(chance, path, chance.randint(1, 8))
    elif kind < 0.85:
        _cut(chance, path)
    elif kind < 0.9:
        _flip(chance, path, chance.randint(9, 4000))
    elif kind < 0.93:
        path.write_bytes(chance.randbytes(chance.randint(0, 20_000)))
    elif kind < 0.96:
        path.unlink()
        path.mkdir()
    elif kind < 0.98:
        path.unlink()
        os.mkfifo(path)
    else:
        path.unlink()
        path.symlink_to(chance.choice(("nowhere", path.name, "/dev/null")))


def _flip(chance: random.Random, path: Path, count: int) -> None:
    try:
        size = path.stat().st_size
    except OSError:
        return
    with path.open("r+b") as file:
        for _ in range(count):
            # Half of them where it hurts most: the header and the tables' descriptions.
            at = chance.randrange(min(size, 4096 if chance.random() < 0.3 else size) or 1)
            file.seek(at)
            old = file.read(1)
            new = bytes([(old[0] if old else 0) ^ (1 << chance.randrange(8))])
            file.seek(at)
            file.write(new if chance.random() < 0.5 else chance.randbytes(1))


def _cut(chance: random.Random, path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(chance.randrange(path.stat().st_size))


@contextlib.contextmanager
def harm() -> Iterator[Corruptions]:
    with tempfile.TemporaryDirectory(prefix="genai-faults-") as folder:
        yield Corruptions(Path(folder))
