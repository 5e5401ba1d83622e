# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that know a part of OpenAI's API: what they lack is left out, and the user is told."""

from __future__ import annotations

import base64
import json
import socket
from dataclasses import replace

import pytest

pytest.importorskip("openai")

from genai_render.backends.base import create_backend
from genai_render.backends.cloud import answers as answers_module
from genai_render.backends.http import retry
from genai_render.backends.http.errors import BadAnswer, OnlineAccessOff, Rejected
from genai_render.backends.http.reach import Reach, may_be_fetched, reach_of_name
from genai_render.backends.http.settings import BackendSettings, Endpoint, access
from genai_render.core.errors import Refused
from genai_render.core.events import CancelToken
from genai_render.core.image import images
from genai_render.core.keys.credentials import Credentials, Secret
from genai_render.core.models import catalog
from genai_render.core.models.catalog import Catalog, Model, Option
from genai_render.core.request import Reference, RenderRequest
from tests.servers.client import canvas, image, our_threads, run
from tests.servers.http import Answer, Server

KEY = "sk-local-key-0123456789"

MODEL = Model(
    id="my-flux",
    label="Flux at home",
    backend="compatible",
    name="flux.1-dev",
    extra={"profile": "studio", "sizes": {"kind": "any", "max_edge": 2048}},
    options=(
        Option("quality", "Quality", "choice", "auto", choices=("auto", "low", "medium")),
        Option("background", "Background", "choice", "opaque", choices=("auto", "opaque")),
        Option("guides", "Guides", "choice", "color and depth", choices=("color and depth",)),
    ),
)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(retry, "_PAUSES", (0.01, 0.01, 0.01))


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert our_threads() == []


def settings(server, model=MODEL, **endpoint):
    models = Catalog({model.id: model}, catalog.shipped().styles)
    return BackendSettings(
        endpoints={"studio": Endpoint(base_url=f"{server.origin}/v1", **endpoint)},
        catalog=models,
        credentials=Credentials({"OPENAI_API_KEY": "sk-for-openai-only-00000"}),
    )


def make(server, model=MODEL, online=True, **more):
    request = RenderRequest(**{"prompt": "A red house", "model": model.id, **more})
    given = replace(settings(server, model), online_access=online)
    return run(create_backend("compatible", given), request)


def entry(width=64, height=64, tone=90):
    return {"b64_json": base64.b64encode(image(width, height, tone=tone)).decode()}


def answers(*entries):
    return Answer.of_json({"created": 1, "data": list(entries)})


def minds(*names, then=None, status=400):
    """A server that refuses requests in which it finds one of these parameters."""

    def answer(request):
        found = next((name for name in names if f'"{name}"'.encode() in request.body), None)
        if found:
            return Answer.of_json({"detail": f"Extra inputs are not permitted: {found}"}, status)
        return then(request) if then else answers(entry())

    return answer


def test_a_server_that_takes_everything_is_asked_once():
    with Server(lambda request: answers(entry(1024, 1024))) as server:
        made = make(server)
    assert made.error is None
    assert made.notices == []
    sent = server.received[0].json
    assert sent["response_format"] == "b64_json"
    assert sent["model"] == "flux.1-dev"
    assert len(server.received) == 1


def test_no_key_is_sent_where_none_was_entered_and_never_the_one_for_openai():
    with Server(lambda request: answers(entry())) as server:
        assert make(server).error is None
    assert "authorization" not in server.received[0].headers


def test_the_key_of_this_server_is_sent():
    with Server(lambda request: answers(entry())) as server:
        backend = create_backend("compatible", settings(server, key=Secret(KEY)))
        made = run(backend, RenderRequest(prompt="x", model="my-flux"))
    assert made.error is None
    assert server.received[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("status", [400, 422])
def test_what_the_server_names_is_left_out_and_said(status):
    with Server(minds("quality", "background", status=status)) as server:
        made = make(server)
    assert made.error is None
    assert {text for text in made.notices if "does not take" in text} == {
        'The server does not take "background": it was left out.',
        'The server does not take "quality": it was left out.',
    }
    assert len(server.received) == 3


def test_what_it_does_not_name_is_found_by_trying():
    def answer(request):
        if "response_format" in request.json or "background" in request.json:
            return Answer.of_json({"error": {"message": "Bad request"}}, 400)
        return answers(entry())

    with Server(answer) as server:
        made = make(server)
    assert made.error is None
    last = server.received[-1].json
    assert set(last) >= {"model", "prompt"}


def test_an_unspecific_refusal_is_never_answered_by_leaving_the_size_out():
    def answer(request):
        return Answer.of_json({"error": {"message": "Bad request"}}, 400)

    with Server(answer) as server:
        made = make(server)
    assert isinstance(made.error, Rejected)
    assert len(server.received) > 1
    assert all("size" in received.json for received in server.received)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Your request was rejected by our safety system", "code": None}},
        {"detail": "NSFW content detected"},
        {"success": False, "error": {"metadata": {"raw": '{"code":"content_policy_violation"}'}}},
    ],
)
@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_refusal_is_never_sent_again(body, status):
    with Server(lambda request: Answer.of_json(body, status)) as server:
        made = make(server)
    assert isinstance(made.error, Refused)
    assert len(server.received) == 1


def test_an_answer_without_images_that_says_why_is_a_refusal():
    with Server(lambda _: Answer.of_json({"data": [], "finish_reason": "CONTENT_FILTERED"})) as one:
        assert isinstance(make(one).error, Refused)


def test_the_charge_is_not_spoken_of_where_the_server_is_ones_own():
    with Server(lambda _: Answer(500)) as server:
        error = make(server).error
    assert error is not None
    assert "charged" not in error.text


def test_a_size_of_its_own_is_taken_and_said():
    with Server(lambda request: answers(entry(512, 512))) as server:
        made = make(server)
    assert made.results[0].width == 512
    assert "The server gave 512 × 512 pixels instead of 1024 × 1024." in made.notices


def test_an_image_by_its_address_is_fetched():
    data = image(64, 64)

    def answer(request):
        if request.method == "GET":
            return Answer(200, {"content-type": "image/png"}, data)
        return answers({"url": f"http://{request.headers['host']}/files/1.png"})

    with Server(answer) as server:
        made = make(server)
    assert made.error is None
    assert made.results[0].image == data


def test_a_relative_address_and_one_with_the_data_in_it_are_understood():
    data = image(64, 64)

    def answer(request):
        if request.method == "GET":
            assert request.path == "/v1/files/1.png"
            return Answer(200, {}, data)
        return answers({"url": "files/1.png"})

    with Server(answer) as server:
        assert make(server).results[0].image == data
    inline = "data:image/png;base64," + base64.b64encode(data).decode()
    with Server(lambda request: answers({"url": inline})) as server:
        assert make(server).results[0].image == data


def test_the_key_does_not_go_along_to_another_server():
    data = image(64, 64)
    with Server(lambda request: Answer(200, {}, data)) as files:
        with Server(lambda request: answers({"url": f"{files.origin}/1.png"})) as server:
            backend = create_backend("compatible", settings(server, key=Secret(KEY)))
            made = run(backend, RenderRequest(prompt="x", model="my-flux"))
        assert made.error is None
        assert "authorization" not in files.received[0].headers
        assert KEY not in json.dumps(files.received[0].headers)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("file:///etc/passwd", "of no use"),
        ("ftp://127.0.0.1/1.png", "of no use"),
        ("http://user:word@127.0.0.1/1.png", "of no use"),
    ],
)
def test_other_addresses_are_not_followed(address, words):
    with Server(lambda request: answers({"url": address})) as server:
        made = make(server)
    assert type(made.error) is BadAnswer
    assert words in made.error.text


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Answer(404, {}, b"gone"), "cannot be had (error 404)"),
        (Answer(200, {}, b"<html>"), "not an image"),
    ],
)
def test_a_file_that_is_gone_or_no_image_is_said(found, words):
    def answer(request):
        return found if request.method == "GET" else answers({"url": "/1.png"})

    with Server(answer) as server:
        made = make(server)
    assert type(made.error) is BadAnswer
    assert words in made.error.text


def test_with_online_access_off_an_address_elsewhere_is_not_fetched():
    with Server(lambda request: answers({"url": "https://8.8.8.8/1.png"})) as server:
        made = make(server, online=False)
    assert type(made.error) is OnlineAccessOff


@pytest.mark.parametrize(
    "address",
    [
        "http://192.168.1.1/1.png",
        "http://10.0.0.7:8188/view?filename=a.png",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/1.png",
        "http://router.local/1.png",
        "http://nas/1.png",
        "http://8.8.8.8/1.png",  # over the internet without encryption
        "https://2130706433/1.png",  # this computer, as one number
        "https://0x7f.1/1.png",
        "https://[::ffff:192.168.0.1]/1.png",
        "https://[64:ff9b::7f00:1]/1.png",
        "https://100.64.0.1/1.png",
    ],
)
def test_an_address_where_the_server_itself_is_not_is_not_fetched(address, monkeypatch):
    real, tried = socket.socket.connect, []

    def connect(self, to):
        tried.append(to[0])
        return real(self, to)

    monkeypatch.setattr(socket.socket, "connect", connect)
    with Server(lambda request: answers({"url": address})) as server:
        made = make(server)
    assert type(made.error) is BadAnswer
    assert "Nothing was fetched" in made.error.text
    assert set(tried) == {"127.0.0.1"}


@pytest.mark.parametrize("where", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1"])
def test_a_public_name_that_leads_to_this_network_is_not_followed(where, monkeypatch):
    """The connection looks at the address, however the name was meant."""
    family = socket.AF_INET6 if ":" in where else socket.AF_INET
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(family, socket.SOCK_STREAM, 6, "", (where, 443))]
    )
    given = BackendSettings(endpoints={"far": Endpoint("https://8.8.8.8/v1", proxy="none")})
    access_there = access(given, "far")
    with pytest.raises(BadAnswer, match=r"on (this computer|the local network)"):
        answers_module.downloaded(
            *("https://pictures.public.example/1.png", access_there, CancelToken(), True, "X"),
            lambda call: call(),
        )


def test_how_near_an_address_is():
    for name, expected in {
        "localhost": Reach.HERE,
        "a.localhost": Reach.HERE,
        "127.9.9.9": Reach.HERE,
        "0.0.0.0": Reach.HERE,
        "::1": Reach.HERE,
        "[::ffff:127.0.0.1]": Reach.HERE,
        "172.16.0.1": Reach.LOCAL,
        "fd00::1": Reach.LOCAL,
        "224.0.0.1": Reach.LOCAL,
        "printer.lan": Reach.LOCAL,
        "1.1.1.1": Reach.PUBLIC,
        "2606:4700::1111": Reach.PUBLIC,
        "cdn.example.com": None,
    }.items():
        assert reach_of_name(name) is expected, name
    assert may_be_fetched("http://127.0.0.1:9/x.png", Reach.HERE)
    assert not may_be_fetched("http://127.0.0.1:9/x.png", Reach.LOCAL)
    assert may_be_fetched("http://192.168.0.9/x.png", Reach.LOCAL)
    assert not may_be_fetched("https://192.168.0.9/x.png", Reach.PUBLIC)
    assert may_be_fetched("https://cdn.example.com/x.png", Reach.PUBLIC)
    assert not may_be_fetched("http://cdn.example.com/x.png", Reach.PUBLIC)


def test_several_are_asked_for_one_by_one_where_n_is_not_taken():
    number = iter(range(9))

    def answer(request):
        return answers(entry(tone=20 * next(number)))

    with Server(minds("n", then=answer)) as server:
        made = make(server, count=3)
    assert made.error is None
    assert sorted(result.index for result in made.results) == [0, 1, 2]
    assert len({result.image for result in made.results}) == 3
    assert "The server makes one image at a time: asking for each." in made.notices
    assert len(server.received) == 4


def test_a_server_that_gives_fewer_than_asked_loses_nothing_that_came():
    with Server(lambda request: answers(entry(), entry(tone=5))) as server:
        made = make(server, count=3)
    assert [result.index for result in made.results] == [0, 1]
    assert [failed.index for failed in made.failed] == [2]


def test_a_server_without_image_edits_says_that_it_cannot_start_from_the_view():
    def answer(request):
        if request.path.endswith("/edits"):
            return Answer.of_json({"detail": "Not Found"}, 404)
        return answers(entry())

    with Server(answer) as server:
        made = make(server, canvas=canvas())
    assert type(made.error) is Rejected
    assert "cannot start from an image" in made.error.text
    assert len(server.received) == 1  # a picture of something else is not made in its place


def test_a_server_that_takes_one_image_gets_the_view_alone():
    def answer(request):
        sent = [field for field in request.fields if field.name.startswith("image")]
        if len(sent) > 1:
            return Answer.of_json({"detail": "Only one image is supported"}, 400)
        return answers(entry())

    with Server(answer) as server:
        made = make(server, canvas=canvas(), references=(Reference(image()),))
    assert made.error is None
    assert any("single image" in text for text in made.notices)
    prompt = made.results[0].prompt_sent
    assert "Image 1 is" in prompt
    assert "Image 2" not in prompt
    assert set(made.results[0].sent) == {"canvas.png"}
    # By the name that the older form of the API has for one image.
    assert "image" in {field.name for field in server.received[-1].fields}


def test_an_unknown_model_is_not_taken_for_a_missing_setting():
    def answer(request):
        return Answer.of_json({"error": {"message": "model flux.1-dev not found"}}, 404)

    with Server(answer) as server:
        made = make(server)
    assert type(made.error) is Rejected
    assert "Check the model's name" in made.error.text
    assert len(server.received) == 1


def test_a_server_that_takes_nothing_is_given_up_after_a_while():
    with Server(lambda request: Answer.of_json({"detail": "No"}, 400)) as server:
        made = make(server)
    assert type(made.error) is Rejected
    assert len(server.received) <= 8


def test_the_address_may_stand_with_the_model():
    with Server(lambda request: answers(entry())) as server:
        extra = {**MODEL.extra, "profile": "else", "base_url": f"{server.origin}/api/v1"}
        model = replace(MODEL, extra=extra)
        assert make(server, model).error is None
    assert server.received[0].path == "/api/v1/images/generations"


def test_the_models_of_a_server_can_be_listed():
    listed = {"object": "list", "data": [{"id": "flux"}, {"id": "sdxl"}]}
    with Server(lambda request: Answer.of_json(listed)) as server:
        backend = create_backend("compatible", settings(server))
        assert backend.model_names(CancelToken(), "studio") == ["flux", "sdxl"]
        assert "2 models (flux, sdxl)" in backend.check(CancelToken(), "studio")


def test_streaming_where_the_server_can():
    from tests.servers.openai_api import sse

    model = replace(
        MODEL, options=(*MODEL.options, Option("partials", "Partials", "int", 1, minimum=0))
    )
    small = entry(64, 64)["b64_json"]
    events = [
        {"type": "image_generation.partial_image", "b64_json": small, "partial_image_index": 0},
        {"type": "image_generation.completed", "b64_json": small},
    ]

    def answer(request):
        return Answer(
            200,
            {"content-type": "text/event-stream"},
            b"".join(sse(event) for event in events),
        )

    with Server(answer) as server:
        made = make(server, model)
    assert made.error is None
    assert len(made.partials) == 1
    assert images.probe(made.results[0].image).width == 64
    assert made.results[0].cost_usd is None
