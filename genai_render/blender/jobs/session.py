# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of this run of Blender: started, followed by a timer, kept in History by their workers.

Nothing here is tied to the open file: a job goes on through undo, orbiting and a new file, and its
result is safe in History before anybody is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import bpy

from ...backends.base import create_backend
from ...core.errors import GenAIError, InvalidInput
from ...core.events import Notice, PartialImage, Progress, Result
from ...core.history.rescue import rescue
from ...core.history.seen_costs import seen_costs
from ...core.jobs import Finished, JobEvent, JobQueue, Prepare, Saved
from ...core.models.seen_costs import NO_CORRECTION, Correction
from ...core.models.seen_costs import correction as correction_of
from ...core.submission import Gate, Limits, RunSpending
from .. import addon, backend_settings, background, catalog, redraw
from ..history_place import open_history
from ..settings.model_marks import marks
from . import listeners
from .scene_state import SceneStates
from .work import Place, Work

if TYPE_CHECKING:
    from pathlib import Path

    from ...core.history.item import Item
    from ...core.preflight import Prepared
    from ...core.request import RenderRequest
    from ...core.view.canvas import Canvas
    from ...core.view.scene_match import Match

TICK_SECONDS = 0.1
KEPT_MESSAGES = 3
_SPENDING_SECONDS = 10.0  # another Blender may be spending, too


@dataclass(frozen=True, slots=True)
class Told:
    """Something to read in the panel: an error or a notice of a job that is over.

    deleted: the item whose deletion it is about, which can be restored.
    """

    text: str
    is_error: bool
    when: float
    work: Work | None = None
    deleted: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """What pictures of one press have in common: where choices for all of them are kept, and what
    they cost together."""

    choices: Path
    spending: RunSpending


@dataclass(frozen=True, slots=True)
class Spending:
    """US dollars that were spent: in this run of Blender, this calendar month, for this .blend."""

    session: float
    month: float
    blend: float


class Session:
    """One job queue with its gate, and one History, made when they are first needed.

    file: how many files were opened since then, to tell which one a job is from.
    """

    def __init__(self) -> None:
        self.store = open_history(addon.history_folder(), background=True)
        prefs = addon.preferences()
        workers = prefs.parallel_jobs if prefs is not None else 2
        self._versions = {"blender": bpy.app.version_string}
        self._queue = JobQueue(
            self._keep,
            self._keep_failure,
            workers=workers,
            arrive=self.store.arrive,
            rescue=lambda _request, result: rescue(result),
        )
        self._works: dict[int, Work] = {}
        self._took: dict[tuple[str, str], float] = {}
        self.told: list[Told] = []
        self.gate = Gate(
            self._queue,
            limits,
            lambda: self.spending().month,
            lambda model: backend_settings.check_access(catalog.catalog(), model, wait=False),
            self.store.check_writable,
        )
        self.last_deleted = ""
        self.file = 0
        self._timer = self._tick  # one object: Blender knows a timer by its address
        self._spending: tuple[float, str, Spending] | None = None
        self._corrections: dict[str, Correction] = {}

    def submit(
        self,
        prepared: Prepared,
        place: Place | None = None,
        to_canvas: Callable[[], Canvas] | None = None,
        said: Sequence[str] = (),
        *,
        complete: Prepare | None = None,
        series: Series | None = None,
    ) -> Work:
        """Start a job. to_canvas: makes the request's canvas; called in the worker.

        complete: makes the whole request; called in the worker, in place of to_canvas.
        said: notices that stand in the panel already and need not come again.
        series: what it is one picture of, of which there are several.
        Raises what stands against it: a limit, a key that is missing, online access that is off.
        """
        model = prepared.model
        if model is None:
            raise prepared.problem or InvalidInput("No model is chosen.")
        settings = backend_settings.for_model(catalog.catalog(), model)
        if series is not None:
            settings = replace(settings, belong_together=True, choices=series.choices)
        backend = create_backend(model.backend, settings)
        if to_canvas is not None:
            complete = _with_canvas(to_canvas)
        spending = None if series is None else series.spending
        job = self.gate.submit(prepared, backend.run, complete, spending)
        marks().used(model.id)
        self.told = [told for told in self.told if told.is_error or told.deleted]
        took = self._took.get((job.request.model, job.request.resolution))
        work = Work(
            job, place, self.file, expected=took, said=frozenset(said), alone=series is None
        )
        self._works[job.id] = work
        if not bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.register(self._timer, first_interval=TICK_SECONDS, persistent=True)
        self._redraw()
        return work

    def works(self) -> list[Work]:
        """Those that run and wait, in order; also one that has just ended, until what came of it
        was taken: whoever finds none here knows that all is told."""
        return list(self._works.values())

    def cancel(self, job_id: int) -> None:
        work = self._works.get(job_id)
        if work is not None:
            self._queue.cancel(work.job)

    def cancel_all(self) -> None:
        self._queue.cancel_all()

    def spending(self) -> Spending:
        """What was spent so far. Looked up again when something was saved, and now and then."""
        blend = bpy.path.basename(bpy.data.filepath)
        if self._spending is not None:
            when, of, known = self._spending
            if of == blend and time.monotonic() - when < _SPENDING_SECONDS:
                return known
        store = self.store
        found = Spending(
            store.spent_this_session(),
            store.spent_this_month(),
            store.spent(blend=blend) if blend else 0.0,
        )
        self._spending = time.monotonic(), blend, found
        return found

    def correction(self, model_id: str) -> Correction:
        """What its last images have cost against its price list. Read again when one was saved."""
        if model_id not in self._corrections:
            try:
                seen = seen_costs(self.store, model_id)
            except GenAIError:
                seen = []  # History says so itself
            self._corrections[model_id] = correction_of(seen)
        return self._corrections[model_id]

    def tell(self, text: str, is_error: bool, work: Work | None = None, deleted: str = "") -> None:
        self.told.append(Told(text, is_error, time.monotonic(), work, deleted))
        del self.told[:-KEPT_MESSAGES]

    def delete(self, item_id: str) -> None:
        """Move an item to the deleted ones, know it as the last one, and say so."""
        item = self.store.delete(item_id)
        self.last_deleted = item_id
        words = " ".join(item.prompt.split())
        self.tell(
            f'Deleted "{words if len(words) <= 40 else words[:39] + "…"}"', False, None, item_id
        )

    def restore(self, item_id: str) -> Item:
        """Take an item back from the deleted ones."""
        item = self.store.restore(item_id)
        self.last_deleted = ""
        self.told = [told for told in self.told if told.deleted != item_id]
        return item

    def leave_file(self) -> None:
        """Another file was opened: what was told is about the one before."""
        self.file += 1
        self.told.clear()

    def close(self) -> None:
        """Cancel everything; what is being written is finished first."""
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        self._queue.close()
        self.store.close()

    def _tick(self) -> float | None:
        return TICK_SECONDS if self.follow() else None

    def follow(self) -> bool:
        """Take what has happened. False once nothing runs any more."""
        for job, event in self._queue.drain():
            self.gate.follow(job, event)
            work = self._works.get(job.id)
            if work is None:
                continue
            self._take(work, event)
            listeners.tell(work, event)
        self._redraw()
        return bool(self._works)

    def _take(self, work: Work, event: JobEvent) -> None:
        if isinstance(event, Progress):
            work.fraction, work.message = event.fraction, event.message
        elif isinstance(event, PartialImage):
            work.partial = event.image
        elif isinstance(event, Notice):
            if work.alone and event.text not in work.said:
                work.notices.append(event.text)
        elif isinstance(event, Saved):
            self._took[work.job.request.model, work.job.request.resolution] = event.seconds
            self._spending = None
            self._corrections.pop(work.job.request.model, None)
            self._compare(work, event)
        elif isinstance(event, Finished):
            del self._works[work.job.id]
            self._spending = None
            for text in work.notices[-2:]:
                self.tell(text, False, work)
            # That it was cancelled the user knows; not what it may cost all the same.
            cancelled = event.error is not None and event.error.code == "cancelled"
            if event.error is not None and (not cancelled or event.error.why):
                self.tell(f"{work.job.missing} {event.error.text}".strip(), True, work)

    def _compare(self, work: Work, saved: Saved) -> None:
        """How far the image is from its scene, found out by a thread after it is safe."""
        request = work.job.request
        canvas, image, store = request.canvas, saved.result.image, self.store
        if canvas is not None:
            from ...core.history import scene_matches  # not needed to start

            background.run(
                lambda: scene_matches.measure(store, saved.id, canvas, image),
                lambda found: self._compared(work, request, saved.id, found),
                lane="match",
            )

    def _compared(
        self, work: Work, request: RenderRequest, item_id: str, found: Match | None
    ) -> None:
        from . import once_more  # not needed to start

        addon.state(SceneStates).take(item_id, found)
        if once_more.wanted(work, request, found):
            work.once_more = True
            try:
                prepared = once_more.prepared(
                    request, item_id, self.correction(request.model).ratio
                )
                if prepared.problem is not None:
                    raise prepared.problem
                self.submit(prepared, work.place).once_more = True
                self.tell("The image has left the scene: it is made once more.", False)
            except GenAIError as error:
                self.tell(error.text, True)
        self._redraw()

    def _keep(self, request: RenderRequest, result: Result, seconds: float) -> str:
        """In the worker."""
        return self.store.add(request, result, seconds=seconds, versions=self._versions).id

    def _keep_failure(self, request: RenderRequest, error: GenAIError) -> None:
        """In the worker."""
        self.store.add_failed(request, error, versions=self._versions)

    def _redraw(self) -> None:
        redraw.sidebars()
        redraw.status_bars()


def _with_canvas(to_canvas: Callable[[], Canvas]) -> Prepare:
    def prepare(request: RenderRequest) -> RenderRequest:
        """In the worker."""
        return request.with_(canvas=to_canvas())

    return prepare


def limits() -> Limits:
    """What the preferences say that a request and a month may cost."""
    prefs = addon.preferences()
    return Limits() if prefs is None else Limits(prefs.run_limit, prefs.month_limit)


def session() -> Session:
    """The session, opened on first use. Raises StorageError if History cannot be used."""
    return addon.state(Session)


def opened() -> Session | None:
    """The session if there is one."""
    return addon.existing(Session)


def correction(model_id: str) -> Correction:
    """What a model's last images have cost against its price list, as far as History is open."""
    current = opened()
    return NO_CORRECTION if current is None else current.correction(model_id)


def reopen() -> None:
    """Close the session; the next use opens another, with the preferences as they are then."""
    addon.discard(Session)
