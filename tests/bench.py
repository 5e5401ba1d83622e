# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the offline engine takes for each style, and how much memory: `build.py bench`.

The peak of memory includes the canvas and what made it. Each time is also given as a ratio to a
fixed piece of numpy work, timed right before and after it, so that figures of a busy or another
machine can be compared.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import numpy as np

from genai_render.backends.offline import OfflineBackend
from genai_render.core.events import CancelToken, Result
from genai_render.core.framing import size_for
from genai_render.core.models import catalog
from genai_render.core.request import RenderRequest
from tests.pure import synthetic

WORDS = ("watercolor", "oil painting", "pencil drawing", "ink drawing", "halftone", "blueprint")


def yardstick() -> float:
    """Seconds for the kind of work that the engine does: float32 arithmetic on 1K planes."""
    chance = np.random.default_rng(1)
    plane = chance.random((1024, 1024), np.float32)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        total = plane
        for _ in range(6):
            total = np.sqrt(total * total + 0.5) * np.exp(-total)
            total = np.cumsum(total, axis=1, dtype=np.float32) / 1024
        best = min(best, time.perf_counter() - start)
    return best


def peak_bytes() -> int | None:
    """The most memory that this process has had."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure(style: str, prompt: str, resolution: str, repeat: int) -> dict:
    """Run by a process of its own, so that its memory is its own."""
    size = size_for("16:9", resolution, auto=1.0)
    canvas = synthetic.canvas("product", size.width, size.height, samples=1)
    request = RenderRequest(
        prompt=prompt,
        style=style,
        model="offline",
        resolution=resolution,
        seed=1,
        canvas=canvas,
        width=size.width,
        height=size.height,
    )
    before = peak_bytes()
    wall, cpu, ratio = float("inf"), float("inf"), float("inf")
    for _ in range(repeat):
        scale = yardstick()
        started, used = time.perf_counter(), time.process_time()
        events = list(OfflineBackend().run(request, CancelToken()))
        spent, burnt = time.perf_counter() - started, time.process_time() - used
        scale = (scale + yardstick()) / 2
        assert any(isinstance(event, Result) for event in events)
        wall, cpu, ratio = min(wall, spent), min(cpu, burnt), min(ratio, spent / scale)
    return {"wall": wall, "cpu": cpu, "ratio": ratio, "before": before, "peak": peak_bytes()}


def main() -> int:
    parser = argparse.ArgumentParser(prog="build.py bench", description=__doc__)
    parser.add_argument("--resolution", default="1K", choices=("1K", "2K", "4K"))
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="the best of N counts")
    parser.add_argument("--style", action="append", metavar="ID", help="only this one")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--history-panel", metavar="EXE", help="instead: 10,000 items in a window of that Blender"
    )
    parser.add_argument(
        "--startup",
        metavar="EXE",
        nargs="?",
        const="",
        help="instead: how much later bpy, or that Blender, has started",
    )
    parser.add_argument("--live", metavar="EXE", help="instead: the live render in that Blender")
    parser.add_argument(
        "--capture", action="store_true", help="instead: what the samples of a capture are worth"
    )
    parser.add_argument("--width", type=int, default=1344, help="of the canvas, with --capture")
    parser.add_argument("--against", type=int, default=256, help="samples, with --capture")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.startup is not None:
        from tests import bench_startup

        return bench_startup.main(given.startup)
    if given.live:
        from tests import bench_live

        return bench_live.main(given.live, given.style or ["auto", "movie", "comic"])
    if given.capture:
        from tests import bench_capture

        return bench_capture.main(given.width, given.against)
    if given.history_panel:
        from tests import bench_history_panel

        return bench_history_panel.main(given.history_panel)
    if given.one:
        print(json.dumps(measure(*given.one, given.resolution, given.repeat)))
        return 0
    jobs = [(style, "studio light") for style in given.style or catalog.shipped().styles]
    if not given.style:
        jobs += [("auto", words) for words in WORDS]
    size = size_for("16:9", given.resolution, auto=1.0)
    if not given.json:
        print(f"{size} pixels; best of {given.repeat}\n")
        print(f"{'style':18}{'prompt':18}{'seconds':>9}{'CPU s':>9}{'ratio':>9}{'peak MB':>9}")
    for style, prompt in jobs:
        told = subprocess.run(
            [
                *(sys.executable, __file__, "--one", style, prompt),
                *("--resolution", given.resolution, "--repeat", str(given.repeat)),
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if told.returncode != 0:
            return told.returncode
        found = json.loads(told.stdout.splitlines()[-1])
        if given.json:
            print(json.dumps({"style": style, "prompt": prompt, **found}), flush=True)
            continue
        peak = "?" if found["peak"] is None else f"{found['peak'] / 2**20:.0f}"
        print(
            f"{style:18}{prompt:18}{found['wall']:9.2f}{found['cpu']:9.2f}"
            f"{found['ratio']:9.1f}{peak:>9}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
