# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are whole or not there: written beside, forced to the disk, then renamed into place.

Works the same on Linux, macOS and Windows. Every failure becomes a StorageError in plain words.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..errors import StorageError

_RENAME_TRIES = 8  # about 2.5 s in all: a virus scanner holds new files for a moment on Windows


@contextlib.contextmanager
def storage_errors(what: str, but: type[OSError] | tuple[()] = ()) -> Iterator[None]:
    """Turn any OSError inside into a StorageError that begins with `what`. but: not this one."""
    try:
        yield
    except but:
        raise
    except OSError as error:
        raise StorageError(what, *explain(error)) from error


def explain(error: OSError) -> tuple[str, str]:
    """Why a file could not be read or written, and what to do about it."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return "The disk is full.", "Free some space, or choose a folder on another disk."
    if error.errno in (errno.EACCES, errno.EPERM):
        return "You may not write there.", "Choose another folder, or change its permissions."
    if error.errno == errno.EROFS:
        return "The disk is read-only.", "Choose a folder on another disk."
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return "The folder or its drive is missing.", "Connect the drive, or choose another folder."
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return "A file is in the way of a folder.", "Choose another folder."
    if error.errno == errno.ENAMETOOLONG:
        return "The path is too long.", "Choose a folder with a shorter path."
    if error.errno == errno.ELOOP:
        return "A link there points to itself.", "Remove it, or choose another folder."
    return f"{error.strerror or error}.", "Choose another folder."


def write_file(path: Path, data: bytes) -> None:
    """Write and force to the disk. Not atomic by itself: for a file in a folder not yet in place.

    Raises OSError.
    """
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that it is the old one or the new one at any moment, never a part of it.

    Raises StorageError.
    """
    beside = _beside(path)
    with storage_errors(f'"{path.name}" cannot be saved.'):
        try:
            write_file(beside, data)
            patiently(lambda: beside.replace(path))
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        sync_folder(path.parent)


def write_new_file(path: Path, data: bytes) -> None:
    """Write a file that must not be there yet: of several that try, one succeeds.

    Raises FileExistsError if it is there, StorageError if it cannot be saved.
    """
    beside = _beside(path)
    with storage_errors(f'"{path.name}" cannot be saved.', but=FileExistsError):
        try:
            write_file(beside, data)
            try:
                os.link(beside, path)  # whole at once, and never over another
            except FileExistsError:
                raise
            except OSError:  # a disk that knows no links: claim the name, then fill it
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
                try:
                    patiently(lambda: beside.replace(path))
                except BaseException:
                    path.unlink()
                    raise
        finally:
            with contextlib.suppress(OSError):
                beside.unlink()
        sync_folder(path.parent)


def read_file(path: Path | str, limit: int, start: int = 0) -> bytes:
    """The bytes of an ordinary file from `start` on, one more than `limit` of them at most.

    Never waits: a pipe or a device is an OSError, like all that goes wrong.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "It is not an ordinary file", str(path))
        if start:
            os.lseek(handle, start, os.SEEK_SET)
        wanted = min(max(found.st_size - start, 0), limit) + 1
        data = os.read(handle, wanted)
        while len(data) <= limit and (more := os.read(handle, wanted)):
            data += more
        return data
    finally:
        os.close(handle)


def write_folder(staging: Path, files: Mapping[str, bytes]) -> None:
    """Make a new folder with these files in it, and force all of it to the disk. Raises OSError.

    files: contents by relative name ("image.png", "sent/depth.png").
    """
    staging.mkdir()
    folders = {staging}
    for name, data in files.items():
        path = staging / name
        if path.parent not in folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            folders.add(path.parent)
        write_file(path, data)
    for folder in sorted(folders, reverse=True):
        sync_folder(folder)


def copy_folder(source: Path, staging: Path) -> None:
    """Copy a folder to another disk and force it to that disk. Links stay links. Raises OSError."""
    shutil.copytree(source, staging, symlinks=True)
    for path, _, files in os.walk(staging, topdown=False):
        for name in files:
            file = Path(path, name)
            if not file.is_symlink():
                # For writing: Windows forces nothing to the disk that is open for reading only.
                handle = os.open(file, os.O_RDWR)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        sync_folder(Path(path))


def move_folder(source: Path, target: Path) -> None:
    """Rename a folder within one disk. Raises OSError."""
    patiently(lambda: source.rename(target))
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def make_folder(folder: Path, within: Path | None = None) -> None:
    """Make a folder and those above it, so that they survive a power cut. Raises OSError.

    within: a folder that must be there already, such as one on a disk that can be taken away.
    """
    if folder.is_dir():
        return
    if folder == within:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
    make_folder(folder.parent, within)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def remove_folder(folder: Path) -> None:
    """Delete a folder and what is in it, as far as that is possible. Raises nothing.

    A link is deleted itself, and never what it points to.
    """
    with contextlib.suppress(OSError):
        folder.unlink()  # a link, or a junction, or a file
        return
    shutil.rmtree(folder, ignore_errors=True)


def is_there(path: Path | str) -> bool:
    """Whether anything is called so, even a link to nowhere."""
    return os.path.lexists(path)


def sync_folder(folder: Path) -> None:
    """Force a folder's list of names to the disk, where the system can do that."""
    if os.name == "nt":  # Windows cannot open a folder, and keeps such changes in its journal
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _beside(path: Path) -> Path:
    """A name for a file on its way: hidden, and no longer than names may be."""
    stem = path.name.encode("utf-8", "ignore")[:80].decode("utf-8", "ignore")
    return path.with_name(f".{stem}.{secrets.token_hex(4)}.tmp")


def patiently(action: Callable[[], object]) -> None:
    """Do it again for a moment while another program holds the file open (Windows)."""
    for attempt in range(_RENAME_TRIES):
        try:
            action()
            return
        except PermissionError:
            if os.name != "nt" or attempt == _RENAME_TRIES - 1:
                raise
            time.sleep(0.01 * 2**attempt)
