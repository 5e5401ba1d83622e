# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of an animation between two that were made: carried from both, and how steady it is.

Each pixel of a frame is a point of the scene, which both key frames may have seen: from the first
more at the beginning, from the second more towards the end. What moves is carried with its object:
where a point of it was at a key frame, the object's matrices say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import lazy
from . import reprojection
from .canvas import Canvas, Matrix4
from .reprojection import Carried

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = lazy.module("numpy")

_ROOM = 0.02  # of an object's size: so much around its box is its own, too


@dataclass(frozen=True, slots=True)
class Moved:
    """An object that is elsewhere at another frame. Matrices take its own space to the world, in
    metres; low, high: the corners of its box in its own space."""

    now: Matrix4
    then: Matrix4
    low: tuple[float, float, float]
    high: tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class KeyFrame:
    """A frame that was made. moved: what stands elsewhere in the frame that is carried into."""

    frame: int
    picture: NDArray[np.uint8]
    canvas: Canvas
    moved: tuple[Moved, ...] = ()


def between(before: KeyFrame, after: KeyFrame, canvas: Canvas, frame: int) -> Carried:
    """What the two show of a frame between them, mixed by how near each is."""
    first, second = (_carried(key, canvas) for key in (before, after))
    span = max(1, after.frame - before.frame)
    share = np.float32((frame - before.frame) / span)
    # What one did not see at all is the other's alone; at soft edges it goes over.
    one = (1 - first.unseen) * (1 - share)
    two = (1 - second.unseen) * share
    # Whatever is seen by one only weakly still counts where the other saw nothing.
    total = one + two
    mixed = first.color * one[..., None] + second.color * two[..., None]
    color = mixed / np.maximum(total, 1e-6)[..., None]
    unseen = first.unseen * second.unseen
    color[unseen >= 1] = 0
    return Carried(np.clip(color + 0.5, 0, 255).astype(np.uint8), unseen.astype(np.float32))


def _carried(key: KeyFrame, canvas: Canvas) -> Carried:
    still = reprojection.carry(key.picture, key.canvas, canvas)
    if not key.moved:
        return still
    points = reprojection.world_points(canvas)
    was = np.full_like(points, np.nan)
    for thing in key.moved:
        now = np.array(thing.now, np.float64)
        back = np.linalg.inv(now)
        own = points @ back[:3, :3].T + back[:3, 3]
        low, high = np.array(thing.low), np.array(thing.high)
        room = _ROOM * (high - low) + 1e-4
        with np.errstate(invalid="ignore"):
            inside = ((own >= low - room) & (own <= high + room)).all(-1)
        then = np.array(thing.then, np.float64)
        was[inside] = own[inside] @ then[:3, :3].T + then[:3, 3]
    its = np.isfinite(was).all(-1)
    if not its.any():
        return still
    moving = reprojection.carry(key.picture, key.canvas, canvas, points=was, background=False)
    seen = its & (moving.unseen < 1)
    return Carried(
        np.where(seen[..., None], moving.color, still.color),
        np.where(seen, moving.unseen, still.unseen).astype(np.float32),
    )


def unsteadiness(
    before: NDArray[np.uint8], seen_before: Canvas, after: NDArray[np.uint8], seen_after: Canvas
) -> float | None:
    """How much the same points of the scene change from one frame to the next, in steps of 255.

    None where the two show nothing in common.
    """
    over = reprojection.carry(before, seen_before, seen_after, background=False)
    both = (over.unseen == 0) & reprojection.at_picture(seen_after, after).covered
    if over.color.shape[:2] != after.shape[:2] or not both.any():
        return None
    off = np.abs(over.color[both].astype(np.int16) - after[both].astype(np.int16))
    return float(off.mean())


def mean_unsteadiness(each: Sequence[float | None]) -> float | None:
    known = [value for value in each if value is not None]
    return sum(known) / len(known) if known else None
