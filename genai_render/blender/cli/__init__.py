# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: `blender -b SCENE --command genai_render …` and `python -m genai_render …`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import IO

import bpy

from ...core.errors import SceneError


def run(words: Sequence[str], out: IO[str]) -> int:
    """Carry out one command and give its exit code. Only `out` gets standard output."""
    from . import running  # not before a command is given: Blender starts without it

    return running.run(words, out)


def needs_scene(words: Sequence[str]) -> bool:
    """Whether these words ask for something that is seen in a scene."""
    command = next((word for word in words if not word.startswith("-")), "")
    asks_help = "--help" in words or "-h" in words
    if ("--from-scene" in words or "--follow" in words) and not asks_help:
        return True
    seen = command in ("render", "capture", "carry", "texture", "pack")
    return seen and "--no-canvas" not in words and not asks_help


def _command(words: list[str]) -> int:
    from ...console import Console, guarded_stdout

    with guarded_stdout() as out:
        scene = _unread_scene()
        if scene is not None:
            error = SceneError(
                f'"{scene}" could not be opened.',
                action="Check its path, and that it was not saved by a newer Blender.",
            )
            Console(out, json="--json" in words).error(error)
            return error.exit_code
        return run(words, out)


def _unread_scene() -> str | None:
    """The .blend that Blender was given and could not read.

    Blender goes on with its start-up scene then, and a night's batch would be of a cube.
    """
    before = takewhile(lambda word: word not in ("-c", "--command"), sys.argv[1:])
    given = [word for word in before if word.lower().endswith(".blend")]
    return given[-1] if given and not bpy.data.filepath else None


_registered: object | None = None


def register() -> None:
    global _registered
    _registered = bpy.utils.register_cli_command("genai_render", _command)


def unregister() -> None:
    global _registered
    if _registered is not None:
        bpy.utils.unregister_cli_command(_registered)
        _registered = None
