# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D's own server, as its source has it (Tencent-Hunyuan/Hunyuan3D-2, api_server.py):
POST /generate, POST /send, GET /status/uid. It answers 404 with an `error_code` for all that fails.
"""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Callable
from typing import Any

from genai_render.core.image import images

from . import media_files
from .http import Answer, Received, Server

TEXT = "**NETWORK ERROR DUE TO HIGH TRAFFIC. PLEASE REGENERATE OR REFRESH THIS PAGE.**"
Step = Callable[[Received, "ModelServer"], Answer | None]


class ModelServer(Server):
    """waits: how many questions find a job at work. textures: started with --enable_tex."""

    def __init__(
        self, *script: Step, waits: int = 1, textures: bool = False, pair: str = "", **more: Any
    ) -> None:
        super().__init__(self._handle, **more)
        self.script, self.waits, self.textures, self.pair = list(script), waits, textures, pair
        self.orders: dict[str, dict[str, Any]] = {}
        self.asked: dict[str, int] = {}

    def _handle(self, request: Received) -> Answer | None:
        if self.pair:
            wanted = "Basic " + base64.b64encode(self.pair.encode()).decode()
            if request.headers.get("authorization") != wanted:
                return Answer(401, {"www-authenticate": "Basic"}, b"")
        status = re.fullmatch(r"/status/([\w-]+)", request.path)
        if status and request.method == "GET":
            return self._status(status[1])
        if request.method != "POST" or request.path not in ("/generate", "/send"):
            return Answer.of_json({"detail": "Not Found"}, 404)
        if self.script:
            return self.script.pop(0)(request, self)
        uid = str(uuid.UUID(int=len(self.orders) + 1))
        self.orders[uid] = request.json
        if request.path == "/send":
            return Answer.of_json({"uid": uid})
        return self._made(request.json)

    def _made(self, order: dict[str, Any]) -> Answer:
        try:
            images.probe(base64.b64decode(order["image"], validate=True))
            assert order.get("type", "glb") == "glb"
            assert not order.get("texture") or self.textures
        except Exception:
            return failed()
        return Answer(200, {"content-type": "application/octet-stream"}, media_files.model())

    def _status(self, uid: str) -> Answer:
        asked = self.asked[uid] = self.asked.get(uid, 0) + 1
        if uid not in self.orders or asked <= self.waits:
            return Answer.of_json({"status": "processing"})
        packed = base64.b64encode(media_files.model()).decode()
        return Answer.of_json({"status": "completed", "model_base64": packed})


def failed(text: str = TEXT) -> Answer:
    return Answer.of_json({"text": text, "error_code": 1}, 404)
