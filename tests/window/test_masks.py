# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks of what the view shows, and masks that are painted, by mouse and keys."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from .blender_window import BlenderWindow
from .test_panel import WORKS, box_on_screen, generate, image_path, item, prompt

_OBJECTS = """
import numpy as np
for thing in list(bpy.data.objects):
    if thing.type == "MESH":
        bpy.data.objects.remove(thing)
def painted(name):
    return bpy.data.materials.new(name)
def sphere(name, place, radius, material):
    with override():
        bpy.ops.mesh.primitive_uv_sphere_add(
            segments=128, ring_count=64, radius=radius, location=place)
    thing = bpy.context.object
    thing.name = name
    thing.data.materials.append(material)
    return thing
sphere("Ball", (0, 0, 0), 1, painted("Red"))
with override():
    bpy.ops.mesh.primitive_plane_add(size=8, location=(0, 0, -1))
bpy.context.object.name = "Floor"
kit = bpy.data.collections.new("Kit")
pebble = sphere("Pebble", (0, 0, 0), 0.4, painted("Stone"))
for owner in list(pebble.users_collection):
    owner.objects.unlink(pebble)
kit.objects.link(pebble)
for number, place in enumerate(((-2.2, -2.2, 0), (2.2, 2.2, 0))):
    shown = bpy.data.objects.new(f"Shown {number}", None)
    shown.instance_type, shown.instance_collection = "COLLECTION", kit
    shown.location = place
    bpy.context.scene.collection.objects.link(shown)
# Two materials on one mesh: the lower half of the ball is blue.
ball = bpy.data.objects["Ball"]
ball.data.materials.append(painted("Blue"))
for face in ball.data.polygons:
    face.material_index = int(face.center.z < 0)
bpy.context.view_layer.update()
"""
_DRAWN = """
frames, captures = ours("capture.viewport_frame"), ours("capture.viewport")
framing = import_module("bl_ext.user_default.genai_render.core.framing")
def captured(ids=True, width=640, height=360):
    with override() as context:
        found = frames.find_view(bpy.context)
        size = framing.Size(width, height)
        frame = frames.frame(bpy.context, *found, size.aspect)
        return captures.draw(bpy.context, found[2], found[1], frame, size, ids=ids)
canvas = captures.to_canvas(captured())
ids = canvas.ids
height, width, fine = canvas.height, canvas.width, 4
matrix = np.array(canvas.view.camera_to_world)
back = np.linalg.inv(np.array(canvas.view.projection_matrix))
xs = (np.arange(width * fine) + .5) / (width * fine) * 2 - 1
ys = 1 - (np.arange(height * fine) + .5) / (height * fine) * 2
clip = np.empty((height * fine, width * fine, 4))
clip[..., 0], clip[..., 1], clip[..., 2], clip[..., 3] = xs, ys[:, None], 0.5, 1
point = clip @ back.T
along = (point[..., :3] / point[..., 3:]) @ matrix[:3, :3].T
along /= np.linalg.norm(along, axis=-1, keepdims=True)
def true_share(center):
    # The mesh is as wide as the sphere but for its flat faces.
    offset = matrix[:3, 3] - np.array(center[:3])
    b = (along * offset).sum(-1)
    hit = b * b - (offset @ offset - center[3] ** 2) > 0
    return hit.reshape(height, fine, width, fine).mean((1, 3))
def compared(share, center):
    true = true_share(center)
    off = share / 255 - true
    edge = (true > 0) & (true < 1)
    return [int((share > 127).sum()), float(np.abs(off[~edge]).max()),
            float(np.abs(off[edge]).mean()), float(share.sum() / 255 / true.sum() - 1)]
def shared(**names):
    return ids.share_of(**names)
answer = {
    "names": ids.object_names, "collections": ids.collection_names,
    "materials": sorted(ids.materials),
    "ball": compared(shared(objects=["Ball"]), (0, 0, 0, 1)),
    "left": compared(shared(objects=["Shown 0"]), (-2.2, -2.2, 0, 0.4)),
    "halves": float(np.abs(shared(materials=["Red", "Blue"]).astype(float)
                           - shared(objects=["Ball"])).max()),
    "blue": float((shared(materials=["Blue"]) > 127).sum()),
    "both": bool((shared(collections=["Kit"]) == shared(objects=["Pebble"])).all()),
}
"""


def test_what_each_pixel_of_the_view_is(scene: BlenderWindow) -> None:
    scene.run(_OBJECTS + "view.region_3d.view_perspective = 'PERSP'")
    scene.settle(1)
    found = scene.run(_DRAWN, timeout=300)
    print(found)
    assert found["names"] == ["Ball", "Floor", "Pebble", "Shown 0", "Shown 1"]
    assert found["collections"] == ["Collection", "Kit"]
    assert found["materials"] == ["Blue", "Red", "Stone"]
    for name in ("ball", "left"):
        pixels, inside, edge, size = found[name]
        assert pixels > 200
        assert inside <= 0.26, "a pixel beside the edge is at most one of four places off"
        assert edge < 0.15
        assert abs(size) < 0.01
    assert found["halves"] <= 1
    assert found["blue"] > 500
    assert found["both"]


def changed(window: BlenderWindow, before: str, after: str) -> np.ndarray:
    """(H, W), where two images of History differ."""
    pixels = []
    for made in (before, after):
        with Image.open(io.BytesIO(image_path(window, made).read_bytes())) as image:
            pixels.append(np.asarray(image.convert("RGB")))
    assert pixels[0].shape == pixels[1].shape
    return (pixels[0] != pixels[1]).any(-1)


def kept_mask(window: BlenderWindow, made: str) -> np.ndarray:
    """(H, W), 0 to 1: how much may change in an edit that was made."""
    (path,) = image_path(window, made).parent.glob("mask.*")
    with Image.open(path) as image:
        return 1 - np.asarray(image.convert("RGBA"))[..., 3] / 255


def newest(window: BlenderWindow, before: str) -> str:
    selected = "bpy.context.window_manager.genai_render.selected"
    window.wait_for(f"({WORKS}) == 0 and {selected} != {before!r}", 120)
    return window.run(f"answer = {selected}")


def test_edit_what_is_selected(scene: BlenderWindow) -> None:
    """Edit, Change: Selected Objects, a prompt, and only the monkey is another."""
    prompt(scene, "golden hour")
    made = generate(scene)
    scene.run(
        "with override():\n"
        "    bpy.ops.object.select_all(action='DESELECT')\n"
        "bpy.data.objects['Suzanne'].select_set(True)"
    )
    where = scene.find_button("genai_render.edit(", across=0.6, begin=0.5)
    scene.click(*where)
    scene.settle(1)
    scene.type("night, blue, pencil")
    scene.key("Return")
    scene.settle(0.5)
    scene.screenshot("mask-edit-typed")
    choose(scene, where, "s")
    scene.screenshot("mask-edit-selected")
    scene.key("Return")
    edited = newest(scene, made)
    share = kept_mask(scene, edited)
    differs = changed(scene, made, edited)
    known = scene.run(
        "origin = import_module('bl_ext.user_default.genai_render.core.history.kept_ids').origin\n"
        f"ids = origin(ours('jobs.session').session().store, {made!r}).ids\n"
        "import numpy as np\n"
        "share = ids.share_of(objects=['Suzanne'])\n"
        "answer = [ids.object_names, float((share > 0).mean())]"
    )
    print("SELECTED", known, float((share > 0).mean()), float(differs.mean()))
    assert known[0] == ["Plane", "Suzanne"]
    assert abs((share > 0).mean() - known[1]) < 0.01
    assert not differs[share == 0].any()
    assert differs[share == 1].mean() > 0.9
    scene.screenshot("mask-edit-done")


def choose(window: BlenderWindow, opened: tuple[int, int], letter: str) -> None:
    """In the dialog that came up where the mouse was, open the menu *Change*, and press a letter
    of it."""
    for down in (36, 42, 30):  # it is a line below the prompt
        before = np.asarray(Image.open(window.screenshot("mask-menu-0")).convert("RGB"))
        window.click(opened[0] - 100, opened[1] + down)
        window.settle(1)
        after = np.asarray(Image.open(window.screenshot("mask-menu")).convert("RGB"))
        if (before != after).any(-1).sum() > 8000:  # a menu of seven lines lies over it
            window.key(letter)
            window.settle(0.5)
            return
    raise AssertionError("the menu cannot be found")


def test_paint_a_mask(scene: BlenderWindow) -> None:
    """Paint Mask, a stroke, Edit Painted Part: only what was painted is another."""
    # Debian's 4.3 comes without them: there, Blender cannot paint at all.
    if not scene.run("answer = bpy.utils.system_resource('DATAFILES', path='assets/brushes')"):
        pytest.skip("this Blender has no brushes")
    prompt(scene, "golden hour")
    made = generate(scene)
    scene.press("genai_render.paint_mask(", across=0.91, begin=0.5)
    scene.settle(2)
    scene.screenshot("mask-painting")
    x, y, width, height = scene.region("WINDOW", "IMAGE_EDITOR")
    scene.drag((x + width * 0.3, y + height * 0.5), (x + width * 0.5, y + height * 0.5))
    scene.settle(1)
    scene.run("editor = area('IMAGE_EDITOR')\neditor.spaces.active.show_region_ui = True")
    scene.settle(1)
    scene.run(
        "next(part for part in editor.regions if part.type == 'UI').active_panel_category = 'GenAI'"
    )
    scene.settle(1)
    scene.screenshot("mask-painted")
    scene.press("action='USE'", kind="UI", area="IMAGE_EDITOR")
    scene.settle(1)
    scene.type("night, blue, pencil")
    scene.screenshot("mask-painted-edit")
    scene.key("Return")
    scene.settle(0.5)
    scene.key("Return")
    edited = newest(scene, made)
    share = kept_mask(scene, edited)
    differs = changed(scene, made, edited)
    print("SHARE", float((share > 0).mean()), float(differs.mean()))
    assert item(scene, edited)["request"]["parent"] == made
    assert 0.002 < (share > 0).mean() < 0.5
    assert not differs[share == 0].any()
    assert differs[share == 1].mean() > 0.9
    scene.press("action='END'", kind="UI", area="IMAGE_EDITOR")
    scene.settle(1)
    scene.screenshot("mask-painted-end")


def test_annotate_over_the_view(scene: BlenderWindow) -> None:
    """Strokes of the mouse are marks where they were drawn, as the image shows it."""
    prompt(scene, "golden hour")
    made = generate(scene)
    left, top, right, bottom = box_on_screen(scene)
    scene.run("with override(): bpy.ops.wm.tool_set_by_id(name='builtin.annotate')")
    scene.settle(0.5)

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (right - left) * x, top + (bottom - top) * y

    scene.drag(at(0.3, 0.4), at(0.45, 0.6))
    scene.screenshot("annotated")
    scene.run("with override(): bpy.ops.wm.tool_set_by_id(name='builtin.select_box')")
    marked = scene.run(
        "import base64\n"
        "origin = import_module('bl_ext.user_default.genai_render.core.history.kept_ids').origin\n"
        f"view_of = origin(ours('jobs.session').session().store, {made!r}).view\n"
        "with override() as context:\n"
        f"    marks = ours('jobs.annotated').marks(bpy.context, {made!r}, view_of, 1000, 1000)\n"
        "answer = base64.b64encode(marks.picture).decode()"
    )
    with Image.open(io.BytesIO(base64.b64decode(marked))) as image:
        image.save(scene.shots / "annotated-markup.png")
        there = np.asarray(image.convert("RGBA"))[..., 3] > 127
    rows, columns = np.nonzero(there)
    print("MARKED", rows.min(), rows.max(), columns.min(), columns.max())
    assert abs(rows.min() - 400) < 40
    assert abs(rows.max() - 600) < 40
    assert abs(columns.min() - 300) < 40
    assert abs(columns.max() - 450) < 40
