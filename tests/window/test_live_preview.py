# SPDX-License-Identifier: GPL-3.0-or-later
"""The view's picture in the panel: it hinders nobody, and it does not stay behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .blender_window import BlenderWindow

SAMPLES = 3  # that EEVEE takes in the viewport, one each time it draws


def _needs_quick_shaders(version: tuple[int, ...]) -> None:
    if version < (5, 0):
        pytest.skip("with software GL, EEVEE of Blender 4.3 takes many minutes to start")


@pytest.fixture(autouse=True)
def slow(scene: BlenderWindow) -> Iterator[None]:
    """Where there is no GPU, EEVEE's own shaders take minutes the first time."""
    scene.patience = 900
    yield
    scene.patience = 120


@pytest.fixture
def recorded(scene: BlenderWindow) -> Iterator[BlenderWindow]:
    """`drawn` holds who has drawn, in order: the viewport or we, and in which mode."""
    scene.run(_RECORD + f"bpy.context.scene.eevee.taa_samples = {SAMPLES}")
    yield scene
    scene.run(_NO_RECORD)


def test_the_picture_is_what_the_viewport_has_drawn(
    recorded: BlenderWindow, blender_version: tuple[int, ...]
) -> None:
    """It comes when the viewport has finished, and EEVEE draws nothing again for it."""
    _needs_quick_shaders(blender_version)
    scene = recorded
    scene.wait_for("('ours', 'SOLID') in drawn", 60)
    scene.run("drawn.clear(); offscreen.clear(); pictures.clear()")
    x, y, width, height = scene.region()
    scene.move_mouse(x + width * 0.4, y + height * 0.5)
    scene.key("z")
    scene.settle(0.5)
    scene.key("2")  # Material Preview in the pie menu
    scene.wait_for("('picture', 'MATERIAL') in drawn", 900)
    scene.settle(1)
    scene.screenshot("material-preview")
    drawn = [tuple(one) for one in scene.run("answer = drawn")]
    before = drawn[: drawn.index(("picture", "MATERIAL"))].count(("viewport", "MATERIAL"))
    assert before >= SAMPLES, f"the viewport had not finished: {drawn}"
    assert scene.run("answer = offscreen") == []

    # An edit of the material is waited for in the same way, and is in the picture.
    scene.run(
        "drawn.clear()\n"
        "made = bpy.data.materials.new('Red')\n"
        "made.use_nodes = True\n"
        "made.node_tree.nodes['Principled BSDF'].inputs[0].default_value = (1, 0, 0, 1)\n"
        "bpy.data.objects['Suzanne'].data.materials.append(made)"
    )
    scene.wait_for("('picture', 'MATERIAL') in drawn", 900)
    drawn = [tuple(one) for one in scene.run("answer = drawn")]
    before = drawn[: drawn.index(("picture", "MATERIAL"))].count(("viewport", "MATERIAL"))
    assert before >= SAMPLES
    red = scene.run("answer = int((pictures[-1][..., 0] > pictures[-1][..., 1] + 60.0).sum())")
    assert red > 50
    assert scene.run("answer = offscreen") == []

    # With samples without end, the viewport never has finished; the picture comes all the same.
    scene.run("drawn.clear(); bpy.context.scene.eevee.taa_samples = 0; area().tag_redraw()")
    scene.wait_for("('picture', 'MATERIAL') in drawn", 900)
    assert scene.run("answer = offscreen") == []


def test_depth_and_normals_are_drawn_without_eevee(
    recorded: BlenderWindow, blender_version: tuple[int, ...]
) -> None:
    _needs_quick_shaders(blender_version)
    scene = recorded
    scene.run("bpy.context.window_manager.genai_render.canvas_view = 'NORMAL'")
    scene.run("area().spaces.active.shading.type = 'MATERIAL'\narea().tag_redraw()")
    scene.wait_for("('ours', 'MATERIAL') in drawn and drawn[-1][0] != 'ours'", 900)
    assert set(scene.run("answer = offscreen")) == {"SOLID"}


def test_a_wait_after_a_slow_draw_is_short_and_ends_with_the_mode(scene: BlenderWindow) -> None:
    scene.run("live_preview = ours('viewport.live_preview')")
    scene.wait_for("live_preview.live()._drawn is not None", 60)
    longest = scene.run(
        "live = live_preview.live()\n"
        "real = live_preview._draw\n"
        "live_preview._draw = lambda *view: time.sleep(3)\n"
        "with override() as context:\n"
        "    live._draw(context, *ours('capture.viewport_frame').find_view(context))\n"
        "live_preview._draw = real\n"
        "answer = live._not_before - time.perf_counter()"
    )
    assert 0 < longest <= 2

    def drawn() -> int:
        return scene.run("answer = live.drawn_count")

    far_away = "live._not_before = time.perf_counter() + 1e6\n"
    count = drawn()
    scene.run(far_away + "bpy.data.objects['Suzanne'].location.x += 1")
    scene.settle(5)
    assert drawn() == count, "there was no wait"
    for change in (
        "area().spaces.active.shading.type = 'WIREFRAME'",
        "area().spaces.active.show_region_toolbar = False; area().tag_redraw(); "
        "bpy.context.window.scene = bpy.data.scenes.new('Another')",
    ):
        count = drawn()
        scene.run(far_away + change)
        scene.wait_for(f"live.drawn_count > {count}", 60)
    count = drawn()
    scene.run(far_away)
    scene.new_file()
    scene.run("bpy.context.window_manager.genai_render.show_live = True")
    scene.open_tab()
    scene.wait_for(f"live.drawn_count > {count}", 60)


_RECORD = """
live_preview = ours("viewport.live_preview")
view_capture = ours("capture.viewport")
drawn, offscreen = [], []

def by_viewport():
    drawn.append(("viewport", bpy.context.space_data.shading.type))

def by_us(*view, **wanted):
    mode = view[1].shading.type
    drawn.append(("ours", mode))
    try:
        return real_draw(*view, **wanted)
    finally:
        drawn.append(("ours done", mode))

def by_us_offscreen(context, space, *view):
    offscreen.append(space.shading.type)
    return real_offscreen(context, space, *view)

def shown(pixels):
    drawn.append(("picture", area().spaces.active.shading.type))
    pictures.append(pixels.astype(float))
    real_set(pixels)

pictures = []
real_set = live_preview.thumbnails.set_canvas
live_preview.thumbnails.set_canvas = shown
real_draw, real_offscreen = view_capture.draw, view_capture._draw_view
view_capture.draw, view_capture._draw_view = by_us, by_us_offscreen
handler = bpy.types.SpaceView3D.draw_handler_add(by_viewport, (), "WINDOW", "POST_PIXEL")
live_preview.live().refresh()
"""
_NO_RECORD = """
live_preview.thumbnails.set_canvas = real_set
view_capture.draw, view_capture._draw_view = real_draw, real_offscreen
bpy.types.SpaceView3D.draw_handler_remove(handler, "WINDOW")
bpy.context.window_manager.genai_render.canvas_view = "COLOR"
"""
