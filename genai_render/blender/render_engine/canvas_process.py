# SPDX-License-Identifier: GPL-3.0-or-later
"""The second Blender, as the first one sees it.

Inside a render, Blender can start no other one, and a render runs in a thread that may not touch
the scene. So another Blender draws the canvas, from a copy of the scene: the file that is open is
not touched, any engine can be used, and a cancel takes effect at once. One process does all frames
of an animation.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...core.errors import Cancelled, GenAIError, SceneError
from ...core.image.display_transform import Inverse
from ...core.view.canvas import Canvas, View
from .. import addon

_LOOK_SECONDS = 0.1
_LAST_LINES = 12
MARK = "genai_render canvas "

Stopped = Callable[[], bool]


class CanvasProcess:
    """Made on the main thread, used by one other. scene: its name; the copy is written here."""

    def __init__(self, scene: bpy.types.Scene) -> None:
        self.scene = scene.name
        self._folder = tempfile.TemporaryDirectory(prefix="genai_render-")
        self._inverse: Inverse | None = None
        self._lock = threading.Lock()
        file = Path(self._folder.name) / "scene.blend"
        try:
            bpy.data.libraries.write(str(file), {scene}, path_remap="ABSOLUTE")
            self._process = subprocess.Popen(
                _command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for us: what it means here, we decide
            )
        except (OSError, RuntimeError) as error:
            self._folder.cleanup()
            raise SceneError(
                "The canvas of this render cannot be drawn.",
                f"A second Blender could not be started ({type(error).__name__}).",
                "Check that there is space on the disk for temporary files.",
            ) from error
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._said: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
        threading.Thread(target=self._read, name="genai-canvas", daemon=True).start()
        self._opened = False
        self._scripts = _may_run_scripts()

    def capture(
        self, layer: str, frame: tuple[int, float], spec: dict[str, Any], stopped: Stopped
    ) -> Canvas:
        """A canvas of one frame. Raises Cancelled, and whatever stands against it."""
        with self._lock, self._answer_folder() as folder:
            answer = self._ask(
                stopped,
                do="capture",
                layer=layer,
                frame=frame[0],
                subframe=frame[1],
                spec=spec,
                folder=str(folder),
            )
            planes = {file.stem: np.load(file) for file in folder.glob("*.npy")}
        return Canvas(
            view=View.from_json(answer["view"]), notices=tuple(answer["notices"]), **planes
        )

    def inverse(self, stopped: Stopped) -> Inverse:
        """The way back through the scene's view transform, measured once."""
        with self._lock:
            if self._inverse is None:
                with self._answer_folder() as folder:
                    self._ask(stopped, do="colors", folder=str(folder))
                    found = {file.stem: np.load(file) for file in folder.glob("*.npy")}
                    self._inverse = Inverse(**found)
            return self._inverse

    def close(self) -> None:
        """End it, whatever it is doing."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                assert stream is not None
                stream.close()
        self._folder.cleanup()

    @contextlib.contextmanager
    def _answer_folder(self):
        with tempfile.TemporaryDirectory(prefix="answer-", dir=self._folder.name) as folder:
            yield Path(folder)

    def _ask(self, stopped: Stopped, **asked: Any) -> dict[str, Any]:
        if not self._opened:
            file = Path(self._folder.name) / "scene.blend"
            self._send(stopped, do="open", file=str(file), scripts=self._scripts)
            self._opened = True
        return self._send(stopped, **asked)

    def _send(self, stopped: Stopped, **asked: Any) -> dict[str, Any]:
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({**asked, "scene": self.scene}) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._gone(stopped) from None
        while True:
            if stopped():
                self.close()
                raise Cancelled()
            try:
                line = self._lines.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            if line is None:
                raise self._gone(stopped)
            answer = json.loads(line)
            if "what" in answer:
                raise SceneError(answer["what"], answer["why"], answer["action"])
            return answer

    def _gone(self, stopped: Stopped) -> GenAIError:
        if stopped():  # whoever ended the render ended this process, too
            return Cancelled()
        return SceneError(
            "The canvas of this render could not be drawn.",
            "The second Blender that draws it ended: " + (self._said[-1] if self._said else ""),
            "If memory was short, close other programs or choose a lower resolution.",
        )

    def _read(self) -> None:
        """In a thread: its answers, and what Blender prints besides."""
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stdout:
                if line.startswith(MARK):
                    self._lines.put(line.removeprefix(MARK))
                elif line.strip():
                    self._said.append(line.strip())
        self._lines.put(None)


_START = f"import importlib; importlib.import_module('{__package__}.canvas_server').main()"


def _command() -> list[str]:
    if not bpy.app.binary_path:  # Blender as a Python module
        package = addon.PACKAGE
        start = f"import bpy, importlib; importlib.import_module('{package}').register(); {_START}"
        return [sys.executable, "-c", start]
    words = [bpy.app.binary_path, "--background"]
    if bpy.app.factory_startup:
        words.append("--factory-startup")
    # Nothing of a canvas is in the network; and what the add-on needs is on this computer.
    return [*words, "--offline-mode", "--addons", addon.PACKAGE, "--python-expr", _START]


def _environment() -> dict[str, str]:
    known = dict(os.environ)
    if not bpy.app.binary_path:
        ours = str(Path(__file__).parents[3])
        known["PYTHONPATH"] = os.pathsep.join(filter(None, (ours, known.get("PYTHONPATH"))))
    return known


def _may_run_scripts() -> bool:
    """Whether scripts in the file may run there: as they may here."""
    return not bpy.app.autoexec_fail and (
        bpy.context.preferences.filepaths.use_scripts_auto_execute
        or any(word in ("-y", "--enable-autoexec") for word in sys.argv)
    )
