# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that the captured picture has already, such as Freestyle's: they stay in the result.

They are in no depth, normal or albedo, so relit surfaces would lose them. A drawn line is thin and
dark between lighter sides, is not in the albedo, and follows the edges of forms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ...core.view.canvas import Canvas
from ..raster.arrays import Floats, smoothstep
from ..raster.color import brightness
from ..raster.parallel import each_band
from ..raster.resample import Rows, blur, pick, resize, unit, working_size
from .edges import DETECTION_UNITS, find_edges

_FEWEST, _MOST = 0.0012, 0.15
"""Share of a picture's pixels that drawn lines take."""


@dataclass(frozen=True, slots=True, eq=False)
class CapturedLines:
    """mask: (h, w) 0..1, how much of each pixel a line covers. ink: display sRGB 0..1."""

    mask: Floats
    ink: tuple[float, float, float]

    def draw(self, pixels: NDArray[np.uint8]) -> None:
        """Into the (H, W, 3) picture, in place."""
        height, width = pixels.shape[:2]
        rows = Rows(self.mask, height, width, "bilinear")
        ink = np.asarray(self.ink, np.float32) * np.float32(255)

        def work(top: int, bottom: int) -> None:
            share = rows(top, bottom)[..., None]
            part = pixels[top:bottom]
            part[...] = part + (ink - part) * share + np.float32(0.5)

        each_band(height, width, work)


def find_captured_lines(canvas: Canvas) -> CapturedLines | None:
    """The lines that are drawn in a canvas; None where there are none."""
    if canvas.view.source == "image":
        return None
    size = working_size(canvas.height, canvas.width, DETECTION_UNITS)
    color = resize(canvas.color.astype(np.float32) * np.float32(1 / 255), *size, "box")
    alpha = color[..., 3]
    # What is drawn outside of things is seen against light paper.
    light = brightness(color[..., :3]) * alpha + (1 - alpha)
    reach = max(2, round(2.6 * unit(*size)))
    gap = _closed(light, reach) - light
    mask = smoothstep(0.22, 0.45, gap).astype(np.float32)
    if canvas.albedo is not None:
        paint = brightness(resize(canvas.albedo.astype(np.float32) / 255, *size, "box"))
        covered = pick(np.isfinite(canvas.depth), *size)
        paint = np.where(covered, paint, np.float32(1))
        mask *= 1 - smoothstep(0.08, 0.2, _closed(paint, reach) - paint)
    share = float((mask > 0.5).mean())
    if not _FEWEST < share < _MOST:
        return None
    edges = find_edges(pick(canvas.depth, *size), pick(canvas.normal, *size), canvas.view)
    near = blur(np.maximum(edges.silhouette, edges.crease), 1.5 * max(1.0, unit(*size))) > 0.08
    drawn = mask > 0.5
    if float(near[drawn].mean()) < 0.6 or float(drawn[near].mean()) < 0.2:
        return None
    ink = np.quantile(color[..., :3][drawn & (alpha > 0.5)], 0.25, axis=0)
    return CapturedLines(mask, (float(ink[0]), float(ink[1]), float(ink[2])))


def _closed(plane: Floats, reach: int) -> Floats:
    """The plane without dark marks that are thinner than 2 · reach pixels."""
    image = Image.fromarray((np.clip(plane, 0, 1) * 255 + 0.5).astype(np.uint8))
    for kind in (ImageFilter.MaxFilter(3), ImageFilter.MinFilter(3)):
        for _ in range(reach):
            image = image.filter(kind)
    return np.asarray(image, np.float32) / np.float32(255)
