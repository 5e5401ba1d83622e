# SPDX-License-Identifier: GPL-3.0-or-later
"""*Refresh Models*: the providers are asked for their lists in the background, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...backends.http.errors import OnlineAccessOff
from ...backends.refresh import Answered, ServersAnswered, refreshed
from ...core.errors import Cancelled, GenAIError
from ...core.events import CancelToken
from .. import addon, backend_settings, background, catalog, redraw

if TYPE_CHECKING:
    from ...core.models.model_lists import KnownList
    from ...core.models.server_lists import ServerList


@dataclass(frozen=True, slots=True)
class Line:
    """What one provider said, for people to read."""

    text: str
    is_error: bool = False


class ModelRefresh:
    """lines: what was said so far in this refresh, or in the last one. running: it goes on."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._cancel: CancelToken | None = None
        self._lists: dict[str, KnownList] = {}
        self._server_lists: dict[str, ServerList] = {}

    @property
    def running(self) -> bool:
        return self._cancel is not None

    def start(self) -> None:
        """Does nothing while one goes on."""
        if self.running:
            return
        self._cancel = cancel = CancelToken()
        self.lines, self._lists, self._server_lists = [], {}, {}
        known = catalog.catalog()
        self._next(refreshed(backend_settings.for_all(known), cancel))
        _redraw()

    def cancel(self) -> None:
        """What was answered so far is kept."""
        if self._cancel is not None:
            self._cancel.cancel()

    def _next(self, answers: Iterator[Answered | ServersAnswered]) -> None:
        """Ask the next provider, in a thread; then this again."""

        def work() -> Answered | ServersAnswered | GenAIError | None:
            try:
                return next(answers, None)
            except GenAIError as error:
                return error.with_traceback(None)

        background.run(work, lambda answer: self._take(answer, answers))

    def _take(
        self,
        answer: Answered | ServersAnswered | GenAIError | None,
        answers: Iterator[Answered | ServersAnswered],
    ) -> None:
        if isinstance(answer, Answered):
            self.lines.append(_line(answer))
            if answer.known is not None:
                self._lists[answer.provider.id] = answer.known
            self._next(answers)
        elif isinstance(answer, ServersAnswered):
            self.lines.append(_servers_line(answer))
            if answer.known is not None:
                self._server_lists[answer.kind] = answer.known
            self._next(answers)
        else:
            self._end(answer)
        _redraw()

    def _end(self, problem: GenAIError | None) -> None:
        self._cancel = None
        if isinstance(problem, OnlineAccessOff):
            problem = OnlineAccessOff(
                "The lists of models need the network.", "", backend_settings.how_to_allow()
            )
        if isinstance(problem, Cancelled):
            self.lines.append(Line("Stopped"))
        elif problem is not None:
            self.lines.append(Line(problem.text, True))
        try:
            if self._lists:
                catalog.keep_lists(self._lists)
            if self._server_lists:
                catalog.keep_server_lists(self._server_lists)
        except GenAIError as error:
            self.lines.append(Line(error.text, True))

    def close(self) -> None:
        self.cancel()


def state() -> ModelRefresh:
    return addon.state(ModelRefresh)


def _line(answer: Answered) -> Line:
    label = answer.provider.label
    if answer.known is None:
        return Line(f"{label}: {answer.problem.text if answer.problem else ''}", True)
    count, new = len(answer.known.models), len(answer.new)
    return Line(f"{label}: {count} models, {new if new else 'none'} of them new here")


def _servers_line(answer: ServersAnswered) -> Line:
    if answer.known is None:
        return Line(f"{answer.label}: {answer.problem.text if answer.problem else ''}", True)
    count, lacking = answer.known.count, len(answer.known.lacking)
    if lacking:
        return Line(
            f"{answer.label}: names to choose from: {count}; workflows that lack nodes: {lacking}"
        )
    return Line(f"{answer.label}: names to choose from: {count}")


def _redraw() -> None:
    redraw.sidebars()
    redraw.preferences()
