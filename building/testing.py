# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py test and bench: what is under tests/, run with one or several versions of bpy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .console import dotted, say
from .environments import bpy_environment, main_environment
from .interpreters import find_python
from .platforms import this_platform
from .project import Project
from .variables import bpy_environ


def run_tests(
    project: Project,
    arguments: Sequence[str],
    *,
    bpy_versions: Sequence[str],
    every_bpy: bool,
    skip_main: bool,
    blenders: Sequence[str],
) -> int:
    """Other bpy versions first and the newest last, so that pytest's own words close the run."""
    pins = project.pins
    main_pin = pins.newest_bpy(sys.version_info[:2])
    other_pins = [pins.find_bpy(version) for version in bpy_versions]
    if every_bpy:
        for pin in pins.bpy:
            if pin == main_pin or pin in other_pins or this_platform() in pin.except_on:
                continue
            if find_python(pin.python) is None:
                say(f"bpy {pin.version} is left out: no Python {dotted(pin.python)} here.")
            else:
                other_pins.append(pin)
    failed: list[str] = []
    for pin in other_pins:
        python = bpy_environment(project, pin).ensure()
        say(f"\nTests with bpy {pin.version}, Python {dotted(pin.python)}")
        if _pytest(project, python, arguments or ["tests/pure", "tests/headless"]) != 0:
            failed.append(f"bpy {pin.version}")
    code = 0
    if not skip_main:
        python = main_environment(project).ensure()
        if failed:
            say(f"\nFailed so far: {', '.join(failed)}")
        if other_pins:
            say(f"\nTests with bpy {main_pin.version}, Python {dotted(main_pin.python)}")
        # In one word each: pytest would take a path that stands alone for where the tests are.
        with_blenders = [f"--blender={blender}" for blender in blenders]
        code = _pytest(project, python, [*with_blenders, *(arguments or ["tests"])])
    return code or (1 if failed else 0)


def _pytest(project: Project, python: Path, arguments: Sequence[str]) -> int:
    code = subprocess.call(
        [str(python), "-m", "pytest", *arguments], cwd=project.root, env=bpy_environ(project)
    )
    if code not in (0, 1, 2, 3, 4, 5):
        print(
            f"build.py: the tests' process ended by itself, exit code {code}. A crash inside "
            "Blender does that: run the last test that was named with -v.",
            file=sys.stderr,
        )
    return code


def bench(project: Project, arguments: Sequence[str]) -> int:
    """How long the engine takes, as a ratio to a fixed piece of numpy work."""
    python = main_environment(project).ensure()
    return subprocess.call(
        [str(python), str(project.root / "tests" / "bench.py"), *arguments],
        cwd=project.root,
        env=bpy_environ(project),
    )


def faults(project: Project, arguments: Sequence[str]) -> int:
    """Random kills, corruptions, protocol faults and images, and a table of what came of them."""
    python = main_environment(project).ensure()
    return subprocess.call(
        [str(python), "-m", "tests.faults", *arguments], cwd=project.root, env=bpy_environ(project)
    )


def batch_kills(project: Project, arguments: Sequence[str]) -> int:
    """A batch that is killed again and again, and whether all of it is there once in the end."""
    python = main_environment(project).ensure()
    return subprocess.call(
        [str(python), "-m", "tests.batch_kills", *arguments],
        cwd=project.root,
        env=bpy_environ(project),
    )
