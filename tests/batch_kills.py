# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch that is killed at random, again and again, and what it ends with: `build.py batch`."""

from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from genai_render.core.history.store import HistoryStore

ROOT = Path(__file__).resolve().parents[1]
_SCENE = """
import sys, bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.samples = 4
bpy.ops.mesh.primitive_monkey_add(location=(0, 0, 1))
bpy.ops.mesh.primitive_plane_add(size=20)
bpy.ops.object.light_add(type="SUN", rotation=(0.6, 0.2, 0.4))
bpy.ops.object.camera_add(location=(0, -8, 2), rotation=(1.45, 0, 0))
scene.camera = bpy.context.object
bpy.ops.object.camera_add(location=(6, -6, 4), rotation=(1.2, 0, 0.785))
bpy.context.object.name = "Side"
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[1])
"""


def _begin(scene: Path, words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "genai_render", str(scene), *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def _events(process: subprocess.Popen[str], results: int | None, delay: float) -> list[dict]:
    """All that it says until it ends, or is killed so long after so many results; what was cut off
    is not counted. results: None to let it come to its end.
    """
    assert process.stdout is not None
    said: list[dict] = []
    timer = threading.Timer(delay, _kill, (process,))
    if results == 0:
        timer.start()
    told = 0
    for line in process.stdout:
        try:
            said.append(json.loads(line))
        except ValueError:
            continue
        told += said[-1]["event"] == "result"
        if results and told == results and not timer.is_alive():
            timer.start()
    process.wait()
    timer.cancel()
    return said


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _bytes(history: Path) -> dict[str, str]:
    """The digest of each picture's file, by what it is of."""
    with HistoryStore(history) as store:
        found = {}
        for item in store.search(status="done", limit=100_000):
            key = store.record(item.id)["request"]["batch"].rpartition("/")[2]
            assert item.image_path is not None
            pixels = store.image(item.id)
            found[key] = hashlib.sha256(pixels).hexdigest()
        return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="build.py batch", description=__doc__)
    parser.add_argument("--pictures", type=int, default=200, metavar="N")
    parser.add_argument("--kills", type=int, default=10, metavar="N")
    parser.add_argument("--seed", type=int, metavar="N", help="of when it is killed")
    given = parser.parse_args()
    if given.pictures < 4 or given.pictures % 4 or given.kills < 0:
        parser.error("--pictures is a multiple of 4")
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    chance = random.Random(seed)
    print(f"Seed {seed}. Again: build.py batch --seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="genai_render-batch-") as folder:
        return _run(Path(folder), given.pictures, given.kills, chance)


def _run(folder: Path, pictures: int, kills: int, chance: random.Random) -> int:
    scene, history, file = folder / "two cameras.blend", folder / "history", folder / "night.toml"
    subprocess.run(
        [sys.executable, "-c", _SCENE, str(scene)], check=True, capture_output=True, timeout=300
    )
    file.write_text(
        '[[batch]]\nprompt = ["daylight", "moonlight"]\ncamera = "all"\nmode = "fast"\n'
        f'aspect = "1:1"\nseed = "1-{pictures // 4}"\n'
    )
    words = ["batch", str(file), "--json", "--history", str(history)]
    captured: collections.Counter[str] = collections.Counter()
    results: collections.Counter[str] = collections.Counter()
    begun = time.monotonic()
    killed = runs = 0
    while True:
        runs += 1
        process = _begin(scene, [*words, "--resume"] if runs > 1 else words)
        after = None
        if killed < kills:
            # Each kill in its share of the pictures; some before there is any.
            after = chance.randrange(0, max(1, 2 * pictures // (kills + 1) - 1))
        said = _events(process, after, chance.uniform(0.0, 15.0 if after == 0 else 1.5))
        for one in said:
            if one["event"] == "captured":
                captured[one["camera"]] += 1
            elif one["event"] == "result":
                results[one["key"]] += 1
        if process.returncode == -signal.SIGKILL:
            killed += 1
            print(f"killed {killed:3}: {len(results)} told of so far", flush=True)
        elif process.returncode != 0:
            print(f"ended with {process.returncode}: {said[-1:]}")
            return 1
        else:
            break
    kept = _bytes(history)
    doubles = [key for key, times in results.items() if times > 1]
    with HistoryStore(history) as store:
        there = store.count(status="done")
    print(
        f"{pictures} pictures, {killed} of {kills} kills, {runs} runs: {there} in History, "
        f"{len(kept)} of them different ones, {len(doubles)} made twice, "
        f"captures {dict(captured)}, {time.monotonic() - begun:.0f} s",
        flush=True,
    )
    whole = there == len(kept) == pictures and not doubles and killed == kills
    # A kill within a capture leaves none behind: it is told of only when it is there.
    return 0 if whole and set(captured.values()) == {1} and len(captured) == 2 else 1


if __name__ == "__main__":
    sys.exit(main())
