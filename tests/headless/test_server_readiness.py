# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server lacks stands against Generate before anything is captured; a job counts as under
way until what came of it was taken."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import pytest

import genai_render.blender as ours
from genai_render.backends.self_hosted.errors import MissingParts, NotAnswered, ServerGone
from genai_render.blender import addon, background, catalog
from genai_render.blender.connections import model_refresh, server_readiness
from genai_render.blender.jobs import generating, request_builder, session
from genai_render.blender.settings import options
from genai_render.core.errors import GenAIError

from ..pure.test_comfyui import node
from ..servers.client import image
from ..servers.comfyui_api import ComfyUIServer


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ComfyUIServer]:
    own = tmp_path / "workflows"
    own.mkdir()
    graph = {
        "1": node("LoadImage", image="example.png"),
        "2": node("GenAISlow", image=["1", 0], steps=1, seconds=0.0, seed=0),
        "3": node("SaveImage", images=["2", 0], filename_prefix="genai_render"),
    }
    for name, kind in (("Small", "GenAISlow"), ("Fancy", "FancySampler")):
        graph["2"]["class_type"] = kind
        (own / f"{name}.json").write_text(json.dumps(graph))
        # The picture is the server's own: nothing of ours goes there.
        (own / f"{name}.mapping.json").write_text('{"inputs": {"color": []}}')
    history = tmp_path / "history"
    monkeypatch.setattr(session.addon, "history_folder", lambda: history)
    monkeypatch.setenv("GENAI_RENDER_WORKFLOWS", str(own))
    with ComfyUIServer() as made:
        monkeypatch.setenv("GENAI_RENDER_COMFYUI", made.origin)
        made.files["input/example.png"] = image()
        ours.register()
        settings().prompt = "golden hour"
        settings().use_canvas = False  # there is no viewport here
        yield made
        ours.unregister()


def settings() -> Any:
    return bpy.context.scene.genai_render


def problem() -> GenAIError | None:
    return request_builder.prepared(bpy.context).problem


def answered() -> GenAIError | None:
    """The problem, once the servers have answered."""
    ends = time.monotonic() + 60
    while isinstance(found := problem(), NotAnswered):
        assert time.monotonic() < ends
        time.sleep(0.01)
        background.take()
    return found


def test_what_a_server_lacks_is_the_problem_before_anything_is_sent(server: ComfyUIServer) -> None:
    settings().model = "comfyui/fancy"
    assert isinstance(problem(), NotAnswered)
    found = answered()
    assert isinstance(found, MissingParts)
    assert 'node "FancySampler"' in found.text
    assert problem() is found, "it is not asked, and not another one, at each redraw"
    with pytest.raises(MissingParts):
        generating.generate(bpy.context)
    assert session.opened() is None or not session.session().works()
    settings().model = "comfyui/small"
    assert answered() is None


def test_what_was_put_there_since_is_found(server: ComfyUIServer) -> None:
    settings().model = "comfyui/fancy"
    assert isinstance(answered(), MissingParts)
    server.nodes["FancySampler"] = server.nodes["GenAISlow"]
    known = addon.state(server_readiness.ServerReadiness).known
    for which, answer in known.items():
        known[which] = server_readiness._Answer(answer.problem, answer.when - 60)
    ends = time.monotonic() + 60
    while problem() is not None:
        assert time.monotonic() < ends
        time.sleep(0.01)
        background.take()


def test_a_server_that_is_gone_is_the_problem(
    server: ComfyUIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENAI_RENDER_COMFYUI", "http://127.0.0.1:9")
    catalog.reload()
    settings().model = "comfyui/small"
    assert isinstance(answered(), ServerGone)


def test_a_number_of_an_option_asks_nobody_again(server: ComfyUIServer) -> None:
    settings().model = "comfyui/small"
    assert answered() is None
    asked = len(server.received)
    settings().seed, settings().use_seed, settings().prompt = 3, True, "a foggy morning"
    assert problem() is None
    assert len(server.received) == asked


def test_a_job_is_under_way_until_its_end_was_told(server: ComfyUIServer) -> None:
    """Its thread may be over for a while before the main thread takes what came of it."""
    settings().model = "comfyui/small"
    assert answered() is None
    current = session.session()
    work = generating.generate(bpy.context)
    ends = time.monotonic() + 60
    while work.job.ended is None:
        assert time.monotonic() < ends
        time.sleep(0.01)
    assert current.works() == [work]
    current.follow()
    assert current.works() == []
    assert work.job.saved


def test_a_refresh_suggests_what_the_server_has_also_when_it_is_gone(
    server: ComfyUIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog.addon, "user_folder", lambda name, create=True: tmp_path)
    server.nodes["CheckpointLoaderSimple"]["required"]["ckpt_name"] = [["dreamer.safetensors"], {}]
    state = model_refresh.state()
    state.start()
    ends = time.monotonic() + 60
    while state.running:
        assert time.monotonic() < ends
        time.sleep(0.01)
        background.take()
    texts = [line.text for line in state.lines if not line.is_error]
    assert [text.partition(";")[0] for text in texts] == [
        "Your ComfyUI servers: names to choose from: 1"
    ]
    monkeypatch.setenv("GENAI_RENDER_COMFYUI", "http://127.0.0.1:9")
    catalog.reload()
    model = catalog.catalog().model("comfyui/inpaint")
    assert model.option("checkpoint").suggested == ("dreamer.safetensors",)
    group = options.option_group(bpy.context.scene, model)
    group.checkpoint = "another.safetensors"  # one that is not suggested can be written, too
    assert options.option_values(bpy.context.scene, model) == {"checkpoint": "another.safetensors"}
