# SPDX-License-Identifier: GPL-3.0-or-later
"""The project that is built: where its files are, and what it pins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .pins import Pins

PACKAGE = "genai_render"


@dataclass(frozen=True)
class Project:
    root: Path

    @property
    def package(self) -> Path:
        return self.root / PACKAGE

    @property
    def cache(self) -> Path:
        """What can be deleted at any time, and is made again."""
        return self.root / ".cache"

    @cached_property
    def pins(self) -> Pins:
        return Pins(self.root / "pyproject.toml")
