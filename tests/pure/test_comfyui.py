# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflows on ComfyUI servers: against our protocol server, and with `--comfyui=DIR` the same
tests against a real one."""

from __future__ import annotations

import itertools
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httpx2")
pytest.importorskip("websockets")

from genai_render.backends.http.errors import OnlineAccessOff
from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.backends.self_hosted.comfyui import backend as comfyui
from genai_render.backends.self_hosted.comfyui import library, scheduler
from genai_render.backends.self_hosted.comfyui.backend import ComfyUIBackend
from genai_render.backends.self_hosted.comfyui.workflow import Workflow
from genai_render.backends.self_hosted.control_images import depth_guide, normal_guide, view_guide
from genai_render.backends.self_hosted.errors import (
    InterruptedElsewhere,
    InvalidWorkflow,
    MissingParts,
    NodeFailed,
    OutOfMemory,
    QueueCleared,
    ServerGone,
    WrongResult,
    WrongServer,
    missing,
)
from genai_render.core.errors import Cancelled, CredentialsError, InvalidInput
from genai_render.core.events import CancelToken, PartialImage
from genai_render.core.history.store import HistoryStore
from genai_render.core.image import images
from genai_render.core.jobs import JobQueue
from genai_render.core.keys.credentials import Secret
from genai_render.core.models import catalog
from genai_render.core.models.catalog import Option
from genai_render.core.models.output_spec import output_spec
from genai_render.core.request import Reference, RenderRequest
from tests.servers.client import canvas, image, our_threads, run, run_and_cancel
from tests.servers.comfyui_api import ComfyUIServer
from tests.servers.comfyui_real import RealComfyUI
from tests.servers.http import Answer, Server
from tests.servers.wire_cut import WireCut


def node(kind: str, title: str = "", **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, **({"_meta": {"title": title}} if title else {})}


def whole(steps: int = 3, seconds: float = 0.05) -> dict[str, Any]:
    """Colour, depth and normals become one picture, slowly."""
    return {
        "1": node("LoadImage", "Canvas", image="example.png"),
        "2": node("LoadImage", "Depth", image="example.png"),
        "3": node("LoadImage", "Normals", image="example.png"),
        "4": node(
            "ImageBlend", image1=["1", 0], image2=["2", 0], blend_factor=0.5, blend_mode="normal"
        ),
        "5": node(
            "ImageBlend", image1=["4", 0], image2=["3", 0], blend_factor=0.3, blend_mode="normal"
        ),
        "6": node(
            *("GenAISlow", "Thinking [steps, seconds]"),
            **{"image": ["5", 0], "steps": steps, "seconds": seconds, "seed": 0},
        ),
        "7": node(
            *("ImageScale", "Size"),
            **{"image": ["6", 0], "upscale_method": "bicubic", "crop": "disabled"},
            **{"width": 512, "height": 512},
        ),
        "8": node("SaveImage", images=["7", 0], filename_prefix="genai_render"),
    }


def only(title: str) -> dict[str, Any]:
    """Gives back what it was given."""
    return {
        "1": node("LoadImage", title, image="example.png"),
        "2": node("SaveImage", images=["1", 0], filename_prefix="genai_render"),
    }


@pytest.fixture(autouse=True)
def _fast_and_clean(monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(comfyui, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(comfyui, "_BACK_WITHIN", 0.8)
    monkeypatch.delenv("GENAI_RENDER_COMFYUI", raising=False)
    comfyui._specs.clear()
    scheduler._gone.clear()
    yield
    assert scheduler._given == {}
    assert our_threads() == []


_real: list[RealComfyUI] = []


@pytest.fixture(scope="module")
def real_servers(request, tmp_path_factory) -> Iterator[list[RealComfyUI]]:
    """Kept for the module: each takes several seconds to start."""
    yield _real
    for server in _real:
        server.kill()
    _real.clear()


@pytest.fixture(params=["protocol", "jobs api", "real"])
def servers(request, real_servers, tmp_path_factory) -> Iterator[Any]:
    """Makes servers: servers(2) gives two that run."""
    started: list[ComfyUIServer] = []

    def make(number: int) -> list[Any]:
        if request.param == "real":
            while len(_real) < number:
                folder = tmp_path_factory.mktemp("comfyui")
                source = Path(request.config.getoption("--comfyui")).resolve()
                _real.append(RealComfyUI(source, folder))
            for server in _real[:number]:
                if server._process is None:
                    server.start()
            return _real[:number]
        for _ in range(number):
            started.append(ComfyUIServer(jobs_api=request.param == "jobs api").__enter__())
        return list(started)

    if request.param == "real" and not request.config.getoption("--comfyui"):
        pytest.skip("needs --comfyui=DIR")
    yield make
    for server in started:
        server.__exit__(None, None, None)


@pytest.fixture
def server(servers) -> Any:
    return servers(1)[0]


def backend(tmp_path: Path, graph: dict[str, Any], *servers: Any, **settings: Any):
    (tmp_path / "mine.json").write_text(json.dumps(graph))
    known, problems = library.with_workflows(catalog.shipped(), tmp_path)
    assert problems == []
    endpoints = {
        f"comfyui:Server {number}": Endpoint(
            base_url=getattr(server, "origin", server), needs_key=False, **settings
        )
        for number, server in enumerate(servers, start=1)
    }
    return ComfyUIBackend(BackendSettings(False, endpoints, known))


def request(**more: Any) -> RenderRequest:
    given = {"prompt": "A house", "model": "comfyui/mine", "canvas": canvas(96, 64), "seed": 7}
    return RenderRequest(**{**given, **more})


def ask(server: Any, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(server.origin + path, data, timeout=20) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def wait_for(condition, seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.02)


def running_ids(server: Any) -> list[str]:
    return [item[1] for item in ask(server, "/queue")["queue_running"]]


def pending_ids(server: Any) -> list[str]:
    return [item[1] for item in ask(server, "/queue")["queue_pending"]]


# ---- an image ----------------------------------------------------------------------------------


def test_color_depth_and_normals_become_an_image_with_its_seed_and_workflow(tmp_path, server):
    made = run(backend(tmp_path, whole(), server), request(count=2, aspect="3:2"))
    assert made.error is None
    assert sorted((r.index, r.seed) for r in made.results) == [(0, 7), (1, 8)]
    first = min(made.results, key=lambda result: result.index)
    assert (first.width, first.height, first.mime) == (1248, 832, "image/png")
    assert set(first.sent) == {"canvas.png", "depth.png", "normal.png"}
    graph = first.info["workflow"]
    assert graph["6"]["inputs"]["seed"] == 7
    assert graph["7"]["inputs"]["width"] == 1248
    assert first.info["server"] == "Server 1"
    assert first.cost_usd == 0.0
    assert any("Thinking: step 2 of 3" in text for text in made.progress)
    assert len(made.partials) >= 2
    assert images.probe(made.partials[0].image).mime == "image/jpeg"


@pytest.mark.parametrize("title", ["Canvas", "Depth", "Normals"])
def test_the_server_reads_each_guide_as_it_was_meant(tmp_path, server, title):
    made = run(backend(tmp_path, only(title), server), request())
    assert made.error is None
    view = canvas(96, 64)
    expected = {
        "Canvas": view_guide(view),
        "Depth": depth_guide(view),
        "Normals": normal_guide(view),
    }[title]
    got = images.decode(made.results[0].image)[..., :3]
    assert np.abs(got.astype(int) - expected.astype(int)).max() <= 1


def test_guides_are_in_the_conventions_of_controlnet():
    view = canvas(96, 64)
    view.normal[view.covered] = (0.6, 0.0, 0.8)  # faces right
    depth, normal = depth_guide(view), normal_guide(view)
    near, far = depth[40, 40, 0], depth[40, 80, 0]
    assert near == 255
    assert 0 < far < 128
    assert depth[0, 0, 0] == 0
    assert normal[40, 40, 0] < 64  # red is for what faces left
    assert normal[0, 0].tolist() == [128, 128, 255]
    assert normal_guide(view, red_left=False)[40, 40, 0] > 192


def test_options_marked_in_a_title_are_options_of_the_model(tmp_path, server):
    made = run(backend(tmp_path, whole(), server), request(options={"steps": 6, "seconds": 0.0}))
    assert any("step 6 of 6" in text for text in made.progress)


def test_the_same_image_again_is_made_again(tmp_path, server):
    """A server that has everything in its cache tells nothing of steps."""
    work = backend(tmp_path, only("Canvas"), server)
    first, second = run(work, request()), run(work, request())
    assert first.error is second.error is None
    assert np.array_equal(
        images.decode(first.results[0].image), images.decode(second.results[0].image)
    )


def test_history_has_the_seed_and_the_workflow(tmp_path, server):
    store = HistoryStore(tmp_path / "history")
    queue = JobQueue(lambda asked, made, took: store.add(asked, made, seconds=took).id)
    work = backend(tmp_path, whole(), server)
    queue.submit(request(), work.run)
    wait_for(lambda: not queue.jobs(), 60)
    queue.close()
    (item,) = store.search()
    info = store.record(item.id)["result"]["info"]
    assert item.seed == 7
    assert info["workflow"]["6"]["inputs"]["seed"] == 7
    assert info["workflow"]["8"]["class_type"] == "SaveImage"
    store.close()


# ---- cancel ------------------------------------------------------------------------------------


_seeds = itertools.count(1000)


def somebody_elses(server: Any, work: ComfyUIBackend) -> tuple[threading.Thread, Any]:
    made: list[Any] = []
    # A seed of its own each time, or the server has it in its cache.
    other = request(seed=next(_seeds), options={"steps": 20, "seconds": 0.1})
    thread = threading.Thread(target=lambda: made.append(run(work, other)))
    thread.start()
    return thread, made


def test_cancel_stops_our_job_that_runs_and_no_other(tmp_path, server):
    work = backend(tmp_path, whole(), server)
    stopped = run_and_cancel(
        work,
        request(options={"steps": 900, "seconds": 0.1}),
        lambda made: any(isinstance(event, PartialImage) for event in made.events),
    )
    assert isinstance(stopped.error, Cancelled)
    wait_for(lambda: running_ids(server) == [], 10)
    assert run(work, request()).error is None


def test_cancel_takes_our_waiting_job_out_and_leaves_the_one_that_runs(tmp_path, server):
    work = backend(tmp_path, whole(), server)
    thread, others = somebody_elses(server, work)
    wait_for(lambda: running_ids(server) != [])
    theirs = running_ids(server)
    stopped = run_and_cancel(work, request(), lambda made: pending_ids(server) != [])
    assert isinstance(stopped.error, Cancelled)
    wait_for(lambda: pending_ids(server) == [], 5)
    assert running_ids(server) == theirs
    thread.join(60)
    assert others[0].error is None


# ---- what goes wrong ---------------------------------------------------------------------------


def test_interrupted_elsewhere(tmp_path, server):
    thread, made = somebody_elses(server, backend(tmp_path, whole(), server))
    wait_for(lambda: running_ids(server) != [])
    ask(server, "/interrupt", {})
    thread.join(30)
    assert isinstance(made[0].error, InterruptedElsewhere)
    assert "Generate again" in made[0].error.action


def test_queue_cleared_elsewhere(tmp_path, server):
    work = backend(tmp_path, whole(), server)
    thread, others = somebody_elses(server, work)
    wait_for(lambda: running_ids(server) != [])
    made: list[Any] = []
    second = threading.Thread(target=lambda: made.append(run(work, request())))
    second.start()
    wait_for(lambda: pending_ids(server) != [])
    ask(server, "/queue", {"clear": True})
    second.join(30)
    thread.join(60)
    assert isinstance(made[0].error, QueueCleared)
    assert others[0].error is None


def failing(how: str) -> dict[str, Any]:
    graph = only("Canvas")
    graph["3"] = node("GenAIFail", "My own node", image=["1", 0], how=how)
    graph["2"]["inputs"]["images"] = ["3", 0]
    return graph


def test_a_node_that_fails_is_named_by_its_title(tmp_path, server):
    error = run(backend(tmp_path, failing("bug"), server), request()).error
    assert isinstance(error, NodeFailed)
    assert "My own node" in error.what
    assert "something in the node broke" in error.why


def test_out_of_memory_says_what_to_do(tmp_path, server):
    error = run(backend(tmp_path, failing("memory"), server), request()).error
    assert isinstance(error, OutOfMemory)
    assert "lower resolution" in error.action


def test_a_missing_node_is_told_before_anything_is_sent(tmp_path, server):
    graph = only("Canvas")
    graph["3"] = node("FancyNode", image=["1", 0])
    graph["2"]["inputs"]["images"] = ["3", 0]
    error = run(backend(tmp_path, graph, server), request()).error
    assert isinstance(error, MissingParts)
    assert 'node "FancyNode"' in error.why
    assert running_ids(server) == pending_ids(server) == []


def test_the_models_that_a_shipped_workflow_lacks_are_named(tmp_path, server):
    error = run(
        backend(tmp_path, whole(), server),
        request(model="comfyui/upscale", canvas=None, kind="edit", source=image()),
    ).error
    assert isinstance(error, MissingParts)
    assert "RealESRGAN_x4plus.pth" in error.why
    assert "models/upscale_models" in error.why
    assert "Real-ESRGAN" in error.why


def test_what_is_missing_is_whole_the_first_time_with_the_models_of_a_missing_pack(
    tmp_path, server
):
    error = run(
        backend(tmp_path, whole(), server),
        request(model="comfyui/style-reference", references=(Reference(image()),)),
    ).error
    assert isinstance(error, MissingParts)
    assert 'node "IPAdapterModelLoader" (of ComfyUI_IPAdapter_plus)' in error.why
    assert 'its model "ip-adapter-plus_sdxl_vit-h.safetensors" (models/ipadapter)' in error.why
    assert "huggingface.co/h94/IP-Adapter" in error.why
    assert 'model "CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors"' in error.why


def test_another_file_is_offered_only_where_an_option_can_choose_it():
    graph = {"1": node("Loader", "Loader", ckpt_name="a.safetensors", vae_name="b.safetensors")}
    choices = [["c.safetensors"], {}]
    specs = {"Loader": {"input": {"required": {"ckpt_name": choices, "vae_name": choices}}}}
    option = Option("checkpoint", "Checkpoint", "text", "a.safetensors")
    workflow = Workflow("Mine", graph, {}, (option,), {"checkpoint": ("1.ckpt_name",)})
    error = missing("here", "Mine", workflow.missing(graph, specs))
    assert 'In place of a.safetensors it has: c.safetensors. Choose one as "Checkpoint".' in (
        error.action
    )
    assert "b.safetensors it has" not in error.action
    assert 'model "b.safetensors"' in error.why


def test_what_is_missing_is_known_before_there_is_a_view(tmp_path, server):
    given = request(model="comfyui/depth-normal", canvas=None)
    with pytest.raises(MissingParts, match=r"sd_xl_base_1\.0"):
        backend(tmp_path, whole(), server).ready(given, CancelToken(), canvas_comes=True)
    backend(tmp_path, whole(), server).ready(request(canvas=None), CancelToken(), True)
    with pytest.raises(InvalidInput, match="needs the view"):
        backend(tmp_path, whole(), server).ready(request(canvas=None), CancelToken(), False)
    assert running_ids(server) == pending_ids(server) == []


@pytest.mark.parametrize(
    ("model", "size", "options"),
    [
        ("comfyui/inpaint", (1000, 600), {}),
        ("comfyui/outpaint", (1640, 664), {"left": 300, "right": 340, "top": 0, "bottom": 64}),
    ],
)
def test_an_edit_on_the_image_itself_is_as_large_as_it_is_said(tmp_path, model, size, options):
    known, _ = library.with_workflows(catalog.shipped(), tmp_path)
    given = request(model=model, canvas=None, kind="edit", source=image(1000, 600), options=options)
    spec = output_spec(known.model(model), given)
    assert (spec.width, spec.height) == size
    assert spec.notes == (), "nothing is other than one would think"


def test_what_a_node_refuses_is_told_with_its_title(tmp_path, server):
    made = run(backend(tmp_path, whole(), server), request(options={"steps": 5000}))
    assert isinstance(made.error, InvalidWorkflow)
    assert 'Node "Thinking"' in made.error.why
    assert "1000" in made.error.why


def test_a_workflow_without_the_view_that_it_needs(tmp_path, server):
    error = run(backend(tmp_path, whole(), server), request(canvas=None)).error
    assert isinstance(error, InvalidInput)
    assert "Turn the view on" in error.action


def test_no_server_is_there(tmp_path):
    error = run(backend(tmp_path, whole(), "http://127.0.0.1:9"), request()).error
    assert isinstance(error, ServerGone)
    assert "Server 1" in error.what
    assert "Start it" in error.action


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"content-type": "text/html"}, b"<html>a router</html>"),
        Answer(404, {"content-type": "text/html"}, b"<html>not found</html>"),
        Answer.of_json({"hello": 1}),
    ],
)
def test_something_else_answers_at_the_port(tmp_path, answer):
    with Server(lambda received: answer) as other:
        error = run(backend(tmp_path, whole(), other), request()).error
    assert isinstance(error, WrongServer)
    assert "8188" in error.action


def test_a_server_that_wants_a_password(tmp_path):
    with ComfyUIServer(key="Basic YW5uYTpzZWNyZXQ=") as locked:
        without = run(backend(tmp_path, whole(), locked), request()).error
        assert isinstance(without, CredentialsError)
        assert "name:password" in without.action
        made = run(backend(tmp_path, whole(), locked, key=Secret("anna:secret")), request())
        assert made.error is None
        assert len(made.results) == 1


def test_without_online_access_only_this_computer_is_reached(tmp_path):
    error = run(backend(tmp_path, whole(), "http://192.0.2.1:8188"), request()).error
    assert isinstance(error, OnlineAccessOff)


def test_the_websocket_is_lost_and_regained(tmp_path):
    with ComfyUIServer() as flaky:
        made: list[Any] = []
        work = backend(tmp_path, whole(), flaky)
        long = request(options={"steps": 20, "seconds": 0.1})
        thread = threading.Thread(target=lambda: made.append(run(work, long)))
        thread.start()
        wait_for(lambda: flaky.executing is not None)
        time.sleep(0.3)
        flaky.drop_sockets()
        thread.join(30)
        assert made[0].error is None
        assert len(made[0].results) == 1
        assert flaky.sockets_opened == 2
        assert len(flaky.submitted) == 1
        # The last step's message may come after the answer that the job is done.
        assert any(
            f"step {step} of 20" in text for step in range(9, 21) for text in made[0].progress
        )


def test_the_wire_is_cut_in_the_middle_and_the_job_goes_on(tmp_path, server):
    """Websocket and HTTP at once, as when a network hiccups: the job is not given twice."""
    with WireCut(server.origin) as wire:
        made: list[Any] = []
        work = backend(tmp_path, whole(), wire)
        long = request(seed=next(_seeds), options={"steps": 50, "seconds": 0.1})
        thread = threading.Thread(target=lambda: made.append(run(work, long)))
        thread.start()
        wait_for(lambda: running_ids(server) != [])
        theirs = running_ids(server)
        time.sleep(0.5)
        wire.cut()
        wait_for(lambda: running_ids(server) == [] and pending_ids(server) == [], 60)
        thread.join(30)
    assert made[0].error is None
    assert len(made[0].results) == 1
    # The last step's message may come after the answer that the job is done.
    assert any(f"step {step} of 50" in text for step in range(25, 51) for text in made[0].progress)
    assert ask(server, f"/history/{theirs[0]}"), "it was that job, and none beside it"


def test_results_that_are_no_images(tmp_path):
    graph = {"1": node("SaveText", text="hello")}
    with ComfyUIServer() as server:
        error = run(backend(tmp_path, graph, server), request()).error
    assert isinstance(error, WrongResult)
    assert "text" in error.why
    assert "Save Image" in error.action


# ---- several servers ---------------------------------------------------------------------------


def test_the_least_busy_server_that_has_what_is_needed(tmp_path):
    with ComfyUIServer() as busy, ComfyUIServer() as bare, ComfyUIServer() as free:
        del bare.nodes["GenAISlow"]
        alone = backend(tmp_path, whole(), busy)
        thread, _ = somebody_elses(busy, alone)
        wait_for(lambda: busy.executing is not None)
        made = run(backend(tmp_path, whole(), busy, bare, free), request())
        thread.join(30)
        assert made.results[0].info["server"] == "Server 3"


def test_twenty_images_over_two_servers_of_which_one_is_killed(tmp_path, servers):
    one, two = servers(2)
    store = HistoryStore(tmp_path / "history")
    keep = lambda asked, made, took: store.add(asked, made, seconds=took).id  # noqa: E731
    queue = JobQueue(keep, workers=4)
    work = backend(tmp_path, whole(), one, two)
    for seed in range(20):
        queue.submit(request(seed=seed, options={"steps": 4, "seconds": 0.1}), work.run)
    wait_for(lambda: store.count() >= 4, 120)
    wait_for(lambda: running_ids(one) != [], 20)
    one.kill()
    wait_for(lambda: not queue.jobs(), 300)
    errors = [event for _, event in queue.drain() if getattr(event, "error", None)]
    queue.close()
    items = store.search(limit=100)
    made_by = {store.record(item.id)["result"]["info"]["server"] for item in items}
    store.close()
    assert errors == []
    assert sorted(item.seed or 0 for item in items) == list(range(20))
    assert made_by == {"Server 1", "Server 2"}


def test_a_server_that_is_started_again_has_lost_its_job_which_another_makes(tmp_path, servers):
    one, two = servers(2)
    made: list[Any] = []
    work = backend(tmp_path, whole(), one, two)
    long = request(options={"steps": 30, "seconds": 0.1})
    thread = threading.Thread(target=lambda: made.append(run(work, long)))
    thread.start()
    wait_for(lambda: running_ids(one) != [])
    one.kill()
    thread.join(60)
    assert made[0].error is None
    assert len(made[0].results) == 1
    assert made[0].results[0].info["server"] == "Server 2"
    assert any("went away" in text for text in made[0].notices)


def test_a_server_that_dies_with_half_of_the_images_handed_out_doubles_none(tmp_path):
    graph = only("Canvas")
    graph["3"] = node("SaveImage", images=["1", 0], filename_prefix="again")
    with ComfyUIServer() as dying, ComfyUIServer() as other:
        dying.views_left = 1
        made = run(backend(tmp_path, graph, dying, other), request())
    assert made.error is None
    assert [result.info["server"] for result in made.results] == ["Server 2", "Server 2"]


def test_servers_tell_how_they_are(tmp_path, server):
    said = backend(tmp_path, whole(), server).check(CancelToken())
    assert "Server 1: ComfyUI 0.3" in said
    assert "0 in queue" in said
    assert "GB free" in said


def test_the_shipped_workflows_use_nodes_as_the_real_server_has_them(tmp_path, servers, request):
    if request.node.callspec.params["servers"] != "real":
        pytest.skip("our own server knows only the nodes of the tests")
    (real,) = servers(1)
    for model in library.shipped():
        workflow = library.workflow_of(model)
        specs = {name: ask(real, f"/object_info/{name}").get(name) for name in workflow.classes}
        unknown = {name for name, spec in specs.items() if spec is None}
        assert unknown <= set(workflow.packs), model.id
        for part in workflow.missing(workflow.graph, specs):
            assert part.kind != "setting" or part.name == "flux2", part
        for node in workflow.graph.values():
            spec = specs[node["class_type"]]
            if spec is None:
                continue
            needed = set(spec["input"].get("required", {}))
            known = needed | set(spec["input"].get("optional", {}))
            assert needed <= set(node["inputs"]) <= known, (model.id, node)
