# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a scene is set: its own background, a sky or a studio, and the floor under it.

It is chosen once for all frames and cameras of a batch: what is behind the subject does not change
from one picture to the next because a thing has moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..look.look import Look
from ..scene.analysis import SceneAnalysis, lay_floor
from ..scene.surfaces import Floor, LowRes


@dataclass(frozen=True, slots=True)
class Stage:
    """backdrop: what is behind the scene. place, indoor: what kind of view it is (SceneAnalysis).

    floor: what is laid where the scene has nothing; None for none.
    """

    backdrop: Literal["keep", "sky", "studio"]
    place: bool
    indoor: bool
    floor: Floor | None

    def to_json(self) -> dict[str, Any]:
        floor = self.floor
        laid = floor and {
            "height": floor.height,
            "reach": floor.reach,
            "color": list(floor.color),
            "shown": list(floor.shown),
        }
        return {
            "backdrop": self.backdrop,
            "place": self.place,
            "indoor": self.indoor,
            "floor": laid,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Stage:
        """Raises KeyError, TypeError or ValueError for what `to_json` has not made."""
        backdrop, laid = values["backdrop"], values["floor"]
        if backdrop not in ("keep", "sky", "studio"):
            raise ValueError(backdrop)
        floor = None
        if laid is not None:
            color, shown = (tuple(float(v) for v in laid[name]) for name in ("color", "shown"))
            if len(color) != 3 or len(shown) != 3:
                raise ValueError(laid)
            floor = Floor(float(laid["height"]), float(laid["reach"]), color, shown)
        return cls(backdrop, bool(values["place"]), bool(values["indoor"]), floor)


def set_stage(small: LowRes, analysis: SceneAnalysis, look: Look) -> Stage:
    """The stage that suits a view and a look."""
    backdrop = look.sky.backdrop
    if backdrop == "auto":
        sky = analysis.place and not analysis.top_down
        # A plain sky is none yet; any other plain color is the backdrop that was chosen.
        kept = not analysis.blank or analysis.space or (analysis.tinted and not sky)
        backdrop = "keep" if kept else "sky" if sky else "studio"
    floor = None
    if backdrop != "keep" and look.sky.floor and not small.surfaces.covered.all():
        color = look.sky.studio if backdrop == "studio" else look.sky.ground
        floor = lay_floor(small, analysis, color)
    return Stage(backdrop, analysis.place, analysis.indoor, floor)
