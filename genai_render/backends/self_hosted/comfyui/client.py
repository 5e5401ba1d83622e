# SPDX-License-Identifier: GPL-3.0-or-later
"""ComfyUI's own API: one server, one connection, in plain data.

HTTP and the websocket go through `transport`, so both are
guarded and end within a moment of a cancel.
"""

from __future__ import annotations

import base64
import contextlib
import os
import struct
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ....core.errors import Cancelled, GenAIError
from ....core.events import CancelToken
from ....core.keys.credentials import Secret
from ...http import envelopes, json_answers
from ...http import errors as http_errors
from ...http.settings import Access
from .. import errors

if TYPE_CHECKING:
    import httpcore2
    import httpx2

_CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 60.0  # a server that is loading a model answers late
_MAX_FRAME = 64 * 1024 * 1024
_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4
_ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

JobState = Literal["pending", "running", "done", "failed", "interrupted", "unknown"]


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a server is. Memory in bytes of its first device; 0 where it does not say."""

    running: int
    pending: int
    memory_free: int = 0
    memory_total: int = 0
    device: str = ""
    version: str = ""

    @property
    def length(self) -> int:
        return self.running + self.pending


@dataclass(frozen=True, slots=True)
class JobReport:
    """What the server knows of a job, which is the truth also where messages were missed.

    outputs: by node, then by kind ("images"), as /history has them. error: of `execution_error`.
    """

    state: JobState
    outputs: Mapping[str, Any]
    error: Mapping[str, Any]
    cached: frozenset[str] = frozenset()
    """Nodes whose outputs were there already, as far as it says."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the websocket. preview: an encoded image, for kind "preview"."""

    kind: str
    data: Mapping[str, Any]
    preview: bytes = b""

    @property
    def prompt_id(self) -> str:
        return str(self.data.get("prompt_id") or "")


class ComfyClient:
    """A server of the user's. Close it, or use it in a `with`.

    Its methods raise ServerGone where it cannot be reached, WrongServer where something else
    answers, CredentialsError where it wants a key, and Cancelled within a moment.
    """

    def __init__(
        self,
        where: Access,
        label: str,
        cancel: CancelToken,
        online_access: bool = True,
        read_timeout: float = READ_TIMEOUT,
    ) -> None:
        self.label = label
        self._where = where
        self._cancel = cancel
        self._online_access = online_access
        self._endpoint = replace(
            where.endpoint,
            connect_timeout=min(where.endpoint.connect_timeout, _CONNECT_TIMEOUT),
            read_timeout=min(where.endpoint.read_timeout, read_timeout),
        )
        self._http = self._open()
        self._has_jobs: bool | None = None

    def __enter__(self) -> ComfyClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # ---- what the server has and does ---------------------------------------------------------

    def load(self) -> Load:
        """How long its queue is and how much memory it has left."""
        running, pending = self.queue()
        stats = self.system_stats()
        devices = stats.get("devices")
        device = devices[0] if isinstance(devices, list) and devices else {}
        if not isinstance(device, Mapping):
            device = {}
        return Load(
            len(running),
            len(pending),
            _whole(device.get("vram_free")),
            _whole(device.get("vram_total")),
            http_errors.plain(device.get("name", ""), 60),
            http_errors.plain(stats["system"].get("comfyui_version", ""), 20),
        )

    def system_stats(self) -> dict[str, Any]:
        stats = self._json("GET", "/system_stats")
        if not isinstance(stats, dict) or not isinstance(stats.get("system"), dict):
            raise errors.wrong_server(self.label)
        return stats

    def queue(self) -> tuple[list[str], list[str]]:
        """The ids of the jobs that run and of those that wait."""
        body = self._json("GET", "/queue")
        if not isinstance(body, dict) or "queue_running" not in body:
            raise errors.wrong_server(self.label)
        return _ids(body.get("queue_running")), _ids(body.get("queue_pending"))

    def node(self, class_name: str) -> dict[str, Any] | None:
        """What the server says of a node class; None if it has no such node."""
        body = self._json("GET", f"/object_info/{urllib.parse.quote(class_name, safe='')}")
        if not isinstance(body, dict):
            raise errors.wrong_server(self.label)
        found = body.get(class_name)
        return found if isinstance(found, dict) else None

    # ---- a job ----------------------------------------------------------------------------------

    def upload(self, name: str, data: bytes, mime: str = "image/png") -> str:
        """Give the server an image. The name by which a Load Image node knows it."""
        body = self._json(
            "POST",
            "/upload/image",
            # Never written over: the server keeps a second name for other bytes, and none for the
            # same, so no job reads a file that another one is just writing.
            data={"type": "input", "subfolder": "genai_render"},
            files={"image": (name, data, mime)},
        )
        if not isinstance(body, dict) or not body.get("name"):
            raise http_errors.bad_answer(self.label, "It did not take the image.")
        folder = str(body.get("subfolder") or "").strip("/")
        return f"{folder}/{body['name']}" if folder else str(body["name"])

    def submit(
        self, graph: Mapping[str, Any], client_id: str, prompt_id: str, titles: Mapping[str, str]
    ) -> str:
        """Put a workflow into the queue. Its id, which an old server chooses itself.

        Raises InvalidWorkflow with the node's title, where it does not pass validation.
        """
        response = self._send(
            "POST",
            "/prompt",
            json={
                "prompt": graph,
                "client_id": client_id,
                "prompt_id": prompt_id,
                # Previews even where the server was not started with them.
                "extra_data": {"preview_method": "auto"},
            },
        )
        body = _parsed(response)
        if response.status_code == 400 and isinstance(body, dict):
            raise errors.rejected(self.label, body, titles)
        body = self._checked(response)
        if not isinstance(body, dict) or not body.get("prompt_id"):
            raise errors.wrong_server(self.label)
        return str(body["prompt_id"])

    def report(self, prompt_id: str) -> JobReport:
        """Where a job stands: from the jobs API where the server has it, else history and queue."""
        if self._has_jobs is not False:
            response = self._send("GET", f"/api/jobs/{prompt_id}")
            body = _parsed(response)
            if response.status_code == 200 and isinstance(body, dict) and "status" in body:
                self._has_jobs = True
                return _report_of_job(body)
            if self._has_jobs or (response.status_code == 404 and isinstance(body, dict)):
                self._has_jobs = True
                return JobReport("unknown", {}, {})
            self._has_jobs = False
        for _ in range(2):
            # Looked at twice: between the two questions it may pass from the queue to history.
            body = self._json("GET", f"/history/{prompt_id}")
            entry = body.get(prompt_id) if isinstance(body, dict) else None
            if isinstance(entry, dict):
                return _report_of_history(entry)
            running, pending = self.queue()
            if prompt_id in running:
                return JobReport("running", {}, {})
            if prompt_id in pending:
                return JobReport("pending", {}, {})
        return JobReport("unknown", {}, {})

    def find(self, prompt_id: str, client_id: str) -> str | None:
        """The id of a job that may or may not have arrived; None if it is not there.

        An old server chooses the id itself, but keeps who has sent it.
        """
        if self.report(prompt_id).state != "unknown":
            return prompt_id
        queue = self._json("GET", "/queue")
        entries = [
            entry
            for name in ("queue_running", "queue_pending")
            for entry in (queue.get(name) if isinstance(queue, dict) else None) or []
        ]
        history: Any = None
        with contextlib.suppress(errors.WrongServer):
            history = self._json("GET", "/history?max_items=20")
        for past in history.values() if isinstance(history, dict) else ():
            if isinstance(past, Mapping):
                entries.append(past.get("prompt"))
        for entry in entries:
            extra = entry[3] if isinstance(entry, list) and len(entry) > 3 else None
            if isinstance(extra, Mapping) and extra.get("client_id") == client_id:
                return str(entry[1])
        return None

    def output(self, entry: Mapping[str, Any]) -> bytes:
        """The bytes of a finished image, one of a job's outputs."""
        asked = {
            "filename": str(entry["filename"]),
            "subfolder": str(entry.get("subfolder") or ""),
            "type": str(entry.get("type") or "output"),
        }
        response = self._send("GET", "/view", params=asked)
        if response.status_code == 404:
            raise http_errors.bad_answer(
                self.label, "The finished image is not on the server any more.", "Generate again."
            )
        if response.status_code != 200:
            self._checked(response)
        return response.content

    def withdraw(self, prompt_id: str) -> None:
        """Take a job of ours out of the queue or stop it, and nobody else's."""
        if self._has_jobs:
            response = self._send("POST", f"/api/jobs/{prompt_id}/cancel")
            if response.status_code == 200:
                return
        self._send("POST", "/queue", json={"delete": [prompt_id]})
        running, _ = self.queue()
        # An old server stops whatever runs, so only where that is ours.
        if prompt_id in running:
            self._send("POST", "/interrupt", json={"prompt_id": prompt_id})

    def listen(self, client_id: str) -> Listener | NoListener:
        """The websocket on which the server tells of our jobs; what tells nothing where a proxy
        lets none through."""
        nonce = base64.b64encode(os.urandom(16)).decode()
        headers = {
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-key": nonce,
            "sec-websocket-version": "13",
        }
        http = self._open()
        try:
            request = http.build_request(
                "GET", self._url("/ws"), params={"clientId": client_id}, headers=headers
            )
            response = self._guarded(lambda: http.send(request, stream=True))
            status = response.status_code
            if status in (401, 403, 502, 503, 504):
                response.read()
                self._checked(response)
            if status != 101 or response.headers.get("sec-websocket-accept") != _accept(nonce):
                response.close()
                http.close()
                return NoListener(self._cancel)
            return Listener(self, http, response.extensions["network_stream"])
        except BaseException:
            http.close()
            raise

    # ---- HTTP -----------------------------------------------------------------------------------

    def _open(self) -> httpx2.Client:
        try:
            from ...http import transport
        except ImportError as error:
            raise http_errors.package_missing("ComfyUI", error) from None
        key, form = authorization(self._where.key)
        return transport.open_client(
            self._endpoint,
            self._where.base_url,
            self._cancel,
            self._online_access,
            key,
            key_format=form,
            label=self.label,
        )

    def _url(self, path: str) -> str:
        return self._where.base_url.rstrip("/") + path

    def _json(self, method: str, path: str, **more: Any) -> Any:
        return self._checked(self._send(method, path, **more))

    def _send(self, method: str, path: str, **more: Any) -> httpx2.Response:
        return self._guarded(lambda: self._http.request(method, self._url(path), **more))

    def _guarded(self, call: Any) -> Any:
        """What `transport` raises, in words for one's own server: nothing there costs money."""
        try:
            return call()
        except Cancelled:
            raise
        except errors.ON_THE_WAY as error:
            problem: GenAIError = errors.not_reached(self.label, error)
        raise problem

    def _checked(self, response: httpx2.Response) -> Any:
        """The JSON of a good answer. Raises what the status means."""
        status = response.status_code
        if status in (401, 403):
            raise unauthorized(self.label)
        body = _parsed(response)
        if status in (502, 503, 504):
            raise errors.gone(self.label, f"(error {status} of what stands before it)")
        if 500 <= status < 600:
            raise http_errors.server_failed(self.label, status, envelopes.said(body))
        if status != 200 or body is None:
            raise errors.unexpected(self.label, response, "ComfyUI")
        return body


class NoListener:
    """In place of a websocket: it never tells anything, so that one has to ask."""

    def __init__(self, cancel: CancelToken) -> None:
        self._cancel = cancel

    def close(self) -> None:
        pass

    def next(self, seconds: float) -> Message | None:
        """None, after that time. Raises Cancelled."""
        if self._cancel.wait(seconds):
            self._cancel.check()
        return None


class Listener:
    """An open websocket. `next` waits for a message; what the server closes raises ServerGone."""

    def __init__(
        self, client: ComfyClient, http: httpx2.Client, stream: httpcore2.NetworkStream
    ) -> None:
        from websockets.protocol import Protocol, Side

        self._client = client
        self._http = http
        self._stream = stream
        self._protocol = Protocol(Side.CLIENT, max_size=_MAX_FRAME)
        self._parts: list[bytes] = []
        self._binary = False
        self._messages: list[Message] = []

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._protocol.send_close(1000)
            self._flush()
        self._stream.close()
        self._http.close()

    def next(self, seconds: float) -> Message | None:
        """The next message, or None if none comes in that time. Raises ServerGone, Cancelled."""
        import httpcore2

        ends = time.monotonic() + seconds
        while not self._messages:
            left = ends - time.monotonic()
            if left <= 0:
                return None
            try:
                data = self._stream.read(65536, timeout=left)
            except httpcore2.ReadTimeout:
                return None
            except httpcore2.ReadError as error:
                why = http_errors.plain(error)
                data = b""
            else:
                why = "It ended the connection."
            if not data:
                raise errors.gone(self._client.label, why)
            self._take(data)
        return self._messages.pop(0)

    def _take(self, data: bytes) -> None:
        from websockets.frames import Frame, Opcode

        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if not isinstance(event, Frame):
                continue
            if event.opcode in (Opcode.TEXT, Opcode.BINARY):
                self._binary = event.opcode is Opcode.BINARY
                self._parts = [bytes(event.data)]
            elif event.opcode is Opcode.CONT:
                self._parts.append(bytes(event.data))
            else:
                continue  # pings are answered by the protocol itself
            if event.fin:
                whole = b"".join(self._parts)
                self._parts = []
                message = _binary(whole) if self._binary else _text(whole)
                if message is not None:
                    self._messages.append(message)
        self._flush()
        from websockets.protocol import State

        if self._protocol.state is not State.OPEN and not self._messages:
            raise errors.gone(self._client.label, "It ended the connection.")

    def _flush(self) -> None:
        import httpcore2

        for data in self._protocol.data_to_send():
            if data:
                with contextlib.suppress(httpcore2.WriteError, httpcore2.WriteTimeout):
                    self._stream.write(data, timeout=5.0)


def authorization(key: Secret | None) -> tuple[Secret | None, str]:
    """The key and the form of its header: "name:password" is for HTTP's basic form."""
    if key is None or ":" not in key.reveal():
        return key, "Bearer {}"
    return Secret(base64.b64encode(key.reveal().encode()).decode()), "Basic {}"


def unauthorized(label: str) -> GenAIError:
    from ....core.errors import CredentialsError

    return CredentialsError(
        f"{label} wants a name and password, or a key.",
        "",
        'Enter them for this server in the add-on\'s preferences, as "name:password" or the key.',
    )


def _text(data: bytes) -> Message | None:
    try:
        body = json_answers.parse(data)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    content = body.get("data")
    return Message(str(body.get("type", "")), content if isinstance(content, dict) else {})


def _binary(data: bytes) -> Message | None:
    """A preview, of the older or the newer form."""
    if len(data) < 8:
        return None
    event, second = struct.unpack(">II", data[:8])
    if event == _PREVIEW:
        return Message("preview", {}, data[8:])
    if event == _PREVIEW_WITH_METADATA and second <= len(data) - 8:
        try:
            about = json_answers.parse(data[8 : 8 + second])
        except ValueError:
            about = {}
        return Message("preview", about if isinstance(about, dict) else {}, data[8 + second :])
    return None


def _report_of_history(entry: Mapping[str, Any]) -> JobReport:
    outputs = entry.get("outputs")
    status = entry.get("status")
    state: JobState = "done"
    error: Mapping[str, Any] = {}
    cached: set[str] = set()
    for name, data in _messages(status) if isinstance(status, Mapping) else ():
        if name == "execution_cached" and isinstance(data.get("nodes"), list):
            cached |= set(map(str, data["nodes"]))
    if isinstance(status, Mapping) and status.get("status_str") == "error":
        state = "failed"
        for name, data in _messages(status):
            if name == "execution_interrupted":
                state = "interrupted"
            elif name == "execution_error":
                error = data
    outputs = outputs if isinstance(outputs, Mapping) else {}
    return JobReport(state, outputs, error, frozenset(cached))


def _report_of_job(body: Mapping[str, Any]) -> JobReport:
    states: dict[str, JobState] = {
        "pending": "pending",
        "in_progress": "running",
        "completed": "done",
        "failed": "failed",
        "cancelled": "interrupted",
    }
    outputs, error = body.get("outputs"), body.get("execution_error")
    return JobReport(
        states.get(str(body.get("status")), "unknown"),
        outputs if isinstance(outputs, Mapping) else {},
        error if isinstance(error, Mapping) else {},
    )


def _messages(status: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in status.get("messages") or []:
        if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], Mapping):
            yield str(entry[0]), entry[1]


def _ids(entries: Any) -> list[str]:
    return [
        str(entry[1])
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, list) and len(entry) > 1
    ]


def _parsed(response: httpx2.Response) -> Any:
    """None for what is not JSON."""
    try:
        return json_answers.parse(response.content)
    except ValueError:
        return None


def _accept(nonce: str) -> str:
    import hashlib

    return base64.b64encode(hashlib.sha1((nonce + _ACCEPT_SUFFIX).encode()).digest()).decode()


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0
