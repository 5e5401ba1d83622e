# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of the view that an image of History comes from, through all edits of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import NotFound
from ..view.canvas import View
from . import record as records

if TYPE_CHECKING:
    from ..view.ids import Ids
    from .store import HistoryStore

_GENERATIONS = 1000  # records that name each other in a circle end here


@dataclass(frozen=True, slots=True)
class Origin:
    """view: None for what was made without one. ids: None if they were not kept with it."""

    view: View | None = None
    ids: Ids | None = None


def origin(store: HistoryStore, item_id: str) -> Origin:
    """Where an image comes from. Raises NotFound for an id that is not there, StorageError for a
    damaged item."""
    view = None
    for generation in range(_GENERATIONS):
        try:
            item = store.get(item_id)
        except NotFound:
            if generation == 0:
                raise
            break  # what it was made from was deleted
        record = records.read_record(item.folder)
        ids = records.load_ids(item.folder, record)
        kept = (record.get("request") or {}).get("canvas")
        if view is None and kept and kept.get("source") != "image":
            view = View.from_json(kept)
        if ids is not None or not item.parent:
            return Origin(view, ids)
        item_id = item.parent
    return Origin(view)
