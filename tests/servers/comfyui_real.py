# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ComfyUI on the CPU, without weights, from a folder that holds its source.

The Python that runs it is the folder's own ("venv/bin/python" in it or beside it). Opt-in: it is
in no package registry, so `pytest --comfyui=DIR` says where it is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

_NODES = Path(__file__).with_name("comfyui_nodes.py")
_START_WITHIN = 400.0  # with other work beside it


def python_of(source: Path) -> Path:
    for folder in (source, source.parent):
        for name in ("venv", ".venv"):
            found = folder / name / "bin" / "python"
            if found.exists():
                return found
    raise FileNotFoundError(f"no venv in or beside {source}")


class RealComfyUI:
    """One server with a folder of its own; `kill` ends it as a crash would."""

    def __init__(self, source: Path, folder: Path, port: int = 0) -> None:
        self.port = port or _free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self._source = source
        self._folder = folder
        for name in ("custom_nodes", "models", "input", "output", "temp", "user"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(_NODES, folder / "custom_nodes" / "genai_render_tests.py")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> RealComfyUI:
        log = (self._folder / "log.txt").open("ab")
        self._process = subprocess.Popen(
            [
                *(str(python_of(self._source)), "main.py", "--cpu", "--listen", "127.0.0.1"),
                *("--port", str(self.port), "--base-directory", str(self._folder)),
                *("--disable-api-nodes", "--preview-method", "auto"),
                *("--database-url", "sqlite:///:memory:"),
            ],
            cwd=self._source,
            stdout=log,
            stderr=log,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        )
        ends = time.monotonic() + _START_WITHIN
        while time.monotonic() < ends:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.origin}/system_stats", timeout=2).read()
                return self
            if self._process.poll() is not None:
                break
            time.sleep(0.3)
        raise RuntimeError((self._folder / "log.txt").read_text()[-2000:])

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running(source: Path, folder: Path) -> Iterator[RealComfyUI]:
    server = RealComfyUI(source, folder)
    try:
        yield server.start()
    finally:
        server.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
