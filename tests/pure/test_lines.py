# SPDX-License-Identifier: GPL-3.0-or-later
"""Feature lines stand where an artist would draw one, and nowhere else."""

from __future__ import annotations

import math

import numpy as np
import pytest
from synthetic import canvas

from genai_render.core.view.canvas import View
from genai_render.engine.lines import pen
from genai_render.engine.lines.edges import detect_edges

WIDTH, HEIGHT = 256, 192


def floor(
    eye_height: float = 1.6,
    pitch: float = 0.0,
    reach: float = math.inf,
    width: int = WIDTH,
    height: int = HEIGHT,
    shift: float = 0.0,
    focal: float = 1.4,
):
    """depth, normal, view of nothing but a floor: pitch in radians down, reach in metres ahead."""
    aspect = width / height
    x = ((np.arange(width) + 0.5) / width * 2 - 1)[None, :] / focal
    y = (1 - (np.arange(height) + 0.5 + shift) / height * 2)[:, None] / (focal * aspect)
    # Camera space: down is turned by the pitch.
    down = np.array([0.0, -math.cos(pitch), -math.sin(pitch)])
    along = x * down[0] + y * down[1] - down[2] + 0 * x
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = eye_height / along
        ahead = depth * (math.cos(pitch) + y * math.sin(pitch))
    covered = (along > 1e-9) & (ahead < reach) & (depth > 0)
    depth = np.where(covered, depth, np.inf).astype(np.float32)
    normal = np.where(covered[..., None], -down, 0).astype(np.float32)
    matrix = (
        (focal, 0.0, 0.0, 0.0),
        (0.0, focal * aspect, 0.0, 0.0),
        (0.0, 0.0, -1.0, -0.2),
        (0.0, 0.0, -1.0, 0.0),
    )
    return depth, normal, View(width, height, "PERSP", matrix)


def line_mask(depth, normal, view, width_px: float, albedo=None, **options):
    edges = detect_edges(depth, normal, view, albedo)
    return pen.line_mask(edges, depth, view, width_px, **options)


def mask_of(picture, width_px: float = 1.5, **options):
    return line_mask(
        picture.depth, picture.normal, picture.view, width_px, picture.albedo, **options
    )


@pytest.mark.parametrize("pitch", [0.02, 0.3, 1.2])
def test_a_floor_that_fills_the_view_has_no_lines(pitch):
    depth, normal, view = floor(pitch=pitch, focal=4.0, shift=400.0)
    assert np.isfinite(depth).all()
    mask = line_mask(depth, normal, view, 2.0)
    assert mask.max() < 0.02


def test_an_orthographic_slope_has_no_lines():
    rows = np.linspace(3, 9, HEIGHT, dtype=np.float32)
    depth = np.repeat(rows[:, None], WIDTH, axis=1)
    normal = np.broadcast_to(np.array([0, 0.6, 0.8], np.float32), (HEIGHT, WIDTH, 3)).copy()
    view = View(WIDTH, HEIGHT, "ORTHO")
    assert line_mask(depth, normal, view, 2.0).max() < 0.02


@pytest.mark.parametrize("shift", [0.0, 0.13, 0.31, 0.5, 0.77])
@pytest.mark.parametrize("reach", [60.0, 200.0, 900.0, 5000.0, math.inf])
def test_the_horizon_is_a_whole_line_or_none(reach, shift):
    # A little roll, so that the horizon crosses rows of pixels.
    depth, normal, view = floor(pitch=0.06, reach=reach, shift=shift)
    mask = line_mask(depth, normal, view, 1.6)
    strongest = mask.max(axis=0)[8:-8]
    assert strongest.max() - strongest.min() < 0.35
    if reach < 100:
        assert strongest.min() > 0.3  # here the floor visibly ends


def test_a_horizon_of_mixed_pixels_is_not_dashed():
    depth, normal, view = floor(pitch=0.06, reach=300.0)
    edge = np.isfinite(depth).argmax(axis=0)
    columns = np.arange(WIDTH)
    # A filtered capture: the last row is now nearer, now farther, now with half a normal.
    random = np.random.default_rng(5)
    depth[edge, columns] *= random.uniform(0.9, 6.0, WIDTH).astype(np.float32)
    normal[edge, columns] *= random.uniform(0.35, 1.0, (WIDTH, 1)).astype(np.float32)
    strongest = line_mask(depth, normal, view, 1.6).max(axis=0)[8:-8]
    assert strongest.max() - strongest.min() < 0.45


@pytest.mark.parametrize("projection", ["PERSP", "ORTHO"])
def test_a_cube_has_its_nine_visible_edges(projection):
    picture = canvas("default_cube", WIDTH, HEIGHT, projection=projection)
    mask = mask_of(picture)
    to_camera = np.linalg.inv(np.asarray(picture.view.camera_to_world))
    matrix = np.asarray(picture.view.projection_matrix)

    def pixel(corner):
        clip = matrix @ to_camera @ np.array([*corner, 1.0])
        x, y = clip[:2] / clip[3]
        return (x + 1) / 2 * WIDTH, (1 - y) / 2 * HEIGHT

    near = (1, -1, 1)  # the corner toward the camera; its opposite is hidden
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    hidden = (-1, 1, -1)
    found = 0
    on_edge = np.zeros_like(mask, bool)
    for i, a in enumerate(corners):
        for b in corners[i + 1 :]:
            if sum(p != q for p, q in zip(a, b, strict=True)) != 1 or hidden in (a, b):
                continue
            (ax, ay), (bx, by) = pixel(a), pixel(b)
            strengths = []
            for t in np.linspace(0.0, 1.0, 80):
                x, y = round(ax + (bx - ax) * t), round(ay + (by - ay) * t)
                around = mask[max(0, y - 2) : y + 2, max(0, x - 2) : x + 2]
                on_edge[max(0, y - 6) : y + 6, max(0, x - 6) : x + 6] = True
                if 0.1 < t < 0.9:
                    strengths.append(around.max())
            assert min(strengths) > 0.3, (a, b)
            found += 1
    assert found == 9
    assert pixel(near)[0] > 0
    assert mask[~on_edge].max() < 0.05


def test_a_ball_has_an_outline_and_nothing_inside():
    picture = canvas("product", WIDTH, HEIGHT)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    radius, cx, cy = 60.0, 128.0, 96.0
    inside = (x + 0.5 - cx) ** 2 + (y + 0.5 - cy) ** 2
    rise = np.sqrt(np.maximum(radius**2 - inside, 0)) / radius
    covered = inside < radius**2
    depth = np.where(covered, 5 - rise, np.inf).astype(np.float32)
    normal = np.stack([(x + 0.5 - cx) / radius, -(y + 0.5 - cy) / radius, rise], 2)
    normal = np.where(covered[..., None], normal, 0).astype(np.float32)
    mask = line_mask(depth, normal, picture.view, 1.5)
    angles = np.linspace(0, 2 * np.pi, 90)
    ring = [
        mask[
            round(cy + radius * math.sin(a)) - 2 : round(cy + radius * math.sin(a)) + 2,
            round(cx + radius * math.cos(a)) - 2 : round(cx + radius * math.cos(a)) + 2,
        ].max()
        for a in angles
    ]
    assert min(ring) > 0.3
    assert mask[inside < (radius - 6) ** 2].max() < 0.05


def test_painted_details_get_lines_and_speckle_does_not():
    depth, normal, view = floor(pitch=1.2, focal=4.0, shift=300.0)
    albedo = np.full((HEIGHT, WIDTH, 3), 0.7, np.float32)
    albedo[60:120, 60:140] = (0.2, 0.3, 0.5)
    framed = line_mask(depth, normal, view, 1.6, albedo=albedo)
    assert framed[90, 56:64].max() > 0.3
    assert framed[75:105, 80:120].max() < 0.05
    random = np.random.default_rng(2)
    speckle = np.where(random.random((HEIGHT, WIDTH, 1)) < 0.35, 0.25, 0.7).astype(np.float32)
    noisy = line_mask(depth, normal, view, 1.6, albedo=speckle.repeat(3, axis=2))
    assert noisy.mean() < 0.02


def test_lines_grow_with_the_picture():
    small, large = canvas("default_cube", 256, 192), canvas("default_cube", 768, 576)
    thin = line_mask(small.depth, small.normal, small.view, 1.6)
    thick = line_mask(large.depth, large.normal, large.view, 4.8)
    reduced = thick.reshape(192, 3, 256, 3).mean(axis=(1, 3))
    assert thick.mean() == pytest.approx(thin.mean(), rel=0.3)
    near = np.maximum.reduce(
        [np.roll(thin, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    )
    assert near[reduced > 0.5].min() > 0.2


def test_wider_lines_cover_more_and_an_empty_view_has_none():
    picture = canvas("default_cube", WIDTH, HEIGHT)
    covers = [mask_of(picture, width).mean() for width in (1.0, 2.0, 4.0)]
    assert covers[0] < covers[1] < covers[2]
    empty = np.full((HEIGHT, WIDTH), np.inf, np.float32)
    nothing = line_mask(empty, np.zeros((HEIGHT, WIDTH, 3), np.float32), picture.view, 2.0)
    assert nothing.max() == 0


def test_a_free_hand_wavers_but_stays_near():
    picture = canvas("default_cube", 512, 384)
    ruled, free = mask_of(picture, 2.0), mask_of(picture, 2.0, hand=1.0, seed=3)
    assert np.abs(ruled - free).max() > 0.3
    near = np.maximum.reduce(
        [np.roll(ruled, (y, x), (0, 1)) for y in range(-4, 5) for x in range(-4, 5)]
    )
    assert (free > 0.3)[near < 0.1].mean() < 0.002
    again = mask_of(picture, 2.0, hand=1.0, seed=3)
    assert free.tobytes() == again.tobytes()


def test_drawing_lines_puts_ink_where_the_mask_is():
    color = np.ones((2, 2, 3), np.float32)
    mask = np.array([[0, 1], [0.5, 0]], np.float32)
    pen.draw_lines(color, mask, (0.0, 0.0, 0.0), 1.0)
    assert color[0, 0, 0] == 1
    assert color[0, 1, 0] == 0
    assert color[1, 0, 0] == pytest.approx(0.5)
