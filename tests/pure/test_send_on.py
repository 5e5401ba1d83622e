# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture sent on: clips by Google's real SDK and by fal, 3D models by fal and by a server of
one's own, each against a server that holds to what is published of it."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("google.genai")

from genai_render.backends import send_on
from genai_render.backends.action_requests import Picture
from genai_render.backends.base import check_access, create_backend
from genai_render.backends.cloud import fal, fal_job, fal_media, google_login, veo
from genai_render.backends.http import retry
from genai_render.backends.http.errors import (
    BadAnswer,
    ConnectionCut,
    QuotaExceeded,
    RateLimited,
    Rejected,
)
from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.backends.self_hosted import errors as own_errors
from genai_render.backends.self_hosted import model_server
from genai_render.core import glb, media
from genai_render.core.errors import Cancelled, CredentialsError, InvalidInput, OverBudget, Refused
from genai_render.core.events import CancelToken
from genai_render.core.history import kept_media
from genai_render.core.history.store import HistoryStore
from genai_render.core.jobs import JobQueue, Saved
from genai_render.core.keys.credentials import Credentials, Secret
from genai_render.core.models import catalog
from genai_render.core.request import Reference
from genai_render.core.submission import Gate, Limits
from tests.servers import fal_api, gemini_api, media_files, model3d_api, veo_api, vertex_api
from tests.servers.client import image, our_threads, run, run_and_cancel
from tests.servers.http import Answer, Cut, Forever

KNOWN = catalog.shipped()
VIDEOS = KNOWN.making("video")
MODELS = [model for model in KNOWN.making("model") if model.provider == "fal"]
VEO, FAST = KNOWN.model("veo-3.1"), KNOWN.model("veo-3.1-fast")
KLING = KNOWN.model("fal/fal-ai/kling-video/v2.5-turbo/pro/image-to-video")
HUNYUAN = KNOWN.model("fal/fal-ai/hunyuan3d/v2")
OWN = KNOWN.model("own-3d")
PICTURE = Picture(image(160, 90), "", "A red house")
LOGIN = Path()
MOVE = "The camera glides slowly forward"


@pytest.fixture(autouse=True)
def _quick(monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules[__name__], "LOGIN", tmp_path / "login.json")
    google_login._tokens.clear()
    monkeypatch.setattr(retry, "_PAUSES", (0.01, 0.01))
    monkeypatch.setattr(retry, "_CONNECT_PAUSES", (0.01, 0.01))
    monkeypatch.setattr(fal_job, "_PAUSES", (0.01, 0.02))
    monkeypatch.setattr(fal_job, "_FETCH_PAUSES", (0.01, 0.01))
    monkeypatch.setattr(veo, "_PAUSES", (0.01, 0.02))
    monkeypatch.setattr(model_server, "_PAUSES", (0.01, 0.02))
    fal._fields.clear()
    fal_job._prices.clear()
    yield
    assert our_threads() == []


def settings(server, **more):
    if isinstance(server, veo_api.VeoServer):
        LOGIN.write_text(json.dumps(server.service_account()))
        given = {
            "base_url": server.origin,
            **{"vertex": True, "project": vertex_api.PROJECT, "location": vertex_api.LOCATION},
            "credentials_file": str(LOGIN),
            **more,
        }
        return BackendSettings(
            endpoints={"gemini": Endpoint(**given)},
            catalog=KNOWN,
            credentials=Credentials(environ={}),
        )
    if isinstance(server, model3d_api.ModelServer):
        name, key = "model3d:Desk", None
    else:
        name, key = "fal", Secret(fal_api.KEY)
    given = {"base_url": server.origin, **({} if key is None else {"key": key}), **more}
    if key is None:
        given.setdefault("needs_key", False)
    return BackendSettings(
        endpoints={name: Endpoint(**given)}, catalog=KNOWN, credentials=Credentials(environ={})
    )


def asked(model, picture=PICTURE, **more):
    given = {"words": MOVE if model.makes == "video" else "", **more}
    prepared = send_on.prepared(send_on.Wish(model.makes, **given), model, picture)
    if prepared.problem is not None:
        raise prepared.problem
    return prepared


def make(server, model, **more):
    request = asked(model, **more).request
    return run(create_backend(model.backend, settings(server)), request)


# ---- before anything is sent -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "options", "usd"),
    [
        (VEO, {}, 3.20),
        (VEO, {"duration": "4"}, 1.60),
        (VEO, {"resolution": "4k"}, 4.80),
        (FAST, {"resolution": "1080p"}, 0.96),
        (KLING, {"duration": "10"}, 0.70),
        (HUNYUAN, {}, 0.48),
        (HUNYUAN, {"textured_mesh": False}, 0.16),
        (OWN, {}, 0.0),
        (KNOWN.model("fal/bytedance/seedance-2.0/image-to-video"), {}, None),
    ],
)
def test_what_it_costs_is_known_before(model, options, usd):
    estimate = asked(model, options=options).estimate.usd
    assert estimate == (None if usd is None else pytest.approx(usd))


def test_a_price_stands_with_where_and_when_it_was_read():
    for model in KNOWN.media.values():
        assert model.price is None or (model.price.source and model.price.date), model.id


def test_models_that_make_no_pictures_are_in_no_list_of_those_that_do():
    assert not set(KNOWN.media) & set(KNOWN.models)
    assert KNOWN.model("veo-3.1") is VEO
    with pytest.raises(InvalidInput, match="does not make"):
        VEO.check(asked(HUNYUAN).request)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"words": " "}, "no words for the motion"),
        ({"options": {"resolution": "1080p", "duration": "4"}}, "8 seconds"),
        ({"end": Reference(image()), "options": {"duration": "6"}}, "With a last frame"),
        ({"options": {"duration": "9"}}, "cannot be"),
        ({"options": {"sparkle": "9"}}, "no option"),
    ],
)
def test_what_veo_does_not_make_is_said_before(wish, words):
    with pytest.raises(InvalidInput) as caught:
        asked(VEO, **wish)
    assert words in caught.value.text


def test_the_shape_is_the_nearest_and_that_is_said():
    wide = asked(VEO, Picture(image(200, 90))).spec
    assert (wide.width, wide.height, wide.aspect) == (1280, 720, "16:9")
    assert "nearest" in wide.notes[0]
    tall = asked(VEO, aspect="9:16").spec
    assert (tall.width, tall.height) == (720, 1280)
    own = asked(KLING, Picture(image(100, 100)), aspect="16:9").spec
    assert own.width == own.height
    assert "keeps the shape" in own.notes[0]


def test_no_picture_no_clip():
    from genai_render.core.request import RenderRequest

    with pytest.raises(InvalidInput):
        RenderRequest(prompt="x", kind="video", model="veo-3.1")
    with pytest.raises(media.MediaError):
        RenderRequest(prompt="x", kind="video", source=image(), control=b"no clip")


# ---- Veo ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model", [m for m in VIDEOS if m.backend == "gemini"], ids=lambda m: m.name
)
def test_veo_makes_a_clip(model):
    with veo_api.VeoServer() as server:
        made = make(server, model, options={"duration": "6"}, seed=4)
    assert made.error is None
    [result] = made.results
    assert (result.media.kind, result.media.name, result.media.seconds) == ("video", "clip.mp4", 6)
    assert result.media.sound
    assert (result.media.width, result.media.height) == (1280, 720)
    assert result.image == PICTURE.data
    assert result.cost_usd == pytest.approx(asked(model, options={"duration": "6"}).estimate.usd)
    [order] = server.orders
    assert order["image"] == PICTURE.data
    assert order["prompt"] == MOVE
    assert (order["durationSeconds"], order["aspectRatio"], order["seed"]) == (6, "16:9", 4)
    assert any("is making the clip" in line for line in made.progress)


def test_veo_gets_a_last_frame():
    end = Reference(image(160, 90, tone=30))
    with veo_api.VeoServer() as server:
        made = make(server, VEO, end=end)
    assert made.error is None
    assert server.orders[0]["lastFrame"] == end.data


def test_veo_says_why_it_held_a_clip_back():
    reasons = veo_api.filtered("Veo could not generate the video: celebrity likeness.")
    with veo_api.VeoServer(ended=reasons) as server:
        made = make(server, VEO)
    assert isinstance(made.error, Refused)
    assert "celebrity likeness" in made.error.text
    assert made.error.cost_usd == 0.0


@pytest.mark.parametrize(
    ("ended", "kind"),
    [
        ({"error": {"code": 3, "message": "The prompt violates usage guidelines"}}, Refused),
        ({"error": {"code": 8, "message": "Resource exhausted"}}, RateLimited),
        ({"error": {"code": 13, "message": "Internal"}}, "server"),
        ({"response": {}}, BadAnswer),
        ({}, BadAnswer),
    ],
)
def test_an_operation_that_ends_without_a_clip(ended, kind):
    with veo_api.VeoServer(ended=ended) as server:
        made = make(server, VEO)
    assert made.error is not None
    assert made.error.code == kind if isinstance(kind, str) else isinstance(made.error, kind)
    assert len(server.orders) == 1, "nobody pays twice"


def test_veo_is_asked_again_while_it_is_limited_and_begun_once():
    limited = gemini_api.fault(429, "RESOURCE_EXHAUSTED", "Too many, per minute")
    with veo_api.VeoServer(limited) as server:
        server.poll_script = [
            gemini_api.fault(503, "UNAVAILABLE", "Busy"),
            lambda request, server: Answer(
                200, {"content-type": "application/json"}, [b"{", Cut()]
            ),
        ]
        made = make(server, VEO)
    assert made.error is None
    assert len(server.orders) == 1


def test_veo_with_a_login_that_ran_out_or_no_quota():
    with veo_api.VeoServer() as server:
        server.expired = True
        assert isinstance(make(server, VEO).error, CredentialsError)
    day = [{"violations": [{"quotaId": "VideosPerDay", "quotaValue": "10"}]}]
    used_up = gemini_api.fault(429, "RESOURCE_EXHAUSTED", "Quota exceeded", day)
    with veo_api.VeoServer(used_up) as server:
        assert isinstance(make(server, VEO).error, QuotaExceeded)


def test_veo_with_a_key_of_the_gemini_api_says_where_it_is():
    with veo_api.VeoServer() as server:
        known = BackendSettings(
            endpoints={"gemini": Endpoint(base_url=server.origin, key=Secret(gemini_api.KEY))},
            catalog=KNOWN,
        )
        made = run(create_backend("gemini", known), asked(VEO).request)
    assert isinstance(made.error, CredentialsError)
    assert "Vertex AI" in made.error.text
    assert server.received == []


def test_a_login_that_runs_out_while_the_clip_is_made():
    with veo_api.VeoServer() as server:
        server.poll_script = [gemini_api.fault(401, "UNAUTHENTICATED", "Expired")]
        made = make(server, VEO)
    assert isinstance(made.error, CredentialsError)


def test_a_clip_that_is_cut_on_its_way_is_asked_for_again():
    head = {"content-type": "application/json"}
    cut = lambda request, server: Answer(200, head, [b'{"done": true, ', Cut()], length=90_000)  # noqa: E731
    with veo_api.VeoServer() as server:
        server.poll_script = [cut, cut]
        assert make(server, VEO).error is None
    with veo_api.VeoServer() as server:
        server.poll_script = [cut] * 20
        made = make(server, VEO)
    assert isinstance(made.error, ConnectionCut)
    assert len(server.orders) == 1


@pytest.mark.parametrize("clip", [image(), b"<html>", media_files.clip(8)[:-2100], b""])
def test_what_is_no_clip_is_not_kept(clip):
    with veo_api.VeoServer(clip=clip) as server:
        made = make(server, VEO)
    assert isinstance(made.error, BadAnswer)
    assert made.error.cost_usd == pytest.approx(3.20)


def test_veo_is_cancelled_while_it_works_and_what_it_may_cost_is_known():
    with veo_api.VeoServer(waits=10_000) as server:
        request = asked(VEO).request
        backend = create_backend("gemini", settings(server))
        token = CancelToken()
        made = run_and_cancel(
            backend, request, lambda so_far: any("is making" in m for m in so_far.progress)
        )
    assert isinstance(made.error, Cancelled)
    assert made.results == []
    assert not token.cancelled


# ---- fal ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model", [m for m in [*VIDEOS, *MODELS] if m.provider == "fal"], ids=lambda m: m.name
)
def test_every_model_at_fal_takes_a_picture(model):
    """The server refuses what the model's own schema would."""
    end = Reference(image(tone=9)) if model.extra.get("end") else None
    more = {"control": media_files.clip(4)} if "control" in model.extra["fields"] else {}
    with fal_api.FalServer() as server:
        made = make(server, model, seed=5, end=end, **more)
        assert made.error is None
        endpoint, order = next(iter(server.orders.values()))
        sent = order[model.extra["fields"]["start"]]
        assert server.picture(sent[0] if isinstance(sent, list) else sent) == PICTURE.data
        if end is not None:
            assert server.picture(order[model.extra["fields"]["end"]]) == end.data
    [result] = made.results
    assert endpoint == model.name
    assert result.media.kind == model.makes
    assert result.info["request_id"] == "req-1"
    if "prompt" in fal_api.MEDIA[model.name] and model.makes == "video":
        assert order["prompt"] == MOVE


@pytest.mark.parametrize(
    "model", [m for m in KNOWN.media.values() if m.provider == "fal"], ids=lambda m: m.name
)
def test_every_option_and_field_is_one_of_the_models_schema(model):
    live = fal_api.MEDIA[model.name]
    assert set(model.extra["fields"].values()) <= set(live)
    for option in model.options:
        if option.id == "duration" and "control" in model.extra:
            continue  # how many frames the clip to follow has
        assert option.id in live
        if "enum" in live[option.id]:
            assert set(option.choices) <= set(map(str, live[option.id]["enum"]))


@pytest.mark.parametrize(
    ("model", "options", "usd"),
    [
        (KLING, {"duration": "10"}, 0.70),
        (HUNYUAN, {}, 0.48),
        (HUNYUAN, {"textured_mesh": False}, 0.16),
    ],
)
def test_what_fal_counted_is_what_it_cost(model, options, usd):
    with fal_api.FalServer() as server:
        made = make(server, model, options=options)
    assert made.results[0].cost_usd == pytest.approx(usd)


def test_a_large_picture_is_put_aside_and_pointed_to(monkeypatch):
    monkeypatch.setattr(fal_media, "_INLINE_BYTES", 100)
    with fal_api.FalServer() as server:
        made = make(server, KLING, end=Reference(image(tone=3)))
        order = next(iter(server.orders.values()))[1]
    assert made.error is None
    assert order["image_url"].startswith(server.origin)


def test_fal_is_cancelled_and_asked_to_stop():
    with fal_api.FalServer(waits=10_000) as server:
        made = run_and_cancel(
            create_backend("fal", settings(server)),
            asked(KLING).request,
            lambda so_far: any("is working" in line for line in so_far.progress),
        )
        assert server.cancelled == ["req-1"]
    assert isinstance(made.error, Cancelled)


@pytest.mark.parametrize(
    ("status", "detail", "kind"),
    [
        (401, "Authentication is required", CredentialsError),
        (403, "User is locked. Reason: Exhausted balance.", QuotaExceeded),
        (
            422,
            [fal_api.fault("image_url", "Content flagged", "content_policy_violation")],
            Refused,
        ),
        (422, [fal_api.fault("duration", "Input should be 5", "value_error")], Rejected),
    ],
)
def test_what_fal_refuses(status, detail, kind):
    def refuse(request, server):
        raise fal_api.Refusal(status, detail)

    with fal_api.FalServer(refuse) as server:
        assert isinstance(make(server, KLING).error, kind)


@pytest.mark.parametrize("model", [KLING, HUNYUAN], ids=lambda m: m.name)
@pytest.mark.parametrize("wrong", ["the other", "picture", "cut"])
def test_a_wrong_kind_of_result_is_not_kept_and_its_cost_is(model, wrong):
    other = media_files.model() if model is KLING else media_files.clip()
    right = media_files.clip(5) if model is KLING else media_files.model()
    data = {
        "the other": other,
        "picture": image(),
        "cut": right[:-2005] if model is KLING else right[:-9],
    }
    with fal_api.FalServer() as server:
        server.media = data[wrong]
        made = make(server, model)
    assert isinstance(made.error, BadAnswer)
    assert made.error.cost_usd == pytest.approx(0.35 if model is KLING else 0.48)


def test_an_answer_without_anything_names_what_it_cost():
    with fal_api.FalServer() as server:
        server.result_script = [
            lambda request, server: Answer.of_json({"seed": 1}, x_fal_billable_units="3")
        ] * 4
        made = make(server, HUNYUAN)
    assert isinstance(made.error, BadAnswer)
    assert made.error.cost_usd == pytest.approx(0.48)


# ---- a server of one's own ---------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["generate", "send"])
def test_an_own_server_makes_a_3d_model(protocol):
    with model3d_api.ModelServer(textures=True) as server:
        made = make(server, OWN, options={"protocol": protocol, "texture": True}, seed=3)
    assert made.error is None
    [result] = made.results
    assert result.media.kind == "model"
    assert result.cost_usd == 0.0
    order = next(iter(server.orders.values()))
    assert base64.b64decode(order["image"]) == PICTURE.data
    assert (order["seed"], order["texture"], order["type"]) == (3, True, "glb")
    assert "protocol" not in order


def test_an_own_server_that_fails_says_so():
    with model3d_api.ModelServer() as server:
        made = make(server, OWN, options={"texture": True})
    assert isinstance(made.error, own_errors.NodeFailed)
    assert "--enable_tex" in made.error.text
    out = model3d_api.failed("CUDA out of memory")
    with model3d_api.ModelServer(lambda request, server: out) as server:
        assert isinstance(make(server, OWN).error, own_errors.OutOfMemory)
    with model3d_api.ModelServer(lambda request, server: Answer(200, {}, image())) as server:
        assert isinstance(make(server, OWN).error, BadAnswer)


def test_an_own_server_with_a_password_and_one_that_is_another_program():
    with model3d_api.ModelServer(pair="me:secret word") as server:
        assert isinstance(make(server, OWN).error, CredentialsError)
        known = settings(server, key=Secret("me:secret word"))
        assert run(create_backend("model3d", known), asked(OWN).request).error is None
        assert "ready" in check_access("model3d", known, CancelToken())
    with fal_api.FalServer() as server:
        known = BackendSettings(
            endpoints={"model3d:X": Endpoint(base_url=server.origin, needs_key=False)},
            catalog=KNOWN,
        )
        made = run(create_backend("model3d", known), asked(OWN).request)
        assert made.error is not None
        assert made.error.code in ("credentials", "wrong_server")


def test_an_own_server_is_cancelled():
    forever = lambda request, server: Answer(200, {}, [b"glTF", Forever()])  # noqa: E731
    with model3d_api.ModelServer(forever) as server:
        made = run_and_cancel(
            create_backend("model3d", settings(server)),
            asked(OWN).request,
            lambda so_far: any("is working" in line for line in so_far.progress),
        )
    assert isinstance(made.error, Cancelled)


def test_without_an_own_server_it_is_said_where_one_is_named():
    made = run(
        create_backend("model3d", BackendSettings(catalog=KNOWN, credentials=Credentials({}))),
        asked(OWN).request,
    )
    assert isinstance(made.error, InvalidInput)
    assert "GENAI_RENDER_MODEL3D" in made.error.text


# ---- History and the door ----------------------------------------------------------------------


def through_the_door(server, model, folder, limits, **more):
    """As the panel and the command line do it: prepared, gate, queue, History."""
    store = HistoryStore(folder)
    queue = JobQueue(
        lambda request, result, seconds: store.add(request, result, seconds=seconds).id,
        store.add_failed,
        arrive=store.arrive,
    )
    gate = Gate(queue, lambda: limits, store.spent_this_month, lambda model: None)
    told = []
    try:
        gate.submit(asked(model, **more), create_backend(model.backend, settings(server)).run)
        while queue.jobs():
            event = queue.next_event(0.1)
            if event is not None:
                gate.follow(*event)
                told.append(event[1])
        told += [event for _, event in queue.drain()]
    finally:
        queue.close()
    return store, [event.id for event in told if isinstance(event, Saved)]


def test_a_clip_is_in_history_with_all_that_made_it(tmp_path):
    end = Reference(image(160, 90, tone=8))
    with veo_api.VeoServer() as server:
        store, [id] = through_the_door(server, VEO, tmp_path / "history", Limits(5), end=end)
    item = store.get(id)
    assert (item.kind, item.cost_usd, item.model) == ("video", pytest.approx(3.2), "veo-3.1")
    assert item.media_path == item.folder / "clip.mp4"
    assert item.thumbnail_path.is_file()
    record = json.loads((item.folder / "request.json").read_text("utf-8"))
    assert record["result"]["media"]["seconds"] == 8
    assert record["estimated_usd"] == pytest.approx(3.2)
    again = store.request(id)
    assert (again.kind, again.source, again.references[0].data) == ("video", PICTURE.data, end.data)
    assert store.check(id) == []
    assert kept_media.load(store, id).sound
    saved = kept_media.export(store, id, tmp_path)
    assert saved.read_bytes() == (item.folder / "clip.mp4").read_bytes()
    assert [found.id for found in store.search(kind="video")] == [id]
    store.rebuild()
    assert store.get(id).media_path is not None
    store.close()


def test_a_limit_holds_for_a_clip(tmp_path):
    with veo_api.VeoServer() as server:
        with pytest.raises(OverBudget):
            through_the_door(server, VEO, tmp_path, Limits(run=3.0))
        with pytest.raises(OverBudget):
            through_the_door(server, VEO, tmp_path, Limits(month=3.0))
    assert server.received == []


def test_a_clip_that_came_when_the_process_died_is_found_again(tmp_path):
    with veo_api.VeoServer() as server:
        made = make(server, VEO)
    store = HistoryStore(tmp_path)
    id = store.arrive(asked(VEO).request, made.results[0])
    store.close()
    store = HistoryStore(tmp_path)
    assert kept_media.load(store, id).seconds == 8
    store.close()


# ---- files from elsewhere ----------------------------------------------------------------------


def test_a_clips_file_says_how_long_it_is():
    clip = media.read(media_files.clip(5.5, 720, 1280, sound=False), "video")
    assert (clip.seconds, clip.width, clip.height, clip.sound) == (5.5, 720, 1280, False)
    assert media.read(b"\x1a\x45\xdf\xa3" + bytes(40), "video").name == "clip.webm"


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_a_file_cut_anywhere_is_refused_and_nothing_worse(cut):
    with pytest.raises(media.MediaError):
        media.read(media_files.clip()[:cut], "video")
    with pytest.raises(media.MediaError):
        glb.check(media_files.model()[: cut * 3 // 2])


def document(**changes):
    data = media_files.model()
    length = int.from_bytes(data[12:16], "little")
    whole = json.loads(data[20 : 20 + length])
    return media_files.model({**whole, **changes})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"buffers": [{"uri": "../../../etc/passwd", "byteLength": 168}]}, "outside"),
        ({"images": [{"uri": "http://127.0.0.1/x.png"}]}, "outside"),
        ({"nodes": [{"mesh": 0, "children": [1]}, {"children": [0]}]}, "tree"),
        ({"nodes": [{"mesh": 0, "children": [0]}]}, "tree"),
        ({"nodes": [{"mesh": 0}] * 20_001}, "more parts"),
        ({"bufferViews": [{"buffer": 0, "byteLength": 10**9}]}, "beyond"),
        (
            {
                "accessors": [
                    {"bufferView": 0, "componentType": 5126, "count": 10**9, "type": "VEC3"}
                ]
            },
            "too many",
        ),
        (
            {"accessors": [{"componentType": 5126, "count": 10**9, "type": "VEC3"}]},
            "too many",
        ),
        (
            {"accessors": [{"bufferView": 0, "componentType": 5126, "count": 9, "type": "VEC3"}]},
            "beyond",
        ),
        ({"accessors": [{"count": "many"}]}, "damaged"),
        ({"meshes": []}, "nothing to see"),
        ({"nodes": "x"}, "damaged"),
    ],
)
def test_a_hostile_3d_model_is_not_opened(changes, why):
    with pytest.raises(media.MediaError) as caught:
        glb.check(document(**changes))
    assert why in caught.value.text


def test_a_good_3d_model_is_opened():
    glb.check(media_files.model())
