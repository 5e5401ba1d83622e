# SPDX-License-Identifier: GPL-3.0-or-later
"""`render` and `edit`: from words to images in History."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ...backends.base import check_ready, create_backend
from ...backends.self_hosted import servers
from ...console import Console
from ...core.bounds import MAX_SEED
from ...core.errors import (
    Cancelled,
    GenAIError,
    InvalidInput,
    OverBudget,
    SceneError,
    StorageError,
)
from ...core.events import CancelToken, Notice, Progress, Result
from ...core.history import scene_matches
from ...core.history.rescue import rescue
from ...core.history.seen_costs import seen_costs
from ...core.history.store import INDEX
from ...core.image import images
from ...core.jobs import Finished, Job, JobEvent, JobQueue, Run, Saved
from ...core.models import closeness, cost
from ...core.models.catalog import Catalog, Model
from ...core.models.seen_costs import correction
from ...core.preflight import Prepared, prepare
from ...core.request import OptionValue, RenderRequest
from ...core.submission import Gate, Limits, RunSpending
from ...core.view.canvas import View
from .. import addon, backend_settings, scene_description
from .. import catalog as catalogs
from ..batches import items
from ..history_place import open_history
from . import changed, masking, shots
from .history import existing_item, folder_of
from .output_folder import OutputFolder

if TYPE_CHECKING:
    from ...core.view.scene_match import Match

# The next shot is captured while the last one is drawn; more would only fill the memory.
_AHEAD = 2


def render(parsed: argparse.Namespace, console: Console) -> int:
    making, planned, names = planned_render(parsed, console)
    if parsed.dry_run:
        return making.say_plan(names)
    with shots.kept_frame():
        return making.run(making.kept(captured(making.prepared, planned, console)), names)


def planned_render(
    parsed: argparse.Namespace, console: Console, paid: Callable[[int], int] = int
) -> tuple[Making, list[shots.Shot] | None, list[str]]:
    """What is to be made: of which shots, under which names. paid: of so many, how many are sent
    to the model. Raises what stands against it."""
    catalog, model = model_of(parsed, console)
    # By the names of the objects, the offline engine knows what a word of color is about.
    drawn_here = model.backend == "offline" and not parsed.no_canvas
    if parsed.no_canvas and parsed.closeness != "auto":
        raise InvalidInput(
            "There is no view to be close to.", action="Leave out --closeness or --no-canvas."
        )
    request = RenderRequest(
        prompt=parsed.prompt,
        model=model.id,
        scene_text=scene_description.things(bpy.context) if drawn_here else "",
        style=catalog.style(parsed.style).id,
        aspect=parsed.aspect,
        resolution=parsed.resolution,
        count=parsed.count,
        seed=parsed.seed,
        mode=parsed.mode,
        references=_references(parsed),
        options={**closeness.options_at(model, parsed.closeness), **_options(parsed, model)},
        closeness=parsed.closeness,
    )
    planned = None if parsed.no_canvas else shots.plan(parsed)
    if request.seed is None and planned is not None and len(planned) > 1:
        # One seed for all frames and cameras, or an animation would flicker.
        request = request.with_(seed=secrets.randbelow(MAX_SEED - request.count))
    several = parsed.frames is not None
    names = ["image"] if planned is None else [shot.name(several) for shot in planned]
    aspect = None if planned is None else shots.own_aspect(parsed)
    jobs, earlier = paid(len(names)), None
    if parsed.changed:
        changed.check(parsed.count)
        with open_history(folder_of(parsed)) as store:
            asked = request.with_(seed=parsed.seed)
            earlier = changed.Earlier(store, Path(bpy.data.filepath).name, asked)
        if parsed.seed is None and earlier.seed is not None:
            request = request.with_(seed=earlier.seed)
        jobs = min(jobs, 1)  # how many there are to make is known when they are captured
    prepared = prepare(model, lambda: request, aspect, seen(parsed, model))
    return Making(parsed, console, catalog, prepared, jobs, earlier), planned, names


def edit(parsed: argparse.Namespace, console: Console) -> int:
    catalog, model = model_of(parsed, console)
    path = Path(parsed.image)
    parent, view = "", None
    masking.check(parsed)
    if path.exists():
        source = images.read_file(path)
    else:
        item = existing_item(folder_of(parsed), parsed.image)
        if item.image_path is None:
            raise InvalidInput(f'"{item.id}" has no image to edit: its request {item.status}.')
        source, parent = images.read_file(item.image_path), item.id
        if model.backend == "offline":
            with open_history(folder_of(parsed)) as store:
                view = store.canvas(item.id)
    request = RenderRequest(
        prompt=parsed.prompt,
        kind="edit",
        model=model.id,
        style=catalog.style(parsed.style).id,
        resolution=parsed.resolution,
        count=parsed.count,
        seed=parsed.seed,
        mode=parsed.mode,
        references=_references(parsed),
        options=_options(parsed, model),
        source=source,
        mask=masking.mask(parsed, console, source, parent),
        canvas=view,
        markup=None if parsed.markup is None else images.read_file(parsed.markup),
        parent=parent,
    )
    prepared = prepare(model, lambda: request, seen=seen(parsed, model))
    making = Making(parsed, console, catalog, prepared, 1)
    if parsed.dry_run:
        return making.say_plan(["edit"])
    return making.run(iter([making.prepared]), [f"{path.stem}-edit"])


def model_of(parsed: argparse.Namespace, console: Console) -> tuple[Catalog, Model]:
    """The catalogue and the model that was named, with a word about each server and workflow that
    cannot be used where it may be one of those. Raises NotFound."""
    problems: list[GenAIError] = []
    catalog = catalogs.load(problems)
    known = catalog.models.get(parsed.model)
    if known is None or known.backend in servers.KINDS:
        for problem in problems:
            console.notice(problem.text)
    return catalog, catalog.model(parsed.model)


def seen(parsed: argparse.Namespace, model: Model) -> float:
    """How many times as much as listed its last images have cost, as far as History knows."""
    folder = folder_of(parsed)
    if model.price is None or not model.online or not (folder / INDEX).exists():
        return 1.0
    store = open_history(folder)
    try:
        return correction(seen_costs(store, model.id)).ratio
    finally:
        store.close()


def _references(parsed: argparse.Namespace) -> tuple:
    return tuple(items.reference(text) for text in parsed.reference)


def _options(parsed: argparse.Namespace, model: Model) -> dict[str, OptionValue]:
    return {key: model.option(key).parse(value) for key, value in said_options(parsed).items()}


def said_options(parsed: argparse.Namespace) -> dict[str, str]:
    """What --option KEY=VALUE says. Raises InvalidInput."""
    options = {}
    for text in parsed.option:
        key, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput(f'"{text}" is not an option.', action="Write KEY=VALUE.")
        options[key] = value
    return options


def captured(
    prepared: Prepared,
    planned: list[shots.Shot] | None,
    console: Console,
    position: tuple[float, float] = (0.5, 0.5),
) -> Iterator[Prepared | SceneError]:
    """What is sent for each shot, captured only when it is asked for; why not, for one of many
    that sees nothing."""
    request, size = prepared.request, prepared.canvas_size
    if planned is None or request is None or size is None:
        yield prepared
        return
    for number, shot in enumerate(planned, start=1):
        which = f" ({number} of {len(planned)})" if len(planned) > 1 else ""
        message = f"Capturing {shot.text}{which}"
        console.progress(None, message)

        def progress(done: float, message: str = message) -> None:
            console.progress(done, message)

        try:
            canvas = shots.take(shot, size, request.mode, progress, position)
        except SceneError as error:
            if len(planned) == 1:
                raise
            yield shot.failed(error)
            continue
        yield replace(prepared, request=request.with_(canvas=canvas))


def least(*limits: float | None) -> float | None:
    """The tighter of what the command line and the preferences say; None where neither does."""
    return min((limit for limit in limits if limit is not None), default=None)


class Making:
    """One run of `render` or `edit`: what is told, kept and copied while its jobs go on."""

    def __init__(
        self,
        parsed: argparse.Namespace,
        console: Console,
        catalog: Catalog,
        prepared: Prepared,
        jobs: int,
        earlier: changed.Earlier | None = None,
    ) -> None:
        """earlier: what need not be made again.

        Raises what stands against it, of all that is known before anything is captured.
        """
        if prepared.problem is not None:
            raise prepared.problem
        assert prepared.model is not None
        assert prepared.request is not None
        assert prepared.spec is not None
        self.prepared = prepared
        self._parsed = parsed
        self._console = console
        self._catalog = catalog
        self._model, self._request, self._spec = prepared.model, prepared.request, prepared.spec
        self._jobs = jobs
        prefs = addon.preferences()
        self._limits = Limits(
            least(parsed.max_cost, prefs and prefs.run_limit),
            least(parsed.month_budget, prefs and prefs.month_limit),
        )
        each = prepared.estimate.usd
        self._cost = None if each is None else each * jobs
        cost.check_budget(self._cost, self._limits.run)
        # For what has no canvas. Asked now: the workers must not ask Blender.
        self._view = View(
            width=1,
            height=1,
            source="image",
            blender_version=bpy.app.version_string,
            blend_name=Path(bpy.data.filepath).name,
            scene=bpy.context.scene.name,
            frame=bpy.context.scene.frame_current,
        )
        self._spending = RunSpending()
        self._names: dict[int, str] = {}
        self._first_error: GenAIError | None = None
        self._made = self._kept = 0
        self._earlier = earlier
        self._filling: Run | None = None
        self._matches: dict[str, Match] = {}
        self.saved: list[str] = []
        self._said: set[str] = set()
        for text in prepared.notices:
            self.notice(text)

    def notice(self, text: str) -> None:
        """Said once, and not for every image."""
        if text not in self._said:
            self._said.add(text)
            self._console.notice(text)

    def say_plan(self, names: list[str]) -> int:
        request, spec = self._request, self._spec
        images_planned = self._jobs * request.count
        self._console.event(
            "plan",
            model=request.model,
            style=request.style,
            aspect=request.aspect,
            resolution=spec.resolution,
            width=spec.width,
            height=spec.height,
            shots=names,
            images=images_planned,
            cost_usd=self._cost,
        )
        price = "unknown" if self._cost is None else cost.dollars(self._cost)
        if request.kind in ("video", "model"):
            what = f"a clip, {spec.text}," if request.kind == "video" else "a 3D model"
            self._console.line(
                f"Would make {what} with {self._model.label}, of {', '.join(names)}. Cost: {price}."
            )
            return 0
        self._console.line(
            f"Would make {images_planned} image(s) with {self._model.label}, style "
            f"{request.style}, {spec.text}, of {', '.join(names)}. Cost: {price}."
        )
        return 0

    def kept(self, shots_to_come: Iterator[Prepared | SceneError]) -> Iterator[changed.Shot]:
        """The same, with what is there already and the same as it is."""
        return shots_to_come if self._earlier is None else self._earlier.kept(shots_to_come)

    def run(
        self,
        shots_to_come: Iterator[changed.Shot],
        names: list[str],
        one_by_one: bool = False,
    ) -> int:
        """one_by_one: each is in `saved` before the next shot is asked for."""
        settings = replace(
            backend_settings.for_model(self._catalog, self._model), belong_together=len(names) > 1
        )
        backend = create_backend(self._model.backend, settings)
        # Every server of a farm has one to draw, and there is one more to give to the first.
        ahead = max(_AHEAD, len(servers.names_of(settings, self._model.backend)) + 1)
        if one_by_one:
            ahead = 1
        stop: OverBudget | None = None
        with OutputFolder(self._parsed.output) as output:
            store = open_history(folder_of(self._parsed))
            self._store, self._output = store, output
            queue = JobQueue(
                self._keep,
                self._keep_failure,
                workers=ahead,
                arrive=lambda request, result: store.arrive(request, result, self._view),
                rescue=lambda _request, result: rescue(result, self._parsed.output),
            )
            self._gate = gate = Gate(
                queue,
                lambda: self._limits,
                store.spent_this_month,
                lambda model: backend_settings.check_access(self._catalog, model, wait=True),
                self._check_storage,
            )
            try:
                # All of it, before the first is captured.
                gate.check(self.prepared, self._spending, times=self._jobs)
                comes = self.prepared.canvas_size is not None
                check_ready(self._model.backend, settings, self._request, CancelToken(), comes)
                for name in names:
                    while len(queue.jobs()) >= ahead:
                        self._pump(queue)
                    try:
                        # By what was really paid so far: before a capture that takes minutes.
                        gate.check_cost(self.prepared, self._spending)
                        prepared = next(shots_to_come)
                        if isinstance(prepared, SceneError):
                            self._fail(prepared)
                            continue
                        if isinstance(prepared, changed.Kept):
                            self._keep_as_it_is(name, prepared)
                            continue
                        run_backend = backend.run
                        if prepared.model is not None and prepared.model is not self._model:
                            run_backend = self._offline(prepared.model)
                        job = gate.submit(prepared, run_backend, run=self._spending)
                    except OverBudget as error:
                        stop = error
                        break  # what is on its way is paid for: it comes to its end
                    self._names[job.id] = name
                    self._take(queue.drain())  # what was finished during the capture
                while queue.jobs():
                    self._pump(queue)
                self._pump(queue)
            finally:
                # Also after Ctrl-C: what is finished is kept, the rest stops within a second.
                ended = queue.close(timeout=10.0)
                self._take(queue.drain())
            if not ended:
                raise GenAIError("A job did not stop in time.")
        if stop is not None:
            raise stop
        if self._first_error is not None:
            return self._first_error.exit_code
        self._console.event(
            "done",
            images=self._made,
            **({} if self._earlier is None else {"kept": self._kept}),
            history=str(store.folder),
            cost_usd=round(self._spending.spent, 6),
        )
        if self._earlier is not None:
            self._console.line(f"{self._kept} kept as they were, {self._made} made again.")
        return 0

    def _keep_as_it_is(self, name: str, kept: changed.Kept) -> None:
        item, view = self._store.get(kept.id), kept.view
        path = item.image_path
        if self._output.wanted:
            path = self._output.write(self._store, item, name, self._parsed.format)
        self._kept += 1
        self.saved.append(item.id)
        self._console.event(
            "kept",
            id=item.id,
            path=str(path),
            camera=None if view is None else view.camera,
            frame=None if view is None else view.frame,
        )
        self._console.line(str(path))

    def _keep(self, request: RenderRequest, result: Result, seconds: float) -> str:
        """In the worker."""
        item = self._store.add(request, result, seconds=seconds, view=self._view)
        if request.canvas is not None:  # it is safe by now
            found = scene_matches.measure(self._store, item.id, request.canvas, result.image)
            if found is not None:
                self._matches[item.id] = found
        return item.id

    def _keep_failure(self, request: RenderRequest, error: GenAIError) -> None:
        """In the worker."""
        self._store.add_failed(request, error, view=self._view)

    def _offline(self, model: Model) -> Run:
        """What fills in the frames between those that the model makes."""
        settings = backend_settings.for_model(self._catalog, model)
        if self._filling is None:
            together = replace(settings, belong_together=True)
            self._filling = create_backend(model.backend, together).run
        return self._filling

    def _check_storage(self) -> None:
        self._store.check_writable()
        self._output.check_writable()

    def _pump(self, queue: JobQueue) -> None:
        event = queue.next_event(timeout=0.1)
        if event is not None:
            self._take([event])
            self._take(queue.drain())

    def _take(self, events: list[tuple[Job, JobEvent]]) -> None:
        for job, event in events:
            self._gate.follow(job, event)
            if isinstance(event, Progress):
                self._console.progress(event.fraction, event.message)
            elif isinstance(event, Notice):
                self.notice(event.text)
            elif isinstance(event, Saved):
                self._tell(job, event)
            elif isinstance(event, Finished) and event.error is not None:
                if job.missing:
                    self.notice(job.missing)
                self._fail(event.error)

    def _fail(self, error: GenAIError) -> None:
        """Tell what went wrong with one of the images; the others go on."""
        if self._first_error is None or isinstance(self._first_error, Cancelled):
            self._first_error = error
        self._console.error(error)

    def _tell(self, job: Job, saved: Saved) -> None:
        item = self._store.get(saved.id)
        path = item.media_path or item.image_path
        if self._output.wanted:
            name = self._names[job.id]
            if self._request.count > 1:
                name += f"-{saved.result.index + 1}"
            try:
                path = self._output.write(self._store, item, name, self._parsed.format)
            except StorageError as error:
                # It is in History, and so will be what still comes.
                where = f'The image is in History: "{path}".'
                problem = StorageError(error.what, error.why, where)
                self._first_error = self._first_error or problem
                self._console.error(problem)
        self._made += 1
        self.saved.append(item.id)
        view = job.request.canvas.view if job.request.canvas is not None else None
        info = saved.result.info
        self._console.event(
            "result",
            id=item.id,
            path=str(path),
            width=saved.result.width,
            height=saved.result.height,
            seconds=round(saved.seconds, 3),
            cost_usd=saved.result.cost_usd,
            estimated_usd=saved.result.estimated_usd,
            seed=saved.result.seed,
            model=job.request.model,
            style=job.request.style,
            camera=None if view is None else view.camera,
            frame=None if view is None else view.frame,
            used=info.get("used", []),
            not_used=info.get("not_used", []),
            notices=() if job.request.canvas is None else job.request.canvas.notices,
            **({"closeness": info["closeness"]} if "closeness" in info else {}),
            **_true_to_scene(self._matches.pop(item.id, None)),
            **({"server": info["server"]} if "server" in info else {}),
            **_of_media(saved.result),
        )
        self._console.line(str(path))


def _of_media(result: Result) -> dict[str, Any]:
    """For the event of a clip or a 3D model: what it is."""
    made = result.media
    if made is None:
        return {}
    return {"kind": made.kind, "clip_seconds": made.seconds or None, "bytes": len(made.data)}


def _true_to_scene(found: Match | None) -> dict[str, Any]:
    """For the event of a result: how many pixels its edges are off, and how many are lost."""
    if found is None:
        return {}
    shift = None if found.shift is None else round(found.shift, 2)
    return {"scene_shift": shift, "scene_lost": round(found.lost, 3)}
