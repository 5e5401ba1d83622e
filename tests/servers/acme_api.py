# SPDX-License-Identifier: GPL-3.0-or-later
"""The provider of docs/guide/provider.md: it knows the fields that the page says, and no others."""

from __future__ import annotations

import base64
import io

from PIL import Image

from .client import image
from .http import Answer, Received, Server

KEY = "acme-key-0123456789"
COST = 0.021
_FIELDS = {"engine", "text", "inputs", "n", "size"}


class AcmeServer(Server):
    """Gives the first of two images as bytes and the second as a link."""

    def __init__(self) -> None:
        super().__init__(self._handle)

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    def _handle(self, request: Received) -> Answer:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _refusal("Who are you?", 401)
        if request.path.startswith("/files/"):
            return Answer(200, {"content-type": "image/png"}, image(96, 64))
        if (request.method, request.path) != ("POST", "/v1/pictures"):
            return _refusal(f"There is no {request.path}", 404)
        order = request.json
        unknown = set(order) - _FIELDS
        if unknown or order.get("engine") != "acme-xl" or not order.get("text"):
            return _refusal(f"Unknown or missing: {sorted(unknown)}", 400)
        for one in order.get("inputs", []):
            if set(one) != {"kind", "data", "type"} or one["kind"] != "inline":
                return _refusal("An input has kind, data and type.", 400)
            with Image.open(io.BytesIO(base64.b64decode(one["data"], validate=True))) as picture:
                if Image.MIME[str(picture.format)] != one["type"]:
                    return _refusal(f"This is no {one['type']}.", 400)
        width, height = map(int, order["size"].split("x"))
        pictures = [{"bytes": base64.b64encode(image(width, height)).decode()}]
        if order.get("n", 1) == 2:
            pictures.append({"link": f"{self.origin}/files/2.png"})
        return Answer.of_json({"pictures": pictures, "billing": {"usd": COST}})


def _refusal(text: str, status: int) -> Answer:
    return Answer.of_json({"error": {"message": text}}, status)
