# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as files: open what others made safely, write ours with their metadata."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from .errors import ImageError, StorageError

MAX_FILE_BYTES = 100 * 1024 * 1024
MAX_PIXELS = 8192 * 8192
FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


@dataclass(frozen=True, slots=True)
class ImageInfo:
    mime: str
    width: int
    height: int


def read_file(path: Path) -> bytes:
    """The bytes of a file that is no larger than an image may be.

    Raises StorageError if it cannot be read, ImageError if it is too large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ImageError(
                f'"{path.name}" is too large: {size // 2**20} MB.',
                action=f"Use an image of at most {MAX_FILE_BYTES // 2**20} MB.",
            )
        return path.read_bytes()
    except OSError as error:
        raise StorageError(
            f'"{path}" cannot be read.', f"{error.strerror}.", "Check the path."
        ) from error


def probe(data: bytes, name: str = "The image") -> ImageInfo:
    """What kind of image it is, from its header, without decoding its pixels. Raises ImageError."""
    if not data:
        raise ImageError(f'"{name}" is empty.', action="Choose another image.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=tuple(FORMATS)) as image:
                kind, (width, height) = str(image.format), image.size
    except Image.DecompressionBombError:
        raise _too_large(name) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise ImageError(
            f'"{name}" is not an image that can be read.',
            "It must be a PNG, JPEG or WebP file.",
            "Choose another image.",
        ) from error
    if width * height > MAX_PIXELS:
        raise _too_large(name)
    return ImageInfo(FORMATS[kind], width, height)


def _too_large(name: str) -> ImageError:
    return ImageError(
        f'"{name}" has too many pixels to be opened safely.',
        f"At most {MAX_PIXELS // 10**6} million are possible.",
        "Scale it down first.",
    )
