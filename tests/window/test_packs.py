# SPDX-License-Identifier: GPL-3.0-or-later
"""A campaign from the panel, by mouse: ticked, counted, made, cancelled, found as a group."""

from __future__ import annotations

import contextlib
import os

import pytest
from PIL import Image

from .blender_window import PROJECT, BlenderWindow

# As the walk through the tab, it points at things by their place and needs a machine at rest.
MADE = "ours('jobs.pack_jobs').packs_made()"
SETTINGS = "bpy.context.scene.genai_render"
HEADER = 28  # pixels from one closed panel's header to the next
SHAPES = {
    *("Website Hero", "Product Detail Lifestyle", "Social Square", "Story or Reel"),
    *("Email Banner", "Paid Ad", "Editorial Detail"),
}

# The sample product, and pictures so small that a test can wait for seven of them.
_PRODUCT = f"""
import sys
sys.path.insert(0, {str(PROJECT)!r})
for thing in list(bpy.data.objects):
    bpy.data.objects.remove(thing)
from tests.scenes import product
product.build()
bpy.context.view_layer.update()
view = area().spaces.active
view.shading.type, view.shading.color_type = "SOLID", "MATERIAL"
view.region_3d.view_perspective = "CAMERA"
settings = bpy.context.scene.genai_render
settings.prompt, settings.mode = "espresso machine", "fast"
framing = import_module("bl_ext.user_default.genai_render.core.framing")
framing.RESOLUTIONS["1K"] = 288
ours("redraw").sidebars()
"""

_USERS_OWN = """
answer = [
    sorted(thing.name for thing in bpy.data.objects),
    sorted(camera.name for camera in bpy.data.cameras),
    [scene.name for scene in bpy.data.scenes],
    bpy.context.scene.camera.name,
    bpy.context.scene.frame_current,
    sorted(thing.name for thing in bpy.context.selected_objects),
    area().spaces.active.region_3d.view_perspective,
    [area().spaces.active.shading.type, area().spaces.active.overlay.show_overlays],
    [tuple(row) for row in bpy.context.scene.camera.matrix_world],
]
"""


def _found(window: BlenderWindow, wanted: str, across: float, begin: float) -> tuple[int, int]:
    """Looked for again: a machine that is busy draws a button after the mouse has passed it."""
    for _ in range(3):
        with contextlib.suppress(AssertionError):
            return window.find_button(wanted, across=across, begin=begin)
        window.settle(2)
    return window.find_button(wanted, across=across, begin=begin)


def test_a_campaign_by_mouse(scene: BlenderWindow, blender_version: tuple[int, ...]) -> None:
    if blender_version < (5, 0) and not os.environ.get("GENAI_RENDER_WALK"):
        pytest.skip("the same panel in each Blender, and it takes minutes: GENAI_RENDER_WALK=1")
    scene.run(_PRODUCT)
    scene.settle(1)
    before = scene.run(_USERS_OWN)
    scene.screenshot("packs-0-closed")
    left, top, width, height = scene.region("UI")
    x = left + width * 0.4
    _, history = _found(scene, "genai_render.browse(", 0.86, 0.35)
    scene.click(x, history - HEADER)  # the panel right above History
    scene.settle(1)
    scene.move_mouse(x, top + height * 0.5)
    scene.scroll(40)
    scene.settle(1)
    scene.screenshot("packs-1-campaign")
    assert scene.run(f"answer = {MADE}.plan(bpy.context).sums.pictures") == 7
    assert scene.run(f"answer = {MADE}.plan(bpy.context).sums.usd") == 0

    # One shot is taken out, and in again: counted anew.
    tick = _found(scene, "genai_render.pack(action='TICK'", 0.3, 0.0)
    scene.click(*tick)
    scene.settle(0.5)
    assert scene.run(f"answer = {MADE}.plan(bpy.context).sums.pictures") == 6
    scene.click(*tick)
    scene.settle(0.5)
    scene.run(f"{SETTINGS}.pack_resolution = '1K'; {SETTINGS}.pack_location = 'a bakery'")
    scene.settle(0.5)

    scene.click(*_found(scene, "genai_render.pack(action='START')", 0.35, 0.2))
    scene.run("reset_stall()")
    scene.settle(0.6)
    scene.screenshot("packs-2-under-way")
    scene.wait_for(f"{MADE}.making.over and not {MADE}.making.reporting", 400)
    stalled = scene.run("answer = beats['longest']")
    scene.settle(1)
    scene.screenshot("packs-3-done")
    assert scene.run(f"answer = {MADE}.making.run.summary(0.0)").startswith("7 of 7 done")
    assert scene.run(_USERS_OWN) == before, "the scene is not as it was"
    titles = scene.run(f"answer = [one.title for one in {MADE}.making.run.pictures]")
    assert set(titles) == SHAPES

    # A group of its own in History, in the order of the shots.
    assert scene.run("answer = ours('jobs.session').opened().told") == []
    scene.move_mouse(x, top + height * 0.5)
    scene.scroll(-60)
    scene.scroll(12)
    scene.settle(1)
    scene.screenshot("packs-3-done-below")
    scene.click(*_found(scene, "genai_render.pack(action='HISTORY')", 0.2, 0.2))
    scene.settle(1)
    scene.move_mouse(x, top + height * 0.5)
    scene.scroll(60)
    scene.settle(1)
    scene.screenshot("packs-4-history")
    page = scene.run(
        "found = ours('jobs.history_page').page(bpy.context)\n"
        "answer = [[item.width / item.height, item.camera, item.prompt] for item in found.items]"
    )
    wanted = [16 / 9, 4 / 3, 1, 9 / 16, 21 / 9, 3 / 4, 2 / 3]
    assert all(
        abs(shape / want - 1) < 0.06 for (shape, _, _), want in zip(page, wanted, strict=True)
    )
    assert len({camera for _, camera, _ in page}) >= 4
    assert all("set in a bakery" in prompt for _, _, prompt in page)
    sheet = scene.run(f"answer = str({MADE}.page(bpy.context).parent / 'contact-sheet.jpg')")
    with Image.open(sheet) as picture:
        picture.load()
        picture.save(scene.shots / "packs-5-contact-sheet.png")
        assert picture.width > 1000
    print(f"longest stall {stalled:.2f} s")

    # Cancelled on the way, it stops; what is left can be made.
    scene.run("bpy.context.window_manager.genai_render.only_pack = False")
    scene.run(f"{MADE}.start(bpy.context)")
    scene.wait_for(f"len({MADE}.making.run.of('done')) >= 2", 200)
    scene.run(f"{MADE}.cancel()")
    scene.wait_for(f"{MADE}.making.over and not {MADE}.making.reporting", 60)
    left_over = scene.run(f"answer = len({MADE}.left(bpy.context))")
    done = scene.run(f"answer = [mark.id for mark in {MADE}.making.run.progress.marks.values()]")
    assert left_over == 7
    scene.run(f"{MADE}.go_on(bpy.context)")
    scene.wait_for(f"{MADE}.making.over and not {MADE}.making.reporting", 400)
    assert scene.run(f"answer = {MADE}.making.run.summary(0.0)").startswith("7 of 7 done")
    now = scene.run(f"answer = {MADE}.ids(bpy.context)")
    assert {id for id in done if id} <= set(now), "what was done was made once more"
    assert scene.run(_USERS_OWN) == before
