# SPDX-License-Identifier: GPL-3.0-or-later
"""What the numbers in an image file mean: into sRGB, from an ICC profile or a PNG's code points."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from .. import lazy
from . import containers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image
else:
    np = lazy.module("numpy")
    Image = lazy.module("PIL.Image")

# Linear RGB of these primaries (ITU-T H.273, table 2), as linear sRGB; white is D65 in each.
_REC_709, _REC_2020, _P3 = 1, 9, 12
_TO_REC_709 = {
    _REC_2020: (
        (1.660491, -0.587641, -0.072850),
        (-0.124550, 1.132900, -0.008349),
        (-0.018151, -0.100579, 1.118730),
    ),
    _P3: ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274)),
}
# Transfer characteristics (H.273, table 3). That of video is shown as sRGB by what people use.
_GAMMA_22, _LINEAR, _SRGB, _PQ, _HLG = 4, 8, 13, 16, 18
_AS_SRGB = (1, 6, 13, 14, 15)
_WHITE_NITS = 203.0  # what paper white has in a picture of high dynamic range (ITU-R BT.2408)
_STEPS = 4096


class Converter:
    """Makes parts of one opened picture RGB or RGBA in sRGB, 8 bits.

    kind, data: the file that it was opened from.
    """

    def __init__(self, image: Image.Image, kind: str, data: bytes) -> None:
        info = image.info
        has_alpha = "A" in image.mode or "a" in image.mode or "transparency" in info
        self._other = image.mode in ("CMYK", "LAB", "YCbCr")
        self._target = "RGB" if self._other or not has_alpha else "RGBA"
        # A PNG's code points come before its profile.
        points = containers.png_code_points(data) if kind == "PNG" and not self._other else None
        self._points = _CodePoints.of(points)
        gray = image.mode in ("1", "L", "LA") or image.mode.startswith("I")
        sources = (image.mode,) if self._other else ("L", "RGB") if gray else ("RGB",)
        profile = info.get("icc_profile") if points is None else None
        fitting = ((source, _transform(profile, source)) for source in sources)
        self._source, self._transform = next(
            (each for each in fitting if each[1] is not None), (sources[0], None)
        )

    @property
    def keeps_colors(self) -> bool:
        """Whether the numbers in the file can be taken for sRGB as they are."""
        return self._transform is None and self._points is None and not self._other

    def __call__(self, part: Image.Image) -> Image.Image:
        if part.mode.startswith("I;16") or part.mode in ("I", "F"):
            wide = np.asarray(part).astype(np.float32)
            part = Image.fromarray((np.clip(wide, 0, 65535) / 257 + 0.5).astype(np.uint8))
        if self._points is not None:
            return self._points(part.convert(self._target))
        if self._transform is None:
            return part if part.mode == self._target else part.convert(self._target)
        if not self._other and part.mode != self._target:
            part = part.convert(self._target)
        alpha = part.getchannel("A") if part.mode == "RGBA" else None
        plain = part if self._other else part.convert(self._source)
        converted = self._transform.apply(plain)
        if alpha is not None:
            converted.putalpha(alpha)
        return converted


def _transform(profile: Any, mode: str) -> Any:
    """From a color profile to sRGB; None if there is none of use. mode: "L", "RGB" or "CMYK"."""
    if not isinstance(profile, bytes) or not profile:
        return None
    try:
        from PIL import ImageCms
    except ImportError:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        facts: Any = source.profile
        if facts.xcolor_space.strip() != {"CMYK": "CMYK", "L": "GRAY"}.get(mode, "RGB"):
            return None
        if "sRGB" in (facts.profile_description or ""):
            return None
        made = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
        made.apply(Image.new(mode, (1, 1)))
        return made
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        # A profile that cannot be used is as good as none: the picture still opens.
        return None


class _CodePoints:
    """From primaries and a transfer function to sRGB. What is brighter than white is white."""

    def __init__(self, primaries: int, transfer: int) -> None:
        self._matrix = np.array(_TO_REC_709.get(primaries, np.eye(3)), np.float32)
        self._linear = _light(np.arange(256, dtype=np.float32) / 255, transfer).astype(np.float32)
        # Steps of the square root, so that the dark ones are as fine as 8 bits need.
        steps = (np.arange(_STEPS + 1) / _STEPS) ** 2
        self._shown = (_from_linear(steps) * 255 + 0.5).astype(np.uint8)
        self._gain = _hlg_gain if transfer == _HLG else None

    @classmethod
    def of(cls, points: tuple[int, int, int, int] | None) -> _CodePoints | None:
        """None where they are those of sRGB, or say what no still picture in RGB has."""
        if points is None:
            return None
        primaries, transfer, matrix, full = points
        known = primaries in (_REC_709, *_TO_REC_709)
        if not known or transfer not in (*_AS_SRGB, _GAMMA_22, _LINEAR, _PQ, _HLG):
            return None
        if matrix != 0 or full != 1 or (primaries == _REC_709 and transfer in _AS_SRGB):
            return None
        return cls(primaries, transfer)

    def __call__(self, part: Image.Image) -> Image.Image:
        pixels = np.array(part)
        light = self._linear[pixels[..., :3]]
        if self._gain is not None:
            light *= self._gain(light)
        light = np.clip(light @ self._matrix.T, 0, 1)
        pixels[..., :3] = self._shown[(np.sqrt(light) * _STEPS + 0.5).astype(np.int32)]
        return Image.fromarray(pixels)


def _light(values: NDArray[Any], transfer: int) -> NDArray[Any]:
    """Linear light of encoded values, 1 for white; of HLG that of the scene."""
    if transfer == _LINEAR:
        return values
    if transfer == _GAMMA_22:
        return values**2.2
    if transfer == _PQ:
        root = values ** (1 / 78.84375)
        base = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
        return 10_000 / _WHITE_NITS * base ** (1 / 0.1593017578125)
    if transfer == _HLG:
        bright = (np.exp((values - 0.55991073) / 0.17883277) + 0.28466892) / 12
        return np.where(values <= 0.5, values**2 / 3, bright)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _hlg_gain(scene: NDArray[Any]) -> NDArray[Any]:
    """What makes HLG's light of a scene that of a screen of 1,000 nits (BT.2100), white as 1."""
    luminance = scene @ np.array((0.2627, 0.6780, 0.0593), np.float32)
    return (1000 / _WHITE_NITS * np.maximum(luminance, 1e-6) ** 0.2)[..., None]


def _from_linear(light: NDArray[Any]) -> NDArray[Any]:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
