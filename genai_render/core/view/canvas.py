# SPDX-License-Identifier: GPL-3.0-or-later
"""The Canvas: colour, depth and normals of one view of the scene, pixel by pixel."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from .. import lazy
from ..bounds import MAX_SIDE
from ..errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ids import Ids
else:
    np = lazy.module("numpy")

Matrix4 = tuple[tuple[float, float, float, float], ...]
"""A 4×4 matrix, row by row, for column vectors: `world = camera_to_world @ camera`."""

IDENTITY: Matrix4 = (
    (1.0, 0.0, 0.0, 0.0),
    (0.0, 1.0, 0.0, 0.0),
    (0.0, 0.0, 1.0, 0.0),
    (0.0, 0.0, 0.0, 1.0),
)


SAME_SHAPE = 0.02  # how far width over height may be off, which sizes in steps of 16 pixels cause


@dataclass(frozen=True, slots=True)
class View:
    """Where a Canvas was seen from. Lengths in metres; camera space is +X right, +Y up, -Z ahead.

    projection_matrix is OpenGL's: it takes camera space to clip space (-w..w), and holds lens
    shift and pixel aspect, so a pixel's ray comes from it alone.
    focus_distance: metres along the camera's axis to what should be sharp, where that is known
    (the camera's focus object or distance, or the selection).
    source: how it was captured.
    engine: what drew the colour, such as "CYCLES", "SOLID" or "RENDERED".
    """

    width: int
    height: int
    projection: Literal["PERSP", "ORTHO"] = "PERSP"
    projection_matrix: Matrix4 = IDENTITY
    camera_to_world: Matrix4 = IDENTITY
    near: float = 0.1
    far: float = 1000.0
    lens_mm: float | None = None
    focus_distance: float | None = None
    source: Literal["passes", "viewport", "image"] = "passes"
    engine: str = ""
    blender_version: str = ""
    blend_name: str = ""
    scene: str = ""
    camera: str = ""
    frame: int = 0

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            side = getattr(self, name)
            if not 1 <= side <= MAX_SIDE:
                raise InvalidInput(
                    f"A canvas cannot be {self.width} × {self.height} pixels.",
                    f"Each side must be 1 to {MAX_SIDE}.",
                )
        if not (math.isfinite(self.near) and math.isfinite(self.far)):
            raise InvalidInput("The view's clip start and end must be finite numbers.")

    @property
    def aspect(self) -> float:
        return self.width / self.height

    def has_shape_of(self, width: int, height: int) -> bool:
        """Whether a picture of that size can be of this view, but for whole pixels."""
        return abs(width / height / self.aspect - 1) <= SAME_SHAPE

    def to_json(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("projection_matrix", "camera_to_world"):
            values[name] = [list(row) for row in values[name]]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> View:
        known = {field.name for field in fields(cls)}
        kept = {name: value for name, value in values.items() if name in known}
        for name in ("projection_matrix", "camera_to_world"):
            if name in kept:
                kept[name] = tuple(tuple(float(v) for v in row) for row in kept[name])
        return cls(**kept)


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """One view of the scene. Row 0 is the top; the same pixels in every field.

    color: (H, W, 4) uint8, sRGB with straight alpha, 0 where nothing is drawn.
    depth: (H, W) float32, metres along the camera's axis, +inf where nothing is.
    normal: (H, W, 3) float32, unit vectors in camera space (+X right, +Y up, +Z to the viewer),
        zero where nothing is.
    albedo: (H, W, 3) uint8 sRGB, the surface's own colour without any light, where the capture
        could have it; else None.
    notices: what someone who makes a picture of it should know: textures that are missing, an
        engine that stood in for another one. Whole sentences.
    ids: which object and material each pixel shows, where the capture could tell.
    """

    color: NDArray[np.uint8]
    depth: NDArray[np.float32]
    normal: NDArray[np.float32]
    view: View
    albedo: NDArray[np.uint8] | None = None
    notices: tuple[str, ...] = ()
    ids: Ids | None = None

    def __post_init__(self) -> None:
        height, width = self.view.height, self.view.width
        expected: list[tuple[str, Any, tuple[int, ...], type]] = [
            ("color", self.color, (height, width, 4), np.uint8),
            ("depth", self.depth, (height, width), np.float32),
            ("normal", self.normal, (height, width, 3), np.float32),
        ]
        if self.albedo is not None:
            expected.append(("albedo", self.albedo, (height, width, 3), np.uint8))
        for name, array, shape, dtype in expected:
            if array.shape != shape or array.dtype != dtype:
                raise InvalidInput(
                    f"The canvas's {name} has the wrong form.",
                    f"Expected {shape} {np.dtype(dtype)}, got {array.shape} {array.dtype}.",
                )
        if self.ids is not None and (self.ids.height, self.ids.width) != (height, width):
            raise InvalidInput("The canvas's objects have the wrong form.")

    @property
    def width(self) -> int:
        return self.view.width

    @property
    def height(self) -> int:
        return self.view.height

    @property
    def covered(self) -> NDArray[np.bool_]:
        """(H, W) True where there is a surface."""
        return np.isfinite(self.depth)

    def depth_range(self) -> tuple[float, float] | None:
        """Nearest and farthest surface in metres; None for an empty view."""
        finite = self.depth[self.covered]
        if finite.size == 0:
            return None
        return float(finite.min()), float(finite.max())

    def digest(self) -> str:
        """SHA-256 of all pixels and the view, in hexadecimal."""
        sha = hashlib.sha256(repr(sorted(self.view.to_json().items())).encode())
        for array in (self.color, self.depth, self.normal, self.albedo):
            sha.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        if self.ids is not None:
            sha.update(self.ids.digest().encode())
        return sha.hexdigest()
