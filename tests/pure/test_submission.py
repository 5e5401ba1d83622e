# SPDX-License-Identifier: GPL-3.0-or-later
"""What is prepared, and the one door to the queue: every limit counts for everybody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from genai_render.core.errors import (
    CredentialsError,
    GenAIError,
    InvalidInput,
    OverBudget,
    Refused,
)
from genai_render.core.events import CancelToken, Event, Failed, Result
from genai_render.core.framing import Size
from genai_render.core.jobs import JobQueue
from genai_render.core.models import catalog
from genai_render.core.models.catalog import Model, Price
from genai_render.core.preflight import Prepared, prepare
from genai_render.core.request import RenderRequest
from genai_render.core.submission import Gate, Limits, RunSpending

DOLLAR = Price(per_image={"1K": 1.0, "2K": 1.0, "4K": 1.0}, per_million={})
PAID = Model("paid", "Paid", "offline", price=DOLLAR)
UNKNOWN = replace(PAID, id="unknown", label="Unknown", price=None)
FREE = catalog.shipped().model("offline")


def asked(model: Model = PAID, count: int = 1, **more: object) -> Prepared:
    return prepare(
        model,
        lambda: RenderRequest(prompt="a house", model=model.id, count=count, **more),  # type: ignore[arg-type]
        1.5,
    )


class Till:
    """A queue with its gate, whose limits and keys can be changed."""

    def __init__(self) -> None:
        self.limits = Limits()
        self.month = 0.0
        self.refusal: GenAIError | None = None
        self.ran: list[RenderRequest] = []
        self.costs: list[float | GenAIError] = []
        self.queue = JobQueue(lambda request, result, seconds: "id", workers=2)
        self.gate = Gate(self.queue, lambda: self.limits, lambda: self.month, self._access)

    def _access(self, model: Model) -> None:
        if self.refusal is not None:
            raise self.refusal

    def backend(self, request: RenderRequest, cancel: CancelToken) -> Iterator[Event]:
        self.ran.append(request)
        for index in range(request.count):
            cost = self.costs.pop(0) if self.costs else 1.0
            if isinstance(cost, GenAIError):
                yield Failed(cost, index)
            else:
                yield Result(b"", "image/png", 1, 1, index, cost_usd=cost)

    def submit(self, prepared: Prepared, run: RunSpending | None = None) -> None:
        self.gate.submit(prepared, self.backend, lambda request: request, run)

    def finish(self) -> None:
        ends = time.monotonic() + 10
        while self.queue.jobs():
            assert time.monotonic() < ends
            time.sleep(0.005)
        for job, event in self.queue.drain():
            self.gate.follow(job, event)


@pytest.fixture
def till() -> Iterator[Till]:
    opened = Till()
    yield opened
    opened.queue.close()


def test_what_is_prepared_is_sized_and_priced():
    prepared = asked(count=3)
    assert prepared.problem is None
    assert prepared.request is not None
    assert prepared.spec is not None
    assert prepared.canvas_size == Size(prepared.spec.width, prepared.spec.height)
    assert (prepared.request.width, prepared.request.height) == (
        prepared.spec.width,
        prepared.spec.height,
    )
    assert prepared.estimate.usd == pytest.approx(3.0)
    assert prepared.cost == "about $3.00"


def test_what_is_wrong_is_told_and_not_raised():
    prepared = prepare(PAID, lambda: RenderRequest(prompt=" ", model="paid"))
    assert isinstance(prepared.problem, InvalidInput)
    assert prepared.request is None
    needy = replace(PAID, needs_canvas_or_reference=True)
    nothing = prepare(needy, lambda: RenderRequest(prompt="x", model="paid"))
    assert "something to start from" in str(nothing.problem)
    assert prepare(needy, lambda: RenderRequest(prompt="x", model="paid"), 1.0).problem is None


def test_a_problem_that_is_known_is_not_looked_for_again():
    first, second = Refused("First."), Refused("Second.")

    def fail(_: Prepared) -> None:
        raise second

    assert replace(asked(), problem=first).but(fail).problem is first
    assert asked().but(fail).problem is second
    assert asked().but(lambda _: None).problem is None


@pytest.mark.parametrize("count", [1, 4])
def test_no_request_passes_the_limit_of_a_run(till: Till, count: int):
    till.limits = Limits(run=count - 0.5)
    with pytest.raises(OverBudget):
        till.submit(asked(count=count))
    till.limits = Limits(run=float(count))
    till.submit(asked(count=count))
    till.finish()
    assert len(till.ran) == 1


def test_a_run_of_several_jobs_counts_what_it_cost_and_what_is_coming(till: Till):
    till.limits = Limits(run=3.0)
    run = RunSpending()
    till.costs = [0.5, 2.0]
    till.submit(asked(), run)
    till.submit(asked(), run)
    assert run.coming == 2.0
    till.finish()
    assert (run.spent, run.coming) == (2.5, 0)
    with pytest.raises(OverBudget):  # cheaper than thought does not help where it was dearer
        till.submit(asked(), run)
    till.submit(asked())  # another press is a run of its own
    till.finish()


def test_jobs_on_their_way_count_for_the_month(till: Till):
    till.limits, till.month = Limits(month=10.0), 8.5
    till.submit(asked())
    assert till.gate.coming == 1.0
    with pytest.raises(OverBudget):
        till.submit(asked())
    till.finish()
    assert till.gate.coming == 0.0
    till.submit(asked())  # History has not heard of the first one here
    till.finish()


def test_a_failure_is_counted_once_with_what_was_charged_for_it(till: Till):
    refusal = Refused("No.")
    refusal.cost_usd = 0.25
    till.costs = [refusal]
    run = RunSpending()
    till.submit(asked(), run)
    till.finish()
    assert run.spent == 0.25


def test_a_price_that_nobody_knows_keeps_any_limit(till: Till):
    for limits in (Limits(run=100.0), Limits(month=100.0)):
        till.limits = limits
        with pytest.raises(OverBudget, match="not known"):
            till.submit(asked(UNKNOWN))
        till.submit(asked(FREE))
    till.limits = Limits()
    till.submit(asked(UNKNOWN))
    till.finish()
    assert len(till.ran) == 3


def test_nothing_is_sent_without_a_key_or_with_a_problem(till: Till):
    till.refusal = CredentialsError("There is no key.")
    with pytest.raises(CredentialsError):
        till.submit(asked())
    till.refusal = None
    with pytest.raises(Refused):
        till.submit(replace(asked(), problem=Refused("No.")))
    with pytest.raises(InvalidInput):
        till.submit(Prepared(None, None))
    with pytest.raises(InvalidInput, match="not captured"):
        till.gate.submit(asked(), till.backend)
    till.finish()
    assert till.ran == []


def test_all_of_a_batch_is_checked_before_its_first(till: Till):
    till.limits = Limits(run=9.0)
    with pytest.raises(OverBudget):
        till.gate.check(asked(), RunSpending(), times=10)
    till.gate.check(asked(), RunSpending(), times=9)


def test_history_hears_what_each_image_was_estimated_at_and_how_it_was_held(till):
    prepared = prepare(
        FREE,
        lambda: RenderRequest(prompt="a house", model="offline", count=2, closeness="close"),
        1.5,
    )
    kept: list[Result] = []
    till.queue._save = lambda request, result, seconds: kept.append(result) or "id"
    till.submit(prepared)
    till.finish()
    priced = prepare(
        PAID, lambda: RenderRequest(prompt="a house", model="paid", count=2), 1.5, seen=1.5
    )
    assert priced.cost == "about $3.00, as seen"
    till.limits = Limits(run=2.5)
    with pytest.raises(OverBudget):  # a limit counts what was seen, not what is listed
        till.submit(priced)
    till.limits = Limits()
    till.submit(priced)
    till.finish()
    assert [result.estimated_usd for result in kept] == [0, 0, 1.5, 1.5]
    assert [result.listed_usd for result in kept] == [0, 0, 1.0, 1.0]
    assert [result.info.get("closeness") for result in kept] == [
        *("Strength 0.5", "Strength 0.5", None, None)
    ]
