# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's favorite and recent models, in a file of the add-on's own folder."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import StorageError
from ...core.models import model_marks
from .. import addon

if TYPE_CHECKING:
    from ...core.models.model_marks import ModelMarks

_FOLDER = "models"


class Marks:
    """As they were read or written last."""

    def __init__(self) -> None:
        self.known = self._read()

    @staticmethod
    def _read() -> ModelMarks:
        with contextlib.suppress(StorageError):
            return model_marks.read(addon.user_folder(_FOLDER, create=False) / model_marks.FILE)
        return model_marks.ModelMarks()

    def toggle(self, id: str) -> None:
        """Raises StorageError, with the mark as it was."""
        self._keep(self._read().toggled(id))

    def used(self, id: str) -> None:
        """Not worth an error: an image was asked for."""
        if self.known.recent[:1] != (id,):
            with contextlib.suppress(StorageError):
                self._keep(self._read().used(id))

    def _keep(self, marks: ModelMarks) -> None:
        model_marks.write(Path(addon.user_folder(_FOLDER)) / model_marks.FILE, marks)
        self.known = marks

    def close(self) -> None:
        pass


def marks() -> Marks:
    return addon.state(Marks)
