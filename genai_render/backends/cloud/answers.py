# SPDX-License-Identifier: GPL-3.0-or-later
"""What providers answer, in JSON: errors as ours, bodies, images in them or where they point to."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, Literal

from ...core import media
from ...core.errors import GenAIError, ImageError, InvalidInput
from ...core.events import CancelToken
from ...core.image import images
from ...core.keys.credentials import origin_of
from ...core.models.cost import Usage
from ..http import envelopes, errors, json_answers
from ..http.reach import may_be_fetched, reach_of_server
from ..http.retry import retry_after
from ..http.settings import Access

Wanted = Literal["image"] | media.MediaKind
_QUOTA_CODES = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_WAIT_IN_TEXT = re.compile(
    r"try again in (?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)(ms|s))?", re.IGNORECASE
)


def translated(label: str, body: Any, status: int | None, headers: Mapping[str, str]) -> GenAIError:
    """The error for what an API says is wrong, in a status or in a stream."""
    text, refused = envelopes.said(body), envelopes.is_refusal(body, status)
    if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping):
        body = body["error"]
    if not isinstance(body, Mapping):
        body = {}
    code, kind = str(body.get("code") or ""), str(body.get("type") or "")
    if code.isdigit() and status is not None:
        code = ""  # the status once more
    if refused:
        return _refusal(label, text, body.get("moderation_details"))
    if code in _QUOTA_CODES or kind in _QUOTA_CODES:
        return errors.no_quota(label, text)
    after = retry_after(headers)
    if status == 429 or code in ("rate_limit_exceeded", "too_many_requests"):
        return errors.rate_limited(label, text, after if after is not None else _wait(text))
    if status is not None:
        return errors.by_status(label, status, text, after)
    if code.isdigit() and 300 <= int(code) <= 599:
        return errors.by_status(label, int(code), text, after)
    if code in ("invalid_api_key", "invalid_authentication"):
        return errors.wrong_key(label, text)
    if "server" in kind or "server" in code or code == "internal_error":
        return errors.server_failed(label, None, text)
    return errors.rejected(label, text)


def content_type(response: Any) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def json_body(response: Any, label: str) -> dict[str, Any]:
    """The JSON object of an answer. Raises BadAnswer for anything else."""
    body = json_value(response, label)
    if isinstance(body, dict):
        return body
    raise errors.bad_answer(label, "It is damaged or cut off.")


def json_value(response: Any, label: str) -> dict[str, Any] | list[Any]:
    """The JSON object or list of an answer. Raises BadAnswer for anything else."""
    kind = content_type(response)
    if kind and "json" not in kind and kind not in ("text/plain", "application/octet-stream"):
        raise errors.bad_answer(
            label,
            f"It is of the kind {errors.plain(kind, 60)} and not JSON.",
            "Check the server's base URL and whether a proxy or a login page is in between.",
        )
    try:
        body = json_answers.parse(response.content)
    except ValueError:
        body = None
    if isinstance(body, (dict, list)):
        return body
    raise errors.bad_answer(label, "It is damaged or cut off.")


def field(entry: Any, name: str) -> Any:
    return entry.get(name) if isinstance(entry, Mapping) else getattr(entry, name, None)


def usage_of(answer: Any) -> Usage | None:
    """The tokens that the provider counted; None if it counted none."""
    usage = field(answer, "usage")
    if usage is None:
        return None

    def number(of: Any, name: str) -> int:
        value = field(of, name) if of is not None else None
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    inputs, outputs = field(usage, "input_tokens_details"), field(usage, "output_tokens_details")
    text_in, image_in = number(inputs, "text_tokens"), number(inputs, "image_tokens")
    if not text_in and not image_in:
        text_in = number(usage, "input_tokens")
    text_out = number(outputs, "text_tokens")
    image_out = number(outputs, "image_tokens") or number(usage, "output_tokens") - text_out
    if not (text_in or image_in or text_out or image_out):
        return None
    return Usage(text_in, image_in, text_out, max(0, image_out))


def opened(text: str, label: str) -> bytes:
    """The image in a base64 text. Raises BadAnswer."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
        images.verify(data, "The image")
    except (binascii.Error, ValueError, ImageError):
        pass
    else:
        return data
    raise errors.bad_answer(label, "The image in it is damaged.")


def image_body(response: Any, label: str) -> bytes:
    """The image that is the whole answer. Raises BadAnswer."""
    try:
        images.verify(response.content, "The image")
    except ImageError:
        pass
    else:
        return response.content
    raise errors.bad_answer(label, "The image in it is damaged.")


def downloaded(
    address: str,
    where: Access,
    cancel: CancelToken,
    online_access: bool,
    label: str,
    guarded: Callable[[Callable[[], Any]], Any],
    kind: Wanted = "image",
) -> bytes:
    """What is at an address that the server gave: its own, or a public one, or one as near as
    itself. The key goes along only to its own."""
    from ..http import transport

    whole = urllib.parse.urljoin(where.base_url + "/", address)
    origin = _origin(whole)
    if origin is None:
        raise errors.bad_answer(
            label,
            "It points to an image at an address of no use."
            if kind == "image"
            else "It points to a file at an address of no use.",
        )
    own = origin == where.origin
    server = reach_of_server(where.origin)
    if not own and not may_be_fetched(whole, server):
        raise errors.bad_answer(
            label,
            f"It points to an image at {errors.plain(origin, 100)}, and may not."
            if kind == "image"
            else f"It points to a file at {errors.plain(origin, 100)}, and may not.",
            "Nothing was fetched from there. Ask who runs the server.",
        )
    http = transport.open_client(
        where.endpoint,
        whole,
        cancel,
        online_access,
        where.key if own else None,
        where.provider.key_header,
        where.provider.key_format,
        label=label,
        nearest=None if own else server,
    )
    with contextlib.closing(http):
        answer = guarded(lambda: http.get(whole))
    if answer.status_code != 200:
        raise errors.bad_answer(
            label,
            f"The image it points to cannot be had (error {answer.status_code})."
            if kind == "image"
            else f"The file it points to cannot be had (error {answer.status_code}).",
        )
    try:
        if kind == "image":
            images.verify(answer.content, "The image")
        else:
            media.read(answer.content, kind, "What it points to")
    except (ImageError, media.MediaError):
        pass
    else:
        return answer.content
    if kind == "video":
        raise errors.bad_answer(label, "What it points to is not a clip.")
    if kind == "model":
        raise errors.bad_answer(label, "What it points to is not a 3D model.")
    raise errors.bad_answer(label, "What it points to is not an image.")


def _origin(url: str) -> str | None:
    """None for what is not the address of a server."""
    try:
        return origin_of(url)
    except InvalidInput:
        return None


def error_body(response: Any) -> Any:
    """What an answer with an error says, parsed, or as its text; "" for a web page."""
    try:
        return json_answers.parse(response.content)
    except ValueError:
        return "" if "html" in content_type(response) else response.text


def check_not_refused(body: Any, label: str) -> None:
    """Raises Refused for an answer without an image that says why there is none."""
    if envelopes.is_refusal(body):
        raise _refusal(label, envelopes.said(body), None)


def _refusal(label: str, text: str, details: Any) -> GenAIError:
    hint = ""
    if isinstance(details, Mapping):
        stage = details.get("moderation_stage")
        categories = details.get("categories")
        named = ", ".join(map(str, categories)) if isinstance(categories, list) else ""
        why = f"It was taken for: {errors.plain(named, 100)}. " if named else ""
        if stage == "output":
            hint = f"{why}The finished image was held back: try again or change the words."
        elif stage == "input" or why:
            hint = f"{why}Change the words or the images that could be taken wrongly."
    return errors.refused(label, text, hint)


def _wait(text: str) -> float | None:
    """The seconds in "Please try again in 1m3.5s"."""
    match = _WAIT_IN_TEXT.search(text)
    if not match or not any(match.groups()):
        return None
    hours, minutes, number, unit = match.groups()
    try:
        seconds = float(number or 0) / (1000 if unit == "ms" else 1)
    except ValueError:
        return None
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + seconds
