# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep keys and the user's folders out of whatever is stored or shared."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from . import known_secrets
from .known_secrets import LONG, REMOVED

# Compiled when they are first used: Blender starts without them.


@functools.cache
def _keys() -> re.Pattern[str]:
    return re.compile(
        r"""(?<![A-Za-z0-9])(?:
            sk-[A-Za-z0-9_-]{16,}             # OpenAI, Anthropic, OpenRouter, Stability
          | AIza[A-Za-z0-9_-]{30,}            # Google
          | ya29\.[A-Za-z0-9_.-]{20,}         # Google, short-lived
          | (?:r8|hf|gsk|pplx|nvapi)[_-][A-Za-z0-9_-]{20,}   # Replicate, Hugging Face, Groq …
          | (?:xai|key|fal|luma)-[A-Za-z0-9_-]{20,}
          | gh[pousr]_[A-Za-z0-9]{30,}
          | (?:AKIA|ASIA)[A-Z0-9]{16}
          | eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}   # JSON web tokens
          | [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:[0-9a-f]{32}           # fal.ai
        )""",
        re.VERBOSE,
    )


@functools.cache
def _bearer() -> re.Pattern[str]:
    return re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{16,}")


@functools.cache
def _in_url() -> re.Pattern[str]:
    return re.compile(r"(?i)([?&](?:key|api_?key|token|access_token|sig|signature)=)[^&\s\"']+")


@functools.cache
def _user_in_url() -> re.Pattern[str]:
    return re.compile(r"(?i)\b(https?://)[^/\s:@]+:[^/\s@]+@")


@functools.cache
def _secret_name() -> re.Pattern[str]:
    return re.compile(
        r"(?i)^(?:.*[_-])?(?:api[_-]?key|authorization|password|passwd|secret|access[_-]?token"
        r"|refresh[_-]?token|id[_-]?token|auth[_-]?token|bearer|cookie|credentials?)$"
    )


# A drive, a network share, or one of the folders that everything lies in: then folders, then the
# last part, which stays.


@functools.cache
def _path() -> re.Pattern[str]:
    return re.compile(
        r"""(?<![\w./\\])(?:file://)?
            (?:[A-Za-z]:[\\/] | \\\\[^\\/\s]+[\\/]
              | [\\/](?:home|Users|root|tmp|var|mnt|media|Volumes|private|opt|usr|srv|run)[\\/])
            (?:[^\\/\n\r"'<>|*?,;]*[\\/])*
            ([^\\/\s"'<>|*?,;)]*)""",
        re.VERBOSE,
    )


def redact_keys(text: str, shortest: int = LONG) -> str:
    """The text without anything that looks like an API key, a token or a password, and without any
    key that was used here and has at least so many characters, in whatever spelling.

    shortest: fewer for what a server sent; a short password may well be a word of the user's.
    What no file could hold (halves of characters, from a broken file name) becomes "?".
    """
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = known_secrets.hidden(text, shortest)
    text = _keys().sub(REMOVED, text)
    text = _bearer().sub(rf"\1 {REMOVED}", text)
    text = _in_url().sub(rf"\1{REMOVED}", text)
    return _user_in_url().sub(rf"\1{REMOVED}@", text)


def redact(text: str, shortest: int = LONG) -> str:
    """`redact_keys`, and of absolute paths only the last part."""
    return _path().sub(r"\1", redact_keys(text, shortest))


def base_name(name: str) -> str:
    """The last part of a path of any system: a file's name."""
    return re.split(r"[\\/]", name.rstrip("\\/"))[-1]


def redact_json(value: Any, shortest: int = LONG) -> Any:
    """JSON values with every text redacted, and what is named like a secret removed.

    Whatever is not a JSON value becomes its text. shortest: see `redact_keys`.
    """
    if isinstance(value, str):
        return redact(value, shortest)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {
            redact(str(key), shortest): REMOVED
            if entry and isinstance(entry, str) and _secret_name().match(str(key))
            else redact_json(entry, shortest)
            for key, entry in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact_json(entry, shortest) for entry in value]
    return redact(str(value), shortest)
