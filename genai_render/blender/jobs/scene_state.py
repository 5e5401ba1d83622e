# SPDX-License-Identifier: GPL-3.0-or-later
"""How far an image of History is from its scene, in words: read from the disk once and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import addon
from ..translation import translated

if TYPE_CHECKING:
    from ...core.history.item import Item
    from ...core.view.scene_match import Match

_KEPT = 256


class SceneStates:
    """By item; None for one of which nothing is kept, until it is told. Read at each redraw."""

    def __init__(self) -> None:
        self.known: dict[str, Match | None] = {}

    def of(self, item: Item) -> Match | None:
        if item.id not in self.known:
            from ...core.history import scene_matches

            self.take(item.id, scene_matches.kept(item.folder))
        return self.known[item.id]

    def take(self, item_id: str, found: Match | None) -> None:
        """What was found out just now."""
        if len(self.known) >= _KEPT:
            self.known.clear()
        self.known[item_id] = found

    def close(self) -> None:
        pass


def _match(item: Item) -> Match | None:
    return addon.state(SceneStates).of(item)


def take(item_id: str, found: Match | None) -> None:
    """What was found out just now about an image."""
    addon.state(SceneStates).take(item_id, found)


def limit() -> float:
    """Pixels of the preferences; where they mark nothing, what they would without being changed."""
    from ...core.history import scene_matches

    prefs = addon.preferences()
    return scene_matches.LIMIT if prefs is None or not prefs.scene_limit else prefs.scene_limit


def has_left(item: Item) -> bool:
    """Whether it is off by more than the limit of the preferences."""
    prefs = addon.preferences()
    limit = 0.0 if prefs is None else prefs.scene_limit
    found = _match(item) if limit > 0 else None
    return found is not None and found.left(limit)


def text(item: Item) -> str:
    """For people; "" where nothing is known."""
    found = _match(item)
    if found is None:
        return ""
    said = translated(found.text)
    return f"{translated('Has left the scene')}: {said}" if has_left(item) else said
