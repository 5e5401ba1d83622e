# SPDX-License-Identifier: GPL-3.0-or-later
"""Halftone print: four screens of dots at their classic angles, on newsprint, with key lines."""

from __future__ import annotations

import math

import numpy as np

from .. import lines, noise
from ..resample import Floats, blur, luminance, resize, smoothstep, unit, working_size
from ..shaded import Shaded, Step
from .ground import raise_key

PAPER = np.array([0.975, 0.96, 0.92], np.float32)
INKS = {
    # what each ink lets through, and its screen's angle in degrees
    "cyan": (np.array([0.05, 0.6, 0.87], np.float32), 15.0),
    "magenta": (np.array([0.9, 0.1, 0.5], np.float32), 75.0),
    "yellow": (np.array([1.0, 0.9, 0.1], np.float32), 0.0),
    "black": (np.array([0.1, 0.09, 0.1], np.float32), 45.0),
}
PITCH = 6.5
"""Drawing units from dot to dot."""


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Halftone: separating")
    height, width = shaded.depth.shape
    scale = unit(height, width)
    separations = separate(shaded.color)
    page = np.broadcast_to(PAPER, (height, width, 3)).copy()
    for index, (name, (through, angle)) in enumerate(INKS.items()):
        step(0.15 + 0.15 * index, f"Halftone: {name}")
        ink = separations[name]
        dots = screen(ink, angle, PITCH * scale, shift=0.31 * index)
        # Ink spreads in the paper: a faint even tint joins the dots.
        dots = dots * np.float32(0.74) + ink * np.float32(0.2)
        page *= 1 - dots[..., None] * (1 - through)
    step(0.78, "Halftone: key lines")
    mask = lines.line_mask(
        shaded.depth,
        shaded.normal,
        shaded.view,
        2.0 * scale,
        albedo=shaded.albedo,
        crease=0.7,
        paint=0.5,
        hand=0.25,
        seed=shaded.seed,
    )
    page = lines.draw(page, mask, (0.07, 0.065, 0.075), 0.95)
    step(0.95, "Halftone")
    tooth = noise.paper(height, width, shaded.seed, 0.8)
    page += (1 - page) * (smoothstep(1.6, 2.6, tooth) * 0.25)[..., None]
    return page * (1 + 0.008 * tooth[..., None])


def separate(color: Floats) -> dict[str, Floats]:
    """Ink coverage 0..1 of each screen for display colours (H, W, 3), softened to dot size."""
    height, width = color.shape[:2]
    small = working_size(height, width, 1.0)
    soft = blur(resize(color, *small, "box"), 1.1)
    gray = np.maximum(luminance(soft), 0.02)
    soft = soft * (raise_key(gray, 0.6) / gray)[..., None]
    soft = np.clip(luminance(soft)[..., None] * -0.18 + soft * 1.18, 0, 1)
    cmy = 1 - soft
    black = smoothstep(0.5, 1.08, cmy.min(axis=2)) * 0.95
    under = black * 0.8
    result = {}
    for index, name in enumerate(("cyan", "magenta", "yellow")):
        ink = np.clip((cmy[..., index] - under) / (1 - under + 1e-3), 0, 1)
        ink = smoothstep(0.02, 0.12, ink) * ink
        result[name] = resize(ink.astype(np.float32), height, width, "bicubic")
    result["black"] = resize(black.astype(np.float32), height, width, "bicubic")
    return result


def screen(ink: Floats, angle: float, pitch: float, shift: float = 0.0) -> Floats:
    """(H, W) 0..1 anti-aliased round dots that cover `ink` of the paper; pitch in pixels.

    Built from cosines along the screen's two axes, so that dots grow, touch and turn to holes.
    """
    height, width = ink.shape
    turn = math.radians(angle)
    fx = np.float32(2 * math.pi * math.cos(turn) / pitch)
    fy = np.float32(2 * math.pi * math.sin(turn) / pitch)
    x = np.arange(width, dtype=np.float32) - width / 2 + shift * pitch
    y = np.arange(height, dtype=np.float32)[:, None] - height / 2 + shift * pitch
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
