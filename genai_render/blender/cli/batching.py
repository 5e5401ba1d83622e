# SPDX-License-Identifier: GPL-3.0-or-later
"""`batch` and `pack`: all pictures, each once, however often it is stopped and gone on with."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import bpy

from ...backends import batch_endpoint
from ...backends.base import Backend, create_backend
from ...backends.self_hosted import servers
from ...console import Console
from ...core import fingerprint
from ...core.batch import cheap as cheap_prices
from ...core.batch import plan, report
from ...core.batch.run import CANVASES, BatchRun, Picture, sums
from ...core.errors import Cancelled, GenAIError, InvalidInput, NotFound, OverBudget, StorageError
from ...core.events import Notice, Result
from ...core.history.rescue import rescue
from ...core.history.store import HistoryStore
from ...core.jobs import Finished, Job, JobEvent, JobQueue, Run, Saved
from ...core.models.catalog import Catalog, Model
from ...core.provider import BatchPrice
from ...core.request import RenderRequest
from ...core.submission import Gate, Limits, RunSpending
from ...core.view.canvas import Canvas
from .. import addon, backend_settings
from ..batches import items as batch_items
from ..batches import kept_canvas
from ..capture import capture
from ..history_place import open_history
from . import arguments, making, shots
from .catalog_lists import known_catalog
from .changed import fingerprint_of
from .cheap import Cheap
from .history import folder_of
from .interrupt import shielded
from .output_folder import OutputFolder

_AHEAD = 2
_ENDING_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Named:
    """name: of the batch's folder. title: for people. once_more: the words of a command that makes
    chosen ones again; "" for none. afresh: one that is done begins again by itself.
    """

    name: str
    title: str
    once_more: str = ""
    afresh: bool = False


def batch(parsed: argparse.Namespace, console: Console) -> int:
    catalog = known_catalog(console)
    items = plan.expand(plan.read(parsed.file), batch_items.cameras, arguments.frames)
    if parsed.shard:
        items = plan.shard(items, parsed.shard)
    pictures = batch_items.pictures(catalog, [("", item) for item in items])
    named = Named(batch_items.file_name(parsed.file), parsed.file.stem)
    return make(parsed, console, catalog, named, pictures)


def make(
    parsed: argparse.Namespace,
    console: Console,
    catalog: Catalog,
    named: Named,
    pictures: Sequence[Picture],
) -> int:
    """Say what there is to make and what it costs; then make it. Gives the exit code."""
    whole = sums(pictures)

    def price_of(model: Model) -> BatchPrice | None:
        return batch_endpoint.price_of(catalog, model)

    at_half = cheap_prices.priced(pictures, price_of)
    cheap = sums(at_half)
    console.event(
        "plan", pictures=whole.pictures, captures=whole.captures, cost_usd=whole.usd,
        cheap_usd=cheap.usd,
        shots=[picture.title for picture in pictures if picture.title],
    )  # fmt: skip
    for picture in pictures:
        if picture.title:
            spec = picture.prepared.spec
            size = "" if spec is None else spec.text
            console.line(f"  {picture.title}: {size}, {picture.prepared.cost}")
    cheaper = f" With --cheap: {cheap.price}." if cheap.usd != whole.usd else ""
    console.line(
        f"{whole.pictures} picture(s) of {whole.captures} view(s). Cost: {whole.price}.{cheaper}"
    )
    begun = _begun_cheap(parsed, named)
    if begun is not None:
        if not begun.or_plain:
            cheap_prices.check_all(pictures, price_of)
        pictures = at_half
    elif parsed.or_plain or parsed.submit_only:
        raise InvalidInput("--or-plain and --submit-only go with --cheap.")
    if parsed.dry_run or not pictures:
        return 0
    with OutputFolder(parsed.output) as output, shots.kept_frame():
        return _Batch(parsed, console, catalog, output, named, pictures, begun).make()


def _begun_cheap(parsed: argparse.Namespace, named: Named) -> cheap_prices.Begun | None:
    """How a batch goes to batch endpoints: as is said now, or was when it was begun."""
    if parsed.cheap or not (parsed.resume or parsed.changed):
        return cheap_prices.Begun(parsed.or_plain) if parsed.cheap else None
    with open_history(folder_of(parsed)) as store:
        return cheap_prices.kept(batch_items.folder_of(store, named.name))


def _file_name(title: str) -> str:
    return re.sub(r"[^\w.-]+", "-", title).strip("-.").lower()[:80]


class _Batch:
    """One run of the command."""

    def __init__(
        self,
        parsed: argparse.Namespace,
        console: Console,
        catalog: Catalog,
        output: OutputFolder,
        named: Named,
        pictures: Sequence[Picture],
        begun: cheap_prices.Begun | None,
    ) -> None:
        self._parsed, self._console, self._catalog = parsed, console, catalog
        self._output, self._named = output, named
        self._store: HistoryStore = open_history(folder_of(parsed))
        writer = (parsed.shard or "1/1").replace("/", "-of-")
        self._run = BatchRun(
            *(self._store, named.name, named.title, pictures, writer, parsed.restart), parsed.again
        )
        if (
            named.afresh
            and not (parsed.resume or parsed.changed)
            and len(self._run.of("done")) == len(pictures)
        ):
            self._run.close()
            self._run = BatchRun(self._store, named.name, named.title, pictures, writer, True)
        self._canvases = kept_canvas.KeptCanvases(self._run.folder / CANVASES)
        prefs = addon.preferences()
        self._limits = Limits(
            making.least(parsed.max_cost, prefs and prefs.run_limit),
            making.least(parsed.month_budget, prefs and prefs.month_limit),
        )
        self._spending = RunSpending()
        self._backends: dict[tuple[str, str], Backend] = {}
        self._keys: dict[int, str] = {}
        self._titles = {one.key: _file_name(one.title) for one in pictures}
        self._said: set[str] = set()
        self._errors: dict[str, GenAIError] = {}
        self._begun = begun
        self._cheap = Cheap(
            console, catalog, self._run, self._canvases, self._canvas, self._answered,
            self._failed, self._spending,
        )  # fmt: skip

    def make(self) -> int:
        self._run.lock()
        if not (self._parsed.resume or self._parsed.changed):
            self._run.check_not_begun()
        if self._begun is not None:
            self._cheap.check(self._run.pictures)
            cheap_prices.keep(self._run.folder, self._begun)
        self._run.keep_plan()
        self._run.look_up(self._parsed.again)
        self._cheap.find_lost(self._parsed.again)
        if self._parsed.changed:
            self._look_for_changes()
        stop = self._make(self._run.todo())
        return self._tell_all(stop)

    def _look_for_changes(self) -> None:
        """What is done is kept where its view and request are as they were then."""
        done = sorted(self._run.of("done"), key=lambda one: str(one.seen))
        kept = 0
        for picture in done:
            request = picture.prepared.request
            assert request is not None
            canvas = self._canvas(picture) if picture.item.canvas else None
            id = self._run.progress.marks[picture.key].id
            try:
                known = fingerprint_of(self._store, id)
            except NotFound:  # deleted for good
                known = ""
            if known == fingerprint.of(request.with_(canvas=canvas)):
                kept += 1
            else:
                self._run.progress.put(picture.key, "stale", id=id)
        self._console.event("changed", kept=kept, stale=len(done) - kept)
        self._console.line(f"{kept} kept as they were, {len(done) - kept} to be made again.")

    # --- making ----------------------------------------------------------------------------------

    def _make(self, todo: list[Picture]) -> GenAIError | None:
        """What ended it before its end, if something did."""
        models = [one.prepared.model for one in todo]
        ahead = self._parsed.jobs or _AHEAD
        if self._parsed.jobs is None:
            for model in {model.id: model for model in models if model is not None}.values():
                settings = backend_settings.for_model(self._catalog, model)
                ahead = max(ahead, len(servers.names_of(settings, model.backend)) + 1)
        queue = JobQueue(
            self._keep,
            self._store.add_failed,
            workers=ahead,
            arrive=self._store.arrive,
            rescue=lambda _request, result: rescue(result, self._parsed.output),
        )
        self._gate = Gate(
            queue,
            lambda: self._limits,
            self._store.spent_this_month,
            lambda model: backend_settings.check_access(self._catalog, model, wait=True),
            self._store.check_writable,
        )
        self._queue, self._ahead = queue, ahead
        self._cheap.hold(self._gate)
        stop: GenAIError | None = None
        try:
            if self._begun is not None:
                ours, todo = self._cheap.of(todo)
                stop = self._cheap.post(ours, self._gate)
            for number, picture in enumerate(todo if stop is None else (), start=1):
                self._make_room()
                self._console.progress((number - 1) / len(todo), f"{number} of {len(todo)}")
                try:
                    self._send(picture)
                except (OverBudget, StorageError) as error:
                    stop = error
                    break
                except GenAIError as error:
                    self._failed(picture.key, error)
                self._take(queue.drain())
            stop = self._fetch() or stop
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

    def _make_room(self) -> None:
        while len(self._queue.jobs()) >= self._ahead:
            self._pump(self._queue)

    def _fetch(self) -> GenAIError | None:
        wait = not self._parsed.submit_only
        return self._cheap.fetch(wait, self._parsed.poll, lambda: self._take(self._queue.drain()))

    def _answered(self, picture: Picture, request: RenderRequest, run: Run) -> None:
        """What a provider's batch has brought goes the way of every picture."""
        self._make_room()
        prepared = replace(picture.prepared, request=request)
        job = self._gate.submit(prepared, run, run=self._spending, answered=True)
        self._keys[job.id] = picture.key

    def _send(self, picture: Picture) -> None:
        item, prepared = picture.item, picture.prepared
        model, request = prepared.model, prepared.request
        assert model is not None
        assert request is not None
        self._gate.check(prepared, self._spending)
        canvas = self._canvas(picture) if item.canvas else None
        request = request.with_(canvas=canvas, batch=self._run.label(picture.key))
        which = model.id, item.scene  # pictures of one scene share their backdrop
        if which not in self._backends:
            settings = backend_settings.for_model(self._catalog, model)
            choices = self._run.choices(item.scene)
            settings = replace(settings, belong_together=True, choices=choices)
            self._backends[which] = create_backend(model.backend, settings)
        self._run.progress.put(picture.key, "sent")
        run = self._backends[which].run
        job = self._gate.submit(replace(prepared, request=request), run, run=self._spending)
        self._keys[job.id] = picture.key

    def _canvas(self, picture: Picture) -> Canvas:
        """Captured once, also over several runs: it is kept until the batch is done."""
        item = picture.item
        known = self._canvases.find(picture.seen)
        if known is not None:
            return known
        with batch_items.in_scene(item.scene), shielded():
            scene = bpy.context.scene
            if item.frame is not None and scene.frame_current != item.frame:
                scene.frame_set(item.frame)
            spec = batch_items.capture_spec(item, picture.prepared)
            frame = scene.frame_current
            self._console.progress(None, f'Capturing "{spec.camera or "camera"}", frame {frame}')
            canvas = capture(bpy.context, spec)
        self._canvases.keep(picture.seen, canvas)
        self._console.event("captured", camera=canvas.view.camera, frame=frame)
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
                self._run.progress.put(key, "done", id=event.id)
                self._tell(key, event.id)
            elif isinstance(event, Finished) and event.error is not None:
                self._failed(key, event.error)

    def _failed(self, key: str, error: GenAIError) -> None:
        if self._run.progress.state(key) == "done":
            return
        self._run.progress.put(key, "failed", error=error.text)
        self._errors[key] = error
        if not isinstance(error, Cancelled):
            self._console.error(error)

    def _tell(self, key: str, item_id: str) -> None:
        item = self._store.get(item_id)
        path = item.image_path
        if self._output.wanted:
            name = self._titles.get(key) or key
            path = self._output.write(self._store, item, name, self._parsed.format)
        self._console.event(
            "result", id=item.id, key=key, path=str(path), cost_usd=item.cost_usd, seed=item.seed
        )
        self._console.line(str(path))

    # --- what came of it -------------------------------------------------------------------------

    def _tell_all(self, stop: GenAIError | None) -> int:
        run = self._run
        done, failed = run.of("done"), run.of("failed")
        summary = run.summary(self._spending.spent)
        if self._parsed.report is not None:
            page = report.write(
                self._parsed.report, run.title, summary, run.rows(), self._named.once_more
            )
            self._console.event("report", page=str(page), sheet=str(page.parent / report.SHEET))
            self._console.line(str(page))
        self._console.event(
            "done",
            pictures=len(done),
            failed=len(failed),
            unanswered=len(run.unanswered),
            waiting=len(run.posted),
            cost_usd=round(self._spending.spent, 6),
        )
        self._console.line(summary)
        if run.unanswered:
            self._console.notice(
                f"{len(run.unanswered)} picture(s) were sent before and no answer is known: they "
                "may have been paid for. --resume --again sends them once more."
            )
        if run.posted:
            self._console.notice(
                f"{len(run.posted)} picture(s) are with the provider, which has a day for them. "
                "--resume fetches them, also on another day or by another process."
            )
        if stop is not None:
            raise stop
        if len(done) == len(run.pictures):
            self._canvases.forget()
            return 0
        if not self._errors and not run.unanswered and run.posted:
            return 0  # as was asked for
        first = next(iter(self._errors.values()), None)
        return GenAIError.exit_code if first is None else first.exit_code
