# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON that a server sent, made harmless: no depth without end, no numbers or texts that nothing
else here could hold."""

from __future__ import annotations

import json
import math
from typing import Any

MAX_DEPTH = 64
_LONGEST_WHOLE = 18  # digits that fit into 64 bits, whatever they are


def parse(data: bytes | str) -> Any:
    """Its value. Raises ValueError for what is no JSON, or none that an honest server sends.

    A half of a character becomes "?".
    """
    try:
        value = json.loads(data, parse_int=_whole, parse_float=_finite, parse_constant=_constant)
        return _cleaned(value, 0)
    except RecursionError:
        raise ValueError("too deep") from None


def _cleaned(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    if isinstance(value, str):
        # The longest texts are images: those are plain, and asking that is fast.
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_cleaned(entry, depth + 1) for entry in value]
    if isinstance(value, dict):
        return {_cleaned(key, depth): _cleaned(entry, depth + 1) for key, entry in value.items()}
    return value


def _whole(text: str) -> int | float:
    """A longer one is only about so large: ComfyUI says 18446744073709551615 of what a seed can be
    at most."""
    return int(text) if len(text) <= _LONGEST_WHOLE + 1 else _finite(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number without end")
    return number


def _constant(_text: str) -> None:
    """NaN and Infinity, which are no JSON but are sent, are as good as nothing."""
