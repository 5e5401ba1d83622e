# SPDX-License-Identifier: GPL-3.0-or-later
"""What was spent, in a file of its own beside the index: it outlives both index and pictures.

One line a paid request: a checksum, then the values as JSON. Lines are only ever added; one that
is damaged is left out, and made good from the index's copy or the item's own record.
"""

from __future__ import annotations

import json
import os
import stat
import threading
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StorageError
from ..files import locks, storage

_LOCK_SECONDS = 30.0
_MAX_BYTES = 2**30
_WHAT = "What was spent cannot be written down."


@dataclass(frozen=True, slots=True)
class Payment:
    """US dollars for one request, whether an image came of it or not. created: seconds, UTC."""

    id: str
    created: float
    session: str
    blend: str
    cost_usd: float

    def row(self) -> tuple[Any, ...]:
        return (self.id, self.created, self.session, self.blend, self.cost_usd)


def payment(values: Mapping[str, Any]) -> Payment | None:
    """From the index's values of an item; None where nothing was paid."""
    return payment_of_row(
        (values["id"], values["created"], values["session"], values["blend"], values["cost_usd"])
    )


def payment_of_row(row: Sequence[Any]) -> Payment | None:
    """The other way of `row`. Raises ValueError or TypeError for what cannot be one."""
    item_id, created, session, blend, cost = row
    if not isinstance(cost, (int, float)) or cost <= 0:
        return None
    return Payment(str(item_id), float(created), str(session), str(blend), float(cost))


class Ledger:
    """The file, and what is in it. Any number of threads and processes may add to it."""

    def __init__(self, path: Path, lock: Path) -> None:
        self._path = path
        self._lock_path = lock
        self._lock = threading.RLock()
        self._known: dict[str, Payment] = {}
        self._owed: dict[str, Payment] = {}
        self._read_to = 0
        self._identity: tuple[int, int] | None = None
        self._damaged = False

    def add(self, payments: Iterable[Payment], new: bool = False) -> None:
        """Write down what is not there yet. On a full disk it is remembered and written later.

        new: nobody can have written them down before, so there is no need to look.
        """
        with self._lock:
            if not new:
                self._read()
            for one in payments:
                if new or self._known.get(one.id) != one:
                    self._owed[one.id] = one
            if not self._owed:
                return
            try:
                self._append(list(self._owed.values()))
            except (OSError, StorageError):
                return
            self._owed.clear()

    def spent(
        self,
        session: str | None = None,
        since: float | None = None,
        until: float | None = None,
        blend: str | None = None,
    ) -> float:
        with self._lock:
            self._read()
            counted = {**self._known, **self._owed} if self._owed else self._known
            return sum(
                one.cost_usd
                for one in counted.values()
                if (session is None or one.session == session)
                and (since is None or one.created >= since)
                and (until is None or one.created < until)
                and (blend is None or one.blend == blend)
            )

    def count(self) -> int:
        with self._lock:
            self._read()
            return len(self._known)

    def payments(self) -> list[Payment]:
        with self._lock:
            self._read()
            return list(self._known.values())

    def needs_healing(self) -> bool:
        """Lines are damaged, or there is no file: the copies have to make it good."""
        with self._lock:
            self._read()
            return self._damaged

    def heal(self, copies: Iterable[Payment]) -> None:
        """Write the file again if it is damaged, with what the copies have and it has not.

        Raises StorageError where that cannot be done.
        """
        with self._lock, locks.locked(self._lock_path, _WHAT, _LOCK_SECONDS):
            before = self._known
            self._forget()
            self._read()
            if not self._damaged:  # another process was faster
                return
            whole = {one.id: one for one in copies} | before | self._known | self._owed
            self._set_aside()
            storage.replace_file(self._path, b"".join(map(_line, whole.values())))
            self._owed.clear()
            self._forget()
            self._read()

    def remember(self, copies: Iterable[Payment]) -> None:
        """Count these, too, where nothing can be written."""
        with self._lock:
            for one in copies:
                if one.id not in self._known:
                    self._owed[one.id] = one

    def _forget(self) -> None:
        self._known, self._read_to, self._identity, self._damaged = {}, 0, None, False

    def _set_aside(self) -> None:
        """Keep a damaged file: what was in it may be worth a look."""
        if storage.is_there(self._path):
            aside = self._path.with_name(f"{self._path.stem}.damaged{self._path.suffix}")
            with storage.storage_errors(_WHAT):
                if storage.is_there(aside):
                    storage.remove_folder(aside)
                self._path.rename(aside)

    def _append(self, payments: list[Payment]) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        with locks.locked(self._lock_path, _WHAT, _LOCK_SECONDS):
            handle = os.open(self._path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
            try:
                # On a line of its own even after a line that was cut off.
                data = b"\n" + b"".join(map(_line, payments))
                if os.write(handle, data) != len(data):
                    raise OSError("only a part was written")
                os.fsync(handle)
            finally:
                os.close(handle)

    def _read(self) -> None:
        """Take in what is new in the file."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 (asked before every sum)
        except OSError:
            found = None
        if found is None or not stat.S_ISREG(found.st_mode):
            self._damaged = True  # what was known of it still counts
            return
        identity = found.st_dev, found.st_ino
        if identity != self._identity or found.st_size < self._read_to:
            self._forget()
            self._identity = identity
        if found.st_size == self._read_to:
            return
        try:
            data = storage.read_file(self._path, _MAX_BYTES, self._read_to)
        except OSError:
            self._damaged = True
            return
        for line in data.split(b"\n"):
            one = _parsed(line) if line else None
            if one is not None:
                self._known[one.id] = one
            elif line:
                self._damaged = True
        self._read_to += len(data)


def _line(one: Payment) -> bytes:
    text = json.dumps(one.row(), ensure_ascii=True, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _parsed(line: bytes) -> Payment | None:
    """None for a line that is not as it was written."""
    check, _, text = line.partition(b" ")
    if check != b"%08x" % zlib.crc32(text):
        return None
    try:
        return payment_of_row(json.loads(text))
    except (ValueError, TypeError, RecursionError):
        return None
