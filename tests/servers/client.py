# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests ask of a backend: to be run whole, to be cancelled in the middle, to leave nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from genai_render.backends.base import Backend
from genai_render.core.errors import GenAIError
from genai_render.core.events import (
    CancelToken,
    Event,
    Failed,
    Notice,
    PartialImage,
    Progress,
    Result,
)
from genai_render.core.image import images
from genai_render.core.request import RenderRequest
from genai_render.core.view.canvas import Canvas, View

PATIENCE = 20.0
"""Seconds after which a test gives up on what should long have ended."""


@dataclass
class Run:
    """Everything that a backend told, and how it ended."""

    events: list[Event] = field(default_factory=list)
    error: GenAIError | None = None

    @property
    def results(self) -> list[Result]:
        return [event for event in self.events if isinstance(event, Result)]

    @property
    def partials(self) -> list[PartialImage]:
        return [event for event in self.events if isinstance(event, PartialImage)]

    @property
    def failed(self) -> list[Failed]:
        return [event for event in self.events if isinstance(event, Failed)]

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]

    @property
    def progress(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Progress)]


def run(backend: Backend, request: RenderRequest, cancel: CancelToken | None = None) -> Run:
    made = Run()
    try:
        for event in backend.run(request, cancel or CancelToken()):
            made.events.append(event)
    except GenAIError as error:
        made.error = error
    return made


def run_and_cancel(
    backend: Backend, request: RenderRequest, when: Callable[[Run], bool] | threading.Event
) -> Run:
    """Run in a thread of its own and cancel, when an event is set or `when` says so of what has
    been told. Fails if the thread does not end."""
    made, cancel = Run(), CancelToken()

    def work() -> None:
        try:
            for event in backend.run(request, cancel):
                made.events.append(event)
        except GenAIError as error:
            made.error = error

    thread = threading.Thread(target=work)
    thread.start()
    if isinstance(when, threading.Event):
        assert when.wait(PATIENCE)
    else:
        moment = threading.Event()
        for _ in range(int(PATIENCE / 0.01)):
            if when(made) or not thread.is_alive():
                break
            moment.wait(0.01)
    cancel.cancel()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "it went on after the cancel"
    return made


def our_threads() -> list[str]:
    """The names of the threads that genai_render has started and that still run."""
    return [t.name for t in threading.enumerate() if t.name.startswith("genai-")]


def canvas(width: int = 96, height: int = 64) -> Canvas:
    """A slope with a block in front, nothing above."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    depth = (4 + rows / height).astype(np.float32)
    depth[height // 3 :, width // 3 : width // 2] = 2.5
    depth[: height // 6] = np.inf
    covered = np.isfinite(depth)
    color = np.zeros((height, width, 4), np.uint8)
    color[..., 0] = np.where(covered, (columns * 2).astype(np.uint8), 0)
    color[..., 1] = np.where(covered, 120, 0)
    color[..., 3] = np.where(covered, 255, 0)
    normal = np.zeros((height, width, 3), np.float32)
    normal[covered] = (0.0, 0.6, 0.8)
    return Canvas(color, depth, normal, View(width, height))


def image(width: int = 40, height: int = 30, kind: str = "png", tone: int = 100) -> bytes:
    pixels = np.full((height, width, 3), tone, np.uint8)
    pixels[: height // 2] = 200
    return images.encode(pixels, kind)  # pyright: ignore[reportArgumentType]


def layer(width: int, height: int, clear: bool = True) -> bytes:
    """A PNG that is transparent in its middle (a mask) or around it (marks)."""
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[..., 0] = 255
    alpha = pixels[..., 3]
    alpha[:] = 255 if clear else 0
    alpha[height // 4 : height // 2, width // 4 : width // 2] = 0 if clear else 255
    return images.encode_png(pixels)
