# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAI's models through the real SDK, against a server that refuses what OpenAI would refuse."""

from __future__ import annotations

import base64
import json
import threading

import pytest
from foreign_images import PLACE, photo

pytest.importorskip("openai")

from genai_render.backends.base import create_backend
from genai_render.backends.http import retry
from genai_render.backends.http.errors import (
    BadAnswer,
    ConnectionCut,
    ConnectionFailed,
    Overloaded,
    QuotaExceeded,
    RateLimited,
    Rejected,
    TimedOut,
)
from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.core.errors import Cancelled, CredentialsError, InvalidInput, Refused, ServerError
from genai_render.core.history.store import HistoryStore
from genai_render.core.image import images
from genai_render.core.keys.credentials import Secret
from genai_render.core.models import catalog
from genai_render.core.models.cost import estimate
from genai_render.core.request import Reference, RenderRequest
from tests.servers.client import canvas, image, layer, our_threads, run, run_and_cancel
from tests.servers.http import Answer, Cut, Forever, Pause, Reset, each_byte
from tests.servers.openai_api import (
    KEY,
    OpenAIServer,
    fault,
    picture_text,
    raw,
    read_order,
    sse,
    streamed,
)

MODELS = [model for model in catalog.shipped().models.values() if model.backend == "openai"]
FLARE = "gpt-image-2.5-flare"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(retry, "_PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr(retry, "_CONNECT_PAUSES", (0.01, 0.01))


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert our_threads() == []


def backend(server, **endpoint):
    endpoint = {"base_url": server.base_url, "key": Secret(KEY), **endpoint}
    return create_backend("openai", BackendSettings(endpoints={"openai": Endpoint(**endpoint)}))


def request(model=FLARE, **more):
    return RenderRequest(**{"prompt": "A red house", "model": model, **more})


# ---- what is sent ------------------------------------------------------------------------------


def test_words_alone_make_an_image():
    with OpenAIServer() as server:
        made = run(backend(server), request(aspect="16:9"))
    assert made.error is None
    (result,) = made.results
    assert (result.width, result.height, result.mime) == (1360, 768, "image/png")
    assert images.probe(result.image).width == 1360
    sent = server.received[0]
    assert sent.path == "/v1/images/generations"
    assert sent.json["size"] == "1360x768"
    assert sent.json["prompt"] == result.prompt_sent
    assert result.prompt_sent.startswith("A red house.")
    assert "Image 1" not in result.prompt_sent
    assert result.sent == {}


def test_the_view_its_guides_and_the_references_go_in_this_order_and_are_named_in_the_prompt():
    references = (
        Reference(image(kind="jpeg"), "mood.jpg", "style", 0.5),
        Reference(image(kind="webp"), "brick.webp", "material"),
    )
    options = {"guides": "color, depth and normals"}
    with OpenAIServer() as server:
        made = run(
            backend(server), request(canvas=canvas(), references=references, options=options)
        )
    assert made.error is None
    order = read_order(server.received[0])
    names = [name for name, _ in order["_images"]]
    assert names == ["canvas.png", "depth.png", "normal.png", "reference-1.jpg", "reference-2.webp"]
    lines = made.results[0].prompt_sent.splitlines()
    assert "3D view" in next(line for line in lines if line.startswith("Image 1 is"))
    assert "depth" in next(line for line in lines if line.startswith("Image 2 is"))
    assert "normals" in next(line for line in lines if line.startswith("Image 3 is"))
    assert "style reference" in next(line for line in lines if line.startswith("Image 4 is"))
    assert "loosely" in next(line for line in lines if line.startswith("Image 4 is"))
    assert "material" in next(line for line in lines if line.startswith("Image 5 is"))
    assert order["prompt"] == made.results[0].prompt_sent
    # What was sent is kept with the result; the references are kept anyway.
    assert set(made.results[0].sent) == {"canvas.png", "depth.png", "normal.png"}
    assert made.results[0].sent["depth.png"] == dict(order["_images"])["depth.png"]
    assert dict(order["_images"])["reference-1.jpg"] == references[0].data


def test_depth_is_near_white_and_the_empty_background_is_grey_not_transparent():
    with OpenAIServer() as server:
        made = run(backend(server), request(canvas=canvas()))
    sent = made.results[0].sent
    depth = images.decode(sent["depth.png"])[..., 0]
    assert depth[40, 40] == 255  # the block in front
    assert depth[0, 0] == 0
    color = images.decode(sent["canvas.png"])
    assert color.shape[2] == 3
    assert tuple(color[0, 0]) == (225, 225, 225)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_every_option_of_every_model_is_one_that_the_api_takes(model):
    with OpenAIServer() as server:
        for option in model.options:
            for value in option.choices or (option.minimum, option.maximum):
                for view in (None, canvas()):
                    options = {"partials": 0, option.id: value}
                    if option.id == "compression":
                        options["format"] = "webp"
                    made = run(backend(server), request(model.id, canvas=view, options=options))
                    assert made.error is None, (option.id, value, made.error)
                    assert len(made.results) == 1


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
@pytest.mark.parametrize("resolution", ["1K", "2K", "4K"])
def test_every_size_asked_for_is_one_that_the_api_takes(model, resolution):
    with OpenAIServer() as server:
        for aspect in ("1:1", "21:9", "9:16"):
            asked = request(model.id, aspect=aspect, resolution=resolution, options={"partials": 0})
            made = run(backend(server), asked)
            assert made.error is None, made.error
            result = made.results[0]
            assert f"{result.width}x{result.height}" == server.received[-1].json["size"]


def test_what_the_model_cannot_do_is_said_before_it_is_sent():
    with OpenAIServer() as server:
        made = run(backend(server), request("gpt-image-1.5", aspect="21:9", resolution="4K"))
    assert made.notices == [
        "GPT Image 1.5 cannot make the shape 2.33:1; 1536 × 1024 is the nearest."
    ]
    assert server.received[0].json["quality"] == "high"  # 4K means high where sizes are fixed


def test_an_edit_sends_the_image_untouched_and_the_mask_as_the_api_wants_it():
    source = image(48, 32)
    with OpenAIServer() as server:
        made = run(
            backend(server), request(kind="edit", source=source, mask=layer(48, 32), aspect="auto")
        )
    assert made.error is None
    order = read_order(server.received[0])
    assert order["_images"] == [("source.png", source)]
    mask = images.decode(order["_mask"])
    assert mask[10, 16, 3] == 0
    assert mask[0, 0, 3] == 255
    assert made.results[0].prompt_sent.endswith("Change nothing else.")
    assert "mask-sent.png" in made.results[0].sent


def test_a_phone_photo_is_sent_upright_and_without_its_place_and_both_are_kept(tmp_path):
    asked = request(
        kind="edit", source=photo(), mask=layer(40, 24), references=(Reference(photo("PNG")),)
    )
    with OpenAIServer() as server:
        made = run(backend(server), asked)
        assert made.error is None
        order = read_order(server.received[0])
    assert PLACE not in server.received[0].body
    (_, source), (_, reference) = order["_images"]
    assert (images.probe(source).width, images.probe(source).height) == (40, 24)
    (result,) = made.results
    assert result.sent["source.jpg"] == source
    assert result.sent["reference-1.png"] == reference
    with HistoryStore(tmp_path) as store:
        item = store.add(asked, result)
        kept = store.request(item.id)
        assert (item.folder / "sent" / "source.jpg").read_bytes() == source
    assert kept.source == asked.source  # the user's own file, as it was
    assert kept.references == asked.references


def test_marks_go_in_their_own_place_where_the_model_has_one_else_as_an_image():
    edit = {"kind": "edit", "source": image(48, 32), "markup": layer(48, 32, clear=False)}
    with OpenAIServer() as server:
        new = run(backend(server), request(**edit))
        old = run(backend(server), request("gpt-image-1.5", **edit))
    assert new.error is None
    assert old.error is None
    assert "_markup" in read_order(server.received[0])
    order = read_order(server.received[1])
    assert [name for name, _ in order["_images"]] == ["source.png", "marked.png"]
    assert "_markup" not in order
    assert "marks drawn on it" in order["prompt"]


def test_a_mask_of_another_size_is_refused_before_anything_is_sent():
    with OpenAIServer() as server:
        made = run(backend(server), request(kind="edit", source=image(), mask=layer(9, 9)))
    assert isinstance(made.error, InvalidInput)
    assert "40 × 30" in made.error.text
    assert server.connections == 0


def test_a_mask_without_a_hole_is_refused_before_anything_is_sent():
    with OpenAIServer() as server:
        made = run(backend(server), request(kind="edit", source=image(), mask=image()))
    assert isinstance(made.error, InvalidInput)
    assert "transparent" in made.error.text
    assert server.connections == 0


# ---- what comes back ---------------------------------------------------------------------------


def test_unfinished_pictures_are_shown_as_they_come():
    with OpenAIServer() as server:
        made = run(backend(server), request(options={"partials": 3}))
    assert len(made.partials) == 3
    assert [event.index for event in made.partials] == [0, 0, 0]
    assert len(made.results) == 1
    kinds = [type(event).__name__ for event in made.events]
    assert kinds.index("PartialImage") < kinds.index("Result")


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_stream_may_be_split_at_every_byte(size, end):
    tiny = {"size": "64x64", "_images": []}
    completed = {
        "type": "image_edit.completed",
        "b64_json": picture_text(tiny),
        "created_at": 1,
        "size": "64x64",
        "quality": "low",
        "background": "opaque",
        "output_format": "png",
        "usage": {
            "input_tokens": 1,
            "output_tokens": 1,
            "total_tokens": 2,
            "input_tokens_details": {"text_tokens": 1, "image_tokens": 0},
        },
    }
    data = b": a comment, as servers send to stay awake\n\n" + sse(completed)
    data = data.replace(b"\n", end)
    answer = Answer(200, {"content-type": "text/event-stream"}, each_byte(data, size), chunked=True)
    with OpenAIServer(raw(answer)) as server:
        made = run(backend(server), request())
    assert made.error is None
    assert base64.b64encode(made.results[0].image).decode() == completed["b64_json"]


def test_a_slow_drip_comes_through():
    def drip(events):
        data = b"".join(events)
        for piece in each_byte(data, len(data) // 20 + 1):
            yield piece
            yield Pause(0.02)

    with OpenAIServer(streamed(drip)) as server:
        made = run(backend(server), request())
    assert made.error is None
    assert len(made.results) == 1


def test_a_broken_unfinished_picture_is_left_out():
    def damage(events):
        broken = sse(
            {
                "type": "image_generation.partial_image",
                "b64_json": "AAAA",
                "partial_image_index": 0,
            }
        )
        return [broken, *events]

    with OpenAIServer(streamed(damage)) as server:
        made = run(backend(server), request())
    assert made.error is None
    assert len(made.partials) == 2


def test_a_server_that_does_not_stream_is_understood_all_the_same():
    def whole(request, server):
        order = {**read_order(request), "stream": False}
        entry = {"b64_json": picture_text(order)}
        return Answer.of_json({"created": 1, "data": [entry], "usage": server.usage})

    with OpenAIServer(whole) as server:
        made = run(backend(server), request())
    assert made.error is None
    assert len(made.results) == 1


def test_four_images_come_from_one_call_and_share_its_cost():
    with OpenAIServer() as server:
        made = run(backend(server), request(count=4, canvas=canvas()))
    assert len(server.received) == 1
    assert read_order(server.received[0])["n"] == 4
    assert [result.index for result in made.results] == [0, 1, 2, 3]
    assert len({result.image for result in made.results}) == 4
    costs = [result.cost_usd for result in made.results]
    assert sum(costs) == pytest.approx((100 * 5 + 1000 * 8 + 439 * 30) / 1e6)


def test_three_of_four_are_kept_when_one_is_missing_or_damaged():
    def lacking(request, server):
        order = read_order(request)
        entries = [{"b64_json": picture_text(order, seed)} for seed in range(3)]
        entries[1] = {"b64_json": entries[1]["b64_json"][:5000]}
        return Answer.of_json({"created": 1, "data": entries, "usage": server.usage})

    with OpenAIServer(lacking) as server:
        made = run(backend(server), request(count=4))
    assert [result.index for result in made.results] == [0, 2]
    assert [(failed.index, failed.error.code) for failed in made.failed] == [
        (1, "bad_answer"),
        (3, "bad_answer"),
    ]
    assert made.error is None
    # The damaged one was paid for as the others were, the missing one never made.
    third = pytest.approx((100 * 5 + 1000 * 8 + 439 * 30) / 1e6 / 3)
    assert [result.cost_usd for result in made.results] == [third, third]
    assert [failed.error.cost_usd for failed in made.failed] == [third, None]


def test_the_cost_is_what_the_api_counted_and_near_what_was_estimated():
    asked = request(options={"partials": 0, "quality": "medium"})
    with OpenAIServer() as server:
        server.usage = {
            "input_tokens": 40,
            "input_tokens_details": {"text_tokens": 40, "image_tokens": 0},
            "output_tokens": 439,
            "total_tokens": 479,
        }
        made = run(backend(server), asked)
    (result,) = made.results
    assert result.cost_usd == pytest.approx(40 * 5e-6 + 439 * 30e-6)
    assert result.info["usage"]["image_out"] == 439
    model = catalog.shipped().model(FLARE)
    assert estimate(model, asked) == pytest.approx(result.cost_usd, rel=0.05)


def test_without_a_count_the_cost_is_unknown():
    def uncounted(request, server):
        return Answer.of_json({"created": 1, "data": [{"b64_json": picture_text({})}]})

    with OpenAIServer(uncounted) as server:
        made = run(backend(server), request(count=1))
    assert made.results[0].cost_usd is None


# ---- errors ------------------------------------------------------------------------------------

MODERATED = {
    "type": "image_generation_user_error",
    "moderation_details": {"moderation_stage": "input", "categories": ["violence"]},
}
SSE = {"content-type": "text/event-stream"}

# step → error, words in its text, whether it may be tried again by itself
FAULTS = {
    "refused": (
        fault(400, "Your request was rejected.", "moderation_blocked", **MODERATED),
        Refused,
        ["OpenAI refused", "Your request was rejected.", "violence", "Change the words"],
    ),
    "refused while drawing": (
        raw(
            Answer(
                200,
                SSE,
                sse(
                    {
                        "type": "error",
                        "error": {
                            "message": "Blocked by the safety system.",
                            "code": "moderation_blocked",
                            "type": "image_generation_user_error",
                        },
                    }
                ),
            )
        ),
        Refused,
        ["refused", "Blocked by the safety system."],
    ),
    "wrong key": (
        fault(401, "Incorrect API key provided: sk-pr***mnop.", "invalid_api_key"),
        CredentialsError,
        ["does not accept the key", "Check the key"],
    ),
    "country": (
        fault(403, "Country, region, or territory not supported", "unsupported_country"),
        CredentialsError,
        ["does not let this key"],
    ),
    "no quota": (
        fault(429, "You exceeded your current quota.", "insufficient_quota"),
        QuotaExceeded,
        ["no credit or quota", "billing"],
    ),
    "hard limit": (
        fault(400, "Billing hard limit has been reached", "billing_hard_limit_reached"),
        QuotaExceeded,
        ["no credit or quota"],
    ),
    "no such model": (
        fault(404, "The model 'gpt-image-9' does not exist", "model_not_found"),
        Rejected,
        ["Check the model's name"],
    ),
    "bad parameter": (
        fault(400, "Invalid value: '7x7'.", "invalid_value", param="size"),
        Rejected,
        ["Invalid value: '7x7'.", "Change the setting"],
    ),
    "too large": (raw(Answer(413, {}, b"")), Rejected, ["smaller or fewer images"]),
    "fault": (
        fault(500, "The server had an error", "server_error"),
        ServerError,
        ["fault of its own", "(error 500)", "not repeated"],
    ),
    "bad gateway": (
        raw(Answer(502, {"content-type": "text/html"}, b"<html><h1>Bad gateway</h1></html>")),
        ServerError,
        ["(error 502)"],
    ),
    "fault while drawing": (
        raw(
            Answer(
                200, SSE, sse({"type": "error", "error": {"message": "Oh", "type": "server_error"}})
            )
        ),
        ServerError,
        ["fault of its own", "Oh"],
    ),
    "error in a 200": (
        raw(Answer.of_json({"error": {"message": "Overheated", "type": "server_error"}})),
        ServerError,
        ["fault of its own", "Overheated"],
    ),
    "nothing in a 200": (
        raw(Answer.of_json({"created": 1, "data": []})),
        BadAnswer,
        ["cannot be used", "no image"],
    ),
    "null in a 200": (raw(Answer.of_json({"created": 1, "data": None})), BadAnswer, ["no image"]),
    "not an object": (raw(Answer.of_json([1, 2])), BadAnswer, ["damaged"]),
    "web page": (
        raw(Answer(200, {"content-type": "text/html"}, b"<html>Sign in</html>")),
        BadAnswer,
        ["text/html", "base URL"],
    ),
    "truncated json": (
        raw(Answer(200, {"content-type": "application/json"}, b'{"created": 1, "data": [{"b64_js')),
        BadAnswer,
        ["damaged or cut off"],
    ),
    "truncated event": (
        raw(Answer(200, SSE, b'data: {"type": "image_generation.comp\n\n')),
        BadAnswer,
        ["damaged or cut off"],
    ),
    "bytes that are no text": (
        raw(Answer(200, SSE, b"data: \xff\xfe\n\n")),
        BadAnswer,
        ["damaged or cut off"],
    ),
    "no last event": (
        streamed(lambda events: events[:-1]),
        BadAnswer,
        ["without the finished image"],
    ),
    "empty stream": (raw(Answer(200, SSE, b"")), BadAnswer, ["without the finished image"]),
    "not an image": (
        raw(Answer.of_json({"data": [{"b64_json": base64.b64encode(b"hello").decode()}]})),
        BadAnswer,
        ["damaged"],
    ),
    "not base64": (raw(Answer.of_json({"data": [{"b64_json": "§§"}]})), BadAnswer, ["damaged"]),
    "cut image": (
        raw(Answer.of_json({"data": [{"b64_json": picture_text({})[:4000]}]})),
        BadAnswer,
        ["damaged"],
    ),
    "redirect": (
        raw(Answer(302, {"location": "http://127.0.0.1:9/v1"}, b"")),
        Rejected,
        ["points elsewhere"],
    ),
    "cut before the answer": (
        raw(None),
        ConnectionCut,
        ["ended before the answer", "not repeated"],
    ),
    "cut in the stream": (
        streamed(lambda events: [events[0], events[1][:1000], Cut()]),
        ConnectionCut,
        ["in the middle of the answer", "not repeated"],
    ),
    "reset in the stream": (
        streamed(lambda events: [events[0], Pause(0.05), Reset()]),
        ConnectionCut,
        ["in the middle of the answer"],
    ),
    "shorter than it says": (
        raw(Answer(200, {"content-type": "application/json"}, b'{"a": 1}', length=9000)),
        ConnectionCut,
        ["in the middle of the answer"],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_its_own_error_and_is_not_paid_for_twice(name):
    step, kind, words = FAULTS[name]
    with OpenAIServer(step) as server:
        made = run(backend(server), request())
    assert type(made.error) is kind
    for word in words:
        assert word in made.error.text
    assert len(server.received) == 1
    assert made.error.__cause__ is None
    assert made.error.__context__ is None
    assert KEY not in made.error.text


@pytest.mark.parametrize("name", ["refused", "no quota", "error in a 200", "web page", "cut image"])
def test_several_at_once_fail_in_the_same_words(name):
    step, kind, words = FAULTS[name]
    with OpenAIServer(step) as server:
        made = run(backend(server), request(count=2))
    error = made.error if made.error is not None else made.failed[0].error
    assert type(error) is kind
    for word in words:
        assert word in error.text


def test_silence_is_a_timeout_that_says_how_long():
    with OpenAIServer(raw(Answer(200, SSE, [Forever()]))) as server:
        made = run(backend(server, read_timeout=0.3), request())
    assert type(made.error) is TimedOut
    assert "did not answer within" in made.error.text
    assert len(server.received) == 1


def test_a_server_that_never_answers_is_a_timeout():
    release = threading.Event()

    def hang(request, server):
        release.wait(10)

    with OpenAIServer(hang) as server:
        made = run(backend(server, read_timeout=0.3), request())
        release.set()
    assert type(made.error) is TimedOut


def test_no_server_is_tried_again_a_little_and_then_said():
    with OpenAIServer() as server:
        pass
    made = run(backend(server), request())
    assert type(made.error) is ConnectionFailed
    assert "No server can be reached" in made.error.text
    assert "Is it running?" in made.error.text
    assert any("Waiting" in message for message in made.progress)


# ---- trying again ------------------------------------------------------------------------------


def test_a_rate_limit_is_waited_out_and_the_wait_is_shown():
    limited = fault(429, "Slow down", "rate_limit_exceeded", headers={"retry_after": "0.2"})
    with OpenAIServer(limited) as server:
        made = run(backend(server), request())
    assert made.error is None
    assert len(made.results) == 1
    assert len(server.received) == 2
    assert "Waiting 1 s, as OpenAI asked" in made.progress


def test_the_wait_in_the_words_is_understood_too():
    limited = fault(429, "Please try again in 120ms.", "rate_limit_exceeded")
    with OpenAIServer(limited) as server:
        made = run(backend(server), request())
    assert made.error is None
    assert any("as OpenAI asked" in message for message in made.progress)


def test_a_wait_that_is_too_long_is_said_instead():
    limited = fault(429, "Slow down", "rate_limit_exceeded", headers={"retry_after": "1800"})
    with OpenAIServer(limited) as server:
        made = run(backend(server), request())
    assert type(made.error) is RateLimited
    assert "asks to wait 30 minutes" in made.error.text
    assert len(server.received) == 1


def test_a_limit_that_lasts_is_an_error_in_the_end():
    limited = [fault(429, "Slow down", "rate_limit_exceeded")] * 9
    with OpenAIServer(*limited) as server:
        made = run(backend(server), request())
    assert type(made.error) is RateLimited
    assert len(server.received) == 4


def test_a_busy_server_is_tried_again():
    with OpenAIServer(*[fault(503, "Overloaded")] * 2) as server:
        made = run(backend(server), request())
    assert made.error is None
    assert len(server.received) == 3


def test_a_server_that_stays_busy_is_said_to_be():
    with OpenAIServer(*[fault(503, "Overloaded")] * 9) as server:
        made = run(backend(server), request())
    assert type(made.error) is Overloaded
    assert "too busy" in made.error.text


def test_after_an_unfinished_picture_nothing_is_tried_again():
    """The request was accepted: a rate limit in the middle of a stream may be one that is paid."""
    late = {"type": "error", "error": {"message": "Slow down", "code": "rate_limit_exceeded"}}
    with OpenAIServer(streamed(lambda events: [events[0], sse(late)])) as server:
        made = run(backend(server), request())
    assert type(made.error) is RateLimited
    assert len(made.partials) == 1
    assert len(server.received) == 1


# ---- cancel ------------------------------------------------------------------------------------


def test_cancel_in_the_middle_of_a_stream_closes_the_connection():
    with OpenAIServer(streamed(lambda events: [events[0], Forever()])) as server:
        made = run_and_cancel(backend(server), request(), lambda told: bool(told.partials))
        assert isinstance(made.error, Cancelled)
        assert server.received[0].client_gone.wait(5)
    assert made.results == []


def test_cancel_in_the_middle_of_an_event_closes_the_connection():
    with OpenAIServer(streamed(lambda events: [events[0], events[1][:100], Forever()])) as server:
        made = run_and_cancel(backend(server), request(), lambda told: bool(told.partials))
        assert isinstance(made.error, Cancelled)
        assert server.received[0].client_gone.wait(5)


@pytest.mark.parametrize("count", [1, 3])
def test_cancel_before_the_answer_begins(count):
    reached = threading.Event()

    def hang(request, server):
        reached.set()
        return Answer(200, SSE, [Forever()])

    with OpenAIServer(hang) as server:
        made = run_and_cancel(backend(server), request(count=count), reached)
        assert isinstance(made.error, Cancelled)
        assert server.received[0].client_gone.wait(5)


def test_cancel_while_waiting_for_a_rate_limit():
    limited = fault(429, "Slow down", "rate_limit_exceeded", headers={"retry_after": "60"})
    with OpenAIServer(limited) as server:
        made = run_and_cancel(
            backend(server),
            request(),
            lambda told: any("Waiting" in message for message in told.progress),
        )
    assert isinstance(made.error, Cancelled)
    assert len(server.received) == 1


def test_a_job_that_was_cancelled_before_it_began_sends_nothing():
    from genai_render.core.events import CancelToken

    cancel = CancelToken()
    cancel.cancel()
    with OpenAIServer() as server:
        with pytest.raises(Cancelled):
            list(backend(server).run(request(), cancel))
        assert server.received == []


def test_one_who_stops_listening_closes_the_connection():
    with OpenAIServer(streamed(lambda events: [events[0], Forever()])) as server:
        from genai_render.core.events import CancelToken, PartialImage

        events = backend(server).run(request(), CancelToken())
        next(event for event in events if isinstance(event, PartialImage))
        events.close()
        assert server.received[0].client_gone.wait(5)


# ---- the Test button ---------------------------------------------------------------------------


def test_the_test_button_says_whether_the_key_is_good():
    from genai_render.core.events import CancelToken

    with OpenAIServer() as server:
        said = backend(server).check(CancelToken())
        assert said == "The key is good. 7 of the models here can be used with it."
        with pytest.raises(CredentialsError, match="does not accept the key") as raised:
            backend(server, key=Secret("sk-another-key-000000000")).check(CancelToken())
    assert "sk-anoth" not in raised.value.text


def test_organisation_and_project_are_sent_only_where_they_were_set(monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-from-environment")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: hidden")
    with OpenAIServer() as server:
        run(backend(server), request())
        run(backend(server, organization="org-mine", project="proj-mine"), request())
    first, second = server.received
    assert "openai-organization" not in first.headers
    assert second.headers["openai-organization"] == "org-mine"
    assert second.headers["openai-project"] == "proj-mine"
    for sent in server.received:
        assert "hidden" not in json.dumps(sent.headers)
        assert not any(name.startswith("x-") for name in sent.headers)


# ---- images in other forms ----------------------------------------------------------------------


def _as_address(order, server):
    return {"data": [{"url": f"{server.origin}/files/1.png"}], "usage": server.usage}


def _as_data_uri(order, server):
    return {"data": [{"b64_json": f"data:image/png;base64,{picture_text(order)}"}]}


def _body(form):
    def step(received, server):
        return Answer.of_json(form(read_order(received), server))

    return step


def _file(received, server):
    assert received.headers.get("authorization") == f"Bearer {KEY}"  # it is the server's own
    return Answer(200, {"content-type": "image/png"}, [image()])


def _ends_with(form, typed):
    def step(received, server):
        order = read_order(received)
        last = form(order, server)
        if typed:
            last = {"type": "image_generation.completed", **last["data"][0], "usage": server.usage}
        lines = b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n"
        return Answer(200, {"content-type": "text/event-stream"}, [lines], chunked=True)

    return step


_PICTURE = Answer(200, {"content-type": "image/png"}, [image()])
_FORMS = {
    "url": (0, [_body(_as_address), _file]),
    "data URI": (0, [_body(_as_data_uri)]),
    "image body": (0, [raw(_PICTURE)]),
    "url, no stream": (2, [_body(_as_address), _file]),
    "image body, no stream": (2, [raw(_PICTURE)]),
    "url at the end": (2, [_ends_with(_as_address, typed=True), _file]),
    "whole answer at the end": (2, [_ends_with(_as_address, typed=False), _file]),
    "data URI at the end": (2, [_ends_with(_as_data_uri, typed=True)]),
}


@pytest.mark.parametrize(("partials", "script"), _FORMS.values(), ids=_FORMS)
def test_an_image_is_taken_in_whatever_form_it_comes(partials, script):
    with OpenAIServer(*script) as server:
        made = run(backend(server), request(options={"partials": partials}))
        assert server.script == []
    assert made.error is None, made.error
    (result,) = made.results
    assert images.verify(result.image).width > 0
    assert result.prompt_sent.startswith("A red house.")


def test_several_in_one_answer_say_how_many_are_still_to_be_kept():
    with OpenAIServer() as server:
        made = run(backend(server), request(count=3))
    assert [result.more for result in made.results] == [2, 1, 0]
