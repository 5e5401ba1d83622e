# SPDX-License-Identifier: GPL-3.0-or-later
"""3D models from a server of the user's own that speaks as Hunyuan3D's `api_server.py` does.

Read in Tencent-Hunyuan/Hunyuan3D-2 (api_server.py): POST /generate with the image in base64 gives
the GLB itself, or a 404 with a text and an `error_code`; POST /send gives a `uid`, GET /status/uid
says "processing", and "completed" with the GLB in `model_base64`. It never tells of a job that
failed after /send: such a wait ends by itself.
"""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ...core import media
from ...core.errors import Cancelled, GenAIError
from ...core.events import CancelToken, Event, Progress, Result
from ...core.image import images
from ...core.models.catalog import Model
from ...core.models.model_lists import Listed
from ...core.request import RenderRequest
from ..http import errors as http_errors
from ..http import json_answers
from ..http.settings import BackendSettings
from ..parallel import in_parallel
from . import errors
from .comfyui.client import authorization, unauthorized
from .servers import Server, servers_of

if TYPE_CHECKING:
    import httpx2

KIND = "model3d"
_EXPECTED = "a 3D server"
_PATIENCE = 3600.0  # seconds for an answer: a texture takes minutes, and others may be before it
_ASK_TIMEOUT = 15.0
_LONGEST = 2400.0  # after which a job that was sent is given up: its failure would not be told
_PAUSES = (1.0, 5.0)
_TOO_LARGE = "Choose less detail or fewer faces."


class ModelServerBackend:
    """One job, on the first server that can be reached."""

    def __init__(self, settings: BackendSettings | None = None) -> None:
        self._settings = settings or BackendSettings()

    def run(self, request: RenderRequest, cancel: CancelToken) -> Iterator[Event]:
        """Raises what `Backend.run` may."""
        model = self._settings.models().model(request.model)
        servers = servers_of(self._settings, KIND)
        yield Progress(None, "Looking for a server")
        server = self._reached(servers, cancel)
        yield Progress(None, f"Sending the image to {server.label}")
        works = [lambda token: self._make(server, model, request, token)]
        yield from in_parallel(works, cancel)

    def check(self, cancel: CancelToken, endpoint: str = "") -> str:
        """Ask the servers whether they are there. For the user."""
        names = []
        for server in servers_of(self._settings, KIND, endpoint):
            ask(server, cancel, self._settings.online_access)
            names.append(server.name)
        return f"{', '.join(names)}: ready."

    def model_names(self, cancel: CancelToken, endpoint: str = "") -> list[str]:
        """None: a server has one model and does not say which."""
        return []

    def model_list(self, cancel: CancelToken, endpoint: str = "") -> list[Listed]:
        return []

    def _reached(self, servers: list[Server], cancel: CancelToken) -> Server:
        problem: GenAIError | None = None
        for server in servers:
            try:
                ask(server, cancel, self._settings.online_access)
                return server
            except Cancelled:
                raise
            except GenAIError as error:
                problem = problem or error
        assert problem is not None, "there is a server"
        raise problem.with_traceback(None)

    def _make(
        self, server: Server, model: Model, request: RenderRequest, cancel: CancelToken
    ) -> Iterator[Event]:
        options = {option.id: option.value_in(request.options) for option in model.options}
        sent = options.pop("protocol", "generate") == "send"
        source = request.source or b""
        body: dict[str, Any] = {
            "image": base64.b64encode(source).decode(),
            "type": "glb",
            **options,
            **({} if request.seed is None else {"seed": request.seed}),
        }
        client = _Client(server, cancel, self._settings.online_access, _PATIENCE)
        with contextlib.closing(client):
            yield Progress(None, f"{server.label} is working")
            made, fault = None, None
            try:
                answer = (yield from client.sent(body)) if sent else client.generated(body)
                made = _model(answer, server.label)
            except GenAIError as error:
                fault = error
            finally:
                answer = None
        if fault is not None:  # without the frames that hold what the server said
            raise fault.with_traceback(None)
        about = images.probe(source)
        yield Result(
            source,
            about.mime,
            about.width,
            about.height,
            seed=request.seed,
            info={"server": server.name, "asked": options},
            cost_usd=0.0,
            media=made,
        )


def ask(
    server: Server, cancel: CancelToken, online_access: bool, timeout: float = _ASK_TIMEOUT
) -> None:
    """Raises what is wrong where nothing of the kind answers there."""
    with contextlib.closing(_Client(server, cancel, online_access, timeout)) as client:
        client.status("genai-render")


class _Client:
    def __init__(
        self, server: Server, cancel: CancelToken, online_access: bool, timeout: float
    ) -> None:
        try:
            from ..http import transport
        except ImportError as error:
            raise http_errors.package_missing(server.label, error) from None
        self._server, self._cancel = server, cancel
        self.label = server.label
        key, form = authorization(server.where.key)
        self._http = transport.open_client(
            replace(server.where.endpoint, read_timeout=timeout),
            server.where.base_url,
            cancel,
            online_access,
            key,
            key_format=form,
            label=server.label,
        )

    def close(self) -> None:
        self._http.close()

    def generated(self, body: Mapping[str, Any]) -> bytes:
        """In one request that stays open."""
        return self._asked("POST", "/generate", body).content

    def sent(self, body: Mapping[str, Any]) -> Generator[Event, None, bytes]:
        """Asked after until it is there. A generator that gives the GLB at its end."""
        answer = self._object(self._asked("POST", "/send", body))
        uid = answer.get("uid")
        if not isinstance(uid, str) or not uid:
            raise errors.wrong_server(self.label, _EXPECTED)
        pause, start = _PAUSES[0], time.monotonic()
        while True:
            if self._cancel.wait(pause):
                self._cancel.check()
            pause = min(pause * 1.3, _PAUSES[1])
            standing = self.status(uid)
            waited = time.monotonic() - start
            if standing.get("status") == "completed":
                packed = standing.get("model_base64")
                try:
                    return base64.b64decode(str(packed or ""), validate=True)
                except ValueError:
                    pass
                raise http_errors.bad_answer(self.label, "The 3D model in it is damaged.")
            if waited > _LONGEST:
                raise http_errors.TimedOut(
                    f"{self.label} did not finish in time.",
                    "It does not say when a job has failed.",
                    "Look at the server's own log, or ask for less detail.",
                )
            yield Progress(None, f"{self.label} is working ({waited:.0f} s)")

    def status(self, uid: str) -> Mapping[str, Any]:
        answer = self._object(self._asked("GET", f"/status/{quote(uid, safe='')}"))
        if not isinstance(answer.get("status"), str):
            raise errors.wrong_server(self.label, _EXPECTED)
        return answer

    def _object(self, response: httpx2.Response) -> Mapping[str, Any]:
        try:
            body = json_answers.parse(response.content)
        except ValueError:
            body = None
        if not isinstance(body, Mapping):
            raise errors.wrong_server(self.label, _EXPECTED)
        return body

    def _asked(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> httpx2.Response:
        url = self._server.address.rstrip("/") + path
        try:
            response = self._http.request(method, url, json=body)
        except errors.ON_THE_WAY as error:
            problem = errors.not_reached(self.label, error)
        else:
            if response.status_code == 200:
                return response
            problem = self._problem(response)
        raise problem

    def _problem(self, response: httpx2.Response) -> GenAIError:
        status = response.status_code
        if status in (401, 403):
            return unauthorized(self.label)
        try:
            said = json_answers.parse(response.content)
        except ValueError:
            said = None
        if isinstance(said, Mapping) and "error_code" in said:  # with a 404: so it tells all
            text = str(said.get("text") or "")
            if "memory" in text.lower():
                return errors.OutOfMemory(f"{self.label} ran out of memory.", "", _TOO_LARGE)
            return errors.NodeFailed(
                f"{self.label} could not make a 3D model of this image.",
                http_errors.quoted("It", text),
                "Look at the server's own log. A texture needs --enable_tex there.",
            )
        if status in (502, 503, 504):
            return errors.gone(self.label, f"(error {status} of what stands before it)")
        return errors.unexpected(self.label, response, _EXPECTED)


def _model(data: bytes, label: str) -> media.Media:
    try:
        return media.read(data, "model", "The 3D model")
    except media.MediaError as error:
        why = error.text
    raise http_errors.bad_answer(label, why)
