# SPDX-License-Identifier: GPL-3.0-or-later
"""From surfaces and pictures of them to a texture for each surface.

Each texel is a place of the world. Every picture is asked whether it shows that place, past all
that stands before it, and the answers are mixed by how squarely and from how near each saw it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.view.canvas import Canvas
from ..raster.arrays import Floats
from ..raster.color import to_display
from . import color_match, filling
from .eye import Eye, Seen, eyes
from .surface import Surface, inside_out, texels

Progress = Callable[[float], None]
"""Told 0 to 1; raises what ends the work."""

_SAMPLES = 40_000  # places at which the colors of the pictures are compared
_BLOCK = 1 << 18
_SHARP = 1.5  # how soon the better of two pictures wins
_SMALLEST = 64
_FINER = 1.4  # texels for a pixel of the sharpest picture


@dataclass(frozen=True, slots=True, eq=False)
class Baked:
    """pixels: (S, S, 3) uint8 display sRGB, row 0 on top. shown: (S, S) which texels a picture
    shows. seen: their share of the surface's texels; the rest is continued from them."""

    pixels: NDArray[np.uint8]
    shown: NDArray[np.bool_]
    seen: float


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    """Places all over a surface, and what each picture knows of them."""

    triangle: NDArray[np.intp]
    share: Floats
    seen: list[Seen]


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """How the triangles of a surface are turned. outside: (T, 3). both: which may be seen from
    behind, too."""

    surface: Surface
    outside: Floats
    both: NDArray[np.bool_]
    flipped: NDArray[np.bool_]

    def ask(self, eye: Eye, triangle: NDArray[np.intp], share: Floats) -> Seen:
        surface = self.surface
        points = np.einsum("nk,nkc->nc", share, surface.points[triangle])
        normals = np.einsum("nk,nkc->nc", share, surface.normals[triangle])
        normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        normals = np.where(self.flipped[triangle, None], -normals, normals)
        return eye.see(points, normals, self.outside[triangle], self.both[triangle])


def bake(
    surfaces: Sequence[Surface],
    pictures: list[tuple[NDArray[np.uint8], Canvas]],
    side: int,
    *,
    match_colors: bool = True,
    progress: Progress = lambda _share: None,
) -> list[Baked | None]:
    """For each surface its texture; None for one of which no picture shows anything.

    side: pixels a side at most, a power of two; a surface gets no more than the pictures can fill.
    Raises InvalidInput for a picture of another shape than its view, and what `progress` raises.
    """
    witnesses = eyes(pictures, side)
    told = [_told(surface) for surface in surfaces]
    progress(0.02)
    asked = [_samples(one, witnesses, told, seed) for seed, one in enumerate(told)]
    gains = np.ones((len(witnesses), 3), np.float32)
    if match_colors:
        gains = color_match.gains([_together(asked, k) for k in range(len(witnesses))])
    progress(0.08)
    out: list[Baked | None] = []
    for index, (one, samples) in enumerate(zip(told, asked, strict=True)):
        own = _side_for(one.surface, samples.seen, side)

        def go_on(share: float, index: int = index) -> None:
            progress(0.08 + 0.92 * (index + share) / len(told))

        out.append(_textured(one, samples, witnesses, gains, own, go_on) if own else None)
        go_on(1.0)
    return out


def _told(surface: Surface) -> _Told:
    flipped, closed = inside_out(surface)
    outside = surface.faces()
    outside = np.where(flipped[:, None], -outside, outside)
    return _Told(surface, outside, ~closed, flipped)


def _samples(one: _Told, witnesses: list[Eye], told: list[_Told], seed: int) -> _Samples:
    area = one.surface.areas()
    whole = sum(float(each.surface.areas().sum()) for each in told)
    share = float(area.sum()) / whole if whole > 0 else 0.0
    count = max(600, int(_SAMPLES * share))
    if not area.sum() > 0:
        return _Samples(np.zeros(0, np.intp), np.zeros((0, 3), np.float32), [])
    chance = np.random.default_rng(seed)
    triangle = np.searchsorted(np.cumsum(area) / area.sum(), chance.random(count))
    triangle = np.minimum(triangle, len(area) - 1)
    first, second = chance.random((2, count))
    root = np.sqrt(first)
    corners = np.stack([1 - root, root * (1 - second), root * second], axis=1).astype(np.float32)
    return _Samples(triangle, corners, [one.ask(eye, triangle, corners) for eye in witnesses])


def _together(asked: list[_Samples], k: int) -> Seen:
    of = [samples.seen[k] for samples in asked if samples.seen]
    if not of:
        nothing = np.zeros(0, np.float32)
        return Seen(np.zeros((0, 3), np.float32), nothing, nothing, nothing)
    return Seen(
        *(
            np.concatenate([getattr(one, name) for one in of])
            for name in ("color", "weight", "square", "density")
        )
    )


def _side_for(surface: Surface, seen: list[Seen], most: int) -> int:
    """As many texels as the sharpest picture has pixels for; 0 where nothing was seen."""
    dense = [one.density[one.weight > 0] for one in seen]
    dense = np.concatenate(dense) if dense else np.zeros(0)
    used = float(surface.uv_areas().sum())
    if not len(dense) or not used > 0:
        return 0
    wanted = float(np.quantile(dense, 0.9)) * (float(surface.areas().sum()) / used) ** 0.5 * _FINER
    side = _SMALLEST
    while side < min(wanted, most):
        side *= 2
    return min(side, most)


def _textured(
    one: _Told,
    samples: _Samples,
    witnesses: list[Eye],
    gains: Floats,
    side: int,
    progress: Progress,
) -> Baked | None:
    around = _vertex_colors(one, samples, witnesses, gains)
    if around is None:
        return None
    count = side * side
    color = np.zeros((count, 3), np.float32)
    base = np.zeros((count, 3), np.float16)
    best = np.full(count, -1, np.float32)
    per_corner = around[one.surface.vertices]
    done = 0
    for block in texels(one.surface.uvs, side):
        total, mixed = _mixed(one, witnesses, gains, block.triangle, block.share)
        beside = block.of(per_corner)
        shown = np.where(total[:, None] > 0, mixed, beside)
        # Of places that share a texel, the one that was seen best; of equal ones, the last.
        order = np.argsort(total, kind="stable")
        place, total = block.place[order], total[order]
        better = total > best[place]
        place, order = place[better], order[better]
        best[place] = total[better]
        color[place], base[place] = shown[order], beside[order]
        done += len(block.place)
        progress(min(0.9, 0.9 * done / count))
    used = (best >= 0).reshape(side, side)
    seen = (best > 0).reshape(side, side)
    del best
    square = color.reshape(side, side, 3)
    filling.blend_in(square, base.reshape(side, side, 3), seen, used)
    del base
    progress(0.94)
    filling.pad(square, used)
    progress(0.97)
    pixels = np.empty((side, side, 3), np.uint8)
    for top in range(0, side, 256):
        part = to_display(square[top : top + 256])
        pixels[top : top + 256] = np.clip(part * 255 + 0.5, 0, 255).astype(np.uint8)
    return Baked(pixels, seen, float(seen.sum()) / max(1, int(used.sum())))


def _mixed(
    one: _Told, witnesses: list[Eye], gains: Floats, triangle: NDArray[np.intp], share: Floats
) -> tuple[Floats, Floats]:
    """How well each place was seen, and its color from all pictures."""
    return _mean((one.ask(eye, triangle, share) for eye in witnesses), gains, len(triangle))


def _mean(asked: Iterable[Seen], gains: Floats, count: int) -> tuple[Floats, Floats]:
    total = np.zeros(count, np.float32)
    mixed = np.zeros((count, 3), np.float32)
    for seen, gain in zip(asked, gains, strict=True):
        weight = seen.weight**_SHARP
        total += weight
        mixed += seen.color * gain * weight[:, None]
    mixed /= np.where(total > 0, total, 1)[:, None]
    return total, mixed


def _vertex_colors(
    one: _Told, samples: _Samples, witnesses: list[Eye], gains: Floats
) -> Floats | None:
    """A color for each vertex: seen beside it, or come over the surface from where it was."""
    count = one.surface.count
    color = np.zeros((count, 3, 3), np.float32)
    weight = np.zeros((count, 3), np.float32)
    for first in range(0, count, _BLOCK):
        part = np.arange(first, min(count, first + _BLOCK))
        for corner in range(3):
            share = np.full((len(part), 3), 0.06, np.float32)
            share[:, corner] = 0.88
            total, mixed = _mixed(one, witnesses, gains, part, share)
            there = (total > 0).astype(np.float32)
            color[part, corner] = mixed * there[:, None]
            weight[part, corner] = there
    # What is seen in the middle of a large triangle says a little of its corners, too.
    total, mixed = _mean(samples.seen, gains, len(samples.triangle))
    there = total > 0
    triangle = samples.triangle[there]
    for corner in range(3):
        little = samples.share[there, corner] * np.float32(1e-3)
        np.add.at(color[:, corner], triangle, mixed[there] * little[:, None])
        np.add.at(weight[:, corner], triangle, little)
    color /= np.where(weight > 0, weight, 1)[..., None]
    return filling.over_surface(one.surface.vertices, color, weight)
