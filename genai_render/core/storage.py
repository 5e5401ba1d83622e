# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are whole or not there: written beside, forced to the disk, then renamed into place.

Works the same on Linux, macOS and Windows. Every failure becomes a StorageError in plain words.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from .errors import StorageError

_RENAME_TRIES = 8  # about 2.5 s in all: a virus scanner holds new files for a moment on Windows


@contextlib.contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turn any OSError inside into a StorageError that begins with `what`."""
    try:
        yield
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
    beside = path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}.tmp")
    with storage_errors(f'"{path.name}" cannot be saved.'):
        try:
            write_file(beside, data)
            patiently(lambda: beside.replace(path))
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        sync_folder(path.parent)


def place_folder(staging: Path, target: Path, files: Mapping[str, bytes]) -> None:
    """Make the folder `target` with these files in it, all at once.

    files: contents by relative name ("image.png", "sent/depth.png").
    staging: a folder that does not exist yet, on the same disk; nothing of it is left.
    Raises StorageError.
    """
    with storage_errors("The result cannot be saved."):
        try:
            staging.mkdir(parents=True)
            folders = {staging}
            for name, data in files.items():
                path = staging / name
                if path.parent not in folders:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    folders.add(path.parent)
                write_file(path, data)
            for folder in sorted(folders, reverse=True):
                sync_folder(folder)
            make_folder(target.parent)
            move_folder(staging, target)
        except BaseException:
            remove_folder(staging)
            raise


def move_folder(source: Path, target: Path) -> None:
    """Rename a folder within one disk. Raises OSError."""
    patiently(lambda: source.rename(target))
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, so that they survive a power cut. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def remove_folder(folder: Path) -> None:
    """Delete a folder and what is in it, as far as that is possible. Raises nothing."""
    for path, folders, files in os.walk(folder, topdown=False):
        for name in files:
            with contextlib.suppress(OSError):
                Path(path, name).unlink()
        for name in folders:
            with contextlib.suppress(OSError):
                Path(path, name).rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()


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
