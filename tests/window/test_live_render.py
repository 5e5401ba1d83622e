# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture that follows the view, switched on and turned by mouse and keys."""

from __future__ import annotations

import pytest
from PIL import Image, ImageChops, ImageStat

from .blender_window import BlenderWindow

_LIVE = "ours('viewport.live_render').live()"
_SWITCH = "genai_render.live_render"


@pytest.fixture
def ready(scene: BlenderWindow) -> BlenderWindow:
    scene.run("bpy.context.scene.genai_render.prompt = 'golden hour'")
    scene.settle(0.5)
    return scene


def _shown(window: BlenderWindow, name: str) -> Image.Image:
    x, y, width, height = window.region()
    path = window.screenshot(name)
    with Image.open(path) as shot:
        return shot.convert("RGB").crop((x, y, x + width, y + height)).resize((160, 120))


def _differ(one: Image.Image, other: Image.Image) -> float:
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean)


def test_it_follows_the_view_and_goes_away(ready: BlenderWindow) -> None:
    bare = _shown(ready, "live-off")
    kept = ready.run("answer = len(ours('jobs.session').session().store.search(limit=5))")
    ready.press(_SWITCH, 0.92)
    ready.wait_for(f"{_LIVE}.made >= 2 and not {_LIVE}._busy", 60)
    ready.settle(1.5)
    first = _shown(ready, "live-on")
    assert _differ(bare, first) > 20, "no picture lies over the view"

    made = ready.run(f"answer = {_LIVE}.made")
    x, y, width, height = ready.region()
    ready.drag((x + width * 0.4, y + height * 0.5), (x + width * 0.6, y + height * 0.45), 2)
    ready.wait_for(f"{_LIVE}.made >= {made} + 2", 60)
    ready.settle(1.5)
    assert _differ(first, _shown(ready, "live-turned")) > 10, "it stayed behind"

    # It rests: nothing is drawn for nothing, and nothing went to History.
    made = ready.run(f"answer = {_LIVE}.made")
    ready.settle(1)
    assert ready.run(f"answer = {_LIVE}.made") == made
    assert ready.run("answer = len(ours('jobs.session').session().store.search(limit=5))") == kept

    # It gives way to what is being edited.
    ready.move_mouse(x + width * 0.4, y + height * 0.5)
    ready.run("bpy.context.view_layer.objects.active = bpy.data.objects['Suzanne']")
    ready.key("Tab")
    ready.settle(1)
    assert ready.run("answer = bpy.context.mode") == "EDIT_MESH"
    with_mesh = _shown(ready, "live-edit-mode")
    ready.key("Tab")
    ready.settle(1)
    assert _differ(with_mesh, _shown(ready, "live-again")) > 10

    ready.press(_SWITCH, 0.92)
    ready.settle(1)
    assert ready.run(f"answer = {_LIVE}.is_on, bpy.app.timers.is_registered({_LIVE}._timer)") == [
        False,
        False,
    ]
    ready.screenshot("live-off-again")


def test_what_costs_money_waits_for_a_limit(ready: BlenderWindow) -> None:
    """A model of the network sends nothing while the limit per minute is 0, and says so."""
    ready.run(
        "import os; os.environ['OPENAI_API_KEY'] = 'sk-not-a-key'\n"
        "bpy.context.preferences.system.use_online_access = True\n"
        "bpy.context.scene.genai_render.model = 'gpt-image-2'"
    )
    try:
        ready.press(_SWITCH, 0.92)
        ready.wait_for(f"'minute' in {_LIVE}.message or 'price' in {_LIVE}.message", 30)
        assert ready.run("answer = ours('jobs.session').session().works()") == []
        ready.screenshot("live-waits")
    finally:
        ready.run(
            "bpy.context.window_manager.genai_render.live_render = False\n"
            "bpy.context.preferences.system.use_online_access = False\n"
            "del os.environ['OPENAI_API_KEY']"
        )
