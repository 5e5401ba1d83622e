# SPDX-License-Identifier: GPL-3.0-or-later
"""What is behind everything: a sky with clouds, stars and a sun, or a studio's backdrop."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..look.look import Color, Look
from ..raster.arrays import Plane, smoothstep
from ..raster.noise import sample_tile, spectral_noise
from ..raster.resample import blur
from ..scene.camera import Camera, Vector, dot


def sky(camera: Camera, look: Look, sun: Vector, seed: int) -> Plane:
    """(3, h, w) linear light of the sky along each of the camera's rays."""
    ray = camera.sky_rays()
    up = dot(ray, camera.up)
    colors = _gradient(look, up)
    air = look.sky
    toward = dot(ray, sun)
    glow = air.glow * (
        0.5 * np.exp((toward - 1) * np.float32(14)) + 0.22 * np.exp((toward - 1) * np.float32(2.6))
    )
    warm = np.asarray(look.light.key_color, np.float32)[:, None, None]
    colors += warm * (glow * smoothstep(-0.25, 0.02, up))[None]
    if air.clouds > 0:
        _clouds(colors, camera, look, ray, up, toward, seed)
    if air.sun > 0:
        angle = np.arccos(np.clip(toward, -1, 1))
        disc = smoothstep(0.035, 0.028, angle) * smoothstep(-0.01, 0.01, up)
        colors += warm * (disc * np.float32(air.sun * 6))[None]
    colors *= np.float32(air.brightness)
    return np.maximum(colors, 0)


def studio(camera: Camera, color: Color, brightness: float) -> Plane:
    """(3, h, w) a backdrop that is lit from above its middle and falls off to its edges."""
    base = np.asarray(color, np.float32)[:, None, None]
    x = np.linspace(-1, 1, camera.width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, camera.height, dtype=np.float32)[:, None]
    pool = np.exp(-(x * x * 0.55 + (y + 0.15) ** 2 * 0.7))
    return base * ((np.float32(0.52) + np.float32(0.5) * pool) * np.float32(brightness))


def haze(camera: Camera, look: Look, sun: Vector) -> Plane:
    """(3, h, w) the colour of far fog along each ray: the horizon's, brighter toward the sun."""
    ray = camera.sky_rays()
    horizon = np.asarray(look.sky.horizon, np.float32) * np.float32(look.sky.brightness)
    own = np.asarray(look.air.fog_color, np.float32)
    base = own + (horizon - own) * np.float32(look.air.fog_tint)
    glow = look.sky.glow * 0.55 * np.exp((dot(ray, sun) - 1) * np.float32(3))
    warm = np.asarray(look.light.key_color, np.float32)[:, None, None]
    return base[:, None, None] + warm * glow[None]


def stars(camera: Camera, look: Look, seed: int, scale: float) -> tuple[NDArray[np.intp], Plane]:
    """Flat pixel indices and brightness of stars; the larger the picture, the more pixels each."""
    random = np.random.default_rng(seed + 77)
    count = int(900 * look.sky.stars)
    x = random.integers(0, camera.width, count)
    y = random.integers(0, camera.height, count)
    light = (random.random(count) ** 4 * 1.6 + 0.12).astype(np.float32) * look.sky.stars
    radius = max(0, round(scale * 0.55))
    indices, lights = [], []
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            weight = math.exp(-(dx * dx + dy * dy) / max(0.3, (0.5 * scale) ** 2))
            px, py = np.clip(x + dx, 0, camera.width - 1), np.clip(y + dy, 0, camera.height - 1)
            indices.append(py * camera.width + px)
            lights.append(light * np.float32(weight))
    index = np.concatenate(indices)
    order = np.argsort(index, kind="stable")
    return index[order], np.concatenate(lights)[order]


def _gradient(look: Look, up: Plane) -> Plane:
    zenith, horizon, ground = (
        np.asarray(color, np.float32)[:, None, None]
        for color in (look.sky.zenith, look.sky.horizon, look.sky.ground)
    )
    height = np.clip(up, 0, 1) ** np.float32(0.55)
    colors = horizon + (zenith - horizon) * height[None]
    below = smoothstep(0.0, -0.22, up)
    return colors + (ground * np.float32(0.6) - colors) * below[None]


def _clouds(
    colors: Plane,
    camera: Camera,
    look: Look,
    ray: Plane,
    up: Plane,
    toward: Plane,
    seed: int,
) -> None:
    """Lay clouds over the sky, in place: a layer overhead, shaded by its own thickness."""
    field = spectral_noise(seed * 7 + 1, 512, 1.75)
    lift = np.maximum(up, np.float32(0.0)) + np.float32(0.16)
    right, ahead = dot(ray, camera.right), dot(ray, camera.ahead)
    u, v = right / lift * np.float32(0.1) + np.float32(0.31), ahead / lift * np.float32(0.16)
    density = sample_tile(field, u, v) + np.float32(0.35) * sample_tile(
        field, u * 3.1 + 0.5, v * 3.1
    )
    cover = look.sky.clouds
    threshold = 1.35 - 2.3 * cover
    body = smoothstep(threshold, threshold + 0.85, density)
    # Thickness toward the zenith darkens the underside; a thin edge lets the sun through.
    above = sample_tile(field, u, v + np.float32(0.02)) + np.float32(0.35) * sample_tile(
        field, u * 3.1 + 0.5, (v + np.float32(0.02)) * 3.1
    )
    thick = smoothstep(threshold + 0.1, threshold + 1.9, blur(above, camera.width / 400))
    lit = np.asarray(look.sky.cloud_color, np.float32)[:, None, None]
    dark = np.asarray(look.sky.cloud_shade, np.float32)[:, None, None]
    cloud = lit + (dark - lit) * (thick * np.float32(0.85))[None]
    edge = np.exp((toward - 1) * np.float32(6)) * (1 - thick) * np.float32(look.sky.glow)
    cloud = cloud + np.asarray(look.light.key_color, np.float32)[:, None, None] * edge[None]
    # Toward the horizon clouds melt into haze.
    body *= smoothstep(-0.01, 0.07, up)
    colors += (cloud - colors) * body[None]
