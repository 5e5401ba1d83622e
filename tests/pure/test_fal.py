# SPDX-License-Identifier: GPL-3.0-or-later
"""fal: what is sent where, what comes back and what it cost, and all that can go wrong, against a
server that holds to its published protocol and to the schema of each model."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from genai_render.backends.base import check_access, create_backend
from genai_render.backends.cloud import fal, fal_job
from genai_render.backends.http import retry
from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.backends.refresh import refreshed
from genai_render.core.events import CancelToken
from genai_render.core.keys.credentials import Credentials, Secret
from genai_render.core.models import catalog, cost, model_lists, output_spec
from genai_render.core.request import Reference, RenderRequest
from tests.servers.client import canvas, image, layer, our_threads, run, run_and_cancel
from tests.servers.fal_api import KEY, PRICES, SCHEMAS, FalServer, Refusal, fault
from tests.servers.http import Answer, Cut, Forever

KNOWN = catalog.shipped()
MODELS = [model for model in KNOWN.models.values() if model.provider == "fal"]
DEPTH = KNOWN.model("fal/fal-ai/flux-control-lora-depth")
BOTH = KNOWN.model("fal/fal-ai/flux-control-lora-depth/image-to-image")
KONTEXT = KNOWN.model("fal/fal-ai/flux-pro/kontext/max/multi")
FLUX2 = KNOWN.model("fal/fal-ai/flux-2-pro/edit")
FILL = KNOWN.model("fal/fal-ai/flux-pro/v1/fill")
UNION = KNOWN.model("fal/fal-ai/sdxl-controlnet-union")
SEEDVR = KNOWN.model("fal/fal-ai/seedvr/upscale/image")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(retry, "_PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr(fal_job, "_PAUSES", (0.01, 0.02))
    monkeypatch.setattr(fal_job, "_FETCH_PAUSES", (0.01, 0.01, 0.01))
    fal._fields.clear()
    fal_job._prices.clear()
    yield
    assert our_threads() == []


def settings(server, known=KNOWN, **more):
    endpoint = Endpoint(**{"base_url": server.origin, "key": Secret(KEY), **more})
    return BackendSettings(endpoints={"fal": endpoint}, catalog=known)


def make(server, model, known=KNOWN, **more):
    request = RenderRequest(**{"prompt": "A red house", "model": model.id, **more})
    model.check(request)
    return run(create_backend(model.backend, settings(server, known)), request)


def order(server, number=0):
    return list(server.orders.values())[number][1]


def edit(**more):
    return {"kind": "edit", "source": image(64, 48), **more}


# ---- what is sent ------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_shipped_model_takes_a_view_or_words(model):
    """The server refuses what the model's own schema would."""
    with FalServer() as server:
        given = edit(mask=layer(64, 48, clear=True)) if model is FILL else {"canvas": canvas()}
        made = make(server, model, seed=5, **given)
    assert made.error is None
    assert len(made.results) == 1
    assert made.results[0].info["provider"] == "fal"
    assert made.results[0].info["request_id"] == "req-1"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_shipped_schema_is_the_one_of_today(model):
    known, live = model.extra["schema"], SCHEMAS[model.name]
    assert set(known) <= set(live)
    required = {name for name, about in live.items() if about.get("required")}
    assert required == {name for name, about in known.items() if about.get("required")}
    for option in model.options:
        assert option.id == "guides" or option.id in live


def test_depth_alone_goes_to_the_control_image_as_it_is():
    with FalServer() as server:
        made = make(server, DEPTH, canvas=canvas(), aspect="16:9", resolution="1K", seed=9)
        assert made.error is None
        sent = order(server)
        depth = np.asarray(Image.open(io.BytesIO(server.picture(sent["control_lora_image_url"]))))
    assert "image_url" not in sent, "the colors of the view are left out"
    assert sent["preprocess_depth"] is False, "it is a depth map already"
    assert sent["image_size"]["width"] / sent["image_size"]["height"] == pytest.approx(16 / 9, 0.02)
    assert sent["seed"] == 9
    assert made.results[0].seed == 9
    assert "Image 1" not in sent["prompt"], "no word of images to a model that reads none"
    assert (depth.ndim, depth.max(), depth[0, 0]) == (2, 255, 0), "near is white"
    assert list(made.results[0].sent) == ["depth.png"]


def test_colors_and_depth_each_go_to_their_field():
    with FalServer() as server:
        made = make(server, BOTH, canvas=canvas(), options={"strength": 0.5})
        assert made.error is None
        sent = order(server)
        assert server.picture(sent["image_url"]) == made.results[0].sent["canvas.png"]
        assert server.picture(sent["control_lora_image_url"]) == made.results[0].sent["depth.png"]
    assert sent["strength"] == 0.5
    assert "guidance_scale" not in sent, "what is as the model has it anyway is not sent"
    assert sent["output_format"] == "png", "rather than a JPEG"


def test_depth_and_normals_are_found_by_their_names():
    with FalServer() as server:
        made = make(server, UNION, canvas=canvas())
        sent = order(server)
    assert made.error is None
    assert {"depth_image_url", "normal_image_url"} <= set(sent)
    assert not {"canny_image_url", "openpose_image_url", "teed_image_url"} & set(sent)
    assert sent["depth_preprocess"] is False
    assert sent["normal_preprocess"] is False


def test_a_list_of_images_is_the_view_its_guides_and_the_references_with_words_for_each():
    references = (Reference(image(40, 30, "jpeg"), "a.jpg", "style"),)
    with FalServer() as server:
        made = make(server, FLUX2, canvas=canvas(), references=references)
        sent = order(server)
    assert made.error is None
    assert len(sent["image_urls"]) == 3
    assert "Image 2 is its depth map" in sent["prompt"]
    assert "Image 3 is a style" in sent["prompt"]
    assert "num_images" not in sent


def test_more_images_than_a_model_takes_are_left_out_and_said():
    references = (Reference(image(), "a.png"), Reference(image(30, 30), "b.png"))
    qwen = KNOWN.model("fal/fal-ai/qwen-image-2/pro/edit")
    with FalServer() as server:
        made = make(server, qwen, canvas=canvas(), references=references,
                    options={"guides": "color and depth"})  # fmt: skip
        assert len(order(server)["image_urls"]) == 3
    assert any("left out" in text for text in made.notices)


def test_a_mask_is_white_where_the_image_may_change():
    with FalServer() as server:
        made = make(server, FILL, **edit(mask=layer(64, 48)))
        assert made.error is None
        sent = order(server)
        mask = np.asarray(Image.open(io.BytesIO(server.picture(sent["mask_url"]))))
        assert server.picture(sent["image_url"]) == image(64, 48)
    assert mask[18, 24] == 255
    assert mask[0, 0] == 0
    assert "mask-sent.png" in made.results[0].sent


@pytest.mark.parametrize(
    ("model", "given", "what"),
    [
        (FILL, edit(), "needs a mask"),
        (DEPTH, {}, "needs the depth"),
        (FLUX2, {}, "needs an image"),
        (BOTH, edit(mask=layer(64, 48)), "no place for a mask"),
        (UNION, edit(), "cannot start from an image"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_paid(model, given, what):
    with FalServer() as server:
        made = make(server, model, **given)
        assert server.submissions() == []
    assert made.error.code == "invalid_input"
    assert what in made.error.what


def test_a_prompt_that_is_too_long_for_the_model_is_refused_before():
    qwen = KNOWN.model("fal/fal-ai/qwen-image-2/pro/edit")
    with FalServer() as server:
        made = make(server, qwen, canvas=canvas(), prompt="long " * 180)
        assert server.submissions() == []
    assert "at most 800 characters" in made.error.what


def test_large_images_are_put_aside_for_a_day_and_pointed_to(monkeypatch):
    monkeypatch.setattr(fal, "_INLINE_BYTES", 100)
    with FalServer() as server:
        made = make(server, BOTH, canvas=canvas())
        assert made.error is None
        sent = order(server)
        puts = [one for one in server.received if one.method == "PUT"]
    assert sent["image_url"].startswith(server.origin + "/files/")
    assert len(puts) == 2
    assert all("authorization" not in one.headers for one in puts)


# ---- one job or several ------------------------------------------------------------------------


def test_several_images_are_one_job_where_the_model_counts():
    with FalServer() as server:
        made = make(server, DEPTH, canvas=canvas(), count=3)
        assert len(server.orders) == 1
        assert order(server)["num_images"] == 3
    assert [result.index for result in made.results] == [0, 1, 2]


def test_and_jobs_at_the_same_time_where_it_does_not():
    with FalServer() as server:
        made = make(server, FLUX2, canvas=canvas(), count=3, seed=5)
        seeds = sorted(body["seed"] for _, body in server.orders.values())
    assert sorted(result.index for result in made.results) == [0, 1, 2]
    assert seeds == [5, 6, 7]


# ---- while it is made --------------------------------------------------------------------------


def test_the_queue_and_the_log_are_shown():
    with FalServer(waits=4) as server:
        made = make(server, DEPTH, canvas=canvas())
    assert "In the queue of fal, 3 before it" in made.progress
    assert "fal is working: 75 %" in made.progress


def test_an_image_may_come_as_a_data_uri():
    with FalServer(inline=True) as server:
        made = make(server, DEPTH, canvas=canvas())
        assert not any("/files/" in one.path for one in server.received)
    assert made.error is None
    assert made.results[0].width > 0


def test_a_connection_that_breaks_is_asked_again_and_nothing_is_submitted_twice():
    def cut(request, server):
        return Answer(202, {"content-type": "application/json"}, [b'{"sta', Cut()])

    def busy(request, server):
        return Answer.of_json({"detail": "Bad Gateway"}, 502)

    with FalServer() as server:
        server.status_script = [cut, busy, cut]
        server.result_script = [lambda *_: Answer(200, {"content-type": "application/json"},
                                                  [b'{"images"', Cut()])]  # fmt: skip
        made = make(server, DEPTH, canvas=canvas())
        assert len(server.orders) == 1
    assert made.error is None
    assert len(made.results) == 1
    assert "fal does not answer: asking again" in made.progress


def test_a_submission_that_was_cut_off_is_not_repeated():
    def cut(request, server):
        return Answer(
            200, {"content-type": "application/json"}, [b'{"request', Cut()], chunked=True
        )

    with FalServer(cut) as server:
        made = make(server, DEPTH, canvas=canvas())
        assert len(server.submissions()) == 1
    assert made.error.code == "cut"


def test_cancel_withdraws_the_job():
    with FalServer(waits=100000) as server:
        request = RenderRequest(prompt="x", model=DEPTH.id, canvas=canvas())
        backend = create_backend("fal", settings(server))
        made = run_and_cancel(
            backend, request, lambda made: any("queue" in text for text in made.progress)
        )
        assert server.cancelled == ["req-1"]
    assert made.error.code == "cancelled"


def test_cancel_while_a_server_hangs():
    with FalServer(lambda *_: Answer(200, {}, [Forever()])) as server:
        request = RenderRequest(prompt="x", model=DEPTH.id, canvas=canvas())
        backend = create_backend("fal", settings(server))
        made = run_and_cancel(backend, request, lambda made: len(server.submissions()) > 0)
    assert made.error.code == "cancelled"


# ---- what it cost ------------------------------------------------------------------------------


def test_what_it_cost_is_what_was_counted_at_the_provider_s_own_price():
    with FalServer() as server:
        made = make(server, DEPTH, canvas=canvas(), aspect="1:1", count=2)
    assert sum(result.cost_usd for result in made.results) == pytest.approx(2 * 0.04 * 1.048576)
    estimated = cost.estimate(DEPTH, RenderRequest(prompt="x", model=DEPTH.id, aspect="1:1"))
    assert estimated == pytest.approx(0.04 * 1.048576)


def test_an_enlargement_costs_by_what_comes_out():
    request = RenderRequest(prompt="x", model=SEEDVR.id, options={"upscale_factor": 4.0}, **edit())
    spec = output_spec.output_spec(SEEDVR, request)
    assert (spec.width, spec.height, spec.notes) == (256, 192, ())
    with FalServer() as server:
        made = run(create_backend("fal", settings(server)), request)
    assert (made.results[0].width, made.results[0].height) == (256, 192)
    assert made.notices == []
    units = 256 * 192 / 1e6
    assert made.results[0].cost_usd == pytest.approx(units * PRICES[SEEDVR.name][0])
    assert cost.estimate(SEEDVR, request) == pytest.approx(made.results[0].cost_usd)


def test_an_enlarged_view_is_captured_as_it_is_and_costs_as_what_comes_out():
    request = RenderRequest(prompt="x", model=SEEDVR.id, canvas=canvas(), aspect="1:1")
    spec = output_spec.output_spec(SEEDVR, request)
    assert spec.width == 1024
    assert spec.times == 2.0
    assert cost.estimate(SEEDVR, request) == pytest.approx(0.001 * 4 * 1.048576, rel=0.01)


def test_a_price_that_is_not_known_is_not_guessed():
    with FalServer() as server:
        made = make(server, FLUX2, canvas=canvas())
    assert made.results[0].cost_usd is None


# ---- what goes wrong ---------------------------------------------------------------------------


def test_a_wrong_key_is_said_and_not_shown():
    wrong = "0fa1b2c3-0000-4f60-8172-93a4b5c6d7e8:ffeeddccbbaa99887766554433221100"
    with FalServer() as server:
        request = RenderRequest(prompt="x", model=DEPTH.id, canvas=canvas())
        made = run(create_backend("fal", settings(server, key=Secret(wrong))), request)
    assert made.error.code == "credentials"
    assert wrong not in str(made.error)


def test_no_key_is_said_before_anything_is_sent():
    nothing = BackendSettings(catalog=KNOWN, credentials=Credentials({}, keyring=_Empty()))
    made = run(create_backend("fal", nothing), RenderRequest(prompt="x", model=DEPTH.id))
    assert made.error.code == "credentials"
    assert "FAL_KEY" in made.error.action
    assert "fal.ai/dashboard/keys" in made.error.action


class _Empty:
    def get_password(self, service, username):
        return None


def test_a_refusal_names_what_it_was_taken_for():
    flagged = fault("prompt", "The content was flagged by a content checker.",
                    "content_policy_violation", input="…", categories=["violence"])  # fmt: skip
    with FalServer() as server:
        server.result_script = [_refuses(422, [flagged])]
        made = make(server, DEPTH, canvas=canvas())
    assert made.error.code == "refused"
    assert "violence" in made.error.action
    assert "the words" in made.error.action


@pytest.mark.parametrize(
    ("status", "detail", "kind", "code", "what"),
    [
        (403, "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai.", "",
         "quota", "no credit"),
        (404, "Application 'flux-control-lora-depth' not found", "", "rejected", "not accept"),
        (422, [fault("num_images", "Input should be less than or equal to 4", "less_than_equal")],
         "", "rejected", "not accept"),
        (500, [fault("x", "Internal", "internal_server_error")], "", "server", "fault of its own"),
        (504, "Request timed out", "request_timeout", "timeout", "did not finish"),
        (422, [fault("prompt", "No media was generated", "no_media_generated")], "", "refused",
         "refused"),
    ],
)  # fmt: skip
def test_what_the_provider_says_is_wrong_is_said_in_our_words(status, detail, kind, code, what):
    with FalServer() as server:
        server.result_script = [_refuses(status, detail, kind)]
        made = make(server, DEPTH, canvas=canvas())
        assert len(server.orders) == 1, "a job is never made again by itself"
    assert made.error.code == code
    assert what in made.error.what
    if status == 422 and code == "rejected":
        assert "num_images: Input should be less" in made.error.why


def test_a_model_that_is_gone_is_said_so_and_what_to_do():
    with FalServer() as server:
        server.gone.add(DEPTH.name)
        made = make(server, DEPTH, canvas=canvas())
    assert made.error.code == "rejected"
    assert "may be gone" in made.error.action


def test_a_rate_limit_is_waited_for_and_told():
    def limited(request, server):
        return Answer.of_json({"detail": "Too many requests"}, 429)

    with FalServer(limited, limited) as server:
        made = make(server, DEPTH, canvas=canvas())
        assert len(server.orders) == 1
    assert made.error is None
    assert any(text.startswith("Waiting") for text in made.progress)


def test_a_job_that_the_queue_gave_up_says_why():
    def gave_up(request, server):
        return Answer.of_json({"status": "COMPLETED", "error": "Runner gone",
                               "error_type": "runner_disconnected", "logs": None})  # fmt: skip

    with FalServer(waits=0) as server:
        server.status_script = [gave_up]
        server.asked["req-1"] = 1
        server.result_script = [_refuses(503, "Runner gone", "runner_disconnected")]
        made = make(server, DEPTH, canvas=canvas())
        assert len(server.orders) == 1
    assert made.error.code == "overloaded"


def test_a_blacked_out_picture_is_a_refusal():
    def blacked(request, server):
        made = server._made("req-1")
        body = json.loads(made.body)
        return Answer.of_json({**body, "has_nsfw_concepts": [True]})

    with FalServer() as server:
        server.result_script = [blacked]
        made = make(server, DEPTH, canvas=canvas())
    assert made.error.code == "refused"


def test_without_the_schema_of_today_the_one_that_is_known_is_used():
    with FalServer() as server:
        server._schema = lambda request: Answer(503)
        made = make(server, DEPTH, canvas=canvas())
    assert made.error is None


def test_the_key_goes_to_the_provider_s_own_services_only():
    provider = KNOWN.providers["fal"]
    assert provider.service("rest", "https://queue.fal.run") == "https://rest.fal.ai"
    assert provider.service("api", "http://127.0.0.1:9/gate") == "http://127.0.0.1:9/gate/api"

    def elsewhere(request, server):
        answer = server._submitted(request, DEPTH.name)
        body = json.loads(answer.body)
        return Answer.of_json({**body, "status_url": "http://127.0.0.1:1/steal"})

    with FalServer(elsewhere) as server:
        made = make(server, DEPTH, canvas=canvas())
    assert made.error is None, "asked after at the queue's own address"


# ---- a catalogue that keeps itself -------------------------------------------------------------


def test_check_takes_the_key():
    with FalServer() as server:
        said = check_access("fal", settings(server), CancelToken(), "fal")
    assert said.startswith("The key is good.")


def test_a_refresh_brings_schemas_and_prices_and_the_models_that_are_new(tmp_path):
    fewer = catalog.Catalog(
        {id: one for id, one in KNOWN.models.items() if one is not UNION and one is not FLUX2},
        KNOWN.styles,
        {"fal": KNOWN.providers["fal"]},
        KNOWN.named_options,
    )
    with FalServer() as server:
        (answered,) = refreshed(settings(server, fewer), CancelToken())
    assert {one.name for one in answered.new} == {UNION.name, FLUX2.name}
    path = tmp_path / model_lists.FILE
    model_lists.write(path, {"fal": answered.known})
    fresh = model_lists.applied(fewer, model_lists.read(path))
    found = fresh.model(f"fal/{UNION.name}")
    assert found.needs_canvas_or_reference is False
    assert found.backend == "fal"
    assert {"controlnet_conditioning_scale", "guidance_scale"} <= {o.id for o in found.options}
    edits = fresh.model(f"fal/{FLUX2.name}")
    assert edits.has_option("guides")
    assert edits.max_references == 2
    assert edits.needs_canvas_or_reference
    assert fresh.model(DEPTH.id).price.per_megapixel == 0.04
    assert fresh.model(KONTEXT.id).price.per_image == {"1K": 0.08}
    with FalServer() as server:
        assert make(server, found, fresh, canvas=canvas()).error is None
        assert make(server, edits, fresh, canvas=canvas()).error is None


def test_a_model_that_is_only_named_is_read_from_its_schema():
    model = KNOWN.like_known("fal", UNION.name)
    known = KNOWN.plus([model])
    with FalServer() as server:
        made = make(server, model, known, canvas=canvas())
        assert "depth_image_url" in order(server)
    assert made.error is None


def _refuses(status, detail, kind=""):
    return lambda request, server: Refusal(status, detail, kind).answer
