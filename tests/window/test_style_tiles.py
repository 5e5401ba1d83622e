# SPDX-License-Identifier: GPL-3.0-or-later
"""The style's tiles, clicked one after the other; and styles that an opened file is about."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .blender_window import BlenderWindow

TILES_A_ROW = 8  # how Blender lays out an icon view
STYLE = "bpy.context.scene.genai_render.style"


@pytest.fixture
def own(scene: BlenderWindow, tmp_path: Path) -> Iterator[Path]:
    """The user's own styles: a file that the preferences name, empty at first."""
    path = tmp_path / "mine.toml"
    path.write_text("")
    scene.run(
        "prefs = ours('addon').preferences()\n"
        f"prefs.models_file = {str(path)!r}\n"
        "bpy.context.window_manager.genai_render.show_live = False"
    )
    yield path
    scene.run("prefs.models_file = ''\nbpy.context.window_manager.genai_render.show_live = True")


def have(window: BlenderWindow, path: Path, *ids: str) -> None:
    path.write_text("\n".join(f'[[style]]\nid = "{id}"\nlabel = "{id.title()}"\n' for id in ids))
    window.run("ours('catalog').reload()")
    window.settle(0.5)


def popup_over(window: BlenderWindow, x: float, y: float) -> tuple[int, int, int, int]:
    """Open the pop-up of what is at a place; what it covers: left, top, right, bottom."""
    window.move_mouse(x, y)
    before = np.asarray(Image.open(window.screenshot("tiles-closed")).convert("L"), np.int16)
    window.click(x, y)
    window.settle(0.5)
    after = np.asarray(Image.open(window.screenshot("tiles-open")).convert("L"), np.int16)
    changed = np.abs(after - before) > 2
    # Its shadow is thin; lines in which little has changed are not of it.
    columns = np.flatnonzero(changed.sum(0) > 60)
    rows = np.flatnonzero(changed.sum(1) > 200)
    assert len(columns) > 200, "no tiles have opened"
    assert len(rows) > 100, "no tiles have opened"
    return columns[0], rows[0], columns[-1], rows[-1]


def click_tile(window: BlenderWindow, place: tuple[int, int], index: int, count: int) -> None:
    left, top, right, bottom = popup_over(window, *place)
    across, down = min(count, TILES_A_ROW), -(-count // TILES_A_ROW)
    window.click(
        left + (right - left) * (index % TILES_A_ROW + 0.5) / across,
        top + (bottom - top) * (index // TILES_A_ROW + 0.5) / down,
    )
    window.settle(0.5)


def place_of_tiles(window: BlenderWindow) -> tuple[int, int]:
    """The tile that shows the chosen style: left of the style's menu."""
    _, y = window.find_button("genai_render.style", across=0.8)
    left, _, width, _ = window.region("UI")
    return round(left + width * 0.15), y + 8


def test_every_tile_chooses_its_style(own: Path, scene: BlenderWindow) -> None:
    have(scene, own, "my own ink", "zinc plate")
    styles = scene.run("answer = list(ours('catalog').catalog().styles)")
    place = place_of_tiles(scene)
    # Not in their order, so that each click has to change something.
    order = [*range(1, len(styles)), 0]
    chosen = []
    for index in order:
        click_tile(scene, place, index, len(styles))
        chosen.append(scene.run(f"answer = {STYLE}"))
    assert chosen == [styles[index] for index in order]
    assert "matches no enum" not in scene.output()

    click_tile(scene, place, styles.index("zinc plate"), len(styles))
    scene.screenshot("tile-chosen")
    scene.run("bpy.context.scene.genai_render.prompt = 'a quiet harbour'")
    assert (
        scene.run("answer = ours('jobs.request_builder').prepared(bpy.context).request.style")
        == "zinc plate"
    )


def number_of_30_bits(id: str) -> int:
    """What versions that kept no ids wrote into a .blend."""
    return zlib.crc32(id.encode()) & 0x3FFFFFFF | 1


def test_a_file_of_an_older_version_shows_the_style_it_was_saved_with(
    own: Path, scene: BlenderWindow, tmp_path: Path
) -> None:
    old = str(tmp_path / "old.blend")
    scene.run(
        "settings = bpy.context.scene.genai_render\n"
        f"settings['style'] = {number_of_30_bits('zinc plate')}\n"
        f"bpy.ops.wm.save_as_mainfile(filepath={old!r})"
    )
    have(scene, own, "before it", "zinc plate", "after it")
    _open(scene, old)
    assert scene.run(f"answer = {STYLE}") == "zinc plate"

    # Saved again by this version, and opened where other styles have come.
    scene.run(f"bpy.ops.wm.save_as_mainfile(filepath={old!r})")
    have(scene, own, "a new first", "before it", "zinc plate")
    _open(scene, old)
    assert scene.run(f"answer = {STYLE}") == "zinc plate"
    scene.screenshot("style-of-an-older-version")


def test_a_style_that_is_missing_is_shown_and_generate_says_so(
    own: Path, scene: BlenderWindow, tmp_path: Path
) -> None:
    have(scene, own, "zinc plate")
    saved = str(tmp_path / "zinc.blend")
    scene.run(
        f"{STYLE} = 'zinc plate'\n"
        "bpy.context.scene.genai_render.prompt = 'a quiet harbour'\n"
        f"bpy.ops.wm.save_as_mainfile(filepath={saved!r})"
    )
    have(scene, own)
    _open(scene, saved)
    problem = scene.run("answer = problem()")
    assert 'style "zinc plate" is missing' in problem
    scene.press("genai_render.generate")  # greyed out: nothing may come of it
    assert scene.run("answer = ours('jobs.session').session().works()") == []
    scene.screenshot("style-missing")
    assert scene.run(f"answer = {STYLE}") == "zinc plate", "what was chosen is lost"

    place = place_of_tiles(scene)
    styles = scene.run("answer = list(ours('catalog').catalog().styles)")
    click_tile(scene, place, 1, len(styles) + 1)
    assert scene.run(f"answer = {STYLE}") == styles[1]
    assert scene.run("answer = problem()") == ""


def _open(window: BlenderWindow, path: str) -> None:
    window.run(f"bpy.ops.wm.open_mainfile(filepath={path!r})", bare=True)
    window.settle(0.5)
    window.open_tab()


# What somebody may have written into a file in the place of what is ours; "OBJECT" stands for one.
_HOSTILE = (
    {
        "genai_render": {
            **{"prompt_text": "OBJECT", "prompt": 5, "enhance": "yes", "aspect": "16:9"},
            **{"resolution": 1.5, "count": 1000, "seed": -5, "model_id": 3, "style_id": "OBJECT"},
            **{"reference_1": "a string", "reference_2": 7, "use_canvas": [1, 2]},
        }
    },
    {
        "genai_render": {
            **{"prompt": {"a": 1}, "aspect": 9999, "count": "four", "seed": [1, 2]},
            **{"reference_1": "OBJECT", "reference_2": {"role": "x", "weight": "heavy"}},
            **{"model": "nothing", "style": 2.5},
        },
        "genai_render_options": "OBJECT",
        "genai_render_projection": {"item": 3, "slots": [{"object": "OBJECT", "index": "one"}]},
    },
    {"genai_render": 5, "genai_render_options": [1.0], "genai_render_projection": "OBJECT"},
    {"genai_render": "OBJECT", "genai_render_options": "text", "genai_render_projection": 1.5},
)
_WRITE = """
thing = bpy.data.objects[0]
def value(of):
    if isinstance(of, dict):
        return {name: value(one) for name, one in of.items()}
    if isinstance(of, list):
        return [value(one) for one in of]
    return thing if of == "OBJECT" else of
for owner in (bpy.context.scene, bpy.context.window_manager):
    if hasattr(owner, "bl_system_properties_get"):
        owner = owner.bl_system_properties_get(do_create=True)
    for name, one in hostile.items():
        if name in owner.keys():
            del owner[name]
        owner[name] = value(one)
"""


def test_a_file_with_things_of_other_kinds_opens_as_if_they_were_not_set(
    scene: BlenderWindow, tmp_path: Path
) -> None:
    paths = []
    for number, hostile in enumerate(_HOSTILE):
        paths.append(str(tmp_path / f"hostile-{number}.blend"))
        # In one go, so that nothing of ours looks at it before it is a file.
        scene.run(
            f"hostile = {hostile!r}\n{_WRITE}\n"
            f"bpy.ops.wm.save_as_mainfile(filepath={paths[-1]!r}, copy=True)\n"
            "ours('settings.stored_properties').scrub_all()"
        )
    for number, path in enumerate(paths):
        scene.run(f"bpy.ops.wm.open_mainfile(filepath={path!r})", bare=True)
        scene.open_tab()
        scene.settle(1)
        told = scene.run(
            "one = bpy.context.scene.genai_render\n"
            "answer = [one.prompt, one.count, one.aspect, one.resolution, one.prompt_text, "
            "one.reference_1.digest, one.reference_2.role, one.style, one.model, "
            "len(bpy.context.scene.genai_render_projection.slots)]"
        )
        slots = 1 if number == 1 else 0  # a list that is one, of things that are none
        assert told[:5] == ["", 1, "auto", "1K", None]
        assert told[5:] == ["", "style", "auto", "offline", slots]
        scene.run("bpy.context.scene.genai_render.prompt = 'a quiet harbour'")
        scene.wait_for("problem() == ''", 20)
    scene.screenshot("hostile-file")
