# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in bands of rows on all cores: numpy releases the interpreter, and a band fits a cache.

Each band writes its own rows only, so the result does not depend on threads or timing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")


def _cores() -> int:
    """The cores that this process may use; beyond 16 the work between numpy calls holds them up."""
    own = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return max(1, min(16, len(own(0)) if own else os.cpu_count() or 1))


THREADS = _cores()
BAND_PIXELS = 1 << 17
SMALLEST_BAND = 1 << 15
FEW_BANDS = 4


def each_band(
    height: int,
    width: int,
    work: Callable[[int, int], None],
    report: Callable[[float], None] | None = None,
    pixels: int = BAND_PIXELS,
) -> None:
    """Call work(first row, last row + 1) for every band of `pixels` or up to twice as many.

    report(fraction) is called now and then.
    An exception in `work` or `report` (a cancel) stops the rest and is raised.
    """
    count = max(1, height // max(1, pixels // max(1, width)))
    # Small pictures, too, on several cores; how many bands there are never depends on those.
    count = max(count, min(FEW_BANDS, height, height * width // SMALLEST_BAND))
    starts = [height * i // count for i in range(count + 1)]
    if count == 1:
        work(0, height)
        if report:
            report(1.0)
        return
    with ThreadPoolExecutor(THREADS) as pool:
        waiting = {pool.submit(work, first, last) for first, last in pairwise(starts)}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                if report:
                    report(1 - len(waiting) / count)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def run_all(work: list[Callable[[], T]]) -> list[T]:
    """Call each function once, on all cores; their results, or the first exception is raised."""
    with ThreadPoolExecutor(THREADS) as pool:
        return [future.result() for future in [pool.submit(item) for item in work]]


class Abandoned(Exception):
    """Ends the work of an `alongside` whose body was left with an exception."""


@contextmanager
def alongside(work: Callable[[Callable[[], None]], T]) -> Iterator[Callable[[], T]]:
    """work(check) on another thread while the body runs.

    Gives a function that waits for the work and returns its result, or raises its exception.
    check() raises Abandoned once the body is left with an exception, so that the work stops soon.
    """
    left = threading.Event()

    def check() -> None:
        if left.is_set():
            raise Abandoned

    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(work, check).result
        except BaseException:
            left.set()
            raise
