# SPDX-License-Identifier: GPL-3.0-or-later
"""Providers that are a table: what is sent, what comes back, what goes wrong, and where keys go."""

from __future__ import annotations

import base64
import textwrap

import pytest

from genai_render.backends.base import BACKENDS, check_access, create_backend
from genai_render.backends.http import retry
from genai_render.backends.http.settings import BackendSettings, Endpoint, endpoint_name
from genai_render.core.errors import CredentialsError, InvalidInput, NotFound
from genai_render.core.events import CancelToken
from genai_render.core.keys.credentials import Credentials, Secret
from genai_render.core.models import catalog
from genai_render.core.provider import at, filled
from genai_render.core.request import Reference, RenderRequest
from tests.servers.client import canvas, image, layer, our_threads, run, run_and_cancel
from tests.servers.http import Answer, Cut, Forever, Server

KEY = "table-KEY-0123456789abcdef"

JSON = """
[[provider]]
id = "some"
label = "Some"
base_url = "https://api.some.example/v1"
variables = ["SOME_API_KEY"]
dialect = "json"
path = "make"
edit_path = "change"
body = { model = "{model}", prompt = "{prompt}", n = "{count}", seed = "{seed}", size = "{size}" }
answer = { cost = "usage.cost" }
headers = { X-Title = "genai_render" }
query = { version = "2" }
[provider.edit_body]
model = "{model}"
prompt = "{prompt}"
n = "{count}"
pictures = "{images}"
mask = { picture = "{mask}" }
steps = "{option.steps}"
fixed = ["b64", 1]
[[provider.model]]
name = "paint"
options = ["steps"]
[[provider.model]]
name = "single"
extra = { one_per_call = true, without = ["seed"], body = { style = "plain" } }
"""


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(retry, "_PAUSES", (0.01, 0.01, 0.01))


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert our_threads() == []


def own(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(textwrap.dedent(text))
    return catalog.load([path])


def settings(known, server, provider="some", **more):
    endpoint = Endpoint(base_url=f"{server.origin}/v1", key=Secret(KEY), **more)
    return BackendSettings(endpoints={provider: endpoint}, catalog=known)


def make(known, server, model="some/paint", **more):
    request = RenderRequest(**{"prompt": "A red house", "model": model, **more})
    return run(create_backend(known.model(model).backend, settings(known, server)), request)


def entry(width=64, height=64):
    return {"b64_json": base64.b64encode(image(width, height)).decode()}


def answers(*entries, **more):
    return Answer.of_json({"data": list(entries), **more})


# ---- what is sent ------------------------------------------------------------------------------


def test_a_pattern_keeps_numbers_and_leaves_out_what_is_not_there():
    pattern = {"a": "{n}", "b": {"c": "{none}"}, "d": ["{list}", 1], "e": "x-{n}", "f": True}
    values = {"n": 2, "list": [1, 2], "none": None}
    assert filled(pattern, values) == {"a": 2, "d": [[1, 2], 1], "e": "x-2", "f": True}
    assert filled("{none}-{n}", values) is None


def test_a_path_in_an_answer():
    answer = {"output": {"items": [{"url": "x"}]}, "n": 1}
    assert at(answer, "output.items.0.url") == "x"
    assert at(answer, "") is answer
    assert at(answer, "output.more.0") is None
    assert at(answer, "n.x") is None


def test_words_alone_go_to_one_path_and_images_to_the_other(tmp_path):
    known = own(tmp_path, JSON)
    with Server(lambda request: answers(entry())) as server:
        assert make(known, server, seed=5).error is None
        reference = Reference(image(30, 20), "r.png")
        made = make(known, server, canvas=canvas(), references=(reference,), options={"steps": 9})
        assert made.error is None
    words, pictures = server.received
    assert (words.path, words.query) == ("/v1/make", {"version": "2"})
    assert words.headers["x-title"] == "genai_render"
    assert words.headers["authorization"] == f"Bearer {KEY}"
    assert words.json == {
        "model": "paint",
        "prompt": words.json["prompt"],
        "seed": 5,
        "size": "1024x1024",
    }
    assert pictures.path == "/v1/change"
    sent = pictures.json
    assert set(sent) == {"model", "prompt", "pictures", "steps", "fixed"}
    assert sent["steps"] == 9
    assert sent["fixed"] == ["b64", 1]
    assert [one[:22] for one in sent["pictures"]] == ["data:image/png;base64,"] * 2
    assert {"canvas.png"} <= set(made.results[0].sent)


def test_a_mask_goes_to_its_place(tmp_path):
    known = own(tmp_path, JSON)
    with Server(lambda request: answers(entry())) as server:
        source = image(40, 32)
        made = make(known, server, kind="edit", source=source, mask=layer(40, 32))
        assert made.error is None
    sent = server.received[0].json
    assert sent["mask"]["picture"].startswith("data:image/png;base64,")
    assert len(sent["pictures"]) == 1


def test_a_model_leaves_out_and_adds(tmp_path):
    known = own(tmp_path, JSON)
    with Server(lambda request: answers(entry())) as server:
        made = make(known, server, "some/single", seed=7, count=3)
    assert made.error is None
    assert sorted(result.index for result in made.results) == [0, 1, 2]
    assert len(server.received) == 3, "one image a call"
    assert all(set(sent.json) == {"model", "prompt", "size", "style"} for sent in server.received)
    assert [result.seed for result in made.results] == [None] * 3


def test_several_in_one_call_share_the_cost(tmp_path):
    known = own(tmp_path, JSON)
    with Server(lambda request: answers(entry(), entry(), usage={"cost": 0.08})) as server:
        made = make(known, server, count=2)
    assert server.received[0].json["n"] == 2
    assert [result.cost_usd for result in made.results] == [pytest.approx(0.04)] * 2


def test_fewer_than_asked_for(tmp_path):
    known = own(tmp_path, JSON)
    with Server(lambda request: answers(entry())) as server:
        made = make(known, server, count=2)
    assert len(made.results) == 1
    (failed,) = made.failed
    assert "Only 1 of 2" in failed.error.text


def test_a_provider_without_a_place_for_images_says_what_it_leaves_out(tmp_path):
    text = JSON.replace('pictures = "{images}"\n', "")
    known = own(tmp_path, text)
    with Server(lambda request: answers(entry())) as server:
        made = make(known, server, canvas=canvas())
        assert made.error is None
        assert any("takes no images" in text for text in made.notices)
        edited = make(known, server, kind="edit", source=image(40, 32))
    assert "cannot start from an image" in edited.error.text
    assert len(server.received) == 1


def test_one_image_where_there_is_a_place_for_one(tmp_path):
    known = own(tmp_path, JSON.replace('pictures = "{images}"', 'picture = "{image}"'))
    with Server(lambda request: answers(entry())) as server:
        made = make(known, server, canvas=canvas(), references=(Reference(image()),))
    sent = server.received[0].json
    assert isinstance(sent["picture"], str)
    assert "Image 2" not in sent["prompt"]
    assert any("takes 1 image:" in text for text in made.notices)


# ---- what comes back ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["base64", "data uri", "address", "text", "body"])
def test_an_image_in_any_form(tmp_path, form):
    known = own(tmp_path, JSON)

    def answer(request):
        if request.path == "/files/1.png":
            assert request.headers.get("authorization") == f"Bearer {KEY}", "the same origin"
            return Answer(200, {"content-type": "image/png"}, image(64, 48))
        if form == "body":
            return Answer(200, {"content-type": "image/png"}, image(64, 48))
        text = base64.b64encode(image(64, 48)).decode()
        one = {
            "base64": {"b64_json": text},
            "data uri": {"url": f"data:image/png;base64,{text}"},
            "address": {"url": f"{server.origin}/files/1.png"},
            "text": text,
        }[form]
        return answers(one)

    with Server(answer) as server:
        made = make(known, server)
    assert made.error is None
    assert (made.results[0].width, made.results[0].height) == (64, 48)


def test_the_key_does_not_follow_an_image_to_another_origin(tmp_path):
    known = own(tmp_path, JSON)
    with (
        Server(lambda request: Answer(200, {"content-type": "image/png"}, image())) as files,
        Server(lambda request: answers({"url": f"{files.origin}/1.png"})) as server,
    ):
        assert make(known, server).error is None
    assert "authorization" not in files.received[0].headers


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (401, {"message": "No", "code": 401}, "credentials"),
        (402, {"message": "Insufficient credits", "code": 402}, "quota"),
        (403, {"message": "Your request was flagged by moderation", "code": 403}, "refused"),
        (400, {"message": "Content policy violation"}, "refused"),
        (400, {"message": "size is wrong"}, "rejected"),
        (404, "No such model", "rejected"),
        (500, {"message": "Oops"}, "server"),
    ],
)
def test_what_a_provider_says_is_wrong(tmp_path, status, error, code):
    known = own(tmp_path, JSON)
    with Server(lambda request: Answer.of_json({"error": error}, status)) as server:
        made = make(known, server)
    assert made.error.code == code
    said = error if isinstance(error, str) else error["message"]
    assert said in made.error.text
    assert len(server.received) == 1, "none of these is asked again"


def test_too_many_requests_are_waited_for(tmp_path):
    known = own(tmp_path, JSON)
    told = iter([Answer.of_json({"error": {"message": "Slow down"}}, 429, retry_after="0")])
    with Server(lambda request: next(told, None) or answers(entry())) as server:
        made = make(known, server)
    assert made.error is None
    assert len(server.received) == 2


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"content-type": "text/html"}, b"<html>login</html>"),
        Answer(200, {"content-type": "application/json"}, b'{"data": [{"b64_'),
        Answer.of_json({"data": []}),
        Answer.of_json({"data": [{"b64_json": "bm90IGFuIGltYWdl"}]}),
        Answer.of_json({"data": [{"nothing": 1}]}),
        Answer.of_json({"data": [{"url": "ftp://else/1.png"}]}),
    ],
)
def test_an_answer_that_is_none(tmp_path, answer):
    known = own(tmp_path, JSON)
    with Server(lambda request: answer) as server:
        made = make(known, server)
    assert made.error.code == "bad_answer"
    assert KEY not in made.error.text


def test_an_answer_that_is_cut(tmp_path):
    known = own(tmp_path, JSON)
    cut = Answer(200, {"content-type": "application/json"}, [b'{"data": [', Cut()], length=900)
    with Server(lambda request: cut) as server:
        assert make(known, server).error.code == "cut"
    assert len(server.received) == 1


def test_cancel_ends_the_call(tmp_path):
    known = own(tmp_path, JSON)
    hanging = Answer(200, {"content-type": "application/json"}, [b"{", Forever()], length=900)
    with Server(lambda request: hanging) as server:
        backend = create_backend("json", settings(known, server))
        request = RenderRequest(prompt="x", model="some/paint")
        made = run_and_cancel(backend, request, lambda so_far: bool(server.received))
    assert made.error is not None
    assert made.error.code == "cancelled"


# ---- its list of models ------------------------------------------------------------------------


def test_its_models_are_listed_where_its_table_says(tmp_path):
    text = JSON.replace(
        "headers =",
        'models = { path = "list", items = "models", id = "name", images_only = "makes" }\n'
        "headers =",
    )
    known = own(tmp_path, text)
    listed = [{"name": "paint", "makes": ["image"]}, {"name": "chat", "makes": ["text"]}]
    with Server(lambda request: Answer.of_json({"models": listed})) as server:
        backend = create_backend("json", settings(known, server))
        assert backend.model_names(CancelToken(), "some") == ["paint"]
        said = check_access("json", settings(known, server), CancelToken(), "some")
    assert said == "The provider answers: 1 models, 1 of them are in the list here."
    assert server.received[0].path == "/v1/list"


# ---- OpenAI's dialect by a table ---------------------------------------------------------------

DEPLOYED = """
[[provider]]
id = "ours"
label = "Ours"
variables = ["OURS_API_KEY"]
base_url_variable = "OURS_BASE_URL"
key_header = "api-key"
key_format = "{}"
prefix = "openai/deployments/{model}"
query = { api-version = "2026-10-01" }
without = ["response_format"]
[[provider.model]]
name = "image one"
"""


def test_deployments_a_version_and_a_header_of_its_own_for_the_key(tmp_path):
    pytest.importorskip("openai")
    known = own(tmp_path, DEPLOYED)
    model = known.model("ours/image one")
    assert (model.backend, endpoint_name(model)) == ("compatible", "ours")
    with Server(lambda request: answers(entry(1024, 1024))) as server:
        environ = {"OURS_API_KEY": KEY, "OURS_BASE_URL": server.origin}
        given = BackendSettings(catalog=known, credentials=Credentials(environ))
        made = run(
            create_backend("compatible", given),
            RenderRequest(prompt="A house", model=model.id, canvas=canvas()),
        )
    assert made.error is None
    (sent,) = server.received
    assert sent.path == "/openai/deployments/image%20one/images/edits"
    assert sent.query == {"api-version": "2026-10-01"}
    assert sent.headers["api-key"] == KEY
    assert "authorization" not in sent.headers
    assert "response_format" not in {field.name for field in sent.fields}
    assert made.results[0].info["provider"] == "Ours"


def test_without_a_key_nothing_is_sent_to_a_provider_that_needs_one(tmp_path):
    known = own(tmp_path, JSON)
    with Server(lambda request: answers(entry())) as server:
        endpoints = {"some": Endpoint(base_url=f"{server.origin}/v1")}
        given = BackendSettings(
            endpoints=endpoints, catalog=known, credentials=Credentials({"SOME_API_KEY": KEY})
        )
        made = run(create_backend("json", given), RenderRequest(prompt="x", model="some/paint"))
    assert isinstance(made.error, CredentialsError), "the variable's key is for its own address"
    assert "not sent elsewhere" in made.error.text
    assert server.received == []


# ---- tables that would do harm, or nothing -----------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('id = "some"', 'id = "openai"'), 'There is a provider "openai" already'),
        (('"SOME_API_KEY"', '"OPENAI_API_KEY"'), "cannot have the variable OPENAI_API_KEY"),
        (('"SOME_API_KEY"', '"AWS_SECRET_ACCESS_KEY"'), "cannot have the variable AWS"),
        (('"SOME_API_KEY"', '"SOMEONE_KEY"'), "Call it SOME_API_KEY"),
        (('"{prompt}"', '"{promt}"'), '"{promt}" in the body'),
        (('dialect = "json"', 'dialect = "yaml"'), '"dialect" that cannot be used'),
        (("X-Title", "Host"), 'The header "Host"'),
        (("headers =", 'key_format = "Bearer"\nheaders ='), "where the key goes"),
        (("headers =", 'image = "{jpeg}"\nheaders ='), '"{jpeg}" in the image'),
        (('"usage.cost"', "1"), '"cost" that cannot be used'),
        (('options = ["steps"]', 'options = ["stepz"]'), 'Did you mean "steps"'),
        (('id = "some"', 'id = "so/me"'), "cannot be the id"),
    ],
)
def test_a_bad_table_is_told(tmp_path, change, says):
    assert change[0] in JSON
    with pytest.raises(InvalidInput) as raised:
        own(tmp_path, JSON.replace(*change))
    assert says in raised.value.text


def test_a_provider_s_key_cannot_be_taken_by_an_id_that_begins_like_it(tmp_path):
    """GOOGLE_API_KEY begins with "GOOGLE_", but is Gemini's."""
    text = JSON.replace('id = "some"', 'id = "google"').replace("SOME_API_KEY", "GOOGLE_API_KEY")
    with pytest.raises(InvalidInput, match="cannot have the variable GOOGLE_API_KEY"):
        own(tmp_path, text)


def test_a_model_of_a_provider_that_is_not_known(tmp_path):
    with pytest.raises(InvalidInput, match='names the provider "none"'):
        own(tmp_path, '[[model]]\nid = "a"\nlabel = "A"\nprovider = "none"\nname = "a"\n')


def test_a_model_that_is_named_by_hand_is_like_the_others_of_its_provider(tmp_path):
    known = own(tmp_path, JSON)
    named = known.like_known("some", "paint-2")
    assert (named.id, named.provider, named.backend) == ("some/paint-2", "some", "json")
    assert named.has_option("steps")
    empty = own(tmp_path, DEPLOYED.partition("[[provider.model]]")[0])
    assert empty.like_known("ours", "x").backend == "compatible"
    with pytest.raises(NotFound):
        known.like_known("nobody", "x")


# ---- rows --------------------------------------------------------------------------------------


def test_every_backend_has_the_whole_protocol():
    for name, row in BACKENDS.items():
        backend = create_backend(name)
        for method in ("run", "check", "model_names"):
            assert callable(getattr(backend, method)), (name, method)
        assert row.label
        if row.kind == "cloud":
            assert catalog.shipped().providers[name].variables
        if row.kind == "self-hosted":
            assert row.usual_address.startswith("http://127.0.0.1:")
            assert row.variable.startswith("GENAI_RENDER_")


def test_every_model_that_ships_has_a_backend():
    for model in catalog.shipped().models.values():
        assert model.backend in BACKENDS
        if model.provider:
            provider = catalog.shipped().providers[model.provider]
            assert provider.backend == model.backend
