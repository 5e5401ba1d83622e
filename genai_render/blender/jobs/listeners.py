# SPDX-License-Identifier: GPL-3.0-or-later
"""Who hears what jobs tell, on the main thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import addon

if TYPE_CHECKING:
    from ...core.jobs import JobEvent
    from .work import Work

    Listener = Callable[[Work, JobEvent], object]


class Listeners:
    """They outlive a session that is opened again."""

    def __init__(self) -> None:
        self.those: tuple[Listener, ...] = ()

    def close(self) -> None:
        self.those = ()


def listen(listener: Listener) -> None:
    """Have `listener` told of every event, until the add-on is disabled."""
    listeners = addon.state(Listeners)
    listeners.those = (*listeners.those, listener)


def tell(work: Work, event: JobEvent) -> None:
    for listener in addon.state(Listeners).those:
        listener(work, event)
