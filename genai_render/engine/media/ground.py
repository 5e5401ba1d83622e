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
from ..noise import fbm
from ..resample import Floats, blur, inner, luminance, pick, resize, smoothstep, unit, working_size
from ..shaded import Shaded, Step

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

    def outline(
        self,
        units: float,
        *,
        crease: float = 0.75,
        paint: float = 0.6,
        hand: float = 0.0,
        turn: int = 0,
    ) -> Floats:
        """(H, W) the feature lines at the picture's size, `units` drawing units wide.

        turn: another number is another hand.
        """
        shaded = self.shaded
        return lines.line_mask(
            shaded.depth,
            shaded.normal,
            shaded.view,
            units * self.scale,
            edges=self.edges,
            crease=crease,
            paint=paint,
            hand=hand,
            seed=shaded.seed + turn,
        )

    def directions(self, *angles: float) -> list[Floats]:
        """(h, w, 2) fields for `flow.surface_directions`, without the grain of rough materials."""
        smooth = blur(self.normal, 1.6)
        smooth /= np.sqrt(inner(smooth, smooth))[..., None] + np.float32(1e-6)
        smooth[~self.covered] = 0
        return surface_directions(smooth, self.shaded.view, angles)


def prepare(shaded: Shaded, step: Step, local: float = 0.6, key: float = 0.0) -> Ground:
    """local: how much a surface's own colour counts in `value`, beside the light on it.

    key: the mean of `value` at least; a drawing of a dark scene is still mostly paper.
    """
    full_height, full_width = shaded.depth.shape
    height, width = working_size(full_height, full_width, GRID_UNITS)
    step(0.01, "Looking")
    color = resize(shaded.color, height, width, "box")
    tone = resize(shaded.tone, height, width, "box")
    edges = lines.detect(
        shaded.depth,
        shaded.normal,
        shaded.view,
        shaded.albedo,
        lambda fraction, message: step(0.03 + 0.1 * fraction, message),
    )
    value = luminance(color) * np.float32(local) + tone * np.float32(1 - local)
    depth = pick(shaded.depth, height, width)
    return Ground(
        color=color,
        value=raise_key(stretch(value), key),
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


def outline(
    shaded: Shaded,
    units: float,
    step: Step,
    *,
    crease: float = 0.75,
    paint: float = 0.6,
    hand: float = 0.0,
    begin: float = 0.62,
    end: float = 0.92,
) -> Floats:
    """(H, W) the feature lines for media that need no Ground; step goes from begin to end."""
    return lines.line_mask(
        shaded.depth,
        shaded.normal,
        shaded.view,
        units * unit(*shaded.depth.shape),
        albedo=shaded.albedo,
        crease=crease,
        paint=paint,
        hand=hand,
        seed=shaded.seed,
        step=lambda fraction, message: step(begin + (end - begin) * fraction, message),
    )


def stretch(value: Floats, low: float = 0.03, high: float = 0.985) -> Floats:
    """Values spread so that the darkest are near black and the lightest are white paper."""
    sample = np.sort(value[::3, ::3], axis=None)
    dark, light = (float(sample[int((sample.size - 1) * share)]) for share in (0.015, 0.97))
    span = max(light - dark, 0.25)
    result = (value - dark) / np.float32(span) * np.float32(high - low) + np.float32(low)
    return np.clip(result, 0, 1).astype(np.float32)


def raise_key(value: Floats, key: float) -> Floats:
    """The values with a mean of at least `key`: black stays black and white white."""
    mean = float(value.mean())
    if mean >= key:
        return value
    power = max(0.5, float(np.log(key) / np.log(max(mean, 0.02))))
    return (value ** np.float32(power)).astype(np.float32)


def margin(height: int, width: int, units: float, seed: int) -> Floats:
    """(height, width) 1 inside, 0 on a margin of white paper, painted up to with a wet brush."""
    scale = unit(height, width)
    y = np.minimum(np.arange(height) + 0.5, height - np.arange(height) - 0.5)[:, None]
    x = np.minimum(np.arange(width) + 0.5, width - np.arange(width) - 0.5)[None, :]
    distance = np.minimum(x, y).astype(np.float32) / np.float32(scale)
    sweep = fbm(height, width, 160.0, seed, "margin/sweep", octaves=2) * np.float32(0.28 * units)
    hand = fbm(height, width, 22.0, seed, "margin/hand", octaves=2) * np.float32(0.07 * units)
    return smoothstep(-0.9, 0.9, distance - units + sweep + hand).astype(np.float32)


__all__ = ["Ground", "margin", "outline", "prepare", "raise_key", "stretch"]
