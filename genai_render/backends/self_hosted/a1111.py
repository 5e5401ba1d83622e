# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers with A1111's API: Stable Diffusion web UI, Forge, SD.Next. Depth and normals go through
ControlNet where the server has it; SD.Next has a call of its own for that."""

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
from dataclasses import dataclass
from typing import Any

from ...core import prompt
from ...core.bounds import MAX_SEED
from ...core.errors import Cancelled, GenAIError, ImageError, InvalidInput
from ...core.events import CancelToken, Event, Notice, PartialImage, Progress, Result
from ...core.image import images
from ...core.masks import mask
from ...core.models.catalog import Model
from ...core.models.model_lists import Listed
from ...core.models.output_spec import OutputSpec, output_spec
from ...core.request import RenderRequest
from ..http import errors as http_errors
from ..http import json_answers
from ..http.settings import BackendSettings
from ..parallel import FAREWELL_SECONDS, BriefToken, ChildToken
from . import errors
from .a1111_client import A1111Client, Controls
from .control_images import depth_guide, encoded, normal_guide, view_guide
from .servers import Server, servers_of

_LOOK_SECONDS = 0.5

_GUIDED_UNTIL = 0.8  # of the steps: the rest is the model's own
_NOT_KEPT = ("init_images", "inits", "mask", "image", "override", "force_task_id")

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
    task: str


@dataclass(slots=True)
class _Watch:
    """Whether a server draws our job now.

    task: our job's name. by_task: the server can be asked by that name. alone: it had nothing to
    do when ours was sent, so that without names what it draws is taken to be ours.
    """

    task: str
    by_task: bool
    alone: bool
    preview: int = -1

    def is_ours(self, client: A1111Client) -> bool:
        state = client.task(self.task, self.preview) if self.by_task else None
        if state is not None:
            return bool(state.get("active"))
        return self.alone and client.jobs() > 0


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
        sent_again: list[Server] = []
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
            except errors.ServerGone as gone:
                if server not in sent_again and self._never_got(server, call, cancel):
                    sent_again.append(server)
                    yield Notice(f"The connection to {server.label} broke: the job is sent again.")
                    continue
                gone.with_traceback(None)
                servers = [other for other in servers if other is not server]
                if not servers:
                    raise
            yield Notice(f"{server.label} went away: its job was given to another server.")

    def ready(self, request: RenderRequest, cancel: CancelToken, canvas_comes: bool) -> None:
        """Raises what the server that would get it lacks, or that none can be reached: before the
        view is captured."""
        model = self._settings.models().model(request.model)
        if canvas_comes:
            _check_start(request)
        server = self._least_busy(servers_of(self._settings, "a1111"), cancel)
        options = {option.id: option.value_in(request.options) for option in model.options}
        self._check_names(server, options, cancel)
        if canvas_comes and request.kind == "render":
            weights = {kind: float(options[f"{kind}_strength"]) for kind in _CALLED}
            if any(weights.values()):
                with self._client(server, cancel) as client:
                    controls = client.controls()
                for kind, weight in weights.items():
                    if weight:
                        _control_model(kind, str(options[f"{kind}_model"]), controls)

    def _check_names(self, server: Server, options: Mapping[str, Any], cancel: CancelToken) -> None:
        """Raises InvalidInput for a sampler or a checkpoint that the server does not have."""
        with self._client(server, cancel) as client:
            _check_sampler(server, str(options["sampler"]), client.samplers())
            wanted = str(options["checkpoint"]).strip()
            if wanted and wanted not in (known := client.checkpoints()) and known:
                raise InvalidInput(
                    f'{server.label} has no checkpoint called "{wanted}".',
                    action=f"It has: {', '.join(client.models()[:8])}.",
                )

    def _never_got(self, server: Server, call: ProviderCall, cancel: CancelToken) -> bool:
        """Whether the server is there and has not got the job whose sending was cut."""
        try:
            with self._client(server, cancel) as client:
                return not client.knows(call.task)
        except Cancelled:
            raise
        except GenAIError:
            return False

    def check(self, cancel: CancelToken, endpoint: str = "") -> str:
        """Ask the servers how they are. endpoint: only this one, "a1111:NAME". For the user."""
        lines = []
        for server in servers_of(self._settings, "a1111", endpoint):
            with self._client(server, cancel) as client:
                names = client.models()
                busy = client.jobs()
                controls = client.controls().names
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

    def model_list(self, cancel: CancelToken, endpoint: str = "") -> list[Listed]:
        return [Listed(name) for name in self.model_names(cancel, endpoint)]

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
        task = f"genai-{uuid.uuid4().hex}"
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
            # By this A1111 and Forge tell how far the job is.
            "force_task_id": task,
        }
        if str(options["checkpoint"]).strip():
            body["override_settings"] = {"sd_model_checkpoint": str(options["checkpoint"]).strip()}
            body["override_settings_restore_afterwards"] = True
        sent: dict[str, bytes] = {}
        self._check_names(server, options, cancel)
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
        controls, units = self._units(server, request, options, sent, notices, cancel)
        if units and controls.sdnext:
            path, body = "/sdapi/v1/control", _for_sdnext(body, units)
        elif units:
            body["alwayson_scripts"] = {"controlnet": {"args": units}}
        return ProviderCall(request, model, spec, text, path, body, sent, task), notices

    def _start(self, request: RenderRequest, sent: dict[str, bytes]) -> bytes | None:
        if request.kind == "edit" and request.source is not None:
            return _noted(sent, "source", request.source)
        if request.canvas is not None:
            _check_start(request)
            sent["canvas.png"] = encoded(view_guide(request.canvas))
            return sent["canvas.png"]
        return _noted(sent, "reference", request.references[0].data) if request.references else None

    def _units(
        self,
        server: Server,
        request: RenderRequest,
        options: Mapping[str, Any],
        sent: dict[str, bytes],
        notices: list[str],
        cancel: CancelToken,
    ) -> tuple[Controls, list[dict[str, Any]]]:
        """The ControlNet units for depth and normals, with the models that the server has."""
        canvas = request.canvas
        if canvas is None or request.kind == "edit" or canvas.depth_range() is None:
            return Controls(), []
        with self._client(server, cancel) as client:
            controls = client.controls()
        units = []
        for kind in ("depth", "normal"):
            weight = float(options[f"{kind}_strength"])
            if weight == 0:
                continue
            name = _control_model(kind, str(options[f"{kind}_model"]), controls)
            if name is None:
                notices.append(
                    f"{server.label} has no ControlNet for {_CALLED[kind]}: they were left out."
                )
                continue
            guide = depth_guide(canvas) if kind == "depth" else normal_guide(canvas)
            sent[f"{kind}.png"] = encoded(guide)
            unit = _sdnext_unit if controls.sdnext else _extension_unit
            units.append(unit(kind, name, weight, _text(sent[f"{kind}.png"]), controls))
        return controls, units

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
        with self._client(server, cancel) as client:
            # SD.Next gives its jobs names of its own.
            watch = _Watch(call.task, not client.is_sdnext(), client.jobs() == 0)
        thread.start()
        answer: Any = None
        pulse = _Pulse(server.where.endpoint.read_timeout)
        try:
            while answer is None:
                cancel.check()
                try:
                    answer = box.get(timeout=_LOOK_SECONDS)
                except queue.Empty:
                    pulse.check(server.label)
                    yield from self._looked(server, watch, cancel, pulse)
        finally:
            token.cancel()
            if answer is None or isinstance(answer, (Cancelled, errors.ServerGone)):
                # It stops whatever it draws, so only while that is ours.
                with (
                    contextlib.suppress(GenAIError),
                    self._client(server, BriefToken(FAREWELL_SECONDS)) as client,
                ):
                    if watch.is_ours(client):
                        client.interrupt()
            thread.join(10.0)
        if isinstance(answer, GenAIError):
            raise answer
        assert answer is not None
        yield from self._results(server, call, answer)

    def _looked(
        self, server: Server, watch: _Watch, cancel: CancelToken, pulse: _Pulse
    ) -> Iterator[Event]:
        """How far it is; nothing while the server draws for somebody else."""
        try:
            with self._client(server, cancel) as client:
                task = client.task(watch.task, watch.preview) if watch.by_task else None
                watch.by_task = task is not None
                ours = bool(task.get("active")) if task is not None else watch.alone
                state = client.progress(picture=ours and task is None)
        except Cancelled:
            raise
        except GenAIError:
            return  # a busy server may not answer in time: the call itself tells what is wrong
        pulse.take(state)
        if not ours:
            if task is not None and task.get("queued"):
                yield Progress(None, http_errors.plain(task.get("textinfo", ""), 80) or "Waiting")
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
        if task is not None:
            picture = task.get("live_preview")
            watch.preview = int(_number(task.get("id_live_preview")))
        if isinstance(picture, str) and picture:
            with contextlib.suppress(ImageError, GenAIError):
                data = _bytes(picture, server.label)
                images.probe(data)
                yield PartialImage(data)

    def _results(
        self, server: Server, call: ProviderCall, answer: Mapping[str, Any]
    ) -> Iterator[Event]:
        pictures = answer.get("images")
        info = _info(answer.get("info"))
        if not isinstance(pictures, list) or not pictures:
            said = http_errors.plain("" if info else answer.get("info", ""), 200)
            raise http_errors.bad_answer(
                server.label,
                f'There is no image in it: "{said}".' if said else "There is no image in it.",
                "It may have been stopped there.",
            )
        seeds = info.get("all_seeds")
        count = call.request.count
        # A sheet of all may stand before the images, the guides that ControlNet used after them.
        first = max(0, int(_number(info.get("index_of_first_image"))))
        pictures = pictures[first : first + min(count, _made(info, count))]
        if not pictures:
            raise http_errors.bad_answer(
                server.label, "There is only a sheet of all in it, and no image.", "Generate again."
            )
        if len(pictures) < count:
            yield Notice(f"{server.label} made {len(pictures)} of {count} images.")
        for index, text in enumerate(pictures):
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
            seed = (call.request.seed or 0) + index
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


def _made(info: Mapping[str, Any], asked: int) -> int:
    """How many images it made: it has a text about each, and none about the guides after them."""
    texts = info.get("infotexts")
    if not isinstance(texts, list) or not texts:
        return asked
    return max(0, len(texts) - max(0, int(_number(info.get("index_of_first_image")))))


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


def _control_model(kind: str, wanted: str, controls: Controls) -> str | None:
    """The server's ControlNet of that name, or the first one that is for this. None: has none."""
    known = controls.names
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
            takes = controls.modes.get(name)
            if re.search(words, name, re.IGNORECASE) and (takes is None or kind in takes):
                return name
    return None


def _extension_unit(
    kind: str, name: str, weight: float, picture: str, controls: Controls
) -> dict[str, Any]:
    """As the ControlNet extension and Forge's own ControlNet read it. The extension refuses a
    unit that has `input_image` beside `image`."""
    unit: dict[str, Any] = {
        "enabled": True,
        "image": picture,
        "module": controls.unprepared,
        "model": name,
        "weight": min(weight, 2.0),
        "resize_mode": "Crop and Resize",
        "control_mode": "Balanced",
        "pixel_perfect": True,
        "guidance_start": 0.0,
        "guidance_end": _GUIDED_UNTIL,
        # Else the guide comes back among the images.
        "save_detected_map": False,
    }
    if "union" in name.lower():
        unit["union_control_type"] = "Depth" if kind == "depth" else "Normal Map"
    return unit


def _sdnext_unit(
    kind: str, name: str, weight: float, picture: str, controls: Controls
) -> dict[str, Any]:
    return {
        "process": "",
        "model": name,
        "strength": min(weight, 2.0),
        "start": 0.0,
        "end": _GUIDED_UNTIL,
        "override": picture,
        "unit_type": "controlnet",
        "mode": kind if kind in controls.modes.get(name, ()) else "default",
    }


def _for_sdnext(body: Mapping[str, Any], units: list[dict[str, Any]]) -> dict[str, Any]:
    """The call that SD.Next has for images with guides: its txt2img and img2img drop them."""
    same = ("prompt", "negative_prompt", "steps", "cfg_scale", "seed", "batch_size")
    call = {name: body[name] for name in same} | {
        "sampler_name": body["sampler_name"],
        "width_before": body["width"],
        "height_before": body["height"],
        "control": units,
        "unit_type": "controlnet",
        "send_images": True,
        "save_images": False,
        "return_grid": False,
    }
    if "init_images" in body:
        call |= {
            "inits": body["init_images"],
            "input_type": 2,  # the picture to start from is another one than the guides
            "denoising_strength": body["denoising_strength"],
        }
    if "override_settings" in body:
        call["extra"] = body["override_settings"]
    return call


def _check_start(request: RenderRequest) -> None:
    if request.references:
        raise InvalidInput(
            "This server starts from the view and takes no reference beside it.",
            action="Remove the reference, or use a ComfyUI workflow.",
        )


def _check_sampler(server: Server, wanted: str, known: list[str]) -> None:
    """Said before anything is sent: what the servers say of it is hard to understand."""
    asked = wanted.strip().lower()
    # A scheduler may stand behind the name: "DPM++ 2M Karras".
    if not known or any(asked == n.lower() or asked.startswith(f"{n.lower()} ") for n in known):
        return
    raise InvalidInput(
        f'{server.label} has no sampler called "{wanted}".',
        action=f"It has: {', '.join(known[:12])}.",
    )


def _noted(sent: dict[str, bytes], name: str, data: bytes) -> bytes:
    sent[name + images.probe(data).suffix] = data
    return data


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
            return {name: kept(entry) for name, entry in value.items() if name not in _NOT_KEPT}
        return [kept(entry) for entry in value] if isinstance(value, list) else value

    return kept(body)


def _number(value: Any) -> float:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if good else 0.0
