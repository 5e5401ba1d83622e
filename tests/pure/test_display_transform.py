# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back through a view transform."""

from __future__ import annotations

import numpy as np
import pytest

from genai_render.core.image import display_transform
from genai_render.core.image.display_transform import Inverse, linear_srgb

CHANCE = np.random.default_rng(7)
CODES = CHANCE.integers(0, 256, (4000, 3)).astype(np.uint8)


def encoded(linear):
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def filmic(linear):
    """A shoulder for each channel, with less color in it, as tone maps have."""
    linear = np.maximum(linear, 0)
    gray = linear.mean(-1, keepdims=True)
    mixed = linear * 0.85 + gray * 0.15
    return encoded(mixed / (mixed + 0.6) * 1.25)


def test_what_only_encodes_is_undone_exactly():
    inverse = display_transform.invert(encoded)
    assert inverse == Inverse()
    assert np.array_equal(inverse(CODES), linear_srgb(CODES))
    assert np.array_equal(np.round(encoded(inverse(CODES)) * 255), CODES)


@pytest.mark.parametrize("exposure", [1.0, 3.0])
def test_a_picture_comes_out_as_it_was_where_it_can(exposure):
    inverse = display_transform.invert(lambda linear: filmic(linear * exposure))
    # What the transform can show at all: colors that came through it.
    seen = CHANCE.uniform(0, 1, (4000, 3)) ** 2 * 2 / exposure
    codes = np.round(filmic(seen * exposure) * 255).astype(np.uint8)
    back = filmic(inverse(codes) * exposure) * 255
    off = np.abs(back - codes)
    assert np.median(off) < 0.6
    # At the edge of what can be shown it is coarser.
    assert off.mean() < 1.5


def test_the_shape_of_a_picture_stays():
    picture = CODES.reshape(40, 100, 3)
    assert Inverse()(picture).shape == (40, 100, 3)
    assert display_transform.invert(filmic)(picture).shape == (40, 100, 3)
