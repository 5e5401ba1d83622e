# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise that looks the same at every resolution: grids of random numbers, smoothly enlarged."""

from __future__ import annotations

import math
import zlib

import numpy as np
from PIL import Image

from .resample import Floats, unit


def generator(seed: int, name: str) -> np.random.Generator:
    """Random numbers of their own for each use, so that one more use changes no other."""
    return np.random.default_rng([seed & 0x7FFFFFFF, zlib.crc32(name.encode())])


def value_noise(
    height: int, width: int, cell: float, seed: int, name: str, stretch: float = 1.0
) -> Floats:
    """(height, width) smooth noise, mean 0, standard deviation about 1.

    cell: size of its blobs in drawing units; stretch: how much wider than high they are.
    """
    scale = unit(height, width)
    across, down = width / (cell * stretch * scale), height / (cell * scale)
    columns, rows = math.ceil(across - 1e-6) + 3, math.ceil(down - 1e-6) + 3
    grid = generator(seed, name).standard_normal((rows, columns), np.float32)
    # One cell of margin on each side, so that the filter never sees the grid's edge.
    box = (1.0, 1.0, 1.0 + across, 1.0 + down)
    image = Image.fromarray(grid)
    result = np.asarray(
        image.resize((width, height), Image.Resampling.BICUBIC, box=box), np.float32
    )
    return result * np.float32(1.35)  # smoothing takes some of the variance


def fbm(
    height: int,
    width: int,
    cell: float,
    seed: int,
    name: str,
    octaves: int = 4,
    gain: float = 0.5,
    stretch: float = 1.0,
) -> Floats:
    """(height, width) fractal noise, mean 0, standard deviation about 1.

    Octaves that would be finer than a pixel are left out.
    """
    scale = unit(height, width)
    total = np.zeros((height, width), np.float32)
    power = 0.0
    amplitude = 1.0
    for octave in range(octaves):
        size = cell / 2**octave
        if octave and size * scale < 0.7:
            break
        layer = value_noise(height, width, size, seed, f"{name}/{octave}", stretch)
        total += layer * np.float32(amplitude)
        power += amplitude * amplitude
        amplitude *= gain
    return total / np.float32(math.sqrt(power))


def paper(height: int, width: int, seed: int, roughness: float = 1.0) -> Floats:
    """(height, width) the relief of drawing paper: mean 0, deviation about 1, hills positive.

    roughness: 1 for cartridge paper, 2 for cold-pressed watercolour paper.
    """
    tooth = fbm(height, width, 2.4 * roughness, seed, "paper/tooth", octaves=3, gain=0.75)
    felt = fbm(height, width, 9.0 * roughness, seed, "paper/felt", octaves=2)
    return tooth * np.float32(0.9) + felt * np.float32(0.4)
