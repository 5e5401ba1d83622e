# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Pythons there are on this machine, and running build.py again with one that fits."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .console import dotted, either, say
from .errors import BuildError
from .platforms import ON_WINDOWS

# The interpreters that the bpy module is made for. The pins say so as well, but only a Python that
# fits can read them.
BPY_PYTHONS = ((3, 11), (3, 13))


def find_python(wanted: tuple[int, int]) -> str | None:
    """The path of an interpreter of that version that really starts, or None."""
    if sys.version_info[:2] == wanted:
        return sys.executable
    version = dotted(wanted)
    commands = [[f"python{version}"]]
    if ON_WINDOWS:
        commands = [["py", f"-{version}"], ["python"]]
    ask = f"import sys; print(sys.version_info[:2] == {wanted!r}); print(sys.executable)"
    for command in commands:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            answer = subprocess.run(
                [*command, "-c", ask], capture_output=True, text=True, timeout=30, check=False
            ).stdout.split("\n")
            if answer[0].strip() == "True":
                return answer[1].strip()
    return None


def hand_over(script: Path, arguments: Sequence[str], fitting: Sequence[tuple[int, int]]) -> int:
    """Run the script again with an interpreter that fits. Raises BuildError if there is none."""
    for version in sorted(fitting, reverse=True):
        interpreter = find_python(version)
        if interpreter:
            say(f"Python {dotted(sys.version_info[:2])} does not fit; using {interpreter}.")
            return subprocess.call([interpreter, str(script), *arguments])
    names = either([dotted(version) for version in fitting])
    raise BuildError(
        f"This is Python {dotted(sys.version_info[:2])}, and the bpy module is only made for "
        f"Python {names}. Install one of them, then run: python{dotted(fitting[0])} build.py …"
    )
