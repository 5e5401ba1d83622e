# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be put behind a subject without a model: a color, a gradient, a sky, a picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.view.canvas import Canvas, View
from ..look.look import Look, hex_color
from ..picture import render
from ..raster.progress import Step


def plain(color: str, width: int, height: int, below: str = "") -> NDArray[np.uint8]:
    """(H, W, 3): one color, "#rrggbb", or a gradient from it down to another.

    Raises InvalidInput for what is not a color.
    """
    top = np.array(_shown(color), np.float32)
    bottom = np.array(_shown(below or color), np.float32)
    share = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None, None]
    rows = top + (bottom - top) * share
    # Dithered, or a gradient shows steps.
    noise = np.random.default_rng(1).random((height, width, 1), np.float32) if below else 0.5
    return np.clip(np.broadcast_to(rows, (height, width, 3)) + noise, 0, 255).astype(np.uint8)


def _shown(color: str) -> tuple[int, int, int]:
    hex_color(color)  # raises for what is none
    digits = color.removeprefix("#")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def sky(view: View, look: Look, seed: int, step: Step) -> NDArray[np.uint8]:
    """(H, W, 3): what a look has for a sky, along the rays of that view, with nothing before it."""
    height, width = view.height, view.width
    empty = Canvas(
        np.zeros((height, width, 4), np.uint8),
        np.full((height, width), np.inf, np.float32),
        np.zeros((height, width, 3), np.float32),
        view,
    )
    look = replace(
        look,
        sky=replace(look.sky, backdrop="sky"),
        line=replace(look.line, strength=0.0),
        lens=replace(look.lens, blur=0.0, bars=0.0),
    )
    return render(empty, look, None, seed, step, "balanced")


def fitted(picture: Image.Image, width: int, height: int) -> NDArray[np.uint8]:
    """(H, W, 3): the middle of a picture, as much of it as has that shape."""
    picture = picture.convert("RGB")
    scale = min(picture.width / width, picture.height / height)
    wide, high = width * scale, height * scale
    left, top = (picture.width - wide) / 2, (picture.height - high) / 2
    box = (left, top, left + wide, top + high)
    return np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS, box=box))


def laid_over(
    subject: NDArray[np.uint8], alpha: NDArray[np.uint8], behind: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """(H, W, 3): the (H, W, 4) subject before that; where it is opaque, bit for bit."""
    share = alpha[..., None].astype(np.float32) / np.float32(255)
    mixed = behind + (subject[..., :3] - behind.astype(np.float32)) * share + np.float32(0.5)
    out = mixed.astype(np.uint8)
    opaque = alpha == 255
    out[opaque] = subject[opaque, :3]
    return out
