# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as files: open what others made safely, write ours.

What comes from outside (a provider, a reference on disk) is not trusted: its header is read first,
by us, and what would be too large is refused before anything is decoded.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .. import lazy
from ..errors import ImageError, InvalidInput, StorageError
from ..files import storage
from . import containers
from .color_profiles import Converter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image
else:
    np = lazy.module("numpy")
    Image = lazy.module("PIL.Image")

MAX_FILE_BYTES = 100 * 1024 * 1024
MAX_PIXELS = 8192 * 8192
MAX_SIDE = 16_384
MAX_DECODED_BYTES = 352 * 1024 * 1024
"""What opening a file may take, in the library and here together."""
MAX_WORK = 400_000_000  # pixels gone through: about two seconds
MAX_JPEG_SCANS = 200  # a progressive file can have thousands, each as slow as a whole picture
THUMBNAIL_SIDE = 512

Format = Literal["png", "webp", "jpeg"]
FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}

# Run-length matching on PNG's filtered rows: at 4K it takes 0.4 s of one core where level 6 takes
# 1.5 s. Most pictures come out as small; fine repeating texture can be a third larger.
_PNG_LEVEL, _PNG_RLE = 1, 3
_STRIP_PIXELS = 2**21
_WHITE = (255, 255, 255)


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
        data = storage.read_file(path, MAX_FILE_BYTES)
        if len(data) > MAX_FILE_BYTES:
            raise _file_too_large(path.name, path.stat().st_size)
        return data
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "It is not the name of a file"
        raise StorageError(f'"{path}" cannot be read.', f"{why}.", "Check the path.") from error


def probe(data: bytes, name: str = "The image") -> ImageInfo:
    """What kind of image it is, from its header, without decoding its pixels. Raises ImageError.

    width, height: of the picture as it is seen, upright.
    """
    kind, width, height = _stored(data, name)
    if containers.orientation(kind, data) >= 5:
        width, height = height, width
    return ImageInfo(FORMATS[kind], width, height)


def _stored(data: bytes, name: str) -> tuple[str, int, int]:
    """Format, width and height as the rows lie in the file. Raises ImageError."""
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
    if max(width, height) > MAX_SIDE:
        raise ImageError(
            f'"{name}" is too long to be opened safely: {max(width, height):,} pixels.',
            f"At most {MAX_SIDE:,} on either side are possible.",
            "Crop it or scale it down first.",
        )
    return kind, width, height


def decode(
    data: bytes, name: str = "The image", ours: bool = False, opaque: bool = False
) -> NDArray[np.uint8]:
    """The pixels of a PNG, JPEG or WebP file: (H, W, 3) or, with transparency, (H, W, 4).

    uint8 sRGB with straight alpha, row 0 on top, upright: EXIF orientation applied, a colour
    profile converted, 16 bits reduced to 8, the first frame of an animation.
    ours: we wrote the file, so it may take as much memory as it needs.
    opaque: transparency is laid over white, so it is (H, W, 3) always.

    Raises ImageError for what is not an image, is cut off or broken, or has too many pixels.
    """
    image = _open(data, name, 4, ours)
    try:
        image.load()
        return _pixels(image, data, opaque=opaque)
    except Exception as error:  # a damaged file makes Pillow raise anything at all
        raise broken(name) from error


def verify(data: bytes, name: str = "The image") -> ImageInfo:
    """That an image is whole, which takes half the memory of `decode`. Raises ImageError."""
    image = _open(data, name, 0)
    try:
        image.load()
    except Exception as error:  # a damaged file makes Pillow raise anything at all
        raise broken(name) from error
    return probe(data, name)


def decode_grey16(data: bytes, name: str = "The image") -> NDArray[np.uint16]:
    """The values of a 16-bit grey PNG, as `encode_png` writes them: (H, W). Raises ImageError."""
    image = _open(data, name, 4, ours=True)
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
    pixels: NDArray[np.uint8], background: tuple[int, int, int] = _WHITE
) -> NDArray[np.uint8]:
    """(H, W, 4) with straight alpha laid over one colour: (H, W, 3). (H, W, 3) stays as it is."""
    if pixels.shape[2] == 3:
        return pixels
    height, width = pixels.shape[:2]
    out = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        strip = _as_image(pixels[top : top + rows])
        out[top : top + rows] = np.asarray(_laid_over(strip, background))
    return out


def _laid_over(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """An RGBA picture over one color, as RGB."""
    under = Image.new("RGBA", image.size, (*background, 255))
    under.alpha_composite(image)
    return under.convert("RGB")


def thumbnail(data: bytes, side: int = THUMBNAIL_SIDE, name: str = "The image") -> bytes:
    """A small WebP picture of an image file, at most `side` pixels on either side.

    Decodes all of it, so it raises ImageError for a file that is broken anywhere.
    """
    image = _open(data, name, 0)
    try:
        image.load()
        # By boxes first, without ever holding all of it a second time.
        factor = max(1, min(min(image.size), int(max(image.size) / side / 3)))
        image = Image.fromarray(_pixels(image, data, factor))
    except Exception as error:  # a damaged file makes Pillow raise anything at all
        raise broken(name) from error
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return _save(image, "WEBP", quality=82, method=2)


def _open(data: bytes, name: str, more: int, ours: bool = False) -> Image.Image:
    """more: bytes that will be wanted for each pixel besides what the library itself holds."""
    kind, width, height = _stored(data, name)
    if kind == "JPEG" and containers.jpeg_scans(data) > MAX_JPEG_SCANS:
        raise _too_slow(name)
    try:
        containers.check_whole(kind, data)
        held = containers.decoded_bytes(kind, data, width, height)
        if kind == "WEBP":
            more = min(more, 1)  # most of what its decoder holds is free again by then
        if not ours and held + more * width * height > MAX_DECODED_BYTES:
            raise _too_much_memory(name, kind)
        if containers.work(kind, data, width, height) > MAX_WORK:
            raise _too_slow(name)
        image = Image.open(io.BytesIO(data), formats=tuple(FORMATS))
    except ImageError:
        raise
    except Image.DecompressionBombError:  # another add-on allows less than we do
        raise _too_large(name) from None
    except Exception as error:  # a damaged file makes Pillow raise anything at all
        raise broken(name) from error
    if image.size != (width, height):
        raise broken(name)
    return image


def is_srgb(data: bytes) -> bool:
    """Whether the numbers in the file can be taken for sRGB as they are. Raises ImageError."""
    image = _open(data, "The image", 0)
    return Converter(image, containers.read_header(data)[0], data).keeps_colors


def _pixels(
    image: Image.Image, data: bytes, factor: int = 1, opaque: bool = False
) -> NDArray[np.uint8]:
    """An opened picture in sRGB and upright, strip by strip: there is never a second whole one.

    factor: how many pixels become one, on either side. opaque: without transparency, over white.
    """
    width, height = image.size
    rows = max(1, _STRIP_PIXELS // width // factor) * factor
    kind = containers.read_header(data)[0]
    orientation = containers.orientation(kind, data)
    to_srgb = Converter(image, kind, data)
    out = stored = np.empty((0, 0, 0), np.uint8)
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        strip = to_srgb(strip)
        if opaque and strip.mode == "RGBA":
            strip = _laid_over(strip, _WHITE)
        if factor > 1:
            strip = strip.reduce(factor)
        part = np.asarray(strip)
        if top == 0:
            tall = -(-height // factor)
            shape = (part.shape[1], tall) if orientation >= 5 else (tall, part.shape[1])
            out = np.empty((*shape, part.shape[2]), np.uint8)
            stored = _as_stored(out, orientation)
        stored[top // factor : top // factor + part.shape[0]] = part
    return out


def _as_stored(upright: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """A view of an upright picture, turned as EXIF says that the file's rows lie in it."""
    if orientation >= 5:
        upright = upright.transpose(1, 0, 2)
    # Which of the two axes of the stored picture run backwards.
    down, right = _BACKWARDS[orientation]
    return upright[:: -1 if down else 1, :: -1 if right else 1]


_BACKWARDS = {
    1: (False, False),
    2: (False, True),
    3: (True, True),
    4: (True, False),
    5: (False, False),
    6: (True, False),
    7: (True, True),
    8: (False, True),
}


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


def _too_slow(name: str) -> ImageError:
    return ImageError(
        f'"{name}" is made so that opening it takes too long.',
        action="Save it again with another program, or scale it down first.",
    )


def _too_much_memory(name: str, kind: str) -> ImageError:
    return ImageError(
        f'"{name}" needs too much memory to be opened safely.',
        f"At most {MAX_DECODED_BYTES // 2**20} MB are possible.",
        "Scale it down first." if kind != "WEBP" else "Scale it down first, or save it as PNG.",
    )


def _too_large(name: str) -> ImageError:
    return ImageError(
        f'"{name}" has too many pixels to be opened safely.',
        f"At most {MAX_PIXELS // 10**6} million are possible.",
        "Scale it down first.",
    )
