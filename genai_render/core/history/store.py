# SPDX-License-Identifier: GPL-3.0-or-later
"""HistoryStore: every result with all that made it, kept through crashes, found again at once.

    store = HistoryStore(folder)
    item = store.add(request, result, seconds=1.9)       # safe on the disk when it returns
    for item in store.search("golden", style="comic", limit=50): ...
    again = store.request(item.id)                       # a RenderRequest with canvas, references

A folder holds `history.sqlite3`, the index, `spending.jsonl`, what was paid, and
`results/<year>/<month>/<id>/`, the truth:

    image.png|webp|jpg   the provider's bytes, untouched          thumb.webp
    canvas.webp depth.png normal.png albedo.webp                  the view, where there was one
    objects-*.png materials-*.png ids.json                        what each of its pixels shows
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
import itertools
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from ..errors import GenAIError, InvalidInput, NotFound, Refused, StorageError
from ..events import Result
from ..files import storage
from ..image import images
from ..image.metadata import convert
from ..keys.redaction import base_name
from ..masks.inside_mask import kept_outside
from ..request import RenderRequest
from ..view.canvas import Canvas, View
from . import catching_up, known
from . import record as records
from .arrived import Arrivals, Arrived
from .background import Background, Rebuilding
from .catching_up import BATCH, Rebuilt, Tell, fill, values_in_folder
from .folders import Folders, Skipped, gone
from .index import SUFFIXES, HistoryIndex, IndexDamaged, State
from .item import ID, Item, Status, new_id, time_of
from .ledger import Ledger, payment

INDEX = "history.sqlite3"
_TRIES = 3  # to make a damaged index again before it is said to be the disk's fault
_LOOK_SECONDS = 2.0  # between two looks whether a read-only disk can be written by now

_FORMATS: dict[str, images.Format] = {
    ".png": "png",
    ".webp": "webp",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
}

T = TypeVar("T")

__all__ = [
    "Filters",
    "HistoryStore",
    "Item",
    "Rebuilding",
    "Rebuilt",
    "Skipped",
    "Status",
    "new_id",
]


class Filters(TypedDict, total=False):
    """What `search` can ask for; None asks for nothing.

    since, until: from that moment on, and before that moment.
    blend: the .blend's file name. parent: the id that edits came from. last: no edit came from it.
    """

    model: str | None
    style: str | None
    since: datetime | None
    until: datetime | None
    blend: str | None
    scene: str | None
    camera: str | None
    favourite: bool | None
    kind: Literal["render", "edit", "video", "model"] | None
    status: Status | None
    parent: str | None
    session: str | None
    last: bool | None
    in_bin: bool


class HistoryStore:
    """All results in one folder. Made for many threads; `close()` when done with it.

    Opening finds what a crash left: results that are not in the index are entered, a damaged index
    is moved aside and made again. Every method raises StorageError where the folder cannot be used,
    and those that take an id raise NotFound.

    session: names this run of Blender or of the command, for `spent`.
    background: long work on the index is done by a thread, and searches find what is there so far,
        the newest first; `rebuilding` says how far it is. Otherwise one waits for it.
    known: a file in which the Histories of this user are noted, so that one that was there before
        and is not there now is an error and is not made again.
    accept_loss: a History whose results are gone is taken as it is.
    """

    def __init__(
        self,
        folder: Path | str,
        session: str = "",
        *,
        background: bool = False,
        known: Path | None = None,
        accept_loss: bool = False,
    ) -> None:
        self.folder = Path(folder).absolute()
        self.session = session or secrets.token_hex(6)
        self._folders = Folders(self.folder)
        self._known = known
        self._accept_loss = accept_loss
        self._in_background = background
        self._background = Background()
        self._repairing = threading.RLock()
        self._behind = True
        self._unentered: set[str] = set()
        self._skipped: tuple[Skipped, ...] = ()
        self._compared = False  # the ledger with the index's copy of it
        self._private: Path | None = None
        self._looked = 0.0
        self._find()
        self._arrivals = Arrivals(self.folder)
        self._ledger = Ledger(self.folder / "spending.jsonl", self.folder / "spending.lock")
        self._index = self._index_here()
        try:
            self._guarded(self._index.open)
            self._settle()
        except BaseException:
            self.close()
            raise

    @property
    def read_only(self) -> bool:
        """Its folder cannot be written now: one can look, and nothing can be added."""
        return self._private is not None

    @property
    def rebuilding(self) -> Rebuilding | None:
        """How far the index is that a thread is making again; None where none does."""
        return self._background.progress

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Folders that could not be looked into, with the reason, for the user to know."""
        return self._skipped

    # ---- adding -------------------------------------------------------------------------------

    def check_writable(self) -> None:
        """That a result could be kept now, before it is paid for. Raises StorageError."""
        self._folders.check_writable()

    def arrive(self, request: RenderRequest, result: Result, view: View | None = None) -> str:
        """Put a result on the disk as it came, before anything is done with it, and give the id
        that it is to be added under. If this process dies before that, opening finds it.

        Raises StorageError.
        """
        self._folders.check_there()
        return self._arrivals.keep(new_id(), request, result, self.session, view)

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
        item = self._add(request, result, None, result.cost_usd, seconds, view, versions)
        self._arrivals.forget(item.id)
        return item

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
        session: str = "",
    ) -> Item:
        if request.canvas is not None:
            view = request.canvas.view
        files, parts = records.make_files(request, result)
        item_id = (result.arrived if result is not None else "") or new_id()
        status: Status = "done"
        if error is not None:
            status = "refused" if isinstance(error, Refused) else "failed"
        record = {
            "schema": records.SCHEMA,
            "id": item_id,
            "created": time_of(item_id).timestamp(),
            "created_utc": time_of(item_id).isoformat(),
            "status": status,
            "session": session or self.session,
            "seconds": seconds,
            "cost_usd": cost_usd,
            "estimated_usd": None if result is None else result.estimated_usd,
            "listed_usd": None if result is None else result.listed_usd,
            "error": None if error is None else records.redact_json(error.to_json()),
            "view": records.view_json(view) if view is not None else self._view_of(request.parent),
            "versions": {**records.versions(), **(versions or {})},
            **parts,
        }
        values = records.index_values(record, favourite=False, in_bin=False)
        files[records.RECORD] = records.write_record(record)
        try:
            self._folders.check_there()
            self._folders.place_new(item_id, files)
        finally:  # what was paid counts, whether its image could be kept or not
            if paid := payment(values):
                self._ledger.add([paid], new=True)
        self._note(item_id, lambda: self._index.put(values))
        return self._item(values)

    def _add_arrived(self, left: Arrived) -> None:
        """Keep what came when the process that had asked for it died."""
        if not any(self._folders.is_there(left.id, in_bin) for in_bin in (False, True)):
            result, _ = kept_outside(left.request, left.result)
            cost = result.cost_usd
            self._add(left.request, result, None, cost, None, left.view, None, left.session)

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
            there = [item for item in items if self._folders.is_there(item.id, item.in_bin)]
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
        quality, metadata: see `file_of`.
        """
        path = Path(path)
        to_folder = path.is_dir()
        if format is None and not to_folder:
            format = _FORMATS.get(path.suffix.lower())
        data = self.file_of(item_id, format, quality, metadata)
        if to_folder:
            path = path / f"{self.get(item_id).id}{images.probe(data).suffix}"
        storage.replace_file(path, data)
        return path

    def file_of(
        self,
        item_id: str,
        format: images.Format | None = None,
        quality: int = 92,
        metadata: bool = True,
    ) -> bytes:
        """An item's image as a file for others.

        format: "png", "webp" or "jpeg"; None means as it is kept.
        quality: 1 to 100, for webp and jpeg where the format changes.
        metadata: put the request and the IPTC digital source type in. In its own format the pixels
            stay as they are, and with metadata=False it is the provider's file, byte by byte.
        """
        data = self.image(item_id)
        embedded = records.embedded(self.record(item_id)) if metadata else None
        return convert(data, format or images.probe(data).format, quality, embedded, item_id)

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
        """Delete for good what is in the bin; how many. What it cost stays counted.

        A link that lies there is deleted itself, and not what it points to.
        """
        with storage.storage_errors("The bin cannot be read."):
            found = [name for name in self._folders.names("bin") if ID.fullmatch(name)]
        paid = []
        for item_id in found:
            with contextlib.suppress(StorageError):
                paid.append(payment(values_in_folder(self._folders, item_id, in_bin=True)))
        self._ledger.add(filter(None, paid))
        erased = 0
        for item_id in found:
            with storage.storage_errors(f'"{item_id}" cannot be deleted.'):
                try:
                    self._folders.erase(item_id)
                except FileNotFoundError:
                    continue  # another window was faster
            if not self._folders.is_there(item_id, in_bin=False):
                self._note(item_id, lambda item_id=item_id: self._index.remove([item_id]))
            erased += 1
        return erased

    def _move(self, item_id: str, in_bin: bool) -> Item:
        item = self.get(item_id)
        if item.in_bin != in_bin:
            with storage.storage_errors(f'"{item.id}" cannot be moved.'):
                self._folders.move(item.id, in_bin)
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
        self._heal_ledger()
        return self._ledger.spent(session, _timestamp(since), _timestamp(until), blend)

    def spent_this_session(self) -> float:
        return self.spent(session=self.session)

    def spent_this_month(self) -> float:
        """Since the first of this month where the user is."""
        now = datetime.now().astimezone()
        return self.spent(since=datetime(now.year, now.month, 1).astimezone())

    # ---- care ---------------------------------------------------------------------------------

    def rebuild(self, tell: Tell | None = None) -> Rebuilt:
        """Make the index from the folders once more, in a file that then takes the old one's place.

        Others may go on adding meanwhile, and also ask. tell: called with how many items are done,
        and of how many.
        """
        if not self._background.inside:
            self._background.stop()
        with self._repairing, storage.storage_errors("The index of History cannot be made again."):
            try:
                return self._rebuilt(tell or _silent)
            except IndexDamaged as error:
                raise StorageError(error.what, error.why, "Check the disk.") from error

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for work on the index in a thread. True once there is none.

        Raises what ended it, once.
        """
        over = self._background.wait(seconds)
        problem = self._background.take_problem()
        if problem is not None:
            raise problem
        return over

    def close(self) -> None:
        """Close all files, of every thread. The store opens them again if it is used."""
        self._background.stop()
        self._arrivals.close()
        self._index.close()
        if self._private is not None:
            shutil.rmtree(self._private, ignore_errors=True)

    def __enter__(self) -> HistoryStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- inside -------------------------------------------------------------------------------

    def _place(self, item_id: str, in_bin: bool = False) -> Path:
        return self._folders.place(item_id, in_bin)

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
        if values is not None and self._folders.is_there(item_id, bool(values["in_bin"])):
            return values
        # A process put it there or moved it this very moment, or died before it could say so.
        for in_bin in (False, True):
            if self._folders.is_there(item_id, in_bin):
                values = found = values_in_folder(self._folders, item_id, in_bin)
                self._note(item_id, lambda found=found: self._index.put(found))
                return values
        raise NotFound(f'"{item_id}" is not in History.', action="Look it up in the list.")

    def _read(self, item_id: str, action: Callable[[Path, dict[str, Any]], T]) -> T:
        """Do something with an item's folder and record, wherever it is moved to meanwhile."""
        while True:
            item = self.get(item_id)
            try:
                return action(item.folder, records.read_record(item.folder))
            except StorageError:
                if self._folders.is_there(item.id, item.in_bin):
                    raise

    def _view_of(self, parent: str) -> dict[str, Any] | None:
        """An edit without a view comes from where the image it changes came from."""
        if parent:
            with contextlib.suppress(GenAIError):
                return self.record(parent).get("view")
        return None

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
        self._look_again()
        if self._behind and not self._background.running:
            self._behind = False
            try:
                self._guarded(self._catch_up)
            except StorageError:
                self._behind = True
                self._folders.check_there()  # vanished is not empty

    # ---- opening ------------------------------------------------------------------------------

    def _find(self) -> None:
        """Make the folders of a new History, and raise StorageError for one that vanished."""
        folders = self._folders
        if not folders.results.is_dir() and not self._accept_loss:
            before = self._known is not None and known.is_known(self._known, self.folder)
            if before or any((self.folder / name).exists() for name in (INDEX, "spending.jsonl")):
                raise gone(self.folder)
        folders.make()

    def _settle(self) -> None:
        """After opening: what a crash left is found, and the History is marked as there."""
        # A folder that cannot be read is an error, a full disk is none.
        months = self._folders.listed().changed.keys() - {"bin"}
        doubtful = not months and not self._folders.marked() and not self._accept_loss
        if doubtful and self._guarded(lambda: self._index.counts(())[0]):
            raise gone(self.folder)  # no results, and an index that knows some
        self._folders.mark()
        if self._known is not None:
            known.note(self._known, self.folder)
        if not storage.is_there(self.folder / "spending.jsonl"):
            self._heal_ledger()
        if not self.read_only:
            self._arrivals.recover(self._add_arrived)
        self._refresh()

    def _index_here(self) -> HistoryIndex:
        """The index in its folder; on a disk that cannot be written, a copy of one's own."""
        if self._folders.writable():
            path = self.folder / INDEX
            return HistoryIndex(path, self._folders.check_there, self.folder / "history.lock")
        self._private = Path(tempfile.mkdtemp(prefix="genai-render-history-"))
        for suffix in SUFFIXES:
            if suffix != "-shm":
                with contextlib.suppress(OSError):
                    shutil.copyfile(
                        f"{self.folder / INDEX}{suffix}", self._private / f"{INDEX}{suffix}"
                    )
        return HistoryIndex(self._private / INDEX, self._folders.check_there)

    def _look_again(self) -> None:
        """A disk that could not be written when it was opened may be writable by now."""
        if self._private is None or time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        if not self._folders.writable():
            return
        with self._repairing:
            private, self._private = self._private, None
            if private is None:  # another thread was faster
                return
            self._background.stop()
            self._index.close()
            shutil.rmtree(private, ignore_errors=True)
            self._folders.make()
            self._index = self._index_here()
            self._behind = True

    # ---- the index and the folders --------------------------------------------------------------

    def _catch_up(self) -> None:
        """Make the index agree with the folders, as far as they differ."""
        found = catching_up.difference(self._index, self._folders)
        self._skipped = found.skipped
        for item_id in list(self._unentered):
            for in_bin in (False, True):
                if self._folders.is_there(item_id, in_bin):
                    found.missing.setdefault(item_id, in_bin)

        def work(tell: Tell) -> None:
            unreadable = fill(self._index, self._folders, self._ledger, found.missing, tell)
            gone = [*found.gone, *unreadable]
            if gone:
                self._index.remove(gone, unless=lambda id: catching_up.readable(self._folders, id))
            self._unentered.difference_update(found.missing, found.gone)
            if not self.read_only:
                catching_up.note_agreed(self._index, self._folders, found.agreed, found.counts)
                self._folders.clear_leftovers()

        long = len(found.missing) > BATCH and self._in_background
        if long and not self._background.inside:
            if not self._background.start(
                lambda: self._guarded(lambda: work(self._background.tell))
            ):
                self._behind = True
            return
        work(_silent)

    def _rebuilt(self, tell: Tell) -> Rebuilt:
        folders, ledger = self._folders, self._ledger
        states: set[State] = set()
        with contextlib.suppress(IndexDamaged):
            states = self._index.states()
            ledger.add(self._index.payments())
        found, listed = catching_up.everything(folders)
        self._skipped = listed.skipped
        unreadable: list[str] = []

        def build(staging: Path) -> None:
            fresh = HistoryIndex(staging / INDEX)
            try:
                unreadable.extend(fill(fresh, folders, ledger, found, tell))
                erased = (paid for paid in ledger.payments() if paid.id not in found)
                fresh.put_payments(erased)
                catching_up.note_agreed(fresh, folders, listed.changed)
            finally:
                fresh.close()
            with self._index.replacing():
                self._index.take_over(staging / INDEX, states, late)

        def late(fresh: HistoryIndex, changed: set[str]) -> None:
            """What others did while the new index was made."""
            now: dict[str, dict[str, Any]] = {}
            for item_id in changed.difference(unreadable):
                for in_bin in (True, False):  # in both: then it is in the results
                    with contextlib.suppress(GenAIError):
                        now[item_id] = values_in_folder(folders, item_id, in_bin)
            fresh.remove(list(changed))
            fresh.put(*now.values())

        if self._private is None:
            folders.build_aside(build)
        else:
            with tempfile.TemporaryDirectory(dir=self._private) as aside:
                build(Path(aside))
        self._unentered.clear()
        self._heal_ledger()
        if not self.read_only:
            folders.clear_leftovers()
        before = {str(state[0]) for state in states}
        usable = found.keys() - set(unreadable)
        return Rebuilt(
            len(usable),
            len(usable - before),
            len(before - usable),
            tuple(unreadable),
            listed.skipped,
        )

    def _guarded(self, action: Callable[[], T]) -> T:
        """Do it; if the index turns out to be damaged, make the index again and do it once more."""
        for attempt in itertools.count():
            try:
                return action()
            except IndexDamaged as error:
                if attempt == _TRIES:
                    todo = "Check the disk, or choose another folder."
                    raise StorageError(error.what, error.why, todo) from error
            self._repair(sure=attempt > 0)
        raise AssertionError

    def _repair(self, sure: bool) -> None:
        """Move a damaged index aside, unless somebody did so already, and let the folders fill
        a new one. sure: it was looked at before, and is damaged all the same."""
        with self._repairing:
            with self._index.replacing():
                if not sure:
                    with contextlib.suppress(IndexDamaged):
                        self._index.check()
                        return
                salvaged = self._index.salvaged_payments()
                moment = time.strftime("%Y%m%d-%H%M%S")
                self._index.move_aside(f"history.damaged-{moment}-{secrets.token_hex(2)}")
                self._index.open()
            if self._ledger.needs_healing():
                with contextlib.suppress(StorageError):
                    self._ledger.heal(salvaged)
            self._index.put_payments([*salvaged, *self._ledger.payments()])
            self._catch_up()

    def _heal_ledger(self) -> None:
        """Make good what is lost of what was spent, from the index's copy of it."""
        damaged = self._ledger.needs_healing()
        if not damaged and self._compared:
            return
        if damaged or self._ledger.count() < self._guarded(self._index.payment_count):
            copies = self._guarded(self._index.payments)
            try:
                if damaged:
                    self._ledger.heal(copies)
                self._ledger.add(copies)  # lines that were cut off leave no trace
            except StorageError:  # on a disk that cannot be written it still counts
                self._ledger.remember(copies)
        self._compared = True


def _silent(_done: int, _total: int) -> None:
    pass


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
