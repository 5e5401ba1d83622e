# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model is really asked for: always something it takes, and as near as can be."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_render.core.errors import InvalidInput
from genai_render.core.framing import ASPECTS, RESOLUTIONS
from genai_render.core.models import catalog
from genai_render.core.models.catalog import Model
from genai_render.core.models.output_spec import output_spec
from genai_render.core.request import Reference, RenderRequest
from tests.servers.client import canvas, image

MODELS = catalog.shipped().models
FREE, LISTED, SHAPED = "gpt-image-2.5-flare", "gpt-image-1.5", "gemini-3-pro-image"


def planned(model, aspect_of_view=None, **more):
    request = RenderRequest(**{"prompt": "x", "model": model, **more})
    return output_spec(MODELS[model], request, aspect_of_view)


@given(
    st.floats(0.05, 20.0),
    st.sampled_from(sorted(RESOLUTIONS)),
    st.sampled_from([name for name, model in MODELS.items() if model.backend == "openai"]),
)
def test_any_view_becomes_a_size_that_openai_takes(aspect, resolution, model):
    made = planned(model, aspect, resolution=resolution)
    sizes = MODELS[model].extra["sizes"]
    if sizes["kind"] == "list":
        assert made.size in sizes["list"]
        return
    width, height = made.width, made.height
    assert width % 16 == 0
    assert height % 16 == 0
    assert max(width, height) <= 3840
    assert max(width, height) <= 3 * min(width, height)
    assert 655_360 <= width * height <= 8_294_400
    if 1 / 2.9 < aspect < 2.9:
        assert abs(math.log(width / height / aspect)) < 0.03
        assert not any("longer than" in note for note in made.notes)


@given(st.floats(0.05, 20.0), st.sampled_from(sorted(RESOLUTIONS)))
def test_any_view_becomes_a_shape_that_gemini_takes(aspect, resolution):
    made = planned(SHAPED, aspect, resolution=resolution)
    assert made.aspect in MODELS[SHAPED].extra["sizes"]["table"]
    others = [abs(math.log(value / aspect)) for value in ASPECTS.values()]
    width, _, height = made.aspect.partition(":")
    assert abs(math.log(int(width) / int(height) / aspect)) <= min(others) + 1e-9


@pytest.mark.parametrize(
    ("resolution", "aspect", "size"),
    [
        ("1K", "1:1", "1024x1024"),
        ("1K", "16:9", "1360x768"),
        ("2K", "1:1", "2048x2048"),
        ("2K", "3:2", "2512x1680"),
        ("4K", "16:9", "3840x2160"),
        ("4K", "9:16", "2160x3840"),
        ("4K", "1:1", "2880x2880"),
    ],
)
def test_resolutions_are_real_pixels(resolution, aspect, size):
    made = planned(FREE, resolution=resolution, aspect=aspect)
    width, height = map(int, size.split("x"))
    assert abs(made.width - width) <= 16
    assert abs(made.height - height) <= 16


def test_less_than_was_asked_for_is_said():
    made = planned(FREE, resolution="4K")
    assert made.size == "2880x2880"
    assert "does not make 4096 × 4096 pixels; 2880 × 2880 is the most." in made.notes[0]
    assert "experimental" in made.notes[1]
    assert planned(FREE, resolution="1K").notes == ()


def test_a_view_that_is_too_long_is_said():
    made = planned(FREE, 5.0)
    assert made.width / made.height == pytest.approx(3.0, abs=0.05)
    assert "nothing longer than 3:1" in made.notes[0]


@pytest.mark.parametrize(
    ("resolution", "quality"), [("1K", "low"), ("2K", "medium"), ("4K", "high")]
)
def test_where_sizes_are_fixed_the_resolution_is_the_quality(resolution, quality):
    made = planned(LISTED, resolution=resolution)
    assert (made.size, made.quality) == ("1024x1024", quality)
    assert made.text == f"1024 × 1024, {quality} quality"


def test_the_quality_is_the_users_else_the_modes():
    assert planned(FREE).quality == "medium"
    assert planned(FREE, mode="fast").quality == "low"
    assert planned(FREE, mode="quality").quality == "high"
    assert planned(FREE, mode="fast", options={"quality": "max"}).quality == "max"
    assert planned(LISTED, mode="fast", resolution="4K").quality == "low"
    assert planned(SHAPED).quality == ""


def test_gemini_s_sizes_are_those_that_come_back():
    assert planned(SHAPED, aspect="16:9").size == "1376x768"
    assert planned(SHAPED, aspect="4:3", resolution="4K").size == "4800x3584"
    assert planned("gemini-2.5-flash-image", aspect="4:3").size == "1184x864"


def test_a_resolution_that_is_missing_becomes_the_next_smaller():
    made = planned("gemini-3.1-flash-lite-image", resolution="4K")
    assert made.resolution == "1K"
    assert "does not make 4K images; 1K is the nearest" in made.notes[0]


def test_a_shape_that_is_missing_becomes_the_nearest_and_is_said():
    assert planned(SHAPED, 1.77).notes == ()
    made = planned(SHAPED, 2.0)
    assert made.aspect == "16:9"
    assert "cannot make the shape 2.00:1; 16:9 is the nearest" in made.notes[0]


def test_auto_is_the_shape_of_the_view_or_of_what_there_is():
    assert planned(FREE, canvas=canvas(150, 100)).width == pytest.approx(1248, abs=16)
    wide = Reference(image(200, 100))
    made = planned(FREE, references=(wide,))
    assert made.width / made.height == pytest.approx(2.0, abs=0.05)
    edit = planned(FREE, kind="edit", source=image(100, 200), references=(wide,))
    assert edit.height / edit.width == pytest.approx(2.0, abs=0.05)
    assert planned(FREE, width=300, height=100, aspect="1:1").size == "1024x1024"
    assert planned(FREE).size == "1024x1024"


def test_an_edit_says_when_its_size_will_change():
    same = planned(FREE, kind="edit", source=image(1024, 1024))
    assert same.notes == ()
    other = planned(FREE, kind="edit", source=image(600, 600))
    assert "has 600 × 600 pixels; the edit will have about 1024 × 1024" in other.notes[0]


def test_a_model_of_the_users_own_without_sizes_is_asked_for_what_was_asked():
    mine = Model("mine", "Mine", "compatible")
    request = RenderRequest(prompt="x", model="mine", aspect="16:9", resolution="2K")
    made = output_spec(mine, request)
    assert made.width * made.height == pytest.approx(2048**2, rel=0.02)
    assert made.notes == ()


@pytest.mark.parametrize(
    "sizes",
    [
        {"kind": "table"},
        {"kind": "table", "table": {}},
        {"kind": "table", "table": {"wide": [1, 2]}},
        {"kind": "table", "table": {"1:1": 5}},
        {"kind": "list"},
        {"kind": "list", "list": ["big"]},
        {"kind": "list", "list": ["0x5"]},
        {"kind": "any", "step": 0},
        {"kind": "any", "max_edge": "large"},
        [1],
    ],
)
def test_sizes_that_make_no_sense_are_said_to(sizes):
    mine = Model("mine", "Mine", "compatible", extra={"sizes": sizes})
    with pytest.raises(InvalidInput, match="sizes that stand with Mine"):
        output_spec(mine, RenderRequest(prompt="x", model="mine"))
