# SPDX-License-Identifier: GPL-3.0-or-later
"""Gemini's image models through the real SDK, against a server that refuses what Google would."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("google.genai")

from genai_render.backends.base import create_backend
from genai_render.backends.http import retry
from genai_render.backends.http.errors import (
    BadAnswer,
    ConnectionCut,
    Overloaded,
    QuotaExceeded,
    RateLimited,
    Rejected,
    TimedOut,
)
from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.core.errors import Cancelled, CredentialsError, Refused, ServerError
from genai_render.core.events import CancelToken, PartialImage
from genai_render.core.image import images
from genai_render.core.keys.credentials import Secret
from genai_render.core.models import catalog
from genai_render.core.models.cost import estimate
from genai_render.core.request import Reference, RenderRequest
from tests.servers.client import canvas, image, layer, our_threads, run, run_and_cancel
from tests.servers.gemini_api import (
    KEY,
    GeminiServer,
    blob,
    chunk,
    event,
    fault,
    picture,
    raw,
    read_order,
    says,
    sse_answer,
    streamed,
)
from tests.servers.http import Answer, Cut, Forever, Pause, Reset, each_byte

MODELS = [model for model in catalog.shipped().models.values() if model.backend == "gemini"]
PRO = "gemini-3-pro-image"
FLASH = "gemini-2.5-flash-image"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(retry, "_PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr(retry, "_CONNECT_PAUSES", (0.01, 0.01))


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert our_threads() == []


def backend(server, **endpoint):
    endpoint = {"base_url": server.origin, "key": Secret(KEY), **endpoint}
    return create_backend("gemini", BackendSettings(endpoints={"gemini": Endpoint(**endpoint)}))


def request(model=PRO, **more):
    return RenderRequest(**{"prompt": "A red house", "model": model, **more})


# ---- what is sent ------------------------------------------------------------------------------


def test_words_alone_make_an_image():
    with GeminiServer() as server:
        made = run(backend(server), request(aspect="16:9"))
    assert made.error is None
    (result,) = made.results
    assert (result.width, result.height) == (1376, 768)
    order = read_order(server.received[0])
    assert (order["aspect"], order["size"]) == ("16:9", "1K")
    assert order["parts"] == [result.prompt_sent]


def test_each_image_stands_right_after_the_words_that_name_it():
    references = (
        Reference(image(kind="jpeg"), "mood.jpg", "style"),
        Reference(image(kind="webp"), "brick.webp", "material"),
    )
    with GeminiServer() as server:
        made = run(backend(server), request(canvas=canvas(), references=references))
    assert made.error is None
    parts = read_order(server.received[0])["parts"]
    shape = [part if isinstance(part, str) else part[0] for part in parts]
    assert shape[0].startswith("A red house.")
    assert [kind for kind in shape if kind.startswith("image/")] == [
        *("image/png", "image/png", "image/png", "image/jpeg", "image/webp")
    ]
    for number, words in enumerate(("3D view", "depth map", "normals", "style", "material"), 1):
        at = next(i for i, part in enumerate(shape) if part.startswith(f"Image {number} is"))
        assert words in shape[at]
        assert shape[at + 1].startswith("image/")
    assert shape[-1].startswith("Do not add text")
    assert parts[8][1] == references[0].data
    assert set(made.results[0].sent) == {"canvas.png", "depth.png", "normal.png"}
    assert made.results[0].prompt_sent == "\n".join(part for part in parts if isinstance(part, str))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_every_shape_and_size_asked_for_is_one_that_the_api_takes(model):
    with GeminiServer() as server:
        for resolution in ("1K", "2K"):
            for aspect in ("1:1", "16:9", "4:3", "3:2", "21:9", "9:16", "3:4", "2:3", "auto"):
                made = run(
                    backend(server),
                    request(model.id, aspect=aspect, resolution=resolution, canvas=canvas()),
                )
                assert made.error is None, made.error
                if resolution == "1K" or resolution in model.resolutions:
                    assert not any("pixels" in text for text in made.notices)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_every_option_of_every_model_is_one_that_the_api_takes(model):
    references = (Reference(image()), Reference(image(tone=20)))
    with GeminiServer() as server:
        for option in model.options:
            for value in option.choices:
                made = run(
                    backend(server),
                    request(
                        model.id,
                        canvas=canvas(),
                        references=references,
                        options={option.id: value},
                    ),
                )
                assert made.error is None, (option.id, value, made.error)


def test_what_does_not_fit_is_left_out_and_said():
    references = (Reference(image()), Reference(image(tone=20)))
    with GeminiServer() as server:
        made = run(backend(server), request(FLASH, canvas=canvas(), references=references))
    assert made.error is None
    parts = read_order(server.received[0])["parts"]
    assert sum(not isinstance(part, str) for part in parts) == 3
    assert made.notices == ["Gemini 2.5 Flash Image takes 3 images: the depth left out."]


def test_heavy_references_are_made_light_enough_for_one_request():
    noise = np.random.default_rng(1).integers(0, 255, (2000, 2000, 3), dtype=np.uint8)
    references = (Reference(images.encode_png(noise)), Reference(images.encode_png(noise[::-1])))
    assert sum(len(reference.data) for reference in references) > 20_000_000
    with GeminiServer() as server:
        made = run(backend(server), request("gemini-3.1-flash-lite-image", references=references))
    assert made.error is None, made.error
    assert 5_000_000 < len(server.received[0].body) <= 20 * 1024 * 1024


def test_a_resolution_that_the_model_lacks_becomes_the_nearest_and_is_said():
    with GeminiServer() as server:
        made = run(backend(server), request("gemini-3.1-flash-lite-image", resolution="4K"))
    assert made.error is None
    assert read_order(server.received[0])["size"] == "1K"
    assert "does not make 4K images; 1K is the nearest" in made.notices[0]


def test_a_mask_goes_as_a_picture_that_the_words_explain():
    with GeminiServer() as server:
        made = run(backend(server), request(kind="edit", source=image(48, 32), mask=layer(48, 32)))
    assert made.error is None
    parts = read_order(server.received[0])["parts"]
    shown = [images.decode(part[1]) for part in parts if not isinstance(part, str)]
    assert shown[1][10, 16, 0] == 255
    assert shown[1][0, 0, 0] == 0
    assert any("change only what is white" in part for part in parts if isinstance(part, str))


def test_seeds_go_on_from_image_to_image_and_are_kept():
    with GeminiServer() as server:
        made = run(backend(server), request(FLASH, count=3, seed=7))
    assert sorted(read_order(sent)["seed"] for sent in server.received) == [7, 8, 9]
    assert {result.index: result.seed for result in made.results} == {0: 7, 1: 8, 2: 9}


# ---- what comes back ---------------------------------------------------------------------------


def test_a_thought_in_a_picture_is_shown_but_is_no_result():
    with GeminiServer() as server:
        made = run(backend(server), request())
    (partial,), (result,) = made.partials, made.results
    assert images.probe(partial.image).width == 320
    assert result.width == 1024
    assert "Composing the scene" in made.progress


def test_thoughts_alone_are_no_image():
    with GeminiServer(says(chunk(blob(picture(), thought=True)), chunk(finish="STOP"))) as server:
        made = run(backend(server), request())
    assert type(made.error) is BadAnswer
    assert made.results == []
    assert len(made.partials) == 1


@pytest.mark.parametrize("size", [1, 3, 11])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_stream_may_be_split_at_every_byte(size, end):
    small = images.encode_png(images.decode(picture())[:40, :50])
    data = chunk({"text": "Thinking …", "thought": True}) + chunk(blob(small), finish="STOP")
    pieces = each_byte(data.replace(b"\r\n", end), size)
    with GeminiServer(raw(sse_answer(pieces))) as server:
        made = run(backend(server), request())
    assert made.error is None
    assert made.results[0].image == small


def test_a_slow_drip_comes_through():
    def drip(events):
        data = b"".join(events)
        for piece in each_byte(data, len(data) // 20 + 1):
            yield piece
            yield Pause(0.02)

    with GeminiServer(streamed(drip)) as server:
        made = run(backend(server), request())
    assert made.error is None


def test_one_of_four_that_fails_does_not_lose_three():
    refusing = says(chunk(finish="IMAGE_SAFETY"))
    with GeminiServer(refusing) as server:
        made = run(backend(server), request(FLASH, count=4))
    assert made.error is None
    assert len(made.results) == 3
    (failed,) = made.failed
    assert isinstance(failed.error, Refused)
    assert {result.index for result in made.results} | {failed.index} == {0, 1, 2, 3}
    assert len(server.received) == 4


def test_four_that_fail_alike_are_one_error():
    with GeminiServer(*[fault(403, "PERMISSION_DENIED", "No")] * 4) as server:
        made = run(backend(server), request(FLASH, count=4))
    assert isinstance(made.error, CredentialsError)
    assert made.failed == []


def test_a_refusal_costs_what_was_read_and_thought():
    counted = {"promptTokenCount": 500, "thoughtsTokenCount": 1000, "totalTokenCount": 1500}
    refusing = says(chunk({"text": "No."}), chunk(finish="STOP", usageMetadata=counted))
    with GeminiServer(refusing, refusing) as server:
        made = run(backend(server), request(PRO, count=2))
    assert isinstance(made.error, Refused)
    assert made.error.cost_usd == pytest.approx(2 * (500 * 2 + 1000 * 12) / 1e6)


def test_the_cost_is_what_the_api_counted_and_near_what_was_estimated():
    asked = request(canvas=canvas(), options={"guides": "color"})
    with GeminiServer() as server:
        made = run(backend(server), asked)
    (result,) = made.results
    # 40 tokens of text and 560 of image in, 210 of text and thoughts and 1120 of image out
    assert result.cost_usd == pytest.approx((600 * 2 + 210 * 12 + 1120 * 120) / 1e6)
    assert estimate(catalog.shipped().model(PRO), asked) == pytest.approx(result.cost_usd, rel=0.05)


# ---- errors ------------------------------------------------------------------------------------

SSE = {"content-type": "text/event-stream"}
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.1s"}
DAILY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}

FAULTS = {
    "prompt blocked": (
        says(event({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})),
        Refused,
        ["Google refused", "not allowed", "Change the words"],
    ),
    "prompt blocked with words": (
        says(
            event({"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "Too wild"}})
        ),
        Refused,
        ["refused", 'Google says: "Too wild"', "seemed unsafe"],
    ),
    "image blocked": (
        says(chunk(finish="IMAGE_SAFETY")),
        Refused,
        ["refused", "The image seemed unsafe"],
    ),
    "recitation": (says(chunk(finish="IMAGE_RECITATION")), Refused, ["an existing work"]),
    "words instead of an image": (
        says(chunk({"text": "I can't draw "}), chunk({"text": "that person."}, finish="STOP")),
        Refused,
        ['Google says: "I can\'t draw that person."', "Say more plainly"],
    ),
    "no image at all": (says(chunk(finish="NO_IMAGE")), BadAnswer, ["no image", "NO_IMAGE"]),
    "too long": (says(chunk(finish="MAX_TOKENS")), BadAnswer, ["ran out of room"]),
    "wrong key": (
        fault(400, "INVALID_ARGUMENT", "API key not valid.", [BAD_KEY]),
        CredentialsError,
        ["does not accept the key"],
    ),
    "country": (
        fault(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        CredentialsError,
        ["does not let this key", "User location"],
    ),
    "no permission": (fault(403, "PERMISSION_DENIED", "No"), CredentialsError, ["does not let"]),
    "day's quota": (
        fault(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", [DAILY, RETRY]),
        QuotaExceeded,
        ["no credit or quota left"],
    ),
    "no such model": (fault(404, "NOT_FOUND", "No model"), Rejected, ["Check the model's name"]),
    "bad request": (
        fault(400, "INVALID_ARGUMENT", "image_size is wrong"),
        Rejected,
        ["image_size is wrong"],
    ),
    "fault": (
        fault(500, "INTERNAL", "An internal error"),
        ServerError,
        ["fault of its own", "(error 500)", "not repeated"],
    ),
    "took too long": (fault(504, "DEADLINE_EXCEEDED", "Late"), TimedOut, ["did not finish"]),
    "fault while drawing": (
        says(event({"error": {"code": 500, "message": "Oh", "status": "INTERNAL"}})),
        ServerError,
        ["fault of its own", "Oh"],
    ),
    "web page": (
        raw(Answer(200, {"content-type": "text/html"}, b"<html>Sign in</html>")),
        BadAnswer,
        ["text/html", "base URL"],
    ),
    "a web page as an error": (
        raw(Answer(502, {"content-type": "text/html"}, b"<html>Bad gateway</html>")),
        ServerError,
        ["(error 502)"],
    ),
    "truncated event": (
        raw(sse_answer([b'data: {"candidates": [{"content": {"par\r\n\r\n'])),
        BadAnswer,
        ["damaged or cut off"],
    ),
    "not base64": (
        says(chunk({"inlineData": {"mimeType": "image/png", "data": "!"}}, finish="STOP")),
        BadAnswer,
        ["damaged"],
    ),
    "not an image": (says(chunk(blob(b"hello"), finish="STOP")), BadAnswer, ["damaged"]),
    "cut image": (says(chunk(blob(picture()[:3000]), finish="STOP")), BadAnswer, ["damaged"]),
    "empty stream": (raw(sse_answer([b""])), BadAnswer, ["ended before the image"]),
    "ends too early": (
        streamed(lambda events: events[:1]),
        BadAnswer,
        ["ended before the image"],
    ),
    "redirect": (
        raw(Answer(302, {"location": "http://127.0.0.1:9/"}, b"")),
        Rejected,
        ["points elsewhere"],
    ),
    "cut before the answer": (raw(None), ConnectionCut, ["ended before the answer"]),
    "cut in the stream": (
        streamed(lambda events: [events[0], events[1][:50], Cut()]),
        ConnectionCut,
        ["in the middle of the answer", "not repeated"],
    ),
    "reset in the stream": (
        streamed(lambda events: [events[0], Pause(0.05), Reset()]),
        ConnectionCut,
        ["in the middle of the answer"],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_its_own_error_and_is_not_paid_for_twice(name):
    step, kind, words = FAULTS[name]
    with GeminiServer(step) as server:
        made = run(backend(server), request())
    assert type(made.error) is kind, made.error
    for word in words:
        assert word in made.error.text
    assert len(server.received) == 1
    assert made.error.__cause__ is None
    assert made.error.__context__ is None
    assert KEY not in made.error.text


def test_silence_is_a_timeout():
    with GeminiServer(raw(sse_answer([Forever()]))) as server:
        made = run(backend(server, read_timeout=0.3), request())
    assert type(made.error) is TimedOut
    assert len(server.received) == 1


# ---- trying again ------------------------------------------------------------------------------


def test_a_rate_limit_is_waited_out_as_the_server_asked():
    limited = fault(429, "RESOURCE_EXHAUSTED", "Too many requests per minute", [RETRY])
    with GeminiServer(limited) as server:
        made = run(backend(server), request())
    assert made.error is None
    assert len(server.received) == 2
    assert "Waiting 1 s, as Google asked" in made.progress


def test_one_of_several_waits_while_the_others_go_on():
    limited = fault(429, "RESOURCE_EXHAUSTED", "Too many requests per minute", [RETRY])
    with GeminiServer(limited) as server:
        made = run(backend(server), request(FLASH, count=2))
    assert len(made.results) == 2
    assert any(text.endswith("as Google asked") for text in made.progress)
    assert {text.partition(":")[0] for text in made.progress if text.startswith("Image")} == {
        "Image 1",
        "Image 2",
    }


def test_a_limit_that_lasts_is_an_error_in_the_end():
    with GeminiServer(*[fault(429, "RESOURCE_EXHAUSTED", "Slow down")] * 9) as server:
        made = run(backend(server), request())
    assert type(made.error) is RateLimited
    assert len(server.received) == 4


def test_a_busy_server_is_tried_again_and_then_said_to_be_busy():
    busy = fault(503, "UNAVAILABLE", "The model is overloaded.")
    with GeminiServer(busy) as server:
        assert run(backend(server), request()).error is None
    with GeminiServer(*[busy] * 9) as server:
        assert type(run(backend(server), request()).error) is Overloaded


# ---- cancel ------------------------------------------------------------------------------------


def test_cancel_in_the_middle_of_a_stream_closes_the_connection():
    with GeminiServer(streamed(lambda events: [*events[:2], Forever()])) as server:
        made = run_and_cancel(backend(server), request(), lambda told: bool(told.partials))
        assert isinstance(made.error, Cancelled)
        assert server.received[0].client_gone.wait(5)


def test_cancel_ends_all_of_several():
    reached = threading.Barrier(3)
    all_there = threading.Event()

    def hang(request, server):
        if reached.wait(10) == 0:
            all_there.set()
        return sse_answer([Forever()])

    with GeminiServer(hang, hang, hang) as server:
        made = run_and_cancel(backend(server), request(FLASH, count=3), all_there)
        assert isinstance(made.error, Cancelled)
        for sent in server.received:
            assert sent.client_gone.wait(5)
    assert our_threads() == []


def test_one_who_stops_listening_ends_all_of_several():
    hang = streamed(lambda events: [*events[:2], Forever()])
    with GeminiServer(hang, hang) as server:
        events = backend(server).run(request(count=2), CancelToken())
        next(told for told in events if isinstance(told, PartialImage))
        events.close()
        assert our_threads() == []
        for sent in server.received:
            assert sent.client_gone.wait(5)


# ---- the Test button ---------------------------------------------------------------------------


def test_the_test_button_says_whether_the_key_is_good():
    with GeminiServer() as server:
        assert backend(server).check(CancelToken()) == (
            "The key is good. 5 of the models here can be used with it."
        )
        with pytest.raises(CredentialsError, match="does not accept the key") as raised:
            backend(server, key=Secret("AIzaAnotherKey00000000")).check(CancelToken())
    assert "AIzaAnother" not in raised.value.text


def test_the_environment_does_not_turn_it_into_another_service(monkeypatch):
    for name in ("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("GOOGLE_API_KEY", "AIzaFromEnvironment0000")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "somebody")
    with GeminiServer() as server:
        made = run(backend(server), request())
    assert made.error is None
    assert server.received[0].headers["x-goog-api-key"] == KEY
    assert "AIzaFromEnvironment0000" not in str(server.received[0])
