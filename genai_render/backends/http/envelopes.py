# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server says is wrong, whatever it wraps it in, and whether that is a refusal for safety.

Taken apart: OpenAI's error object and what gateways nest in it, FastAPI's `detail`, zod's issues
(also as JSON in a text), problem details, lists of errors by field, plain texts, a proxy's page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from . import json_answers

_HEADS = (
    *("message", "Message", "msg", "error_description", "error_message", "errorMessage", "error"),
    *("title", "faultstring", "description"),
)
_TAILS = (
    *("detail", "details", "errors", "issues", "error", "fault", "metadata", "raw", "reasons"),
    *("bodyErrors", "queryParameterErrors", "unionErrors"),
)
_MOST_ENTRIES, _DEEPEST, _LONGEST = 4, 6, 20_000

_REFUSED_CODE = re.compile(
    r"moderat|contentpolic|contentfilter|contentviolat|policyviolat|sensitivecontent|nsfw|safety|"
    r"prohibitedcontent|datainspection|responsibleai|inappropriate|blocklist"
)
_REFUSED_WORDS = re.compile(
    r"safety (?:system|filter|check|polic|guideline|reason|concern)|\bmoderat(?:ed|ion|or)\b|"
    r"content[ -]?(?:polic|filter|guideline|restriction)|(?:usage|use|our|safety) polic|"
    r"polic(?:y|ies) violation|violat\w* .{0,40}(?:polic|guideline|terms)|nsfw|\bflagged\b|"
    r"\bunsafe\b|inappropriate|disallowed content|sexual|explicit content|sensitive content|"
    r"prohibited content|not safe for work|rejected as a result of our safety",
    re.IGNORECASE,
)
# Said of what was asked for, also where the words of a wrong parameter stand beside it.
_SURELY_REFUSED = re.compile(
    r"(?:was|were|been|is|are|prompt|image|content|input) (?:\w+ )?(?:flagged|rejected|blocked) "
    r"(?:as|by|for|because|due)|(?:safety|moderation) (?:system|filter)|"
    r"(?:detected|contains?|as) nsfw|nsfw (?:content|image|prompt|concept)|"
    r"violat\w* .{0,40}polic|content[ -]polic",
    re.IGNORECASE,
)
_OF_A_PARAMETER_CODE = re.compile(r"^(?:unknown|invalid|unsupported|missing|unrecognized|value)")
_OF_A_PARAMETER = re.compile(
    r"\b(?:unknown|unrecognized|unsupported|unexpected|missing|invalid) "
    r"(?:parameter|value|type|argument|option|field|key|input)|"
    r"inputs? (?:is|are) not permitted|not (?:supported|a valid)|supported values|must be |"
    r"expected .{1,60}(?:received|got)|field required|input should be",
    re.IGNORECASE,
)
# A parameter's own name is no word about safety: "safety_tolerance", "'moderation'".
_NAMES = re.compile(r"\b\w+_\w+\b|['\"`]\w+['\"`]")
_MARKS = ("nsfw_content_detected", "has_nsfw_concepts", "nsfw", "flagged", "blocked")
_CODES = (
    *("code", "type", "reason", "reasons", "finish_reason", "finishReason", "error_code", "status"),
    *("name", "category", "blockReason", "block_reason", "error_type"),
)


def said(body: Any) -> str:
    """The words for a person in a body that was parsed, or in a text; "" where there are none."""
    return _said(body, 0).strip()


def said_by(content: bytes, content_type: str) -> str:
    """The words in an answer as it came: of JSON, of a proxy's page its title, of a text all."""
    try:
        return said(json_answers.parse(content[: 4 * 2**20]))
    except ValueError:
        pass
    text = content[:_LONGEST].decode("utf-8", "replace")
    if "html" in content_type or text.lstrip()[:1] == "<":
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        return " ".join(title[1].split()) if title else ""
    return text.strip()


def is_refusal(body: Any, status: int | None = None) -> bool:
    """Whether it says that the image is not made for safety's sake.

    A parameter that is wrong is none, also if it is called "moderation".
    """
    if status in (401, 402, 404, 413, 429):
        return False
    codes = [_plain(code) for code in _values(body, _CODES)]
    wrong = [code for code in codes if _OF_A_PARAMETER_CODE.match(code)]
    if any(_REFUSED_CODE.search(code) for code in codes if code not in wrong):
        return True
    if any(mark is True or (isinstance(mark, list) and True in mark) for mark in _marks(body)):
        return True
    if any(isinstance(reasons, list) and reasons for reasons in _found(body, ("reasons",))):
        return True
    text = _NAMES.sub(" ", said(body))
    if _SURELY_REFUSED.search(text):
        return True
    if wrong or _param(body) or _OF_A_PARAMETER.search(said(body)):
        return False
    return bool(_REFUSED_WORDS.search(text))


def _said(value: Any, depth: int) -> str:
    if depth > _DEEPEST:
        return ""
    if isinstance(value, str):
        return _of_text(value, depth)
    if isinstance(value, list):
        parts = [_said(entry, depth + 1) for entry in value[:_MOST_ENTRIES]]
        return "; ".join(dict.fromkeys(part for part in parts if part))
    if not isinstance(value, Mapping):
        return ""
    head = next((found for name in _HEADS if (found := _text_at(value, name, depth))), "")
    where = value.get("loc") if "loc" in value else value.get("path")
    if isinstance(where, list):
        place = ".".join(str(step) for step in where if step not in ("body", "query"))
        head = f"{place}: {head}" if place and head else head
    parts = [head] if head else []
    for name in _TAILS:
        found = value.get(name)
        if isinstance(found, str) and name in _HEADS:
            continue  # it was the head, or said less
        more = _by_field(found, depth) if name in ("errors", "detail") else ""
        more = more or _said(found, depth + 1)
        if more and not any(more in part for part in parts):
            parts.append(more)
    return ": ".join(part.rstrip(":") for part in parts)


def _of_text(text: str, depth: int) -> str:
    """A text, or what it says where it is JSON itself, as zod's and a provider's raw answer are."""
    text = text[:_LONGEST].strip()
    if text[:1] in ("{", "["):
        try:
            return _said(json_answers.parse(text), depth + 1) or text
        except ValueError:
            pass
    return text


def _text_at(value: Mapping[str, Any], name: str, depth: int) -> str:
    found = value.get(name)
    return _of_text(found, depth) if isinstance(found, str) else ""


def _by_field(found: Any, depth: int) -> str:
    """Errors by the name of their field: {"size": ["must be …"]}."""
    if not isinstance(found, Mapping) or any(name in found for name in (*_HEADS, *_TAILS)):
        return ""
    lines = [
        f"{name}: {what}"
        for name, entry in list(found.items())[:_MOST_ENTRIES]
        if (what := _said(entry, depth + 1))
    ]
    return "; ".join(lines)


def _found(value: Any, names: tuple[str, ...], depth: int = 0) -> Iterator[Any]:
    """Whatever stands under one of these names, however deep, also in JSON within a text."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") and len(value) < _LONGEST:
        try:
            value = json_answers.parse(value)
        except ValueError:
            return
    if isinstance(value, list):
        for entry in value[:20]:
            yield from _found(entry, names, depth + 1)
    elif isinstance(value, Mapping):
        for name, entry in value.items():
            if name in names:
                yield entry
            yield from _found(entry, names, depth + 1)


def _values(body: Any, names: tuple[str, ...]) -> Iterator[str]:
    for found in _found(body, names):
        for one in found if isinstance(found, list) else [found]:
            if isinstance(one, str) and len(one) < 80:
                yield one


def _marks(body: Any) -> Iterator[Any]:
    yield from _found(body, _MARKS)


def _param(body: Any) -> bool:
    """Whether it names the parameter that it minds."""
    return any(isinstance(name, str) and name for name in _found(body, ("param",)))


def _plain(code: str) -> str:
    return re.sub(r"[^a-z]", "", code.lower())
