# SPDX-License-Identifier: GPL-3.0-or-later
"""The image data-block GenAI Result: refreshed in place, kept in the .blend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from genai_render.blender import addon  # noqa: E402
from genai_render.blender.jobs import result_image, session  # noqa: E402
from genai_render.core.errors import GenAIError, NotFound  # noqa: E402
from genai_render.core.events import Result  # noqa: E402
from genai_render.core.image import images  # noqa: E402
from genai_render.core.request import RenderRequest  # noqa: E402


@pytest.fixture(autouse=True)
def history(empty_file: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(addon, "history_folder", lambda: tmp_path / "history")
    result_image.register()
    yield
    result_image.unregister()
    addon.discard_all()


def kept(width: int, height: int, color: tuple[int, int, int], encode=images.encode_png) -> str:
    """The id of a picture in History."""
    pixels = np.full((height, width, 3), color, np.uint8)
    data = encode(pixels)
    mime = images.probe(data).mime
    request = RenderRequest(prompt="a", model="offline")
    return session.session().store.add(request, Result(data, mime, width, height)).id


def seen() -> tuple[int, int, list[int]]:
    image = result_image.find()
    pixel = [round(value * 255) for value in image.pixels[:3]]
    return (*image.size, pixel)


def show(item_id: str) -> None:
    result_image.result_image().show(item_id)


def test_there_is_none_before_the_first_picture():
    assert result_image.find() is None
    result_image.result_image().put_back()
    assert len(bpy.data.images) == 0


@pytest.mark.parametrize("encode", [images.encode_png, images.encode_webp, images.encode_jpeg])
def test_users_of_the_image_see_each_new_picture_in_its_own_size(encode):
    show(kept(64, 32, (255, 0, 0)))
    image = result_image.find()
    assert image.name == "GenAI Result"
    material = bpy.data.materials.new("Screen")
    material.use_nodes = True
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    assert seen() == (64, 32, [255, 0, 0])
    show(kept(120, 40, (200, 200, 200), encode))
    assert node.image == result_image.find()
    width, height, pixel = seen()
    assert (width, height) == (120, 40)
    assert max(abs(value - 200) for value in pixel) <= 2
    assert len(bpy.data.images) == 1


def test_it_is_in_the_file_whatever_becomes_of_history(tmp_path):
    item = kept(64, 32, (0, 255, 0))
    show(item)
    path = tmp_path / "scene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    session.session().store.delete(item)
    addon.discard_all()
    assert str(tmp_path / "history").encode() not in path.read_bytes()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    assert result_image.find() is None
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert seen() == (64, 32, [0, 255, 0])
    assert result_image.image_id() == item
    # The next one goes into the same image.
    bpy.data.images["GenAI Result"].name = "Wall"
    show(kept(16, 16, (0, 0, 255)))
    assert seen() == (16, 16, [0, 0, 255])
    assert [image.name for image in bpy.data.images] == ["Wall"]


def test_undo_does_not_bring_back_an_earlier_picture():
    """What an undo does to the image, and what its handler makes of that."""
    first, second = kept(64, 32, (255, 0, 0)), kept(32, 32, (0, 255, 0))
    show(first)
    show(second)
    image = result_image.find()
    image[result_image._MARK] = first
    result_image._undone()
    assert (seen(), result_image.image_id()) == ((32, 32, [0, 255, 0]), second)
    bpy.data.images.remove(image)
    result_image._undone()
    assert (seen(), result_image.image_id()) == ((32, 32, [0, 255, 0]), second)


def test_a_picture_of_another_file_or_none_is_not_put_in():
    show(kept(64, 32, (255, 0, 0)))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    result_image._undone()
    assert result_image.find() is None
    with pytest.raises(NotFound):
        show("20260101-000000-000000-abcdef")
    failed = session.session().store.add_failed(
        RenderRequest(prompt="a", model="offline"), GenAIError("No.")
    )
    with pytest.raises(GenAIError, match="no picture"):
        show(failed.id)
    assert result_image.find() is None
