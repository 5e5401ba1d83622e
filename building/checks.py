# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py check: what can be said of the code without running it."""

from __future__ import annotations

import subprocess

from .console import say
from .environments import check_environment
from .errors import BuildError
from .project import Project
from .variables import clean_environ


def check(project: Project) -> int:
    """Lint, formatting, types: all three, even where the first fails."""
    python = check_environment(project).ensure()
    failed: list[str] = []
    for name, words in (
        ("ruff check", ["-m", "ruff", "check", "."]),
        ("ruff format", ["-m", "ruff", "format", "--check", "."]),
        ("pyright", ["-m", "pyright", "--pythonpath", str(python)]),
    ):
        say(f"{name} …")
        code = subprocess.call(
            [str(python), *words],
            cwd=project.root,
            env=clean_environ(PYRIGHT_PYTHON_IGNORE_WARNINGS="1"),
        )
        if code != 0:
            failed.append(name)
    if failed:
        raise BuildError(f"{', '.join(failed)} found something to mend (above).")
    say("All checks passed.")
    return 0
