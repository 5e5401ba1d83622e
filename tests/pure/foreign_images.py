# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as phones, cameras and painting programs write them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from genai_render.core.image import containers

ORIENTATION = 0x0112
PLACE = b"N 48 12"
"""What stands in the files of `photo` and must not be in what is sent."""


def upright(width: int = 40, height: int = 24) -> np.ndarray:
    """A picture that shows which way is up: bright above, red to the left."""
    rows, columns = np.mgrid[0:height, 0:width]
    made = np.empty((height, width, 3), np.uint8)
    made[..., 0] = 250 - 200 * columns / width
    made[..., 1] = made[..., 2] = 230 - 200 * rows / height
    return made


def saved(pixels: Any, kind: str, **more: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **more)
    return buffer.getvalue()


def photo(kind: str = "JPEG", orientation: int = 6, **more: Any) -> bytes:
    """A phone's: it lies on its side, says where it was taken, and has a thumbnail in it."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[0x010F] = "Phone"
    exif.get_ifd(0x8825)[29] = PLACE.decode()  # the GPS date, as a text of our own
    stored = upright().transpose(1, 0, 2)[::-1] if orientation == 6 else upright()
    return saved(stored, kind, exif=exif, **{"quality": 95, **more})


def deep_png() -> bytes:
    """16 bits a channel, which Pillow cannot write."""
    wide = upright().astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    height, width = wide.shape[:2]
    return b"".join(
        (
            containers.PNG_SIGNATURE,
            containers.png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)),
            containers.png_chunk(b"tEXt", b"Comment\0" + PLACE),
            containers.png_chunk(b"IDAT", zlib.compress(rows)),
            containers.png_chunk(b"IEND", b""),
        )
    )


def display_p3() -> bytes:
    """An ICC profile with Display P3's primaries and a gamma of 2.2."""
    fixed = _fixed
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 8) + b"Wide RGB" + b"\0" * 79,
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249),
        b"rXYZ": b"XYZ \0\0\0\0" + fixed(0.5151, 0.2412, -0.0011),
        b"gXYZ": b"XYZ \0\0\0\0" + fixed(0.2920, 0.6922, 0.0419),
        b"bXYZ": b"XYZ \0\0\0\0" + fixed(0.1571, 0.0666, 0.7841),
        b"rTRC": b"curv\0\0\0\0" + struct.pack(">IH", 1, 563) + b"\0\0",
    }
    tags[b"gTRC"] = tags[b"bTRC"] = tags[b"rTRC"]
    return _profile(b"RGB ", tags)


def linear_gray() -> bytes:
    """An ICC profile for gray whose numbers are light: 128 is half of white."""
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 12) + b"Linear gray\0" + b"\0" * 79,
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(0.9642, 1.0, 0.8249),
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">I", 0),
    }
    return _profile(b"GRAY", tags)


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    head = struct.pack(
        ">I4sI4s4s4s12s4s4sI4s4sQI", start + len(body), b"lcms", 0x02400000, b"mntr", space,
        b"XYZ ", b"\x07\xea\0\1\0\1\0\0\0\0\0\0", b"acsp", b"APPL", 0, b"\0" * 4, b"\0" * 4, 0, 0,
    )  # fmt: skip
    head += _fixed(0.9642, 1.0, 0.8249)
    return head + b"\0" * (128 - len(head)) + struct.pack(">I", len(tags)) + table + body
