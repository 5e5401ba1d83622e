# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: which Blenders to test in, and that CI never skips for want of one."""

from __future__ import annotations

import os
import shutil
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from building.extension_zip import build_zip
from building.installed_blender import BlenderFacts, ask_blender
from building.project import Project

IN_CI = bool(os.environ.get("CI"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--blender",
        action="append",
        default=[],
        metavar="EXE",
        help="an installed Blender for tests/window; may be given several times",
    )
    parser.addoption(
        "--comfyui",
        metavar="DIR",
        help="ComfyUI's source with a venv: the tests of ComfyUI run against it, too",
    )


def pytest_configure(config: pytest.Config) -> None:
    if IN_CI and find_spec("bpy") is None:
        raise pytest.UsageError("The bpy module is missing, and CI must not skip its tests.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `blender` runs in each --blender."""
    if "blender" not in metafunc.fixturenames:
        return
    given: list[str] = metafunc.config.getoption("--blender")
    if given:
        metafunc.parametrize("blender", given, ids=lambda exe: Path(exe).name, scope="session")
    else:
        reason = "needs an installed Blender: --blender EXE"
        if IN_CI:
            raise pytest.UsageError(f"{metafunc.definition.nodeid} {reason}")
        skipped = pytest.param("", marks=pytest.mark.skip(reason=reason))
        metafunc.parametrize("blender", [skipped], ids=["none"], scope="session")


@cache
def facts(executable: str) -> BlenderFacts:
    return ask_blender(executable)


@pytest.fixture(scope="session")
def blender_version(blender: str) -> tuple[int, ...]:
    return facts(blender).version


@pytest.fixture(scope="session")
def extension_zip(blender: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension as it is built for that Blender's platform and Python."""
    known = facts(blender)
    project = Project(Path(__file__).parents[1])
    return build_zip(project, known.platform, known.tag, tmp_path_factory.mktemp("zip"))


@pytest.fixture
def user_folder(tmp_path: Path) -> Path:
    """A new folder for Blender's user files, so that no test meets another's settings."""
    folder = tmp_path / "user"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
