# SPDX-License-Identifier: GPL-3.0-or-later
"""The providers whose tables ship, as far as their published schemas go: each refuses what the real
one would.

- OpenRouter: POST /images and GET /images/models of its OpenAPI, as generated into the `openrouter`
  package 1.3.84 (components/imagegenerationrequest.py, imagemodellistitem.py, imagegen*event.py,
  errors/*). What each model takes is from its list of 2026-10-04.
- NanoGPT: docs.nano-gpt.com/api-reference/endpoint/image-api-generate and image-api-models.
- xAI: docs.x.ai/developers/model-capabilities/images/generation, and the `xai-sdk` package 1.21.0
  (image.py: shapes, resolutions, qualities, "only one of image or images"; cost.py: ticks).
- BytePlus: `byteplussdkarkruntime/resources/images/images.py` of byteplus-python-sdk-v2 3.0.63.
- Together: `together/types/image_generate_params.py` of the `together` package 3.1.1, and
  docs.together.ai/docs/inference/images/parameters.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from genai_render.core.image import images

from .http import Answer, Received, Server
from .painter import painted

KEY = "provider-KEY-0123456789abcdefghij"

Step = Callable[[Received, "JsonProvider"], Answer | None]
Check = Callable[[Any], bool]


class Refusal(Exception):
    """An error of the API's, with its status."""

    def __init__(self, text: str, status: int = 400, code: Any = None) -> None:
        super().__init__(text)
        self.status, self.code = status, code


# ---- what a field may be -----------------------------------------------------------------------


def text(most: int = 32000) -> Check:
    return lambda value: isinstance(value, str) and 0 < len(value) <= most


def one_of(*words: Any) -> Check:
    return lambda value: value in words


def whole(least: int, most: int) -> Check:
    return lambda value: type(value) is int and least <= value <= most


def data_uri(value: Any) -> bool:
    """A data URI of a picture whose kind is what it says."""
    match = re.fullmatch(r"data:(image/\w+);base64,([A-Za-z0-9+/=]+)", str(value))
    if not match:
        return False
    return images.probe(base64.b64decode(match[2], validate=True)).mime == match[1]


def list_of(check: Check, most: int) -> Check:
    return lambda value: (
        isinstance(value, list) and 1 <= len(value) <= most and all(map(check, value))
    )


def exactly(**fields: Check) -> Check:
    return lambda value: (
        isinstance(value, dict)
        and set(value) == set(fields)
        and all(check(value[name]) for name, check in fields.items())
    )


# ---- what all have -----------------------------------------------------------------------------


class JsonProvider(Server):
    """script: answers for the first requests, one each; after them it works as it should."""

    base = "/v1"
    paths: Mapping[str, Mapping[str, Check]] = {}
    required: tuple[str, ...] = ("model", "prompt")
    models: tuple[str, ...] = ()

    def __init__(self, *script: Step, key: str = KEY, **more: Any) -> None:
        super().__init__(self._handle, **more)
        self.script = list(script)
        self.key = key

    @property
    def base_url(self) -> str:
        return self.origin + self.base

    def _handle(self, request: Received) -> Answer | None:
        if self.script:
            return self.script.pop(0)(request, self)
        try:
            if request.headers.get("authorization") != f"Bearer {self.key}":
                given = request.headers.get("authorization", "")
                raise Refusal(f"Invalid API key: {given[-6:]}", 401)
            path = request.path.removeprefix(self.base)
            if request.method == "GET":
                return self.listed(path)
            if path not in self.paths or request.method != "POST":
                raise Refusal(f"{request.method} {request.path} does not exist", 404)
            if not request.headers.get("content-type", "").startswith("application/json"):
                raise Refusal("Expected a request with Content-Type: application/json", 415)
            order = request.json
            self.check(path, order)
            return self.made(order)
        except Refusal as refusal:
            return Answer.of_json(self.fault(refusal), refusal.status)

    def check(self, path: str, order: dict[str, Any]) -> None:
        fields = self.paths[path]
        for name, value in order.items():
            if name not in fields:
                raise Refusal(f"Unrecognized key: {name}")
            if not fields[name](value):
                raise Refusal(f"Invalid value for {name}: {str(value)[:60]}")
        for name in self.required:
            if name not in order:
                raise Refusal(f"Missing: {name}")
        if order["model"] not in self.models:
            raise Refusal(f"Model {order['model']} does not exist", 404)

    def listed(self, path: str) -> Answer:
        raise Refusal(f"{path} does not exist", 404)

    def made(self, order: dict[str, Any]) -> Answer:
        raise NotImplementedError

    def fault(self, refusal: Refusal) -> dict[str, Any]:
        code = refusal.status if refusal.code is None else refusal.code
        return {"error": {"code": code, "message": str(refusal)}}


def picture(size: tuple[int, int], sent: Any = None, seed: int = 0, unfinished: int = 0) -> str:
    """A picture in base64, made of the first that was sent."""
    data = None if sent is None else base64.b64decode(str(sent).partition(",")[2])
    made = painted(data, *size, seed, unfinished)
    return base64.b64encode(images.encode(made, "png", 50)).decode()


def shaped(aspect: str, side: int) -> tuple[int, int]:
    across, down = map(float, aspect.split(":"))
    width = (side * side * across / down) ** 0.5
    return round(width / 16) * 16, round(width * down / across / 16) * 16


def fault(status: int, message: str, **more: Any) -> Step:
    headers = more.pop("headers", {})
    error = {"code": status, "message": message, **more}
    return lambda request, server: Answer.of_json({"error": error}, status, **headers)


# ---- OpenRouter --------------------------------------------------------------------------------

_TIERS = {"512": 512, "768": 768, "1K": 1024, "1.5K": 1536, "2K": 2048, "4K": 4096}
_RATIOS = (
    *("1:1", "1:2", "1:4", "1:8", "2:1", "2:3", "2.35:1", "3:2", "3:4", "4:1", "4:3", "4:5"),
    *("5:2", "5:4", "5:7", "7:5", "8:1", "9:16", "16:9", "9:19.5", "19.5:9", "9:20", "20:9"),
    *("9:21", "21:9", "auto"),
)
_REFERENCE = exactly(type=one_of("image_url"), image_url=exactly(url=data_uri))
_GPT = {
    "aspect_ratio": ["1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16", "21:9", "auto"],
    "quality": ["auto", "low", "medium", "high", "xhigh", "max"],
    "background": ["auto", "transparent", "opaque"],
    "n": 10,
    "input_references": 16,
}
_SEEDREAM = [ratio for ratio in _RATIOS if ratio not in ("1:4", "1:8", "4:1", "8:1", "2.35:1")]
OPENROUTER_MODELS: dict[str, dict[str, Any]] = {
    "google/gemini-nano-banana-2.1": {
        "resolution": ["1K", "2K", "4K"],
        "aspect_ratio": [
            *("1:1", "1:4", "1:8", "2:3", "3:2", "3:4", "4:1", "4:3", "4:5", "5:4", "8:1"),
            *("9:16", "16:9", "21:9"),
        ],
        "n": 1,
        "input_references": 14,
    },
    "openai/gpt-image-2.5-sunburst": _GPT,
    "openai/gpt-image-2.5-flare": _GPT,
    "black-forest-labs/flux-3-image": {
        "resolution": ["768", "1K", "1.5K", "2K", "4K"],
        "aspect_ratio": [
            *("21:9", "2:1", "16:9", "3:2", "7:5", "4:3", "5:4", "1:1", "4:5", "3:4", "5:7"),
            *("2:3", "9:16", "1:2", "9:21", "auto"),
        ],
        "n": 1,
        "input_references": 10,
    },
    "black-forest-labs/flux.2-pro": {
        "aspect_ratio": list(_RATIOS),
        "n": 1,
        "input_references": 8,
        "seed": True,
    },
    "bytedance-seed/seedream-5-0-lite": {
        "resolution": ["2K", "4K"],
        "aspect_ratio": _SEEDREAM,
        "n": 4,
        "input_references": 14,
        "seed": True,
    },
    "bytedance-seed/seedream-5-0-flash": {
        "resolution": ["1K", "2K"],
        "aspect_ratio": _SEEDREAM,
        "n": 1,
        "input_references": 14,
        "seed": True,
    },
    "x-ai/grok-imagine-image-2.0": {
        "resolution": ["1K", "2K"],
        "aspect_ratio": [
            *("1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "9:19.5", "19.5:9", "9:20"),
            *("20:9", "1:2", "2:1", "auto"),
        ],
        "quality": ["low", "medium"],
        "n": 1,
        "input_references": 3,
    },
    "qwen/qwen-image-3": {
        "resolution": ["1K", "2K"],
        "aspect_ratio": ["1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16"],
        "n": 6,
        "input_references": 4,
        "seed": True,
    },
    "recraft/recraft-v4.1-flash": {
        "aspect_ratio": ["1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16"],
        "n": 1,
    },
}


class OpenRouterServer(JsonProvider):
    """It refuses a parameter that the model does not list, as the real one does with n above its
    most, and a size beside a resolution."""

    base = "/api/v1"
    models = tuple(OPENROUTER_MODELS)
    cost = 0.0421
    paths: Mapping[str, Mapping[str, Check]] = {
        "/images": {
            "model": text(200),
            "prompt": text(),
            "aspect_ratio": one_of(*_RATIOS),
            "background": one_of("auto", "transparent", "opaque"),
            "input_references": list_of(_REFERENCE, 16),
            "n": whole(1, 10),
            "output_compression": whole(0, 100),
            "output_format": one_of("png", "jpeg", "webp", "svg"),
            "provider": lambda value: isinstance(value, dict),
            "quality": one_of("auto", "low", "medium", "high", "xhigh", "max"),
            "resolution": one_of(*_TIERS),
            "seed": lambda value: type(value) is int,
            "size": text(20),
            "stream": one_of(True, False),
            "user": text(256),
        }
    }

    def check(self, path: str, order: dict[str, Any]) -> None:
        super().check(path, order)
        takes = OPENROUTER_MODELS[order["model"]]
        for name, value in order.items():
            if name in ("model", "prompt", "stream"):
                continue
            if name not in takes:
                raise Refusal(f"{order['model']} does not support {name}")
            listed = takes[name]
            number = len(value) if name == "input_references" else value
            good = value in listed if isinstance(listed, list) else listed is True
            if not (good or (type(listed) is int and listed is not True and number <= listed)):
                raise Refusal(f"{order['model']} does not support {name} {number}")

    def listed(self, path: str) -> Answer:
        if path == "/images/models":
            return Answer.of_json({"data": [_listed(name) for name in self.models]})
        match = re.fullmatch(r"/images/models/(.+)/endpoints", path)
        if match and match[1] in self.models:
            price = {"billable": "output_image", "unit": "image", "cost_usd": self.cost}
            endpoint = {
                "provider_name": "Somebody",
                "provider_slug": "somebody",
                "provider_tag": None,
                "supported_parameters": _listed(match[1])["supported_parameters"],
                "allowed_passthrough_parameters": [],
                "supports_streaming": match[1].startswith("openai/"),
                "pricing": [price],
            }
            return Answer.of_json({"id": match[1], "endpoints": [endpoint]})
        raise Refusal(f"{path} does not exist", 404)

    def made(self, order: dict[str, Any]) -> Answer:
        sent = order.get("input_references", [{}])[0].get("image_url", {}).get("url")
        aspect = order.get("aspect_ratio", "1:1")
        size = shaped("1:1" if aspect == "auto" else aspect, _TIERS[order.get("resolution", "1K")])
        usage = {
            "prompt_tokens": 0,
            "completion_tokens": 4175,
            "total_tokens": 4175,
            "cost": self.cost * order.get("n", 1),
        }
        if order.get("stream") and order["model"].startswith("openai/"):
            events = [
                {
                    "type": "image_generation.partial_image",
                    "partial_image_index": at,
                    "b64_json": picture((size[0] // 4, size[1] // 4), sent, unfinished=2 - at),
                }
                for at in range(2)
            ]
            final = picture(size, sent)
            events.append(
                {
                    "type": "image_generation.completed",
                    "created": 1,
                    "b64_json": final,
                    "media_type": "image/png",
                    "usage": usage,
                }
            )
            body = [b": OPENROUTER PROCESSING\n\n"]
            body += [f"data: {json.dumps(event)}\n\n".encode() for event in events]
            return Answer(200, {"content-type": "text/event-stream"}, [*body, b"data: [DONE]\n\n"])
        data = [
            {"b64_json": picture(size, sent, seed), "media_type": "image/png"}
            for seed in range(order.get("n", 1))
        ]
        return Answer.of_json({"created": 1, "data": data, "usage": usage})


def _listed(name: str) -> dict[str, Any]:
    takes = OPENROUTER_MODELS[name]

    def described(value: Any) -> dict[str, Any]:
        if isinstance(value, list):
            return {"type": "enum", "values": value}
        return {"type": "boolean"} if value is True else {"type": "range", "min": 1, "max": value}

    references = "input_references" in takes
    return {
        "id": name,
        "name": name.partition("/")[2].replace("-", " ").title(),
        "description": "A model.",
        "created": 1790000000,
        "architecture": {
            "input_modalities": ["text", "image"] if references else ["text"],
            "output_modalities": ["image"],
        },
        "supported_parameters": {field: described(value) for field, value in takes.items()},
        "supports_streaming": name.startswith("openai/"),
        "endpoints": f"/api/v1/images/models/{name}/endpoints",
    }


# ---- NanoGPT -----------------------------------------------------------------------------------


class NanoGPTServer(JsonProvider):
    base = "/api/v1"
    models = ("gpt-image-2", "qwen-image")
    paths: Mapping[str, Mapping[str, Check]] = {
        "/images": {
            "model": text(200),
            "prompt": text(),
            "input_references": list_of(_REFERENCE, 16),
            "resolution": one_of("1024x1024", "1536x1024", "1024x1536"),
            "quality": one_of("auto", "low", "medium", "high"),
            "n": whole(1, 4),
            "seed": lambda value: type(value) is int,
        }
    }

    def check(self, path: str, order: dict[str, Any]) -> None:
        super().check(path, order)
        if len(json.dumps(order)) > 4_500_000:
            raise Refusal("Request Entity Too Large", 413)

    def listed(self, path: str) -> Answer:
        if path != "/images/models":
            raise Refusal(f"{path} does not exist", 404)
        data = [
            {"id": name, "object": "model", "architecture": {"output_modalities": ["image"]}}
            for name in self.models
        ]
        return Answer.of_json({"object": "list", "data": data})

    def made(self, order: dict[str, Any]) -> Answer:
        width, height = map(int, order["resolution"].split("x"))
        sent = order.get("input_references", [{}])[0].get("image_url", {}).get("url")
        data = [{"b64_json": picture((width, height), sent)} for _ in range(order.get("n", 1))]
        return Answer.of_json({"created": 1, "data": data})


# ---- xAI ---------------------------------------------------------------------------------------

_XAI: dict[str, Check] = {
    "model": text(100),
    "prompt": text(8000),
    "n": whole(1, 10),
    "aspect_ratio": one_of(
        *("1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "9:19.5", "19.5:9", "9:20", "20:9"),
        *("1:2", "2:1", "auto"),
    ),
    "resolution": one_of("1k", "2k"),
    "quality": one_of("low", "medium"),
    "response_format": one_of("url", "b64_json"),
}
_XAI_IMAGE = exactly(type=one_of("image_url"), url=data_uri)


class XAIServer(JsonProvider):
    models = ("grok-imagine-image-2.0", "grok-imagine-image-quality")
    ticks = 600_000_000  # of 1e-10 US dollars
    paths: Mapping[str, Mapping[str, Check]] = {
        "/images/generations": _XAI,
        "/images/edits": {**_XAI, "image": _XAI_IMAGE, "images": list_of(_XAI_IMAGE, 3)},
    }

    def check(self, path: str, order: dict[str, Any]) -> None:
        super().check(path, order)
        if path == "/images/edits" and ("image" in order) == ("images" in order):
            raise Refusal("Only one of image or images can be set for a request.", 422)

    def listed(self, path: str) -> Answer:
        if path != "/image-generation-models":
            raise Refusal(f"{path} does not exist", 404)
        return Answer.of_json({"models": [{"id": name, "aliases": []} for name in self.models]})

    def made(self, order: dict[str, Any]) -> Answer:
        sent = (order.get("image") or order.get("images", [{}])[0]).get("url")
        side = {"1k": 1024, "2k": 2048}[order.get("resolution", "1k")]
        size = shaped(order.get("aspect_ratio", "1:1"), side)
        data = [{"b64_json": picture(size, sent)} for _ in range(order.get("n", 1))]
        usage = {"cost_in_usd_ticks": self.ticks * order.get("n", 1)}
        return Answer.of_json({"data": data, "usage": usage})

    def fault(self, refusal: Refusal) -> dict[str, Any]:
        return {"code": "Client specified an invalid argument", "error": str(refusal)}


# ---- BytePlus ----------------------------------------------------------------------------------


class BytePlusServer(JsonProvider):
    base = "/api/v3"
    models = ("dola-seedream-5-0-pro-260628", "seedream-5-0-260128", "seedream-4-5-251128")
    paths: Mapping[str, Mapping[str, Check]] = {
        "/images/generations": {
            "model": text(100),
            "prompt": text(8000),
            "image": lambda value: (
                data_uri(value) if isinstance(value, str) else list_of(data_uri, 14)(value)
            ),
            "size": lambda value: re.fullmatch(r"[124]K|\d+x\d+", str(value)) is not None,
            "seed": whole(-1, 2**31 - 1),
            "watermark": one_of(True, False),
            "response_format": one_of("url", "b64_json"),
            "output_format": one_of("png", "jpeg"),
        }
    }

    def check(self, path: str, order: dict[str, Any]) -> None:
        super().check(path, order)
        width, height = _pixels(order["size"])
        least, most = (921_600, 4_624_220) if "pro" in order["model"] else (3_686_400, 16_777_216)
        if not least <= width * height <= most or not 1 / 16 <= width / height <= 16:
            raise Refusal(f"image size must be between {least} and {most} pixels")
        references = order.get("image", [])
        if "pro" in order["model"] and isinstance(references, list) and len(references) > 10:
            raise Refusal("At most 10 reference images")

    def made(self, order: dict[str, Any]) -> Answer:
        references = order.get("image")
        sent = references[0] if isinstance(references, list) else references
        size = _pixels(order["size"])
        one = {"b64_json": picture(size, sent), "size": order["size"], "url": ""}
        usage = {"generated_images": 1, "output_tokens": 1, "total_tokens": 1}
        return Answer.of_json({"model": order["model"], "data": [one], "usage": usage})


def _pixels(size: str) -> tuple[int, int]:
    if size.endswith("K"):
        return (int(size[0]) * 1024,) * 2
    width, height = map(int, size.split("x"))
    return width, height


# ---- Together ----------------------------------------------------------------------------------


class TogetherServer(JsonProvider):
    models = (
        *("black-forest-labs/FLUX.2-pro", "black-forest-labs/FLUX.2-max"),
        *("black-forest-labs/FLUX.2-flex", "black-forest-labs/FLUX.1-kontext-max"),
        "black-forest-labs/FLUX.1-schnell",
    )
    paths: Mapping[str, Mapping[str, Check]] = {
        "/images/generations": {
            "model": text(100),
            "prompt": text(8000),
            "width": whole(64, 2048),
            "height": whole(64, 2048),
            "aspect_ratio": one_of("1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16"),
            "image_url": data_uri,
            "reference_images": list_of(data_uri, 8),
            "n": whole(1, 4),
            "negative_prompt": text(),
            "guidance_scale": lambda value: isinstance(value, (int, float)),
            "output_format": one_of("jpeg", "png"),
            "response_format": one_of("base64", "url"),
            "seed": lambda value: type(value) is int,
            "steps": whole(1, 50),
        }
    }

    def check(self, path: str, order: dict[str, Any]) -> None:
        super().check(path, order)
        shaped_by_name = "kontext" in order["model"] or "schnell" in order["model"]
        if shaped_by_name and ("width" in order or "height" in order):
            raise Refusal(f"{order['model']} uses aspect_ratio")
        if "kontext" in order["model"] and "reference_images" in order:
            raise Refusal(f"{order['model']} takes image_url")
        if order.get("width", 8) % 8 or order.get("height", 8) % 8:
            raise Refusal("Dimensions are multiples of 8")

    def listed(self, path: str) -> Answer:
        if path != "/models":
            raise Refusal(f"{path} does not exist", 404)
        listed: list[Any] = [{"id": name, "type": "image"} for name in self.models]
        return Answer.of_json([*listed, {"id": "some/chat", "type": "chat"}])

    def made(self, order: dict[str, Any]) -> Answer:
        references = order.get("reference_images", [order.get("image_url")])
        size = order.get("width", 1024), order.get("height", 1024)
        if "aspect_ratio" in order:
            size = shaped(order["aspect_ratio"], 1024)
        data = [
            {"index": at, "type": "b64_json", "b64_json": picture(size, references[0])}
            for at in range(order.get("n", 1))
        ]
        return Answer.of_json({"id": "x", "model": order["model"], "object": "list", "data": data})
