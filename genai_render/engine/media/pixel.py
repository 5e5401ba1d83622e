# SPDX-License-Identifier: GPL-3.0-or-later
"""Pixel art: few large pixels, a small palette with ordered dithering, outlines one pixel wide."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..lines.edges import find_edges
from ..raster import noise
from ..raster.arrays import Floats
from ..raster.color import brightness
from ..raster.progress import Step
from ..raster.resample import pick, resize, unit
from .shaded import Shaded

COLORS = 32
EYE = np.array([0.55, 0.77, 0.36], np.float32)
"""How much differences of red, green and blue count."""
PIXEL_UNITS = 4.0
BAYER = (
    np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) + 0.5
) / 16 - 0.5


def draw(shaded: Shaded, step: Step) -> Floats:
    step(0.0, "Pixel art: pixels")
    height, width = shaded.depth.shape
    size = max(2, round(PIXEL_UNITS * unit(height, width)))
    rows, columns = max(4, round(height / size)), max(4, round(width / size))
    color = resize(shaded.color, rows, columns, "box")
    gray = brightness(color)[..., None]
    color = np.clip(gray + (color - gray) * 1.25, 0, 1)
    color = np.clip((color - 0.5) * 1.08 + 0.5, 0, 1)
    step(0.3, "Pixel art: palette")
    palette = choose_palette(color, COLORS, shaded.seed)
    step(0.5, "Pixel art: dithering")
    indexed = _dither(color, palette)
    result = palette[indexed]
    step(0.7, "Pixel art: outlines")
    result = _outline(result, shaded, rows, columns, palette)
    step(0.9, "Pixel art")
    y = np.minimum(np.arange(height) * rows // height, rows - 1)
    x = np.minimum(np.arange(width) * columns // width, columns - 1)
    return result[y[:, None], x[None, :]]


def choose_palette(color: Floats, count: int, seed: int) -> Floats:
    """(count, 3) colours for (h, w, 3): small things of a colour of their own have theirs too."""
    pixels = (color * EYE).reshape(-1, 3)
    rng = noise.generator(seed, "pixel/palette")
    sample = pixels[rng.permutation(len(pixels))[:6000]]
    # Most colours go to what there is most of, the rest to what is unlike all of those.
    image = Image.fromarray((np.clip(color, 0, 1) * 255 + 0.5).astype(np.uint8))
    common = image.quantize(count * 5 // 8, Image.Quantize.MEDIANCUT, kmeans=3).getpalette() or []
    centers = np.array(common[: count * 5 // 8 * 3], np.float32).reshape(-1, 3) / 255 * EYE
    nearest = ((sample[:, None] - centers[None]) ** 2).sum(axis=2).min(axis=1)
    while len(centers) < count:
        # Not the one farthest pixel, but the farthest that is not alone.
        pick_from = np.argsort(nearest)[-max(8, len(sample) // 150) :]
        group = sample[pick_from]
        to_group = ((group[:, None] - group[None]) ** 2).sum(axis=2)
        chosen = group[np.median(to_group, axis=1).argmin()]
        centers = np.concatenate([centers, chosen[None]])
        nearest = np.minimum(nearest, ((sample - chosen) ** 2).sum(axis=1))
    for _ in range(4):
        distance = ((sample[:, None] - centers[None]) ** 2).sum(axis=2)
        owner = distance.argmin(axis=1)
        for index in range(count):
            own = sample[owner == index]
            if len(own):
                centers[index] = own.mean(axis=0)
    return np.clip(centers / EYE, 0, 1).astype(np.float32)


def _dither(color: NDArray, palette: NDArray) -> NDArray[np.intp]:
    """The index of the palette colour for each pixel: ordered between its two best."""
    rows, columns = color.shape[:2]
    flat, colors = (color * EYE).reshape(-1, 3), palette * EYE
    distance = ((flat[:, None, :] - colors[None]) ** 2).sum(axis=2)
    best = distance.argmin(axis=1)
    rest = distance.copy()
    rest[np.arange(len(rest)), best] = np.inf
    # The second is what best mixes with the first, not only what is near by itself.
    one = colors[best]
    span = colors[None] - one[:, None]
    length = (span * span).sum(axis=2) + 1e-9
    share = np.clip(((flat - one)[:, None, :] * span).sum(axis=2) / length, 0, 0.5)
    left = ((flat[:, None, :] - one[:, None] - span * share[..., None]) ** 2).sum(axis=2)
    left += 0.05 * length  # far colours make a coarse, noisy pattern
    left[np.arange(len(left)), best] = np.inf
    second = left.argmin(axis=1)
    ratio = share[np.arange(len(share)), second].reshape(rows, columns)
    pattern = np.tile(BAYER, (rows // 4 + 1, columns // 4 + 1))[:rows, :columns] + 0.5
    # Small shares would only be specks.
    take = (ratio > pattern) & (ratio > 0.2)
    return np.where(take, second.reshape(rows, columns), best.reshape(rows, columns))


def _outline(result: NDArray, shaded: Shaded, rows: int, columns: int, palette: NDArray) -> NDArray:
    """Outlines on the nearer side of each edge, in a darker colour of what they outline."""
    depth, normal = pick(shaded.depth, rows, columns), resize(shaded.normal, rows, columns, "box")
    albedo = resize(shaded.albedo, rows, columns, "box")
    edges = find_edges(depth, normal, shaded.view, albedo)
    near = np.where(np.isfinite(depth), depth, np.float32(np.inf))
    marks = edges.silhouette > 0.5
    # Keep the nearer pixel of each marked pair, so that lines are one pixel wide.
    farther = np.zeros_like(marks)
    for axis in (0, 1):
        for way in (1, -1):
            neighbour = np.roll(near, way, axis)
            marked = np.roll(marks, way, axis)
            with np.errstate(invalid="ignore"):
                farther |= marked & ~(near <= neighbour * 1.004)
    outline = marks & ~farther
    crease = (edges.crease > 0.6) & ~marks
    for axis in (0, 1):  # of a crease's two pixels, the first
        crease &= ~np.roll(crease, 1, axis)
    darkest = palette[brightness(palette[None])[0].argmin()]
    result = np.where(outline[..., None], result * 0.3 + darkest * 0.15, result)
    return np.where(crease[..., None], result * 0.62, result).astype(np.float32)
