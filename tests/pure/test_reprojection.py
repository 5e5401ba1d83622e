# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture carried from one camera to another shows the same surfaces in the same colors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic import SCENES, Ground, Scene, Sphere, canvas

from genai_render.core.errors import InvalidInput
from genai_render.core.view import reprojection
from genai_render.core.view.canvas import Canvas


def _agreement(one: Canvas, other: Canvas, **options) -> tuple[float, float]:
    """The share of pixels that both see and that agree within 2 of 255; and what is unseen."""
    carried = reprojection.carry(one.color[..., :3], one, other, **options)
    both = (carried.unseen == 0) & other.covered
    assert both.any()
    off = np.abs(carried.color[both].astype(int) - other.color[..., :3][both]).max(-1)
    return float((off <= 2).mean()), carried.share


def _from(name: str, eye, **changes) -> Scene:
    return replace(SCENES[name](), eye=eye, **changes)


def _ball(eye, **changes) -> Scene:
    things = (Ground(half=6, color=(0.6, 0.4, 0.2)), Sphere((0.0, 0.0, 0.8), 0.8))
    return Scene(things, eye, (0, 0, 0.6), **changes)


@pytest.mark.parametrize("projection", ["PERSP", "ORTHO"])
def test_a_ball_on_a_floor_keeps_its_colors_in_the_next_camera(projection: str) -> None:
    one = canvas(_ball((1.6, -5.2, 2.6)), 400, 300, projection=projection)
    other = canvas(_ball((-0.4, -5.4, 3.0)), 400, 300, projection=projection)
    same, unseen = _agreement(one, other)
    assert same >= 0.99
    assert 0 < unseen < 0.4


@pytest.mark.parametrize(("sun", "share"), [(2.2, 0.97), (0.0, 0.985)])
def test_things_before_things_keep_their_colors(sun: float, share: float) -> None:
    """What is left are pixels on silhouettes and edges of shadows, which mix two colors."""
    one = canvas(_from("product", (1.6, -5.2, 2.6), sun_power=sun), 400, 300)
    other = canvas(_from("product", (2.4, -4.9, 2.5), sun_power=sun), 400, 300)
    same, unseen = _agreement(one, other)
    assert same >= share
    assert 0 < unseen < 0.4


def test_between_perspective_and_orthographic() -> None:
    one = canvas(_ball((1.6, -5.2, 2.6)), 400, 300)
    other = canvas(_ball((1.0, -5.2, 2.8)), 400, 400, projection="ORTHO")
    assert _agreement(one, other)[0] >= 0.985


def test_into_the_same_camera_it_is_the_same_picture() -> None:
    one = canvas("product", 320, 240, background=True)
    carried = reprojection.carry(one.color, one, one)
    assert carried.share == 0
    assert np.array_equal(carried.color, one.color)


def test_a_shift_of_the_lens_moves_by_fractions_of_a_pixel() -> None:
    one = canvas(_ball((1.6, -5.2, 2.6)), 320, 240)
    matrix = [list(row) for row in one.view.projection_matrix]
    matrix[0][2] += 2 * 2.5 / 320  # the lens looks two and a half pixels further to the right
    shifted = replace(one.view, projection_matrix=tuple(tuple(row) for row in matrix))
    points = reprojection.world_points(one)
    camera = (points - np.array(one.view.camera_to_world)[:3, 3]) @ np.array(
        one.view.camera_to_world
    )[:3, :3]
    column, _, _ = reprojection.project(shifted, camera)
    off = column[one.covered] - np.nonzero(one.covered)[1]
    assert np.allclose(off, -2.5, atol=1e-6)


def test_what_stands_behind_is_not_seen() -> None:
    one = canvas("product", 320, 240)
    other = canvas(_from("product", (-4.6, -3.2, 2.2)), 320, 240)
    carried = reprojection.carry(one.color[..., :3], one, other, grow=0)
    # By rays: whether the source's camera sees the point, with nothing in between.
    from synthetic import _trace

    points = reprojection.world_points(other)
    eye = np.array(one.view.camera_to_world)[:3, 3]
    there = other.covered
    away = points[there] - eye
    length = np.linalg.norm(away, axis=-1)
    reach, _, _ = _trace(
        SCENES["product"](), np.broadcast_to(eye, away.shape), away / length[:, None]
    )
    back = np.linalg.inv(np.array(one.view.camera_to_world))
    column, row, _ = reprojection.project(one.view, points[there] @ back[:3, :3].T + back[:3, 3])
    hidden = reach < length * 0.985
    inside = (column > 0) & (row > 0) & (column < 319) & (row < 239)
    clear = inside & (reach > length * 0.9995)
    unseen = carried.unseen[there] > 0.5
    assert (unseen[hidden]).mean() > 0.98
    assert (unseen[clear]).mean() < 0.12


def test_the_unseen_is_grown_softly() -> None:
    one = canvas("product", 320, 240)
    other = canvas(_from("product", (2.4, -4.9, 2.5)), 320, 240)
    bare = reprojection.carry(one.color[..., :3], one, other, grow=0)
    grown = reprojection.carry(one.color[..., :3], one, other, grow=2)
    assert (grown.unseen >= bare.unseen).all()
    assert ((grown.unseen > 0) & (grown.unseen < 1)).any()
    assert (grown.unseen[bare.unseen == 1] == 1).all()


def test_the_other_side_of_a_sheet_is_not_seen() -> None:
    above = canvas(Scene((Ground(half=2),), (0, -3, 3), (0, 0, 0)), 160, 120)
    below = canvas(Scene((Ground(half=2),), (0, -3, -3), (0, 0, 0)), 160, 120)
    carried = reprojection.carry(above.color[..., :3], above, below)
    assert carried.unseen[below.covered].min() > 0.9


def test_a_picture_of_another_size_is_carried_too() -> None:
    one = canvas(_ball((1.6, -5.2, 2.6)), 320, 240)
    large = np.repeat(np.repeat(one.color[..., :3], 2, 0), 2, 1)
    other = canvas(_ball((0.8, -5.3, 2.7)), 320, 240)
    carried = reprojection.carry(large, one, other)
    both = (carried.unseen == 0) & other.covered
    off = np.abs(carried.color[both].astype(int) - other.color[..., :3][both]).max(-1)
    assert both.mean() > 0.5
    assert (off <= 6).mean() > 0.97


def test_a_picture_of_another_shape_is_refused() -> None:
    one = canvas("default_cube", 160, 120)
    with pytest.raises(InvalidInput, match="another shape"):
        reprojection.carry(np.zeros((120, 120, 3), np.uint8), one, one)


def test_the_ground_under_a_scene_without_one_stays_under_it() -> None:
    """A shadow that a picture has laid beside a cube moves as the cube's foot does."""
    cube = SCENES["default_cube"]()
    one = canvas(cube, 320, 240)
    other = canvas(replace(cube, eye=(6.6, -7.6, 4.96)), 320, 240)
    picture = one.color[..., :3].copy()
    world = np.array([0.0, -1.6, -1.0])  # on the ground before the cube

    def place(view):
        back = np.linalg.inv(np.array(view.camera_to_world))
        column, row, _ = reprojection.project(view, back[:3, :3] @ world + back[:3, 3])
        return round(float(column)), round(float(row))

    x, y = place(one.view)
    assert not one.covered[y, x]
    picture[y - 3 : y + 4, x - 3 : x + 4] = (250, 10, 10)
    carried = reprojection.carry(picture, one, other)
    x, y = place(other.view)
    assert carried.color[y, x, 0] > 200
