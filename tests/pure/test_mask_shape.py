# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks grown, shrunk, softened and turned round."""

from __future__ import annotations

import numpy as np
import pytest

from genai_render.core.errors import InvalidInput
from genai_render.core.image import images
from genai_render.core.masks.mask_shape import Shaping, grown

SIDE = 101


def _mask(open_: np.ndarray) -> bytes:
    pixels = np.zeros((*open_.shape, 4), np.uint8)
    pixels[..., 3] = np.where(open_, 0, 255)
    return images.encode_png(pixels)


def _share(mask: bytes) -> np.ndarray:
    return 255 - images.decode(mask)[..., 3].astype(int)


@pytest.fixture
def dot() -> np.ndarray:
    plane = np.zeros((SIDE, SIDE), bool)
    plane[50, 50] = True
    return plane


@pytest.mark.parametrize("by", [1, 2, 7, 30, 60])
def test_a_point_grows_to_a_disc(dot, by):
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside = (rows - 50) ** 2 + (columns - 50) ** 2 <= by * by
    assert (grown(dot, by) == inside).all()
    assert (_share(Shaping(grow=by).applied(_mask(dot))) == inside * 255).all()


def test_shrinking_takes_away_as_much_as_growing_adds():
    disc = grown(np.pad([[True]], 50), 30)
    smaller = _share(Shaping(grow=-10).applied(_mask(disc))) > 127
    assert abs(smaller.sum() / (np.pi * 20**2) - 1) < 0.06
    assert _share(Shaping(grow=-40).applied(_mask(disc))).max() == 0


def test_what_was_to_stay_may_change():
    half = np.zeros((SIDE, SIDE), bool)
    half[:, :40] = True
    assert (_share(Shaping(invert=True).applied(_mask(half))) == ~half * 255).all()


def test_a_feather_fades_to_both_sides_and_no_farther():
    half = np.zeros((SIDE, SIDE), bool)
    half[:, :50] = True
    row = _share(Shaping(feather=20).applied(_mask(half)))[50]
    assert (np.diff(row) <= 0).all()
    assert row[38] >= 250
    assert row[61] <= 5
    assert 100 < (row[49] + row[50]) / 2 < 155


def test_limits():
    assert Shaping().applied(b"anything") == b"anything"
    for values in ({"grow": 513}, {"grow": -513}, {"feather": -1}, {"feather": 1e9}):
        with pytest.raises(InvalidInput):
            Shaping(**values)
