# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture on its way through the engine: what the lighting made, for lines and media to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...core.view.canvas import View

if TYPE_CHECKING:
    from ..lines.edges import Edges


@dataclass(frozen=True, slots=True, eq=False)
class Shaded:
    """A lit, graded view and what it was made from. All arrays have the picture's H × W.

    color: (H, W, 3) float32, display sRGB 0..1.
    tone: (H, W) float32 0..1, how much light falls on the surface, whatever its colour; the sky
        is its own brightness. What hatching and washes follow.
    albedo: (H, W, 3) float32, display sRGB 0..1, the surface's own colour (the sky's where none).
    depth: (H, W) float32 metres, +inf where nothing is.
    normal: (H, W, 3) float32, camera space, zero where nothing is.
    seed: the same seed gives the same bytes.
    edges: those of depth, normal and albedo where they are known already.
    """

    color: NDArray[np.float32]
    tone: NDArray[np.float32]
    albedo: NDArray[np.float32]
    depth: NDArray[np.float32]
    normal: NDArray[np.float32]
    view: View
    seed: int = 0
    edges: Edges | None = None

    @property
    def covered(self) -> NDArray[np.bool_]:
        return np.isfinite(self.depth)
