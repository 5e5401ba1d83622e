# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between processes: held through an open file, so that they end with their process."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from ..errors import StorageError
from .storage import explain

_LOOK_SECONDS = 0.02

# A disk that knows no locks, such as some network drives.
_UNSUPPORTED = {
    *(errno.ENOLCK, errno.ENOSYS, errno.EINVAL),
    *(getattr(errno, name, errno.ENOSYS) for name in ("ENOTSUP", "EOPNOTSUPP")),
}


class Held(Enum):
    """Whether a lock was taken. UNKNOWN: the disk knows no locks, so nobody can tell."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class FileLock:
    """An exclusive lock on a file, which is made if it is not there.

    Two of the same process exclude each other, too. The file stays: to delete it would let a
    second process lock another file of the same name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def take(self, seconds: float = 0.0) -> Held:
        """Try for so long. Raises OSError if the file cannot be opened."""
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        until = time.monotonic() + seconds
        try:
            while (held := _try(handle)) is Held.NO and time.monotonic() < until:
                time.sleep(_LOOK_SECONDS)
        except BaseException:
            os.close(handle)
            raise
        if held is Held.NO:
            os.close(handle)
        else:
            self._handle = handle
        return held

    def release(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


@contextlib.contextmanager
def locked(path: Path, what: str, seconds: float) -> Iterator[None]:
    """Hold a lock. Raises StorageError, which begins with `what`, if another keeps it too long.

    On a disk that knows no locks it goes on without.
    """
    lock = FileLock(path)
    try:
        held = lock.take(seconds)
    except OSError as error:
        raise StorageError(what, *explain(error)) from error
    if held is Held.NO:
        raise StorageError(what, "Another program has been using it for a long time.", "Try again.")
    try:
        yield
    finally:
        lock.release()


if sys.platform == "win32":
    import msvcrt

    def _try(handle: int) -> Held:
        try:
            os.lseek(handle, 0, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            return Held.UNKNOWN if error.errno in _UNSUPPORTED else Held.NO
        return Held.YES

else:
    import fcntl

    def _try(handle: int) -> Held:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return Held.UNKNOWN if error.errno in _UNSUPPORTED else Held.NO
        return Held.YES
