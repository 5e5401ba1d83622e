# SPDX-License-Identifier: GPL-3.0-or-later
"""One long piece of work in a thread, with how far it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import Cancelled, GenAIError


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """How far an index is that is being made again: items done, of how many."""

    done: int
    total: int

    @property
    def fraction(self) -> float:
        return self.done / self.total if self.total else 0.0

    @property
    def text(self) -> str:
        """For people: "History is being read again: 12,000 of 100,000"."""
        return f"History is being read again: {self.done:,} of {self.total:,}"


class Background:
    """At most one piece of work at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._progress: Rebuilding | None = None
        self._problem: GenAIError | None = None

    @property
    def progress(self) -> Rebuilding | None:
        """None where nothing is at work."""
        return self._progress if self.running else None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def inside(self) -> bool:
        """Whether it is the work itself that asks."""
        return threading.current_thread() is self._thread

    def take_problem(self) -> GenAIError | None:
        """Why the last piece of work failed; told once."""
        problem, self._problem = self._problem, None
        return problem

    def start(self, work: Callable[[], object]) -> bool:
        """False if something is at work already."""
        with self._lock:
            if self.running:
                return False
            self._stop.clear()
            self._progress = Rebuilding(0, 0)
            self._thread = threading.Thread(
                target=self._run, args=(work,), name="genai-history", daemon=True
            )
            self._thread.start()
            return True

    def tell(self, done: int, total: int) -> None:
        """Called by the work. Raises Cancelled where it has to stop."""
        self._progress = Rebuilding(done, total)
        if self._stop.is_set():
            raise Cancelled()

    def stop(self) -> None:
        """Tell the work to stop, and wait until it has."""
        self._stop.set()
        self.wait()

    def wait(self, seconds: float | None = None) -> bool:
        """True once nothing is at work."""
        thread = self._thread
        if thread is not None and not self.inside:
            thread.join(seconds)
        return not self.running

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Cancelled:
            pass
        except GenAIError as error:
            self._problem = error.with_traceback(None)
