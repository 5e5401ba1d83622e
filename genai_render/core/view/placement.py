# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a camera stands that is placed by itself: as near as it may, so that all of a subject is
within the part of the picture that is meant for it.

Pure geometry over points in world space, z up, in whatever unit they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .. import lazy
from ..errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .canvas import Matrix4
else:
    np = lazy.module("numpy")

FULL_FRAME_MM = 36.0  # the long side, whatever the aspect ratio
_STEEPEST = 89.9  # straight down there is no up
_ABOVE_GROUND = 0.03  # of the subject's height
_STEP_UP = 3.0  # degrees, until the camera is above the ground
_NEAR, _FAR = 0.02, 200.0  # clipping, in distances to the subject
_ROOM = 0.34  # of the picture's side that is left free where there is to be room for words


@dataclass(frozen=True, slots=True)
class Rule:
    """How a kind of shot sees its subject.

    azimuth: degrees from the front, to the side from which the scene is looked at. elevation:
    degrees above the horizon. lens: mm, on a full frame. fill: how much of the picture's side the
    subject may take. part: how much of the subject's size is meant, 1 for all of it; part_at: how
    far up in it the middle of that part is.
    """

    azimuth: float
    elevation: float
    lens: float
    fill: float = 0.8
    part: float = 1.0
    part_at: float = 0.5


RULES = {
    "hero": Rule(28, 9, 65, 0.78),
    "three-quarter": Rule(40, 24, 65, 0.78),
    "detail": Rule(32, 14, 85, 0.96, part=0.42, part_at=0.62),
    "top": Rule(0, 90, 60, 0.76),
    "eye-level": Rule(0, 3, 70, 0.8),
}
AROUND = ("ring", "hemisphere", "six")
"""Ways to see a subject from several sides."""

ROOMS = ("", "left", "right", "top", "bottom")
"""On which side of the picture there is room for words."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A camera: matrix is camera to world, width and height are what it sees at distance 1.

    distance: to the middle of the subject, along its axis.
    """

    matrix: Matrix4
    width: float
    height: float
    lens: float
    near: float
    far: float
    distance: float


def all_around(
    points: NDArray[np.float64], how: str, aspect: float, seen_from: NDArray[np.float64]
) -> list[tuple[str, Placement]]:
    """Cameras around a subject, each with a name; the nearest to where it is seen from first.

    seen_from: where the camera of a picture that is there already stands: one ring goes on from it.
    Raises InvalidInput.
    """
    if how not in AROUND:
        raise InvalidInput(f'"{how}" is no way around.', action=f"Use {', '.join(AROUND)}.")
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        raise InvalidInput("There is nothing to place a camera for.")
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    way = np.asarray(seen_from, np.float64) - middle
    own = math.degrees(math.atan2(way[0], -way[1]))
    wanted: list[tuple[str, float, float]]
    if how == "ring":
        wanted = [(f"ring-{k + 1}", own + 45.0 * k, 12.0) for k in range(1, 8)]
    elif how == "hemisphere":
        wanted = [(f"low-{k + 1}", own + 60.0 * k, 10.0) for k in range(1, 6)]
        wanted += [(f"high-{k + 1}", own + 45 + 90.0 * k, 50.0) for k in range(4)]
        wanted += [("top", own, 89.0)]
    else:
        sides = ("front", "right", "back", "left")
        wanted = [(name, 90.0 * k, 0.0) for k, name in enumerate(sides)]
        wanted += [("top", 0.0, _STEEPEST), ("bottom", 0.0, -_STEEPEST)]
    placed = [
        (name, place(points, Rule(turn, rise, 50.0, 0.86), aspect, above_ground=how != "six"))
        for name, turn, rise in wanted
    ]

    def away(one: tuple[str, Placement]) -> float:
        there = np.array([row[3] for row in one[1].matrix[:3]]) - middle
        size = max(float(np.linalg.norm(there) * np.linalg.norm(way)), 1e-9)
        return -float(there @ way) / size

    return sorted(placed, key=away)


def rule(name: str) -> Rule:
    """Raises InvalidInput."""
    if name not in RULES:
        raise InvalidInput(
            f'"{name}" is not a way to place a camera.', action=f"Use {', '.join(RULES)}."
        )
    return RULES[name]


def place(
    points: NDArray[np.float64],
    how: Rule,
    aspect: float,
    front: float = 0.0,
    room: str = "",
    above_ground: bool = True,
) -> Placement:
    """A camera for the points (N, 3), which are a subject's outline.

    front: degrees that the subject's front is turned by from -y, counter-clockwise from above.
    aspect: the picture's width over its height.
    above_ground: raise a camera that would stand below the subject.

    Raises InvalidInput for a picture or a subject that nothing can be fitted to.
    """
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points) or not (math.isfinite(aspect) and aspect > 0):
        raise InvalidInput("There is nothing to place a camera for.")
    low, high = points.min(axis=0), points.max(axis=0)
    size = float(np.linalg.norm(high - low)) or 1.0
    ground = float(low[2])
    if how.part < 1.0:
        points = _part(points, how)
    elevation = how.elevation
    while True:
        placement = _fitted(points, replace(how, elevation=elevation), aspect, front, room, size)
        clear = ground + _ABOVE_GROUND * float(high[2] - low[2])
        if not above_ground or placement.matrix[2][3] >= clear or elevation >= _STEEPEST:
            return placement
        elevation = min(_STEEPEST, elevation + _STEP_UP)


def _part(points: NDArray[np.float64], how: Rule) -> NDArray[np.float64]:
    """The corners of a box around a part of the subject."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    middle[2] = low[2] + (high[2] - low[2]) * how.part_at
    half = (high - low) / 2 * how.part
    signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
    return middle + signs * half


def _fitted(
    points: NDArray[np.float64], how: Rule, aspect: float, front: float, room: str, size: float
) -> Placement:
    turn = math.radians(how.azimuth + front)
    rise = math.radians(max(-_STEEPEST, min(how.elevation, _STEEPEST)))
    # Away from what it looks at; at no azimuth, from -y.
    back = np.array(
        (math.sin(turn) * math.cos(rise), -math.cos(turn) * math.cos(rise), math.sin(rise))
    )
    right = np.array((math.cos(turn), math.sin(turn), 0.0))
    rotation = np.stack((right, np.cross(back, right), back), axis=1)
    half = FULL_FRAME_MM / 2 / how.lens
    half_x, half_y = (half, half / aspect) if aspect >= 1 else (half * aspect, half)
    left, right_, bottom, top = _box(how.fill, room)
    seen = points @ rotation
    depth = seen[:, 2]
    # x - at <= side · half · (stand - depth) for each point and each side of the box: linear in
    # where the camera is, so that the nearest place is known at once.
    most_x = (seen[:, 0] + right_ * half_x * depth).max()
    least_x = (seen[:, 0] + left * half_x * depth).min()
    most_y = (seen[:, 1] + top * half_y * depth).max()
    least_y = (seen[:, 1] + bottom * half_y * depth).min()
    stand = max(
        (most_x - least_x) / ((right_ - left) * half_x),
        (most_y - least_y) / ((top - bottom) * half_y),
        float(depth.max()) + size * 0.05,
    )
    at_x = (most_x - right_ * half_x * stand + least_x - left * half_x * stand) / 2
    at_y = (most_y - top * half_y * stand + least_y - bottom * half_y * stand) / 2
    eye = rotation @ np.array((at_x, at_y, stand))
    distance = float(stand - (depth.max() + depth.min()) / 2)
    matrix = tuple(
        (float(row[0]), float(row[1]), float(row[2]), float(eye[axis]))
        for axis, row in enumerate(rotation)
    )
    return Placement(
        (*matrix, (0.0, 0.0, 0.0, 1.0)),
        2 * half_x,
        2 * half_y,
        how.lens,
        distance * _NEAR,
        distance * _FAR + size,
        distance,
    )


def _box(fill: float, room: str) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of where the subject may be, -1 to 1."""
    if room not in ROOMS:
        raise InvalidInput(
            f'"{room}" is no side of a picture.', action=f"Use {', '.join(ROOMS[1:])}."
        )
    box = {"left": -fill, "right": fill, "bottom": -fill, "top": fill}
    if room:
        start = 1 - 2 * _ROOM
        box[room] = -start if room in ("left", "bottom") else start
    return box["left"], box["right"], box["bottom"], box["top"]
