# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of several servers gets a job: the least busy that has what the job needs.

All jobs of this process share one count of what they have given to whom, so that two that ask at
the same moment do not both take the same idle server.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from ....core.errors import Cancelled, GenAIError
from ..errors import MissingPart, ServerGone, missing
from ..servers import Server

_lock = threading.Lock()
_given: dict[str, int] = {}
_FORGIVEN_AFTER = 20.0  # seconds for which a server that went away is asked last
_gone: dict[str, float] = {}

Look = Callable[[Server], tuple[int, list[MissingPart]]]
"""How long a server's queue is, and what it lacks. Raises a GenAIError where it cannot tell."""


def choose(
    servers: Sequence[Server], workflow: str, look: Look, avoid: frozenset[str] = frozenset()
) -> Server:
    """The server for a job, counted as given to it until `done`.

    avoid: addresses that this job has found dead. Raises MissingParts if none has what is needed,
    else the first server's error if none can be reached.
    """
    problems: list[GenAIError] = []
    lacking: list[GenAIError] = []
    good: list[tuple[int, int, Server]] = []
    # One that just died would make every job wait for it: it is looked at only if nobody else is
    # there.
    living = [s for s in servers if s.address not in avoid and not _just_gone(s)]
    dead = [s for s in servers if s.address not in avoid and _just_gone(s)]
    for group in (living, dead):
        for place, server in enumerate(group):
            try:
                length, parts = look(server)
            except Cancelled:
                raise
            except GenAIError as error:
                if isinstance(error, ServerGone):
                    mark_gone(server)
                problems.append(error)
                continue
            with _lock:
                _gone.pop(server.address, None)
            if parts:
                lacking.append(missing(server.label, workflow, parts))
            else:
                good.append((length, place, server))
        if good:
            break
    if not good:
        failed = lacking or problems
        if not failed:
            raise ServerGone(
                "All servers that this job was given to went away.",
                action="Start them again, then generate again.",
            )
        raise failed[0].with_traceback(None)
    with _lock:
        # What a server says of its queue lags behind what was just given to it.
        best = min(good, key=lambda one: (max(one[0], _given.get(one[2].address, 0)), one[1]))[2]
        _given[best.address] = _given.get(best.address, 0) + 1
    return best


def done(server: Server) -> None:
    """A job that `choose` gave to a server is over there."""
    with _lock:
        left = _given.get(server.address, 0) - 1
        if left > 0:
            _given[server.address] = left
        else:
            _given.pop(server.address, None)


@contextlib.contextmanager
def chosen(
    servers: Sequence[Server], workflow: str, look: Look, avoid: frozenset[str] = frozenset()
) -> Iterator[Server]:
    server = choose(servers, workflow, look, avoid)
    try:
        yield server
    finally:
        done(server)


def mark_gone(server: Server) -> None:
    with _lock:
        _gone[server.address] = time.monotonic()


def _just_gone(server: Server) -> bool:
    with _lock:
        return time.monotonic() - _gone.get(server.address, -1e9) < _FORGIVEN_AFTER
