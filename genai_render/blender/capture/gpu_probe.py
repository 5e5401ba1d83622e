# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Blender can draw with a GPU here, found out where it does no harm.

In background, Blender makes its GPU context when it is first needed, and ends the whole process
where it cannot: without libEGL, without a driver. So a child process tries it first.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import bpy

_SECONDS = 90
_SOFTWARE = ("llvmpipe", "softpipe", "swrast", "lavapipe", "swiftshader", "software rasterizer")
_MARK = "genai_render gpu: "

# A tiny render is what really has to work; the renderer's name tells if it is a real GPU.
_TRIAL = """
import bpy, json
bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
scene = bpy.context.scene
scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
scene.collection.objects.link(scene.camera)
scene.render.engine = "BLENDER_WORKBENCH"
scene.render.resolution_x = scene.render.resolution_y = 16
bpy.ops.render.render()
import gpu
try:
    if hasattr(gpu, "init"):
        gpu.init()
    name = gpu.platform.renderer_get()
except SystemError:
    name = ""
print("\\n" + {mark!r} + json.dumps(name), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Gpu:
    """usable: Blender draws here without ending. renderer: what draws, "" if unknown."""

    usable: bool
    renderer: str = ""

    @property
    def hardware(self) -> bool:
        """A real GPU. A renderer that does not tell its name counts as none."""
        name = self.renderer.lower()
        return self.usable and bool(name) and not any(word in name for word in _SOFTWARE)


@functools.cache
def find_gpu() -> Gpu:
    """What this Blender can draw with. In background this starts a child process, once."""
    if not bpy.app.background:
        import gpu

        return Gpu(True, gpu.platform.renderer_get())
    return _try_in_child()


def _try_in_child() -> Gpu:
    trial = _TRIAL.format(mark=_MARK)
    if bpy.app.binary_path:
        command = [bpy.app.binary_path, "-b", "--factory-startup", "--python-expr", trial]
    else:
        command = [sys.executable, "-c", trial]
    try:
        # In a user folder of its own: a Blender that starts without our user's extensions takes
        # their packages away from the folder that all of them share.
        with tempfile.TemporaryDirectory(prefix="genai_render-") as folder:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_SECONDS,
                check=False,
                env={**os.environ, "BLENDER_USER_RESOURCES": folder},
            )
    except (OSError, subprocess.SubprocessError):
        return Gpu(False)
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if line.startswith(_MARK):
            return Gpu(True, str(json.loads(line.removeprefix(_MARK))))
    return Gpu(False)
