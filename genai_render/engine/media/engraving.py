# SPDX-License-Identifier: GPL-3.0-or-later
"""Engraving: even lines cut around the forms that swell with the shade, as on old prints.

The lines are where evenly spaced planes cut the scene, so they run around every form in its
perspective. Where they would crowd, every second one thins out and ends.
"""

from __future__ import annotations

import numpy as np

from ..raster import noise
from ..raster.arrays import Floats, smoothstep
from ..raster.parallel import each_band
from ..raster.progress import Step
from ..raster.resample import Rows, unit
from ..strokes.directions import view_rays, world_up
from .ground import compose, prepare
from .shaded import Shaded

PAPER = np.array([0.955, 0.93, 0.87], np.float32)
INK = np.array([0.1, 0.085, 0.08], np.float32)
SPACING = 3.7
"""Drawing units between lines, at their densest."""


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Engraving: looking")
    ground = prepare(shaded, step, local=0.6, key=0.6)
    height, width = shaded.depth.shape
    dark = Rows(1 - ground.value, height, width)
    step(0.25, "Engraving: cutting")
    ink = _cuts(shaded, dark, step)
    step(0.8, "Engraving: lines")
    contour = ground.pen(1.5).line(0.2, shaded.seed)
    paper = noise.PaperRows(height, width, shaded.seed, 0.9)

    def rows(top: int, bottom: int) -> Floats:
        tooth = paper(top, bottom)
        black = np.maximum(ink[top:bottom], contour(top, bottom))
        black *= np.clip(0.93 + 0.06 * tooth, 0.6, 1)
        sheet = PAPER * (1 + 0.012 * tooth)[..., None]
        return sheet + (INK - sheet) * black[..., None]

    return compose((height, width), rows, step, "Engraving", 0.85)


def _cuts(shaded: Shaded, dark: Rows, step: Step) -> Floats:
    """(H, W) 0..1 the inked lines of three directions, each beginning at a darker tone."""
    height, width = shaded.depth.shape
    scale = unit(height, width)
    up = world_up(shaded.view)
    right = np.array([1, 0, 0], np.float32)
    ahead = np.cross(up, right)
    ahead /= max(float(np.linalg.norm(ahead)), 1e-6)
    # Slanted a little from level, so that floors and walls alike are cut.
    axes = (
        up * 0.86 + right * 0.2 + ahead * 0.47,
        up * 0.35 + right * 0.88 - ahead * 0.3,
        up * 0.6 - right * 0.75 + ahead * 0.25,
    )
    tones = ((0.05, 0.95), (0.42, 1.0), (0.7, 1.05))
    ray_right, ray_up = view_rays(shaded.view, height, width)
    shake = noise.NoiseRows(height, width, 90.0, shaded.seed, "engraving/shake", 2)
    ink = np.zeros((height, width), np.float32)
    ortho = shaded.view.projection == "ORTHO"

    def work(top: int, bottom: int) -> None:
        low, high = max(0, top - 1), min(height, bottom + 1)
        depth = shaded.depth[low:high]
        covered = np.isfinite(depth)
        distance = np.where(covered, depth, 1).astype(np.float32)
        rows = np.arange(low, high, dtype=np.float32)[:, None]
        columns = np.arange(width, dtype=np.float32)[None, :]
        if ortho:
            p = shaded.view.projection_matrix
            x = ((columns + 0.5) / width * 2 - 1) / np.float32(p[0][0] or 1) + 0 * distance
            y = (1 - (rows + 0.5) / height * 2) / np.float32(p[1][1] or 1) + 0 * distance
        else:
            x, y = ray_right * distance, ray_up[low:high] * distance
        shade = np.clip(dark(low, high), 0, 1)
        total = np.zeros_like(distance)
        tremble = shake(low, high) * np.float32(0.05)
        for axis, (begin, full) in zip(axes, tones, strict=True):
            place = x * axis[0] + y * axis[1] - distance * axis[2]
            flat = rows * np.float32(0.6 / scale / 100) + columns * np.float32(0.1 / scale / 100)
            place = np.where(covered, place, flat + axis[0] * columns / (scale * 200))
            slope = _slope(place)
            want = np.clip((shade - begin) / (full - begin), 0, 1) ** 0.85
            total = np.maximum(total, _lines(place, slope, want, tremble, scale))
        ink[top:bottom] = total[top - low : total.shape[0] - (high - bottom)]

    each_band(height, width, work, lambda share: step(0.25 + 0.5 * share, "Engraving: cutting"))
    return ink


def _slope(place: Floats) -> Floats:
    """How fast `place` changes per pixel; on each side of an edge, as on its own surface."""
    dx, dy = np.diff(place, axis=1), np.diff(place, axis=0)
    gx = np.empty_like(place)
    gx[:, 1:-1] = np.where(np.abs(dx[:, 1:]) < np.abs(dx[:, :-1]), dx[:, 1:], dx[:, :-1])
    gx[:, 0], gx[:, -1] = dx[:, 0], dx[:, -1]
    gy = np.empty_like(place)
    gy[1:-1] = np.where(np.abs(dy[1:]) < np.abs(dy[:-1]), dy[1:], dy[:-1])
    gy[0], gy[-1] = dy[0], dy[-1]
    return np.sqrt(gx * gx + gy * gy) + np.float32(1e-9)


def _lines(place: Floats, slope: Floats, want: Floats, shake: Floats, scale: float) -> Floats:
    """Anti-aliased lines at even steps of `place`, covering `want` of the surface."""
    # The step is a power of two, so that lines go on when it changes; half of them fade out.
    closest = np.float32(max(SPACING * scale, 2.6))
    level = np.log2(slope * closest)
    whole = np.floor(level)
    between = 1 - smoothstep(0.15, 0.85, level - whole)
    step = np.exp2(whole + 1)
    spacing = step / slope
    # Both families together cover what is wanted.
    share = want * spacing * np.float32(0.46) / (1 + between)
    result = np.zeros_like(place)
    for offset, weight in ((0.0, np.float32(1)), (0.5, between)):
        phase = place / step + shake + np.float32(offset)
        distance = np.abs(phase - np.round(phase)) * spacing  # in pixels
        half = share * weight
        finest = np.float32(0.2 * max(scale, 0.7)) * weight
        half = np.where(half > 0.02, np.maximum(half, finest), -1)
        np.maximum(result, np.clip(half - distance + 0.5, 0, 1), out=result)
    return result * smoothstep(0.01, 0.06, want)
