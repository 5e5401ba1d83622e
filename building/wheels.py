# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheels of the packages that ship, for any platform, from pip or kept from before."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .console import say
from .environments import pip_environment
from .errors import BuildError
from .pins import normal_name, split_pin
from .pip_process import run_pip
from .platforms import PLATFORMS
from .project import Project


def fetch_wheels(project: Project, platform_name: str, tag: str) -> list[Path]:
    """The bundled packages' wheels for a platform and Python tag ("cp311"), from pip or kept."""
    wanted = project.pins.bundle(platform_name, tag)
    kept = project.cache / "wheels" / f"{platform_name}-{tag}"
    kept.mkdir(parents=True, exist_ok=True)
    missing = [pin for pin in wanted if _wheel_of(kept, pin) is None]
    if missing:
        say(f"Fetching {', '.join(missing)} for {platform_name} {tag}")
        python = pip_environment(project).ensure()
        words = ["download", "--only-binary=:all:", "--no-deps", "--implementation", "cp"]
        words += ["--python-version", f"{tag[2]}.{tag[3:]}"]
        for name in PLATFORMS[platform_name]:
            words += ["--platform", name]
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            run_pip(
                python,
                [*words, "--dest", folder, *missing],
                f"The wheels for {platform_name} {tag} cannot be fetched",
                Path(folder),
            )
            for wheel in Path(folder).glob("*.whl"):
                wheel.replace(kept / wheel.name)
    wheels = [wheel for pin in wanted if (wheel := _wheel_of(kept, pin)) is not None]
    if len(wheels) < len(wanted):
        raise BuildError(f"pip gave other wheels than {', '.join(wanted)}. Delete {kept}.")
    return sorted(wheels)


def _wheel_of(folder: Path, pin: str) -> Path | None:
    for path in sorted(folder.glob("*.whl")):
        parts = path.name.split("-")
        if (normal_name(parts[0]), parts[1]) == split_pin(pin):
            return path
    return None
