# SPDX-License-Identifier: GPL-3.0-or-later
"""A login for Google Cloud: a credentials file traded for a token that stands for an hour.

Through our own connection rather than the SDK's, which would know no proxy, no certificate and no
cancel of ours, and would need a package of four megabytes to sign what a service account says.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import CredentialsError, GenAIError
from ...core.events import CancelToken
from ...core.keys.credentials import Secret, origin_of
from ..http import errors
from ..http.settings import Endpoint, is_loopback
from ..http.vertex import LOG_IN, Vertex, check_file
from . import answers

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

_EARLY = 300.0  # seconds before its end that a token is no longer used
_MOST_BYTES = 1024 * 1024
_LABEL = "Google's login"
_KNOWN = ("authorized_user", "service_account")
_HASH_IS_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")

_tokens: dict[tuple[str, float], Login] = {}


@dataclass(frozen=True, slots=True)
class Login:
    """token: for an hour from when it was given. quota_project: who is charged for the quota, where
    the credentials say another; "" for the project itself."""

    token: Secret
    ends: float
    quota_project: str = ""


def log_in(vertex: Vertex, endpoint: Endpoint, cancel: CancelToken, online_access: bool) -> Login:
    """A token for that project; the one from before as long as it stands. For a worker thread.

    Raises CredentialsError where the credentials are missing, of no use or no longer taken.
    """
    check_file(vertex)
    about = _read(vertex.file)
    key = str(vertex.file), vertex.file.stat().st_mtime
    kept = _tokens.get(key)
    if kept is not None and time.time() < kept.ends - _EARLY:
        return kept
    address = str(about.get("token_uri") or "https://oauth2.googleapis.com/token")
    answer = _asked(address, _grant(about, address), endpoint, cancel, online_access)
    token, seconds = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(token, str) or not token:
        raise errors.bad_answer(_LABEL, "There is no token in it.")
    lasts = float(seconds) if isinstance(seconds, (int, float)) and 0 < seconds < 86400 else 3600.0
    login = Login(Secret(token), time.time() + lasts, str(about.get("quota_project_id") or ""))
    _tokens[key] = login
    return login


def forget(vertex: Vertex) -> None:
    """The token of that login is not used again."""
    for key in [key for key in _tokens if key[0] == str(vertex.file)]:
        _tokens.pop(key, None)


def not_accepted(vertex: Vertex, why: str) -> CredentialsError:
    """For a login that may not do what was asked of the project."""
    return CredentialsError(
        f'Google does not let this login use the project "{vertex.project}".',
        why,
        "Check the project's id, that the Vertex AI API is enabled in it, and that the account may "
        f"use it. {LOG_IN}",
    )


def _read(path: Path) -> Mapping[str, Any]:
    about: Any = None
    with contextlib.suppress(OSError, ValueError):
        if path.stat().st_size <= _MOST_BYTES:
            about = json.loads(path.read_text(encoding="utf-8"))
    kind = about.get("type") if isinstance(about, Mapping) else None
    if kind in _KNOWN:
        return about
    why = f'"{path.name}" is not a file of Google\'s credentials.'
    if isinstance(kind, str):
        why = f'"{path.name}" holds credentials of the kind "{errors.plain(kind, 40)}".'
    raise CredentialsError("The login for Vertex AI cannot be used.", why, LOG_IN)


def _grant(about: Mapping[str, Any], address: str) -> dict[str, str]:
    """What is sent for a token."""
    if about["type"] == "authorized_user":
        names = ("client_id", "client_secret", "refresh_token")
        values = {name: str(about.get(name) or "") for name in names}
        if not all(values.values()):
            raise CredentialsError("The login of this computer is incomplete.", action=LOG_IN)
        for name in ("client_secret", "refresh_token"):
            Secret(values[name])  # from now on it is taken out of every text
        return {"grant_type": "refresh_token", **values}
    now = int(time.time())
    claims = {
        "iss": about.get("client_email"),
        "sub": about.get("client_email"),
        "aud": address,
        "scope": SCOPE,
        "iat": now,
        "exp": now + 3600,
    }
    head = {"alg": "RS256", "typ": "JWT", "kid": about.get("private_key_id")}
    signed = b".".join(_packed(json.dumps(part).encode()) for part in (head, claims))
    try:
        signature = _signature(signed, str(about.get("private_key") or ""))
    except (ValueError, IndexError, OverflowError):
        signature = b""
    if not signature or not about.get("client_email"):
        raise CredentialsError(
            "The credentials file of the service account is damaged.",
            action="Make a new key for it in the Google Cloud console, as JSON.",
        )
    assertion = b".".join((signed, _packed(signature))).decode()
    return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}


def _asked(
    address: str,
    grant: Mapping[str, str],
    endpoint: Endpoint,
    cancel: CancelToken,
    online_access: bool,
) -> dict[str, Any]:
    parts = urllib.parse.urlsplit(address)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise CredentialsError(
            "The login for Vertex AI cannot be used.",
            "It would go over the network for all to read.",
            LOG_IN,
        )
    try:
        from ..http import transport
    except ImportError as error:
        raise errors.package_missing(_LABEL, error) from None
    http = transport.open_client(endpoint, origin_of(address), cancel, online_access, label=_LABEL)
    problem: GenAIError
    with contextlib.closing(http):
        try:
            response = http.post(address, data=dict(grant))
            body = answers.json_body(response, _LABEL)
            if response.status_code == 200:
                return body
            problem = _refused(response.status_code, body)
        except GenAIError as error:
            problem = error
        except Exception as error:
            problem = errors.unexpected(_LABEL, error)
    cancel.check()
    problem.__cause__ = problem.__context__ = None
    raise problem.with_traceback(None)


def _refused(status: int, body: Mapping[str, Any]) -> GenAIError:
    text = str(body.get("error_description") or body.get("error") or "")
    if status in (400, 401, 403):
        return CredentialsError(
            "Google does not take the login of this computer any more.",
            errors.quoted("Google", text),
            LOG_IN,
        )
    return errors.by_status(_LABEL, status, text)


# ---- a signature with RSA and SHA-256 (RFC 8017, PKCS #1 v1.5) -----------------------------------


def _packed(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _signature(message: bytes, pem: str) -> bytes:
    """Raises ValueError or IndexError for a key that is none."""
    modulus, exponent = _private_key(pem)
    size = (modulus.bit_length() + 7) // 8
    digest = _HASH_IS_SHA256 + hashlib.sha256(message).digest()
    if size < 256:
        raise ValueError("too short a key")
    padded = b"\0\1" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest
    return pow(int.from_bytes(padded, "big"), exponent, modulus).to_bytes(size, "big")


def _private_key(pem: str) -> tuple[int, int]:
    """The modulus and the private exponent of a key in PEM, of its own (PKCS #1) or wrapped up with
    what it is for (PKCS #8)."""
    lines = [line.strip() for line in pem.strip().splitlines()]
    if not lines or "PRIVATE KEY" not in lines[0]:
        raise ValueError("no key")
    parts = _parts(_content(base64.b64decode("".join(lines[1:-1]), validate=True), 0x30)[0])
    if parts[1][0] == 0x30:  # a version, what it is for, and the key itself
        parts = _parts(_content(parts[2][1], 0x30)[0])
    return int.from_bytes(parts[1][1], "big"), int.from_bytes(parts[3][1], "big")


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    """The values of a DER sequence, each with what kind it is."""
    found = []
    while data:
        kind = data[0]
        value, data = _content(data, kind)
        found.append((kind, value))
    return found


def _content(data: bytes, kind: int) -> tuple[bytes, bytes]:
    """A DER value, and what comes after it."""
    if data[0] != kind:
        raise ValueError("not what was expected")
    length, at = data[1], 2
    if length & 0x80:
        at += length & 0x7F
        length = int.from_bytes(data[2:at], "big")
    if at + length > len(data):
        raise ValueError("cut off")
    return data[at : at + length], data[at + length :]
