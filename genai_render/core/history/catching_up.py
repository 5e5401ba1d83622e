# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the index agree with the folders: all of them, or those that have changed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import StorageError
from . import record as records
from .folders import Folders, Listed, Skipped, gone, is_item
from .index import BIN, HistoryIndex
from .item import ID
from .ledger import Ledger, payment

BATCH = 500
SETTLED_NANOSECONDS = 4 * 10**9  # the coarsest clock of a disk, FAT's, ticks every 2 s

Tell = Callable[[int, int], None]
"""Called with how many items are done, and of how many. What it raises ends the work."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What `rebuild` found.

    unreadable: folders that hold no usable record; they are left alone. skipped: folders of many
    items that could not be looked into.
    """

    items: int
    added: int
    dropped: int
    unreadable: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()


@dataclass(slots=True)
class Difference:
    """What the index lacks (id → whether it is in the bin), and what it has too much.

    agreed: the folders to note as looked at, with their times of change. counts: how many items
    each of them has, as long as nothing is missing or gone.
    """

    missing: dict[str, bool] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    agreed: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()


def difference(index: HistoryIndex, folders: Folders) -> Difference:
    """Only those folders are looked into that have changed since both agreed.

    Raises StorageError if the results are gone.
    """
    listed = folders.listed()
    noted = index.folders()
    # First of all: what comes after has its folder already.
    looked_into = [
        name for name, changed in listed.changed.items() if noted.get(name, (0,))[0] != changed
    ]
    known_there = {name: index.ids_in(name) for name in looked_into}
    total, counts = index.counts(name for name in listed.changed if name not in known_there)
    counts |= {name: len(known) for name, known in known_there.items()}
    # Where the sums do not agree, somebody removed a whole folder, or the index lost rows.
    sure = sum(counts.values()) == total
    found = Difference(counts=counts, skipped=listed.skipped)
    misplaced: set[str] = set()
    for name, changed in listed.changed.items():
        if sure and noted.get(name) == (changed, counts[name]):
            continue
        known_ids = known_there[name] if name in known_there else index.ids_in(name)
        try:
            names = folders.names(name)
        except OSError:
            continue  # it went away this moment
        found.agreed[name] = changed
        if known_ids.are(names):
            continue
        there, known = set(names), known_ids.ids()
        for item_id in there - known:
            # In both places, left by one who died on the way between two disks: then the results'.
            if is_item(name, item_id) and (name != BIN or not folders.is_there(item_id, False)):
                found.missing[item_id] = name == BIN
        misplaced |= known - there
    if not sure:
        accounted = set().union(*(index.ids_in(name).ids() for name in listed.changed), ())
        misplaced |= index.ids() - accounted
    found.gone = misplaced - found.missing.keys()
    if found.gone and len(found.gone) == total and not found.missing and not folders.marked():
        raise gone(folders.folder)
    if found.missing or found.gone:
        found.counts = {}
    return found


def everything(folders: Folders) -> tuple[dict[str, bool], Listed]:
    """Every item's id, and whether it is in the bin."""
    listed = folders.listed()
    found: dict[str, bool] = {}
    for name in sorted(listed.changed, key=lambda name: name != BIN):  # the results' come last
        with contextlib.suppress(OSError):
            for item_id in folders.names(name):
                if is_item(name, item_id):
                    found[item_id] = name == BIN
    return found, listed


def fill(
    index: HistoryIndex, folders: Folders, ledger: Ledger, items: Mapping[str, bool], tell: Tell
) -> list[str]:
    """Enter items in the index from their folders, newest first; those that cannot be read."""
    unreadable: list[str] = []
    order = sorted(items, reverse=True)
    for at in range(0, len(order), BATCH):
        tell(at, len(order))
        batch: list[dict[str, Any]] = []
        for item_id in reversed(order[at : at + BATCH]):
            try:
                batch.append(values_in_folder(folders, item_id, items[item_id]))
            except StorageError:
                if folders.is_there(item_id, items[item_id]):  # and was not moved meanwhile
                    unreadable.append(item_id)
        index.put(*batch)
        ledger.add(paid for values in batch if (paid := payment(values)))
    tell(len(order), len(order))
    return sorted(unreadable)


def values_in_folder(folders: Folders, item_id: str, in_bin: bool) -> dict[str, Any]:
    """An item's index values from its folder. Raises StorageError if it is damaged."""
    folder = folders.path_of(item_id, in_bin)
    record = records.read_record(folder)
    if record.get("id") != item_id:
        raise StorageError(f'The folder "{item_id}" holds another item.')
    favourite = os.path.exists(f"{folder}/favourite")  # noqa: PTH110 (of each of 100,000)
    return records.index_values(record, favourite, in_bin)


def note_agreed(
    index: HistoryIndex,
    folders: Folders,
    agreed: Mapping[str, int],
    counts: Mapping[str, int] | None = None,
) -> None:
    """Remember that index and folders agree, where a later change of a folder must show.

    counts: how many items the folders have, if that is known.
    """
    now = folders.now() if agreed else None
    settled = [
        name
        for name, changed in agreed.items()
        if now is not None and now - changed > SETTLED_NANOSECONDS
    ]
    states: dict[str, tuple[int, int] | None] = dict.fromkeys(agreed)
    if settled:
        if not counts:
            _, counts = index.counts(settled)
        states |= {name: (agreed[name], counts[name]) for name in settled}
    noted = index.folders()
    changes = {name: state for name, state in states.items() if noted.get(name) != state}
    if changes:
        index.note_folders(changes)


def readable(folders: Folders, item_id: str) -> bool:
    """Whether an item is there, in whichever place."""
    if ID.fullmatch(item_id) is None:
        return False
    for in_bin in (False, True):
        with contextlib.suppress(StorageError):
            records.read_record(folders.path_of(item_id, in_bin))
            return True
    return False
