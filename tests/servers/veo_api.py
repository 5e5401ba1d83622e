# SPDX-License-Identifier: GPL-3.0-or-later
"""Veo on Vertex AI as Google's SDK has it: predictLongRunning, fetchPredictOperation, and the clip
in its answer (google-genai 3.6.1: models.py, operations.py, types.py, their `_to_vertex` and
`_from_vertex`).

Lengths, shapes and resolutions are refused as Google's documentation of Veo 3.1 says.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

from genai_render.core.image import images

from . import media_files
from .gemini_api import Refusal, fault
from .http import Answer, Received
from .vertex_api import LOCATION, PROJECT, TOKEN, VertexServer

MODELS = (
    "veo-3.1-generate-001",
    "veo-3.1-fast-generate-001",
    "veo-3.1-lite-generate-001",
)
_PLACE = f"/v1beta1/projects/{PROJECT}/locations/{LOCATION}/publishers/google"
Step = Callable[[Received, "VeoServer"], Answer | None]


class VeoServer(VertexServer):
    """waits: how many questions find an operation at work. ended: what is in its answer in place
    of the clip."""

    def __init__(
        self,
        *script: Step,
        waits: int = 2,
        ended: dict[str, Any] | None = None,
        clip: bytes | None = None,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.script: list[Step] = list(script)
        self.poll_script: list[Step] = []
        self.waits, self.ended, self.clip = waits, ended, clip
        self.orders: list[dict[str, Any]] = []
        self.asked = 0

    def _handle(self, request: Received) -> Answer | None:
        found = re.fullmatch(f"{_PLACE}/models/([\\w.-]+):(\\w+)", request.path)
        if not found or request.headers.get("authorization") != f"Bearer {TOKEN}":
            return super()._handle(request)
        try:
            return self._answered(request, found[1], found[2])
        except Refusal as refusal:
            return fault(400, "INVALID_ARGUMENT", str(refusal))(request, self)  # pyright: ignore

    def _answered(self, request: Received, model: str, verb: str) -> Answer | None:
        assert request.method == "POST"
        if verb == "predictLongRunning":
            if self.script:
                return self.script.pop(0)(request, self)
            self.orders.append(read_order(model, request.json))
            return Answer.of_json({"name": self._name(model)})
        if verb != "fetchPredictOperation" or request.json != {"operationName": self._name(model)}:
            raise Refusal(f"Unknown {request.method} {request.target}")
        if self.poll_script:
            return self.poll_script.pop(0)(request, self)
        self.asked += 1
        answer: dict[str, Any] = {"name": self._name(model)}
        if self.asked <= self.waits:
            return Answer.of_json(answer)
        return Answer.of_json({**answer, "done": True, **self._end()})

    def _name(self, model: str) -> str:
        return f"{_PLACE.removeprefix('/v1beta1/')}/models/{model}/operations/op1"

    def _end(self) -> dict[str, Any]:
        if self.ended is not None:
            return self.ended
        order = self.orders[0]
        sides = (1280, 720) if order["aspectRatio"] == "16:9" else (720, 1280)
        clip = self.clip
        if clip is None:
            clip = media_files.clip(order["durationSeconds"], *sides)
        packed = base64.b64encode(clip).decode()
        return {"response": {"videos": [{"bytesBase64Encoded": packed, "mimeType": "video/mp4"}]}}


def read_order(model: str, body: dict[str, Any]) -> dict[str, Any]:
    """What is asked for, checked."""
    if model not in MODELS:
        raise Refusal(f"models/{model} is not found for API version v1beta")
    if set(body) != {"instances", "parameters"} or len(body["instances"]) != 1:
        raise Refusal("instances")
    instance, parameters = body["instances"][0], body["parameters"]
    if not set(instance) <= {"prompt", "image", "lastFrame"} or not instance.get("prompt"):
        raise Refusal(f"Unknown name among {sorted(instance)}")
    known = {"sampleCount", "durationSeconds", "aspectRatio", "resolution", "seed"}
    if not set(parameters) <= known:
        raise Refusal(f"Unknown name among {sorted(parameters)}")
    order: dict[str, Any] = {"model": model, "prompt": instance["prompt"], **parameters}
    for name in ("image", "lastFrame"):
        if name in instance:
            order[name] = _image(instance[name])
    if order.get("sampleCount") != 1:
        raise Refusal("sampleCount")
    if order.get("aspectRatio") not in ("16:9", "9:16"):
        raise Refusal("aspectRatio must be 16:9 or 9:16")
    if order.get("resolution") not in ("720p", "1080p", "4k"):
        raise Refusal("resolution")
    whole = order["resolution"] != "720p" or "lastFrame" in order
    if order.get("durationSeconds") not in ((8,) if whole else (4, 6, 8)):
        raise Refusal("durationSeconds is out of bound")
    return order


def _image(entry: dict[str, Any]) -> bytes:
    if set(entry) != {"bytesBase64Encoded", "mimeType"}:
        raise Refusal(f"Unknown name among {sorted(entry)}")
    packed = entry["bytesBase64Encoded"].replace("-", "+").replace("_", "/")
    data = base64.b64decode(packed)
    if images.probe(data).mime != entry["mimeType"]:
        raise Refusal("The MIME type is not that of the image")
    return data


def filtered(*reasons: str) -> dict[str, Any]:
    """The end of an operation whose clip was held back."""
    told = {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": list(reasons)}
    return {"response": told}
