# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C and SIGTERM that reach both sides: Python's code, and a render under way in Blender."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator

from ...core.errors import Cancelled

_PATIENCE = {False: 3.0, True: 30.0}
"""Seconds that a render gets to stop; True: where Blender can stop it."""


class _Presses:
    """shields: how much code at the moment must not be interrupted. pressed: Ctrl-C was."""

    shields = 0
    pressed = False


_SIGNALS = (signal.SIGINT, signal.SIGTERM)  # a person's, and that of a system that is shut down


_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int)


@contextlib.contextmanager
def interruptible(last_words: Callable[[], None]) -> Iterator[None]:
    """Inside, Ctrl-C raises KeyboardInterrupt and stops a running render; twice ends the process.
    So does SIGTERM.

    Blender's own handler, written in C, stops a render but never tells Python; Python's handler
    runs only when the render is over. So Python's is installed, and a thread, which runs while
    Blender renders, hears the signal too and hands it on to Blender's. The bpy module has no such
    handler, and a render in it cannot be stopped: then the thread says the last words, takes away
    the temporary files and ends the process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Presses.pressed = False
    elsewhere = tempfile.tempdir
    folder = tempfile.mkdtemp(prefix="genai_render-")
    tempfile.tempdir = folder  # so that all temporary files are known

    def end() -> None:
        last_words()
        shutil.rmtree(folder, ignore_errors=True)
        # What History has is whole at any moment, so this loses only what is unfinished.
        os._exit(Cancelled.exit_code)

    of_blender = _c_handler()
    before = {number: signal.signal(number, _press) for number in _SIGNALS}
    ours, signals = socket.socketpair()
    signals.setblocking(False)
    wakeup = signal.set_wakeup_fd(signals.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=_listen, args=(ours, of_blender, end), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        signals.close()
        thread.join()
        ours.close()
        tempfile.tempdir = elsewhere
        shutil.rmtree(folder, ignore_errors=True)
        # Where Blender's own handler was in place, `before` is None: Python cannot put it back.
        for number, handler in before.items():
            signal.signal(number, signal.default_int_handler if handler is None else handler)


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """Inside, Ctrl-C stops a render but raises nothing until the end.

    For code that must put things back, and for a render: an exception in the middle of Blender's
    own Python would only be printed and lost.
    """
    _Presses.shields += 1
    try:
        yield
    finally:
        _Presses.shields -= 1
    if _Presses.pressed and not _Presses.shields:
        raise KeyboardInterrupt


def _press(_signal: int, _frame: object) -> None:
    _Presses.pressed = True
    if not _Presses.shields:
        raise KeyboardInterrupt


def _listen(ours: socket.socket, of_blender: int | None, end: Callable[[], None]) -> None:
    presses = 0
    while heard := _receive(ours, None if presses == 0 else _PATIENCE[of_blender is not None]):
        presses += sum(heard.count(number) for number in _SIGNALS)
        if presses > 1:
            end()
        if presses and of_blender is not None:
            _HANDLER(of_blender)(signal.SIGINT)


def _receive(ours: socket.socket, timeout: float | None) -> bytes:
    """What was heard; after a time without anything, and with the main thread still busy with
    what cannot be interrupted, as if Ctrl-C was pressed once more."""
    ours.settimeout(timeout)
    while True:
        try:
            return ours.recv(16)
        except TimeoutError:
            if _Presses.shields:
                return bytes([signal.SIGINT])


def _c_handler() -> int | None:
    """The address of a handler that is not Python's, if there is one."""
    if os.name == "nt" or signal.getsignal(signal.SIGINT) is not None:
        return None
    library = ctypes.CDLL(None)
    library.signal.restype = ctypes.c_void_p
    library.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    address = library.signal(signal.SIGINT, None)
    return address if address not in (None, 1, -1, ctypes.c_void_p(-1).value) else None
