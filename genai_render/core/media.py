# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips and 3D models: what a picture is sent on to, and how bytes are known to be one.

Only the outlines of a file are read here: enough to know what it is, how long it runs and that it
is whole. Whoever opens a 3D model looks closer first (`core.glb`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .errors import InvalidInput

MediaKind = Literal["video", "model"]
KINDS: tuple[str, ...] = ("video", "model")
"""Kinds of request whose result is a file beside the picture."""

FILES = {"clip.mp4": "video/mp4", "clip.webm": "video/webm", "model.glb": "model/gltf-binary"}
"""The names under which such a file lies in an item's folder."""

CONTROL = "control.mp4"
"""The clip that says how the picture is to move."""

MAX_BYTES = 512 * 2**20
_MOST_BOXES = 4000
_CONTAINERS = (b"moov", b"trak", b"mdia")
_GLB = b"glTF"
_WEBM = b"\x1a\x45\xdf\xa3"


class MediaError(InvalidInput):
    """Bytes that are not a usable clip or 3D model."""

    code = "media"


@dataclass(frozen=True, slots=True)
class Media:
    """A clip or a 3D model. seconds: how long a clip runs; 0.0 where its file does not say.

    sound: whether a clip has any; None where its file does not say.
    """

    data: bytes = field(repr=False)
    kind: MediaKind
    name: str
    seconds: float = 0.0
    width: int = 0
    height: int = 0
    sound: bool | None = None

    @property
    def mime(self) -> str:
        return FILES[self.name]

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix


def read(data: bytes, kind: MediaKind, name: str = "The file") -> Media:
    """What the bytes are. Raises MediaError where they are not a whole clip or 3D model."""
    if len(data) > MAX_BYTES:
        raise MediaError(
            f"{name} is too large to be kept.",
            f"It has {len(data) // 2**20} MB.",
            "Make it again, shorter or simpler.",
        )
    if kind == "model":
        return _model(data, name)
    if data.startswith(_WEBM):
        return Media(data, "video", "clip.webm")
    return _mp4(data, name)


def find(folder: Path) -> Path | None:
    """The clip or 3D model in an item's folder."""
    return next((folder / name for name in FILES if (folder / name).is_file()), None)


def _model(data: bytes, name: str) -> Media:
    if not data.startswith(_GLB) or len(data) < 20:
        raise MediaError(f"{name} is not a 3D model in the format GLB.")
    _, version, length = struct.unpack("<4sII", data[:12])
    if version != 2 or length > len(data):
        why = "It is cut off." if length > len(data) else f"It is of version {version}."
        raise MediaError(f"{name} cannot be used.", why)
    return Media(data, "model", "model.glb")


def _mp4(data: bytes, name: str) -> Media:
    if data[4:8] != b"ftyp":
        raise MediaError(f"{name} is not a clip that Blender plays.", "It is not MP4 or WebM.")
    seconds, width, height, sound, parts = 0.0, 0, 0, False, set[bytes]()
    try:
        for kind, start, end in _boxes(data, 0, len(data)):
            body = data[start : min(end, start + 128)]
            parts.add(kind)
            if kind == b"mvhd":
                seconds = _duration(body)
            elif kind == b"tkhd":
                sides = struct.unpack(">II", data[end - 8 : end])
                width, height = max(width, sides[0] >> 16), max(height, sides[1] >> 16)
            elif kind == b"hdlr":
                sound = sound or body[8:12] == b"soun"
    except (struct.error, ValueError) as error:
        raise MediaError(f"{name} is damaged or cut off.", f"({error})") from None
    if not {b"moov", b"mdat"} <= parts:
        raise MediaError(f"{name} is damaged or cut off.", "There are no pictures in it.")
    return Media(data, "video", "clip.mp4", seconds, width, height, sound)


def _duration(body: bytes) -> float:
    if body[0] == 1:
        scale, length = struct.unpack(">IQ", body[20:32])
    else:
        scale, length = struct.unpack(">II", body[12:20])
    return length / scale if scale and length < 2**32 - 1 else 0.0


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two places, and those in them: kind, begin and end of what it holds.

    Raises ValueError for one that does not fit into what it is in.
    """
    pending, number = [(start, end)], 0
    while pending:
        at, last = pending.pop()
        while at + 8 <= last:
            size, kind = struct.unpack(">I4s", data[at : at + 8])
            head = 8
            if size == 1:
                (size,) = struct.unpack(">Q", data[at + 8 : at + 16])
                head = 16
            elif size == 0:
                size = last - at
            number += 1
            if size < head or at + size > last or number > _MOST_BOXES:
                raise ValueError(kind.decode("latin-1"))
            yield kind, at + head, at + size
            if kind in _CONTAINERS:
                pending.append((at + head, at + size))
            at += size
        if at != last and last == end:
            raise ValueError("its end")
