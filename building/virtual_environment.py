# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual environment that is made once, only looked at from then on, and mended if damaged."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .console import dotted, last_line, say, short_path
from .errors import BuildError
from .interpreters import find_python
from .locks import locked
from .pins import normal_name, split_pin
from .pip_process import run_pip
from .platforms import ON_WINDOWS
from .project import PACKAGE, Project
from .variables import clean_environ

STAMP = "genai_render.json"

# What bpy needs on a Debian without a desktop; the names are the same on Ubuntu up to 22.04.
DEBIAN_LIBRARIES = (
    *("libegl1", "libegl-mesa0", "libgl1", "libgl1-mesa-dri", "libgomp1", "libice6", "libsm6"),
    *("libx11-6", "libxext6", "libxfixes3", "libxi6", "libxkbcommon0", "libxrender1"),
    "libxxf86vm1",
)


class Environment:
    """A virtual environment with pinned packages and this checkout importable.

    Its stamp says how far making it got, and is written last: "making", then "installed", then
    "ready" once its packages were imported. What a broken run left is found by it and mended.
    """

    def __init__(
        self,
        project: Project,
        name: str,
        folder: Path,
        requirements: Sequence[str],
        python: tuple[int, int] | None = None,
        imports: Sequence[str] = (),
    ) -> None:
        self.project = project
        self.name = name
        self.folder = folder
        self.requirements = tuple(requirements)
        self.version = python or sys.version_info[:2]
        self.imports = tuple(imports)
        scripts = "Scripts/python.exe" if ON_WINDOWS else "bin/python"
        self.python = folder / scripts

    @property
    def site_packages(self) -> Path:
        if ON_WINDOWS:
            return self.folder / "Lib" / "site-packages"
        return self.folder / "lib" / f"python{dotted(self.version)}" / "site-packages"

    @property
    def fingerprint(self) -> str:
        """Changes whenever a pin, the interpreter or the checkout's place does."""
        installed = [*sorted(self.requirements), *self.imports]
        facts = [*installed, dotted(self.version), str(self.project.root)]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]

    def ensure(self) -> Path:
        """Make it, mend it, or find it ready; returns its interpreter. Raises BuildError."""
        if self._state() == "ready":
            return self.python
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        in_checkout = self.folder.parent == self.project.root
        beside = self.project.cache if in_checkout else self.folder.parent
        beside.mkdir(parents=True, exist_ok=True)
        with locked(beside / f"{self.folder.name.lstrip('.')}.lock"):
            self._make(self._state())
        return self.python

    def _state(self) -> str:
        """ready, installed (not tried yet), changed (other pins), making, foreign or missing."""
        try:
            if not any(self.folder.iterdir()):
                return "missing"
        except FileNotFoundError:
            return "missing"
        except NotADirectoryError:
            return "foreign"
        try:
            stamp = json.loads((self.folder / STAMP).read_text("utf-8"))
            state, mark = str(stamp["state"]), str(stamp["fingerprint"])
        except FileNotFoundError:
            return "foreign"
        except (OSError, ValueError, KeyError, TypeError):
            return "making"
        if state not in ("installed", "ready") or not self.python.exists():
            return "making"
        if not self.site_packages.is_dir():  # made with another Python
            return "making"
        if mark != self.fingerprint:
            return "changed"
        return state if self._all_there() else "making"

    def _all_there(self) -> bool:
        """Whether every pinned package is unpacked, by the record that pip writes last."""
        present = {
            (normal_name(name), version)
            for entry in self.site_packages.glob("*.dist-info")
            if (entry / "RECORD").is_file()
            for name, _, version in [entry.stem.rpartition("-")]
        }
        return self._link.is_file() and present.issuperset(map(split_pin, self.requirements))

    @property
    def _link(self) -> Path:
        return self.site_packages / f"{PACKAGE}_checkout.pth"

    def _stamp(self, state: str) -> None:
        fresh = self.folder / (STAMP + ".new")
        fresh.write_text(
            json.dumps({"state": state, "fingerprint": self.fingerprint}), encoding="utf-8"
        )
        fresh.replace(self.folder / STAMP)

    def _make(self, state: str) -> None:
        if state == "ready":  # another process made it while we waited
            return
        here = short_path(self.folder)
        started = time.monotonic()
        if state == "foreign":
            kept = _free_name(self.folder.with_name(self.folder.name + "-old"))
            self.folder.rename(kept)
            say(f"{here} was not made by build.py: moved to {short_path(kept)}.")
        if state == "changed":
            say(f"{here}: the pins have changed, updating it.")
            try:
                self._install()
            except BuildError as error:
                say(f"  {error}\n  Making it again.")
                state = "making"
        if state == "making":
            say(f"{here} is half made or damaged: making it again.")
            _remove(self.folder)
        if state in ("making", "missing", "foreign"):
            say(f"Making {here} for {self.name} (Python {dotted(self.version)}).")
            self._create()
            self._install()
        self._try_imports()
        self._stamp("ready")
        say(f"{here} is ready ({time.monotonic() - started:.0f} s).")

    def _create(self) -> None:
        interpreter = find_python(self.version)
        if interpreter is None:
            name = f"python{dotted(self.version)}"
            raise BuildError(
                f"{self.name} needs Python {dotted(self.version)}, and there is no {name} here. "
                "Install it, then run this again."
            )
        need = 2.2 if any(pin.startswith("bpy==") for pin in self.requirements) else 0.3
        free = shutil.disk_usage(self.folder.parent).free / 1e9
        if free < need:
            raise BuildError(
                f"{short_path(self.folder)} needs about {need:.1f} GB, and {free:.1f} GB are "
                f"free in {self.folder.parent}. Make room, then run this again."
            )
        try:
            self.folder.mkdir()
            self._stamp("making")
        except OSError as error:
            raise BuildError(
                f"{self.folder} cannot be made: {error.strerror}. "
                "Use a folder that you may write to."
            ) from error
        ended = subprocess.run(
            [interpreter, "-m", "venv", str(self.folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode != 0:
            text = ended.stdout + ended.stderr
            if "ensurepip" in text or "No module named venv" in text:
                raise BuildError(
                    f"Python {dotted(self.version)} is here without its venv module. On Debian "
                    f"and Ubuntu: sudo apt-get install python{dotted(self.version)}-venv"
                )
            raise BuildError(f"{interpreter} -m venv failed: {last_line(text)}")

    def _install(self) -> None:
        self._stamp("making")
        if self.requirements:
            # Big downloads go beside the environment: /tmp is often small.
            scratch = self.folder / "tmp"
            scratch.mkdir(exist_ok=True)
            try:
                run_pip(
                    self.python,
                    ["install", "--only-binary=:all:", *self.requirements],
                    f"{self.name} cannot be installed",
                    scratch,
                )
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        self._link.write_text(f"{self.project.root}\n", encoding="utf-8")
        self._stamp("installed")

    def _try_imports(self) -> None:
        """Import what was installed, in a process that may die of a missing library."""
        if not self.imports:
            return
        ended = subprocess.run(
            [str(self.python), "-c", f"import {', '.join(self.imports)}"],
            capture_output=True,
            text=True,
            check=False,
            env=clean_environ(),
        )
        if ended.returncode == 0:
            return
        missing = re.search(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object", ended.stderr)
        if missing:
            raise BuildError(
                f"bpy needs {missing[1]}, which this system does not have. On Debian and Ubuntu: "
                f"sudo apt-get install {' '.join(DEBIAN_LIBRARIES)}"
            )
        raise BuildError(
            f"{self.name} is installed but does not start "
            f"(exit code {ended.returncode}): {last_line(ended.stderr)}"
        )


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise BuildError(
            f"{folder} cannot be removed: {error.strerror}. Close what uses it, then delete it."
        ) from error


def _free_name(path: Path) -> Path:
    number = 1
    while os.path.lexists(path):
        number += 1
        path = path.with_name(re.sub(r"(-\d+)?$", f"-{number}", path.name, count=1))
    return path
