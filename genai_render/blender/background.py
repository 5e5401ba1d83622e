# SPDX-License-Identifier: GPL-3.0-or-later
"""Work off the main thread whose answer comes back to it: one queue and one timer for all.

The work gets plain data and gives plain data back. It never touches bpy: what is to be done with
Blender is done by `then`, which the main thread calls.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import bpy

from ..core import log
from . import addon

TICK_SECONDS = 0.05
_LAST_WAIT = 5.0  # seconds that work which has to be finished gets when the add-on is disabled

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _Task:
    work: Callable[[], Any]
    then: Callable[[Any], object] | None


class Background:
    """Threads that are started when they are needed and end when there is nothing more to do."""

    def __init__(self) -> None:
        self._answers: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._lanes: dict[str, deque[_Task]] = {}
        self._lock = threading.Lock()
        self._unfinished: list[threading.Thread] = []
        self._pending = 0
        self._timer = self._tick  # one object: Blender knows a timer by its address

    def run(self, task: _Task, lane: str, must_finish: bool) -> None:
        self._pending += 1
        if lane:
            with self._lock:
                waiting = self._lanes.get(lane)
                if waiting is not None:  # its thread is at work and takes this one next
                    waiting.append(task)
                    return
                self._lanes[lane] = deque()
        # A daemon: a keyring that waits for its password must not keep Blender from closing.
        thread = threading.Thread(
            target=self._work,
            args=(task, lane),
            name=f"genai-{lane or 'background'}",
            daemon=not must_finish,
        )
        if must_finish:
            self._unfinished = [one for one in self._unfinished if one.is_alive()] + [thread]
        thread.start()
        if not bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.register(self._timer, first_interval=TICK_SECONDS, persistent=True)

    def _work(self, task: _Task | None, lane: str) -> None:
        """In the thread."""
        while task is not None:
            try:
                answer = task.work()
                self._answers.put(lambda then=task.then, answer=answer: then and then(answer))
            except BaseException as error:
                # What can go wrong is part of the answer; this is a fault of ours.
                log.fault("Work in the background failed", error)
                self._answers.put(lambda: None)
            task = None
            if lane:
                with self._lock:
                    task = self._lanes[lane].popleft() if self._lanes[lane] else None
                    if task is None:
                        del self._lanes[lane]

    def _tick(self) -> float | None:
        self.take()
        return TICK_SECONDS if self._pending > 0 else None

    def take(self) -> None:
        """Hand out the answers that are there."""
        while not self._answers.empty():
            self._pending -= 1
            self._answers.get()()

    @property
    def pending(self) -> int:
        """How many answers are still to come."""
        return self._pending

    def close(self) -> None:
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        with self._lock:
            for waiting in self._lanes.values():
                waiting.clear()
        for thread in self._unfinished:
            thread.join(_LAST_WAIT)
        with contextlib.suppress(queue.Empty):
            while True:
                self._answers.get_nowait()
        self._pending = 0


def take() -> None:
    """Hand out what is there now, for who cannot wait for the next tick. On the main thread."""
    existing = addon.existing(Background)
    if existing is not None:
        existing.take()


def run(
    work: Callable[[], Answer],
    then: Callable[[Answer], object] | None = None,
    *,
    lane: str = "",
    must_finish: bool = False,
) -> None:
    """Do `work` in a thread and call `then` with what it gives, on the main thread.

    lane: work of the same lane is done one after another, by one thread. must_finish: Blender
    waits for it when it closes, as for a file that is being written. Errors that can be expected
    are part of what `work` gives.
    """
    addon.state(Background).run(_Task(work, then), lane, must_finish)
