# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth of field: what lies off the plane of focus is spread over discs of light.

Two layers. What is behind the focus blurs within itself, so that sharp things do not bleed into
it; what is before it blurs over its own edge, with its own coverage.
"""

from __future__ import annotations

import numpy as np

from ..raster.arrays import Plane, smoothstep
from ..raster.parallel import each_band
from ..raster.progress import Step
from ..raster.resample import resize, resize_planes
from ..raster.upsampler import Upsampler

_LARGEST = 0.017
"""Radius of the largest disc, as a part of the picture's longer side, for a blur of 1."""


def circles_of_confusion(
    depth: Plane, focus: float, blur: float, size: float, tight: float
) -> Plane:
    """Signed radius of each pixel's disc, -1..1 (before the focus it is negative).

    size: how wide the view is at the focus. tight: 1 for a close-up, less for a wide place.
    """
    # A thin lens: the disc grows with the difference of the inverse distances.
    near = np.float32(focus) / np.maximum(depth, np.float32(1e-6))
    signed = (1 - near) * np.float32(2.2 * tight)
    # Things stay sharp through a band around the focus: a picture is of a subject, not a plane.
    safe = np.float32(0.12 if tight > 0.8 else 0.18)
    signed = np.sign(signed) * np.clip(np.abs(signed) - safe, 0, None)
    return np.clip(signed, -1, 1) * np.float32(min(blur, 1.5))


def defocus(color: Plane, signed: Plane, step: Step, start: float, end: float) -> None:
    """Blur the (3, H, W) linear picture in place by its signed discs (see `circles`)."""
    _, height, width = color.shape
    radius = _LARGEST * max(height, width)
    shrink = max(1, round(radius / 7))
    small = (max(8, height // shrink), max(8, width // shrink))
    step(start, "Depth of field")
    tiny = resize_planes(color, *small, "box")
    disc = resize(np.clip(signed, -2, 2), *small, "box")
    per = radius / shrink
    levels = (0.22, 0.5, 1.0, 1.5) if float(np.abs(signed).max()) > 1.02 else (0.22, 0.5, 1.0)

    # Behind: each level gathers only from what is itself at least about so blurred.
    far = np.clip(disc, 0, None)
    behind: list[tuple[float, Plane]] = []
    for level in levels:
        weight = smoothstep(0.0, max(level * 0.75, 0.05), far) + np.float32(1e-3)
        boost = weight * _highlight(tiny)
        total = np.stack([_disc(plane * boost, level * per) for plane in tiny])
        total /= np.maximum(_disc(boost, level * per), np.float32(1e-6))
        behind.append((level, total))
        step(start + (end - start) * 0.12 * len(behind), "Depth of field")

    # Before: its coverage spreads past its edge.
    near = np.clip(-disc, 0, None)
    largest = float(near.max())
    front: tuple[Plane, Plane] | None = None
    if largest > 0.08:
        reach = min(largest, 1.5)
        mask = smoothstep(0.05, 0.3, near)
        boost = mask * _highlight(tiny)
        total = np.stack([_disc(plane * boost, reach * per) for plane in tiny])
        share = _disc(mask, reach * per)
        total /= np.maximum(_disc(boost, reach * per), np.float32(1e-6))
        front = total, np.clip(share * np.float32(1.6), 0, 1)
    upsampler = Upsampler(small, (height, width))
    step(start + (end - start) * 0.6, "Depth of field")

    def work(first: int, last: int) -> None:
        part = color[:, first:last]
        amount = np.clip(signed[first:last], 0, None)
        if float(amount.max()) > 0.02:
            below = 0.0
            result = part.copy()
            for level, planes in behind:
                t = smoothstep(below, level, amount)
                for axis in range(3):
                    enlarged = upsampler.rows(planes[axis], first, last)
                    enlarged -= result[axis]
                    enlarged *= t
                    result[axis] += enlarged
                below = level
            part[...] = result
        if front is not None:
            share = upsampler.rows(front[1], first, last)
            if float(share.max()) > 0.003:
                # Blurred foreground also covers what lies behind it at its own place.
                own = smoothstep(0.05, 0.45, np.clip(-signed[first:last], 0, None))
                np.maximum(share, own, out=share)
                for axis in range(3):
                    enlarged = upsampler.rows(front[0][axis], first, last)
                    enlarged -= part[axis]
                    enlarged *= share
                    part[axis] += enlarged

    each_band(
        height,
        width,
        work,
        lambda done: step(start + (end - start) * (0.6 + 0.4 * done), "Depth of field"),
    )


def _highlight(color: Plane) -> Plane:
    """Bright points count more: they become discs, as in a lens."""
    peak = np.maximum(color.max(0), 0)
    return 1 + np.minimum(peak * peak * np.float32(0.35), np.float32(6))


def _disc(plane: Plane, radius: float) -> Plane:
    """A mean over a disc, from rows of running sums."""
    radius = max(radius, 0.5)
    whole = int(np.ceil(radius))
    height, width = plane.shape
    wide = np.pad(plane, whole + 1, mode="edge")
    sums = np.cumsum(wide, axis=1, dtype=np.float64)
    total = np.zeros((height, width), np.float64)
    weight = 0.0
    for dy in range(-whole, whole + 1):
        half = radius * radius - dy * dy
        if half <= 0:
            continue
        reach = float(np.sqrt(half))
        n = int(reach)
        rest = reach - n
        row = sums[whole + 1 + dy : whole + 1 + dy + height]
        middle = whole + 1
        total += (
            row[:, middle + n : middle + n + width]
            - row[:, middle - n - 1 : middle - n - 1 + width]
        )
        if rest > 0 and n + 1 <= whole:
            line = wide[whole + 1 + dy : whole + 1 + dy + height]
            total += rest * (
                line[:, middle + n + 1 : middle + n + 1 + width]
                + line[:, middle - n - 1 : middle - n - 1 + width]
            )
            weight += 2 * rest
        weight += 2 * n + 1
    return (total / weight).astype(np.float32)
