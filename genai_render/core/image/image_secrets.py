# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys in what an image file says about itself: a server may have written one there.

Only a part that holds one is taken out; the pixels and all else stay, byte for byte.
"""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

from ..keys import known_secrets
from . import containers, images

_SHORTEST = 8  # a shorter word stands in many a program's name
_MAX_UNPACKED = 2**22
# What the picture itself is made of.
_PIXELS = {
    "PNG": (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT"),
    "WEBP": (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"),
}
_WEBP_FLAGS = {b"EXIF": 0x08, b"XMP ": 0x04, b"ICCP": 0x20}


def without_secrets(data: bytes) -> bytes:
    """The same file where no key stands in it. Raises ImageError for what is no image."""
    if not known_secrets.any_known():
        return data
    kind = images.probe(data).format.upper()
    clean = {"PNG": _png, "JPEG": _jpeg, "WEBP": _webp}[kind]
    try:
        return clean(data)
    except containers.Malformed as error:
        raise images.broken("The image") from error


def _holds(body: bytes) -> bool:
    """As text of one byte or of two a character, as it is or packed."""
    texts = [body.decode("latin-1")]
    for at in _packed_places(body):
        unpacker = zlib.decompressobj()
        try:
            texts.append(unpacker.decompress(body[at:], _MAX_UNPACKED).decode("latin-1"))
        except zlib.error:
            continue
    return any(known_secrets.holds(text, _SHORTEST) for text in texts)


def _packed_places(body: bytes) -> list[int]:
    """Where something packed by zlib may begin."""
    places, at = [], body.find(b"\x78")
    while at >= 0 and len(places) < 64:
        if body[at : at + 2] in (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"):
            places.append(at)
        at = body.find(b"\x78", at + 1)
    return places


def _png(data: bytes) -> bytes:
    kept, end = [data[:8]], len(data)
    for name, body, where in containers.png_chunks(data):
        end = where.stop
        if name in _PIXELS["PNG"] or not _holds(name + b" " + body):
            kept.append(data[where])
    rest = data[end:]
    return b"".join([*kept, b"" if _holds(rest) else rest])


def _jpeg(data: bytes) -> bytes:
    kept, at = [], 0
    for marker, body, where in containers.jpeg_segments(data):
        described = marker == 0xFE or 0xE0 <= marker <= 0xEF
        if described and _holds(body):
            kept.append(data[at : where.start])
            at = where.stop
    made = b"".join([*kept, data[at:]])
    end = made.rfind(b"\xff\xd9") + 2
    return made[:end] if _holds(made[end:]) else _scans_clean(made)


def _scans_clean(data: bytes) -> bytes:
    """A remark may also stand between the scans; then what holds the pixels is written again."""
    begin = data.find(b"\xff\xda")
    at = data.find(b"\xff\xfe", begin)
    while at >= 0:
        length = int(struct.unpack(">H", data[at + 2 : at + 4])[0]) if at + 4 <= len(data) else 0
        if _holds(data[at + 4 : at + 2 + length]):
            made = io.BytesIO()
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
                image.save(made, "JPEG", quality=97, subsampling=0)
            return made.getvalue()
        at = data.find(b"\xff\xfe", at + 2)
    return data


def _webp(data: bytes) -> bytes:
    total = 8 + int(struct.unpack("<I", data[4:8])[0])
    kept, gone = [], 0
    for name, body, where in containers.webp_chunks(data):
        if name not in _PIXELS["WEBP"] and _holds(name + b" " + body):
            gone |= _WEBP_FLAGS.get(name, 0)
            continue
        kept.append((name, body, data[where]))
    whole = [
        containers.webp_chunk(name, bytes([body[0] & ~gone]) + body[1:])
        if name == b"VP8X"
        else piece
        for name, body, piece in kept
    ]
    rest = data[total:]
    body = b"WEBP" + b"".join(whole)
    made = b"RIFF" + struct.pack("<I", len(body)) + body
    return made + (b"" if _holds(rest) else rest)
