# SPDX-License-Identifier: GPL-3.0-or-later
"""The marked key of each provider that has a table, and every secret of a login: given back by
servers wherever they could put it, and found nowhere that is kept or shown.

OpenAI's and Google's own keys go the same way in test_credentials.py.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import pickle
import traceback
from contextlib import redirect_stderr, redirect_stdout

import pytest

pytest.importorskip("openai")
pytest.importorskip("google.genai")
pytest.importorskip("cryptography")

from genai_render.backends.base import create_backend
from genai_render.backends.cloud import fal, fal_job, fal_media, google_login, veo
from genai_render.backends.http import retry
from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.core.history.store import HistoryStore
from genai_render.core.jobs import Finished, JobQueue
from genai_render.core.keys.credentials import Secret
from genai_render.core.models import catalog
from genai_render.core.request import RenderRequest
from tests.pure.test_credentials import _bytes_under, _forms
from tests.servers import fal_api, json_providers, model3d_api, veo_api, vertex_api
from tests.servers.client import canvas, image
from tests.servers.http import Answer, Server

KNOWN = catalog.shipped()
JSON = {
    "openrouter": json_providers.OpenRouterServer,
    "nanogpt": json_providers.NanoGPTServer,
    "xai": json_providers.XAIServer,
    "byteplus": json_providers.BytePlusServer,
    "together": json_providers.TogetherServer,
}
MEDIA = ("fal clip", "fal 3d", "veo", "own 3d")
PROVIDERS = (*JSON, "azure", "litellm", "fal", "vertex")


def test_every_provider_that_takes_a_key_is_here():
    others = {"openai", "gemini"}  # in test_credentials.py
    assert {*PROVIDERS, *others} - {"vertex"} == set(KNOWN.providers)


@pytest.mark.parametrize("provider", [*PROVIDERS, *MEDIA])
def test_a_marked_key_stands_nowhere_that_is_kept_or_shown(provider, tmp_path, monkeypatch):
    monkeypatch.setattr(retry, "_PAUSES", ())
    monkeypatch.setattr(retry, "_CONNECT_PAUSES", ())
    monkeypatch.setattr(fal_job, "_PAUSES", (0.01, 0.02))
    monkeypatch.setattr(fal_job, "_FETCH_PAUSES", ())
    monkeypatch.setattr(fal, "_INLINE_BYTES", 100)
    monkeypatch.setenv("OPENAI_LOG", "debug")
    fal._fields.clear()
    google_login._tokens.clear()
    monkeypatch.setattr(fal_media, "_INLINE_BYTES", 100)
    monkeypatch.setattr(veo, "_PAUSES", (0.01, 0.02))
    key = f"{provider.replace(' ', '')}-MARKEDKEYmarkedkey0123456789ABCDEFxyz"
    login = tmp_path / "login" / "credentials.json"
    login.parent.mkdir()
    server, model, known, secrets, endpoint = _echoing(provider, key, login)
    log, out, err = io.StringIO(), io.StringIO(), io.StringIO()
    told: list = []
    handler, root = logging.StreamHandler(log), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    history = tmp_path / "history"
    try:
        with redirect_stdout(out), redirect_stderr(err), server:
            store = HistoryStore(history)
            queue = JobQueue(
                lambda request, result, seconds: store.add(request, result, seconds=seconds).id,
                store.add_failed,
                workers=1,
            )
            name = _ENDPOINTS.get(provider, provider)
            settings = BackendSettings(endpoints={name: endpoint()}, catalog=known)
            backend = create_backend(model.backend, settings)
            request = RenderRequest(prompt="A red house", model=model.id, canvas=canvas())
            if model.makes != "image":
                request = request.with_(canvas=None, kind=model.makes, source=image(160, 90))
            steps = len(_faults(key))
            for _ in range(steps + 1):
                queue.submit(request, backend.run)
            while queue.jobs():
                event = queue.next_event(0.1)
                if event is not None:
                    told.append(event[1])
            told += [event for _, event in queue.drain()]
            queue.close()
            kept = store.count()
            store.close()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    errors = [event.error for event in told if isinstance(event, Finished) and event.error]
    # OpenAI's dialect asks again with less where it is refused, so a job may meet several of them.
    least = steps // 2 if provider in ("azure", "litellm") else steps
    assert least <= len(errors) <= steps, [error.text for error in errors]
    assert kept == steps + 1
    texts = [repr(told), repr(settings), str(backend.__dict__), log.getvalue()]
    texts += [out.getvalue(), err.getvalue()]
    for error in errors:
        texts += [error.text, json.dumps(error.to_json()), repr(pickle.dumps(error))]
        whole = traceback.TracebackException.from_exception(error, capture_locals=True)
        texts += list(whole.format())
    places = [("a text", text.encode()) for text in texts]
    places += list(_bytes_under(history))
    assert len(list(_bytes_under(history))) > 20
    for place, data in places:
        for secret in secrets:
            for form in _forms(secret):
                assert form not in data, f"{form!r} stands in {place}: {data[:300]!r}"


_ENDPOINTS = {
    **{"vertex": "gemini", "veo": "gemini", "own 3d": "model3d:Desk"},
    **{"fal clip": "fal", "fal 3d": "fal"},
}


def _faults(key):
    """Answers of a server that gives the key back: in a page, a header, an error, a fragment."""
    told = {"message": f"Your key {key} is bad", "code": key, "type": key}
    packed = base64.b64encode(key.encode()).decode()
    return [
        Answer(502, {"content-type": "text/html", "x-key": key}, f"<p>{key}</p>".encode()),
        Answer(400, {"content-type": "text/plain"}, f"bad key {key}".encode()),
        Answer(302, {"location": f"http://127.0.0.1:9/?key={key}"}, b""),
        None,
        *(Answer.of_json({"error": told, "detail": told["message"]}, s) for s in (400, 401, 403)),
        *(Answer.of_json({"error": told, "detail": told["message"]}, s) for s in (404, 429, 500)),
        Answer.of_json({"detail": [{"loc": ["body", key], "msg": key, "type": key}]}, 422),
        Answer.of_json({"error": {"message": packed}, "detail": packed}, 400),
        Answer(200, {"content-type": f"text/{key}"}, b""),
        Answer(200, {"content-type": "application/json"}, f'{{"{key}'.encode()),
        Answer(200, {"content-type": "application/json"}, b"[1]" + key.encode()),
    ]


def _echoing(provider, key, login):
    """The server, a model, the catalogue with it, all secrets, and how the server is reached."""

    def steps(secret):
        return [lambda *_, answer=answer: answer for answer in _faults(secret)]

    if provider in JSON:
        server = JSON[provider](*steps(key), key=key)
        model = next(
            one
            for one in KNOWN.models.values()
            if one.provider == provider and one.name in server.models and one.extra["max_images"]
        )
        return server, model, KNOWN, [key], lambda: Endpoint(server.base_url, key=Secret(key))
    if provider == "own 3d":
        server = _EchoingModelServer(_faults(key))
        where = {"key": Secret(key), "needs_key": False}
        return server, KNOWN.model("own-3d"), KNOWN, [key], lambda: Endpoint(server.origin, **where)
    if provider.startswith("fal"):
        server = fal_api.FalServer(*steps(key), key=key)
        model = KNOWN.model(
            {
                "fal": "fal/fal-ai/flux-control-lora-depth",
                "fal clip": "fal/fal-ai/kling-video/v2.5-turbo/pro/image-to-video",
                "fal 3d": "fal/fal-ai/hunyuan3d/v2",
            }[provider]
        )
        log = {"status": "IN_PROGRESS", "logs": [{"message": f"loading with {key}"}]}
        server.status_script = [lambda *_: Answer.of_json(log, 202)]
        return server, model, KNOWN, [key], lambda: Endpoint(server.origin, key=Secret(key))
    if provider in ("vertex", "veo"):
        echoing = _EchoingVertex if provider == "vertex" else _EchoingVeo
        server = echoing(_faults(vertex_api.TOKEN))
        secrets = [vertex_api.TOKEN, vertex_api.REFRESH, vertex_api.CLIENT_SECRET]
        login.write_text(json.dumps(server.person()))
        place = {"project": vertex_api.PROJECT, "location": vertex_api.LOCATION}

        def endpoint():
            return Endpoint(server.origin, vertex=True, credentials_file=str(login), **place)

        model = "gemini-nano-banana-2.1" if provider == "vertex" else "veo-3.1"
        return server, KNOWN.model(model), KNOWN, secrets, endpoint
    answers = _faults(key)
    entry = {
        "b64_json": base64.b64encode(image()).decode(),
        "revised_prompt": f"A house, made with {key}",
    }

    def answer(request):
        return answers.pop(0) if answers else Answer.of_json({"data": [entry]})

    server = Server(answer)
    model = KNOWN.like_known(provider, "gpt-image-2")
    return (
        *(server, model, KNOWN.plus([model]), [key]),
        lambda: Endpoint(f"{server.origin}/v1", key=Secret(key)),
    )


class _EchoingVertex(vertex_api.VertexServer):
    def __init__(self, script):
        super().__init__()
        self.script = script

    def _handle(self, request):
        if request.path != "/token" and self.script:
            return self.script.pop(0)
        return super()._handle(request)


class _EchoingVeo(veo_api.VeoServer):
    def __init__(self, faults):
        super().__init__()
        self.faults = faults

    def _handle(self, request):
        if request.path != "/token" and self.faults:
            return self.faults.pop(0)
        return super()._handle(request)


class _EchoingModelServer(model3d_api.ModelServer):
    def __init__(self, faults):
        super().__init__()
        self.faults = faults

    def _handle(self, request):
        if request.path != "/status/genai-render" and self.faults:
            return self.faults.pop(0)
        return super()._handle(request)
