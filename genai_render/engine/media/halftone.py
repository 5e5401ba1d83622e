# SPDX-License-Identifier: GPL-3.0-or-later
"""Halftone: flat printed tints, shaded with dots of their own darker ink, as in old comics."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from ..raster import noise
from ..raster.arrays import Floats, smoothstep
from ..raster.color import brightness
from ..raster.parallel import each_band
from ..raster.progress import Step
from ..raster.resample import ColorRows, Rows, blur, resize, unit, working_size
from .ground import compose, pen, raise_key
from .shaded import Shaded

PAPER = np.array([0.985, 0.965, 0.92], np.float32)
INK = np.array([0.07, 0.065, 0.08], np.float32)
PITCH = 6.6
"""Drawing units from dot to dot."""
ANGLE = 45.0


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Halftone: tints")
    height, width = shaded.depth.shape
    scale = unit(height, width)
    small = working_size(height, width, 1.0)
    color = blur(resize(shaded.color, *small, "box"), 0.8)
    gray = np.maximum(brightness(color), 0.02)
    gain = raise_key(gray, 0.6) / gray
    tint, dot, cover = np.empty_like(color), np.empty_like(color), np.empty_like(gray)

    def mix(top: int, bottom: int) -> None:
        part = slice(top, bottom)
        lifted = np.clip(color[part] * gain[part, :, None], 0, 1)
        tint[part], dot[part], cover[part] = two_inks(lifted)

    each_band(*small, mix)
    # A press is never quite in register: the dots lie a little beside the tints.
    shift = noise.generator(shaded.seed, "halftone/register").uniform(-1, 1, 2) * 0.9 * scale
    shift = (float(shift[0]), float(shift[1]))
    step(0.2, "Halftone: dots")
    dots = screen(height, width, ANGLE, PITCH * scale, shift)
    covers = Rows(cover, height, width, "bilinear")
    tints, inks = (ColorRows(part, height, width) for part in (tint, dot))
    paper = noise.PaperRows(height, width, shaded.seed, 0.8)
    step(0.4, "Halftone: key lines")
    key = pen(shaded, 2.0, step, 0.4, 0.6, crease=0.7, paint=0.5).line(0.25, shaded.seed)

    def rows(top: int, bottom: int) -> Floats:
        page = tints(top, bottom)
        dot_share = dots(top, bottom, covers(top, bottom))
        page += (inks(top, bottom) - page) * dot_share[..., None]
        page *= PAPER
        tooth = paper(top, bottom)
        # Where the paper is low, the ink misses it.
        page += (PAPER - page) * (smoothstep(1.5, 2.8, tooth) * 0.3)[..., None]
        page *= (1 + 0.008 * tooth)[..., None]
        return page + (INK - page) * (key(top, bottom) * np.float32(0.95))[..., None]

    return compose((height, width), rows, step, "Halftone: printing", 0.6)


def two_inks(color: Floats) -> tuple[Floats, Floats, Floats]:
    """For each colour a lighter tint, a darker dot, and how much of it the dots must cover."""
    gray = brightness(color)
    light = gray + (1 - gray) * (0.16 + 0.3 * gray)
    lift = ((light - gray) / (1 - gray + 0.02))[..., None]
    tint = color + (1 - color) * lift
    vivid = brightness(tint)[..., None]
    tint = np.clip(vivid + (tint - vivid) * np.float32(1.3), 0, 1)
    dark = color * np.float32(0.5)
    middle = brightness(dark)[..., None]
    dot = np.clip(middle + (dark - middle) * np.float32(1.45), 0, 1)
    top, low = brightness(tint), brightness(dot)
    cover = np.clip((top - gray) / np.maximum(top - low, 0.03), 0, 1)
    cover = smoothstep(0.0, 1.0, cover) * smoothstep(0.05, 0.16, cover)
    return tint, dot, cover


def screen(
    height: int, width: int, angle: float, pitch: float, shift: Sequence[float] = (0.0, 0.0)
) -> Callable[[int, int, Floats], Floats]:
    """Anti-aliased round dots: rows(top, bottom, cover) covers that share of each place, 0..1.

    angle in degrees, pitch and shift in pixels. Built from cosines along the screen's two axes,
    so that dots grow, touch and turn to holes.
    """
    turn = math.radians(angle)
    fx = np.float32(2 * math.pi * math.cos(turn) / pitch)
    fy = np.float32(2 * math.pi * math.sin(turn) / pitch)
    x = np.arange(width, dtype=np.float32) - np.float32(width / 2 - shift[0])
    # cos(a + b) as products of rows and columns: no cosine per pixel.
    cos_x, sin_x, cos_x2, sin_x2 = np.cos(fx * x), np.sin(fx * x), np.cos(fy * x), np.sin(fy * x)
    sharp = np.float32(pitch / (1.15 * math.pi))
    table = _levels(float(sharp))

    def rows(top: int, bottom: int, cover: Floats) -> Floats:
        y = np.arange(top, bottom, dtype=np.float32)[:, None]
        y -= np.float32(height / 2 - shift[1])
        wave = cos_x * np.cos(fy * y) - sin_x * np.sin(fy * y)
        wave += cos_x2 * np.cos(fx * y) + sin_x2 * np.sin(fx * y)
        wave *= np.float32(0.25)
        wave += np.float32(0.5)
        level = table[(np.clip(cover, 0, 1) * 1024 + 0.5).astype(np.int16)]
        return np.clip((wave - level) * sharp + np.float32(0.5), 0, 1) * (cover > 0.004)

    return rows


@lru_cache(maxsize=16)
def _levels(sharp: float) -> Floats:
    """The height of the wave above which a share k / 1024 of the paper is inked, edges and all."""
    phase = (np.arange(96) + 0.5) / 96 * np.pi
    wave = ((np.cos(phase)[:, None] + np.cos(phase)) * 0.25 + 0.5).ravel()
    wave = np.sort(wave)[:: 96 // 8]
    margin = 0.5 / sharp
    heights = np.linspace(1 + margin, -margin, 400)
    inked = np.clip((wave[None] - heights[:, None]) * sharp + 0.5, 0, 1).mean(axis=1)
    return np.interp(np.arange(1025) / 1024, inked, heights).astype(np.float32)
