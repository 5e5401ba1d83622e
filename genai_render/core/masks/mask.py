# SPDX-License-Identifier: GPL-3.0-or-later
"""The mask of an edit: a PNG that is transparent where the image may change, and what servers take
in its place."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from .. import lazy
from ..errors import InvalidInput
from ..image import images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image
else:
    np = lazy.module("numpy")
    Image = lazy.module("PIL.Image")

_HALF = 128


def check(source: bytes, mask: bytes | None, markup: bytes | None = None) -> None:
    """That they can be used with that image. Raises InvalidInput for one of another size, and for
    a mask that leaves nothing to change."""
    for what, layer in (("mask", mask), ("markup", markup)):
        if layer is not None:
            check_size(source, layer, what)
    if mask is not None:
        _changes_something(mask)


def check_size(source: bytes, layer: bytes, what: str) -> None:
    """Raises InvalidInput for a layer that does not fit the image."""
    of, its = images.probe(source), images.probe(layer, what)
    if (of.width, of.height) != (its.width, its.height):
        raise InvalidInput(
            f"The {what} does not fit the image.",
            f"The image has {of.width} × {of.height} pixels, the {what} {its.width} × "
            f"{its.height}.",
            f"Make the {what} on the image itself.",
        )


@functools.lru_cache(maxsize=2)  # the same one is asked for at every letter of a prompt
def _changes_something(mask: bytes) -> None:
    changes(mask)


def changes(mask: bytes) -> NDArray[np.bool_]:
    """(H, W): where the image may change. Raises InvalidInput for a mask that leaves nothing."""
    alpha = _alpha(mask)
    if alpha is None:
        raise InvalidInput(
            "The mask has no transparent pixels.",
            action="It must be a PNG that is transparent where the image may change.",
        )
    if alpha.min() >= _HALF:
        raise InvalidInput(
            "The mask leaves nothing to edit.", action="Erase what may change in it fully."
        )
    return alpha < _HALF


def white(mask: bytes) -> NDArray[np.uint8]:
    """(H, W): white where the image may change, black elsewhere."""
    return np.where(changes(mask), 255, 0).astype(np.uint8)


def hard(mask: bytes) -> bytes:
    """The mask as a PNG of one color that is either transparent or not: one of any size stays
    small."""
    pixels = np.zeros((*changes(mask).shape, 4), np.uint8)
    pixels[..., 3] = 255 - white(mask)
    return images.encode_png(pixels)


def soft(mask: bytes) -> bytes:
    """The mask as a PNG with its half transparent edges."""
    changes(mask)
    return images.encode_png(images.decode(mask, "mask"))


def of_picture(pixels: NDArray[np.float32], width: int, height: int) -> bytes:
    """A mask from a picture, (H, W, channels) from 0 to 1: what is white in it may change, or, in
    one with transparency, what is transparent. Scaled to the image that it is for."""
    channels = pixels.shape[2]
    kept = 1 - pixels[..., : min(3, channels)].max(-1)
    if channels == 4 and pixels[..., 3].min() < 1:
        kept = pixels[..., 3]
    alpha = Image.fromarray((np.clip(kept, 0, 1) * 255 + 0.5).astype(np.uint8))
    if alpha.size != (width, height):
        alpha = alpha.resize((width, height), Image.Resampling.BILINEAR)
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[..., 3] = np.asarray(alpha)
    return images.encode_png(rgba)


def _alpha(mask: bytes) -> NDArray[np.uint8] | None:
    pixels = images.decode(mask, "mask")
    if pixels.shape[2] != 4 or pixels[..., 3].min() == 255:
        return None
    return pixels[..., 3]
