# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py: environments that mend themselves, zips that Blender takes, errors that say what to do.

pip is the real one; what it installs is a wheel made here, so nothing comes from a network.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import build
from building.console import dotted, table
from building.errors import BuildError
from building.extension_zip import build_zip, manifest_text
from building.installed_blender import ask_blender
from building.pins import Pins
from building.pip_process import explain_pip
from building.platforms import OFFICIAL_PYTHONS, PLATFORMS, this_platform
from building.project import PACKAGE, Project
from building.virtual_environment import STAMP, Environment

HERE = sys.version_info[:2]
PROJECT = Project(build.ROOT)
posix_only = pytest.mark.skipif(os.name == "nt", reason="writes a shell script")


def make_wheel(folder: Path, name: str, version: str, code: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    members = {
        f"{name}.py": f"version = {version!r}\n{code}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    members[f"{info}/RECORD"] = "".join(f"{member},,\n" for member in (*members, f"{info}/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in members.items():
            archive.writestr(member, text)
    return path


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is all that pip knows."""
    folder = tmp_path / "wheels"
    make_wheel(folder, "paintbox", "1.0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def environment(tmp_path: Path, *pins: str) -> Environment:
    return Environment(PROJECT, "the test", tmp_path / "env", pins or ("paintbox==1.0",))


def in_it(made: Environment, code: str) -> str:
    told = subprocess.run(
        [str(made.python), "-c", code], capture_output=True, text=True, check=True, cwd="/"
    )
    return told.stdout.strip()


# --- environments --------------------------------------------------------------------------------


def test_an_environment_is_made_once_and_then_only_looked_at(
    tmp_path: Path,
    wheels: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = environment(tmp_path)
    made.ensure()
    assert "is ready" in capsys.readouterr().out
    assert in_it(made, "import paintbox; print(paintbox.version)") == "1.0"
    assert in_it(made, "import genai_render; print(genai_render.__file__)") == str(
        build.ROOT / "genai_render" / "__init__.py"
    )

    def must_not_run(*_args: object, **_more: object) -> None:
        raise AssertionError("a second run started a process")

    monkeypatch.setattr(subprocess, "Popen", must_not_run)
    environment(tmp_path).ensure()
    assert capsys.readouterr().out == ""


def test_damage_is_found_and_mended(tmp_path: Path, wheels: Path) -> None:
    made = environment(tmp_path)
    made.ensure()

    # A run that ended in the middle of an installation, its stamp cut short.
    (made.folder / STAMP).write_text('{"sta')
    (made.site_packages / "paintbox.py").unlink()
    (made.site_packages / "left-over.py").touch()
    made.ensure()
    assert in_it(made, "import paintbox; print(paintbox.version)") == "1.0"
    assert not (made.site_packages / "left-over.py").exists()

    # A package that was deleted behind our back.
    for entry in made.site_packages.glob("paintbox*"):
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    made.ensure()
    assert in_it(made, "import paintbox; print(paintbox.version)") == "1.0"


def test_another_pin_is_installed_over_the_old_one(
    tmp_path: Path, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment(tmp_path).ensure()
    make_wheel(wheels, "paintbox", "2.0")
    made = environment(tmp_path, "paintbox==2.0")
    made.ensure()
    assert "pins have changed" in capsys.readouterr().out
    assert in_it(made, "import paintbox; print(paintbox.version)") == "2.0"


def test_a_folder_that_is_not_ours_is_kept(
    tmp_path: Path, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = environment(tmp_path)
    made.folder.mkdir()
    (made.folder / "thesis.txt").write_text("years of work")
    made.ensure()
    assert in_it(made, "import paintbox; print(paintbox.version)") == "1.0"
    assert (tmp_path / "env-old" / "thesis.txt").read_text() == "years of work"
    assert "moved to" in capsys.readouterr().out


def test_a_failed_download_says_so_and_the_next_run_goes_on(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as closed:
        # Nothing listens on this machine's port 9: a network that is down, to pip.
        closed.delenv("PIP_NO_INDEX")
        closed.delenv("PIP_FIND_LINKS")
        closed.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        closed.setenv("PIP_RETRIES", "0")
        with pytest.raises(BuildError, match=r"download failed\. Check the network") as told:
            environment(tmp_path).ensure()
        assert "\n" not in str(told.value)
    made = environment(tmp_path)
    made.ensure()
    assert in_it(made, "import paintbox; print(paintbox.version)") == "1.0"


def test_a_version_that_does_not_exist_is_named(tmp_path: Path, wheels: Path) -> None:
    with pytest.raises(BuildError, match=r"there is no paintbox==9\.9 for Python"):
        environment(tmp_path, "paintbox==9.9").ensure()


@posix_only
def test_killed_in_the_middle_it_is_made_again(tmp_path: Path, wheels: Path) -> None:
    code = (
        "import pathlib\n"
        "from building.project import Project\n"
        "from building.virtual_environment import Environment\n"
        f"project = Project(pathlib.Path({str(build.ROOT)!r}))\n"
        f"folder = pathlib.Path({str(tmp_path / 'env')!r})\n"
        "Environment(project, 'the test', folder, ['paintbox==1.0']).ensure()\n"
    )
    for wait in (0.3, 1.5):
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=build.ROOT,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(wait)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    made = environment(tmp_path)
    made.ensure()
    assert in_it(made, "import paintbox; print(paintbox.version)") == "1.0"


def test_a_missing_system_library_is_named_and_nothing_is_installed_twice(
    tmp_path: Path, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lib = tmp_path / "the library is there"
    make_wheel(
        wheels,
        "needy",
        "1.0",
        f"import os\nif not os.path.exists({str(lib)!r}):\n    raise ImportError("
        "'libXi.so.6: cannot open shared object file: No such file or directory')",
    )

    def attempt() -> None:
        Environment(
            PROJECT, "needy", tmp_path / "env", ("needy==1.0",), imports=("needy",)
        ).ensure()

    with pytest.raises(BuildError, match=r"needs libXi\.so\.6.*apt-get install .*libxi6"):
        attempt()
    capsys.readouterr()
    lib.touch()
    attempt()
    assert "Making" not in capsys.readouterr().out


@posix_only
def test_debian_without_venv_is_told_which_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = (3, 13) if HERE == (3, 11) else (3, 11)
    name = dotted(other)
    script = tmp_path / "bin" / f"python{name}"
    script.parent.mkdir()
    # What Debian's python3 says where python3-venv is not installed.
    script.write_text(
        '#!/bin/sh\nif [ "$1" = -c ]; then echo True; echo "$0"; exit 0; fi\n'
        "echo 'The virtual environment was not created successfully because ensurepip is not'\n"
        "echo 'available.  On Debian/Ubuntu systems, you need to install the python3-venv'\n"
        "exit 1\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent))
    made = Environment(PROJECT, "the test", tmp_path / "env", (), python=other)
    with pytest.raises(BuildError, match=f"apt-get install python{re.escape(name)}-venv"):
        made.ensure()


def test_a_full_disk_is_said_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: type("Usage", (), {"free": 10**8})())
    with pytest.raises(BuildError, match=r"needs about 2\.2 GB, and 0\.1 GB are free"):
        environment(tmp_path, "bpy==5.0.1").ensure()
    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize(
    ("log", "why", "passing"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full", False),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "cert", False),
        (
            "ReadTimeoutError(...): Read timed out.\nERROR: No matching distribution",
            "network",
            True,
        ),
        ("ERROR: No matching distribution found for bpy==1.0", "no bpy==1.0", False),
        ("ERROR: something new", "something new", False),
        ("", "without saying why", False),
    ],
)
def test_what_pip_says_is_explained(log: str, why: str, passing: bool) -> None:
    text, may_pass = explain_pip(log)
    assert why in text
    assert may_pass is passing
    assert "\n" not in text


# --- interpreters and pins -----------------------------------------------------------------------


@pytest.fixture
def pins() -> Pins:
    return PROJECT.pins


def test_every_pin_is_exact(pins: Pins) -> None:
    pinned = pins.group("neural", "test", "check")
    for platform in PLATFORMS:
        for tag in OFFICIAL_PYTHONS:
            pinned += pins.bundle(platform, tag)
    pinned += tuple(one for pin in pins.bpy for one in pin.requirements)
    assert pinned
    for pin in pinned:
        assert re.fullmatch(r"[\w.-]+(\[\w+\])?==[\d.]+", pin), pin


@pytest.mark.parametrize(
    ("python", "platform", "version"),
    [
        ((3, 11), "linux-x64", "5.0.1"),
        ((3, 13), "linux-x64", "5.2.3"),
        ((3, 13), "macos-arm64", "5.2.3"),
        ((3, 11), "windows-x64", "5.0.1"),
        ((3, 11), "macos-x64", "4.5.15"),
    ],
)
def test_the_newest_bpy_that_fits(
    pins: Pins, python: tuple[int, int], platform: str, version: str
) -> None:
    assert pins.newest_bpy(python, platform).version == version


def test_no_bpy_for_this_python_says_which_ones_will_do(pins: Pins) -> None:
    with pytest.raises(BuildError, match=r"Python 3\.12 .* Use Python 3\.11 or 3\.13"):
        pins.newest_bpy((3, 12), "linux-x64")


def test_a_short_version_finds_its_pin(pins: Pins) -> None:
    assert pins.find_bpy("4.2").version == "4.2.23"
    assert pins.find_bpy("5.2.3").version == "5.2.3"
    with pytest.raises(BuildError, match=r"Choose from 4\.2\.23"):
        pins.find_bpy("2.79")


def test_an_unsupported_python_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class Version(tuple):
        __slots__ = ()

    monkeypatch.setattr(sys, "version_info", Version((3, 12, 1)))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BuildError, match=r"This is Python 3\.12.*Python 3\.11 or 3\.13"):
        build.main(["demo"])


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("Linux", "x86_64", "linux-x64"),
        ("Darwin", "arm64", "macos-arm64"),
        ("Windows", "AMD64", "windows-x64"),
        ("Windows", "ARM64", "windows-arm64"),
    ],
)
def test_platforms_have_blenders_names(system: str, machine: str, name: str) -> None:
    assert this_platform(system, machine) == name
    assert name in PLATFORMS


def test_an_unknown_word_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        build.main(["check", "--fastly"])
    assert end.value.code == 2
    assert "--fastly" in capsys.readouterr().err


# --- manifest and zips ---------------------------------------------------------------------------


@pytest.fixture
def manifest() -> dict:
    return tomllib.loads((build.ROOT / "blender_manifest.toml").read_text("utf-8"))


def test_the_manifest_keeps_blenders_rules(manifest: dict, pins: Pins) -> None:
    assert manifest["id"] == PACKAGE
    assert manifest["version"] == pins.version
    assert manifest["blender_version_min"] == "4.2.0"
    assert manifest["license"] == ["SPDX:GPL-3.0-or-later"]
    assert len(manifest["tagline"]) <= 64
    reasons = [manifest["tagline"], *manifest["permissions"].values()]
    assert set(manifest["permissions"]) == {"network", "files", "clipboard"}
    assert all(reason and len(reason) <= 64 and reason[-1].isalnum() for reason in reasons)


@given(names=st.lists(st.from_regex(r"\./wheels/[\w.+-]{1,30}\.whl", fullmatch=True), max_size=5))
def test_wheels_go_into_the_manifest_and_the_rest_stays(names: list[str]) -> None:
    template = (build.ROOT / "blender_manifest.toml").read_text("utf-8")
    text = manifest_text(template, ["linux-x64"], names)
    wanted = {**tomllib.loads(template), "platforms": ["linux-x64"], "wheels": names}
    assert tomllib.loads(text) == wanted


def test_the_same_sources_give_the_same_zip(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyproject.toml", "blender_manifest.toml", "LICENSE"):
        (tmp_path / name).write_bytes((build.ROOT / name).read_bytes())
    text = (tmp_path / "pyproject.toml").read_text("utf-8")
    text, replaced = re.subn(
        r"^bundle = \[.*?^\]", 'bundle = ["paintbox==1.0"]', text, flags=re.MULTILINE | re.DOTALL
    )
    assert replaced == 1
    (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    package = tmp_path / PACKAGE
    (package / "data").mkdir(parents=True)
    (package / "__pycache__").mkdir()
    (package / "__init__.py").write_text("x = 1\n")
    (package / "data" / "b.toml").write_text("")
    (package / "data" / "a.toml").write_text("")
    (package / "__pycache__" / "x.pyc").write_text("")
    (package / ".hidden").write_text("")
    monkeypatch.delenv("GENAI_RENDER_ENVIRONMENTS", raising=False)
    small = Project(tmp_path)
    first = build_zip(small, "macos-arm64", "cp313", tmp_path / "one")
    os.utime(package / "__init__.py", (1, 1))
    second = build_zip(small, "macos-arm64", "cp313", tmp_path / "two")
    assert first.read_bytes() == second.read_bytes()
    assert first.name == f"genai_render-{small.pins.version}-macos-arm64-cp313.zip"
    with zipfile.ZipFile(first) as archive:
        assert archive.namelist() == [
            "LICENSE",
            "__init__.py",
            "blender_manifest.toml",
            "data/a.toml",
            "data/b.toml",
            "wheels/paintbox-1.0-py3-none-any.whl",
        ]
        told = tomllib.loads(archive.read("blender_manifest.toml").decode())
    assert told["platforms"] == ["macos-arm64"]
    assert told["wheels"] == ["./wheels/paintbox-1.0-py3-none-any.whl"]


# The licences of what ships, as the packages state them: each may go along with GPL-3.0.
_COMPATIBLE = re.compile(r"MIT|BSD|Apache|PSF|Python Software Foundation|MPL", re.IGNORECASE)


@pytest.mark.parametrize(
    ("platform", "system", "os_name"),
    [
        ("linux-x64", "linux", "posix"),
        ("windows-x64", "win32", "nt"),
        ("macos-arm64", "darwin", "posix"),
    ],
)
@pytest.mark.parametrize("tag", ["cp311", "cp313"])
def test_what_ships_stands_on_nothing_that_is_missing(
    pins: Pins, platform: str, system: str, os_name: str, tag: str
) -> None:
    """By what the installed packages themselves require, for each platform and Python."""
    table = tomllib.loads((build.ROOT / "pyproject.toml").read_text("utf-8"))
    settled = table["tool"]["genai_render"]
    elsewhere = {*settled["blenders-own"], *settled["never-used"]}
    shipped = {canonicalize_name(pin.partition("==")[0]) for pin in pins.bundle(platform, tag)}
    assert {"openai", "google-genai", "keyring", "pillow"} <= shipped
    assert not shipped & set(settled["blenders-own"]), "Blender brings these along"
    some = pins.group("bundle-linux", "bundle-windows", "bundle-cp311")
    not_everywhere = {canonicalize_name(pin.partition("==")[0]) for pin in some}
    version = f"{tag[2]}.{tag[3:]}"
    about = {
        **{"sys_platform": system, "os_name": os_name, "python_version": version},
        **{"python_full_version": f"{version}.0", "extra": ""},
    }
    for name in shipped:
        try:
            required = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            assert name in not_everywhere, f"{name} is not installed"
            continue
        licence = metadata.metadata(name)
        said = " ".join(
            [licence.get("License-Expression") or licence.get("License") or ""]
            + (licence.get_all("Classifier") or [])
        )
        assert _COMPATIBLE.search(said), f"{name}: {said}"
        for text in required:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate(about):
                assert canonicalize_name(needed.name) in shipped | elsewhere, f"{name}: {text}"


@pytest.mark.parametrize(("platform", "tag"), [("amiga-m68k", "cp313"), ("linux-x64", "3.13")])
def test_an_unknown_platform_or_tag_is_refused(tmp_path: Path, platform: str, tag: str) -> None:
    with pytest.raises(BuildError, match="is no"):
        build_zip(PROJECT, platform, tag, tmp_path)


def test_a_program_that_is_not_blender_is_refused() -> None:
    with pytest.raises(BuildError, match="does not answer as Blender"):
        ask_blender(sys.executable)
    with pytest.raises(BuildError, match="is no program"):
        ask_blender("/nowhere/blender")


def test_the_table_lines_up() -> None:
    rows = [{"file": "a.png", "engine s": "1.0"}, {"file": "longer.png", "engine s": "12.0"}]
    assert table(rows) == [
        "file        engine s",
        "----------  --------",
        "a.png            1.0",
        "longer.png      12.0",
    ]
