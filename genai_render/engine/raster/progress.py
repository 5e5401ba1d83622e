# SPDX-License-Identifier: GPL-3.0-or-later
"""How work reports its progress, and is stopped."""

from __future__ import annotations

from typing import Protocol


class Step(Protocol):
    """Called between steps of work: reports progress, and raises Cancelled to stop."""

    def __call__(self, fraction: float, message: str) -> None: ...


def silent(fraction: float, message: str) -> None:
    """A Step that reports nothing."""
