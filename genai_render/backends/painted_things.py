# SPDX-License-Identifier: GPL-3.0-or-later
"""Things of a view in the colors that a prompt has for them, before the engine draws the view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.view.canvas import Canvas
from ..engine import Reading, Wish, named, obeyed, repainted, wishes
from ..engine.grade.palette import decode


def in_paint(canvas: Canvas, reading: Reading) -> tuple[Canvas, Reading]:
    """The view with each object, or material, that a color was named for in that color."""
    ids = canvas.ids
    if ids is None:
        return canvas, reading
    done: list[tuple[Wish, str]] = []
    for wish in wishes(reading):
        objects = named(wish, ids.object_names)
        materials = [] if objects else named(wish, ids.materials)
        if not objects and not materials:
            continue
        share = ids.share_of(objects, materials)
        if share.any():
            canvas = _painted(canvas, share.astype(np.float32) / np.float32(255), wish)
            done.append((wish, " ".join(wish.around)))
    return canvas, obeyed(reading, done) if done else reading


def in_paint_within(canvas: Canvas, mask: bytes, reading: Reading) -> tuple[Canvas, Reading]:
    """The picture with what the mask lets change in the color that was named, if one was."""
    found = wishes(reading)
    if not found:
        return canvas, reading
    kept = decode(mask, "The mask").convert("RGBA").getchannel("A")
    if kept.size != (canvas.width, canvas.height):
        kept = kept.resize((canvas.width, canvas.height), Image.Resampling.BILINEAR)
    share = 1 - np.asarray(kept, np.float32) / np.float32(255)
    return _painted(canvas, share, found[-1]), obeyed(reading, [(found[-1], "")])


def _painted(canvas: Canvas, share: NDArray[np.float32], wish: Wish) -> Canvas:
    paint = wish.paint

    def on(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return repainted(pixels, share, paint.color, paint.lighter, paint.colorful)

    albedo = None if canvas.albedo is None else on(canvas.albedo)
    return replace(canvas, color=on(canvas.color), albedo=albedo)
