# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder that the user named for files, checked before any work is done for it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from ...core.errors import StorageError
from ...core.files import storage
from ...core.files.file_names import numbered
from ...core.history import kept_media
from ...core.history.store import HistoryStore, Item
from ...core.image.images import Format

_TRIED_BYTES = 2**18


class OutputFolder:
    """Made on entering if it is not there; taken away again if nothing came to be in it.

    Several programs may write into one at once: none ever writes over a file that was there.
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
                with contextlib.suppress(FileExistsError):  # another run made it this moment
                    folder.mkdir()
                    self._made.append(folder)
            _try(self._path)
        except (OSError, ValueError) as error:
            self._take_away()
            raise self._not_writable(error) from error
        return self

    def check_writable(self) -> None:
        """That there is still room, before anything more is sent. Raises StorageError."""
        if self._path is None:
            return
        try:
            self._path.mkdir(parents=True, exist_ok=True)  # another run may have removed it
            _try(self._path)
        except (OSError, ValueError) as error:
            raise self._not_writable(error) from error

    def _not_writable(self, error: OSError | ValueError) -> StorageError:
        why = error.strerror if isinstance(error, OSError) else "It is not a folder's name"
        return StorageError(
            f'The folder "{self._path}" cannot be written.', f"{why}.", "Choose another --output."
        )

    def __exit__(self, *_: object) -> None:
        self._take_away()

    def _take_away(self) -> None:
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):  # not empty: then it stays
                folder.rmdir()

    def make_folder(self, name: str) -> Path:
        """A new folder in it: named so, or with a number behind where that is taken."""
        for each in numbered(name):
            path = self.path / each
            with storage.storage_errors(f'"{path}" cannot be made.', but=FileExistsError):
                try:
                    path.mkdir(parents=True)
                except FileExistsError:
                    continue
            return path
        raise AssertionError  # the names have no end

    def write(
        self, store: HistoryStore, item: Item, name: str, format: Format | None, quality: int = 90
    ) -> Path:
        """Save an item's image in the folder, under a name that is free."""
        suffix = Path(item.image).suffix if format is None else f".{format.replace('jpeg', 'jpg')}"
        if item.media_path is not None:  # as it came: there is no other format of it
            made = kept_media.load(store, item.id)
            suffix, data = made.suffix, made.data
        else:
            data = store.file_of(item.id, format, quality)
        for each in numbered(name, suffix):
            path = self.path / each
            with storage.storage_errors(f'The folder "{self.path}" cannot be made.'):
                self.path.mkdir(parents=True, exist_ok=True)  # another run may have removed it
            with contextlib.suppress(FileExistsError):
                storage.write_new_file(path, data)
                return path
        raise AssertionError  # the names have no end


def _try(folder: Path) -> None:
    """Find out by writing, as far as the disk: a full one takes an empty file. Raises OSError."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(_TRIED_BYTES))
        file.flush()
        os.fsync(file.fileno())
