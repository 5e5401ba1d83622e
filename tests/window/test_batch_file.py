# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch file chosen in the panel, by mouse and keys: counted, made, found."""

from __future__ import annotations

from .blender_window import BlenderWindow
from .test_packs import _PRODUCT, _USERS_OWN, HEADER, MADE, SETTINGS, _found


def test_a_batch_file_by_mouse(scene: BlenderWindow) -> None:
    scene.run(_PRODUCT)
    file = scene.log.parent / "night.toml"
    file.write_text(
        '[[batch]]\nprompt = ["daylight", "moonlight"]\nframe = "1,5"\nmode = "fast"\n'
        'aspect = "1:1"\n'
    )
    scene.settle(1)
    before = scene.run(_USERS_OWN)
    left, top, width, height = scene.region("UI")
    x = left + width * 0.4
    _, history = _found(scene, "genai_render.browse(", 0.86, 0.35)
    scene.click(x, history - HEADER)
    scene.settle(1)
    scene.move_mouse(x, top + height * 0.5)
    scene.scroll(40)
    scene.settle(1)
    scene.screenshot("batch-0-open")

    scene.click(*_found(scene, "genai_render.batch_file", 0.35, 0.1))
    scene.type(str(file))
    scene.key("Return")
    scene.settle(0.5)
    assert scene.run(f"answer = {SETTINGS}.batch_file") == str(file)
    scene.wait_for(f"not {MADE}.plan(bpy.context).counting", 30)
    scene.move_mouse(x, top + height * 0.5)
    scene.scroll(40)
    scene.settle(1)
    scene.screenshot("batch-1-counted")
    sums = f"{MADE}.plan(bpy.context).sums"
    assert scene.run(f"answer = [{sums}.pictures, {sums}.captures, {sums}.usd]") == [4, 2, 0]

    start = _found(scene, "genai_render.pack(action='START')", 0.35, 0.1)
    scene.click(*start)
    scene.wait_for(f"{MADE}.making is not None and {MADE}.making.run.of('done')", 200)
    scene.screenshot("batch-2-under-way")
    scene.wait_for(f"len({MADE}.making.run.of('done')) == 4", 200)
    scene.wait_for(f"{MADE}.making.over and not {MADE}.making.reporting", 60)
    scene.settle(1)
    scene.screenshot("batch-3-done")
    made = scene.run(
        f"store = ours('jobs.session').opened().store\n"
        f"answer = [[store.get(id).prompt, store.get(id).frame] for id in {MADE}.ids(bpy.context)]"
    )
    assert sorted(made) == [
        [words, frame] for words in ("daylight", "moonlight") for frame in (1, 5)
    ]
    assert scene.run(f"answer = {MADE}.page(bpy.context) is not None")
    name = scene.run(f"answer = {MADE}.making.run.name")
    wanted = scene.run(
        f"from pathlib import Path\nanswer = ours('batches.items').file_name(Path({str(file)!r}))"
    )
    assert name == wanted, "the command line could not go on with it"
    assert scene.run(_USERS_OWN) == before, "the scene is not as it was"
