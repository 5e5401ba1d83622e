# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers for ids, as an enum of Blender's needs them for its items."""

from __future__ import annotations

import zlib

BELOW = 2**24
"""Blender's icon view passes an item's number on as a 32-bit float, which holds no larger one."""


class EnumNumbers:
    """A number for each id. An id keeps its number, and no two ids share one.

    The number follows from the id alone, unless two ids that are asked for have the same checksum
    (one chance in 16 million): then the later one gets another. So it does not depend on what else
    is in the list; what has to be right for ever is kept by id.
    """

    def __init__(self, default: str) -> None:
        """default: the id whose number is 0, which is what an enum is reset to."""
        self._numbers = {default: 0}
        self._ids = {0: default}

    def of(self, id: str) -> int:
        number = self._numbers.get(id)
        if number is None:
            number = _checksum(id)
            attempt = 0
            while number in self._ids:
                attempt += 1
                number = _checksum(f"{id}\n{attempt}")
            self._numbers[id] = number
            self._ids[number] = id
        return number

    def id_of(self, number: int) -> str | None:
        """The id that a number was given to; None if it was given to none."""
        return self._ids.get(number)


def _checksum(text: str) -> int:
    return zlib.crc32(text.encode()) % (BELOW - 1) + 1


def number_before(id: str, default: str) -> int:
    """The number of 30 bits that a .blend from before ids were kept has for an id."""
    return 0 if id == default else zlib.crc32(id.encode()) & 0x3FFFFFFF | 1
