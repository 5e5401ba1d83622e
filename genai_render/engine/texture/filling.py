# SPDX-License-Identifier: GPL-3.0-or-later
"""What no picture shows of a surface: continued from what is beside it, over the surface itself and
not over the texture, where strangers are neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..raster.arrays import Floats

_STEPS = 60_000_000  # so many edges are walked in all
_SMOOTH = 60
_REACH = 6  # halvings of the texture: how far a step at the border of the seen is spread


def over_surface(faces: NDArray[np.intp], color: Floats, weight: Floats) -> Floats | None:
    """(V, 3) a color for each vertex, from those of the corners that were seen.

    faces: (T, 3) vertices. color: (T, 3, 3). weight: (T, 3), 0 for a corner that was not seen.
    None if none was.
    """
    count = int(faces.max()) + 1
    flat, strength = faces.reshape(-1), weight.reshape(-1).astype(np.float64)
    total = np.bincount(flat, strength, count)
    if not total.any():
        return None
    out: Any = np.stack(
        [np.bincount(flat, strength * color[..., i].reshape(-1), count) for i in range(3)], axis=1
    )
    known = total > 0
    out[known] /= total[known, None]
    mean = out[known].mean(axis=0)
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    start, end = np.concatenate([pairs, pairs[:, ::-1]]).T
    rounds = max(40, min(2000, _STEPS // max(1, len(start))))
    reached, free = known.copy(), ~known
    for _ in range(rounds):  # from neighbour to neighbour
        usable = reached[start] & ~reached[end]
        if not usable.any():
            break
        out, got = _averaged(out, start[usable], end[usable], count, reached)
        reached = got
    out[~reached] = mean  # a piece that nobody saw anything of
    smooth = reached & free
    if smooth.any():
        inner = smooth[end]
        for _ in range(min(_SMOOTH, rounds)):
            out, _ = _averaged(out, start[inner], end[inner], count, ~smooth)
    return out.astype(np.float32)


def _averaged(
    value: Any,
    start: NDArray[np.intp],
    end: NDArray[np.intp],
    count: int,
    fixed: NDArray[np.bool_],
) -> tuple[Floats, NDArray[np.bool_]]:
    """Each vertex that is not fixed gets the mean of those before it."""
    number = np.bincount(end, minlength=count)
    new = (number > 0) & ~fixed
    mean = np.stack([np.bincount(end, value[start, i], count) for i in range(3)], axis=1)
    value = np.where(new[:, None], mean / np.maximum(number, 1)[:, None], value)
    return value, fixed | new


def blend_in(
    color: Floats, base: NDArray[np.float16], seen: NDArray[np.bool_], used: NDArray[np.bool_]
) -> None:
    """Where nothing was seen, add to the color of the surface around it what makes no step at the
    border of what was. In place.

    color: (S, S, 3). base: the same, from the vertices.
    """
    if not (used & ~seen).any() or not seen.any():
        return
    step = _halved(color - base.astype(np.float32), seen.astype(np.float32))
    spread = _spread(*step, _REACH)
    side = color.shape[0]
    for channel in range(3):
        grown = _grown(spread[..., channel], side)
        where = used & ~seen
        color[..., channel][where] += grown[where]
    np.maximum(color, 0, out=color)


def pad(color: Floats, used: NDArray[np.bool_]) -> None:
    """Fill what no triangle lies on with what is beside it, so that no filter and no smaller copy
    of the texture shows the ground between its parts. In place."""
    if used.all():
        return
    beside = used
    # The first texels exactly, as bilinear filters take them.
    for _ in range(2):
        beside = _grow_once(color, beside)
    value, weight = _halved(color, beside.astype(np.float32))
    spread = _spread(value, weight, 99)
    for channel in range(3):
        grown = _grown(spread[..., channel], color.shape[0])
        color[..., channel][~beside] = grown[~beside]


def _grow_once(color: Floats, there: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Texels beside those that are there get their mean."""
    side = there.shape[0]
    padded = np.pad(there, 1)
    around = np.zeros(there.shape, np.uint8)
    offsets = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    for y, x in offsets:
        around += padded[1 + y : 1 + y + side, 1 + x : 1 + x + side]
    rows, columns = np.nonzero((around > 0) & ~there)
    total = np.zeros((len(rows), 3), np.float32)
    number = np.zeros((len(rows), 1), np.float32)
    for y, x in offsets:
        at = np.clip(rows + y, 0, side - 1), np.clip(columns + x, 0, side - 1)
        given = there[at]
        total += color[at] * given[:, None]
        number += given[:, None]
    color[rows, columns] = total / np.maximum(number, 1)
    out = there.copy()
    out[rows, columns] = True
    return out


def _halved(value: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """At half the size, the mean of what has weight."""
    w = weight[..., None]
    four = [(slice(y, None, 2), slice(x, None, 2)) for y in (0, 1) for x in (0, 1)]
    total = np.zeros((value.shape[0] // 2, value.shape[1] // 2, 3), np.float32)
    mass = np.zeros(total.shape[:2], np.float32)
    for at in four:
        total += value[at] * w[at]
        mass += weight[at]
    mean = np.divide(total, mass[..., None], where=mass[..., None] > 0, out=np.zeros_like(total))
    return mean.astype(np.float32), np.minimum(mass, 1).astype(np.float32)


def _spread(value: Floats, weight: Floats, reach: int) -> Floats:
    """What has no weight gets it from coarser levels; beyond the reach, nothing."""
    side = value.shape[0]
    if reach <= 0 or side < 2 or side % 2 or not (weight < 1).any():
        return value * weight[..., None]
    coarse = _spread(*_halved(value, weight), reach - 1)
    grown = np.stack([_grown(coarse[..., i], side) for i in range(3)], axis=-1)
    return value * weight[..., None] + grown * (1 - weight[..., None])


def _grown(plane: Floats, side: int) -> Floats:
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32), "F")
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))
