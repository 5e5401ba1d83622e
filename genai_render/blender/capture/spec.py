# SPDX-License-Identifier: GPL-3.0-or-later
"""What to capture, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ...core.bounds import MAX_SIDE, MIN_SIDE
from ...core.errors import InvalidInput

if TYPE_CHECKING:
    from ...core.view.canvas import View
    from ...core.view.placement import Placement

MODES = ("auto", "fast", "balanced", "quality")


@dataclass(frozen=True, slots=True)
class CaptureSpec:
    """A capture of one camera (or, with source "viewport", of a 3D Viewport).

    width, height: pixels, MIN_SIDE to MAX_SIDE each. Any aspect ratio: what the camera frames is
        never squashed.
    camera: an object's name; None for the scene's own camera.
    mode: how long the colour may take: "fast", "auto", "balanced", "quality", in that order.
    samples: per pixel, instead of what the mode says.
    engine: what draws the colour, such as "CYCLES" or "BLENDER_WORKBENCH"; "auto" for the scene's
        own engine where that runs here, Cycles where not.
    background: whether the world is in the colour; without, its alpha is 0 there.
    fit: a picture of another aspect ratio shows more than the camera does ("extend"), or less.
    depth_of_field: whether the colour has the camera's blur. Depth and normals are always sharp,
        and View.focus_distance says what was in focus, so that it can be blurred afterwards.
    ids: whether it is asked, too, which object and material each pixel shows.
    position: where in a picture that shows more the camera's own frame lies: the share of what is
        added that is left of it, and above it.
    view: seen from there instead of through a camera of the scene, with its lens and no camera's
        name.
    placed: a camera that is in no scene, instead of one that is; `camera` is what it is called.
    part: left, bottom, width and height of what is meant of the camera's frame, 0 to 1.
    source: "passes" renders; "viewport" draws a 3D Viewport as it is, with a GPU; "auto" renders.

    Raises InvalidInput.
    """

    width: int
    height: int
    camera: str | None = None
    mode: str = "auto"
    samples: int | None = None
    engine: str = "auto"
    background: bool = True
    fit: Literal["extend", "crop"] = "extend"
    depth_of_field: bool = False
    ids: bool = True
    view: View | None = None
    placed: Placement | None = None
    part: tuple[float, ...] = ()
    source: Literal["auto", "passes", "viewport"] = "auto"
    position: tuple[float, float] = (0.5, 0.5)

    def __post_init__(self) -> None:
        for side in (self.width, self.height):
            if not MIN_SIDE <= side <= MAX_SIDE:
                raise InvalidInput(
                    f"A capture cannot be {self.width} × {self.height} pixels.",
                    f"Each side must be {MIN_SIDE} to {MAX_SIDE}.",
                )
        if self.mode not in MODES:
            raise InvalidInput(
                f'"{self.mode}" is not a mode.', action=f"Choose {', '.join(MODES)}."
            )
        if self.samples is not None and self.samples < 1:
            raise InvalidInput("A capture needs at least one sample per pixel.")

    @property
    def aspect(self) -> float:
        return self.width / self.height
