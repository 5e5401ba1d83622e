# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions on a finished picture, pressed in the panel and found by the search."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from .blender_window import BlenderWindow
from .test_panel import WORKS, image_path, item

NEWEST = "history_view.page(bpy.context).items[0]"


def made(window: BlenderWindow, words: str) -> str:
    """The id of the newest picture, once it is the one with these words at its head."""
    window.wait_for(f"({WORKS}) == 0 and {NEWEST}.prompt.startswith({words!r})", 180)
    window.settle(1)
    return window.run(f"answer = {NEWEST}.id")


def open_dialog(window: BlenderWindow, action: str, across: float) -> None:
    """By its button in the panel."""
    window.press(f"picture_action(action='{action}'", across, begin=0.5)
    window.settle(1.5)
    window.screenshot(f"action-{action}-dialog")


@pytest.fixture
def first(scene: BlenderWindow) -> str:
    """A picture of the view, selected."""
    scene.run(
        "settings.mode = 'fast'\nsettings.prompt = 'daylight'\nsettings.aspect = '1:1'\n"
        "settings.model = 'offline'"
    )
    scene.run("with override(): bpy.ops.genai_render.generate()")
    scene.wait_for(f"({WORKS}) == 0 and bpy.context.window_manager.genai_render.selected", 180)
    scene.settle(1)
    return scene.run("answer = bpy.context.window_manager.genai_render.selected")


def test_from_one_picture_to_the_next(scene: BlenderWindow, first: str) -> None:
    """Another sun by its button, a cutout of that by its name: each with its dialog and Enter."""
    scene.screenshot("action-steps")
    open_dialog(scene, "relight", 0.8)
    scene.key("Return")
    relit = made(scene, "Relight: daylight")
    assert item(scene, relit)["request"]["parent"] == first  # pyright: ignore[reportIndexIssue]
    scene.screenshot("action-relit")

    # What was made is selected: the next action goes on from there, and knows the view still.
    scene.search("Remove Background")
    scene.settle(1.5)
    scene.screenshot("action-cutout-dialog")
    scene.key("Return")
    cut = made(scene, "Remove Background: daylight")
    assert item(scene, cut)["request"]["parent"] == relit  # pyright: ignore[reportIndexIssue]
    alpha = np.asarray(Image.open(image_path(scene, cut)))[..., 3]
    assert 0.03 < (alpha == 255).mean() < 0.97
    assert (alpha == 0).any()


def test_seeing_more_of_the_scene(scene: BlenderWindow, first: str) -> None:
    """The same picture in another shape: the view is captured again, wider, and stays as it is."""
    before = scene.run("answer = [list(r) for r in view.region_3d.view_matrix]")
    open_dialog(scene, "reframe", 0.5)
    scene.key("Return")
    scene.wait_for(f"({WORKS}) == 0 and {NEWEST}.width > {NEWEST}.height", 180)
    scene.settle(1)
    wide = scene.run(f"answer = {NEWEST}.id")
    record = item(scene, wide)["request"]
    assert record["kind"] == "render"  # pyright: ignore[reportIndexIssue]
    assert record["parent"] == first  # pyright: ignore[reportIndexIssue]
    assert scene.run("answer = [list(r) for r in view.region_3d.view_matrix]") == before
    scene.screenshot("action-reframed")
    # Its middle shows what the first picture shows.
    one = Image.open(image_path(scene, first)).convert("RGB")
    other = Image.open(image_path(scene, wide)).convert("RGB")
    height = other.height
    left = (other.width - height) // 2
    middle = other.crop((left, 0, left + height, height)).resize((200, 200))
    off = np.abs(np.asarray(middle).astype(float) - np.asarray(one.resize((200, 200))))
    assert np.median(off) < 14
