# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare HTTP server for tests: every byte of an answer, and when it is sent, is chosen."""

from __future__ import annotations

import contextlib
import email.message
import email.parser
import email.policy
import json
import socket
import ssl
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

_REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


@dataclass
class Received:
    """A request as it came. when_gone: set once the client has closed the connection."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    client_gone: threading.Event = field(default_factory=threading.Event)

    @property
    def path(self) -> str:
        return urllib.parse.urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.target).query))

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def fields(self) -> list[FormField]:
        """The parts of a multipart/form-data body, in order."""
        head = f"content-type: {self.headers.get('content-type', '')}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + self.body)
        return [FormField.of(part) for part in message.iter_parts()]


@dataclass
class FormField:
    name: str
    file_name: str | None
    mime: str
    data: bytes

    @classmethod
    def of(cls, part: email.message.Message) -> FormField:
        name = part.get_param("name", header="content-disposition")
        return cls(
            str(name), part.get_filename(), part.get_content_type(), part.get_payload(decode=True)
        )

    @property
    def text(self) -> str:
        return self.data.decode()


class Pause(float):
    """Seconds to wait in the middle of an answer; a client that goes away ends it."""


class Cut:
    """End the connection here, in the middle of the answer."""


class Reset:
    """End it so that the client gets "connection reset"."""


class Forever:
    """Say nothing more until the client goes away."""


@dataclass
class Answer:
    """body: bytes, or a sequence of bytes and of what else happens in between.

    chunked: how the length is told. length: a Content-Length other than the true one.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterable[Any] = b""
    chunked: bool = False
    length: int | None = None

    @classmethod
    def of_json(cls, value: Any, status: int = 200, **headers: str) -> Answer:
        told = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status, {"content-type": "application/json", **told}, json.dumps(value).encode())


def each_byte(data: bytes, size: int = 1) -> list[bytes]:
    """The same in pieces, so that every boundary falls between two reads."""
    return [data[at : at + size] for at in range(0, len(data), size)]


class Server:
    """Answers on 127.0.0.1, one thread a connection, one request a connection.

    answer: gives the Answer (or None, to drop the connection at once). Whatever it raises is kept
    in `problems` and sent as a 500, so that a test cannot overlook it.
    """

    def __init__(
        self, answer: Callable[[Received], Answer | None], tls: ssl.SSLContext | None = None
    ) -> None:
        self._answer = answer
        self._tls = tls
        self.received: list[Received] = []
        self.connections = 0
        self.problems: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port = self._socket.getsockname()[1]

    @property
    def origin(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Server:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        for thread in list(self._threads):
            thread.join(5)
        self._socket.close()
        assert not self.problems, self.problems

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._socket.accept()
                self.connections += 1
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.settimeout(20)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with contextlib.closing(connection):
                self._one(connection)

    def _one(self, connection: socket.socket) -> None:
        request = _read(connection)
        if request is None:
            return
        self.received.append(request)
        try:
            answer = self._answer(request)
        except BaseException as problem:
            self.problems.append(problem)
            answer = Answer(500, {}, b"the test server failed")
        if answer is not None:
            self._send(connection, request, answer)

    def _send(self, connection: socket.socket, request: Received, answer: Answer) -> None:
        parts = [answer.body] if isinstance(answer.body, bytes) else answer.body
        headers = dict(answer.headers)
        if answer.chunked:
            headers["transfer-encoding"] = "chunked"
        elif answer.length is not None:
            headers["content-length"] = str(answer.length)
        elif isinstance(answer.body, bytes):
            headers["content-length"] = str(len(answer.body))
        else:
            headers["connection"] = "close"
        head = f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'X')}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(head.encode() + b"\r\n")
        for part in parts:
            if isinstance(part, bytes):
                if part:
                    framed = b"%x\r\n%s\r\n" % (len(part), part) if answer.chunked else part
                    try:
                        connection.sendall(framed)
                    except OSError:
                        request.client_gone.set()
                        return
            elif isinstance(part, Cut):
                return
            elif isinstance(part, Reset):
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return
            elif isinstance(part, Forever):
                self._wait_for_client(connection, request, 30.0)
                return
            elif self._wait_for_client(connection, request, float(part)) or self._closing.is_set():
                return
        if answer.chunked:
            connection.sendall(b"0\r\n\r\n")

    def _wait_for_client(
        self, connection: socket.socket, request: Received, seconds: float
    ) -> bool:
        """True if the client went away meanwhile."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and not self._closing.is_set():
            connection.settimeout(0.02)
            try:
                gone = connection.recv(1) == b""
            except (TimeoutError, ssl.SSLWantReadError):
                gone = False
            except OSError:
                gone = True
            if gone:
                request.client_gone.set()
                return True
        connection.settimeout(20)
        return False


def _read(connection: socket.socket) -> Received | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if "chunked" in headers.get("transfer-encoding", ""):
        body = _read_chunked(connection, body)
    else:
        length = int(headers.get("content-length", 0))
        while len(body) < length:
            more = connection.recv(65536)
            if not more:
                return None
            body += more
    return Received(method, target, headers, body)


def _read_chunked(connection: socket.socket, data: bytes) -> bytes:
    while not data.endswith(b"0\r\n\r\n"):
        data += connection.recv(65536)
    made = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        made += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    return made
