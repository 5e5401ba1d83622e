# SPDX-License-Identifier: GPL-3.0-or-later
"""Vertex AI: the login of a service account or of a person (RFC 7523 and RFC 6749, as Google's
oauth2.googleapis.com has them), and generateContent at the paths of the aiplatform discovery
document v1beta1 (projects.locations.publishers.models, publishers.models.list).
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import time
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .gemini_api import _MODELS, Refusal, chunks, fault, read_order, sse_answer
from .http import Answer, Received, Server

TOKEN = "ya29.c.TESTTOKEN-0123456789abcdefghijklmnopqrstuvwxyz"
REFRESH = "1//0gTESTREFRESH-0123456789abcdefghijkl"
CLIENT_SECRET = "GOCSPX-TESTCLIENTSECRET-0123456789ab"
PROJECT, LOCATION = "atelier-123", "europe-west4"
MAIL = "painter@atelier-123.iam.gserviceaccount.com"
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(wrapped: bool = True) -> str:
    """The service account's key as Google gives it out (PKCS #8), or plain (PKCS #1)."""
    kinds = serialization.PrivateFormat
    return _KEY.private_bytes(
        serialization.Encoding.PEM,
        kinds.PKCS8 if wrapped else kinds.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


class VertexServer(Server):
    def __init__(self, **more: Any) -> None:
        super().__init__(self._handle, **more)
        self.logins: list[dict[str, str]] = []
        self.expired = False
        self.fault: tuple[int, str, str] | None = None

    def service_account(self, **more: Any) -> dict[str, Any]:
        return {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "abc123",
            "private_key": private_pem(),
            "client_email": MAIL,
            "token_uri": f"{self.origin}/token",
            **more,
        }

    def person(self, **more: Any) -> dict[str, Any]:
        return {
            "type": "authorized_user",
            "client_id": "764086051850-test.apps.googleusercontent.com",
            "client_secret": CLIENT_SECRET,
            "refresh_token": REFRESH,
            "quota_project_id": "paying-456",
            "token_uri": f"{self.origin}/token",
            **more,
        }

    def _handle(self, request: Received) -> Answer | None:
        if request.path == "/token":
            return self._token(request)
        if self.fault is not None:
            return fault(*self.fault)(request, None)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return fault(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")(
                request, None
            )
        assert "x-goog-api-key" not in request.headers
        if request.path == "/v1beta1/publishers/google/models":
            names = [{"name": f"publishers/google/models/{name}"} for name in _MODELS]
            return Answer.of_json({"publisherModels": names})
        found = re.fullmatch(
            rf"/v1beta1/projects/{PROJECT}/locations/{LOCATION}/publishers/google"
            r"(/models/[\w.-]+:streamGenerateContent)",
            request.path,
        )
        if not found:
            return fault(404, "NOT_FOUND", f"{request.path} was not found")(request, None)
        plain = dataclasses.replace(request, target=f"/v1beta{found[1]}?alt=sse")
        assert request.query == {"alt": "sse"}
        try:
            return sse_answer([b"".join(chunks(read_order(plain)))])
        except Refusal as refusal:
            return fault(400, "INVALID_ARGUMENT", str(refusal))(request, None)

    def _token(self, request: Received) -> Answer:
        assert request.method == "POST"
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        import urllib.parse

        given = dict(urllib.parse.parse_qsl(request.body.decode()))
        self.logins.append(given)
        if self.expired:
            text = "Token has been expired or revoked."
            return Answer.of_json({"error": "invalid_grant", "error_description": text}, 400)
        if given["grant_type"] == "refresh_token":
            good = (given["refresh_token"], given["client_secret"]) == (REFRESH, CLIENT_SECRET)
        else:
            assert given["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
            good = self._signed(given["assertion"])
        if not good:
            return Answer.of_json({"error": "invalid_grant"}, 400)
        return Answer.of_json({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})

    def _signed(self, assertion: str) -> bool:
        """Checked by a library that others wrote; raises where the signature is not right."""
        head, claims, signature = assertion.split(".")
        _KEY.public_key().verify(
            _bytes(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
        )
        said, about = json.loads(_bytes(claims)), json.loads(_bytes(head))
        return (
            about["alg"] == "RS256"
            and said["iss"] == MAIL
            and said["aud"] == f"{self.origin}/token"
            and said["scope"] == "https://www.googleapis.com/auth/cloud-platform"
            and said["iat"] <= time.time() + 5
            and said["exp"] - said["iat"] <= 3600
        )


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
