# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server may take of this computer: bytes, memory, time. Real servers that want more."""

from __future__ import annotations

import gzip
import json
import resource
import socket
import sys
import threading
import time
import zlib
from dataclasses import replace

import pytest

pytest.importorskip("openai")

from genai_render.backends.base import create_backend
from genai_render.backends.http import json_answers, transport
from genai_render.backends.http.errors import BadAnswer, TimedOut
from genai_render.backends.http.settings import (
    PLAIN_KEY_VARIABLE,
    BackendSettings,
    Endpoint,
    check_key_may_go,
)
from genai_render.core.errors import Cancelled, CredentialsError, GenAIError
from genai_render.core.events import CancelToken
from genai_render.core.keys.credentials import Secret
from genai_render.core.request import RenderRequest
from tests.servers.bombs import zeros
from tests.servers.http import Answer, Pause, Server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="measured by a POSIX call")


def asked(server: Server, cancel: CancelToken | None = None, path="/", **endpoint) -> bytes:
    """The body of an answer, through the connection that every backend uses."""
    http = transport.open_client(
        Endpoint(**endpoint), server.origin, cancel or CancelToken(), True, label="The server"
    )
    with http:
        return http.get(server.origin + path).content


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# ---- packed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["gzip", "x-gzip", "deflate", "bare deflate", "identity", ""])
def test_an_answer_that_is_packed_once_is_unpacked(way):
    body = json.dumps({"words": "again and again " * 5000}).encode()
    packed = {
        "gzip": gzip.compress(body),
        "x-gzip": gzip.compress(body),
        "deflate": zlib.compress(body),
        "bare deflate": zlib.compress(body)[2:-4],
    }.get(way, body)
    headers = {"content-encoding": way.removeprefix("bare ")} if way else {}
    pieces = [packed[at : at + 100] for at in range(0, len(packed), 100)]
    with Server(lambda _: Answer(200, headers, pieces)) as server:
        assert asked(server) == body
    assert server.received[0].headers["accept-encoding"] == "gzip, deflate, identity"


@pytest.mark.parametrize("ways", ["gzip, gzip", "gzip,identity,deflate", "br", "zstd", "compress"])
def test_what_is_packed_twice_or_otherwise_is_refused(ways):
    bomb = gzip.compress(zeros(256))
    with Server(lambda _: Answer(200, {"content-encoding": ways}, bomb)) as server:
        before = peak()
        with pytest.raises(BadAnswer, match="packed in a way that was not asked for"):
            asked(server)
    assert peak() - before < 30


def test_what_it_becomes_is_counted_and_not_what_comes():
    bomb = zeros(2000)  # 2 MB on the wire
    with Server(lambda _: Answer(200, {"content-encoding": "gzip"}, bomb)) as server:
        before = peak()
        with pytest.raises(BadAnswer, match="no end"):
            asked(server)
    assert peak() - before < 2.5 * transport.MAX_ANSWER_BYTES / 2**20


def test_cancel_works_within_a_moment_while_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 2**50)
    bomb = zeros(300) * 30
    cancel, moment = CancelToken(), threading.Event()

    class Watching(CancelToken):
        looks = 0

        def check(self) -> None:
            self.looks += 1
            if self.looks == 200:
                moment.set()
                cancel.cancel()
            cancel.check()

    with Server(lambda _: Answer(200, {"content-encoding": "gzip"}, bomb)) as server:
        watching = Watching()
        with pytest.raises(Cancelled):
            asked(server, watching)
    assert moment.is_set()
    assert watching.looks < 210


def test_damaged_packing_is_a_bad_answer():
    packed = bytearray(gzip.compress(b"words " * 10_000))
    packed[40:60] = b"x" * 20
    answer = Answer(200, {"content-encoding": "gzip"}, bytes(packed))
    with Server(lambda _: answer) as server, pytest.raises(BadAnswer, match="damaged"):
        asked(server)


# ---- time ----------------------------------------------------------------------------------------


def test_a_byte_now_and_then_is_not_waited_for_without_end(monkeypatch):
    monkeypatch.setattr(Endpoint, "overall", property(lambda self: 2 * self.read_timeout))
    drip = [b"x", Pause(0.05)] * 1000
    with Server(lambda _: Answer(200, {}, drip)) as server:
        with pytest.raises(TimedOut, match="did not come to an end within 1 second"):
            asked(server, read_timeout=0.5)
        assert server.received[0].client_gone.wait(5)


def test_headers_without_end_are_not_waited_for(monkeypatch):
    monkeypatch.setattr(Endpoint, "overall", property(lambda self: 2 * self.read_timeout))
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not stop.wait(0.05):
            try:
                connection.sendall(b"x-a: b\r\n")
            except OSError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    http = transport.open_client(
        Endpoint(read_timeout=0.5),
        f"http://127.0.0.1:{listener.getsockname()[1]}",
        CancelToken(),
        True,
    )
    try:
        with http, pytest.raises(TimedOut, match="did not come to an end"):
            http.get(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    finally:
        stop.set()
        thread.join()
        listener.close()


def test_the_time_of_a_request_is_the_users():
    assert Endpoint(read_timeout=30).overall == 70
    assert Endpoint().overall > Endpoint().read_timeout


# ---- JSON ----------------------------------------------------------------------------------------


def test_json_of_a_million_parts_is_refused_while_it_comes():
    bomb = gzip.compress(b"[" + b"[]," * 30_000_000 + b"0]", 1)
    with Server(lambda _: Answer(200, {"content-encoding": "gzip"}, bomb)) as server:
        before = peak()
        with pytest.raises(BadAnswer, match="too many parts"):
            asked(server)
    assert peak() - before < 120


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000 + "]" * 10_000,
        "[" * 100 + "]" * 100,
        '{"a":' * 500 + "1" + "}" * 500,
        "1" + "0" * 400,
        "[1e999]",
        "",
        "nothing",
        '{"a"',
    ],
)
def test_json_that_no_honest_server_sends(text):
    with pytest.raises(ValueError, match=r"deep|number|Expecting|Unterminated|char"):
        json_answers.parse(text.encode())


def test_json_that_is_odd_is_made_harmless():
    assert json_answers.parse(b'{"a": "\\ud800x", "\\udfff": [1, NaN, -Infinity, 2.5, true]}') == {
        "a": "?x",
        "?": [1, None, None, 2.5, True],
    }
    assert json_answers.parse('"\\ud83d\\ude00"') == "\U0001f600"
    assert json_answers.parse(str(2**62)) == 2**62
    # As ComfyUI says it of each seed.
    assert json_answers.parse('{"max": 18446744073709551615}') == {"max": float(2**64)}


ODD = (
    *(b"5", b"null", b"[]", b'""', b"true", b'{"error": 5}', b'{"error": [[1]]}', b'{"data": 5}'),
    *(b'{"data": [5]}', b'{"data": [[]]}', b'{"data": [{"b64_json": 5}]}', b'{"data": [null]}'),
    *(
        b'{"data": [{"url": 5}]}',
        b'{"data": [{"url": {}}]}',
        b'{"data": [{"b64_json": "\\ud800"}]}',
    ),
    *(b'{"images": 5}', b'{"images": [5]}', b'{"images": [{}]}', b'{"images": "x"}'),
    *(b"[" * 10_000 + b"]" * 10_000, b'{"data": ' + b"[" * 9999 + b"]" * 9999 + b"}"),
    *(b'{"data":[{"b64_json":"AAAA"}],"usage":{"input_tokens":"x","output_tokens":1e400}}',),
)


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("kind", ["openai", "gemini", "compatible", "comfyui", "a1111"])
def test_whatever_a_server_answers_the_error_is_ours(kind, body):
    from tests.faults.protocol import given_to

    def answer(_request) -> Answer:
        return Answer(200, {"content-type": "application/json"}, body)

    with Server(answer) as server:
        backend, request = given_to(kind, server.origin)
        with pytest.raises(GenAIError) as caught:
            list(backend.run(request, CancelToken()))
    assert caught.value.what


ODD_MESSAGES = (
    *(b"[" * 10_000 + b"]" * 10_000, b'{"type":' * 5000 + b"1" + b"}" * 5000, b"5", b"null", b"[]"),
    *(b'{"type": "\\ud800", "data": {"\\udfff": 1}}', b"\xff\xfe{", b'{"type": {"a": 1}}', b"{"),
    *(b'{"type": "executing", "data": 5}', b'{"type": "progress", "data": [1]}'),
    *(b'{"type": "progress", "data": {"value": "x", "max": 1e999}}', b'{"type": "status"}'),
    b'{"type": "execution_error", "data": {"prompt_id": 5, "exception_message": "\\ud800"}}',
)


@pytest.mark.parametrize("message", ODD_MESSAGES, ids=range(len(ODD_MESSAGES)))
def test_whatever_comes_over_a_websocket_it_is_passed_over_or_the_error_is_ours(message):
    from tests.faults.protocol import _frame, given_to
    from tests.servers.comfyui_api import ComfyUIServer

    working, sent = ComfyUIServer(), []

    def answer(request) -> Answer | None:
        good = working._answer(request)
        if good is None or good.status != 101:
            return good
        assert not isinstance(good.body, bytes)

        def frames():
            sent.append(message)
            yield _frame(1, message)
            yield from good.body

        return Answer(good.status, good.headers, frames(), good.chunked)

    with working, Server(answer) as server:
        backend, request = given_to("comfyui", server.origin)
        try:
            *_, last = backend.run(request, CancelToken())
            error = getattr(last, "error", None)
        except GenAIError as ours:
            error = ours
    assert sent
    if error is not None:
        assert isinstance(error, GenAIError)
        error.text.encode()


# ---- a key without encryption --------------------------------------------------------------------


def test_a_key_goes_over_plain_http_to_this_computer_only(monkeypatch):
    tried: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, to: tried.append(to))
    key = Secret("sk-proj-PLAINKEY0123456789abcdefghijklm")
    endpoint = Endpoint("http://192.168.1.20:8080/v1", key=key, proxy="none")
    settings = BackendSettings(endpoints={"openai": endpoint})
    request = RenderRequest(prompt="x", model="gpt-image-2.5-flare")
    with pytest.raises(CredentialsError, match=r"192\.168\.1\.20:8080.*could read it") as caught:
        list(create_backend("openai", settings).run(request, CancelToken()))
    assert tried == []
    assert "https" in caught.value.action
    for origin in ("https://192.168.1.20:8080", "http://127.0.0.1:1", "http://localhost:1"):
        check_key_may_go(endpoint, origin)
    allowed = replace(endpoint, plain_key="http://192.168.1.20:8080")
    check_key_may_go(allowed, "http://192.168.1.20:8080")
    for other in ("http://192.168.1.20:8081", "http://192.168.1.21:8080", "http://studio"):
        with pytest.raises(CredentialsError):  # it is asked again
            check_key_may_go(allowed, other)
    with pytest.raises(CredentialsError):  # who sees it now was not named
        check_key_may_go(replace(allowed, proxy="http://gate:3128"), "http://192.168.1.20:8080")
    monkeypatch.setenv(PLAIN_KEY_VARIABLE, "http://a:1, http://192.168.1.20:8080/")
    check_key_may_go(endpoint, "http://192.168.1.20:8080")
    behind = Endpoint(proxy="http://me:a%20pass-word-1234@gate:3128")
    with pytest.raises(CredentialsError, match="the proxy gate:3128") as caught:
        check_key_may_go(behind, "http://studio:1")
    assert "pass-word" not in caught.value.text
    way = "http://studio:1 through gate:3128"
    assert f"{PLAIN_KEY_VARIABLE}={way!r}" in caught.value.action
    check_key_may_go(replace(behind, plain_key=way), "http://studio:1")
    monkeypatch.setenv(PLAIN_KEY_VARIABLE, "http://studio:1")
    with pytest.raises(CredentialsError):
        check_key_may_go(behind, "http://studio:1")
    monkeypatch.setenv(PLAIN_KEY_VARIABLE, f"http://a:1, {way}")
    check_key_may_go(behind, "http://studio:1")


def test_what_is_unpacked_is_looked_at_in_pieces():
    """One look at the cancel token for each, so that none waits for another."""
    began = time.monotonic()
    pieces = list(transport._unpacker([(b"Content-Encoding", b"gzip")])(zeros(40)))
    assert max(map(len, pieces)) <= transport._PIECE
    assert sum(map(len, pieces)) == 40 * 2**20
    assert time.monotonic() > began
