# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not as the user's scene means it is said: what is missing, replaced or left out."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from genai_render.blender.capture import CaptureSpec, capture, missing_files, passes
from genai_render.blender.capture.gpu_probe import Gpu
from genai_render.core.errors import SceneError

from . import stage
from .snapshot import differences, snapshot


def take(**options):
    return capture(bpy.context, CaptureSpec(64, 64, mode="fast", samples=1, **options))


def only(notices) -> str:
    assert len(notices) == 1, notices
    return notices[0]


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(passes, "find_gpu", lambda: Gpu(False))


def with_texture(owner, image) -> None:
    if bpy.app.version < (5, 0, 0):
        owner.use_nodes = True
    tree = owner.node_tree
    is_world = isinstance(owner, bpy.types.World)
    texture = tree.nodes.new("ShaderNodeTexEnvironment" if is_world else "ShaderNodeTexImage")
    texture.image = image
    kind, socket = ("BACKGROUND", "Color") if is_world else ("BSDF_PRINCIPLED", "Base Color")
    shader = next(n for n in tree.nodes if n.type == kind)
    tree.links.new(texture.outputs["Color"], shader.inputs[socket])


def lost(name: str, folder: str = "/no/such folder/"):
    image = bpy.data.images.new(name, 4, 4)
    image.source = "FILE"
    image.filepath = folder + name
    return image


# --- files that are not there ---------------------------------------------------------------------


def test_nothing_is_said_of_a_whole_scene():
    stage.build(around=16)
    assert take().notices == ()


def test_missing_textures_are_counted_and_the_first_three_named():
    stage.build(around=16)
    scene = bpy.context.scene
    for index, name in enumerate(("d.png", "b.png", "c.jpg")):
        paint = stage.material(name, (1, 1, 1))
        with_texture(paint, lost(name))
        stage.ball(name, (index, 0, 0), 0.3, 12, paint)
    scene.world = bpy.data.worlds.new("Sky")
    with_texture(scene.world, lost("a sky.hdr"))
    said = only(take().notices)
    assert said.startswith("4 textures are missing: a sky.hdr, b.png, c.jpg and 1 more.")
    assert "magenta" in said


@pytest.mark.parametrize(
    "where", ["nowhere", "another scene", "the compositor", "a brush", "a picture to draw after"]
)
def test_what_is_not_in_the_picture_is_not_missed(where):
    stage.build(around=16)
    image = lost("gone.png")
    if where == "another scene":
        paint = stage.material("Paint", (1, 1, 1))
        with_texture(paint, image)
        thing = stage.ball("Other", around=12, paint=paint)
        bpy.context.scene.collection.objects.unlink(thing)
        bpy.data.scenes.new("Other").collection.objects.link(thing)
    elif where == "the compositor":
        scene = bpy.context.scene
        if hasattr(scene, "compositing_node_group"):
            tree = scene.compositing_node_group = bpy.data.node_groups.new(
                "C", "CompositorNodeTree"
            )
        else:
            scene.use_nodes = True
            tree = scene.node_tree
        tree.nodes.new("CompositorNodeImage").image = image
    elif where == "a picture to draw after":
        empty = stage.add("Reference", None)
        empty.empty_display_type = "IMAGE"
        empty.data = image
    elif where == "a brush":
        texture = bpy.data.textures.new("Stamp", "IMAGE")
        texture.image = image
        bpy.data.brushes.new("Brush").texture = texture
    assert missing_files.notices(bpy.context.scene) == []


def test_a_texture_of_a_group_in_an_instanced_collection_is_missed():
    stage.build(around=16)
    group = bpy.data.node_groups.new("Wood", "ShaderNodeTree")
    group.nodes.new("ShaderNodeTexImage").image = lost("wood.png")
    paint = stage.material("Paint", (1, 1, 1))
    paint.node_tree.nodes.new("ShaderNodeGroup").node_tree = group
    kept = bpy.data.collections.new("Kept")
    stage.ball("Instanced", around=12, paint=paint, collection=kept)
    place = stage.add("Place", None)
    place.instance_type, place.instance_collection = "COLLECTION", kept
    assert "wood.png" in only(missing_files.notices(bpy.context.scene))


def test_tiles_sequences_and_packed_textures_are_there(tmp_path):
    stage.build(around=16)
    for name in ("tile.1001.png", "tile.1002.png", "walk_0003.png"):
        (tmp_path / name).write_bytes(b"")
    paint = stage.material("Paint", (1, 1, 1))
    stage.ball("Painted", around=12, paint=paint)
    folder = f"{tmp_path}/"
    tiled, walk = lost("tile.<UDIM>.png", folder), lost("walk_0001.png", folder)
    tiled.source, walk.source = "TILED", "SEQUENCE"
    packed = bpy.data.images.new("packed.png", 4, 4)
    packed.pack()
    for image in (tiled, walk, packed):
        paint.node_tree.nodes.new("ShaderNodeTexImage").image = image
    assert missing_files.notices(bpy.context.scene) == []
    tiled.filepath = folder + "other.<UDIM>.png"
    assert "1 texture is missing: other.<UDIM>.png." in only(
        missing_files.notices(bpy.context.scene)
    )


def test_missing_caches_and_libraries(tmp_path):
    stage.build(around=16)
    cloud = bpy.data.volumes.new("Cloud")
    cloud.filepath = "/no/such folder/cloud.vdb"
    stage.add("Cloud", cloud)
    modifier = bpy.data.objects["Ball"].modifiers.new("Cloth", "MESH_CACHE")
    modifier.filepath = "/no/such folder/cloth.pc2"
    said = only(missing_files.notices(bpy.context.scene))
    assert said.startswith("2 caches are missing: cloth.pc2 (Ball), cloud.vdb.")

    library = tmp_path / "props.blend"
    chair = bpy.data.meshes.new("Chair")
    bpy.data.libraries.write(str(library), {chair})
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.meshes = ["Chair"]
    stage.add("Chair", wanted.meshes[0])
    assert len(missing_files.notices(bpy.context.scene)) == 1
    library.unlink()
    assert any(
        said.startswith("1 linked file is missing: props.blend.")
        for said in missing_files.notices(bpy.context.scene)
    )


def test_a_texture_that_cannot_be_read_is_seen_by_its_magenta(tmp_path):
    stage.build(around=16)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    image = lost("broken.png", f"{tmp_path}/")
    with_texture(bpy.data.materials["Gray"], image)
    said = only(take().notices)
    assert "magenta" in said


# --- another engine -------------------------------------------------------------------------------


def eevee() -> str:
    return "BLENDER_EEVEE_NEXT" if bpy.app.version < (5, 0, 0) else "BLENDER_EEVEE"


def test_it_is_said_that_cycles_stands_in(no_gpu):
    stage.build(around=16)
    bpy.context.scene.render.engine = eevee()
    assert "Cycles drew the view, since EEVEE needs" in only(take().notices)
    assert take(engine="CYCLES").notices == ()


def room():
    """A closed room without windows, seen from outside, with a ball in it. Walls face inward."""
    bpy.ops.mesh.primitive_cube_add(size=6, location=tuple(stage.BALL))
    walls = bpy.context.object
    walls.name = "Room"
    walls.data.flip_normals()
    paint = stage.material("Walls", (0.7, 0.7, 0.6))
    walls.data.materials.append(paint)
    stage.ball(around=64, paint=stage.material("Red", (0.8, 0.1, 0.05)))
    stage.camera(location=(7, -9, 6))
    bpy.context.scene.render.engine = eevee()
    lamp = bpy.data.lights.new("Lamp", "POINT")
    lamp.energy = 300
    stage.add("Lamp", lamp, (1, -1, 3))
    return paint


def test_culled_walls_are_looked_through_and_put_back(no_gpu):
    paint = room()
    closed = take()
    paint.use_backface_culling = True
    before = snapshot()
    opened = take()
    assert differences(before, snapshot()) == []
    middle = (slice(28, 36), slice(28, 36))
    camera = bpy.context.scene.camera.matrix_world.translation
    ball_away = (stage.BALL - camera).length - 1
    assert opened.depth[middle].min() == pytest.approx(ball_away, rel=0.02)
    assert closed.depth[middle].max() < ball_away - 1
    red = opened.albedo[middle].astype(int)
    assert (red[..., 0] > red[..., 1] + 60).all()
    # What is left of the room is its far side.
    assert opened.depth[opened.covered].min() > closed.depth[closed.covered].min() + 1


def test_cycles_itself_culls_nothing(no_gpu):
    paint = room()
    bpy.context.scene.render.engine = "CYCLES"
    closed = take()
    paint.use_backface_culling = True
    assert np.array_equal(take().depth, closed.depth)


# --- nothing to be seen ---------------------------------------------------------------------------


def test_black_without_light():
    stage.build(around=16)
    bpy.data.objects.remove(bpy.data.objects["Sun"])
    assert "all black: nothing in the scene gives light" in only(take().notices)


def test_black_inside_an_object():
    stage.build(around=16)
    stage.ball("Shell", tuple(bpy.context.scene.camera.location), 2.0, 32)
    assert 'all black: the camera is inside "Shell"' in only(take().notices)


def test_black_by_the_exposure():
    stage.build(around=16)
    bpy.context.scene.view_settings.exposure = -9
    assert "all black: the scene's exposure is -9" in only(take().notices)


def test_one_color_of_a_wall_before_the_camera():
    stage.build(around=16)
    wall = stage.material("Wall", (0.05, 0.2, 0.6), emission=0.5)
    shader = next(n for n in wall.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (0, 0, 0, 1)
    shader.inputs["Specular IOR Level"].default_value = 0
    camera = bpy.context.scene.camera
    place = camera.matrix_world @ stage.Vector((0, 0, -0.5))
    made = stage.plane("Wall", 3.0, tuple(place), paint=wall)
    made.rotation_euler = camera.matrix_world.to_euler()
    assert "all of one color (#" in only(take().notices)


def test_a_picture_of_something_is_not_called_flat():
    stage.build(around=16)
    bpy.context.scene.view_settings.exposure = -2
    assert take().notices == ()


def test_far_from_the_origin_the_steps_of_depth_are_said():
    stage.build(around=16)
    for thing in bpy.context.scene.objects:
        thing.location.x += 16_000_000
    bpy.context.view_layer.update()
    said = take().notices
    assert any("16,000,0" in text and "steps of 1:" in text for text in said), said


# --- no surface -----------------------------------------------------------------------------------


def test_lines_alone_say_that_they_have_no_faces():
    stage.camera()
    wire = bpy.data.meshes.new("Wire")
    wire.from_pydata([(-1, 0, 1), (1, 0, 1)], [(0, 1)], [])
    stage.add("Wire", wire)
    with pytest.raises(SceneError, match=r'no faces \("Wire"\)'):
        take()


def test_all_that_is_there_is_hidden_from_renders():
    stage.build(around=16)
    for name in ("Ball", "Floor"):
        bpy.data.objects[name].hide_render = True
    with pytest.raises(SceneError, match="2 objects are there, all hidden from renders"):
        take()


def test_grease_pencil_alone_says_why_it_is_not_drawn(no_gpu):
    stage.camera()
    kind = "grease_pencils_v3" if hasattr(bpy.data, "grease_pencils_v3") else "grease_pencils"
    stage.add("Strokes", getattr(bpy.data, kind).new("Strokes"))
    with pytest.raises(SceneError, match=r'Only Grease Pencil is there \("Strokes"\)'):
        take()
    stage.ball(around=16)
    assert any('Grease Pencil is not in the picture: "Strokes"' in said for said in take().notices)


def test_smoke_alone_is_drawn_as_a_flat_picture():
    camera = stage.camera()
    bpy.context.scene.render.engine = "CYCLES"
    stage.light()
    paint = stage.material("Smoke", (1, 1, 1))
    tree = paint.node_tree
    output = next(n for n in tree.nodes if n.type == "OUTPUT_MATERIAL")
    tree.links.remove(output.inputs["Surface"].links[0])
    scatter = tree.nodes.new("ShaderNodeVolumeScatter")
    scatter.inputs["Density"].default_value = 8.0
    tree.links.new(scatter.outputs[0], output.inputs["Volume"])
    stage.ball("Smoke", around=16, paint=paint)
    canvas = capture(bpy.context, CaptureSpec(64, 64, samples=8))
    assert 0.05 < canvas.covered.mean() < 0.6
    away = (camera.matrix_world.translation - stage.BALL).length
    assert canvas.depth[canvas.covered] == pytest.approx(away, rel=0.01)
    assert any('no surface ("Smoke")' in said for said in canvas.notices)


# --- how far it is --------------------------------------------------------------------------------


def test_progress_moves_while_blender_renders():
    stage.build(around=32)
    told = []
    spec = CaptureSpec(256, 256, samples=8)
    capture(bpy.context, spec, told.append)
    assert told == sorted(told)
    assert len(set(told)) >= 3
    assert 0 <= told[0] < told[-1] <= 1
