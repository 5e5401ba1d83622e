# SPDX-License-Identifier: GPL-3.0-or-later
"""Several Histories into one: what a farm's computers have made each by itself.

Only folders are copied, each whole or not at all, and none that is there already: a merge that was
interrupted is gone on with by merging once more. The index catches up when the History is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidInput, NotFound
from ..files import storage
from .folders import Folders, is_item
from .index import BIN
from .ledger import Ledger

_BATCHES, _PROGRESS = "batches", ".jsonl"

Tell = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Merged:
    """added: items that were not there. known: those that were. broken: folders without a record,
    which are left where they are."""

    added: int
    known: int
    broken: tuple[str, ...]


def merge(target: Path, source: Path, tell: Tell) -> Merged:
    """Take everything of one History into another, which is made if it is not there.

    tell: called with how many items are done, and of how many. Raises NotFound for what is no
    History, InvalidInput for the same one, StorageError.
    """
    if not (source / "results").is_dir():
        raise NotFound(
            f'There is no History in "{source}".', action="Name the folder that has results in it."
        )
    if target.exists() and source.resolve() == target.resolve():
        raise InvalidInput("A History cannot be merged into itself.")
    theirs, ours = Folders(source), Folders(target)
    ours.make()
    items = list(_items(theirs))
    added = known = 0
    broken: list[str] = []
    for number, (id, in_bin) in enumerate(items, start=1):
        if any(ours.is_there(id, either) for either in (False, True)):
            known += 1
        elif not (theirs.place(id, in_bin) / "request.json").is_file():
            broken.append(id)
        else:
            ours.take_in(theirs.place(id, in_bin), id, in_bin)
            added += 1
        tell(number, len(items))
    _merge_spending(source, target)
    _merge_batches(source / _BATCHES, target / _BATCHES)
    return Merged(added, known, tuple(broken))


def _items(folders: Folders) -> Iterator[tuple[str, bool]]:
    for folder in folders.listed().changed:
        with storage.storage_errors(f'"{folders.folder}" cannot be read.'):
            names = sorted(folders.names(folder))
        for name in names:
            if is_item(folder, name):
                yield name, folder == BIN


def _merge_spending(source: Path, target: Path) -> None:
    """Also of what was deleted for good: it was paid all the same."""
    path = source / "spending.jsonl"
    if path.is_file():
        theirs = Ledger(path, target / "spending.lock")
        Ledger(target / "spending.jsonl", target / "spending.lock").add(theirs.payments())


def _merge_batches(source: Path, target: Path) -> None:
    """What is done of each batch, so that it is gone on with, or known to be whole."""
    if not source.is_dir():
        return
    for path in sorted(source.glob(f"*/*{_PROGRESS}")):
        there = target / path.parent.name / path.name
        with storage.storage_errors("What is done of the batches cannot be merged."):
            there.parent.mkdir(parents=True, exist_ok=True)
            lines = path.read_bytes().splitlines()
            before = there.read_bytes() if there.exists() else b""
            known = set(before.splitlines())
            new = [line for line in lines if line and line not in known]
        if new:
            start = before if not before or before.endswith(b"\n") else before + b"\n"
            storage.replace_file(there, start + b"\n".join(new) + b"\n")
    for path in sorted(source.glob("*/plan.json")):
        there = target / path.parent.name / path.name
        if not there.exists() and there.parent.is_dir():
            with storage.storage_errors("What is done of the batches cannot be merged."):
                data = path.read_bytes()
            storage.replace_file(there, data)
