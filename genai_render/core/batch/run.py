# SPDX-License-Identifier: GPL-3.0-or-later
"""One batch as it stands: which of its pictures are done, sent, failed or still to do.

History is the truth of what there is; what was sent is written down beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import GenAIError, InvalidInput, NotFound, StorageError
from ..files import locks, storage
from ..models import cost
from . import plan
from .plan import BatchItem
from .progress import Progress
from .rows import Row

if TYPE_CHECKING:
    from ..history.store import HistoryStore
    from ..preflight import Prepared

FOLDER = "batches"  # in the History folder: what is done of each batch
CANVASES, STAGES = "canvases", "stages"
_PLAN = "plan.json"
_EARLIER_SECONDS = 60  # clocks of several computers


@dataclass(frozen=True, slots=True)
class Picture:
    """An item of a batch with what sending it means. title: what it is called; "" for its prompt.

    seen: what a capture is of: equal for pictures that share one; None where there is none.
    """

    item: BatchItem
    prepared: Prepared
    seen: tuple[Any, ...] | None
    title: str = ""

    @property
    def key(self) -> str:
        return self.item.key


@dataclass(frozen=True, slots=True)
class Sums:
    """What a batch would be. usd: None where it is not known."""

    pictures: int
    captures: int
    usd: float | None

    @property
    def price(self) -> str:
        return "unknown" if self.usd is None else cost.dollars(self.usd)


def sums(pictures: Sequence[Picture]) -> Sums:
    prices = [one.prepared.estimate.usd for one in pictures]
    usd = None if None in prices else sum(price or 0.0 for price in prices)
    return Sums(len(pictures), len({one.seen for one in pictures if one.seen is not None}), usd)


class BatchRun:
    """name: of the batch's folder in History. writer: which part of it is made here.

    restart: nothing is known of it any more; given_up: not even what a provider is making.
    """

    def __init__(
        self,
        store: HistoryStore,
        name: str,
        title: str,
        pictures: Sequence[Picture],
        writer: str = "1-of-1",
        restart: bool = False,
        given_up: bool = False,
    ) -> None:
        self.store, self.name, self.title = store, name, title
        self.pictures = list(pictures)
        self.folder = store.folder / FOLDER / name
        self.unanswered: set[str] = set()
        self.posted: set[str] = set()  # in a batch of a provider's, which will tell
        self._lock = locks.FileLock(self.folder / f"{writer}.lock")
        self._locked = False
        if restart:
            self.lock()  # what another process is making is not taken from it
            if not given_up:
                self._check_nothing_is_handed_in(writer)
            self._forget()
        self.progress = Progress(self.folder, writer)

    def lock(self) -> None:
        """Raises StorageError where another process makes it."""
        if self._locked:
            return
        with storage.storage_errors(
            f'The progress of the batch cannot be kept in "{self.folder}".'
        ):
            self.folder.mkdir(parents=True, exist_ok=True)
            held = self._lock.take()
        if held is locks.Held.NO:
            raise StorageError(
                "This batch, or this part of it, is being made already.",
                action="Wait for the other one, or give each its own --shard.",
            )

        self._locked = True

    def close(self) -> None:
        self._lock.release()
        self._locked = False

    def _check_nothing_is_handed_in(self, writer: str) -> None:
        """Raises InvalidInput: with its ticket, what is paid for would be lost."""
        marks = Progress(self.folder, writer).marks.values()
        number = sum(mark.state == "sent" and bool(mark.ticket) for mark in marks)
        if number:
            self.close()
            raise InvalidInput(
                f"{number} of these pictures are being made by the provider, and paid for.",
                action="Fetch them with --resume, or give them up with --restart --again.",
            )

    def _forget(self) -> None:
        """All that is known of it, but for the locks of others."""
        for path in self.folder.iterdir():
            if path.suffix != ".lock":
                storage.remove_folder(path)

    @property
    def begun(self) -> bool:
        return any(self.progress.state(one.key) is not None for one in self.pictures)

    def of(self, state: str) -> list[Picture]:
        return [one for one in self.pictures if self.progress.state(one.key) == state]

    def check_not_begun(self) -> None:
        """Raises InvalidInput."""
        if self.begun:
            raise InvalidInput(
                f"This batch was begun before: {len(self.of('done'))} of {len(self.pictures)} "
                "pictures are done.",
                action="Use --resume to go on, or --restart to make all of it once more.",
            )

    def look_up(self, again: bool = False) -> None:
        """What was on its way when a process was killed: it may have come to History after all.

        again: what never came may be sent once more, although it may have been paid for.
        """
        open_ = {one.key: one for one in self.of("sent")}
        if not open_:
            return
        first = min(self.progress.marks[key].when for key in open_)
        since = datetime.fromtimestamp(first - _EARLIER_SECONDS, UTC)
        for item in self.store.search(since=since, status="done", limit=plan.MOST):
            name, _, key = self.store.record(item.id)["request"].get("batch", "").rpartition("/")
            if name == self.name and key in open_:
                self.progress.put(key, "done", id=item.id)
                del open_[key]
        for key, one in open_.items():
            if self.progress.marks[key].job:
                self.posted.add(key)
            elif one.prepared.estimate.usd != 0 and not again:
                self.unanswered.add(key)

    def todo(self) -> list[Picture]:
        """Those of one view in a row."""
        open_ = [
            one
            for one in self.pictures
            if self.progress.state(one.key) != "done"
            and one.key not in self.unanswered
            and one.key not in self.posted
        ]
        return sorted(open_, key=lambda one: "" if one.seen is None else str(one.seen))

    def label(self, key: str) -> str:
        """What History keeps with a picture."""
        return f"{self.name}/{key}"

    def choices(self, scene: str) -> Path:
        """Where what is chosen once for all pictures of a scene is kept: see BackendSettings."""
        return self.folder / STAGES / hashlib.sha256(scene.encode()).hexdigest()[:8]

    # --- what it is made of, for those who come later ---------------------------------------------

    def keep_plan(self) -> None:
        """So that a picture can be made again from its entry in History. Raises StorageError."""
        known = read_plan(self.folder)
        known |= {one.key: {**asdict(one.item), "title": one.title} for one in self.pictures}
        storage.replace_file(self.folder / _PLAN, json.dumps(known, default=list).encode())

    # --- what came of it --------------------------------------------------------------------------

    def summary(self, spent: float) -> str:
        return (
            f"{len(self.of('done'))} of {len(self.pictures)} done, "
            f"{len(self.of('failed'))} failed, "
            f"{len(self.unanswered)} sent and never answered, {cost.dollars(spent)} spent now."
        )

    def rows(self) -> list[Row]:
        return [self._row(one) for one in self.pictures]

    def _row(self, one: Picture) -> Row:
        item = one.item
        about = ", ".join(
            str(part)
            for part in (
                *(item.style, item.model, item.scene, item.camera, item.place, item.frame),
                item.seed,
            )
            if part not in ("", None)
        )
        title = one.title or item.prompt
        mark = self.progress.marks.get(one.key)
        if mark is None or mark.state != "done":
            why = "It was sent and never answered." if one.key in self.unanswered else ""
            why = why or ("It is being made by the provider." if one.key in self.posted else "")
            why = why or (mark.error if mark is not None else "") or "It was not made."
            return Row(one.key, title, about, error=why, prompt=item.prompt)
        try:
            found = self.store.get(mark.id)
            thumbnail = found.thumbnail_path
            picture = None if thumbnail is None else thumbnail.read_bytes()
        except (GenAIError, OSError) as error:
            return Row(one.key, title, about, mark.id, error=str(error), prompt=item.prompt)
        path = str(Path(found.image_path or "").absolute())
        return Row(
            *(one.key, title, about, found.id, path, found.cost_usd),
            thumbnail=picture,
            prompt=item.prompt,
            size=(found.width, found.height),
            starred=found.favourite,
        )


def read_plan(folder: Path) -> dict[str, Any]:
    """What the pictures of a batch are, by key; {} where that is not known."""
    try:
        values = json.loads((folder / _PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def planned(store: HistoryStore, item_id: str) -> tuple[str, BatchItem]:
    """The title and the plan of a picture in History that a batch or pack has made. Raises
    NotFound, InvalidInput."""
    found = store.get(item_id)
    name, _, key = store.record(found.id)["request"].get("batch", "").rpartition("/")
    values: Mapping[str, Any] | None = None
    if name:
        values = read_plan(store.folder / FOLDER / Path(name).name).get(key)
    if not isinstance(values, Mapping):
        raise NotFound(
            f'How "{found.id}" was made is not known as a shot.',
            "It was not made by a pack or a batch, or what was noted of that is gone.",
        )
    return str(values.get("title", "")), plan.item_of(values)
