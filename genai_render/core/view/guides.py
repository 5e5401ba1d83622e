# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth and normals as pictures: what guides a model, and what History keeps of a Canvas.

A depth picture is white where near. A surface is never 0, which stands for "nothing there", so an
empty background stays apart from the farthest wall. How far values can be off after the round
trip is given by `DepthScale.error_at`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from .. import lazy
from ..errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = lazy.module("numpy")

Curve = Literal["disparity", "distance", "logarithm"]
Bits = Literal[8, 16]

NORMAL_ERROR_DEGREES = 0.4
"""The most that a normal turns by being kept as 8-bit RGB."""


@dataclass(frozen=True, slots=True)
class DepthScale:
    """What the values of a depth picture mean.

    near, far: metres along the camera's axis, shown as the lightest and the darkest surface;
        above 0 but for the curve "distance".
    curve: what the values are linear in: "disparity" (1/distance, what most depth-guided models
        were trained on), "distance", or "logarithm" (the same relative error at every distance:
        what History keeps).
    bits: 8 or 16.
    """

    near: float
    far: float
    curve: Curve = "disparity"
    bits: Bits = 16

    def __post_init__(self) -> None:
        usable = math.isfinite(self.near) and math.isfinite(self.far)
        # An orthographic view can see what lies behind it; only plain distance can show that.
        positive = self.near > 0 or self.curve == "distance"
        if not (usable and positive and self.near <= self.far):
            raise InvalidInput(f"A depth picture cannot go from {self.near} to {self.far} metres.")
        if self.curve not in get_args(Curve) or self.bits not in get_args(Bits):
            raise InvalidInput(f'A depth picture cannot be {self.bits}-bit "{self.curve}".')

    @property
    def top(self) -> int:
        """The value of the nearest surface; the farthest has 1, nothing has 0."""
        return (1 << self.bits) - 1

    def error_at(self, distance: float) -> float:
        """The most by which a surface that far away can be off after decoding, in metres.

        To first order, for distances from near to far.
        """
        half_step = 0.5 / (self.top - 1)
        if self.curve == "disparity":
            return half_step * (1 / self.near - 1 / self.far) * distance**2
        if self.curve == "distance":
            return half_step * (self.far - self.near)
        return half_step * math.log(self.far / self.near) * distance

    def to_json(self) -> dict[str, Any]:
        return {"near": self.near, "far": self.far, "curve": self.curve, "bits": self.bits}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> DepthScale:
        try:
            return cls(float(values["near"]), float(values["far"]), values["curve"], values["bits"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput("The scale of a depth picture is missing or damaged.") from error


def encode_depth(
    depth: NDArray[np.float32],
    curve: Curve = "disparity",
    bits: Bits = 16,
    near: float | None = None,
    far: float | None = None,
) -> tuple[NDArray[Any], DepthScale]:
    """Depth as grey values, near white: (H, W) uint8 or uint16, and the scale to read them with.

    depth: (H, W) metres along the camera's axis, +inf (or NaN) where nothing is.
    near, far: the nearest and farthest surface of this view unless given; what lies outside is
    shown as near or far. An empty view is all 0.
    """
    covered = np.isfinite(depth)
    shown = covered if curve == "distance" else covered & (depth > 0)
    nearest = float(np.min(depth, initial=np.inf, where=shown))
    farthest = float(np.max(depth, initial=-np.inf, where=shown))
    if nearest > farthest:  # nothing to see
        nearest, farthest = 1.0, 1.0
    low = nearest if near is None else near
    scale = DepthScale(low, max(low, farthest if far is None else far), curve, bits)
    # Single precision is enough: it is off by a twentieth of a 16-bit step, and twice as fast.
    metres = np.where(covered, depth, np.float32(scale.far)).astype(np.float32, copy=False)
    np.clip(metres, scale.near, scale.far, out=metres)
    values = _nearness(metres, scale)
    values *= np.float32(scale.top - 1)
    values += np.float32(1.5)
    np.minimum(values, np.float32(scale.top), out=values)
    values *= covered
    return values.astype(np.uint16 if bits == 16 else np.uint8), scale


def decode_depth(values: NDArray[Any], scale: DepthScale) -> NDArray[np.float32]:
    """Metres back from the grey values of `encode_depth`: (H, W) float32, +inf where nothing is.

    How exact that is: `scale.error_at`.
    """
    # One entry per grey value: a 4K picture has 8 million pixels, but 65,536 values.
    nearness = (np.arange(scale.top + 1, dtype=np.float64) - 1) / (scale.top - 1)
    nearness[0] = 0.0
    metres = _distance(nearness, scale)
    metres[0] = np.inf
    return metres.astype(np.float32)[values]


def encode_normal(normal: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Camera-space normals as RGB = (n + 1) / 2: (H, W, 3) uint8; (128, 128, 128) where nothing is.

    normal: (H, W, 3) unit vectors, +X right, +Y up, +Z to the viewer, zero where nothing is.
    """
    scaled = normal * np.float32(127.5)
    scaled += np.float32(127.5 + 0.5)
    np.clip(scaled, 0, 255, out=scaled)
    return np.nan_to_num(scaled, copy=False, nan=128).astype(np.uint8)


def decode_normal(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Unit vectors back from RGB: (H, W, 3) float32, zero where nothing is.

    They are off by at most NORMAL_ERROR_DEGREES.
    """
    normal = pixels[..., :3].astype(np.float32)
    normal *= np.float32(1 / 127.5)
    normal -= 1
    length = np.sqrt(np.einsum("...i,...i->...", normal, normal))
    there = length > 0.5
    normal /= np.where(there, length, 1)[..., None]
    normal[~there] = 0
    return normal


def _nearness(metres: NDArray[np.float32], scale: DepthScale) -> NDArray[np.float32]:
    """1 at `near`, 0 at `far`. Uses up `metres`."""
    near, far = scale.near, scale.far
    if near == far:
        return np.ones_like(metres)
    if scale.curve == "disparity":
        np.reciprocal(metres, out=metres)
        metres -= np.float32(1 / far)
        metres *= np.float32(1 / (1 / near - 1 / far))
    elif scale.curve == "distance":
        np.subtract(np.float32(far), metres, out=metres)
        metres *= np.float32(1 / (far - near))
    else:
        np.log(metres, out=metres)
        np.subtract(np.float32(math.log(far)), metres, out=metres)
        metres *= np.float32(1 / math.log(far / near))
    return np.clip(metres, 0, 1, out=metres)


def _distance(nearness: NDArray[np.float64], scale: DepthScale) -> NDArray[np.float64]:
    if scale.curve == "disparity":
        return 1 / (1 / scale.far + nearness * (1 / scale.near - 1 / scale.far))
    if scale.curve == "distance":
        return scale.far - nearness * (scale.far - scale.near)
    return scale.far * (scale.near / scale.far) ** nearness
