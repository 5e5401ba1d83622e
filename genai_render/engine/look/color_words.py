# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for the color of a surface, from a data file."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_DATA = Path(__file__).resolve().parents[2] / "data" / "paints.toml"


@dataclass(frozen=True, slots=True)
class Paint:
    """color: display sRGB, 0 to 1, of the surface in daylight. lighter, colorful: what is done to
    it in Oklab. label: what it is called."""

    label: str
    color: tuple[float, float, float]
    lighter: float = 0.0
    colorful: float = 1.0


@functools.cache
def paints() -> Mapping[str, Paint]:
    """By each word that a paint is called."""
    known: dict[str, Paint] = {}
    for label, values in tomllib.loads(_DATA.read_text(encoding="utf-8"))["paints"].items():
        red, green, blue = bytes.fromhex(values["color"].removeprefix("#"))
        for word in values["words"]:
            known[word] = Paint(label, (red / 255, green / 255, blue / 255))
    return known


@functools.cache
def changes() -> Mapping[str, tuple[float, float]]:
    """What a word before a paint does to it: how much lighter, how many times as colorful."""
    table = tomllib.loads(_DATA.read_text(encoding="utf-8"))["modifiers"]
    return {word: (change[0], change[1]) for word, change in table.items()}
