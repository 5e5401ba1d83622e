# SPDX-License-Identifier: GPL-3.0-or-later
"""The colour looks as the user's scene does, and colour, depth and normals are of one picture."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from genai_render.blender.capture import CaptureSpec, capture, gpu_probe, passes
from genai_render.blender.capture.gpu_probe import Gpu
from genai_render.core.errors import InvalidInput, SceneError

from . import stage
from .test_capture_leaves_no_trace import compositor


def fast(width=128, height=80, **options):
    return capture(bpy.context, CaptureSpec(width, height, mode="fast", samples=1, **options))


def flat(value: float):
    """A lamp of one colour that fills the picture: no light, no noise."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.view_settings.view_transform = "Standard"
    stage.camera()
    paint = stage.material("Lamp", (1, 1, 1), emission=value)
    shader = next(n for n in paint.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (0, 0, 0, 1)
    for name in ("Specular IOR Level",):
        shader.inputs[name].default_value = 0
    return stage.plane("Wall", 50, (0, 30, 0), (90, 0, 0), paint)


def center(canvas):
    return canvas.color[canvas.height // 2, canvas.width // 2]


def test_the_colour_is_display_srgb_with_the_users_exposure():
    flat(0.2)
    assert center(fast()).tolist() == pytest.approx([124, 124, 124, 255], abs=1)
    bpy.context.scene.view_settings.exposure = 1
    assert center(fast()).tolist() == pytest.approx([170, 170, 170, 255], abs=1)


@pytest.mark.parametrize("transform", ["AgX", "Filmic"])
def test_the_colour_has_the_users_view_transform(transform, tmp_path):
    flat(0.6)
    scene = bpy.context.scene
    scene.view_settings.view_transform = transform
    looks = (f"{transform} - High Contrast", "High Contrast")  # named differently by version
    assert any(_accepts(scene, look) for look in looks)
    render = scene.render
    render.resolution_x, render.resolution_y = 64, 64
    scene.cycles.samples = 1
    render.dither_intensity = 0
    render.image_settings.file_format = "PNG"
    render.filepath = str(tmp_path / "own.png")
    bpy.ops.render.render(write_still=True)
    own = passes._read_png(tmp_path / "own.png")
    assert np.abs(center(fast(64, 64)).astype(int)[:3] - own[32, 32, :3]).max() <= 1


def _accepts(scene, look):
    try:
        scene.view_settings.look = look
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("mode", ["fast", "balanced"])
def test_colour_depth_and_normals_agree_on_what_is_there(mode):
    stage.build(around=128)
    canvas = capture(bpy.context, CaptureSpec(160, 128, mode=mode, samples=4, background=False))
    assert 0.2 < canvas.covered.mean() < 0.98
    assert np.array_equal(canvas.covered, np.linalg.norm(canvas.normal, axis=-1) > 0.5)
    assert stage.agree_to_a_pixel(canvas.color[..., 3] > 127, canvas.covered)
    assert (canvas.color[canvas.color[..., 3] == 0] == 0).all()
    assert (canvas.albedo[~canvas.covered] == 0).all()


def test_the_world_is_in_the_picture_unless_it_is_not_wanted():
    stage.build(around=32)
    scene = bpy.context.scene
    scene.world = bpy.data.worlds.new("Sky")
    scene.world.color = (0.2, 0.3, 0.9)
    assert (fast().color[..., 3] == 255).all()
    without = fast(background=False)
    assert (without.color[~stage.grown(without.covered)] == 0).all()
    scene.render.film_transparent = True
    assert (fast().color[..., 3] == 0).any()


def test_alpha_is_straight():
    paint_object = flat(0.5)
    paint = paint_object.data.materials[0]
    shader = next(n for n in paint.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    solid = center(fast(background=False))
    shader.inputs["Alpha"].default_value = 0.5
    canvas = capture(bpy.context, CaptureSpec(64, 64, samples=256, background=False))
    half = center(canvas)
    assert half[3] == pytest.approx(128, abs=6)
    assert half[:3].astype(int) == pytest.approx(solid[:3].astype(int), abs=4)


def test_edges_are_smooth_but_depth_is_not():
    stage.build(around=128)
    canvas = capture(bpy.context, CaptureSpec(128, 96, samples=32, background=False))
    partly = (canvas.color[..., 3] > 8) & (canvas.color[..., 3] < 247)
    assert partly.sum() > 30
    known = stage.truth(canvas.view)
    surface = np.isfinite(known.depth) & canvas.covered
    near_or_exact = np.abs(canvas.depth[surface] - known.depth[surface]) / known.depth[surface]
    assert np.quantile(near_or_exact, 0.99) < 1e-3  # no depth between two surfaces


def test_albedo_is_the_surfaces_own_colour_without_light():
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    stage.camera(location=(0, -8, 0.5), target=(0, 0, 0.5), roll=0)
    wanted = {"Brick": (0.5, 0.1, 0.05), "Gold": (0.9, 0.6, 0.2), "Lamp": (1.0, 0.25, 0.05)}
    spots = {}
    for index, (name, color) in enumerate(wanted.items()):
        paint = stage.material(name, color, emission=4.0 if name == "Lamp" else 0.0)
        shader = next(n for n in paint.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
        shader.inputs["Metallic"].default_value = 1.0 if name == "Gold" else 0.0
        stage.plane(name, 0.8, (index * 2 - 2, 0, 0.5), (90, 0, 0), paint)
        spots[name] = index * 2 - 2
    canvas = fast(192, 96)
    matrix = np.array(canvas.view.projection_matrix)
    for name, x in spots.items():
        column = int((matrix[0, 0] * x / 8 * 0.5 + 0.5) * canvas.width)
        linear = np.array(wanted[name])
        expected = np.where(
            linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055
        )
        seen = canvas.albedo[48, column] / 255
        assert seen == pytest.approx(expected, abs=0.06), name


def test_the_users_compositor_and_sequencer_do_not_alter_it(tmp_path):
    stage.build(around=32)
    plain = fast()
    compositor(bpy.context.scene, tmp_path / "out")
    editor = bpy.context.scene.sequence_editor_create()
    assert editor is not None
    assert np.array_equal(fast().color, plain.color)
    assert list((tmp_path / "out").iterdir()) == []


# --- what is there and what is not ----------------------------------------------------------------


def test_hidden_and_excluded_things_are_not_captured():
    stage.build(around=32)
    alone = fast()
    scene = bpy.context.scene
    stage.ball("Hidden", (1.5, -2, 1), 0.7, 32).hide_render = True
    away = bpy.data.collections.new("Away")
    scene.collection.children.link(away)
    stage.ball("Excluded", (1.0, -2, 1), 0.7, 32, collection=away)
    bpy.context.view_layer.layer_collection.children["Away"].exclude = True
    off = bpy.data.collections.new("Off")
    scene.collection.children.link(off)
    stage.ball("Off", (0.5, -2, 1), 0.7, 32, collection=off)
    off.hide_render = True
    assert np.array_equal(fast().depth, alone.depth)
    away_layer = bpy.context.view_layer.layer_collection.children["Away"]
    away_layer.exclude = False
    assert not np.array_equal(fast().depth, alone.depth)


def test_a_holdout_is_a_hole():
    stage.build(around=64)
    bpy.data.objects["Ball"].is_holdout = True
    canvas = fast(background=False)
    known = stage.truth(canvas.view)
    on_ball = known.inner & np.isfinite(known.depth) & (np.abs(known.normal - known.normal[-3, 64]).sum(-1) > 0.05)  # fmt: skip  # noqa: E501
    assert on_ball.sum() > 100
    assert not canvas.covered[on_ball].any()
    assert (canvas.color[on_ball] == 0).all()


def test_the_view_layer_of_the_context_is_captured_with_its_override():
    stage.build(around=32)
    scene = bpy.context.scene
    scene.view_settings.view_transform = "Standard"
    layer = bpy.context.view_layer
    other = scene.view_layers.new("Other")
    other.layer_collection.exclude = False
    layer.material_override = stage.material("Override", (0, 0, 1), emission=1.0)
    seen = fast().color.reshape(-1, 4)
    blue = (seen[:, 2].astype(int) - seen[:, 0]) > 60
    assert blue.mean() > 0.3


def test_instances_are_captured():
    stage.build(around=128)
    ball = bpy.data.objects["Ball"]
    expected = fast()
    group = bpy.data.collections.new("Group")
    bpy.context.scene.collection.objects.unlink(ball)
    group.objects.link(ball)
    place = stage.add("Place", None)
    place.instance_type, place.instance_collection = "COLLECTION", group
    bpy.context.view_layer.update()
    seen = fast()
    assert np.array_equal(seen.covered, expected.covered)
    assert np.allclose(seen.depth[seen.covered], expected.depth[seen.covered], rtol=1e-5)


def test_hair_volumes_text_and_lattices_do_not_break_it():
    stage.build(around=16)
    ball = bpy.data.objects["Ball"]
    hair = ball.modifiers.new("Hair", "PARTICLE_SYSTEM").particle_system.settings
    hair.type, hair.count, hair.hair_length = "HAIR", 50, 0.5
    stage.add("Fog", bpy.data.volumes.new("Fog"))
    text = bpy.data.curves.new("Text", "FONT")
    text.body = "Hello"
    stage.add("Text", text, (-1, -1, 2), (80, 0, 0))
    stage.add("Lattice", bpy.data.lattices.new("Lattice"))
    stage.add("Meta", bpy.data.metaballs.new("Meta"))
    if hasattr(bpy.data, "hair_curves"):
        stage.add("Curves", bpy.data.hair_curves.new("Curves"))
    canvas = fast()
    assert canvas.covered.mean() > 0.3


@pytest.mark.parametrize("where", ["cloud", "world"])
def test_fog_is_in_the_colour_but_makes_no_holes_in_the_depth(where):
    stage.build(around=128)
    clear = fast(background=False)
    cloud = None
    if where == "cloud":
        paint = stage.material("Mist", (1, 1, 1))
        cloud = stage.ball("Cloud", (1.0, -2.0, 1.5), 0.8, 16, paint)
    else:
        paint = bpy.context.scene.world = bpy.data.worlds.new("Mist")
        if bpy.app.version < (5, 0, 0):
            paint.use_nodes = True
    tree = paint.node_tree
    output = next(n for n in tree.nodes if n.type.startswith("OUTPUT"))
    if cloud is not None:
        tree.links.remove(output.inputs["Surface"].links[0])
    scatter = tree.nodes.new("ShaderNodeVolumeScatter")
    scatter.inputs["Density"].default_value = 1.0 if cloud is not None else 0.05
    tree.links.new(scatter.outputs[0], output.inputs["Volume"])
    canvas = fast(background=False)
    assert np.abs(canvas.color.astype(int) - clear.color).max() > 20
    known = stage.truth(canvas.view)
    surface = known.inner & np.isfinite(known.depth)
    off = np.abs(canvas.depth[surface] - known.depth[surface]) / known.depth[surface]
    assert (off < 1e-3).mean() > 0.99
    assert cloud is None or cloud.visible_camera


# --- what cannot be captured ----------------------------------------------------------------------


def test_no_camera():
    stage.ball(around=16)
    with pytest.raises(SceneError, match="has no camera") as caught:
        fast()
    assert caught.value.exit_code == 7


def test_a_name_that_no_camera_has():
    stage.build(around=16)
    with pytest.raises(SceneError, match='no camera called "Ball"'):
        fast(camera="Ball")


@pytest.mark.parametrize("kind", ["PANO", "CUSTOM"])
def test_a_panoramic_camera_is_refused(kind):
    camera = stage.build(around=16)
    try:
        camera.data.type = kind
    except TypeError:
        pytest.skip("this Blender has no such camera")
    with pytest.raises(SceneError, match="Perspective or Orthographic"):
        fast()


@pytest.mark.parametrize("what", ["nothing", "behind", "hidden"])
def test_nothing_to_render(what):
    camera = stage.build(around=16)
    for name in ("Ball", "Floor"):
        thing = bpy.data.objects[name]
        if what == "nothing":
            bpy.data.objects.remove(thing)
        elif what == "hidden":
            thing.hide_render = True
    if what == "behind":
        camera.rotation_euler.x += np.pi
    with pytest.raises(SceneError, match="sees nothing"):
        fast()


@pytest.mark.parametrize("size", [(63, 100), (100, 8193), (0, 0)])
def test_sizes_that_cannot_be_captured(size):
    with pytest.raises(InvalidInput):
        CaptureSpec(*size)


# --- engines --------------------------------------------------------------------------------------


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(passes, "find_gpu", lambda: Gpu(False))


def eevee() -> str:
    names = bpy.types.RenderSettings.bl_rna.properties["engine"].enum_items.keys()
    return "BLENDER_EEVEE_NEXT" if "BLENDER_EEVEE_NEXT" in names or bpy.app.version < (5, 0, 0) else "BLENDER_EEVEE"  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("engine", ["BLENDER_WORKBENCH", "EEVEE"])
def test_without_a_gpu_cycles_draws_the_colour(no_gpu, engine):
    stage.build(around=16)
    bpy.context.scene.render.engine = eevee() if engine == "EEVEE" else engine
    canvas = capture(bpy.context, CaptureSpec(96, 64, samples=1))
    assert canvas.view.engine == "CYCLES"
    assert canvas.covered.any()


def test_a_software_gpu_draws_workbench_but_not_eevee(monkeypatch):
    monkeypatch.setattr(passes, "find_gpu", lambda: Gpu(True, "llvmpipe (LLVM 15.0.6, 256 bits)"))
    scene = bpy.context.scene
    scene.render.engine = "BLENDER_WORKBENCH"
    assert passes.color_engine(scene, "auto") == "BLENDER_WORKBENCH"
    scene.render.engine = eevee()
    assert passes.color_engine(scene, "auto") == "CYCLES"
    monkeypatch.setattr(passes, "find_gpu", lambda: Gpu(True, "NVIDIA GeForce RTX 4070"))
    assert passes.color_engine(scene, "auto") == scene.render.engine


def test_workbench_draws_a_solid_picture_where_it_can():
    if not gpu_probe.find_gpu().usable:
        pytest.skip("Blender cannot draw with a GPU here")
    stage.build(around=64)
    scene = bpy.context.scene
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.display.shading.light = "FLAT"
    scene.display.shading.color_type = "SINGLE"
    scene.display.shading.single_color = (0.0, 1.0, 0.0)
    scene.view_settings.view_transform = "Standard"
    canvas = capture(bpy.context, CaptureSpec(128, 96, background=False))
    assert canvas.view.engine == "BLENDER_WORKBENCH"
    known = stage.truth(canvas.view)
    inner = known.inner & np.isfinite(known.depth)
    assert (canvas.color[inner][:, 1] > 200).all()
    assert (canvas.color[inner][:, 0] < 60).all()
    assert stage.agree_to_a_pixel(canvas.color[..., 3] > 127, canvas.covered)


def test_a_missing_libegl_does_not_end_the_process(tmp_path, monkeypatch):
    """Any GPU call would end it: the child process that tries finds out."""
    (tmp_path / "libEGL.so.1").write_bytes(b"")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert gpu_probe._try_in_child() == Gpu(False)


def test_grease_pencil_is_left_out_where_it_would_need_a_gpu(no_gpu):
    stage.build(around=16)
    kind = "grease_pencils_v3" if hasattr(bpy.data, "grease_pencils_v3") else "grease_pencils"
    strokes = getattr(bpy.data, kind).new("Strokes")
    made = stage.add("Strokes", strokes)
    canvas = capture(bpy.context, CaptureSpec(64, 64, samples=1))
    assert canvas.covered.any()
    assert not made.hide_render
