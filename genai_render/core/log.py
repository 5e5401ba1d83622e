# SPDX-License-Identifier: GPL-3.0-or-later
"""The log: one file that is turned over when it grows, and holds no key.

Nothing is written before a place is named with `keep_in` or `keep_file`. What the user sees is
never only here; here is what is needed beside it to find a fault.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import log_file
from .errors import GenAIError, StorageError

if TYPE_CHECKING:
    import logging

NAME = "genai_render.log"


class _Place:
    """The file that is written; None if none is. It is opened with the first line."""

    path: Path | None = None


_place = _Place()


def _logger() -> logging.Logger:
    return log_file.logger(_place.path)


def keep_in(folder: Path) -> None:
    """Write to a file in that folder, which is made with the first line that is written."""
    _place.path = folder / NAME


def keep_file(path: Path) -> None:
    """Write to that file. Raises StorageError if that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    except OSError as error:
        raise StorageError(
            f'The log "{path}" cannot be written.', f"{error.strerror}.", "Name another file."
        ) from error
    _place.path = path


def speak(verbose: bool) -> None:
    """verbose: every line on standard error, too, also those that only a developer needs."""
    log_file.speak(verbose)


def path() -> Path | None:
    """The file that is written; None if none is."""
    return _place.path


def close() -> None:
    """Write no file any more."""
    _place.path = None
    _logger()


def debug(text: str) -> None:
    _logger().debug(text)


def info(text: str) -> None:
    _logger().info(text)


def error(text: str) -> None:
    _logger().error(text)


def fault(text: str, failure: BaseException) -> None:
    """An exception that nobody foresaw, with its traceback."""
    _logger().error(text, exc_info=(type(failure), failure, failure.__traceback__))


def please_report() -> str:
    """What to do about a fault of ours, for the user: the file that says more is named."""
    written = path()
    if written is None:
        return "Please report this."
    return f'Please report this, with the log "{written}".'


def internal_error(failure: BaseException) -> GenAIError:
    """The error for a fault of ours; the exception goes to the log."""
    from .keys.credentials import redact

    fault("Something went wrong inside genai_render", failure)
    made = GenAIError(
        "Something went wrong inside genai_render.",
        redact(f"({type(failure).__name__}: {failure})"),
        please_report(),
    )
    made.__cause__ = failure
    return made
