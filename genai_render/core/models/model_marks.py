# SPDX-License-Identifier: GPL-3.0-or-later
"""The models that a person marked as favorites, and those that were used last: a file of theirs,
not of a scene."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ..files.storage import replace_file

FILE = "model_marks.json"
MOST_RECENT = 12


@dataclass(frozen=True, slots=True)
class ModelMarks:
    """Ids of models: favorites in the order in which they were marked, recent with the last one
    first. A model that is not there now keeps its mark."""

    favorites: tuple[str, ...] = ()
    recent: tuple[str, ...] = ()

    def toggled(self, id: str) -> ModelMarks:
        """With the model as a favorite, or without it if it was one."""
        others = tuple(one for one in self.favorites if one != id)
        return ModelMarks(
            others if id in self.favorites else (*others, id),
            self.recent,
        )

    def used(self, id: str) -> ModelMarks:
        others = tuple(one for one in self.recent if one != id)
        return ModelMarks(self.favorites, (id, *others)[:MOST_RECENT])


def read(path: Path) -> ModelMarks:
    """None from a file that cannot be used."""
    try:
        contents = json.loads(path.read_bytes())
        return ModelMarks(
            tuple(map(str, contents["favorites"])), tuple(map(str, contents["recent"]))
        )
    except (OSError, ValueError, LookupError, TypeError):
        return ModelMarks()


def write(path: Path, marks: ModelMarks) -> None:
    """Raises StorageError."""
    replace_file(path, json.dumps(asdict(marks), indent=1).encode())
