# SPDX-License-Identifier: GPL-3.0-or-later
"""Google's generateContent for image models, as far as its SDK and documentation describe it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from genai_render.core.image import images

from .http import Answer, Received, Server
from .painter import painted

KEY = "AIzaSyTESTKEY0123456789abcdefghijklmnop"

# Pixels at 1K, and whether the model takes a size. More than that many images are refused.
_SHAPES = {
    **{"1:1": (1024, 1024), "2:3": (848, 1264), "3:2": (1264, 848), "3:4": (896, 1200)},
    **{"4:3": (1200, 896), "4:5": (928, 1152), "5:4": (1152, 928), "9:16": (768, 1376)},
    **{"16:9": (1376, 768), "21:9": (1584, 672)},
}
_LONG = {"1:4": (512, 2048), "1:8": (384, 3072), "4:1": (2048, 512), "8:1": (3072, 384)}
_LEVELS = {
    "gemini-nano-banana-2.1": ("MINIMAL", "MEDIUM", "HIGH"),
    "gemini-3.1-flash-image": ("MINIMAL", "HIGH"),
}
_MODELS = {
    "gemini-nano-banana-2.1": (("1K", "2K", "4K"), 14),
    "gemini-3-pro-image": (("1K", "2K", "4K"), 14),
    "gemini-3.1-flash-image": (("1K", "2K", "4K"), 14),
    "gemini-3.1-flash-lite-image": (("1K",), 14),
    "gemini-2.5-flash-image": ((), 3),
}
_MOST_BYTES = 20 * 1024 * 1024  # of a request, images inline and all

Step = Callable[[Received, "GeminiServer"], Answer | None]


class Refusal(Exception):
    """A 400, INVALID_ARGUMENT, with this text."""


class GeminiServer(Server):
    """script: answers for the first requests, one each; after them it works as it should."""

    def __init__(self, *script: Step, key: str = KEY, **more: Any) -> None:
        super().__init__(self._handle, **more)
        self.script = list(script)
        self.key = key

    def _handle(self, request: Received) -> Answer | None:
        if self.script:
            return self.script.pop(0)(request, self)
        if request.headers.get("x-goog-api-key") != self.key:
            return wrong_key(request, self)
        if request.path in ("/v1/models", "/v1beta/models") and request.method == "GET":
            return Answer.of_json({"models": [{"name": f"models/{name}"} for name in _MODELS]})
        try:
            order = read_order(request)
        except Refusal as refusal:
            return fault(400, "INVALID_ARGUMENT", str(refusal))(request, self)
        return sse_answer([b"".join(chunks(order))])


def read_order(request: Received) -> dict[str, Any]:
    """What is asked for: model, parts ("text" or (mime, bytes)), aspect, size; all checked."""
    found = re.fullmatch(r"/v1(?:beta)?/models/([\w.-]+):streamGenerateContent", request.path)
    if not found or request.method != "POST" or request.query != {"alt": "sse"}:
        raise Refusal(f"Unknown {request.method} {request.target}")
    if found[1] not in _MODELS:
        raise Refusal(f"models/{found[1]} is not found for API version v1")
    if len(request.body) > _MOST_BYTES:
        raise Refusal(f"Request payload size exceeds the limit: {_MOST_BYTES} bytes.")
    return order_of(found[1], camel(request.json))


def order_of(model: str, body: dict[str, Any]) -> dict[str, Any]:
    """What a body asks of a model, checked. Raises Refusal."""
    sizes, most = _MODELS[model]
    only(body, {"contents", "generationConfig"})
    if [content.get("role") for content in body["contents"]] != ["user"]:
        raise Refusal("Please use a valid role: user")
    parts = [_part(part) for part in body["contents"][0]["parts"]]
    if sum(not isinstance(part, str) for part in parts) > most:
        raise Refusal(f"At most {most} images")
    config = body["generationConfig"]
    only(config, {"responseModalities", "imageConfig", "thinkingConfig", "seed"})
    if config.get("responseModalities") != ["TEXT", "IMAGE"]:
        raise Refusal("responseModalities")
    if "thinkingConfig" in config and model.endswith(("2.5-flash-image", "lite-image")):
        raise Refusal("Thinking is not supported by this model")
    level = config.get("thinkingConfig", {}).get("thinkingLevel")
    if level is not None and level not in _LEVELS.get(model, ()):
        raise Refusal(f"Thinking level {level} is not supported by this model")
    image = config.get("imageConfig", {})
    only(image, {"aspectRatio", "imageSize"})
    shapes = {**_SHAPES, **(_LONG if model in _LEVELS else {})}
    if image.get("aspectRatio") not in shapes:
        raise Refusal(f"aspect_ratio must be one of {list(shapes)}")
    if image.get("imageSize", sizes[0] if sizes else None) not in (sizes or (None,)):
        raise Refusal("image_size is not supported by this model")
    if not isinstance(config.get("seed", 0), int):
        raise Refusal("seed")
    return {
        "model": model,
        "parts": parts,
        "aspect": image["aspectRatio"],
        "size": image.get("imageSize", "1K"),
        "seed": config.get("seed"),
    }


def _part(part: dict[str, Any]) -> str | tuple[str, bytes]:
    if set(part) == {"text"} and part["text"]:
        return part["text"]
    if set(part) != {"inlineData"}:
        raise Refusal(f"Unknown part {sorted(part)}")
    blob = part["inlineData"]
    data = base64.b64decode(blob["data"].replace("-", "+").replace("_", "/"))
    if images.probe(data).mime != blob["mimeType"]:
        raise Refusal("The MIME type is not that of the image")
    return blob["mimeType"], data


def camel(value: Any) -> Any:
    """Names as the API spells them; like it, `mime_type` is taken for `mimeType`."""
    if isinstance(value, dict):
        return {
            re.sub(r"_([a-z])", lambda found: found[1].upper(), name): camel(entry)
            for name, entry in value.items()
        }
    return [camel(entry) for entry in value] if isinstance(value, list) else value


def only(value: dict[str, Any], known: set[str]) -> None:
    for name in value:
        if name not in known:
            raise Refusal(f'Unknown name "{name}"')


# ---- what goes out -----------------------------------------------------------------------------


def picture(aspect: str = "1:1", size: str = "1K", sent: bytes | None = None) -> bytes:
    times = {"1K": 1, "2K": 2, "4K": 4}[size]
    width, height = (side * times for side in {**_SHAPES, **_LONG}[aspect])
    return images.encode_png(painted(sent, width, height))


def blob(data: bytes, mime: str = "image/png", **more: Any) -> dict[str, Any]:
    return {"inlineData": {"mimeType": mime, "data": base64.b64encode(data).decode()}, **more}


def chunk(*parts: dict[str, Any], finish: str = "", **more: Any) -> bytes:
    """One event of the stream, with these parts. more: beside the candidates."""
    candidate: dict[str, Any] = {"index": 0}
    if parts:
        candidate["content"] = {"role": "model", "parts": list(parts)}
    if finish:
        candidate["finishReason"] = finish
    return event({"candidates": [candidate], **more})


def event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\r\n\r\n"


USAGE = {
    "promptTokenCount": 600,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 40},
        {"modality": "IMAGE", "tokenCount": 560},
    ],
    "candidatesTokenCount": 1130,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
    "thoughtsTokenCount": 200,
    "totalTokenCount": 1930,
}


def chunks(order: dict[str, Any]) -> list[bytes]:
    """A whole answer: a thought in words, a thought in a picture, the picture, the end."""
    sent = next((part[1] for part in order["parts"] if not isinstance(part, str)), None)
    thinking = order["model"] in ("gemini-3-pro-image", *_LEVELS)
    made = []
    if thinking:
        made.append(chunk({"text": "**Composing the scene**\nA house …", "thought": True}))
        thought = images.encode_png(painted(sent, 320, 200, unfinished=2))
        made.append(chunk(blob(thought, thought=True)))
    made.append(chunk(blob(picture(order["aspect"], order["size"], sent))))
    made.append(chunk(finish="STOP", usageMetadata=USAGE, modelVersion=order["model"]))
    return made


def sse_answer(body: Iterable[Any]) -> Answer:
    return Answer(200, {"content-type": "text/event-stream"}, body, chunked=True)


def streamed(body: Callable[[list[bytes]], Iterable[Any]]) -> Step:
    """A step that answers as it should, but for what `body` makes of the events."""
    return lambda request, server: sse_answer(body(chunks(read_order(request))))


def says(*events: bytes) -> Step:
    """A step that answers with these events."""
    return lambda request, server: sse_answer([b"".join(events)])


def fault(
    status: int, kind: str, message: str, details: list[Any] | None = None, **headers: str
) -> Step:
    """A step that answers with an error as the API words them."""
    error = {"code": status, "message": message, "status": kind, "details": details or []}
    return lambda request, server: Answer.of_json({"error": error}, status, **headers)


def raw(answer: Answer | None) -> Step:
    return lambda request, server: answer


def wrong_key(request: Received, server: GeminiServer) -> Answer | None:
    given = request.headers.get("x-goog-api-key", "")
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
    }
    text = f"API key not valid ({given}). Please pass a valid API key."
    return fault(400, "INVALID_ARGUMENT", text, [info])(request, server)
