# SPDX-License-Identifier: GPL-3.0-or-later
"""What uses the view that a picture was made from: projecting it, going back, changing it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .blender_window import BlenderWindow
from .test_panel import _FAST, _QUICK, WORKS, image_path, item, undo

VIEWS = {
    "camera": "view.region_3d.view_perspective = 'CAMERA'",
    "free": "view.region_3d.view_perspective = 'PERSP'",
    "orthographic": "view.region_3d.view_perspective = 'ORTHO'",
    "centimetres": "view.region_3d.view_perspective = 'PERSP'\n"
    "bpy.context.scene.unit_settings.scale_length = 0.01",
}

_MATERIALS = """
bpy.ops.outliner.orphans_purge(do_recursive=True)
red, green = bpy.data.materials.new("Red"), bpy.data.materials.new("Green")
for material, color in ((red, (1, 0, 0, 1)), (green, (0, 1, 0, 1))):
    material.use_nodes = True
    material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = color
monkey = bpy.context.scene.objects["Suzanne"]
monkey.data.materials.append(red)
twin = monkey.copy()
twin.location.x = 2.5
bpy.context.collection.objects.link(twin)
twin.material_slots[0].link = "OBJECT"
twin.material_slots[0].material = green
with override():
    bpy.ops.ed.undo_push(message="Before")
"""

_STATE = """
def state_of_materials():
    found = {}
    for thing in bpy.data.objects:
        if thing.type != "MESH":
            continue
        slots = []
        for slot in thing.material_slots:
            link = slot.link
            both = {}
            for way in ("DATA", "OBJECT"):
                slot.link = way
                both[way] = slot.material.name if slot.material else None
            slot.link = link
            slots.append([link, both])
        data = [one.name if one else None for one in thing.data.materials]
        found[thing.name] = [slots, data]
    for material in bpy.data.materials:
        tree = material.node_tree
        found["material " + material.name] = sorted(
            [node.bl_idname, repr([s.default_value[:] if hasattr(s.default_value, "__len__")
             else s.default_value for s in node.inputs if hasattr(s, "default_value")])]
            for node in tree.nodes) + [len(tree.links), material.users]
    found["node groups"] = sorted(group.name for group in bpy.data.node_groups)
    found["images"] = sorted(image.name for image in bpy.data.images)
    return found
"""

# A picture of sixteen fields in colours that no shading of the scene has.
_CHEQUERS = """
import numpy as np
from PIL import Image as _Image
def encoded(request, shade):
    rows, columns = np.mgrid[:request.height, :request.width]
    rows, columns = rows * 4 // request.height, columns * 4 // request.width
    pixels = np.zeros((request.height, request.width, 3), np.uint8)
    pixels[..., 0], pixels[..., 1], pixels[..., 2] = 90 + rows * 40, 90 + columns * 40, 150
    buffer = io.BytesIO()
    _Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
"""


def make(window: BlenderWindow, view: str) -> str:
    window.run(_QUICK + _CHEQUERS + VIEWS[view])
    window.settle(1)
    window.run("bpy.context.scene.genai_render.prompt = 'fields'")
    window.run("with override(): bpy.ops.genai_render.generate()")
    window.wait_for(f"({WORKS}) == 0 and bpy.context.window_manager.genai_render.selected", 120)
    window.run(_FAST)
    return window.run("answer = bpy.context.window_manager.genai_render.selected")


@pytest.mark.parametrize("view", VIEWS)
def test_project_onto_the_scene_and_back(scene: BlenderWindow, view: str) -> None:
    """The view shows the picture on the objects; then every material is as it was."""
    scene.run(_MATERIALS + _STATE)
    made = make(scene, view)
    before = scene.run("answer = state_of_materials()")
    scene.run("engine = bpy.context.scene.render.engine")
    scene.run("view.overlay.show_overlays = view.show_gizmo = False")
    # Cycles: without a GPU, the shaders of Material Preview take minutes in older Blenders.
    scene.run(
        "with override(): bpy.ops.genai_render.project(show=False)\n"
        "bpy.context.window_manager.genai_render.show_frame = False\n"
        "bpy.context.scene.render.engine = 'CYCLES'\n"
        "bpy.context.scene.cycles.preview_samples = 4\n"
        "bpy.context.scene.cycles.use_preview_denoising = False\n"
        "view.shading.type = 'RENDERED'"
    )
    scene.settle(4)
    seen = Image.open(scene.screenshot(f"projected-{view}")).convert("RGB")

    # What the picture should be like on the screen: where its frame is now, over the objects.
    frame = scene.run(
        "with override():\n"
        "    found = ours('capture.viewport_frame').find_view(bpy.context)\n"
        "    frame = ours('capture.viewport_frame').frame(bpy.context, *found, 'auto')\n"
        "clear = ours('capture.viewport_frame').clear_part(found[0], found[1])[2]\n"
        "answer = [frame.x, frame.y, frame.width, frame.height, clear]"
    )
    x, y, _, height = scene.region()
    left, bottom, wide, high, clear = frame
    box = (x + left, y + height - bottom - high, x + left + wide, y + height - bottom)
    picture = Image.open(image_path(scene, made)).convert("RGB")
    seen = np.asarray(seen.crop(tuple(map(round, box))).resize(picture.size)).astype(float)
    wanted = np.asarray(picture).astype(float)
    folder = Path(str(item(scene, made)["folder"]))
    covered = np.asarray(Image.open(folder / "canvas.webp").convert("RGBA"))[..., 3] > 0
    covered[:, int(max(0, (clear - left) / wide) * covered.shape[1]) :] = False  # the sidebar
    off = np.abs(seen - wanted).max(-1)[covered]
    print(f"{view}: off by {np.median(off):.0f} in the middle, {(off > 30).mean():.1%} by more")
    assert np.median(off) <= 12
    assert (off > 30).mean() < 0.08

    scene.run("with override(): bpy.ops.genai_render.unproject('EXEC_DEFAULT', True)")
    scene.run("view.shading.type = 'SOLID'; bpy.context.scene.render.engine = engine")
    assert scene.run("answer = state_of_materials()") == before


def test_a_projection_is_undone_and_survives_saving(scene: BlenderWindow, tmp_path: Path) -> None:
    scene.run(_MATERIALS + _STATE)
    make(scene, "free")
    before = scene.run("answer = state_of_materials()")
    scene.run("with override(): bpy.ops.genai_render.project('EXEC_DEFAULT', True, show=False)")
    assert scene.run("answer = state_of_materials()") != before
    undo(scene)
    assert scene.run("answer = bpy.context.scene.genai_render_projection.item") == ""
    assert scene.run("answer = state_of_materials()") == before

    scene.run("with override(): bpy.ops.genai_render.project(show=False)")
    path = str(tmp_path / "projected.blend")
    scene.run(f"bpy.ops.wm.save_as_mainfile(filepath={path!r})")
    scene.run(f"bpy.ops.wm.open_mainfile(filepath={path!r})", bare=True)
    scene.settle(1)
    scene.run("with override(): bpy.ops.genai_render.unproject()")
    assert scene.run("answer = state_of_materials()") == before


@pytest.mark.parametrize("view", VIEWS)
def test_return_to_the_view_of_a_picture(scene: BlenderWindow, view: str) -> None:
    make(scene, view)
    frame = (
        "with override():\n"
        "    found = ours('capture.viewport_frame').find_view(bpy.context)\n"
        "    frame = ours('capture.viewport_frame').frame(bpy.context, *found, 'auto')\n"
        "    matrix = frame.projection @ frame.view_matrix\n"
        "answer = [value for row in (0, 1, 3) for value in matrix[row]]"
    )
    before = scene.run(frame)
    scene.run(
        "view.region_3d.view_perspective = 'PERSP'\n"
        "view.region_3d.view_location, view.region_3d.view_distance = (3, 1, 2), 23\n"
        "view.region_3d.view_rotation = (0.5, 0.5, 0.5, 0.5)\n"
        "view.lens = 90"
    )
    scene.settle(1)
    assert not np.allclose(scene.run(frame), before, atol=1e-2)
    scene.run("with override(): bpy.ops.genai_render.return_to_view()")
    scene.settle(1)
    after = scene.run(frame)
    assert np.allclose(after, before, rtol=2e-3, atol=5e-3), (before, after)


def test_edit_a_picture_within_a_mask(scene: BlenderWindow) -> None:
    """White in the mask is painted over, black stays, and the edit knows where it comes from."""
    made = make(scene, "free")
    original = Image.open(image_path(scene, made)).convert("RGB")
    scene.run(
        "mask = bpy.data.images.new('Half', 64, 64)\n"
        "pixels = np.zeros((64, 64, 4), np.float32)\n"
        "pixels[..., 3] = 1\n"
        "pixels[:, :32, :3] = 1\n"
        "mask.pixels.foreach_set(pixels.ravel())"
    )
    scene.run(
        "with override():\n    bpy.ops.genai_render.edit(prompt='night, blue, dark', mask='Half')"
    )
    scene.wait_for(
        f"({WORKS}) == 0 and bpy.context.window_manager.genai_render.selected != {made!r}", 120
    )
    edited = scene.run("answer = bpy.context.window_manager.genai_render.selected")
    record = item(scene, edited)["request"]
    assert record["kind"] == "edit"
    assert record["parent"] == made
    with Image.open(io.BytesIO(image_path(scene, edited).read_bytes())) as result:
        pixels = np.asarray(result.convert("RGB").resize(original.size)).astype(float)
    change = np.abs(pixels - np.asarray(original)).mean(-1)
    middle = change.shape[1] // 2
    assert change[:, : middle - 40].mean() > 10
    assert change[:, middle + 40 :].mean() < 3
    # It still knows its view, so that it can be projected, too.
    assert scene.run("with override(): answer = bpy.ops.genai_render.project.poll()")


def test_the_edit_dialog(scene: BlenderWindow) -> None:
    make(scene, "free")
    x, y, width, height = scene.region()
    scene.move_mouse(x + width * 0.4, y + height / 2)
    scene.run("with override(): bpy.ops.genai_render.edit('INVOKE_DEFAULT')")
    scene.settle(1)
    scene.type("make it night")
    scene.screenshot("edit-dialog")
    scene.key("Return")
    scene.settle(0.5)
    scene.key("Return")
    scene.wait_for("history_view.page(bpy.context).items[0].prompt == 'make it night'", 120)
