# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference pictures, painted by code: `python -m tests.scenes.references FOLDER`.

Each has a palette and a light that cannot be mistaken for another's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Floats = NDArray[np.float32]

WIDTH, HEIGHT = 960, 640


def meadow() -> Image.Image:
    """Hills at dawn in watercolour: peach sky, sage and olive ridges, white paper at the rim."""
    chance = np.random.default_rng(3)
    x, y = _grid()
    cloud = _clouds(chance, 5)
    paint = _mix((0.72, 0.83, 0.90), (0.99, 0.83, 0.68), np.clip(y * 1.9 + cloud * 0.3, 0, 1))
    sun = np.exp(-(((x - 0.68) / 0.10) ** 2 + ((y - 0.36) / 0.12) ** 2))
    paint = paint + sun[..., None] * np.array([0.10, 0.10, 0.02])
    ridges = (
        (0.44, 0.045, (0.69, 0.74, 0.78)),
        (0.53, 0.060, (0.56, 0.66, 0.62)),
        (0.64, 0.055, (0.48, 0.58, 0.42)),
        (0.77, 0.070, (0.36, 0.47, 0.27)),
        (0.92, 0.060, (0.25, 0.36, 0.21)),
    )
    for number, (height, swell, color) in enumerate(ridges):
        line = height + swell * _wave(chance, x, 2 + number)
        depth = y - line
        inside = np.clip(depth * HEIGHT / 2, 0, 1)
        # Pigment settles at the wet edge and runs out below it.
        settled = 0.10 * np.exp(-np.clip(depth, 0, None) / 0.008)
        runs_out = 0.22 * np.clip(depth / 0.18, 0, 1)
        grain = 0.16 * _clouds(chance, 4)
        wash = np.array(color) * (1 - settled + runs_out + grain)[..., None]
        paint = paint + (wash - paint) * (inside * 0.93)[..., None]
    rim = np.minimum.reduce([x, 1 - x, y * HEIGHT / WIDTH, (1 - y) * HEIGHT / WIDTH])
    paper = np.clip((rim - 0.022 + 0.012 * _clouds(chance, 5)) / 0.006, 0, 1)
    paint = 0.965 + (paint - 0.965) * paper[..., None]
    return _picture(paint + 0.02 * chance.standard_normal((HEIGHT, WIDTH, 1)))


def neon() -> Image.Image:
    """A wet street at night: magenta and cyan signs, and the same again in the water."""
    chance = np.random.default_rng(11)
    x, y = _grid()
    light = np.zeros((HEIGHT, WIDTH, 3))
    ground = 0.62
    colors = ((1.0, 0.10, 0.55), (0.05, 0.85, 1.0), (0.55, 0.20, 1.0), (1.0, 0.45, 0.10))
    walls = _mix((0.035, 0.02, 0.08), (0.10, 0.05, 0.20), np.clip(y / ground, 0, 1))
    edges = np.sort(chance.uniform(0, 1, 14))
    tops = chance.uniform(0.05, 0.42, 15)
    house = np.searchsorted(edges, x[0])
    built = y > tops[house][None, :]
    walls = np.where(built[..., None], walls, np.array([0.02, 0.015, 0.05]))
    for _ in range(16):
        color = np.array(colors[chance.integers(len(colors))])
        left, top = chance.uniform(0.02, 0.95), chance.uniform(0.12, 0.5)
        width, height = (0.008, 0.16) if chance.random() < 0.6 else (0.09, 0.018)
        sign = (np.abs(x - left) < width) & (np.abs(y - top) < height / 2)
        light += sign[..., None] * color
    glow = sum(_blur(light, radius) * gain for radius, gain in ((4, 1.2), (18, 1.1), (70, 1.6)))
    scene = walls + glow + light * 0.9
    rows = np.clip((2 * ground - y[:, 0]) * HEIGHT, 0, HEIGHT - 1)
    ripple = 9 * _wave(chance, y * 6, 6) * np.clip((y - ground) * 4, 0, 1)
    columns = np.clip(x * WIDTH + ripple, 0, WIDTH - 1).astype(int)
    water = scene[rows.astype(int)[:, None], columns]
    water = _blur(np.clip(water, 0, 1.2), 3) * 0.75 + np.array([0.01, 0.01, 0.03])
    scene = np.where((y > ground)[..., None], water, scene)
    return _picture(1 - np.exp(-1.7 * scene))


def patina() -> Image.Image:
    """Old copper: warm metal under turquoise verdigris."""
    chance = np.random.default_rng(5)
    age = _clouds(chance, 7) + 0.5 * _clouds(chance, 3)
    grain = _clouds(chance, 2)
    metal = _mix((0.42, 0.20, 0.10), (0.90, 0.54, 0.32), np.clip(0.5 + 0.6 * grain, 0, 1))
    green = _mix((0.16, 0.42, 0.40), (0.55, 0.80, 0.72), np.clip(0.5 + 0.7 * grain, 0, 1))
    share = np.clip(0.5 + 1.8 * age, 0, 1)
    rim = np.exp(-((share - 0.5) ** 2) / 0.02) * 0.25
    return _picture((metal + (green - metal) * share[..., None]) * (1 - rim)[..., None])


PAINTERS: dict[str, Callable[[], Image.Image]] = {"meadow": meadow, "neon": neon, "patina": patina}


def _grid() -> tuple[Floats, Floats]:
    """x to the right and y down, both from 0 to 1."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    return x / WIDTH, y / HEIGHT


def _mix(a: tuple[float, ...], b: tuple[float, ...], share: Floats) -> Floats:
    return np.array(a) + (np.array(b) - np.array(a)) * share[..., None]


def _clouds(chance: np.random.Generator, octaves: int) -> Floats:
    """Noise about 0, mostly within ±0.5; more octaves have larger shapes."""
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for octave in range(octaves):
        cells = 2 ** (octaves - octave)
        small = chance.standard_normal((HEIGHT // cells + 2, WIDTH // cells + 2))
        image = Image.fromarray(small.astype(np.float32))
        smooth = image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        total += np.asarray(smooth) * 0.5 ** (octave + 1)
    return total * 0.5


def _wave(chance: np.random.Generator, x: Floats, frequency: int) -> Floats:
    """A smooth line within about ±1."""
    total = np.zeros_like(x)
    for number in range(1, 6):
        phase = chance.uniform(0, 2 * np.pi)
        total += np.sin(2 * np.pi * frequency * number / 2 * x + phase) / number**1.4
    return total / 2


def _blur(pixels: Floats, radius: float) -> Floats:
    channels = [
        Image.fromarray(pixels[..., c].astype(np.float32)).resize(
            (WIDTH // 2, HEIGHT // 2), Image.Resampling.BOX
        )
        for c in range(3)
    ]
    soft = [_soften(np.asarray(channel), radius / 2) for channel in channels]
    return np.stack(
        [
            np.asarray(Image.fromarray(c).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR))
            for c in soft
        ],
        axis=-1,
    )


def _soften(channel: Floats, radius: float) -> Floats:
    """Three box blurs, which come close to a Gaussian, on floats that Pillow will not blur."""
    size = max(1, round(radius))
    for _ in range(3):
        for axis in (0, 1):
            padded = np.pad(
                channel, [(size, size) if a == axis else (0, 0) for a in (0, 1)], "edge"
            )
            sums = np.cumsum(padded, axis=axis, dtype=np.float64)
            sums = np.insert(sums, 0, 0, axis=axis)
            window = 2 * size + 1
            upper = np.take(sums, range(window, sums.shape[axis]), axis=axis)
            lower = np.take(sums, range(sums.shape[axis] - window), axis=axis)
            channel = ((upper - lower) / window).astype(np.float32)
    return channel


def _picture(pixels: Floats) -> Image.Image:
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))
    return image.filter(ImageFilter.SMOOTH)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, paint in PAINTERS.items():
        paint().save(folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
