# SPDX-License-Identifier: GPL-3.0-or-later
"""What all media draw on: a small copy of the picture that decides where the hand goes.

Its size does not depend on the picture's, so that 1K and 4K get the same strokes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import lines
from ..flow import surface_directions
from ..resample import blur, luminance, pick, resize, smoothstep, unit, working_size
from ..shaded import Shaded

Floats = NDArray[np.float32]
GRID_UNITS = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """value: (h, w) 0..1 what the eye sees, black to white, stretched over the paper's range.

    tone: light alone. color: (h, w, 3). barrier: where strokes end. per_unit: pixels of this grid
    per drawing unit. scale: pixels of the picture per drawing unit.
    """

    color: Floats
    value: Floats
    tone: Floats
    normal: Floats
    covered: NDArray[np.bool_]
    barrier: NDArray[np.bool_]
    edges: lines.Edges
    per_unit: float
    scale: float
    height: int
    width: int
    shaded: Shaded

    def directions(self, *angles: float) -> list[Floats]:
        return surface_directions(self.normal, self.shaded.view, angles)


def prepare(shaded: Shaded, local: float = 0.6) -> Ground:
    """local: how much a surface's own colour counts in `value`, beside the light on it."""
    full_height, full_width = shaded.depth.shape
    height, width = working_size(full_height, full_width, GRID_UNITS)
    color = resize(shaded.color, height, width, "box")
    tone = resize(shaded.tone, height, width, "box")
    middle = working_size(full_height, full_width, 1.0)
    edges = lines.find_edges(
        pick(shaded.depth, *middle),
        pick(shaded.normal, *middle),
        shaded.view,
        resize(shaded.albedo, *middle, "box"),
    )
    value = luminance(color) * np.float32(local) + tone * np.float32(1 - local)
    depth = pick(shaded.depth, height, width)
    return Ground(
        color=color,
        value=stretch(value),
        tone=tone,
        normal=pick(shaded.normal, height, width),
        covered=np.isfinite(depth),
        barrier=lines.barrier(edges, height, width),
        edges=edges,
        per_unit=width / full_width * unit(full_height, full_width),
        scale=unit(full_height, full_width),
        height=height,
        width=width,
        shaded=shaded,
    )


def stretch(value: Floats, low: float = 0.03, high: float = 0.985) -> Floats:
    """Values spread so that the darkest are near black and the lightest are white paper."""
    sample = np.sort(value[::3, ::3], axis=None)
    dark, light = (float(sample[int((sample.size - 1) * share)]) for share in (0.015, 0.97))
    span = max(light - dark, 0.25)
    result = (value - dark) / np.float32(span) * np.float32(high - low) + np.float32(low)
    return np.clip(result, 0, 1).astype(np.float32)


def margin(height: int, width: int, share: float, seed: int) -> Floats:
    """(height, width) 1 inside, 0 on a margin of white paper whose edge is uneven."""
    from ..noise import fbm

    scale = unit(height, width)
    y = np.minimum(np.arange(height) + 0.5, height - np.arange(height) - 0.5)[:, None]
    x = np.minimum(np.arange(width) + 0.5, width - np.arange(width) - 0.5)[None, :]
    distance = np.minimum(x, y).astype(np.float32) / np.float32(scale)
    border = np.float32(share * 1024)
    uneven = fbm(height, width, 50.0, seed, "margin", octaves=4, gain=0.6)
    return smoothstep(0, 1, (distance - border) / (border * 0.35) + uneven * 0.8).astype(np.float32)


__all__ = ["Ground", "blur", "margin", "prepare", "stretch"]
