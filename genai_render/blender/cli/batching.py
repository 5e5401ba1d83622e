# SPDX-License-Identifier: GPL-3.0-or-later
"""`batch`: all pictures of a file, each once, however often it is stopped and gone on with."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bpy

from ...backends.base import Backend, create_backend
from ...backends.self_hosted import servers
from ...console import Console
from ...core import cost, locks
from ...core.batch import plan, report
from ...core.batch.plan import BatchItem
from ...core.batch.progress import Progress
from ...core.canvas import Canvas
from ...core.catalog import Catalog
from ...core.errors import Cancelled, GenAIError, InvalidInput, OverBudget, StorageError
from ...core.events import Notice, Result
from ...core.history.store import HistoryStore
from ...core.jobs import Finished, Job, JobEvent, JobQueue, Saved
from ...core.preflight import Prepared, prepare
from ...core.request import RenderRequest
from ...core.submission import Gate, Limits, RunSpending
from .. import addon, backend_settings
from ..capture import camera_aspect
from ..history_place import open_history
from . import arguments, kept_canvas, making, shots
from .catalog_lists import known_catalog
from .history import folder_of
from .output_folder import OutputFolder

FOLDER = "batches"  # in the History folder: what is done of each batch
_AHEAD = 2
_ENDING_SECONDS = 10.0


def batch(parsed: argparse.Namespace, console: Console) -> int:
    catalog = known_catalog(console)
    items = plan.expand(plan.read(parsed.file), _cameras, arguments.frames)
    if parsed.shard:
        items = plan.shard(items, parsed.shard)
    prepared = {item.key: _prepare(catalog, item) for item in items}
    sums = [one.estimate.usd for one in prepared.values()]
    usd = None if None in sums else sum(one or 0.0 for one in sums)
    price = "unknown" if usd is None else cost.dollars(usd)
    captures = len({_seen(item, prepared[item.key]) for item in items if item.canvas})
    console.event("plan", pictures=len(items), captures=captures, cost_usd=usd)
    console.line(f"{len(items)} picture(s) of {captures} view(s). Cost: {price}.")
    if parsed.dry_run or not items:
        return 0
    with OutputFolder(parsed.output) as output, shots.kept_frame():
        return _Batch(parsed, console, catalog, output).run(items, prepared)


def _cameras(scene: str) -> list[str]:
    with _in_scene(scene):
        return [shot.camera for shot in shots.plan(argparse.Namespace(camera="all", **_PLAIN))]


_PLAIN = {"frames": None, "viewport": False}


@contextlib.contextmanager
def _in_scene(name: str) -> Iterator[None]:
    if not name:
        yield
        return
    scene = bpy.data.scenes.get(name)
    if scene is None:
        known = ", ".join(f'"{one.name}"' for one in bpy.data.scenes)
        raise InvalidInput(f'There is no scene called "{name}".', action=f"There are: {known}.")
    with bpy.context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
        yield


def _prepare(catalog: Catalog, item: BatchItem) -> Prepared:
    """Raises what stands against a picture, with its prompt, before anything is captured."""
    try:
        model = catalog.model(item.model)
        options = {key: model.option(key).parse(str(v)) for key, v in item.options.items()}
        request = RenderRequest(
            prompt=item.prompt,
            model=model.id,
            style=catalog.style(item.style).id,
            aspect=item.aspect,
            resolution=item.resolution,
            seed=item.seed,
            mode=item.mode,  # pyright: ignore[reportArgumentType]
            references=tuple(arguments.reference(text) for text in item.reference),
            options=options,
        )
        with _in_scene(item.scene):
            aspect = camera_aspect(bpy.context.scene) if item.canvas else None
            if item.canvas:
                shots.plan(argparse.Namespace(camera=item.camera or None, **_PLAIN))
        prepared = prepare(model, lambda: request, aspect)
        if prepared.problem is not None:
            raise prepared.problem
    except GenAIError as error:
        what = f'The picture "{item.prompt[:60]}" cannot be made: {error.what}'
        raise type(error)(what, error.why, error.action) from error
    return prepared


def _seen(item: BatchItem, prepared: Prepared) -> tuple[Any, ...]:
    """What a capture is of: equal for pictures that share one."""
    size = prepared.canvas_size
    assert size is not None
    return item.scene, item.frame is not None, item.frame, item.camera, size, item.mode


class _Batch:
    """One run. History is the truth of what there is; what was sent is written down beside it."""

    def __init__(
        self,
        parsed: argparse.Namespace,
        console: Console,
        catalog: Catalog,
        output: OutputFolder,
    ) -> None:
        self._parsed, self._console, self._catalog = parsed, console, catalog
        self._output = output
        self._store: HistoryStore = open_history(folder_of(parsed))
        digest = hashlib.sha256(str(parsed.file.resolve()).encode()).hexdigest()[:8]
        self._name = f"{parsed.file.stem}-{digest}"
        self._folder = self._store.folder / FOLDER / self._name
        if parsed.restart:
            with contextlib.suppress(OSError):
                shutil.rmtree(self._folder)
        self._writer = (parsed.shard or "1/1").replace("/", "-of-")
        self._progress = Progress(self._folder, self._writer)
        self._canvases = kept_canvas.KeptCanvases(self._folder / "canvases")
        prefs = addon.preferences()
        self._limits = Limits(
            making.least(parsed.max_cost, prefs and prefs.run_limit),
            making.least(parsed.month_budget, prefs and prefs.month_limit),
        )
        self._spending = RunSpending()
        self._backends: dict[tuple[str, str], Backend] = {}
        self._keys: dict[int, str] = {}
        self._said: set[str] = set()
        self._errors: dict[str, GenAIError] = {}
        self._unanswered: set[str] = set()

    def run(self, items: list[BatchItem], prepared: dict[str, Prepared]) -> int:
        lock = locks.FileLock(self._folder / f"{self._writer}.lock")
        if lock.take() is locks.Held.NO:
            raise StorageError(
                "This batch, or this part of it, is being made already.",
                action="Wait for the other one, or give each its own --shard.",
            )
        begun = [item for item in items if self._progress.state(item.key) is not None]
        if begun and not self._parsed.resume:
            done = sum(self._progress.state(item.key) == "done" for item in items)
            raise InvalidInput(
                f"This batch was begun before: {done} of {len(items)} pictures are done.",
                action="Use --resume to go on, or --restart to make all of it once more.",
            )
        self._look_up(items, prepared)
        todo = [item for item in items if self._is_to_do(item)]
        todo.sort(key=lambda item: str(_seen(item, prepared[item.key])) if item.canvas else "")
        stop = self._make(todo, prepared)
        return self._tell_all(items, stop)

    def _look_up(self, items: list[BatchItem], prepared: dict[str, Prepared]) -> None:
        """What was on its way when a process was killed: it may have come to History after all."""
        open_ = {item.key for item in items if self._progress.state(item.key) == "sent"}
        if not open_:
            return
        first = min(self._progress.marks[key].when for key in open_)
        since = datetime.fromtimestamp(first - 60, UTC)
        for item in self._store.search(since=since, status="done", limit=plan.MOST):
            name, _, key = self._store.record(item.id)["request"].get("batch", "").rpartition("/")
            if name == self._name and key in open_:
                self._progress.put(key, "done", id=item.id)
                open_.discard(key)
        for key in open_:
            if prepared[key].estimate.usd != 0 and not self._parsed.again:
                self._unanswered.add(key)

    def _is_to_do(self, item: BatchItem) -> bool:
        return self._progress.state(item.key) != "done" and item.key not in self._unanswered

    # --- making ----------------------------------------------------------------------------------

    def _make(self, todo: list[BatchItem], prepared: dict[str, Prepared]) -> GenAIError | None:
        """What ended it before its end, if something did."""
        models = [prepared[item.key].model for item in todo]
        ahead = self._parsed.jobs or _AHEAD
        if self._parsed.jobs is None:
            for model in {model.id: model for model in models if model is not None}.values():
                settings = backend_settings.for_model(self._catalog, model)
                ahead = max(ahead, len(servers.names_of(settings, model.backend)) + 1)
        queue = JobQueue(self._keep, self._store.add_failed, workers=ahead)
        self._gate = Gate(
            queue,
            lambda: self._limits,
            self._store.spent_this_month,
            lambda model: backend_settings.check_access(self._catalog, model, wait=True),
        )
        stop: GenAIError | None = None
        try:
            for number, item in enumerate(todo, start=1):
                while len(queue.jobs()) >= ahead:
                    self._pump(queue)
                self._console.progress((number - 1) / len(todo), f"{number} of {len(todo)}")
                try:
                    self._send(item, prepared[item.key])
                except (OverBudget, StorageError) as error:
                    stop = error
                    break
                except GenAIError as error:
                    self._failed(item.key, error)
                self._take(queue.drain())
            while queue.jobs():
                self._pump(queue)
            self._pump(queue)
        finally:
            # Also after Ctrl-C: what is finished is kept, the rest stops within a second.
            ended = queue.close(timeout=_ENDING_SECONDS)
            self._take(queue.drain())
        if not ended:
            raise GenAIError("A job did not stop in time.")
        return stop

    def _send(self, item: BatchItem, prepared: Prepared) -> None:
        model, request = prepared.model, prepared.request
        assert model is not None
        assert request is not None
        self._gate.check(prepared, self._spending)
        canvas = self._canvas(item, prepared) if item.canvas else None
        request = request.with_(canvas=canvas, batch=f"{self._name}/{item.key}")
        which = model.id, item.scene  # pictures of one scene share their backdrop
        if which not in self._backends:
            settings = backend_settings.for_model(self._catalog, model)
            settings = replace(settings, belong_together=True)
            self._backends[which] = create_backend(model.backend, settings)
        self._progress.put(item.key, "sent")
        run = self._backends[which].run
        job = self._gate.submit(replace(prepared, request=request), run, run=self._spending)
        self._keys[job.id] = item.key

    def _canvas(self, item: BatchItem, prepared: Prepared) -> Canvas:
        """Captured once, also over several runs: it is kept until the batch is done."""
        seen = _seen(item, prepared)
        size = prepared.canvas_size
        assert size is not None
        known = self._canvases.find(seen)
        if known is not None:
            return known
        with _in_scene(item.scene):
            frame = bpy.context.scene.frame_current if item.frame is None else item.frame
            planned = argparse.Namespace(
                camera=item.camera or None, frames=str(frame), viewport=False
            )
            (shot,) = shots.plan(planned)
            self._console.progress(None, f"Capturing {shot.text}")
            canvas = shots.take(shot, size, item.mode)
        self._console.event("captured", camera=shot.camera, frame=shot.frame)
        self._canvases.keep(seen, canvas)
        return canvas

    def _keep(self, request: RenderRequest, result: Result, seconds: float) -> str:
        """In the worker."""
        return self._store.add(request, result, seconds=seconds).id

    def _pump(self, queue: JobQueue) -> None:
        event = queue.next_event(timeout=0.1)
        if event is not None:
            self._take([event])
            self._take(queue.drain())

    def _take(self, events: list[tuple[Job, JobEvent]]) -> None:
        for job, event in events:
            self._gate.follow(job, event)
            key = self._keys[job.id]
            if isinstance(event, Notice) and event.text not in self._said:
                self._said.add(event.text)
                self._console.notice(event.text)
            elif isinstance(event, Saved):
                self._progress.put(key, "done", id=event.id)
                self._tell(key, event.id)
            elif isinstance(event, Finished) and event.error is not None:
                self._failed(key, event.error)

    def _failed(self, key: str, error: GenAIError) -> None:
        if self._progress.state(key) == "done":
            return
        self._progress.put(key, "failed", error=error.text)
        self._errors[key] = error
        if not isinstance(error, Cancelled):
            self._console.error(error)

    def _tell(self, key: str, item_id: str) -> None:
        item = self._store.get(item_id)
        path = item.image_path
        if self._output.wanted:
            path = self._output.write(self._store, item, key, self._parsed.format)
        self._console.event(
            "result", id=item.id, key=key, path=str(path), cost_usd=item.cost_usd, seed=item.seed
        )
        self._console.line(str(path))

    # --- what came of it -------------------------------------------------------------------------

    def _tell_all(self, items: list[BatchItem], stop: GenAIError | None) -> int:
        done = [item for item in items if self._progress.state(item.key) == "done"]
        failed = [item for item in items if self._progress.state(item.key) == "failed"]
        summary = (
            f"{len(done)} of {len(items)} done, {len(failed)} failed, "
            f"{len(self._unanswered)} sent and never answered, "
            f"{cost.dollars(self._spending.spent)} spent now."
        )
        if self._parsed.report is not None:
            rows = [self._row(item) for item in items]
            page = report.write(self._parsed.report, self._parsed.file.stem, summary, rows)
            self._console.line(str(page))
        self._console.event(
            "done",
            pictures=len(done),
            failed=len(failed),
            unanswered=len(self._unanswered),
            cost_usd=round(self._spending.spent, 6),
        )
        self._console.line(summary)
        if self._unanswered:
            self._console.notice(
                f"{len(self._unanswered)} picture(s) were sent before and no answer is known: they "
                "may have been paid for. --resume --again sends them once more."
            )
        if stop is not None:
            raise stop
        if len(done) == len(items):
            self._canvases.forget()
            return 0
        first = next(iter(self._errors.values()), None)
        return GenAIError.exit_code if first is None else first.exit_code

    def _row(self, item: BatchItem) -> report.Row:
        about = ", ".join(
            str(part)
            for part in (item.style, item.model, item.scene, item.camera, item.frame, item.seed)
            if part not in ("", None)
        )
        mark = self._progress.marks.get(item.key)
        if mark is None or mark.state != "done":
            why = "It was sent and never answered." if item.key in self._unanswered else ""
            why = why or (mark.error if mark is not None else "") or "It was not made."
            return report.Row(item.key, item.prompt, about, error=why)
        try:
            found = self._store.get(mark.id)
            thumbnail = found.thumbnail_path
            picture = None if thumbnail is None else thumbnail.read_bytes()
        except (GenAIError, OSError) as error:
            return report.Row(item.key, item.prompt, about, mark.id, error=str(error))
        path = str(Path(found.image_path or "").absolute())
        return report.Row(item.key, item.prompt, about, found.id, path, found.cost_usd, "", picture)
