# SPDX-License-Identifier: GPL-3.0-or-later
"""What a render backend is, and where each one is found."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Protocol

from ..core.errors import NotFound
from ..core.events import CancelToken, Event
from ..core.request import RenderRequest
from .http.settings import BackendSettings


class Backend(Protocol):
    """Turns a request into events. Knows no Blender; may block: it runs in a worker thread.

    `run` yields Progress, PartialImage and Notice as they come, and a Result for each image.
    It raises a GenAIError where the whole job failed, and yields Failed(error, index) where one
    image of several did. It calls `cancel.check()` at least every half second of work.
    """

    def run(self, request: RenderRequest, cancel: CancelToken) -> Iterator[Event]: ...


# name → (module, class): imported when first used, so that an SDK is never loaded in vain. Even
# these modules load theirs only in `run`, in the worker.
_BACKENDS: dict[str, tuple[str, str]] = {
    "offline": (".offline", "OfflineBackend"),
    "openai": (".cloud.openai", "OpenAIBackend"),
    "gemini": (".cloud.gemini", "GeminiBackend"),
    "compatible": (".cloud.compatible", "CompatibleBackend"),
    "comfyui": (".self_hosted.comfyui.backend", "ComfyUIBackend"),
    "a1111": (".self_hosted.a1111", "A1111Backend"),
}

# Those with a key and a connection of their own in the preferences.
CONNECTING = ("openai", "gemini", "compatible")

# Those that find the user's own servers in the settings, by kind.
_OWN_SERVERS = ("comfyui", "a1111")


def backend_names() -> tuple[str, ...]:
    return tuple(_BACKENDS)


def create_backend(name: str, settings: BackendSettings | None = None) -> Backend:
    """The backend of that name, as models.toml names it. Raises NotFound.

    settings: for those that use the network; without them, the environment decides.
    """
    try:
        module, attribute = _BACKENDS[name]
    except KeyError:
        raise NotFound(
            f'There is no render backend called "{name}".',
            action=f"Known: {', '.join(_BACKENDS)}.",
        ) from None
    kind = getattr(importlib.import_module(module, __package__), attribute)
    return kind(settings) if name in (*CONNECTING, *_OWN_SERVERS) else kind()


def check_access(
    name: str, settings: BackendSettings, cancel: CancelToken, profile: str = ""
) -> str:
    """Ask a provider whether it can be reached and takes the key: a sentence for the user.

    Costs nothing but a moment; for a worker thread. profile: the endpoint's name, where it is not
    the backend's own. Raises what `run` would.
    """
    backend = create_backend(name, settings)
    check = getattr(backend, "check", None)
    if check is None:
        return "Nothing needs to be reached."
    return check(cancel, profile or name)
