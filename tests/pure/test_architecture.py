# SPDX-License-Identifier: GPL-3.0-or-later
"""The directions between the folders, and what the plain parts may know of Blender: nothing."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "genai_render"

# Which of our folders a folder may import from, besides itself. "." are the package's own few
# files: what starts it, and what both ways in share.
MAY_IMPORT = {
    "core": set(),
    "engine": {"core"},
    "backends": {"core", "engine"},
    "blender": {"core", "engine", "backends", "."},
    ".": {"core", "blender"},
}
PLAIN = ("core", "engine", "backends")
BLENDERS = (
    *("bpy", "bpy_extras", "bpy_restrict_state", "bmesh", "bl_", "blf", "bgl", "gpu", "gpu_extras"),
    *("mathutils", "idprop", "imbuf", "aud", "freestyle", "addon_utils", "rna_", "_bpy", "cycles"),
)
# Imported when first needed, since each takes long or is not everywhere.
LAZY = (
    *("openai", "google", "httpx", "httpx2", "httpcore", "httpcore2", "requests", "keyring"),
    *("onnxruntime", "styletransfer", "bpy"),
)

# From the ground up: what stands on a rung imports only from its own and those below. A folder
# stands for what is in it, as far as no rung of its own names it.
LADDER = (
    "core/errors.py",
    "core/lazy.py",
    "core/bounds.py",
    "core/enum_numbers.py",
    "core/framing.py",
    "core/words.py",
    "core/provider.py",
    "core/keys/",
    "core/log_file.py",
    "core/log.py",
    "core/files/",
    "core/image/",
    "core/view/",
    "core/media.py",
    "core/glb.py",
    "core/request.py",
    "core/fingerprint.py",
    "core/events.py",
    "core/masks/",
    "core/models/",
    "core/history/",
    "core/jobs.py",
    "core/preflight.py",
    "core/submission.py",
    "core/prompt.py",
    "core/actions.py",
    "core/next_camera.py",
    "core/plain_images.py",
    "core/batch/",
    "core/__init__.py",
    "backends/http/",
    "backends/base.py",
    "backends/parallel.py",
    "backends/offline.py",
    "backends/cloud/",
    "backends/self_hosted/",
    "blender/addon.py",
    "blender/redraw.py",
    "blender/translation.py",
    "blender/history_place.py",
    "blender/background.py",
    "blender/scene_changes.py",
    "blender/scene_description.py",
    "blender/connections/keys.py",
    "blender/backend_settings.py",
    "blender/catalog.py",
    "blender/connections/",
    "blender/settings/",
    "blender/capture/",
    "blender/batches/",
    "blender/texturing/",
    "blender/sending/",
    "blender/cli/",
    "blender/jobs/",
    "blender/render_engine/",
    "blender/viewport/",
    "blender/panels/",
    "blender/operators/",
    "blender/keymaps.py",
    "blender/preferences.py",
    "blender/__init__.py",
)
# What only Blender's own registration needs: everything else is held by objects.
MOST_GLOBALS = 8

SOURCES = sorted(path for path in PACKAGE.rglob("*.py"))
OURS = {path.relative_to(PACKAGE).as_posix(): path for path in SOURCES}


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else "."


def imports(path: Path) -> Iterator[tuple[int, int, str]]:
    """(line, dots, module) of every import, wherever it stands. Names count as modules, too:
    `from . import images` is an import of `.images`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, 0, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, node.level, ".".join(filter(None, (node.module, alias.name)))


def target(path: Path, dots: int, module: str) -> str | None:
    """The folder of ours that a relative import leads to; None if it leads out of the package."""
    folder = path.relative_to(PACKAGE).parent.parts
    up = dots - 1
    if up > len(folder):
        return None
    parts = (*folder[: len(folder) - up], *module.split("."))
    return parts[0] if parts[0] in MAY_IMPORT else "."


def test_there_is_something_to_look_at():
    assert len(SOURCES) > 40
    assert {room(path) for path in SOURCES} == set(MAY_IMPORT)


@pytest.mark.parametrize("name", OURS)
def test_imports_go_only_in_the_directions_that_were_chosen(name):
    path = OURS[name]
    for line, dots, module in imports(path):
        where = f"{name}:{line} imports {'.' * dots}{module}"
        if dots == 0:
            assert module.partition(".")[0] != "genai_render", f"{where}: use a relative import"
            continue
        there = target(path, dots, module)
        assert there is not None, f"{where}: that is outside the package"
        here = room(path)
        assert there == here or there in MAY_IMPORT[here], where


@pytest.mark.parametrize("name", [name for name in OURS if room(OURS[name]) in PLAIN])
def test_the_plain_parts_know_no_blender(name):
    for line, dots, module in imports(OURS[name]):
        top = module.partition(".")[0]
        blenders = top.startswith(("bl_", "rna_")) or top in BLENDERS
        assert dots or not blenders, f"{name}:{line} imports {module}"


@pytest.mark.parametrize("name", OURS)
def test_every_file_names_its_licence_and_has_a_telling_name(name):
    text = OURS[name].read_text("utf-8")
    if text.strip():
        assert text.startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n"), name
    assert Path(name).stem not in ("utils", "util", "helpers", "misc", "common"), name
    assert len(text.splitlines()) <= 800, f"{name} holds more than one idea"


def module_of(path: Path) -> str:
    """As in an import, below the package: "blender.jobs.session"; "" for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def graph() -> dict[str, set[str]]:
    """Which modules each module imports, wherever in it, functions included."""
    known = {module_of(path): path for path in SOURCES}
    found: dict[str, set[str]] = {}
    for module, path in known.items():
        found[module] = set()
        for _, dots, name in imports(path):
            if not dots:
                continue
            folder = path.relative_to(PACKAGE).parent.parts
            parts = (*folder[: len(folder) - dots + 1], *name.split("."))
            there = next(
                dotted
                for length in range(len(parts), -1, -1)
                if (dotted := ".".join(parts[:length])) in known
            )
            if there != module:
                found[module].add(there)
    return found


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that all lead to each other."""
    reached = {module: set(those) for module, those in edges.items()}
    changed = True
    while changed:
        changed = False
        for those in reached.values():
            more = set().union(*(reached[one] for one in those)) - those if those else set()
            if more:
                those |= more
                changed = True
    groups = {
        tuple(sorted(other for other in reached[module] if module in reached[other]))
        for module in edges
        if module in reached[module]
    }
    return sorted(map(list, groups))


def test_what_is_imported_from_a_package_is_there():
    """A package that loads its modules late takes any name: a slip would show when it is used."""
    known = {module_of(path) for path in SOURCES}
    missing = []
    for name, path in OURS.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.ImportFrom) and node.level):
                continue
            folder = path.relative_to(PACKAGE).parent.parts
            above = folder[: len(folder) - node.level + 1]
            there = (*above, *(node.module.split(".") if node.module else ()))
            package = PACKAGE.joinpath(*there, "__init__.py")
            if package.exists():
                own = set(re.findall(r"\w+", package.read_text("utf-8")))
                missing += [
                    f"{name}:{node.lineno} {alias.name}"
                    for alias in node.names
                    if ".".join((*there, alias.name)) not in known and alias.name not in own
                ]
    assert missing == []


def test_no_modules_import_each_other_in_a_circle():
    assert circles(graph()) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["b", "c"]]


def rung(name: str) -> int | None:
    """How high a file stands on the ladder; None for what is not on it."""
    if name in LADDER:
        return LADDER.index(name)
    steps = [step for step in LADDER if step.endswith("/") and name.startswith(step)]
    return LADDER.index(max(steps, key=len)) if steps else None


def test_every_rung_of_the_ladder_is_there():
    for step in LADDER:
        assert any(name == step or name.startswith(step) for name in OURS), step


def test_every_file_of_core_and_blender_stands_on_the_ladder():
    assert [n for n in OURS if n.startswith(("core/", "blender/")) and rung(n) is None] == []


def test_imports_lead_down_the_ladder():
    names = {module_of(path): name for name, path in OURS.items()}
    wrong = []
    for module, those in graph().items():
        here = rung(names[module])
        for other in those:
            there = rung(names[other])
            if here is not None and there is not None and there > here:
                wrong.append(f"{names[module]} imports {names[other]}")
    assert wrong == []


def test_state_is_held_by_objects():
    """`global` is left for what Blender's registration gives and takes back."""
    statements = [
        f"{name}:{node.lineno}"
        for name, path in OURS.items()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Global)
    ]
    assert len(statements) <= MOST_GLOBALS, statements


def test_the_rules_would_find_what_breaks_them(tmp_path, monkeypatch):
    """The tests above can fail: they are shown imports that break the rules."""
    module = sys.modules[__name__]
    monkeypatch.setattr(module, "PACKAGE", tmp_path)
    bad = tmp_path / "core" / "deep" / "bad.py"
    bad.parent.mkdir(parents=True)
    for source, there in (
        ("from ...engine import shade", "engine"),
        ("from ...blender.capture import passes", "blender"),
        ("def f():\n    from ... import backends", "backends"),
        ("from ..images import probe", "core"),
        ("from . import other", "core"),
        ("from ...console import Console", "."),
    ):
        bad.write_text(source)
        ((_, dots, name),) = imports(bad)
        assert target(bad, dots, name) == there
    assert target(bad, 5, "x") is None


def loaded_by(code: str) -> set[str]:
    """The top-level modules that are loaded after running it in a new interpreter."""
    code += "\nimport sys, json; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_next_to_nothing():
    loaded = loaded_by("import genai_render")
    assert not loaded & {*LAZY, "numpy", "PIL", "sqlite3"}


def test_importing_the_plain_parts_loads_no_sdk_and_no_blender():
    names = [
        "genai_render." + name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in OURS
        # The other backends are themselves imported only when one of their models is chosen.
        if room(OURS[name]) in ("core", "engine")
        or name in ("backends/base.py", "backends/offline.py")
    ]
    assert importlib.util.find_spec("PIL") is not None
    loaded = loaded_by(f"import importlib\nfor name in {names}: importlib.import_module(name)")
    assert not loaded & set(LAZY)
    assert {"numpy", "PIL"} <= loaded
