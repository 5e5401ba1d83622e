# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of one's own behind proxies, cut connections and caches: what is said and done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx2")
pytest.importorskip("websockets")

from genai_render.backends.base import create_backend
from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.backends.self_hosted import a1111
from genai_render.backends.self_hosted.comfyui import backend as comfyui
from genai_render.backends.self_hosted.comfyui import library, scheduler
from genai_render.backends.self_hosted.errors import UnexpectedStatus, WrongResult, WrongServer
from genai_render.core.models import catalog
from genai_render.core.request import RenderRequest
from tests.servers.a1111_api import A1111Server
from tests.servers.client import Run, canvas, our_threads, run
from tests.servers.comfyui_api import ComfyUIServer
from tests.servers.http import Answer, Cut, Server

NGINX = (
    b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n"
    b"<center><h1>413 Request Entity Too Large</h1></center>\r\n<hr><center>nginx</center>\r\n"
)
GRAPH = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "x.png"}, "_meta": {"title": "Canvas"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}


@pytest.fixture(autouse=True)
def _fast_and_clean(monkeypatch):
    for name, seconds in (("_LOOK_SECONDS", 0.05), ("_BACK_WITHIN", 0.8), ("_SETTLING", 0.05)):
        monkeypatch.setattr(comfyui, name, seconds)
    monkeypatch.setattr(a1111, "_LOOK_SECONDS", 0.05)
    for name in ("GENAI_RENDER_COMFYUI", "GENAI_RENDER_A1111"):
        monkeypatch.delenv(name, raising=False)
    comfyui._specs.clear()
    scheduler._gone.clear()
    yield
    assert our_threads() == []


def of_comfyui(folder: Path, server: Any, **more: Any) -> Run:
    (folder / "mine.json").write_text(json.dumps(GRAPH))
    known, _ = library.with_workflows(catalog.shipped(), folder)
    endpoints = {"comfyui:Studio": Endpoint(base_url=server.origin, needs_key=False)}
    made = create_backend("comfyui", BackendSettings(False, endpoints, known))
    asked = RenderRequest(prompt="A house", model="comfyui/mine", canvas=canvas(), seed=7, **more)
    return run(made, asked)


def of_a1111(server: Any, **more: Any) -> Run:
    known = catalog.load([catalog.DATA / "a1111.toml"])
    endpoints = {"a1111:Desk": Endpoint(base_url=server.origin, needs_key=False)}
    made = create_backend("a1111", BackendSettings(False, endpoints, known))
    return run(made, RenderRequest(prompt="A house", model="a1111/current", seed=7, **more))


def answers(path: str, answer: Answer, kind: type = ComfyUIServer, **more: Any) -> Any:
    """A server that is as it should be, with a proxy before it that answers that path itself."""

    class Behind(kind):
        def _handle(self, request: Any) -> Answer | None:
            return answer if request.path.startswith(path) else super()._handle(request)

    return Behind(**more)


STATUSES = {
    "too large, by nginx": (Answer(413, {"content-type": "text/html"}, NGINX),
                            ["413", "413 Request Entity Too Large", "client_max_body_size"]),
    "too large, by itself": (
        Answer(413, {"content-type": "text/plain"}, b"Maximum request body size 100 exceeded"),
        ["413", "Maximum request body size"],
    ),
    "elsewhere": (Answer(301, {"location": "https://studio.lan/comfy/"}),
                  ["301", "https://studio.lan/comfy/"]),
    "a detail": (Answer.of_json({"detail": "No such tenant"}, 404), ["404", "No such tenant"]),
    "a teapot": (Answer(418, {"content-type": "text/plain"}, b"I am a teapot"),
                 ["418", "I am a teapot"]),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "words"), STATUSES.values(), ids=STATUSES)
def test_a_status_is_said_with_the_servers_words_and_not_taken_for_another_program(
    answer, words, tmp_path
):
    with answers("/upload/image", answer) as server:
        comfy = of_comfyui(tmp_path, server).error
    with answers("/sdapi/v1/txt2img", answer, A1111Server) as server:
        other = of_a1111(server).error
    for error in (comfy, other):
        assert error is not None
        for word in words:
            assert word in error.text, error.text
        assert "another program" not in error.text.lower()
        assert "charged" not in error.text
    assert isinstance(comfy, UnexpectedStatus)


def test_another_program_is_still_told_as_one(tmp_path):
    pages = Server(lambda _: Answer(200, {"content-type": "text/html"}, b"<title>Router</title>"))
    with pages as server:
        for made in (of_comfyui(tmp_path, server), of_a1111(server)):
            assert type(made.error) is WrongServer
            assert "not ComfyUI" in made.error.text or "not A1111" in made.error.text


@pytest.mark.parametrize(
    "answer",
    [
        Answer(
            400, {"content-type": "text/plain"}, b'No WebSocket UPGRADE hdr: None\n Can "Upgrade"'
        ),
        Answer(426),
        Answer(404, {}, b"404: Not Found"),
        Answer(200, {"content-type": "text/html"}, b"<html>"),
        Answer(301, {"location": "/ws/"}),
    ],
    ids=["aiohttp", "upgrade required", "not found", "a page", "redirect"],
)
def test_where_no_websocket_gets_through_the_job_is_asked_for(answer, tmp_path):
    with ComfyUIServer() as server:
        server.websocket = answer
        made = of_comfyui(tmp_path, server)
    assert made.error is None, made.error
    assert len(made.results) == 1
    assert any("No WebSocket" in text for text in made.notices)


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("chooses_ids", [False, True])
def test_a_job_cut_while_it_was_sent_is_looked_up_and_sent_again_if_it_is_not_there(
    cut, chooses_ids, tmp_path
):
    with ComfyUIServer() as server:
        server.cuts, server.chooses_ids = [cut], chooses_ids
        made = of_comfyui(tmp_path, server)
        assert len(server.submitted) == 1
    assert made.error is None, made.error
    assert len(made.results) == 1


def test_an_a1111_job_that_never_arrived_is_sent_again_once():
    with A1111Server(drops=1) as server:
        made = of_a1111(server)
        assert len(server.made) == 1
    assert made.error is None, made.error
    assert any("sent again" in text for text in made.notices)
    with A1111Server(drops=5) as server:
        made = of_a1111(server)
        assert server.drops == 3
    assert made.error is not None
    assert "charged" not in made.error.text


def test_a_workflow_whose_outputs_are_all_cached_says_so(tmp_path):
    with ComfyUIServer() as server:
        server.all_cached = True
        made = of_comfyui(tmp_path, server)
    assert isinstance(made.error, WrongResult)
    assert "cache" in made.error.text
    assert "seed" in made.error.text


@pytest.mark.parametrize("grid", [False, True])
def test_fewer_images_than_asked_are_said_and_no_guide_is_taken_for_one(grid):
    with A1111Server(fewer=1, grid=grid) as server:
        made = of_a1111(server, count=3)
    assert made.error is None, made.error
    assert [(result.width > 8, result.seed) for result in made.results] == [(True, 7), (True, 8)]
    assert "2 of 3 images" in " ".join(made.notices)


def test_nothing_is_said_of_charges_by_a_server_of_ones_own(tmp_path):
    broken = Answer(
        200, {"content-type": "application/json"}, [b'{"images": ["', Cut()], length=900
    )
    for answer in (Answer(500), broken, Answer.of_json({"images": ["AAAA"], "info": "{}"})):
        with answers("/sdapi/v1/txt2img", answer, A1111Server) as server:
            error = of_a1111(server).error
        assert error is not None
        assert "charged" not in error.text
    with answers("/prompt", Answer.of_json({"error": {"message": "Boom"}}, 500)) as server:
        error = of_comfyui(tmp_path, server).error
    assert error is not None
    assert "Boom" in error.text
    assert "charged" not in error.text
