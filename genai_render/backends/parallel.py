# SPDX-License-Identifier: GPL-3.0-or-later
"""Several calls at once whose events come out as one stream, and that all end together."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from ..core.errors import Cancelled, GenAIError
from ..core.events import CancelToken, Event, Failed, Progress, Result

_MOMENT = 0.1
_END_WITHIN = 10.0  # seconds; every call looks at its token ten times a second

Work = Callable[[CancelToken], Iterator[Event]]


class ChildToken(CancelToken):
    """Cancelled when its parent is, or by itself."""

    def __init__(self, parent: CancelToken) -> None:
        super().__init__()
        self._parent = parent

    def note_sent(self) -> None:
        super().note_sent()
        self._parent.note_sent()

    @property
    def cancelled(self) -> bool:
        return super().cancelled or self._parent.cancelled

    def wait(self, seconds: float) -> bool:
        ends = time.monotonic() + seconds
        while not self.cancelled:
            left = ends - time.monotonic()
            if left <= 0:
                return False
            super().wait(min(_MOMENT, left))
        return True

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled()


class BriefToken(CancelToken):
    """Cancelled by itself after so many seconds: for what is still told to a server after the user
    cancelled, who does not wait for its answer."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._ends = time.monotonic() + seconds

    @property
    def cancelled(self) -> bool:
        return super().cancelled or time.monotonic() > self._ends

    def wait(self, seconds: float) -> bool:
        super().wait(min(seconds, max(0.0, self._ends - time.monotonic())))
        return self.cancelled

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled()


FAREWELL_SECONDS = 2.0
"""How long a server may take to hear that its job was cancelled."""


def in_parallel(works: Sequence[Work], cancel: CancelToken, at_once: int = 4) -> Iterator[Event]:
    """The events of all works as they come. One that fails does not stop the others.

    A failed one becomes Failed(error, its place in `works`); if all fail, the first error is
    raised, with the cost of them all. No thread is left when this ends, however it ends.
    """
    if len(works) == 1:
        yield from works[0](cancel)
        return
    token = ChildToken(cancel)
    events: queue.SimpleQueue[tuple[int, Event | GenAIError | None]] = queue.SimpleQueue()
    turn = threading.Semaphore(at_once)
    threads = [
        threading.Thread(
            target=_follow, args=(work, place, token, events, turn), name=f"genai-call-{place + 1}"
        )
        for place, work in enumerate(works)
    ]
    failures: dict[int, GenAIError] = {}
    running, came = len(works), False
    try:
        for thread in threads:
            thread.start()
        while running:
            cancel.check()
            try:
                place, event = events.get(timeout=_MOMENT)
            except queue.Empty:
                continue
            if event is None:
                running -= 1
            elif isinstance(event, GenAIError):
                failures[place] = event
            elif isinstance(event, Progress):
                yield Progress(event.fraction, f"Image {place + 1}: {event.message}")
            else:
                came = came or isinstance(event, Result)
                yield event
    finally:
        token.cancel()
        ends = time.monotonic() + _END_WITHIN
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, ends - time.monotonic()))
    if failures and not came:
        first = failures[min(failures)]
        costs = [error.cost_usd for error in failures.values() if error.cost_usd is not None]
        first.cost_usd = sum(costs) if costs else None
        raise first
    for place, error in sorted(failures.items()):
        yield Failed(error, place)


def _follow(
    work: Work,
    place: int,
    token: CancelToken,
    events: queue.SimpleQueue[tuple[int, Event | GenAIError | None]],
    turn: threading.Semaphore,
) -> None:
    try:
        with turn:
            token.check()
            for event in work(token):
                events.put((place, event))
                token.check()
    except GenAIError as error:
        events.put((place, error.with_traceback(None)))
    except Exception as failure:
        from .http import errors

        events.put((place, errors.unexpected("The provider", failure)))
    finally:
        events.put((place, None))
