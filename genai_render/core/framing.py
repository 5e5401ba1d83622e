# SPDX-License-Identifier: GPL-3.0-or-later
"""From an aspect ratio and a resolution to pixels, and how a view is framed to fit them."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from .bounds import MAX_SIDE, MIN_SIDE
from .errors import InvalidInput

ASPECTS: dict[str, float] = {
    "1:1": 1 / 1,
    "16:9": 16 / 9,
    "4:3": 4 / 3,
    "3:2": 3 / 2,
    "21:9": 21 / 9,
    "9:16": 9 / 16,
    "3:4": 3 / 4,
    "2:3": 2 / 3,
}
AUTO = "auto"

# The side of the square that has as many pixels as an image of that resolution.
RESOLUTIONS: dict[str, int] = {"1K": 1024, "2K": 2048, "4K": 4096}

STEP = 16  # every side is a multiple of this: models and video encoders ask for it


class Size(NamedTuple):
    width: int
    height: int

    @property
    def aspect(self) -> float:
        return self.width / self.height

    def __str__(self) -> str:
        return f"{self.width} × {self.height}"


def check_aspect(aspect: str) -> str:
    """The aspect ratio's own spelling. Raises InvalidInput for one that is not offered."""
    name = aspect.strip().lower()
    if name == AUTO or name in ASPECTS:
        return name
    raise InvalidInput(
        f'"{aspect}" is not an aspect ratio that can be asked for.',
        action=f"Choose {AUTO}, {', '.join(ASPECTS)}.",
    )


def check_resolution(resolution: str) -> str:
    """The resolution's own spelling. Raises InvalidInput for one that is not offered."""
    name = resolution.strip().upper()
    if name in RESOLUTIONS:
        return name
    raise InvalidInput(
        f'"{resolution}" is not a resolution that can be asked for.',
        action=f"Choose {', '.join(RESOLUTIONS)}.",
    )


def ratio(aspect: str, auto: float) -> float:
    """Width over height. `auto` is the view's own, for "auto"."""
    name = check_aspect(aspect)
    if name != AUTO:
        return ASPECTS[name]
    if not (math.isfinite(auto) and auto > 0):
        raise InvalidInput(f"The view's own aspect ratio, {auto}, cannot be used.")
    return auto


def size_for(aspect: str, resolution: str, auto: float = 1.0) -> Size:
    """The pixels of an image of that aspect ratio and resolution, in steps of 16.

    A resolution stands for an area (1K is 1024² pixels), so a wide image has as many pixels as a
    square one. Sides stay within MIN_SIDE and MAX_SIDE: a very long "auto" view keeps its ratio
    and gets fewer pixels.
    """
    wanted = ratio(aspect, auto)
    side = RESOLUTIONS[check_resolution(resolution)]
    width = side * math.sqrt(wanted)
    height = side / math.sqrt(wanted)
    shrink = min(1.0, MAX_SIDE / max(width, height))
    return Size(*(_step(length * shrink) for length in (width, height)))


def _step(length: float) -> int:
    return max(MIN_SIDE, min(MAX_SIDE, round(length / STEP) * STEP))


class Framing(NamedTuple):
    """How a view of another aspect ratio is fitted into a frame: never squashed.

    scale_x, scale_y: the frame's extent in units of the view's own extent. Above 1, the frame sees
    more than the view did ("extend"); below 1, less ("crop").
    """

    scale_x: float
    scale_y: float


def fit_view(
    view_aspect: float, frame_aspect: float, how: Literal["extend", "crop"] = "extend"
) -> Framing:
    """Fit a view into a frame. "extend" keeps all that the view shows; "crop" shows nothing new.

    Raises InvalidInput for an aspect ratio that is not a positive number.
    """
    for aspect in (view_aspect, frame_aspect):
        if not (math.isfinite(aspect) and aspect > 0):
            raise InvalidInput(f"An aspect ratio of {aspect} cannot be used.")
    wider = frame_aspect / view_aspect
    if (wider >= 1) == (how == "extend"):
        return Framing(wider, 1.0)
    return Framing(1.0, 1 / wider)
