# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that answer with anything at all: each backend must end in time, with an error for
people or with a result, and without the memory of a whole computer."""

from __future__ import annotations

import atexit
import contextlib
import functools
import gzip
import json
import random
import shutil
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from genai_render.backends.base import Backend, create_backend
from genai_render.backends.http import retry
from genai_render.backends.http.settings import BackendSettings, Endpoint
from genai_render.backends.self_hosted.comfyui import library
from genai_render.core.errors import GenAIError
from genai_render.core.events import CancelToken, Failed, PartialImage, Result
from genai_render.core.image import images
from genai_render.core.keys.credentials import Credentials, Secret
from genai_render.core.models import catalog
from genai_render.core.models.catalog import Model
from genai_render.core.request import RenderRequest
from tests.faults.campaign import waited_for_a_core
from tests.servers.a1111_api import A1111Server
from tests.servers.bombs import zeros
from tests.servers.client import canvas, our_threads
from tests.servers.comfyui_api import ComfyUIServer
from tests.servers.gemini_api import GeminiServer
from tests.servers.http import Answer, Cut, Forever, Pause, Received, Reset, Server
from tests.servers.openai_api import OpenAIServer

KINDS = ("openai", "gemini", "compatible", "comfyui", "a1111")
KEY = "sk-proj-FAULTKEY0123456789abcdefghijklmn"
READ_TIMEOUT = 1.0
OVERALL = 2.0  # what a request may take here, so that thousands of them can be made
CANCELLED_AFTER = 5.0  # a server may let a job wait for ever; the user does not
AFTER_CANCEL = 3.0  # two for the farewell to a server, one for a computer that is busy


def given_to(kind: str, origin: str) -> tuple[Backend, RenderRequest]:
    """A backend that is told to use a server, and a request for it."""
    shipped = catalog.load([catalog.DATA / "a1111.toml"])
    shipped = catalog.shipped().plus(shipped.models.values())
    comfy = _workflow()
    own = Model(id="own", label="Own", backend="compatible", name="x", extra={"profile": "own"})
    models = shipped.plus([own, comfy])
    a1111 = next(model.id for model in models.models.values() if model.backend == "a1111")
    name, address, model = {
        "openai": ("openai", f"{origin}/v1", "gpt-image-2.5-flare"),
        "gemini": ("gemini", origin, "gemini-3-pro-image"),
        "compatible": ("own", f"{origin}/v1", "own"),
        "comfyui": ("comfyui:One", origin, comfy.id),
        "a1111": ("a1111:One", origin, a1111),
    }[kind]
    needs_key = kind in ("openai", "gemini")
    endpoint = Endpoint(
        address,
        key=Secret(KEY) if needs_key else None,
        needs_key=needs_key,
        read_timeout=READ_TIMEOUT,
        connect_timeout=2.0,
        proxy="none",
    )
    settings = BackendSettings(
        endpoints={name: endpoint}, catalog=models, credentials=Credentials({})
    )
    view = canvas() if kind in ("comfyui", "a1111") else None
    request = RenderRequest(
        prompt="A red house", model=model, seed=1, canvas=view, width=64, height=64
    )
    return create_backend(kind, settings), request


@functools.cache
def _workflow() -> Model:
    """The view goes in and comes out again."""
    graph = {
        "1": {
            "class_type": "LoadImage",
            "inputs": {"image": "a.png"},
            "_meta": {"title": "Canvas"},
        },
        "2": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": "genai_render"},
            "_meta": {"title": "Save"},
        },
    }
    path = Path(tempfile.mkdtemp(prefix="genai-faults-")) / "View.json"
    path.write_text(json.dumps(graph))
    atexit.register(shutil.rmtree, path.parent, True)
    return library.of_file(path)


# ---- what is done to an answer -------------------------------------------------------------------


def _deep(chance: random.Random) -> Any:
    made: Any = 1
    for _ in range(chance.choice((20, 90, 400))):
        made = [made] if chance.random() < 0.5 else {"a": made}
    return made


def _odd(chance: random.Random) -> Any:
    return chance.choice(
        (
            *(None, True, 0, -1, 5, 2**63, 10**400, 1.5, float("nan"), float("inf"), "", "x"),
            *("\ud800", "A" * 100_000, [], {}, [[]], [None], {"": None}, {"a": "\udfff"}),
            *("https://127.0.0.1:1/x.png", "http://192.168.0.1/x.png", "data:image/png;base64,AA"),
            *("file:///etc/passwd", "1e999", "-" * 50, [1] * 5000, _deep(chance)),
        )
    )


def _json_changed(chance: random.Random, value: Any) -> Any:
    """Something else in a random place, or something gone from it."""
    inside = value
    for _ in range(12):
        if isinstance(inside, dict) and inside:
            key = chance.choice(sorted(inside))
        elif isinstance(inside, list) and inside:
            key = chance.randrange(len(inside))
        else:
            break
        if chance.random() < 0.45:
            if chance.random() < 0.2:
                del inside[key]
            else:
                inside[key] = _odd(chance)
            return value
        inside = inside[key]
    return _odd(chance) if chance.random() < 0.5 else value


def _text_changed(chance: random.Random, body: bytes) -> bytes:
    """JSON, or a stream of events with JSON in it, changed in its meaning."""
    lines = body.split(b"\n")
    places = [n for n, line in enumerate(lines) if line.lstrip().startswith((b"{", b"[", b"data:"))]
    if not places:
        return _bytes_changed(chance, body)
    at = chance.choice(places)
    start = b"data: " if lines[at].startswith(b"data:") else b""
    try:
        value = json.loads(lines[at].removeprefix(b"data:"))
    except ValueError:
        return _bytes_changed(chance, body)
    lines[at] = start + json.dumps(_json_changed(chance, value)).encode()
    return b"\n".join(lines)


def _bytes_changed(chance: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.randint(1, 8)):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _nested(chance: random.Random, _body: bytes) -> bytes:
    depth = chance.choice((50, 1000, 10_000, 200_000))
    opened, closed = chance.choice(((b"[", b"]"), (b'{"data":', b"}"), (b'{"images":[', b"]}")))
    return opened * depth + b"1" + closed * depth


def _parts(chance: random.Random, _body: bytes) -> bytes:
    return b'{"data":[' + b"[]," * chance.choice((1000, 400_000, 3_000_000)) + b"0]}"


_BODIES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(_text_changed, _text_changed, _text_changed, _bytes_changed, _nested, _parts),
    lambda chance, body: body[: chance.randrange(len(body) + 1)],
    lambda chance, _: chance.randbytes(chance.choice((0, 1, 100, 100_000))),
    lambda _, body: body * 3,
)


def _packed(chance: random.Random, answer: Answer, body: bytes) -> Answer:
    way = chance.random()
    if way < 0.3:
        return _with(answer, gzip.compress(body, 1), {"content-encoding": "gzip"})
    if way < 0.5:
        bomb = zeros(chance.choice((10, 300)))
        return _with(answer, bomb, {"content-encoding": chance.choice(("gzip", "deflate"))})
    if way < 0.7:
        twice = gzip.compress(gzip.compress(body, 1), 1)
        return _with(answer, twice, {"content-encoding": "gzip, gzip"})
    if way < 0.85:
        return _with(answer, body, {"content-encoding": chance.choice(("gzip", "br", "x", "\xff"))})
    packed = _bytes_changed(chance, gzip.compress(body, 1))
    return _with(answer, packed, {"content-encoding": "gzip"})


def _slow(chance: random.Random, answer: Answer, body: bytes) -> Answer:
    step = chance.choice((1, 50, 5000))
    pause = chance.choice((0.05, 0.3, 0.9))
    pieces = [p for at in range(0, len(body), step) for p in (body[at : at + step], Pause(pause))]
    return _with(answer, pieces, {})


def _broken_off(chance: random.Random, answer: Answer, body: bytes) -> Answer:
    at = chance.randrange(len(body) + 1)
    end = chance.choice((Cut(), Reset(), Forever()))
    return _with(answer, [body[:at], end], {})


def _headed(chance: random.Random, answer: Answer, body: bytes) -> Answer:
    name, value = chance.choice(
        (
            *(("content-type", "image/png"), ("content-type", ""), ("content-type", "text/html")),
            *(("retry-after", "-1"), ("retry-after", "1e999"), ("location", "http://10.0.0.1/")),
            *(("content-type", "application/json; charset=nothing"), ("x", "y" * 70_000)),
            ("content-type", "text/event-stream"),
        )
    )
    return _with(answer, body, {name: value})


def _lengthened(chance: random.Random, answer: Answer, body: bytes) -> Answer:
    made = _with(answer, body, {})
    made.length = chance.choice((0, len(body) // 2, len(body) + 100, 10**18))
    return made


def _with(answer: Answer, body: Any, headers: dict[str, str]) -> Answer:
    return Answer(answer.status, {**answer.headers, **headers}, body, answer.chunked)


def _changed(chance: random.Random, answer: Answer) -> Answer:
    """An answer of a server that works, made into one of a server that does not."""
    pieces = [answer.body] if isinstance(answer.body, bytes) else answer.body
    if answer.status == 101:
        return _with(answer, _frames_changed(chance, pieces), {})
    body = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    kind = chance.random()
    if kind < 0.55:
        return _with(answer, chance.choice(_BODIES)(chance, body), {})
    if kind < 0.65:
        return _packed(chance, answer, body)
    if kind < 0.72:
        return _slow(chance, answer, body)
    if kind < 0.8:
        return _broken_off(chance, answer, body)
    if kind < 0.88:
        return _headed(chance, answer, body)
    if kind < 0.93:
        return _lengthened(chance, answer, body)
    made = _with(answer, chance.choice(_BODIES)(chance, body), {})
    made.status = chance.choice((200, 204, 301, 302, 400, 401, 403, 404, 418, 422, 429, 500, 503))
    return made


# ---- the websocket -------------------------------------------------------------------------------


def _frame(opcode: int, body: bytes, end: bool = True) -> bytes:
    head = bytes([(0x80 if end else 0) | opcode])
    if len(body) < 126:
        return head + bytes([len(body)]) + body
    return head + b"\x7f" + struct.pack(">Q", len(body)) + body


def _frames_changed(chance: random.Random, frames: Any) -> Iterator[Any]:
    """The frames of a server that works, with others in between."""
    odd: tuple[Callable[[], bytes], ...] = (
        lambda: _frame(1, json.dumps(_odd(chance)).encode()),
        lambda: _frame(1, json.dumps({"type": _odd(chance), "data": _odd(chance)}).encode()),
        lambda: _frame(1, _nested(chance, b"")[:2_000_000]),
        lambda: _frame(1, b"\xff\xfe{"),
        lambda: _frame(1, b'{"type":"progress","data":{"value":"x","max":[]}}'),
        lambda: _frame(2, chance.randbytes(chance.randrange(40))),
        lambda: _frame(2, struct.pack(">II", 4, 2**32 - 1) + b"{}"),
        lambda: _frame(2, struct.pack(">II", 1, 2) + chance.randbytes(3000)),
        lambda: b"\x82\x7f" + struct.pack(">Q", 2**40),
        lambda: _frame(1, b"{" * 500_000, end=False),
        lambda: _frame(9, b"ping" * 10),
        lambda: _frame(15, b"unknown"),
        lambda: _frame(8, struct.pack(">H", 1011)),
        lambda: chance.randbytes(30),
    )
    often = chance.choice((0.05, 0.3, 0.9))
    for frame in frames:
        if isinstance(frame, bytes) and chance.random() < often:
            for _ in range(chance.choice((1, 1, 1, 50))):
                yield chance.choice(odd)()
            if chance.random() < 0.5:
                continue
            if chance.random() < 0.2:
                frame = _bytes_changed(chance, frame)
        yield frame


# ---- one run -------------------------------------------------------------------------------------


def _working(kind: str) -> Server:
    if kind == "openai":
        return OpenAIServer(key=KEY)
    if kind == "gemini":
        return GeminiServer(key=KEY)
    if kind == "compatible":
        return OpenAIServer(key=None)
    return ComfyUIServer() if kind == "comfyui" else A1111Server(seconds=0.1)


class Protocols:
    """Requests to servers that mean no good."""

    def one(self, chance: random.Random) -> str:
        kind = chance.choice(KINDS)
        often = chance.choice((0.3, 0.7, 1.0))
        working = _working(kind)
        turn = threading.Lock()

        def answer(request: Received) -> Answer | None:
            try:
                good = working._answer(request)
            except Exception:
                good = Answer(500, {}, b"what was asked made no sense")
            with turn:
                if good is None or chance.random() > often:
                    return good
                if chance.random() < 0.03:
                    return None
                return _changed(chance, good)

        with working, Server(answer) as server:
            words = self._asked(kind, server.origin)
        until = time.monotonic() + 5
        while our_threads() and time.monotonic() < until:
            time.sleep(0.01)
        if not words and our_threads():
            words = f"threads: {our_threads()} are left"
        return f"{words} ({kind})" if words else ""

    def _asked(self, kind: str, origin: str) -> str:
        backend, request = given_to(kind, origin)
        cancel, moment = CancelToken(), [0.0, 0.0]

        def give_up() -> None:
            moment[:] = time.monotonic(), waited_for_a_core()
            cancel.cancel()

        timer = threading.Timer(CANCELLED_AFTER, give_up)
        timer.start()
        try:
            for event in backend.run(request, cancel):
                if isinstance(event, Result):
                    images.verify(event.image)
                elif isinstance(event, PartialImage):
                    images.probe(event.image)
                elif isinstance(event, Failed) and not isinstance(event.error, GenAIError):
                    return f"untyped: {event.error!r}"
        except GenAIError as error:
            if not error.what or KEY in error.text:
                return f"words: {error.text}"
            error.text.encode()  # that a file can hold
        finally:
            timer.cancel()
        if not moment[0]:
            return ""
        # What other programs took is not what we took.
        seconds = time.monotonic() - moment[0]
        ours = seconds - max(0.0, waited_for_a_core() - moment[1])
        return f"slow: {ours:.1f} of {seconds:.1f} s after cancel" if ours > AFTER_CANCEL else ""


@contextlib.contextmanager
def harm() -> Iterator[Protocols]:
    pauses, overall = (retry._PAUSES, retry._CONNECT_PAUSES), Endpoint.overall
    retry._PAUSES = retry._CONNECT_PAUSES = (0.01,)
    Endpoint.overall = property(lambda _: OVERALL)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield Protocols()
    finally:
        retry._PAUSES, retry._CONNECT_PAUSES = pauses
        Endpoint.overall = overall  # pyright: ignore[reportAttributeAccessIssue]
