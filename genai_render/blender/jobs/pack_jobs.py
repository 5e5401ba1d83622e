# SPDX-License-Identifier: GPL-3.0-or-later
"""A pack from the panel: its views are captured one at a time between redraws, and all the rest
goes through the session's queue, while one works on.
"""

# Blender's stubs do not know what a context always has here.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

import contextlib
import functools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ...core import log
from ...core.batch import packs as shot_packs
from ...core.batch import report
from ...core.batch.packs import Pack, Wishes
from ...core.batch.plan import BatchItem, item_of
from ...core.batch.run import BatchRun, Picture, Sums, read_plan, sums
from ...core.errors import GenAIError, InvalidInput, NotFound, SceneError
from ...core.jobs import Finished, JobEvent, Saved
from ...core.models import closeness, cost
from ...core.submission import RunSpending
from .. import addon, background, catalog, redraw
from ..batches import items as batch_items
from ..batches import pack_folder
from ..capture import missing_files, placing, viewport, viewport_frame
from ..capture.camera import frame_of, render_shape, unit_metres
from ..capture.viewport_frame import Frame
from ..settings import choices, options, pack_choice, reference_store, scene_settings
from . import batch_plan, listeners, request_builder, session

if TYPE_CHECKING:
    from ...core.history.store import HistoryStore
    from ...core.view.canvas import Canvas
    from .work import Work

TICK_SECONDS = 0.15  # Blender draws in between
_AHEAD = 2
_REPORT = "report"
_WRITER = "panel"


@dataclass(frozen=True, slots=True)
class Plan:
    """What pressing Start would make. problem: why it cannot be started; None if it can.

    file: of a batch, in place of a pack. counting: what it would be is not known yet.
    """

    pack: Pack | None
    sums: Sums | None = None
    problem: GenAIError | None = None
    file: Path | None = None
    counting: bool = False


@dataclass(slots=True)
class Making:
    """A pack that is under way, or was the last one. owner, file, scene: what it was started in."""

    owner: session.Session
    run: BatchRun
    todo: deque[Picture]
    series: session.Series
    file: int
    scene: str
    works: dict[int, tuple[Work, Picture]]
    of_file: bool = False
    page: Path | None = None
    reporting: bool = False

    @property
    def over(self) -> bool:
        return not self.todo and not self.works

    @property
    def share(self) -> float:
        whole = max(1, len(self.run.pictures))
        begun = sum(work.share for work, _ in self.works.values())
        left = len(self.todo) + len(self.works)
        return max(0.0, min(1.0, (whole - left + begun) / whole))


class PackJobs:
    """The pack that is made, and what was planned last."""

    def __init__(self) -> None:
        self.making: Making | None = None
        self._plan: Plan | None = None
        self._plan_of: tuple[Any, ...] = ()
        self._drawn: tuple[Any, Callable[[], Canvas]] | None = None
        self._ids: tuple[Any, tuple[str, ...]] | None = None
        self._left: tuple[Any, list[tuple[str, BatchItem]]] | None = None
        self._timer = self._tick  # one object: Blender knows a timer by its address
        listeners.listen(self._heard)

    # --- what it would be -------------------------------------------------------------------------

    def plan(self, context: bpy.types.Context) -> Plan:
        """Made once a change, as it is read at each redraw."""
        of_file = batch_plan.file_plans().plan(context)
        if of_file is not None:
            problem = of_file.problem
            if problem is None and _view_aspect(context) is None:
                problem = _no_view()
            return Plan(None, of_file.sums, problem, of_file.path, of_file.counting)
        settings = scene_settings.settings(context)
        is_set = (
            request_builder.what_is_set(context),
            pack_choice.PACK.id_of(settings),
            id(pack_choice.chosen(settings)),
            *(settings.pack_without, settings.pack_direction, settings.pack_location),
            *(settings.pack_other, settings.pack_resolution),
            _view_aspect(context),
            context.scene.name,
            tuple(thing.name for thing in context.scene.objects if thing.type == "CAMERA"),
        )
        if self._plan is None or is_set != self._plan_of:
            self._plan, self._plan_of = _planned(context), is_set
        return self._plan

    # --- making it --------------------------------------------------------------------------------

    def start(self, context: bpy.types.Context) -> None:
        """Raises what stands against it."""
        if self.making is not None and not self.making.over:
            raise InvalidInput("A pack is being made already.", action="Wait, or cancel it.")
        settings = scene_settings.settings(context)
        of_file = batch_plan.file_plans().plan(context)
        if of_file is not None:
            if of_file.problem is not None:
                raise of_file.problem
            if of_file.counting:
                raise InvalidInput("The batch is being counted.", action="Try again in a moment.")
            self._begin(context, of_file.path.stem, list(of_file.pictures), restart=True)
            return
        pack = pack_choice.chosen(settings)
        if pack is None:
            raise NotFound("The pack is missing.", action="Choose another one.")
        around = _subject(context, pack, settings)
        pictures = _pictures(context, pack, around)
        if not pictures:
            raise InvalidInput("No shot is ticked.", action="Tick one.")
        self._begin(context, pack.label, pictures, restart=True)

    def go_on(self, context: bpy.types.Context) -> None:
        """Make what is left of a pack that was stopped. Raises what stands against it."""
        path = batch_plan.chosen(context)
        pack = pack_choice.chosen(scene_settings.settings(context))
        left = self.left(context)
        if (path is None and pack is None) or not left:
            raise InvalidInput("There is nothing left to make of this pack.")
        aspect = _view_aspect(context) if path is None else None
        pictures = batch_items.pictures(catalog.catalog(), left, aspect)
        label = path.stem if path is not None else "" if pack is None else pack.label
        self._begin(context, label, pictures, restart=False)

    def left(self, context: bpy.types.Context) -> list[tuple[str, BatchItem]]:
        """All of a pack of which some are not done, as it was planned in this or another run of
        Blender; [] where there is none such."""
        current = session.opened()
        if current is None or (self.making is not None and not self.making.over):
            return []
        name = _name_of(context)
        which = name, id(current), id(self.making)
        if self._left is None or self._left[0] != which:
            self._left = which, self._look_for_left(current.store, name)
        return self._left[1]

    @staticmethod
    def _look_for_left(store: HistoryStore, name: str) -> list[tuple[str, BatchItem]]:
        folder = batch_items.folder_of(store, name)
        known = read_plan(folder)
        if not known:
            return []
        try:
            items = [(str(one.get("title", "")), item_of(one)) for one in known.values()]
        except (GenAIError, AttributeError):
            return []
        states = batch_items.states(folder)
        open_ = [item for _, item in items if states.get(item.key) != "done"]
        return items if open_ and len(open_) < len(items) else []

    def _begin(
        self, context: bpy.types.Context, label: str, pictures: list[Picture], restart: bool
    ) -> None:
        current = session.session()
        whole = sums(pictures)
        limits = session.limits()
        if whole.usd != 0:
            cost.check_budget(whole.usd, limits.run)
            if limits.month is not None:
                spent = current.spending().month + current.gate.coming
                cost.check_month(whole.usd, spent, limits.month)
        run = BatchRun(current.store, _name_of(context), label, pictures, _WRITER, restart=restart)
        run.lock()
        try:
            run.keep_plan()
            run.look_up()
        except BaseException:
            run.close()
            raise
        series = session.Series(run.choices(""), RunSpending())
        self.making = Making(
            *(current, run, deque(run.todo()), series, current.file, context.scene.name, {}),
            of_file=batch_plan.chosen(context) is not None,
        )
        self._drawn = None
        if not bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.register(self._timer, first_interval=TICK_SECONDS, persistent=True)
        redraw.sidebars()

    def cancel(self) -> None:
        making, current = self.making, session.opened()
        if making is None:
            return
        making.todo.clear()
        if current is not None:
            for work, _ in list(making.works.values()):
                current.cancel(work.job.id)
        redraw.sidebars()

    def _tick(self) -> float | None:
        making, current = self.making, session.opened()
        if making is None:
            return None
        if current is not making.owner:  # opened anew, with all its jobs gone
            making.todo.clear()
            making.works.clear()
        elif current.file != making.file:
            if making.todo:
                current.tell("The pack was stopped: another file was opened.", False)
            making.todo.clear()
        if making.todo and len(making.works) < _AHEAD:
            self._next(making)
            redraw.sidebars()
        if making.over:
            self._finish(making)
            return None
        return TICK_SECONDS

    def _next(self, making: Making) -> None:
        """Capture what one picture needs, and send it off."""
        picture = making.todo.popleft()
        current = session.session()
        try:
            self._send(making, picture)
        except Exception as failure:
            known = isinstance(failure, GenAIError)
            error = failure if known else log.internal_error(failure)
            making.run.progress.put(picture.key, "failed", error=error.text)
            current.tell(f"{picture.title}: {error.text}", True)
            if error.code in ("over_budget", "storage", "credentials"):
                making.todo.clear()  # it would be the same with all others

    def _send(self, making: Making, picture: Picture) -> None:
        request = picture.prepared.request
        assert request is not None
        scene = bpy.data.scenes.get(making.scene)
        if scene is None:
            raise SceneError("The scene that the pack was started in is not there any more.")
        prepared = replace(
            picture.prepared, request=request.with_(batch=making.run.label(picture.key))
        )
        current = session.session()
        current.gate.check(prepared, making.series.spending)
        view = viewport_frame.find_view(bpy.context)
        if view is None:
            raise SceneError("There is no 3D Viewport to take the view from.", action="Open one.")
        area, region, _ = view
        window = next(
            (one for one in bpy.context.window_manager.windows if area in one.screen.areas[:]),
            None,
        )
        layer = scene.view_layers[0]
        if window is not None and window.scene == scene:
            layer = window.view_layer
        to_canvas = None
        with bpy.context.temp_override(
            window=window, area=area, region=region, scene=scene, view_layer=layer
        ):
            if picture.item.canvas:
                with _at_frame(scene, picture.item.frame):
                    to_canvas = self._captured(bpy.context, picture, view, making.of_file)
            making.run.progress.put(picture.key, "sent")
            work = current.submit(prepared, None, to_canvas, prepared.notices, series=making.series)
        making.works[work.job.id] = work, picture

    def _captured(
        self, context: bpy.types.Context, picture: Picture, view: Any, of_file: bool
    ) -> Callable[[], Canvas]:
        """What makes the canvas in the worker: once for all pictures of one view."""
        if self._drawn is not None and self._drawn[0] == picture.seen:
            return self._drawn[1]
        area, region, space = view
        size = picture.prepared.canvas_size
        assert size is not None
        item = picture.item
        if of_file and not item.camera and context.scene.camera is not None:
            item = replace(item, camera=context.scene.camera.name)  # as on the command line
        frame = _frame(context, area, region, space, item, size.aspect)
        drawn = viewport.draw(context, space, region, frame, size)
        request = picture.prepared.request
        if not drawn.anything and not (request is not None and request.references):
            raise SceneError("There is nothing in the view.")
        once = _Once(
            functools.partial(
                viewport.to_canvas,
                drawn,
                metres=unit_metres(context.scene),
                notices=tuple(missing_files.notices(context.scene)),
            )
        )
        self._drawn = picture.seen, once
        return once

    def _heard(self, work: Work, event: JobEvent) -> None:
        making = self.making
        if making is None or work.job.id not in making.works:
            return
        picture = making.works[work.job.id][1]
        if isinstance(event, Saved):
            making.run.progress.put(picture.key, "done", id=event.id)
        elif isinstance(event, Finished):
            del making.works[work.job.id]
            if event.error is not None and making.run.progress.state(picture.key) != "done":
                making.run.progress.put(picture.key, "failed", error=event.error.text)

    def _finish(self, making: Making) -> None:
        """The contact sheet, in the background."""
        self._drawn = self._left = None
        making.run.close()
        current = session.opened()
        if current is None or not making.run.of("done"):
            redraw.sidebars()
            return
        making.reporting = True
        run, spent = making.run, making.series.spending.spent

        def work() -> Path | GenAIError:
            try:
                summary = run.summary(spent)
                return report.write(run.folder / _REPORT, run.title, summary, run.rows())
            except GenAIError as error:
                return error

        def then(page: Path | GenAIError) -> None:
            making.reporting = False
            open_session = session.opened()
            if isinstance(page, Path):
                making.page = page
            elif open_session is not None:
                open_session.tell(page.text, True)
            redraw.sidebars()

        background.run(work, then, must_finish=True)

    # --- what came of it --------------------------------------------------------------------------

    def page(self, context: bpy.types.Context) -> Path | None:
        """The contact sheet of the chosen pack, of this or an earlier run of Blender."""
        current = session.opened()
        if current is None:
            return None
        name = _name_of(context)
        path = batch_items.folder_of(current.store, name) / _REPORT / report.PAGE
        making = self.making
        if making is not None and making.run.name == name and making.page is None:
            return None
        return path if path.is_file() else None

    def ids(self, context: bpy.types.Context) -> tuple[str, ...]:
        """What there is in History of the chosen pack, in the order of its shots."""
        current = session.opened()
        if current is None:
            return ()
        name = _name_of(context)
        making = self.making
        if making is not None and making.run.name == name:
            marks = making.run.progress.marks
            done = [marks[one.key] for one in making.run.of("done")]
            return tuple(mark.id for mark in done)
        which = name, id(current), id(making)
        if self._ids is None or self._ids[0] != which:
            folder = batch_items.folder_of(current.store, name)
            self._ids = which, batch_items.ids_done(folder)
        return self._ids[1]

    def close(self) -> None:
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        if self.making is not None:
            self.making.todo.clear()
            self.making.run.close()


def packs_made() -> PackJobs:
    return addon.state(PackJobs)


class _Once:
    """Makes a canvas when the first worker asks for it, and gives it to all."""

    def __init__(self, make: Callable[[], Canvas]) -> None:
        self._make: Callable[[], Canvas] | None = make
        self._canvas: Canvas | None = None
        self._lock = threading.Lock()

    def __call__(self) -> Canvas:
        with self._lock:
            if self._canvas is None:
                assert self._make is not None
                self._canvas, self._make = self._make(), None
            return self._canvas


# --- from what is set -----------------------------------------------------------------------------


def _name_of(context: bpy.types.Context) -> str:
    """Of the folder of what is chosen."""
    path = batch_plan.chosen(context)
    if path is not None:
        return batch_items.file_name(path)
    pack = pack_choice.PACK.id_of(scene_settings.settings(context))
    return batch_items.batch_name(f"panel-{pack}", bpy.data.filepath)


@contextlib.contextmanager
def _at_frame(scene: bpy.types.Scene, frame: int | None) -> Iterator[None]:
    """Inside, the scene is at that frame; then at its own again."""
    own, subframe = scene.frame_current, scene.frame_subframe
    if frame is None or (frame, 0.0) == (own, subframe):
        yield
        return
    try:
        scene.frame_set(frame)
        yield
    finally:
        scene.frame_set(own, subframe=subframe)


def _no_view() -> SceneError:
    return SceneError("There is no 3D Viewport to take the view from.", action="Open one.")


def _view_aspect(context: bpy.types.Context) -> float | None:
    view = viewport_frame.find_view(context)
    return None if view is None else round(viewport_frame.aspect_of(context, *view, "auto"), 6)


def _subject(context: bpy.types.Context, pack: Pack, settings: Any) -> tuple[str, ...]:
    shots = _ticked(pack, settings)
    if not settings.use_canvas or not replace(pack, shots=shots).places_cameras:
        return ()
    return placing.subject(context)


def _ticked(pack: Pack, settings: Any) -> tuple[shot_packs.Shot, ...]:
    without = pack_choice.left_out(settings)
    return tuple(shot for shot in pack.shots if shot.id not in without)


def _planned(context: bpy.types.Context) -> Plan:
    pack = pack_choice.chosen(scene_settings.settings(context))
    if pack is None:
        return Plan(None, problem=NotFound("The pack is missing.", action="Choose another one."))
    try:
        # Whose subject it is does not change what it costs, and must not be looked for while
        # Blender draws.
        pictures = _pictures(context, pack, ())
    except GenAIError as error:
        return Plan(pack, problem=error.with_traceback(None))
    problem = None
    if not pictures:
        problem = InvalidInput("No shot is ticked.", action="Tick one.")
    elif _view_aspect(context) is None:
        problem = _no_view()
    return Plan(pack, sums(pictures), problem)


def _pictures(context: bpy.types.Context, pack: Pack, around: tuple[str, ...]) -> list[Picture]:
    settings = scene_settings.settings(context)
    shots = _ticked(pack, settings)
    wishes = _wishes(context, pack, around)
    items = shot_packs.expand(pack, shots, wishes, batch_items.cameras, _no_ranges)
    named = [(shot_packs.title(shot, item, items), item) for shot, item in items]
    return batch_items.pictures(catalog.catalog(), named, _view_aspect(context) or 1.0)


def _wishes(context: bpy.types.Context, pack: Pack, around: tuple[str, ...]) -> Wishes:
    settings = scene_settings.settings(context)
    model = choices.chosen_model(settings)
    step = request_builder.closeness_for(settings, model, settings.use_canvas)
    own = options.option_values(context.scene, model)
    said = {
        name: text
        for name, (place, _) in pack_choice.fields(pack).items()
        if (text := getattr(settings, place).strip())
    }
    references = [
        f"{path}={slot.role}:{slot.weight:.6g}"
        for slot in scene_settings.references(settings)
        if slot.digest and (path := reference_store.path_of(slot.digest)) is not None
    ]
    return Wishes(
        prompt=request_builder.prompt_of(settings).strip(),
        values=said,
        style=choices.chosen_style(settings).id,
        model=model.id,
        models=pack_folder.comparable(catalog.catalog()),
        styles=tuple(catalog.catalog().styles),
        resolution="" if settings.pack_resolution == "PACK" else settings.pack_resolution,
        seed=settings.seed if settings.use_seed else None,
        mode=settings.mode,
        canvas=settings.use_canvas,
        reference=references,
        options=closeness.with_options(model, step, own),
        around=around,
    )


def _no_ranges(text: str) -> list[int]:
    raise InvalidInput(f'"{text}" is no number.')


def _frame(
    context: bpy.types.Context, area: Any, region: Any, space: Any, item: BatchItem, aspect: float
) -> Frame:
    """What is drawn for an item: a placed camera, one of the scene, or the viewport's own view."""
    if item.place:
        found = batch_items.placed(item, aspect)
        assert found is not None
        matrix, looked = placing.frame_of(found)
        name = batch_items.view_name(item)
        projection = looked.fitted(aspect, "extend").projection()
        return Frame(0, 0, aspect, 1, matrix.inverted(), projection, name)
    how = "crop" if item.crop else "extend"
    camera = context.scene.objects.get(item.camera) if item.camera else None
    if camera is not None:
        depsgraph = context.evaluated_depsgraph_get()
        evaluated = camera.evaluated_get(depsgraph)
        looked = frame_of(evaluated, depsgraph, render_shape(context.scene.render))
        if item.crop:
            looked = looked.part(*item.crop)
        projection = looked.fitted(aspect, how).projection()
        matrix = evaluated.matrix_world.normalized()
        return Frame(0, 0, aspect, 1, matrix.inverted(), projection, item.camera)
    if not item.crop:
        return viewport_frame.frame(context, area, region, space, aspect)
    whole = viewport_frame.frame(context, area, region, space, "auto")
    return whole.part(item.crop, aspect)
