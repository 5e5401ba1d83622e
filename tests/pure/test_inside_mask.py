# SPDX-License-Identifier: GPL-3.0-or-later
"""Outside of its mask, an edit leaves the source as it was, whatever the model has drawn."""

from __future__ import annotations

import numpy as np
import pytest

from genai_render.core.errors import ImageError
from genai_render.core.events import Result
from genai_render.core.image import images
from genai_render.core.masks.inside_mask import combined, kept_outside
from genai_render.core.request import RenderRequest

HEIGHT, WIDTH = 90, 160
CHANCE = np.random.default_rng(5)


def _picture(height: int = HEIGHT, width: int = WIDTH, channels: int = 3):
    return CHANCE.integers(0, 256, (height, width, channels), np.uint8)


def _mask(feather: bool = False) -> bytes:
    """Transparent in the right half, with an edge of eight pixels if it is feathered."""
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    pixels[:, : WIDTH // 2, 3] = 255
    if feather:
        pixels[:, WIDTH // 2 : WIDTH // 2 + 8, 3] = np.linspace(240, 16, 8).astype(np.uint8)
    return images.encode_png(pixels)


def _result(pixels, format: str = "png") -> Result:
    data = images.encode(pixels, format)  # pyright: ignore[reportArgumentType]
    mime = f"image/{format}"
    return Result(data, mime, pixels.shape[1], pixels.shape[0], cost_usd=0.04)


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (180, 320), (576, 1024), (45, 80)])
def test_no_pixel_changes_outside(format, size):
    before = _picture()
    made = combined(images.encode_png(before), _mask(), _result(_picture(*size), format))
    after = images.decode(made.image)
    assert (made.width, made.height, made.mime) == (WIDTH, HEIGHT, "image/png")
    assert (after[:, : WIDTH // 2] != before[:, : WIDTH // 2]).sum() == 0
    assert (after[:, WIDTH // 2 :] != before[:, WIDTH // 2 :]).mean() > 0.9
    assert made.cost_usd == 0.04


def test_a_soft_edge_mixes_the_two():
    before, drawn = np.full((HEIGHT, WIDTH, 3), 200, np.uint8), np.zeros((HEIGHT, WIDTH, 3), "u1")
    after = images.decode(
        combined(images.encode_png(before), _mask(feather=True), _result(drawn)).image
    )
    edge = after[0, WIDTH // 2 : WIDTH // 2 + 8, 0].astype(int)
    assert (np.diff(edge) < 0).all()
    assert 150 < edge[0] < 200
    assert (after[:, WIDTH // 2 + 8 :] == 0).all()


def test_transparency_is_kept():
    before = _picture(channels=4)
    before[:10, :, 3] = 0
    after = images.decode(combined(images.encode_png(before), _mask(), _result(_picture())).image)
    assert (after[:, : WIDTH // 2] == before[:, : WIDTH // 2]).all()
    assert (after[:, WIDTH // 2 :, 3] == 255).all()


def test_what_is_right_already_stays_the_providers_own_file():
    before = _picture()
    drawn = before.copy()
    drawn[:, WIDTH // 2 :] = 7
    result = _result(drawn)
    assert combined(images.encode_png(before), _mask(), result) is result


def test_another_shape_cannot_be_laid_over_the_source():
    with pytest.raises(ImageError, match="another shape"):
        combined(images.encode_png(_picture()), _mask(), _result(_picture(100, 100)))


def test_a_paid_picture_that_cannot_be_combined_is_kept_and_it_is_said():
    drawn = _result(_picture(100, 100))

    request = RenderRequest(
        prompt="a hat", kind="edit", source=images.encode_png(_picture()), mask=_mask()
    )
    kept, told = kept_outside(request, drawn)
    assert "outside of the mask" in told
    assert kept is drawn
