# SPDX-License-Identifier: GPL-3.0-or-later
"""What the images of a model have cost, as History knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NotFound, StorageError
from ..models.seen_costs import LAST, SeenCost

if TYPE_CHECKING:
    from .store import HistoryStore

_LOOKED_AT = 2 * LAST  # some have no cost, or are from before estimates were kept


def seen_costs(store: HistoryStore, model: str) -> list[SeenCost]:
    """Of the model's last images, the newest first. Raises StorageError if History cannot be used;
    a single item that cannot be read is left out."""
    seen: list[SeenCost] = []
    for item in store.search(model=model, status="done", limit=_LOOKED_AT):
        if not item.cost_usd:
            continue
        try:
            listed = store.record(item.id).get("listed_usd")
        except (StorageError, NotFound):
            continue
        if isinstance(listed, (int, float)) and listed > 0:
            seen.append(SeenCost(float(listed), item.cost_usd))
    return seen[:LAST]
