# SPDX-License-Identifier: GPL-3.0-or-later
"""How PNG, JPEG and WebP files are built: their size and their parts, without decoding a pixel.

Every function raises ValueError, IndexError or struct.error (`Malformed`) for a file that is not
built so.
"""

from __future__ import annotations

import contextlib
import re
import struct
import zlib
from collections.abc import Iterator

Malformed = (ValueError, IndexError, struct.error)

MAX_PARTS = 100_000  # what a file is made of; more would only be there to take our time

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def read_header(data: bytes) -> tuple[str, int, int]:
    """Format, width and height from the first bytes. Raises ValueError for anything else."""
    if data.startswith(PNG_SIGNATURE):
        if data[12:16] != b"IHDR":
            raise ValueError("no IHDR")
        return ("PNG", *struct.unpack(">II", data[16:24]))
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return ("WEBP", *_webp_size(data))
    if data.startswith(b"\xff\xd8\xff"):
        return ("JPEG", *_jpeg_size(data))
    raise ValueError("unknown signature")


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return (
            1 + int.from_bytes(data[24:27], "little"),
            1 + int.from_bytes(data[27:30], "little"),
        )
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError("unknown WebP chunk")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    for marker, body, _ in jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", body[1:5])
            return width, height
    raise ValueError("no frame header")


def orientation(kind: str, data: bytes) -> int:
    """EXIF's: 1 for a picture that is upright as it lies in the file, or that says nothing of use.

    Looked for without copying the pixels.
    """
    try:
        return _tiff_orientation(
            {"PNG": _png_exif, "JPEG": _jpeg_exif, "WEBP": _webp_exif}[kind](data)
        )
    except Malformed:
        return 1


def _tiff_orientation(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    at = struct.unpack_from(f"{order}I", tiff, 4)[0]
    for entry in range(min(struct.unpack_from(f"{order}H", tiff, at)[0], 1000)):
        tag, kind = struct.unpack_from(f"{order}HH", tiff, at + 2 + 12 * entry)
        if tag == 0x0112 and kind == 3:
            value = struct.unpack_from(f"{order}H", tiff, at + 10 + 12 * entry)[0]
            return int(value) if 1 <= value <= 8 else 1
    return 1


def _without_mark(body: bytes) -> bytes:
    return body.removeprefix(b"Exif\0\0")


def _png_exif(data: bytes) -> bytes:
    at = 8
    for _ in range(MAX_PARTS):
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"eXIf":
            return _without_mark(data[at + 8 : at + 8 + length])
        if name == b"IEND":
            break
        at += 12 + length
    return b""


def _jpeg_exif(data: bytes) -> bytes:
    for marker, body, _ in jpeg_segments(data):
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            return _without_mark(body)
    return b""


def _webp_exif(data: bytes) -> bytes:
    if data[12:16] != b"VP8X" or not data[20] & 0x08:
        return b""
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        if name == b"EXIF":
            return _without_mark(data[at + 8 : at + 8 + length])
        at += 8 + length + (length & 1)
    return b""


def decoded_bytes(kind: str, data: bytes, width: int, height: int) -> int:
    """What the picture library holds at most while it opens the file."""
    per_pixel = {"PNG": _png_pixel, "JPEG": _jpeg_pixel, "WEBP": lambda _: 16.0}[kind](data)
    return int(width * height * per_pixel)


def work(kind: str, data: bytes, width: int, height: int) -> int:
    """How many pixels are gone through to open it: a JPEG's as often as it has scans."""
    return width * height * (max(1, jpeg_scans(data)) if kind == "JPEG" else 1)


def _png_pixel(data: bytes) -> float:
    depth, color = data[24], data[25]
    held = 4.0
    if color in (0, 3):  # grey, or a palette
        held = 2.0 if depth == 16 else 1.0
    animated = any(name == b"acTL" for name, _, _ in png_chunks(data))
    return held * 3 if animated else held


def _jpeg_pixel(data: bytes) -> float:
    """A progressive one keeps all its coefficients, of two bytes each, until it is whole."""
    for marker, body, _ in jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            several = marker in (0xC2, 0xC6, 0xCA, 0xCE) or jpeg_scans(data) > 1
            samples = [body[at + 1] for at in range(6, 6 + 3 * body[5], 3)]
            most = max(s >> 4 for s in samples) * max(s & 15 for s in samples)
            share = sum((s >> 4) * (s & 15) for s in samples) / most if most else len(samples)
            return 4.0 + (2.0 * share if several else 0.0)
    raise ValueError("no frame header")


def check_whole(kind: str, data: bytes) -> None:
    """Raise ValueError for a file whose end is missing, or a PNG whose checksums are wrong.

    The picture library can be told by any other add-on to be lenient about both.
    """
    if kind == "PNG":
        for name, body, where in png_chunks(data):
            checksum = int.from_bytes(data[where.stop - 4 : where.stop], "big")
            if name[:1].isupper() and zlib.crc32(body, zlib.crc32(name)) != checksum:
                raise ValueError("wrong checksum")
    elif kind == "WEBP":
        for _ in webp_chunks(data):
            pass
    else:
        jpeg_end(data)


# ---- PNG -----------------------------------------------------------------------------------------


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, slice]]:
    """(kind, body, where the whole chunk is). Raises ValueError if the file is cut off."""
    at = 8
    for _ in range(MAX_PARTS):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        end = at + 12 + length
        if end > len(data):
            raise ValueError("cut off")
        yield kind, data[at + 8 : end - 4], slice(at, end)
        if kind == b"IEND":
            return
        at = end
    raise ValueError("too many chunks")


def png_code_points(data: bytes) -> tuple[int, int, int, int] | None:
    """A PNG's cICP: primaries, transfer, matrix, full range (ITU-T H.273); None without one.

    It stands before the pixels (PNG specification, third edition).
    """
    for kind, body, _ in png_chunks(data):
        if kind == b"cICP" and len(body) == 4:
            return body[0], body[1], body[2], body[3]
        if kind == b"IDAT":
            break
    return None


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


# ---- JPEG ----------------------------------------------------------------------------------------


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes, slice]]:
    """(marker, body, where the whole segment is) of all that comes before the pixels."""
    at = 2
    for _ in range(MAX_PARTS):
        if data[at] != 0xFF:
            raise ValueError("no marker")
        marker = data[at + 1]
        if marker in (0xDA, 0xD9):
            yield marker, b"", slice(at, at)
            return
        if marker == 0xFF:  # padding
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # these have no length
            at += 2
        else:
            length = int(struct.unpack(">H", data[at + 2 : at + 4])[0])
            end = at + 2 + length
            if length < 2 or end > len(data):
                raise ValueError("cut off")
            yield marker, data[at + 4 : end], slice(at, end)
            at = end
    raise ValueError("too many segments")


_IN_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
"""A marker between the pixels: neither a byte that only looks like one nor a restart."""


def jpeg_after_pixels(data: bytes) -> Iterator[tuple[int, slice]]:
    """(marker, where it is with its body) from the first scan on, to the end of the picture.

    A scan's pixels belong to none. What a camera puts behind the end, such as a film or a second
    picture, is not looked at. Raises ValueError where the end is missing.
    """
    at = 0
    for marker, _, where in jpeg_segments(data):
        if marker == 0xDA:
            at = where.start
    for _ in range(MAX_PARTS):
        found = _IN_SCAN.search(data, at)
        if at == 0 or found is None:
            raise ValueError("no end")
        begin, marker = found.end() - 2, data[found.end() - 1]
        at = found.end()
        if marker not in (0xD9, 0x01):
            at += int(struct.unpack_from(">H", data, at)[0])
        yield marker, slice(begin, at)
        if marker == 0xD9:
            return
    raise ValueError("too many segments")


def jpeg_end(data: bytes) -> int:
    """Where the picture is over. Raises ValueError where its end is missing."""
    *_, (_, where) = jpeg_after_pixels(data)
    return where.stop


def jpeg_scans(data: bytes) -> int:
    """How often its pixels are gone through: several times in a progressive one."""
    count = 0
    with contextlib.suppress(*Malformed):
        for marker, _ in jpeg_after_pixels(data):
            count += marker == 0xDA
    return count


def jpeg_segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


# ---- WebP ----------------------------------------------------------------------------------------


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, slice]]:
    """(kind, body, where the whole chunk with its padding is)."""
    total = 8 + int(struct.unpack("<I", data[4:8])[0])
    if total > len(data):
        raise ValueError("cut off")
    at = 12
    for _ in range(MAX_PARTS):
        if at + 8 > total:
            return
        kind, length = struct.unpack("<4sI", data[at : at + 8])
        end = at + 8 + length
        if end > total:
            raise ValueError("cut off")
        yield kind, data[at + 8 : end], slice(at, min(end + (length & 1), total))
        at = end + (length & 1)


def webp_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(body)) + body + b"\0" * (len(body) & 1)
