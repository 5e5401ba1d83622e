# SPDX-License-Identifier: GPL-3.0-or-later
"""Screen print, as by a risograph: two spot inks and a key, grain, slight shifts."""

from __future__ import annotations

import numpy as np

from .. import lines, noise
from ..resample import Floats, blur, luminance, resize, smoothstep, unit, working_size
from ..shaded import Shaded, Step
from .ground import stretch
from .halftone import screen

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
    inks, amounts = _separate(color)
    page = np.broadcast_to(PAPER, (height, width, 3)).copy()
    rng = noise.generator(shaded.seed, "screen_print/shift")
    for index, (ink, amount) in enumerate(zip(inks, amounts, strict=True)):
        step(0.2 + 0.18 * index, "Screen print: pulling a colour")
        shifted = np.roll(amount, tuple(rng.integers(-1, 2, 2)), (0, 1))
        full = resize(shifted, height, width, "bicubic")
        flat = smoothstep(0.42, 0.46, full) * 0.35 + full * 0.65
        dots = screen(np.clip(flat, 0, 1), 20.0 + 35 * index, 4.2 * scale)
        grain = noise.fbm(height, width, 2.0, shaded.seed, f"screen_print/{index}", 2)
        blot = noise.fbm(height, width, 120.0, shaded.seed, f"screen_print/blot/{index}", 2)
        cover = dots * np.clip(0.93 + 0.05 * grain + 0.035 * blot, 0.5, 1)
        page *= 1 - cover[..., None] * (1 - ink)
    step(0.78, "Screen print: key")
    mask = lines.line_mask(
        shaded.depth,
        shaded.normal,
        shaded.view,
        1.8 * scale,
        albedo=shaded.albedo,
        hand=0.35,
        seed=shaded.seed,
    )
    step(0.95, "Screen print")
    tooth = noise.paper(height, width, shaded.seed, 0.8)
    page *= 1 - (mask * np.clip(0.92 + 0.07 * tooth, 0.5, 1))[..., None] * (1 - KEY)
    return page * (1 + 0.008 * tooth[..., None])


def _separate(color: Floats) -> tuple[list[Floats], list[Floats]]:
    """Two spot inks that suit the picture and a dark key; how much of each, (h, w) 0..1."""
    pixels = color[::4, ::4].reshape(-1, 3)
    gray = pixels.mean(axis=1, keepdims=True)
    chroma = pixels - gray
    weight = np.sqrt((chroma * chroma).sum(axis=1))
    tint = SPOT_INKS - SPOT_INKS.mean(axis=1, keepdims=True)
    tint /= np.linalg.norm(tint, axis=1, keepdims=True)
    likeness = np.clip(chroma @ tint.T, 0, None)
    score = (likeness**1.5 * weight[:, None]).sum(axis=0) + 1e-6 * np.arange(8)[::-1]
    first = int(score.argmax())
    other = score * (1 - np.clip(tint @ tint[first], 0, 1) ** 2) * (tint @ tint[first] < 0.6)
    other[[4, 5]] += 1e-3 * score.max()  # a picture of one colour gets a cool second one
    other[first] = -1
    second = int(other.argmax())
    centre = color.mean(axis=2, keepdims=True)
    value = stretch(luminance(color))
    amounts: list[Floats] = []
    for ink in (first, second):
        own = np.clip(((color - centre) @ tint[ink]) * 3.2, 0, 1)
        tone = (1 - value) * (0.3 if ink == first else 0.55)
        amounts.append(np.clip(own + tone, 0, 0.97).astype(np.float32))
    amounts.append((smoothstep(0.62, 1.0, 1 - value) * 0.9).astype(np.float32))
    return [SPOT_INKS[first], SPOT_INKS[second], KEY], amounts
