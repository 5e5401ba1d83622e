# SPDX-License-Identifier: GPL-3.0-or-later
"""HistoryStore: every result with all that made it, kept through crashes, found again at once.

    store = HistoryStore(folder)
    item = store.add(request, result, seconds=1.9)       # safe on the disk when it returns
    for item in store.search("golden", style="comic", limit=50): ...
    again = store.request(item.id)                       # a RenderRequest with canvas, references

A folder holds `history.sqlite3`, the index, and `results/<year>/<month>/<id>/`, the truth:

    image.png|webp|jpg   the provider's bytes, untouched          thumb.webp
    canvas.webp depth.png normal.png albedo.webp                  the view, where there was one
    reference-1.* reference-2.* source.* mask.* markup.*          what was given
    sent/*               guide images as they were sent
    request.json         the request, the result's facts, the view, versions, digests of all files
    favourite            there if it is one

A folder is written as a whole under `writing/`, forced to the disk and renamed into place, and
only then entered in the index: nobody ever sees a part of an item. Deleting moves it to `bin/`.
Any number of threads and processes may use one History at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from .. import images, storage
from ..canvas import Canvas, View
from ..errors import GenAIError, InvalidInput, NotFound, Refused, StorageError
from ..events import Result
from ..metadata import convert
from ..redaction import base_name
from ..request import RenderRequest
from . import record as records
from .index import HistoryIndex, IndexDamaged
from .item import ID, Item, Status, new_id, time_of

_DIGITS = re.compile(r"\d+", re.ASCII)
_STALE_SECONDS = 3600  # a folder under `writing/` that is older belongs to a writer that died

_FORMATS: dict[str, images.Format] = {
    ".png": "png",
    ".webp": "webp",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
}

T = TypeVar("T")

__all__ = ["Filters", "HistoryStore", "Item", "Rebuilt", "Status", "new_id"]


class Filters(TypedDict, total=False):
    """What `search` can ask for; None asks for nothing.

    since, until: from that moment on, and before that moment.
    blend: the .blend's file name. parent: the id that edits came from.
    """

    model: str | None
    style: str | None
    since: datetime | None
    until: datetime | None
    blend: str | None
    scene: str | None
    camera: str | None
    favourite: bool | None
    kind: Literal["render", "edit"] | None
    status: Status | None
    parent: str | None
    session: str | None
    in_bin: bool


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What `rebuild` found. unreadable: folders that hold no usable record; they are left alone."""

    items: int
    added: int
    dropped: int
    unreadable: tuple[str, ...] = ()


class HistoryStore:
    """All results in one folder. Made for many threads; `close()` when done with it.

    Opening finds what a crash left: results that are not in the index are entered, a damaged index
    is moved aside and made anew. Every method raises StorageError where the folder cannot be used,
    and those that take an id raise NotFound.

    session: names this run of Blender or of the command, for `spent`.
    """

    def __init__(self, folder: Path | str, session: str = "") -> None:
        self.folder = Path(folder).absolute()
        self.session = session or secrets.token_hex(6)
        with storage.storage_errors(f'The History folder "{self.folder}" cannot be used.'):
            storage.make_folder(self.folder)
            (self.folder / "results").mkdir(exist_ok=True)
            (self.folder / "bin").mkdir(exist_ok=True)
            (self.folder / "writing").mkdir(exist_ok=True)
        self._repairing = threading.Lock()
        self._behind = True
        self._unentered: set[str] = set()
        self._index_path = self.folder / "history.sqlite3"
        try:
            self._index = HistoryIndex(self._index_path)
        except IndexDamaged:
            self._index = self._new_index()
        try:
            self._folders()  # a folder that cannot be read is an error, a full disk is none
            self._refresh()
        except BaseException:
            self.close()
            raise

    # ---- adding -------------------------------------------------------------------------------

    def add(
        self,
        request: RenderRequest,
        result: Result,
        *,
        seconds: float | None = None,
        view: View | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> Item:
        """Keep a result with its request. When this returns, it is safe on the disk.

        seconds: how long it took. view: where it was seen from, if the request has no canvas.
        versions: added to those of Python, numpy and Pillow ("genai_render", "blender").
        Raises ImageError if the result is not a whole image, StorageError if it cannot be saved.
        """
        return self._add(request, result, None, result.cost_usd, seconds, view, versions)

    def add_failed(
        self,
        request: RenderRequest,
        error: GenAIError,
        *,
        seconds: float | None = None,
        cost_usd: float | None = None,
        view: View | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> Item:
        """Keep a request that gave no image, with the reason, so that it can be tried again.

        Its status is "refused" for a Refused error, else "failed". cost_usd: the error's own
        unless it is given.
        """
        cost_usd = error.cost_usd if cost_usd is None else cost_usd
        return self._add(request, None, error, cost_usd, seconds, view, versions)

    def _add(
        self,
        request: RenderRequest,
        result: Result | None,
        error: GenAIError | None,
        cost_usd: float | None,
        seconds: float | None,
        view: View | None,
        versions: Mapping[str, str] | None,
    ) -> Item:
        if view is None and request.canvas is not None:
            view = request.canvas.view
        files, parts = records.make_files(request, result)
        item_id = new_id()
        status: Status = "done"
        if error is not None:
            status = "refused" if isinstance(error, Refused) else "failed"
        record = {
            "schema": records.SCHEMA,
            "id": item_id,
            "created": time_of(item_id).timestamp(),
            "created_utc": time_of(item_id).isoformat(),
            "status": status,
            "session": self.session,
            "seconds": seconds,
            "cost_usd": cost_usd,
            "error": None if error is None else records.redact_json(error.to_json()),
            "view": records.view_json(view) if view is not None else self._view_of(request.parent),
            "versions": {**records.versions(), **(versions or {})},
            **parts,
        }
        values = records.index_values(record, favourite=False, in_bin=False)
        files[records.RECORD] = records.write_record(record)
        staging = self.folder / "writing" / f"{item_id}-{os.getpid()}"
        storage.place_folder(staging, self._place(item_id), files)
        self._note(item_id, lambda: self._index.put(values))
        return self._item(values)

    # ---- finding ------------------------------------------------------------------------------

    def get(self, item_id: str) -> Item:
        """One item, by its id or by a beginning of at least 8 characters that only it has."""
        return self._item(self._values(item_id))

    def search(
        self,
        text: str = "",
        *,
        limit: int = 100,
        offset: int = 0,
        before: str | None = None,
        **filters: Unpack[Filters],
    ) -> list[Item]:
        """Items, newest first; those in the bin only with in_bin=True.

        text: words that must all be there, in part or whole, in prompt, style, model, .blend,
            scene or camera, whatever their case and accents.
        before: only what is older than that id: the last one of a page gives the next page.
        filters: see `Filters`.
        """
        conditions = {**_conditions(filters), "before": before}
        items: list[Item] = []
        for _ in range(2):
            self._refresh()
            found = self._guarded(lambda: self._index.search(text, conditions, limit, offset))
            items = [self._item(values) for values in found]
            there = [item for item in items if item.folder.is_dir()]
            if len(there) == len(items):
                break
            # Somebody died while moving an item to or from the bin, or removed its folder.
            items, self._behind = there, True
        return items

    def count(self, text: str = "", **filters: Unpack[Filters]) -> int:
        """How many items `search` would find in all."""
        self._refresh()
        return self._guarded(lambda: self._index.count(text, _conditions(filters)))

    def known(self, what: Literal["model", "style", "blend", "camera", "scene"]) -> list[str]:
        """Every model, style, .blend … there are items of, sorted: what a filter can offer."""
        return self._guarded(lambda: self._index.distinct(what))

    # ---- what an item was made from -----------------------------------------------------------

    def record(self, item_id: str) -> dict[str, Any]:
        """The whole `request.json` of an item."""
        return self._read(item_id, lambda _, record: record)

    def request(self, item_id: str) -> RenderRequest:
        """The request as it was, with its canvas and images.

        Its seed is the one that was asked for; `get(id).seed` is the one that was used.
        """
        return self._read(item_id, records.load_request)

    def canvas(self, item_id: str) -> Canvas | None:
        """The view it was made from; None if there was none."""
        return self._read(item_id, records.load_canvas)

    def image(self, item_id: str) -> bytes:
        """The provider's bytes. Raises NotFound for an item without an image."""

        def read(folder: Path, record: Mapping[str, Any]) -> bytes:
            result = record.get("result")
            if not result:
                raise NotFound(f'"{item_id}" has no image: its request was refused or failed.')
            return images.read_file(folder / base_name(result["file"]))

        return self._read(item_id, read)

    def check(self, item_id: str) -> list[str]:
        """What of an item is missing or has changed since it was saved; empty if it is whole."""

        def look(folder: Path, record: Mapping[str, Any]) -> list[str]:
            found = records.problems(folder, record)
            if found and not folder.is_dir():
                raise StorageError(f'"{item_id}" was moved meanwhile.')
            return found

        return self._read(item_id, look)

    def export(
        self,
        item_id: str,
        path: Path | str,
        format: images.Format | None = None,
        quality: int = 92,
        metadata: bool = True,
    ) -> Path:
        """Save an item's image as a file of the user's; the file's path.

        path: a file (its folder must be there; an old one is replaced), or a folder: then the file
            is named after the item, and its suffix after the format.
        format: "png", "webp" or "jpeg"; None means what the path's suffix says, else as it is kept.
        quality: 1 to 100, for webp and jpeg where the format changes.
        metadata: put the request and the IPTC digital source type in. In its own format the pixels
            are never encoded anew, and with metadata=False it is the provider's file, byte by byte.
        """
        data = self.image(item_id)
        record = self.record(item_id)
        kept = images.probe(data)
        path = Path(path)
        to_folder = path.is_dir()
        if format is None:
            suffix = "" if to_folder else path.suffix.lower()
            format = _FORMATS.get(suffix, kept.format)
        data = convert(
            data, format, quality, records.embedded(record) if metadata else None, item_id
        )
        if to_folder:
            path = path / f"{record['id']}{images.probe(data).suffix}"
        storage.replace_file(path, data)
        return path

    # ---- changing -----------------------------------------------------------------------------

    def set_favourite(self, item_id: str, favourite: bool = True) -> Item:
        item = self.get(item_id)
        mark = item.folder / "favourite"
        with storage.storage_errors(f'"{item.id}" cannot be changed.'):
            if favourite:
                mark.touch()
            else:
                mark.unlink(missing_ok=True)
            storage.sync_folder(item.folder)
        self._note(item.id, lambda: self._index.change(item.id, favourite=int(favourite)))
        return dataclasses.replace(item, favourite=favourite)

    def delete(self, item_id: str) -> Item:
        """Move an item to the bin."""
        return self._move(item_id, in_bin=True)

    def restore(self, item_id: str) -> Item:
        """Take an item back out of the bin."""
        return self._move(item_id, in_bin=False)

    def empty_bin(self) -> int:
        """Delete for good what is in the bin; how many. What it cost stays counted."""
        with storage.storage_errors("The bin cannot be read."):
            found = _names(self.folder / "bin", ID)
        erased = 0
        for item_id in found:
            gone = self.folder / "writing" / f"erased-{item_id}-{secrets.token_hex(3)}"
            with storage.storage_errors(f'"{item_id}" cannot be deleted.'):
                try:
                    storage.move_folder(self._place(item_id, in_bin=True), gone)
                except FileNotFoundError:
                    continue  # another window was faster
            storage.remove_folder(gone)
            self._note(item_id, lambda item_id=item_id: self._index.remove([item_id]))
            erased += 1
        return erased

    def _move(self, item_id: str, in_bin: bool) -> Item:
        item = self.get(item_id)
        if item.in_bin != in_bin:
            target = self._place(item.id, in_bin)
            with storage.storage_errors(f'"{item.id}" cannot be moved.'):
                storage.make_folder(target.parent)
                storage.move_folder(item.folder, target)
            self._note(item.id, lambda: self._index.change(item.id, in_bin=int(in_bin)))
        return dataclasses.replace(item, in_bin=in_bin, folder=self._place(item.id, in_bin))

    # ---- cost ---------------------------------------------------------------------------------

    def spent(
        self,
        *,
        session: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        blend: str | None = None,
    ) -> float:
        """US dollars that were spent, deleted items included. Without arguments: ever."""
        return self._guarded(
            lambda: self._index.spent(session, _timestamp(since), _timestamp(until), blend)
        )

    def spent_this_session(self) -> float:
        return self.spent(session=self.session)

    def spent_this_month(self) -> float:
        """Since the first of this month where the user is."""
        now = datetime.now().astimezone()
        return self.spent(since=datetime(now.year, now.month, 1).astimezone())

    # ---- care ---------------------------------------------------------------------------------

    def rebuild(self) -> Rebuilt:
        """Make the index anew from the folders, and clear away what crashed writers left.

        Others may go on adding meanwhile.
        """
        return self._guarded(lambda: self._catch_up(everything=True))

    def close(self) -> None:
        """Close all files, of every thread. The store opens them again if it is used."""
        self._index.close()

    def __enter__(self) -> HistoryStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- inside -------------------------------------------------------------------------------

    def _place(self, item_id: str, in_bin: bool = False) -> Path:
        match = ID.fullmatch(item_id)
        if match is None:  # never a path from outside
            raise NotFound(f'"{item_id}" is not in History.', action="Look it up in the list.")
        if in_bin:
            return self.folder / "bin" / item_id
        return self.folder / "results" / match[1] / match[2] / item_id

    def _item(self, values: Mapping[str, Any]) -> Item:
        kept = {name: values[name] for name in Item.__slots__ if name not in ("folder", "created")}
        for name in ("ai", "favourite", "in_bin"):
            kept[name] = bool(kept[name])
        return Item(
            folder=self._place(values["id"], bool(values["in_bin"])),
            created=datetime.fromtimestamp(values["created"], UTC),
            **kept,
        )

    def _values(self, item_id: str) -> Mapping[str, Any]:
        if not ID.fullmatch(item_id):
            found = []
            if re.fullmatch(r"[0-9a-f-]{8,}", item_id, re.ASCII):
                found = self._guarded(lambda: self._index.with_prefix(item_id))
            if len(found) > 1:
                raise InvalidInput(
                    f'Several items of History begin with "{item_id}".', action="Give more of it."
                )
            if not found:
                raise NotFound(f'"{item_id}" is not in History.', action="Look it up in the list.")
            item_id = found[0]
        values = self._guarded(lambda: self._index.get(item_id))
        if values is not None and self._place(item_id, bool(values["in_bin"])).is_dir():
            return values
        # A process put it there or moved it this very moment, or died before it could say so.
        for in_bin in (False, True):
            if self._place(item_id, in_bin).is_dir():
                values = found = self._values_in_folder(item_id, in_bin)
                self._note(item_id, lambda found=found: self._index.put(found))
                return values
        raise NotFound(f'"{item_id}" is not in History.', action="Look it up in the list.")

    def _read(self, item_id: str, action: Callable[[Path, dict[str, Any]], T]) -> T:
        """Do something with an item's folder and record, wherever it is moved to meanwhile."""
        while True:
            folder = self.get(item_id).folder
            try:
                return action(folder, records.read_record(folder))
            except StorageError:
                if folder.is_dir():
                    raise

    def _view_of(self, parent: str) -> dict[str, Any] | None:
        """An edit without a view comes from where the image it changes came from."""
        if parent:
            with contextlib.suppress(GenAIError):
                return self.record(parent).get("view")
        return None

    def _values_in_folder(self, item_id: str, in_bin: bool) -> dict[str, Any]:
        """An item's index values from its folder. Raises StorageError if it is damaged."""
        folder = self._place(item_id, in_bin)
        record = records.read_record(folder)
        if record.get("id") != item_id:
            raise StorageError(f'The folder "{item_id}" holds another item.')
        return records.index_values(record, (folder / "favourite").exists(), in_bin)

    def _note(self, item_id: str, action: Callable[[], object]) -> None:
        """Enter in the index what is already so in the folder of an item.

        If that cannot be done (a full disk), nothing is lost, and it is done later: throwing
        things away must work just then.
        """
        try:
            self._guarded(action)
        except StorageError:
            self._unentered.add(item_id)
            self._behind = True

    def _refresh(self) -> None:
        """Let the index catch up with the folders if it is behind, and if that can be done."""
        if self._behind:
            self._behind = False
            try:
                self._guarded(self._catch_up)
            except StorageError:
                self._behind = True

    def _catch_up(self, everything: bool = False) -> Rebuilt:
        """Make the index agree with the folders: those that differ, or all of them."""
        entered = self._index.places()  # first: what comes after has its folder already
        found = self._folders()
        added, unreadable = 0, []
        for item_id, in_bin in found.items():
            known = entered.get(item_id) == in_bin and item_id not in self._unentered
            if everything or not known:
                try:
                    values = self._values_in_folder(item_id, in_bin)
                except StorageError:
                    if self._place(item_id, in_bin).is_dir():  # and was not moved meanwhile
                        unreadable.append(item_id)
                else:
                    self._index.put(values)
                    self._unentered.discard(item_id)
                    added += item_id not in entered
        missing = [item_id for item_id in entered if item_id not in found]
        missing += unreadable
        dropped = self._index.remove(missing, unless=self._usable) if missing else 0
        self._clear_leftovers()
        return Rebuilt(len(found) - len(unreadable), added, dropped, tuple(unreadable))

    def _usable(self, item_id: str) -> bool:
        for in_bin in (False, True):
            with contextlib.suppress(StorageError):
                records.read_record(self._place(item_id, in_bin))
                return True
        return False

    def _folders(self) -> dict[str, bool]:
        """Every item's id, and whether it is in the bin."""
        found: dict[str, bool] = {}
        with storage.storage_errors(f'The History folder "{self.folder}" cannot be read.'):
            for year in _names(self.folder / "results", _DIGITS):
                for month in _names(self.folder / "results" / year, _DIGITS):
                    for item_id in _names(self.folder / "results" / year / month, ID):
                        # Elsewhere than where its id says, nobody would look for it.
                        if item_id[:6] == year + month:
                            found[item_id] = False
            found |= dict.fromkeys(_names(self.folder / "bin", ID), True)
        return found

    def _clear_leftovers(self) -> None:
        """Remove what writers that died left half-written, and folders that were being erased."""
        oldest = time.time() - _STALE_SECONDS
        with contextlib.suppress(OSError):
            for path in (self.folder / "writing").iterdir():
                with contextlib.suppress(OSError):
                    if path.stat().st_mtime < oldest or path.name.startswith("erased-"):
                        storage.remove_folder(path)

    def _guarded(self, action: Callable[[], T]) -> T:
        """Do it; if the index turns out to be damaged, make it anew and do it again."""
        try:
            return action()
        except IndexDamaged:
            with self._repairing:
                self._index.close()
                self._index = self._new_index()
                self._catch_up()
            return action()

    def _new_index(self) -> HistoryIndex:
        """Move a damaged index aside, unless another process did so already, and begin anew."""
        with _only_one(self.folder / "history.repair"):
            try:
                index = HistoryIndex(self._index_path)
                try:
                    index.check()
                except IndexDamaged:
                    index.close()
                    raise
                return index
            except IndexDamaged:
                aside = f"history.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
                with storage.storage_errors("The damaged index of History cannot be moved aside."):
                    for suffix in ("-wal", "-shm", ""):
                        path = self._index_path.with_name(self._index_path.name + suffix)
                        with contextlib.suppress(FileNotFoundError):
                            path.replace(path.with_name(f"{aside}.sqlite3{suffix}"))
                return HistoryIndex(self._index_path)


def _names(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    """What lies in a folder and is called like that. Raises OSError."""
    names = os.listdir(folder)  # noqa: PTH208 (a Path for each of 10,000 takes ten times as long)
    return [name for name in names if pattern.fullmatch(name)]


@contextlib.contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    """Hold a lock file that all processes respect; one that is a minute old is a dead one's."""
    until = time.monotonic() + 60
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError:
            with contextlib.suppress(OSError):
                if time.time() - lock.stat().st_mtime > 60 or time.monotonic() > until:
                    lock.unlink()
            time.sleep(0.05)
        except OSError as error:
            raise StorageError("History cannot be repaired.", *storage.explain(error)) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()


def _timestamp(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _conditions(filters: Filters) -> dict[str, Any]:
    """For the index: moments as timestamps, True as 1, and the bin left out unless asked for."""
    values: dict[str, Any] = {"in_bin": False, **filters}
    for name, value in values.items():
        if isinstance(value, datetime):
            values[name] = value.timestamp()
        elif isinstance(value, bool):
            values[name] = int(value)
    return values
