# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from other programs: dragged from a file manager, copied in it or elsewhere."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image

from .blender_window import BlenderWindow

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("pcmanfm", "xclip"))), reason="needs pcmanfm and xclip"
)

NAME = "photo ä %20.jpg"
_ICON = (207, 118)  # of the only file in pcmanfm's window, which opens at the top left


def digests(window: BlenderWindow) -> list[str]:
    slots = "bpy.context.scene.genai_render"
    return window.run(f"answer = [{slots}.reference_1.digest, {slots}.reference_2.digest]")


def started(window: BlenderWindow, *words: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        words,
        env=window.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    window._processes.append(process)
    return process


def wait_for_window(window: BlenderWindow, name: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--name", name],
            env=window.environment,
            capture_output=True,
            check=False,
        )
        if found.stdout.strip():
            time.sleep(2)  # it is there before its files are
            return
        time.sleep(0.3)
    raise AssertionError(f"no window of {name}")


def activate(window: BlenderWindow, name: str) -> None:
    found = ("search", "--onlyvisible", "--name", name)
    window._xdotool(*found, "windowactivate", "--sync")
    time.sleep(0.5)


def drag(window: BlenderWindow, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Slowly, and without asking Blender anything: it answers only the program that drags."""
    window._xdotool("mousemove", *map(str, start))
    time.sleep(0.3)
    window._xdotool("mousedown", "1")
    time.sleep(0.3)
    for step in range(1, 31):
        place = (round(a + (b - a) * step / 30) for a, b in zip(start, end, strict=True))
        window._xdotool("mousemove", *map(str, place))
        time.sleep(0.05)
    time.sleep(0.7)
    window._xdotool("mouseup", "1")
    time.sleep(1.5)
    window.settle(1)


def test_a_picture_is_dragged_and_copied_from_other_programs(
    scene: BlenderWindow, tmp_path: Path
) -> None:
    """The file manager is a real one, and so is what holds the clipboard."""
    folder = scene.folder / "from outside"
    folder.mkdir()
    Image.new("RGB", (64, 48), (200, 80, 30)).save(folder / NAME)
    dragged = hashlib.sha256((folder / NAME).read_bytes()).hexdigest()
    copied = tmp_path / "copied.png"
    Image.effect_noise((1400, 1400), 90).convert("RGB").save(copied)  # more than X sends at once
    assert copied.stat().st_size > 2**20

    started(scene, "openbox")
    time.sleep(1)
    manager = started(scene, "pcmanfm", "--no-desktop", str(folder))
    wait_for_window(scene, folder.name)
    x, y, width, height = scene.region()
    place = (x + width // 2 + 200, y + height - 150)
    drag(scene, _ICON, place)
    scene.screenshot("dragged-from-file-manager")
    scene.click(place[0] - 2, place[1])  # Blender asks what for, with ours under the mouse
    scene.wait_for(f"bpy.context.scene.genai_render.reference_1.digest == {dragged!r}", 20)

    # Copied there: a list of files, not a picture.
    wait_for_window(scene, folder.name)
    raised = [
        "xdotool",
        "search",
        "--onlyvisible",
        "--name",
        folder.name,
        "windowactivate",
        "--sync",
    ]
    subprocess.run(raised, env=scene.environment, check=True, timeout=30)
    scene._xdotool("mousemove", *map(str, _ICON), "click", "1")
    time.sleep(0.5)
    scene._xdotool("key", "ctrl+c")
    time.sleep(0.5)
    scene.run("bpy.ops.genai_render.reference_clear(slot=1)")
    activate(scene, "Blender [45]")
    scene.move_mouse(*place)
    scene.search("reference from clipboard")
    scene.wait_for(f"bpy.context.scene.genai_render.reference_1.digest == {dragged!r}", 20)
    assert scene.run("answer = bpy.context.scene.genai_render.reference_1.file_name") == NAME
    manager.terminate()
    manager.wait(10)

    owner = started(
        scene,
        *("xclip", "-selection", "clipboard", "-target", "image/png", "-in", str(copied), "-quiet"),
    )
    time.sleep(0.5)
    scene.search("reference from clipboard")
    scene.wait_for("bpy.context.scene.genai_render.reference_2.digest != ''", 20)
    assert digests(scene) == [dragged, hashlib.sha256(copied.read_bytes()).hexdigest()]
    scene.screenshot("pasted-from-outside")
    scene.key("ctrl+z")
    scene.settle(0.5)
    assert digests(scene) == [dragged, ""]

    # Words that were copied in Blender, which has to hand them out itself.
    scene.run("bpy.context.window_manager.clipboard = 'words'")
    owner.wait(10)
    scene.search("reference from clipboard")
    scene.wait_for("ours('jobs.session').opened() and ours('jobs.session').opened().told", 30)
    told = scene.run("answer = [one.text for one in ours('jobs.session').opened().told]")
    assert told == ["There is no picture on the clipboard. Copy one."]
