# SPDX-License-Identifier: GPL-3.0-or-later
"""What Cycles' passes say of each pixel's surface: depth, normal and its own color.

A ray meets a surface that lets a part of the light through by chance, and goes on behind it by
chance. One ray a pixel is enough for what is opaque; where something may be seen through, some
more say how much of each there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ...core import lazy
from .exr import read_passes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .camera import CameraFrame
else:
    np = lazy.module("numpy")

_SEVERAL, _FEWEST, _AFFORDABLE = 8, 4, 4e6  # rays a pixel, and of a whole picture
_SPECK_PIXELS = 4
_VEIL = 26  # of 255: smoke that is thinner than a tenth is not there
_NOTHING = 1e9  # Cycles' depth where there is no surface is 1e10


@dataclass(slots=True)
class Planes:
    """What the data render gives, as in a Canvas, but with depth in Blender units."""

    depth: NDArray[np.float32]
    normal: NDArray[np.float32]
    albedo: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Sight:
    """How each pixel looks. world: (3, 3) camera space to world."""

    world: NDArray[np.float32]
    frame: CameraFrame
    width: int
    height: int

    def to_viewer(self, top: int, rows: int) -> NDArray[np.float32]:
        """(rows, W, 3) unit vectors in camera space, from that row on."""
        frame = self.frame
        rays = np.zeros((rows, self.width, 3), np.float32)
        rays[..., 2] = 1
        if frame.perspective:
            across = (np.arange(self.width) + 0.5) / self.width - 0.5
            up = 0.5 - (np.arange(top, top + rows) + 0.5) / self.height
            rays[..., 0] = -(frame.center_x + frame.width * across)
            rays[..., 1] = -(frame.center_y + frame.height * up)[:, None]
            rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
        return rays


def several_rays(pixels: int) -> int:
    """A pixel, where something in the scene lets light through."""
    return max(_FEWEST, min(_SEVERAL, round(_AFFORDABLE / pixels)))


def read_planes(path: Path, sight: Sight, top: int = 0, several: Path | None = None) -> Planes:
    """top: the row of the whole picture that the file begins with. several: the same with
    `several_rays`, where something in the scene lets light through."""
    passes = read_passes(path, lambda name: not name.startswith("Crypto"))
    depth = passes["Depth"][..., 0]
    depth = np.where(depth < _NOTHING, depth, np.float32(np.inf))
    normal, told = _normals(passes["Normal"], sight)
    coverage = None
    if several is not None:
        passes = read_passes(several)
        mean, mean_told = _normals(passes["Normal"], sight)
        coverage = _coverage(passes, depth.shape)
        depth, normal = _without_chance(depth, normal, told, mean, mean_told, coverage)

    def color(*names: str) -> NDArray[np.float32]:
        found = next((passes[name] for name in names if name in passes), None)
        return np.zeros((*depth.shape, 3), np.float32) if found is None else found[..., :3]

    base = color("Diffuse Color", "DiffCol") + color("Transmission Color", "TransCol")
    glossy, emission = color("Glossy Color", "GlossCol"), color("Emission", "Emit")
    if coverage is not None:  # a thin veil is not dark
        whole = np.maximum(coverage, np.float32(0.02))[..., None]
        base /= whole
        glossy /= whole
        emission /= whole
    facing = (normal * sight.to_viewer(top, depth.shape[0])).sum(axis=-1, keepdims=True)
    albedo = _albedo(base, glossy, emission, facing)
    nothing = ~np.isfinite(depth)
    normal[nothing] = albedo[nothing] = 0
    return Planes(depth, normal.astype(np.float32), _srgb(_rec709(albedo)))


def _normals(
    world: NDArray[np.float32], sight: Sight
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """In camera space, and which pixels told one: a surface that tells none faces the viewer."""
    normal = world @ sight.world  # row vectors: this is the inverse rotation
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    told = length > 1e-6
    normal = np.where(told, normal / np.maximum(length, 1e-6), np.array([0, 0, 1], np.float32))
    return normal, told[..., 0]


def _coverage(
    passes: dict[str, NDArray[np.float32]], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """How much of a pixel's light is of surfaces, and not of what is behind all of them.

    Cryptomatte says it: of each surface that a ray meets, the share that it does not let through.
    """
    covered = np.zeros(shape, np.float32)
    for name, ranks in passes.items():
        if name.startswith("CryptoObject"):
            covered += ranks[..., 1::2].sum(axis=-1)
    return np.minimum(covered, 1)


def _without_chance(
    depth: NDArray[np.float32],
    normal: NDArray[np.float32],
    told: NDArray[np.bool_],
    mean: NDArray[np.float32],
    mean_told: NDArray[np.bool_],
    coverage: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Depth and normals without the specks of rays that ended, by chance, on what is all but
    invisible. Such a ray has a depth, but no normal; what the others met is in `mean`."""
    speck = np.isfinite(depth) & ~told
    surface = speck & mean_told
    speck &= mean_told | (coverage < 0.5)
    if not speck.any():
        return depth, normal
    depth, normal = depth.copy(), normal.copy()
    depth[speck] = np.inf
    normal[surface] = mean[surface]
    for _ in range(_SPECK_PIXELS):
        left = surface & ~np.isfinite(depth)
        if not left.any():
            break
        depth[left] = _nearest_of_four(depth)[left]
    return depth, normal


def _nearest_of_four(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of the pixels beside each, the one that is nearest to the viewer."""
    padded = np.pad(depth, 1, constant_values=np.inf)
    return np.minimum(
        np.minimum(padded[:-2, 1:-1], padded[2:, 1:-1]),
        np.minimum(padded[1:-1, :-2], padded[1:-1, 2:]),
    )


def _albedo(
    base: NDArray[np.float32],
    glossy: NDArray[np.float32],
    emission: NDArray[np.float32],
    facing: NDArray[np.float32],
) -> NDArray[np.float32]:
    """One colour of the surface, without what it reflects as anything does.

    A metal has no other colour than that of its reflection. What a coat, varnish or glass reflects,
    more and more towards its rim, is not its own.
    """
    metal = np.clip(1 - 6 * base.max(axis=-1, keepdims=True), 0, 1)
    # Schlick's law of how reflection grows with the angle, backwards: the reflection head-on.
    grazing = np.minimum((1 - np.clip(facing, 0, 1)) ** 5, 0.95)
    head_on = (glossy - grazing) / (1 - grazing)
    own = np.where(head_on.max(axis=-1, keepdims=True) > 0.15, np.maximum(head_on, 0), 0)
    albedo = base + metal * own + emission
    # A lamp is brighter than white: keep its hue.
    return albedo / np.maximum(albedo.max(axis=-1, keepdims=True), 1.0)


def flat_planes(color: NDArray[np.uint8], distance: float) -> Planes:
    """Of what has no surface, such as smoke: a picture that faces the viewer, that far away."""
    there = color[..., 3] >= _VEIL
    depth = np.where(there, np.float32(distance), np.float32(np.inf))
    normal = np.where(there[..., None], np.array([0, 0, 1], np.float32), np.float32(0))
    return Planes(depth, normal, np.where(there[..., None], color[..., :3], np.uint8(0)))


# From the working spaces that a Blender 5 file can have, to linear sRGB (Rec. 709).
_WORKING_SPACES = {
    "Linear Rec.2020": (
        (1.66049100, -0.58764114, -0.07284986),
        (-0.12455047, 1.13289990, -0.00834942),
        (-0.01815076, -0.10057890, 1.11872966),
    ),
    "ACEScg": (
        (1.70505099, -0.62179212, -0.08325887),
        (-0.13025642, 1.14080474, -0.01054832),
        (-0.02400336, -0.12896898, 1.15297233),
    ),
}


def _rec709(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    space = getattr(getattr(bpy.data, "colorspace", None), "working_space", "")
    matrix = _WORKING_SPACES.get(space)
    if matrix is None:
        return linear
    return linear @ np.array(matrix, np.float32).T


def linear_from_rec709(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear colors as this file computes with them."""
    space = getattr(getattr(bpy.data, "colorspace", None), "working_space", "")
    matrix = _WORKING_SPACES.get(space)
    if matrix is None:
        return linear
    return (linear @ np.linalg.inv(np.array(matrix)).T).astype(np.float32)


def _srgb(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    # By a table: exact to the nearest of 256 steps, and a power of 50 million floats takes long.
    codes = np.arange(1 << 14, dtype=np.float64) / ((1 << 14) - 1)
    bent = np.where(codes <= 0.0031308, codes * 12.92, 1.055 * codes ** (1 / 2.4) - 0.055)
    table = np.round(bent * 255).astype(np.uint8)
    index = np.clip(linear, 0, 1) * ((1 << 14) - 1) + 0.5
    return table[index.astype(np.uint16)]
