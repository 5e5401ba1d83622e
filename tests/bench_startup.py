# SPDX-License-Identifier: GPL-3.0-or-later
"""How much later Blender has started with the extension: `build.py bench --startup`.

Each start is a process of its own. Its processor time is taken, once without and once with
`register`, so that what else the machine does counts as little as can be; and the difference is
given as a ratio to Blender's own start, too.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

STARTS = 9

_BLENDER = "import bpy; bpy.ops.wm.read_factory_settings()"
_OURS = """
import time
begun = time.process_time()
import genai_render
genai_render.register()
print("register", time.process_time() - begun, file=sys.stderr)
"""
_CODE = """
import sys, time
sys.dont_write_bytecode = False
{code}
print("all", time.process_time(), file=sys.stderr)
"""


def seconds(code: str) -> dict[str, float]:
    """Processor seconds of one start, by what they were for."""
    run = subprocess.run(
        [sys.executable, "-c", _CODE.format(code=code)], capture_output=True, text=True, check=True
    )
    words = [line.split() for line in run.stderr.splitlines()]
    return {line[0]: float(line[1]) for line in words if line[:1] in (["all"], ["register"])}


def main() -> int:
    seconds(_BLENDER + _OURS)  # so that everything is compiled, and in the disk's cache
    without = [seconds(_BLENDER)["all"] for _ in range(STARTS)]
    with_ours = [seconds(_BLENDER + _OURS)["register"] for _ in range(STARTS)]
    blender, ours = statistics.median(without), statistics.median(with_ours)
    print(f"Blender's own start: {blender * 1000:.0f} ms of processor time (median of {STARTS})")
    print(f"The extension: {ours * 1000:.0f} ms more, {ours / blender:.3f} of that")
    return 0
