# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures baked into textures, against a pattern that is known everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from genai_render.backends.offline import OfflineBackend
from genai_render.blender.capture import CaptureSpec, capture
from genai_render.blender.jobs import session
from genai_render.blender.texturing import materials, surfaces
from genai_render.core.events import CancelToken, Result
from genai_render.core.request import RenderRequest
from genai_render.core.view.canvas import Canvas
from genai_render.engine.raster.color import to_display, to_linear
from genai_render.engine.texture import bake, surface

from . import stage
from .snapshot import snapshot

_AROUND = ((4, -4, 2), (-4, -4, -2), (4, 4, -1), (-3.5, 4, 3))
_SCALE, _MIDDLE = 0.25, 0.5


def _pattern(name: str = "Pattern") -> bpy.types.Material:
    """Shines in a color that says where in its object it is, in linear light."""
    made: Any = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0, 0):
        made.use_nodes = True
    tree = made.node_tree
    tree.nodes.clear()
    place = tree.nodes.new("ShaderNodeTexCoord")
    scaled = tree.nodes.new("ShaderNodeVectorMath")
    scaled.operation = "MULTIPLY_ADD"
    scaled.inputs[1].default_value = (_SCALE,) * 3
    scaled.inputs[2].default_value = (_MIDDLE,) * 3
    light = tree.nodes.new("ShaderNodeEmission")
    end = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(place.outputs["Object"], scaled.inputs[0])
    tree.links.new(scaled.outputs[0], light.inputs["Color"])
    tree.links.new(light.outputs[0], end.inputs["Surface"])
    return made


def _prepare() -> None:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.view_settings.view_transform = "Standard"


def _cube(paint: bpy.types.Material | None, half: float = 1.0) -> bpy.types.Object:
    mesh = bpy.data.meshes.new("Cube")
    corners = [(x, y, z) for x in (-half, half) for y in (-half, half) for z in (-half, half)]
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    mesh.from_pydata(corners, [], sides)
    if paint is not None:
        mesh.materials.append(paint)
    return stage.add("Cube", mesh)


def _pictures(count: int = 4) -> list[tuple[np.ndarray, Canvas]]:
    out = []
    for number, place in enumerate(_AROUND[:count]):
        name = f"From {number}"
        stage.camera(name, place, target=(0, 0, 0), roll=0)
        spec = CaptureSpec(240, 192, camera=name, samples=2, engine="CYCLES", ids=False)
        canvas = capture(bpy.context, spec)
        out.append((canvas.color[..., :3].copy(), canvas))
    return out


def _texture(pictures: Any, name: str, **how: Any) -> tuple[bake.Baked, np.ndarray, np.ndarray]:
    """The texture, which texels the object has, and what they should be."""
    (thing,) = surfaces.collect(bpy.context, [name], rendered=True).things
    (baked,) = bake.bake([thing.surface], pictures, 512, **how)
    assert baked is not None
    side = baked.pixels.shape[0]
    used = np.zeros(side * side, bool)
    truth = np.zeros((side * side, 3), np.float32)
    back = np.array(bpy.data.objects[name].matrix_world.inverted())
    for block in surface.texels(thing.surface.uvs, side):
        place = block.of(thing.surface.points) @ back[:3, :3].T + back[:3, 3]
        used[block.place] = True
        truth[block.place] = to_display(np.clip(place * _SCALE + _MIDDLE, 0, 1)) * 255
    return baked, used.reshape(side, side), truth.reshape(side, side, 3)


@pytest.mark.parametrize("kind", ["cube", "mirrored"])
def test_what_a_camera_saw_is_on_the_texture(kind: str) -> None:
    _prepare()
    if kind == "cube":
        thing = _cube(_pattern())
    else:
        bpy.ops.mesh.primitive_monkey_add()
        thing = bpy.context.object
        assert thing is not None
        thing.data.materials.append(_pattern())
        thing.scale = (-1, 1.2, 0.8)
        finer: Any = thing.modifiers.new("Finer", "SUBSURF")
        finer.levels, finer.render_levels = 0, 1
        bpy.context.view_layer.update()
    baked, used, truth = _texture(_pictures(), thing.name)
    off = np.abs(baked.pixels.astype(np.float32) - truth).max(-1)
    seen = baked.shown & used
    assert seen.sum() / used.sum() > 0.3
    # A surface that its modifiers have moved is where it is; its pattern, where it was.
    assert (off[seen] <= (12 if kind == "mirrored" else 4)).mean() > 0.98
    assert (off[used] <= 40).mean() > 0.97  # and what none saw continues it


def test_nothing_is_painted_through_what_stands_before_it() -> None:
    _prepare()
    _cube(_pattern())
    wall = stage.plane("Wall", half=0.25, location=(2, -2, 1), rotation=(90, 0, 45))
    wall.data.materials.append(stage.material("White", (1, 1, 1), emission=1.0))
    bpy.context.view_layer.update()
    pictures = _pictures(1)
    assert (pictures[0][0].min(-1) > 250).mean() > 0.004, "the wall is in the picture"
    baked, used, truth = _texture(pictures, "Cube")
    off = np.abs(baked.pixels.astype(np.float32) - truth).max(-1)
    seen = baked.shown & used
    assert 0.05 < seen.sum() / used.sum() < 0.5
    assert (off[seen] <= 4).mean() > 0.98
    assert off[seen].max() < 30


def test_seams_are_matched_in_color() -> None:
    _prepare()
    stage.ball(location=(0, 0, 0), around=64, paint=_pattern())
    pictures = _pictures()
    brighter = to_display(to_linear(pictures[1][0] / np.float32(255)) * 1.3)
    pictures[1] = (np.clip(brighter * 255 + 0.5, 0, 255).astype(np.uint8), pictures[1][1])

    def step(matched: bool) -> tuple[float, float]:
        baked, used, truth = _texture(pictures, "Ball", match_colors=matched)
        off = baked.pixels.astype(np.float32) - truth
        seen = baked.shown & used
        beside = seen[:, 1:] & seen[:, :-1]
        across = np.abs(np.diff(off, axis=1)).max(-1)[beside]
        return float(np.abs(off[seen]).max(-1).mean()), float(np.quantile(across, 0.999))

    plain, matched = step(False), step(True)
    assert plain[0] > 4
    assert matched[0] < 1.5
    assert matched[1] <= 3  # of 255, from texel to texel


def test_what_lacks_uvs_gets_them_and_all_comes_back() -> None:
    _prepare()
    plain = _cube(_pattern())
    bpy.context.view_layer.objects.active = plain
    twin = stage.add("Twin", plain.data, (4, 0, 0))
    twin.scale = (-1, 1, 1)
    bare = stage.plane("Bare", half=1, location=(0, 4, 0))
    several = stage.ball("Several", location=(-4, 0, 0), around=24, paint=_pattern("First"))
    several.data.materials.append(stage.material("Second", (0.2, 0.5, 0.1)))
    several.data.uv_layers.new(name="All in one place")
    several.material_slots[1].link = "OBJECT"
    plain.select_set(True)
    bpy.context.view_layer.update()
    before = snapshot()
    collected = surfaces.collect(bpy.context, [])
    assert snapshot() == before
    assert sorted(one.name for one in collected.things) == ["Bare", "Cube", "Several", "Twin"]
    assert all(surface.shared(one.surface.uvs) < 0.02 for one in collected.things)
    assert [one.surface.mirrored for one in collected.things if one.name == "Twin"] == [True]
    png = materials.encoded(
        bake.Baked(np.full((64, 64, 3), 90, np.uint8), np.ones((64, 64), bool), 1.0)
    )
    for one in collected.things:
        thing = bpy.data.objects[one.name]
        assert materials.put(bpy.context.scene, thing, one, png, lit=one.name == "Bare")
    assert len(materials.textured(bpy.context.scene)) == 4
    assert {slot.material.name for slot in several.material_slots} == {"Several GenAI Texture"}
    assert bare.material_slots[0].material.name == "Bare GenAI Texture"
    for thing in materials.textured(bpy.context.scene):
        assert materials.take_off(thing)
    bpy.context.view_layer.update()
    assert snapshot() == before


def test_overlapping_uvs_are_told(prefs: Any) -> None:
    _prepare()
    thing = _cube(_pattern())
    thing.modifiers.new("Row", "ARRAY").count = 2
    bpy.context.view_layer.update()
    collected = surfaces.collect(bpy.context, ["Cube"])
    assert any("UVs overlap: Cube" in text for text in collected.notices)


def _in_history(folder: Path) -> str:
    canvas = capture(bpy.context, CaptureSpec(256, 192, mode="fast"))
    request = RenderRequest("golden hour", canvas=canvas, seed=3, mode="fast")
    result = next(
        event for event in OfflineBackend().run(request, CancelToken()) if isinstance(event, Result)
    )
    return session.session().store.add(request, result).id


def test_the_operator_from_new_views_and_back(prefs: Any, tmp_path: Path) -> None:
    prefs.history_folder = str(tmp_path / "history")
    stage.build(around=48)
    item = _in_history(tmp_path)
    bpy.ops.object.select_all(action="DESELECT")
    bpy.context.view_layer.update()
    before = snapshot()
    bpy.ops.genai_render.texture(id=item, views="SIX", resolution="1K")
    assert [told.text for told in session.session().told if told.is_error] == []
    assert "Baked textures: 2" in session.session().told[-1].text
    assert len(session.session().store.search(parent=item)) == 6
    ball: Any = bpy.data.objects["Ball"]
    texture = ball.material_slots[0].material.node_tree.nodes["Image Texture"]
    assert texture.image.packed_file is not None
    assert texture.image.size[0] in (256, 512, 1024)
    bpy.ops.genai_render.texture(action="REMOVE")
    bpy.context.view_layer.update()
    after = snapshot()
    # Which image of History is selected is the panel's, and no part of the file.
    own = {"is_dirty", 'all_ids["WinMan"].genai_render.selected'}
    assert {key for key in before | after if before.get(key) != after.get(key)} <= own


def test_the_command(prefs: Any, tmp_path: Path, capsys: Any) -> None:
    from genai_render.blender.cli import running

    prefs.history_folder = str(tmp_path / "history")
    stage.build(around=48)
    item = _in_history(tmp_path)
    out = (tmp_path / "out.jsonl").open("w+")
    history = str(tmp_path / "history")
    target = tmp_path / "textured.blend"
    words = ["texture", item, "--object", "Ball", "--size", "1K", "--save-as", str(target)]
    assert running.run([*words, "--history", history, "--json"], out) == 0
    out.seek(0)
    events = [json.loads(line) for line in out]
    (made,) = [event for event in events if event["event"] == "texture"]
    assert made["object"] == "Ball"
    assert 0.1 < made["seen"] < 0.6
    assert target.exists()
    with bpy.data.libraries.load(str(target)) as (there, _):
        assert "Ball GenAI Texture" in there.materials
        assert "Ball GenAI Texture" in there.images
    assert running.run([*words[:3], "Nothing", *words[4:], "--history", history], out) == 7
