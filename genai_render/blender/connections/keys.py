# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and tests of access, without the window ever waiting for them.

A keyring may ask for its password and a server may take its time: everything that could is done
in the background. A key goes from the preferences' field straight there, and nothing here holds
on to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...backends import base
from ...backends.http import errors as http_errors
from ...backends.http import settings as connections
from ...core import log
from ...core.errors import Cancelled, GenAIError
from ...core.events import CancelToken
from ...core.keys.credentials import Credentials
from .. import addon, background, redraw

if TYPE_CHECKING:
    from ...backends.http.settings import BackendSettings

FRESH_SECONDS = 30.0  # how long an answer about a key stands

credentials = Credentials()
"""Where all of Blender's keys are looked up and kept."""


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """source: where the key comes from, in words; "" for none. problem: why nothing can be sent."""

    source: str = ""
    problem: GenAIError | None = None
    when: float = 0.0

    def reads_like(self, other: KeyStatus | None) -> bool:
        """Whether a person would see a difference."""
        return other is not None and (self.source, str(self.problem)) == (
            other.source,
            str(other.problem),
        )


@dataclass(frozen=True, slots=True)
class Message:
    """What came of the last thing that was done with an endpoint."""

    text: str
    is_error: bool = False


@dataclass(slots=True)
class Keys:
    """What is known of the endpoints' keys, and what is under way with them.

    status: by endpoint and address. messages, busy: by endpoint. changes: how often something
    changed that decides whether an endpoint may be asked.
    """

    status: dict[tuple[str, str], KeyStatus] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    busy: dict[str, tuple[str, CancelToken]] = field(default_factory=dict)
    looking: set[tuple[str, str]] = field(default_factory=set)
    changes: int = 0

    def close(self) -> None:
        for _, cancel in self.busy.values():
            cancel.cancel()


def _keys() -> Keys:
    return addon.state(Keys)


def key_status(name: str, settings: BackendSettings, base_url: str = "") -> KeyStatus | None:
    """What is known of an endpoint's key; None until it was looked up for the first time.

    Never waits: what is not known or old is looked up in the background, and the panel drawn again.
    Raises InvalidInput for an address that cannot be used, OnlineAccessOff for one that may not.
    """
    which = (name, connections.address_of(settings, name, base_url))
    known = _keys().status.get(which)
    if known is None or time.monotonic() - known.when > FRESH_SECONDS:
        _look(which, settings, base_url)
    return known


def _look(which: tuple[str, str], settings: BackendSettings, base_url: str) -> None:
    keys = _keys()
    if which in keys.looking:
        return
    keys.looking.add(which)

    def work() -> KeyStatus:
        try:
            source = connections.access(settings, which[0], base_url).source
            return KeyStatus(source, when=time.monotonic())
        except GenAIError as error:
            return KeyStatus(problem=error.with_traceback(None), when=time.monotonic())

    def then(status: KeyStatus) -> None:
        keys.looking.discard(which)
        before, keys.status[which] = keys.status.get(which), status
        if not status.reads_like(before):
            keys.changes += 1
            _redraw()

    background.run(work, then)


def changes() -> int:
    """Another number after every change that decides whether an endpoint may be asked."""
    return _keys().changes


def reached_otherwise() -> None:
    """Another proxy, say: what was found out of any endpoint may no longer hold."""
    _keys().changes += 1


def told(name: str) -> Message | None:
    """What to read beside an endpoint."""
    return _keys().messages.get(name)


def say(name: str, error: GenAIError) -> None:
    """Show an error beside the endpoint."""
    _keys().messages[name] = Message(error.text, True)
    _redraw()


def busy(name: str) -> str:
    """What is under way with an endpoint; "" for nothing."""
    return _keys().busy.get(name, ("", None))[0]


def forget(name: str) -> None:
    """What is shown of an endpoint is no longer true."""
    keys = _keys()
    keys.changes += 1
    keys.messages.pop(name, None)
    for which in [which for which in keys.status if which[0] == name]:
        del keys.status[which]


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
    act(name, "Testing", lambda cancel: base.check_access(backend, settings, cancel, name))


def ask_models(
    name: str, backend: str, settings: BackendSettings, then: Callable[[list[str]], None]
) -> None:
    """Ask the endpoint for its models' names and give them to `then`, on the main thread."""
    known: list[str] = []

    def work(cancel: CancelToken) -> str:
        names = base.create_backend(backend, settings).model_names(cancel, name)  # pyright: ignore
        known.extend(names)
        return f"The server has {len(names)} models."

    act(name, "Asking for its models", work, lambda: then(known))


def act(
    name: str,
    doing: str,
    work: Callable[[CancelToken], str],
    then: Callable[[], None] | None = None,
) -> None:
    """Do something with an endpoint in the background and show the sentence that it gives."""
    keys = _keys()
    if name in keys.busy:
        return
    cancel = CancelToken()
    keys.busy[name] = (doing, cancel)
    keys.messages.pop(name, None)

    def run() -> Message | None:
        try:
            return Message(work(cancel))
        except Cancelled:
            return None
        except GenAIError as error:
            return Message(error.text, True)
        except Exception as error:  # a library's own; it may hold anything
            log.fault(f"{doing}: {name}", error)
            return Message(http_errors.unexpected(name, error).text, True)

    def answer(message: Message | None) -> None:
        keys.busy.pop(name, None)
        forget(name)
        if message is not None:
            keys.messages[name] = message
            if then is not None and not message.is_error:
                then()
        _redraw()

    background.run(run, answer)
    _redraw()


def _redraw() -> None:
    redraw.sidebars()
    redraw.preferences()
