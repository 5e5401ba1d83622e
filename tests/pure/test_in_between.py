# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames between two key frames: of what stands still and of what moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import synthetic

from genai_render.core.view import in_between
from genai_render.core.view.in_between import KeyFrame, Moved

_BALL = 0.5


def _scene(eye, x: float) -> synthetic.Scene:
    """A ball in two halves of color rolls over a floor."""
    return synthetic.Scene(
        (
            synthetic.Ground(half=5, color=(0.5, 0.45, 0.4)),
            synthetic.Box((x - 0.4, -0.4, 0), (x + 0.4, 0.4, 0.8), (0.7, 0.1, 0.1)),
        ),
        eye,
        (0, 0, 0.4),
        sun_power=0.0,
    )


def _at(x: float):
    return ((1, 0, 0, x), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))


def _key(frame: int, eye, x: float, now: float, moving: bool) -> tuple[KeyFrame, np.ndarray]:
    canvas = synthetic.canvas(_scene(eye, x), 240, 180)
    moved = (Moved(_at(now), _at(x), (-0.4, -0.4, 0.0), (0.4, 0.4, 0.8)),) if moving else ()
    return KeyFrame(frame, canvas.color[..., :3], canvas, moved), canvas.color


def test_a_camera_that_moves_past_what_stands() -> None:
    eyes = [(x, -4.0, 1.6) for x in (-0.4, 0.0, 0.4)]
    before, _ = _key(1, eyes[0], 0, 0, False)
    after, _ = _key(9, eyes[2], 0, 0, False)
    middle = synthetic.canvas(_scene(eyes[1], 0), 240, 180)
    over = in_between.between(before, after, middle, 5)
    seen = (over.unseen == 0) & middle.covered
    assert seen.mean() > 0.35
    off = np.abs(over.color[seen].astype(int) - middle.color[..., :3][seen]).max(-1)
    assert (off <= 4).mean() > 0.97
    # Each shows what the other does not: less is unseen than from one alone.
    alone = in_between.between(before, before, middle, 5)
    assert over.share < alone.share


@pytest.mark.parametrize("moving", [True, False])
def test_what_moves_is_carried_with_its_object(moving: bool) -> None:
    eye = (0.2, -4.0, 1.6)
    before, _ = _key(1, eye, -0.6, 0.0, moving)
    after, _ = _key(3, eye, 0.6, 0.0, moving)
    middle = synthetic.canvas(_scene(eye, 0.0), 240, 180)
    over = in_between.between(before, after, middle, 2)
    box = (middle.color[..., 0].astype(int) - middle.color[..., 1]) > 40
    red = box & (over.unseen < 0.5)
    if not moving:  # without its matrices it is nowhere to be seen where it was
        assert red.sum() < 0.75 * box.sum()
        return
    assert red.sum() > 0.85 * box.sum()
    off = np.abs(over.color[red].astype(int) - middle.color[..., :3][red]).max(-1)
    assert (off <= 6).mean() > 0.95


def test_the_unsteady_is_told_from_the_steady() -> None:
    canvas, _ = _key(1, (0.0, -4.0, 1.6), 0, 0, False)
    other, _ = _key(2, (0.1, -4.0, 1.6), 0, 0, False)
    steady = in_between.unsteadiness(canvas.picture, canvas.canvas, other.picture, other.canvas)
    noise = np.random.default_rng(1).integers(-20, 21, other.picture.shape)
    shaken = np.clip(other.picture + noise, 0, 255).astype(np.uint8)
    unsteady = in_between.unsteadiness(canvas.picture, canvas.canvas, shaken, other.canvas)
    assert steady is not None
    assert unsteady is not None
    assert steady < 1 < 8 < unsteady
    away = replace(_scene((0.0, -4.0, 1.6), 0), target=(0, -9, 3.0))
    nothing = synthetic.canvas(away, 240, 180)
    assert (
        in_between.unsteadiness(canvas.picture, canvas.canvas, nothing.color[..., :3], nothing)
        is None
    )
