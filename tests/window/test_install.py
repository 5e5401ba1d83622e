# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension in a real Blender: installed, enabled, used and removed as a person would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from building.install import install
from building.project import Project

MODULE = "bl_ext.user_default.genai_render"
ANSWER = "genai_render answers: "


class Installed:
    """A Blender with user files of its own."""

    def __init__(self, executable: str, user_folder: Path) -> None:
        self.executable = executable
        self.user_folder = user_folder
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BLENDER"))},
            "BLENDER_USER_RESOURCES": str(user_folder),
        }

    def run(self, *words: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.executable, *words],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def extension(self, *words: str) -> str:
        told = self.run("--command", "extension", *words)
        text = told.stdout + told.stderr
        assert told.returncode == 0, text
        return text

    def ask(self, code: str, scene: Sequence[str] = ()) -> object:
        """Run code in background; gives what it assigned to `answer`."""
        script = self.user_folder / "ask.py"
        script.write_text(f"import json\n{code}\nprint()\nprint({ANSWER!r} + json.dumps(answer))\n")
        told = self.run("-b", *scene, "--python-exit-code", "9", "--python", str(script))
        for line in told.stdout.splitlines():
            if line.startswith(ANSWER):
                return json.loads(line.removeprefix(ANSWER))
        raise AssertionError(f"exit code {told.returncode}\n{told.stdout}\n{told.stderr}")


@pytest.fixture
def installed(blender: str, extension_zip: Path, user_folder: Path) -> Installed:
    made = Installed(blender, user_folder)
    made.extension("install-file", "-r", "user_default", "--enable", str(extension_zip))
    return made


@pytest.fixture
def scene(installed: Installed, tmp_path: Path) -> Path:
    """A .blend of a cube, a floor, a sun and a camera, saved by that Blender itself."""
    path = tmp_path / "two words.blend"
    installed.ask(
        "import bpy\n"
        "bpy.ops.wm.read_homefile(use_factory_startup=True)\n"
        "bpy.ops.mesh.primitive_plane_add(size=20, location=(0, 0, -1))\n"
        f"bpy.ops.wm.save_as_mainfile(filepath={str(path)!r})\n"
        "answer = True"
    )
    return path


def test_blender_finds_nothing_wrong_with_the_zip(
    blender: str, extension_zip: Path, user_folder: Path
) -> None:
    text = Installed(blender, user_folder).extension("validate", str(extension_zip))
    assert "Success" in text, text
    # Of the machine, not of the zip: a chroot without /etc/mtab.
    text = "\n".join(line for line in text.splitlines() if "mounted file-systems" not in line)
    assert not re.search(r"error|warning", text, re.IGNORECASE), text


def test_the_zip_holds_the_add_on_and_no_tests(extension_zip: Path) -> None:
    with zipfile.ZipFile(extension_zip) as archive:
        names = archive.namelist()
    assert {"__init__.py", "blender_manifest.toml", "LICENSE"} <= set(names)
    assert any(name.startswith("wheels/pillow-") for name in names)
    assert not [name for name in names if "test" in name or "__pycache__" in name]


def test_it_is_enabled_and_its_pillow_works(installed: Installed) -> None:
    found = installed.ask(
        "import bpy, sys, PIL.Image\n"
        "picture = PIL.Image.new('RGB', (4, 4))\n"
        f"answer = [{MODULE!r} in bpy.context.preferences.addons, {MODULE!r} in sys.modules, "
        "PIL.__file__, picture.resize((2, 2)).size]"
    )
    assert isinstance(found, list)
    enabled, loaded, pillow, size = found
    assert enabled
    assert loaded
    assert Path(pillow).is_relative_to(installed.user_folder), "not the bundled Pillow"
    assert size == [2, 2]


def test_render_from_the_command_line_leaves_a_picture_in_history(
    installed: Installed, scene: Path, tmp_path: Path
) -> None:
    history = tmp_path / "history"
    told = installed.run(
        *("-b", str(scene), "--command", "genai_render", "render"),
        *("--prompt", "golden hour, watercolor", "--resolution", "1K", "--json"),
        *("--history", str(history)),
        timeout=600,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    events = _events(told.stdout)
    results = [event for event in events if event["event"] == "result"]
    assert len(results) == 1, events
    picture = Path(results[0]["path"])
    assert picture.is_file()
    assert history in picture.parents
    assert {"request.json", "thumb.webp", "canvas.webp", "depth.png", "normal.png"} <= {
        path.name for path in picture.parent.iterdir()
    }
    assert json.loads((picture.parent / "request.json").read_text())["request"]["prompt"] == (
        "golden hour, watercolor"
    )
    width, height = results[0]["width"], results[0]["height"]
    assert width * height == pytest.approx(1024**2, rel=0.05)
    unread = tmp_path / "unread.blend"
    unread.write_bytes(b"BLENDER, but not a scene")
    for name in ("unread.blend", "nowhere.blend"):
        told = installed.run(
            *("-b", str(tmp_path / name), "-c", "genai_render", "render"),
            *("--prompt", "golden hour", "--history", str(tmp_path / "none")),
        )
        assert (told.returncode, told.stdout.count("result")) == (7, 0), told.stdout + told.stderr
        assert f'{name}" could not be opened' in told.stderr
    # Looking for a GPU starts a second Blender, which must not tidy up the first one's packages.
    assert list((installed.user_folder / "extensions" / ".local").rglob("PIL/Image.py"))
    picture_size = installed.ask(
        f"import PIL.Image\nanswer = PIL.Image.open({str(picture)!r}).size"
    )
    assert picture_size == [width, height]


def test_history_without_a_folder_goes_where_blender_keeps_it(
    installed: Installed, scene: Path
) -> None:
    told = installed.run(
        *("-b", str(scene), "--command", "genai_render", "render"),
        *("--prompt", "clay", "--resolution", "1K", "--json"),
        timeout=600,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    (result,) = [event for event in _events(told.stdout) if event["event"] == "result"]
    assert installed.user_folder in Path(result["path"]).parents
    extension = installed.user_folder / "extensions" / "user_default" / "genai_render"
    assert extension.is_dir()
    assert extension not in Path(result["path"]).parents, "an update would delete it"


def test_a_bad_argument_is_one_line_and_exit_code_2(installed: Installed, scene: Path) -> None:
    told = installed.run(
        *("-b", str(scene), "--command", "genai_render", "render", "--json"),
        *("--prompt", "x", "--style", "no such style"),
    )
    assert told.returncode == 2, told.stdout + told.stderr
    ours = [line for line in told.stderr.splitlines() if "genai_render" in line]
    assert len(ours) == 1, told.stderr
    assert "Traceback" not in told.stderr


def _events(text: str) -> list[dict]:
    """The JSON lines, which must be all that genai_render printed.

    Blender itself prints before our command starts and after it ends.
    """
    lines = text.splitlines()
    ours = [i for i, line in enumerate(lines) if line.startswith("{")]
    assert ours, text
    between = lines[ours[0] : ours[-1] + 1]
    return [json.loads(line) for line in between]


# Everything of Blender's that an add-on can leave behind.
_LEFT = """
import bpy, addon_utils, gc, sys, threading
from bl_keymap_utils.io import keyconfig_export_as_data  # noqa: F401

def classes():
    kinds = (bpy.types.Operator, bpy.types.Panel, bpy.types.Menu, bpy.types.UIList,
             bpy.types.AddonPreferences, bpy.types.PropertyGroup, bpy.types.Gizmo,
             bpy.types.GizmoGroup, bpy.types.Header)
    return sorted(c.__module__ + "." + c.__qualname__ for kind in kinds
                  for c in kind.__subclasses__() if "bl_rna" in vars(c))

def state():
    handlers = {}
    for name in dir(bpy.app.handlers):
        value = getattr(bpy.app.handlers, name)
        if isinstance(value, list):
            handlers[name] = [getattr(f, "__module__", "") + "." + getattr(f, "__name__", "")
                              for f in value]
    properties = {t: sorted(p.identifier for p in getattr(bpy.types, t).bl_rna.properties)
                  for t in ("Scene", "WindowManager", "Object", "Screen", "Image", "Camera")}
    draws = {}
    for name in dir(bpy.types):
        kind = getattr(bpy.types, name, None)
        functions = getattr(getattr(kind, "draw", None), "_draw_funcs", None)
        if functions is not None:
            draws[name] = len(functions)
    keys = bpy.context.window_manager.keyconfigs.addon
    return {
        "classes": [c for c in classes() if "genai" in c.lower()],
        "all classes": len(classes()),
        "operators": sorted(n for n in dir(bpy.ops) if "genai" in n),
        "handlers": handlers,
        "properties": properties,
        "menus": {name: count for name, count in draws.items() if count > 1},
        "keymaps": [[m.name, len(m.keymap_items)] for m in keys.keymaps] if keys else [],
        "threads": sorted(t.name for t in threading.enumerate()),
        "preferences": sorted(a.module for a in bpy.context.preferences.addons),
    }
"""


def test_enabled_and_disabled_twenty_times_leaves_nothing(installed: Installed) -> None:
    found = installed.ask(
        _LEFT
        + f"""
name = {MODULE!r}
addon_utils.disable(name)
before = state()
during = []
for turn in range(20):
    assert addon_utils.enable(name) is not None, "not enabled in turn " + str(turn)
    during.append(state())
    addon_utils.disable(name)
after = state()
answer = [before, during[0], during[-1], after]
"""
    )
    assert isinstance(found, list)
    before, first, last, after = found
    assert after == before
    assert last == first, "what it registers grows from turn to turn"
    assert first["classes"], "nothing was registered at all"


def test_timers_end_with_the_add_on(installed: Installed) -> None:
    # Blender gives no list of its timers, so each of our functions is asked about.
    left = installed.ask(
        f"""
import bpy, addon_utils, sys
name = {MODULE!r}
left = []
for turn in range(3):
    addon_utils.enable(name)
    ours = [f for key, module in list(sys.modules.items()) if key.startswith(name)
            for f in list(vars(module).values()) if callable(f) and not isinstance(f, type)]
    assert len(ours) > 20, ours
    addon_utils.disable(name)
    left += [str(f) for f in ours if bpy.app.timers.is_registered(f)]
answer = left
"""
    )
    assert left == []


def test_it_can_be_removed_and_installed_again(installed: Installed, extension_zip: Path) -> None:
    installed.extension("remove", "genai_render")
    folder = installed.user_folder / "extensions" / "user_default" / "genai_render"
    assert not folder.exists()
    installed.extension("install-file", "-r", "user_default", "--enable", str(extension_zip))
    assert (folder / "__init__.py").is_file()


def test_build_install_does_it_all(
    blender: str, user_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("BLENDER_USER_RESOURCES", str(user_folder))
    assert install(Project(Path(__file__).parents[2]), blender) == 0
    assert "enabled it" in capsys.readouterr().out
    folder = user_folder / "extensions" / "user_default" / "genai_render"
    assert (folder / "blender_manifest.toml").is_file()
