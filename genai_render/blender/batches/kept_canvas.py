# SPDX-License-Identifier: GPL-3.0-or-later
"""Canvases of a batch on the disk, so that each view is captured once, also over several runs."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.errors import InvalidInput
from ...core.files import storage
from ...core.view.canvas import Canvas, View
from ...core.view.ids import Ids

_PLANES = ("color", "depth", "normal", "albedo")
_IDS = "ids of "  # before the names of the files that say which object each pixel shows


class KeptCanvases:
    """By what they are of, and of which state of which file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: tuple[Path, Canvas] | None = None

    def find(self, seen: Any) -> Canvas | None:
        """A canvas of an earlier run, or of this one."""
        return self.named(self.name_of(seen))

    def named(self, name: str) -> Canvas | None:
        """By its file's name, whatever has become of the scene since."""
        path = self._folder / name
        if self._last is not None and self._last[0] == path:
            return self._last[1]
        try:
            with np.load(path, allow_pickle=False) as planes:
                view = View.from_json(json.loads(str(planes["view"])))
                kept = {name: planes[name] for name in _PLANES if name in planes}
                canvas = Canvas(view=view, ids=_ids(planes), **kept)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, InvalidInput):
            return None
        self._last = path, canvas
        return canvas

    def keep(self, seen: Any, canvas: Canvas) -> None:
        """Raises StorageError."""
        path = self._folder / self.name_of(seen)
        self._last = path, canvas
        planes = {name: getattr(canvas, name) for name in _PLANES}
        ids = {} if canvas.ids is None else _as_planes(canvas.ids)
        data = io.BytesIO()
        np.savez(
            data,
            view=json.dumps(canvas.view.to_json()),
            **{name: plane for name, plane in planes.items() if plane is not None},
            **ids,
        )
        with storage.storage_errors("The views of the batch cannot be kept."):
            self._folder.mkdir(parents=True, exist_ok=True)
        storage.replace_file(path, data.getvalue())

    def forget(self) -> None:
        """The batch is done."""
        self._last = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def name_of(self, seen: Any) -> str:
        """A file that was saved since has other views."""
        file = Path(bpy.data.filepath)
        saved = file.stat().st_mtime_ns if bpy.data.filepath and file.exists() else 0
        text = f"{bpy.data.filepath}\n{saved}\n{bpy.app.version_string}\n{seen}"
        return f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"


def _as_planes(ids: Ids) -> dict[str, Any]:
    files, parts = ids.files()
    planes = {_IDS + name: np.frombuffer(data, np.uint8) for name, data in files.items()}
    return {**planes, "ids": json.dumps(parts)}


def _ids(planes: Any) -> Ids | None:
    if "ids" not in planes:
        return None
    return Ids.from_files(
        json.loads(str(planes["ids"])), lambda name: planes[_IDS + name].tobytes()
    )
