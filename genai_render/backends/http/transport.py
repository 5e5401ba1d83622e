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
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpcore2
import httpx2

from ...core import log
from ...core.credentials import Secret, origin_of, redact
from ...core.errors import GenAIError, InvalidInput
from ...core.events import CancelToken
from .errors import (
    BadAnswer,
    ConnectionCut,
    ConnectionFailed,
    OnlineAccessOff,
    TimedOut,
    bad_answer,
    plain,
)
from .settings import NO_PROXY, SYSTEM_PROXY, Endpoint, is_loopback

MADE_UP_KEY = "kept-elsewhere"
"""What the SDKs get for a key."""

_BROKEN = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
)

MAX_ANSWER_BYTES = 512 * 1024 * 1024
_MOMENT = 0.1  # seconds between two looks at the cancel token
_WRITE_TIMEOUT = 60.0

# All that leaves this computer in a header. The SDKs would add what the environment names.
_HEADERS = (
    *("host", "user-agent", "accept", "accept-encoding", "connection", "content-type"),
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
) -> httpx2.Client:
    """An HTTP client for one origin, to be closed by the caller.

    Its errors are ours: OnlineAccessOff before anything else happens, ConnectionFailed while
    nothing was sent whole, TimedOut and ConnectionCut after that, Cancelled within a moment.
    Redirects are not followed; proxies and environment variables only as the endpoint says.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_redacting)
    transport = _Transport(
        endpoint, base_url, cancel, online_access, key, key_header, key_format, label
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
    ) -> None:
        self._origin = origin_of(base_url)
        self._host = urllib.parse.urlsplit(self._origin).hostname or ""
        self._cancel = cancel
        self._online_access = online_access
        self._key = key
        self._key_header = key_header
        self._key_format = key_format
        self._label = label
        self._timeouts = {
            "connect": endpoint.connect_timeout,
            "read": endpoint.read_timeout,
            "write": _WRITE_TIMEOUT,
            # Requests at the same time each have a connection; none waits for another's.
            "pool": None,
        }
        self._endpoint = endpoint
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
        body = _Body(request.stream)
        try:
            answer = self._open_pool().handle_request(self._core_request(request, body))
        except GenAIError:
            raise
        except _BROKEN as error:
            kind, why = type(error), plain(error)
        else:
            return httpx2.Response(
                answer.status,
                headers=answer.headers,
                stream=_Answer(self, answer),
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
                    "ssl_context": _ssl_context(self._endpoint.ca_file)
                    if self._origin.startswith("https:")
                    else None,
                    "max_connections": 16,
                    # A connection kept from before may be dead by now, and then nobody could
                    # tell whether the server has the request.
                    "max_keepalive_connections": 0,
                    "network_backend": _Network(
                        self._cancel, self._online_access, self._label, self._endpoint
                    ),
                }
                proxy = _proxy_for(self._endpoint.proxy, self._origin)
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
        once = "It was not repeated by itself, because it may have been charged."
        if issubclass(kind, httpcore2.TimeoutException):
            return TimedOut(
                f"{self._label} did not answer within {self._endpoint.read_timeout:.0f} seconds.",
                action=f"Try again, or allow more time in the add-on's preferences. {once}",
            )
        where = "in the middle of the answer" if answering else "before the answer"
        return ConnectionCut(
            f"The connection to {self._host} ended {where}.", why, f"Try again. {once}"
        )


class _Body(httpx2.SyncByteStream):
    """Notes when the last byte of the request was handed over."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.sent = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream
        self.sent = True


class _Answer(httpx2.SyncByteStream):
    def __init__(self, transport: _Transport, answer: httpcore2.Response) -> None:
        self._transport = transport
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        total = 0
        try:
            for part in self._answer.iter_stream():
                total += len(part)
                if total > MAX_ANSWER_BYTES:
                    raise bad_answer("The server", "The answer has no end.")
                yield part
            return
        except _BROKEN as error:
            kind, why = type(error), plain(error)
        raise self._transport.during_answer(kind, why)

    def close(self) -> None:
        self._answer.close()


class _Network(httpcore2.NetworkBackend):
    """Sockets that look at the cancel token ten times a second, without a thread to watch it."""

    def __init__(
        self, cancel: CancelToken, online_access: bool, label: str, endpoint: Endpoint
    ) -> None:
        self._cancel = cancel
        self._online_access = online_access
        self._label = label
        self._endpoint = endpoint

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
            return _Stream(sock, self._cancel, host)
        raise ConnectionFailed(
            f"No server can be reached at {host}:{port}.",
            why,
            "Is it running?"
            if is_loopback(host)
            else "Check the network, the proxy and the server's address.",
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
            found = self._await(answers, timeout)
        else:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if isinstance(found, OSError) or not found:
            raise ConnectionFailed(
                f'The address "{host}" cannot be found.',
                f"({plain(found)})" if found else "It took too long.",
                "Check the network and the server's address.",
            )
        return [(entry[0], entry[4]) for entry in found]

    def _await(self, answers: queue.SimpleQueue[Any], timeout: float | None) -> Any:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._cancel.check()
            try:
                return answers.get(timeout=_MOMENT)
            except queue.Empty:
                if deadline is not None and time.monotonic() > deadline:
                    return None


class _Stream(httpcore2.NetworkStream):
    def __init__(self, sock: socket.socket, cancel: CancelToken, host: str) -> None:
        self._sock = sock
        self._cancel = cancel
        self._host = host

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
        why = ""
        try:
            self._sock.settimeout(_MOMENT)
            secured = ssl_context.wrap_socket(
                self._sock, server_hostname=server_hostname, do_handshake_on_connect=False
            )
            stream = _Stream(secured, self._cancel, self._host)
            self._sock = secured
            stream._patiently(
                secured.do_handshake, timeout, httpcore2.ConnectTimeout, httpcore2.ConnectError
            )
            return stream
        except ssl.SSLCertVerificationError as error:
            why = f"({plain(error.verify_message)})"
            trust = "If the server is your own, choose its CA file in the add-on's preferences."
            what = f"The certificate of {self._host} is not trusted."
        except ssl.SSLError as error:
            why = f"({plain(error.reason or error)})"
            trust = 'Check the address: a server without TLS is reached with "http://".'
            what = f"{self._host} does not speak TLS as expected."
        except BaseException:
            self.close()
            raise
        self.close()
        raise ConnectionFailed(what, why, trust)

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


def _proxy_for(
    setting: str, origin: str
) -> tuple[str, tuple[bytes | str, bytes | str] | None] | None:
    """The proxy's address and its name and password; None for a direct connection."""
    parts = urllib.parse.urlsplit(origin)
    host = parts.hostname or ""
    if setting in (NO_PROXY, "") or is_loopback(host):
        return None
    address = setting
    if setting == SYSTEM_PROXY:
        known = urllib.request.getproxies()
        address = known.get(parts.scheme) or known.get("all") or ""
        if not address or urllib.request.proxy_bypass(host):
            return None
        if "://" not in address:
            address = f"http://{address}"
    proxy = urllib.parse.urlsplit(address)
    if proxy.scheme != "http" or not proxy.hostname:
        raise InvalidInput(
            f'The proxy "{plain(proxy.scheme)}://{plain(proxy.hostname)}" cannot be used.',
            "Only HTTP proxies can.",
            "Set another in the add-on's preferences.",
        )
    auth = None
    if proxy.username:
        # Known as a secret, so that it is taken out of every text.
        word = Secret(urllib.parse.unquote(proxy.password or ""))
        auth = (urllib.parse.unquote(proxy.username).encode(), word.reveal().encode())
    at = f"[{proxy.hostname}]" if ":" in proxy.hostname else proxy.hostname
    return f"http://{at}:{proxy.port or 80}", auth
