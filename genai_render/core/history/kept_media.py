# SPDX-License-Identifier: GPL-3.0-or-later
"""The clips and 3D models that lie beside the pictures of History."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .. import media
from ..errors import NotFound, StorageError
from ..files import storage
from . import record as records

if TYPE_CHECKING:
    from .store import HistoryStore


def load(store: HistoryStore, item_id: str) -> media.Media:
    """The clip or 3D model of an item. Raises NotFound for one that has none, StorageError."""
    item, record = store.get(item_id), store.record(item_id)
    about = (record.get("result") or {}).get("media")
    if not isinstance(about, Mapping):
        raise NotFound(f'"{item.id}" has no clip and no 3D model.')
    name, kind = str(about.get("file")), about.get("kind")
    if name not in media.FILES or kind not in ("video", "model"):
        raise StorageError(f'The record of "{item.id}" cannot be read.', "It is damaged.")
    return media.read(records.read_media_file(item.folder / name), kind, name)


def export(store: HistoryStore, item_id: str, path: Path) -> Path:
    """Save a clip or 3D model as a file of the user's, byte by byte; the file's path.

    path: a file, or a folder: then the file is named after the item. Raises as `load` does.
    """
    kept = load(store, item_id)
    if path.is_dir():
        path = path / f"{store.get(item_id).id}{kept.suffix}"
    storage.replace_file(path, kept.data)
    return path
