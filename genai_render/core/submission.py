# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to a job queue: whatever goes out passes here, and every limit is checked here.

The panel, its dialogs and the command line each have a queue and a `Gate` before it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import fingerprint
from .errors import GenAIError, InvalidInput
from .events import CancelToken, Event, Failed, Result
from .jobs import Finished, Job, JobEvent, JobQueue, Prepare, Run, Saved
from .masks.inside_mask import drawn_where_new
from .models import closeness, cost
from .models.cost import Reservations

if TYPE_CHECKING:
    from .models.catalog import Model
    from .preflight import Prepared
    from .request import RenderRequest


@dataclass(frozen=True, slots=True)
class Limits:
    """US dollars that one run and one calendar month may cost; None for no limit.

    A run is one press of the button, or one command with all its shots.
    """

    run: float | None = None
    month: float | None = None

    @property
    def any(self) -> bool:
        return self.run is not None or self.month is not None


class RunSpending:
    """What one run has cost so far, and what is on its way.

    Several jobs of one command share one of these; a press of the button has its own.
    """

    def __init__(self) -> None:
        self.spent = 0.0
        self._coming: dict[int, float | None] = {}

    @property
    def coming(self) -> float | None:
        """What the jobs on their way are estimated to cost; None if nobody can tell."""
        if None in self._coming.values():
            return None
        return sum(usd for usd in self._coming.values() if usd is not None)

    def with_(self, usd: float | None) -> float | None:
        """The sum with another job; None if nobody can tell."""
        coming = self.coming
        return None if usd is None or coming is None else self.spent + coming + usd

    def expect(self, job: int, usd: float | None) -> None:
        self._coming[job] = usd

    def settle(self, job: int) -> None:
        """The job is over: what it really cost is among `spent`."""
        self._coming.pop(job, None)


@dataclass(slots=True)
class _Held:
    number: int
    spending: RunSpending
    counted: list[GenAIError]


class Gate:
    """Checks every request before the queue gets it. To be used by the queue's own thread.

    limits, spent_this_month: asked at every check, so that a change counts at once.
    check_access: raises why a model cannot be reached or may not be: no key, online access off.
    check_storage: raises why what comes could not be kept; tried before anything is sent.
    """

    def __init__(
        self,
        queue: JobQueue,
        limits: Callable[[], Limits],
        spent_this_month: Callable[[], float],
        check_access: Callable[[Model], object],
        check_storage: Callable[[], object] | None = None,
    ) -> None:
        self._queue = queue
        self._limits = limits
        self._spent_this_month = spent_this_month
        self._check_access = check_access
        self._check_storage = check_storage
        self._reservations = Reservations()
        self._numbers = itertools.count(1)
        self._held: dict[int, _Held] = {}

    @property
    def coming(self) -> float:
        """What all jobs on their way are estimated to cost, in US dollars."""
        return self._reservations.total

    def check(self, prepared: Prepared, run: RunSpending | None = None, times: int = 1) -> None:
        """Whether it could be submitted now, so many times. Raises a GenAIError: why not."""
        if prepared.problem is not None:
            raise prepared.problem
        if prepared.model is None or prepared.request is None:
            raise InvalidInput("There is no request to send.")
        self.check_cost(prepared, run, times)
        self._check_access(prepared.model)
        if self._check_storage is not None:
            self._check_storage()

    def check_cost(
        self, prepared: Prepared, run: RunSpending | None = None, times: int = 1
    ) -> None:
        """Only whether the limits allow it. Raises OverBudget."""
        each = prepared.estimate.usd
        usd = None if each is None else each * times
        limits = self._limits()
        if usd != 0:
            cost.check_budget(usd if run is None else run.with_(usd), limits.run)
        if limits.month is not None and usd != 0:
            cost.check_month(usd, self._spent_this_month() + self.coming, limits.month)

    def reserve(
        self, prepared: Prepared, run: RunSpending, sent: bool = False
    ) -> Callable[[], None]:
        """For what goes out by another way than the queue and comes back later: what it will cost
        counts until the function that this gives is called. Raises as `check` does.

        sent: it went out before, so that no limit can stand against it any more.
        """
        if not sent:
            self.check(prepared, run)
        number, usd = next(self._numbers), prepared.estimate.usd
        limit = None if sent else self._limits().month
        self._reservations.hold(
            number, usd, self._spent_this_month() if limit is not None else 0.0, limit
        )
        run.expect(-number, usd)  # the numbers of jobs are above 0

        def release() -> None:
            run.settle(-number)
            self._reservations.release(number)

        return release

    def submit(
        self,
        prepared: Prepared,
        run_backend: Run,
        complete: Prepare | None = None,
        run: RunSpending | None = None,
        answered: bool = False,
    ) -> Job:
        """Give it to the queue. complete: adds a canvas, in the worker. Raises as `check` does.

        answered: it was sent before, after `reserve`, and `run_backend` only has its answer.
        """
        run = RunSpending() if run is None else run
        if not answered:
            self.check(prepared, run)
        request = prepared.request
        assert request is not None, "it was checked"
        to_capture = prepared.canvas_size is not None and not answered
        if to_capture and complete is None and request.canvas is None:
            raise InvalidInput("The view was not captured.", action="Try again.")
        number, usd = next(self._numbers), prepared.estimate.usd
        limit = None if answered else self._limits().month
        self._reservations.hold(
            number, usd, self._spent_this_month() if limit is not None else 0.0, limit
        )
        if request.carried:
            run_backend = drawn_where_new(run_backend)
        run_backend = _noting(run_backend, prepared)
        job = self._queue.submit(
            request, run_backend, complete, "" if usd == 0 else prepared.estimate.text
        )
        run.expect(job.id, usd)
        self._held[job.id] = _Held(number, run, [])
        return job

    def follow(self, job: Job, event: JobEvent) -> None:
        """To be told of every event of every job: counts what it cost, once."""
        held = self._held.get(job.id)
        if held is None:
            return
        result = event.result if isinstance(event, Saved) else event
        if isinstance(result, Result):  # by itself: one that could not be kept, and is paid
            held.spending.spent += result.cost_usd or 0.0
        error = event.error if isinstance(event, (Failed, Finished)) else None
        # A job's last failure is told of twice.
        if error is not None and not any(error is other for other in held.counted):
            held.counted.append(error)
            held.spending.spent += error.cost_usd or 0.0
        if isinstance(event, Finished):
            held.spending.settle(job.id)
            self._reservations.release(held.number)
            del self._held[job.id]


def _noting(run_backend: Run, prepared: Prepared) -> Run:
    """The same, with what History is to know of each image besides: what it was said to cost, what
    it was made of, and how it was held to the view."""
    asked, model, estimate = prepared.request, prepared.model, prepared.estimate
    assert asked is not None, "it was checked"
    assert model is not None, "it was checked"
    held = closeness.effect(model, asked.closeness) if asked.closeness != "auto" else ""

    def share(usd: float | None) -> float | None:
        return None if usd is None else usd / asked.count

    def run(request: RenderRequest, cancel: CancelToken) -> Iterator[Event]:
        more = {fingerprint.KEY: fingerprint.of(request)}
        if held:
            more["closeness"] = held
        events = run_backend(request, cancel)
        try:
            for event in events:
                if isinstance(event, Result):
                    event = replace(
                        event,
                        estimated_usd=share(estimate.usd),
                        listed_usd=share(estimate.listed),
                        info={**event.info, **more},
                    )
                yield event
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()

    return run
