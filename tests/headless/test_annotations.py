# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's annotations as marks on an image, from the place that it was seen from."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import numpy as np
import pytest

from genai_render.blender.capture import CaptureSpec, capture
from genai_render.blender.jobs import annotated
from genai_render.core.image import images
from genai_render.core.masks.markup import Stroke, drawn

from . import stage

needs_strokes = pytest.mark.skipif(
    bpy.app.version >= (4, 3, 0), reason="Python cannot draw annotations in this Blender"
)


def circle(center, radius: float, points: int = 64):
    angle = np.linspace(0, 2 * np.pi, points)
    around = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], -1)
    return np.array(center) + radius * around


class Points(list):
    """Points as Blender gives them."""

    def foreach_get(self, name: str, flat) -> None:
        assert name == "co"
        flat[:] = np.array(self, np.float32).ravel()


def layer(points, **values):
    stroke = SimpleNamespace(points=Points(points))
    facts = {
        "info": "Note",
        "annotation_hide": False,
        "is_ruler": False,
        "color": (1.0, 0.2, 0.0),
        "annotation_opacity": 1.0,
        "thickness": 4,
        "active_frame": SimpleNamespace(strokes=[stroke]),
    }
    return SimpleNamespace(**{**facts, **values})


def scene_with(*layers):
    """The scene, with annotations that Python could not draw in most Blenders."""
    units = bpy.context.scene.unit_settings
    return SimpleNamespace(annotation=SimpleNamespace(layers=layers), unit_settings=units)


def test_a_circle_round_the_ball_is_round_the_ball_in_the_image() -> None:
    stage.build(64)
    canvas = capture(bpy.context, CaptureSpec(320, 200, mode="fast"))
    assert canvas.ids is not None
    around = layer(circle(stage.BALL, 1.25))
    hidden = layer(circle(stage.BALL, 0.5), annotation_hide=True)
    ruler = layer(circle(stage.BALL, 0.5), is_ruler=True)
    strokes = annotated.of_scene(scene_with(around, hidden, ruler), canvas.view, 640, 400)
    assert len(strokes) == 1
    pixels = images.decode(drawn(strokes, 640, 400))
    marked = pixels[..., 3] > 127
    assert tuple(pixels[marked][0][:3]) == (255, 51, 0)
    ball = canvas.ids.share_of(objects=["Ball"]) > 127
    rows, columns = np.nonzero(marked)
    high, wide = np.nonzero(ball)
    assert rows.min() / 2 < high.min()
    assert rows.max() / 2 > high.max()
    assert columns.min() / 2 < wide.min()
    assert columns.max() / 2 > wide.max()
    assert not (marked[::2, ::2] & ball)[high.min() + 12 : high.max() - 12].all(1).any()


def test_what_goes_behind_the_viewer_ends_there() -> None:
    camera = stage.build(64)
    view = capture(bpy.context, CaptureSpec(64, 64, mode="fast", ids=False)).view
    away = camera.matrix_world.to_translation()
    line = np.array(stage.BALL) + np.linspace(-2, 2, 41)[:, None] * (away - stage.BALL)
    strokes = annotated.of_scene(scene_with(layer(line)), view, 64, 64)
    assert len(strokes) == 1
    assert 0 < len(strokes[0].points) < 41
    assert np.abs(strokes[0].points[:3] - 32).max() < 4


@needs_strokes
def test_strokes_of_blender_itself() -> None:
    stage.build(64)
    view = capture(bpy.context, CaptureSpec(64, 64, mode="fast", ids=False)).view
    scene = bpy.context.scene
    scene.grease_pencil = bpy.data.grease_pencils.new("Annotations")
    made = scene.grease_pencil.layers.new("Note")
    made.color, made.thickness, made.annotation_opacity = (0.0, 1.0, 0.0), 5, 1.0
    stroke = made.frames.new(scene.frame_current).strokes.new()
    points = circle(stage.BALL, 1.1)
    stroke.points.add(len(points))
    stroke.points.foreach_set("co", points.astype(np.float32).ravel())
    (found,) = annotated.of_scene(scene, view, 64, 64)
    (expected,) = annotated.of_scene(scene_with(layer(points)), view, 64, 64)
    assert np.allclose(found.points, expected.points, atol=0.01)
    assert found.color == pytest.approx((0, 1, 0, 1))


def test_on_an_image() -> None:
    marks = SimpleNamespace(layers=[layer([(0.25, 0.75, 0.0), (0.75, 0.75, 0.0)])])
    (stroke,) = annotated.of_image(marks, 400, 200)
    assert stroke.points.tolist() == [[100, 50], [300, 50]]
    assert annotated.of_image(None, 400, 200) == []


def test_a_layer_with_a_name_is_a_numbered_marker() -> None:
    line = [(0.25, 0.75, 0.0), (0.75, 0.75, 0.0)]
    layers = [
        layer(line, info="remove the lamp"),
        layer(line),
        layer(line, info="hidden", annotation_hide=True),
        layer([(0.5, 0.25, 0.0), (0.6, 0.25, 0.0)], info="make it red"),
    ]
    image = SimpleNamespace(get=lambda _name: "one")
    editor = SimpleNamespace(
        type="IMAGE_EDITOR",
        spaces=SimpleNamespace(
            active=SimpleNamespace(image=image, annotation=SimpleNamespace(layers=layers))
        ),
    )
    screen = SimpleNamespace(screen=SimpleNamespace(areas=[editor]))
    context = SimpleNamespace(window_manager=SimpleNamespace(windows=[screen]))
    marks = annotated.marks(context, "one", None, 400, 200)  # pyright: ignore[reportArgumentType]
    assert marks.instructions == ("remove the lamp", "make it red")
    assert marks.with_prompt("tidy up") == (
        "tidy up\nAt marker 1: remove the lamp\nAt marker 2: make it red"
    )
    strokes = annotated.of_image(SimpleNamespace(layers=layers), 400, 200)
    assert [stroke.number for stroke in strokes] == [1, 0, 2]
    # A number stands beside the beginning of each marker, and of nothing else.
    plain = [Stroke(stroke.points, stroke.color, stroke.width) for stroke in strokes]
    numbers = images.decode(marks.picture) != images.decode(drawn(plain, 400, 200))
    rows, columns = np.nonzero(numbers.any(-1))
    assert len(rows) > 100
    assert (np.hypot(rows - 50, columns - 100) < 60).sum() > 50
    assert (np.hypot(rows - 150, columns - 200) < 60).sum() > 50
    assert rows.min() >= 0
