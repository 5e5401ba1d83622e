# SPDX-License-Identifier: GPL-3.0-or-later
"""The light that is already in the picture: found from normals, divided out, and what glows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .geometry import Plane, smoothstep
from .surfaces import Surfaces

_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class BakedLight:
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


def luminance(color: Plane) -> Plane:
    result = color[0] * _WEIGHTS[0]
    result += color[1] * _WEIGHTS[1]
    result += color[2] * _WEIGHTS[2]
    return result


def find_light(surfaces: Surfaces) -> BakedLight:
    """Fit the light, with surfaces of one hue and saturation taken as one paint.

    With the albedo at hand, the fit is to the light itself.
    """
    covered = surfaces.covered
    color = surfaces.color[:, covered].astype(np.float64)
    if color.shape[1] < 64:
        return BakedLight((0.0,) * 9)
    light = (color * _WEIGHTS[:, None]).sum(0)
    keep = (light > 0.004) & (color.max(0) < 0.97)
    if surfaces.albedo is not None:
        base = (surfaces.albedo[:, covered].astype(np.float64) * _WEIGHTS[:, None]).sum(0)
        keep &= base > 0.01
        light = light / np.maximum(base, 0.01)
    if keep.sum() < 64:
        return BakedLight((0.0,) * 9)
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
    return BakedLight(tuple(float(v) for v in curve))


def _paints(color: NDArray[np.float64]) -> NDArray[np.intp]:
    """A number per paint: hue in 12 steps where there is one, saturation in 3."""
    high, low = color.max(0), color.min(0)
    saturation = (high - low) / np.maximum(high, 1e-6)
    a = color[0] - 0.5 * (color[1] + color[2])
    b = 0.866 * (color[1] - color[2])
    hue = np.floor((np.arctan2(b, a) / (2 * np.pi) + 0.5) * 12).astype(np.intp) % 12
    level = np.digitize(saturation, (0.18, 0.55))
    return np.where(level == 0, 0, 1 + hue + 12 * (level - 1))


def find_glow(surfaces: Surfaces, baked: BakedLight, engine: str) -> Plane:
    """0..1: surfaces that shine by themselves; brighter than the light there could make them."""
    none = np.zeros_like(surfaces.depth)
    covered = surfaces.covered
    if engine in ("SOLID", "WORKBENCH", "BLENDER_WORKBENCH") or not covered.any():
        return none
    shown = luminance(surfaces.color)
    peak = surfaces.color.max(0)
    light = baked.on(surfaces.normal)
    if surfaces.albedo is not None:
        base = np.maximum(luminance(surfaces.albedo), np.float32(0.02))
        ratio = shown / (base * light)
        usual = float(np.median(ratio[covered]))
        sunlit = float(np.quantile(ratio[covered], 0.9))
        limit = max(1.5 * sunlit, 3.0 * usual, 1e-6)
        found = smoothstep(limit, limit * 1.6, ratio) * smoothstep(0.35, 0.7, peak)
    else:
        # Bright beyond doubt, and far above what faces the same way.
        usual = float(np.median(shown[covered] / light[covered]))
        bright = float(np.quantile(shown[covered] / light[covered], 0.9))
        limit = max(1.35 * bright, 3.0 * usual, 1e-6)
        found = smoothstep(limit, limit * 1.5, shown / light) * smoothstep(0.8, 0.95, peak)
    found = np.where(covered, found, np.float32(0)).astype(np.float32)
    # Much of the picture cannot be a lamp: then it is only a brightly lit picture.
    return found if float(found[covered].mean()) < 0.12 else none
