# SPDX-License-Identifier: GPL-3.0-or-later
"""How the log is written: `log` loads this with the first line, since `logging` takes longer to
load than what of ours Blender starts with.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from pathlib import Path

_LARGEST = 512 * 1024  # bytes of one file
_OLDER = 3  # files kept beside it
_FORMAT = "%(asctime)s %(levelname)s %(threadName)s %(message)s"

_logger = logging.getLogger("genai_render")
_logger.propagate = False
_logger.setLevel(logging.INFO)
_logger.addHandler(logging.NullHandler())
_changing = threading.Lock()


class _Redacted(logging.Formatter):
    """Every line as a whole, tracebacks too: a library's exception may quote what it was given."""

    def format(self, record: logging.LogRecord) -> str:
        from .keys.credentials import redact

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


def logger(path: Path | None) -> logging.Logger:
    """Writes to that file, or to none."""
    with _changing:
        for handler in list(_logger.handlers):
            if isinstance(handler, _LogFile):
                if handler.path == path:
                    return _logger
                _logger.removeHandler(handler)
                handler.close()
        if path is not None:
            _logger.addHandler(_LogFile(path))
    return _logger


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
