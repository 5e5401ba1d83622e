# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers with A1111's API: Stable Diffusion web UI, Forge, SD.Next. Depth and normals go through
ControlNet where the server has it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import queue
import re
import secrets
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...core import images, mask, prompt
from ...core.catalog import Model
from ...core.errors import Cancelled, GenAIError, ImageError, InvalidInput
from ...core.events import CancelToken, Event, Notice, PartialImage, Progress, Result
from ...core.output_spec import OutputSpec, output_spec
from ...core.request import MAX_SEED, RenderRequest
from ..http import errors as http_errors
from ..http import json_answers
from ..http.settings import BackendSettings
from ..parallel import FAREWELL_SECONDS, BriefToken, ChildToken
from . import errors
from .comfyui.client import authorization, unauthorized
from .control_images import depth_guide, encoded, normal_guide, view_guide
from .servers import Server, servers_of

if TYPE_CHECKING:
    import httpx2

_LOOK_SECONDS = 0.5
_ASK_TIMEOUT = 15.0

# What a ControlNet's file is called, in the order in which they are preferred.
_CONTROL_NAMES = {
    "depth": (r"union", r"depth"),
    "normal": (r"union", r"normal"),
}


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """A request worked out for one server. body: of the call that makes the images."""

    request: RenderRequest
    model: Model
    spec: OutputSpec
    prompt: str
    path: str
    body: Mapping[str, Any]
    sent: Mapping[str, bytes]


class A1111Backend:
    """The checkpoint that the server has loaded, or the one that the options name."""

    def __init__(self, settings: BackendSettings | None = None) -> None:
        self._settings = settings or BackendSettings()

    def run(self, request: RenderRequest, cancel: CancelToken) -> Iterator[Event]:
        """Goes to the least busy server; one that cannot be reached is passed over, and the job
        of one that goes away is given to another."""
        model = self._settings.models().model(request.model)
        servers = servers_of(self._settings, "a1111")
        if request.seed is None:
            # The same on whichever server it ends up.
            request = request.with_(seed=secrets.randbelow(MAX_SEED - request.count))
        while True:
            yield Progress(None, "Looking for a server")
            server = self._least_busy(servers, cancel)
            call, notices = self._worked_out(server, model, request, cancel)
            for text in (*call.spec.notes, *notices):
                yield Notice(text)
            try:
                # All images come in one answer: nothing was given out when it breaks off.
                yield from self._make(server, call, cancel)
                return
            except errors.ServerGone:
                servers = [other for other in servers if other is not server]
                if not servers:
                    raise
            yield Notice(f"{server.label} went away: its job was given to another server.")

    def check(self, cancel: CancelToken, endpoint: str = "") -> str:
        """Ask the servers how they are. endpoint: only this one, "a1111:NAME". For the user."""
        lines = []
        for server in servers_of(self._settings, "a1111", endpoint):
            with self._client(server, cancel) as client:
                names = client.models()
                busy = client.jobs()
                controls = client.control_models()
            lines.append(
                f"{server.name}: {len(names)} checkpoints, {len(controls)} ControlNets, "
                f"{busy} at work"
            )
        return ". ".join(lines) + "."

    def model_names(self, cancel: CancelToken, endpoint: str = "") -> list[str]:
        """The checkpoints that the servers have."""
        names: set[str] = set()
        for server in servers_of(self._settings, "a1111", endpoint):
            with self._client(server, cancel) as client:
                names |= set(client.models())
        return sorted(names)

    def _least_busy(self, servers: list[Server], cancel: CancelToken) -> Server:
        if len(servers) == 1:
            return servers[0]
        busy: list[tuple[int, int, Server]] = []
        problem: GenAIError | None = None
        for place, server in enumerate(servers):
            try:
                with self._client(server, cancel) as client:
                    busy.append((client.jobs(), place, server))
            except Cancelled:
                raise
            except GenAIError as error:
                problem = problem or error
        if not busy and problem is not None:
            raise problem.with_traceback(None)
        return min(busy)[2]

    def _client(self, server: Server, cancel: CancelToken) -> A1111Client:
        return A1111Client(server, cancel, self._settings.online_access)

    # ---- what is sent -------------------------------------------------------------------------

    def _worked_out(
        self, server: Server, model: Model, request: RenderRequest, cancel: CancelToken
    ) -> tuple[ProviderCall, list[str]]:
        if request.markup is not None:
            raise InvalidInput(
                f"{model.label} cannot read marks.", action="Draw a mask, or choose another model."
            )
        spec = output_spec(model, request)
        style = self._settings.models().style(request.style)
        text = prompt.build_prompt(request, style)
        options = {option.id: option.value_in(request.options) for option in model.options}
        body: dict[str, Any] = {
            "prompt": text,
            "negative_prompt": options["negative"],
            "width": spec.width,
            "height": spec.height,
            "steps": options["steps"],
            "cfg_scale": options["guidance"],
            "seed": request.seed,
            "batch_size": request.count,
            "n_iter": 1,
            "sampler_name": options["sampler"],
            # What is made stays ours: nothing is left in the server's own folder.
            "save_images": False,
            "send_images": True,
            "do_not_save_grid": True,
            # By this the newer servers tell whose job they are drawing.
            "force_task_id": f"genai-{uuid.uuid4().hex}",
        }
        if options["checkpoint"]:
            body["override_settings"] = {"sd_model_checkpoint": options["checkpoint"]}
            body["override_settings_restore_afterwards"] = True
        sent: dict[str, bytes] = {}
        start = self._start(request, sent)
        path = "/sdapi/v1/txt2img"
        if start is not None:
            path = "/sdapi/v1/img2img"
            body["init_images"] = [_text(start)]
            body["denoising_strength"] = options["freedom"]
            body["resize_mode"] = 1  # crop, not squeeze
            if request.mask is not None:
                sent["mask.png"] = images.encode_png(mask.white(request.mask))
                body["mask"] = _text(sent["mask.png"])
                body |= {"inpainting_fill": 1, "inpaint_full_res": False, "mask_blur": 8}
        notices: list[str] = []
        units = self._units(server, request, options, sent, notices, cancel)
        if units:
            body["alwayson_scripts"] = {"controlnet": {"args": units}}
        return ProviderCall(request, model, spec, text, path, body, sent), notices

    def _start(self, request: RenderRequest, sent: dict[str, bytes]) -> bytes | None:
        if request.kind == "edit":
            return request.source
        if request.canvas is not None:
            if request.references:
                raise InvalidInput(
                    "This server starts from the view and takes no reference beside it.",
                    action="Remove the reference, or use a ComfyUI workflow.",
                )
            sent["canvas.png"] = encoded(view_guide(request.canvas))
            return sent["canvas.png"]
        return request.references[0].data if request.references else None

    def _units(
        self,
        server: Server,
        request: RenderRequest,
        options: Mapping[str, Any],
        sent: dict[str, bytes],
        notices: list[str],
        cancel: CancelToken,
    ) -> list[dict[str, Any]]:
        """The ControlNet units for depth and normals, with the models that the server has."""
        canvas = request.canvas
        if canvas is None or request.kind == "edit" or canvas.depth_range() is None:
            return []
        with self._client(server, cancel) as client:
            known = client.control_models()
        units = []
        for kind in ("depth", "normal"):
            weight = float(options[f"{kind}_strength"])
            if weight == 0:
                continue
            name = _control_model(kind, str(options[f"{kind}_model"]), known)
            if name is None:
                notices.append(
                    f"{server.label} has no ControlNet for {_CALLED[kind]}: they were left out."
                )
                continue
            guide = depth_guide(canvas) if kind == "depth" else normal_guide(canvas)
            sent[f"{kind}.png"] = encoded(guide)
            picture = _text(sent[f"{kind}.png"])
            unit: dict[str, Any] = {
                "enabled": True,
                "image": picture,
                "input_image": picture,  # what older ones call it
                "module": "none",
                "model": name,
                "weight": weight,
                "resize_mode": "Crop and Resize",
                "control_mode": "Balanced",
                "pixel_perfect": True,
                "guidance_start": 0.0,
                "guidance_end": 0.8,
            }
            if "union" in name.lower():
                unit["union_control_type"] = "Depth" if kind == "depth" else "Normal Map"
            units.append(unit)
        return units

    # ---- one call -----------------------------------------------------------------------------

    def _make(self, server: Server, call: ProviderCall, cancel: CancelToken) -> Iterator[Event]:
        """The call blocks until the images are there, so a thread makes it, and this one looks
        how far it is."""
        token = ChildToken(cancel)
        box: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def post() -> None:
            try:
                with self._client(server, token) as client:
                    box.put(client.make(call.path, call.body))
            except GenAIError as error:
                box.put(error.with_traceback(None))
            except Exception as failure:
                box.put(http_errors.unexpected(server.label, failure))

        thread = threading.Thread(target=post, name="genai-a1111")
        yield Progress(None, f"Sending to {server.name}")
        thread.start()
        answer: Any = None
        began = False
        pulse = _Pulse(server.where.endpoint.read_timeout)
        try:
            while answer is None:
                cancel.check()
                try:
                    answer = box.get(timeout=_LOOK_SECONDS)
                except queue.Empty:
                    pulse.check(server.label)
                    looked = list(self._looked(server, call, cancel, pulse))
                    began = bool(looked)
                    yield from looked
        finally:
            token.cancel()
            if (answer is None or isinstance(answer, (Cancelled, errors.ServerGone))) and began:
                # It stops whatever it draws, so only while that is ours, as far as it tells.
                with (
                    contextlib.suppress(GenAIError),
                    self._client(server, BriefToken(FAREWELL_SECONDS)) as client,
                ):
                    client.interrupt()
            thread.join(10.0)
        if isinstance(answer, GenAIError):
            raise answer
        assert answer is not None
        yield from self._results(server, call, answer)

    def _looked(
        self, server: Server, call: ProviderCall, cancel: CancelToken, pulse: _Pulse
    ) -> Iterator[Event]:
        """How far it is; nothing while the server draws for somebody else."""
        try:
            with self._client(server, cancel) as client:
                state = client.progress()
        except Cancelled:
            raise
        except GenAIError:
            return  # a busy server may not answer in time: the call itself tells what is wrong
        pulse.take(state)
        task = state.get("current_task")
        if isinstance(task, str) and task and task != call.body["force_task_id"]:
            return
        sampling = state.get("state")
        if not isinstance(sampling, Mapping):
            sampling = {}
        step = _number(sampling.get("sampling_step"))
        steps = _number(sampling.get("sampling_steps"))
        if steps > 0:
            share = min(0.99, max(_number(state.get("progress")), 0.0))
            yield Progress(share, f"Step {step:.0f} of {steps:.0f}")
        picture = state.get("current_image")
        if isinstance(picture, str) and picture:
            with contextlib.suppress(ImageError, GenAIError):
                data = _bytes(picture, server.label)
                images.probe(data)
                yield PartialImage(data)

    def _results(
        self, server: Server, call: ProviderCall, answer: Mapping[str, Any]
    ) -> Iterator[Event]:
        pictures = answer.get("images")
        if not isinstance(pictures, list) or not pictures:
            raise http_errors.bad_answer(
                server.label, "There is no image in it.", "It may have been stopped there."
            )
        info = _info(answer.get("info"))
        seeds = info.get("all_seeds")
        count = call.request.count
        # Some add the guides that ControlNet used after the images.
        for index, text in enumerate(pictures[:count]):
            data = _bytes(str(text), server.label)
            try:
                about = images.probe(data)
                images.verify(data, "The image")
            except ImageError:
                about = None
            if about is None:
                raise http_errors.bad_answer(
                    server.label, "The image in it is damaged.", "Generate again."
                )
            seed = call.body["seed"] + index
            if isinstance(seeds, list) and index < len(seeds) and isinstance(seeds[index], int):
                seed = seeds[index]
            yield Result(
                data,
                about.mime,
                about.width,
                about.height,
                index,
                seed=seed if 0 <= seed <= MAX_SEED else None,
                prompt_sent=call.prompt,
                sent=call.sent,
                info={
                    "provider": "A1111",
                    "server": server.name,
                    "model": http_errors.plain(info.get("sd_model_name", ""), 120),
                    "settings": _settings(call.body),
                },
                cost_usd=0.0,
            )


_CALLED = {"depth": "depth", "normal": "normals"}


class _Pulse:
    """The call says nothing until the images are there: whether the server still lives is in what
    it tells of its progress. seconds: how long it may stay silent."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = time.monotonic()
        self._seen: Any = None

    def take(self, state: Mapping[str, Any]) -> None:
        """It moved on, or works at something, be it for somebody else."""
        told = state.get("state")
        seen = (state.get("progress"), str(told), state.get("current_task"))
        if seen != self._seen:
            self._seen, self._last = seen, time.monotonic()

    def check(self, label: str) -> None:
        if time.monotonic() - self._last > self._seconds:
            raise http_errors.TimedOut(
                f"{label} did not get any further within {self._seconds:.0f} seconds.",
                action="Look at the server's own log, or allow more time in the add-on's "
                "preferences.",
            )


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

    def control_models(self) -> list[str]:
        """Empty where the server has no ControlNet."""
        try:
            body = self._asked("GET", "/controlnet/model_list")
        except errors.WrongServer:
            return []
        listed = body.get("model_list") if isinstance(body, Mapping) else None
        return [str(name) for name in listed] if isinstance(listed, list) else []

    def jobs(self) -> int:
        state = self.progress().get("state")
        return int(_number(state.get("job_count"))) if isinstance(state, Mapping) else 0

    def progress(self) -> Mapping[str, Any]:
        body = self._asked("GET", "/sdapi/v1/progress")
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

    def _asked(self, method: str, path: str, patient: bool = False, **more: Any) -> Any:
        http = self._patient if patient else self._http
        url = self._server.address.rstrip("/") + path
        try:
            response = http.request(method, url, **more)
        except Cancelled:
            raise
        except (
            http_errors.ConnectionFailed,
            http_errors.ConnectionCut,
            http_errors.TimedOut,
        ) as error:
            problem: GenAIError = errors.gone(self.label, f"{error.what} {error.why}".strip())
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
        said = ""
        if isinstance(body, Mapping):
            said = str(body.get("errors") or body.get("detail") or body.get("error") or "")
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
        if status in (400, 422):
            raise http_errors.rejected(self.label, said)
        if status != 200 or body is None:
            raise errors.wrong_server(self.label, "A1111")
        return body


def _control_model(kind: str, wanted: str, known: list[str]) -> str | None:
    """The server's ControlNet of that name, or the first one that is for this. None: has none."""
    if wanted and wanted != "auto":
        exact = [name for name in known if name == wanted or name.startswith(f"{wanted} [")]
        if not exact:
            raise InvalidInput(
                f'The server has no ControlNet called "{wanted}".',
                action=f"It has: {', '.join(known[:8])}." if known else "It has none.",
            )
        return exact[0]
    for words in _CONTROL_NAMES[kind]:
        for name in known:
            if re.search(words, name, re.IGNORECASE):
                return name
    return None


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str, label: str) -> bytes:
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        pass
    raise http_errors.bad_answer(label, "The image in it is damaged.", "Generate again.")


def _info(text: Any) -> dict[str, Any]:
    """`info` is JSON in a text."""
    try:
        values = json_answers.parse(text)
    except (TypeError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _settings(body: Mapping[str, Any]) -> dict[str, Any]:
    """The call without its pictures, as it is kept."""

    def kept(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                name: kept(entry)
                for name, entry in value.items()
                if name not in ("init_images", "mask", "image", "input_image", "force_task_id")
            }
        return [kept(entry) for entry in value] if isinstance(value, list) else value

    return kept(body)


def _number(value: Any) -> float:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if good else 0.0
