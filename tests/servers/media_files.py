# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips and 3D models as small as they can be: with all that tells what they are, and no pictures
in the clip."""

from __future__ import annotations

import json
import struct
from typing import Any


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def clip(seconds: float = 8.0, width: int = 1280, height: int = 720, sound: bool = True) -> bytes:
    """An MP4 (ISO/IEC 14496-12): its tables say how long and large it is."""
    mvhd = box(b"mvhd", struct.pack(">5I", 0, 0, 0, 1000, round(seconds * 1000)), bytes(80))
    picture = _track(b"vide", width, height)
    tracks = [picture, _track(b"soun", 0, 0)] if sound else [picture]
    return (
        box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2avc1mp41")
        + box(b"moov", mvhd, *tracks)
        + box(b"mdat", bytes(2000))
    )


def _track(kind: bytes, width: int, height: int) -> bytes:
    tkhd = box(b"tkhd", bytes(76), struct.pack(">II", width << 16, height << 16))
    hdlr = box(b"hdlr", bytes(8), kind, bytes(13))
    return box(b"trak", tkhd, box(b"mdia", hdlr))


def model(document: dict[str, Any] | None = None, binary: bytes | None = None) -> bytes:
    """A GLB (glTF 2.0): a box of 2 × 1 × 4 metres, or what the document says."""
    points = [(x, y, z) for x in (-1.0, 1.0) for y in (-0.5, 0.5) for z in (-2.0, 2.0)]
    faces = (0, 1, 3, 0, 3, 2, 4, 6, 7, 4, 7, 5, 0, 4, 5, 0, 5, 1, 2, 3, 7, 2, 7, 6)
    faces += (0, 2, 6, 0, 6, 4, 1, 5, 7, 1, 7, 3)
    own = b"".join(struct.pack("<3f", *point) for point in points)
    own += struct.pack(f"<{len(faces)}H", *faces)
    binary = own if binary is None else binary
    if document is None:
        document = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0, "name": "Box"}],
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
            "accessors": [
                {
                    **{"bufferView": 0, "componentType": 5126, "count": 8, "type": "VEC3"},
                    **{"min": [-1.0, -0.5, -2.0], "max": [1.0, 0.5, 2.0]},
                },
                {"bufferView": 1, "componentType": 5123, "count": len(faces), "type": "SCALAR"},
            ],
            "bufferViews": [
                {"buffer": 0, "byteOffset": 0, "byteLength": 96},
                {"buffer": 0, "byteOffset": 96, "byteLength": len(faces) * 2},
            ],
            "buffers": [{"byteLength": len(own)}],
        }
    told = json.dumps(document).encode()
    told += b" " * (-len(told) % 4)
    packed = binary + bytes(-len(binary) % 4)
    chunks = struct.pack("<I4s", len(told), b"JSON") + told
    chunks += struct.pack("<I4s", len(packed), b"BIN\0") + packed
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
