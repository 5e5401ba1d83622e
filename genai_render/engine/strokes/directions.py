# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way a hand would draw on a surface: directions that follow form and perspective."""

from __future__ import annotations

import math

import numpy as np

from ...core.view.canvas import View
from ..raster.arrays import Floats, inner
from ..raster.resample import blur, gradient


def view_rays(view: View, height: int, width: int) -> tuple[Floats, Floats]:
    """(1, width) and (height, 1): how far a pixel's ray goes right and up per metre ahead.

    Zero for an orthographic view, whose rays are all parallel.
    """
    if view.projection == "ORTHO":
        return np.zeros((1, width), np.float32), np.zeros((height, 1), np.float32)
    (p00, _, p02, _), (_, p11, p12, _) = view.projection_matrix[:2]
    x = (np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1
    y = 1 - (np.arange(height, dtype=np.float32) + 0.5) / height * 2
    right = (x + np.float32(p02)) / np.float32(p00 or 1.0)
    up = (y + np.float32(p12)) / np.float32(p11 or 1.0)
    return right[None, :], up[:, None]


def world_up(view: View) -> Floats:
    """(3,) the world's up in camera space."""
    rows = np.asarray(view.camera_to_world, np.float32)
    up = rows[2, :3]
    length = float(np.linalg.norm(up))
    return up / length if length > 1e-6 else np.array([0, 1, 0], np.float32)


def surface_directions(normal: Floats, view: View, angles: tuple[float, ...]) -> list[Floats]:
    """Unit directions on the picture, one (H, W, 2) field (x right, y down) per angle.

    An angle is measured on the surface, in radians: 0 runs level around the form (the horizontals
    of a wall in their perspective, rings around a bottle), π/2 runs up it. Where nothing is, the
    angle is that on the paper.
    """
    height, width = normal.shape[:2]
    up = world_up(view)
    covered = inner(normal, normal) > 0.25
    level = _cross(np.broadcast_to(up, normal.shape), normal)
    length = np.sqrt(inner(level, level))[..., None]
    # On floors and ceilings "level" says nothing: strokes run across the picture.
    across = np.array([1, 0, 0], np.float32) - normal * normal[..., :1]
    across /= np.sqrt(inner(across, across))[..., None] + np.float32(1e-6)
    sign = np.where(inner(across, level)[..., None] < 0, np.float32(-1), np.float32(1))
    share = np.clip((length - 0.12) / 0.3, 0, 1)
    tangent = level / (length + np.float32(1e-6)) * share + across * sign * (1 - share)
    tangent /= np.sqrt(inner(tangent, tangent))[..., None] + np.float32(1e-6)
    bitangent = _cross(normal, tangent)

    right, upward = view_rays(view, height, width)
    p00, p11 = view.projection_matrix[0][0], view.projection_matrix[1][1]
    # Moving along t, the pixel moves by focal·(t.xy + ray·t.z), whatever the depth.
    kx, ky = np.float32(p00 * width), np.float32(p11 * height)

    def project(vector: Floats) -> Floats:
        x = (vector[..., 0] + right * vector[..., 2]) * kx
        y = -(vector[..., 1] + upward * vector[..., 2]) * ky
        return np.stack([x, y], axis=2)

    level_2d, rising_2d = project(tangent), project(bitangent)
    fields = []
    for angle in angles:
        field = level_2d * np.float32(math.cos(angle)) + rising_2d * np.float32(math.sin(angle))
        field /= np.sqrt(inner(field, field))[..., None] + np.float32(1e-6)
        field[~covered] = (math.cos(angle), -math.sin(angle))
        fields.append(field.astype(np.float32))
    return fields


def _cross(a: Floats, b: Floats) -> Floats:
    """The cross product over the last axis; numpy's own is several times slower."""
    result = np.empty(b.shape, np.float32)
    for axis in range(3):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        result[..., axis] = a[..., one] * b[..., two] - a[..., two] * b[..., one]
    return result


def edge_directions(gray: Floats, sigma: float) -> tuple[Floats, Floats]:
    """((H, W, 2), (H, W)): the direction along the edges of `gray`, and 0..1 how clear it is.

    From the smoothed structure tensor; sigma in pixels.
    """
    gy, gx = gradient(gray)
    xx, yy, xy = (blur(product, sigma) for product in (gx * gx, gy * gy, gx * gy))
    difference = xx - yy
    root = np.sqrt(difference * difference + 4 * xy * xy)
    across = _half_angle(difference, 2 * xy)
    clear = root / (xx + yy + np.float32(1e-6)) * np.clip(root * 4000, 0, 1)
    return np.stack([-across[..., 1], across[..., 0]], axis=2), clear


def blend_directions(first: Floats, second: Floats, share: Floats, sigma: float = 0.0) -> Floats:
    """Mix two fields of lines (a line has no sign) by share (H, W) of the second, then smooth."""
    doubled = [
        np.stack([f[..., 0] ** 2 - f[..., 1] ** 2, 2 * f[..., 0] * f[..., 1]], axis=2)
        for f in (first, second)
    ]
    mixed = doubled[0] * (1 - share[..., None]) + doubled[1] * share[..., None]
    if sigma > 0:
        mixed = blur(mixed.astype(np.float32), sigma)
    return _half_angle(mixed[..., 0], mixed[..., 1])


def _half_angle(x: Floats, y: Floats) -> Floats:
    """(H, W, 2) unit vectors at half the angle of (x, y), without a trigonometric function."""
    length = np.sqrt(x * x + y * y)
    cosine = x / np.maximum(length, np.float32(1e-20))
    np.clip(cosine, -1, 1, out=cosine)
    result = np.empty((*x.shape, 2), np.float32)
    np.sqrt((1 + cosine) * np.float32(0.5), out=result[..., 0])
    np.sqrt((1 - cosine) * np.float32(0.5), out=result[..., 1])
    np.copysign(result[..., 1], y, out=result[..., 1])
    return result
