# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenEXR files of floats, as far as a capture needs them, without bpy.

Blender's own ways in and out go through images and compositor nodes: data-blocks in the user's
file, and an API that differs between versions. An uncompressed multilayer file is the same in all.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...core import lazy
from ...core.errors import ImageError, InvalidInput, StorageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = lazy.module("numpy")

_MAGIC = 20000630
_NO_COMPRESSION, _ZIP = 0, 3
_HEADER_BYTES = 1 << 24  # more than the names of all that a scene can have
_ZIP_ROWS = 16  # rows in a block of that compression
_TILED, _DEEP, _MULTIPART = 0x200, 0x800, 0x1000
_TYPES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}


def read_passes(
    path: Path, wanted: Callable[[str], bool] | None = None
) -> dict[str, NDArray[np.float32]]:
    """The passes of an uncompressed multilayer file of one layer: (H, W, channels), top row first.

    Names as in the file, without the layer's ("Depth", "Normal"). Channels are in the order R, G,
    B, A (or r, g, b, a) or X, Y, Z. Raises ImageError.

    wanted: by name, which of them; all if it is not said.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StorageError("What Blender rendered cannot be read.", str(error)) from error
    try:
        return _decode(data, wanted)
    except (struct.error, ValueError, KeyError, IndexError) as error:
        raise ImageError("What Blender rendered cannot be read.", f"({error})") from error


def read_header(path: Path) -> dict[str, bytes]:
    """The attributes of a file, as they are. Raises ImageError."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
        return _header(head, 8)[0]
    except OSError as error:
        raise StorageError("What Blender rendered cannot be read.", str(error)) from error
    except (struct.error, ValueError, IndexError) as error:
        raise ImageError("What Blender rendered cannot be read.", f"({error})") from error


def _decode(
    data: bytes, wanted: Callable[[str], bool] | None = None
) -> dict[str, NDArray[np.float32]]:
    magic, version = struct.unpack_from("<II", data)
    if magic != _MAGIC or version & (_TILED | _DEEP | _MULTIPART):
        raise ValueError("not a plain OpenEXR file")
    header, start = _header(data, 8)
    if header["compression"][0] != _NO_COMPRESSION:
        raise ValueError("compressed")
    left, top, right, bottom = struct.unpack("<4i", header["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    channels = list(_channels(header["channels"]))
    row = np.dtype(
        [("y", "<i4"), ("size", "<i4")]
        + [(f"c{index}", kind, (width,)) for index, (_, kind) in enumerate(channels)]
    )
    # Blocks of one row each; their order in the file is that of the offsets.
    offsets = np.frombuffer(data, "<u8", height, start)
    rows = np.frombuffer(data, row, height, int(offsets.min()))
    order = rows["y"] - top
    if not np.array_equal(np.sort(order), np.arange(height)):
        raise ValueError("rows are missing")
    grouped: dict[str, dict[str, int]] = {}
    for index, (name, _) in enumerate(channels):
        *layer, channel = name.rsplit(".", 2)
        if wanted is not None and not wanted(layer[-1] if layer else ""):
            continue
        grouped.setdefault(layer[-1] if layer else "", {})[channel] = index
    passes = {}
    for name, members in grouped.items():
        channels_ = sorted(
            members, key=lambda channel: ("RGBAXYZWV".find(channel.upper()), channel)
        )
        plane = np.empty((height, width, len(channels_)), np.float32)
        for place, channel in enumerate(channels_):
            plane[order, :, place] = rows[f"c{members[channel]}"]
        passes[name] = plane
    return passes


def _header(data: bytes, at: int) -> tuple[dict[str, bytes], int]:
    attributes = {}
    while data[at]:
        name, at = _text(data, at)
        _, at = _text(data, at)
        (size,) = struct.unpack_from("<i", data, at)
        attributes[name] = data[at + 4 : at + 4 + size]
        at += 4 + size
    return attributes, at + 1


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode("utf-8"), end + 1


def _channels(data: bytes) -> Iterator[tuple[str, np.dtype]]:
    at = 0
    while data[at]:
        name, at = _text(data, at)
        (kind,) = struct.unpack_from("<i", data, at)
        yield name, _TYPES[kind]
        at += 16


def write_exr(path: Path, array: NDArray[np.float32]) -> None:
    """Write (H, W) or (H, W, 3) floats, top row first: a gray (Y) or an RGB file, zipped.

    Raises InvalidInput for another form, StorageError where it cannot be written.
    """
    if array.ndim == 2:
        names = [("Y", array)]
    elif array.ndim == 3 and array.shape[2] == 3:
        # Channels are stored by name.
        names = [(name, array[..., "RGB".index(name)]) for name in "BGR"]
    else:
        raise InvalidInput(f"A picture of {array.shape} cannot be written as OpenEXR.")
    planes = np.stack([np.asarray(plane, "<f4") for _, plane in names], axis=1)  # (H, channels, W)
    try:
        Path(path).write_bytes(_encode([name for name, _ in names], planes))
    except OSError as error:
        raise StorageError(
            f"{Path(path).name} cannot be written.",
            error.strerror or str(error),
            "Choose another folder.",
        ) from error


def _encode(names: list[str], planes: NDArray[np.float32]) -> bytes:
    height, _, width = planes.shape
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    channels = b"".join(
        name.encode() + b"\0" + struct.pack("<iB3xii", 2, 0, 1, 1) for name in names
    )
    attributes = [
        ("channels", "chlist", channels + b"\0"),
        ("compression", "compression", bytes([_ZIP])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
    ]
    header = struct.pack("<II", _MAGIC, 2)
    for name, kind, value in attributes:
        header += name.encode() + b"\0" + kind.encode() + b"\0"
        header += struct.pack("<i", len(value)) + value
    header += b"\0"
    blocks = []
    for row in range(0, height, _ZIP_ROWS):
        plain = planes[row : row + _ZIP_ROWS].tobytes()
        packed = zlib.compress(_predicted(plain), 4)
        body = packed if len(packed) < len(plain) else plain
        blocks.append(struct.pack("<ii", row, len(body)) + body)
    at = len(header) + 8 * len(blocks)
    offsets = []
    for block in blocks:
        offsets.append(struct.pack("<Q", at))
        at += len(block)
    return b"".join([header, *offsets, *blocks])


def _predicted(plain: bytes) -> bytes:
    """What the format does before it zips: even bytes first, then odd ones, then differences."""
    values = np.frombuffer(plain, np.uint8)
    mixed = np.concatenate([values[0::2], values[1::2]])
    mixed[1:] = np.diff(mixed) + np.uint8(128)
    return mixed.tobytes()
