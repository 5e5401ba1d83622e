# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's image as it may leave this computer: upright, sRGB, 8 bits, and nothing but the picture.

Where the pixels can stay as they are, only what stands around them is taken out (the place where
a photo was taken, its thumbnail, the film behind it), and they are never encoded again. A PNG or
JPEG that has nothing else in it goes byte for byte.
"""

from __future__ import annotations

import hashlib
import struct
import threading
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

from .image import containers, images

if TYPE_CHECKING:
    from .request import RenderRequest

_JPEG_QUALITY = 95
_KEPT = 6
_PNG_CHUNKS = (b"IHDR", b"IDAT", b"IEND", b"sRGB")
_WEBP_CHUNKS = (b"VP8X", b"ALPH", b"VP8 ", b"VP8L")
_WEBP_ANIMATED, _WEBP_ABOUT = 0x02, 0x20 | 0x08 | 0x04  # ICC profile, EXIF, XMP

# By what they are made from; None where that is plain already. The frames of a batch share their
# references, and a request is looked at more than once.
_known: OrderedDict[str, bytes | None] = OrderedDict()
_lock = threading.Lock()


def plain(data: bytes, name: str = "The image") -> bytes:
    """The image as it is sent. Raises ImageError for one that is broken."""
    digest = hashlib.sha256(data).hexdigest()
    with _lock:
        if digest in _known:
            _known.move_to_end(digest)
            return _known[digest] or data
    made = _made(data, name)
    with _lock:
        _known[digest] = None if made == data else made
        while len(_known) > _KEPT:
            _known.popitem(last=False)
    return data if made == data else made


def sendable(request: RenderRequest) -> RenderRequest:
    """The request with all images of the user's as they are sent: what a backend measures, masks
    and sends. The same request where they are so already."""
    changes: dict[str, bytes] = {}
    for part in ("source", "mask", "markup"):  # a clip to follow was made here
        data = getattr(request, part)
        if data is not None and (made := plain(data, part)) != data:
            changes[part] = made
    references = tuple(
        each if (made := plain(each.data, each.name)) == each.data else replace(each, data=made)
        for each in request.references
    )
    if not changes and references == request.references:
        return request
    return request.with_(references=references, **changes)


def _made(data: bytes, name: str) -> bytes:
    info = images.probe(data, name)
    kind = info.format.upper()
    if containers.orientation(kind, data) == 1 and images.is_srgb(data):
        stripped = {"PNG": _png, "JPEG": _jpeg, "WEBP": _webp}[kind]
        try:
            bare = stripped(data)
        except containers.Malformed as error:
            raise images.broken(name) from error
        if bare is not None:
            images.verify(bare, name)
            return bare
    pixels = images.decode(data, name)
    lossy = kind == "JPEG" or (kind == "WEBP" and b"VP8L" not in data[:64])
    if lossy and pixels.shape[2] == 3:
        return images.encode_jpeg(pixels, _JPEG_QUALITY)
    return images.encode_png(pixels)


def _png(data: bytes) -> bytes | None:
    """None for one whose pixels are of another kind than 8 bits of grey, RGB or RGBA."""
    depth, color = data[24], data[25]
    if depth != 8 or color not in (0, 2, 6):
        return None
    kept = [data[:8]]
    for name, _, where in containers.png_chunks(data):
        if name in (b"tRNS", b"acTL"):  # a color that stands for transparency, an animation
            return None
        if name in _PNG_CHUNKS:
            kept.append(data[where])
    return b"".join(kept)


def _jpeg(data: bytes) -> bytes | None:
    kept, at = [data[:2]], 2
    for marker, body, where in containers.jpeg_segments(data):
        at = where.start
        if marker in (0xDA, 0xD9):
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and body[0] != 8:
            return None
        # JFIF without a thumbnail, and Adobe's word of how its colors are meant.
        of_pixels = (marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) == 14) or (
            marker == 0xEE and body.startswith(b"Adobe")
        )
        about = marker == 0xFE or 0xE0 <= marker <= 0xEF
        if of_pixels or not about:
            kept.append(data[where])
    for marker, where in containers.jpeg_after_pixels(data):
        if marker == 0xFE or 0xE0 <= marker <= 0xEF:
            kept.append(data[at : where.start])
            at = where.stop
    kept.append(data[at : containers.jpeg_end(data)])
    return b"".join(kept)


def _webp(data: bytes) -> bytes | None:
    kept = []
    for name, body, where in containers.webp_chunks(data):
        if name not in _WEBP_CHUNKS:
            continue
        piece = data[where]
        if name == b"VP8X":
            if body[0] & _WEBP_ANIMATED:
                return None
            piece = containers.webp_chunk(name, bytes([body[0] & ~_WEBP_ABOUT]) + body[1:])
        kept.append(piece)
    whole = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(whole)) + whole
