# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders of History, which are the truth: where an item is, and how it gets there whole.

A folder is written as a whole under `writing/` and renamed into place. Beside it lies a lock that
its writer holds, in a name that says on which computer: what a dead writer left can be told from
what a live one, or one elsewhere, is just writing, without asking any clock.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import NotFound, StorageError
from ..files import storage
from ..files.locks import FileLock, Held
from .index import BIN
from .item import ID, new_id

MARK = "history.id"
_YEAR, _MONTH = re.compile(r"\d{4}", re.ASCII), re.compile(r"\d\d", re.ASCII)
# Of a version that used no locks. Nobody writes at one item for days.
_FORGOTTEN_SECONDS = 3 * 24 * 3600.0
# Of a disk on which a result is expected to find room, and how much is written to see that it does.
_ROOM, _TRIED_BYTES = 32 * 2**20, 2**18


@dataclass(frozen=True, slots=True)
class Skipped:
    """A folder that could not be looked into. name: inside the History, such as "2026/11"."""

    name: str
    why: str

    @property
    def text(self) -> str:
        return f'"{self.name}" could not be looked into and was left out. {self.why}'.strip()


@dataclass(frozen=True, slots=True)
class Listed:
    """The folders that items lie in, with the time when a name in each was last changed."""

    changed: Mapping[str, int]
    skipped: tuple[Skipped, ...]


class Folders:
    """Of one History. Raises StorageError with its place if it is not there any more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.bin = folder / BIN
        self.writing = folder / "writing"
        self._results, self._bin = str(self.results), str(self.bin)
        self._mark: bytes | None = None

    # ---- there at all -------------------------------------------------------------------------

    def make(self) -> None:
        """Make what is missing of a History that is new, or known not to be lost."""
        with storage.storage_errors(f'The History folder "{self.folder}" cannot be used.'):
            storage.make_folder(self.folder)
            if not self.results.is_dir():
                self.results.mkdir()
        for folder in (self.bin, self.writing):  # without them one can still look
            with contextlib.suppress(OSError):
                folder.mkdir(exist_ok=True)

    def mark(self) -> None:
        """Remember which History this is, to tell it from what may take its place."""
        path = self.results / MARK
        with contextlib.suppress(OSError, StorageError):
            if not storage.is_there(path):
                storage.write_new_file(path, secrets.token_hex(8).encode())
        self._mark = self._read_mark()

    def marked(self) -> bool:
        """Whether its results say that they belong to a History."""
        return self._read_mark() is not None

    def check_there(self) -> None:
        """Raises StorageError if it vanished: its drive was taken away, or somebody removed it."""
        if not self.results.is_dir() or (self._mark and self._read_mark() != self._mark):
            raise gone(self.folder)

    def check_writable(self) -> None:
        """That a result could be kept now, found out by writing one. Raises StorageError."""
        self.check_there()
        with storage.storage_errors(f'Nothing can be saved in the History "{self.folder}".'):
            if shutil.disk_usage(self.folder).free < _ROOM:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))
            month = self.place(new_id()).parent
            self._now(month if month.is_dir() else self.results)
            self.build_aside(
                lambda staging: storage.write_file(staging / "try", bytes(_TRIED_BYTES))
            )

    def writable(self) -> bool:
        """Whether files can be made here, found out by making one."""
        try:
            self._now(self.folder)
        except OSError:
            return False
        return True

    def _read_mark(self) -> bytes | None:
        try:
            return storage.read_file(self.results / MARK, 100)
        except OSError:
            return None

    # ---- where items are ----------------------------------------------------------------------

    def place(self, item_id: str, in_bin: bool = False) -> Path:
        match = ID.fullmatch(item_id)
        if match is None:  # never a path from outside
            raise NotFound(f'"{item_id}" is not in History.', action="Look it up in the list.")
        if in_bin:
            return self.bin / item_id
        return self.results / match[1] / match[2] / item_id

    def path_of(self, item_id: str, in_bin: bool) -> str:
        """`place` of an id that is known to be one: of 100,000, a Path each takes seconds."""
        if in_bin:
            return f"{self._bin}/{item_id}"
        return f"{self._results}/{item_id[:4]}/{item_id[4:6]}/{item_id}"

    def is_there(self, item_id: str, in_bin: bool) -> bool:
        return os.path.isdir(self.path_of(item_id, in_bin))  # noqa: PTH112 (Path's may raise)

    def listed(self) -> Listed:
        """Every month and the bin. What cannot be looked into is skipped and named.

        Raises StorageError if there are no results at all.
        """
        changed: dict[str, int] = {}
        skipped: list[Skipped] = []

        def look(folder: Path, pattern: re.Pattern[str]) -> list[str]:
            # Not by Path: for 10,000 names that takes ten times as long.
            return [name for name in os.listdir(folder) if pattern.fullmatch(name)]  # noqa: PTH208

        def skip(name: str, error: OSError) -> None:
            closed = isinstance(error, PermissionError)
            why = "You may not read it." if closed else storage.explain(error)[0]
            skipped.append(Skipped(name, why))

        try:
            years = look(self.results, _YEAR)
        except FileNotFoundError:
            raise gone(self.folder) from None
        except OSError as error:
            raise StorageError(
                f'The History folder "{self.folder}" cannot be read.', *storage.explain(error)
            ) from error
        for year in years:
            try:
                months = look(self.results / year, _MONTH)
            except OSError as error:
                skip(year, error)
                continue
            for month in months:
                name = f"{year}/{month}"
                try:
                    changed[name] = self._changed(self.results / name)
                except OSError as error:
                    skip(name, error)
        try:
            changed[BIN] = self._changed(self.bin)
        except FileNotFoundError:
            pass
        except OSError as error:
            skip(BIN, error)
        return Listed(changed, tuple(skipped))

    def names(self, name: str) -> list[str]:
        """All names in a folder of `listed`, also of what is no item. Raises OSError."""
        folder = self.bin if name == BIN else self.results / name
        return os.listdir(folder)  # noqa: PTH208

    def now(self) -> int | None:
        """The time by the clock of the disk itself, which may be another computer's.

        None where nothing can be written.
        """
        try:
            return self._now(self.results)
        except OSError:
            return None

    def _changed(self, folder: Path) -> int:
        with os.scandir(folder):  # so that what cannot be read is known at once
            return folder.stat().st_mtime_ns

    def _now(self, folder: Path) -> int:
        path = folder / f".now-{secrets.token_hex(4)}"
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        try:
            return os.fstat(handle).st_mtime_ns
        finally:
            os.close(handle)
            path.unlink()

    # ---- putting and moving -------------------------------------------------------------------

    def place_new(self, item_id: str, files: Mapping[str, bytes]) -> None:
        """Make an item's folder with these files in it, all at once. Raises StorageError."""
        with storage.storage_errors("The result cannot be saved."):
            target = self.place(item_id)
            self._make_place(target.parent)

            def write(staging: Path) -> None:
                storage.write_folder(staging, files)
                storage.move_folder(staging, target)

            self._staged(item_id, self.results, write)

    def take_in(self, source: Path, item_id: str, in_bin: bool) -> None:
        """Copy an item's folder from elsewhere into its place, all at once. Raises StorageError."""
        with storage.storage_errors(f'"{item_id}" cannot be taken over.'):
            target = self.place(item_id, in_bin)
            self._make_place(target.parent)

            def copy(staging: Path) -> None:
                storage.copy_folder(source, staging)
                storage.move_folder(staging, target)

            self._staged(item_id, self.bin if in_bin else self.results, copy)

    def move(self, item_id: str, in_bin: bool) -> None:
        """To the bin, or back. Raises OSError."""
        source, target = self.place(item_id, not in_bin), self.place(item_id, in_bin)
        self._make_place(target.parent)
        if storage.is_there(target):
            # Left by one who died while moving the item from one disk to another.
            self._erase(target)
        try:
            storage.move_folder(source, target)
            return
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise

        def copy(staging: Path) -> None:
            storage.copy_folder(source, staging)
            storage.move_folder(staging, target)

        root = self.bin if in_bin else self.results
        self._staged(item_id, root, copy, elsewhere=True)
        self._erase(source)

    def erase(self, item_id: str) -> None:
        """Delete an item that is in the bin for good. Raises OSError."""
        self._erase(self.place(item_id, in_bin=True))

    def _erase(self, folder: Path) -> None:
        """Out of sight at once, and then deleted."""
        root = self.bin if folder.parent == self.bin else self.results
        for writing in (self.writing, root / ".writing"):
            gone = writing / f"erased-{folder.name}-{secrets.token_hex(3)}"
            try:
                writing.mkdir(exist_ok=True)
                storage.move_folder(folder, gone)
            except OSError as error:
                if error.errno != errno.EXDEV or writing != self.writing:
                    raise
            else:
                storage.remove_folder(gone)
                return

    def _make_place(self, folder: Path) -> None:
        root = self.bin if folder == self.bin else self.results
        if root == self.bin and self.folder.is_dir():
            self.bin.mkdir(exist_ok=True)
        storage.make_folder(folder, within=root)

    def build_aside(self, build: Callable[[Path], None]) -> None:
        """Call `build` with a new folder on the disk of the History, and remove it afterwards.

        Raises OSError.
        """

        def make(staging: Path) -> None:
            staging.mkdir()
            build(staging)

        self._staged("index", self.folder, make)

    def _staged(
        self, name: str, root: Path, write: Callable[[Path], None], elsewhere: bool = False
    ) -> None:
        """Call `write` with a folder's name that nobody takes for a leftover while it runs.

        elsewhere: not under `writing/`, but on the disk of `root`.
        """
        writing = root / ".writing" if elsewhere else self.writing
        writing.mkdir(exist_ok=True)
        staging = writing / f"{name}-{this_computer()}-{secrets.token_hex(3)}"
        lock = FileLock(staging.with_name(f"{staging.name}.lock"))
        lock.take()
        again = False
        try:
            write(staging)
        except OSError as error:
            # `results` may lie on another disk than the rest.
            again = error.errno == errno.EXDEV and not elsewhere
            if not again:
                raise
        finally:
            storage.remove_folder(staging)
            _unlock(lock)
        if again:
            self._staged(name, root, write, elsewhere=True)

    # ---- clearing away ------------------------------------------------------------------------

    def clear_leftovers(self) -> None:
        """Remove what writers that died left half-written, and folders that were being erased."""
        for writing in (self.writing, self.results / ".writing", self.bin / ".writing"):
            with contextlib.suppress(OSError):
                names = os.listdir(writing)  # noqa: PTH208
                for name in names:
                    path = writing / name
                    if name.startswith("erased-"):
                        storage.remove_folder(path)
                    elif not name.endswith(".lock"):
                        self._clear(path)
                    elif name.removesuffix(".lock") not in names:
                        self._clear(path.with_name(name.removesuffix(".lock")))

    def _clear(self, staging: Path) -> None:
        lock = FileLock(staging.with_name(f"{staging.name}.lock"))
        if not storage.is_there(lock.path):
            with contextlib.suppress(OSError):
                age = self._now(self.folder) - staging.lstat().st_mtime_ns
                if age > _FORGOTTEN_SECONDS * 1e9:
                    storage.remove_folder(staging)
            return
        if f"-{this_computer()}-" not in staging.name:
            return  # its lock may not reach as far as here
        with contextlib.suppress(OSError):
            if lock.take() is Held.YES:
                storage.remove_folder(staging)
                _unlock(lock)
            lock.release()


def _unlock(lock: FileLock) -> None:
    """Delete a lock's file. Nobody else makes one of its name."""
    if os.name == "nt":  # deletes nothing that is open
        lock.release()
    with contextlib.suppress(OSError):
        lock.path.unlink()
    lock.release()


@functools.cache
def this_computer() -> str:
    """Tells this computer from others that may reach the same disk."""
    try:
        own = Path("/etc/machine-id").read_bytes()
    except OSError:
        own = f"{uuid.getnode():x}".encode()
    name = platform.node().encode("utf-8", "replace")
    return hashlib.sha256(name + b"\n" + own).hexdigest()[:10]


def gone(folder: Path) -> StorageError:
    """The error for a History that was there and is not there now."""
    return StorageError(
        f'The History in "{folder}" is not there.',
        "Its folder, or the drive that it is on, is missing.",
        "Connect the drive, or choose another folder. If it is gone for good, "
        '"history rebuild" on the command line begins again there.',
    )


def is_item(folder: str, name: str) -> bool:
    """Whether a name is one of an item; elsewhere than where its id says, nobody looks for it."""
    if ID.fullmatch(name) is None:
        return False
    return folder == BIN or name[:6] == folder.replace("/", "")
