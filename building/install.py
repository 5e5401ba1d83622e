# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py install: the zip that fits a Blender, installed by that Blender itself."""

from __future__ import annotations

import re
import subprocess

from .console import dotted, last_line, say, short_path
from .errors import BuildError
from .extension_zip import build_zip
from .installed_blender import ask_blender
from .project import Project


def install(project: Project, executable: str) -> int:
    """Build the zip that fits a Blender and install it with that Blender's own command."""
    facts = ask_blender(executable)
    if facts.version < (4, 2):
        raise BuildError(f"This is Blender {dotted(facts.version)}; 4.2 or newer is needed.")
    say(f"Blender {dotted(facts.version)}, {facts.platform}, {facts.tag}")
    zipped = build_zip(project, facts.platform, facts.tag, project.root / "dist")
    for what, words in (
        ("validate", ["validate", str(zipped)]),
        ("install", ["install-file", "-r", "user_default", "--enable", str(zipped)]),
    ):
        ended = subprocess.run(
            [facts.program, "--command", "extension", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        failed = re.search(r"^(?:Error|FATAL_ERROR).*", ended.stdout, re.MULTILINE)
        if ended.returncode != 0 or failed:
            why = failed[0] if failed else last_line(ended.stdout)
            raise BuildError(f"Blender could not {what} {short_path(zipped)}: {why}")
    say(f"Installed {short_path(zipped)} in Blender {dotted(facts.version)} and enabled it.")
    return 0
