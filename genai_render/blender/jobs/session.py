# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of this run of Blender: started, followed by a timer, kept in History by their workers.

Nothing here is tied to the open file: a job goes on through undo, orbiting and a new file, and its
result is safe in History before anybody is told.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import bpy

from ...backends.http.retry import WAITING
from ...core import cost
from ...core.canvas import Canvas
from ...core.errors import GenAIError
from ...core.events import Notice, PartialImage, Progress
from ...core.history.store import HistoryStore
from ...core.jobs import Finished, Job, JobEvent, JobQueue, Prepare, Run, Saved
from ...core.request import RenderRequest
from .. import preferences, redraw

TICK_SECONDS = 0.1
KEPT_MESSAGES = 3
_SPENDING_SECONDS = 10.0  # another Blender may be spending, too


@dataclass(frozen=True, slots=True)
class Place:
    """The 3D Viewport that a job's view is from: by address, compared only, never followed.

    view: its view matrix then, as numbers.
    """

    space: int
    view: tuple[float, ...] = ()


@dataclass(slots=True, eq=False)
class Work:
    """A job as the panel shows it."""

    job: Job
    place: Place | None
    fraction: float | None = None
    message: str = ""
    partial: bytes | None = None
    notices: list[str] = field(default_factory=list)
    expected: float | None = None
    said: frozenset[str] = frozenset()
    held: int = 0
    """What its estimated cost is held under, see `cost.Reservations`."""

    @property
    def title(self) -> str:
        text = " ".join(self.job.request.prompt.split())
        return text if len(text) <= 40 else text[:39] + "…"

    @property
    def waits(self) -> bool:
        """The provider is given time before it is asked again."""
        return self.fraction is None and self.message.startswith(WAITING)

    @property
    def share(self) -> float:
        """0 to 1, from what the backend says, or from how long it took the last time."""
        if self.waits:
            return 0.0
        if self.fraction is not None:
            return max(0.0, min(1.0, self.fraction))
        if self.expected:
            return min(0.95, self.job.seconds / self.expected)
        return 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """Something to read in the panel: an error or a notice of a job that is over."""

    text: str
    is_error: bool
    when: float
    work: Work | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """US dollars that were spent: in this run of Blender, this calendar month, for this .blend."""

    session: float
    month: float
    blend: float


Listener = Callable[[Work, JobEvent], None]

# Told of every event on the main thread.
listeners: list[Listener] = []


class Session:
    """One JobQueue and one History, made when they are first needed."""

    def __init__(self) -> None:
        self.store = HistoryStore(preferences.history_folder())
        prefs = preferences.preferences()
        workers = prefs.parallel_jobs if prefs is not None else 2
        self._versions = {"blender": bpy.app.version_string}
        self._queue = JobQueue(self._keep, self._keep_failure, workers=workers)
        self._works: dict[int, Work] = {}
        self._took: dict[tuple[str, str], float] = {}
        self.told: list[Told] = []
        self.reservations = cost.Reservations()
        self._holds = itertools.count(1)
        self._spending: tuple[float, str, Spending] | None = None

    def submit(
        self,
        request: RenderRequest,
        run: Run,
        place: Place | None = None,
        develop: Callable[[], Canvas] | None = None,
        usd: float | None = 0.0,
        said: Sequence[str] = (),
    ) -> Work:
        """Start a job. develop: makes the request's canvas; called in the worker.

        said: notices that stand in the panel already and need not come again.
        usd: what it is estimated to cost; None if unknown. Raises OverBudget if that is more than
        what is left of the month's budget.
        """
        prefs = preferences.preferences()
        limit = prefs.month_limit if prefs is not None else None
        held = next(self._holds)
        spent = self.spending().month if limit is not None else 0.0
        self.reservations.hold(held, usd, spent, limit)
        prepare = None if develop is None else _with_canvas(develop)
        self.told = [told for told in self.told if told.is_error]
        job = self._queue.submit(request, run, prepare)
        took = self._took.get((request.model, request.resolution))
        work = Work(job, place, expected=took, held=held, said=frozenset(said))
        self._works[job.id] = work
        if not bpy.app.timers.is_registered(_tick):
            bpy.app.timers.register(_tick, first_interval=TICK_SECONDS, persistent=True)
        self._redraw()
        return work

    def works(self) -> list[Work]:
        """Those that run and wait, in order."""
        return [self._works[job.id] for job in self._queue.jobs() if job.id in self._works]

    def cancel(self, job_id: int) -> None:
        work = self._works.get(job_id)
        if work is not None:
            self._queue.cancel(work.job)

    def cancel_all(self) -> None:
        self._queue.cancel_all()

    def spending(self) -> Spending:
        """What was spent so far. Looked up anew when something was saved, and now and then."""
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

    def tell(self, text: str, is_error: bool, work: Work | None = None) -> None:
        self.told.append(Told(text, is_error, time.monotonic(), work))
        del self.told[:-KEPT_MESSAGES]

    def close(self) -> bool:
        """Cancel everything; what is being written is finished first."""
        ended = self._queue.close()
        self.store.close()
        return ended

    def follow(self) -> bool:
        """Take what has happened. False once nothing runs any more."""
        for job, event in self._queue.drain():
            work = self._works.get(job.id)
            if work is None:
                continue
            self._take(work, event)
            for listener in list(listeners):
                listener(work, event)
        self._redraw()
        return bool(self._works)

    def _take(self, work: Work, event: JobEvent) -> None:
        if isinstance(event, Progress):
            work.fraction, work.message = event.fraction, event.message
        elif isinstance(event, PartialImage):
            work.partial = event.image
        elif isinstance(event, Notice) and event.text not in work.said:
            work.notices.append(event.text)
        elif isinstance(event, Saved):
            self._took[work.job.request.model, work.job.request.resolution] = event.seconds
            self._spending = None
        elif isinstance(event, Finished):
            del self._works[work.job.id]
            self._spending = None
            self.reservations.release(work.held)
            for text in work.notices[-2:]:
                self.tell(text, False, work)
            if event.error is not None and event.error.code != "cancelled":
                self.tell(f"{work.job.missing} {event.error.text}".strip(), True, work)

    def _keep(self, request: RenderRequest, result, seconds: float) -> str:
        """In the worker."""
        return self.store.add(request, result, seconds=seconds, versions=self._versions).id

    def _keep_failure(self, request: RenderRequest, error: GenAIError) -> None:
        """In the worker."""
        self.store.add_failed(request, error, versions=self._versions)

    def _redraw(self) -> None:
        redraw.sidebars()
        redraw.status_bars()


def _with_canvas(develop: Callable[[], Canvas]) -> Prepare:
    def prepare(request: RenderRequest) -> RenderRequest:
        """In the worker."""
        return request.with_(canvas=develop())

    return prepare


_session: Session | None = None


def session() -> Session:
    """The session, opened on first use. Raises StorageError if History cannot be used."""
    global _session
    if _session is None:
        _session = Session()
    return _session


def opened() -> Session | None:
    """The session if there is one."""
    return _session


def reopen() -> None:
    """Close the session; the next use opens it anew, with the preferences as they are then."""
    global _session
    if _session is not None:
        _session.close()
        _session = None


def _tick() -> float | None:
    if _session is None:
        return None
    return TICK_SECONDS if _session.follow() else None


def register() -> None:
    pass


def unregister() -> None:
    # Blender disables its add-ons when it quits, too: workers stop here within a few seconds.
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    with contextlib.suppress(GenAIError):
        reopen()
    listeners.clear()
