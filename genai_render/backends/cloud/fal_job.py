# SPDX-License-Identifier: GPL-3.0-or-later
"""One job in fal's queue: followed to its end, its result fetched, its price found."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ...core.errors import Cancelled, GenAIError, ServerError
from ...core.events import CancelToken, Event, Progress
from ...core.models.catalog import Model
from ..http import errors
from ..http.retry import trying_again
from ..http.settings import Access
from ..parallel import FAREWELL_SECONDS, BriefToken
from .fal_queue import FalQueue, Standing, Ticket, UnitPrice

T = TypeVar("T")

_PAUSES = (0.5, 3.0)  # seconds between two questions after a job, at first and at last
_MISSES = 12  # questions in a row without an answer, after which a job is given up
_FETCH_PAUSES = (0.5, 2.0, 5.0)  # seconds between two tries to fetch what was made
_SHARE = re.compile(r"(\d{1,3})%\|")  # of a progress bar in a log
_KNOWN_SECONDS = 3600.0  # for which a price is taken as known

_prices: dict[tuple[str, str], tuple[float, UnitPrice | None]] = {}


@dataclass(frozen=True, slots=True)
class Done:
    """A job that is over. units: how many of its price's units it took, where that is told."""

    ticket: Ticket
    standing: Standing
    answer: Mapping[str, Any]
    units: float | None


def withdraw(where: Access, ticket: Ticket, online_access: bool) -> None:
    """Ask for the job to be stopped, and wait no longer than a moment for the answer."""
    with contextlib.suppress(GenAIError):
        FalQueue(where, BriefToken(FAREWELL_SECONDS), online_access).withdraw(ticket)


def charged(where: Access, model: Model, queue: FalQueue, units: float | None) -> float | None:
    """What the provider counted, at what it says that one of it costs."""
    if units is None:
        return None
    key = where.base_url, model.name
    kept = _prices.get(key)
    if kept is None or time.monotonic() - kept[0] > _KNOWN_SECONDS:
        price = None
        try:
            price = queue.prices([model.name]).get(model.name)
        except Cancelled:
            raise
        except GenAIError:
            pass  # what was made is there and paid for; only its price is not known
        kept = time.monotonic(), price
        if price is not None:
            _prices[key] = kept
    if kept[1] is not None:
        return units * kept[1].usd
    price = model.price
    if price is None or price.per_next_megapixel or price.up_to_megapixels:
        return None  # what one of its units is, is not known
    if price.per_megapixel:
        return units * price.per_megapixel
    each = set(price.per_image.values())
    return units * each.pop() if len(each) == 1 else None


def done(
    queue: FalQueue,
    where: Access,
    model: Model,
    online_access: bool,
    sending: str,
    body: Callable[[], Mapping[str, Any]],
    cancel: CancelToken,
) -> Generator[Event, None, Done]:
    """Handed in, followed to its end, and fetched; withdrawn where that is cut off.

    sending: what is said first. body: of the request; called where it is sent, as it may upload.
    """
    label = where.provider.label
    made: list[Ticket] = []

    def submitting() -> Iterator[Event]:
        yield Progress(None, sending)
        made.append(queue.submit(model.name, body()))

    yield from trying_again(submitting, cancel, label)
    ticket, over = made[0], False
    try:
        standing = yield from followed(queue, ticket, label, cancel)
        over = True
    finally:
        if not over:
            withdraw(where, ticket, online_access)
    answer, units = again(lambda: queue.result(ticket), cancel, (*CONNECTION, errors.BadAnswer))
    return Done(ticket, standing, answer, units)


def followed(
    queue: FalQueue, ticket: Ticket, label: str, cancel: CancelToken
) -> Generator[Event, None, Standing]:
    """Until the job is over. A question without an answer is asked again: the job goes on."""
    pause, misses, told = _PAUSES[0], 0, ""
    while True:
        cancel.check()
        standing = None
        try:
            standing = queue.standing(ticket)
            misses = 0
        except (Cancelled, errors.OnlineAccessOff):
            raise
        except ServerError:
            misses += 1
            if misses >= _MISSES:
                raise
        if standing is None:
            message, share = f"{label} does not answer: asking again", None
        elif standing.over:
            return standing
        else:
            message, share = _told(standing, label)
        if message != told:
            told = message
            yield Progress(share, message)
        if cancel.wait(pause):
            cancel.check()
        pause = min(pause * 1.25, _PAUSES[1])


CONNECTION = (errors.ConnectionFailed, errors.ConnectionCut, errors.RateLimited)


def again(
    fetch: Callable[[], T],
    cancel: CancelToken,
    faults: tuple[type[GenAIError], ...] = CONNECTION,
) -> T:
    """What is there and paid for, asked for again where the connection breaks."""
    for pause in _FETCH_PAUSES:
        try:
            return fetch()
        except faults:
            pass
        if cancel.wait(pause):
            cancel.check()
    return fetch()


def _told(standing: Standing, label: str) -> tuple[str, float | None]:
    if standing.state == "IN_QUEUE":
        name = label  # as the other servers say it
        if standing.ahead:
            return f"In the queue of {name}, {standing.ahead} before it", None
        return f"In the queue of {name}", None
    share = _SHARE.search(standing.said)
    if share:
        return f"{label} is working: {share[1]} %", min(0.99, int(share[1]) / 100)
    said = errors.plain(standing.said, 80)
    return (f"{label}: {said}" if said else f"{label} is working"), None
