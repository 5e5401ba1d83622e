# SPDX-License-Identifier: GPL-3.0-or-later
"""One picture in the look of another one that shows a part of the same.

Where both show a thing, they say what each color of the one is in the other: a smooth map of colors
is fitted to that. What the map cannot know, such as a light that falls from one side, is what is
left between them, and fades from the known part over the rest, so that there is no seam.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import lazy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
else:
    np = lazy.module("numpy")

_SAMPLES = 20_000  # pixels that the map of colors is fitted to
_FEWEST = 200  # below that, both pictures as a whole say how the colors are
_ALIKE = 0.02  # of the fit: how much it is drawn to leaving colors as they are


def continued(
    base: NDArray[np.uint8], known: NDArray[np.uint8], unseen: Floats, whole: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """`known` where it is known, and `base` in its look where it is unseen, without a seam.

    base, known: (H, W, 3). unseen: (H, W), 0 where `known` counts, 1 where `base` does.
    whole: any picture in the look that is wanted, for where next to nothing is known.
    """
    if not unseen.any():
        return known.copy()
    there = unseen <= 0
    plain = base.astype(np.float32) / np.float32(255)
    wanted = known.astype(np.float32) / np.float32(255)
    if int(there.sum()) < _FEWEST:
        matched = _with_moments(plain, whole.astype(np.float32) / np.float32(255))
    else:
        matched = _mapped(plain, wanted, there)
        rest = np.where(there[..., None], wanted - matched, np.float32(0))
        matched = matched + _faded(rest, there.astype(np.float32))
    share = unseen[..., None]
    mixed = np.clip(wanted * (1 - share) + matched * share, 0, 1)
    out = (mixed * 255 + np.float32(0.5)).astype(np.uint8)
    out[there] = known[there]
    return out


def _terms(color: Floats) -> Floats:
    """(n, 10) of (n, 3): what a gentle map of colors is made of."""
    r, g, b = color[:, 0], color[:, 1], color[:, 2]
    one = np.ones_like(r)
    return np.stack((one, r, g, b, r * r, g * g, b * b, r * g, g * b, b * r), -1)


def _mapped(base: Floats, wanted: Floats, there: NDArray[np.bool_]) -> Floats:
    rows, columns = np.nonzero(there)
    every = max(1, len(rows) // _SAMPLES)
    before = base[rows[::every], columns[::every]]
    after = wanted[rows[::every], columns[::every]]
    terms = _terms(before)
    # Colors that no known pixel has stay near what they are: the map is drawn to that.
    pull = np.random.default_rng(1).random((256, 3)).astype(np.float32)
    weight = np.float32(np.sqrt(_ALIKE * len(before) / 256))
    shift = (after - before).mean(0)
    left = np.concatenate((terms, _terms(pull) * weight))
    right = np.concatenate((after, (pull + shift) * weight))
    map_, *_ = np.linalg.lstsq(left.astype(np.float64), right.astype(np.float64), rcond=None)
    flat = base.reshape(-1, 3)
    out = np.empty_like(flat)
    for first in range(0, len(flat), 1 << 18):
        part = slice(first, first + (1 << 18))
        out[part] = _terms(flat[part]) @ map_.astype(np.float32)
    return np.clip(out, 0, 1).reshape(base.shape)


def _with_moments(base: Floats, whole: Floats) -> Floats:
    """The base with the mean and the spread of each channel that the whole has."""
    own, its = base.reshape(-1, 3), whole.reshape(-1, 3)
    scale = np.clip(its.std(0) / np.maximum(own.std(0), 1e-3), 0.5, 2.0)
    return np.clip((base - own.mean(0)) * scale + its.mean(0), 0, 1).astype(np.float32)


def _faded(values: Floats, weight: Floats) -> Floats:
    """Values that are known where the weight is 1, spread over the rest: near by as they are
    there, and farther away as they are on the whole."""
    if min(weight.shape) <= 2 or weight.min() >= 1:
        total = max(float(weight.sum()), 1e-6)
        mean = (values * weight[..., None]).sum((0, 1)) / total
        return values * weight[..., None] + mean * (1 - weight[..., None])
    smaller = _halved(values * weight[..., None])
    much = _halved(weight[..., None])
    coarse = _faded(smaller / np.maximum(much, 1e-6), np.minimum(much[..., 0] * 2, 1))
    spread = _doubled(coarse, weight.shape)
    return values * weight[..., None] + spread * (1 - weight[..., None])


def _halved(plane: Floats) -> Floats:
    height, width = plane.shape[:2]
    padded = np.pad(plane, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    rows = padded[0::2] + padded[1::2]
    return (rows[:, 0::2] + rows[:, 1::2]) * np.float32(0.25)


def _doubled(plane: Floats, shape: tuple[int, ...]) -> Floats:
    """Twice as large, smoothly, cut to that shape."""
    for axis in (0, 1):
        padded = np.concatenate(
            (plane.take([0], axis), plane, plane.take([plane.shape[axis] - 1], axis)), axis
        )
        count = plane.shape[axis]
        middle = padded.take(range(1, count + 1), axis)
        before = padded.take(range(count), axis) * np.float32(0.25) + middle * np.float32(0.75)
        after = padded.take(range(2, count + 2), axis) * np.float32(0.25) + middle * np.float32(
            0.75
        )
        both = np.stack((before, after), axis + 1)
        plane = both.reshape(tuple(2 * n if i == axis else n for i, n in enumerate(plane.shape)))
    return plane[: shape[0], : shape[1]]
