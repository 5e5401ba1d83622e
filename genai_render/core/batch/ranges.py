# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as people write many of them: "1-24,30"."""

from __future__ import annotations

import re

from ..errors import InvalidInput

MOST = 100_000


def numbers(text: str) -> list[int]:
    """Each once, in order. Raises InvalidInput."""
    if not text.strip():
        raise InvalidInput("No frame is named.", action='Write them like "1-24,30".')
    found: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(-?\d+)(?:\s*-\s*(-?\d+))?\s*", part)
        if match is None:
            raise InvalidInput(f'"{text}" are not frames.', action='Write them like "1-24,30".')
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if last < first or last - first >= MOST or len(found) > MOST:
            raise InvalidInput(f'"{part.strip()}" is not a usable range of frames.')
        found.update(dict.fromkeys(range(first, last + 1)))
    return list(found)
