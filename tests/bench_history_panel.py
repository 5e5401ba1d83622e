# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a large History hinders a real window: `build.py bench --history-panel EXE`.

Blender's main thread is watched while pages are turned and words are typed. What counts is how
much longer it is busy than with a redraw in which nothing has changed, on the same machine.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

import bench_history  # noqa: E402
from PIL import Image  # noqa: E402

from building.extension_zip import build_zip  # noqa: E402
from building.installed_blender import ask_blender  # noqa: E402
from building.project import Project  # noqa: E402
from genai_render.core.history.store import HistoryStore  # noqa: E402
from tests.window.blender_window import MODULE, BlenderWindow  # noqa: E402

ITEMS = 10_000
_START = f"""
from importlib import import_module
def ours(name):
    return import_module("{MODULE}.blender." + name)
state = bpy.context.window_manager.genai_render
state.show_live = state.show_frame = False
ours("addon").preferences().history_folder = %r
ours("jobs.session").reopen()
ours("jobs.history_page").invalidate()
"""


def fill(folder: Path) -> None:
    """Items with pictures in the panel, of forty kinds."""
    with HistoryStore(folder) as store:
        bench_history.fill(store, ITEMS)
        pictures = []
        for number in range(40):
            tint = Image.new("RGB", (256, 160), (number * 6, 255 - number * 5, 90))
            noise = Image.effect_noise((256, 160), 60).convert("RGB")
            buffer = io.BytesIO()
            Image.blend(tint, noise, 0.4).save(buffer, "WEBP", quality=85)
            pictures.append(buffer.getvalue())
        for number, record in enumerate(folder.glob("results/*/*/*/request.json")):
            (record.parent / "thumb.webp").write_bytes(pictures[number % len(pictures)])
        store.rebuild()


def busy(window: BlenderWindow, change: str) -> float:
    """For how long, in milliseconds, the main thread hears nothing after a change."""
    window.run(change + "\nreset_stall()")
    window.settle(0.6)
    return window.run("answer = beats['longest']") * 1000


def measure(window: BlenderWindow) -> None:
    words = "golden castle"
    kinds = {
        "nothing has changed": ["ours('redraw').sidebars()"] * 10,
        "turn a page": ["ours('jobs.history_page').turn(1)"] * 20,
        "far down": [f"state.history_page = {page}" for page in range(100, 834, 60)],
        "type into the search": [
            f"state.search = {words[:end]!r}" for end in range(1, len(words) + 1)
        ],
    }
    print(f"{ITEMS} items; the main thread is busy for, in milliseconds:")
    for name, changes in kinds.items():
        times = [busy(window, change) for change in changes]
        print(f"{name:24} median {median(times):5.0f}   most {max(times):5.0f}", flush=True)
    held = window.run(
        "thumbnails = ours('addon').state(ours('settings.thumbnails').Thumbnails)\n"
        "answer = len(thumbnails.pictures or ())"
    )
    print(f"{held} pictures are held in the end")


def main(blender: str) -> int:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        fill(folder / "history")
        known = ask_blender(blender)
        project = Project(Path(__file__).parents[1])
        (folder / "zip").mkdir()
        zip = build_zip(project, known.platform, known.tag, folder / "zip")
        window = BlenderWindow(blender, folder / "window", folder, zip)
        try:
            window.run(_START % str(folder / "history"))
            window.open_tab()
            x, y, width, height = window.region("UI")
            window.move_mouse(x + width / 2, y + height / 2)
            window.scroll(60)
            window.settle(2)
            measure(window)
        finally:
            window.close()
    return 0
