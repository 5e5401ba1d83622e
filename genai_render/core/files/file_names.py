# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that a file may have on Linux, macOS and Windows alike, whatever words they are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_BYTES = 255
"""The longest name that the usual disks take, in UTF-8."""

_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f\ud800-\udfff]')
# Windows takes these for devices, whatever follows a dot.
_DEVICE = re.compile(
    r"(?i)(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\u00b9\u00b2\u00b3])(?=\s*(?:\.|$))"
)


def file_name(words: str, suffix: str = "", otherwise: str = "image") -> str:
    """A name that every system takes: `words` without what none may have, cut to fit, and suffix.

    otherwise: where nothing is left of the words.
    """
    stem = _NOT_IN_NAMES.sub("_", words).strip().rstrip(". ") or otherwise
    if _DEVICE.match(stem):
        stem = f"_{stem}"
    return f"{_cut(stem, MAX_BYTES - len(suffix.encode()))}{suffix}"


def numbered(words: str, suffix: str = "", otherwise: str = "image") -> Iterator[str]:
    """`file_name`, then with -2, -3 … before the suffix: for the first one that is free."""
    yield file_name(words, suffix, otherwise)
    number = 2
    while True:
        yield file_name(words, f"-{number}{suffix}", otherwise)
        number += 1


def _cut(stem: str, room: int) -> str:
    """At most `room` bytes, whole characters, and no dot or space at the end."""
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ")
