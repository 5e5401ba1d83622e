# SPDX-License-Identifier: GPL-3.0-or-later
"""`batch --cheap`: handed in to the providers' batch endpoints, and fetched when they are done.

What is handed in is written down before it is sent, and its ticket after, so that whatever kills
this process, nothing is handed in twice.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...backends import batch_endpoint
from ...backends.batch_endpoint import Batches, Order, Outcome, Standing
from ...backends.http.errors import Rejected, Retryable
from ...console import Console
from ...core import plain_images
from ...core.batch.cheap import factor_of
from ...core.batch.progress import Mark
from ...core.batch.run import BatchRun, Picture
from ...core.errors import CredentialsError, GenAIError, OverBudget, ServerError, StorageError
from ...core.events import CancelToken, Event, Result
from ...core.jobs import Run
from ...core.models.catalog import Catalog, Model
from ...core.request import RenderRequest
from ...core.submission import Gate, RunSpending
from ...core.view.canvas import Canvas
from .. import backend_settings
from ..batches.kept_canvas import KeptCanvases


@dataclass(frozen=True, slots=True)
class Posted:
    """A batch at a provider, by our name of it and its own."""

    job: str
    ticket: str
    model: Model
    keys: tuple[str, ...]


class Cheap:
    """The part of a batch that providers make in batches of their own.

    canvas: of a picture, captured if need be. send: gives what came to the queue that keeps it.
    failed: told of each that was not made.
    """

    def __init__(
        self,
        console: Console,
        catalog: Catalog,
        run: BatchRun,
        canvases: KeptCanvases,
        canvas: Callable[[Picture], Canvas],
        send: Callable[[Picture, RenderRequest, Run], None],
        failed: Callable[[str, GenAIError], None],
        spending: RunSpending,
    ) -> None:
        self._console, self._catalog, self._run = console, catalog, run
        self._canvases, self._canvas = canvases, canvas
        self._send, self._failed, self._spending = send, failed, spending
        self._pictures = {one.key: one for one in run.pictures}
        self._batches: dict[str, Batches] = {}
        self._held: dict[str, Callable[[], None]] = {}
        self._said: set[str] = set()
        self._cancel = CancelToken()

    def check(self, pictures: list[Picture]) -> None:
        """Whether the settings let them be handed in. Raises a GenAIError."""
        for picture in pictures:
            if picture.prepared.model is not None and self._factor(picture) is not None:
                self._of(picture.prepared.model).check_settings()

    def of(self, pictures: list[Picture]) -> tuple[list[Picture], list[Picture]]:
        """Those that are handed in, and those that are made the plain way."""
        ours = [one for one in pictures if self._factor(one) is not None]
        keys = {one.key for one in ours}
        return ours, [one for one in pictures if one.key not in keys]

    # --- handing in -------------------------------------------------------------------------------

    def find_lost(self, again: bool) -> None:
        """What was sent when a process was killed, and whose ticket is not known, is asked for.

        again: what the provider has nothing of may be sent once more.
        """
        elsewhere = {
            mark.key
            for mark in self._run.progress.marks.values()
            if mark.job and mark.state == "sent" and mark.key not in self._pictures
        }
        if elsewhere:
            self._say(
                f"{len(elsewhere)} picture(s) that were handed in are no longer in this batch. "
                "They are fetched when they are in it again."
            )
        for job, marks in self._marks().items():
            if any(mark.ticket for mark in marks):
                continue
            model = self._model(marks)
            ticket = self._of(model).find(job, model, self._cancel)
            if ticket is not None:
                self._note(marks, ticket)
                continue
            for mark in marks:
                self._run.posted.discard(mark.key)
                if not again:
                    self._run.unanswered.add(mark.key)

    def post(self, pictures: list[Picture], gate: Gate) -> GenAIError | None:
        """Hand in all of them. Gives what ended it before its end, if something did."""
        parts: dict[tuple[str, ...], list[Order]] = {}
        stop: GenAIError | None = None
        for number, picture in enumerate(pictures, start=1):
            self._console.progress((number - 1) / len(pictures), f"{number} of {len(pictures)}")
            try:
                self._held[picture.key] = gate.reserve(picture.prepared, self._spending)
                order = self._order(picture)
            except GenAIError as error:
                self._let_go(picture.key)
                if isinstance(error, (OverBudget, CredentialsError, StorageError)):
                    stop = error
                    break
                self._failed(picture.key, error)
                continue
            part = parts.setdefault(order.group, [])
            if part and self._of_picture(picture).full(part, order):
                stop = self._post(part)
                part = parts[order.group] = []
            if stop is not None:
                break
            part.append(order)
        for part in parts.values():
            if part and (stop is None or isinstance(stop, OverBudget)):
                problem = self._post(part)
                stop = stop or problem
        return stop

    def _order(self, picture: Picture) -> Order:
        request = self._request(picture, self._canvas(picture) if picture.item.canvas else None)
        order = self._of_picture(picture).order(
            picture.key, plain_images.sendable(request), self._cancel
        )
        for text in order.notices:
            self._say(text)
        return order

    def _post(self, part: list[Order]) -> GenAIError | None:
        """Gives what stands against all others, too."""
        job = f"{self._run.name}-{secrets.token_hex(6)}"
        keys = [order.key for order in part]
        pictures = [self._pictures[key] for key in keys]
        model = pictures[0].prepared.model
        assert model is not None
        marks = [
            Mark(one.key, "sent", when=time.time(), job=job, canvas=self._canvas_name(one))
            for one in pictures
        ]
        sent = False

        def before() -> None:
            nonlocal sent
            self._run.progress.write(marks)
            sent = True

        try:
            ticket = self._of(model).post(part, job, self._cancel, before)
        except GenAIError as error:
            surely_not = isinstance(error, (Retryable, Rejected, CredentialsError))
            if sent and not surely_not:
                # It may have been accepted all the same: the provider knows.
                try:
                    known = self._of(model).find(job, model, self._cancel)
                except GenAIError:
                    known = None
                if known is not None:
                    self._taken(marks, known)
                    return None
                self._run.unanswered |= set(keys)
            elif isinstance(error, Rejected):
                for key in keys:
                    self._failed(key, error)
            elif sent:
                now = time.time()
                self._run.progress.write(
                    Mark(key, "failed", error=error.text, when=now) for key in keys
                )
            for key in keys:
                self._let_go(key)
            return None if isinstance(error, Rejected) else error
        self._taken(marks, ticket)
        return None

    def _taken(self, marks: list[Mark], ticket: str) -> None:
        self._note(marks, ticket)
        self._run.posted |= {mark.key for mark in marks}
        self._console.event("submitted", ticket=ticket, pictures=len(marks))
        self._console.line(f"{ticket}: {len(marks)} picture(s) handed in.")

    def _note(self, marks: list[Mark], ticket: str) -> None:
        now = time.time()
        self._run.progress.write(
            Mark(one.key, "sent", when=now, job=one.job, ticket=ticket, canvas=one.canvas)
            for one in marks
        )

    # --- fetching ---------------------------------------------------------------------------------

    def hold(self, gate: Gate) -> None:
        """What an earlier process handed in counts among what is on its way."""
        for key in self._run.posted:
            if key not in self._held:
                prepared = self._pictures[key].prepared
                self._held[key] = gate.reserve(prepared, self._spending, sent=True)

    def fetch(self, wait: bool, seconds: float, idle: Callable[[], None]) -> GenAIError | None:
        """What has ended; with `wait`, all of it. idle: called between two looks.

        Gives what stands in the way of asking, if it is not only for a moment.
        """
        while True:
            working: list[tuple[Posted, Standing | None]] = []
            problem: GenAIError | None = None
            for posted in self._open():
                try:
                    standing = self._of(posted.model).look(
                        posted.ticket, posted.model, self._cancel
                    )
                    if standing.ended:
                        self._fetch(posted, standing)
                    else:
                        working.append((posted, standing))
                except ServerError as error:  # the network, for a moment: it is all still there
                    problem = error
                    self._say(error.text)
                    working.append((posted, None))
                except GenAIError as error:
                    return error
            if not working:
                return None
            self._tell(working)
            if not wait:
                return problem
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                idle()
                self._cancel.wait(min(0.2, seconds))

    def _fetch(self, posted: Posted, standing: Standing) -> None:
        missing = set(posted.keys)
        factor = self._factor_of_model(posted.model)

        def request(key: str) -> RenderRequest:
            picture = self._pictures[key]
            name = self._run.progress.marks[key].canvas
            return self._request(picture, self._canvases.named(name) if name else None)

        answers = self._of(posted.model).collect(
            posted.ticket, posted.model, self._known(request, posted), self._cancel
        )
        for key, outcome in answers:
            if key in missing:
                missing.discard(key)
                what = batch_endpoint.at_price(outcome, factor, posted.ticket)
                self._come(key, request(key), what)
        for key in sorted(missing):
            problem = standing.problem or GenAIError("The provider has no answer for this one.")
            self._come(key, request(key), problem)

    def _known(
        self, request: Callable[[str], RenderRequest], posted: Posted
    ) -> Callable[[str], RenderRequest]:
        """For answers to what was never asked, any request will do: they are left out."""
        return lambda key: request(key if key in posted.keys else posted.keys[0])

    def _come(self, key: str, request: RenderRequest, what: Outcome) -> None:
        self._let_go(key)
        self._run.posted.discard(key)

        def run(_request: RenderRequest, _cancel: CancelToken) -> Iterator[Event]:
            if isinstance(what, Result):
                yield what
                return
            raise what

        self._send(self._pictures[key], request, run)

    def _tell(self, working: list[tuple[Posted, Standing | None]]) -> None:
        done = sum(one.done for _, one in working if one is not None)
        total = sum(len(posted.keys) for posted, _ in working)
        said = ", ".join(sorted({one.said for _, one in working if one is not None})) or "unknown"
        self._console.progress(
            None, f"The provider has {done} of {total} done ({said}). --resume goes on later."
        )

    # --- what is known ----------------------------------------------------------------------------

    def _marks(self) -> dict[str, list[Mark]]:
        """Of what is still at a provider, by its name."""
        found: dict[str, list[Mark]] = {}
        for key in sorted(self._run.posted):
            mark = self._run.progress.marks[key]
            found.setdefault(mark.job, []).append(mark)
        return found

    def _open(self) -> list[Posted]:
        return [
            Posted(job, marks[0].ticket, self._model(marks), tuple(mark.key for mark in marks))
            for job, marks in self._marks().items()
        ]

    def _model(self, marks: list[Mark]) -> Model:
        model = self._pictures[marks[0].key].prepared.model
        assert model is not None
        return model

    def _of(self, model: Model) -> Batches:
        if model.backend not in self._batches:
            settings = backend_settings.for_model(self._catalog, model)
            self._batches[model.backend] = batch_endpoint.create_batches(model.backend, settings)
        return self._batches[model.backend]

    def _of_picture(self, picture: Picture) -> Batches:
        assert picture.prepared.model is not None
        return self._of(picture.prepared.model)

    def _factor(self, picture: Picture) -> float | None:
        return factor_of(picture, lambda model: batch_endpoint.price_of(self._catalog, model))

    def _factor_of_model(self, model: Model) -> float:
        price = batch_endpoint.price_of(self._catalog, model)
        return 1.0 if price is None else price.factor

    def _request(self, picture: Picture, canvas: Canvas | None) -> RenderRequest:
        request = picture.prepared.request
        assert request is not None
        return request.with_(canvas=canvas, batch=self._run.label(picture.key))

    def _canvas_name(self, picture: Picture) -> str:
        return self._canvases.name_of(picture.seen) if picture.item.canvas else ""

    def _let_go(self, key: str) -> None:
        release = self._held.pop(key, None)
        if release is not None:
            release()

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._console.notice(text)
