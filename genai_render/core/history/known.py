# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Histories there were before: one that is not there now has vanished, and is not a new one.

A list of folders in a file of the user's, on the disk that Blender keeps its settings on.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from ..errors import StorageError
from ..files import storage

_MOST = 200
_MAX_BYTES = 2**20


def is_known(file: Path, folder: Path) -> bool:
    """Whether a History was in that folder before."""
    return _name(folder) in _listed(file)


def note(file: Path, folder: Path) -> None:
    """Remember that a History is in that folder. Raises nothing."""
    listed = _listed(file)
    name = _name(folder)
    if name not in listed:
        data = json.dumps([*listed, name][-_MOST:], indent=1).encode()
        with contextlib.suppress(StorageError, OSError):
            storage.replace_file(file, data)


def forget(file: Path, folder: Path) -> None:
    """The user knows that it is gone. Raises StorageError."""
    listed = [name for name in _listed(file) if name != _name(folder)]
    storage.replace_file(file, json.dumps(listed, indent=1).encode())


def _listed(file: Path) -> list[str]:
    try:
        listed = json.loads(storage.read_file(file, _MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return []
    return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []


def _name(folder: Path) -> str:
    return os.fsencode(folder.absolute()).decode("utf-8", "replace")
