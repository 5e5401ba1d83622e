# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error that a person may see: what happened, why, and what to do next."""

from __future__ import annotations

from typing import ClassVar


class GenAIError(Exception):
    """Base of all errors of genai_render.

    what: one sentence that says what happened, in an artist's words.
    why: the cause, as far as it is known.
    action: what to do next.
    cost_usd: what the provider charges all the same; None where it is not known to charge.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    cost_usd: float | None = None

    def __init__(self, what: str, why: str = "", action: str = "") -> None:
        self.what = what
        self.why = why
        self.action = action
        super().__init__(self.text)

    @property
    def text(self) -> str:
        """The whole message on one line."""
        parts = (part.strip() for part in (self.what, self.why, self.action))
        return " ".join(" ".join(part.split()) for part in parts if part)

    def to_json(self) -> dict[str, str]:
        return {"code": self.code, "what": self.what, "why": self.why, "action": self.action}

    def __reduce__(self) -> tuple[type[GenAIError], tuple[str, str, str]]:
        return type(self), (self.what, self.why, self.action)


class InvalidInput(GenAIError):
    """An argument or a setting that cannot be used: a prompt, a number, a name."""

    code = "invalid_input"
    exit_code = 2


class ImageError(InvalidInput):
    """Bytes that are not a usable image: not an image, broken, or too large to open safely."""

    code = "image"


class StorageError(InvalidInput):
    """A folder or file that cannot be read or written."""

    code = "storage"


class NotFound(InvalidInput):
    """A History item, model or style that does not exist."""

    code = "not_found"


class Refused(GenAIError):
    """The provider declined to make the image (safety)."""

    code = "refused"
    exit_code = 3


class CredentialsError(GenAIError):
    """A key is missing, wrong, or may not be used for this."""

    code = "credentials"
    exit_code = 4


class ServerError(GenAIError):
    """The network or the server failed, or answered with something unusable."""

    code = "server"
    exit_code = 5


class OverBudget(GenAIError):
    """The estimated cost is above the limit that the user set."""

    code = "over_budget"
    exit_code = 6


class SceneError(GenAIError):
    """The scene cannot be captured: no camera, a panoramic camera, nothing to render."""

    code = "scene"
    exit_code = 7


class Cancelled(GenAIError):
    """The user cancelled."""

    code = "cancelled"
    exit_code = 130

    def __init__(self, what: str = "Cancelled.", why: str = "", action: str = "") -> None:
        super().__init__(what, why, action)
