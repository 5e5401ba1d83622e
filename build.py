#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""One command for everything: demo, test, check, zip, install, bench.

Standard library only. It makes the environments it needs from the pins in pyproject.toml, with
pip as you have configured it, and uses them again the next time.
"""

from __future__ import annotations

# Nothing here may need a newer Python than 3.8 before main() has said which ones will do.
import argparse
import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence  # noqa: UP035

ROOT = Path(__file__).resolve().parent
PACKAGE = "genai_render"
BPY_PYTHONS = ((3, 11), (3, 13))  # the interpreters that the bpy module is made for
STAMP = "genai_render.json"
ON_WINDOWS = os.name == "nt"

# What bpy needs on a Debian without a desktop; the names are the same on Ubuntu up to 22.04.
DEBIAN_LIBRARIES = (
    *("libegl1", "libegl-mesa0", "libgl1", "libgl1-mesa-dri", "libgomp1", "libice6", "libsm6"),
    *("libx11-6", "libxext6", "libxfixes3", "libxi6", "libxkbcommon0", "libxrender1"),
    "libxxf86vm1",
)

# Blender's name of a platform → pip's, the best first.
PLATFORMS = {
    "linux-x64": (*(f"manylinux_2_{n}_x86_64" for n in range(28, 16, -1)), "manylinux2014_x86_64"),
    "macos-arm64": ("macosx_11_0_arm64", "macosx_11_0_universal2"),
    "macos-x64": ("macosx_10_15_x86_64", "macosx_10_15_universal2"),
    "windows-x64": ("win_amd64",),
    "windows-arm64": ("win_arm64",),
}
# The Pythons inside official Blender: 4.2 to 5.0, and 5.1 up. No Blender 5.1 runs on Intel Macs.
OFFICIAL_PYTHONS = ("cp311", "cp313")
NOT_OFFERED = {("macos-x64", "cp313")}


class BuildError(Exception):
    """Something that the person at the keyboard can mend. Its text says what and how."""


def say(text: str) -> None:
    print(text, flush=True)


# --- pins ----------------------------------------------------------------------------------------


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
        import tomllib

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
                f"There is no bpy module for Python {_dotted(python)} on {here}. "
                f"Use Python {_or(sorted({_dotted(p.python) for p in self.bpy}))}"
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


def _normal(name: str) -> str:
    """One spelling for "jaraco.context", "jaraco_context" and "Jaraco-Context"."""
    return re.sub(r"[-_.]+", "_", name).lower()


def _minor(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def _or(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def this_platform(system: str | None = None, machine: str | None = None) -> str:
    """Blender's name of a platform, such as "linux-x64"."""
    systems = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}
    machines = {"x86_64": "x64", "amd64": "x64", "arm64": "arm64", "aarch64": "arm64"}
    system = system or platform.system()
    machine = machine or platform.machine()
    return f"{systems.get(system, system.lower())}-{machines.get(machine.lower(), machine)}"


# --- interpreters --------------------------------------------------------------------------------


def find_python(wanted: tuple[int, int]) -> str | None:
    """The path of an interpreter of that version that really starts, or None."""
    if sys.version_info[:2] == wanted:
        return sys.executable
    name = _dotted(wanted)
    tries = [[f"python{name}"]]
    if ON_WINDOWS:
        tries = [["py", f"-{name}"], ["python"]]
    ask = f"import sys; print(sys.version_info[:2] == {wanted!r}); print(sys.executable)"
    for command in tries:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            told = subprocess.run(
                [*command, "-c", ask], capture_output=True, text=True, timeout=30, check=False
            ).stdout.split("\n")
            if told[0].strip() == "True":
                return told[1].strip()
    return None


def hand_over(arguments: Sequence[str], fitting: Sequence[tuple[int, int]]) -> int:
    """Run this file again with an interpreter that fits. Raises BuildError where there is none."""
    for version in sorted(fitting, reverse=True):
        found = find_python(version)
        if found:
            say(f"Python {_dotted(sys.version_info[:2])} does not fit; using {found}.")
            return subprocess.call([found, str(Path(__file__).resolve()), *arguments])
    names = _or([_dotted(version) for version in fitting])
    raise BuildError(
        f"This is Python {_dotted(sys.version_info[:2])}, and the bpy module is only made for "
        f"Python {names}. Install one of them, then run: python{_dotted(fitting[0])} build.py …"
    )


# --- environments --------------------------------------------------------------------------------


class Environment:
    """A virtual environment with pinned packages and this checkout importable.

    Its stamp says how far making it got, and is written last: "making", then "installed", then
    "ready" once its packages were imported. What a broken run left is found by it and mended.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        requirements: Sequence[str],
        python: tuple[int, int] | None = None,
        imports: Sequence[str] = (),
    ) -> None:
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
        return self.folder / "lib" / f"python{_dotted(self.version)}" / "site-packages"

    @property
    def fingerprint(self) -> str:
        """Changes whenever a pin, the interpreter or the checkout's place does."""
        facts = [*sorted(self.requirements), *self.imports, _dotted(self.version), str(ROOT)]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]

    def ensure(self) -> Path:
        """Make it, mend it, or find it ready; returns its interpreter. Raises BuildError."""
        if self._state() == "ready":
            return self.python
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        beside = ROOT / ".cache" if self.folder.parent == ROOT else self.folder.parent
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
            (_normal(name), version)
            for entry in self.site_packages.glob("*.dist-info")
            if (entry / "RECORD").is_file()
            for name, _, version in [entry.stem.rpartition("-")]
        }
        for requirement in self.requirements:
            name, _, version = re.sub(r"\[.*?\]", "", requirement).partition("==")
            if (_normal(name), version) not in present:
                return False
        return self._link.is_file()

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
        started = time.monotonic()
        if state == "foreign":
            aside = _free_name(self.folder.with_name(self.folder.name + "-old"))
            self.folder.rename(aside)
            say(f"{_short(self.folder)} was not made by build.py: moved to {_short(aside)}.")
        if state == "changed":
            say(f"{_short(self.folder)}: the pins have changed, updating it.")
            try:
                self._install()
            except BuildError as error:
                say(f"  {error}\n  Making it anew.")
                state = "making"
        if state == "making":
            say(f"{_short(self.folder)} is half made or damaged: making it anew.")
            _remove(self.folder)
        if state in ("making", "missing", "foreign"):
            say(f"Making {_short(self.folder)} for {self.name} (Python {_dotted(self.version)}).")
            self._create()
            self._install()
        self._try_imports()
        self._stamp("ready")
        say(f"{_short(self.folder)} is ready ({time.monotonic() - started:.0f} s).")

    def _create(self) -> None:
        interpreter = find_python(self.version)
        if interpreter is None:
            name = f"python{_dotted(self.version)}"
            raise BuildError(
                f"{self.name} needs Python {_dotted(self.version)}, and there is no {name} here. "
                "Install it, then run this again."
            )
        need = 2.2 if any(pin.startswith("bpy==") for pin in self.requirements) else 0.3
        free = shutil.disk_usage(self.folder.parent).free / 1e9
        if free < need:
            raise BuildError(
                f"{_short(self.folder)} needs about {need:.1f} GB, and {free:.1f} GB are free in "
                f"{self.folder.parent}. Make room, then run this again."
            )
        try:
            self.folder.mkdir()
            self._stamp("making")
        except OSError as error:
            raise BuildError(
                f"{self.folder} cannot be made: {error.strerror}. "
                "Use a folder that you may write to."
            ) from error
        told = subprocess.run(
            [interpreter, "-m", "venv", str(self.folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if told.returncode != 0:
            text = told.stdout + told.stderr
            if "ensurepip" in text or "No module named venv" in text:
                raise BuildError(
                    f"Python {_dotted(self.version)} is here without its venv module. On Debian "
                    f"and Ubuntu: sudo apt-get install python{_dotted(self.version)}-venv"
                )
            raise BuildError(f"{interpreter} -m venv failed: {_last_line(text)}")

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
        self._link.write_text(f"{ROOT}\n", encoding="utf-8")
        self._stamp("installed")

    def _try_imports(self) -> None:
        """Import what was installed, in a process that may die of a missing library."""
        if not self.imports:
            return
        told = subprocess.run(
            [str(self.python), "-c", f"import {', '.join(self.imports)}"],
            capture_output=True,
            text=True,
            check=False,
            env=clean_environ(),
        )
        if told.returncode == 0:
            return
        missing = re.search(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object", told.stderr)
        if missing:
            raise BuildError(
                f"bpy needs {missing[1]}, which this system does not have. On Debian and Ubuntu: "
                f"sudo apt-get install {' '.join(DEBIAN_LIBRARIES)}"
            )
        raise BuildError(
            f"{self.name} is installed but does not start "
            f"(exit code {told.returncode}): {_last_line(told.stderr)}"
        )


def main_environment(pins: Pins) -> Environment:
    """.venv: the newest bpy for this interpreter, and all that the demo and the tests use."""
    python = sys.version_info[:2]
    bpy = pins.newest_bpy(python)
    return Environment(
        f"bpy {bpy.version}",
        ROOT / ".venv",
        (*bpy.requirements, *pins.for_tests(python), *pins.neural()),
        imports=("bpy", "numpy", "PIL", "pytest"),
    )


def _extra_folder(name: str) -> Path:
    # A place outside of the checkout can outlive it, as CI wants.
    chosen = os.environ.get("GENAI_RENDER_ENVIRONMENTS")
    return (Path(chosen) if chosen else ROOT / ".cache" / "envs") / name


def bpy_environment(pins: Pins, pin: BpyPin) -> Environment:
    """Another version of bpy, without the optional packages."""
    return Environment(
        f"bpy {pin.version}",
        _extra_folder(f"bpy-{pin.version}"),
        (*pin.requirements, *pins.for_tests(pin.python)),
        python=pin.python,
        imports=("bpy", "numpy", "PIL", "pytest"),
    )


def check_environment(pins: Pins) -> Environment:
    """Linters. Apart from bpy, because its type stubs are packages of the same name."""
    return Environment(
        "the checks",
        _extra_folder("check"),
        (*pins.for_tests(sys.version_info[:2]), *pins.group("check"), *pins.neural()),
    )


def tools_environment() -> Environment:
    """Nothing but pip, which the system's own Python may lack."""
    return Environment("pip", _extra_folder("tools"), ())


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; the system lets go of it whenever the process ends."""
    with path.open("a+b") as file:
        take: Callable[[], object]
        if ON_WINDOWS:
            import msvcrt

            file.seek(0)
            take = lambda: msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore # noqa: E731
        else:
            import fcntl

            take = lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # noqa: E731
        told = False
        while True:
            try:
                take()
                break
            except OSError:
                if not told:
                    say("Waiting for another build.py to finish with this environment.")
                    told = True
                time.sleep(0.5)
        yield


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


def _short(path: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def clean_environ(**extra: str) -> dict[str, str]:
    """The environment variables, less those that would bring another Python's packages in."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    kept.update(extra)
    return kept


def bpy_environ() -> dict[str, str]:
    """For processes that use bpy: with user files of the checkout's own.

    bpy shares those of a Blender that is installed, and its factory settings remove the packages
    of that Blender's extensions.
    """
    folder = ROOT / ".cache" / "blender-user"
    folder.mkdir(parents=True, exist_ok=True)
    return clean_environ(BLENDER_USER_RESOURCES=str(folder))


# --- pip -----------------------------------------------------------------------------------------


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
            told = line.strip()
            if told.startswith(("Downloading ", "Using cached ", "Installing collected")):
                if told.startswith("Installing"):
                    told = f"Installing {told.count(',') + 1} packages"
                say(f"  {told}")
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
            f"there is no {missing[1]} for Python {_dotted(sys.version_info[:2])} on "
            f"{this_platform()} where pip looks. Check pip's own configuration: pip config list.",
            False,
        )
    errors = re.findall(r"ERROR: (.+)", log)
    return (errors[-1] if errors else "pip failed without saying why.").strip(), False


# --- demo ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shot:
    """One picture of the demo. references: names of reference pictures, with their roles."""

    name: str
    camera: str | None
    style: str
    prompt: str
    references: tuple[tuple[str, str], ...] = ()


DEMO_SCENE = "product"
DEMO = (
    Shot("1-golden-hour", "Camera", "movie", "golden hour, cinematic, shallow depth of field"),
    Shot(
        "2-watercolor",
        "Straight",
        "auto",
        "watercolor, soft morning light",
        references=(("meadow", "style"),),
    ),
    Shot(
        "3-neon-night",
        "Close-up",
        "cyberpunk",
        "neon lights, glow, vibrant",
        references=(("neon", "style"), ("patina", "material")),
    ),
)

_BUILD_SCENE = """
import importlib, sys
import bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
importlib.import_module("tests.scenes." + sys.argv[1]).build()
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[2], compress=True)
"""


def demo(output: Path) -> int:
    """Make the sample scene and three pictures of it through the product's own command line."""
    python = main_environment(Pins(ROOT / "pyproject.toml")).ensure()
    output = output.resolve()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(
            f"{output} cannot be made: {error.strerror}. Give another --output."
        ) from error
    started = time.monotonic()
    scene = output / f"{DEMO_SCENE}.blend"
    say(f"Building the sample scene, {_short(scene)}")
    _quietly([str(python), "-c", _BUILD_SCENE, DEMO_SCENE, str(scene)], "The sample scene")
    references = output / "references"
    say(f"Painting the reference pictures, {_short(references)}")
    _quietly([str(python), "-m", "tests.scenes.references", str(references)], "The references")
    rows = [
        _demo_shot(python, shot, number, scene, references, output)
        for number, shot in enumerate(DEMO, start=1)
    ]
    say("")
    for line in table(rows):
        say(line)
    say("")
    say(f"Pictures  {output}")
    say(f"History   {output / 'history'}")
    say(f"Scene     {scene}")
    say(f"Done in {time.monotonic() - started:.0f} s.")
    return 0


def _demo_shot(
    python: Path, shot: Shot, number: int, scene: Path, references: Path, output: Path
) -> dict[str, str]:
    say(f'[{number}/{len(DEMO)}] {shot.style}: "{shot.prompt}"')
    words = [str(python), "-m", PACKAGE, str(scene), "render", "--json"]
    words += ["--prompt", shot.prompt, "--style", shot.style, "--resolution", "1K", "--seed", "7"]
    if shot.camera:
        words += ["--camera", shot.camera]
    for name, role in shot.references:
        words += ["--reference", f"{references / name}.png={role}"]
    words += ["--output", str(output / shot.name), "--history", str(output / "history")]
    made: dict[str, Any] = {}
    clock = {"start": time.monotonic()}
    shown = ""
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=bpy_environ()
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            now = time.monotonic()
            try:
                event = json.loads(line)
            except ValueError:
                raise BuildError(f"The command line printed what is no JSON: {line!r}") from None
            if event["event"] == "progress":
                step = "capture" if event["fraction"] is None else "engine"
                clock.setdefault(step, now)
                shown = _progress_line(event, shown)
            elif event["event"] == "result":
                made = event
                clock["end"] = now
        errors = process.stderr.read()
    if sys.stdout.isatty() and shown:
        say("")
    if process.returncode != 0 or not made:
        raise BuildError(
            f"The picture was not made (exit code {process.returncode}): {_last_line(errors)}"
        )
    engine = float(made["seconds"])
    begun = clock.get("engine", clock["end"] - engine)
    path = Path(made["path"])
    names = " + ".join(f"{name} ({role})" for name, role in shot.references)
    return {
        "file": str(path.relative_to(output)),
        "style": shot.style,
        "prompt": shot.prompt,
        "references": names or "none",
        "size": f"{made['width']}x{made['height']}",
        "start s": f"{clock.get('capture', begun) - clock['start']:.1f}",
        "capture s": f"{begun - clock.get('capture', begun):.1f}",
        "engine s": f"{engine:.1f}",
        "save s": f"{max(0.0, clock['end'] - begun - engine):.1f}",
    }


def _progress_line(event: dict[str, Any], shown: str) -> str:
    """Show a progress event, on one line that is written over in a terminal."""
    share = "" if event["fraction"] is None else f"{event['fraction']:4.0%} "
    text = f"  {share}{event['message']}"
    if sys.stdout.isatty():
        print(f"\r\x1b[K{text}", end="", flush=True)
    elif event["message"] != shown:
        say(text)
    return str(event["message"])


def _quietly(words: Sequence[str], what: str) -> None:
    told = subprocess.run(
        words, capture_output=True, text=True, cwd=ROOT, check=False, env=bpy_environ()
    )
    if told.returncode != 0:
        raise BuildError(f"{what} failed (exit code {told.returncode}): {_last_line(told.stderr)}")


def table(rows: Sequence[dict[str, str]]) -> list[str]:
    """The rows as aligned text, numbers to the right."""
    heads = list(rows[0])
    widths = {head: max(len(head), *(len(row[head]) for row in rows)) for head in heads}

    def cells(row: dict[str, str]) -> str:
        return "  ".join(
            row[head].rjust(widths[head]) if head.endswith(" s") else row[head].ljust(widths[head])
            for head in heads
        ).rstrip()

    return [cells({head: head for head in heads}), cells({h: "-" * widths[h] for h in heads})] + [
        cells(row) for row in rows
    ]


# --- test, check, bench --------------------------------------------------------------------------


def test(
    bpy_versions: Sequence[str],
    every: bool,
    blenders: Sequence[str],
    skip_main: bool,
    arguments: Sequence[str],
) -> int:
    """Other bpy versions first and the newest last, so that pytest's own words close the run."""
    pins = Pins(ROOT / "pyproject.toml")
    main_pin = pins.newest_bpy(sys.version_info[:2])
    wanted = [pins.find_bpy(version) for version in bpy_versions]
    if every:
        for pin in pins.bpy:
            if pin == main_pin or pin in wanted or this_platform() in pin.except_on:
                continue
            if find_python(pin.python) is None:
                say(f"bpy {pin.version} is left out: no Python {_dotted(pin.python)} here.")
            else:
                wanted.append(pin)
    failed = []
    for pin in wanted:
        python = bpy_environment(pins, pin).ensure()
        say(f"\nTests with bpy {pin.version}, Python {_dotted(pin.python)}")
        if _pytest(python, arguments or ["tests/pure", "tests/headless"]) != 0:
            failed.append(f"bpy {pin.version}")
    code = 0
    if not skip_main:
        python = main_environment(pins).ensure()
        if failed:
            say(f"\nFailed so far: {', '.join(failed)}")
        if wanted:
            say(f"\nTests with bpy {main_pin.version}, Python {_dotted(main_pin.python)}")
        # In one word each: pytest would take a path that stands alone for where the tests are.
        given = [f"--blender={blender}" for blender in blenders]
        code = _pytest(python, [*given, *(arguments or ["tests"])])
    return code or (1 if failed else 0)


def _pytest(python: Path, arguments: Sequence[str]) -> int:
    code = subprocess.call([str(python), "-m", "pytest", *arguments], cwd=ROOT, env=bpy_environ())
    if code not in (0, 1, 2, 3, 4, 5):
        print(
            f"build.py: the tests' process ended by itself, exit code {code}. A crash inside "
            "Blender does that: run the last test that was named with -v.",
            file=sys.stderr,
        )
    return code


def check() -> int:
    """Lint, formatting, types: all three, even where the first fails."""
    python = check_environment(Pins(ROOT / "pyproject.toml")).ensure()
    failed = []
    for name, words in (
        ("ruff check", ["-m", "ruff", "check", "."]),
        ("ruff format", ["-m", "ruff", "format", "--check", "."]),
        ("pyright", ["-m", "pyright", "--pythonpath", str(python)]),
    ):
        say(f"{name} …")
        code = subprocess.call(
            [str(python), *words],
            cwd=ROOT,
            env=clean_environ(PYRIGHT_PYTHON_IGNORE_WARNINGS="1"),
        )
        if code != 0:
            failed.append(name)
    if failed:
        raise BuildError(f"{', '.join(failed)} found something to mend (above).")
    say("All checks passed.")
    return 0


def bench(arguments: Sequence[str]) -> int:
    """How long the engine takes, as a ratio to a fixed piece of numpy work."""
    python = main_environment(Pins(ROOT / "pyproject.toml")).ensure()
    return subprocess.call(
        [str(python), str(ROOT / "tests" / "bench.py"), *arguments], cwd=ROOT, env=bpy_environ()
    )


# --- zip, install --------------------------------------------------------------------------------


def manifest_text(template: str, platforms: Sequence[str], wheels: Sequence[str]) -> str:
    """The manifest of one zip: `platforms` and `wheels` go before the first table."""
    lines = ["platforms = " + json.dumps(list(platforms)), "wheels = ["]
    lines += [f"  {json.dumps(wheel, ensure_ascii=False)}," for wheel in wheels]
    lines += ["]", ""]
    head, bracket, rest = template.partition("\n[")
    return head.rstrip("\n") + "\n\n" + "\n".join(lines) + bracket + rest


def fetch_wheels(pins: Pins, platform_name: str, tag: str) -> list[Path]:
    """The bundled packages' wheels for a platform and Python tag ("cp311"), from pip or kept."""
    wanted = pins.bundle(platform_name, tag)
    kept = ROOT / ".cache" / "wheels" / f"{platform_name}-{tag}"
    kept.mkdir(parents=True, exist_ok=True)
    missing = [pin for pin in wanted if _wheel_of(kept, pin) is None]
    if missing:
        say(f"Fetching {', '.join(missing)} for {platform_name} {tag}")
        python = tools_environment().ensure()
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
    found = [_wheel_of(kept, pin) for pin in wanted]
    if None in found:
        raise BuildError(f"pip gave other wheels than {', '.join(wanted)}. Delete {kept}.")
    return sorted(wheel for wheel in found if wheel is not None)


def _wheel_of(folder: Path, pin: str) -> Path | None:
    name, _, version = pin.partition("==")
    for path in sorted(folder.glob("*.whl")):
        parts = path.name.split("-")
        if (_normal(parts[0]), parts[1]) == (_normal(name), version):
            return path
    return None


def package_files() -> list[Path]:
    """What ships, relative to the package: all of it, less what Python and editors leave."""
    folder = ROOT / PACKAGE
    return sorted(
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file()
        and path.suffix not in (".pyc", ".blend1")
        and not any(
            part.startswith((".", "__pycache__")) for part in path.relative_to(folder).parts
        )
    )


def build_zip(pins: Pins, platform_name: str, tag: str, folder: Path) -> Path:
    """An extension for one platform and Python tag. The same sources give the same bytes."""
    if platform_name not in PLATFORMS:
        raise BuildError(f'"{platform_name}" is no platform. Choose from {", ".join(PLATFORMS)}.')
    if not re.fullmatch(r"cp3\d\d", tag):
        raise BuildError(f'"{tag}" is no Python tag. Write it like {OFFICIAL_PYTHONS[0]}.')
    wheels = fetch_wheels(pins, platform_name, tag)
    template = (ROOT / "blender_manifest.toml").read_text("utf-8")
    manifest = manifest_text(template, [platform_name], [f"./wheels/{w.name}" for w in wheels])
    members: dict[str, bytes] = {
        "blender_manifest.toml": manifest.encode(),
        "LICENSE": (ROOT / "LICENSE").read_bytes(),
        **{f"wheels/{wheel.name}": wheel.read_bytes() for wheel in wheels},
        **{path.as_posix(): (ROOT / PACKAGE / path).read_bytes() for path in package_files()},
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = folder / f"{PACKAGE}-{pins.version}-{platform_name}-{tag}.zip"
        fresh = made.with_suffix(".part")
        with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name in sorted(members):
                entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                entry.external_attr = 0o644 << 16
                entry.create_system = 3
                packed = name.endswith((".whl", ".png", ".webp", ".jpg"))
                kind = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
                archive.writestr(entry, members[name], compress_type=kind)
        fresh.replace(made)
    except OSError as error:
        raise BuildError(f"{folder} cannot be written: {error.strerror}.") from error
    return made


def make_zips(platforms: Sequence[str], tags: Sequence[str], folder: Path) -> int:
    pins = Pins(ROOT / "pyproject.toml")
    for name in platforms or PLATFORMS:
        for tag in tags or OFFICIAL_PYTHONS:
            if (name, tag) in NOT_OFFERED and not (platforms and tags):
                continue
            made = build_zip(pins, name, tag, folder)
            say(f"{_short(made)}  {made.stat().st_size / 1e6:.1f} MB")
    return 0


@dataclass(frozen=True)
class BlenderFacts:
    """What an installed Blender says of itself."""

    version: tuple[int, ...]
    tag: str
    platform: str


_MARK = "genai_render facts: "
_ASK = (
    "import sys, json, platform, bpy; print(); "
    f"print({_MARK!r} + json.dumps([list(bpy.app.version), "
    "list(sys.version_info[:2]), platform.system(), platform.machine()]))"
)


def ask_blender(executable: str) -> BlenderFacts:
    """Start that Blender in background and let it say what it is. Raises BuildError."""
    path = Path(executable)
    if path.suffix == ".app":
        path = path / "Contents" / "MacOS" / "Blender"
    program = shutil.which(str(path))
    if program is None:
        raise BuildError(f'"{executable}" is no program. Give the path of Blender\'s executable.')
    words = [program, "-b", "--factory-startup", "--python-expr", _ASK]
    try:
        told = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{program} did not start: {error}") from error
    for line in told.stdout.splitlines():
        if line.startswith(_MARK):
            version, python, system, machine = json.loads(line[len(_MARK) :])
            return BlenderFacts(
                tuple(version), f"cp{python[0]}{python[1]}", this_platform(system, machine)
            )
    raise BuildError(
        f"{program} does not answer as Blender (exit code {told.returncode}): "
        f"{_last_line(told.stderr or told.stdout)}"
    )


def install(executable: str) -> int:
    """Build the zip that fits a Blender and install it with that Blender's own command."""
    facts = ask_blender(executable)
    if facts.version < (4, 2):
        raise BuildError(f"This is Blender {_dotted(facts.version)}; 4.2 or newer is needed.")
    say(f"Blender {_dotted(facts.version)}, {facts.platform}, {facts.tag}")
    zipped = build_zip(Pins(ROOT / "pyproject.toml"), facts.platform, facts.tag, ROOT / "dist")
    program = str(shutil.which(executable) or executable)
    if Path(program).suffix == ".app":
        program = str(Path(program) / "Contents" / "MacOS" / "Blender")
    for what, words in (
        ("validate", ["validate", str(zipped)]),
        ("install", ["install-file", "-r", "user_default", "--enable", str(zipped)]),
    ):
        told = subprocess.run(
            [program, "--command", "extension", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        failed = re.search(r"^(?:Error|FATAL_ERROR).*", told.stdout, re.MULTILINE)
        if told.returncode != 0 or failed:
            why = failed[0] if failed else _last_line(told.stdout)
            raise BuildError(f"Blender could not {what} {_short(zipped)}: {why}")
    say(f"Installed {_short(zipped)} in Blender {_dotted(facts.version)} and enabled it.")
    return 0


# --- the command line ----------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="build.py", description=__doc__, allow_abbrev=False)
    commands = made.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, allow_abbrev=False)

    one = command("demo", "make the sample scene and three pictures of it")
    one.add_argument("--output", type=Path, default=ROOT / "build" / "demo", metavar="DIR")
    one = command("test", "run the tests; other words go to pytest")
    one.add_argument(
        *("--blender",), action="append", default=[], metavar="EXE", help="for tests/window"
    )
    one.add_argument(
        *("--bpy",), action="append", default=[], metavar="VERSION", help="with this bpy as well"
    )
    one.add_argument("--all", action="store_true", help="with every pinned bpy that fits here")
    one.add_argument("--only", action="store_true", help="with the --bpy versions only")
    command("check", "ruff and pyright")
    one = command("zip", "build the extension's zips, in dist/")
    one.add_argument(
        *("--platform",), action="append", default=[], metavar="NAME", help=", ".join(PLATFORMS)
    )
    one.add_argument(
        *("--python",), action="append", default=[], metavar="TAG", help="such as cp311"
    )
    one.add_argument("--output", type=Path, default=ROOT / "dist", metavar="DIR")
    one = command("install", "build the zip for a Blender and install it there")
    one.add_argument("--blender", required=True, metavar="EXE")
    command("bench", "time the offline engine; other words go to tests/bench.py")
    return made


def main(arguments: Sequence[str]) -> int:
    reader = parser()
    given, others = reader.parse_known_args(list(arguments))
    if others and given.command not in ("test", "bench"):
        reader.error(f"unknown: {' '.join(others)}")
    with_bpy = given.command in ("demo", "test", "bench")
    if with_bpy and sys.version_info[:2] not in BPY_PYTHONS:
        return hand_over(arguments, BPY_PYTHONS)
    if sys.version_info < (3, 11):  # noqa: UP036  for whoever starts it with an older one
        return hand_over(arguments, BPY_PYTHONS)
    if given.command == "demo":
        return demo(given.output)
    if given.command == "test":
        return test(given.bpy, given.all, given.blender, given.only, others)
    if given.command == "check":
        return check()
    if given.command == "zip":
        return make_zips(given.platform, given.python, given.output)
    if given.command == "install":
        return install(given.blender)
    return bench(others)


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        # A console that lacks a character shows "?" rather than ending the run.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    try:
        sys.exit(main(sys.argv[1:]))
    except BuildError as problem:
        print(f"build.py: {problem}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nbuild.py: stopped. Run it again to go on.", file=sys.stderr)
        sys.exit(130)
