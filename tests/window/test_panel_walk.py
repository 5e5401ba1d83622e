# SPDX-License-Identifier: GPL-3.0-or-later
"""A walk through the tab with mouse and keys only: what is pressed, and what then is so."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from .blender_window import BlenderWindow

# Twenty minutes a Blender, and it needs a machine that is not busy: pointing at things by their
# place waits for nothing.
pytestmark = pytest.mark.skipif(
    not os.environ.get("GENAI_RENDER_WALK"), reason="by hand: set GENAI_RENDER_WALK=1"
)

STATE = "bpy.context.window_manager.genai_render"
SETTINGS = "bpy.context.scene.genai_render"
WORKS = "len(ours('jobs.session').opened().works()) if ours('jobs.session').opened() else 0"
HEADER = 28  # pixels from one closed panel's header to the next

_PICTURES = """
settings.use_seed, settings.resolution = True, "1K"
view.region_3d.view_perspective = "CAMERA"
bpy.context.scene.camera.location = (7, -7, 5)
"""


@pytest.fixture
def walked(scene: BlenderWindow) -> BlenderWindow:
    scene.run(_PICTURES)
    scene.settle(1)
    return scene


@contextmanager
def held(window: BlenderWindow, key: str) -> Iterator[None]:
    window._xdotool("keydown", key)
    try:
        yield
    finally:
        window._xdotool("keyup", key)


def make(window: BlenderWindow, *prompts: str) -> list[str]:
    """Pictures, for what the walk is not about."""
    made = []
    for prompt in prompts:
        window.run(
            f"{SETTINGS}.prompt = {prompt!r}\nwith override(): bpy.ops.genai_render.generate()"
        )
        window.wait_for(f"({WORKS}) == 0", 400)
        window.settle(0.5)
        made.append(window.run(f"answer = {STATE}.selected"))
    return made


def middle(window: BlenderWindow, kind: str = "WINDOW") -> tuple[float, float]:
    x, y, width, height = window.region(kind)
    return x + width * 0.4, y + height * 0.5


def down_to_history(window: BlenderWindow) -> None:
    x, y = middle(window, "UI")
    window.move_mouse(x, y)
    window.scroll(40)
    window.settle(1)


def up_again(window: BlenderWindow) -> None:
    window.move_mouse(*middle(window, "UI"))
    window.scroll(-60)
    window.settle(1)


def tile_places(window: BlenderWindow, count: int) -> list[tuple[int, int]]:
    """The first tiles of History, in rows of two."""
    x, y = window.find_button("genai_render.select(", across=0.3)
    _, _, width, _ = window.region("UI")
    other = round(width * 0.42)
    # Where a tile ends and the next begins is seen by hovering down.
    rows = [y + 20]
    step = window.run(
        "import math\n"
        "items = history_view.page(bpy.context, 8).items\n"
        "answer = items[0].height / items[0].width"
    )
    height = round((width - 62) / 2 * step) + 2
    while len(rows) * 2 < count:
        rows.append(rows[-1] + height)
    return [(x + across, row) for row in rows for across in (0, other)][:count]


def compared(window: BlenderWindow) -> list[str]:
    return window.run(
        "shown = ours('viewport.overlay').shown()\n"
        "answer = list(shown.ids) if shown is not None and shown.compared else []"
    )


def test_generate_stays_where_it_is(walked: BlenderWindow) -> None:
    """It is looked for once; after that, the same place is pressed."""
    x, y = walked.find_button("genai_render.generate", across=0.35, begin=0.4)
    place = x, y + 8
    walked.screenshot("walk-01-empty")
    field = walked.find_button("genai_render.prompt", across=0.35, begin=0.2)
    walked.click(*field)
    walked.click(*field)
    walked.type("golden hour, wet stone, fishing boats and gulls over a quiet harbor, " * 3)
    walked.key("Return")
    walked.settle(1)
    walked.screenshot("walk-02-long-prompt")
    for name in ("walk-03-made", "walk-03-made-again"):
        walked.click(*place)
        walked.wait_for(f"({WORKS}) > 0", 60)
        walked.wait_for(f"({WORKS}) == 0", 400)
        walked.settle(1)
        walked.screenshot(name)
        assert walked.run("answer = len(ours('jobs.session').opened().told)"), "nothing was told"


def test_tiles_are_clicked_compared_deleted_and_restored(walked: BlenderWindow) -> None:
    made = make(walked, "moonlight", "fog", "snow")
    walked.run("ours('jobs.session').opened().told.clear()")
    down_to_history(walked)
    newest, second, third = tile_places(walked, 3)
    walked.click(*second)
    assert walked.run(f"answer = {STATE}.selected") == made[1]
    walked.move_mouse(second[0] + 2, second[1] + 2)
    time.sleep(2)
    walked.screenshot("walk-04-tile")
    with held(walked, "shift"):
        walked.click(*newest)
        walked.click(*third)
    walked.settle(1)
    assert compared(walked) == [made[1], made[2], made[0]]
    walked.screenshot("walk-05-compared")
    up_again(walked)
    walked.press("genai_render.leave_comparison(", across=0.35, begin=0.5)
    walked.settle(1)
    assert compared(walked) == []
    assert walked.run(f"answer = {STATE}.selected") == made[1]

    walked.press("genai_render.delete(", across=0.8, begin=0.5)
    walked.settle(1)
    assert made[1] not in walked.run(
        "answer = [one.id for one in history_view.page(bpy.context).items]"
    )
    walked.screenshot("walk-06-deleted")
    walked.press("genai_render.restore(", across=0.35, begin=0.5)
    walked.settle(1)
    assert walked.run(f"answer = {STATE}.selected") == made[1]
    assert walked.run("answer = ours('jobs.session').opened().told") == []
    walked.screenshot("walk-07-restored")


def test_history_is_browsed_in_a_wide_window(walked: BlenderWindow) -> None:
    make(walked, "rain")
    walked.run("ours('jobs.session').opened().told.clear()")
    walked.settle(0.5)
    walked.press("genai_render.browse(", across=0.82, begin=0.5)
    walked.settle(2)
    walked.screenshot("walk-08-browse")
    walked.key("Escape")
    walked.settle(0.5)


def test_search_finds_every_action(walked: BlenderWindow) -> None:
    walked.move_mouse(*middle(walked))
    walked.run("with override(): bpy.ops.wm.search_menu('INVOKE_DEFAULT')")
    walked.settle(1.5)
    walked.type("genai")
    walked.settle(1)
    walked.screenshot("walk-09-search")
    walked.key("Escape", "Escape")
    # Every action that is not a button of the preferences stands in the menu that is searched.
    assert walked.run(_NOT_IN_MENU) == []
    make(walked, "rain")
    walked.move_mouse(*middle(walked))
    walked.search("genai toggle favorite")
    walked.settle(1)
    selected = walked.run(f"answer = {STATE}.selected")
    assert walked.run(f"answer = history_view.item({selected!r}).favourite")
    walked.run("with override(): bpy.ops.genai_render.favourite()")


def test_references_are_added_with_thumbnails(walked: BlenderWindow, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), (200, 80, 30)).save(tmp_path / "swatch.png")
    x, _ = middle(walked, "UI")
    walked.run(f"{STATE}.selected = ''; ours('redraw').sidebars()")
    walked.settle(0.5)
    _, history = walked.find_button("genai_render.browse(", across=0.82, begin=0.5)
    walked.click(x, history - 2 * HEADER)
    walked.settle(1)
    walked.screenshot("walk-10-references")
    assert not walked.run("answer = bpy.ops.genai_render.reference_swap.poll()")
    walked.press("genai_render.reference_file(", across=0.2, begin=0.5)
    walked.settle(2)
    walked.screenshot("walk-11-add-reference")
    browser = "area('FILE_BROWSER').spaces.active.params"
    assert walked.run(f"answer = {browser}.display_type") == "THUMBNAIL"
    assert walked.run(f"answer = {browser}.filename") == ""
    assert walked.run(f"answer = {browser}.use_filter_image or bool({browser}.filter_glob)")
    walked.key("Escape")
    walked.settle(1)
    walked.click(x, history - 2 * HEADER)  # closed again
    walked.settle(0.5)


def test_a_prompt_of_2000_letters(walked: BlenderWindow) -> None:
    words = "a stone bridge over a quiet river at dusk, lanterns, mist and wet leaves; "
    whole = (words * 40)[:1990].strip()
    walked.run(f"{SETTINGS}.prompt = {whole!r}; ours('redraw').sidebars()")
    walked.settle(0.5)
    walked.press("genai_render.edit_prompt(", across=0.72, begin=0.22)
    walked.settle(1)
    walked.screenshot("walk-12-2000-letters")
    walked.key("Return", "Return")
    walked.settle(1)
    assert walked.run(f"answer = {SETTINGS}.prompt") == whole, "the dialog changed what it showed"
    walked.press("genai_render.prompt_to_text(", across=0.8, begin=0.22)
    walked.settle(1)
    walked.screenshot("walk-13-text-editor")
    assert walked.run("answer = area('TEXT_EDITOR').spaces.active.text.as_string()") == whole
    x, y, width, height = walked.region(area="TEXT_EDITOR")
    walked.click(x + width * 0.4, y + height * 0.5)
    walked.key("ctrl+End")
    walked.type(" fog")
    assert walked.run("answer = ours('jobs.request_builder').prompt_of(settings)").endswith("fog")


def test_online_access_and_what_cannot_work_here(walked: BlenderWindow) -> None:
    walked.run(f"{SETTINGS}.prompt = 'fog'; {STATE}.selected = ''")
    x, _ = middle(walked, "UI")
    model = walked.run(
        "answer = next(m.id for m in ours('catalog').catalog().models.values() if m.online)"
    )
    walked.run(f"{SETTINGS}.model = {model!r}; ours('redraw').sidebars()")
    walked.settle(1)
    walked.screenshot("walk-14-online")
    assert not walked.run("answer = bpy.app.online_access")
    walked.press("genai_render.allow_online_access(", across=0.35, begin=0.5)
    walked.settle(1)
    assert walked.run("answer = bpy.app.online_access")
    walked.run("bpy.context.preferences.system.use_online_access = False")
    walked.run(f"{SETTINGS}.model = 'offline'; ours('redraw').sidebars()")
    walked.settle(1)
    _, history = walked.find_button("genai_render.browse(", across=0.82, begin=0.5)
    walked.click(x, history - 3 * HEADER)  # opens Model
    walked.settle(0.5)
    walked.move_mouse(*middle(walked, "UI"))
    walked.scroll(30)
    walked.settle(0.5)
    walked.screenshot("walk-15-model")
    assert "onnxruntime" in walked.run(
        "answer = ours('settings.options').why_unusable('offline', 'neural')"
    )
    up_again(walked)


def test_another_file_takes_messages_and_pictures_along(walked: BlenderWindow) -> None:
    make(walked, "a lighthouse")
    walked.screenshot("walk-16-before")
    assert walked.run("answer = len(ours('jobs.session').opened().told)")
    walked.new_file()
    walked.open_tab()
    walked.screenshot("walk-17-another-file")
    assert walked.run("answer = ours('jobs.session').opened().told") == []
    assert walked.run(f"answer = {STATE}.selected") == ""


_NOT_IN_MENU = """
import inspect
modules = [ours("panels.menus"), ours("panels.image_actions")]
text = "".join(inspect.getsource(module) for module in modules)
# use_prompt is nothing without a prompt: the menu of prompts gives it one.
answer = [
    name for name in dir(bpy.ops.genai_render)
    if "INTERNAL" not in getattr(bpy.types, "GENAI_RENDER_OT_" + name).bl_options
    and f'"genai_render.{name}"' not in text
    and name != "use_prompt"
]
"""
