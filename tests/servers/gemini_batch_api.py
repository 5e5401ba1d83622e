# SPDX-License-Identifier: GPL-3.0-or-later
"""Google's batch mode for Gemini, as far as its SDK and documentation describe it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import gemini_api
from .gemini_api import GeminiServer, Refusal, camel, chunks, fault, only, order_of
from .http import Answer, Received

_MOST_BYTES = 20 * 1024 * 1024


@dataclass
class Batch:
    name: str
    display_name: str
    model: str
    requests: list[dict[str, Any]]
    looks: int = 0


class GeminiBatchServer(GeminiServer):
    """looks: how often it is asked before a batch ends. ends: in which state. spoiled: gives the
    error in place of the image for the number of a request."""

    def __init__(
        self,
        *script: gemini_api.Step,
        looks: int = 2,
        ends: str = "SUCCEEDED",
        spoiled: Callable[[int], dict[str, Any] | None] = lambda _number: None,
        **more: Any,
    ) -> None:
        super().__init__(*script, **more)
        self.looks, self.ends, self.spoiled = looks, ends, spoiled
        self.batches: dict[str, Batch] = {}

    @property
    def images_made(self) -> int:
        return sum(len(batch.requests) for batch in self.batches.values())

    def _handle(self, request: Received) -> Answer | None:
        created = re.fullmatch(r"/v1(?:beta)?/models/([\w.-]+):batchGenerateContent", request.path)
        named = re.sub(r"^/v1(?:beta)?/", "", request.path)
        if self.script or not (created or named.startswith("batches")):
            return super()._handle(request)
        if request.headers.get("x-goog-api-key") != self.key:
            return gemini_api.wrong_key(request, self)
        try:
            if created and request.method == "POST":
                return Answer.of_json(self._create(created[1], request))
        except Refusal as refusal:
            return fault(400, "INVALID_ARGUMENT", str(refusal))(request, self)
        if named == "batches":
            told = [self._told(batch) for batch in reversed(self.batches.values())]
            return Answer.of_json({"operations": told})
        if named in self.batches:
            self.batches[named].looks += 1
            return Answer.of_json(self._told(self.batches[named]))
        return fault(404, "NOT_FOUND", f"{named} is not found")(request, self)

    def create(self, request: Received) -> dict[str, Any]:
        """A batch from what came. Raises Refusal."""
        found = re.search(r"models/([\w.-]+):", request.path)
        assert found is not None
        return self._create(found[1], request)

    def _create(self, model: str, request: Received) -> dict[str, Any]:
        if len(request.body) > _MOST_BYTES:
            raise Refusal(f"Request payload size exceeds the limit: {_MOST_BYTES} bytes.")
        body = camel(request.json)
        only(body, {"batch"})
        only(body["batch"], {"displayName", "inputConfig"})
        requests = body["batch"]["inputConfig"]["requests"]["requests"]
        for one in requests:
            only(one, {"request", "metadata"})
        name = f"batches/{len(self.batches):036x}"
        made = Batch(name, body["batch"]["displayName"], model, requests)
        self.batches[name] = made
        return self._told(made)

    def _told(self, batch: Batch) -> dict[str, Any]:
        ended = batch.looks > self.looks
        state = self.ends if ended else ("RUNNING" if batch.looks else "PENDING")
        about: dict[str, Any] = {
            "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
            **{"name": batch.name, "model": f"models/{batch.model}"},
            **{"displayName": batch.display_name, "state": f"BATCH_STATE_{state}"},
            **{"createTime": "2026-11-28T12:00:00Z", "updateTime": "2026-11-28T12:00:00Z"},
            "batchStats": {"requestCount": str(len(batch.requests))},
        }
        if ended and self.ends == "SUCCEEDED":
            answers = [self._entry(batch, at, one) for at, one in enumerate(batch.requests)]
            about["output"] = {"inlinedResponses": {"inlinedResponses": answers}}
        done = {"done": True} if ended else {}
        return {"name": batch.name, "metadata": about, **done}

    def _entry(self, batch: Batch, number: int, one: dict[str, Any]) -> dict[str, Any]:
        told = {"metadata": one["metadata"]}
        spoiled = self.spoiled(number)
        if spoiled is not None:
            return {**told, "error": spoiled}
        try:
            order = order_of(batch.model, one["request"])
        except Refusal as refusal:
            return {**told, "error": {"code": 3, "message": str(refusal)}}
        parts: list[dict[str, Any]] = []
        whole: dict[str, Any] = {}
        for event in chunks(order):
            value = json.loads(event.removeprefix(b"data: "))
            for candidate in value.pop("candidates"):
                content = candidate.get("content", {"parts": []})
                parts += [part for part in content["parts"] if not part.get("thought")]
            whole |= value
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
        return {**told, "response": {"candidates": [candidate], **whole}}


def images_sent(batch: Batch) -> list[bytes]:
    return [
        base64.urlsafe_b64decode(part["inlineData"]["data"])
        for one in batch.requests
        for part in one["request"]["contents"][0]["parts"]
        if "inlineData" in part
    ]
