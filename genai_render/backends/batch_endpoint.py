# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider's batch endpoint: many requests are handed in, made within a day for half the price,
and fetched later, by whatever process asks for them.

What was handed in has a name that we give it, so that it can be found again where the answer with
the provider's own name for it (the ticket) never came.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..core.errors import GenAIError, ServerError
from ..core.events import Event, Result
from ..core.plain_images import sendable
from . import base
from .http.retry import trying_again

if TYPE_CHECKING:
    from ..core.events import CancelToken
    from ..core.models.catalog import Catalog, Model
    from ..core.provider import BatchPrice
    from ..core.request import RenderRequest
    from .http.settings import BackendSettings

T = TypeVar("T")

MOST_BYTES_OUT = 110_000_000
"""Of all answers of one batch, which are fetched in one piece."""

_BYTES_PER_PIXEL = 4 * 4 / 3  # of a PNG that nothing could make smaller, in base64
_AROUND = 20_000


@dataclass(frozen=True, slots=True)
class Order:
    """A request as it is handed in. group: those of one batch have the same.

    size_in, size_out: bytes of it, and the most that its answer may have. notices: for people.
    """

    key: str
    group: tuple[str, ...]
    content: Any
    size_in: int
    size_out: int
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What has become of a batch. said: in the provider's word. problem: of those of which there
    is no answer when it has ended."""

    ended: bool
    said: str
    done: int = 0
    total: int = 0
    problem: GenAIError | None = None


Outcome = Result | GenAIError


class Batches(Protocol):
    """One provider's. All may block and raise what `Backend.run` may.

    check_settings: whether these can reach one at all. full: whether another order fits no more.
    post: hands them in, all of one group, by this name; `before` is called right before what may
        be paid for is sent. Gives the ticket. find: the ticket of that name; None where the
        provider has none of it.
    collect: what came of each, by its key, once it has ended; `request` gives what was asked.
    """

    def check_settings(self) -> None: ...

    def order(self, key: str, request: RenderRequest, cancel: CancelToken) -> Order: ...

    def full(self, orders: list[Order], another: Order) -> bool: ...

    def post(
        self, orders: list[Order], name: str, cancel: CancelToken, before: Callable[[], None]
    ) -> str: ...

    def find(self, name: str, model: Model, cancel: CancelToken) -> str | None: ...

    def look(self, ticket: str, model: Model, cancel: CancelToken) -> Standing: ...

    def collect(
        self,
        ticket: str,
        model: Model,
        request: Callable[[str], RenderRequest],
        cancel: CancelToken,
    ) -> Iterator[tuple[str, Outcome]]: ...


def price_of(catalog: Catalog, model: Model) -> BatchPrice | None:
    """What a batch of this model's costs; None where there is no endpoint for it."""
    row = base.BACKENDS.get(model.backend)
    if row is None or not row.batches or not model.extra.get("batch", True):
        return None
    provider = catalog.providers.get(model.provider or model.backend)
    return None if provider is None else provider.batch


def create_batches(name: str, settings: BackendSettings) -> Batches:
    """Of the backend of that name, which has them."""
    module = importlib.import_module(base.backend_info(name).batches, __package__)
    return module.Batches(settings)


# ---- what all of them need ---------------------------------------------------------------------


def size_of_answer(width: int, height: int) -> int:
    return int(width * height * _BYTES_PER_PIXEL) + _AROUND


def too_large(orders: list[Order], another: Order, most_in: int, most: int) -> bool:
    return (
        len(orders) >= most
        or sum(one.size_in for one in orders) + another.size_in > most_in
        or sum(one.size_out for one in orders) + another.size_out > MOST_BYTES_OUT
    )


def patiently(ask: Callable[[], T], cancel: CancelToken, label: str) -> T:
    """The call's value, after waits where nothing was accepted yet."""
    values: list[T] = []

    def work() -> Iterator[Event]:
        values.append(ask())
        yield from ()

    for _ in trying_again(work, cancel, label):
        pass
    return values[0]


def outcome(events: Callable[[RenderRequest], Iterator[Event]], request: RenderRequest) -> Outcome:
    """The picture among what an answer gives, or why there is none."""
    try:
        for event in events(sendable(request)):
            if isinstance(event, Result):
                # The seed that was asked for is the request's, whoever makes it.
                return base.without_own_files(event, request)
    except GenAIError as error:
        return error
    return ServerError("The provider's answer has no image in it.")


def at_price(what: Outcome, factor: float, ticket: str) -> Outcome:
    """The same with what it costs in a batch."""
    if isinstance(what, Result):
        cost = None if what.cost_usd is None else what.cost_usd * factor
        batch: Mapping[str, Any] = {"ticket": ticket, "factor": factor}
        return replace(what, cost_usd=cost, info={**what.info, "batch": batch})
    if what.cost_usd is not None:
        what.cost_usd *= factor
    return what
