# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished picture under another sun: its colors, the depth and normals of its view."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.view.canvas import Canvas
from ..look.look import Color, Grade, Light, Look, Sky, hex_color
from ..picture import render
from ..raster.progress import Step

_WARM, _NEUTRAL, _COOL = hex_color("#ff9a52"), hex_color("#fff4e6"), hex_color("#a9c6ff")
_DAY, _DUSK = hex_color("#dbe8ff"), hex_color("#8a90c8")
_EDGE = 1.5  # degrees of the sun's height below which it is as good as set
_NEW_SKY = {
    "high": {"zenith": "#4f86c6", "horizon": "#cfe0ee", "sun": 0.6, "glow": 0.3, "clouds": 0.4},
    "low": {"zenith": "#3d4f86", "horizon": "#f2a96b", "sun": 1.0, "glow": 0.8, "clouds": 0.5},
}


@dataclass(frozen=True, slots=True)
class Lighting:
    """azimuth, elevation: of the sun, as in `look.Light`. sun, sky, lamps: strengths; 1 is usual.

    warmth: -1 blue, 0 white, 1 orange. new_sky: draw one; else what is behind stays.
    """

    azimuth: float
    elevation: float
    sun: float = 1.0
    warmth: float = 0.0
    sky: float = 1.0
    lamps: float = 1.0
    new_sky: bool = False

    @property
    def color(self) -> Color:
        end = _WARM if self.warmth > 0 else _COOL
        return _mix(_NEUTRAL, end, abs(self.warmth))

    @property
    def low(self) -> float:
        """0 with the sun high, 1 with it at the horizon."""
        return (1 - math.sin(math.radians(min(max(self.elevation, 0.0), 90.0)))) ** 3

    def look(self) -> Look:
        around = _mix(_DAY, _DUSK, self.low)
        light = Light(
            azimuth=self.azimuth,
            elevation=max(self.elevation, _EDGE),
            key=1.1 * self.sun,
            key_color=self.color,
            softness=0.3,
            ambient=0.4 * self.sky,
            sky_color=around,
            side_color=_mix(around, self.color, 0.35),
            fill=0.06 * self.sky,
            shadow=0.9,
            keep=0.0,
            relight=0.8,
            emission=self.lamps,
        )
        named = _NEW_SKY["low" if self.low > 0.35 else "high"]
        sky = Sky(
            backdrop="sky" if self.new_sky else "keep",
            zenith=hex_color(str(named["zenith"])),
            horizon=hex_color(str(named["horizon"])),
            sun=float(named["sun"]),
            glow=float(named["glow"]),
            clouds=float(named["clouds"]),
            brightness=1.0 - 0.55 * self.low,
            floor=False,
        )
        grade = Grade(auto=0.0, contrast=1.0, saturation=1.0, vibrance=0.0)
        plain = Look(light=light, sky=sky, grade=grade)
        return replace(
            plain,
            surface=replace(plain.surface, gloss=0.18, detail=1.0),
            air=replace(plain.air, fog=0.0),
            lens=replace(plain.lens, bloom=0.12, vignette=0.0),
        )


def relit(
    canvas: Canvas, alpha: NDArray[np.uint8], lighting: Lighting, seed: int, step: Step
) -> NDArray[np.uint8]:
    """(H, W, 3): the canvas, whose color is the picture, under that light.

    alpha: (H, W) where the view has surfaces. What is behind them is darkened and tinted as the
    light is, unless a sky is drawn.
    """
    pixels = render(canvas, lighting.look(), None, seed, step, "balanced")
    if lighting.new_sky or bool((alpha == 255).all()):
        return pixels
    height = max(math.sin(math.radians(max(lighting.elevation, 0.0))), 0.0)
    level = min(1.0, 0.22 + 0.5 * lighting.sky * math.sqrt(height) + 0.35 * height)
    tint = np.asarray(_mix((1.0, 1.0, 1.0), lighting.color, 0.7 * lighting.low), np.float32)
    behind = canvas.color[..., :3].astype(np.float32)
    # Display values: a power stands for the curve between them and light.
    behind *= (np.float32(level) * tint) ** np.float32(1 / 2.2)
    share = alpha[..., None].astype(np.float32) / np.float32(255)
    return (behind + (pixels - behind) * share + np.float32(0.5)).clip(0, 255).astype(np.uint8)


def _mix(a: Color, b: Color, share: float) -> Color:
    x, y, z = (one + (other - one) * share for one, other in zip(a, b, strict=True))
    return x, y, z
