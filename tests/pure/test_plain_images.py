# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves this computer is the picture and nothing else: upright, sRGB, 8 bits."""

from __future__ import annotations

import io

import numpy as np
import pytest
from foreign_images import PLACE, deep_png, display_p3, photo, saved, upright
from PIL import Image, PngImagePlugin

from genai_render.core.image import containers, images
from genai_render.core.models import catalog
from genai_render.core.plain_images import plain, sendable
from genai_render.core.preflight import prepare
from genai_render.core.request import Reference, RenderRequest
from tests.servers.client import layer


def looks_like(data: bytes, wanted: np.ndarray, off: float = 3.0) -> bool:
    with Image.open(io.BytesIO(data)) as image:  # as a server does: no EXIF, no profile
        pixels = np.asarray(image.convert("RGB")).astype(int)
    return pixels.shape == wanted.shape and float(np.abs(pixels - wanted).mean()) < off


def says_nothing(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as image:
        known = set(image.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density", "adobe"}
        known -= {"adobe_transform", "loop", "background", "timestamp", "srgb"}
        return not known - {"progressive", "progression"} and PLACE not in data


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_phone_photo_is_upright_and_says_nothing_of_where_it_was_taken(kind, orientation):
    data = photo(kind, orientation)
    assert PLACE in data
    sent = plain(data)
    assert looks_like(sent, upright())
    assert says_nothing(sent)
    info = images.probe(data)
    assert (info.width, info.height) == (40, 24)  # measured as it is seen


def test_a_picture_that_only_has_words_around_it_is_not_encoded_again():
    data = photo("JPEG", 1)
    sent = plain(data)
    assert sent != data
    assert np.array_equal(images.decode(sent), images.decode(data))
    assert sent[-200:] == data[-200:]
    for kind in ("PNG", "WEBP"):
        own = photo(kind, 1, lossless=True) if kind == "WEBP" else photo(kind, 1)
        assert np.array_equal(images.decode(plain(own)), images.decode(own))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_what_is_plain_goes_byte_for_byte(kind):
    data = saved(upright(), kind, quality=90)
    assert plain(data) is data


def test_other_color_spaces_and_depths_become_srgb_of_eight_bits():
    wide = saved(Image.new("RGB", (8, 8), (200, 100, 100)), "JPEG", icc_profile=display_p3())
    sent = plain(wide)
    assert says_nothing(sent)
    with Image.open(io.BytesIO(sent)) as image:
        pixel = image.getpixel((4, 4))
        assert isinstance(pixel, tuple)
        assert pixel[0] > 203
        assert pixel[1] < 98
    ink = saved(Image.fromarray(upright()).convert("CMYK"), "JPEG", quality=95)
    with Image.open(io.BytesIO(plain(ink))) as image:
        assert image.mode == "RGB"
    assert looks_like(plain(ink), upright(), 6)
    deep = plain(deep_png())
    assert deep[24] == 8
    assert looks_like(deep, upright(), 1)
    assert says_nothing(deep)


@pytest.mark.parametrize("mode", ["P", "1", "LA", "I;16"])
def test_kinds_of_pixels_that_servers_read_differently_become_rgb(mode):
    grey = Image.fromarray(upright()).convert("L")
    stored = {
        "P": Image.fromarray(upright()).quantize(64),
        "1": grey.convert("1"),
        "LA": grey.convert("LA"),
        "I;16": Image.fromarray(np.asarray(grey).astype(np.uint16) * 257),
    }[mode]
    sent = plain(saved(stored, "PNG"))
    with Image.open(io.BytesIO(sent)) as image:
        assert image.mode == ("RGBA" if mode == "LA" else "RGB")


def test_an_animation_is_its_first_frame():
    frames = [Image.fromarray(upright()), Image.new("RGB", (40, 24))]
    for kind, more in (("PNG", {}), ("WEBP", {"lossless": True})):
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **more)
        sent = plain(data)
        with Image.open(io.BytesIO(sent)) as image:
            assert getattr(image, "n_frames", 1) == 1
        assert looks_like(sent, upright(), 1)


def test_the_film_and_the_second_picture_behind_a_photo_stay_at_home():
    one = photo("JPEG", 1)
    # A film has all bytes, also those that begin a scan: that made it a broken picture before.
    film = b"\0\0\0\x18ftypmp42" + b"\xff\xda" * 300 + PLACE
    for data in (one + film, one + photo("JPEG", 6)):
        sent = plain(data)
        assert looks_like(sent, upright())
        assert sent == plain(one)
        assert images.verify(data).width == 40


def test_remarks_between_the_scans_of_a_progressive_one_are_taken_out():
    data = saved(upright(), "JPEG", progressive=True, quality=95)
    second = [where for marker, where in containers.jpeg_after_pixels(data) if marker == 0xDA][1]
    remark = containers.jpeg_segment(0xFE, PLACE)
    with_remark = data[: second.start] + remark + data[second.start :]
    assert plain(with_remark) == plain(data)
    assert containers.jpeg_scans(data) > 5


def test_words_in_a_png_are_left_out():
    about = PngImagePlugin.PngInfo()
    about.add_text("parameters", PLACE.decode())
    data = saved(upright(), "PNG", pnginfo=about) + PLACE
    assert says_nothing(plain(data))
    assert looks_like(plain(data), upright(), 0.1)


def test_all_images_of_a_request_are_measured_and_masked_as_they_are_sent():
    edit = RenderRequest(
        prompt="A red house",
        kind="edit",
        source=photo(),
        mask=layer(40, 24),
        references=(Reference(photo("PNG"), "mood.png", "style", 0.5),),
    )
    sent = sendable(edit)
    assert sent.source is not None
    assert looks_like(sent.source, upright())
    assert looks_like(sent.references[0].data, upright())
    assert (sent.references[0].role, sent.references[0].weight) == ("style", 0.5)
    assert sent.mask == edit.mask
    assert sendable(sent) is sent
    prepared = prepare(catalog.shipped().model("offline"), lambda: edit)
    assert prepared.problem is None
    assert prepared.spec is not None
    assert (prepared.spec.width, prepared.spec.height) == (40, 24)  # what the offline engine gives


@pytest.mark.parametrize("mask", [layer(24, 40), saved(np.full((24, 40, 3), 255, np.uint8), "PNG")])
def test_a_mask_that_is_of_no_use_is_told_before_anything_is_sent(mask):
    edit = RenderRequest(prompt="A red house", kind="edit", source=photo(), mask=mask)
    for model in ("offline", "gpt-image-2.5-flare"):
        problem = prepare(catalog.shipped().model(model), lambda: edit).problem
        assert problem is not None
        assert "mask" in problem.text
