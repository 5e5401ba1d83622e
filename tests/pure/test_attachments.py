# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that go with a request: which, in what order, how large and how heavy."""

from __future__ import annotations

import numpy as np
import pytest

from genai_render.backends.cloud import attachments as module
from genai_render.backends.cloud.attachments import attachments
from genai_render.core.errors import InvalidInput
from genai_render.core.image import images
from genai_render.core.models.catalog import Model, Option
from genai_render.core.request import Reference, RenderRequest
from tests.servers.client import canvas, image, layer


def model(guides="color, depth and normals", **extra):
    option = Option("guides", "Guides", "choice", guides, choices=(guides,))
    return Model("m", "Mine", "gemini", options=(option,), extra=extra)


def request(**more):
    return RenderRequest(**{"prompt": "x", "model": "m", **more})


def noise(width, height, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    return images.encode_png(pixels)


def roles(made):
    return [sent.role for sent in made.roles]


@pytest.mark.parametrize(
    ("guides", "expected"),
    [
        ("color", ["canvas"]),
        ("color and depth", ["canvas", "depth"]),
        ("color, depth and normals", ["canvas", "depth", "normal"]),
    ],
)
def test_the_guides_are_those_that_were_chosen(guides, expected):
    assert roles(attachments(model(guides), request(canvas=canvas()))) == expected


def test_a_model_without_the_choice_gets_the_colours_alone():
    assert roles(attachments(Model("m", "M", "x"), request(canvas=canvas()))) == ["canvas"]


def test_an_empty_view_has_no_depth_to_send():
    empty = canvas()
    empty.depth[:] = np.inf
    assert roles(attachments(model(), request(canvas=empty))) == ["canvas"]


def test_no_view_and_no_references_is_words_alone():
    assert attachments(model(), request()).images == ()


def test_all_guides_have_the_same_pixels():
    made = attachments(model(), request(canvas=canvas(300, 200)))
    for sent in made.images:
        info = images.probe(sent.data)
        assert (info.width, info.height) == (300, 200)
        assert info.mime == sent.mime


def test_a_large_view_is_sent_no_larger_than_models_look():
    made = attachments(model(), request(canvas=canvas(3000, 1500)))
    for sent in made.images:
        assert images.probe(sent.data).width == module.LONGEST_SIDE
        assert images.probe(sent.data).height == module.LONGEST_SIDE // 2


def test_references_stay_as_they_are_and_keep_their_weight():
    reference = Reference(image(kind="webp"), "a.webp", "style", 0.3)
    (sent,) = attachments(model(), request(references=(reference,))).images
    assert sent.data == reference.data
    assert (sent.name, sent.mime) == ("reference-1.webp", "image/webp")
    assert sent.weight == 0.3


def test_too_many_lose_the_normals_first_then_the_depth_and_the_user_is_told():
    references = (Reference(image()), Reference(image(tone=9)))
    asked = request(canvas=canvas(), references=references)
    four = attachments(model(max_images=4), asked)
    assert roles(four) == ["canvas", "depth", "free", "free"]
    assert four.notices == ("Mine takes 4 images: the normals left out.",)
    two = attachments(model(max_images=2), asked)
    assert roles(two) == ["canvas", "free"]
    assert "the normals and the depth and reference-2.png left out" in two.notices[0]


def test_what_is_too_heavy_together_becomes_jpeg_the_heaviest_first():
    references = (Reference(noise(900, 900)), Reference(noise(300, 300, 1)))
    asked = request(canvas=canvas(), references=references)
    assert sum(len(sent.data) for sent in attachments(model(), asked).images) > 2_000_000
    made = attachments(model(max_bytes=1_900_000), asked)
    assert sum(len(sent.data) for sent in made.images) <= 1_900_000
    heavy, light = made.images[3], made.images[4]
    assert (heavy.name, heavy.mime) == ("reference-1.jpg", "image/jpeg")
    assert images.probe(heavy.data).mime == "image/jpeg"
    assert light.data == references[1].data


def test_what_is_still_too_heavy_becomes_smaller():
    asked = request(references=(Reference(noise(2000, 1500)),))
    (sent,) = attachments(model(max_bytes=1_200_000), asked).images
    assert len(sent.data) <= 1_200_000
    assert images.probe(sent.data).width == 1536


def test_a_source_keeps_its_pixels_so_that_a_mask_fits_it(monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 10_000)
    monkeypatch.setattr(module, "LONGEST_SIDE", 100)
    source = noise(200, 150)
    edit = request(kind="edit", source=source, mask=layer(200, 150))
    made = attachments(model(mask=True, max_bytes=5_000), edit)
    info = images.probe(made.images[0].data)
    assert (info.width, info.height) == (200, 150)
    assert info.mime == "image/jpeg"
    mask = images.probe(made.mask)
    assert (mask.width, mask.height) == (200, 150)


def test_a_mask_that_erases_nothing_whole_is_refused():
    pixels = np.zeros((30, 40, 4), np.uint8)
    pixels[..., 3] = 200
    edit = request(kind="edit", source=image(), mask=images.encode_png(pixels))
    with pytest.raises(InvalidInput, match="nothing to edit"):
        attachments(model(mask=True), edit)


def test_what_is_kept_names_everything_that_is_sent():
    edit = request(
        kind="edit",
        source=image(48, 32),
        mask=layer(48, 32),
        references=(Reference(image()),),
    )
    assert set(attachments(model(mask=True), edit).kept()) == {
        *("mask-sent.png", "source.png", "reference-1.png"),
    }
    assert set(attachments(model(), edit).kept()) == {
        *("mask.png", "source.png", "reference-1.png"),
    }
    assert set(attachments(model(), request(canvas=canvas())).kept()) == {
        *("canvas.png", "depth.png", "normal.png")
    }
