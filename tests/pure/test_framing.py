# SPDX-License-Identifier: GPL-3.0-or-later
"""An image has the shape and the size that were asked for, and a view is never squashed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_render.core.bounds import MAX_SIDE, MIN_SIDE
from genai_render.core.errors import InvalidInput
from genai_render.core.framing import (
    ASPECTS,
    RESOLUTIONS,
    STEP,
    check_aspect,
    check_resolution,
    fit_view,
    ratio,
    size_for,
)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("aspect", ASPECTS)
def test_every_shape_in_every_size(aspect, resolution):
    size = size_for(aspect, resolution)
    side = RESOLUTIONS[resolution]
    assert size.width % STEP == size.height % STEP == 0
    assert size.aspect == pytest.approx(ASPECTS[aspect], rel=0.012)
    assert size.width * size.height == pytest.approx(side**2, rel=0.02)


def test_sizes_that_people_know():
    assert str(size_for("1:1", "1K")) == "1024 × 1024"
    assert str(size_for("1:1", "4K")) == "4096 × 4096"
    assert str(size_for("16:9", "1K")) == "1360 × 768"
    assert size_for("9:16", "2K").width == size_for("16:9", "2K").height


@given(st.floats(0.02, 50), st.sampled_from(sorted(RESOLUTIONS)))
def test_any_view_gets_a_frame_of_its_own_shape(auto, resolution):
    size = size_for("auto", resolution, auto)
    for side in (size.width, size.height):
        assert side % STEP == 0
        assert MIN_SIDE <= side <= MAX_SIDE
    # Rounding each side to 16 pixels is all that changes the shape.
    off = STEP / 2 / size.width + STEP / 2 / size.height
    assert abs(math.log(size.aspect / auto)) <= 1.1 * off
    full = RESOLUTIONS[resolution] ** 2
    assert size.width * size.height <= full * (1 + 1.1 * off)
    if max(size.width, size.height) < MAX_SIDE:
        assert size.width * size.height >= full * (1 - 1.1 * off)


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_even_an_absurd_view_gets_a_possible_frame(auto):
    size = size_for("auto", "4K", auto)
    assert min(size.width, size.height) >= MIN_SIDE
    assert max(size.width, size.height) <= MAX_SIDE


@pytest.mark.parametrize("auto", [0.0, -1.0, math.nan, math.inf])
def test_a_view_without_a_shape_is_refused(auto):
    with pytest.raises(InvalidInput):
        size_for("auto", "1K", auto)
    assert ratio("16:9", auto) == pytest.approx(16 / 9)  # nobody asked for the view's own
    with pytest.raises(InvalidInput):
        fit_view(auto, 1.0)
    with pytest.raises(InvalidInput):
        fit_view(1.0, auto)


def test_names_are_checked_and_the_choices_told():
    assert check_aspect(" Auto ") == "auto"
    assert check_resolution(" 2k") == "2K"
    with pytest.raises(InvalidInput, match="21:9"):
        check_aspect("2:1")
    with pytest.raises(InvalidInput, match="1K, 2K, 4K"):
        check_resolution("3K")


@given(st.floats(0.05, 20), st.floats(0.05, 20))
def test_a_view_is_fitted_without_squashing_it(view, frame):
    extended, cropped = fit_view(view, frame, "extend"), fit_view(view, frame, "crop")
    for fit in (extended, cropped):
        assert view * fit.scale_x / fit.scale_y == pytest.approx(frame)
        assert 1.0 in (fit.scale_x, fit.scale_y)
    assert min(extended.scale_x, extended.scale_y) >= 1 - 1e-12
    assert max(cropped.scale_x, cropped.scale_y) <= 1 + 1e-12
