# SPDX-License-Identifier: GPL-3.0-or-later
"""Of what can be seen through, the surface that a viewer means is captured, whole and without
specks: its depth, its normals, and its own color."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from genai_render.blender.capture import CaptureSpec, capture

from . import stage

WALL_AWAY = 12.0
WALL_GREEN = (0.1, 0.6, 0.1)


def shader(paint: bpy.types.Material):
    return next(n for n in paint.node_tree.nodes if n.type == "BSDF_PRINCIPLED")


def mixed_with_clear(paint: bpy.types.Material, share, other: str, add: bool = False) -> None:
    """The surface becomes a mix (or a sum) of Transparent and another shader."""
    tree = paint.node_tree
    output = next(n for n in tree.nodes if n.type == "OUTPUT_MATERIAL")
    mix = tree.nodes.new("ShaderNodeAddShader" if add else "ShaderNodeMixShader")
    clear = tree.nodes.new("ShaderNodeBsdfTransparent")
    made = tree.nodes.new(other)
    first = len(mix.inputs) - 2
    tree.links.new(clear.outputs[0], mix.inputs[first])
    tree.links.new(made.outputs[0], mix.inputs[first + 1])
    if not add:
        if share is None:
            tree.links.new(tree.nodes.new("ShaderNodeFresnel").outputs[0], mix.inputs[0])
        else:
            mix.inputs[0].default_value = share
    tree.links.new(mix.outputs[0], output.inputs["Surface"])


def card(kind: str) -> bpy.types.Material:
    paint = stage.material(kind, (0.8, 0.1, 0.05))
    if kind.startswith("alpha "):
        shader(paint).inputs["Alpha"].default_value = float(kind.split()[1])
    elif kind == "veil":
        mixed_with_clear(paint, 0.3, "ShaderNodeBsdfDiffuse")
    elif kind == "glass":
        shader(paint).inputs["Transmission Weight"].default_value = 1.0
    elif kind == "bubble":
        mixed_with_clear(paint, None, "ShaderNodeBsdfGlossy")
    elif kind == "glow":
        mixed_with_clear(paint, None, "ShaderNodeEmission", add=True)
    return paint


def pane_before_a_wall(paint: bpy.types.Material, wall: bool = True) -> None:
    """A pane that fills the middle of the picture, 5 away, and a green wall behind it."""
    bpy.context.scene.render.engine = "CYCLES"
    stage.camera(location=(0, -5, 0), target=(0, 0, 0), roll=0)
    stage.light()
    stage.plane("Pane", 1.0, (0, 0, 0), (90, 0, 0), paint)
    if wall:
        away = (0, WALL_AWAY - 5, 0)
        stage.plane("Wall", 20, away, (90, 0, 0), stage.material("Green", WALL_GREEN))


def take(samples: int = 1):
    return capture(bpy.context, CaptureSpec(128, 96, samples=samples))


def middle(plane):
    return plane[30:66, 46:82]


def flips(depth) -> float:
    """The share of neighbors that are on different surfaces: none within one pane."""
    return float((np.abs(np.diff(depth, axis=1)) > 0.5).mean())


@pytest.mark.parametrize(
    ("kind", "away"),
    [
        ("alpha 0.4", 5.0),
        ("alpha 0.1", 5.0),
        ("veil", 5.0),
        ("glass", 5.0),
        ("alpha 0.02", WALL_AWAY),  # all but invisible: what is behind it
        ("bubble", WALL_AWAY),  # 4 % of reflection, seen straight on
        ("glow", WALL_AWAY),  # light that hides nothing
    ],
)
def test_one_surface_without_specks(kind, away):
    pane_before_a_wall(card(kind))
    canvas = take()
    depth = middle(canvas.depth)
    assert flips(depth) == 0
    assert depth == pytest.approx(away, rel=1e-3)
    assert np.abs(middle(canvas.normal) - (0, 0, 1)).max() < 1e-3


def test_alpha_and_what_is_behind_mix_in_the_surfaces_own_color():
    pane_before_a_wall(card("alpha 0.4"))
    seen = middle(take().albedo).reshape(-1, 3).astype(float)
    mixed = 0.4 * np.array((0.8, 0.1, 0.05)) + 0.6 * np.array(WALL_GREEN)
    wanted = 255 * (1.055 * mixed ** (1 / 2.4) - 0.055)
    assert np.abs(seen.mean(axis=0) - wanted).max() < 12
    assert seen.std(axis=0).max() < 16  # one ray a pixel gave 65


def test_a_veil_before_nothing_is_not_dark():
    pane_before_a_wall(card("alpha 0.4"), wall=False)
    canvas = take()
    red = 255 * (1.055 * 0.8 ** (1 / 2.4) - 0.055)
    assert middle(canvas.albedo)[..., 0].astype(float) == pytest.approx(red, abs=8)


def test_all_of_a_ball_is_covered_and_its_normals_are_its_own():
    stage.build(around=128)
    ball = bpy.data.objects["Ball"]
    solid = take()
    shader(ball.data.materials[0]).inputs["Alpha"].default_value = 0.4
    canvas = take()
    assert np.array_equal(canvas.covered, solid.covered)
    assert np.allclose(canvas.depth[solid.covered], solid.depth[solid.covered], rtol=1e-5)
    off = stage.angles(canvas.normal[solid.covered], solid.normal[solid.covered])
    assert np.quantile(off, 0.99) < 0.2


def test_of_nested_shells_the_outermost_is_the_surface():
    stage.build(around=64)
    for index, radius in enumerate((1.3, 1.6)):
        paint = stage.material(f"Shell {index}", (0.1, 0.2, 0.9))
        shader(paint).inputs["Alpha"].default_value = 0.25
        stage.ball(f"Shell {index}", radius=radius, around=128, paint=paint)
    camera = bpy.context.scene.camera
    canvas = take()
    nearest = (stage.BALL - camera.matrix_world.translation).length - 1.6
    assert canvas.depth[45:51, 60:68].min() == pytest.approx(nearest, rel=5e-3)
    assert flips(canvas.depth[40:56, 56:72]) == 0


def test_the_gaps_of_a_leaf_card_are_gaps(tmp_path):
    """A picture whose alpha is 0 or 1 in squares."""
    image = bpy.data.images.new("Leaves", 64, 64, alpha=True)
    cells = (np.indices((64, 64)) // 16).sum(axis=0) % 2
    pixels = np.ones((64, 64, 4), np.float32)
    pixels[..., 3] = cells
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    paint = stage.material("Leaf", (0.1, 0.5, 0.1))
    tree = paint.node_tree
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image, texture.interpolation = image, "Closest"
    tree.links.new(texture.outputs["Alpha"], shader(paint).inputs["Alpha"])
    coordinates = tree.nodes.new("ShaderNodeTexCoord")
    tree.links.new(coordinates.outputs["Generated"], texture.inputs["Vector"])
    pane_before_a_wall(paint)
    depth = middle(take().depth)
    leaf, gap = np.isclose(depth, 5.0, rtol=1e-2), np.isclose(depth, WALL_AWAY, rtol=1e-2)
    assert (leaf | gap).all()
    assert 0.4 < leaf.mean() < 0.6


def test_hair_cards_are_thin_but_there():
    """Strips that fade out to their sides, as hair of game characters is made."""
    paint = stage.material("Hair", (0.2, 0.1, 0.05))
    tree = paint.node_tree
    coordinates = tree.nodes.new("ShaderNodeTexCoord")
    wave = tree.nodes.new("ShaderNodeTexWave")
    wave.inputs["Scale"].default_value = 2.0
    tree.links.new(coordinates.outputs["Generated"], wave.inputs["Vector"])
    tree.links.new(wave.outputs["Fac"], shader(paint).inputs["Alpha"])
    pane_before_a_wall(paint)
    depth = middle(take().depth)
    strips = np.isclose(depth, 5.0, rtol=1e-2)
    assert 0.7 < strips.mean() < 1.0
    # Whole strips, down all of the picture, and not grains.
    assert (strips.all(axis=0) | (~strips).all(axis=0)).mean() > 0.8
