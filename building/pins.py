# SPDX-License-Identifier: GPL-3.0-or-later
"""The exact versions of everything that is installed or shipped, as pyproject.toml names them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .console import dotted, either
from .errors import BuildError
from .platforms import this_platform


@dataclass(frozen=True)
class BpyPin:
    """A version of the bpy module and the interpreter it is made for."""

    version: str
    python: tuple[int, int]
    requirements: tuple[str, ...]
    except_on: tuple[str, ...]


class Pins:
    """The exact versions in pyproject.toml: the one place that names any."""

    def __init__(self, path: Path) -> None:
        table = tomllib.loads(path.read_text("utf-8"))
        self.version: str = table["project"]["version"]
        self._groups: dict[str, list[str]] = table["dependency-groups"]
        self._neural_on: list[str] = table["tool"]["genai_render"]["neural-on"]
        self.bpy = tuple(
            BpyPin(
                version=version,
                python=_minor(entry["python"]),
                requirements=(f"bpy=={version}", *entry["with"]),
                except_on=tuple(entry.get("except-on", ())),
            )
            for version, entry in table["tool"]["genai_render"]["bpy"].items()
        )

    def group(self, *names: str) -> tuple[str, ...]:
        """The requirements of these groups; a group that does not exist is empty."""
        return tuple(pin for name in names for pin in self._groups.get(name, ()))

    def bundle(self, platform_name: str, tag: str) -> tuple[str, ...]:
        """What ships for a platform and Python tag ("cp311")."""
        return self.group("bundle", f"bundle-{platform_name.split('-')[0]}", f"bundle-{tag}")

    def for_tests(self, python: tuple[int, int]) -> tuple[str, ...]:
        """What tests need besides bpy on this platform: all that ships, and pytest."""
        shipped = self.bundle(this_platform(), f"cp{python[0]}{python[1]}")
        return (*shipped, *self.group("test"))

    def neural(self) -> tuple[str, ...]:
        """The opt-in neural packages, where they exist."""
        return self.group("neural") if this_platform() in self._neural_on else ()

    def newest_bpy(self, python: tuple[int, int], platform_name: str | None = None) -> BpyPin:
        """The newest bpy for an interpreter. Raises BuildError where there is none."""
        here = platform_name or this_platform()
        fitting = [pin for pin in self.bpy if pin.python == python and here not in pin.except_on]
        if not fitting:
            raise BuildError(
                f"There is no bpy module for Python {dotted(python)} on {here}. "
                f"Use Python {either(sorted({dotted(pin.python) for pin in self.bpy}))}"
                " on Linux x64, macOS or Windows."
            )
        return max(fitting, key=lambda pin: tuple(map(int, pin.version.split("."))))

    def find_bpy(self, wanted: str) -> BpyPin:
        """The pin of "4.2" or "4.2.23". Raises BuildError."""
        for pin in self.bpy:
            if pin.version == wanted or pin.version.startswith(wanted + "."):
                return pin
        known = ", ".join(pin.version for pin in self.bpy)
        raise BuildError(f"bpy {wanted} is not among the pinned versions. Choose from {known}.")


def split_pin(pin: str) -> tuple[str, str]:
    """("some_name", "1.0") of "Some-Name[extra]==1.0"."""
    name, _, version = re.sub(r"\[.*?\]", "", pin).partition("==")
    return normal_name(name), version


def normal_name(name: str) -> str:
    """One spelling for "jaraco.context", "jaraco_context" and "Jaraco-Context"."""
    return re.sub(r"[-_.]+", "_", name).lower()


def _minor(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)
