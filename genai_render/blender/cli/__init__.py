# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: `blender -b SCENE --command genai_render …` and `python -m genai_render …`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

import bpy

from ...console import PROGRAM, Console, guarded_stdout
from ...core.errors import Cancelled, GenAIError
from . import arguments, capturing, catalog_lists, history, making
from .interrupt import interruptible

_COMMANDS = {
    "render": making.render,
    "edit": making.edit,
    "capture": capturing.capture_canvas,
    "history": history.run,
    "models": catalog_lists.models,
    "styles": catalog_lists.styles,
}


def run(words: Sequence[str], out: IO[str]) -> int:
    """Carry out one command and give its exit code. Only `out` gets standard output."""
    console = Console(out, json="--json" in words)
    try:
        parsed = arguments.parse(words, out)
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
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0


def needs_scene(words: Sequence[str]) -> bool:
    """Whether these words ask for something that is seen in a scene."""
    command = next((word for word in words if not word.startswith("-")), "")
    asks_help = "--help" in words or "-h" in words
    return command in ("render", "capture") and "--no-canvas" not in words and not asks_help


def _command(words: list[str]) -> int:
    with guarded_stdout() as out:
        return run(words, out)


_registered: object | None = None


def register() -> None:
    global _registered
    _registered = bpy.utils.register_cli_command(PROGRAM, _command)


def unregister() -> None:
    global _registered
    if _registered is not None:
        bpy.utils.unregister_cli_command(_registered)
        _registered = None
