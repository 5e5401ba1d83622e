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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import StorageError
from ..files import storage

State = Literal["sent", "done", "failed"]
_SUFFIX = ".jsonl"


@dataclass(frozen=True, slots=True)
class Mark:
    """state: "sent" is on its way, or its process was killed. id: of the item in History."""

    key: str
    state: State
    id: str = ""
    error: str = ""
    when: float = 0.0


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
        if known is None or (known.state != "done" and mark.when >= known.when):
            self.marks[mark.key] = mark

    def state(self, key: str) -> State | None:
        mark = self.marks.get(key)
        return None if mark is None else mark.state

    def put(self, key: str, state: State, id: str = "", error: str = "") -> None:
        """On the disk when this returns. Raises StorageError."""
        mark = Mark(key, state, id, error, time.time())
        line = json.dumps({name: getattr(mark, name) for name in mark.__slots__}) + "\n"
        try:
            with self._path.open("ab") as file:
                if file.tell() and not _ends_whole(self._path):
                    file.write(b"\n")
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error_:
            raise StorageError(
                "What is done of the batch cannot be written down.", *storage.explain(error_)
            ) from error_
        self._read(line)


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
