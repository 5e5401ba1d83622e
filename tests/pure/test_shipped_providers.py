# SPDX-License-Identifier: GPL-3.0-or-later
"""The providers whose tables ship, each against a server that holds to its published schema."""

from __future__ import annotations

import pytest

from genai_render.backends.base import check_access, create_backend
from genai_render.backends.http import retry
from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.core.events import CancelToken
from genai_render.core.keys.credentials import Secret
from genai_render.core.models import catalog, cost
from genai_render.core.models.tasks import TASKS
from genai_render.core.provider import at
from genai_render.core.request import Reference, RenderRequest
from tests.servers.client import canvas, image, our_threads, run, run_and_cancel
from tests.servers.http import Answer, Cut, Forever
from tests.servers.json_providers import (
    KEY,
    OPENROUTER_MODELS,
    BytePlusServer,
    NanoGPTServer,
    OpenRouterServer,
    TogetherServer,
    XAIServer,
    fault,
)

KNOWN = catalog.shipped()
SERVERS = {
    "openrouter": OpenRouterServer,
    "nanogpt": NanoGPTServer,
    "xai": XAIServer,
    "byteplus": BytePlusServer,
    "together": TogetherServer,
}
MODELS = [
    model
    for model in KNOWN.models.values()
    if model.provider in SERVERS and model.name in SERVERS[model.provider].models
]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(retry, "_PAUSES", (0.01, 0.01, 0.01))


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert our_threads() == []


def settings(server, provider, **more):
    endpoint = Endpoint(**{"base_url": server.base_url, "key": Secret(KEY), **more})
    return BackendSettings(endpoints={provider: endpoint}, catalog=KNOWN)


def make(server, model, **more):
    request = RenderRequest(**{"prompt": "A red house", "model": model.id, **more})
    model.check(request)
    return run(create_backend(model.backend, settings(server, model.provider)), request)


def ids(model):
    return model.id


def test_every_provider_s_models_are_tried_here():
    assert {model.provider for model in MODELS} == set(SERVERS)
    openrouter = {model.name for model in MODELS if model.provider == "openrouter"}
    assert openrouter == set(OPENROUTER_MODELS), "each that the server knows is in the catalogue"


@pytest.mark.parametrize("model", MODELS, ids=ids)
@pytest.mark.parametrize("aspect", ["1:1", "16:9", "9:16"])
def test_a_view_and_words_alone_are_taken(model, aspect):
    with SERVERS[model.provider]() as server:
        made = make(server, model, aspect=aspect, resolution=model.resolutions[-1])
        assert made.error is None
        assert len(made.results) == 1
        if model.extra["max_images"]:
            viewed = make(server, model, canvas=canvas(), mode="quality", seed=7)
            assert viewed.error is None
            assert "canvas.png" in viewed.results[0].sent
    assert made.results[0].info["provider"] == KNOWN.providers[model.provider].label


@pytest.mark.parametrize("model", [m for m in MODELS if m.max_references == 2], ids=ids)
def test_all_guides_and_two_references_fit_or_what_does_not_is_said(model):
    references = (Reference(image(40, 30, "jpeg"), "a.jpg"), Reference(image(), "b.png"))
    options = {}
    if model.has_option("guides"):
        options["guides"] = "color, depth and normals"
    with SERVERS[model.provider]() as server:
        made = make(server, model, canvas=canvas(), references=references, options=options)
    assert made.error is None
    if model.extra["max_images"] < 5:
        assert any("left out" in text for text in made.notices)


@pytest.mark.parametrize("model", MODELS, ids=ids)
def test_four_at_once_come_one_way_or_the_other(model):
    with SERVERS[model.provider]() as server:
        made = make(server, model, count=4)
    assert made.error is None
    assert sorted(result.index for result in made.results) == [0, 1, 2, 3]
    assert len(server.received) in (1, 4)


@pytest.mark.parametrize("provider", SERVERS)
def test_a_wrong_key_is_said_and_not_shown(provider):
    model = next(m for m in MODELS if m.provider == provider)
    wrong = "wrong-KEY-9876543210zyxwvutsrqponml"
    with SERVERS[provider]() as server:
        given = settings(server, provider, key=Secret(wrong))
        request = RenderRequest(prompt="x", model=model.id)
        made = run(create_backend(model.backend, given), request)
    assert made.error.code == "credentials"
    assert "does not accept the key" in made.error.text
    assert wrong not in made.error.text


@pytest.mark.parametrize("provider", SERVERS)
def test_the_models_that_ship_are_in_the_provider_s_list(provider):
    table = KNOWN.providers[provider]
    with SERVERS[provider]() as server:
        backend = create_backend("json", settings(server, provider))
        names = backend.model_names(CancelToken(), provider)
        if not table.models.path:
            assert names == []
            return
        assert set(names) == set(SERVERS[provider].models)
        said = check_access("json", settings(server, provider), CancelToken(), provider)
    assert f"{len(names)} models" in said


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (400, "Invalid value for resolution", "rejected"),
        (402, "Insufficient credits", "quota"),
        (403, "Your input was flagged by moderation", "refused"),
        (404, "No endpoints found for this model", "rejected"),
        (500, "Internal Server Error", "server"),
        (502, "Provider returned error", "server"),
        (524, "Edge network timeout", "server"),
    ],
)
def test_what_openrouter_says_is_wrong(status, message, code):
    model = KNOWN.model("openrouter/qwen/qwen-image-3")
    with OpenRouterServer(fault(status, message)) as server:
        made = make(server, model)
    assert made.error.code == code
    assert message in made.error.text
    assert len(server.received) == 1


@pytest.mark.parametrize("status", [429, 503, 529])
def test_a_busy_openrouter_is_asked_again(status):
    model = KNOWN.model("openrouter/qwen/qwen-image-3")
    busy = fault(status, "Provider overloaded", headers={"retry_after": "0"})
    with OpenRouterServer(busy) as server:
        made = make(server, model)
    assert made.error is None
    assert len(server.received) == 2


def test_what_it_cost_is_what_the_provider_says():
    with OpenRouterServer() as server:
        model = KNOWN.model("openrouter/bytedance-seed/seedream-5-0-lite")
        made = make(server, model, count=3, resolution="2K")
    assert [result.cost_usd for result in made.results] == [pytest.approx(0.0421)] * 3
    with XAIServer() as server:
        made = make(server, KNOWN.model("xai/grok-imagine-image-2.0"))
    assert made.results[0].cost_usd == pytest.approx(0.06)


def test_unfinished_pictures_come_before_the_finished_one():
    model = KNOWN.model("openrouter/openai/gpt-image-2.5-flare")
    with OpenRouterServer() as server:
        made = make(server, model, canvas=canvas())
    assert made.error is None
    assert len(made.partials) == 2
    assert made.results[0].cost_usd == pytest.approx(OpenRouterServer.cost)
    assert server.received[0].json["stream"] is True


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([b'data: {"type": "error", "error": {"message": "flagged"}}\n\n'], "refused"),
        ([b'data: {"type": "error", "error": {"message": "no such size"}}\n\n'], "rejected"),
        ([b'data: {"type": "image_generation.partial_', Cut()], "cut"),
        ([b": OPENROUTER PROCESSING\n\n", b"data: [DONE]\n\n"], "bad_answer"),
        ([b"data: {broken}\n\n"], "bad_answer"),
        ([b'data: {"type": "image_generation.completed", "b64_json": "AAAA"}\n\n'], "bad_answer"),
    ],
)
def test_a_stream_that_goes_wrong(body, code):
    model = KNOWN.model("openrouter/openai/gpt-image-2.5-flare")
    headers = {"content-type": "text/event-stream"}
    with OpenRouterServer(lambda *_: Answer(200, headers, body, chunked=True)) as server:
        made = make(server, model)
    assert made.error.code == code
    assert len(server.received) == 1


def test_cancel_in_the_middle_of_a_stream_closes_the_connection():
    model = KNOWN.model("openrouter/openai/gpt-image-2.5-flare")
    headers = {"content-type": "text/event-stream"}
    hanging = Answer(200, headers, [b": OPENROUTER PROCESSING\n\n", Forever()], chunked=True)
    with OpenRouterServer(lambda *_: hanging) as server:
        backend = create_backend("json", settings(server, "openrouter"))
        request = RenderRequest(prompt="x", model=model.id)
        made = run_and_cancel(backend, request, lambda so_far: "working" in str(so_far.progress))
        assert made.error is not None
        assert made.error.code == "cancelled"
        assert server.received[0].client_gone.wait(10)


def test_one_image_and_several_go_to_xai_s_two_fields():
    model = KNOWN.model("xai/grok-imagine-image-2.0")
    with XAIServer() as server:
        assert make(server, model, canvas=canvas(), resolution="2K").error is None
        reference = (Reference(image()),)
        assert make(server, model, canvas=canvas(), references=reference).error is None
        assert make(server, model).error is None
    one, several, none = server.received
    assert "image" in one.json and "images" not in one.json  # noqa: PT018
    assert one.json["resolution"] == "2k"
    assert len(several.json["images"]) == 2
    assert [sent.path for sent in (one, several, none)] == [
        *("/v1/images/edits", "/v1/images/edits", "/v1/images/generations")
    ]


def test_a_large_view_is_made_light_enough_for_nanogpt():
    import numpy as np

    from genai_render.core.image import images

    model = KNOWN.model("nanogpt/gpt-image-2")
    noise = np.random.default_rng(1).integers(0, 255, (1800, 1800, 3), np.uint8)
    reference = Reference(images.encode_png(noise), "noise.png")
    with NanoGPTServer() as server:
        made = make(server, model, canvas=canvas(), references=(reference,))
    assert made.error is None
    assert at(server.received[0].json, "input_references.1.image_url.url").startswith(
        "data:image/jpeg"
    )


# ---- the list as a person meets it -------------------------------------------------------------


def test_at_least_thirty_models_with_one_key():
    offered = KNOWN.offered()
    assert sum(1 for model in offered.values() if model.provider == "openrouter") >= 30
    labels = [model.label for model in offered.values()]
    assert len(set(labels)) == len(labels), "no two look the same in the list"


@pytest.mark.parametrize("model", KNOWN.offered().values(), ids=ids)
def test_every_model_says_what_it_is_for_and_where_its_price_is_from(model):
    assert model.good_for
    assert model.speed
    if model.price is not None:
        assert model.price.source
        assert model.price.date
        usd = [cost.per_image(model, resolution) for resolution in model.resolutions]
        assert all(one is None or 0 <= one < 1.5 for one in usd)


@pytest.mark.parametrize("task", TASKS)
def test_there_is_a_recommendation_for_every_task(task):
    assert KNOWN.recommended(task)


def test_a_price_by_quality_and_resolution_and_what_is_sent():
    model = KNOWN.model("xai/grok-imagine-image-2.0")

    def estimated(**more):
        return cost.estimate(model, RenderRequest(prompt="x", model=model.id, **more))

    assert estimated(options={"quality": "low"}) == pytest.approx(0.04)
    assert estimated(mode="quality", resolution="2K") == pytest.approx(0.08), "medium is its most"
    assert estimated(canvas=canvas()) == pytest.approx(0.06 + 0.01)
    flux = KNOWN.model("openrouter/black-forest-labs/flux.2-pro")
    request = RenderRequest(prompt="x", model=flux.id, aspect="16:9")
    assert cost.estimate(flux, request) == pytest.approx(0.03 * 1.048576, rel=0.02)
