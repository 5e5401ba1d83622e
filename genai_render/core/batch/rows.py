# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture of a batch as its page and its contact sheet show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One picture. thumbnail: a WebP; None where there is no picture, and error says why.

    starred: a favorite of History. size: pixels of the picture itself.
    """

    key: str
    title: str
    about: str
    id: str = ""
    path: str = ""
    cost_usd: float | None = None
    error: str = ""
    thumbnail: bytes | None = None
    prompt: str = ""
    size: tuple[int, int] = (0, 0)
    starred: bool = False
