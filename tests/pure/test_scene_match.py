# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a picture is from its scene: on pictures moved, scaled and redrawn on purpose."""

from __future__ import annotations

import math

import numpy as np
import pytest
import synthetic
from PIL import Image

from genai_render.core.view import scene_match
from genai_render.core.view.canvas import Canvas

LIMIT = 6.0


@pytest.fixture(scope="module", params=["product", "interior"])
def canvas(request) -> Canvas:
    return synthetic.canvas(request.param, 512, 384, samples=1, background=True)


@pytest.fixture(scope="module")
def another(canvas: Canvas) -> Canvas:
    name = "interior" if canvas.view.scene == "product" else "product"
    return synthetic.canvas(name, 512, 384, samples=1, background=True)


def _picture(canvas: Canvas) -> np.ndarray:
    return np.ascontiguousarray(canvas.color[..., :3])


def _moved(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    image = Image.fromarray(picture)
    matrix = (1, 0, -x, 0, 1, -y)
    return np.asarray(
        image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    )


def _shift(canvas: Canvas, picture: np.ndarray) -> float:
    found = scene_match.match(canvas, picture)
    assert found is not None
    assert found.shift is not None
    assert found.lost < 0.1
    return found.shift


@pytest.mark.parametrize(
    ("x", "y"), [(0, 0), (1, 0), (0, 2), (3, 0), (4.5, -3), (0, 8), (12, 9), (-18, 0)]
)
def test_a_shift_is_found_to_half_a_pixel(canvas: Canvas, x: float, y: float) -> None:
    assert abs(_shift(canvas, _moved(_picture(canvas), x, y)) - math.hypot(x, y)) <= 0.5


def test_the_farther_it_is_scaled_the_farther_it_is_off(canvas: Canvas) -> None:
    image = Image.fromarray(_picture(canvas))
    width, height = image.size
    off = []
    for scale in (1.0, 1.01, 1.02, 1.04):
        large = image.resize((round(width * scale), round(height * scale)))
        off.append(_shift(canvas, np.asarray(large.crop((0, 0, width, height)))))
    assert off == sorted(off)
    assert off[0] < 0.5 < LIMIT < off[-1]


def test_another_look_of_the_same_scene_is_true_to_it(canvas: Canvas) -> None:
    """Darker, other colors, light and dark exchanged: its edges are where they were."""
    picture = _picture(canvas).astype(np.float32) / 255
    redrawn = (40 + 150 * (1 - picture[..., ::-1]) ** 1.5).astype(np.uint8)
    found = scene_match.match(canvas, redrawn)
    assert found is not None
    assert not found.left(LIMIT)
    assert found.shift is not None
    assert found.shift < 1.0


def test_a_picture_of_something_else_is_marked(canvas: Canvas, another: Canvas) -> None:
    for other in (_picture(another), np.full((384, 512, 3), 90, np.uint8)):
        found = scene_match.match(canvas, other)
        assert found is not None
        assert found.left(LIMIT)
        assert found.lost > 0.5 or (found.shift or 0) > 2 * LIMIT


def test_only_the_part_that_has_moved_is_hot(canvas: Canvas) -> None:
    picture = _picture(canvas).copy()
    half = picture.shape[1] // 2
    picture[:, half:] = _moved(picture, 10, 0)[:, half:]
    found = scene_match.match(canvas, picture)
    assert found is not None
    columns = found.heat.shape[1]
    left, right = found.heat[:, : columns // 2 - 2], found.heat[:, columns // 2 + 2 :]
    assert np.nanmedian(left) < 1
    assert np.nanmedian(np.where(np.isinf(right), np.nan, right)) > 5


def test_what_was_kept_is_read_again(canvas: Canvas) -> None:
    found = scene_match.match(canvas, _moved(_picture(canvas), 3, 0))
    assert found is not None
    again = scene_match.Match.from_json(found.to_json())
    assert again.text == found.text
    assert np.allclose(again.heat, found.heat, atol=0.01, equal_nan=True)
    heat = scene_match.heat_picture(again, LIMIT, 320, 240)
    assert heat.shape == (240, 320, 4)
    assert heat[..., 3].max() > 0


def test_a_plain_wall_tells_nothing() -> None:
    wall = synthetic.Scene((synthetic.Ground(half=400),), (0, 0, 3), (0, 0.1, 0))
    seen = synthetic.canvas(wall, 256, 192)
    assert scene_match.match(seen, _picture(seen)) is None
