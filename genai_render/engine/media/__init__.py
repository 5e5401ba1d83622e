# SPDX-License-Identifier: GPL-3.0-or-later
"""Media: redraw a lit picture as a person would with a brush, a pencil or a press.

One medium per file. Each has `draw(shaded, step) -> (H, W, 3) float32, display sRGB`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import NotFound
from ..look.look import MEDIA
from ..raster.parallel import each_band
from ..raster.progress import Step
from .shaded import Shaded


def apply(medium: str, shaded: Shaded, amount: float, step: Step) -> NDArray[np.float32]:
    """The picture in a medium: (H, W, 3) float32, display sRGB 0..1. Same seed, same bytes.

    amount: 0 leaves the picture as it is, 1 is the medium alone.
    step is called with fractions 0..1 several times a second and may raise Cancelled.
    Raises NotFound for a medium that does not exist.
    """
    if medium not in MEDIA:
        raise NotFound(f'There is no medium called "{medium}".', action=f"Use {', '.join(MEDIA)}.")
    amount = min(max(float(amount), 0.0), 1.0)
    if amount == 0.0:
        return np.clip(shaded.color, 0, 1)
    module = import_module(f".{medium}", __name__)
    drawn: NDArray[np.floating[Any]] = module.draw(shaded, step)
    result = drawn.astype(np.float32, copy=False)

    def mix(first: int, last: int) -> None:
        page, color = result[first:last], shaded.color[first:last]
        np.clip(page, 0, 1, out=page)
        if amount < 1.0:
            page -= color
            page *= np.float32(amount)
            page += color

    each_band(result.shape[0], result.shape[1], mix)
    return result
