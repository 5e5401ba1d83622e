# SPDX-License-Identifier: GPL-3.0-or-later
"""The light that is already in the picture: found from normals, divided out, and what glows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ..raster.arrays import Plane, smoothstep
from ..raster.color import _WEIGHTS, luminance
from .surfaces import Surfaces

PLAIN_ENGINES = frozenset(("SOLID", "WORKBENCH", "BLENDER_WORKBENCH"))
"""What draws with a light of its own that no one chose."""

_DARK, _BLACK = np.float32(0.001), np.float32(0.02)
"""Color and paint below which nothing is known of the light."""


@dataclass(frozen=True, slots=True, eq=False)
class CapturedLight:
    """The logarithm of light as a quadratic of the normal: nine coefficients; 0 is its mean."""

    coefficients: tuple[float, ...]

    def on(self, normal: Plane) -> Plane:
        """Relative light on (3, …) normals; 1 is the mean of what is seen."""
        c = [np.float32(v) for v in self.coefficients]
        x, y, z = normal
        total = x * (c[1] + c[4] * x + c[5] * y)
        total += y * (c[2] + c[6] * y + c[7] * z)
        total += z * (c[3] + c[8] * x)
        total += c[0]
        np.clip(total, -2.2, 2.2, out=total)
        return np.exp(total, out=total)


def light_on(paint: Plane, color: Plane) -> Plane:
    """(3, h, w) the light by which a paint shows a color. What is black in both tells nothing."""
    light = color + _DARK
    light /= paint + _BLACK
    return np.clip(light, np.float32(0.001), np.float32(6), out=light)


def paint_under(light: Plane, color: Plane, paint: Plane, own: Plane | None) -> Plane:
    """(3, h, w) the paint that shows a color by that light: what `light_on` is the other way.

    A lamp that gives no green shows nothing of a paint's green: it is then the light's, and not the
    paint's, that there is none. Of black paint the color is all that is known, and where it is the
    surface's own anyway. paint: what it is expected to be. own: (h, w) 0..1 (LightFields).
    """
    known = paint.max(0)
    known *= np.float32(20)
    np.minimum(known, 1, out=known)
    if own is not None:
        known *= 1 - own
    result = color + _DARK * known
    result /= light
    known *= _BLACK
    result -= known
    return result


def fit_captured_light(surfaces: Surfaces) -> CapturedLight:
    """Fit the light, with surfaces of one hue and saturation taken as one paint.

    Where there is an albedo, the fit is to the light itself.
    """
    covered = surfaces.covered
    color = surfaces.color[:, covered].astype(np.float64)
    if color.shape[1] < 64:
        return CapturedLight((0.0,) * 9)
    light = (color * _WEIGHTS[:, None]).sum(0)
    keep = (light > 0.004) & (color.max(0) < 0.97)
    if surfaces.albedo is not None:
        base = (surfaces.albedo[:, covered].astype(np.float64) * _WEIGHTS[:, None]).sum(0)
        keep &= base > 0.01
        light = light / np.maximum(base, 0.01)
    if keep.sum() < 64:
        return CapturedLight((0.0,) * 9)
    picked = np.flatnonzero(keep)[:: max(1, int(keep.sum()) // 20000)]
    value = np.log(light[picked])
    x, y, z = surfaces.normal[:, covered][:, picked].astype(np.float64)
    basis = np.stack((np.ones_like(x), x, y, z, x * x, x * y, y * y, y * z, z * x))
    columns = [basis]
    if surfaces.albedo is None:
        paint = _paints(color[:, picked])
        columns.append((paint[None, :] == np.unique(paint)[1:, None]).astype(np.float64))
    table = np.concatenate(columns)
    weight = np.ones(table.shape[1])
    solution = np.zeros(len(table))
    for _ in range(4):
        # Sums of products by hand: BLAS may add in another order on another machine.
        square = np.einsum("ik,jk,k->ij", table, table, weight, optimize=False)
        side = np.einsum("ik,k,k->i", table, value, weight, optimize=False)
        ridge = np.full(len(table), 0.5)
        ridge[1:9] = 0.02 * weight.sum()
        solution = np.linalg.solve(square + np.diag(ridge), side)
        error = value - np.einsum("ik,i->k", table, solution, optimize=False)
        weight = 1 / (1 + (error / 0.35) ** 2)
    curve = solution[:9].copy()
    curve[0] = 0
    mean = float(np.einsum("ik,i->k", basis, curve, optimize=False).mean())
    curve[0] = -mean
    return CapturedLight(tuple(float(v) for v in curve))


def _paints(color: NDArray[np.float64]) -> NDArray[np.intp]:
    """A number per paint: hue in 12 steps where there is one, saturation in 3."""
    high, low = color.max(0), color.min(0)
    saturation = (high - low) / np.maximum(high, 1e-6)
    a = color[0] - 0.5 * (color[1] + color[2])
    b = 0.866 * (color[1] - color[2])
    hue = np.floor((np.arctan2(b, a) / (2 * np.pi) + 0.5) * 12).astype(np.intp) % 12
    level = np.digitize(saturation, (0.18, 0.55))
    return np.where(level == 0, 0, 1 + hue + 12 * (level - 1))


def find_emission(surfaces: Surfaces, captured: CapturedLight, engine: str) -> Plane:
    """0..1: surfaces that shine by themselves, whatever the light around them."""
    none = np.zeros_like(surfaces.depth)
    covered = surfaces.covered
    if engine in PLAIN_ENGINES or not covered.any():
        return none
    shown = luminance(surfaces.color)
    if surfaces.albedo is not None:
        shines = _shining_paints(surfaces, shown)
    else:
        # Bright beyond doubt, and far above what faces the same way.
        light = shown / captured.on(surfaces.normal)
        usual, bright = (float(v) for v in np.quantile(light[covered], (0.5, 0.9)))
        limit = max(1.35 * bright, 3.0 * usual, 1e-6)
        shines = smoothstep(limit, limit * 1.5, light)
        shines *= smoothstep(0.8, 0.95, surfaces.color.max(0))
    shines = np.where(covered, shines, np.float32(0)).astype(np.float32)
    # Much of the picture cannot be a lamp: then it is only a brightly lit picture.
    return shines if float(shines[covered].mean()) < 0.15 else none


def _shining_paints(surfaces: Surfaces, shown: Plane) -> Plane:
    """Paints that are brighter than what is around them and faces the same way.

    All of a paint has to be: where the sun falls on a floor, some of that floor is in the shade.
    """
    assert surfaces.albedo is not None
    covered = surfaces.covered
    light = shown / (luminance(surfaces.albedo) + np.float32(0.03))
    around, paint_around = _surroundings(np.maximum(light, np.float32(0.02)), surfaces)
    ahead = smoothstep(1.35, 1.75, light / around)
    code = np.floor(np.sqrt(np.clip(surfaces.albedo, 0, 1)) * np.float32(20)).astype(np.intp)
    which = np.where(covered, (code[0] * 32 + code[1]) * 32 + code[2], 0)
    count = np.bincount(which.reshape(-1), minlength=32**3)
    pixels = np.maximum(count, 1)

    def mean(plane: Plane) -> NDArray[np.float64]:
        return np.bincount(which.reshape(-1), plane.reshape(-1), 32**3) / pixels

    bright = mean(shown)
    level = mean(light)
    wide = np.sqrt(np.maximum(mean(light * light) - level**2, 0)) / np.maximum(level, 1e-6)
    own = mean(luminance(surfaces.albedo))
    # A lamp is of another paint than what is around it; a stain of light on a wall is not.
    apart = mean(np.abs(luminance(surfaces.albedo) - paint_around))
    shines = (mean(ahead) > 0.33) & (wide < 0.3) & (bright > 0.25) & (own > 0.3) & (apart > 0.06)
    shines &= count > 0.00008 * which.size
    steady = light > (level[which] * 0.6)
    lamp = (shines[which] & steady & covered).astype(np.uint8)
    # Specks are texture, not lamps.
    cleaned = np.asarray(Image.fromarray(lamp).filter(ImageFilter.MedianFilter(3)))
    left = np.bincount(which.reshape(-1), cleaned.reshape(-1), 32**3)
    whole = np.bincount(which.reshape(-1), lamp.reshape(-1), 32**3)
    speckled = left < 0.5 * whole
    return (cleaned * ~speckled[which]).astype(np.float32)


def _surroundings(light: Plane, surfaces: Surfaces) -> tuple[Plane, Plane]:
    """Light and the albedo's luminance around each pixel, of what faces the same way.

    The light is a harmonic mean: what is darker counts more.
    """
    assert surfaces.albedo is not None
    height, width = light.shape
    pad = max(4, round(max(height, width) * 0.05))
    inverse = np.pad(1 / light, pad)
    paint = np.pad(luminance(surfaces.albedo), pad)
    normal = np.pad(surfaces.normal, ((0, 0), (pad, pad), (pad, pad)))
    dark, paints = np.full_like(light, 1e-6), np.zeros_like(light)
    weights = np.full_like(light, 1e-6)
    for ring in (0.33, 0.66, 1.0):
        for k in range(8):
            dy = round(math.sin(math.pi / 4 * (k + ring)) * pad * ring)
            dx = round(math.cos(math.pi / 4 * (k + ring)) * pad * ring)
            part = (slice(pad + dy, pad + dy + height), slice(pad + dx, pad + dx + width))
            alike = (normal[(slice(None), *part)] * surfaces.normal).sum(0)
            weight = smoothstep(0.8, 0.95, alike)
            dark += inverse[part] * weight
            paints += paint[part] * weight
            weights += weight
    return weights / dark, paints / weights
