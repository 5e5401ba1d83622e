# SPDX-License-Identifier: GPL-3.0-or-later
"""Texels of triangles, and what is made of them."""

from __future__ import annotations

import numpy as np
import pytest

from genai_render.core.errors import InvalidInput
from genai_render.core.view import placement
from genai_render.engine.texture import color_match, filling, surface
from genai_render.engine.texture.eye import Seen


def _square() -> np.ndarray:
    return np.array(
        [[(0.1, 0.1), (0.9, 0.1), (0.9, 0.9)], [(0.1, 0.1), (0.9, 0.9), (0.1, 0.9)]], np.float32
    )


def test_each_texel_of_a_mesh_has_one_triangle() -> None:
    side = 64
    count = np.zeros(side * side, int)
    for block in surface.texels(_square(), side):
        np.add.at(count, block.place, 1)
        assert np.allclose(block.share.sum(1), 1, atol=1e-5)
        place = block.of(_square())
        assert np.allclose(place[:, 0] * side - 0.5, block.place % side, atol=1e-3)
        assert np.allclose((1 - place[:, 1]) * side - 0.5, block.place // side, atol=1e-3)
    assert count.max() == 1
    assert count.sum() == pytest.approx((0.8 * side) ** 2, rel=0.05)


def test_uvs_beyond_the_texture_come_in_on_the_other_side() -> None:
    moved = _square() + np.array((3.5, -2.25), np.float32)
    places = np.concatenate([block.place for block in surface.texels(moved, 32)])
    assert places.min() >= 0
    assert places.max() < 32 * 32
    assert len(np.unique(places)) == len(places)


def test_shared_texels_are_found() -> None:
    assert surface.shared(_square()) == 0
    assert surface.shared(np.concatenate([_square(), _square()])) == 1
    assert surface.shared(np.full((4, 3, 2), np.nan, np.float32)) == 0


def _tetrahedron(inwards: bool) -> surface.Surface:
    corners = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], np.float32)
    faces = np.array([(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)])
    if inwards:
        faces = faces[:, ::-1]
    points = corners[faces]
    return surface.Surface(points, np.zeros_like(points), np.zeros((4, 3, 2), np.float32), faces)


@pytest.mark.parametrize("inwards", [False, True])
def test_a_closed_piece_knows_its_outside(inwards: bool) -> None:
    flipped, closed = surface.inside_out(_tetrahedron(inwards))
    assert closed.all()
    assert (flipped == inwards).all()
    whole = _tetrahedron(inwards)
    open_ = surface.Surface(whole.points[1:], whole.normals[1:], whole.uvs[1:], whole.vertices[1:])
    flipped, closed = surface.inside_out(open_)
    assert not closed.any()
    assert not flipped.any()


def test_gains_make_pictures_agree() -> None:
    chance = np.random.default_rng(1)
    color = chance.uniform(0.1, 0.6, (500, 3)).astype(np.float32)
    one = np.ones(500, np.float32)
    true = np.array([[1, 1, 1], [1.3, 1.3, 1.3], [0.8, 1.0, 1.2]], np.float32)
    seen = []
    for number, gain in enumerate(true):
        weight = one.copy()
        if number == 2:
            weight[:300] = 0  # it has little in common with the first
        seen.append(Seen(color * gain, weight, one, one))
    found = color_match.gains(seen)
    assert np.allclose(found * true, 1, atol=0.01)
    alone = Seen(color, np.zeros(500, np.float32), one, one)
    assert np.allclose(color_match.gains([seen[0], alone]), 1)


def test_the_unseen_is_continued_over_the_surface_and_the_margin_is_padded() -> None:
    faces = np.array([(0, 1, 2), (1, 2, 3), (2, 3, 4), (5, 6, 7)])
    color = np.zeros((4, 3, 3), np.float32)
    weight = np.zeros((4, 3), np.float32)
    color[0], weight[0] = (0.2, 0.4, 0.6), 1
    around = filling.over_surface(faces, color, weight)
    assert around is not None
    assert np.allclose(around, (0.2, 0.4, 0.6), atol=1e-5)
    assert filling.over_surface(faces, color, weight * 0) is None
    plane = np.zeros((32, 32, 3), np.float32)
    used = np.zeros((32, 32), bool)
    used[8:16, 8:16] = True
    plane[used] = 0.5
    filling.pad(plane, used)
    assert np.allclose(plane, 0.5, atol=1e-4)


def test_cameras_all_around_see_the_whole_subject() -> None:
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-2, 2) for z in (0, 1)], float)
    for how, count in (("ring", 7), ("hemisphere", 10), ("six", 6)):
        placed = placement.all_around(corners, how, 4 / 3, np.array((0, -8, 1)))
        assert len({name for name, _ in placed}) == count
        for name, one in placed:
            matrix = np.array(one.matrix)
            local = (corners - matrix[:3, 3]) @ matrix[:3, :3]
            assert (local[:, 2] < 0).all(), name
            assert (np.abs(local[:, 0] / local[:, 2]) <= one.width / 2).all(), name
            assert (np.abs(local[:, 1] / local[:, 2]) <= one.height / 2).all(), name
    assert {round(float(np.array(one.matrix)[2, 2]), 2) for _, one in placed} == {-1, 0, 1}
    with pytest.raises(InvalidInput):
        placement.all_around(corners, "spiral", 1.0, np.zeros(3))
