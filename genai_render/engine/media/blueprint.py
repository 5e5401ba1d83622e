# SPDX-License-Identifier: GPL-3.0-or-later
"""Blueprint: white lines on blue paper with a grid, and faint construction lines that run on."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from .. import lines, noise
from ..flow import edge_directions
from ..resample import Floats, blur, pick, resize, smoothstep, unit, working_size
from ..shaded import Shaded, Step
from .ground import outline

BLUE = np.array([0.085, 0.235, 0.52], np.float32)
WHITE = np.array([0.92, 0.95, 0.98], np.float32)
GRID_UNITS = 32.0


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Blueprint: paper")
    height, width = shaded.depth.shape
    scale = unit(height, width)
    sheet = _paper(height, width, shaded.seed)
    chalk = _grid(height, width, scale)
    step(0.25, "Blueprint: construction")
    np.maximum(chalk, _construction(shaded), out=chalk)
    step(0.45, "Blueprint: shade")
    small = working_size(height, width, 1.0)
    shade = resize(smoothstep(0.75, 0.1, resize(shaded.tone, *small, "box")), height, width)
    chalk += _section_hatch(height, width, scale) * shade * np.isfinite(shaded.depth) * 0.16
    step(0.6, "Blueprint: lines")
    mask = outline(shaded, 1.7, step, hand=0.12, paint=0.55)
    tooth = noise.paper(height, width, shaded.seed, 0.8)
    glow = blur(mask, 2.2 * scale) * 0.12
    chalk = 1 - (1 - chalk) * (1 - mask * np.clip(0.88 + 0.1 * tooth, 0.5, 1)) * (1 - glow)
    step(0.95, "Blueprint")
    return sheet + (WHITE - sheet) * np.clip(chalk, 0, 1)[..., None]


def _paper(height: int, width: int, seed: int) -> Floats:
    """Cyanotype blue: mottled, paler along two folds, darker towards the corners."""
    scale = unit(height, width)
    mottle = noise.fbm(height, width, 130.0, seed, "blueprint/mottle", 5, 0.6)
    tooth = noise.paper(height, width, seed, 0.8)
    light = 1 + 0.03 * mottle + 0.022 * tooth
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    light -= 0.1 * (x * x * y * y + 0.4 * (x**4 + y**4))
    for place, axis in ((width / 3, 1), (2 * width / 3, 1), (height / 2, 0)):
        at = np.arange(width if axis else height, dtype=np.float32) - place
        fold = (
            np.exp(-((at / (1.3 * scale)) ** 2)) * 0.1 - np.exp(-((at / (9 * scale)) ** 2)) * 0.03
        )
        light += fold[None, :] if axis else fold[:, None]
    return BLUE * light[..., None]


def _grid(height: int, width: int, scale: float) -> Floats:
    result = np.zeros((height, width), np.float32)
    for units, strength in ((GRID_UNITS, 0.075), (GRID_UNITS * 4, 0.13)):
        for axis, size in ((0, height), (1, width)):
            at = np.arange(size, dtype=np.float32) + 0.5 - size / 2
            pitch = units * scale
            distance = np.abs((at + pitch / 2) % pitch - pitch / 2)
            line = np.clip(0.5 * max(1.0, 0.9 * scale) + 0.5 - distance, 0, 1) * strength
            np.maximum(result, line[:, None] if axis == 0 else line[None, :], out=result)
    return result


def _section_hatch(height: int, width: int, scale: float) -> Floats:
    pitch = 7.0 * scale
    at = (np.arange(width)[None, :] + np.arange(height)[:, None]).astype(np.float32) % pitch
    distance = np.abs(at - pitch / 2)
    return np.clip(0.45 * scale + 0.5 - distance, 0, 1)


def _construction(shaded: Shaded) -> Floats:
    """Straight edges carried on beyond their ends, faintly, as a draughtsman rules them first."""
    height, width = shaded.depth.shape
    small = working_size(height, width, 1.0)
    scale = unit(*small)
    edges = lines.find_edges(pick(shaded.depth, *small), pick(shaded.normal, *small), shaded.view)
    marks = edges.all()
    ridge = blur(marks, 1.6)
    direction, clear = edge_directions(ridge, 7.0 * scale)
    # Alone and straight: a clear direction, and not many edges around.
    straight = clear * (ridge > 0.45) * (blur(marks, 12 * scale) < 0.25)
    rng = noise.generator(shaded.seed, "blueprint/construction")
    rows, columns = np.nonzero(straight > 0.985)
    image = Image.new("L", (small[1] * 2, small[0] * 2), 0)
    if rows.size:
        pen = ImageDraw.Draw(image)
        drawn: list[tuple[float, float]] = []
        for index in rng.permutation(rows.size)[:600]:
            y, x = float(rows[index]), float(columns[index])
            dx, dy = (float(v) for v in direction[rows[index], columns[index]])
            theta = math.atan2(dy, dx) % math.pi
            offset = y * math.cos(theta) - x * math.sin(theta)
            if any(abs(theta - t) < 0.06 and abs(offset - o) < 9 * scale for t, o in drawn):
                continue
            drawn.append((theta, offset))
            if len(drawn) > 70:
                break
            reach = float(rng.uniform(70, 260)) * scale
            ends = [(2 * (x + s * dx * reach), 2 * (y + s * dy * reach)) for s in (-1, 1)]
            pen.line(ends, fill=int(rng.uniform(26, 52)), width=2)
    faint = np.asarray(image, np.float32) / 255
    return resize(faint, height, width, "bilinear")
