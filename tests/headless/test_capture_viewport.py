# SPDX-License-Identifier: GPL-3.0-or-later
"""A 3D Viewport captured as it looks, without a window: in Blender 5.2 and later."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from genai_render.blender.capture import CaptureSpec, background_viewport, capture
from genai_render.blender.capture.gpu_probe import Gpu, find_gpu
from genai_render.core.errors import SceneError

from . import stage
from .snapshot import differences, snapshot

CAN_DRAW = bpy.app.version >= (5, 2, 0)
needs_drawing = pytest.mark.skipif(not CAN_DRAW, reason="needs Blender 5.2 or later")


@pytest.fixture(autouse=True)
def startup_file(empty_file):
    """The file that Blender starts with, which has a window with a 3D Viewport."""
    bpy.ops.wm.read_factory_settings()
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)


def space() -> bpy.types.SpaceView3D:
    screen = bpy.context.window_manager.windows[0].screen
    return next(area for area in screen.areas if area.type == "VIEW_3D").spaces.active


@pytest.fixture
def drawing():
    if not find_gpu().usable:
        pytest.skip("Blender cannot draw with a GPU here")


@needs_drawing
def test_a_camera_through_the_viewport_is_exact(drawing):
    stage.build()
    canvas = capture(bpy.context, CaptureSpec(256, 160, camera="Camera", source="viewport"))
    assert (canvas.view.source, canvas.view.engine) == ("viewport", "SOLID")
    stage.check_against_truth(canvas)
    assert stage.agree_to_a_pixel(canvas.color[..., 3] > 127, canvas.covered)


@needs_drawing
def test_it_is_the_picture_that_a_render_gives(drawing):
    stage.build(around=128)
    seen = capture(bpy.context, CaptureSpec(160, 128, camera="Camera", source="viewport"))
    rendered = capture(bpy.context, CaptureSpec(160, 128, mode="fast", samples=1))
    assert stage.agree_to_a_pixel(seen.covered, rendered.covered)
    for name in ("projection_matrix", "camera_to_world"):
        assert np.allclose(getattr(seen.view, name), getattr(rendered.view, name), atol=1e-5)
    both = seen.covered & rendered.covered
    off = np.abs(seen.depth[both] - rendered.depth[both]) / rendered.depth[both]
    assert np.median(off) < 1e-4


@needs_drawing
def test_the_viewport_is_seen_as_it_is_and_stays_so(drawing):
    stage.build(around=64)
    space().shading.type = "SOLID"
    space().shading.color_type = "SINGLE"
    space().shading.single_color = (1.0, 0.0, 0.0)
    space().overlay.show_overlays = True
    before = snapshot()
    settings = {name: str(getattr(space().shading, name)) for name in dir(space().shading)
                if name not in ("bl_rna", "rna_type")}  # fmt: skip
    canvas = capture(bpy.context, CaptureSpec(128, 96, source="viewport"))
    red = canvas.color[canvas.covered].astype(int)
    assert (red[:, 0] > red[:, 1] + 40).mean() > 0.9
    assert differences(before, snapshot()) == []
    assert settings == {name: str(getattr(space().shading, name)) for name in settings}
    assert space().overlay.show_overlays


@needs_drawing
def test_lengths_are_metres(drawing):
    stage.build()
    units = bpy.context.scene.unit_settings
    units.system, units.scale_length = "METRIC", 0.01
    canvas = capture(bpy.context, CaptureSpec(256, 160, camera="Camera", source="viewport"))
    stage.check_against_truth(canvas, 0.01)


@needs_drawing
def test_nothing_in_sight(drawing):
    with pytest.raises(SceneError, match="sees nothing"):
        capture(bpy.context, CaptureSpec(64, 64, source="viewport"))


@needs_drawing
def test_without_a_gpu_it_says_so_and_the_process_lives(monkeypatch):
    monkeypatch.setattr(background_viewport, "find_gpu", lambda: Gpu(False))
    stage.build(around=16)
    with pytest.raises(SceneError, match="cannot be drawn here"):
        capture(bpy.context, CaptureSpec(64, 64, source="viewport"))


@pytest.mark.skipif(CAN_DRAW, reason="this Blender can")
def test_an_older_blender_says_that_it_cannot():
    stage.build(around=16)
    with pytest.raises(SceneError, match="in background"):
        capture(bpy.context, CaptureSpec(64, 64, source="viewport"))
