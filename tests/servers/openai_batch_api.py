# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAI's files and batches, as far as the SDK and the guide describe them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import openai_api
from .http import Answer, Received
from .openai_api import OpenAIServer, Refusal

_ENDPOINTS = ("/v1/images/generations", "/v1/images/edits")
_WORKING = ("validating", "in_progress", "finalizing")

Spoil = Callable[[int], dict[str, Any] | None]


@dataclass
class Batch:
    id: str
    values: dict[str, Any]
    lines: list[dict[str, Any]]
    looks: int = 0


@dataclass
class _Kept:
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)


class OpenAIBatchServer(OpenAIServer):
    """looks: how often it is asked before a batch ends. ends: in which state; what `spoiled`
    gives for the number of a line goes to the error file in place of an image. made: how many
    lines are made of one that expires or is cancelled.
    """

    def __init__(
        self,
        *script: openai_api.Step,
        looks: int = 2,
        ends: str = "completed",
        spoiled: Spoil = lambda _number: None,
        made: int = 1,
        **more: Any,
    ) -> None:
        super().__init__(*script, **more)
        self.looks, self.ends, self.spoiled, self.made = looks, ends, spoiled, made
        self.kept = _Kept()

    @property
    def images_made(self) -> int:
        """How many were asked for in all batches: what is paid."""
        return sum(len(batch.lines) for batch in self.kept.batches.values())

    def _handle(self, request: Received) -> Answer | None:
        if self.script:
            return self.script.pop(0)(request, self)
        if not request.path.startswith(("/v1/files", "/v1/batches")):
            return super()._handle(request)
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return openai_api.wrong_key(request, self)
        try:
            return self.answer(request)
        except Refusal as refusal:
            return Answer.of_json(refusal.body, 400)

    def answer(self, request: Received) -> Answer:
        """As it works. Raises Refusal."""
        if request.method == "POST" and request.path == "/v1/files":
            return Answer.of_json(self._upload(request))
        if request.method == "POST" and request.path == "/v1/batches":
            return Answer.of_json(self._create(request.json))
        if request.path == "/v1/batches":
            listed = [self._told(batch) for batch in reversed(self.kept.batches.values())]
            return Answer.of_json({"object": "list", "data": listed, "has_more": False})
        found = re.fullmatch(r"/v1/(files|batches)/([\w-]+)(/content)?", request.path)
        if found and found[1] == "batches" and found[2] in self.kept.batches:
            batch = self.kept.batches[found[2]]
            batch.looks += 1
            return Answer.of_json(self._told(batch))
        if found and found[3] and found[2] in self.kept.files:
            kind = {"content-type": "application/octet-stream"}
            return Answer(200, kind, self.kept.files[found[2]])
        raise Refusal(f"No such object: {request.path}")

    def _upload(self, request: Received) -> dict[str, Any]:
        parts = {part.name: part for part in request.fields}
        if set(parts) != {"purpose", "file"} or parts["purpose"].text != "batch":
            raise Refusal("purpose and file", "purpose")
        if not (parts["file"].file_name or "").endswith(".jsonl"):
            raise Refusal("Invalid file format for Batch API. Must be .jsonl", "file")
        id = f"file-{len(self.kept.files):024d}"
        self.kept.files[id] = parts["file"].data
        return {
            **{"id": id, "object": "file", "bytes": len(parts["file"].data), "created_at": 1},
            **{"filename": parts["file"].file_name, "purpose": "batch", "status": "processed"},
        }

    def _create(self, order: dict[str, Any]) -> dict[str, Any]:
        known = {"input_file_id", "endpoint", "completion_window", "metadata"}
        if set(order) - known or order["completion_window"] != "24h":
            raise Refusal(f"Unknown parameter among {sorted(order)}")
        if order["endpoint"] not in _ENDPOINTS or order["input_file_id"] not in self.kept.files:
            raise Refusal("endpoint or input_file_id", "endpoint")
        for name, value in order.get("metadata", {}).items():
            if len(name) > 64 or len(value) > 512:
                raise Refusal("metadata", "metadata")
        data = self.kept.files[order["input_file_id"]]
        lines = [json.loads(line) for line in data.splitlines()]
        id = f"batch_{len(self.kept.batches):032x}"
        self.kept.batches[id] = Batch(id, order, lines)
        return self._told(self.kept.batches[id])

    def _told(self, batch: Batch) -> dict[str, Any]:
        ended = batch.looks > self.looks
        status = self.ends if ended else _WORKING[min(batch.looks, len(_WORKING) - 1)]
        told: dict[str, Any] = {
            **{"id": batch.id, "object": "batch", "endpoint": batch.values["endpoint"]},
            **{"errors": None, "input_file_id": batch.values["input_file_id"]},
            **{"completion_window": "24h", "status": status, "created_at": 1},
            **{"output_file_id": None, "error_file_id": None},
            "request_counts": {"total": len(batch.lines), "completed": 0, "failed": 0},
            "metadata": batch.values.get("metadata"),
        }
        if not ended:
            return told
        if self.ends == "failed":
            fault = {"code": "invalid_json_line", "line": 1, "param": None}
            fault["message"] = "This line is not parseable as valid JSON."
            told["errors"] = {"object": "list", "data": [fault]}
            return told
        good, bad = self._made(batch)
        told["request_counts"] |= {"completed": len(good), "failed": len(bad)}
        for name, lines in (("output_file_id", good), ("error_file_id", bad)):
            if lines:
                told[name] = f"file-{name[:5]}-{batch.id[6:]}"
                self.kept.files[told[name]] = b"".join(
                    json.dumps(line).encode() + b"\n" for line in lines
                )
        return told

    def _made(self, batch: Batch) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        for number, line in enumerate(batch.lines):
            if set(line) != {"custom_id", "method", "url", "body"} or line["method"] != "POST":
                raise AssertionError(f"not a line of a batch: {sorted(line)}")
            if line["url"] != batch.values["endpoint"]:
                raise AssertionError("a line of another endpoint")
            answer = {"id": f"batch_req_{number}", "custom_id": line["custom_id"]}
            late = {
                "code": f"batch_{self.ends}",
                "message": "This request could not be executed before the completion window.",
            }
            if self.ends != "completed" and number >= self.made:
                bad.append({**answer, "response": None, "error": late})
                continue
            spoiled = self.spoiled(number)
            try:
                body = spoiled if spoiled is not None else self._image(line["url"], line["body"])
                status = 400 if spoiled is not None else 200
            except Refusal as refusal:
                body, status = refusal.body, 400
            response = {"status_code": status, "request_id": f"req_{number}", "body": body}
            (good if status == 200 else bad).append({**answer, "response": response, "error": None})
        return good, bad

    def _image(self, url: str, body: dict[str, Any]) -> dict[str, Any]:
        order = dict(body)
        if url.endswith("edits"):
            order["_images"] = [("image", _of_uri(one)) for one in order.pop("images")]
            if not 1 <= len(order["_images"]) <= 16:
                raise Refusal("Between 1 and 16 images", "images")
        openai_api.check(order)
        return {
            **{"created": 1, "size": order["size"], "quality": order.get("quality", "medium")},
            "data": [{"b64_json": openai_api.picture_text(order)}],
            "usage": self.usage,
        }


def _of_uri(reference: dict[str, str]) -> bytes:
    if set(reference) != {"image_url"}:
        raise Refusal("image_url or file_id", "images")
    found = re.fullmatch(r"data:image/(png|jpeg|webp);base64,(.+)", reference["image_url"])
    if not found:
        raise Refusal("image_url", "images")
    return base64.b64decode(found[2], validate=True)


def moderated(number: int) -> Spoil:
    """Refuses the line of that number."""
    error = {
        **{"message": "Your request was rejected by the safety system.", "param": None},
        **{"type": "image_generation_user_error", "code": "moderation_blocked"},
    }
    return lambda at: {"error": error} if at == number else None
