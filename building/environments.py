# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual environments that this project uses: for the tests, each bpy, the checks, and pip."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .pins import BpyPin
from .project import Project
from .virtual_environment import Environment

_TRIED = ("bpy", "numpy", "PIL", "pytest")


def main_environment(project: Project) -> Environment:
    """.venv: the newest bpy for this interpreter, and all that the demo and the tests use."""
    pins = project.pins
    python = sys.version_info[:2]
    bpy = pins.newest_bpy(python)
    return Environment(
        project,
        f"bpy {bpy.version}",
        project.root / ".venv",
        (*bpy.requirements, *pins.for_tests(python), *pins.neural()),
        imports=_TRIED,
    )


def bpy_environment(project: Project, pin: BpyPin) -> Environment:
    """Another version of bpy, without the optional packages."""
    return Environment(
        project,
        f"bpy {pin.version}",
        _extra_folder(project, f"bpy-{pin.version}"),
        (*pin.requirements, *project.pins.for_tests(pin.python)),
        python=pin.python,
        imports=_TRIED,
    )


def check_environment(project: Project) -> Environment:
    """Linters. Apart from bpy, because its type stubs are packages of the same name."""
    pins = project.pins
    return Environment(
        project,
        "the checks",
        _extra_folder(project, "check"),
        (*pins.for_tests(sys.version_info[:2]), *pins.group("check"), *pins.neural()),
    )


def pip_environment(project: Project) -> Environment:
    """Nothing but pip, which the system's own Python may lack."""
    return Environment(project, "pip", _extra_folder(project, "tools"), ())


def _extra_folder(project: Project, name: str) -> Path:
    # A place outside of the checkout can outlive it, as CI wants.
    chosen = os.environ.get("GENAI_RENDER_ENVIRONMENTS")
    return (Path(chosen) if chosen else project.cache / "envs") / name
