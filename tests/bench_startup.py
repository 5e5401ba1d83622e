# SPDX-License-Identifier: GPL-3.0-or-later
"""How much later Blender has started with the extension: `build.py bench --startup`.

With the bpy module, or with `--startup EXE` in an installed Blender. Each start is a process of its
own. Its processor time is taken up to `register` and for it, so that what else the machine does
counts as little as can be; and the second is given as a ratio to the first, Blender's own start.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

STARTS = 9
PROJECT = Path(__file__).resolve().parent.parent

# Compiled files of our own, in a folder of this run: nobody else's are read, and none are left.
_CODE = """
import sys, time
sys.dont_write_bytecode, sys.pycache_prefix = False, {folder!r}
sys.path.insert(0, {project!r})
import bpy
{begin}
begun = time.process_time()
import genai_render
genai_render.register()
print("start", begun, time.process_time() - begun, file=sys.stderr)
"""
_BY_MODULE = "bpy.ops.wm.read_factory_settings()"


def seconds(command: list[str]) -> tuple[float, float]:
    """Processor seconds of one start: Blender's own, and what comes on top."""
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    words = [line.split() for line in run.stderr.splitlines()]
    own, ours = next(line[1:] for line in words if line[:1] == ["start"])
    return float(own), float(ours)


def main(blender: str = "") -> int:
    with tempfile.TemporaryDirectory() as folder:
        begin = "" if blender else _BY_MODULE
        code = _CODE.format(folder=folder, project=str(PROJECT), begin=begin)
        command = [sys.executable, "-c", code]
        if blender:
            command = [blender, "-b", "--factory-startup", "--python-expr", code]
        seconds(command)  # so that everything is compiled, and in the disk's cache
        starts = [seconds(command) for _ in range(STARTS)]
    own = statistics.median(one for one, _ in starts)
    ours = statistics.median(other for _, other in starts)
    print(f"Blender's own start: {own * 1000:.0f} ms of processor time (median of {STARTS})")
    print(f"The extension: {ours * 1000:.0f} ms more, {ours / own:.3f} of that")
    return 0
