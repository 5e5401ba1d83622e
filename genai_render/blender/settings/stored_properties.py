# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of ours as they come out of a .blend, which anybody may have made: what is of another
kind than it should be is taken as not set, before Blender itself trips over it.

Blender trusts what is stored: a pointer may lead to an object where a text is expected, a number
lie beyond its limits, and a whole group may be a pointer to something else, which crashes it.
"""

from __future__ import annotations

import math
from typing import Any

import bpy

_OURS = "genai_render"


def scrub(owner: Any) -> int:
    """Remove what of ours in a scene or a window manager is not as it should be; how many."""
    held = stored(owner)
    return 0 if held is None else _scrubbed(held, owner.bl_rna, _OURS)


def scrub_all() -> int:
    """In everything of the open file that has properties of ours."""
    if not hasattr(bpy.data, "scenes"):  # Blender is starting: no file is open yet
        return 0
    owners = (*bpy.data.scenes, *bpy.data.window_managers)
    return sum(scrub(owner) for owner in owners)


def stored(owner: Any) -> Any:
    """Where the values lie, without the kinds that they should have. None where there are none."""
    if hasattr(owner, "bl_system_properties_get"):  # since 5.0 apart from the user's own
        return owner.bl_system_properties_get()
    return owner


def _scrubbed(stored: Any, rna: Any, start: str = "") -> int:
    removed = 0
    for name in list(stored.keys()):
        declared = rna.properties.get(name) if name.startswith(start) else None
        if declared is None:
            continue
        value = stored[name]
        if not _fits(declared, value):
            del stored[name]
            removed += 1
        elif _is_group(declared):
            several = [value] if declared.type == "POINTER" else value
            removed += sum(_scrubbed(one, declared.fixed_type) for one in several)
    return removed


def _is_group(declared: Any) -> bool:
    if declared.type not in ("POINTER", "COLLECTION"):
        return False
    kind = getattr(bpy.types, declared.fixed_type.identifier, None)
    return not (isinstance(kind, type) and issubclass(kind, bpy.types.ID))


def _fits(declared: Any, value: Any) -> bool:
    """Whether a stored value is of the kind that a property is declared to have."""
    if declared.type == "POINTER":
        if _is_group(declared):
            return _stores_a_group(value)
        kind = getattr(bpy.types, declared.fixed_type.identifier)
        return value is None or isinstance(value, kind)
    if declared.type == "COLLECTION":
        try:
            return not isinstance(value, str) and all(map(_stores_a_group, value))
        except TypeError:
            return False
    if declared.type == "STRING":
        return isinstance(value, (str, bytes))
    if getattr(declared, "is_array", False):
        numbers = getattr(value, "__len__", None)
        return numbers is not None and len(value) == declared.array_length
    if declared.type == "BOOLEAN":
        return isinstance(value, (bool, int))
    if declared.type == "INT":
        return isinstance(value, int) and declared.hard_min <= value <= declared.hard_max
    if declared.type == "FLOAT":
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            return False
        # A stored number has more digits than the limit that it was held to.
        return declared.hard_min - 1e-5 <= value <= declared.hard_max + 1e-5
    if declared.type == "ENUM":
        items = declared.enum_items  # empty where a function gives them
        known = [item.value for item in items]
        return isinstance(value, int) and (not known or declared.is_enum_flag or value in known)
    return True


def _stores_a_group(value: Any) -> bool:
    return hasattr(value, "keys") and not isinstance(value, bpy.types.ID)


@bpy.app.handlers.persistent
def _looked_through(*_: object) -> None:
    scrub_all()


def _handlers() -> list[Any]:
    """Of a file that was opened, and of what was appended from another."""
    names = ("load_post", "blend_import_post")
    return [getattr(bpy.app.handlers, name) for name in names if hasattr(bpy.app.handlers, name)]


def register() -> None:
    for handlers in _handlers():
        handlers.insert(0, _looked_through)  # before anybody reads them
    scrub_all()


def unregister() -> None:
    for handlers in _handlers():
        if _looked_through in handlers:
            handlers.remove(_looked_through)
