# SPDX-License-Identifier: GPL-3.0-or-later
"""What build.py stands on: the standard library, and before it hands over, that of an old Python.

build.py has to run before anything is installed, with whichever Python somebody has.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import build
from building.interpreters import BPY_PYTHONS, find_python
from building.project import Project

FACE = "build"
FOLDER = "building"
OLDEST = (3, 8)
OLD_PYTHONS = [OLDEST, (3, 9), (3, 10)]
# What the standard library had in the oldest Python, of what is needed before the hand-over.
OLD_LIBRARY = {"__future__", "argparse", "collections", "contextlib", "os", "pathlib", "platform"}
OLD_LIBRARY |= {"subprocess", "sys"}


def sources_in(root: Path) -> dict[str, str]:
    """The text of build.py and of every file of the folder, by their modules' names."""
    paths = [root / f"{FACE}.py", *(root / FOLDER).rglob("*.py")]
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): (
            path.read_text("utf-8")
        )
        for path in paths
    }


SOURCES = sources_in(build.ROOT)


def statements(tree: ast.Module, when: str) -> Iterable[ast.AST]:
    """All of them, or those that run when the module is imported: the ones outside of functions."""
    if when == "ever":
        yield from ast.walk(tree)
        return
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def imported(name: str, sources: dict[str, str], when: str = "ever") -> Iterator[str]:
    """The modules that a module imports, by their whole names."""
    for node in statements(ast.parse(sources[name]), when):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = name.split(".")[: -node.level] if node.level else []
            module = ".".join([*parents, *filter(None, [node.module])])
            for alias in node.names:
                submodule = f"{module}.{alias.name}"
                yield submodule if submodule in sources else module


def strangers(name: str, sources: dict[str, str]) -> set[str]:
    """What a module imports that is neither of the standard library nor of these sources."""
    return {
        module
        for module in imported(name, sources)
        if module not in sources and module.split(".")[0] not in sys.stdlib_module_names
    }


def circle(sources: dict[str, str]) -> list[str]:
    """Modules that import each other in a circle, if there are any."""
    graph = {name: {m for m in imported(name, sources) if m in sources} for name in sources}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def loaded_first(sources: dict[str, str]) -> set[str]:
    """What importing build.py imports of these sources."""
    reached: set[str] = set()
    waiting = {FACE}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        if "." in name:
            waiting.add(name.rpartition(".")[0])
        waiting |= {module for module in imported(name, sources, "at once") if module in sources}
        waiting -= reached
    return reached


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 15
    assert {FACE, FOLDER, f"{FOLDER}.virtual_environment"} <= set(SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_it_stands_on_the_standard_library_alone(name: str) -> None:
    assert strangers(name, SOURCES) == set()


def test_there_is_no_circle() -> None:
    assert circle(SOURCES) == []


def test_only_build_py_imports_build_py() -> None:
    assert not [name for name in SOURCES if FACE in imported(name, SOURCES)]


@pytest.mark.parametrize("name", SOURCES)
def test_a_file_holds_one_idea(name: str) -> None:
    assert (
        SOURCES[name]
        .removeprefix("#!/usr/bin/env python3\n")
        .startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n")
    )
    assert ast.get_docstring(ast.parse(SOURCES[name]))
    assert len(SOURCES[name].splitlines()) < 300


def test_the_rules_would_find_what_breaks_them() -> None:
    sources = {
        FACE: "import numpy\nfrom building import demo\ndef run():\n    from building import zip",
        FOLDER: "",
        f"{FOLDER}.demo": "from .pins import Pins\nfrom ..genai_render import core",
        f"{FOLDER}.pins": "def read():\n    from . import demo",
        f"{FOLDER}.zip": "import tomllib",
    }
    assert strangers(FACE, sources) == {"numpy"}
    assert strangers(f"{FOLDER}.demo", sources) == {"genai_render"}
    assert set(circle(sources)) == {f"{FOLDER}.demo", f"{FOLDER}.pins"}
    assert loaded_first(sources) == {FACE, FOLDER, f"{FOLDER}.demo", f"{FOLDER}.pins"}


# --- before the hand-over to a Python that fits --------------------------------------------------


@pytest.mark.parametrize("name", sorted(loaded_first(SOURCES)))
def test_an_old_python_reads_what_is_loaded_first(name: str) -> None:
    tree = ast.parse(SOURCES[name], feature_version=OLDEST)
    libraries = {module.split(".")[0] for module in imported(name, SOURCES, "at once")}
    assert libraries - {FOLDER} <= OLD_LIBRARY
    with_types = any(isinstance(node, ast.arg) and node.annotation for node in ast.walk(tree))
    assert not with_types or "__future__" in libraries, "types would be worked out at once"


def test_what_is_loaded_first_is_what_python_loads_first() -> None:
    """The test above looks at the right files."""
    code = "import build, sys; print(*(m for m in sys.modules if m.startswith('build')))"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=build.ROOT, capture_output=True, text=True, check=True
    )
    ours = {name for name in told.stdout.split() if name.split(".")[0] in (FACE, FOLDER)}
    assert ours == loaded_first(SOURCES)


def test_the_pythons_that_fit_are_those_of_the_pins() -> None:
    assert set(BPY_PYTHONS) == {pin.python for pin in Project(build.ROOT).pins.bpy}


@pytest.mark.skipif(os.name == "nt", reason="makes a link to an interpreter")
def test_it_hands_over_to_a_python_that_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its words go along, and what becomes of them comes back."""
    fitting = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (tmp_path / fitting).symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "version_info", (*OLDEST, 18))
    assert build.main(["zip", "--platform", "amiga-m68k"]) == 1
    shown = capfd.readouterr()
    assert "Python 3.8 does not fit; using " in shown.out
    assert 'build.py: "amiga-m68k" is no platform.' in shown.err


def test_an_old_python_starts_it() -> None:
    """The oldest real one that is installed here."""
    interpreter = next(filter(None, map(find_python, OLD_PYTHONS)), None)
    if interpreter is None:
        pytest.skip("there is no old Python here")
    words = [interpreter, str(build.ROOT / "build.py")]
    usage = subprocess.run([*words, "--help"], capture_output=True, text=True, check=False)
    assert usage.returncode == 0, usage.stderr
    assert "demo" in usage.stdout
    asked = [*words, "zip", "--platform", "amiga-m68k"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "does not fit; using " in told.stdout
    assert '"amiga-m68k" is no platform.' in told.stderr
