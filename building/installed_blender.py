# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installed Blender is: its version, platform and Python, as it says itself."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .console import last_line
from .errors import BuildError
from .platforms import this_platform


@dataclass(frozen=True)
class BlenderFacts:
    """An installed Blender: the program to start, and what that says of itself."""

    program: str
    version: tuple[int, ...]
    tag: str
    platform: str


_MARK = "genai_render facts: "
_ASK = (
    "import sys, json, platform, bpy; print(); "
    f"print({_MARK!r} + json.dumps([list(bpy.app.version), "
    "list(sys.version_info[:2]), platform.system(), platform.machine()]))"
)


def ask_blender(executable: str) -> BlenderFacts:
    """Start that Blender in background and let it say what it is. Raises BuildError."""
    path = Path(executable)
    if path.suffix == ".app":
        path = path / "Contents" / "MacOS" / "Blender"
    program = shutil.which(str(path))
    if program is None:
        raise BuildError(f'"{executable}" is no program. Give the path of Blender\'s executable.')
    words = [program, "-b", "--factory-startup", "--python-expr", _ASK]
    try:
        ended = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{program} did not start: {error}") from error
    for line in ended.stdout.splitlines():
        if line.startswith(_MARK):
            version, python, system, machine = json.loads(line[len(_MARK) :])
            return BlenderFacts(
                program, tuple(version), f"cp{python[0]}{python[1]}", this_platform(system, machine)
            )
    raise BuildError(
        f"{program} does not answer as Blender (exit code {ended.returncode}): "
        f"{last_line(ended.stderr or ended.stdout)}"
    )
