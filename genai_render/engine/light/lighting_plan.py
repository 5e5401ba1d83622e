# SPDX-License-Identifier: GPL-3.0-or-later
"""What a small copy of the canvas decides for the large picture: light, sky, exposure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..look.look import Look
from ..raster.arrays import Plane
from ..scene.analysis import SceneAnalysis
from ..scene.surfaces import LowRes
from .rig import Rig

Quality = Literal["draft", "fast", "balanced", "quality"]
"""draft: for a picture that follows a view which moves, ten times a second."""


@dataclass(slots=True, eq=False)
class LightingPlan:
    """What the small picture decided for the large one.

    planes: (n, h, w) on the small grid, by names. sky, haze, bloom: (3, …) light on grids of their
    own. fade: distances between which a floor becomes the studio's backdrop. shown: (3, h, w) the
    small picture as light, with all but grading.
    """

    look: Look
    analysis: SceneAnalysis
    rig: Rig
    small: LowRes
    studio: bool
    keep: bool
    planes: Plane
    names: list[str]
    sky: Plane
    haze: Plane
    bloom: Plane | None
    shown: Plane
    exposure: float
    fade: tuple[float, float]
