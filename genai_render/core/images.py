# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as files: open what others made safely, write ours.

What comes from outside (a provider, a reference on disk) is not trusted: its header is read first,
by us, and what would be too large is refused before anything is decoded.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from . import containers
from .errors import ImageError, InvalidInput, StorageError

MAX_FILE_BYTES = 100 * 1024 * 1024
MAX_PIXELS = 8192 * 8192
MAX_JPEG_SCANS = 200  # a progressive file can have thousands, each as slow as a whole picture
THUMBNAIL_SIDE = 512

Format = Literal["png", "webp", "jpeg"]
FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}

# Run-length matching on PNG's filtered rows: at 4K it takes 0.4 s of one core where level 6 takes
# 1.5 s. Most pictures come out as small; fine repeating texture can be a third larger.
_PNG_LEVEL, _PNG_RLE = 1, 3


@dataclass(frozen=True, slots=True)
class ImageInfo:
    mime: str
    width: int
    height: int

    @property
    def format(self) -> Format:
        """The format's short name: "png", "webp" or "jpeg"."""
        return self.mime.removeprefix("image/")  # pyright: ignore[reportReturnType]

    @property
    def suffix(self) -> str:
        """What a file of this format is called: ".png", ".webp" or ".jpg"."""
        return SUFFIXES[self.mime]


def read_file(path: Path) -> bytes:
    """The bytes of a file that is no larger than an image may be.

    Raises StorageError if it cannot be read, ImageError if it is too large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise _file_too_large(path.name, size)
        return path.read_bytes()
    except OSError as error:
        raise StorageError(
            f'"{path}" cannot be read.', f"{error.strerror}.", "Check the path."
        ) from error


def probe(data: bytes, name: str = "The image") -> ImageInfo:
    """What kind of image it is, from its header, without decoding its pixels. Raises ImageError."""
    if not data:
        raise ImageError(f'"{name}" is empty.', action="Choose another image.")
    if len(data) > MAX_FILE_BYTES:
        raise _file_too_large(name, len(data))
    try:
        kind, width, height = containers.read_header(data)
    except containers.Malformed as error:
        raise unreadable(name) from error
    if width < 1 or height < 1:
        raise unreadable(name)
    if width * height > MAX_PIXELS:
        raise _too_large(name)
    return ImageInfo(FORMATS[kind], width, height)


def decode(data: bytes, name: str = "The image") -> NDArray[np.uint8]:
    """The pixels of a PNG, JPEG or WebP file: (H, W, 3) or, with transparency, (H, W, 4).

    uint8 sRGB with straight alpha, row 0 on top, upright: EXIF orientation applied, a colour
    profile converted, 16 bits reduced to 8, the first frame of an animation.

    Raises ImageError for what is not an image, is cut off or broken, or has too many pixels.
    """
    image = _open(data, name)
    try:
        image.load()
        image = ImageOps.exif_transpose(image)
        image = _to_srgb(image)
    except Exception as error:  # a damaged file makes Pillow raise anything at all
        raise broken(name) from error
    return np.array(image)


def decode_grey16(data: bytes, name: str = "The image") -> NDArray[np.uint16]:
    """The values of a 16-bit grey PNG, as `encode_png` writes them: (H, W). Raises ImageError."""
    image = _open(data, name)
    try:
        image.load()
    except Exception as error:  # a damaged file makes Pillow raise anything at all
        raise broken(name) from error
    if not image.mode.startswith("I"):
        raise ImageError(f'"{name}" is not a 16-bit grey image.')
    return np.asarray(image).astype(np.uint16)


def encode(pixels: NDArray[Any], format: Format, quality: int = 92) -> bytes:
    """Pixels as a file: (H, W), (H, W, 3) or (H, W, 4) uint8. quality: 1 to 100, not for PNG.

    JPEG has no transparency: the picture is laid over white.
    """
    if format == "png":
        return encode_png(pixels)
    if format == "webp":
        return encode_webp(pixels, quality)
    if format == "jpeg":
        return encode_jpeg(pixels, quality)
    raise InvalidInput(f'Images cannot be saved as "{format}".', action="Use png, webp or jpeg.")


def encode_png(pixels: NDArray[Any]) -> bytes:
    """(H, W), (H, W, 3) or (H, W, 4) uint8, or (H, W) uint16, as a PNG file. Fast at 4K."""
    return _save(_as_image(pixels), "PNG", compress_level=_PNG_LEVEL, compress_type=_PNG_RLE)


def encode_webp(pixels: NDArray[np.uint8], quality: int = 92, lossless: bool = False) -> bytes:
    """(H, W), (H, W, 3) or (H, W, 4) uint8 as a WebP file.

    Lossless keeps every pixel, even the colour under full transparency.
    """
    if lossless:
        return _save(_as_image(pixels), "WEBP", lossless=True, method=0, quality=20, exact=True)
    return _save(_as_image(pixels), "WEBP", quality=_check_quality(quality), method=2)


def encode_jpeg(pixels: NDArray[np.uint8], quality: int = 92) -> bytes:
    """(H, W), (H, W, 3) or (H, W, 4) uint8 as a JPEG file; transparency is laid over white."""
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = flatten(pixels)
    subsampling = 0 if quality >= 90 else 2
    return _save(
        _as_image(pixels), "JPEG", quality=_check_quality(quality), subsampling=subsampling
    )


def flatten(
    pixels: NDArray[np.uint8], background: tuple[int, int, int] = (255, 255, 255)
) -> NDArray[np.uint8]:
    """(H, W, 4) with straight alpha laid over one colour: (H, W, 3). (H, W, 3) stays as it is."""
    if pixels.shape[2] == 3:
        return pixels
    image = Image.new("RGBA", (pixels.shape[1], pixels.shape[0]), (*background, 255))
    image.alpha_composite(_as_image(pixels))
    return np.array(image.convert("RGB"))


def thumbnail(data: bytes, side: int = THUMBNAIL_SIDE, name: str = "The image") -> bytes:
    """A small WebP picture of an image file, at most `side` pixels on either side.

    Decodes all of it, so it raises ImageError for a file that is broken anywhere.
    """
    image = Image.fromarray(decode(data, name))
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return _save(image, "WEBP", quality=82, method=2)


def _open(data: bytes, name: str) -> Image.Image:
    info = probe(data, name)
    if info.mime == "image/jpeg" and data.count(b"\xff\xda") > MAX_JPEG_SCANS:
        raise ImageError(f'"{name}" is made so that opening it takes too long.')
    try:
        containers.check_whole(info.format.upper(), data)
        image = Image.open(io.BytesIO(data), formats=tuple(FORMATS))
    except Image.DecompressionBombError:  # another add-on allows less than we do
        raise _too_large(name) from None
    except Exception as error:  # a damaged file makes Pillow raise anything at all
        raise broken(name) from error
    if image.size != (info.width, info.height):
        raise broken(name)
    return image


def _to_srgb(image: Image.Image) -> Image.Image:
    """The image as RGB or RGBA in sRGB."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        wide = np.asarray(image).astype(np.float32)
        image = Image.fromarray((np.clip(wide, 0, 65535) / 257 + 0.5).astype(np.uint8))
    has_alpha = "A" in image.mode or "a" in image.mode or "transparency" in image.info
    target = "RGBA" if has_alpha else "RGB"
    if image.mode in ("CMYK", "LAB", "YCbCr"):
        converted = _apply_profile(image, profile, "RGB")
        return converted if converted is not None else image.convert("RGB")
    if image.mode != target:
        image = image.convert(target)
    converted = _apply_profile(image, profile, target)
    return converted if converted is not None else image


def _apply_profile(image: Image.Image, profile: Any, target: str) -> Image.Image | None:
    """The image converted from its colour profile to sRGB; None if there is none of use."""
    if not isinstance(profile, bytes) or not profile:
        return None
    try:
        from PIL import ImageCms
    except ImportError:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        facts: Any = source.profile
        if facts.xcolor_space.strip() != ("CMYK" if image.mode == "CMYK" else "RGB"):
            return None
        if "sRGB" in (facts.profile_description or ""):
            return None
        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        opaque = image.convert("RGB") if alpha is not None else image
        converted = ImageCms.profileToProfile(
            opaque, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
        if converted is None:
            return None
        if alpha is not None:
            converted.putalpha(alpha)
        return converted.convert(target)
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        # A profile that cannot be used is as good as none: the picture still opens.
        return None


def _as_image(pixels: NDArray[Any]) -> Image.Image:
    shape = pixels.shape
    if pixels.dtype == np.uint8 and (len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))):
        return Image.fromarray(np.ascontiguousarray(pixels))
    if pixels.dtype == np.uint16 and len(shape) == 2:
        return Image.fromarray(np.ascontiguousarray(pixels))
    raise InvalidInput(
        "These pixels cannot be saved as an image.", f"Their form is {shape} {pixels.dtype}."
    )


def _save(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def _check_quality(quality: int) -> int:
    if not 1 <= quality <= 100:
        raise InvalidInput(f"Quality is from 1 to 100, not {quality}.")
    return int(quality)


def unreadable(name: str) -> ImageError:
    """The error for bytes that are no image."""
    return ImageError(
        f'"{name}" is not an image that can be read.',
        "It must be a PNG, JPEG or WebP file.",
        "Choose another image.",
    )


def broken(name: str) -> ImageError:
    """The error for an image that is damaged."""
    return ImageError(
        f'"{name}" is broken or cut off, so it cannot be opened.',
        action="Save or download it again.",
    )


def _file_too_large(name: str, size: int) -> ImageError:
    return ImageError(
        f'"{name}" is too large: {size // 2**20} MB.',
        action=f"Use an image of at most {MAX_FILE_BYTES // 2**20} MB.",
    )


def _too_large(name: str) -> ImageError:
    return ImageError(
        f'"{name}" has too many pixels to be opened safely.',
        f"At most {MAX_PIXELS // 10**6} million are possible.",
        "Scale it down first.",
    )
