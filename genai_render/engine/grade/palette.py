# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference images as a palette and as light: what they can lend without a model.

Colours are moved by the Monge–Kantorovich map between Gaussians in Oklab: the gentlest linear map
that gives the picture the references' mean and spread of colour.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ...core.errors import ImageError
from ...core.request import Reference
from ..look.look import Look
from ..raster.arrays import Plane
from ..raster.color import from_oklab, oklab

_SAMPLE = 160

# How far each role's colours count, and what a role cannot do here.
_ROLES: dict[str, tuple[float, str]] = {
    "style": (1.0, ""),
    "free": (0.9, ""),
    "material": (0.75, "its textures cannot be used offline, only its colors"),
    "subject": (0.5, "used for its colors only"),
    "composition": (0.0, "cannot be used offline: the scene's own composition stays"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """The blended colours of one or two references.

    mean (3,), spread (3, 3): of Oklab colours. amount: 0..1, how far to go.
    contrast: the spread of lightness. side: where its light comes from, -1 left to 1 right.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    amount: float
    contrast: float
    side: float
    above: float

    @classmethod
    def of(cls, references: Sequence[Reference]) -> Palette | None:
        """None without references that can lend colours. Raises ImageError for a broken image."""
        parts: list[tuple[float, NDArray[np.float64], NDArray[np.float64], float, float]] = []
        for reference in references:
            weight = reference.weight * _ROLES[reference.role][0]
            if weight <= 0:
                continue
            lab = oklab(thumbnail(reference))
            side, above = _light_in(lab[:, 0].reshape(-1, _SAMPLE))
            parts.append((weight, *_moments(lab), side, above))
        if not parts:
            return None
        total = sum(part[0] for part in parts)
        mean = sum((part[0] / total) * part[1] for part in parts)
        spread = sum((part[0] / total) * part[2] for part in parts)
        assert isinstance(mean, np.ndarray)
        assert isinstance(spread, np.ndarray)
        # Two opposed palettes average to gray: their distance is part of the spread.
        for weight, own, _, _, _ in parts:
            off = own - mean
            spread = spread + (weight / total) * off[:, None] * off[None, :] * 0.6
        return cls(
            mean,
            spread,
            min(1.0, max(part[0] for part in parts)),
            float(np.sqrt(spread[0, 0])),
            sum(part[0] / total * part[3] for part in parts),
            sum(part[0] / total * part[4] for part in parts),
        )

    def applied(self, colors: Plane, shown: Plane) -> Plane:
        """The (n, 3) display colours moved as the (m, 3) colours of the picture have to move."""
        lab = oklab(shown)
        mean, spread = _moments(lab)
        # Lightness is moved half way only: the picture's own light has to stay readable.
        target, goal = self.spread.copy(), self.mean.copy()
        goal[0] = mean[0] + (goal[0] - mean[0]) * 0.45
        scale = np.ones(3)
        wanted = np.sqrt(target[0, 0])
        own = np.sqrt(spread[0, 0])
        scale[0] = np.clip(wanted**0.5 * own**0.5, 0.6 * own, 1.6 * own) / max(wanted, 1e-6)
        target *= scale[:, None] * scale[None, :]
        matrix = _transport(spread, target)
        moved = _times(oklab(colors) - mean, matrix) + goal
        before = oklab(colors)
        # White and black stay nearly so: paper and ink do not take a colour cast in full.
        edge = np.clip(1 - np.abs(2 * before[:, 0] - 1) ** 6, 0, 1)[:, None]
        mixed = before + (moved - before) * (self.amount * (0.35 + 0.65 * edge))
        mixed[:, 0] = np.clip(mixed[:, 0], 0, 1)
        return np.clip(from_oklab(_reined(mixed)), 0, 1).astype(np.float32)

    def lit(self, look: Look) -> Look:
        """The look with its light a little more like the references': its side and contrast."""
        strong = min(1.0, self.amount)
        change: dict[str, object] = {}
        if abs(self.side) > 0.12:
            turned = abs(look.light.azimuth) * (1 if self.side > 0 else -1)
            change["azimuth"] = turned
        softer = float(np.clip((0.2 - self.contrast) * 3, -0.35, 0.35)) * strong
        change["softness"] = float(np.clip(look.light.softness + softer, 0.05, 1))
        change["ambient"] = float(look.light.ambient * (1 + softer * 0.6))
        return look.with_({"light": change})


def notes(references: Sequence[Reference]) -> list[str]:
    """What of the references cannot be used offline, in words."""
    return [
        f"{reference.role}: {_ROLES[reference.role][1]}"
        for reference in references
        if _ROLES[reference.role][1]
    ]


def thumbnail(reference: Reference) -> Plane:
    """(160², 3) display sRGB; its mean where it is transparent. Raises ImageError."""
    picture = decode(reference.data, reference.name)
    small = picture.convert("RGBA").resize((_SAMPLE, _SAMPLE), Image.Resampling.BOX)
    pixels = np.asarray(small, np.float32) / np.float32(255)
    kept = pixels[..., 3:] > 0.5
    if not kept.any():
        raise ImageError(
            f'"{reference.name}" is fully transparent.', action="Choose another image."
        )
    mean = (pixels[..., :3] * kept).sum((0, 1)) / kept.sum()
    return np.where(kept, pixels[..., :3], mean).astype(np.float32).reshape(-1, 3)


def decode(data: bytes, name: str = "The image") -> Image.Image:
    """The picture upright, in RGB or RGBA. Raises ImageError where its pixels are broken."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as opened:
            upright = ImageOps.exif_transpose(opened)
            has_alpha = "A" in upright.getbands() or "transparency" in upright.info
            return upright.convert("RGBA" if has_alpha else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(
            f'"{name}" cannot be opened.', "Its pixels are damaged.", "Choose another image."
        ) from error


def _moments(lab: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean = lab.mean(0)
    off = lab - mean
    spread = np.array([[(off[:, i] * off[:, j]).mean() for j in range(3)] for i in range(3)])
    return mean, spread + np.diag([1e-4, 2e-5, 2e-5])


def _transport(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The symmetric matrix that takes one covariance to the other."""
    root = _root(source)
    inverse = np.linalg.inv(root)
    matrix = inverse @ _root(root @ target @ root) @ inverse
    # A flat picture must not be blown up into noise.
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * np.clip(values, 0.25, 2.2)) @ vectors.T


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * np.sqrt(np.maximum(values, 1e-12))) @ vectors.T


def _times(colors: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([(colors * row).sum(-1) for row in matrix], -1)


def _reined(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """Very strong colours held back smoothly, so that none falls out of what can be shown."""
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    limit = 0.26
    held = np.where(
        chroma > 0.16, 0.16 + (limit - 0.16) * np.tanh((chroma - 0.16) / (limit - 0.16)), chroma
    )
    scale = held / np.maximum(chroma, 1e-9)
    return np.stack((lab[:, 0], lab[:, 1] * scale, lab[:, 2] * scale), -1)


def _light_in(lightness: NDArray[np.float64]) -> tuple[float, float]:
    """Where a picture is brighter: -1 left to 1 right, -1 below to 1 above."""
    height, width = lightness.shape
    x = np.linspace(-1, 1, width)[None, :]
    y = np.linspace(1, -1, height)[:, None]
    off = lightness - lightness.mean()
    scale = max(float(np.abs(off).mean()), 1e-6)
    return float((off * x).mean() / scale * 1.5), float((off * y).mean() / scale * 1.5)
