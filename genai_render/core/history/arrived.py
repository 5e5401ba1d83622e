# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as they came, on the disk before anything is done with them.

To make a thumbnail and to encode the view takes seconds, and what was paid for must not be lost if
the process is killed meanwhile. Each lies in a folder of its own under `arrived/`, beside a lock
that its process holds; what a dead one left is added to History when that is opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import media
from ..errors import GenAIError, ImageError
from ..events import Result
from ..files import storage
from ..files.locks import FileLock, Held
from ..image import images
from ..image.image_secrets import without_secrets
from ..request import RenderRequest
from ..view.canvas import View
from . import record as records
from .folders import this_computer
from .item import ID

_IMAGE, _ABOUT, _MEDIA = "image", "about.json", "media"


@dataclass(frozen=True, slots=True)
class Arrived:
    """One that a dead process left: without the canvas, which takes long to write."""

    id: str
    request: RenderRequest
    result: Result
    view: View | None
    session: str


class Arrivals:
    """Those of one History."""

    def __init__(self, history: Path) -> None:
        self._folder = history / "arrived"
        self._locks: dict[str, FileLock] = {}

    def keep(
        self, item_id: str, request: RenderRequest, result: Result, session: str, view: View | None
    ) -> str:
        """Write it; its id. Raises StorageError."""
        if request.canvas is not None:
            view = request.canvas.view
            request = request.with_(canvas=None)
        about = {
            "computer": this_computer(),
            "session": session,
            "request": records.request_json(request),
            "result": {**records.result_json(result), "cost_usd": result.cost_usd},
            "view": None if view is None else records.view_json(view),
            "media": None if result.media is None else result.media.kind,
        }
        # The image is whole or it is not there; the rest can be done without.
        files = {_IMAGE: without_secrets(result.image), _ABOUT: json.dumps(about).encode()}
        if result.media is not None:
            files[_MEDIA] = result.media.data
        own = [request.source, request.mask, request.markup, request.control]
        for data in (*own, *(reference.data for reference in request.references)):
            if data is not None:
                files[hashlib.sha256(data).hexdigest()] = data
        with storage.storage_errors("What came cannot be put on the disk."):
            self._folder.mkdir(exist_ok=True)
            lock = FileLock(self._folder / f"{item_id}.lock")
            lock.take()
            self._locks[item_id] = lock
            try:
                storage.write_folder(self._folder / item_id, files)
            except BaseException:
                self.forget(item_id)
                raise
        return item_id

    def forget(self, item_id: str) -> None:
        """It is in History, or safe elsewhere."""
        lock = self._locks.pop(item_id, None)
        if lock is None:
            return
        storage.remove_folder(self._folder / item_id)
        self._unlock(lock)

    def close(self) -> None:
        """Let go of what is not in History, so that the next one to open it finds it."""
        while self._locks:
            self._locks.popitem()[1].release()

    def recover(self, add: Callable[[Arrived], object]) -> None:
        """Add what dead processes of this computer left."""
        names: list[str] = []
        with contextlib.suppress(OSError):
            names = sorted(os.listdir(self._folder))  # noqa: PTH208
        for name in names:
            if not ID.fullmatch(name) or name in self._locks:
                continue
            lock = FileLock(self._folder / f"{name}.lock")
            with contextlib.suppress(OSError):
                if lock.take() is Held.YES:
                    self._recover(add, self._folder / name)
                    if not storage.is_there(self._folder / name):
                        self._unlock(lock)
                lock.release()

    def _recover(self, add: Callable[[Arrived], object], folder: Path) -> None:
        try:
            about = json.loads(storage.read_file(folder / _ABOUT, records.MAX_RECORD_BYTES))
            if about["computer"] != this_computer():
                return  # its lock may not reach as far as here
            add(_read(folder, about))
        except (FileNotFoundError, ImageError, ValueError, KeyError, TypeError):
            pass  # half written: its process died before it was all on the disk
        except (OSError, GenAIError):
            return  # it stays for the next time
        storage.remove_folder(folder)

    def _unlock(self, lock: FileLock) -> None:
        if os.name == "nt":  # deletes nothing that is open
            lock.release()
        with contextlib.suppress(OSError):
            lock.path.unlink()
        lock.release()


def _read(folder: Path, about: Mapping[str, Any]) -> Arrived:
    image = images.read_file(folder / _IMAGE)
    info = images.probe(image)
    known = dict(about["result"])
    cost = known.pop("cost_usd")
    kind, made = about.get("media"), None
    if kind in media.KINDS:
        made = media.read(records.read_media_file(folder / _MEDIA), kind)
    result = Result(image, info.mime, info.width, info.height, cost_usd=cost, media=made, **known)
    request = RenderRequest.from_json(
        about["request"], lambda digest: records.read_media_file(folder / digest)
    )
    view = None if about["view"] is None else View.from_json(about["view"])
    return Arrived(
        folder.name, request, replace(result, arrived=folder.name), view, about["session"]
    )
