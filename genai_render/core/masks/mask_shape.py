# SPDX-License-Identifier: GPL-3.0-or-later
"""A mask's shape made larger, smaller, softer, or turned round."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import lazy
from ..errors import InvalidInput
from ..image import images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image, ImageFilter
else:
    np = lazy.module("numpy")
    Image = lazy.module("PIL.Image")
    ImageFilter = lazy.module("PIL.ImageFilter")

MOST = 512  # pixels that a mask can be grown, shrunk or feathered by


@dataclass(frozen=True, slots=True)
class Shaping:
    """What is done to a mask, in this order.

    invert: what was to stay may change, and the other way round. grow: pixels by which the part
    that may change gets larger, smaller below 0; its corners are rounded. feather: pixels over
    which it fades, to both sides of its edge.
    """

    invert: bool = False
    grow: int = 0
    feather: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("grown or shrunk", abs(self.grow)), ("feathered", self.feather)):
            if not 0 <= value <= MOST:
                raise InvalidInput(
                    f"A mask cannot be {name} by {value:g} pixels.", action=f"Use up to {MOST}."
                )

    @property
    def changes_nothing(self) -> bool:
        return self == Shaping()

    def applied(self, mask: bytes) -> bytes:
        """The mask, a PNG that is transparent where the image may change, in its new shape."""
        if self.changes_nothing:
            return mask
        pixels = images.decode(mask, "The mask")
        opaque = np.full(pixels.shape[:2], 255, np.uint8)
        alpha = pixels[..., 3] if pixels.shape[2] == 4 else opaque
        share = 255 - alpha if not self.invert else alpha
        if self.grow > 0:
            share = np.where(grown(share > 127, self.grow), np.uint8(255), share)
        elif self.grow < 0:
            kept = grown(share <= 127, -self.grow)
            share = np.where(kept, np.uint8(0), share)
        if self.feather > 0:
            # Half of the fade lies to either side; a Gaussian is as good as over after 2 sigma.
            blur = ImageFilter.GaussianBlur(self.feather / 4)
            share = np.asarray(Image.fromarray(share).filter(blur))
        out = np.zeros((*share.shape, 4), np.uint8)
        out[..., 3] = 255 - share
        return images.encode_png(out)


def grown(plane: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """(H, W) True within `by` pixels of what is True."""
    height, width = plane.shape
    out = np.zeros_like(plane)
    for down in range(-min(by, height - 1), min(by, height - 1) + 1):
        reach = math.isqrt(by * by - down * down)
        rows = plane[max(0, -down) : height - max(0, down)]
        # How many there are within reach to both sides, from sums along the row.
        sums = np.zeros((rows.shape[0], width + 1), np.int32)
        np.cumsum(rows, axis=1, out=sums[:, 1:])
        at = np.arange(width)
        found = sums[:, np.minimum(at + reach + 1, width)] > sums[:, np.maximum(at - reach, 0)]
        out[max(0, down) : height - max(0, -down)] |= found
    return out
