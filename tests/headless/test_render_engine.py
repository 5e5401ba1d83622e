# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own render command with our engine: one picture a frame, and its passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

bpy = pytest.importorskip("bpy")

import genai_render  # noqa: E402
from genai_render.blender import addon  # noqa: E402
from genai_render.blender.capture.exr import read_passes  # noqa: E402
from genai_render.blender.jobs import session  # noqa: E402
from genai_render.blender.render_engine import frame_render  # noqa: E402
from genai_render.blender.render_engine.result_pixels import ResultPixels  # noqa: E402
from genai_render.blender.settings import choices  # noqa: E402
from genai_render.core.framing import Size  # noqa: E402
from genai_render.core.history.store import HistoryStore  # noqa: E402
from genai_render.core.view.canvas import View  # noqa: E402

from ..servers import openai_api  # noqa: E402
from . import stage  # noqa: E402


@pytest.fixture
def scene(empty_file: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """The ball on its floor, 160 × 90, with our engine, and a History of its own."""
    monkeypatch.setattr(addon, "history_folder", lambda: tmp_path / "history")
    genai_render.register()
    stage.build(around=64)
    made = bpy.context.scene
    made.render.engine = "GENAI_RENDER"
    made.genai_render.canvas_engine = "CYCLES"
    made.genai_render.prompt = "golden hour"
    made.genai_render.mode = "fast"
    made.view_settings.view_transform = "Standard"
    made.render.resolution_x, made.render.resolution_y = 160, 90
    made.render.filepath = str(tmp_path / "out-")
    yield made
    genai_render.unregister()


def history(scene) -> list:
    store: HistoryStore = session.session().store
    return list(reversed(store.search(limit=10)))


def save_data(scene) -> None:
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format = "OPEN_EXR_MULTILAYER"
    settings.color_depth = "32"
    settings.exr_codec = "NONE"
    if hasattr(settings, "use_exr_interleave"):
        settings.use_exr_interleave = True


def codes_of(passes) -> np.ndarray:
    linear = np.clip(passes["Combined"][..., :3], 0, 1)
    bent = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return bent * 255


def test_an_animation_is_the_pictures_of_history(scene, tmp_path):
    """Through Blender's own output: named, numbered and colored by it, the same as was made."""
    ball = bpy.data.objects["Ball"]
    ball.keyframe_insert("location", frame=1)
    ball.location.x += 1
    ball.keyframe_insert("location", frame=2)
    scene.frame_start, scene.frame_end = 1, 2
    assert bpy.ops.render.render(animation=True) == {"FINISHED"}
    kept = history(scene)
    assert [item.frame for item in kept] == [1, 2]
    assert kept[0].seed == kept[1].seed  # or it would flicker
    area = ResultPixels(Size(160, 90), 0, 0, 160, 90, 160 / 90)
    shown = []
    for item in kept:
        written = np.asarray(Image.open(tmp_path / f"out-{item.frame:04}.png").convert("RGB"))
        made = area.picture(np.asarray(Image.open(item.image_path).convert("RGB")))
        assert np.abs(written.astype(int) - made).max() <= 2  # Blender dithers
        shown.append(written.astype(int))
    assert np.abs(shown[0] - shown[1]).mean() > 3, "the second frame shows the first one's scene"
    assert addon.state(frame_render.CanvasProcesses).current is None


def test_depth_and_normals_are_those_of_the_scene(scene, tmp_path):
    """In a unit of two meters; normals in world space, as Blender's own pass has them."""
    scene.unit_settings.scale_length = 2.0
    save_data(scene)
    bpy.ops.render.render(write_still=True)
    passes = read_passes(tmp_path / "out-.exr")
    depth, normal = passes["Depth"][..., 0], passes["Normal"]
    assert depth.shape == (90, 160)
    camera = scene.camera
    projection = camera.calc_matrix_camera(bpy.context.evaluated_depsgraph_get(), x=160, y=90)
    known = stage.truth(
        View(
            width=160,
            height=90,
            projection_matrix=tuple(tuple(row) for row in projection),
            camera_to_world=tuple(tuple(row) for row in camera.matrix_world),
        )
    )
    surface = np.isfinite(known.depth) & known.inner
    assert surface.mean() > 0.2
    off = np.abs(depth[surface] / 2 - known.depth[surface]) / known.depth[surface]
    assert np.quantile(off, 0.99) < 2e-3
    assert (depth[~np.isfinite(known.depth) & known.inner] > 1e9).all()
    world = known.normal @ np.array(camera.matrix_world)[:3, :3].T
    assert stage.angles(normal[surface], world[surface]).mean() < 2  # the ball has flat faces


def test_each_view_layer_is_a_picture_of_what_it_shows(scene, tmp_path):
    bare = scene.view_layers.new("Bare")
    floor = bpy.data.collections.new("Floor")
    scene.collection.children.link(floor)
    floor.objects.link(bpy.data.objects["Floor"])
    scene.collection.objects.unlink(bpy.data.objects["Floor"])
    bare.layer_collection.children["Floor"].exclude = True
    bpy.ops.render.render()
    first, second = (
        np.asarray(Image.open(item.image_path).convert("RGB"), int) for item in history(scene)
    )
    assert np.abs(first - second).mean() > 5, "both show the same"


def test_a_render_region_is_that_part_of_the_same_frame(scene, tmp_path):
    save_data(scene)
    scene.render.filepath = str(tmp_path / "whole")
    bpy.ops.render.render(write_still=True)
    whole = read_passes(tmp_path / "whole.exr")
    scene.render.use_border = True
    scene.render.border_min_x, scene.render.border_max_x = 0.25, 0.75
    scene.render.border_min_y, scene.render.border_max_y = 0.2, 0.6
    scene.render.filepath = str(tmp_path / "part")
    bpy.ops.render.render(write_still=True)
    part = read_passes(tmp_path / "part.exr")
    rows, columns = slice(36, 72), slice(40, 120)  # rows count from the top
    same = np.abs(codes_of(part)[rows, columns] - codes_of(whole)[rows, columns])
    assert same.mean() < 1
    depths = part["Depth"][rows, columns, 0], whole["Depth"][rows, columns, 0]
    assert np.isclose(*depths, rtol=1e-3).mean() > 0.99
    assert codes_of(part)[:30].max() == 0  # nothing outside the region
    scene.render.use_crop_to_border = True
    scene.render.filepath = str(tmp_path / "cropped")
    bpy.ops.render.render(write_still=True)
    cropped = read_passes(tmp_path / "cropped.exr")
    assert cropped["Combined"].shape[:2] == (36, 80)
    assert np.isclose(cropped["Depth"][..., 0], depths[1], rtol=1e-2).mean() > 0.95


def test_the_compositor_works_on_it(scene, tmp_path):
    """As with any engine: here, it inverts nothing but halves the brightness."""
    before = tmp_path / "before.exr"
    save_data(scene)
    scene.render.filepath = str(tmp_path / "before")
    bpy.ops.render.render(write_still=True)
    if bpy.app.version < (5, 0, 0):
        scene.use_nodes = True
        tree = scene.node_tree
        out = tree.nodes.get("Composite")
    else:
        tree = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        scene.compositing_node_group = tree
        out = tree.nodes.new("NodeGroupOutput")
    layers = tree.nodes.get("Render Layers") or tree.nodes.new("CompositorNodeRLayers")
    exposure = tree.nodes.new("CompositorNodeExposure")
    exposure.inputs["Exposure"].default_value = -1
    tree.links.new(layers.outputs["Image"], exposure.inputs[0])
    tree.links.new(exposure.outputs[0], out.inputs[0])
    assert {"Depth", "Normal"} <= set(layers.outputs.keys())
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "OPEN_EXR"
    settings.color_depth = "32"
    scene.render.filepath = str(tmp_path / "after")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(tmp_path / "after.exr"))
    after = np.empty(160 * 90 * 4, np.float32)
    image.pixels.foreach_get(after)
    mean = read_passes(before)["Combined"][..., :3].mean()
    assert after.reshape(-1, 4)[:, :3].mean() == pytest.approx(mean / 2, rel=0.02)


def test_an_unfinished_picture_is_shown_and_the_finished_one_stays(scene, tmp_path, monkeypatch):
    """A model of OpenAI that sends its picture while it takes shape."""
    pytest.importorskip("openai")
    shown = []
    show = frame_render.FrameRender._show

    def watched(self, image: bytes) -> None:
        shown.append(image)
        show(self, image)

    monkeypatch.setattr(frame_render.FrameRender, "_show", watched)
    server = openai_api.OpenAIServer()
    with server:
        monkeypatch.setenv("OPENAI_API_KEY", openai_api.KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        choices.MODEL.choose(scene.genai_render, "gpt-image-2.5-flare")
        bpy.ops.render.render(write_still=True)
    (item,) = history(scene)
    assert item.model == "gpt-image-2.5-flare"
    assert shown, "no unfinished picture was shown"
    written = np.asarray(Image.open(tmp_path / "out-.png").convert("RGB"), int)
    made = ResultPixels(Size(160, 90), 0, 0, 160, 90, 160 / 90).picture(
        np.asarray(Image.open(item.image_path).convert("RGB"))
    )
    assert np.abs(written - made).max() <= 2


def test_what_stands_against_it_is_said_and_no_file_is_written(scene, tmp_path):
    scene.genai_render.prompt = ""
    with pytest.raises(RuntimeError, match="prompt"):
        bpy.ops.render.render(write_still=True)
    scene.genai_render.prompt = "golden hour"
    scene.render.use_multiview = True
    with pytest.raises(RuntimeError, match="stereoscopic"):
        bpy.ops.render.render(write_still=True)
    assert not list(tmp_path.glob("out-*"))
    assert history(scene) == []


def test_the_file_is_as_before(scene):
    before = {
        kind: [one.name for one in getattr(bpy.data, kind)]
        for kind in ("scenes", "objects", "cameras", "meshes", "materials", "worlds")
    }
    frame = scene.frame_current
    bpy.ops.render.render()
    assert before == {kind: [one.name for one in getattr(bpy.data, kind)] for kind in before}
    assert (scene.frame_current, scene.render.engine) == (frame, "GENAI_RENDER")


def test_the_panels_of_other_engines_are_there_and_go_again(scene):
    shared = [
        panel
        for panel in bpy.types.Panel.__subclasses__()
        if "BLENDER_RENDER" in getattr(panel, "COMPAT_ENGINES", ())
    ]
    assert all("GENAI_RENDER" in panel.COMPAT_ENGINES for panel in shared)
    genai_render.unregister()
    try:
        assert not any("GENAI_RENDER" in panel.COMPAT_ENGINES for panel in shared)
    finally:
        genai_render.register()
