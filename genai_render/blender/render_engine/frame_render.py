# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame of a render: the canvas, the job, and what Blender gets of it.

Runs in the thread that Blender renders in, which is the main one only without a window. All that
touches Blender's data goes through `main_thread.call`.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...core.bounds import MAX_SEED
from ...core.errors import Cancelled, GenAIError, InvalidInput
from ...core.framing import Size
from ...core.image import images
from ...core.image.display_transform import linear_srgb
from .. import addon, backend_settings, catalog
from ..capture.camera import camera_aspect, region
from ..capture.planes import linear_from_rec709
from ..jobs import request_builder, session
from ..translation import translated
from . import main_thread, result_pixels
from .canvas_process import CanvasProcess
from .result_pixels import ResultPixels

if TYPE_CHECKING:
    from ...core.preflight import Prepared
    from ...core.view.canvas import Canvas
    from ..jobs.session import Work

_LOOK_SECONDS = 0.05
_CANVAS_SHARE = 0.3  # of the progress bar
_SECONDS_PER_LAYER = 0.2  # between two looks at an unfinished picture, at least


class CanvasProcesses:
    """The second Blender of the render that goes on, if one does."""

    def __init__(self) -> None:
        self.current: CanvasProcess | None = None

    def of(self, scene: bpy.types.Scene) -> CanvasProcess:
        """On the main thread."""
        if self.current is not None and self.current.scene != scene.name:
            self.close()
        if self.current is None:
            self.current = CanvasProcess(scene)
        return self.current

    def close(self) -> None:
        if self.current is not None:
            self.current.close()
            self.current = None


@dataclass(slots=True)
class _Captured:
    """What the worker leaves for the render. data: depth and normals at the render's own size."""

    canvas: Canvas | None = None
    data: Canvas | None = None


@dataclass(frozen=True, slots=True)
class _Frame:
    """What Blender asks for."""

    scene: str
    layer: str
    number: int
    subframe: float
    camera: str | None  # instead of the scene's


class FrameRender:
    """engine: Blender's RenderEngine, used in its own thread only."""

    def __init__(self, engine: Any, depsgraph: Any) -> None:
        scene = depsgraph.scene
        self._engine = engine
        self._frame = _Frame(
            scene.name,
            depsgraph.view_layer.name,
            scene.frame_current,
            scene.frame_subframe,
            None if engine.camera_override is None else engine.camera_override.name,
        )
        self._pixels: ResultPixels
        self._process: CanvasProcess
        self._stop = threading.Event()
        self._captured = _Captured()
        self._partial: bytes | None = None
        self._drawn_at = 0.0

    def run(self) -> None:
        """Raises a GenAIError that says why there is no picture."""
        self._engine.update_stats("", translated("Preparing"))
        work = self._on_main(self._start)
        try:
            self._follow(work)
        except BaseException:
            self._stop.set()
            current = session.opened()
            if current is not None:
                current.cancel(work.job.id)
            raise
        if work.job.error is not None and not work.job.saved:
            raise work.job.error
        self._engine.update_stats("", translated("Writing the Passes"))
        image = self._on_main(lambda: _read_image(work.job.saved[-1]))
        self._write(images.decode(image), self._process.inverse(self._break_asked))
        self._engine.update_progress(1.0)

    def _stopped(self) -> bool:
        """To be asked by any thread."""
        return self._stop.is_set()

    def _break_asked(self) -> bool:
        """Only in the render's thread."""
        if self._engine.test_break():
            self._stop.set()
        return self._stop.is_set()

    def _on_main(self, work: Callable[[], Any]) -> Any:
        return main_thread.call(work, self._break_asked)

    # --- on the main thread ----------------------------------------------------------------------

    def _start(self) -> Work:
        scene = bpy.data.scenes[self._frame.scene]
        layer = scene.view_layers[self._frame.layer]
        if scene.render.use_multiview:
            raise InvalidInput(
                "GenAI Render cannot render stereoscopic views.",
                "Each eye would get a picture of its own.",
                "Turn off Stereoscopy in the Output properties.",
            )
        self._pixels = _pixels(scene)
        with bpy.context.temp_override(scene=scene, view_layer=layer):
            prepared = _prepared(bpy.context, self._pixels.aspect)
        if prepared.problem is not None:
            raise prepared.problem
        model, request, size = prepared.model, prepared.request, prepared.canvas_size
        assert model is not None
        assert request is not None
        assert size is not None
        if bpy.app.background:
            # Nobody is there who could be asked for a key: find out now, whatever it takes.
            backend_settings.check_access(catalog.catalog(), model, wait=True)
        self._process = addon.state(CanvasProcesses).of(scene)
        blend = bpy.path.basename(bpy.data.filepath)

        def to_canvas() -> Canvas:
            """In the worker."""
            self._captured.canvas = self._capture(size, blend, mode=request.mode)
            wanted = self._pixels.data_size()
            self._captured.data = self._captured.canvas
            if wanted != size:
                self._captured.data = self._capture(
                    wanted, blend, mode="fast", samples=1, engine="CYCLES"
                )
            return self._captured.canvas

        return session.session().submit(prepared, None, to_canvas)

    # --- in the job's worker ---------------------------------------------------------------------

    def _capture(self, size: Size, blend: str, **spec: Any) -> Canvas:
        canvas = self._process.capture(
            self._frame.layer,
            (self._frame.number, self._frame.subframe),
            {"width": size.width, "height": size.height, "camera": self._frame.camera, **spec},
            self._stopped,
        )
        return replace(canvas, view=replace(canvas.view, blend_name=blend))

    # --- in the render's thread ------------------------------------------------------------------

    def _follow(self, work: Work) -> None:
        while not work.job.state.over:
            if self._break_asked():
                raise Cancelled()
            if main_thread.is_current():
                session.session().follow()
            if self._captured.data is None:
                self._tell("Drawing the Canvas", _CANVAS_SHARE / 2)
            else:
                share = _CANVAS_SHARE + work.share * (1 - _CANVAS_SHARE)
                self._tell(work.message or "Making the Picture", share)
            if work.partial is not None and work.partial is not self._partial:
                self._partial = work.partial
                self._show(work.partial)
            time.sleep(_LOOK_SECONDS)
        if main_thread.is_current():
            session.session().follow()

    def _tell(self, text: str, share: float) -> None:
        self._engine.update_stats("", translated(text))
        self._engine.update_progress(share)

    def _show(self, partial: bytes) -> None:
        """An unfinished picture, in the render window."""
        now = time.monotonic()
        if now - self._drawn_at < _SECONDS_PER_LAYER:
            return
        self._drawn_at = now
        try:
            codes = self._pixels.picture(images.decode(partial))
        except GenAIError:
            return  # the finished one will say what is wrong
        result = self._begin()
        _fill(result, {"Combined": _opaque(linear_srgb(codes))})
        self._engine.update_result(result)
        self._engine.end_result(result)

    def _begin(self) -> Any:
        pixels = self._pixels
        return self._engine.begin_result(0, 0, pixels.width, pixels.height, layer=self._frame.layer)

    def _write(self, picture: NDArray[np.uint8], inverse: Callable[[Any], Any]) -> None:
        codes = self._pixels.picture(picture)
        data = self._captured.data
        assert data is not None
        passes = {
            "Combined": _opaque(linear_from_rec709(inverse(codes))),
            "Depth": result_pixels.depth_pass(self._pixels.data(data.depth)),
            "Normal": result_pixels.normal_pass(
                self._pixels.data(data.normal), data.view.camera_to_world
            ),
        }
        for name, channels in (("Depth", "Z"), ("Normal", "XYZ")):
            self._engine.add_pass(name, len(channels), channels, layer=self._frame.layer)
        result = self._begin()
        _fill(result, passes)
        self._engine.end_result(result)


def _fill(result: Any, passes: dict[str, NDArray[np.float32]]) -> None:
    for one in result.layers[0].passes:
        plane = passes.get(one.name)
        if plane is not None:
            one.rect.foreach_set(np.ascontiguousarray(plane[::-1], np.float32).ravel())


def _opaque(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    out = np.ones((*linear.shape[:2], 4), np.float32)
    out[..., :3] = linear
    return out


def _pixels(scene: Any) -> ResultPixels:
    render = scene.render
    share = render.resolution_percentage / 100
    full = Size(int(render.resolution_x * share), int(render.resolution_y * share))
    aspect = camera_aspect(scene)
    if not render.use_border:
        return ResultPixels(full, 0, 0, full.width, full.height, aspect)
    # Rounded as Blender does it.
    left, right = (int(x * full.width) for x in (render.border_min_x, render.border_max_x))
    bottom, top = (int(y * full.height) for y in (render.border_min_y, render.border_max_y))
    width, height = right - left, top - bottom
    if region(render) != (0.0, 1.0, 0.0, 1.0):  # the region is the frame
        return ResultPixels(Size(width, height), 0, 0, width, height, aspect)
    return ResultPixels(full, left, bottom, width, height, aspect)


def _prepared(context: bpy.types.Context, aspect: float) -> Prepared:
    """What the panel says, but for what a render decides: one picture, in the camera's shape."""
    prepared = request_builder.for_render(context, aspect)
    request = prepared.request
    if request is None or request.seed is not None:
        return prepared
    # Never by chance: frames must not flicker, on however many computers they are rendered.
    words = f"{request.model}\n{request.style}\n{request.prompt}"
    seed = int.from_bytes(hashlib.sha256(words.encode()).digest()[:8]) % MAX_SEED
    return replace(prepared, request=request.with_(seed=seed))


def _read_image(item_id: str) -> bytes:
    path = session.session().store.get(item_id).image_path
    assert path is not None
    return images.read_file(path)
