# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between us and a provider, each in words that say what to do."""

from __future__ import annotations

import unicodedata

from ...core.errors import CredentialsError, GenAIError, InvalidInput, Refused, ServerError
from ...core.keys.credentials import redact

_LONGEST = 400

ONCE = "It was not repeated by itself, because it may have been charged."
"""Said where nobody can tell whether the other side did the work."""


class OnlineAccessOff(ServerError):
    """Blender may not use the network."""

    code = "online_access"

    def __init__(self, what: str = "", why: str = "", action: str = "") -> None:
        super().__init__(
            what or "Online access is off in Blender, so nothing was sent.",
            why,
            action or "Allow it in Preferences > System > Network, or use the offline engine.",
        )


class Retryable(ServerError):
    """Nothing was accepted, so nothing is paid for: trying again is safe.

    retry_after: seconds that the server asked to wait, if it did.
    """

    retry_after: float | None = None


class ConnectionFailed(Retryable):
    """No connection, or it broke before the whole request was sent."""

    code = "connection"
    certificate = False
    """Whether it is the server's certificate that is not trusted, which trying again leaves."""


class RateLimited(Retryable):
    """Too many requests in a short time."""

    code = "rate_limited"


class Overloaded(Retryable):
    """The provider is busy or down for a moment."""

    code = "overloaded"


class QuotaExceeded(ServerError):
    """The account has no credit or no quota left: waiting a minute does not help."""

    code = "quota"


class TimedOut(ServerError):
    """The server stayed silent for too long after it had the whole request."""

    code = "timeout"


class ConnectionCut(ServerError):
    """The connection ended in the middle of the answer."""

    code = "cut"


class BadAnswer(ServerError):
    """An answer that is no answer: damaged, cut off, of another kind, without an image."""

    code = "bad_answer"


class PackageMissing(GenAIError):
    """A Python package that a backend stands on cannot be loaded."""

    code = "package"


class Rejected(InvalidInput):
    """The provider does not accept the request as it is: a setting, a size, a model's name.

    status: of HTTP, where there was one.
    """

    code = "rejected"
    status: int | None = None


def plain(text: object, limit: int = _LONGEST) -> str:
    """A provider's text fit to be shown and kept: one line, no keys, not endless."""
    line = "".join(
        " " if char.isspace() else char
        for char in str(text)[: limit * 4]
        if char.isspace() or unicodedata.category(char) not in ("Cc", "Cf")
    )
    line = redact(" ".join(line.split()))
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def quoted(label: str, text: object) -> str:
    """'OpenAI says: "…"', or nothing where there is no text."""
    said = plain(text)
    return f'{label} says: "{said}"' if said else ""


def refused(label: str, text: object, hint: str = "") -> Refused:
    """For safety: what the provider says, and what one can change."""
    return Refused(
        f"{label} refused to make this image.",
        quoted(label, text),
        hint or "Change the words or the images that could be taken wrongly, and try again.",
    )


def wrong_key(label: str, text: object = "") -> CredentialsError:
    return CredentialsError(
        f"{label} does not accept the key.",
        quoted(label, text),
        "Check the key in the add-on's preferences, or enter a new one.",
    )


def no_permission(label: str, text: object = "") -> CredentialsError:
    return CredentialsError(
        f"{label} does not let this key do that.",
        quoted(label, text),
        "Check what the account may use, such as this model, this country or a verification.",
    )


def no_quota(label: str, text: object = "") -> QuotaExceeded:
    return QuotaExceeded(
        f"The {label} account has no credit or quota left for this.",
        quoted(label, text),
        "Check the plan and billing on the provider's site, or choose another model.",
    )


def rate_limited(label: str, text: object = "", after: float | None = None) -> RateLimited:
    error = RateLimited(
        f"{label} got too many requests in a short time.",
        quoted(label, text),
        "Wait a little and try again, or ask for fewer images at once.",
    )
    error.retry_after = after
    return error


def overloaded(label: str, text: object = "", after: float | None = None) -> Overloaded:
    error = Overloaded(
        f"{label} is too busy at the moment.",
        quoted(label, text),
        "Try again in a few minutes, or choose another model.",
    )
    error.retry_after = after
    return error


def server_failed(label: str, status: int | None, text: object = "") -> ServerError:
    number = f" (error {status})" if status else ""
    return ServerError(
        f"{label} had a fault of its own{number}.",
        quoted(label, text),
        f"Try again. {ONCE}",
    )


def without_charge(error: GenAIError) -> GenAIError:
    """The same of a server of the user's own, which charges nothing."""
    error.action = error.action.replace(ONCE, "It was not repeated by itself.")
    error.args = (error.text,)
    return error


def rejected(label: str, text: object = "", action: str = "") -> Rejected:
    return Rejected(
        f"{label} does not accept this request.",
        quoted(label, text),
        action or "Change the setting it names, or choose another model.",
    )


def bad_answer(label: str, why: str, action: str = "") -> BadAnswer:
    return BadAnswer(
        f"{label} answered with something that cannot be used.",
        why,
        action or f"Try again. {ONCE}",
    )


def package_missing(label: str, failure: ImportError) -> PackageMissing:
    return PackageMissing(
        f"{label} cannot be used: a package that it needs cannot be loaded.",
        f"({plain(failure, 200)})",
        "Install the extension again. Another add-on may have brought another version of it.",
    )


def unexpected(label: str, failure: BaseException) -> GenAIError:
    """For what nobody foresaw. The exception itself is left behind: it may hold anything."""
    return bad_answer(label, f"({type(failure).__name__}: {plain(failure)})")


def by_status(label: str, status: int, text: object = "", after: float | None = None) -> GenAIError:
    """The error for an HTTP status, where nothing more is known."""
    error = _by_status(label, status, text, after)
    if isinstance(error, Rejected):
        error.status = status
    return error


def _by_status(
    label: str, status: int, text: object = "", after: float | None = None
) -> GenAIError:
    if status == 401:
        return wrong_key(label, text)
    if status == 402:
        return no_quota(label, text)
    if status == 403:
        return no_permission(label, text)
    if status == 404:
        return rejected(label, text, "Check the model's name and the server's base URL.")
    if status == 413:
        return rejected(label, text or "too large", "Use smaller or fewer images.")
    if status == 429:
        return rate_limited(label, text, after)
    if status in (503, 529):
        return overloaded(label, text, after)
    if 300 <= status < 400:
        return rejected(
            label, text or f"({status})", "The server points elsewhere: check its base URL."
        )
    if 400 <= status < 500 and status != 408:
        return rejected(label, text)
    return server_failed(label, status, text)
