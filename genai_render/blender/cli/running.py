# SPDX-License-Identifier: GPL-3.0-or-later
"""One command, from its words to its exit code."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from typing import IO

from ...console import Console
from ...core import log
from ...core.errors import Cancelled, GenAIError, StorageError
from .. import addon, backend_settings
from . import (
    acting,
    animating,
    arguments,
    batching,
    capturing,
    carrying,
    catalog_lists,
    history,
    making,
    packing,
    sending,
    texturing,
)
from .interrupt import interruptible

_COMMANDS = {
    "render": animating.render,
    "edit": making.edit,
    **dict.fromkeys(arguments.ACTING, acting.act),
    "video": sending.send,
    "model3d": sending.send,
    "carry": carrying.carry,
    "texture": texturing.texture,
    "batch": batching.batch,
    "pack": packing.pack,
    "packs": packing.packs,
    "capture": capturing.capture_canvas,
    "history": history.run,
    "models": catalog_lists.models,
    "styles": catalog_lists.styles,
}


def _keep_log(parsed: argparse.Namespace) -> None:
    """Raises StorageError for a file that cannot be written."""
    log.speak(parsed.verbose)
    if parsed.log is not None:
        log.keep_file(parsed.log)
    elif log.path() is None:
        with contextlib.suppress(StorageError):
            log.keep_in(addon.user_folder("log", create=False))


def run(words: Sequence[str], out: IO[str]) -> int:
    """Carry out one command and give its exit code. Only `out` gets standard output."""
    console = Console(out, json="--json" in words)
    try:
        parsed = arguments.parse(words, out)
        _keep_log(parsed)
        backend_settings.allow_online(getattr(parsed, "online", False))
        with interruptible(lambda: console.error(Cancelled())):
            return _COMMANDS[parsed.command](parsed, console)
    except GenAIError as error:
        console.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        console.error(Cancelled())
        return Cancelled.exit_code
    except MemoryError:
        console.error(
            GenAIError("There is not enough memory for this.", action="Choose a lower resolution.")
        )
        return GenAIError.exit_code
    except Exception as failure:
        error = log.internal_error(failure)
        console.error(error)
        return error.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
