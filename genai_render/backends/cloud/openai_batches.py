# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAI's Batch API: a file with a request a line, made within a day for half the price."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...core.errors import GenAIError
from ...core.events import CancelToken, Event
from ...core.models.catalog import Model
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
from ..http import errors, json_answers
from . import answers
from .openai import OpenAIBackend

_NAME = "genai_render"  # of what we call it, among the metadata
_WINDOW = "24h"
_MOST_BYTES = 180_000_000  # of a file, which may have 200 MB
_MOST_REQUESTS = 5000
_MOST_LISTED = 1000
_ENDED = ("completed", "failed", "expired", "cancelled")
_OF_LINE = ("batch_expired", "batch_cancelled")


class Batches(OpenAIBackend):
    def check_settings(self) -> None:
        """Any key can."""

    def order(self, key: str, request: RenderRequest, cancel: CancelToken) -> Order:
        model = self._settings.models().model(request.model)
        call = self._worked_out(model, request, self._access(model), cancel)
        body, url = self._parameters(call), "/v1/images/generations"
        if call.editing:
            url = "/v1/images/edits"
            body["images"] = [_reference(one.data, one.mime) for one in call.attached.images]
            for name, data in (("mask", call.attached.mask), ("markup", call.attached.markup)):
                if data is not None:
                    body[name] = _reference(data, "image/png")
        line = {"custom_id": key, "method": "POST", "url": url, "body": body}
        content = json.dumps(line, ensure_ascii=False).encode() + b"\n"
        size = size_of_answer(call.spec.width, call.spec.height)
        notices = (*call.spec.notes, *call.attached.notices)
        return Order(key, (model.id, url), content, len(content), size, notices)

    def full(self, orders: list[Order], another: Order) -> bool:
        return too_large(orders, another, _MOST_BYTES, _MOST_REQUESTS)

    def post(
        self, orders: list[Order], name: str, cancel: CancelToken, before: Callable[[], None]
    ) -> str:
        model_id, url = orders[0].group
        model = self._settings.models().model(model_id)
        where = self._access(model)
        data = b"".join(order.content for order in orders)
        with self._client(where, cancel) as sdk:
            label = self._label(where)
            # Free, and of no effect by itself.
            file = patiently(
                lambda: self._guarded(
                    lambda: sdk.files.create(
                        file=(f"{name}.jsonl", data, "application/jsonl"), purpose="batch"
                    ),
                    where,
                    cancel,
                ),
                cancel,
                label,
            )
            before()
            batch = patiently(
                lambda: self._guarded(
                    lambda: sdk.batches.create(
                        input_file_id=file.id,
                        endpoint=url,  # pyright: ignore[reportArgumentType]
                        completion_window=_WINDOW,
                        metadata={_NAME: name},
                    ),
                    where,
                    cancel,
                ),
                cancel,
                label,
            )
        return str(batch.id)

    def find(self, name: str, model: Model, cancel: CancelToken) -> str | None:
        where = self._access(model)

        def ask(sdk: Any) -> str | None:
            for number, batch in enumerate(sdk.batches.list(limit=100)):
                if (batch.metadata or {}).get(_NAME) == name:
                    return str(batch.id)
                if number >= _MOST_LISTED:
                    break
            return None

        with self._client(where, cancel) as sdk:
            return self._guarded(lambda: ask(sdk), where, cancel)

    def look(self, ticket: str, model: Model, cancel: CancelToken) -> Standing:
        where = self._access(model)
        with self._client(where, cancel) as sdk:
            batch = self._guarded(lambda: sdk.batches.retrieve(ticket), where, cancel)
        counts, said = batch.request_counts, str(batch.status)
        done = counts.completed + counts.failed if counts is not None else 0
        total = counts.total if counts is not None else 0
        problem = _problem(self._label(where), batch) if said in _ENDED else None
        return Standing(said in _ENDED, errors.plain(said, 40), done, total, problem)

    def collect(
        self,
        ticket: str,
        model: Model,
        request: Callable[[str], RenderRequest],
        cancel: CancelToken,
    ) -> Iterator[tuple[str, Outcome]]:
        where = self._access(model)
        with self._client(where, cancel) as sdk:
            batch = self._guarded(lambda: sdk.batches.retrieve(ticket), where, cancel)
            for file in (batch.output_file_id, batch.error_file_id):
                if not file:
                    continue
                answer = self._guarded(lambda file=file: sdk.files.content(file), where, cancel)
                for line in answer.content.split(b"\n"):
                    found = _parsed(line)
                    if found is not None:
                        key = str(found.get("custom_id"))
                        yield key, self._outcome(found, model, request(key), cancel)

    def _outcome(
        self, line: Mapping[str, Any], model: Model, request: RenderRequest, cancel: CancelToken
    ) -> Outcome:
        where = self._access(model)

        def events(sent: RenderRequest) -> Iterator[Event]:
            label = self._label(where)
            answer, fault = line.get("response"), line.get("error")
            if not isinstance(answer, Mapping):
                raise _of_line(label, fault)
            body, status = answer.get("body"), answer.get("status_code")
            if not isinstance(status, int) or not isinstance(body, Mapping):
                raise errors.bad_answer(label, "It is damaged or cut off.")
            if status >= 400:
                raise answers.translated(label, body, status, {})
            call = self._worked_out(model, sent, where, cancel)
            yield from self._from_body(body, call, {})

        return outcome(events, request)


def _reference(data: bytes, mime: str) -> dict[str, str]:
    return {"image_url": f"data:{mime};base64,{base64.b64encode(data).decode()}"}


def _parsed(line: bytes) -> Mapping[str, Any] | None:
    try:
        value = json_answers.parse(line) if line.strip() else None
    except ValueError:
        return None  # then there is no answer of that one
    return value if isinstance(value, Mapping) else None


def _of_line(label: str, fault: Any) -> GenAIError:
    fault = fault if isinstance(fault, Mapping) else {}
    code = str(fault.get("code") or "")
    if code in _OF_LINE:
        return not_made(label, code.removeprefix("batch_"), str(fault.get("message") or ""))
    return answers.translated(label, {"error": fault}, None, {})


def not_made(label: str, state: str, text: str) -> GenAIError:
    """One of a batch that ended before its turn came."""
    what = {
        "expired": f"{label} did not make it within a day.",
        "cancelled": f"The batch was cancelled at {label} before this was made.",
        "failed": f"{label} did not accept the batch.",
    }.get(state, f"{label} has no answer for this one.")
    return errors.ServerError(
        what, errors.quoted(label, text), "It was not charged. --resume hands it in again."
    )


def _problem(label: str, batch: Any) -> GenAIError:
    listed = batch.errors.data if batch.errors is not None else None
    said = "; ".join(str(one.message) for one in (listed or [])[:3] if one.message)
    if batch.status == "completed":
        return errors.bad_answer(label, "The batch has no answer for this one.")
    return not_made(label, batch.status, said)
