# SPDX-License-Identifier: GPL-3.0-or-later
"""Standard output that nothing but our own lines can reach."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from .core.errors import GenAIError

PROGRAM = "genai_render"

_NEWS = 0.05


class Console:
    """Writes results to standard output and everything else to standard error.

    Where nobody reads that any more, or its disk is full, it falls silent and the work goes on:
    what is paid for comes to its end.

    json: one JSON object a line; else text for people.
    """

    def __init__(self, out: IO[str], json: bool = False) -> None:
        self._out = out
        self._heard = True
        self.json = json
        self._progress_shown = False
        self._told: tuple[str, float] = ("", -1.0)
        # A terminal gets a line that is written over; a log file gets no progress at all.
        self._lively = sys.stderr is not None and sys.stderr.isatty()

    def event(self, event: str, **values: Any) -> None:
        """A line for programs; nothing without --json."""
        if self.json:
            self._write(json.dumps({"event": event, **values}, ensure_ascii=False, default=str))

    def line(self, text: str) -> None:
        """A line for people; nothing with --json."""
        if not self.json:
            self._end_progress()
            self._write(text)

    def progress(self, fraction: float | None, message: str) -> None:
        """Told when there is something new: another message, or a twentieth more."""
        reached = -1.0 if fraction is None else fraction
        if message == self._told[0] and abs(reached - self._told[1]) < _NEWS:
            return
        self._told = (message, reached)
        self.event("progress", fraction=fraction, message=message)
        if self._lively:
            share = "" if fraction is None else f"{fraction:4.0%} "
            print(f"\r\x1b[K{share}{message}", end="", file=sys.stderr, flush=True)
            self._progress_shown = True

    def notice(self, text: str) -> None:
        self.event("notice", text=text)
        if not self.json:
            self._say(text)

    def error(self, error: GenAIError) -> None:
        """One clear line on standard error, and an event with --json."""
        self.event("failed", exit_code=error.exit_code, message=error.text, **error.to_json())
        self._say(error.text)

    def _say(self, text: str) -> None:
        self._end_progress()
        with contextlib.suppress(OSError, ValueError):
            print(f"{PROGRAM}: {text}", file=sys.stderr, flush=True)

    def _end_progress(self) -> None:
        if self._progress_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._progress_shown = False

    def _write(self, text: str) -> None:
        if self._heard:
            try:
                self._out.write(text + "\n")
                self._out.flush()
            except OSError:
                self._heard = False


@contextlib.contextmanager
def guarded_stdout() -> Iterator[IO[str]]:
    """Keep standard output for what is written to the stream this gives.

    Blender and Cycles print from C ("Fra:1 Mem:…", "Saved: …"), past `sys.stdout`, so the file
    descriptor itself is pointed elsewhere meanwhile.
    """
    if sys.stdout is None:  # closed by whoever started us
        _close_gaps()
        with Path(os.devnull).open("w", encoding="utf-8") as stream:
            yield stream
        return
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # a stream without a descriptor, as a test's capture has
        yield sys.stdout
        return
    kept = os.dup(descriptor)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    # Blender's banner still waits in C's buffer when standard output is a pipe.
    _flush_c_streams()
    stream = open(kept, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    try:
        yield stream
    finally:
        try:
            stream.flush()
        except OSError:
            # Whoever read ("| head") has had enough, or the disk is full: what is still unsaid
            # is of no use to anybody.
            os.dup2(nowhere, kept)
            stream.flush()
        os.close(nowhere)
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        _flush_c_streams()
        os.dup2(kept, descriptor)
        os.close(kept)


def _close_gaps() -> None:
    """Nothing that is opened from now on may get the number of a standard stream, or what is
    printed would end up in it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free


def _flush_c_streams() -> None:
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL("ucrtbase" if os.name == "nt" else None)
        library.fflush(None)
