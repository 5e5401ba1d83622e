# SPDX-License-Identifier: GPL-3.0-or-later
"""Halftone: flat printed tints, shaded with dots of their own darker ink, as in old comics."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .. import noise
from ..bands import each_band
from ..resample import Floats, blur, luminance, resize, smoothstep, unit, working_size
from ..shaded import Shaded, Step
from .ground import outline, raise_key

PAPER = np.array([0.985, 0.965, 0.92], np.float32)
INK = (0.07, 0.065, 0.08)
PITCH = 6.6
"""Drawing units from dot to dot."""
ANGLE = 45.0


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Halftone: tints")
    height, width = shaded.depth.shape
    scale = unit(height, width)
    small = working_size(height, width, 1.0)
    color = blur(resize(shaded.color, *small, "box"), 0.8)
    gray = np.maximum(luminance(color), 0.02)
    value = raise_key(gray, 0.6)
    color = np.clip(color * (value / gray)[..., None], 0, 1)
    tint, dot, cover = two_inks(color)
    # A press is never quite in register: the dots lie a little beside the tints.
    shift = noise.generator(shaded.seed, "halftone/register").uniform(-1, 1, 2) * 0.9 * scale
    shift = (float(shift[0]), float(shift[1]))
    step(0.2, "Halftone: dots")
    dots = screen(resize(cover, height, width), ANGLE, PITCH * scale, shift)
    page = resize(tint, height, width)
    ink = resize(dot, height, width)
    tooth = noise.paper(height, width, shaded.seed, 0.8)
    step(0.5, "Halftone: printing")

    def work(top: int, bottom: int) -> None:
        part = page[top:bottom]
        part += (ink[top:bottom] - part) * dots[top:bottom, :, None]
        part *= PAPER
        # Where the paper is low, the ink misses it.
        part += (PAPER - part) * (smoothstep(1.5, 2.8, tooth[top:bottom]) * 0.3)[..., None]
        part *= (1 + 0.008 * tooth[top:bottom])[..., None]

    each_band(height, width, work, lambda share: step(0.5 + 0.1 * share, "Halftone: printing"))
    step(0.62, "Halftone: key lines")
    mask = outline(shaded, 2.0, step, hand=0.25, crease=0.7, paint=0.5)
    step(0.95, "Halftone")
    page += (np.array(INK, np.float32) - page) * (mask * np.float32(0.95))[..., None]
    return page


def two_inks(color: Floats) -> tuple[Floats, Floats, Floats]:
    """For each colour a lighter tint, a darker dot, and how much of it the dots must cover."""
    gray = luminance(color)
    light = gray + (1 - gray) * (0.16 + 0.3 * gray)
    lift = ((light - gray) / (1 - gray + 0.02))[..., None]
    tint = color + (1 - color) * lift
    vivid = luminance(tint)[..., None]
    tint = np.clip(vivid + (tint - vivid) * np.float32(1.3), 0, 1)
    dark = color * np.float32(0.5)
    middle = luminance(dark)[..., None]
    dot = np.clip(middle + (dark - middle) * np.float32(1.45), 0, 1)
    top, low = luminance(tint), luminance(dot)
    cover = np.clip((top - gray) / np.maximum(top - low, 0.03), 0, 1)
    cover = smoothstep(0.0, 1.0, cover) * smoothstep(0.05, 0.16, cover)
    return tint, dot, cover


def screen(ink: Floats, angle: float, pitch: float, shift: Sequence[float] = (0.0, 0.0)) -> Floats:
    """(H, W) 0..1 anti-aliased round dots that cover `ink` of the paper; pitch in pixels.

    Built from cosines along the screen's two axes, so that dots grow, touch and turn to holes.
    """
    height, width = ink.shape
    turn = math.radians(angle)
    fx = np.float32(2 * math.pi * math.cos(turn) / pitch)
    fy = np.float32(2 * math.pi * math.sin(turn) / pitch)
    x = np.arange(width, dtype=np.float32) - width / 2 + np.float32(shift[0])
    y = np.arange(height, dtype=np.float32)[:, None] - height / 2 + np.float32(shift[1])
    # cos(a + b) as products of rows and columns: no cosine per pixel.
    one = np.cos(fx * x) * np.cos(fy * y) - np.sin(fx * x) * np.sin(fy * y)
    two = np.cos(fy * x) * np.cos(fx * y) + np.sin(fy * x) * np.sin(fx * y)
    wave = (one + two) * np.float32(0.25) + np.float32(0.5)
    # A fraction `ink` of the wave's values lies above this: its distribution is close to even.
    level = _level(ink)
    edge = np.float32(1.15 * math.pi / 2 / pitch)
    return np.clip((wave - level) / (2 * edge) + 0.5, 0, 1) * (ink > 0.004)


def _level(ink: Floats) -> Floats:
    """The height of the wave above which a fraction `ink` of the paper lies."""
    phase = (np.arange(512, dtype=np.float32) + 0.5) / 512 * 2 * np.pi
    wave = np.sort(((np.cos(phase)[:, None] + np.cos(phase)) * 0.25 + 0.5).ravel())
    table = wave[np.linspace(wave.size - 1, 0, 1025).astype(int)].astype(np.float32)
    return table[(np.clip(ink, 0, 1) * 1024).astype(np.int16)]
