# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the user's own servers have what a request needs: asked in the background, so that it
is known before a view is captured for it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bpy

from ...backends.base import check_ready
from ...backends.self_hosted import servers
from ...backends.self_hosted.errors import asking
from ...core import log
from ...core.errors import Cancelled, GenAIError
from ...core.events import CancelToken
from .. import addon, backend_settings, background, catalog, redraw

if TYPE_CHECKING:
    from ...core.models.catalog import Model
    from ...core.request import RenderRequest

_GOOD_SECONDS = 10.0  # how long it stands that nothing is missing
_BAD_SECONDS = 3.0  # and that something is: it may just have been put there
_KEPT = 32


@dataclass(frozen=True, slots=True)
class _Answer:
    problem: GenAIError | None
    when: float

    @property
    def is_old(self) -> bool:
        stands = _GOOD_SECONDS if self.problem is None else _BAD_SECONDS
        return time.monotonic() - self.when > stands


class ServerReadiness:
    """known: what the servers said last of each request, as far as it matters to them."""

    def __init__(self) -> None:
        self.known: dict[tuple[Any, ...], _Answer] = {}
        self._asked: dict[tuple[Any, ...], CancelToken] = {}
        # One object: Blender knows a timer by its address. Drawing the panel again asks again, if
        # the panel is seen.
        self._look_again = redraw.sidebars

    def problem(
        self, model: Model, request: RenderRequest, canvas_comes: bool
    ) -> GenAIError | None:
        which = _which(model, request, canvas_comes)
        known = self.known.get(which)
        if (known is None or known.is_old) and which not in self._asked:
            self._ask(which, model, request, canvas_comes)
        return asking(model.label) if known is None else known.problem

    def _ask(
        self, which: tuple[Any, ...], model: Model, request: RenderRequest, canvas_comes: bool
    ) -> None:
        for cancel in self._asked.values():
            cancel.cancel()  # what is set is another thing by now
        self._asked.clear()
        cancel = self._asked[which] = CancelToken()
        settings = backend_settings.for_model(catalog.catalog(), model)

        def work() -> GenAIError | None:
            try:
                check_ready(model.backend, settings, request, cancel, canvas_comes)
            except GenAIError as error:
                return error.with_traceback(None)
            except Exception as failure:  # the job itself will say what is wrong
                log.fault(f"Whether {model.label} is ready", failure)
            return None

        background.run(work, lambda problem: self._take(which, problem))

    def _take(self, which: tuple[Any, ...], problem: GenAIError | None) -> None:
        if isinstance(problem, Cancelled):
            return
        self._asked.pop(which, None)
        before = self.known.pop(which, None)
        if before is not None and str(before.problem) == str(problem):
            problem = before.problem  # the same object: nothing has to be looked at again
        self.known[which] = _Answer(problem, time.monotonic())
        while len(self.known) > _KEPT:
            del self.known[next(iter(self.known))]
        if before is None or before.problem is not problem:
            redraw.sidebars()
        if problem is not None and not bpy.app.timers.is_registered(self._look_again):
            bpy.app.timers.register(
                self._look_again, first_interval=_BAD_SECONDS + 0.1, persistent=True
            )

    def close(self) -> None:
        if bpy.app.timers.is_registered(self._look_again):
            bpy.app.timers.unregister(self._look_again)
        for cancel in self._asked.values():
            cancel.cancel()


def problem(model: Model, request: RenderRequest, canvas_comes: bool) -> GenAIError | None:
    """What stands against a request on the user's own servers; `asking` until they have answered
    for the first time. Never waits. Raises InvalidInput where a server is set up wrongly."""
    if model.backend not in servers.KINDS:
        return None
    return addon.state(ServerReadiness).problem(model, request, canvas_comes)


def _which(model: Model, request: RenderRequest, canvas_comes: bool) -> tuple[Any, ...]:
    """What of a request decides whether a server has all for it: numbers do not."""
    words = tuple(
        sorted(
            (name, value)
            for name, value in request.options.items()
            if isinstance(value, (str, bool))
        )
    )
    return (
        catalog.revision(),
        bpy.app.online_access,
        model.id,
        canvas_comes,
        len(request.references),
        request.kind,
        words,
    )
