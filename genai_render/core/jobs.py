# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs: requests that run in worker threads, and what they tell while they do."""

from __future__ import annotations

import enum
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import log
from .errors import Cancelled, GenAIError, StorageError
from .events import CancelToken, Event, Failed, Notice, Result
from .keys.credentials import redact
from .masks.inside_mask import kept_outside
from .request import RenderRequest

Run = Callable[[RenderRequest, CancelToken], Iterator[Event]]
"""A backend's `run`."""

Prepare = Callable[[RenderRequest], RenderRequest]
"""Completes a request in the worker, such as with a canvas that takes a while to make."""

Save = Callable[[RenderRequest, Result, float], str]
"""Keeps a result that took so many seconds, and gives its id. Called in the worker."""

Arrive = Callable[[RenderRequest, Result], str]
"""Puts a result that may have been paid for on the disk as it is, before anything is done with it,
and gives the id that it will have. Called in the worker."""

Rescue = Callable[[RenderRequest, Result], Path]
"""Writes a result that cannot be kept elsewhere, and says where. Called in the worker."""

SaveFailure = Callable[[RenderRequest, GenAIError], object]
"""Keeps what was refused or failed. Called in the worker."""


class JobState(enum.Enum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Started:
    """The job has left the queue."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A result is safe in History, under this id."""

    id: str
    result: Result
    seconds: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The job is over. error: why it failed, if it did."""

    state: JobState
    error: GenAIError | None = None


JobEvent = Event | Started | Saved | Finished


@dataclass(slots=True, eq=False)
class Job:
    """One request on its way. Written by its worker, read by anybody.

    price: what it is thought to cost, in words; "" for what costs nothing.
    rescued: where results are that could not be kept.
    """

    id: int
    request: RenderRequest
    run: Run = field(repr=False)
    prepare: Prepare | None = field(default=None, repr=False)
    price: str = ""
    state: JobState = JobState.QUEUED
    error: GenAIError | None = None
    submitted: float = field(default_factory=time.monotonic)
    started: float | None = None
    ended: float | None = None
    saved: list[str] = field(default_factory=list)
    rescued: list[Path] = field(default_factory=list)
    _cancel: CancelToken = field(default_factory=CancelToken, repr=False)

    @property
    def seconds(self) -> float:
        """How long it has run, without the wait in the queue."""
        if self.started is None:
            return 0.0
        return (self.ended or time.monotonic()) - self.started

    @property
    def missing(self) -> str:
        """ "1 of 4 images did not come."; "" where all came or none did."""
        left = self.request.count - len(self.saved) - len(self.rescued)
        if not self.saved or left <= 0:
            return ""
        return f"{left} of {self.request.count} images did not come."


class JobQueue:
    """Runs jobs, several at once, in the order in which they came.

    Every result is kept (`save`) in the worker before anybody hears of it, so that a crash of
    the caller's side loses nothing. Events are taken with `next_event` or `drain`, always by the
    one thread that owns the queue.
    """

    def __init__(
        self,
        save: Save,
        save_failure: SaveFailure | None = None,
        workers: int = 2,
        arrive: Arrive | None = None,
        rescue: Rescue | None = None,
    ) -> None:
        self._save = save
        self._arrive = arrive
        self._rescue = rescue
        self._save_failure = save_failure
        self._workers = workers
        self._ids = itertools.count(1)
        self._waiting: list[Job] = []
        self._running: dict[int, tuple[Job, threading.Thread]] = {}
        self._events: queue.SimpleQueue[tuple[Job, JobEvent]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False

    def submit(
        self, request: RenderRequest, run: Run, prepare: Prepare | None = None, price: str = ""
    ) -> Job:
        """Start a job, or let it wait for its turn. prepare: called once, before `run`.

        price: see `Job`.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("the job queue is closed")
            job = Job(next(self._ids), request, run, prepare, price)
            self._waiting.append(job)
            self._start_waiting()
        return job

    def retry(self, job: Job) -> Job:
        """A new job for the same request."""
        return self.submit(job.request, job.run, job.prepare, job.price)

    def cancel(self, job: Job) -> None:
        """Ask a job to stop; one that still waits is over at once."""
        job._cancel.cancel()
        with self._lock:
            if job in self._waiting:
                self._waiting.remove(job)
                self._end(job, JobState.CANCELLED, Cancelled())

    def cancel_all(self) -> None:
        for job in self.jobs():
            self.cancel(job)

    def jobs(self) -> list[Job]:
        """Those that run and those that wait, in order."""
        with self._lock:
            return [job for job, _ in self._running.values()] + list(self._waiting)

    def next_event(self, timeout: float) -> tuple[Job, JobEvent] | None:
        """The next event, or None if none comes within so many seconds."""
        try:
            return self._events.get(timeout=timeout)
        except queue.Empty:
            return None

    def drain(self) -> list[tuple[Job, JobEvent]]:
        """All events that are there now."""
        events = []
        while not self._events.empty():
            events.append(self._events.get())
        return events

    def close(self, timeout: float = 5.0) -> bool:
        """Cancel everything and wait for the threads. True if all of them ended in time."""
        with self._lock:
            self._closed = True
        self.cancel_all()
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = [thread for _, thread in self._running.values()]
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _start_waiting(self) -> None:
        while self._waiting and len(self._running) < self._workers:
            job = self._waiting.pop(0)
            # Not a daemon: Python waits for a worker that is writing, so nothing is half saved.
            thread = threading.Thread(target=self._work, args=(job,), name=f"genai-job-{job.id}")
            self._running[job.id] = (job, thread)
            job.state = JobState.RUNNING
            job.started = time.monotonic()
            thread.start()

    def _work(self, job: Job) -> None:
        state, error = JobState.DONE, None
        try:
            self._events.put((job, Started()))
            self._follow(job)
            if not job.saved and not job.rescued:
                error = job.error or GenAIError("The backend ended without an image.")
                state = JobState.FAILED
        except Cancelled as cancelled:
            state, error = JobState.CANCELLED, cancelled
            if job.price and job._cancel.after_sending:
                error = _cancelled_after_sending(job.price)
                self._keep_failure(job, error)
        except GenAIError as failure:
            state, error = JobState.FAILED, failure
        except MemoryError:
            state = JobState.FAILED
            error = GenAIError(
                "There was not enough memory for this image.",
                action="Choose a lower resolution or close other programs.",
            )
        except BaseException as failure:  # even SystemExit: a job must come to an end
            state = JobState.FAILED
            error = log.internal_error(failure)
        if job.rescued:
            state = JobState.DONE if job.saved else JobState.FAILED
            error = _rescued(job.error or error, job.rescued)
            job.error = None
        if state is JobState.FAILED and error is not None and error is not job.error:
            self._keep_failure(job, error)
        with self._lock:
            self._running.pop(job.id, None)
            self._end(job, state, error)
            self._start_waiting()

    def _follow(self, job: Job) -> None:
        if job.prepare is not None:
            job.request, job.prepare = job.prepare(job.request), None
            job._cancel.check()
        if job.request.canvas is not None:
            for text in job.request.canvas.notices:
                self._events.put((job, Notice(text)))
        events = job.run(job.request, job._cancel)
        last = time.monotonic()
        came: list[tuple[Result, float]] = []
        try:
            for event in events:
                if isinstance(event, Result):
                    # A result that is there is kept, even if the user has just cancelled.
                    seconds = time.monotonic() - last
                    last = time.monotonic()
                    came.append((self._on_disk(job, event), seconds))
                    if not event.more:
                        self._keep_all(job, came)
                    continue
                self._keep_all(job, came)
                if isinstance(event, Failed):
                    job.error = event.error
                    self._keep_failure(job, event.error)
                self._events.put((job, event))
                job._cancel.check()
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()
            self._keep_all(job, came)

    def _on_disk(self, job: Job, result: Result) -> Result:
        """What may have been paid for, safe from a crash while it is worked on."""
        if self._arrive is None or result.cost_usd == 0:
            return result
        try:
            return replace(result, arrived=self._arrive(job.request, result))
        except Exception:  # then what is wrong there is said when it is saved
            return result

    def _keep_all(self, job: Job, came: list[tuple[Result, float]]) -> None:
        while came:
            arrived, seconds = came.pop(0)
            result, told = kept_outside(job.request, arrived)
            if told:
                self._events.put((job, Notice(told)))
            try:
                id = self._save(job.request, result, seconds)
            except Exception as failure:
                # It may have been paid for.
                self._events.put((job, result))
                if self._rescue is None:
                    raise
                try:
                    job.rescued.append(self._rescue(job.request, result))
                except Exception:
                    raise failure from None
                if not isinstance(failure, GenAIError):
                    failure = log.internal_error(failure)
                job.error = job.error or failure
                continue
            job.saved.append(id)
            self._events.put((job, Saved(id, result, seconds)))

    def _keep_failure(self, job: Job, error: GenAIError) -> None:
        if self._save_failure is None:
            return
        try:
            self._save_failure(job.request, error)
        except Exception as second:
            # The first error is the one to tell; that it could not be kept is a lesser one.
            error.add_note(redact(str(second)))

    def _end(self, job: Job, state: JobState, error: GenAIError | None) -> None:
        job.state = state
        job.error = error or job.error
        job.ended = time.monotonic()
        self._events.put((job, Finished(state, job.error)))


def _cancelled_after_sending(price: str) -> Cancelled:
    return Cancelled(
        "Cancelled after it was sent.",
        f"The provider may charge it all the same (estimated: {price}).",
    )


def _rescued(error: GenAIError | None, places: list[Path]) -> StorageError:
    """What stood in the way of saving, and where the images are."""
    files = ", ".join(f'"{path}"' for path in places)
    safe = "The image is" if len(places) == 1 else "The images are"
    return StorageError(
        error.what if error is not None else "The result cannot be saved.",
        error.why if error is not None else "",
        f"{safe} safe in {files}.",
    )
