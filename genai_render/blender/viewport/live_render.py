# SPDX-License-Identifier: GPL-3.0-or-later
"""Live render: a picture that follows the view.

With the offline engine, quick pictures come while the view is turned, and a finished one when it
rests. With any other model one request at a time goes out when the view has come to rest, through
the same door as a press of Generate, and no more a minute than the preferences allow.

Only the drawing by the graphics card is done on the main thread, for a part of its time, so that
the viewport stays as smooth as it is.
"""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false
from __future__ import annotations

import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import bpy

from ...core import framing, lazy
from ...core.errors import GenAIError
from .. import addon, background, catalog, redraw, scene_changes
from ..capture import camera, viewport, viewport_frame
from ..jobs import generating, request_builder, session
from ..settings import scene_settings, window_state
from ..translation import translated
from . import draw_handlers, drawing, drawn_color, overlay, viewport_rest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...backends.offline import LivePictures
    from ...core.framing import Size
    from ...core.preflight import Prepared
    from ...core.request import RenderRequest
    from ...core.view.canvas import View
    from ..capture.viewport import Drawn, Geometry
    from ..capture.viewport_frame import Frame
    from ..jobs.work import Place
    from .drawing import Rectangle
else:
    np = lazy.module("numpy")

LOOK_SECONDS = 0.02
DRAFT_SIDE = 512  # pixels on the longer side while the view moves
LARGEST_SIDE = 1024  # and when it rests
REST_SECONDS = 0.15  # without a change, for the offline engine
SEND_SECONDS = 0.6  # and before something is sent
SHARE = 0.35  # of the main thread's time, at most
_MINUTE = 60.0
_AT_WORK = 2  # quick pictures: the next view is drawn while the one before it becomes a picture


class LiveRender:
    """What follows one viewport.

    made: how many pictures so far. draft_size: of the quick ones. message: why there are none.
    undrawn: the region that is being drawn and has not got its picture yet.
    """

    def __init__(self) -> None:
        self.place: Place | None = None
        self.made = 0
        self.message = ""
        self.draft_size = (0, 0)
        self.undrawn = 0
        self._timer = self._tick  # one object: Blender knows a timer by its address
        self._forget()

    def _forget(self) -> None:
        self._floats: NDArray[np.float32] | None = None
        self._texture: Any = None
        self._box: Rectangle | None = None
        self._geometry: tuple[Any, Geometry] | None = None
        self._pictures: tuple[RenderRequest, LivePictures] | None = None
        self._seen: Any = None
        self._since = self._not_before = 0.0
        self._drafted = self._finished = None
        self._busy = 0
        self._sent: tuple[str, RenderRequest] | None = None
        self._job = 0
        self._spent: deque[tuple[float, float]] = deque()
        self._made_at: deque[float] = deque(maxlen=20)

    # --- on and off ------------------------------------------------------------------------------

    @property
    def is_on(self) -> bool:
        return self.place is not None

    def start(self, context: bpy.types.Context) -> None:
        """Follow the viewport of the context."""
        self.stop()
        self.place = generating.place_of(context)
        if self.place is not None:
            overlay.hide()
            bpy.app.timers.register(self._timer, first_interval=LOOK_SECONDS, persistent=True)

    def stop(self) -> None:
        self.place = None
        self.message = ""
        self._forget()
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        redraw.viewports()

    def close(self) -> None:
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        self.place = None

    @property
    def rate(self) -> float:
        """Pictures a second, of the last ones."""
        times = self._made_at
        if len(times) < 2 or time.perf_counter() - times[-1] > 1:
            return 0.0
        return (len(times) - 1) / max(times[-1] - times[0], 1e-3)

    # --- following the view ----------------------------------------------------------------------

    def _tick(self) -> float | None:
        """The timer."""
        if self.place is None:
            return None
        background.take()
        # A window or screen may go away this very moment; there is a next time.
        with contextlib.suppress(ReferenceError):
            found = _find(self.place)
            if found is None:
                window_state.window().live_render = False  # its viewport was closed
                return None
            window, area, region = found
            with bpy.context.temp_override(window=window, area=area, region=region):
                self._look(bpy.context, area, region, area.spaces.active)
        return LOOK_SECONDS

    def _look(self, context: Any, area: Any, region: Any, space: Any) -> None:
        if not scene_settings.settings(context).use_canvas:
            self._say("Live render shows the view: switch the canvas on.")
            return
        prepared = request_builder.prepared(context)
        if prepared.problem is not None:
            self._say(prepared.problem.text)
            return
        assert prepared.request is not None
        assert prepared.model is not None
        now = time.perf_counter()
        seen = (_view(context, area, region, space), scene_changes.count(), prepared.request)
        if seen != self._seen:
            self._seen, self._since = seen, now
        if prepared.model.backend == "offline":
            self._follow(context, area, region, space, prepared, now)
        elif now - self._since >= SEND_SECONDS:
            self._send(context, area, region, space, prepared, now)

    def _say(self, message: str) -> None:
        if message != self.message:
            self.message = message
            redraw.sidebars()

    # --- the offline engine ----------------------------------------------------------------------

    def _follow(
        self, context: Any, area: Any, region: Any, space: Any, prepared: Prepared, now: float
    ) -> None:
        self._say("")
        rests = now - self._since >= REST_SECONDS
        if self._busy >= (1 if rests else _AT_WORK) or now < self._not_before:
            return
        if self._finished == self._seen:
            return
        if self._drafted == self._seen and not rests:
            return
        assert prepared.request is not None
        frame = viewport_frame.frame(
            context, area, region, space, scene_settings.settings(context).aspect
        )
        draft = not rests
        size = _size(frame, DRAFT_SIDE if draft else LARGEST_SIDE)
        if draft:
            self._drafted = self._seen
            self.draft_size = (size.width, size.height)
        elif viewport.is_drawn_by_eevee(context, space):
            mode = viewport_rest.mode_of(context.scene, space)
            if not viewport_rest.has_finished(region, mode, REST_SECONDS):
                return
            self._read(region, prepared.request, size)
            return
        else:
            self._finished = self._seen
        drawn = self._draw(context, space, region, frame, size)
        if drawn is not None:
            self._make(
                prepared.request, drawn, camera.unit_metres(context.scene), draft, _box(frame)
            )

    def _draw(self, context: Any, space: Any, region: Any, frame: Frame, size: Size) -> Any:
        """What the graphics card gives of the view, as in Solid mode where EEVEE would draw it."""
        began = time.perf_counter()
        elsewhere = viewport.is_rendered_elsewhere(context, space)
        color = not (elsewhere or viewport.is_drawn_by_eevee(context, space))
        try:
            geometry = self._known_geometry(context, space)
            drawn = viewport.draw(
                context, space, region, frame, size, color=color, geometry=geometry
            )
        except GenAIError as error:
            self._say(error.text)
            return None
        if not color:
            drawn.view = _drawn_by(drawn.view, "SOLID")
        ended = time.perf_counter()
        self._not_before = ended + (ended - began) * (1 / SHARE - 1)
        return drawn

    def _known_geometry(self, context: Any, space: Any) -> Geometry:
        of = (scene_changes.count(), context.view_layer.as_pointer(), space.as_pointer())
        if self._geometry is None or self._geometry[0] != of:
            self._geometry = of, viewport.Geometry(context, space)
        return self._geometry[1]

    def _read(self, region: Any, request: RenderRequest, size: Size) -> None:
        """The finished picture of a view that EEVEE draws: with the colors that it has drawn."""
        wanted = self._finished = self._seen
        self._busy += 1

        def frame(context: Any) -> Frame | None:
            here = context.area, context.region, context.space_data
            aspect = scene_settings.settings(context).aspect
            if wanted is None or _view(context, *here) != wanted[0]:
                return None
            return viewport_frame.frame(context, *here, aspect)

        def missed() -> None:
            self._busy -= 1
            self._finished = None

        def take(colors: NDArray[np.uint8]) -> None:
            self._busy -= 1
            found = None if self.place is None else _find(self.place)
            if found is None or self._seen != wanted:
                self._finished = None
                return
            window, area, own = found
            with bpy.context.temp_override(window=window, area=area, region=own):
                context, space = bpy.context, area.spaces.active
                aspect = scene_settings.settings(context).aspect
                seen = viewport_frame.frame(context, area, own, space, aspect)
                shown = framing.Size(colors.shape[1], colors.shape[0])
                drawn = self._draw(context, space, own, seen, shown)
            if drawn is not None:
                drawn.color = np.ascontiguousarray(colors[::-1])
                drawn.view = _drawn_by(drawn.view, space.shading.type)
                metres = camera.unit_metres(context.scene)
                self._make(request, drawn, metres, False, _box(seen))

        drawn_color.read(region, frame, lambda _: size, take, missed)

    def _make(
        self, request: RenderRequest, drawn: Drawn, metres: float, draft: bool, box: Rectangle
    ) -> None:
        place = self.place
        if self._pictures is None or self._pictures[0] != request:
            from ...backends.offline import LivePictures

            try:
                self._pictures = request, LivePictures(request, catalog.catalog())
            except GenAIError as error:
                self._say(error.text)
                return
        pictures = self._pictures[1]
        self._busy += 1
        background.run(
            lambda: _picture(pictures, drawn, metres, draft),
            lambda made: self._take(made, box, place),
            lane="live render",
        )

    def _take(
        self, made: NDArray[np.float32] | GenAIError, box: Rectangle, place: Place | None
    ) -> None:
        if place is None or place is not self.place:
            return  # it was switched off meanwhile
        self._busy -= 1
        if isinstance(made, GenAIError):
            self._say(made.text)
            return
        self._floats, self._texture, self._box = made, None, box
        self.made += 1
        self._made_at.append(time.perf_counter())
        found = _find(place)
        if found is not None:
            found[2].tag_redraw()

    # --- any other model -------------------------------------------------------------------------

    def _send(
        self, context: Any, area: Any, region: Any, space: Any, prepared: Prepared, now: float
    ) -> None:
        """One request at a time; what was asked for meanwhile is not, only the newest view is."""
        current = session.session()
        if self._finished == self._seen or any(w.job.id == self._job for w in current.works()):
            return
        limit = _limit_per_minute()
        while self._spent and now - self._spent[0][0] > _MINUTE:
            self._spent.popleft()
        usd = prepared.estimate.usd
        if usd is None:
            self._say("Live render does not use a model whose price is unknown.")
            return
        if usd and sum(cost for _, cost in self._spent) + usd > limit:
            self._say(f"Live render waits: more than ${limit:.2f} a minute is not spent.")
            return
        # Our own pictures are in the scene, too: only what is seen decides, not that it changed.
        frame = viewport_frame.frame(
            context, area, region, space, scene_settings.settings(context).aspect
        )
        drawn = self._draw(context, space, region, frame, _size(frame, DRAFT_SIDE // 2))
        self._finished = self._seen
        if drawn is None:
            return
        what = _digest(drawn)
        assert prepared.request is not None
        if self._sent == (what, prepared.request):
            return
        self._say("")
        try:
            self._job = generating.generate(context).job.id
        except GenAIError as error:
            self._say(error.text)
            return
        self._sent = what, prepared.request
        self._spent.append((now, usd))
        self.made += 1

    # --- drawing ---------------------------------------------------------------------------------

    def is_here(self, context: bpy.types.Context) -> bool:
        region, place = context.region, self.place
        if place is None or region is None or self._floats is None or overlay.is_here(context):
            return False
        scene = context.scene
        same_scene = scene is not None and place.scene == scene.session_uid
        return same_scene and region.as_pointer() == place.region and context.mode == "OBJECT"

    def draw(self, context: bpy.types.Context) -> None:
        import gpu

        floats, box = self._floats, self._box
        if floats is None or box is None:
            return
        if self._texture is None:
            height, width = floats.shape[:2]
            data = gpu.types.Buffer("FLOAT", floats.size, floats.ravel())
            self._texture = gpu.types.GPUTexture((width, height), format="RGBA8", data=data)
        state = window_state.window(context)
        drawing.picture(self._texture, box, state.wipe, state.opacity)
        drawing.outline(box, (0.0, 0.0, 0.0, 0.5))
        words = translated("Live")
        if self.rate >= 1:
            words += f" · {self.rate:.0f}/s"
        drawing.label(max(box[0], 0) + 8, max(box[1], 0) + 8, words)


def live() -> LiveRender:
    return addon.state(LiveRender)


def toggled(context: bpy.types.Context) -> None:
    """The switch in the panel was pressed."""
    wanted = window_state.window(context).live_render
    if wanted:
        live().start(context)
    elif addon.existing(LiveRender) is not None:
        live().stop()


def _picture(
    pictures: LivePictures, drawn: Drawn, metres: float, draft: bool
) -> NDArray[np.float32] | GenAIError:
    """In the background: (H, W, 4), row 0 at the bottom."""
    try:
        pixels = pictures.picture(viewport.to_canvas(drawn, metres=metres), draft)
    except GenAIError as error:
        return error
    floats = np.ones((*pixels.shape[:2], 4), np.float32)
    np.divide(pixels[::-1], np.float32(255), out=floats[..., :3])
    return floats


def _drawn_by(view: View, engine: str) -> View:
    from dataclasses import replace  # not needed to start

    return replace(view, engine=engine)


def _digest(drawn: Drawn) -> str:
    import hashlib  # not needed to start

    return hashlib.sha256(drawn.depth.tobytes() + drawn.color.tobytes()).hexdigest()


def _limit_per_minute() -> float:
    """US dollars."""
    prefs = addon.preferences()
    return 0.0 if prefs is None else prefs.live_limit


def _find(place: Place) -> tuple[Any, Any, Any] | None:
    """The window, area and region of a viewport, if they are still there."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            space = area.spaces.active
            if area.type != "VIEW_3D" or space is None or space.as_pointer() != place.space:
                continue
            regions = [one for one in area.regions if one.type == "WINDOW"]
            own = next((one for one in regions if one.as_pointer() == place.region), regions[-1])
            return window, area, own
    return None


def _view(context: Any, area: Any, region: Any, space: Any) -> tuple[Any, ...]:
    rv3d = viewport_frame.region_data(space, area, region)
    shading = space.shading
    return (
        tuple(round(value, 5) for row in rv3d.perspective_matrix for value in row),
        *(region.width, region.height, rv3d.view_perspective, context.scene.frame_current),
        *(shading.type, shading.light, shading.color_type),
        scene_settings.settings(context).aspect,
    )


def _size(frame: Frame, longest: int) -> Size:
    """At most so many pixels on the longer side, and no more than the screen has."""
    shrink = min(1.0, longest / max(frame.width, frame.height))
    return framing.Size(max(16, round(frame.width * shrink)), max(16, round(frame.height * shrink)))


def _box(frame: Frame) -> Rectangle:
    return frame.x, frame.y, frame.x + frame.width, frame.y + frame.height


def _after_scene() -> None:
    known = addon.existing(LiveRender)
    if known is not None:
        region = bpy.context.region
        here = region is not None and known.is_here(bpy.context)
        known.undrawn = region.as_pointer() if here and region is not None else 0


def draw_picture() -> None:
    """Draw it over the region that is being drawn, once each time."""
    known, region = addon.existing(LiveRender), bpy.context.region
    if known is None or region is None or not known.undrawn:
        return
    if known.undrawn == region.as_pointer():
        known.undrawn = 0
        with drawing.pixels(region):
            known.draw(bpy.context)


def message() -> str:
    """Why no picture comes, where it is on; else ""."""
    known = addon.existing(LiveRender)
    return "" if known is None else known.message


def is_here(context: bpy.types.Context) -> bool:
    known = addon.existing(LiveRender)
    return known is not None and known.is_here(context)


@bpy.app.handlers.persistent
def _before_load(*_: object) -> None:
    known = addon.existing(LiveRender)
    if known is not None:
        known.stop()


def register() -> None:
    if bpy.app.background:
        return
    addon.state(window_state.LiveSwitch).told = toggled
    draw_handlers.add(_after_scene, "POST_VIEW")
    draw_handlers.add(draw_picture, "POST_PIXEL")
    bpy.app.handlers.load_pre.append(_before_load)


def unregister() -> None:
    if _before_load in bpy.app.handlers.load_pre:
        bpy.app.handlers.load_pre.remove(_before_load)
