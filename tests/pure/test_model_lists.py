# SPDX-License-Identifier: GPL-3.0-or-later
"""*Refresh Models*: what providers say of their models, and what becomes of it offline."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

pytest.importorskip("httpx2")

from genai_render.backends.http.errors import OnlineAccessOff
from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.backends.refresh import refreshed
from genai_render.core.errors import CredentialsError, InvalidInput
from genai_render.core.events import CancelToken
from genai_render.core.keys.credentials import Secret
from genai_render.core.models import catalog, cost, model_lists
from genai_render.core.models.model_lists import KnownList, Listed
from genai_render.core.request import RenderRequest
from tests.servers import json_providers
from tests.servers.client import canvas, run
from tests.servers.http import Answer, Server

KEY = json_providers.KEY
CATALOG = catalog.shipped()
NEW = {
    "google/gemini-nano-banana-4": {
        "resolution": ["1K", "2K"],
        "aspect_ratio": ["1:1", "16:9", "9:16", "auto"],
        "n": 1,
        "input_references": 8,
    },
    "openai/gpt-image-4": {
        "aspect_ratio": ["1:1", "3:2", "2:3"],
        "quality": ["auto", "low", "high"],
        "background": ["auto", "transparent", "opaque"],
        "n": 4,
        "input_references": 16,
    },
}


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    for provider in CATALOG.providers.values():
        for name in provider.variables:
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
def openrouter(monkeypatch):
    """OpenRouter with two models that the catalogue does not have."""
    models = {**json_providers.OPENROUTER_MODELS, **NEW}
    monkeypatch.setattr(json_providers, "OPENROUTER_MODELS", models)
    monkeypatch.setattr(json_providers.OpenRouterServer, "models", tuple(models))
    with json_providers.OpenRouterServer() as server:
        yield server


def settings(known: catalog.Catalog = CATALOG, **endpoints: Any) -> BackendSettings:
    return BackendSettings(
        True,
        {name: Endpoint(base_url=address, key=Secret(KEY)) for name, address in endpoints.items()},
        known,
    )


def answers(**endpoints: Any) -> dict[str, Any]:
    return {one.provider.id: one for one in refreshed(settings(**endpoints), CancelToken())}


def test_new_models_are_there_with_what_they_take_and_cost(openrouter):
    (one,) = answers(openrouter=openrouter.base_url).values()
    assert [listed.name for listed in one.new] == sorted(NEW)
    known = model_lists.applied(CATALOG, {"openrouter": one.known})
    banana = known.model("openrouter/google/gemini-nano-banana-4")
    assert banana.label == "Gemini Nano Banana 4 (OpenRouter)"
    assert banana.resolutions == ("1K", "2K")
    assert banana.extra["sizes"]["list"] == ["1:1", "16:9", "9:16"]
    assert banana.extra["max_images"] == 8
    assert cost.per_image(banana, "2K") == openrouter.cost
    assert banana.price is not None
    assert banana.price.date == date.today().isoformat()
    gpt = known.model("openrouter/openai/gpt-image-4")
    assert gpt.option("quality").choices == ("auto", "low", "high")
    assert gpt.has_option("background")
    assert gpt.extra["stream"] is True


def test_a_new_model_draws_at_once(openrouter):
    one = answers(openrouter=openrouter.base_url)["openrouter"]
    known = model_lists.applied(CATALOG, {"openrouter": one.known})
    from genai_render.backends.cloud.json_dialect import JsonBackend

    backend = JsonBackend(settings(known, openrouter=openrouter.base_url))
    for name in NEW:
        request = RenderRequest(
            prompt="A house", model=f"openrouter/{name}", canvas=canvas(96, 64), seed=3, count=2
        )
        made = run(backend, request)
        assert made.error is None
        assert len(made.results) == 2


def test_the_last_lists_are_known_without_the_network(openrouter, tmp_path):
    one = answers(openrouter=openrouter.base_url)["openrouter"]
    file = tmp_path / model_lists.FILE
    model_lists.write(file, {"openrouter": one.known})
    kept = model_lists.read(file)
    assert kept == {"openrouter": one.known}
    assert "openrouter/openai/gpt-image-4" in model_lists.applied(CATALOG, kept).models


@pytest.mark.parametrize(
    "contents", ["", "no", "[]", '{"version": 9}', '{"version": 1, "lists": {"x": {}}}']
)
def test_a_file_that_cannot_be_used_is_as_none(contents, tmp_path):
    file = tmp_path / model_lists.FILE
    file.write_text(contents)
    assert model_lists.read(file) == {}
    assert model_lists.read(tmp_path / "none.json") == {}


def test_openai_tells_when_a_model_ends():
    def handle(request):
        assert request.path == "/v1/models"
        assert request.headers["authorization"] == f"Bearer {KEY}"
        model = {"object": "model", "created": 1, "owned_by": "openai"}
        names = {
            "gpt-image-2": "2026-11-02T00:00:00Z",
            "gpt-image-2-2026-04-21": None,
            "gpt-image-9": "not a day",
            "gpt-6": None,
        }
        listed = [{"id": id, "shutdown_date": day, **model} for id, day in names.items()]
        return Answer.of_json({"object": "list", "data": listed})

    with Server(handle) as server:
        one = answers(openai=f"{server.origin}/v1")["openai"]
    assert [listed.name for listed in one.new] == ["gpt-image-9"]
    known = model_lists.applied(CATALOG, {"openai": replace(one.known, day="2026-11-01")})
    ends = next(m for m in known.models.values() if m.name == "gpt-image-2" and not m.provider)
    assert ends.shutdown == "2026-11-02"
    assert ends.dates_source == "OpenAI's own list, 2026-11-01"
    assert not ends.offered(date(2026, 11, 2))
    with pytest.raises(InvalidInput):
        ends.check(RenderRequest(prompt="A", model=ends.id), date(2026, 11, 3))
    new = next(m for m in known.models.values() if m.name == "gpt-image-9")
    assert new.backend == "openai"
    assert new.price is None
    assert new.shutdown == ""


def test_gemini_lists_its_models():
    def handle(request):
        models = [
            {"name": "models/gemini-5-flash-image", "displayName": "Nano Banana 5"},
            {"name": "models/gemini-5-flash-image-preview"},
            {"name": "models/gemini-3-pro-image"},
            {"name": "models/gemini-3-pro-image-preview"},
            {"name": "models/gemini-5-pro"},
            {"name": "models/imagen-5"},
        ]
        return Answer.of_json({"models": models})

    with Server(handle) as server:
        one = answers(gemini=server.origin)["gemini"]
    assert "gemini-5-flash-image" in [listed.name for listed in one.new]
    assert not {"gemini-5-pro", "imagen-5", "gemini-3-pro-image-preview"} & {
        listed.name for listed in one.new
    }
    known = model_lists.applied(CATALOG, {"gemini": one.known})
    new = next(m for m in known.models.values() if m.name == "gemini-5-flash-image")
    assert (new.label, new.backend) == ("Nano Banana 5", "gemini")


def test_a_model_that_its_provider_lists_no_more_says_so():
    kept = KnownList("2026-11-28", (Listed("qwen/qwen-image-3"),))
    known = model_lists.applied(CATALOG, {"openrouter": kept})
    missing = known.model("openrouter/google/gemini-nano-banana-2.1")
    assert missing.dates_note(date(2026, 11, 28)) == "Its provider did not list it on 2026-11-28"
    assert missing.offered(date(2026, 11, 28))
    assert not known.model("openrouter/qwen/qwen-image-3").dates_note(date(2026, 11, 28))


def test_one_provider_that_fails_does_not_keep_the_others_from_being_asked(openrouter):
    with json_providers.NanoGPTServer(json_providers.fault(500, "broken")) as broken:
        all_of = answers(openrouter=openrouter.base_url, nanogpt=broken.base_url)
    assert all_of["openrouter"].known is not None
    assert all_of["nanogpt"].known is None
    assert "500" in all_of["nanogpt"].problem.text or all_of["nanogpt"].problem.what


def test_without_a_key_nobody_is_asked():
    with pytest.raises(CredentialsError):
        list(refreshed(settings(), CancelToken()))


def test_with_online_access_off_only_what_is_on_this_computer_is_asked(openrouter):
    local = replace(settings(openrouter=openrouter.base_url), online_access=False)
    assert [one.provider.id for one in refreshed(local, CancelToken())] == ["openrouter"]
    with pytest.raises(OnlineAccessOff):
        list(refreshed(replace(settings(), online_access=False), CancelToken()))


def test_nonsense_in_a_list_is_left_out():
    odd = Listed(
        "new/model-image",
        takes={"n": {"max": "many"}, "resolution": {"values": [1, None]}, "quality": 3},
        prices=({"billable": "output_image", "unit": "image", "cost_usd": "free"}, {}),
    )
    known = model_lists.applied(CATALOG, {"openrouter": KnownList("2026-11-28", (odd,))})
    model = known.model("openrouter/new/model-image")
    assert model.price is None
    assert model.resolutions == ("1K",)
    assert model_lists.applied(CATALOG, {"nobody": KnownList("2026-11-28", (odd,))}) == CATALOG
