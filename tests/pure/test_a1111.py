# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers with A1111's API: images from words and from the view, guides, progress, cancel."""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httpx2")

from genai_render.backends.http.errors import Rejected
from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.backends.self_hosted import a1111, servers, status
from genai_render.backends.self_hosted.a1111 import A1111Backend
from genai_render.backends.self_hosted.control_images import depth_guide, normal_guide
from genai_render.backends.self_hosted.errors import OutOfMemory, ServerGone, WrongServer
from genai_render.core.errors import Cancelled, CredentialsError, InvalidInput
from genai_render.core.events import CancelToken
from genai_render.core.image import images
from genai_render.core.keys.credentials import Secret
from genai_render.core.models import catalog
from genai_render.core.request import Reference, RenderRequest
from tests.servers.a1111_api import A1111Server
from tests.servers.client import canvas, image, layer, our_threads, run, run_and_cancel
from tests.servers.http import Answer, Server


@pytest.fixture(autouse=True)
def _fast_and_clean(monkeypatch):
    monkeypatch.setattr(a1111, "_LOOK_SECONDS", 0.05)
    monkeypatch.delenv("GENAI_RENDER_A1111", raising=False)
    yield
    assert our_threads() == []


def settings(*found: Any, **more: Any) -> BackendSettings:
    known = catalog.load([catalog.DATA / "a1111.toml"])
    return BackendSettings(
        False,
        {
            f"a1111:Desk {number}": Endpoint(
                base_url=getattr(server, "origin", server), needs_key=False, **more
            )
            for number, server in enumerate(found, start=1)
        },
        known,
    )


def backend(*found: Any, **more: Any) -> A1111Backend:
    return A1111Backend(settings(*found, **more))


def request(**more: Any) -> RenderRequest:
    return RenderRequest(**{"prompt": "A house", "model": "a1111/current", "seed": 7, **more})


def picture(text: str) -> np.ndarray:
    return images.decode(base64.b64decode(text))[..., :3]


def test_words_alone():
    with A1111Server() as server:
        made = run(backend(server), request(count=2, aspect="16:9"))
    assert made.error is None
    assert [result.seed for result in made.results] == [7, 8]
    (order,) = server.made
    assert (order["width"], order["height"]) == (made.results[0].width, made.results[0].height)
    assert order["prompt"].startswith("A house")
    assert "alwayson_scripts" not in order


def test_the_view_goes_with_its_depth_and_normals():
    view = canvas(96, 64)
    with A1111Server() as server:
        made = run(
            backend(server),
            request(canvas=view, options={"freedom": 0.5, "depth_strength": 1.2}),
        )
    assert made.error is None
    assert len(made.results) == 1  # the guides that come back with it are no results
    (order,) = server.made
    assert order["denoising_strength"] == 0.5
    depth, normal = order["alwayson_scripts"]["controlnet"]["args"]
    assert (depth["model"], depth["weight"]) == ("sd15_depth [a1]", 1.2)
    assert normal["model"] == "sd15_normalbae [b2]"
    assert depth["module"] == normal["module"] == "none"
    assert np.array_equal(picture(depth["image"]), depth_guide(view))
    assert np.array_equal(picture(normal["image"]), normal_guide(view))
    assert set(made.results[0].sent) == {"canvas.png", "depth.png", "normal.png"}
    kept = made.results[0].info["settings"]
    assert "init_images" not in kept
    assert kept["alwayson_scripts"]["controlnet"]["args"][0]["model"] == "sd15_depth [a1]"


def test_without_controlnet_it_says_what_is_left_out():
    with A1111Server(controls=None) as server:
        made = run(backend(server), request(canvas=canvas()))
    assert len(made.results) == 1
    assert any("no ControlNet for depth" in text for text in made.notices)
    assert any("no ControlNet for normals" in text for text in made.notices)


def test_a_union_controlnet_is_told_which_guide_it_gets():
    with A1111Server(controls=("xl-union-promax [c3]",)) as server:
        run(backend(server), request(canvas=canvas()))
    units = server.made[0]["alwayson_scripts"]["controlnet"]["args"]
    assert [unit["union_control_type"] for unit in units] == ["Depth", "Normal Map"]


def test_a_controlnet_that_is_not_there_is_told():
    with A1111Server() as server:
        error = run(
            backend(server), request(canvas=canvas(), options={"depth_model": "mine"})
        ).error
    assert isinstance(error, InvalidInput)
    assert "sd15_depth" in error.action


def test_a_mask_is_white_where_to_edit():
    with A1111Server() as server:
        made = run(
            backend(server),
            request(kind="edit", source=image(40, 32), mask=layer(40, 32)),
        )
    assert made.error is None
    mask = images.decode(base64.b64decode(server.made[0]["mask"]))
    assert mask[12, 15].max() == 255
    assert mask[0, 0].max() == 0


def test_steps_and_unfinished_pictures_are_shown():
    with A1111Server(seconds=1.0) as server:
        made = run(backend(server), request())
    assert any("of 20" in text for text in made.progress)
    assert made.partials


def test_cancel_stops_the_server():
    with A1111Server(seconds=20) as server:
        made = run_and_cancel(backend(server), request(), lambda told: bool(told.partials))
        assert isinstance(made.error, Cancelled)
        assert server.interrupted.wait(5)


@pytest.mark.parametrize("kind", ["a1111", "forge", "sdnext"])
@pytest.mark.parametrize("pages", [True, False])
def test_cancel_stops_nobody_elses_job(kind, pages):
    with A1111Server(seconds=2, kind=kind, pages=pages) as server:
        server.occupied.set()
        started = time.monotonic()
        made = run_and_cancel(
            backend(server), request(), lambda told: time.monotonic() - started > 0.6
        )
        assert isinstance(made.error, Cancelled)
        assert not made.partials
        assert not server.interrupted.is_set()
        server.dead = True


@pytest.mark.parametrize("kind", ["a1111", "forge", "sdnext"])
@pytest.mark.parametrize("pages", [True, False])
def test_each_kind_tells_how_far_it_is_and_stops(kind, pages):
    with A1111Server(seconds=20, kind=kind, pages=pages) as server:
        made = run_and_cancel(backend(server), request(), lambda told: bool(told.partials))
        assert isinstance(made.error, Cancelled)
        assert any("of 20" in text for text in made.progress)
        assert server.interrupted.wait(5)


def test_a_job_that_waits_says_so():
    with A1111Server(kind="forge") as server:
        server.occupied.set()
        made = run_and_cancel(
            backend(server), request(), lambda told: "In queue: 1/1" in told.progress
        )
        assert "In queue: 1/1" in made.progress
        server.dead = True


def test_forge_takes_the_view_with_its_guides():
    with A1111Server(kind="forge") as server:
        made = run(backend(server), request(canvas=canvas(96, 64), count=2))
    assert made.error is None
    assert len(made.results) == 2
    (order,) = server.made
    assert [unit["module"] for unit in order["alwayson_scripts"]["controlnet"]["args"]] == [
        "None",
        "None",
    ]


def test_sdnext_takes_the_guides_in_its_own_call():
    view = canvas(96, 64)
    with A1111Server(kind="sdnext", controls=("Canny XL", "Xinsir Union XL")) as server:
        made = run(
            backend(server),
            request(canvas=view, count=2, options={"freedom": 0.5, "checkpoint": "dreamer"}),
        )
    assert made.error is None
    assert [result.seed for result in made.results] == [7, 8]
    (order,) = server.made
    depth, normal = order["control"]
    assert (depth["model"], depth["mode"]) == ("Xinsir Union XL", "depth")
    assert normal["mode"] == "normal"
    assert np.array_equal(picture(depth["override"]), depth_guide(view))
    assert np.array_equal(picture(normal["override"]), normal_guide(view))
    assert order["denoising_strength"] == 0.5
    assert order["extra"] == {"sd_model_checkpoint": "dreamer"}
    kept = made.results[0].info["settings"]
    assert "inits" not in kept
    assert "override" not in kept["control"][0]


def test_what_sdnext_cannot_use_is_said():
    with A1111Server(kind="sdnext", controls=("Depth Mid XL", "InstantX Union F1")) as server:
        made = run(backend(server), request(canvas=canvas()))
    assert made.error is None
    assert [unit["mode"] for unit in server.made[0]["control"]] == ["depth"]
    assert any("no ControlNet for normals" in text for text in made.notices)


def test_sdnext_without_a_picture_says_why():
    answer = Answer.of_json({"images": [], "info": "Pipeline not set"})
    with A1111Server(kind="sdnext", controls=("Depth Mid XL",), fails=answer) as server:
        error = run(backend(server), request(canvas=canvas())).error
    assert error is not None
    assert "Pipeline not set" in error.why


def test_a_sampler_that_the_server_lacks_is_said_before_anything_is_sent():
    for kind in ("a1111", "forge", "sdnext"):
        with A1111Server(kind=kind) as server:
            error = run(backend(server), request(options={"sampler": "Magic"})).error
            assert isinstance(error, InvalidInput)
            assert "Euler a" in error.action
            assert not server.made


def test_a_checkpoint_that_the_server_lacks_is_said_and_not_drawn_with_another():
    """All three of these servers say nothing of one, and draw with what they have loaded."""
    for kind in ("a1111", "forge", "sdnext"):
        with A1111Server(kind=kind) as server:
            error = run(backend(server), request(options={"checkpoint": "dremer"})).error
            assert isinstance(error, InvalidInput)
            assert 'no checkpoint called "dremer"' in error.what
            assert "sd/dreamer.safetensors [ab12cd34ef]" in error.action
            assert not server.made


@pytest.mark.parametrize(
    "name",
    [
        *("sd/dreamer.safetensors [ab12cd34ef]", "sd/dreamer.safetensors", "sd_dreamer"),
        *("dreamer", "dreamer [ab12cd34ef]", "ab12cd34ef", " dreamer "),
    ],
)
def test_a_checkpoint_has_many_names(name):
    with A1111Server() as server:
        assert run(backend(server), request(options={"checkpoint": name})).error is None
    assert server.made[0]["override_settings"] == {"sd_model_checkpoint": name.strip()}


def test_what_stands_against_it_is_known_before_there_is_a_view():
    given = {
        "no sampler": request(options={"sampler": "Magic"}),
        "no checkpoint": request(options={"checkpoint": "other"}),
        "no ControlNet called": request(options={"depth_model": "other"}),
        "no reference beside it": request(references=(Reference(image(), "a.png"),)),
    }
    with A1111Server() as server:
        backend(server).ready(request(), CancelToken(), canvas_comes=True)
        for words, asked in given.items():
            with pytest.raises(InvalidInput, match=words):
                backend(server).ready(asked, CancelToken(), canvas_comes=True)
        assert not server.made
    with pytest.raises(ServerGone):
        backend("http://127.0.0.1:9").ready(request(), CancelToken(), True)


def test_a_sampler_may_have_its_scheduler_behind_it():
    with A1111Server() as server:
        assert run(backend(server), request(options={"sampler": "DPM++ 2M Karras"})).error is None


def test_a_sheet_of_all_is_no_image():
    with A1111Server(grid=True) as server:
        made = run(backend(server), request(count=2))
    assert [result.width > 8 for result in made.results] == [True, True]


def test_the_least_busy_server():
    with A1111Server(seconds=2) as busy, A1111Server() as free:
        thread = threading.Thread(target=lambda: run(backend(busy), request()))
        thread.start()
        while not busy.working:
            pass
        made = run(backend("http://127.0.0.1:9", busy, free), request())
        thread.join(20)
    assert made.results[0].info["server"] == "Desk 3"


def test_a_server_that_dies_in_the_middle_has_its_job_moved():
    with A1111Server(seconds=20) as dying, A1111Server() as other:
        made = []
        work = backend(dying, other)
        thread = threading.Thread(target=lambda: made.append(run(work, request(count=2))))
        thread.start()
        while not dying.working:
            time.sleep(0.01)
        dying.kill()
        thread.join(30)
    (told,) = made
    assert told.error is None
    assert [(r.info["server"], r.seed) for r in told.results] == [("Desk 2", 7), ("Desk 2", 8)]
    assert any("went away" in text for text in told.notices)


def test_password():
    with A1111Server(key="Basic YW5uYTpzZWNyZXQ=") as server:
        assert isinstance(run(backend(server), request()).error, CredentialsError)
        assert run(backend(server, key=Secret("anna:secret")), request()).error is None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (
            Answer.of_json({"error": "OutOfMemoryError", "errors": "CUDA out of memory"}, 500),
            OutOfMemory,
        ),
        (Answer.of_json({"detail": "Sampler not found"}, 404), Rejected),
        (Answer.of_json({"detail": "Not Found"}, 404), WrongServer),
        (Answer.of_json({"detail": "bad width"}, 422), Rejected),
        (Answer(502, {}, b"bad gateway"), ServerGone),
    ],
)
def test_what_the_server_says_is_told(answer, kind):
    with A1111Server(fails=answer) as server:
        assert isinstance(run(backend(server), request()).error, kind)


def test_nobody_is_there():
    assert isinstance(run(backend("http://127.0.0.1:9"), request()).error, ServerGone)


def test_something_else_answers_at_the_port():
    with Server(lambda received: Answer(200, {}, b"<html>hello</html>")) as other:
        error = run(backend(other), request()).error
    assert isinstance(error, WrongServer)
    assert "--api" in error.action


def test_servers_tell_how_they_are():
    with A1111Server() as server:
        assert "1 checkpoints, 2 ControlNets" in backend(server).check(CancelToken())
        (known,) = servers.servers_of(settings(server), "a1111")
        assert status.look(known, CancelToken(), False).text == "Idle, 6.0 GB free"


def test_the_environment_names_servers(monkeypatch):
    monkeypatch.setenv("GENAI_RENDER_A1111", "127.0.0.1:7860, http://localhost:7861/")
    known = servers.servers_of(replace(settings(), online_access=False), "a1111")
    assert [server.address for server in known] == [
        "http://127.0.0.1:7860",
        "http://localhost:7861",
    ]
