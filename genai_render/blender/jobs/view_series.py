# SPDX-License-Identifier: GPL-3.0-or-later
"""An image carried into several views: each is captured between two redraws and sent off, so that
Blender can be used meanwhile, and the rest can be cancelled at any time.
"""

# Blender's stubs do not know what a context always has here.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import bpy

from ...core import log
from ...core.errors import GenAIError, SceneError
from ...core.jobs import Finished, JobEvent, Saved
from .. import addon
from ..capture import viewport_frame
from . import errands, listeners, session

if TYPE_CHECKING:
    from ...core.next_camera import Accepted
    from ...core.preflight import Prepared
    from ...core.request import RenderRequest
    from ...core.view.canvas import Canvas
    from ..capture import CaptureSpec
    from .work import Place

TICK_SECONDS = 0.1  # Blender draws and hears the user in between
_AHEAD = 2
_NEAREST = 3  # of the images before, that show most of the next view


@dataclass(slots=True, eq=False)
class Series:
    """One image and the views that it is carried into.

    in_order: each sees what those before it show, so that they agree.
    then: called with the items of History once all have come to their end; not if cancelled.
    """

    owner: session.Session
    scene: str
    accepted: Accepted
    prepared: Prepared
    todo: deque[CaptureSpec]
    place: Place | None
    in_order: bool
    then: Callable[[list[str]], object] | None
    errand: errands.Errand
    file: int
    whole: int
    waiting: dict[int, Canvas | None] = field(default_factory=dict)
    done: list[tuple[str, Canvas]] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return not self.todo and not self.waiting


class ViewSeries:
    """All series that are under way."""

    def __init__(self) -> None:
        self.those: list[Series] = []
        self._timer = self._tick  # one object: Blender knows a timer by its address
        listeners.listen(self._heard)

    def start(
        self,
        context: bpy.types.Context,
        accepted: Accepted,
        prepared: Prepared,
        views: Sequence[CaptureSpec],
        *,
        place: Place | None = None,
        in_order: bool = False,
        then: Callable[[list[str]], object] | None = None,
    ) -> None:
        """Raises what stands against all of it: a limit, a key that is missing."""
        current = session.session()
        current.gate.check(prepared, times=len(views))
        errand = errands.errands().begin("Capturing the views")
        series = Series(
            *(current, context.scene.name, accepted, prepared, deque(views), place),
            *(in_order, then, errand, current.file, len(views)),
        )
        self.those.append(series)
        if bpy.app.background:
            self._to_the_end(series)  # no timer ever comes
            return
        self._step(series)  # what is seen now, and not in a moment
        if not bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.register(self._timer, first_interval=TICK_SECONDS, persistent=True)

    def _to_the_end(self, series: Series) -> None:
        while series.todo or (series.waiting and (series.in_order or series.then is not None)):
            series.owner.follow()
            if not self._step(series):
                time.sleep(TICK_SECONDS / 2)
        self._finish_those_over()

    def _tick(self) -> float | None:
        for series in list(self.those):
            if self._step(series):
                break  # one view, and Blender is free again
        self._finish_those_over()
        return TICK_SECONDS if self.those else None

    def _step(self, series: Series) -> bool:
        """Whether a view was captured."""
        if session.opened() is not series.owner or series.owner.file != series.file:
            series.errand.cancel()  # opened anew, or another file
            if session.opened() is not series.owner:
                series.waiting.clear()
        if series.errand.cancelled:
            series.todo.clear()
            for job_id in series.waiting:
                series.owner.cancel(job_id)
        series.errand.share = 1 - (len(series.todo) + len(series.waiting)) / max(1, series.whole)
        ahead = 1 if series.in_order else _AHEAD
        if bpy.app.background and not series.in_order:
            ahead = series.whole
        if not series.todo or len(series.waiting) >= ahead:
            return False
        spec = series.todo.popleft()
        try:
            with _in_view(series.scene) as context:
                self._send(context, series, spec)
        except Exception as failure:
            error = failure if isinstance(failure, GenAIError) else log.internal_error(failure)
            series.owner.tell(error.text, True)
            if error.code in ("over_budget", "storage", "credentials"):
                series.todo.clear()  # it would be the same with all others
        return True

    def _send(self, context: bpy.types.Context, series: Series, spec: CaptureSpec) -> None:
        from ..capture import capture

        canvas = capture(context, spec)
        accepted, model, store = series.accepted, series.prepared.model, series.owner.store
        assert model is not None, "it was checked"
        before = nearest(series.done, canvas) if series.in_order else []

        def complete(planned: RenderRequest) -> RenderRequest:
            """In the worker."""
            from ...core import next_camera
            from ...core.image import images

            others = [(images.decode(store.image(id))[..., :3], seen) for id, seen in before]
            made = next_camera.request_for(accepted, model, canvas, others)
            return made.with_(width=planned.width, height=planned.height)

        work = series.owner.submit(
            series.prepared, series.place, said=series.prepared.notices, complete=complete
        )
        series.waiting[work.job.id] = canvas if series.in_order else None

    def _heard(self, work: Any, event: JobEvent) -> None:
        for series in self.those:
            if work.job.id not in series.waiting:
                continue
            if isinstance(event, Saved):
                canvas = series.waiting[work.job.id]
                if canvas is not None:
                    series.done.append((event.id, canvas))
            elif isinstance(event, Finished):
                del series.waiting[work.job.id]

    def _finish_those_over(self) -> None:
        for series in [one for one in self.those if one.over]:
            self.those.remove(series)
            errands.errands().end(series.errand)
            if series.then is not None and not series.errand.cancelled:
                series.then([id for id, _ in series.done])

    def close(self) -> None:
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        for series in self.those:
            series.errand.cancel()
        self.those.clear()


def view_series() -> ViewSeries:
    return addon.state(ViewSeries)


def nearest(done: Sequence[tuple[str, Canvas]], canvas: Canvas) -> list[tuple[str, Canvas]]:
    """Those whose cameras stand nearest to that of a view."""

    def away(one: tuple[str, Canvas]) -> float:
        return sum(
            (mine[3] - its[3]) ** 2
            for mine, its in zip(
                one[1].view.camera_to_world[:3], canvas.view.camera_to_world[:3], strict=True
            )
        )

    return sorted(done, key=away)[:_NEAREST]


@contextlib.contextmanager
def _in_view(name: str) -> Iterator[bpy.types.Context]:
    """The scene with a 3D Viewport, as an operator would have it. Raises SceneError."""
    scene = bpy.data.scenes.get(name)
    if scene is None:
        raise SceneError("The scene that this was started in is not there any more.")
    view = viewport_frame.find_view(bpy.context)
    if view is None:
        if not bpy.app.background:
            raise SceneError("There is no 3D Viewport to take the view from.", action="Open one.")
        yield bpy.context
        return
    area, region, _ = view
    windows = bpy.context.window_manager.windows
    window = next((one for one in windows if area in one.screen.areas[:]), None)
    layer = scene.view_layers[0]
    if window is not None and window.scene == scene:
        layer = window.view_layer
    with bpy.context.temp_override(
        window=window, area=area, region=region, scene=scene, view_layer=layer
    ):
        yield bpy.context
