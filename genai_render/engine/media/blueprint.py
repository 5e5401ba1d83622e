# SPDX-License-Identifier: GPL-3.0-or-later
"""Blueprint: white lines on blue paper with a grid, and faint construction lines that run on."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from ..lines.edges import find_edges
from ..raster import noise
from ..raster.arrays import Floats, smoothstep
from ..raster.progress import Step
from ..raster.resample import Rows, blur, pick, resize, unit, working_size
from ..strokes.directions import edge_directions
from .ground import compose, pen
from .shaded import Shaded

BLUE = np.array([0.085, 0.235, 0.52], np.float32)
WHITE = np.array([0.92, 0.95, 0.98], np.float32)
GRID_UNITS = 32.0


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Blueprint: paper")
    height, width = shaded.depth.shape
    scale = unit(height, width)
    step(0.05, "Blueprint: construction")
    construction = Rows(_construction(shaded), height, width, "bilinear")
    step(0.3, "Blueprint: shade")
    small = working_size(height, width, 1.0)
    shades = Rows(smoothstep(0.75, 0.1, resize(shaded.tone, *small, "box")), height, width)
    step(0.35, "Blueprint: lines")
    edge = pen(shaded, 1.7, step, 0.35, 0.6, paint=0.55).line(0.12, shaded.seed)
    mottle = noise.NoiseRows(height, width, 130.0, shaded.seed, "blueprint/mottle", 5, 0.6)
    paper = noise.PaperRows(height, width, shaded.seed, 0.8)
    folds = [_fold(width, place, scale) for place in (width / 3, 2 * width / 3)]
    fold_across = _fold(height, height / 2, scale)
    rules = [_rule(size, scale) for size in (height, width)]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]

    def rows(top: int, bottom: int) -> Floats:
        tooth = paper(top, bottom)
        # Cyanotype blue: mottled, paler along its folds, darker towards the corners.
        y = (np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5) / height * 2 - 1
        light = 1 + 0.03 * mottle(top, bottom) + 0.022 * tooth
        light -= 0.1 * (x * x * y * y + 0.4 * (x**4 + y**4))
        light += folds[0] + folds[1] + fold_across[top:bottom, None]
        sheet = BLUE * light[..., None]
        chalk = np.maximum(rules[0][top:bottom, None], rules[1][None, :])
        np.maximum(chalk, construction(top, bottom), out=chalk)
        covered = np.isfinite(shaded.depth[top:bottom])
        chalk += _hatching(top, bottom, width, scale) * shades(top, bottom) * covered * 0.16
        line = edge(top, bottom) * np.clip(0.88 + 0.1 * tooth, 0.5, 1)
        chalk = 1 - (1 - chalk) * (1 - line)
        return sheet + (WHITE - sheet) * np.clip(chalk, 0, 1)[..., None]

    return compose((height, width), rows, step, "Blueprint", 0.6)


def _fold(size: int, place: float, scale: float) -> Floats:
    """(size,) what a fold at `place` adds to the paper's brightness."""
    at = np.arange(size, dtype=np.float32) - np.float32(place)
    crest = np.exp(-((at / np.float32(1.3 * scale)) ** 2)) * np.float32(0.1)
    return crest - np.exp(-((at / np.float32(9 * scale)) ** 2)) * np.float32(0.03)


def _rule(size: int, scale: float) -> Floats:
    """(size,) the grid's lines across one axis."""
    result = np.zeros(size, np.float32)
    at = np.arange(size, dtype=np.float32) + np.float32(0.5 - size / 2)
    for units, strength in ((GRID_UNITS, 0.075), (GRID_UNITS * 4, 0.13)):
        pitch = np.float32(units * scale)
        distance = np.abs((at + pitch / 2) % pitch - pitch / 2)
        line = np.clip(0.5 * max(1.0, 0.9 * scale) + 0.5 - distance, 0, 1)
        np.maximum(result, line * np.float32(strength), out=result)
    return result


def _hatching(top: int, bottom: int, width: int, scale: float) -> Floats:
    """The draughtsman's slanted hatching of shaded sides."""
    pitch = np.float32(7.0 * scale)
    row = np.arange(top, bottom, dtype=np.float32)[:, None]
    at = (np.arange(width, dtype=np.float32)[None, :] + row) % pitch
    return np.clip(np.float32(0.45 * scale + 0.5) - np.abs(at - pitch / 2), 0, 1)


def _construction(shaded: Shaded) -> Floats:
    """Straight edges carried on beyond their ends, faintly, at a small size."""
    height, width = shaded.depth.shape
    small = working_size(height, width, 1.0)
    scale = unit(*small)
    edges = find_edges(pick(shaded.depth, *small), pick(shaded.normal, *small), shaded.view)
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
    return faint
