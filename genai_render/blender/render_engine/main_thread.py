# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender renders in a thread of its own; what has to touch its data is handed to the main one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import bpy

from ...core.errors import Cancelled
from .. import addon

_TICK_SECONDS = 0.1
_LOOK_SECONDS = 0.05

Answer = TypeVar("Answer")


class _Call:
    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.done = threading.Event()
        self.answer: Any = None
        self.error: BaseException | None = None
        self.begun = False
        self.dropped = False


class MainThreadCalls:
    """What is waiting to be done by the main thread."""

    def __init__(self) -> None:
        self.waiting: deque[_Call] = deque()  # filled by any thread
        self.closed = False

    def close(self) -> None:
        self.closed = True


def is_current() -> bool:
    return threading.current_thread() is threading.main_thread()


def call(work: Callable[[], Answer], stopped: Callable[[], bool]) -> Answer:
    """Do `work` on the main thread, now or as soon as it has time, and give what it gives.

    Raises what `work` raises; Cancelled once `stopped` says so.
    """
    if is_current():
        return work()
    calls = addon.state(MainThreadCalls)
    one = _Call(work)
    calls.waiting.append(one)
    while not one.done.wait(_LOOK_SECONDS):
        if stopped() or calls.closed:
            one.dropped = True
            if not one.begun:  # what has begun is waited for: it may leave something to end
                raise Cancelled()
    if one.error is not None:
        raise one.error
    return one.answer


def _tick() -> float:
    """The timer. Always there: a render thread may not start one."""
    calls = addon.state(MainThreadCalls)
    while calls.waiting:
        one = calls.waiting.popleft()
        one.begun = True
        try:
            if one.dropped:
                raise Cancelled()
            one.answer = one.work()
        except BaseException as error:
            one.error = error  # for the thread that asked
        one.done.set()
    return _TICK_SECONDS


def register() -> None:
    if not bpy.app.background:
        addon.state(MainThreadCalls)  # made here, not by a render thread
        bpy.app.timers.register(_tick, first_interval=_TICK_SECONDS, persistent=True)


def unregister() -> None:
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
