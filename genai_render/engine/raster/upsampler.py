# SPDX-License-Identifier: GPL-3.0-or-later
"""Bilinear enlargement of many planes between the same two grids: weights are computed once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .arrays import Plane


class Upsampler:
    """Bilinear enlargement from a small grid, some rows at a time."""

    def __init__(self, small: tuple[int, int], large: tuple[int, int]) -> None:
        """Both are (height, width)."""
        self.small, self.large = small, large
        self.y0, self.y1, self.fy = _taps(small[0], large[0])
        self.x0, self.x1, self.fx = _taps(small[1], large[1])

    def rows(self, plane: Plane, first: int, last: int) -> Plane:
        """Rows first to last of the (height, width) plane, enlarged; a new array."""
        if self.small == self.large:
            return plane[first:last].copy()
        fy = self.fy[first:last, None]
        upper = plane[self.y0[first:last]]
        upper += (plane[self.y1[first:last]] - upper) * fy
        left = upper.take(self.x0, axis=1)
        right = upper.take(self.x1, axis=1)
        right -= left
        right *= self.fx[None, :]
        left += right
        return left


def _taps(small: int, large: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Plane]:
    at = np.clip((np.arange(large) + 0.5) * (small / large) - 0.5, 0, small - 1)
    low = np.minimum(at.astype(np.intp), max(0, small - 2))
    return low, np.minimum(low + 1, small - 1), (at - low).astype(np.float32)
