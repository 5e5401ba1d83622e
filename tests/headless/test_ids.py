# SPDX-License-Identifier: GPL-3.0-or-later
"""Which object each pixel of a render shows, against geometry."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from numpy.typing import NDArray

from genai_render.blender.capture import CaptureSpec, capture
from genai_render.blender.capture.passes import capture_ids
from genai_render.core.errors import NotFound, SceneError
from genai_render.core.view.canvas import Canvas, View

from . import stage

SIZE = (320, 200)
PEBBLE = 'Peb"ble\\ é'  # what a name may be


def captured(**values) -> Canvas:
    return capture(bpy.context, CaptureSpec(*SIZE, engine="CYCLES", **values))


def share_of_ball(view: View, center=stage.BALL, radius=1.0, fine=8) -> NDArray[np.float64]:
    """How much of each pixel's square a ball covers, by rays through it."""
    width, height = view.width * fine, view.height * fine
    xs = (np.arange(width) + 0.5) / width * 2 - 1
    ys = 1 - (np.arange(height) + 0.5) / height * 2
    back = np.linalg.inv(np.array(view.projection_matrix, np.float64))
    clip = np.empty((height, width, 4))
    clip[..., 0], clip[..., 1], clip[..., 2], clip[..., 3] = xs, ys[:, None], 0.5, 1
    point = clip @ back.T
    world = np.array(view.camera_to_world, np.float64)
    along = (point[..., :3] / point[..., 3:]) @ world[:3, :3].T
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    offset = world[:3, 3] - np.array(center)
    b = (along * offset).sum(-1)
    hit = b * b - (offset @ offset - radius**2) > 0
    return hit.reshape(view.height, fine, view.width, fine).mean((1, 3))


def check_share(share: NDArray[np.uint8], true: NDArray[np.float64]) -> None:
    """Full and empty where geometry says so, but for the pixels at the edge, and those in
    between as much as they are covered."""
    inside, outside = true == 1, true == 0
    near = stage.grown(~inside) & stage.grown(~outside)  # where the film's filter reaches
    assert (share[inside & ~near] == 255).all()
    assert (share[outside & ~near] == 0).all()
    edge = ~inside & ~outside
    assert edge.sum() > 100
    off = share[edge] / 255 - true[edge]
    assert abs(off.mean()) < 0.05
    assert np.abs(off).mean() < 0.25
    assert abs(share.sum() / 255 / true.sum() - 1) < 0.005


@pytest.mark.parametrize(
    "values",
    [{"mode": "auto", "samples": 16}, {"mode": "fast"}],
    ids=["of the color's rays", "of one render"],
)
def test_a_ball_on_a_floor(values) -> None:
    stage.build()
    canvas = captured(**values)
    assert canvas.ids is not None
    assert canvas.ids.object_names == ["Ball", "Floor"]
    assert sorted(canvas.ids.materials) == ["Gray", "Red"]
    true = share_of_ball(canvas.view)
    ball = canvas.ids.share_of(objects=["Ball"])
    if values["mode"] == "fast":
        assert stage.agree_to_a_pixel(ball > 127, true > 0.5)
    else:
        check_share(ball, true)
    assert (canvas.ids.share_of(materials=["Red"]) == ball).mean() > 0.999
    both = canvas.ids.share_of(objects=["Ball", "Floor"])
    assert stage.agree_to_a_pixel(both > 127, canvas.covered)


def test_a_view_that_was_captured_before() -> None:
    camera = stage.build()
    camera.data.shift_x = 0.05
    for kind in ("PERSP", "ORTHO"):
        camera.data.type = kind
        camera.data.ortho_scale = 5.0
        view = captured(ids=False).view
        again = capture_ids(bpy.context, view)
        if kind == "PERSP":
            check_share(again.share_of(objects=["Ball"]), share_of_ball(view))
        covered = captured(ids=True)
        assert covered.ids is not None
        first, second = (one.share_of(objects=["Ball"]) > 127 for one in (again, covered.ids))
        assert stage.agree_to_a_pixel(first, second)
    bpy.data.objects.remove(bpy.data.objects["Ball"])
    bpy.data.objects.remove(bpy.data.objects["Floor"])
    with pytest.raises(SceneError):
        capture_ids(bpy.context, view)


def test_strips_are_one_picture(monkeypatch) -> None:
    from genai_render.blender.capture import passes

    stage.build(64)
    view = captured(ids=False).view
    whole = capture_ids(bpy.context, view)
    monkeypatch.setattr(passes, "_STRIP_PIXELS", 20_000)
    parts = capture_ids(bpy.context, view)
    assert parts.object_names == whole.object_names
    for name in whole.object_names:
        one, other = (ids.share_of(objects=[name]) > 127 for ids in (whole, parts))
        assert stage.agree_to_a_pixel(one, other)


def test_instances_collections_and_what_is_seen_through() -> None:
    stage.build(64)
    props = bpy.data.collections.new("Props")
    kit = bpy.data.collections.new("Kit")
    bpy.context.scene.collection.children.link(props)
    stage.ball(PEBBLE, (0, 0, 0), 0.3, 32, stage.material("Stone", (0.2, 0.2, 0.3)), kit)
    for number, place in enumerate(((-1.2, -1.5, 0.2), (1.6, -1.4, 0.3))):
        shown = stage.add(f"Shown {number}", None, place, collection=props)
        shown.instance_type, shown.instance_collection = "COLLECTION", kit
    veil = stage.material("Veil", (1, 1, 1))
    shader = next(n for n in veil.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Alpha"].default_value = 0.5
    toward = bpy.context.scene.camera.location.lerp(stage.BALL, 0.4)
    stage.plane("Curtain", 0.25, tuple(toward), (90, 0, 20), veil)
    bpy.context.view_layer.update()
    canvas = captured(samples=16)
    ids = canvas.ids
    assert ids is not None
    assert ids.object_names == ["Ball", "Curtain", "Floor", PEBBLE, "Shown 0", "Shown 1"]
    assert ids.collection_names == ["Kit", "Props"]
    pebbles = ids.share_of(objects=[PEBBLE])
    assert (pebbles > 127).sum() > 50
    for same in (
        ids.share_of(collections=["Kit"]),
        ids.share_of(collections=["Props"]),
        ids.share_of(materials=["Stone"]),
    ):
        assert (same == pebbles).mean() > 0.999
    curtain = ids.share_of(objects=["Curtain"])
    middle = curtain[(curtain > 64) & (curtain < 192)]
    assert len(middle) > 500, "a curtain that lets half of the light through has half of the pixels"
    with pytest.raises(NotFound, match='"Ball", "Curtain"'):
        ids.share_of(objects=["Bal"])
