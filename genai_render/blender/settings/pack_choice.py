# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pack of shots is chosen, among those that there are, and what is said of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import GenAIError
from .. import addon
from .id_choice import Entry, IdChoice

if TYPE_CHECKING:
    from ...core.batch.packs import Field, Pack

DEFAULT = "campaign"
FOLDER = "shot_packs"
_NAMED = {"direction": "pack_direction", "location": "pack_location"}
_OTHER = "pack_other"
_LOOK_SECONDS = 2.0


class Packs:
    """As they were read last. problems: what is wrong with the user's own files."""

    def __init__(self) -> None:
        self.problems: list[GenAIError] = []
        self._known: dict[str, Pack] = {}
        self._entries: dict[str, Entry] = {}
        self._of: tuple[Any, ...] | None = None
        self._looked = 0.0

    def known(self) -> dict[str, Pack]:
        """Read again when a file of the user's own is another one, which is looked at now and
        then: the panel asks at every redraw."""
        now = time.monotonic()
        if self._of is not None and now - self._looked < _LOOK_SECONDS:
            return self._known
        self._looked = now
        from ...core.batch import packs

        folders: list[Path] = []
        with contextlib.suppress(GenAIError):  # without a folder, there are those that ship
            folders.append(addon.user_folder(FOLDER, create=False))
        files = tuple(
            (path, path.stat().st_mtime_ns)
            for folder in folders
            for path in sorted(folder.glob("*.toml"))
        )
        if files != self._of:
            self.problems = []
            self._known = packs.load(folders, self.problems)
            self._entries = {
                pack.id: Entry(pack.label, pack.description) for pack in self._known.values()
            }
            self._of = files
        return self._known

    def entries(self) -> Mapping[str, Entry]:
        if self._of is None:  # Blender asks at every redraw; `known` is asked now and then
            self.known()
        return self._entries

    def close(self) -> None:
        pass


def packs() -> Packs:
    return addon.state(Packs)


def _why_missing(id: str = "") -> str:
    return "Its file was removed, or is on another computer."


PACK = IdChoice(
    *("pack", "pack_id", DEFAULT),
    entries=lambda: packs().entries(),
    from_number=lambda number: None,
    reason=_why_missing,
)


def chosen(settings: Any) -> Pack | None:
    """The pack that is chosen; None if it is missing."""
    return packs().known().get(PACK.id_of(settings))


def left_out(settings: Any) -> set[str]:
    """The ids of the shots that are not ticked."""
    return {id for id in settings.pack_without.split(",") if id}


def tick(settings: Any, shot: str) -> None:
    """Leave a shot out, or take it in again."""
    without = left_out(settings) ^ {shot}
    settings.pack_without = ",".join(sorted(without))


def property_of(pack: Pack, name: str) -> str:
    """Where what is said of a field is kept; "" where there is no room for one more."""
    if name in _NAMED:
        return _NAMED[name]
    others = [other for other in pack.fields if other not in _NAMED]
    return _OTHER if others[0] == name else ""


def fields(pack: Pack) -> dict[str, tuple[str, Field]]:
    """Name of the property and the field, by the field's name."""
    places = {name: property_of(pack, name) for name in pack.fields}
    return {name: (place, pack.fields[name]) for name, place in places.items() if place}
