# SPDX-License-Identifier: GPL-3.0-or-later
"""What has become of each picture of a batch, written down before and after it is sent.

One JSON object a line, in one file for each process that works on the batch. A line that was cut
off by a power cut counts for nothing: what it told of is found in History, where each picture
carries the name of its batch and its key.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import StorageError
from ..files import storage

State = Literal["sent", "done", "failed", "stale"]
_SUFFIX = ".jsonl"


@dataclass(frozen=True, slots=True)
class Mark:
    """state: "sent" is on its way, or its process was killed; "stale" was done, and is to be made
    again since the scene is another. id: of the item in History.

    job: what we call the provider's batch that it is in; "" for one that was sent by itself.
    ticket: what the provider calls it; "" until it has answered. canvas: the file of its view.
    """

    key: str
    state: State
    id: str = ""
    error: str = ""
    when: float = 0.0
    job: str = ""
    ticket: str = ""
    canvas: str = ""


class Progress:
    """One process's own file, and what all files of the batch say. folder: the batch's own."""

    def __init__(self, folder: Path, writer: str) -> None:
        self.folder = folder
        self._path = folder / (writer + _SUFFIX)
        self.marks: dict[str, Mark] = {}
        with storage.storage_errors(f'The progress of the batch cannot be kept in "{folder}".'):
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.glob("*" + _SUFFIX)):
                for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                    self._read(line)

    def _read(self, line: str) -> None:
        try:
            values: dict[str, Any] = json.loads(line)
            mark = Mark(**values)
        except (ValueError, TypeError):
            return
        known = self.marks.get(mark.key)
        # What is done stays so, whatever another process has tried.
        may = known is None or known.state != "done" or mark.state == "stale"
        if known is None or (may and mark.when >= known.when):
            self.marks[mark.key] = mark

    def state(self, key: str) -> State | None:
        mark = self.marks.get(key)
        return None if mark is None else mark.state

    def put(self, key: str, state: State, id: str = "", error: str = "") -> None:
        """On the disk when this returns. Raises StorageError."""
        self.write([Mark(key, state, id, error, time.time())])

    def write(self, marks: Iterable[Mark]) -> None:
        """All of them on the disk when this returns. Raises StorageError."""
        lines = [
            json.dumps({name: getattr(mark, name) for name in mark.__slots__}) for mark in marks
        ]
        try:
            with self._path.open("ab") as file:
                if file.tell() and not _ends_whole(self._path):
                    file.write(b"\n")
                file.write("".join(f"{line}\n" for line in lines).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error_:
            raise StorageError(
                "What is done of the batch cannot be written down.", *storage.explain(error_)
            ) from error_
        for line in lines:
            self._read(line)


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
