# SPDX-License-Identifier: GPL-3.0-or-later
"""The live view as a canvas: exact, the same as a render, and without a trace."""

from __future__ import annotations

import pytest

from .blender_window import BlenderWindow

VIEWS = {
    "free": "view.region_3d.view_perspective = 'PERSP'",
    "orthographic": "view.region_3d.view_perspective = 'ORTHO'",
    "camera": "view.region_3d.view_perspective = 'CAMERA'",
    "tall camera": "view.region_3d.view_perspective = 'CAMERA'\n"
    "bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y = 600, 900\n"
    "bpy.context.scene.camera.data.shift_x = 0.1",
}

_CAPTURE = """
import numpy as np
view_frame, view_capture = ours("capture.viewport_frame"), ours("capture.viewport")
def captured(aspect, width, height):
    framing = import_module("bl_ext.user_default.genai_render.core.framing")
    with override() as context:
        found = view_frame.find_view(bpy.context)
        size = framing.Size(width, height)
        frame = view_frame.frame(bpy.context, *found, size.aspect)
        drawn = view_capture.draw(bpy.context, found[2], found[1], frame, size)
    return view_capture.to_canvas(drawn)
"""

_SPHERE = """
for thing in list(bpy.data.objects):
    if thing.type == "MESH":
        bpy.data.objects.remove(thing)
with override():
    bpy.ops.mesh.primitive_uv_sphere_add(segments=256, ring_count=128, radius=1)
    bpy.ops.object.shade_smooth()
"""

_AGAINST_SPHERE = """
canvas = captured(None, 640, 360)
height, width = canvas.depth.shape
matrix = np.array(canvas.view.camera_to_world)
inverse = np.linalg.inv(np.array(canvas.view.projection_matrix))
xs = (np.arange(width) + .5) / width * 2 - 1
xs, ys = np.meshgrid(xs, 1 - (np.arange(height) + .5) / height * 2)
def at(z):
    seen = np.stack([xs, ys, np.full_like(xs, z), np.ones_like(xs)], -1) @ inverse.T
    return (seen[..., :3] / seen[..., 3:]) @ matrix[:3, :3].T + matrix[:3, 3]
start, end = at(-1), at(1)
along = end - start
along /= np.linalg.norm(along, axis=-1, keepdims=True)
b = (start * along).sum(-1)
under = b * b - (start * start).sum(-1) + 1
hit = under > 0
where = start + along * (-b - np.sqrt(np.where(hit, under, 0)))[..., None]
depth = -((where - matrix[:3, 3]) @ matrix[:3, :3])[..., 2]
normal = where @ matrix[:3, :3]
both = canvas.covered & hit
off = np.abs(canvas.depth - depth)[both] / depth[both]
angle = np.degrees(np.arccos(np.clip((canvas.normal * normal).sum(-1)[both], -1, 1)))
answer = [int(hit.sum()), int((canvas.covered ^ hit).sum()), float(np.quantile(off, .999)),
          float(angle.mean())]
"""


@pytest.mark.parametrize("view", VIEWS)
def test_depth_and_normals_of_a_sphere(scene: BlenderWindow, view: str) -> None:
    scene.run(_CAPTURE + _SPHERE + VIEWS[view])
    scene.settle(1)
    hit, missed, depth, normal = scene.run(_AGAINST_SPHERE, timeout=300)
    print(f"{view}: {hit} pixels, depth p99.9 {depth:.1e}, normals {normal:.3f}°")
    assert hit > 500
    assert missed <= hit * 0.002 + 4
    assert depth <= 1e-3
    assert normal <= 0.5


def test_the_same_as_a_render_of_the_camera(scene: BlenderWindow) -> None:
    scene.run(_CAPTURE + VIEWS["camera"])
    scene.settle(1)
    agree = scene.run(
        """
live = captured(None, 320, 180)
capture = ours("capture")
spec = capture.CaptureSpec(width=320, height=180, engine="BLENDER_WORKBENCH")
rendered = capture.capture(bpy.context, spec)
both = live.covered & rendered.covered
off = np.abs(live.depth - rendered.depth)[both] / rendered.depth[both]
angle = np.degrees(np.arccos(np.clip((live.normal * rendered.normal).sum(-1)[both], -1, 1)))
answer = [int(both.sum()), int((live.covered ^ rendered.covered).sum()),
          float(np.median(off)), float(np.quantile(off, .98)),
          float(np.median(angle)), float(np.quantile(angle, .95))]
""",
        timeout=600,
    )
    print(agree)
    both, differ, depth, depth_most, angle, angle_most = agree
    assert both > 5000
    assert differ <= both * 0.01
    assert depth <= 1e-3
    assert depth_most <= 1e-2
    assert angle <= 0.5
    assert angle_most <= 3


_PROPERTIES = """
def everything():
    found = {}
    space = area().spaces.active
    owners = {"space": space, "shading": space.shading, "overlay": space.overlay,
              "region": space.region_3d, "scene": bpy.context.scene.render}
    for name, owner in owners.items():
        for one in owner.bl_rna.properties:
            if one.type in ("BOOLEAN", "INT", "FLOAT", "ENUM", "STRING"):
                value = getattr(owner, one.identifier)
                value = value[:] if getattr(one, "is_array", False) else value
                found[f"{name}.{one.identifier}"] = repr(value)
    found["dirty"] = bpy.data.is_dirty
    found["selected"] = sorted(thing.name for thing in bpy.context.selected_objects)
    kinds = ("images", "meshes", "objects", "scenes", "materials")
    found["data"] = {name: len(getattr(bpy.data, name)) for name in kinds}
    found["undo"] = bpy.context.window_manager.operators.keys()
    return found
"""


@pytest.mark.parametrize("mode", ["SOLID", "WIREFRAME", "xray"])
def test_nothing_of_the_viewport_changes(scene: BlenderWindow, mode: str) -> None:
    scene.run(_CAPTURE + _PROPERTIES)
    if mode == "xray":
        scene.run("area().spaces.active.shading.show_xray = True")
    else:
        scene.run(f"area().spaces.active.shading.type = {mode!r}")
    scene.settle(1)
    before = scene.run("answer = everything()")
    covered = scene.run("answer = int(captured(None, 320, 180).covered.sum())")
    assert covered > 1000
    assert scene.run("answer = everything()") == before


_PARTS = {
    "quad view": "with override(): bpy.ops.screen.region_quadview()",
    "local view": "with override():\n"
    "    bpy.ops.mesh.primitive_cube_add(location=(0, 0, 2))\n"
    "    monkey = bpy.data.objects['Suzanne']\n"
    "    bpy.ops.object.select_all(action='DESELECT')\n"
    "    monkey.select_set(True)\n"
    "    bpy.ops.view3d.localview(frame_selected=False)",
}


@pytest.mark.parametrize("part", _PARTS)
def test_only_what_the_viewport_shows(scene: BlenderWindow, part: str) -> None:
    """In quad view the user's own view, in local view what is local; normals fit the colour."""
    scene.run(_CAPTURE + _PROPERTIES + _PARTS[part])
    scene.settle(1)
    before = scene.run("answer = everything()")
    covered, missing = scene.run(
        "canvas = captured(None, 320, 180)\n"
        "answer = [float(canvas.covered.mean()), "
        "int((canvas.covered & ~canvas.normal.any(-1)).sum())]"
    )
    print(f"{part}: {covered:.1%} of the picture")
    if part == "local view":  # the floor is not in it
        assert 0.005 < covered < 0.25
    else:
        assert covered > 0.02
    assert missing == 0
    assert scene.run("answer = everything()") == before
    scene.run(
        _PARTS[part] if part == "quad view" else "with override(): bpy.ops.view3d.localview()"
    )


@pytest.mark.parametrize("engine", ["BLENDER_WORKBENCH", "CYCLES"])
def test_a_rendered_view_has_its_surfaces(scene: BlenderWindow, engine: str) -> None:
    """Cycles draws nothing for others than the window; then the colour is Material Preview's."""
    scene.run(_CAPTURE + _PROPERTIES)
    if engine == "CYCLES" and scene.run("answer = bpy.app.version < (5, 0)"):
        pytest.skip("the shaders of EEVEE take minutes here without a GPU")
    scene.run(
        f"bpy.context.scene.render.engine = {engine!r}\n"
        "if bpy.context.scene.render.engine == 'CYCLES':\n"
        "    bpy.context.scene.cycles.preview_samples = 1\n"
        "solid = captured(None, 320, 180)\n"
        "area().spaces.active.shading.type = 'RENDERED'"
    )
    scene.settle(1)
    before = scene.run("answer = everything()")
    apart, depth, color = scene.run(
        "canvas = captured(None, 320, 180)\n"
        "both = canvas.covered & solid.covered\n"
        "answer = [float((canvas.covered ^ solid.covered).mean()), "
        "float(np.abs(canvas.depth - solid.depth)[both].max()), "
        "float(canvas.color[both].mean())]",
        timeout=400,
    )
    assert apart == 0
    assert depth == 0
    assert color > 20
    assert scene.run("answer = everything()") == before
    scene.run("area().spaces.active.shading.type = 'SOLID'")


def test_nothing_changes_when_the_draw_fails(scene: BlenderWindow) -> None:
    scene.run(_CAPTURE + _PROPERTIES)
    before = scene.run("answer = everything()")
    failed = scene.run(
        """
real = view_capture._draw_view
def fail(*_): raise RuntimeError("no")
view_capture._draw_view = fail
try:
    captured(None, 320, 180)
except RuntimeError:
    answer = True
finally:
    view_capture._draw_view = real
"""
    )
    assert failed
    assert scene.run("answer = everything()") == before


def test_tiles_fit_together(scene: BlenderWindow) -> None:
    """A picture larger than the graphics card draws at once is the same as a whole one."""
    scene.run(_CAPTURE)
    apart = scene.run(
        """
whole = captured(None, 640, 368)
real = view_capture._largest_side
view_capture._largest_side = lambda: 256
try:
    tiled = captured(None, 640, 368)
finally:
    view_capture._largest_side = real
both = whole.covered & tiled.covered
answer = [int((whole.covered ^ tiled.covered).sum()), int(both.sum()),
          float(np.quantile(np.abs(whole.depth - tiled.depth)[both], .99)),
          float(np.quantile(np.abs(whole.normal - tiled.normal)[both], .99)),
          float(np.abs(whole.color.astype(int) - tiled.color)[both].mean())]
""",
        timeout=300,
    )
    differ, both, depth, normal, color = apart
    assert both > 10000
    assert differ <= both * 0.002
    assert depth < 1e-3
    assert normal < 0.02
    assert color < 2
