# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAI's and Google's batch endpoints through their own SDKs, against servers of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from genai_render.backends import batch_endpoint
from genai_render.backends.batch_endpoint import Batches, Outcome
from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.core.errors import CredentialsError, GenAIError, InvalidInput, Refused
from genai_render.core.events import CancelToken, Result
from genai_render.core.keys.credentials import Secret
from genai_render.core.models import catalog
from genai_render.core.request import Reference, RenderRequest
from tests.servers import gemini_api, openai_api
from tests.servers.gemini_batch_api import GeminiBatchServer, images_sent
from tests.servers.http import Answer, Received
from tests.servers.openai_batch_api import OpenAIBatchServer, moderated

pytest.importorskip("openai")
pytest.importorskip("google.genai")

OPENAI, GEMINI = "gpt-image-2.5-flare", "gemini-3.1-flash-image"


def _batches(server: Any, key: str = "") -> tuple[Batches, str]:
    openai = isinstance(server, OpenAIBatchServer)
    name, right = ("openai", openai_api.KEY) if openai else ("gemini", gemini_api.KEY)
    address = server.base_url if openai else server.origin
    endpoint = Endpoint(base_url=address, key=Secret(key or right))
    settings = BackendSettings(endpoints={name: endpoint})
    return batch_endpoint.create_batches(name, settings), OPENAI if openai else GEMINI


def _requests(model: str, *seeds: int) -> dict[str, RenderRequest]:
    style = Reference(openai_api.picture({"size": "64x64"}, 1), "style.png", "style")
    return {
        f"key{seed}": RenderRequest(
            prompt=f"picture {seed}", model=model, seed=seed, references=(style,) * (seed % 2)
        )
        for seed in seeds
    }


def _hand_in(batches: Batches, requests: dict[str, RenderRequest], before: Callable[[], None]):
    """The tickets, with the keys of each."""
    cancel = CancelToken()
    groups: dict[tuple[str, ...], list] = {}
    for key, request in requests.items():
        order = batches.order(key, request, cancel)
        groups.setdefault(order.group, []).append(order)
    return {
        batches.post(part, f"night-{at}", cancel, before): [one.key for one in part]
        for at, part in enumerate(groups.values())
    }


def _fetched(batches: Batches, name: str, tickets, requests) -> dict[str, Outcome]:
    cancel, model = CancelToken(), catalog.shipped().model(name)
    came: dict[str, Outcome] = {}
    for ticket, keys in tickets.items():
        said = []
        while not (standing := batches.look(ticket, model, cancel)).ended:
            said.append(standing.said)
        assert said, "it ended before it began"
        came |= dict.fromkeys(keys, standing.problem)
        came |= dict(batches.collect(ticket, model, requests.__getitem__, cancel))
    return came


@pytest.mark.parametrize("server_of", [OpenAIBatchServer, GeminiBatchServer])
def test_pictures_come_with_what_was_sent(server_of) -> None:
    with server_of() as server:
        batches, name = _batches(server)
        requests, order = _requests(name, 1, 2, 3), []
        tickets = _hand_in(batches, requests, lambda: order.append(server.images_made))
        came = _fetched(batches, name, tickets, requests)
        assert server.images_made == 3
    assert order[0] == 0, "it was told of after it was sent"
    for key, request in requests.items():
        result = came[key]
        assert isinstance(result, Result), result
        assert request.prompt in result.prompt_sent
        assert result.cost_usd is not None
        assert result.cost_usd > 0
        half = batch_endpoint.at_price(result, 0.5, "t")
        assert isinstance(half, Result)
        assert half.cost_usd == pytest.approx(result.cost_usd / 2)
        assert half.info["batch"] == {"ticket": "t", "factor": 0.5}
    if isinstance(server, OpenAIBatchServer):  # one with an image is of another endpoint
        assert len(tickets) == 2
    else:
        assert len(images_sent(next(iter(server.batches.values())))) == 2


def test_one_of_many_that_is_refused_leaves_the_others() -> None:
    with OpenAIBatchServer(spoiled=moderated(1)) as server:
        batches, name = _batches(server)
        requests = _requests(name, 2, 4, 6)
        came = _fetched(batches, name, _hand_in(batches, requests, lambda: None), requests)
    assert [type(came[key]) for key in requests] == [Result, Refused, Result]
    blocked = {"code": 3, "message": "Blocked for safety reasons."}
    with GeminiBatchServer(spoiled=lambda at: blocked if at == 1 else None) as server:
        batches, name = _batches(server)
        requests = _requests(name, 2, 4, 6)
        came = _fetched(batches, name, _hand_in(batches, requests, lambda: None), requests)
    assert [type(came[key]) for key in requests] == [Result, Refused, Result]


@pytest.mark.parametrize(
    ("ends", "made", "said"),
    [
        ("expired", 1, "within a day"),
        ("cancelled", 1, "cancelled"),
        ("failed", 0, "not parseable as valid JSON"),
    ],
)
def test_what_ended_before_its_turn_says_so(ends: str, made: int, said: str) -> None:
    with OpenAIBatchServer(ends=ends, made=made) as server:
        batches, name = _batches(server)
        requests = _requests(name, 2, 4)
        came = _fetched(batches, name, _hand_in(batches, requests, lambda: None), requests)
    assert sum(isinstance(one, Result) for one in came.values()) == made
    late = came["key4"]
    assert isinstance(late, GenAIError)
    assert said in late.text
    assert "not charged" in late.text


@pytest.mark.parametrize("ends", ["EXPIRED", "FAILED", "CANCELLED"])
def test_the_same_of_google(ends: str) -> None:
    with GeminiBatchServer(ends=ends) as server:
        batches, name = _batches(server)
        requests = _requests(name, 2, 4)
        came = _fetched(batches, name, _hand_in(batches, requests, lambda: None), requests)
    for late in came.values():
        assert isinstance(late, GenAIError)
        assert "not charged" in late.text


def _limited(request: Received, server: Any) -> Answer:
    if isinstance(server, OpenAIBatchServer):
        step = openai_api.fault(
            429, "Slow down.", "rate_limit_exceeded", headers={"retry-after": "0"}
        )
        return step(request, server)  # pyright: ignore[reportReturnType]
    return gemini_api.fault(429, "RESOURCE_EXHAUSTED", "Slow down.", None, retry_after="0")(
        request, server
    )  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("server_of", [OpenAIBatchServer, GeminiBatchServer])
def test_a_limit_is_waited_out_and_a_wrong_key_is_told(server_of) -> None:
    with server_of(_limited) as server:
        batches, name = _batches(server)
        tickets = _hand_in(batches, _requests(name, 2), lambda: None)
        assert len(tickets) == server.images_made == 1
    with server_of() as server:
        batches, name = _batches(server, key="sk-wrong-0123456789abcdefghij")
        with pytest.raises(CredentialsError) as error:
            _hand_in(batches, _requests(name, 2), lambda: None)
        assert "0123456789abcdefghij" not in error.value.text
        assert server.images_made == 0


@pytest.mark.parametrize("server_of", [OpenAIBatchServer, GeminiBatchServer])
def test_one_whose_answer_never_came_is_found_by_its_name(server_of) -> None:
    with server_of() as server:
        batches, name = _batches(server)
        model = catalog.shipped().model(name)
        tickets = _hand_in(batches, _requests(name, 2), lambda: None)
        cancel = CancelToken()
        assert batches.find("night-0", model, cancel) == next(iter(tickets))
        assert batches.find("another", model, cancel) is None


def test_a_batch_stays_below_what_the_endpoints_take() -> None:
    with OpenAIBatchServer() as server:
        batches, name = _batches(server)
        request = RenderRequest(prompt="x", model=name, resolution="4K", seed=1)
        order = batches.order("a", request, CancelToken())
        assert not batches.full([], order)
        assert batches.full([order] * 4, order), "its answers cannot be fetched in one piece"


def test_what_has_no_batch_endpoint_has_no_price_for_it() -> None:
    known = catalog.shipped()
    assert batch_endpoint.price_of(known, known.model("offline")) is None
    price = batch_endpoint.price_of(known, known.model(OPENAI))
    assert price is not None
    assert (price.factor, bool(price.source), bool(price.date)) == (0.5, True, True)


def test_google_cloud_needs_a_bucket_and_says_so() -> None:
    endpoint = Endpoint(vertex=True, project="p", location="us-central1")
    batches = batch_endpoint.create_batches(
        "gemini", BackendSettings(endpoints={"gemini": endpoint})
    )
    with pytest.raises(InvalidInput) as error:
        batches.check_settings()
    assert "--cheap" in error.value.text
