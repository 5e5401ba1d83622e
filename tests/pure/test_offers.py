# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user's own servers have to choose from: asked by a refresh, kept, and suggested."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx2")

from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.backends.refresh import ServersAnswered, refreshed
from genai_render.backends.self_hosted.comfyui import library
from genai_render.backends.self_hosted.errors import ServerGone
from genai_render.backends.self_hosted.offers import offers
from genai_render.core.errors import CredentialsError
from genai_render.core.events import CancelToken
from genai_render.core.models import catalog, server_lists
from tests.servers.a1111_api import A1111Server
from tests.servers.comfyui_api import ComfyUIServer

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _no_servers_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GENAI_RENDER_COMFYUI", "GENAI_RENDER_A1111"):
        monkeypatch.delenv(name, raising=False)


def known(folder: Path | None = None) -> catalog.Catalog:
    found, problems = library.with_workflows(catalog.load([catalog.DATA / "a1111.toml"]), folder)
    assert problems == []
    return found


def settings(folder: Path | None = None, **found: Any) -> BackendSettings:
    endpoints = {
        f"{kind}:Desk {number}": Endpoint(base_url=getattr(one, "origin", one), needs_key=False)
        for kind, several in found.items()
        for number, one in enumerate(several)
    }
    return BackendSettings(False, endpoints, known(folder))


def checkpoints(server: ComfyUIServer, *names: str) -> None:
    server.nodes["CheckpointLoaderSimple"]["required"]["ckpt_name"] = [list(names), {}]


def test_what_comfyui_has_is_suggested_for_each_option() -> None:
    with ComfyUIServer() as one, ComfyUIServer() as two:
        checkpoints(one, "dreamer.safetensors")
        checkpoints(two, "dreamer.safetensors", "photo.safetensors")
        del two.nodes["UpscaleModelLoader"]
        given = settings(comfyui=(one, NOWHERE, two))
        found = offers(given, "comfyui", CancelToken())
    both = ("dreamer.safetensors", "photo.safetensors")
    assert found.choices["comfyui/image-to-image"] == {"checkpoint": both}
    model = server_lists.applied(given.models(), {"comfyui": found}).model("comfyui/inpaint")
    assert model.option("checkpoint").suggested == both
    assert model.option("steps").suggested == ()
    # One of the two has all that an enlargement takes, none of them a sampler.
    assert "comfyui/upscale" not in found.lacking
    assert "KSampler" in found.lacking["comfyui/inpaint"]
    assert "KSampler" in model.extra["lacking"]


def test_an_option_of_a_workflow_of_ones_own_has_the_names_of_its_node(tmp_path: Path) -> None:
    graph = {
        "1": {"class_type": "KSampler", "inputs": {"sampler_name": "euler", "seed": 0}},
    }
    mapping = {
        "options": [
            {
                **{"id": "sampler", "label": "Sampler", "kind": "text", "default": "euler"},
                "places": ["1.sampler_name"],
            }
        ]
    }
    (tmp_path / "Mine.json").write_text(json.dumps(graph))
    (tmp_path / "Mine.mapping.json").write_text(json.dumps(mapping))
    with ComfyUIServer() as server:
        server.nodes["KSampler"] = {"required": {"sampler_name": [["euler", "heun"], {}]}}
        found = offers(settings(tmp_path, comfyui=(server,)), "comfyui", CancelToken())
    assert found.choices["comfyui/mine"] == {"sampler": ("euler", "heun")}


def test_what_an_a1111_server_has_is_suggested() -> None:
    with A1111Server() as server:
        found = offers(settings(a1111=(server,)), "a1111", CancelToken())
    options = found.choices["a1111/current"]
    assert options["checkpoint"] == ("sd/dreamer.safetensors [ab12cd34ef]",)
    assert "Euler a" in options["sampler"]
    assert options["depth_model"] == ("auto", "sd15_depth [a1]", "sd15_normalbae [b2]")


def test_a_refresh_asks_the_servers_too_also_without_online_access() -> None:
    with A1111Server() as server:
        one, other = refreshed(settings(comfyui=(NOWHERE,), a1111=(server,)), CancelToken())
    assert isinstance(one, ServersAnswered)
    assert isinstance(other, ServersAnswered)
    assert isinstance(one.problem, ServerGone)
    assert one.known is None
    assert other.known is not None
    assert other.known.count > 3
    with pytest.raises(CredentialsError):
        list(refreshed(replace(settings(), online_access=True), CancelToken()))


def test_the_lists_are_kept_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    kept = server_lists.ServerList(
        "2026-11-28", {"a1111/current": {"sampler": ("Euler a", "Heun")}}, {"comfyui/x": ("Node",)}
    )
    file = tmp_path / server_lists.FILE
    server_lists.write(file, {"a1111": kept})
    assert server_lists.read(file) == {"a1111": kept}
    for damage in ("", "[]", '{"version": 1, "lists": {"a1111": []}}', '{"version": 9}'):
        file.write_text(damage)
        assert server_lists.read(file) == {}
    assert server_lists.read(tmp_path / "nowhere.json") == {}
