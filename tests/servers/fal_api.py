# SPDX-License-Identifier: GPL-3.0-or-later
"""fal, as far as its published protocol goes: it refuses what the real one would.

- The queue: `fal_client` 1.0.3 (client.py: addresses, states, `X-Fal-*`, errors), fal-js 1.10
  (queue.ts, storage.ts), docs.fal.ai: inference API (status 202 until it is over, cancel), "Model
  Errors" (`detail` as a list of faults), "Request Error Types" (`error_type`).
- The list of models and the prices: openapi/v1.json of its platform APIs.
- What each model takes, in fal_schemas.json and fal_media_schemas.json: names, types, choices and
  defaults from fal-js (types/endpoints.ts, made from the models' OpenAPI), bounds from their
  llms.txt.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from genai_render.core.image import images

from . import media_files
from .http import Answer, Received, Server
from .painter import painted

KEY = "0fa1b2c3-d4e5-4f60-8172-93a4b5c6d7e8:00112233445566778899aabbccddeeff"
SCHEMAS: dict[str, dict[str, dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "fal_schemas.json").read_text("utf-8")
)
MEDIA: dict[str, dict[str, dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "fal_media_schemas.json").read_text("utf-8")
)
ALL = {**SCHEMAS, **MEDIA}
PRICES = {
    "fal-ai/flux-control-lora-depth": (0.04, "megapixels"),
    "fal-ai/flux-control-lora-depth/image-to-image": (0.04, "megapixels"),
    "fal-ai/flux-pro/kontext/max/multi": (0.08, "images"),
    "fal-ai/clarity-upscaler": (0.03, "megapixels"),
    "fal-ai/seedvr/upscale/image": (0.001, "megapixels"),
    "fal-ai/kling-video/v2.5-turbo/pro/image-to-video": (0.07, "seconds"),
    "fal-ai/hunyuan3d/v2": (0.16, "generations"),
}

Step = Callable[[Received, "FalServer"], Answer | None]


class Refusal(Exception):
    def __init__(self, status: int, detail: Any, error_type: str = "") -> None:
        super().__init__(str(detail))
        self.status, self.detail, self.error_type = status, detail, error_type

    @property
    def answer(self) -> Answer:
        body = {"detail": self.detail}
        if self.error_type:
            body["error_type"] = self.error_type
            return Answer.of_json(body, self.status, x_fal_error_type=self.error_type)
        return Answer.of_json(body, self.status)


def fault(name: str, text: str, kind: str, **more: Any) -> dict[str, Any]:
    url = f"https://docs.fal.ai/errors#{kind}"
    return {"loc": ["body", name], "msg": text, "type": kind, "url": url, **more}


def openapi(endpoint: str) -> dict[str, Any]:
    """A model's schema as fal writes it: references, titles, an order, null as a way to be."""
    title = "".join(word.title() for word in re.split(r"\W+", endpoint)) + "Input"
    properties: dict[str, Any] = {}
    for name, about in ALL[endpoint].items():
        own = {key: value for key, value in about.items() if key not in ("required", "type")}
        own["title"] = name.replace("_", " ").title().replace(" Url", " URL")
        if about["type"] == "size":
            words = {"type": "string", "enum": own.pop("enum")}
            own["anyOf"] = [{"$ref": "#/components/schemas/ImageSize"}, words]
        elif about["type"] == "array":
            own |= {"type": "array", "items": {"type": "string"}}
        elif about["type"] == "objects":
            own |= {"type": "array", "items": {"$ref": "#/components/schemas/Other"}}
        elif name == "seed":
            own["anyOf"] = [{"type": "integer"}, {"type": "null"}]
        else:
            own["type"] = about["type"]
        properties[name] = own
    side = {"type": "integer", "exclusiveMinimum": 0, "maximum": 14142, "default": 512}
    schemas = {
        title: {
            "title": title,
            "type": "object",
            "properties": dict(sorted(properties.items())),
            "required": [n for n, about in ALL[endpoint].items() if about.get("required")],
            "x-fal-order-properties": list(properties),
        },
        "ImageSize": {"type": "object", "properties": {"width": side, "height": side}},
        "Other": {"type": "object", "properties": {"path": {"type": "string"}}},
        "QueueStatus": {"type": "object", "properties": {"status": {"type": "string"}}},
    }
    reference = {"$ref": f"#/components/schemas/{title}"}
    posted = {"requestBody": {"content": {"application/json": {"schema": reference}}}}
    return {
        "openapi": "3.0.4",
        "info": {
            "title": f"Queue OpenAPI for {endpoint}",
            "x-fal-metadata": {"endpointId": endpoint},
        },
        "components": {"schemas": schemas},
        "paths": {
            f"/{endpoint}/requests/{{request_id}}/status": {"get": {}},
            f"/{endpoint}/requests/{{request_id}}/cancel": {"put": {}},
            f"/{endpoint}": {"post": posted},
            f"/{endpoint}/requests/{{request_id}}": {"get": {}},
        },
    }


class FalServer(Server):
    """script: answers for the first submissions, one each; then jobs are made as they should be.

    waits: how many questions find a job in the queue and at work before it is over.
    """

    def __init__(
        self, *script: Step, key: str = KEY, waits: int = 2, inline: bool = False, **more: Any
    ) -> None:
        super().__init__(self._handle, **more)
        self.script = list(script)
        self.key, self.waits, self.inline = key, waits, inline
        self.orders: dict[str, tuple[str, dict[str, Any]]] = {}
        self.asked: dict[str, int] = {}
        self.cancelled: list[str] = []
        self.files: dict[str, bytes] = {}
        self.status_script: list[Step] = []
        self.result_script: list[Step] = []
        self.gone: set[str] = set()
        self.media = b""

    def submissions(self) -> list[Received]:
        return [one for one in self.received if one.method == "POST" and "/rest/" not in one.path]

    def _handle(self, request: Received) -> Answer | None:
        try:
            return self._answered(request)
        except Refusal as refusal:
            return refusal.answer

    def _answered(self, request: Received) -> Answer | None:
        path = request.path.strip("/")
        if request.method == "PUT" and path.startswith("put/"):
            self._check_no_key(request)
            kind = request.headers["content-type"]
            assert kind == "video/mp4" or kind == images.probe(request.body).mime
            self.files[path.removeprefix("put/")] = request.body
            return Answer(200)
        if path.startswith("files/"):
            return self._file(request, path.removeprefix("files/"))
        if path == "schema":
            return self._schema(request)
        if request.headers.get("authorization") != f"Key {self.key}":
            raise Refusal(401, "Authentication is required to access this application")
        if path == "rest/storage/upload/initiate":
            return self._initiated(request)
        if path == "api/models":
            return self._models(request)
        if path == "api/models/pricing":
            return self._pricing(request)
        job = re.fullmatch(r"([\w.-]+/[\w.-]+)/requests/([\w-]+)(/status|/cancel)?", path)
        if job is not None:
            return self._job(request, job[1], job[2], job[3] or "")
        if request.method != "POST":
            raise Refusal(405, "Method Not Allowed")
        if self.script:
            return self.script.pop(0)(request, self)
        return self._submitted(request, path)

    # ---- the queue ---------------------------------------------------------------------------

    def _submitted(self, request: Received, endpoint: str) -> Answer:
        if endpoint not in ALL or endpoint in self.gone:
            raise Refusal(404, f"Application '{endpoint.split('/')[1]}' not found")
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise Refusal(415, "Unsupported Media Type")
        number = f"req-{len(self.orders) + 1}"
        self.orders[number] = endpoint, request.json
        app = f"{self.origin}/{'/'.join(endpoint.split('/')[:2])}/requests/{number}"
        return Answer.of_json(
            {
                "status": "IN_QUEUE",
                "request_id": number,
                "queue_position": 1,
                "status_url": f"{app}/status",
                "response_url": app,
                "cancel_url": f"{app}/cancel",
            }
        )

    def _job(self, request: Received, app: str, number: str, what: str) -> Answer | None:
        if number not in self.orders or not self.orders[number][0].startswith(app):
            raise Refusal(404, "Request not found")
        if what == "/cancel":
            assert request.method == "PUT"
            self.cancelled.append(number)
            return Answer.of_json({"status": "CANCELLATION_REQUESTED"}, 202)
        assert request.method == "GET"
        if what == "/status":
            if self.status_script:
                return self.status_script.pop(0)(request, self)
            return self._status(request, number)
        if self.asked.get(number, 0) <= self.waits:
            raise Refusal(400, "Request is still in progress")
        if self.result_script:
            return self.result_script.pop(0)(request, self)
        return self._made(number)

    def _status(self, request: Received, number: str) -> Answer:
        asked = self.asked[number] = self.asked.get(number, 0) + 1
        answer: dict[str, Any] = {"request_id": number}
        if asked <= self.waits // 2:
            return Answer.of_json({**answer, "status": "IN_QUEUE", "queue_position": 3}, 202)
        logs = None
        if request.query.get("logs") in ("1", "true", "True"):
            bar = f" {min(99, asked * 25)}%|###   | {asked}/4 [00:01<00:01,  1.2it/s]"
            logs = [{"timestamp": "2026-11-28T08:00:00Z", "level": "INFO", "message": bar}]
        if asked <= self.waits:
            return Answer.of_json({**answer, "status": "IN_PROGRESS", "logs": logs}, 202)
        metrics = {"inference_time": 1.2}
        return Answer.of_json({**answer, "status": "COMPLETED", "logs": logs, "metrics": metrics})

    def _made(self, number: str) -> Answer:
        endpoint, order = self.orders[number]
        self._check(endpoint, order)
        if endpoint in MEDIA:
            return self._made_media(number, endpoint, order)
        count = order.get("num_images", 1)
        width, height = self._size(order)
        first = order.get("image_url") or next(iter(order.get("image_urls", ())), "")
        sent = self.picture(first) if first else None
        pictures = [
            images.encode_png(painted(sent, width, height, place)) for place in range(count)
        ]
        entries = []
        for place, data in enumerate(pictures):
            name = f"{number}-{place}.png"
            self.files[name] = data
            url = f"{self.origin}/files/{name}"
            if self.inline:
                url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
            about = {"content_type": "image/png", "width": width, "height": height}
            entries.append({"url": url, "file_name": name, **about})
        body: dict[str, Any] = (
            {"image": entries[0]} if "upscale" in endpoint else {"images": entries}
        )
        if "seed" in ALL[endpoint]:
            body["seed"] = order.get("seed", 77)
        if "safety" in str(ALL[endpoint]):
            body["has_nsfw_concepts"] = [False] * count
        price = PRICES.get(endpoint)
        units = count * (width * height / 1e6 if price and price[1] == "megapixels" else 1)
        headers = {"x_fal_request_id": number, "x_fal_billable_units": str(units)}
        return Answer.of_json(body, 200, **headers)

    def _made_media(self, number: str, endpoint: str, order: dict[str, Any]) -> Answer:
        """A clip or a 3D model, as `File` of fal-js says: url, content_type, file_name, …"""
        seconds = float(order.get("duration", 5)) if "duration" in MEDIA[endpoint] else 0.0
        makes_model = not any(name in endpoint for name in ("video", "vace"))
        data = self.media or (media_files.model() if makes_model else media_files.clip(seconds))
        name = f"{number}.{'glb' if makes_model else 'mp4'}"
        self.files[name] = data
        mime = "model/gltf-binary" if makes_model else "video/mp4"
        entry = {"url": f"{self.origin}/files/{name}", "content_type": mime, "file_name": name}
        where = "video"
        if makes_model:
            where = "model_glb" if endpoint.endswith("trellis-2") else "model_mesh"
        units = 1.0 if makes_model else seconds
        if order.get("textured_mesh"):
            units = 3.0
        headers = {"x_fal_request_id": number, "x_fal_billable_units": str(units)}
        return Answer.of_json({where: {**entry, "file_size": len(data)}, "seed": 7}, 200, **headers)

    # ---- what is checked ---------------------------------------------------------------------

    def _check(self, endpoint: str, order: dict[str, Any]) -> None:
        """As FastAPI does, but that a field that is not known is no secret mistake here."""
        faults = []
        fields = ALL[endpoint]
        for name, about in fields.items():
            if about.get("required") and name not in order:
                faults.append(fault(name, "Field required", "missing"))
        for name, value in order.items():
            if name not in fields:
                faults.append(fault(name, "Extra inputs are not permitted", "extra_forbidden"))
                continue
            text = self._wrong(name, fields[name], value)
            if text:
                faults.append(fault(name, text, "value_error", input=str(value)[:40]))
        if faults:
            raise Refusal(422, faults)

    def _wrong(self, name: str, about: dict[str, Any], value: Any) -> str:
        kind = about["type"]
        if kind == "size":
            if isinstance(value, str):
                return "" if value in about["enum"] else "Input should be a size"
            sides = [value.get("width"), value.get("height")] if isinstance(value, dict) else []
            good = len(sides) == 2 and all(type(s) is int and 0 < s <= 14142 for s in sides)
            return "" if good else "Input should be a valid dictionary"
        if kind == "array":
            if not isinstance(value, list) or not value:
                return "Input should be a valid list"
            return next(filter(None, map(self._wrong_image, value)), "")
        if name.startswith("video"):
            start = "data:video/mp4;base64,"
            ours = str(value).startswith((start, f"{self.origin}/files/"))
            return "" if ours else "Failed to download the file"
        if name.endswith("url"):
            return self._wrong_image(value)
        right = {
            "string": isinstance(value, str),
            "boolean": isinstance(value, bool),
            "integer": type(value) is int,
            "number": isinstance(value, (int, float)) and not isinstance(value, bool),
        }
        if not right.get(kind, False):
            return f"Input should be a valid {kind}"
        if "enum" in about and value not in about["enum"]:
            return f"Input should be {' or '.join(map(str, about['enum']))}"
        if "maximum" in about and not about["minimum"] <= value <= about["maximum"]:
            return f"Input should be less than or equal to {about['maximum']}"
        return ""

    def _wrong_image(self, value: Any) -> str:
        if not isinstance(value, str):
            return "Input should be a valid string"
        if value.startswith(f"{self.origin}/files/"):
            return "" if value.rpartition("/")[2] in self.files else "Failed to download the file"
        match = re.fullmatch(r"data:(image/\w+);base64,([A-Za-z0-9+/=]+)", value)
        if match is None:
            return "Failed to download the file"
        data = base64.b64decode(match[2], validate=True)
        return "" if images.probe(data).mime == match[1] else "Failed to load the image"

    def picture(self, value: str) -> bytes:
        """The image that a field of an order holds or points to."""
        if value.startswith("data:"):
            return base64.b64decode(value.partition(",")[2])
        return self.files[value.rpartition("/")[2]]

    def _size(self, order: dict[str, Any]) -> tuple[int, int]:
        size = order.get("image_size")
        if isinstance(size, dict):
            return size["width"], size["height"]
        first = order.get("image_url") or next(iter(order.get("image_urls", ())), "")
        if not first:
            return 1024, 768
        about = images.probe(self.picture(first))
        times = order.get("upscale_factor", 2) if set(order) & {"upscale_factor"} else 1
        return int(about.width * times), int(about.height * times)

    # ---- what belongs to it ------------------------------------------------------------------

    def _check_no_key(self, request: Received) -> None:
        assert "authorization" not in request.headers, "the key goes to the provider only"

    def _file(self, request: Received, name: str) -> Answer:
        if name not in self.files:
            return Answer(404)
        return Answer(200, {"content-type": "image/png"}, self.files[name])

    def _schema(self, request: Received) -> Answer:
        self._check_no_key(request)
        endpoint = request.query.get("endpoint_id", "")
        if endpoint not in ALL or endpoint in self.gone:
            raise Refusal(404, "Not found")
        return Answer.of_json(openapi(endpoint))

    def _initiated(self, request: Received) -> Answer:
        assert request.query["storage_type"] in ("fal-cdn-v3", "gcs")
        lifecycle = json.loads(request.headers["x-fal-object-lifecycle"])
        assert lifecycle["expiration_duration_seconds"] > 0
        order = request.json
        assert set(order) == {"content_type", "file_name"}
        name = f"up-{len(self.files)}-{order['file_name']}"
        put = f"{self.origin}/put/{name}"
        return Answer.of_json({"upload_url": put, "file_url": f"{self.origin}/files/{name}"})

    def _models(self, request: Received) -> Answer:
        """Two a page, and one that nothing is known of."""
        wanted = [
            name
            for name in SCHEMAS
            if name not in self.gone
            and ("text-to-image" in name) == (request.query["category"] == "text-to-image")
        ]
        first = int(request.query.get("cursor", "0"))
        entries: list[dict[str, Any]] = [
            {
                "endpoint_id": name,
                "metadata": {
                    "display_name": name.rpartition("/")[2].replace("-", " ").title(),
                    "category": request.query["category"],
                    "description": "Makes pictures. Other words.",
                    "status": "active",
                },
                **({"openapi": openapi(name)} if "openapi" in request.query["expand"] else {}),
            }
            for name in wanted[first : first + 2]
        ]
        entries.append({"endpoint_id": "some/unknown", "metadata": {"display_name": "?"}})
        more = first + 2 < len(wanted)
        cursor = str(first + 2) if more else None
        return Answer.of_json({"models": entries, "next_cursor": cursor, "has_more": more})

    def _pricing(self, request: Received) -> Answer:
        names = urllib.parse.parse_qs(urllib.parse.urlsplit(request.target).query)["endpoint_id"]
        if not 1 <= len(names) <= 50:
            raise Refusal(422, [fault("endpoint_id", "1 to 50", "too_long")])
        prices = [
            {"endpoint_id": n, "unit_price": PRICES[n][0], "unit": PRICES[n][1], "currency": "USD"}
            for n in names
            if n in PRICES
        ]
        return Answer.of_json({"prices": prices, "next_cursor": None, "has_more": False})
