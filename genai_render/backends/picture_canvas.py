# SPDX-License-Identifier: GPL-3.0-or-later
"""A canvas at another size, and a picture as a canvas: with the view it was made from, or flat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.view.canvas import Canvas, View
from ..engine.grade.palette import decode

_BEHIND = 4.0  # times as far as the farthest thing


def fitted(canvas: Canvas, width: int, height: int) -> Canvas:
    """The canvas at that size (0: its own), cropped to the new aspect ratio, never squashed."""
    width, height = width or canvas.width, height or canvas.height
    if (width, height) == (canvas.width, canvas.height):
        return canvas
    scale = min(canvas.width / width, canvas.height / height)
    seen_w, seen_h = width * scale, height * scale
    # Rounding must not put the box a hair outside.
    seen_w, seen_h = min(seen_w, canvas.width), min(seen_h, canvas.height)
    left, top = (canvas.width - seen_w) / 2, (canvas.height - seen_h) / 2
    box = (left, top, min(left + seen_w, canvas.width), min(top + seen_h, canvas.height))
    columns = np.clip((left + (np.arange(width) + 0.5) * scale), 0, canvas.width - 1).astype(
        np.intp
    )
    rows = np.clip((top + (np.arange(height) + 0.5) * scale), 0, canvas.height - 1).astype(np.intp)
    grid = np.ix_(rows, columns)

    def scaled(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        picture = Image.fromarray(pixels)
        return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC, box=box))

    matrix = [list(row) for row in canvas.view.projection_matrix]
    # Narrower: clip space is stretched by what was cut off, evenly on both sides.
    for row, factor in ((0, canvas.width / seen_w), (1, canvas.height / seen_h)):
        matrix[row] = [value * factor for value in matrix[row]]
    view = replace(
        canvas.view,
        width=width,
        height=height,
        projection_matrix=tuple(tuple(row) for row in matrix),
    )
    return Canvas(
        scaled(canvas.color),
        np.ascontiguousarray(canvas.depth[grid]),
        np.ascontiguousarray(canvas.normal[grid]),
        view,
        None if canvas.albedo is None else scaled(canvas.albedo),
    )


def flat(data: bytes, name: str, width: int, height: int) -> Canvas:
    """A picture as a canvas without depth, cropped to a size where one is asked for."""
    picture = decode(data, name).convert("RGBA")
    if width and height and picture.size != (width, height):
        scale = min(picture.width / width, picture.height / height)
        seen = (width * scale, height * scale)
        left, top = (picture.width - seen[0]) / 2, (picture.height - seen[1]) / 2
        box = (left, top, left + seen[0], top + seen[1])
        picture = picture.resize((width, height), Image.Resampling.LANCZOS, box=box)
    wide, high = picture.size
    color = np.asarray(picture).copy()
    depth = np.where(color[..., 3] > 127, np.float32(1), np.float32(np.inf)).astype(np.float32)
    normal = np.zeros((high, wide, 3), np.float32)
    normal[..., 2] = 1
    normal[~np.isfinite(depth)] = 0
    return Canvas(color, depth, normal, View(wide, high, "ORTHO", source="image"))


def painted(source: bytes, seen: Canvas | None) -> Canvas:
    """An image as a canvas: with the depth and normals of the view it was made from, if it still
    shows that view."""
    plain = flat(source, "The image", 0, 0)
    if seen is None or not seen.view.has_shape_of(plain.width, plain.height):
        return plain
    seen = fitted(seen, plain.width, plain.height)
    bare = ~seen.covered
    if bare.all():
        return plain
    # What is painted where the view had nothing is a sheet far behind it, lit with the rest.
    depth, normal = seen.depth.copy(), seen.normal.copy()
    depth[bare] = _BEHIND * float(depth[~bare].max())
    normal[bare] = 0, 0, 1
    albedo = seen.albedo
    if albedo is not None:
        albedo = np.where(bare[..., None], plain.color[..., : albedo.shape[2]], albedo)
    return Canvas(plain.color, depth, normal, seen.view, albedo)


def viewed(picture: NDArray[np.uint8], canvas: Canvas | None) -> Canvas | None:
    """The (H, W, 4) picture on the depth and normals of the view that it was made from; None where
    there is no such view, or the picture has another shape."""
    height, width = picture.shape[:2]
    if canvas is None or canvas.view.source == "image":
        return None
    if not canvas.view.has_shape_of(width, height) or not canvas.covered.any():
        return None
    return replace(fitted(canvas, width, height), color=picture)
