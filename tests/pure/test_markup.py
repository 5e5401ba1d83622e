# SPDX-License-Identifier: GPL-3.0-or-later
"""Strokes as a transparent picture."""

from __future__ import annotations

import numpy as np
import pytest

from genai_render.core.errors import InvalidInput
from genai_render.core.image import images
from genai_render.core.masks.markup import Stroke, drawn
from genai_render.core.models.catalog import Catalog, load
from genai_render.core.preflight import prepare
from genai_render.core.request import RenderRequest

RED, BLUE = (1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 1.0, 0.5)


def line(y: float, color=RED, width: float = 6.0) -> Stroke:
    return Stroke(np.array([(20.0, y), (80.0, y)]), color, width)


def test_a_line_has_its_color_its_width_and_round_ends() -> None:
    pixels = images.decode(drawn([line(30.0)], 100, 60))
    assert pixels.shape == (60, 100, 4)
    assert tuple(pixels[30, 50]) == (255, 0, 0, 255)
    down = pixels[:, 50, 3] / 255
    assert down.sum() == pytest.approx(6, abs=0.7)
    assert (down * np.arange(60)).sum() / down.sum() == pytest.approx(29.5, abs=0.3)
    across = pixels[29:31, :, 3].mean(0) / 255
    assert across.sum() == pytest.approx(66, abs=1)
    assert pixels[27, 17, 3] < pixels[29, 17, 3]
    assert not pixels[10].any()


def test_the_last_lies_on_top_and_may_let_through() -> None:
    pixels = images.decode(drawn([line(30.0), line(30.0, BLUE, 2.0)], 100, 60))
    red, _, blue, alpha = (int(value) for value in pixels[30, 50])
    assert alpha == 255
    assert red == pytest.approx(128, abs=3)
    assert blue == pytest.approx(127, abs=3)


def test_a_point_is_a_dot_and_nothing_is_an_error() -> None:
    dot = Stroke(np.array([(50.0, 30.0)]), RED, 10.0)
    pixels = images.decode(drawn([dot], 100, 60))
    assert pixels[..., 3].sum() / 255 == pytest.approx(np.pi * 25, rel=0.1)
    with pytest.raises(InvalidInput, match="No mark"):
        drawn([Stroke(np.array([(500.0, 300.0), (1e9, 1e9)]), RED, 4.0)], 100, 60)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load()


def test_what_cannot_read_marks_says_so_before_it_is_sent(catalog: Catalog) -> None:
    source = images.encode_png(np.full((60, 100, 3), 90, np.uint8))
    markup = drawn([line(30.0)], 100, 60)

    def problem(model: str) -> str:
        request = RenderRequest("remove it", kind="edit", model=model, source=source, markup=markup)
        found = prepare(catalog.model(model), lambda: request).problem
        return "" if found is None else found.text

    assert "cannot read marks" in problem("offline")
    reads = next(one.id for one in catalog.models.values() if one.extra.get("markup"))
    assert "marks" not in problem(reads)
