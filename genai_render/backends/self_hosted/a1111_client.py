# SPDX-License-Identifier: GPL-3.0-or-later
"""A1111's API, as Stable Diffusion web UI, Forge and SD.Next each have it.

What they share and where they part was read in their own source: AUTOMATIC1111's API in Forge's
copy of it (lllyasviel/stable-diffusion-webui-forge, dfdcbab), the ControlNet extension
(Mikubill/sd-webui-controlnet, 56cec5b) and SD.Next (vladmandic/sdnext, 058a7f0).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ...core.errors import Cancelled, GenAIError
from ...core.events import CancelToken
from ..http import envelopes, json_answers
from ..http import errors as http_errors
from . import errors
from .comfyui.client import authorization, unauthorized
from .servers import Server

if TYPE_CHECKING:
    import httpx2

_ASK_TIMEOUT = 15.0


@dataclass(frozen=True, slots=True)
class Controls:
    """The ControlNets of a server. sdnext: it has SD.Next's own call for them.

    unprepared: what it calls a guide that is ready, "none" or "None" there. modes: of a union
    ControlNet in SD.Next, the kinds of guide that it takes.
    """

    names: list[str] = field(default_factory=list)
    sdnext: bool = False
    unprepared: str = "none"
    modes: Mapping[str, list[str]] = field(default_factory=dict)


class A1111Client:
    """One server's API. Raises what `ComfyClient` does."""

    def __init__(
        self,
        server: Server,
        cancel: CancelToken,
        online_access: bool,
        read_timeout: float = _ASK_TIMEOUT,
    ) -> None:
        try:
            from ..http import transport
        except ImportError as error:
            raise http_errors.package_missing("A1111", error) from None
        self._server = server
        self.label = server.label
        key, form = authorization(server.where.key)

        def opened(read_timeout: float) -> httpx2.Client:
            endpoint = replace(server.where.endpoint, read_timeout=read_timeout)
            return transport.open_client(
                endpoint,
                server.where.base_url,
                cancel,
                online_access,
                key,
                key_format=form,
                label=server.label,
            )

        self._http = opened(read_timeout)
        # An image may wait for many others.
        self._patient = opened(3600.0)

    def __enter__(self) -> A1111Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self._patient.close()

    def models(self) -> list[str]:
        body = self._asked("GET", "/sdapi/v1/sd-models")
        if not isinstance(body, list):
            raise errors.wrong_server(self.label, "A1111")
        return [str(entry.get("title", "")) for entry in body if isinstance(entry, Mapping)]

    def checkpoints(self) -> set[str]:
        """All names by which the server's settings know its checkpoints. Of another one, each of
        these servers says nothing and draws with what it has loaded."""
        known: set[str] = set()
        for entry in self._list("/sdapi/v1/sd-models"):
            if not isinstance(entry, Mapping):
                continue
            hash = str(entry.get("sha256") or "")[:10]
            file = re.split(r"[\\/]", str(entry.get("filename") or ""))[-1]
            names = {
                file,
                file.rpartition(".")[0],
                str(entry.get("title") or "").partition(" [")[0],
            }
            known |= {
                str(entry.get(name) or "")
                for name in ("title", "name", "model_name", "hash", "sha256")
            }
            known |= {hash, *names, *(f"{name} [{hash}]" for name in names)}
        return known - {""}

    def samplers(self) -> list[str]:
        """With their other names; empty where the server does not tell."""
        names = []
        for entry in self._list("/sdapi/v1/samplers"):
            if isinstance(entry, Mapping):
                aliases = entry.get("aliases")
                names.append(str(entry.get("name", "")))
                names += [str(name) for name in aliases] if isinstance(aliases, list) else []
        return [name for name in names if name]

    def is_sdnext(self) -> bool:
        """Only SD.Next tells its version there."""
        try:
            return isinstance(self._asked("GET", "/sdapi/v1/version"), Mapping)
        except errors.WrongServer:
            return False

    def controls(self) -> Controls:
        """No names where the server has no ControlNet."""
        names = self._named("/controlnet/model_list", "model_list")
        if names:
            # The name has to be one of the server's: A1111 and Forge write it differently.
            modules = self._named("/controlnet/module_list", "module_list")
            unprepared = next((name for name in modules if name.lower() == "none"), "none")
            return Controls([n for n in names if n.lower() != "none"], unprepared=unprepared)
        if not self.is_sdnext():
            return Controls()
        listed = [str(name) for name in self._list("/sdapi/v1/controlnets")]
        try:
            modes = self._asked("GET", "/sdapi/v1/control-modes")
        except errors.WrongServer:
            modes = {}
        return Controls(
            [name for name in listed if name and name.lower() != "none"],
            sdnext=True,
            modes={
                str(name): [str(mode) for mode in kinds]
                for name, kinds in (modes.items() if isinstance(modes, Mapping) else ())
                if isinstance(kinds, list)
            },
        )

    def jobs(self) -> int:
        """What it draws and what waits, as far as it tells."""
        state = self.progress(picture=False).get("state")
        working = int(_number(state.get("job_count"))) if isinstance(state, Mapping) else 0
        try:
            waiting = self._asked("GET", "/internal/pending-tasks")
        except errors.WrongServer:  # SD.Next, or one without its own pages
            waiting = {}
        return working + int(_number(waiting.get("size")) if isinstance(waiting, Mapping) else 0)

    def task(self, name: str, preview: int) -> Mapping[str, Any] | None:
        """How far the job of that name is. preview: the number of the last unfinished picture.
        None: the server cannot tell, as when it runs without its own pages."""
        body = {"id_task": name, "id_live_preview": preview}
        try:
            answer = self._asked("POST", "/internal/progress", json=body)
        except (errors.WrongServer, http_errors.Rejected):
            return None
        return answer if isinstance(answer, Mapping) and "active" in answer else None

    def knows(self, name: str) -> bool:
        """Whether it has a job of that name, or had; True where it cannot tell."""
        state = self.task(name, -1)
        if state is None:
            return True
        return any(bool(state.get(what)) for what in ("active", "queued", "completed"))

    def progress(self, picture: bool = True) -> Mapping[str, Any]:
        """Of whatever it draws: whose that is it does not say, whatever `current_task` promises
        (Forge and A1111 import that name by its value)."""
        query = "" if picture else "?skip_current_image=true"
        body = self._asked("GET", f"/sdapi/v1/progress{query}")
        if not isinstance(body, Mapping) or "progress" not in body:
            raise errors.wrong_server(self.label, "A1111")
        return body

    def memory(self) -> tuple[int, int]:
        """Bytes free and in all, of the graphics card; zeros where the server does not say."""
        body = self._asked("GET", "/sdapi/v1/memory")
        cuda = body.get("cuda") if isinstance(body, Mapping) else None
        system = cuda.get("system") if isinstance(cuda, Mapping) else None
        if not isinstance(system, Mapping):
            return 0, 0
        return int(_number(system.get("free"))), int(_number(system.get("total")))

    def interrupt(self) -> None:
        self._asked("POST", "/sdapi/v1/interrupt")

    def make(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = self._asked("POST", path, json=body, patient=True)
        if not isinstance(answer, Mapping):
            raise errors.wrong_server(self.label, "A1111")
        return answer

    def _named(self, path: str, field_name: str) -> list[str]:
        """A list of names in an answer; empty where the server has no such page."""
        try:
            body = self._asked("GET", path)
        except errors.WrongServer:
            return []
        listed = body.get(field_name) if isinstance(body, Mapping) else None
        return [str(name) for name in listed] if isinstance(listed, list) else []

    def _list(self, path: str) -> list[Any]:
        try:
            body = self._asked("GET", path)
        except errors.WrongServer:
            return []
        return body if isinstance(body, list) else []

    def _asked(self, method: str, path: str, patient: bool = False, **more: Any) -> Any:
        http = self._patient if patient else self._http
        url = self._server.address.rstrip("/") + path
        try:
            response = http.request(method, url, **more)
        except Cancelled:
            raise
        except errors.ON_THE_WAY as error:
            problem: GenAIError = errors.not_reached(self.label, error)
        else:
            return self._checked(response)
        raise problem

    def _checked(self, response: httpx2.Response) -> Any:
        status = response.status_code
        if status in (401, 403):
            raise unauthorized(self.label)
        try:
            body = json_answers.parse(response.content)
        except ValueError:
            body = None
        said = envelopes.said(body).removeprefix("HTTPException: ")
        if status in (502, 503, 504):
            raise errors.gone(self.label, f"(error {status} of what stands before it)")
        if status >= 500 and re.search(r"out of memory", f"{said}{body}", re.IGNORECASE):
            raise errors.OutOfMemory(
                f"{self.label} ran out of memory.",
                "",
                "Choose a lower resolution or fewer images, or free the memory of the server.",
            )
        if status >= 500:
            raise http_errors.server_failed(self.label, status, said)
        if status in (400, 409, 422) or (status == 404 and said not in ("", "Not Found")):
            # SD.Next says 404 of a sampler that it does not have, too.
            refused = http_errors.rejected(self.label, said)
            raise http_errors.Rejected(
                f"{refused.what.rstrip('.')} (error {status}).", refused.why, refused.action
            )
        if status == 204:
            return {}
        if status != 200 or body is None:
            raise errors.unexpected(self.label, response, "A1111")
        return body


def _number(value: Any) -> float:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if good else 0.0
