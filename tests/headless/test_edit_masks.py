# SPDX-License-Identifier: GPL-3.0-or-later
"""What the dialog of an edit makes a mask of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import bpy
import numpy as np
import pytest

from genai_render.blender.capture import CaptureSpec, capture
from genai_render.blender.jobs import edit_masks, session
from genai_render.blender.viewport import mask_painting
from genai_render.core.errors import GenAIError, ImageError
from genai_render.core.events import Result
from genai_render.core.image import images
from genai_render.core.masks import mask as masks
from genai_render.core.masks.mask_shape import Shaping
from genai_render.core.request import RenderRequest

from . import stage


class Known:
    def __init__(self) -> None:
        stage.build(64)
        self.canvas = capture(bpy.context, CaptureSpec(160, 100, mode="fast"))
        self.source = images.encode_png(self.canvas.color)
        made = Result(self.source, "image/png", 160, 100)
        store = session.session().store
        request = RenderRequest("daylight", canvas=self.canvas)
        self.item = store.add(request, made).id
        self.old = store.add(request.with_(canvas=replace(self.canvas, ids=None)), made).id

    def share(self, **names: Any) -> np.ndarray:
        assert self.canvas.ids is not None
        return self.canvas.ids.share_of(**names) > 127


@pytest.fixture
def known(prefs, tmp_path) -> Known:
    prefs.history_folder = str(tmp_path / "history")
    return Known()


def chosen(kind: str, *names: str, image: str = "", **shape: Any) -> edit_masks.Chosen:
    return edit_masks.Chosen(kind, image, names, Shaping(**shape))


def test_selected_objects_and_names(known: Known) -> None:
    of = edit_masks.Masks(known.item)
    ball = known.share(objects=["Ball"])
    for one in (
        chosen("SELECTED", "Ball", "Camera"),
        chosen("OBJECT", "Ball"),
        chosen("MATERIAL", "Red"),
    ):
        made = of.mask(known.source, one)
        assert made is not None
        assert (masks.changes(made) == ball).mean() > 0.999
    grown = of.mask(known.source, chosen("OBJECT", "Ball", grow=4))
    assert grown is not None
    assert masks.changes(grown).sum() > ball.sum() + 100
    assert of.mask(known.source, chosen("NONE")) is None
    assert of.names("OBJECT") == ["Ball", "Floor"]
    assert of.names("MATERIAL") == ["Gray", "Red"]
    for wrong, said in (
        (chosen("SELECTED", "Camera"), '"Ball", "Floor"'),
        (chosen("OBJECT", "Bal"), '"Ball", "Floor"'),
        (chosen("OBJECT", ""), "Choose what"),
        (chosen("IMAGE", image="Nowhere"), "Nowhere"),
    ):
        with pytest.raises(GenAIError, match=said):
            of.mask(known.source, wrong)


def test_an_old_image_is_looked_at_again_if_it_is_wished(known: Known) -> None:
    of = edit_masks.Masks(known.old)
    assert of.is_old
    assert not edit_masks.Masks(known.item).is_old
    assert not edit_masks.Masks("20200101-000000-000000-abcdef").is_old
    assert of.names("OBJECT") == []
    with pytest.raises(GenAIError, match="Look at View Again"):
        of.mask(known.source, chosen("OBJECT", "Ball"))
    of.look_again(bpy.context)
    made = of.mask(known.source, chosen("OBJECT", "Ball"))
    assert made is not None
    assert stage.agree_to_a_pixel(masks.changes(made), known.share(objects=["Ball"]))
    assert of.names("OBJECT") == ["Ball", "Floor"]


def test_a_painted_mask_is_taken_inverted_and_cleared(known: Known) -> None:
    assert edit_masks.painted_for(known.item) is None
    with pytest.raises(ImageError, match="Paint Mask"):
        mask_painting.fill(None, inverted=False)
    image: Any = bpy.data.images.new("Mask", 160, 100, alpha=False)
    image[edit_masks.PAINTED] = known.item
    assert edit_masks.painted_for(known.item) == image
    assert edit_masks.painted_for(known.old) is None
    pixels = np.zeros((100, 160, 4), np.float32)
    pixels[..., 3] = 1
    pixels[60:, 40:80, :3] = 1  # from the bottom up
    image.pixels.foreach_set(pixels.ravel())

    def changes() -> np.ndarray:
        made = edit_masks.Masks(known.item).mask(known.source, chosen("IMAGE", image=image.name))
        assert made is not None
        return masks.changes(made)

    painted = pixels[::-1, :, 0] > 0.5
    assert (changes() == painted).all()
    mask_painting.fill(image, inverted=True)
    assert (changes() == ~painted).all()
    mask_painting.fill(image, inverted=False)
    with pytest.raises(GenAIError, match="nothing to edit"):
        changes()
