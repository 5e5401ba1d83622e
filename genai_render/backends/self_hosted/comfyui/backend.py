# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflows on ComfyUI servers of the user's own: one server or many.

Each image is a job of its own on a server, so that several spread over all of them. A job whose
server goes away is given to another; its image is taken from one server only, so none is lost and
none comes twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ....core import prompt
from ....core.bounds import MAX_SEED
from ....core.errors import Cancelled, GenAIError, ImageError, InvalidInput
from ....core.events import CancelToken, Event, Notice, PartialImage, Progress, Result
from ....core.image import images
from ....core.masks import mask
from ....core.models.catalog import Model
from ....core.models.model_lists import Listed
from ....core.models.output_spec import OutputSpec, output_spec
from ....core.prompt import SentImage
from ....core.request import RenderRequest
from ...http import errors as http_errors
from ...http.settings import BackendSettings
from ...parallel import FAREWELL_SECONDS, BriefToken, Work, in_parallel
from .. import errors
from ..control_images import depth_guide, encoded, normal_guide, view_guide
from ..errors import MissingPart, ServerGone
from ..servers import Server, servers_of
from . import library, scheduler
from .client import READ_TIMEOUT, ComfyClient, JobReport, Listener, Message, NoListener
from .inputs import IMAGE_INPUTS, LABELS
from .workflow import Workflow, choices_of, outputs_of

_LOOK_SECONDS = 2.0  # between two questions after a job, beside what the server tells by itself
_BACK_WITHIN = 6.0  # seconds for a server to come back before its job is given away
_SETTLING = 0.3
_LOOK_TIMEOUT = 15.0  # seconds for a server to say how busy it is: one that hangs holds up all
_SPECS_SECONDS = 30.0
_LONGEST_MOVES = 5

# Nodes that load a whole model, and the setting that names its file.
_MODEL_FILES = {"CheckpointLoaderSimple": "ckpt_name", "UNETLoader": "unet_name"}

_specs: dict[tuple[str, str], tuple[float, dict[str, Any] | None]] = {}


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """A request, worked out for a workflow. files: the encoded images, by input."""

    request: RenderRequest
    model: Model
    workflow: Workflow
    spec: OutputSpec
    prompt: str
    negative: str
    files: Mapping[str, bytes]
    servers: tuple[Server, ...]


@dataclass(slots=True)
class _Watch:
    """What is known of a job that runs: for its progress."""

    nodes: int
    titles: Mapping[str, str]
    done: set[str] = field(default_factory=set)
    cached: set[str] = field(default_factory=set)

    def told(self, message: Message) -> Progress | None:
        data = message.data
        if message.kind == "execution_cached":
            self.cached |= set(map(str, data.get("nodes") or []))
            self.done |= self.cached
        elif message.kind == "executing" and data.get("node") is not None:
            return Progress(self._share(0.0), self._title(data["node"]))
        elif message.kind == "executed":
            self.done.add(str(data.get("node")))
        elif message.kind == "progress":
            value, most = _number(data.get("value")), _number(data.get("max"))
            if most > 0:
                step = f"{self._title(data.get('node'))}: step {value:.0f} of {most:.0f}"
                return Progress(self._share(min(1.0, value / most)), step)
        elif message.kind == "progress_state" and isinstance(data.get("nodes"), Mapping):
            for id, state in data["nodes"].items():
                if isinstance(state, Mapping) and state.get("state") == "finished":
                    self.done.add(str(id))
        return None

    def _share(self, of_node: float) -> float:
        return min(0.99, (len(self.done) + of_node) / max(1, self.nodes))

    def _title(self, node: Any) -> str:
        return self.titles.get(str(node), "Working")


class ComfyUIBackend:
    """Runs the workflow that the model names, on the least busy server that has what it needs."""

    def __init__(self, settings: BackendSettings | None = None) -> None:
        self._settings = settings or BackendSettings()

    def run(self, request: RenderRequest, cancel: CancelToken) -> Iterator[Event]:
        """Raises MissingParts, before anything is sent, where no server has what is needed."""
        model = self._settings.models().model(request.model)
        workflow = library.workflow_of(model)
        servers = tuple(servers_of(self._settings, "comfyui"))
        cancel.check()
        yield Progress(None, "Preparing the images")
        call = self._worked_out(model, workflow, request, servers)
        for text in call.spec.notes:
            yield Notice(text)
        first = request.seed
        if first is None:
            first = secrets.randbelow(MAX_SEED - request.count)
        if workflow.takes("count") or request.count == 1:
            yield from self._job(call, 0, first, request.count, cancel)
            return

        def work(number: int) -> Work:
            # A seed of its own for each, so that each can be made again by itself.
            seed = (first + number) % (MAX_SEED + 1)
            return lambda token: self._job(call, number, seed, 1, token)

        works = [work(number) for number in range(request.count)]
        yield from in_parallel(works, cancel, at_once=max(2, len(servers)))

    def ready(self, request: RenderRequest, cancel: CancelToken, canvas_comes: bool) -> None:
        """Raises what no server has, or that none can be reached: before the view is captured."""
        model = self._settings.models().model(request.model)
        workflow = library.workflow_of(model)
        servers = tuple(servers_of(self._settings, "comfyui"))
        given = {f"reference_{n}" for n in range(1, len(request.references) + 1)}
        if canvas_comes or request.canvas is not None:
            given |= {"color", "depth", "normal"}
        if request.source is not None:
            given |= {"source", "color"}
        if request.mask is not None:
            given.add("mask")
        files = {name: b"" for name in IMAGE_INPUTS if name in given and workflow.takes(name)}
        spec = output_spec(model, request)
        call = ProviderCall(request, model, workflow, spec, request.prompt, "", files, servers)
        scheduler.done(scheduler.choose(servers, model.label, self._looker(call, cancel)))

    def check(self, cancel: CancelToken, endpoint: str = "") -> str:
        """Ask the servers how they are. endpoint: only this one, "comfyui:NAME". For the user."""
        lines, problem = [], None
        for server in servers_of(self._settings, "comfyui", endpoint):
            try:
                with self._client(server, cancel) as client:
                    load = client.load()
            except Cancelled:
                raise
            except GenAIError as error:
                problem = error
                continue
            free = f", {load.memory_free / 2**30:.1f} GB free" if load.memory_total else ""
            lines.append(f"{server.name}: ComfyUI {load.version}, {load.length} in queue{free}")
        if not lines and problem is not None:
            raise problem.with_traceback(None)
        return ". ".join(lines) + "."

    def model_names(self, cancel: CancelToken, endpoint: str = "") -> list[str]:
        """The files of models that the servers can load, whole checkpoints and diffusion models."""
        names: set[str] = set()
        for server in servers_of(self._settings, "comfyui", endpoint):
            with self._client(server, cancel) as client:
                for node, setting in _MODEL_FILES.items():
                    names |= set(choices_of(client.node(node) or {}, setting) or ())
        return sorted(names)

    def model_list(self, cancel: CancelToken, endpoint: str = "") -> list[Listed]:
        return [Listed(name) for name in self.model_names(cancel, endpoint)]

    # ---- what is sent -------------------------------------------------------------------------

    def _worked_out(
        self, model: Model, workflow: Workflow, request: RenderRequest, servers: tuple[Server, ...]
    ) -> ProviderCall:
        spec = output_spec(model, request)
        files = _files(workflow, model, request)
        style = self._settings.models().style(request.style)
        if model.extra.get("describe_images"):
            # Models that read the prompt as an instruction are told which image is what.
            sent = [SentImage(_role(name, request)) for name in IMAGE_INPUTS if name in files]
            text = prompt.compose(request, style, sent)
        else:
            text = prompt.build_prompt(request, style)
        negative = str(model.value(request.options, "negative"))
        return ProviderCall(request, model, workflow, spec, text, negative, files, servers)

    def _values(
        self, call: ProviderCall, names: Mapping[str, str], seed: int, count: int
    ) -> dict[str, Any]:
        values: dict[str, Any] = {
            "positive": call.prompt,
            "seed": seed,
            "width": call.spec.width,
            "height": call.spec.height,
            "count": count,
            **names,
        }
        if call.negative:
            values["negative"] = call.negative
        return values

    # ---- one job, wherever it ends up ---------------------------------------------------------

    def _job(
        self, call: ProviderCall, index: int, seed: int, count: int, cancel: CancelToken
    ) -> Iterator[Event]:
        gone: set[str] = set()
        left: list[tuple[Server, str]] = []
        while True:
            cancel.check()
            yield Progress(None, "Looking for a server")
            look = self._looker(call, cancel)
            name = call.model.label
            with scheduler.chosen(call.servers, name, look, frozenset(gone)) as server:
                prompt_id = str(uuid.uuid4())
                problem: ServerGone
                try:
                    yield from self._on(server, call, index, seed, count, prompt_id, cancel)
                    break
                except ServerGone as error:
                    problem = error
            scheduler.mark_gone(server)
            gone.add(server.address)
            left.append((server, prompt_id))
            if len(gone) >= len(call.servers) or len(left) >= _LONGEST_MOVES:
                raise problem.with_traceback(None)
            yield Notice(f"{server.label} went away: its job was given to another server.")
        for server, prompt_id in left:
            # It may be back, with the job still in its queue.
            self._withdraw(server, prompt_id, connect_timeout=0.5)

    def _looker(self, call: ProviderCall, cancel: CancelToken) -> scheduler.Look:
        def look(server: Server) -> tuple[int, list[MissingPart]]:
            with self._client(server, cancel, _LOOK_TIMEOUT) as client:
                running, pending = client.queue()
                parts = self._lacking(client, server, call)
                if not parts:
                    client.system_stats()
            return len(running) + len(pending), parts

        return look

    def _lacking(
        self, client: ComfyClient, server: Server, call: ProviderCall
    ) -> list[MissingPart]:
        values = self._values(call, dict.fromkeys(call.files, ""), 0, 1)
        specs = self._specs(client, server, call.workflow)
        for again in (True, False):
            known = {name: spec or {} for name, spec in specs.items()}
            graph = call.workflow.filled(values, call.request.options, known)
            parts = call.workflow.missing(graph, specs)
            if not parts or not again:
                return parts
            # What was missing a moment ago may have been put there since.
            specs = self._specs(client, server, call.workflow, asked_since=time.monotonic())
        return parts

    def _specs(
        self, client: ComfyClient, server: Server, workflow: Workflow, asked_since: float = 0.0
    ) -> dict[str, dict[str, Any] | None]:
        """What the server says of the workflow's node classes; asked again after a while, or where
        it was asked before a moment."""
        specs = {}
        oldest = max(asked_since, time.monotonic() - _SPECS_SECONDS)
        for name in workflow.classes:
            key = server.address, name
            kept = _specs.get(key)
            if kept is None or kept[0] < oldest or kept[1] is None:
                kept = time.monotonic(), client.node(name)
                _specs[key] = kept
            specs[name] = kept[1]
        return specs

    def _on(
        self,
        server: Server,
        call: ProviderCall,
        index: int,
        seed: int,
        count: int,
        prompt_id: str,
        cancel: CancelToken,
    ) -> Iterator[Event]:
        """The job on one server. Raises ServerGone where it is to be given to another."""
        titles = call.workflow.titles
        with self._client(server, cancel) as client:
            yield Progress(None, f"Sending {len(call.files)} images to {server.name}")
            names = {}
            for name, data in call.files.items():
                digest = hashlib.sha256(data).hexdigest()[:20]
                suffix = images.probe(data).suffix
                names[name] = client.upload(f"{name}-{digest}{suffix}", data)
            specs = {
                name: spec or {}
                for name, spec in self._specs(client, server, call.workflow).items()
            }
            values = self._values(call, names, seed, count)
            graph = call.workflow.filled(values, call.request.options, specs)
            client_id = uuid.uuid4().hex
            listener = client.listen(client_id)
            if isinstance(listener, NoListener):
                yield Notice(
                    f"No WebSocket to {server.label} gets through: its job is asked for every "
                    "now and then, without previews."
                )
            ended = False
            try:
                try:
                    prompt_id = client.submit(graph, client_id, prompt_id, titles)
                except ServerGone:
                    listener.close()
                    yield Progress(None, f"The connection to {server.name} broke: looking")
                    prompt_id = self._arrived(client, graph, client_id, prompt_id, titles, cancel)
                    listener = client.listen(client_id)
                yield Progress(None, f"In the queue of {server.name}")
                watch = _Watch(len(graph), titles)
                report = None
                while report is None:
                    try:
                        report = yield from self._follow(
                            client, listener, watch, prompt_id, index, server, cancel
                        )
                    except ServerGone:
                        listener.close()
                        yield Progress(None, f"The connection to {server.name} broke: waiting")
                        listener = self._back(client, client_id, prompt_id, cancel)
                ended = True
            finally:
                listener.close()
                if not ended:
                    self._withdraw(server, prompt_id)
            cached = watch.cached | report.cached
            yield from self._results(client, server, call, report, graph, cached, index, seed)

    def _arrived(
        self,
        client: ComfyClient,
        graph: Mapping[str, Any],
        client_id: str,
        prompt_id: str,
        titles: Mapping[str, str],
        cancel: CancelToken,
    ) -> str:
        """The id of a job whose sending was cut: looked up, and sent again if it is not there.

        Raises ServerGone if the server does not come back in time.
        """
        ends = time.monotonic() + _BACK_WITHIN
        while True:
            try:
                if cancel.wait(_SETTLING):  # it may just be reading what came
                    cancel.check()
                found = client.find(prompt_id, client_id)
                return found or client.submit(graph, client_id, prompt_id, titles)
            except ServerGone as error:
                problem = error
            if time.monotonic() > ends:
                raise problem.with_traceback(None)

    def _follow(
        self,
        client: ComfyClient,
        listener: Listener | NoListener,
        watch: _Watch,
        prompt_id: str,
        index: int,
        server: Server,
        cancel: CancelToken,
    ) -> Iterator[Event]:
        """Until the job is over there. What the websocket tells is for show; whether it is over
        is asked, because messages can be missed."""
        asked, misses = 0.0, 0
        running = False
        while True:
            cancel.check()
            message = listener.next(0.5)
            if message is not None and message.kind == "preview":
                if running and message.data.get("prompt_id", prompt_id) == prompt_id:
                    preview = _whole_image(message.preview)
                    if preview is not None:
                        yield PartialImage(preview, index)
                continue
            ours = message is not None and message.prompt_id == prompt_id
            if message is not None and ours:
                running = running or message.kind.startswith("execut")
                progress = watch.told(message)
                if progress is not None:
                    yield progress
            over = (
                ours
                and message is not None
                and (
                    message.kind
                    in ("execution_success", "execution_error", "execution_interrupted")
                    or (message.kind == "executing" and message.data.get("node") is None)
                )
            )
            if not over and time.monotonic() - asked < _LOOK_SECONDS:
                continue
            asked = time.monotonic()
            report = client.report(prompt_id)
            if report.state in ("done", "failed", "interrupted"):
                return report
            if report.state == "running":
                running = True
            elif report.state == "pending":
                waiting = client.queue()[1]
                if prompt_id in waiting:
                    ahead = waiting.index(prompt_id)
                    yield Progress(None, f"In the queue of {server.name}, {ahead} before it")
            misses = misses + 1 if report.state == "unknown" else 0
            if misses >= 3:
                # Neither in the queue nor in history while the connection stood.
                raise errors.cleared(server.label)

    def _back(
        self, client: ComfyClient, client_id: str, prompt_id: str, cancel: CancelToken
    ) -> Listener | NoListener:
        """Connected again after the connection broke. Raises ServerGone if it does not come back
        in time, or comes back without the job: then it was restarted."""
        ends = time.monotonic() + _BACK_WITHIN
        while True:
            problem: ServerGone
            try:
                listener = client.listen(client_id)
                try:
                    known = client.report(prompt_id).state != "unknown"
                except BaseException:
                    listener.close()
                    raise
                if known:
                    return listener
                listener.close()
                raise errors.ServerGone(
                    f"{client.label} was restarted, without its queue.",
                    action="Generate again.",
                )
            except ServerGone as error:
                problem = error
            if time.monotonic() > ends or "was restarted" in problem.what:
                raise problem.with_traceback(None)
            if cancel.wait(0.5):
                cancel.check()

    def _withdraw(self, server: Server, prompt_id: str, connect_timeout: float = 2.0) -> None:
        """Best effort: what is cancelled here, or was given to another, is not made there."""
        with contextlib.suppress(GenAIError):
            brief = BriefToken(FAREWELL_SECONDS)
            client = ComfyClient(
                server.where, server.label, brief, self._settings.online_access, 3.0
            )
            with client:
                client.withdraw(prompt_id)

    # ---- what comes back ----------------------------------------------------------------------

    def _results(
        self,
        client: ComfyClient,
        server: Server,
        call: ProviderCall,
        report: JobReport,
        graph: Mapping[str, Any],
        cached: frozenset[str] | set[str],
        index: int,
        seed: int,
    ) -> Iterator[Event]:
        if report.state == "interrupted":
            raise errors.interrupted(server.label)
        if report.state == "failed":
            raise errors.failed(server.label, report.error, call.workflow.titles)
        found, kinds = outputs_of(report.outputs)
        if not found:
            if not kinds and _ends(graph) <= cached:
                raise errors.all_cached(server.label)
            raise errors.no_images(server.label, kinds)
        # All of them before any is given out: where the server dies in between, the whole job is
        # made elsewhere, and none comes twice.
        taken = [(data, self._opened(server, data)) for data in map(client.output, found)]
        for number, (data, info) in enumerate(taken):
            yield Result(
                data,
                info.mime,
                info.width,
                info.height,
                index + number,
                seed=seed,
                prompt_sent=call.prompt,
                sent={f"{name}{images.probe(sent).suffix}": sent for name, sent in _kept(call)},
                info={
                    "provider": "ComfyUI",
                    "server": server.name,
                    "model": call.model.name or call.model.id,
                    "workflow": json.loads(json.dumps(graph)),
                    **({"negative": call.negative} if call.negative else {}),
                },
                cost_usd=0.0,
            )

    def _opened(self, server: Server, data: bytes) -> images.ImageInfo:
        try:
            images.verify(data, "The image")
            return images.probe(data)
        except ImageError:
            problem = http_errors.bad_answer(
                server.label, "What it made cannot be opened as an image.", "Generate again."
            )
        raise problem

    def _client(
        self, server: Server, cancel: CancelToken, read_timeout: float = READ_TIMEOUT
    ) -> ComfyClient:
        online_access = self._settings.online_access
        return ComfyClient(server.where, server.label, cancel, online_access, read_timeout)


def _ends(graph: Mapping[str, Any]) -> set[str]:
    """The nodes whose outputs no other node takes: those that save, above all."""
    taken = {
        str(value[0])
        for node in graph.values()
        for value in node.get("inputs", {}).values()
        if isinstance(value, list) and value
    }
    return set(graph) - taken


def _kept(call: ProviderCall) -> list[tuple[str, bytes]]:
    """What History keeps of what was sent."""
    return [
        ("canvas" if name == "color" and call.request.canvas is not None else name, data)
        for name, data in call.files.items()
    ]


def _files(workflow: Workflow, model: Model, request: RenderRequest) -> dict[str, bytes]:
    """The images that the workflow takes and the request has, encoded for it."""
    files: dict[str, bytes] = {}
    canvas = request.canvas
    if canvas is not None and request.kind == "render":
        if workflow.takes("color"):
            files["color"] = encoded(view_guide(canvas))
        if canvas.depth_range() is not None:
            if workflow.takes("depth"):
                files["depth"] = encoded(depth_guide(canvas))
            if workflow.takes("normal"):
                flip = bool(model.extra.get("normal_red_left", True))
                files["normal"] = encoded(normal_guide(canvas, flip))
    if request.source is not None:
        name = "source" if workflow.takes("source") else "color"
        if workflow.takes(name):
            files[name] = request.source
        if request.mask is not None:
            if not workflow.takes("mask"):
                raise InvalidInput(
                    f"{model.label} has no place for a mask.",
                    action="Choose an inpainting workflow, or remove the mask.",
                )
            # As Load Image reads it: what is transparent is what may change.
            files["mask"] = mask.soft(request.mask)
        if request.markup is not None:
            raise InvalidInput(
                f"{model.label} cannot read marks.", action="Draw a mask, or choose another model."
            )
    for number, reference in enumerate(request.references, start=1):
        name = f"reference_{number}"
        if workflow.takes(name):
            files[name] = reference.data
        elif number == 1 and canvas is None and workflow.takes("color") and not request.source:
            files["color"] = reference.data
        else:
            raise InvalidInput(
                f"{model.label} has no place for {LABELS[name]}.",
                action="Remove it, or choose another workflow.",
            )
    return files


def _role(name: str, request: RenderRequest) -> Any:
    if name.startswith("reference"):
        return request.references[int(name[-1]) - 1].role
    return {"color": "source" if request.source else "canvas"}.get(name, name)


def _whole_image(data: bytes) -> bytes | None:
    try:
        images.probe(data)
    except ImageError:
        return None
    return data


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
