# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground that everything here stands on: the add-on's name, its preferences, its folders, and
the objects that hold its state.

Imports nothing else of this folder.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Protocol, TypeVar

import bpy

from ..core.errors import GenAIError, StorageError

PACKAGE = (__package__ or "genai_render").removesuffix(".blender")
"""`bl_ext.<repository>.genai_render` in Blender, `genai_render` with the bpy module."""


# --- state ---------------------------------------------------------------------------------------


class State(Protocol):
    """Something that lives from its first use until the add-on is disabled."""

    def close(self) -> None:
        """Leave nothing behind: no timer, no handler, no thread."""
        ...


Kind = TypeVar("Kind", bound=State)

_states: dict[type, Any] = {}


def state(kind: type[Kind]) -> Kind:
    """The one object of that kind, made when it is first asked for."""
    if kind not in _states:
        _states[kind] = kind()
    return _states[kind]


def existing(kind: type[Kind]) -> Kind | None:
    """The one object of that kind if there is one already."""
    return _states.get(kind)


def discard(kind: type[State]) -> None:
    """Close the object of that kind; the next use makes another."""
    gone = _states.pop(kind, None)
    if gone is not None:
        gone.close()


def discard_all() -> None:
    """When the add-on is disabled: the newest first, since it may use older ones."""
    for kind in reversed(list(_states)):
        with contextlib.suppress(GenAIError):
            discard(kind)


# --- preferences and folders ---------------------------------------------------------------------


def preferences() -> Any | None:
    """The add-on's preferences; None where it is not enabled, as in `python -m genai_render`."""
    addon = bpy.context.preferences.addons.get(PACKAGE)
    return None if addon is None else addon.preferences


def user_folder(name: str, create: bool = True) -> Path:
    """A folder that Blender keeps for this extension, the same with and without a window.

    Raises StorageError where Blender has none.
    """
    try:
        folder = bpy.utils.extension_path_user(PACKAGE, path=name, create=create)
    except ValueError:
        # With the bpy module we are no extension: share the folder of the one that is installed.
        folder = bpy.utils.user_resource(
            "EXTENSIONS", path=f".user/user_default/genai_render/{name}", create=create
        )
    if not folder:
        raise StorageError(
            "Blender has no folder for this extension's data.",
            action="Choose a History folder in the add-on's preferences, or give --history.",
        )
    return Path(folder)


def default_history_folder(create: bool = True) -> Path:
    """Where History lives if the preferences say nothing."""
    return user_folder("history", create)


def history_folder() -> Path:
    """What the preferences say, else the default."""
    prefs = preferences()
    if prefs is not None and prefs.history_folder:
        return Path(bpy.path.abspath(prefs.history_folder))
    return default_history_folder()
