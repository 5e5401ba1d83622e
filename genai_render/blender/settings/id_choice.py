# SPDX-License-Identifier: GPL-3.0-or-later
"""An enum whose value is kept as an id, so that a .blend means the same whatever is in the list.

Blender keeps an enum as a number. Here the truth is a string beside it, and the enum is how it is
seen and set. An id that is not in the list any more stays what it is, and is shown as missing.
"""

# Blender's stubs do not know what a property group can do.
# pyright: reportArgumentType=false
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import bpy
from bpy.props import EnumProperty, StringProperty

from ...core.enum_numbers import EnumNumbers
from .. import translation
from ..translation import CONTEXT, translated

_UNNAMED = "#"  # before the number of an id that nobody knows


class Entry(NamedTuple):
    """What can be chosen, as Blender shows it. icon: its name or its number."""

    label: str
    description: str = ""
    icon: str | int = 0


class IdChoice:
    """One such enum of a property group.

    name: the enum's name; kept: the string's. entries: what there is, by id; the same object until
    something has changed, because Blender asks at every redraw. from_number: the id that a number
    in a .blend from before ids were kept stands for. reason: why an id is missing.
    """

    def __init__(
        self,
        name: str,
        kept: str,
        default: str,
        entries: Callable[[], Mapping[str, Entry]],
        from_number: Callable[[int], str | None],
        reason: Callable[[str], str],
    ) -> None:
        self.name, self.kept, self.default = name, kept, default
        self._entries = entries
        self._from_number = from_number
        self._reason = reason
        self._numbers = EnumNumbers(default)
        # Blender keeps no copy of the texts of a dynamic enum's items: something has to hold them.
        self._held: dict[tuple[str, str], list[tuple[str, str, str, str | int, int]]] = {}
        self._held_for: Mapping[str, Entry] | None = None

    def properties(self, label: str, description: str) -> dict[str, Any]:
        """The enum and the string, as annotations of the property group."""
        enum = EnumProperty(  # Blender takes functions only, no methods
            name=label,
            description=description,
            translation_context=CONTEXT,
            items=lambda owner, context: self._items(owner, context),
            get=lambda owner: self._get(owner),
            set=lambda owner, number: self._set(owner, number),
        )
        return {self.kept: StringProperty(options={"HIDDEN"}), self.name: enum}

    def id_of(self, owner: Any) -> str:
        """What is chosen, whether it is there or not."""
        number = owner.get(self.name)
        if number is not None:
            # Written by an older version, so later than the string, if there is one.
            return self._from_number(number) or f"{_UNNAMED}{number}"
        return getattr(owner, self.kept) or self.default

    def choose(self, owner: Any, id: str) -> None:
        """Choose an id, which need not be there."""
        setattr(owner, self.kept, id)
        if self.name in owner:
            del owner[self.name]

    def is_missing(self, owner: Any) -> bool:
        return self.id_of(owner) not in self._entries()

    def keep_id(self, owner: Any) -> None:
        """Write the id down where an older version left a number, if it is known."""
        if self.name in owner and not self.is_missing(owner):
            self.choose(owner, self.id_of(owner))

    def forget(self) -> None:
        """Let go of what Blender was given, when it asks no more."""
        self._held.clear()
        self._held_for = None

    def _items(self, owner: Any, context: bpy.types.Context | None) -> list[Any]:
        entries = self._entries()
        if entries is not self._held_for:
            self._held.clear()
            self._held_for = entries
        missing = "" if owner is None else self.id_of(owner)
        if missing in entries:
            missing = ""
        key = missing, translation.language()
        if key not in self._held:
            self._held[key] = self._items_with(entries, missing)
        return self._held[key]

    def _items_with(
        self, entries: Mapping[str, Entry], missing: str
    ) -> list[tuple[str, str, str, str | int, int]]:
        items = [
            (
                id,
                translated(entry.label),
                translated(entry.description, "tooltips"),
                entry.icon,
                self._numbers.of(id),
            )
            for id, entry in entries.items()
        ]
        if missing:
            label = translated(f"Missing: {missing}")
            # One number among numbers, where the others' icons are pictures.
            icon = _error_icon() if any(isinstance(item[3], int) for item in items) else "ERROR"
            reason = translated(self._reason(missing), "tooltips")
            items.append((missing, label, reason, icon, self._numbers.of(missing)))
        return items

    def _get(self, owner: Any) -> int:
        return self._numbers.of(self.id_of(owner))

    def _set(self, owner: Any, number: int) -> None:
        id = self._numbers.id_of(number)
        if id is not None:
            self.choose(owner, id)


def _error_icon() -> int:
    layout: Any = bpy.types.UILayout.bl_rna
    icons = layout.functions["label"].parameters["icon"]
    return icons.enum_items["ERROR"].value
