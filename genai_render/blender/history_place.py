# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the user's History, and knows which ones there were before."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ..core.errors import StorageError
from ..core.history import known
from ..core.history.store import HistoryStore
from . import addon


def open_history(
    folder: Path, *, background: bool = False, accept_loss: bool = False
) -> HistoryStore:
    """A History, made if it is new. Raises StorageError for one that was there and is not now.

    background, accept_loss: see `HistoryStore`.
    """
    return HistoryStore(
        folder, background=background, known=_list_of_known(folder), accept_loss=accept_loss
    )


def vanished(folder: Path) -> bool:
    """Whether a History was in that folder before and is not there now."""
    listed = _list_of_known(folder)
    return listed is not None and not folder.exists() and known.is_known(listed, folder)


def forget(folder: Path) -> None:
    """The user says that it is gone for good. Raises StorageError."""
    listed = _list_of_known(folder)
    if listed is not None:
        known.forget(listed, folder)


def _list_of_known(folder: Path) -> Path | None:
    """None for the default place: that is on the disk that Blender keeps its settings on, and
    where it is empty the user has emptied it."""
    with contextlib.suppress(StorageError):
        if folder.absolute() != addon.default_history_folder(create=False).absolute():
            return addon.user_folder("") / "histories.json"
    return None
