# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files that were made to do harm: they open, or are refused with an error for people."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from genai_render.core.errors import ImageError
from genai_render.core.image import containers, images, metadata
from genai_render.core.image.image_secrets import without_secrets
from genai_render.core.keys.credentials import Secret

KEY = "sk-proj-PICTUREKEY0123456789abcdefghijk"
_SIDES = (0, 1, 2, 255, 4096, 8192, 16_384, 16_385, 65_535, 2**24, 2**31 - 1, 2**32 - 1)


def _good(chance: random.Random) -> bytes:
    width, height = chance.choice(((40, 30), (1, 1), (300, 2), (3, 700), (640, 480)))
    mode = chance.choice(("RGB", "RGBA", "L", "LA", "P", "1", "I;16", "CMYK"))
    kind = "JPEG" if mode == "CMYK" else chance.choice(("PNG", "PNG", "JPEG", "WEBP"))
    if mode == "I;16":
        image = Image.fromarray(np.full((height, width), chance.randrange(65536), np.uint16))
        kind = "PNG"
    else:
        noise = np.frombuffer(chance.randbytes(width * height * 3), np.uint8)
        image = Image.fromarray(noise.reshape(height, width, 3)).convert(mode)
    if kind == "JPEG" and mode in ("RGBA", "LA", "P", "1"):
        image = image.convert("RGB")
    options: dict[str, Any] = {}
    if kind == "PNG" and chance.random() < 0.5:
        info = PngImagePlugin.PngInfo()
        info.add_text("Comment", chance.choice(("hello", "x" * 50_000, KEY)), zip=True)
        info.add_itxt("genai_render", '{"prompt":"a"}', zip=chance.random() < 0.5)
        options["pnginfo"] = info
    if kind == "JPEG" and chance.random() < 0.4:
        options["progressive"] = True
    if kind in ("JPEG", "WEBP") and chance.random() < 0.5:
        exif = Image.Exif()
        exif[0x0112] = chance.randrange(12)
        exif[0x9286] = "ASCII\0\0\0hello"
        options["exif"] = exif
    if chance.random() < 0.2:
        options["icc_profile"] = chance.randbytes(chance.choice((1, 200, 4000)))
    if kind != "JPEG" and chance.random() < 0.15:
        options |= {"save_all": True, "append_images": [image] * chance.choice((1, 30))}
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _flipped(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 12)):
        at = chance.randrange(len(changed) if chance.random() < 0.5 else min(80, len(changed)))
        changed[at] = chance.randrange(256)
    return bytes(changed)


def _sized(chance: random.Random, data: bytes) -> bytes:
    """Another size in the header, and in a PNG the checksum that goes with it."""
    width, height = chance.choice(_SIDES), chance.choice(_SIDES)
    if data.startswith(b"\x89PNG"):
        head = struct.pack(">II", width & 0xFFFFFFFF, height & 0xFFFFFFFF) + data[24:29]
        return data[:8] + containers.png_chunk(b"IHDR", head) + data[33:]
    if data[:4] == b"RIFF" and data[12:16] == b"VP8X":
        sides = b"".join((side & 0xFFFFFF).to_bytes(3, "little") for side in (width, height))
        return data[:24] + sides + data[30:]
    at = next((at for at in (data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) if at > 0), 0)
    if not at:
        return _flipped(chance, data)
    return data[: at + 5] + struct.pack(">HH", height & 0xFFFF, width & 0xFFFF) + data[at + 9 :]


def _bomb(chance: random.Random, _data: bytes) -> bytes:
    """A PNG of honest size and dishonest parts."""
    width, height = chance.choice(((8192, 5600), (16_384, 4000), (8192, 8192), (67_108_864, 1)))
    color = chance.choice((0, 2, 3, 4, 6))
    head = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, chance.choice((0, 1)))
    zeros = zlib.compressobj(1)
    rows = zeros.compress(bytes(2**20)) + zeros.flush(zlib.Z_FULL_FLUSH)
    rows += b"".join(zeros.compress(bytes(2**20)) for _ in range(chance.choice((1, 60, 260))))
    parts = [containers.png_chunk(b"IHDR", head)]
    if color == 3:
        parts.append(containers.png_chunk(b"PLTE", bytes(768)))
    text = zlib.compress(bytes(chance.choice((10, 2**26))))
    parts.append(containers.png_chunk(b"zTXt", b"Comment\0\0" + text))
    parts.append(containers.png_chunk(b"iCCP", b"p\0\0" + text))
    parts.append(containers.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + text))
    parts.append(containers.png_chunk(b"IDAT", rows + zeros.flush()))
    parts.append(containers.png_chunk(b"IEND", b""))
    return containers.PNG_SIGNATURE + b"".join(parts)


def _scans(chance: random.Random, _data: bytes) -> bytes:
    side = chance.choice((64, 2000, 6000))
    buffer = io.BytesIO()
    Image.new("RGB", (side, side)).save(buffer, "JPEG", progressive=True)
    whole = buffer.getvalue()
    at = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[at:-2] * chance.choice((3, 50, 190, 2000)) + whole[-2:]


_HARMS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(_flipped,) * 12,
    *(_sized,) * 6,
    lambda chance, data: data[: chance.randrange(len(data))],
    lambda chance, data: data + chance.randbytes(200),
    lambda _, data: data * 2,
    lambda chance, data: data[:8] + chance.randbytes(len(data)),
    lambda _, data: data,
    _bomb,
    _scans,
)


class Pictures:
    """Files, and everything that is done with files."""

    def one(self, chance: random.Random) -> str:
        data = chance.choice(_HARMS)(chance, _good(chance))
        asked = metadata.Metadata({"prompt": "a"}, metadata.TRAINED)
        for look in (
            images.probe,
            images.verify,
            images.decode,
            images.thumbnail,
            metadata.read_metadata,
            lambda data: metadata.embed(data, asked),
            lambda data: metadata.convert(data, "jpeg", 90, asked),
            without_secrets,
        ):
            try:
                look(data)
            except ImageError as error:
                if not error.what:
                    return "words: none"
        return ""


@contextlib.contextmanager
def harm() -> Iterator[Pictures]:
    Secret(KEY)
    yield Pictures()
