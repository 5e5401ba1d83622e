# SPDX-License-Identifier: GPL-3.0-or-later
"""Harm that does harm, in every way that a campaign has to notice: for the test of campaigns."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

WAYS = ("holds", "lost", "raises", "dies", "hangs", "late once", "always late")


def way_of(chance: random.Random) -> str:
    return WAYS[chance.randrange(len(WAYS))]


class Broken:
    def one(self, chance: random.Random) -> str:
        way = way_of(chance)
        if way == "lost":
            return "lost: one of two"
        if way == "raises":
            raise KeyError("nobody expects it")
        if way == "dies":
            os._exit(3)
        if way == "hangs":
            time.sleep(60)
        if way == "late once":
            # In the folder that the campaign gives to all its processes.
            mark = Path(tempfile.gettempdir()) / "late-once"
            if not mark.exists():
                mark.touch()
                return "slow: 9 s"
        return "slow: 9 s" if way == "always late" else ""


@contextlib.contextmanager
def harm() -> Iterator[Broken]:
    yield Broken()
