# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backend tells while it works: plain data, one kind of event after another."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import Cancelled, GenAIError
from .media import Media


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. fraction: 0 to 1, or None where that is unknown."""

    fraction: float | None
    message: str = ""


@dataclass(frozen=True, slots=True)
class PartialImage:
    """An unfinished picture to look at while waiting; never a result."""

    image: bytes
    index: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the user should know that is not an error: "Used: golden hour. Not used: cat."."""

    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """One finished image.

    image: the encoded file as the backend gave it, untouched.
    mime: "image/png", "image/webp" or "image/jpeg".
    width, height: the pixels that really came back.
    index: 0-based among the request's `count`.
    seed: the seed that made it, where there is one.
    prompt_sent: the prompt as it was sent.
    sent: the guide images as they were sent, by file name ("depth-16.png": bytes).
    info: anything else worth keeping, as JSON values: usage, the provider's own settings,
        words used and not used.
    cost_usd: what it cost, where known; 0.0 for offline.
    more: how many others have come in the same answer and follow at once: all are put on the disk
        before the first is worked on.
    arrived: the id under which it is on the disk already, for History.
    ai: False where no generative model was involved (IPTC digital source type).
    estimated_usd: what it was said to cost before; None where nobody could tell.
    listed_usd: what it should have cost by the price list alone, without what was seen since.
    media: the clip or 3D model that came; `image` is then what it was made of, which stands for it
        where pictures are shown.
    """

    image: bytes
    mime: str
    width: int
    height: int
    index: int = 0
    seed: int | None = None
    prompt_sent: str = ""
    sent: Mapping[str, bytes] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)
    cost_usd: float | None = None
    ai: bool = True
    more: int = 0
    arrived: str = ""
    estimated_usd: float | None = None
    listed_usd: float | None = None
    media: Media | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """One image, or the whole job (index None), failed."""

    error: GenAIError
    index: int | None = None


Event = Progress | PartialImage | Notice | Result | Failed


class CancelToken:
    """Tells a worker to stop. Any thread may cancel; the worker asks often."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._after_sending = False

    @property
    def after_sending(self) -> bool:
        """Whether what was cancelled had been sent by then, and was not answered."""
        return self._after_sending

    def note_sent(self) -> None:
        """For the connection: it broke something off that had been sent whole."""
        self._after_sending = True

    def cancel(self) -> None:
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep that a cancel ends early; True if cancelled."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raise Cancelled if somebody cancelled."""
        if self._event.is_set():
            raise Cancelled()
