# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py demo: the sample scene and three pictures of it, by the product's own command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .console import last_line, say, short_path, table
from .environments import main_environment
from .errors import BuildError
from .project import PACKAGE, Project
from .variables import bpy_environ


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


@dataclass(frozen=True)
class DemoFolder:
    """Where the demo puts what it makes."""

    root: Path

    @property
    def scene(self) -> Path:
        return self.root / f"{DEMO_SCENE}.blend"

    @property
    def references(self) -> Path:
        return self.root / "references"

    @property
    def history(self) -> Path:
        return self.root / "history"


def demo(project: Project, output: Path) -> int:
    """Make the sample scene and three pictures of it through the product's own command line."""
    python = main_environment(project).ensure()
    folder = DemoFolder(output.resolve())
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(
            f"{folder.root} cannot be made: {error.strerror}. Give another --output."
        ) from error
    started = time.monotonic()
    say(f"Building the sample scene, {short_path(folder.scene)}")
    words = [str(python), "-c", _BUILD_SCENE, DEMO_SCENE, str(folder.scene)]
    _quietly(project, words, "The sample scene")
    say(f"Painting the reference pictures, {short_path(folder.references)}")
    words = [str(python), "-m", "tests.scenes.references", str(folder.references)]
    _quietly(project, words, "The references")
    rows: list[dict[str, str]] = []
    for number, shot in enumerate(DEMO, start=1):
        say(f'[{number}/{len(DEMO)}] {shot.style}: "{shot.prompt}"')
        rows.append(_take(project, python, shot, folder))
    say("")
    for line in table(rows):
        say(line)
    say("")
    say(f"Pictures  {folder.root}")
    say(f"History   {folder.history}")
    say(f"Scene     {folder.scene}")
    say(f"Done in {time.monotonic() - started:.0f} s.")
    return 0


def _take(project: Project, python: Path, shot: Shot, folder: DemoFolder) -> dict[str, str]:
    """Make one picture, saying how far it is; gives its row of the closing table."""
    words = [str(python), "-m", PACKAGE, str(folder.scene), "render", "--json"]
    words += ["--prompt", shot.prompt, "--style", shot.style, "--resolution", "1K", "--seed", "7"]
    if shot.camera:
        words += ["--camera", shot.camera]
    for name, role in shot.references:
        words += ["--reference", f"{folder.references / name}.png={role}"]
    words += ["--output", str(folder.root / shot.name), "--history", str(folder.history)]
    result: dict[str, Any] = {}
    clock = {"start": time.monotonic()}
    shown = ""
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=bpy_environ(project)
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
                step = "capture" if event["message"].startswith("Capturing") else "engine"
                clock.setdefault(step, now)
                shown = _progress_line(event, shown)
            elif event["event"] == "result":
                result = event
                clock["end"] = now
        errors = process.stderr.read()
    if sys.stdout.isatty() and shown:
        say("")
    if process.returncode != 0 or not result:
        raise BuildError(
            f"The picture was not made (exit code {process.returncode}): {last_line(errors)}"
        )
    engine = float(result["seconds"])
    engine_start = clock.get("engine", clock["end"] - engine)
    path = Path(result["path"])
    names = " + ".join(f"{name} ({role})" for name, role in shot.references)
    return {
        "file": str(path.relative_to(folder.root)),
        "style": shot.style,
        "prompt": shot.prompt,
        "references": names or "none",
        "size": f"{result['width']}x{result['height']}",
        "start s": f"{clock.get('capture', engine_start) - clock['start']:.1f}",
        "capture s": f"{engine_start - clock.get('capture', engine_start):.1f}",
        "engine s": f"{engine:.1f}",
        "save s": f"{max(0.0, clock['end'] - engine_start - engine):.1f}",
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


def _quietly(project: Project, words: Sequence[str], what: str) -> None:
    ended = subprocess.run(
        words,
        capture_output=True,
        text=True,
        cwd=project.root,
        check=False,
        env=bpy_environ(project),
    )
    if ended.returncode != 0:
        raise BuildError(f"{what} failed (exit code {ended.returncode}): {last_line(ended.stderr)}")
