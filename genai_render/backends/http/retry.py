# SPDX-License-Identifier: GPL-3.0-or-later
"""When to try again: only where nothing was accepted, so that nobody pays twice."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping

from ...core.errors import GenAIError
from ...core.events import CancelToken, Event, Failed, Progress
from .errors import ConnectionFailed, Retryable

LONGEST_WAIT = 120.0
"""Seconds. If a server asks for more, the user is told instead."""

WAITING = "Waiting"
"""How the message of a wait begins, and no other."""

_PAUSES = (2.0, 5.0, 15.0)
_CONNECT_PAUSES = (1.0, 3.0)


def trying_again(
    work: Callable[[], Iterator[Event]], cancel: CancelToken, label: str
) -> Iterator[Event]:
    """The events of `work`, begun again after a wait where it failed without having cost anything.

    Shows the wait, second by second. Raises what `work` raised at last.
    """
    tries = 0
    while True:
        accepted = False
        error: GenAIError
        try:
            for event in work():
                # After a picture came, even an unfinished one, the request was accepted.
                accepted = accepted or not isinstance(event, (Progress, Failed))
                yield event
            return
        except GenAIError as failure:
            error = failure
        # Raised again below, without the frames in which it arose: their variables hold whatever
        # the server said.
        error.with_traceback(None)
        pauses = _CONNECT_PAUSES if isinstance(error, ConnectionFailed) else _PAUSES
        hopeless = isinstance(error, ConnectionFailed) and error.certificate
        if accepted or hopeless or not isinstance(error, Retryable) or tries >= len(pauses):
            raise error
        asked = error.retry_after
        if asked is not None and asked > LONGEST_WAIT:
            raise type(error)(
                error.what, error.why, f"{label} asks to wait {_duration(asked)}. Try again then."
            )
        seconds = pauses[tries] if asked is None else max(asked, 0.0)
        tries += 1
        yield from _wait(seconds, asked is not None, label, cancel)


def _wait(seconds: float, asked: bool, label: str, cancel: CancelToken) -> Iterator[Event]:
    ends = time.monotonic() + seconds
    while True:
        left = ends - time.monotonic()
        if left <= 0:
            return
        seconds = math.ceil(left)
        waiting = f"Waiting {seconds} s before trying again"
        yield Progress(None, f"Waiting {seconds} s, as {label} asked" if asked else waiting)
        if cancel.wait(min(1.0, left)):
            cancel.check()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, from its headers; None if it does not say.

    Takes what is in use: `retry-after-ms`, `retry-after` as seconds or as a date.
    """
    try:
        return _sane(float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        pass
    import email.utils

    value = headers.get("retry-after", "").strip()
    try:
        return _sane(float(value))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(value)
        return _sane(moment.timestamp() - time.time())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _sane(seconds: float) -> float | None:
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours"
