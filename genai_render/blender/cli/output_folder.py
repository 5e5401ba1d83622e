# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder that the user named for files, checked before any work is done for it."""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path

from ...core.errors import StorageError
from ...core.history.store import HistoryStore, Item
from ...core.images import Format


class OutputFolder:
    """Made on entering if it is not there; taken away again if nothing came to be in it.

    Raises StorageError on entering if it cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._made: list[Path] = []

    @property
    def wanted(self) -> bool:
        return self._path is not None

    @property
    def path(self) -> Path:
        assert self._path is not None, "no folder was named"
        return self._path

    def __enter__(self) -> OutputFolder:
        if self._path is None:
            return self
        try:
            missing = [p for p in (self._path, *self._path.parents) if not p.exists()]
            for folder in reversed(missing):
                folder.mkdir()
                self._made.append(folder)
            with tempfile.TemporaryFile(dir=self._path):
                pass
        except OSError as error:
            self._take_away()
            raise StorageError(
                f'The folder "{self._path}" cannot be written.',
                f"{error.strerror}.",
                "Choose another --output.",
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._take_away()

    def _take_away(self) -> None:
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):  # not empty: then it stays
                folder.rmdir()

    def free(self, name: str, suffix: str) -> Path:
        """A path in the folder that no file has yet; an existing file is never written over."""
        stem = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", name).strip(" .") or "image"
        path = self.path / f"{stem}{suffix}"
        number = 2
        while path.exists():
            path = self.path / f"{stem}-{number}{suffix}"
            number += 1
        return path

    def write(
        self, store: HistoryStore, item: Item, name: str, format: Format | None, quality: int = 90
    ) -> Path:
        """Export an item into the folder, under a name that is free."""
        suffix = Path(item.image).suffix if format is None else f".{format.replace('jpeg', 'jpg')}"
        path = self.free(name, suffix)
        store.export(item.id, path, format=format, quality=quality)
        return path
