# SPDX-License-Identifier: GPL-3.0-or-later
"""How bright each picture has to be so that all agree where they show the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..raster.arrays import Floats
from .eye import Seen

_FEWEST = 40  # places that two pictures have to have in common
_DARK, _BRIGHT = 0.004, 0.96  # linear light: beyond, a ratio says nothing
_SQUARE = 0.3  # cosine: what is seen more at an angle shines differently
_LEAST, _MOST = 0.4, 2.5
_HELD = 1e-3  # how much each is held to what it is, where nothing else says more


def gains(seen: Sequence[Seen]) -> Floats:
    """(pictures, 3): what to multiply each with. The first stays as it is.

    Least squares over the logarithms: for each pair, the middle ratio of what both show.
    """
    count = len(seen)
    out = np.ones((count, 3), np.float32)
    pairs = [(i, j, *_ratio(seen[i], seen[j])) for i in range(count) for j in range(i + 1, count)]
    pairs = [pair for pair in pairs if pair[2] >= _FEWEST]
    if not pairs:
        return out
    most = max(pair[2] for pair in pairs)
    left = np.zeros((count, count))
    right = np.zeros((count, 3))
    left += np.eye(count) * _HELD
    left[0, 0] += 1e6  # the one that was chosen keeps its colors
    for i, j, number, ratio in pairs:
        weight = number / most
        left[i, i] += weight
        left[j, j] += weight
        left[i, j] -= weight
        left[j, i] -= weight
        # gain_i · color_i = gain_j · color_j
        right[i] -= weight * ratio
        right[j] += weight * ratio
    solved = np.linalg.solve(left, right)
    return np.clip(np.exp(solved), _LEAST, _MOST).astype(np.float32)


def _ratio(one: Seen, other: Seen) -> tuple[int, Floats]:
    """How many places both show well, and the logarithm of how much brighter the first is."""
    both = (one.weight > 0) & (other.weight > 0)
    both &= (one.square > _SQUARE) & (other.square > _SQUARE)
    if int(both.sum()) < _FEWEST:
        return 0, np.zeros(3)
    ours, theirs = one.color[both], other.color[both]
    useful = ((ours > _DARK) & (ours < _BRIGHT) & (theirs > _DARK) & (theirs < _BRIGHT)).all(1)
    if int(useful.sum()) < _FEWEST:
        return 0, np.zeros(3)
    ratio = np.log(ours[useful]) - np.log(theirs[useful])
    return int(useful.sum()), np.median(ratio, axis=0)
