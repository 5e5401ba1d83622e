# SPDX-License-Identifier: GPL-3.0-or-later
"""One build.py at a time, where two would be in each other's way."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .console import say
from .platforms import ON_WINDOWS


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; the system lets go of it whenever the process ends."""
    with path.open("a+b") as file:
        take: Callable[[], object]
        if ON_WINDOWS:
            import msvcrt

            file.seek(0)
            take = lambda: msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore # noqa: E731
        else:
            import fcntl

            take = lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # noqa: E731
        waiting = False
        while True:
            try:
                take()
                break
            except OSError:
                if not waiting:
                    say("Waiting for another build.py to finish with this environment.")
                    waiting = True
                time.sleep(0.5)
        yield
