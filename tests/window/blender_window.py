# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Blender window on a display of its own, driven by mouse, keys and Python."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent.parent
REMOTE = PROJECT / "tests/window/remote.py"
MODULE = "bl_ext.user_default.genai_render"
SCREEN = (1600, 1000)

_MANIFEST = """schema_version = "1.0.0"
id = "genai_render"
version = "0.0.1"
name = "GenAI Render"
tagline = "Turn the view into a finished image"
maintainer = "genai_render"
type = "add-on"
blender_version_min = "4.2.0"
license = ["SPDX:GPL-3.0-or-later"]
"""


class BlenderWindow:
    """Blender in a window under Xvfb, with genai_render enabled.

    folder: a new, empty folder for its user files, log and screenshots.
    zip: the built extension to install the way a user does; else the working tree is linked in.
    """

    def __init__(
        self, blender: str, folder: Path, shots: Path, zip: Path | None = None, enable: bool = True
    ) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self.folder, self.shots = folder, shots
        self.log = folder / "blender.log"
        self._blender = blender
        self.patience = 120.0  # seconds for what Blender is asked to do, or is busy with before
        self.resources = folder / "resources"
        try:
            self._start(zip, enable)
        except BaseException:
            self.close()
            raise

    def _start(self, zip: Path | None, enable: bool) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.shots.mkdir(parents=True, exist_ok=True)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BLENDER"))},
            "BLENDER_USER_RESOURCES": str(self.resources),
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "DISPLAY": self._start_display(),
            "HOME": str(self.folder),
        }
        if zip is None:
            self._link_extension()
        else:
            self._install(zip)
        port = _free_port()
        self.environment["GENAI_TEST_PORT"] = str(port)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(self._blender, "--factory-startup", "--gpu-backend", "opengl"),
                    *("--window-geometry", "0", "0", *map(str, SCREEN)),
                    *(
                        "--python-exit-code",
                        "1",
                        "--python",
                        str(PROJECT / "tests/window/remote.py"),
                    ),
                ],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        self._processes.append(self.process)
        self._connect(port)
        self.run(
            "preferences = bpy.context.preferences\n"
            "preferences.view.show_splash = False\n"
            "preferences.view.filebrowser_display_type = 'SCREEN'\n"
            "preferences.view.smooth_view = 0\n"
            "preferences.filepaths.use_auto_save_temporary_files = False"
        )
        if enable:
            self.enable()

    def enable(self) -> None:
        enabled = self.run(
            "import addon_utils\n"
            f"answer = addon_utils.enable({MODULE!r}, default_set=True) is not None"
        )
        assert enabled, f"The extension cannot be enabled:\n{self.output()[-3000:]}"

    def open_tab(self, name: str = "GenAI") -> None:
        """Show a tab of the sidebar, as a click on it would."""
        self.run("area().spaces.active.show_region_ui = True")
        end = time.monotonic() + 60
        while not self.run(f"name = {name!r}\n{_SHOW_TAB}"):
            assert time.monotonic() < end, f"the sidebar has no tab {name}"
            time.sleep(0.1)
        self.settle(0.4)

    def disable(self) -> None:
        self.run(f"import addon_utils; addon_utils.disable({MODULE!r}, default_set=True)")

    # What a person sees and does

    def screenshot(self, name: str) -> Path:
        """Picture of the whole screen, kept for people to look at."""
        self.settle()
        path = self.shots / f"{name}.png"
        subprocess.run(
            ["import", "-window", "root", str(path)], env=self.environment, check=True, timeout=60
        )
        return path

    def move_mouse(self, x: float, y: float) -> None:
        """To a pixel of the screen, counted from the top left."""
        # Twice: Blender takes one lone motion for noise in some places.
        self._xdotool("mousemove", str(round(x) - 2), str(round(y)))
        self._xdotool("mousemove", str(round(x)), str(round(y)))

    def click(self, x: float, y: float, button: int = 1) -> None:
        self.move_mouse(x, y)
        self.settle()
        self._xdotool("mousedown", str(button))
        time.sleep(0.08)
        self._xdotool("mouseup", str(button))
        self.settle()

    def drag(self, start: tuple[float, float], end: tuple[float, float], button: int = 1) -> None:
        self.move_mouse(*start)
        self.settle()
        self._xdotool("mousedown", str(button))
        for step in range(1, 9):
            x = start[0] + (end[0] - start[0]) * step / 8
            y = start[1] + (end[1] - start[1]) * step / 8
            self._xdotool("mousemove", str(round(x)), str(round(y)))
            time.sleep(0.06)
        self._xdotool("mouseup", str(button))
        self.settle()

    def scroll(self, down: int) -> None:
        """Turn the mouse's wheel where it is."""
        for _ in range(abs(down)):
            self._xdotool("click", "5" if down > 0 else "4")

    def key(self, *names: str) -> None:
        for name in names:
            self._xdotool("key", name)
            time.sleep(0.08)
        self.settle()

    def type(self, text: str) -> None:
        self._xdotool("type", "--delay", "40", text)
        self.settle()

    def search(self, words: str) -> None:
        """Menu Search, the words, Enter: what somebody does who knows only the name."""
        # By its operator: not every virtual display has a key F3.
        self.run("with override(): bpy.ops.wm.search_menu('INVOKE_DEFAULT')")
        self.settle(2)
        self.type(words)
        self.settle(1)
        self.key("Return")

    def region(self, kind: str = "WINDOW", area: str = "VIEW_3D") -> tuple[int, int, int, int]:
        """x, y (from the top left of the screen), width and height of a region."""
        x, y, width, height, window = self.run(
            f"part = next(r for r in area({area!r}).regions if r.type == {kind!r})\n"
            "answer = part.x, part.y, part.width, part.height, "
            "bpy.context.window_manager.windows[0].height"
        )
        return x, window - y - height, width, height

    def find_button(
        self,
        wanted: str,
        across: float | None = None,
        kind: str = "UI",
        area: str = "VIEW_3D",
        begin: float = 0.0,
    ) -> tuple[int, int]:
        """Where in the sidebar the button of an operator or property is, found by hovering.

        kind, area: of another region than the 3D Viewport's sidebar.
        wanted: a part of what "Copy Python Command" or "Copy Data Path" of the button gives.
        across: where in the sidebar's width, 0 to 1; looked for if it is not said.
        begin: from where in its height, 0 to 1, to look downwards, which takes its time.
        """
        left, top, width, height = self.region(kind, area)
        for share in (0.35, 0.8, 0.12) if across is None else (across,):
            x = left + round((width - 24) * share)
            for y in range(top + 8 + round(height * begin), top + height - 4, 9):
                self.move_mouse(x, y)
                time.sleep(0.03)
                if wanted in self.run(f"where = {kind!r}, {area!r}\n{_UNDER_MOUSE}"):
                    return x, y + 4
        raise AssertionError(f"no button for {wanted!r} in {kind} of {area}")

    def press(self, wanted: str, across: float | None = None, **where: Any) -> None:
        self.click(*self.find_button(wanted, across, **where))

    # What the test asks

    def new_file(self) -> None:
        """File, New, General."""
        self.run("bpy.ops.wm.read_homefile(use_factory_startup=True)", bare=True)
        self.settle()

    def run(self, code: str, timeout: float | None = None, bare: bool = False) -> Any:
        """Run Python on Blender's main thread; gives what the code assigned to `answer`.

        bare: without a window in the context, as what replaces the windows has to be run.
        """
        self._socket.settimeout(timeout or self.patience)
        self._stream.write(json.dumps({"code": code, "bare": bare}) + "\n")
        self._stream.flush()
        line = self._stream.readline()
        if not line:
            raise AssertionError(f"Blender has gone away:\n{self.output()[-3000:]}")
        reply = json.loads(line)
        if "error" in reply:
            raise AssertionError(reply["error"])
        return reply["value"]

    def wait_for(self, condition: str, timeout: float = 120) -> Any:
        """Until an expression in Blender is true."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            value = self.run(f"answer = {condition}")
            if value:
                return value
            time.sleep(0.1)
        raise AssertionError(
            f"still not so after {timeout} s: {condition}\n{self.output()[-2000:]}"
        )

    def settle(self, seconds: float = 0.25) -> None:
        """Until Blender has handled what was sent and has drawn."""
        time.sleep(seconds)
        self.run("pass")
        self.run("pass")

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def python_errors(self) -> list[str]:
        return [
            line
            for line in self.output().splitlines()
            if "Traceback" in line
            or line.startswith(("Error: Python", "TypeError", "AttributeError"))
        ]

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._stream.close()
            self._socket.close()
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    # How it is started

    def _start_display(self) -> str:
        read, write = os.pipe()
        server = subprocess.Popen(
            [
                *("Xvfb", "-displayfd", str(write), "-nolisten", "tcp"),
                *("-screen", "0", f"{SCREEN[0]}x{SCREEN[1]}x24"),
            ],
            pass_fds=[write],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._processes.append(server)
        os.close(write)
        with os.fdopen(read) as numbers:
            number = numbers.readline().strip()
        if not number:
            raise RuntimeError("Xvfb does not start")
        return f":{number}"

    def _link_extension(self) -> None:
        extension = self.resources / "extensions/user_default/genai_render"
        extension.mkdir(parents=True)
        for child in (PROJECT / "genai_render").iterdir():
            if child.name not in ("__pycache__", "blender_manifest.toml"):
                (extension / child.name).symlink_to(child)
        manifest = PROJECT / "genai_render/blender_manifest.toml"
        text = manifest.read_text() if manifest.exists() else _MANIFEST
        lines = [line for line in text.splitlines() if not line.startswith("wheels")]
        (extension / "blender_manifest.toml").write_text("\n".join(lines) + "\n")
        # Pillow as Blender unpacks it from a wheel: from the Python that runs this test, which
        # has to be of the version that Blender uses.
        import PIL

        package = Path(PIL.__file__).parent
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        site = self.resources / f"extensions/.local/lib/{version}/site-packages"
        site.mkdir(parents=True)
        for name in ("PIL", "pillow.libs"):
            if (package.parent / name).exists():
                shutil.copytree(package.parent / name, site / name)

    def _install(self, zip: Path) -> None:
        subprocess.run(
            [
                *(self._blender, "--factory-startup", "--background", "--command", "extension"),
                *("install-file", "--repo", "user_default", str(zip)),
            ],
            env=self.environment,
            check=True,
            timeout=300,
        )

    def _connect(self, port: int) -> None:
        end = time.monotonic() + 120
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"Blender ended at once:\n{self.output()}")
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        self._stream = self._socket.makefile("rw", encoding="utf-8")

    def _xdotool(self, *words: str) -> None:
        subprocess.run(["xdotool", *words], env=self.environment, check=True, timeout=60)


# The sidebar has no tabs before it has been drawn.
_SHOW_TAB = """
import contextlib
part = next(part for part in area().regions if part.type == "UI")
with contextlib.suppress(TypeError):
    part.active_panel_category = name
answer = part.active_panel_category == name
"""
_UNDER_MOUSE = """
answer = ""
wm = bpy.context.window_manager
wm.clipboard = ""
with override(*where):
    for copy in (bpy.ops.ui.copy_python_command_button, bpy.ops.ui.copy_data_path_button):
        if copy.poll():
            try:
                copy()
            except RuntimeError:
                pass
            answer += wm.clipboard + " "
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
