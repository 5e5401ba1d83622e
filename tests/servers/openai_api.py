# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAI's image API, as far as the SDK describes it: it refuses what the real one would."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any

from genai_render.core.image import images

from .http import Answer, Received, Server
from .painter import painted

KEY = "sk-proj-TESTKEY0123456789abcdefghijklmnop"

_STANDARD = ("1024x1024", "1536x1024", "1024x1536")
_FREE = ("gpt-image-2", "gpt-image-2.5", "gpt-image-2.6")
_NEWER = ("gpt-image-2.5", "gpt-image-2.6")
_MODELS = (
    *("gpt-image-2", "gpt-image-2.5-sunburst", "gpt-image-2.5-flare", "gpt-image-2.6-sunburst"),
    *("gpt-image-2.6-flare", "gpt-image-1.5", "gpt-image-1-mini"),
)
_GENERATE = {
    *("model", "prompt", "n", "size", "quality", "background", "output_format", "stream"),
    *("output_compression", "partial_images", "moderation", "complexity"),
}
_EDIT = {
    *("model", "prompt", "n", "size", "quality", "background", "output_format", "stream"),
    *("output_compression", "partial_images", "input_fidelity", "complexity"),
}

Step = Callable[[Received, "OpenAIServer"], Answer | None]


class Refusal(Exception):
    """A 400 with this text."""

    def __init__(self, text: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(text)
        self.body = {
            "error": {
                "message": text,
                "type": "invalid_request_error",
                "param": param,
                "code": code,
            }
        }


class OpenAIServer(Server):
    """script: answers for the first requests, one each; after them it works as it should."""

    def __init__(self, *script: Step, key: str | None = KEY, **more: Any) -> None:
        super().__init__(self._handle, **more)
        self.script = list(script)
        self.key = key
        self.usage = {
            "input_tokens": 1100,
            "input_tokens_details": {"text_tokens": 100, "image_tokens": 1000},
            "output_tokens": 439,
            "total_tokens": 1539,
            "output_tokens_details": {"text_tokens": 0, "image_tokens": 439},
        }

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    def _handle(self, request: Received) -> Answer | None:
        if self.script:
            return self.script.pop(0)(request, self)
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            return wrong_key(request, self)
        if request.path == "/v1/models" and request.method == "GET":
            listed = [{"id": name, "object": "model"} for name in (*_MODELS, "gpt-6-astra")]
            return Answer.of_json({"object": "list", "data": listed})
        try:
            order = read_order(request)
        except Refusal as refusal:
            return Answer.of_json(refusal.body, 400)
        if order.get("stream"):
            return Answer(
                200,
                {"content-type": "text/event-stream; charset=utf-8"},
                [b"".join(stream(order, self.usage))],
                chunked=True,
            )
        return Answer.of_json(
            {
                "created": 1,
                "size": order["size"],
                "quality": order.get("quality", "medium"),
                "background": "opaque",
                "output_format": order.get("output_format", "png"),
                "data": [
                    {"b64_json": picture_text(order, seed)} for seed in range(order.get("n", 1))
                ],
                "usage": self.usage,
            }
        )


# ---- what comes in -----------------------------------------------------------------------------


def read_order(request: Received) -> dict[str, Any]:
    """The request's parameters, all checked. Raises Refusal for what the API would not take."""
    if request.method != "POST":
        raise Refusal("Not allowed")
    if request.path == "/v1/images/generations":
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise Refusal("Expected JSON")
        order = request.json
        allowed = _GENERATE
    elif request.path == "/v1/images/edits":
        order = _form(request)
        allowed = _EDIT
    else:
        raise Refusal(f"Unknown path {request.path}")
    for name in order:
        if name not in allowed and not name.startswith("_"):
            raise Refusal(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    check(order)
    return order


def _form(request: Received) -> dict[str, Any]:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refusal("Expected multipart/form-data")
    order: dict[str, Any] = {"_images": []}
    for field in request.fields:
        if field.name in ("image", "image[]", "mask", "markup"):
            if field.file_name is None:
                raise Refusal(f"{field.name} must be a file", field.name)
            info = images.probe(field.data)
            if info.mime != field.mime:
                raise Refusal(f"Mimetype ('{field.mime}') is not that of the file", field.name)
            if field.name.startswith("image"):
                if len(field.data) >= 50_000_000:
                    raise Refusal("Image too large", "image")
                order["_images"].append((field.file_name, field.data))
            else:
                order[f"_{field.name}"] = field.data
        elif field.name in order:
            raise Refusal(f"'{field.name}' was given twice", field.name)
        else:
            order[field.name] = _typed(field.name, field.text)
    if not 1 <= len(order["_images"]) <= 16:
        raise Refusal("Between 1 and 16 images", "image")
    first = images.probe(order["_images"][0][1])
    if "_mask" in order and "_markup" in order:
        raise Refusal("mask and markup cannot be used together", "markup")
    for name in ("_mask", "_markup"):
        if name in order:
            _check_layer(name[1:], order[name], first)
    if "_markup" in order and not order.get("model", "").startswith(
        ("gpt-image-2.5", "gpt-image-2.6")
    ):
        raise Refusal("markup is not supported with this model", "markup")
    return order


def _check_layer(name: str, data: bytes, first: images.ImageInfo) -> None:
    info = images.probe(data)
    if info.mime != "image/png" or (name == "mask" and len(data) >= 4_000_000):
        raise Refusal(f"{name} must be a PNG of less than 4 MB", name)
    if (info.width, info.height) != (first.width, first.height):
        raise Refusal(f"{name} size does not match image size", name)
    pixels = images.decode(data)
    if pixels.shape[2] != 4 or pixels[..., 3].min() != 0:
        raise Refusal(f"{name} must have fully transparent pixels", name)


def _typed(name: str, text: str) -> Any:
    if name in ("n", "partial_images", "output_compression"):
        return int(text)
    return text == "true" if name == "stream" else text


def check(order: dict[str, Any]) -> None:
    model = order.get("model")
    if model not in _MODELS:
        raise Refusal(f"The model '{model}' does not exist.", "model", "model_not_found")
    if not 1 <= len(order.get("prompt", "")) <= 32000:
        raise Refusal("prompt must have 1 to 32000 characters", "prompt")
    if not 1 <= order.get("n", 1) <= 10:
        raise Refusal("n is from 1 to 10", "n")
    if not 0 <= order.get("partial_images", 0) <= 3:
        raise Refusal("partial_images is from 0 to 3", "partial_images")
    if "partial_images" in order and not order.get("stream"):
        raise Refusal("partial_images needs stream", "partial_images")
    levels = ["auto", "low", "medium", "high"]
    if model.startswith(_NEWER):
        levels += ["xhigh", "max"]
    if order.get("quality", "auto") not in levels:
        raise Refusal(f"quality must be one of {levels}", "quality")
    if order.get("output_format", "png") not in ("png", "webp", "jpeg"):
        raise Refusal("output_format", "output_format")
    if "output_compression" in order and order.get("output_format", "png") == "png":
        raise Refusal("output_compression needs webp or jpeg", "output_compression")
    if order.get("background", "auto") not in ("auto", "opaque", "transparent"):
        raise Refusal("background", "background")
    if order.get("background") == "transparent" and order.get("output_format") == "jpeg":
        raise Refusal("transparent needs png or webp", "background")
    if order.get("moderation", "auto") not in ("auto", "low"):
        raise Refusal("moderation", "moderation")
    if order.get("complexity", "low") not in ("low", "medium", "high"):
        raise Refusal("complexity", "complexity")
    fidelity = order.get("input_fidelity")
    if fidelity is not None and (
        model not in ("gpt-image-1.5", "gpt-image-1-mini")
        or fidelity not in ("low", "high")
        or (fidelity == "high" and model != "gpt-image-1.5")
    ):
        raise Refusal("input_fidelity is not supported", "input_fidelity")
    _check_size(model, order.setdefault("size", "1024x1024"))


def _check_size(model: str, size: str) -> None:
    if size in _STANDARD:
        return
    if not model.startswith(_FREE):
        raise Refusal(f"size must be one of {_STANDARD}", "size")
    width, height = map(int, size.split("x"))
    good = (
        width % 16 == height % 16 == 0
        and max(width, height) <= 3840
        and max(width, height) <= 3 * min(width, height)
        and 655_360 <= width * height <= 8_294_400
    )
    if not good:
        raise Refusal(f"Invalid size {size}", "size")


# ---- what goes out -----------------------------------------------------------------------------


def picture(order: dict[str, Any], seed: int = 0, unfinished: int = 0) -> bytes:
    """An image of the size and format that was asked for: what was sent, painted over."""
    width, height = map(int, order.get("size", "1024x1024").split("x"))
    if unfinished:
        width, height = (512 * side // max(width, height) for side in (width, height))
    sent = order.get("_images")
    made = painted(sent[0][1] if sent else None, width, height, seed, unfinished)
    return images.encode(made, order.get("output_format", "png"), 50)


def picture_text(order: dict[str, Any], seed: int = 0, unfinished: int = 0) -> str:
    return base64.b64encode(picture(order, seed, unfinished)).decode()


def sse(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def stream(
    order: dict[str, Any], usage: dict[str, Any], partials: int | None = None
) -> list[bytes]:
    """The events of a streamed image, each as it goes over the wire."""
    kind = "image_edit" if "_images" in order else "image_generation"
    common = {
        "created_at": 1,
        "size": order["size"],
        "quality": order.get("quality", "medium"),
        "background": "opaque",
        "output_format": order.get("output_format", "png"),
    }
    number = order.get("partial_images", 0)
    events: list[dict[str, Any]] = [
        {
            "type": f"{kind}.partial_image",
            "partial_image_index": at,
            "b64_json": picture_text(order, unfinished=number - at),
            **common,
        }
        for at in range(number)
    ]
    events.append(
        {
            "type": f"{kind}.completed",
            "b64_json": picture_text(order),
            "usage": usage,
            **common,
        }
    )
    return [sse(event) for event in events]


def streamed(body: Callable[[list[bytes]], Iterable[Any]]) -> Step:
    """A step that streams as it should, but for what `body` makes of the events."""

    def step(request: Received, server: OpenAIServer) -> Answer:
        events = stream(read_order(request), server.usage)
        return Answer(200, {"content-type": "text/event-stream"}, body(events), chunked=True)

    return step


def fault(status: int, message: str, code: str | None = None, **more: Any) -> Step:
    """A step that answers with an error as the API words them. headers: of the answer."""
    headers = more.pop("headers", {})
    error = {
        "message": message,
        "type": "invalid_request_error",
        "param": None,
        "code": code,
        **more,
    }

    def step(request: Received, server: OpenAIServer) -> Answer:
        return Answer.of_json({"error": error}, status, **headers)

    return step


def raw(answer: Answer | None) -> Step:
    return lambda request, server: answer


def wrong_key(request: Received, server: OpenAIServer) -> Answer:
    """The API shows the ends of the key that it got."""
    given = request.headers.get("authorization", "Bearer ").removeprefix("Bearer ")
    text = f"Incorrect API key provided: {given[:8]}{'*' * 20}{given[-4:]}."
    error = {
        "message": text,
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
    return Answer.of_json({"error": error}, 401)
