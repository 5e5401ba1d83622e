# SPDX-License-Identifier: GPL-3.0-or-later
"""pip in a process: how far it is, a second try, and its failure in one line that helps."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .console import dotted, say
from .errors import BuildError
from .platforms import ON_WINDOWS, this_platform
from .variables import clean_environ


def run_pip(python: Path, arguments: Sequence[str], what: str, scratch: Path) -> None:
    """Run pip, show how far it is, and turn its failure into one line. Raises BuildError."""
    environ = clean_environ(
        PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PIP_USER="0", TMPDIR=str(scratch)
    )
    if ON_WINDOWS:
        environ.update(TEMP=str(scratch), TMP=str(scratch))
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV"):
        environ.pop(name, None)
    command, *rest = arguments
    log = scratch / "pip.log"
    words = [str(python), "-I", "-m", "pip", command, "--log", str(log), *rest]
    for attempt in (1, 2):
        log.unlink(missing_ok=True)
        code = _pip_on_terminal(words, environ) if sys.stdout.isatty() else _pip(words, environ)
        if code == 0:
            return
        text = log.read_text("utf-8", "replace") if log.exists() else ""
        why, passing = explain_pip(text)
        if not passing or attempt == 2:
            raise BuildError(f"{what}: {why}")
        say(f"  {why} Trying once more.")


def _pip_on_terminal(words: Sequence[str], environ: dict[str, str]) -> int:
    """With pip's own progress bars."""
    return subprocess.call([*words, "--quiet", "--progress-bar", "on"], env=environ)


def _pip(words: Sequence[str], environ: dict[str, str]) -> int:
    """In a log file: a line for each download instead."""
    process = subprocess.Popen(
        words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            stripped = line.strip()
            if stripped.startswith(("Downloading ", "Using cached ")):
                say(f"  {stripped}")
            elif stripped.startswith("Installing collected"):
                say(f"  Installing {stripped.count(',') + 1} packages")
    return process.returncode


# What pip's log holds → why, and whether trying again may help. In this order: a network failure
# ends in "No matching distribution" too.
_PIP_FAILURES = (
    (r"No space left on device|Errno 28\b", "the disk is full. Make room", False),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        "the server's certificate was not accepted. If your network has its own, tell pip: "
        "pip config set global.cert FILE",
        False,
    ),
    (
        r"NewConnectionError|Failed to establish a new connection|ConnectTimeout|ReadTimeout|"
        r"Read timed out|ProxyError|Connection (?:reset|refused|aborted)|IncompleteRead|"
        r"name resolution|RemoteDisconnected|ProtocolError|5\d\d Server Error",
        "the download failed. Check the network (and pip's own configuration: pip config list)",
        True,
    ),
    (r"DO NOT MATCH THE HASHES|BadZipFile|is invalid", "the download was damaged", True),
    (r"Permission denied|Errno 13\b", "permission was denied. Check who owns the folder", False),
)


def explain_pip(log: str) -> tuple[str, bool]:
    """Why pip failed and what to do, and whether it may pass the next time."""
    for pattern, why, passing in _PIP_FAILURES:
        if re.search(pattern, log):
            return f"{why}. Then run this again.", passing
    missing = re.search(r"No matching distribution found for (\S+)", log)
    if missing:
        return (
            f"there is no {missing[1]} for Python {dotted(sys.version_info[:2])} on "
            f"{this_platform()} where pip looks. Check pip's own configuration: pip config list.",
            False,
        )
    errors = re.findall(r"ERROR: (.+)", log)
    return (errors[-1] if errors else "pip failed without saying why.").strip(), False
