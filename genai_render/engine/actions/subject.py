# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a picture is its subject and what is background, by the depth of its view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ...core.errors import InvalidInput
from ...core.view.canvas import Canvas
from ..raster.resample import blur
from ..scene.camera import Camera, dot

_LEAST = 0.004  # share of the picture that has to be background, and that has to be subject
_BINS = 96
_UPWARD = 0.96
_SOFT = 0.6  # pixels that the edge is softened by, where the view's own edge is hard
_GROUND = 0.03  # share of the picture that a floor has at least

_EMPTY = "The background is what is empty in the view."

Floor = Literal["auto", "keep", "remove"]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """alpha: (H, W) uint8, 255 where the subject is. how: what it was told apart by, in whole
    sentences."""

    alpha: NDArray[np.uint8]
    how: tuple[str, ...]


def find_subject(
    canvas: Canvas, distance: float = 0.0, floor: Floor = "auto", scale: float = 1.0
) -> Subject:
    """distance: meters from the camera from which on all is background; 0 finds it. floor: whether
    the ground that things stand on stays; "auto" keeps it where the view is empty behind it.
    scale: how many pixels of the canvas are one that was captured: its edges are in steps of that.

    Raises InvalidInput where the view has no background that could be told apart.
    """
    covered = canvas.covered
    full = bool(covered.mean() > 1 - _LEAST)
    kept = covered
    how = [_EMPTY]
    if floor == "remove" or (floor == "auto" and full):
        ground = _ground(canvas)
        if ground.any() and (covered & ~ground).mean() > _LEAST:
            kept = covered & ~ground
            how = [*([] if full else how), "The floor was taken away."]
    if distance > 0:
        kept = kept & (canvas.depth < distance)
        how.append(f"The background begins {distance:g} m from the camera.")
    elif full:
        gap = _gap(canvas.depth[kept])
        if gap is not None:
            kept = kept & (canvas.depth < gap)
            how.append(f"The background was taken to begin {gap:.3g} m from the camera.")
    if kept.mean() < _LEAST:
        raise InvalidInput(
            "Nothing of the picture would be left.",
            action="Choose a larger distance, or keep the floor.",
        )
    if kept.mean() > 1 - _LEAST:
        raise InvalidInput(
            "The picture has no background that could be told apart.",
            "Its view is full of surfaces, and there is no gap in its depth.",
            "Say from which distance on it begins, take the floor away, or use a model that makes "
            "transparent backgrounds.",
        )
    if full:
        how = [text for text in how if text != _EMPTY]
    coverage = canvas.color[..., 3] if kept is covered else None
    return Subject(_soft(kept, coverage, scale), tuple(how))


def clean(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 4): the picture with that transparency, and no rim of the old background's color.

    Where it is opaque it stays bit for bit; half transparent edges get the color of the subject
    next to them.
    """
    opaque = alpha == 255
    weight = opaque.astype(np.float32)
    near = blur(weight, 1.5) + np.float32(1e-4)
    color = blur(pixels[..., :3].astype(np.float32) * weight[..., None], 1.5) / near[..., None]
    edge = ~opaque & (alpha > 0) & (near > 0.02)
    out = np.dstack([pixels[..., :3], alpha])
    out[edge, :3] = np.clip(color[edge] + 0.5, 0, 255).astype(np.uint8)
    return out


def _soft(
    kept: NDArray[np.bool_], coverage: NDArray[np.uint8] | None, scale: float
) -> NDArray[np.uint8]:
    """coverage: the view's own soft edges, where the background is what is empty in it."""
    if coverage is not None and scale <= 1:
        partly = (coverage > 8) & (coverage < 247)
        if partly.any() and np.array_equal(coverage > 127, kept):
            return coverage.copy()
    hard = Image.fromarray(np.where(kept, np.uint8(255), np.uint8(0)))
    scale = max(1.0, scale)
    soft = np.asarray(hard.filter(ImageFilter.GaussianBlur(_SOFT * scale)), np.float32)
    # Steps of several pixels become a smooth outline, which is as sharp as one of single pixels.
    soft = (soft - np.float32(127.5)) * np.float32(1 + 0.8 * (scale - 1)) + np.float32(128)
    return np.clip(soft, 0, 255).astype(np.uint8)


def _gap(depth: NDArray[np.float32]) -> float | None:
    """The distance at which a view falls apart into near and far, if it does."""
    near, far = (float(value) for value in np.quantile(depth, (0.01, 0.995)))
    if not far > near * 1.6:
        return None
    steps = np.log(np.clip(depth, near, far) / near) / np.log(far / near)
    counts, edges = np.histogram(steps, _BINS, (0.0, 1.0))
    share = counts / counts.sum()
    # Otsu's threshold: what is on either side is as much of one kind as can be.
    middle = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(share)
    mean = np.cumsum(share * middle)
    between = (mean[-1] * below - mean) ** 2 / np.maximum(below * (1 - below), 1e-6)
    at = int(between.argmax())
    total = float((share * (middle - mean[-1]) ** 2).sum())
    if between[at] < 0.75 * total:
        return None
    # In the emptiest place next to it.
    low, high = max(0, at - 8), min(_BINS, at + 9)
    at = low + int(share[low:high].argmin())
    return near * float(np.exp(edges[at + 1] * np.log(far / near)))


def _ground(canvas: Canvas) -> NDArray[np.bool_]:
    """The level ground that is lowest in the view; empty where that is no floor."""
    camera = Camera.of(canvas.view)
    normal = canvas.normal.transpose(2, 0, 1)
    depth = np.where(canvas.covered, canvas.depth, np.float32(1))
    level = canvas.covered & (dot(normal, camera.up) > _UPWARD)
    if level.mean() < _GROUND:
        return np.zeros_like(level)
    height = dot(camera.positions(depth), camera.up)
    lowest = float(np.quantile(height[level], 0.02))
    size = float(np.quantile(np.abs(height[canvas.covered] - lowest), 0.98))
    ground = level & (height < lowest + max(0.02 * size, 1e-3))
    return ground if ground.mean() >= _GROUND else np.zeros_like(level)
