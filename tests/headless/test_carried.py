# SPDX-License-Identifier: GPL-3.0-or-later
"""What one camera of a scene saw, another one sees in the same colors."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from genai_render.blender.capture import CaptureSpec, capture
from genai_render.core.view import reprojection

from . import stage


def _diffuse_scene() -> None:
    """A ball, a block and a floor without gloss, under a sun whose shadows are sharp."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.view_settings.view_transform = "Standard"
    scene.cycles.max_bounces = 0
    for name, color in (("Red", (0.7, 0.2, 0.1)), ("Gray", (0.4, 0.4, 0.4))):
        paint = stage.material(name, color)
        shader = next(n for n in paint.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
        shader.inputs["Specular IOR Level"].default_value = 0
    stage.ball(paint=bpy.data.materials["Red"])
    stage.plane(paint=bpy.data.materials["Gray"])
    stage.plane("Wall", 1.5, (-1.5, 2.0, 1.1), (90, 0, 20), bpy.data.materials["Red"])
    stage.light().data.angle = 0
    stage.camera()


@pytest.mark.parametrize(
    ("change", "share"),
    [
        ({}, 0.99),
        ({"type": "ORTHO", "ortho_scale": 7.0}, 0.985),
        ({"shift_x": 0.2, "lens": 35}, 0.99),
    ],
)
def test_both_cameras_show_a_diffuse_surface_in_one_color(change, share: float) -> None:
    _diffuse_scene()
    other = stage.camera("Second", (1.9, -6.8, 3.3), roll=0.0)
    for name, value in change.items():
        setattr(other.data, name, value)
    bpy.context.view_layer.update()
    size = {"width": 640, "height": 480, "samples": 16}
    one = capture(bpy.context, CaptureSpec(camera="Camera", **size))
    two = capture(bpy.context, CaptureSpec(camera="Second", **size))
    carried = reprojection.carry(one.color[..., :3], one, two)
    both = (carried.unseen == 0) & two.covered
    assert both.mean() > 0.3
    off = np.abs(carried.color[both].astype(int) - two.color[..., :3][both]).max(-1)
    assert (off <= 2).mean() >= share
