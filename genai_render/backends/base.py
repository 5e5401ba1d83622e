# SPDX-License-Identifier: GPL-3.0-or-later
"""What a render backend is, and a row for each: whatever lists backends reads the rows."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeVar

from ..core.errors import GenAIError, NotFound
from .http import errors as http_errors

if TYPE_CHECKING:
    from ..core.events import CancelToken, Event, Result
    from ..core.models.model_lists import Listed
    from ..core.request import RenderRequest
    from .http.settings import BackendSettings

T = TypeVar("T")

BackendKind = Literal["offline", "cloud", "compatible", "self-hosted"]


class Backend(Protocol):
    """Turns a request into events. Knows no Blender; may block: it runs in a worker thread.

    `run` yields Progress, PartialImage and Notice as they come, and a Result for each image.
    It raises a GenAIError where the whole job failed, and yields Failed(error, index) where one
    image of several did. It calls `cancel.check()` at least every half second of work.

    `check` asks whether everything can be reached and takes the key, which costs nothing, and
    gives a sentence for the user. `model_names` lists what can be chosen there, by the names that
    are used there; `model_list` is the same with what is told of each. All raise what `run` would;
    endpoint: which of the connections, where a backend has several; "" for all of them, or its
    only one.
    """

    def run(self, request: RenderRequest, cancel: CancelToken) -> Iterator[Event]: ...

    def check(self, cancel: CancelToken, endpoint: str = "") -> str: ...

    def model_names(self, cancel: CancelToken, endpoint: str = "") -> list[str]: ...

    def model_list(self, cancel: CancelToken, endpoint: str = "") -> list[Listed]: ...


class BackendInfo(NamedTuple):
    """One row. id: as the models name it.

    kind: "offline" needs no network; "cloud" has a provider of its own by its id; "compatible"
        speaks a dialect that many providers and servers speak; "self-hosted" finds the user's own
        servers in the settings.
    module, class_name: imported when first used, so that an SDK is never loaded in vain. Even
        these modules load theirs only in `run`, in the worker.
    usual_address: where such a server is if nobody says otherwise.
    variable: of the environment, with the addresses of such servers, commas in between.
    batches: the module with its `Batches` (see `batch_endpoint`); "" where it has none.
    """

    id: str
    label: str
    kind: BackendKind
    module: str
    class_name: str
    description: str = ""
    usual_address: str = ""
    variable: str = ""
    batches: str = ""

    @property
    def connects(self) -> bool:
        """Whether it has a key and a connection of its own in the preferences."""
        return self.kind in ("cloud", "compatible")


BACKENDS: dict[str, BackendInfo] = {
    row.id: row
    for row in (
        BackendInfo("offline", "Offline", "offline", ".offline", "OfflineBackend"),
        BackendInfo(
            *("openai", "OpenAI", "cloud", ".cloud.openai", "OpenAIBackend"),
            batches=".cloud.openai_batches",
        ),
        BackendInfo(
            *("gemini", "Google Gemini", "cloud", ".cloud.gemini", "GeminiBackend"),
            batches=".cloud.gemini_batches",
        ),
        BackendInfo(
            "compatible",
            "Compatible Server",
            "compatible",
            ".cloud.compatible",
            "CompatibleBackend",
            "OpenAI's image API: LocalAI, vLLM, SGLang, a gateway and others",
            "http://127.0.0.1:8080/v1",
        ),
        BackendInfo(
            "json",
            "JSON Provider",
            "compatible",
            ".cloud.json_dialect",
            "JsonBackend",
            "A provider whose table says what is sent as JSON and what comes back",
        ),
        BackendInfo(
            "fal",
            "fal",
            "compatible",
            ".cloud.fal",
            "FalBackend",
            "A queue, and for each of its models a schema that says what it takes",
        ),
        BackendInfo(
            "comfyui",
            "ComfyUI",
            "self-hosted",
            ".self_hosted.comfyui.backend",
            "ComfyUIBackend",
            "Workflows, also your own",
            "http://127.0.0.1:8188",
            "GENAI_RENDER_COMFYUI",
        ),
        BackendInfo(
            "a1111",
            "A1111",
            "self-hosted",
            ".self_hosted.a1111",
            "A1111Backend",
            "Stable Diffusion web UI, Forge or SD.Next, started with --api",
            "http://127.0.0.1:7860",
            "GENAI_RENDER_A1111",
        ),
        BackendInfo(
            "model3d",
            "3D Server",
            "self-hosted",
            ".self_hosted.model_server",
            "ModelServerBackend",
            "Hunyuan3D's api_server.py, or one that speaks as it does: 3D models of an image",
            "http://127.0.0.1:8081",
            "GENAI_RENDER_MODEL3D",
        ),
    )
}


def of_kind(*kinds: BackendKind) -> tuple[BackendInfo, ...]:
    """The rows of these kinds, in their order."""
    return tuple(row for row in BACKENDS.values() if row.kind in kinds)


def backend_info(name: str) -> BackendInfo:
    """Raises NotFound."""
    if name not in BACKENDS:
        raise NotFound(
            f'There is no render backend called "{name}".', action=f"Known: {', '.join(BACKENDS)}."
        )
    return BACKENDS[name]


def create_backend(name: str, settings: BackendSettings | None = None) -> Backend:
    """The backend of that name, as models.toml names it. Raises NotFound.

    settings: where to connect, and the catalogue; without them, the environment and the one that
    ships.
    """
    row = backend_info(name)
    made = getattr(importlib.import_module(row.module, __package__), row.class_name)(settings)
    return _Guarded(made, row, settings) if row.kind != "offline" else made


def check_ready(
    name: str,
    settings: BackendSettings,
    request: RenderRequest,
    cancel: CancelToken,
    canvas_comes: bool = False,
) -> None:
    """Raises what is known to stand against a request before its view is captured: what a server
    lacks for it, that none is there. For a worker thread or the command line.

    canvas_comes: a view will be added to the request.
    """
    backend = create_backend(name, settings)
    if isinstance(backend, _Guarded):
        backend.ready(request, cancel, canvas_comes)


class _Guarded:
    """A backend that gets the user's images as they may leave this computer (`plain_images`), and
    whose results keep those that are not the user's own files, as they were sent.

    What nobody foresaw of a server's answer is turned into BadAnswer. Memory that runs out stays
    MemoryError: the queue has words of its own for that. Nor is it said of the user's own servers
    that they may have charged something.
    """

    def __init__(self, backend: Backend, row: BackendInfo, settings: BackendSettings | None):
        self._backend = backend
        self._row = row
        self._settings = settings
        self._own = row.kind == "self-hosted"

    def run(self, request: RenderRequest, cancel: CancelToken) -> Iterator[Event]:
        from ..core.events import Failed, Result
        from ..core.plain_images import sendable

        self._own = self._own or self._typed(lambda: self._is_own_server(request), cancel)
        sent = self._typed(lambda: sendable(request), cancel)
        events = self._typed(lambda: self._backend.run(sent, cancel), cancel)
        try:
            while True:
                event = self._typed(lambda: next(events, None), cancel)
                if event is None:
                    return
                if isinstance(event, Result):
                    event = without_own_files(event, request)
                elif isinstance(event, Failed) and self._own:
                    http_errors.without_charge(event.error)
                yield event
        finally:
            close: Callable[[], None] | None = getattr(events, "close", None)
            if close is not None:
                close()

    def ready(self, request: RenderRequest, cancel: CancelToken, canvas_comes: bool) -> None:
        look = getattr(self._backend, "ready", None)
        if look is not None:
            from ..core.plain_images import sendable

            self._typed(lambda: look(sendable(request), cancel, canvas_comes), cancel)

    def check(self, cancel: CancelToken, endpoint: str = "") -> str:
        return self._typed(lambda: self._backend.check(cancel, endpoint), cancel)

    def model_names(self, cancel: CancelToken, endpoint: str = "") -> list[str]:
        return self._typed(lambda: self._backend.model_names(cancel, endpoint), cancel)

    def model_list(self, cancel: CancelToken, endpoint: str = "") -> list[Listed]:
        return self._typed(lambda: self._backend.model_list(cancel, endpoint), cancel)

    def _typed(self, call: Callable[[], T], cancel: CancelToken) -> T:
        problem: GenAIError
        try:
            return call()
        except GenAIError as error:
            if self._own:
                http_errors.without_charge(error)
            raise
        except MemoryError:
            raise
        except Exception as failure:
            problem = http_errors.unexpected(self._row.label, failure)
        cancel.check()
        raise http_errors.without_charge(problem) if self._own else problem

    def _is_own_server(self, request: RenderRequest) -> bool:
        """One with a cloud's dialect that no provider's table stands for, and that is near."""
        from urllib.parse import urlsplit  # not needed to start

        from .http import reach, settings

        if self._row.id != "compatible" or self._settings is None:
            return False
        model = self._settings.models().model(request.model)
        name = settings.endpoint_name(model)
        if name in self._settings.models().providers:
            return False
        base_url = str(model.extra.get("base_url", ""))
        host = urlsplit(self._settings.endpoint(name).base_url or base_url).hostname or ""
        return reach.reach_of_name(host) in (reach.Reach.HERE, reach.Reach.LOCAL)


def without_own_files(result: Result, request: RenderRequest) -> Result:
    """What was sent, but for what History keeps as the user's own anyway."""
    from dataclasses import replace

    own = [request.source, *(reference.data for reference in request.references)]
    return replace(
        result, sent={name: data for name, data in result.sent.items() if data not in own}
    )


def check_access(
    name: str, settings: BackendSettings, cancel: CancelToken, endpoint: str = ""
) -> str:
    """Ask a provider whether it can be reached and takes the key: a sentence for the user.

    Costs nothing but a moment; for a worker thread. endpoint: its name, where it is not the
    backend's own. Raises what `run` would.
    """
    return create_backend(name, settings).check(cancel, endpoint)
