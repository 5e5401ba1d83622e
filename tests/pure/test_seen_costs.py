# SPDX-License-Identifier: GPL-3.0-or-later
"""A price list that is wrong is noticed, said, and corrected by what was paid."""

from __future__ import annotations

from genai_render.core.events import Result
from genai_render.core.history.seen_costs import seen_costs
from genai_render.core.history.store import HistoryStore
from genai_render.core.models.cost import Estimate
from genai_render.core.models.seen_costs import LAST, NO_CORRECTION, SeenCost, correction
from genai_render.core.request import RenderRequest
from tests.servers.client import image


def costs(*paid: float, listed: float = 0.10) -> list[SeenCost]:
    return [SeenCost(listed, each) for each in paid]


def test_twice_wrong_is_no_rule():
    assert correction([]) is NO_CORRECTION
    assert correction(costs(0.2, 0.2)) is NO_CORRECTION
    assert correction(costs(0.2, 0.2, 0.11, 0.09)) is NO_CORRECTION


def test_a_fifth_is_near_enough():
    assert correction(costs(*[0.119] * 8)) is NO_CORRECTION
    assert correction(costs(*[0.081] * 8)) is NO_CORRECTION


def test_three_times_wrong_is_corrected_by_the_one_in_the_middle():
    found = correction(costs(0.2, 0.3, 0.25))
    assert abs(found.ratio - 2.5) < 1e-9
    assert (found.paid, found.count) == (0.25, 3)
    assert "the last 3 images cost more, about $0.25 each" in found.text
    assert "cost less" in correction(costs(0.05, 0.05, 0.05)).text


def test_three_outliers_among_right_ones_change_nothing():
    assert correction(costs(0.2, 0.1, 0.2, 0.1, 0.2, 0.1, 0.1, 0.1)) is NO_CORRECTION


def test_a_list_that_is_right_again_is_believed_again():
    assert correction(costs(*[0.1] * LAST, *[0.3] * 20)) is NO_CORRECTION


def test_what_was_free_says_nothing():
    """A trial or a key of one's own behind a gateway."""
    assert correction(costs(0.0, 0.0, 0.0, 0.0)) is NO_CORRECTION
    assert correction(costs(0.1, 0.1, 0.1, listed=0.0)) is NO_CORRECTION


def test_an_estimate_as_seen_says_so():
    estimate = Estimate(0.02, 0.01, seen=2.0)
    assert abs((estimate.usd or 0) - 0.06) < 1e-12
    assert abs((estimate.listed or 0) - 0.03) < 1e-12
    assert estimate.text == "about $0.06, as seen"
    assert Estimate(0.0, 0.0, seen=2.0).text == "free"
    assert Estimate(None, None, seen=2.0).text == "unknown"


def test_history_knows_what_was_listed_and_paid(tmp_path):
    data = image(8, 8)

    def add(model: str, paid: float | None, listed: float | None) -> str:
        result = Result(
            *(data, "image/png", 8, 8), cost_usd=paid, listed_usd=listed, estimated_usd=0.07
        )
        return store.add(RenderRequest("a house", model=model), result).id

    store = HistoryStore(tmp_path)
    try:
        for paid in (0.2, 0.25, 0.3):
            newest = add("a", paid, 0.1)
        add("a", None, 0.1)
        add("a", 0.9, None)
        add("b", 9.0, 0.1)
        assert [one.paid for one in seen_costs(store, "a")] == [0.3, 0.25, 0.2]
        record = store.record(newest)
        assert (record["estimated_usd"], record["listed_usd"]) == (0.07, 0.1)
        assert abs(correction(seen_costs(store, "a")).ratio - 2.5) < 1e-9
    finally:
        store.close()
