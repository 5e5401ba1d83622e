# SPDX-License-Identifier: GPL-3.0-or-later
"""*How close to the view*: what each kind of model is sent for it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from genai_render.backends.base import create_backend
from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.backends.self_hosted.comfyui import library
from genai_render.core.errors import InvalidInput
from genai_render.core.keys.credentials import Secret
from genai_render.core.models import catalog, closeness
from genai_render.core.models.catalog import Model, Option
from genai_render.core.preflight import prepare
from genai_render.core.request import CLOSENESS, RenderRequest
from tests.servers.a1111_api import A1111Server
from tests.servers.client import canvas, run
from tests.servers.json_providers import KEY, OpenRouterServer, TogetherServer, XAIServer

SHIPPED = catalog.load([catalog.DATA / "a1111.toml"])
WORKFLOWS, _ = library.with_workflows(SHIPPED, None, False, "http://127.0.0.1:8188")
STEPS = [step for step in CLOSENESS if step != "auto"]


def asked(model: Model, step: str, **more: Any) -> RenderRequest:
    options = closeness.with_options(model, step, more.pop("options", {}))  # type: ignore[arg-type]
    return RenderRequest(
        **{"prompt": "A house", "model": model.id, "canvas": canvas(96, 64), "seed": 7, **more},
        options=options,
        closeness=step,  # type: ignore[arg-type]
    )


def made(model: Model, server: Any, step: str, key: bool = False) -> Any:
    """What is sent for a step, and what came back."""
    name = model.provider or f"{model.backend}:Desk 1"
    base_url = server.base_url if key else server.origin
    endpoint = Endpoint(base_url=base_url, key=Secret(KEY) if key else None, needs_key=key)
    settings = BackendSettings(endpoints={name: endpoint}, catalog=WORKFLOWS)
    ran = run(create_backend(model.backend, settings), asked(model, step))
    assert ran.error is None, ran.error
    return ran.results[0]


def test_numbers_go_along_and_words_to_the_nearest():
    model = Model(
        *("m", "M", "offline"),
        options=(
            Option("a", "A", "float", 0.5, closeness=(1.0, 0.4)),
            Option("b", "B", "int", 5, closeness=(0, 10, 12)),
            Option("c", "C", "choice", "x", choices=("x", "y", "z"), closeness=("x", "y", "z")),
            Option("d", "D", "float", 0.5),
        ),
    )
    assert closeness.options_at(model, "auto") == {}
    assert closeness.options_at(model, "loose") == {"a": 1.0, "b": 0, "c": "x"}
    assert closeness.options_at(model, "balanced") == {"a": 0.8, "b": 7, "c": "y"}
    assert closeness.options_at(model, "close") == {"a": 0.6, "b": 11, "c": "y"}
    assert closeness.options_at(model, "exact") == {"a": 0.4, "b": 12, "c": "z"}
    assert closeness.effect(model, "close") == "A 0.6, B 11, C: y"


def test_options_from_a_schema_go_by_the_names_of_its_fields():
    options = (
        Option("strength", "Freedom", "float", 0.8, minimum=0.01, maximum=0.9),
        Option("control_lora_strength", "Depth", "float", 1.0, minimum=0.0, maximum=2.0),
        Option("seed", "Seed", "int", 0),
    )
    model = Model("m", "M", "fal", options=options, extra={"schema": {"strength": {}}})
    assert closeness.options_at(model, "loose") == {"strength": 0.9, "control_lora_strength": 0.4}
    assert closeness.options_at(model, "exact") == {"strength": 0.35, "control_lora_strength": 1.2}
    plain = Model("m", "M", "comfyui", options=options)
    assert closeness.options_at(plain, "exact") == {}, "a widget may be called so, too"


@pytest.mark.parametrize("model", WORKFLOWS.models.values(), ids=lambda model: model.id)
def test_every_model_has_something_or_says_why_not(model):
    if closeness.why_not(model):
        with pytest.raises(InvalidInput, match=r"takes no view|has nothing that holds"):
            closeness.check(model, "close")
        return
    effects = [closeness.effect(model, step) for step in STEPS]
    assert all(effects)
    assert len(set(effects)) == len(STEPS), "each step is another"
    for step in STEPS:
        for id, value in closeness.options_at(model, step).items():
            model.option(id).check(value)


def test_models_without_anything_are_refused_before_anything_is_sent():
    text_only = SHIPPED.model("openrouter/recraft/recraft-v4.1-flash")
    upscale = WORKFLOWS.model("comfyui/upscale")
    assert closeness.why_not(text_only) == "Recraft V4.1 Flash takes no view."
    assert closeness.why_not(upscale)
    request = RenderRequest("A house", model=text_only.id, closeness="exact")
    problem = prepare(text_only, lambda: request).problem
    assert problem is not None
    assert "takes no view" in problem.text


def test_instruction_models_get_other_words_and_other_guides():
    model = SHIPPED.model("openrouter/black-forest-labs/flux.2-pro")
    with OpenRouterServer() as server:
        sent = {step: made(model, server, step, key=True) for step in CLOSENESS}
    assert set(sent["loose"].sent) == {"canvas.png"}
    assert set(sent["close"].sent) == {"canvas.png", "depth.png"}
    assert set(sent["exact"].sent) == {"canvas.png", "depth.png", "normal.png"}
    assert "may change freely" in sent["loose"].prompt_sent
    assert "shapes may be refined" in sent["balanced"].prompt_sent
    assert "keep the distances roughly" in sent["balanced"].prompt_sent
    assert "shapes and layout exactly" in sent["exact"].prompt_sent
    assert len({result.prompt_sent for result in sent.values()}) == len(CLOSENESS)


def test_words_alone_where_there_are_no_guides():
    model = SHIPPED.model("together/black-forest-labs/FLUX.1-kontext-max")
    assert closeness.options_at(model, "loose") == {}
    with TogetherServer() as server:
        loose, exact = (made(model, server, step, key=True) for step in ("loose", "exact"))
    assert set(loose.sent) == set(exact.sent) == {"canvas.png"}
    assert loose.prompt_sent != exact.prompt_sent


def test_another_provider_of_the_same_dialect():
    model = SHIPPED.model("xai/grok-imagine-image-2.0")
    with XAIServer() as server:
        assert "may change freely" in made(model, server, "loose", key=True).prompt_sent


def test_a_webui_gets_a_strength_and_weights():
    model = SHIPPED.model("a1111/current")
    with A1111Server() as server:
        for step in ("loose", "exact"):
            made(model, server, step)
    loose, exact = server.made
    assert (loose["denoising_strength"], exact["denoising_strength"]) == (1.0, 0.4)
    weights = [
        [unit["weight"] for unit in order["alwayson_scripts"]["controlnet"]["args"]]
        for order in server.made
    ]
    assert weights == [[0.2], [1.1, 0.8]], "normals with no weight are left out"


def test_a_workflow_has_its_nodes_set():
    model = WORKFLOWS.model("comfyui/depth-normal")
    workflow = library.workflow_of(model)
    values = dict.fromkeys(workflow.places, "view.png")
    nodes = (("16", "denoise"), ("10", "strength"), ("12", "strength"))
    set_to = []
    for step in ("loose", "exact"):
        graph = workflow.filled(values, asked(model, step).options, {})
        set_to.append(tuple(graph[node]["inputs"][name] for node, name in nodes))
    assert set_to == [(1.0, 0.2, 0.0), (0.4, 1.1, 0.8)]


def test_the_offline_engine_moves_less_from_the_view():
    model = SHIPPED.model("offline")
    assert [closeness.options_at(model, step)["strength"] for step in STEPS] == [
        *(1.0, 0.75, 0.5, 0.25)
    ]


def test_it_is_kept_with_the_request():
    request = asked(SHIPPED.model("offline"), "close")
    kept = request.to_json()
    assert (kept["closeness"], kept["options"]) == ("close", {"strength": 0.5})
    again = RenderRequest.from_json(kept, lambda digest: base64.b64decode(""))
    assert again.closeness == "close"
    older = {name: value for name, value in kept.items() if name != "closeness"}
    assert RenderRequest.from_json(older, lambda digest: b"").closeness == "auto"
    with pytest.raises(InvalidInput, match="does not say how close"):
        RenderRequest("A house", closeness="very")  # type: ignore[arg-type]
