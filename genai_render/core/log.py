# SPDX-License-Identifier: GPL-3.0-or-later
"""The log: one file that is turned over when it grows, and holds no key.

Nothing is written before a place is named with `keep_in` or `keep_file`. What the user sees is
never only here; here is what is needed beside it to find a fault.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path

from .errors import GenAIError, StorageError

NAME = "genai_render.log"
_LARGEST = 512 * 1024  # bytes of one file
_OLDER = 3  # files kept beside it
_FORMAT = "%(asctime)s %(levelname)s %(threadName)s %(message)s"

_logger = logging.getLogger("genai_render")
_logger.propagate = False
_logger.setLevel(logging.INFO)
_logger.addHandler(logging.NullHandler())


class _Redacted(logging.Formatter):
    """Every line as a whole, tracebacks too: a library's exception may quote what it was given."""

    def format(self, record: logging.LogRecord) -> str:
        from .credentials import redact

        return redact(super().format(record))


class _LogFile(logging.Handler):
    """A file that is opened, and its folder made, with the first line that is written.

    A disk that is full or a folder that cannot be made must not stop what is being logged.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._file: logging.Handler | None = None

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._file is None:
                self._file = self._open()
            self._file.handle(record)

    def _open(self) -> logging.Handler:
        from logging.handlers import RotatingFileHandler

        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = RotatingFileHandler(
            *(self.path, "a", _LARGEST, _OLDER, "utf-8"), delay=True, errors="replace"
        )
        file.setFormatter(_Redacted(_FORMAT))
        file.handleError = lambda record: None  # pyright: ignore[reportAttributeAccessIssue]
        return file

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()


def keep_in(folder: Path) -> None:
    """Write to a file in that folder, which is made with the first line that is written."""
    _use(folder / NAME)


def keep_file(path: Path) -> None:
    """Write to that file. Raises StorageError if that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    except OSError as error:
        raise StorageError(
            f'The log "{path}" cannot be written.', f"{error.strerror}.", "Name another file."
        ) from error
    _use(path)


def _use(path: Path) -> None:
    close()
    _logger.addHandler(_LogFile(path))


def speak(verbose: bool) -> None:
    """verbose: every line on standard error, too, also those that only a developer needs."""
    _logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    for handler in list(_logger.handlers):
        if type(handler) is logging.StreamHandler:
            _logger.removeHandler(handler)
    if verbose:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Redacted("%(levelname)s %(message)s"))
        _logger.addHandler(handler)


def path() -> Path | None:
    """The file that is written; None if none is."""
    for handler in _logger.handlers:
        if isinstance(handler, _LogFile):
            return handler.path
    return None


def close() -> None:
    """Write no file any more."""
    for handler in list(_logger.handlers):
        if isinstance(handler, _LogFile):
            _logger.removeHandler(handler)
            handler.close()


def debug(text: str) -> None:
    _logger.debug(text)


def info(text: str) -> None:
    _logger.info(text)


def error(text: str) -> None:
    _logger.error(text)


def fault(text: str, failure: BaseException) -> None:
    """An exception that nobody foresaw, with its traceback."""
    _logger.error(text, exc_info=(type(failure), failure, failure.__traceback__))


def please_report() -> str:
    """What to do about a fault of ours, for the user: the file that says more is named."""
    written = path()
    if written is None:
        return "Please report this."
    return f'Please report this, with the log "{written}".'


def internal_error(failure: BaseException) -> GenAIError:
    """The error for a fault of ours; the exception goes to the log."""
    from .credentials import redact

    fault("Something went wrong inside genai_render", failure)
    made = GenAIError(
        "Something went wrong inside genai_render.",
        redact(f"({type(failure).__name__}: {failure})"),
        please_report(),
    )
    made.__cause__ = failure
    return made
