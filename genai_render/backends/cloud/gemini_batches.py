# SPDX-License-Identifier: GPL-3.0-or-later
"""Google's batch mode for Gemini: requests in one call, made within a day for half the price."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ...core.errors import GenAIError, InvalidInput
from ...core.events import CancelToken, Event
from ...core.models.catalog import Model
from ...core.models.cost import actual
from ...core.request import RenderRequest
from ..batch_endpoint import (
    Order,
    Outcome,
    Standing,
    outcome,
    patiently,
    size_of_answer,
    too_large,
)
from ..http import errors
from ..http.settings import vertex_of
from . import gemini

if TYPE_CHECKING:
    from google.genai import types

_MOST_BYTES = 19_000_000  # of a call, which may have 20 MB
_MOST_REQUESTS = 100
_MOST_LISTED = 1000
_IN_BASE64 = 4 / 3
_WORDS = 20_000
_KEY = "key"  # among the metadata of a request
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "PARTIALLY_SUCCEEDED")


class Batches(gemini.GeminiBackend):
    def check_settings(self) -> None:
        if vertex_of(self._settings, "gemini") is not None:
            raise InvalidInput(
                "Batches of Google's models are made with an API key only.",
                "Through Vertex AI they need a storage bucket.",
                "Enter a key in the preferences, or leave --cheap out.",
            )

    def order(self, key: str, request: RenderRequest, cancel: CancelToken) -> Order:
        model = self._settings.models().model(request.model)
        call = self._worked_out(model, request)
        config = gemini.config_of(call, request.seed)
        if config.thinking_config is not None:
            config.thinking_config.include_thoughts = None  # no one watches it take shape
        size = _WORDS + sum(int(len(one.data) * _IN_BASE64) for one in call.attached.images)
        return Order(
            key,
            (model.id,),
            (gemini.contents_of(call), config),
            size,
            size_of_answer(call.spec.width, call.spec.height),
            (*call.spec.notes, *call.attached.notices),
        )

    def full(self, orders: list[Order], another: Order) -> bool:
        return too_large(orders, another, _MOST_BYTES, _MOST_REQUESTS)

    def post(
        self, orders: list[Order], name: str, cancel: CancelToken, before: Callable[[], None]
    ) -> str:
        from google.genai import types

        model = self._settings.models().model(orders[0].group[0])
        requests = [
            types.InlinedRequest(
                contents=one.content[0], config=one.content[1], metadata={_KEY: one.key}
            )
            for one in orders
        ]
        config = types.CreateBatchJobConfig(display_name=name)
        with self._client(self._access(cancel), cancel) as (sdk, kinds):
            before()
            job = patiently(
                lambda: self._guarded(
                    lambda: sdk.batches.create(model=model.name, src=requests, config=config),
                    cancel,
                    kinds,
                ),
                cancel,
                gemini.LABEL,
            )
        return str(job.name)

    def find(self, name: str, model: Model, cancel: CancelToken) -> str | None:
        def ask(sdk: Any) -> str | None:
            for number, job in enumerate(sdk.batches.list(config={"page_size": 100})):
                if job.display_name == name:
                    return str(job.name)
                if number >= _MOST_LISTED:
                    break
            return None

        with self._client(self._access(cancel), cancel) as (sdk, kinds):
            return self._guarded(lambda: ask(sdk), cancel, kinds)

    def look(self, ticket: str, model: Model, cancel: CancelToken) -> Standing:
        state = _state(self._job(ticket, cancel))
        return Standing(state in _ENDED, state.lower(), problem=_problem(state))

    def collect(
        self,
        ticket: str,
        model: Model,
        request: Callable[[str], RenderRequest],
        cancel: CancelToken,
    ) -> Iterator[tuple[str, Outcome]]:
        job = self._job(ticket, cancel)
        for answer in (job.dest.inlined_responses if job.dest is not None else None) or ():
            key = str((answer.metadata or {}).get(_KEY, ""))
            yield key, self._outcome(answer, model, request(key))

    def _job(self, ticket: str, cancel: CancelToken) -> types.BatchJob:
        with self._client(self._access(cancel), cancel) as (sdk, kinds):
            return self._guarded(lambda: sdk.batches.get(name=ticket), cancel, kinds)

    def _outcome(
        self, answer: types.InlinedResponse, model: Model, request: RenderRequest
    ) -> Outcome:
        def events(sent: RenderRequest) -> Iterator[Event]:
            if answer.response is None:
                fault = answer.error
                raise gemini.fault_of(
                    (fault.code if fault is not None else None) or 0,
                    (fault.message if fault is not None else None) or "",
                )
            heard = gemini.Heard()
            yield from gemini.listen(answer.response, heard, 0)
            usage = gemini.usage_of(heard.usage)
            call = self._worked_out(model, sent)
            try:
                result = self._result(call, heard, usage, 0, sent.seed)
            except GenAIError as error:
                error.cost_usd = actual(model, usage)
                raise
            yield result

        return outcome(events, request)


def _state(job: types.BatchJob) -> str:
    """ "SUCCEEDED", "RUNNING" …"""
    return str(getattr(job.state, "value", job.state) or "").removeprefix("JOB_STATE_")


def _problem(state: str) -> GenAIError | None:
    """Of what has no answer."""
    label = gemini.LABEL
    if state not in _ENDED:
        return None
    if state in ("SUCCEEDED", "PARTIALLY_SUCCEEDED"):
        return errors.bad_answer(label, "The batch has no answer for this one.")
    what = {
        "EXPIRED": f"{label} did not make it within the time for a batch.",
        "CANCELLED": f"The batch was cancelled at {label} before this was made.",
    }.get(state, f"{label} did not make the batch.")
    return errors.ServerError(what, "", "It was not charged. --resume hands it in again.")
