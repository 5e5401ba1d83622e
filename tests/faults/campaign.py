# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one kind of harm in a process of its own, so that one that hangs or dies is counted, too."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[2]
STARTING_SECONDS = 120.0  # a worker imports and prepares before its first run
MAX_BYTES = 512 * 2**20
_LATE = ("slow", "stuck")
_AGAIN = 3
_ENOUGH = 5
_MOST = 10  # times its time, for a run that others keep from running
_TELL_SECONDS = 60.0


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

    seconds: how long a run may take; longer counts as stuck. at_once: processes for each core, more
    than one where a run waits most of its time.
    """

    name: str
    module: str
    seconds: float
    at_once: int = 1


@dataclass(slots=True)
class Tally:
    """What came of a campaign. failures: seed and words of the first ones of each kind.

    repeated: runs that were late, and in time when they were made again, alone.
    """

    runs: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    slowest: float = 0.0
    peak: int = 0

    def take(self, seed: int, words: str) -> None:
        kind = words.partition(":")[0]
        self.bad[kind] += 1
        if self.bad[kind] <= 5:
            self.failures.append((seed, words))


class _Worker:
    """A process that makes the runs it is asked for and tells of each, a line of JSON a run."""

    def __init__(self, kind: Kind, folder: str) -> None:
        self._kind = kind
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.faults.campaign", kind.module],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._ready = False

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def make(self, seed: int) -> dict | None:
        """What a run told; None if nothing came in time. {} if the process died."""
        assert self._process.stdin is not None
        try:
            if not self._ready and not self._lines.get(timeout=STARTING_SECONDS):
                return {}
            self._ready = True
            self._process.stdin.write(f"{seed}\n")
            self._process.stdin.flush()
            line = self._line()
        except OSError:
            return {}
        except queue.Empty:
            return None
        return json.loads(line) if line else {}

    def _line(self) -> str:
        """Raises queue.Empty after the time that a run may take, as if it had a core of its own."""
        begun, waited = time.monotonic(), waited_for_a_core(self._process.pid)
        patience = self._kind.seconds
        while True:
            try:
                return self._lines.get(timeout=patience)
            except queue.Empty:
                taken = time.monotonic() - begun
                others = max(0.0, waited_for_a_core(self._process.pid) - waited)
                patience = self._kind.seconds - (taken - others)
                if patience <= 0.1 or taken > _MOST * self._kind.seconds:
                    raise

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # pyright: ignore[reportOptionalMemberAccess]


def _disk() -> str | None:
    """Where the files are: in memory where there is room, because what is killed here is processes
    and not the computer, and thousands of runs would wait for a disk. None for the usual place."""
    with contextlib.suppress(OSError):
        if "TMPDIR" not in os.environ and shutil.disk_usage("/dev/shm").free > 2**30:
            return "/dev/shm"
    return None


class _Campaign:
    """Runs from a seed on, several at a time, until a moment (time.monotonic) or for so many."""

    def __init__(self, kind: Kind, seed: int, until: float, runs: int | None, folder: str) -> None:
        self._kind = kind
        self._folder = folder
        self._until = until
        self._seeds = iter(range(seed, seed + runs)) if runs is not None else itertools.count(seed)
        self._begun = False  # there is one run, however late it has become
        self._late: list[tuple[int, str]] = []
        self._lock = threading.Lock()
        self.tally = Tally()

    def lane(self) -> None:
        """One process after another; a new one where the last is no good any more."""
        worker: _Worker | None = None
        try:
            while True:
                with self._lock:
                    if self._begun and time.monotonic() >= self._until:
                        return
                    seed, self._begun = next(self._seeds, None), True
                if seed is None:
                    return
                worker = worker or _Worker(self._kind, self._folder)
                words, fine = self._run(worker, seed)
                with self._lock:
                    self.tally.runs += 1
                    if words.startswith(_LATE):
                        self._late.append((seed, words))
                    elif words:
                        self.tally.take(seed, words)
                if not fine:
                    worker.end()
                    worker = None
        finally:
            if worker is not None:
                worker.end()

    def _run(self, worker: _Worker, seed: int) -> tuple[str, bool]:
        """What does not hold, and whether the process can go on."""
        told = worker.make(seed)
        if not told:
            return ("stuck: nothing came" if told is None else "died: the process ended"), False
        with self._lock:
            self.tally.slowest = max(self.tally.slowest, told["seconds"])
            self.tally.peak = max(self.tally.peak, told["peak"])
        if told["peak"] > MAX_BYTES:
            return told["words"] or f"memory: {told['peak'] / 2**20:.0f} MB", False
        return told["words"], True

    def judge_the_late(self) -> None:
        """A computer with other work is late, too: what was late is made again with nothing of
        ours beside it, three times, and counts if it is late once more."""
        worker: _Worker | None = None
        for seed, words in self._late:
            again = words if sum(self.tally.bad[kind] for kind in _LATE) >= _ENOUGH else ""
            for _ in range(_AGAIN):
                if again:
                    break
                worker = worker or _Worker(self._kind, self._folder)
                again, fine = self._run(worker, seed)
                if not fine:
                    worker.end()
                    worker = None
            if again:
                self.tally.take(seed, again)
            else:
                self.tally.repeated.append(seed)
        if worker is not None:
            worker.end()


def run(kind: Kind, seed: int, until: float, runs: int | None = None) -> Tally:
    """Runs from that seed on, until a moment (time.monotonic) or for so many."""
    lanes = kind.at_once * (os.cpu_count() or 1)
    if runs is not None:
        lanes = min(lanes, runs)
    # The processes are killed in the end, and leave their files behind.
    with tempfile.TemporaryDirectory(prefix="genai-faults-", dir=_disk()) as folder:
        campaign = _Campaign(kind, seed, until, runs, folder)
        with ThreadPoolExecutor(lanes) as pool:
            working = {pool.submit(campaign.lane) for _ in range(lanes)}
            while working:
                done, working = wait(working, _TELL_SECONDS)
                for lane in done:
                    lane.result()
                if not done:
                    told = f"{kind.name}: {campaign.tally.runs} runs, {dict(campaign.tally.bad)}"
                    print(told, file=sys.stderr, flush=True)
        campaign.judge_the_late()
    return campaign.tally


def waited_for_a_core(pid: int | str = "self") -> float:
    """Seconds that a process's threads could have run and others did; 0 where no one counts.

    Because of Python's lock, hardly two of them wait at once.
    """
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError, IndexError, ValueError):  # a thread that has ended
            total += int(path.read_text().split()[1])
    return total / 1e9


def _peak() -> int:
    """The most bytes that this process has held: not the one that started it, whose own peak
    Linux hands on in `ru_maxrss`."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def verdict(harm: Harm, seed: int) -> dict:
    begun = time.monotonic()
    try:
        words = harm.one(random.Random(seed))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        words = f"untyped: {type(error).__name__}: {error} ({where.name}:{where.lineno})"
    seconds = round(time.monotonic() - begun, 4)
    return {"words": words[:500], "seconds": seconds, "peak": _peak()}


def main() -> None:
    import importlib

    module = importlib.import_module(f"tests.faults.{sys.argv[1]}")
    with module.harm() as harm:
        print("ready", flush=True)
        for line in sys.stdin:
            print(json.dumps(verdict(harm, int(line))), flush=True)


if __name__ == "__main__":
    main()
