# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection under both SDKs: guarded, cancellable within a moment, and holder of the key.

The SDKs get an HTTP client of ours and a made-up key. The real one is put into the request here,
last of all, and only for its own origin; so no object, exception or log of an SDK has it.
Imported in the worker only, because it loads an HTTP library.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import queue
import select
import socket
import ssl
import threading
import time
import urllib.parse
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import httpcore2
import httpx2

from ...core import log
from ...core.errors import GenAIError, InvalidInput
from ...core.events import CancelToken
from ...core.keys.credentials import Secret, origin_of, redact
from .errors import (
    ONCE,
    BadAnswer,
    ConnectionCut,
    ConnectionFailed,
    OnlineAccessOff,
    TimedOut,
    bad_answer,
    plain,
)
from .proxy_route import proxy_for
from .reach import Reach, reach_of
from .settings import CA_VARIABLE, Endpoint, check_key_may_go, is_loopback

MADE_UP_KEY = "kept-elsewhere"
"""What the SDKs get for a key."""

_BROKEN = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
)

MAX_ANSWER_BYTES = 160 * 1024 * 1024
"""Of an answer as it is used: what was compressed counts by what it becomes."""
MAX_PARTS = 1_000_000
"""Of an answer in JSON: each takes far more memory than the characters that it is written in."""
_PIECE = 256 * 1024  # bytes that are unpacked between two looks at the cancel token
_MOMENT = 0.1  # seconds between two looks at the cancel token
_WRITE_TIMEOUT = 60.0

# All that leaves this computer in a header. The SDKs would add what the environment names.
_HEADERS = (
    *("host", "user-agent", "accept", "connection", "content-type"),
    *("content-length", "transfer-encoding", "idempotency-key", "x-goog-api-client"),
    *("x-server-timeout", "openai-organization", "openai-project"),
    *("upgrade", "sec-websocket-key", "sec-websocket-version"),
)


# Those of the libraries that log what a server says, down to its headers.
_LOGGERS = (
    *("httpcore2.connection", "httpcore2.http11", "httpcore2.proxy", "httpx2"),
    *("openai", "openai._base_client", "google_genai._api_client", "google_genai.models"),
)


class _Redacting(logging.Filter):
    """A server may give the key back to us, and somebody may have logging switched on."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


_redacting = _Redacting()


def open_client(
    endpoint: Endpoint,
    base_url: str,
    cancel: CancelToken,
    online_access: bool,
    key: Secret | None = None,
    key_header: str = "Authorization",
    key_format: str = "Bearer {}",
    label: str = "The server",
    headers: Mapping[str, str] | None = None,
    nearest: Reach | None = None,
) -> httpx2.Client:
    """An HTTP client for one origin, to be closed by the caller.

    nearest: for an address that a server gave: where that server is. Nothing else than a place
        there, or on the internet, is reached.

    Its errors are ours: OnlineAccessOff before anything else happens, ConnectionFailed while
    nothing was sent whole, TimedOut and ConnectionCut after that, Cancelled within a moment.
    Redirects are not followed; proxies and environment variables only as the endpoint says.
    headers: sent with every request, beside the few that a request needs.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_redacting)
    transport = _Transport(
        *(endpoint, base_url, cancel, online_access, key, key_header, key_format, label),
        headers or {},
        nearest,
    )
    timeout = httpx2.Timeout(
        endpoint.read_timeout, connect=endpoint.connect_timeout, write=_WRITE_TIMEOUT
    )
    return httpx2.Client(
        transport=transport, timeout=timeout, follow_redirects=False, trust_env=False
    )


class _Transport(httpx2.BaseTransport):
    def __init__(
        self,
        endpoint: Endpoint,
        base_url: str,
        cancel: CancelToken,
        online_access: bool,
        key: Secret | None,
        key_header: str,
        key_format: str,
        label: str,
        headers: Mapping[str, str],
        nearest: Reach | None,
    ) -> None:
        self._origin = origin_of(base_url)
        self._host = urllib.parse.urlsplit(self._origin).hostname or ""
        self._cancel = cancel
        self._online_access = online_access
        self._key = key
        self._key_header = key_header
        self._key_format = key_format
        self._label = label
        self._headers = headers
        self._timeouts = {
            "connect": endpoint.connect_timeout,
            "read": endpoint.read_timeout,
            "write": _WRITE_TIMEOUT,
            # Requests at the same time each have a connection; none waits for another's.
            "pool": None,
        }
        self._endpoint = endpoint
        self._network = _Network(cancel, online_access, label, endpoint, self._origin, nearest)
        self._pool: httpcore2.ConnectionPool | None = None
        self._lock = threading.Lock()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self._cancel.check()
        if origin_of(f"{request.url.scheme}://{request.url.netloc.decode()}") != self._origin:
            raise BadAnswer(
                "A request was about to go to another server than the one that was chosen.",
                "Nothing was sent.",
                log.please_report(),
            )
        if not self._online_access and not is_loopback(self._host):
            raise OnlineAccessOff()
        if self._key is not None:
            check_key_may_go(self._endpoint, self._origin)
        body = _Body(request.stream)
        self._network.begin()
        try:
            answer = self._open_pool().handle_request(self._core_request(request, body))
        except GenAIError:
            if self._cancel.cancelled and body.sent and request.method == "POST":
                self._cancel.note_sent()
            raise
        except _BROKEN as error:
            kind, why = type(error), plain(error)
        else:
            if answer.status == 101:  # from here on it is a conversation, as long as it takes
                self._network.without_end()
            try:
                unpack = _unpacker(answer.headers)
            except ValueError as error:
                answer.close()
                raise bad_answer(
                    self._label,
                    f"It is packed in a way that was not asked for: {plain(error, 60)}.",
                ) from None
            return httpx2.Response(
                answer.status,
                headers=[(n, v) for n, v in answer.headers if n.lower() != b"content-encoding"],
                stream=_Answer(self, answer, unpack, self._cancel, request.method == "POST"),
                extensions=answer.extensions,
            )
        raise self._failure(kind, why, body.sent)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()

    def during_answer(self, kind: type[Exception], why: str) -> GenAIError:
        return self._failure(kind, why, True, answering=True)

    def _core_request(self, request: httpx2.Request, body: _Body) -> httpcore2.Request:
        headers = [
            (name, value)
            for name, value in request.headers.raw
            if name.decode("latin-1").lower() in _HEADERS
        ]
        headers.append((b"accept-encoding", b"gzip, deflate, identity"))
        headers += [(name.encode(), value.encode()) for name, value in self._headers.items()]
        if self._key is not None:
            value = self._key_format.format(self._key.reveal())
            headers.append((self._key_header.encode(), value.encode("latin-1")))
        return httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=headers,
            content=body,
            extensions={"timeout": self._timeouts},
        )

    def _open_pool(self) -> httpcore2.ConnectionPool:
        with self._lock:
            if self._pool is None:
                common: dict[str, Any] = {
                    "ssl_context": _ssl_context(
                        self._endpoint.ca_file or os.environ.get(CA_VARIABLE, "")
                    )
                    if self._origin.startswith("https:")
                    else None,
                    "max_connections": 16,
                    # A connection kept from before may be dead by now, and then nobody could
                    # tell whether the server has the request.
                    "max_keepalive_connections": 0,
                    "network_backend": self._network,
                }
                proxy = proxy_for(self._endpoint.proxy, self._origin)
                if proxy is None:
                    self._pool = httpcore2.ConnectionPool(**common)
                else:
                    address, auth = proxy
                    self._pool = httpcore2.HTTPProxy(address, proxy_auth=auth, **common)
            return self._pool

    def _failure(
        self, kind: type[Exception], why: str, sent: bool, answering: bool = False
    ) -> GenAIError:
        if issubclass(kind, httpcore2.ProxyError):
            return ConnectionFailed(
                "The proxy refused the connection.", why, "Check the proxy in the preferences."
            )
        if issubclass(kind, httpcore2.ConnectTimeout):
            return ConnectionFailed(
                f"{self._host} did not answer in time.",
                action="Check the server's address, and whether it begins rightly with http or "
                "https.",
            )
        if not sent:
            return ConnectionFailed(
                f"The connection to {self._host} broke while sending.",
                why,
                "Check the network and try again.",
            )
        if issubclass(kind, _Overdue):
            return TimedOut(
                f"{self._label} did not come to an end within {self._endpoint.overall:.0f} "
                "seconds.",
                "It sent something now and then, and never all of it." if answering else "",
                f"Try again, or allow more time in the add-on's preferences. {ONCE}",
            )
        if issubclass(kind, httpcore2.TimeoutException):
            return TimedOut(
                f"{self._label} did not answer within {self._endpoint.read_timeout:.0f} seconds.",
                action=f"Try again, or allow more time in the add-on's preferences. {ONCE}",
            )
        where = "in the middle of the answer" if answering else "before the answer"
        return ConnectionCut(
            f"The connection to {self._host} ended {where}.", why, f"Try again. {ONCE}"
        )


class _Body(httpx2.SyncByteStream):
    """Notes when the last byte of the request was handed over."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.sent = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream
        self.sent = True


class _Overdue(httpcore2.ReadTimeout):
    """A request took too long altogether, however often something came."""


class _Answer(httpx2.SyncByteStream):
    """The bytes of an answer, unpacked: counted as they become, a piece at a time."""

    def __init__(
        self,
        transport: _Transport,
        answer: httpcore2.Response,
        unpack: _Unpack,
        cancel: CancelToken,
        ordered: bool,
    ) -> None:
        self._transport = transport
        self._answer = answer
        self._unpack = unpack
        self._cancel = cancel
        # Something that the other side is at work on, and may want money for.
        self._open = ordered and answer.status == 200

    def __iter__(self) -> Iterator[bytes]:
        total, parts, is_json = 0, 0, None
        try:
            for packed in self._answer.iter_stream():
                for piece in self._unpack(packed):
                    self._cancel.check()
                    total += len(piece)
                    if total > MAX_ANSWER_BYTES:
                        raise bad_answer("The server", "The answer has no end.")
                    if is_json is None and piece.strip():
                        is_json = piece.lstrip()[:1] in _JSON_BEGINS
                    if is_json:
                        parts += sum(map(piece.count, (b",", b"[", b"{", b"\n")))
                        if parts > MAX_PARTS:
                            raise bad_answer("The server", "The answer has too many parts.")
                    yield piece
            self._open = False
            return
        except zlib.error as error:
            kind, why = None, plain(error, 60)
        except _BROKEN as error:
            kind, why = type(error), plain(error)
        if kind is None:
            raise bad_answer("The server", f"The answer is damaged ({why}).")
        raise self._transport.during_answer(kind, why)

    def close(self) -> None:
        if self._open and self._cancel.cancelled:
            self._cancel.note_sent()
        self._answer.close()


_Unpack = Callable[[bytes], Iterator[bytes]]
_JSON_BEGINS = (b"{", b"[", b"d", b"e", b":")  # or a stream of "data:" and "event:" lines


def _unpacker(headers: Iterable[tuple[bytes, bytes]]) -> _Unpack:
    """What turns the bytes that come into those that are meant.

    Raises ValueError for what was packed twice, or in a way that was not asked for.
    """
    named = b",".join(value for name, value in headers if name.lower() == b"content-encoding")
    ways = [way for part in named.split(b",") if (way := part.strip().lower()) != b"identity"]
    ways = [way for way in ways if way]
    if not ways:
        return lambda data: iter((data,))
    if len(ways) > 1 or ways[0] not in (b"gzip", b"x-gzip", b"deflate"):
        raise ValueError(named.decode("latin-1"))
    unpacker: Any = None

    def unpack(data: bytes) -> Iterator[bytes]:
        nonlocal unpacker
        if unpacker is None:
            if not data:
                return
            # "deflate" means zlib's form, and some servers mean the bare one.
            bare = ways[0] == b"deflate" and data[0] & 15 != 8
            unpacker = zlib.decompressobj(-15 if bare else 47)
        while data and not unpacker.eof:
            piece = unpacker.decompress(data, _PIECE)
            data = unpacker.unconsumed_tail
            if piece:
                yield piece

    return unpack


class _Network(httpcore2.NetworkBackend):
    """Sockets that look at the cancel token ten times a second, without a thread to watch it."""

    def __init__(
        self,
        cancel: CancelToken,
        online_access: bool,
        label: str,
        endpoint: Endpoint,
        origin: str,
        nearest: Reach | None,
    ) -> None:
        self._cancel = cancel
        self._online_access = online_access
        self._label = label
        self._endpoint = endpoint
        self._origin = origin
        self._nearest = nearest
        # A request and its connection are one thread's.
        self._of_thread = threading.local()

    def begin(self) -> None:
        """A request begins in this thread: from now on its time counts."""
        self._of_thread.deadline = _Deadline(time.monotonic() + self._endpoint.overall)

    def without_end(self) -> None:
        """This thread's request has become a conversation."""
        self._of_thread.deadline.moment = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        # Also for a proxy on this very computer, `host` is loopback; what it reaches was checked
        # before. A proxy elsewhere is refused here.
        if not self._online_access and not is_loopback(host):
            raise OnlineAccessOff()
        why = ""
        for family, address in self._addresses(host, port, timeout):
            if not self._online_access and not is_loopback(str(address[0])):
                raise OnlineAccessOff()
            self._check_reach(host, str(address[0]))
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                self._connect(sock, address, timeout)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except TimeoutError:
                sock.close()
                why = "It did not answer in time."
                continue
            except OSError as error:
                sock.close()
                why = f"({plain(error.strerror or error)})"
                continue
            except BaseException:
                sock.close()
                raise
            deadline = getattr(self._of_thread, "deadline", None) or _Deadline(None)
            return _Stream(sock, self._cancel, host, deadline)
        raise ConnectionFailed(
            f"No server can be reached at {host}:{port}.",
            why,
            "Is it running?"
            if is_loopback(host)
            else "Check the network, the proxy and the server's address.",
        )

    def _check_reach(self, host: str, address: str) -> None:
        """By the address that is really connected to, whatever its name says. A proxy is where
        the user put it."""
        if self._nearest is None or proxy_for(self._endpoint.proxy, self._origin) is not None:
            return
        found = reach_of(address)
        public = found is Reach.PUBLIC and self._origin.startswith("https:")
        if found is not self._nearest and not public:
            raise bad_answer(
                self._label,
                f"It points to {host}, which is on {found.value}.",
                "Nothing was fetched from there. Ask who runs the server.",
            )

    def sleep(self, seconds: float) -> None:
        if self._cancel.wait(seconds):
            self._cancel.check()

    def _connect(self, sock: socket.socket, address: Any, timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect(address)
        while not _writable(sock):
            self._cancel.check()
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError
        fault = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if fault:
            raise OSError(fault, os.strerror(fault))

    def _addresses(
        self, host: str, port: int, timeout: float | None
    ) -> list[tuple[socket.AddressFamily, Any]]:
        """The name's addresses. Looking up can hang for long, so a thread does it that is left
        to itself when the user cancels; it ends when the system's resolver gives up."""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

            def look_up() -> None:
                try:
                    answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
                except OSError as error:
                    answers.put(error)

            threading.Thread(target=look_up, name="genai-dns", daemon=True).start()
            addresses = self._await(answers, timeout)
        else:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if isinstance(addresses, OSError) or not addresses:
            raise ConnectionFailed(
                f'The address "{host}" cannot be found.',
                f"({plain(addresses)})" if addresses else "It took too long.",
                "Check the network and the server's address.",
            )
        return [(entry[0], entry[4]) for entry in addresses]

    def _await(self, answers: queue.SimpleQueue[Any], timeout: float | None) -> Any:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._cancel.check()
            try:
                return answers.get(timeout=_MOMENT)
            except queue.Empty:
                if deadline is not None and time.monotonic() > deadline:
                    return None


class _Deadline:
    """When a request has to be over. moment: of time.monotonic(); None for never."""

    def __init__(self, moment: float | None) -> None:
        self.moment = moment

    def check(self) -> None:
        if self.moment is not None and time.monotonic() > self.moment:
            raise _Overdue("no end in time")


class _Stream(httpcore2.NetworkStream):
    def __init__(
        self, sock: socket.socket, cancel: CancelToken, host: str, deadline: _Deadline
    ) -> None:
        self._sock = sock
        self._cancel = cancel
        self._host = host
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._patiently(
            lambda: self._sock.recv(max_bytes),
            timeout,
            httpcore2.ReadTimeout,
            httpcore2.ReadError,
        )

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        while view:
            rest = view
            written = self._patiently(
                lambda rest=rest: self._sock.send(rest),
                timeout,
                httpcore2.WriteTimeout,
                httpcore2.WriteError,
            )
            view = view[written:]

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        if isinstance(self._sock, ssl.SSLSocket):
            raise ConnectionFailed("A proxy reached through HTTPS cannot be used.")
        why, certificate = "", False
        try:
            self._sock.settimeout(_MOMENT)
            secured = ssl_context.wrap_socket(
                self._sock, server_hostname=server_hostname, do_handshake_on_connect=False
            )
            stream = _Stream(secured, self._cancel, self._host, self._deadline)
            self._sock = secured
            stream._patiently(
                secured.do_handshake, timeout, httpcore2.ConnectTimeout, httpcore2.ConnectError
            )
            return stream
        except ssl.SSLCertVerificationError as error:
            why = f"({plain(error.verify_message)})"
            certificate = True
            trust = (
                "If the server is your own, choose its certificate, or that of its CA, as the CA "
                f"file in the add-on's preferences, or name that file in {CA_VARIABLE}."
            )
            what = f"The certificate of {self._host} is not trusted."
        except ssl.SSLError as error:
            why = f"({plain(error.reason or error)})"
            trust = 'Check the address: a server without TLS is reached with "http://".'
            what = f"{self._host} does not speak TLS as expected."
        except BaseException:
            self.close()
            raise
        self.close()
        failed = ConnectionFailed(what, why, trust)
        failed.certificate = certificate
        raise failed

    def get_extra_info(self, info: str) -> Any:
        if info == "socket":
            return self._sock
        if info == "ssl_object":
            return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
        if info == "server_addr":
            return self._sock.getpeername()
        if info == "client_addr":
            return self._sock.getsockname()
        return None

    def _patiently(
        self,
        step: Callable[[], Any],
        timeout: float | None,
        late: type[Exception],
        broken: type[Exception],
    ) -> Any:
        deadline = None if timeout is None else time.monotonic() + timeout
        self._sock.settimeout(_MOMENT)
        while True:
            self._cancel.check()
            self._deadline.check()
            try:
                return step()
            except (TimeoutError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if deadline is not None and time.monotonic() > deadline:
                    raise late("no answer in time") from None
            except ssl.SSLError as error:
                if late is httpcore2.ConnectTimeout:
                    raise
                raise broken(plain(error.reason or error)) from None
            except OSError as error:
                raise broken(plain(error.strerror or error)) from None


def _writable(sock: socket.socket) -> bool:
    """True once a connection stands or failed; waits a moment for it."""
    # On Windows a failed connection shows as an exception, not as writable.
    _, writable, failed = select.select([], [sock], [sock], _MOMENT)
    return bool(writable or failed)


def _ssl_context(ca_file: str) -> ssl.SSLContext:
    if not ca_file:
        return httpx2.create_ssl_context()
    context = ssl.create_default_context()
    why = ""
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        why = f"({plain(error.strerror or error)})"
    if why:
        raise InvalidInput(
            "The CA file cannot be used.", why, "Choose a file of certificates in PEM form."
        )
    return context
