# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and tests of access, without the window ever waiting for them.

A keyring may ask for its password and a server may take its time: everything that could is done
by a thread, and its answer is picked up by a timer. A key goes from the preferences' field
straight to such a thread, and nothing here holds on to it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import bpy

from ...backends.base import check_access, create_backend
from ...backends.http import settings as connections
from ...backends.http.errors import unexpected
from ...backends.http.settings import BackendSettings
from ...core.credentials import Credentials
from ...core.errors import Cancelled, GenAIError
from ...core.events import CancelToken
from .. import redraw

_TICK_SECONDS = 0.1
_FRESH_SECONDS = 30.0  # how long an answer about a key stands

credentials = Credentials()
"""Where all of Blender's keys are looked up and kept."""


@dataclass(frozen=True, slots=True)
class Standing:
    """source: where the key comes from, in words; "" for none. problem: why nothing can be sent."""

    source: str = ""
    problem: GenAIError | None = None
    when: float = 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """What came of the last thing that was done with an endpoint."""

    text: str
    is_error: bool = False


_standings: dict[tuple[str, str], Standing] = {}
_told: dict[str, Told] = {}
_busy: dict[str, tuple[str, CancelToken]] = {}
_looking: set[tuple[str, str]] = set()
_answers: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
_pending = 0


def standing(name: str, settings: BackendSettings, base_url: str = "") -> Standing | None:
    """What is known of an endpoint's key; None until it was looked up for the first time.

    Never waits: what is not known or old is looked up by a thread, and the panel drawn again.
    Raises InvalidInput for an address that cannot be used, OnlineAccessOff for one that may not.
    """
    which = (name, connections.address_of(settings, name, base_url))
    known = _standings.get(which)
    if known is None or time.monotonic() - known.when > _FRESH_SECONDS:
        _look(which, settings, base_url)
    return known


def _look(which: tuple[str, str], settings: BackendSettings, base_url: str) -> None:
    if which in _looking:
        return
    _looking.add(which)

    def work() -> Callable[[], None]:
        try:
            found = Standing(
                connections.access(settings, which[0], base_url).source, when=time.monotonic()
            )
        except GenAIError as error:
            found = Standing(problem=error.with_traceback(None), when=time.monotonic())

        def answer() -> None:
            _looking.discard(which)
            before, _standings[which] = _standings.get(which), found
            if before is None or (before.source, str(before.problem)) != (
                found.source,
                str(found.problem),
            ):
                _redraw()

        return answer

    _start(work)


def told(name: str) -> Told | None:
    return _told.get(name)


def say(name: str, error: GenAIError) -> None:
    """Show an error beside the endpoint."""
    _told[name] = Told(error.text, True)
    _redraw()


def busy(name: str) -> str:
    """What is under way with an endpoint; "" for nothing."""
    return _busy.get(name, ("", None))[0]


def forget(name: str) -> None:
    """What is shown of an endpoint is no longer true."""
    _told.pop(name, None)
    for which in [which for which in _standings if which[0] == name]:
        del _standings[which]


def store(name: str, settings: BackendSettings, key: str) -> None:
    """Keep a key in the system's keyring, for the endpoint's address."""
    address = connections.address_of(settings, name)

    def work(cancel: CancelToken) -> str:
        settings.credentials.store(address, key)
        return "The key is kept in the system keyring."

    act(name, "Keeping the key", work)


def remove(name: str, settings: BackendSettings) -> None:
    """Take the endpoint's key out of the system's keyring."""
    address = connections.address_of(settings, name)

    def work(cancel: CancelToken) -> str:
        settings.credentials.delete(address)
        return "The key was removed from the system keyring."

    act(name, "Removing the key", work)


def test(name: str, backend: str, settings: BackendSettings) -> None:
    """Ask the endpoint whether it can be reached and takes the key."""
    act(name, "Testing", lambda cancel: check_access(backend, settings, cancel, name))


def ask_models(
    name: str, backend: str, settings: BackendSettings, then: Callable[[list[str]], None]
) -> None:
    """Ask the endpoint for its models' names and give them to `then`, on the main thread."""
    found: list[str] = []

    def work(cancel: CancelToken) -> str:
        names = create_backend(backend, settings).model_names(cancel, name)
        found.extend(names)
        return f"The server has {len(names)} models."

    act(name, "Asking for its models", work, lambda: then(found))


def act(
    name: str,
    doing: str,
    work: Callable[[CancelToken], str],
    then: Callable[[], None] | None = None,
) -> None:
    """Do something with an endpoint in a thread and show the sentence that it gives."""
    if name in _busy:
        return
    cancel = CancelToken()
    _busy[name] = (doing, cancel)
    _told.pop(name, None)

    def run() -> Callable[[], None]:
        try:
            said = Told(work(cancel))
        except Cancelled:
            said = None
        except GenAIError as error:
            said = Told(error.text, True)
        except Exception as error:  # a library's own; it may hold anything
            said = Told(unexpected(name, error).text, True)

        def answer() -> None:
            _busy.pop(name, None)
            forget(name)
            if said is not None:
                _told[name] = said
                if then is not None and not said.is_error:
                    then()
            _redraw()

        return answer

    _start(run)
    _redraw()


def _start(work: Callable[[], Callable[[], None]]) -> None:
    """Run `work` in a thread; what it gives is called on the main thread."""
    global _pending
    _pending += 1

    # A daemon: a keyring that waits for its password must not keep Blender from closing.
    threading.Thread(target=lambda: _answers.put(work()), name="genai-keys", daemon=True).start()
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_TICK_SECONDS, persistent=True)


def _tick() -> float | None:
    global _pending
    while not _answers.empty():
        _pending = max(0, _pending - 1)
        _answers.get()()
    return _TICK_SECONDS if _pending > 0 else None


def _redraw() -> None:
    redraw.sidebars()
    redraw.preferences()


def register() -> None:
    pass


def unregister() -> None:
    global _pending
    for _, cancel in _busy.values():
        cancel.cancel()
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    _pending = 0
    while not _answers.empty():
        _answers.get()
    for known in (_standings, _told, _busy, _looking):
        known.clear()
