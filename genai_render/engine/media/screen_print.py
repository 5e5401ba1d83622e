# SPDX-License-Identifier: GPL-3.0-or-later
"""Screen print, as by a risograph: two spot inks and a key, grain, slight shifts."""

from __future__ import annotations

import numpy as np

from ..raster import noise
from ..raster.arrays import Floats, inner, smoothstep
from ..raster.color import brightness
from ..raster.progress import Step
from ..raster.resample import Rows, blur, resize, unit, working_size
from .ground import compose, pen, stretch
from .halftone import screen
from .shaded import Shaded

PAPER = np.array([0.965, 0.945, 0.9], np.float32)
SPOT_INKS = np.array(
    [
        [1.0, 0.28, 0.3],  # bright red
        [1.0, 0.45, 0.2],  # orange
        [1.0, 0.71, 0.07],  # sunflower
        [0.0, 0.66, 0.36],  # green
        [0.0, 0.51, 0.54],  # teal
        [0.0, 0.47, 0.75],  # blue
        [0.46, 0.36, 0.65],  # violet
        [1.0, 0.28, 0.69],  # pink
    ],
    np.float32,
)
KEY = np.array([0.13, 0.15, 0.3], np.float32)


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Screen print: choosing inks")
    height, width = shaded.depth.shape
    scale = unit(height, width)
    small = working_size(height, width, 1.0)
    color = blur(resize(shaded.color, *small, "box"), 0.9)
    paint = blur(resize(shaded.albedo, *small, "box"), 0.9)
    inks, amounts = _separate(color, paint)
    rng = noise.generator(shaded.seed, "screen_print/shift")
    passes = []
    for index, (ink, amount) in enumerate(zip(inks, amounts, strict=True)):
        shifted = np.roll(amount, tuple(rng.integers(-1, 2, 2)), (0, 1))
        tag = f"screen_print/{index}"
        passes.append(
            (
                1 - ink,
                Rows(shifted, height, width),
                screen(height, width, 20.0 + 35 * index, 4.2 * scale),
                noise.NoiseRows(height, width, 2.0, shaded.seed, tag, 2),
                noise.NoiseRows(height, width, 120.0, shaded.seed, tag + "/blot", 2),
            )
        )
    step(0.35, "Screen print: key")
    key = pen(shaded, 1.8, step, 0.35, 0.6).line(0.35, shaded.seed)
    paper = noise.PaperRows(height, width, shaded.seed, 0.8)

    def rows(top: int, bottom: int) -> Floats:
        page = np.broadcast_to(PAPER, (bottom - top, width, 3)).copy()
        for absorbed, amounts, dots, grain, blot in passes:
            amount = amounts(top, bottom)
            flat = smoothstep(0.38, 0.5, amount) * np.float32(0.2) + amount * np.float32(0.8)
            cover = dots(top, bottom, np.clip(flat, 0, 1))
            cover *= np.clip(0.93 + 0.05 * grain(top, bottom) + 0.035 * blot(top, bottom), 0.5, 1)
            page *= 1 - cover[..., None] * absorbed
        tooth = paper(top, bottom)
        line = key(top, bottom) * np.clip(0.92 + 0.07 * tooth, 0.5, 1)
        page *= 1 - line[..., None] * (1 - KEY)
        page *= (1 + 0.008 * tooth)[..., None]
        return page

    return compose((height, width), rows, step, "Screen print: pulling the colors", 0.6)


def _separate(color: Floats, paint: Floats) -> tuple[list[Floats], list[Floats]]:
    """Two spot inks that suit the picture and a dark key; how much of each, (h, w) 0..1."""
    pixels = color[::4, ::4].reshape(-1, 3)
    chroma = pixels - pixels.mean(axis=1, keepdims=True)
    strength = np.sqrt(inner(chroma, chroma))
    tint = SPOT_INKS - SPOT_INKS.mean(axis=1, keepdims=True)
    tint /= np.linalg.norm(tint, axis=1, keepdims=True)
    # The pair that together say most about the picture's colours: each pixel by its better ink.
    likeness = np.clip(chroma @ tint.T, 0, None) * np.minimum(strength, 0.5)[:, None]
    together = np.maximum(likeness[:, :, None], likeness[:, None, :]).sum(axis=0)
    alike = tint @ tint.T
    together *= np.where(alike < 0.3, 1.0, 0.75)  # two of a kind waste an ink
    together += 1e-4 * (1 - alike)
    first, second = (int(i) for i in np.unravel_index(together.argmax(), together.shape))
    if SPOT_INKS[first].mean() < SPOT_INKS[second].mean():
        first, second = second, first  # the lighter one is printed first
    # Which ink is a matter of the surface, not of the light on it: no ragged borders on a wall.
    hue = paint * np.float32(0.6) + color * np.float32(0.4)
    hue = hue - hue.mean(axis=2, keepdims=True)
    value = stretch(brightness(color))
    amounts: list[Floats] = []
    own = [np.clip((hue @ tint[ink]) * 3.4, 0, 1) for ink in (first, second)]
    for index, share in enumerate((0.25, 0.55)):
        # An area's shade is made of its own ink; the other's would turn it brown.
        tone = (1 - value) * (share * (1 - own[1 - index]) + 0.35 * own[index])
        amounts.append(np.clip(own[index] + tone, 0, 0.97).astype(np.float32))
    amounts.append((smoothstep(0.62, 1.0, 1 - value) * 0.9).astype(np.float32))
    return [SPOT_INKS[first], SPOT_INKS[second], KEY], amounts
