# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one kind of harm in a process of its own, so that one that hangs or dies is counted, too."""

from __future__ import annotations

import json
import queue
import random
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[2]
STARTING_SECONDS = 120.0  # a worker imports and prepares before its first run
MAX_BYTES = 512 * 2**20


class Harm(Protocol):
    """One kind of harm. Entered once, then `one` is called over and over."""

    def one(self, chance: random.Random) -> str:
        """Do it once. "" if all holds, else what does not: "kind: words".

        What it raises counts as "untyped".
        """
        ...


@dataclass(slots=True)
class Kind:
    """module: under tests.faults, with `harm()`, a context manager that gives a Harm.

    seconds: how long a run may take; longer counts as stuck.
    """

    name: str
    module: str
    seconds: float


@dataclass(slots=True)
class Tally:
    """What came of a campaign. failures: seed and words of the first ones of each kind."""

    runs: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)
    slowest: float = 0.0
    peak: int = 0

    def take(self, seed: int, words: str) -> None:
        kind = words.partition(":")[0]
        self.bad[kind] += 1
        if self.bad[kind] <= 5:
            self.failures.append((seed, words))


class _Worker:
    """A process that makes runs and tells of each, a line of JSON a run."""

    def __init__(self, kind: Kind, seed: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.campaign", kind.module, str(seed)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def next(self, seconds: float) -> dict | None:
        """What a run told; None if nothing came in time. {} if the process died."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return None
        return json.loads(line) if line else {}

    def end(self) -> int:
        self._process.kill()
        code = self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code


def run(kind: Kind, seed: int, until: float, runs: int | None = None) -> Tally:
    """Runs from that seed on, until a moment (time.monotonic) or for so many."""
    tally = Tally()
    worker: _Worker | None = None
    patience = STARTING_SECONDS
    try:
        while time.monotonic() < until and (runs is None or tally.runs < runs):
            now = seed + tally.runs
            if worker is None:
                worker, patience = _Worker(kind, now), STARTING_SECONDS
            told = worker.next(patience + kind.seconds)
            patience = 0.0
            tally.runs += 1
            if told:
                tally.slowest = max(tally.slowest, told["seconds"])
                tally.peak = max(tally.peak, told["peak"])
                if told["words"]:
                    tally.take(now, told["words"])
                if told["peak"] > MAX_BYTES:
                    tally.take(now, f"memory: {told['peak'] / 2**20:.0f} MB")
                    worker = _ended(worker)
                continue
            tally.take(now, "stuck: nothing came" if told is None else "died: the process ended")
            worker = _ended(worker)
    finally:
        if worker is not None:
            worker.end()
    return tally


def _ended(worker: _Worker) -> None:
    worker.end()


def _peak() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def verdicts(opened: AbstractContextManager[Harm], seed: int) -> Iterator[dict]:
    """One after another, without end."""
    with opened as harm:
        while True:
            begun = time.monotonic()
            try:
                words = harm.one(random.Random(seed))
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                words = f"untyped: {type(error).__name__}: {error} ({where.name}:{where.lineno})"
            yield {
                "words": words[:500],
                "seconds": round(time.monotonic() - begun, 4),
                "peak": _peak(),
            }
            seed += 1


def main() -> None:
    import importlib

    module = importlib.import_module(f"tests.faults.{sys.argv[1]}")
    for verdict in verdicts(module.harm(), int(sys.argv[2])):
        print(json.dumps(verdict), flush=True)


if __name__ == "__main__":
    main()
