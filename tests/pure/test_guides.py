# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth and normals survive being pictures, within the error that is stated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from synthetic import canvas

from genai_render.core.errors import InvalidInput
from genai_render.core.image import images
from genai_render.core.view import guides
from genai_render.core.view.guides import DepthScale

CURVES = ("disparity", "distance", "logarithm")

distances = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.one_of(st.floats(0.010000000707805157, 10000, width=32), st.just(float("inf"))),
)


def off(depth, again):
    """By how much distances differ, where there is something."""
    there = np.isfinite(depth)
    return np.abs(again[there].astype(float) - depth[there].astype(float))


@given(distances, st.sampled_from(CURVES), st.sampled_from((8, 16)))
def test_distances_come_back_within_the_stated_error(depth, curve, bits):
    values, scale = guides.encode_depth(depth, curve, bits)
    again = guides.decode_depth(values, scale)

    assert values.dtype == (np.uint16 if bits == 16 else np.uint8)
    assert np.array_equal(values == 0, np.isinf(depth))
    assert np.array_equal(np.isinf(again), np.isinf(depth))
    half_step = 0.5 / (scale.top - 1)
    for was, now in zip(depth[np.isfinite(depth)], again[np.isfinite(depth)], strict=True):
        # Half a step along the curve, a tenth for rounding, and what single precision cannot tell
        # apart where near and far almost meet.
        blur = 4 * np.spacing(np.float32(was))
        slack = abs(nearness(was - blur, scale) - nearness(was + blur, scale))
        assert abs(nearness(was, scale) - nearness(now, scale)) <= half_step * 1.2 + slack + 2e-6


def nearness(distance: float, scale: DepthScale) -> float:
    near, far = scale.near, scale.far
    if near == far:
        return 1.0
    distance = min(max(float(distance), near), far)
    return {
        "disparity": lambda: (1 / distance - 1 / far) / (1 / near - 1 / far),
        "distance": lambda: (far - distance) / (far - near),
        "logarithm": lambda: math.log(far / distance) / math.log(far / near),
    }[scale.curve]()


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("name", ["product", "interior", "street"])
def test_the_stated_error_holds_for_a_scene(curve, name):
    depth = canvas(name, 160, 90).depth
    values, scale = guides.encode_depth(depth, curve, 16)
    stated = np.array([scale.error_at(d) for d in depth[np.isfinite(depth)]])
    assert np.all(off(depth, guides.decode_depth(values, scale)) <= stated * 1.15 + 1e-6)


def test_what_history_keeps_is_within_a_ten_thousandth_from_millimetres_to_kilometres():
    depth = np.geomspace(0.001, 5000, 4096, dtype=np.float32).reshape(64, 64)
    values, scale = guides.encode_depth(depth, "logarithm", 16)
    assert np.max(off(depth, guides.decode_depth(values, scale)) / depth.ravel()) < 1.3e-4


@pytest.mark.parametrize("curve", CURVES)
def test_near_is_white_and_nothing_is_black(curve):
    depth = np.array([[1.0, 2.0, 4.0, np.inf]], np.float32)
    values, scale = guides.encode_depth(depth, curve, 8)
    assert values[0, 0] == 255
    assert values[0, 0] > values[0, 1] > values[0, 2] == 1
    assert values[0, 3] == 0
    assert (scale.near, scale.far) == (1.0, 4.0)


def test_the_curves_are_linear_in_what_they_say():
    depth = np.array([[1.0, 2.0, 4.0]], np.float32)
    middle = {c: guides.encode_depth(depth, c, 16)[0][0, 1] / 65535 for c in CURVES}
    assert middle["disparity"] == pytest.approx((1 / 2 - 1 / 4) / (1 - 1 / 4), abs=1e-4)
    assert middle["distance"] == pytest.approx((4 - 2) / (4 - 1), abs=1e-4)
    assert middle["logarithm"] == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("bits", [8, 16])
def test_an_empty_view_is_all_black(curve, bits):
    for shape in ((3, 5), (0, 0)):
        depth = np.full(shape, np.inf, np.float32)
        values, scale = guides.encode_depth(depth, curve, bits)
        assert not values.any()
        assert np.isinf(guides.decode_depth(values, scale)).all()


def test_a_flat_wall_and_a_given_range():
    wall = np.full((4, 4), 3.0, np.float32)
    values, scale = guides.encode_depth(wall)
    assert (values == 65535).all()
    assert (guides.decode_depth(values, scale) == 3.0).all()
    values, scale = guides.encode_depth(wall, near=5.0, far=9.0)
    assert (values == 65535).all()  # nearer than near is near
    values, scale = guides.encode_depth(wall, near=1.0, far=2.0)
    assert (values == 1).all()
    assert (scale.near, scale.far) == (1.0, 2.0)


def test_an_unusable_number_counts_as_nothing_there():
    depth = np.array([[np.nan, 2.0, -np.inf, np.inf]], np.float32)
    values, _ = guides.encode_depth(depth)
    assert values.tolist() == [[0, 65535, 0, 0]]


def test_the_scale_survives_json_and_refuses_nonsense():
    scale = DepthScale(0.25, 80.0, "logarithm", 8)
    assert DepthScale.from_json(scale.to_json()) == scale
    for wrong in ({}, {**scale.to_json(), "near": "x"}, {**scale.to_json(), "curve": "cubic"}):
        with pytest.raises(InvalidInput):
            DepthScale.from_json(wrong)
    for near, far in ((0.0, 1.0), (2.0, 1.0), (1.0, math.inf), (math.nan, 1.0)):
        with pytest.raises(InvalidInput):
            DepthScale(near, far)


def test_depth_survives_the_png_file_itself():
    depth = canvas("street", 96, 64).depth
    values, scale = guides.encode_depth(depth, "logarithm", 16)
    assert np.array_equal(images.decode_grey16(images.encode_png(values)), values)
    values8, _ = guides.encode_depth(depth, "disparity", 8)
    assert np.array_equal(images.decode(images.encode_png(values8))[..., 0], values8)
    assert scale.bits == 16


directions = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 8), st.integers(1, 8), st.just(3)),
    elements=st.floats(-1, 1, width=32),
)  # fmt: skip


@given(directions)
def test_normals_come_back_within_the_stated_error(vectors):
    length = np.linalg.norm(vectors, axis=2, keepdims=True)
    there = length[..., 0] > 1e-3
    normal = np.where(there[..., None], vectors / np.maximum(length, 1e-9), 0).astype(np.float32)
    again = guides.decode_normal(guides.encode_normal(normal))
    cosine = np.clip(np.sum(normal[there] * again[there], axis=1), -1, 1)
    # arccos near 1 is itself only good to 0.02° in single precision.
    assert np.all(np.degrees(np.arccos(cosine)) <= guides.NORMAL_ERROR_DEGREES + 0.03)
    assert not again[~there].any()
    assert np.allclose(np.linalg.norm(again[there], axis=1), 1, atol=1e-5)


def test_normals_are_the_colours_that_everybody_uses():
    normal = np.array([[[0, 0, 1], [1, 0, 0], [0, -1, 0], [0, 0, 0]]], np.float32)
    pixels = guides.encode_normal(normal)
    assert pixels.tolist() == [[[128, 128, 255], [255, 128, 128], [128, 0, 128], [128] * 3]]
    normal[0, 0] = np.nan
    assert guides.encode_normal(normal)[0, 0].tolist() == [128] * 3
