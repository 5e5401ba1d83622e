# SPDX-License-Identifier: GPL-3.0-or-later
"""Enlarging a picture: the network as it should be computed, and what it does to edges."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from genai_render.core.errors import Cancelled
from genai_render.engine.enlarge import network
from genai_render.engine.enlarge.picture import enlarge


def drawing(side: int) -> np.ndarray:
    """Shapes with slanted and round edges, drawn large and reduced."""
    big = 4
    picture = Image.new("RGB", (side * big, side * big), (210, 214, 220))
    draw = ImageDraw.Draw(picture)
    full = side * big
    draw.polygon([(0, full * 0.3), (full, full * 0.05), (full, full * 0.4)], fill=(40, 60, 90))
    draw.ellipse([full * 0.2, full * 0.45, full * 0.7, full * 0.95], fill=(190, 70, 40))
    draw.line([(0, full), (full, full * 0.5)], fill=(20, 20, 20), width=full // 40)
    return np.asarray(picture.reduce(big))


def gradient(pixels: np.ndarray) -> np.ndarray:
    gray = pixels.astype(float).mean(-1)
    return np.hypot(np.diff(gray, axis=1)[:-1], np.diff(gray, axis=0)[:, :-1])


def test_the_network_is_computed_as_convolutions() -> None:
    """Row by row, it gives what a convolution over the whole picture gives."""
    picture = np.random.default_rng(3).random((23, 31, 3), np.float32)
    whole = picture
    for layer in network.layers():
        edged = np.pad(whole, ((1, 1), (1, 1), (0, 0)))
        height, width = whole.shape[:2]
        total = np.zeros((height, width, len(layer.bias)), np.float32) + layer.bias
        for down, weight in enumerate(layer.weights):
            window = [edged[down : down + height, at : at + width] for at in range(3)]
            total += np.concatenate(window, -1) @ weight
        whole = total
        if layer.slope is not None:
            whole = np.where(total > 0, total, total * layer.slope)
    wanted = whole.reshape(23, 31, 3, 4, 4).transpose(0, 3, 1, 4, 2).reshape(92, 124, 3)
    rows = dict(network.detail(picture, 0, 23, lambda: None))
    assert list(rows) == list(range(23))
    assert np.abs(np.concatenate(list(rows.values())) - wanted).max() < 1e-4


def test_a_band_has_no_seams() -> None:
    picture = np.random.default_rng(4).random((60, 16, 3), np.float32)
    whole = dict(network.detail(picture, 0, 60, lambda: None))
    part = dict(network.detail(picture, 25, 33, lambda: None))
    assert list(part) == list(range(25, 33))
    assert all(np.array_equal(part[row], whole[row]) for row in part)


@pytest.mark.parametrize("times", [2, 4])
def test_edges_are_sharper_and_colors_stay(times: int) -> None:
    truth = drawing(96 * times)
    small = np.asarray(Image.fromarray(truth).reduce(times))
    large, method = enlarge(small, times, method="network")
    assert method == "network"
    assert large.shape == truth.shape
    lanczos = np.asarray(
        Image.fromarray(small).resize(large.shape[1::-1], Image.Resampling.LANCZOS)
    )
    wanted = gradient(truth)
    ours, theirs = (np.abs(gradient(one) - wanted).mean() for one in (large, lanczos))
    assert ours < 0.8 * theirs
    again = np.asarray(Image.fromarray(large).reduce(times)).astype(int)
    assert np.abs(again - small).mean() < 1.0


def test_transparency_is_enlarged_too() -> None:
    small = np.dstack([drawing(40), np.full((40, 40), 255, np.uint8)])
    small[:, :20, 3] = 0
    large, _ = enlarge(small, 2, method="resample")
    assert large.shape == (80, 80, 4)
    assert large[:, :34, 3].max() == 0
    assert large[:, 46:, 3].min() == 255


def test_it_can_be_cancelled() -> None:
    def step(_fraction: float, _message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        enlarge(drawing(64), 2, step, "network")
