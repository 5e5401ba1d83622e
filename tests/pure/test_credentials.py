# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys: found, kept, sent to the right place, and seen nowhere else."""

from __future__ import annotations

import base64
import copy
import dataclasses
import io
import json
import logging
import pickle
import traceback
import urllib.parse
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_render.core.errors import CredentialsError, InvalidInput
from genai_render.core.keys.credentials import SERVICE, Credentials, Secret, origin_of, redact
from genai_render.core.models import catalog
from genai_render.core.provider import Provider

OPENAI, GOOGLE = (catalog.shipped().providers[id] for id in ("openai", "gemini"))
MARKED = "sk-proj-MARKEDKEYmarkedkey0123456789ABCDEFxyz"


class Ring:
    """A keyring in memory, with the calls that were made to it."""

    def __init__(self):
        self.kept = {}
        self.fails = None

    def get_password(self, service, username):
        self._fail()
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self._fail()
        self.kept[service, username] = password

    def delete_password(self, service, username):
        self._fail()
        del self.kept[service, username]

    def _fail(self):
        if self.fails is not None:
            raise self.fails


def found(environ, ring=None, provider=OPENAI, address=None):
    credentials = Credentials(environ, ring or Ring())
    return credentials.find(provider, address or provider.base_url)


# ---- where a key comes from --------------------------------------------------------------------


def test_the_environment_comes_before_the_keyring():
    ring = Ring()
    Credentials({}, ring).store(OPENAI.base_url, "sk-from-the-keyring")
    from_ring = found({}, ring)
    assert (from_ring.secret, from_ring.source) == (
        Secret("sk-from-the-keyring"),
        "the system keyring",
    )
    from_environment = found({"OPENAI_API_KEY": "sk-from-the-environment"}, ring)
    assert from_environment.secret == Secret("sk-from-the-environment")
    assert "OPENAI_API_KEY" in from_environment.source


def test_google_api_key_comes_before_gemini_api_key():
    both = {"GOOGLE_API_KEY": "AIza-google", "GEMINI_API_KEY": "AIza-gemini"}
    assert found(both, provider=GOOGLE).secret == Secret("AIza-google")
    del both["GOOGLE_API_KEY"]
    assert found(both, provider=GOOGLE).secret == Secret("AIza-gemini")


@pytest.mark.parametrize("value", ["", "   ", "\n"])
def test_an_empty_variable_is_none(value):
    assert found({"OPENAI_API_KEY": value}) is None


def test_spaces_around_a_key_are_no_part_of_it():
    assert found({"OPENAI_API_KEY": " sk-pasted\n"}).secret == Secret("sk-pasted")


def test_a_locked_keyring_counts_as_empty_when_looking():
    ring = Ring()
    ring.fails = RuntimeError("locked")
    assert found({}, ring) is None


# ---- whom it goes to ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "goes"),
    [
        ("https://api.openai.com/v1", True),
        ("https://api.openai.com:443/other", True),
        ("https://eu.api.openai.com/v1", True),  # a regional endpoint of OpenAI itself
        ("http://api.openai.com/v1", False),  # not in clear text
        ("http://eu.api.openai.com/v1", False),
        ("https://api.openai.com:8443/v1", False),
        ("https://api.openai.com.example.org/v1", False),
        ("https://notapi.openai.com/v1", False),
        ("https://example.org/api.openai.com", False),
        ("http://127.0.0.1:8080/v1", False),
    ],
)
def test_where_a_key_from_the_environment_may_go(address, goes):
    key = found({"OPENAI_API_KEY": "sk-environment"}, address=address)
    assert (key is not None) is goes


def test_a_key_and_an_address_from_the_environment_belong_together():
    environ = {"OPENAI_API_KEY": "sk-gateway", "OPENAI_BASE_URL": "https://gateway.example/v1"}
    assert found(environ, address="https://gateway.example/v1/x") is not None
    # The key is the gateway's: OpenAI itself does not get it.
    assert found(environ, address=OPENAI.base_url) is None
    assert Credentials(environ).base_url(OPENAI) == "https://gateway.example/v1"
    assert Credentials(environ).base_url(OPENAI, "http://mine:1/v1/") == "http://mine:1/v1"


def test_a_key_in_the_keyring_is_for_one_origin():
    ring = Ring()
    Credentials({}, ring).store("https://studio.example:8443/v1", "studio-key-0000")
    assert list(ring.kept) == [(SERVICE, "https://studio.example:8443")]
    assert found({}, ring, address="https://studio.example:8443/else") is not None
    assert found({}, ring, address="https://studio.example/v1") is None
    assert found({}, ring, address="http://studio.example:8443/v1") is None


def test_a_missing_key_says_where_to_get_and_where_to_put_it():
    with pytest.raises(CredentialsError) as raised:
        Credentials({}, Ring()).need(OPENAI, OPENAI.base_url)
    assert "There is no key for OpenAI." in raised.value.text
    assert "OPENAI_API_KEY" in raised.value.text
    assert "https://platform.openai.com/api-keys" in raised.value.text
    assert raised.value.exit_code == 4
    with pytest.raises(CredentialsError, match="no key for Studio"):
        Credentials({}, Ring()).need(Provider("studio", "Studio"), "http://studio.example/v1")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.openai.com",
        "file:///etc/passwd",
        "https://",
        "http://[bad",
        "ftp://a",
        "https://a:b",
    ],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(InvalidInput, match="not the address of a server"):
        origin_of(url)


def test_an_address_with_a_password_in_it_is_refused_without_repeating_it():
    with pytest.raises(InvalidInput) as raised:
        origin_of("https://user:hunter2secret@host/v1")
    assert "hunter2secret" not in raised.value.text


def test_an_origin_is_written_in_one_way():
    assert origin_of("HTTPS://API.OpenAI.com:443/v1?x") == "https://api.openai.com"
    assert origin_of("http://[::1]:80/") == "http://[::1]"
    assert origin_of("http://127.0.0.1:8080/v1") == "http://127.0.0.1:8080"


# ---- the keyring -------------------------------------------------------------------------------


def test_a_key_is_stored_and_forgotten():
    ring = Ring()
    credentials = Credentials({}, ring)
    credentials.store(OPENAI.base_url, "  sk-stored-0000\n")
    assert credentials.find(OPENAI, OPENAI.base_url).secret == Secret("sk-stored-0000")
    credentials.delete(OPENAI.base_url)
    assert credentials.find(OPENAI, OPENAI.base_url) is None
    credentials.delete(OPENAI.base_url)  # once more is no error
    assert ring.kept == {}


@pytest.mark.parametrize(
    "text", ["", "   ", "abc", "two words here", "schlüssel-0000", "a\x00bcdef"]
)
def test_what_cannot_be_a_key_is_refused(text):
    ring = Ring()
    with pytest.raises(InvalidInput, match="not a key") as raised:
        Credentials({}, ring).store(OPENAI.base_url, text)
    assert ring.kept == {}
    if len(text) > 3:
        assert text not in raised.value.text


def test_a_keyring_that_refuses_says_so_without_the_key():
    ring = Ring()
    ring.fails = RuntimeError(f"cannot write {MARKED}")
    with pytest.raises(CredentialsError) as raised:
        Credentials({}, ring).store(OPENAI.base_url, MARKED)
    assert "could not be kept" in raised.value.text
    assert MARKED not in raised.value.text
    assert raised.value.__context__ is None


def test_a_keyring_that_writes_plain_files_is_not_used(monkeypatch):
    keyring = pytest.importorskip("keyring")

    class PlaintextKeyring:
        """As `keyrings.alt.file` has one."""

        def set_password(self, *arguments):
            raise AssertionError("a key was about to be written to a file")

        get_password = delete_password = set_password

    PlaintextKeyring.__module__ = "keyrings.alt.file"
    monkeypatch.setattr(keyring, "get_keyring", PlaintextKeyring)
    credentials = Credentials({})
    with pytest.raises(CredentialsError, match="does not keep keys safely"):
        credentials.store(OPENAI.base_url, "sk-stored-0000")
    assert credentials.find(OPENAI, OPENAI.base_url) is None


def test_a_computer_without_a_keyring_says_what_else_there_is(monkeypatch):
    keyring = pytest.importorskip("keyring")
    from keyring.backends.fail import Keyring as NoKeyring

    monkeypatch.setattr(keyring, "get_keyring", NoKeyring)
    with pytest.raises(CredentialsError, match="environment"):
        Credentials({}).store(OPENAI.base_url, "sk-stored-0000")


def test_the_systems_own_keyrings_are_used(monkeypatch):
    keyring = pytest.importorskip("keyring")
    kept = {}

    class Keyring:
        def get_password(self, service, username):
            return kept.get(username)

        def set_password(self, service, username, password):
            kept[username] = password

    monkeypatch.setattr(keyring, "get_keyring", Keyring)
    for module in ("macOS", "Windows", "SecretService", "libsecret", "kwallet"):
        Keyring.__module__ = f"keyring.backends.{module}"
        kept.clear()
        credentials = Credentials({})
        credentials.store(OPENAI.base_url, "sk-stored-0000")
        assert credentials.find(OPENAI, OPENAI.base_url).secret == Secret("sk-stored-0000")


# ---- a key is never shown ----------------------------------------------------------------------


@dataclasses.dataclass
class _Holder:
    key: Secret


def test_a_key_is_not_shown_however_it_is_looked_at():
    secret = Secret(MARKED)
    holder = _Holder(secret)
    shown = [
        *(repr(secret), str(secret), f"{secret}", f"{secret:>60}", f"{secret!r}"),
        *(repr(holder), str(dataclasses.asdict(holder)), repr([secret]), repr({"key": secret})),
        *(json.dumps(holder, default=str), json.dumps(holder, default=repr)),
        *(str(dir(secret)), repr(copy.deepcopy(holder)), repr(copy.copy(secret))),
    ]
    for text in shown:
        assert MARKED not in text
        assert MARKED[10:20] not in text
    assert secret.reveal() == MARKED
    assert copy.deepcopy(holder).key.reveal() == MARKED
    assert not Secret("")


def test_a_key_cannot_be_pickled_or_put_in_json():
    for write in (pickle.dumps, json.dumps):
        with pytest.raises(TypeError) as raised:
            write(Secret(MARKED))
        assert MARKED not in str(raised.value)


def test_a_key_is_taken_out_of_every_text_in_every_form():
    Secret(MARKED)
    forms = [
        MARKED,
        urllib.parse.quote(MARKED, safe=""),
        base64.b64encode(MARKED.encode()).decode(),
        MARKED.encode().hex(),
        f"Bearer {MARKED}",
        f"https://host/v1?key={MARKED}&x=1",
    ]
    for form in forms:
        text = redact(f"before {form} after")
        assert MARKED not in text
        assert MARKED[8:24] not in text
        assert text.startswith("before")
        assert "after" in text or "x=1" in text


def test_the_ends_of_a_masked_key_are_taken_out():
    text = redact("Incorrect API key provided: sk-proj-********************mnop. Find it at …")
    assert "mnop" not in text
    assert text.endswith("Find it at …")


@given(
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60),
    st.text(max_size=30),
    st.text(max_size=30),
)
def test_any_key_is_taken_out_of_any_text(key, before, after):
    Secret(key)
    assert key not in redact(before + key + after)


# ---- the marked key goes through everything ----------------------------------------------------


def _forms(key):
    raw = key.encode()
    return {
        raw,
        raw[4:30],
        base64.b64encode(raw)[:24],
        raw.hex().encode(),
        urllib.parse.quote(key, safe="").encode(),
    }


def _bytes_under(folder: Path):
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


@pytest.mark.parametrize("provider", ["openai", "gemini"])
def test_a_marked_key_stands_nowhere_that_is_kept_or_shown(provider, tmp_path, monkeypatch):
    """Each path once: success, every fault, servers that give the key back in their answers."""
    pytest.importorskip("openai")
    pytest.importorskip("google.genai")
    from genai_render.backends.base import create_backend
    from genai_render.backends.http import retry
    from genai_render.backends.http.settings import BackendSettings, Endpoint
    from genai_render.core.history.store import HistoryStore
    from genai_render.core.jobs import Finished, JobQueue
    from genai_render.core.request import RenderRequest
    from tests.servers.client import canvas

    monkeypatch.setattr(retry, "_PAUSES", ())
    monkeypatch.setattr(retry, "_CONNECT_PAUSES", ())
    monkeypatch.setenv("OPENAI_LOG", "debug")
    key = MARKED if provider == "openai" else "AIzaSyMARKEDmarkedKEY0123456789ABCDEFxyzQ"
    server, model = _echoing(provider, key)
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    out, err, told = io.StringIO(), io.StringIO(), []
    try:
        with redirect_stdout(out), redirect_stderr(err), server:
            store = HistoryStore(tmp_path / "history")

            def keep(request, result, seconds):
                return store.add(request, result, seconds=seconds).id

            queue = JobQueue(keep, store.add_failed, workers=1)
            address = server.base_url if provider == "openai" else server.origin
            endpoint = Endpoint(base_url=address, key=Secret(key))
            settings = BackendSettings(endpoints={provider: endpoint})
            backend = create_backend(provider, settings)
            request = RenderRequest(prompt="A red house", model=model, canvas=canvas())
            steps = len(server.script)
            for number in range(steps + 2):
                # Of Gemini's several calls, each would take a step of its own.
                count = 1 + number % 2 if provider == "openai" else 1
                queue.submit(request.with_(count=count), backend.run)
            while queue.jobs():
                event = queue.next_event(0.1)
                if event is not None:
                    told.append(event[1])
            told += [event for _, event in queue.drain()]
            queue.close()
            kept = store.count()
            store.close()
        server.script.clear()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    errors = [event.error for event in told if isinstance(event, Finished) and event.error]
    assert len(errors) >= steps - 2, [error.text for error in errors]
    assert kept >= steps
    texts = [repr(told), repr(settings), str(backend.__dict__), log.getvalue()]
    texts += [out.getvalue(), err.getvalue()]
    for error in errors:
        texts += [error.text, json.dumps(error.to_json()), repr(pickle.dumps(error))]
        whole = traceback.TracebackException.from_exception(error, capture_locals=True)
        texts += list(whole.format())
    places = [("a text", text.encode()) for text in texts]
    places += list(_bytes_under(tmp_path))
    assert len(list(_bytes_under(tmp_path))) > 20
    for place, data in places:
        for form in _forms(key):
            assert form not in data, f"{form!r} stands in {place}: {data[:300]!r}"


def _echoing(provider, key):
    """A server whose answers have the key in them, wherever a server could put it."""
    from tests.servers.http import Answer

    html = Answer(502, {"content-type": "text/html", "x-key": key}, f"<p>{key}</p>".encode())
    plain = Answer(400, {"content-type": "text/plain"}, f"bad key {key}".encode())
    redirect = Answer(302, {"location": f"http://127.0.0.1:9/?key={key}"}, b"")
    if provider == "openai":
        from tests.servers import openai_api as api

        def named(request, server):
            order = api.read_order(request)
            entry = {"b64_json": api.picture_text(order), "revised_prompt": f"house {key}"}
            return Answer.of_json({"created": 1, "data": [entry] * order.get("n", 1)})

        steps = [
            api.wrong_key,
            *(api.fault(status, f"Your key {key} is bad") for status in (400, 403, 404, 429, 500)),
            api.fault(400, f"No {key}", "moderation_blocked"),
            api.fault(400, base64.b64encode(key.encode()).decode()),
            api.raw(html),
            api.raw(plain),
            api.raw(redirect),
            api.raw(None),
            api.raw(Answer.of_json({"error": {"message": key, "type": "server_error"}})),
            api.raw(Answer(200, {"content-type": f"text/{key}"}, b"")),
            api.raw(Answer(200, {"content-type": "application/json"}, f'{{"{key}'.encode())),
            api.raw(Answer(200, {"content-type": "application/json"}, b"[1]" + key.encode())),
            named,
        ]
        return api.OpenAIServer(*steps, key=key), "gpt-image-2.5-flare"
    from tests.servers import gemini_api as api

    def named(request, server):
        order = api.read_order(request)
        picture = api.blob(api.picture(order["aspect"]))
        return api.sse_answer([api.chunk({"text": f"I used {key}"}, picture, finish="STOP")])

    steps = [
        api.wrong_key,
        *(
            api.fault(status, kind, f"Your key {key} is bad", [{"reason": key}])
            for status, kind in (
                (400, "INVALID_ARGUMENT"),
                (403, "PERMISSION_DENIED"),
                (404, "NOT_FOUND"),
                (429, "RESOURCE_EXHAUSTED"),
                (500, "INTERNAL"),
                (503, "UNAVAILABLE"),
            )
        ),
        api.says(api.chunk({"text": f"I cannot use {key}"}, finish="STOP")),
        api.says(api.event({"promptFeedback": {"blockReason": key}})),
        api.says(api.chunk({"text": key, "thought": True}), api.chunk(finish="SAFETY")),
        api.raw(html),
        api.raw(plain),
        api.raw(redirect),
        api.raw(None),
        api.raw(api.sse_answer([f"data: {{{key}\r\n\r\n".encode()])),
        api.raw(Answer(200, {"content-type": f"text/{key}"}, b"")),
        named,
    ]
    return api.GeminiServer(*steps, key=key), "gemini-3-pro-image"
