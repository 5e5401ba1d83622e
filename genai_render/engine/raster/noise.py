# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise that looks the same at every resolution: grids of random numbers, smoothly enlarged."""

from __future__ import annotations

import math
import zlib

import numpy as np

from .arrays import Floats, Plane
from .parallel import each_band
from .resample import Rows, unit


def generator(seed: int, name: str) -> np.random.Generator:
    """Random numbers of their own for each use, so that one more use changes no other."""
    return np.random.default_rng([seed & 0x7FFFFFFF, zlib.crc32(name.encode())])


def _value_rows(
    height: int, width: int, cell: float, seed: int, name: str, stretch: float = 1.0
) -> Rows:
    scale = unit(height, width)
    across, down = width / (cell * stretch * scale), height / (cell * scale)
    columns, rows = math.ceil(across - 1e-6) + 3, math.ceil(down - 1e-6) + 3
    grid = generator(seed, name).standard_normal((rows, columns), np.float32)
    # One cell of margin on each side, so that the filter never sees the grid's edge.
    return Rows(grid, height, width, box=(1.0, 1.0, 1.0 + across, 1.0 + down))


class NoiseRows:
    """Fractal noise, some rows at a time: mean 0, standard deviation about 1.

    Octaves that would be finer than a pixel are left out.
    """

    def __init__(
        self,
        height: int,
        width: int,
        cell: float,
        seed: int,
        name: str,
        octaves: int = 4,
        gain: float = 0.5,
        stretch: float = 1.0,
    ) -> None:
        scale = unit(height, width)
        self._layers: list[tuple[np.float32, Rows]] = []
        amplitudes = [gain**octave for octave in range(octaves)]
        sizes = [cell / 2**octave for octave in range(octaves)]
        used = [
            (amplitude, octave, size)
            for octave, (amplitude, size) in enumerate(zip(amplitudes, sizes, strict=True))
            if octave == 0 or size * scale >= 0.7
        ]
        power = math.sqrt(sum(amplitude**2 for amplitude, *_ in used))
        for amplitude, octave, size in used:
            rows = _value_rows(height, width, size, seed, f"{name}/{octave}", stretch)
            self._layers.append((np.float32(amplitude * 1.35 / power), rows))

    def __call__(self, top: int, bottom: int) -> Floats:
        """Rows top to bottom - 1: (bottom - top, width)."""
        weight, rows = self._layers[0]
        total = rows(top, bottom) * weight
        for weight, rows in self._layers[1:]:
            total += rows(top, bottom) * weight
        return total


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
    """(height, width) fractal noise, as NoiseRows."""
    return NoiseRows(height, width, cell, seed, name, octaves, gain, stretch)(0, height)


class PaperRows:
    """The relief of drawing paper, some rows at a time: mean 0, deviation about 1, hills positive.

    roughness: 1 for cartridge paper, 2 for cold-pressed watercolour paper.
    """

    def __init__(self, height: int, width: int, seed: int, roughness: float = 1.0) -> None:
        self._enlarged: Rows | None = None
        if unit(height, width) * roughness >= 3:
            # Its finest grain is wider than two pixels: made at half the size, it looks the same.
            half = math.ceil(height / 2), math.ceil(width / 2)
            relief = np.empty(half, np.float32)
            small = PaperRows(*half, seed, roughness)

            def work(top: int, bottom: int) -> None:
                relief[top:bottom] = small(top, bottom)

            each_band(*half, work)
            self._enlarged = Rows(relief, height, width)
            return
        self._tooth = NoiseRows(height, width, 2.4 * roughness, seed, "paper/tooth", 3, 0.75)
        self._felt = NoiseRows(height, width, 9.0 * roughness, seed, "paper/felt", 2)

    def __call__(self, top: int, bottom: int) -> Floats:
        """Rows top to bottom - 1: (bottom - top, width)."""
        if self._enlarged is not None:
            return self._enlarged(top, bottom)
        felt = self._felt(top, bottom) * np.float32(0.4)
        return self._tooth(top, bottom) * np.float32(0.9) + felt


def paper(height: int, width: int, seed: int, roughness: float = 1.0) -> Floats:
    """(height, width) the relief of drawing paper, as PaperRows."""
    return PaperRows(height, width, seed, roughness)(0, height)


def spectral_noise(seed: int, size: int, slope: float) -> Plane:
    """A (size, size) plane that tiles, mean 0 and deviation 1: 1/f^slope noise."""
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(random.standard_normal((size, size)))
    frequency = np.hypot(
        np.fft.fftfreq(size)[:, None] * size, np.fft.rfftfreq(size)[None, :] * size
    )
    frequency[0, 0] = 1
    spectrum /= frequency**slope
    spectrum[0, 0] = 0
    plane = np.fft.irfft2(spectrum, s=(size, size))
    return (plane / plane.std()).astype(np.float32)


def sample_tile(plane: Plane, u: Plane, v: Plane) -> Plane:
    """The tiling plane at (u, v), in units of one tile, between its pixels.

    Its size has to be a power of 2.
    """
    size = plane.shape[0]
    last = np.int32(size - 1)
    flat = plane.reshape(-1)
    x, y = u * np.float32(size), v * np.float32(size)
    x0, y0 = np.floor(x), np.floor(y)
    fx, fy = x - x0, y - y0
    # Smooth the steps: bilinear squares show in large clouds.
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    left, top = x0.astype(np.int32) & last, y0.astype(np.int32) & last
    right, bottom = (left + np.int32(1)) & last, (top + np.int32(1)) & last
    top *= np.int32(size)
    bottom *= np.int32(size)
    upper, lower = flat.take(top + left), flat.take(bottom + left)
    upper += (flat.take(top + right) - upper) * fx
    lower += (flat.take(bottom + right) - lower) * fx
    upper += (lower - upper) * fy
    return upper
