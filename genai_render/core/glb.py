# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a 3D model in the format GLB may be opened: it came from elsewhere.

Checked is what an importer would trust: that everything lies in the file itself (one that points
to other files could read the user's own), that every range is inside it, that its tree of nodes is
one, and that it is no larger than a scene can take.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from .errors import ImageError
from .image import images
from .media import MediaError

MOST_JSON = 32 * 2**20
MOST_NODES = 20_000
MOST_VALUES = 60_000_000
"""Numbers in all accessors together: some ten million vertices."""
MOST_PIXELS = 8 * 8192 * 8192
MOST_DEPTH = 200

_JSON, _BIN = 0x4E4F534A, 0x004E4942
_PARTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_BYTES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}


def check(data: bytes) -> None:
    """Raises MediaError for one that may not be opened."""
    try:
        document, binary = _chunks(data)
        _check_outside(document)
        views = _views(document, len(binary))
        _check_accessors(document, views)
        _check_images(document, views, binary)
        _check_nodes(document)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise _bad(f"It is damaged ({type(error).__name__}).") from None


def _bad(why: str) -> MediaError:
    return MediaError(
        "The 3D model cannot be opened.", why, "Make it again, or with another model."
    )


def _chunks(data: bytes) -> tuple[Mapping[str, Any], bytes]:
    if len(data) < 20 or data[:4] != b"glTF":
        raise _bad("It is not of the format GLB.")
    version, length = struct.unpack("<II", data[4:12])
    if version != 2 or length > len(data):
        raise _bad("It is cut off or of another version.")
    at, document, binary = 12, None, b""
    while at + 8 <= length:
        size, kind = struct.unpack("<II", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        if at + 8 + size > length:
            raise _bad("It is cut off.")
        if kind == _JSON and document is None:
            if size > MOST_JSON:
                raise _bad("Its description is too large.")
            document = json.loads(body.decode())
        elif kind == _BIN and not binary:
            binary = body
        at += 8 + size
    if not isinstance(document, dict):
        raise _bad("It has no description.")
    return document, binary


def _entries(document: Mapping[str, Any], name: str, most: int = 200_000) -> list[dict[str, Any]]:
    entries = document.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(name)
    if len(entries) > most:
        raise _bad("It has more parts than a scene can take.")
    return entries


def _check_outside(document: Mapping[str, Any]) -> None:
    buffers = _entries(document, "buffers", 1)
    for entry in [*buffers, *_entries(document, "images")]:
        if "uri" in entry:
            raise _bad("It points to a file outside itself.")


def _views(document: Mapping[str, Any], length: int) -> list[tuple[int, int]]:
    views = []
    for entry in _entries(document, "bufferViews"):
        start, size = int(entry.get("byteOffset", 0)), int(entry["byteLength"])
        compressed = "EXT_meshopt_compression" in entry.get("extensions", {})
        if min(start, size) < 0 or entry.get("buffer", 0) != 0 or compressed:
            raise _bad("It has a part that lies elsewhere.")
        if start + size > length:
            raise _bad("It has a part beyond its end.")
        views.append((start, size))
    return views


def _check_accessors(document: Mapping[str, Any], views: list[tuple[int, int]]) -> None:
    total = 0
    for entry in _entries(document, "accessors"):
        count, parts = int(entry["count"]), _PARTS[entry["type"]]
        width = _BYTES[entry["componentType"]] * parts
        total += count * parts
        if count < 0 or total > MOST_VALUES:
            raise _bad("It has too many vertices for a scene.")
        if "bufferView" in entry:
            _, size = views[_index(entry["bufferView"])]
            step = _step(document, entry["bufferView"], width)
            end = int(entry.get("byteOffset", 0)) + (count - 1) * step + width
            if count and end > size:
                raise _bad("It has a part beyond its end.")


def _step(document: Mapping[str, Any], view: int, width: int) -> int:
    step = int(document["bufferViews"][view].get("byteStride", 0) or width)
    if not 0 < step <= 4096:
        raise ValueError("byteStride")
    return step


def _index(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("index")
    return value


def _check_images(document: Mapping[str, Any], views: list[tuple[int, int]], binary: bytes) -> None:
    pixels = 0
    for entry in _entries(document, "images", 500):
        start, size = views[_index(entry["bufferView"])]
        try:
            about = images.probe(binary[start : start + size], "A texture")
        except ImageError as error:
            raise _bad(error.text) from None
        pixels += about.width * about.height
    if pixels > MOST_PIXELS:
        raise _bad("Its textures are too large.")


def _check_nodes(document: Mapping[str, Any]) -> None:
    """That the nodes are a tree: an importer would follow a circle for ever."""
    nodes = _entries(document, "nodes", MOST_NODES)
    parents: dict[int, int] = {}
    for number, entry in enumerate(nodes):
        for child in entry.get("children", ()):
            if child in parents or not 0 <= _index(child) < len(nodes):
                raise _bad("Its nodes are not a tree.")
            parents[child] = number
    for number in range(len(nodes)):
        at, depth = number, 0
        while at in parents:
            at, depth = parents[at], depth + 1
            if depth > MOST_DEPTH:
                raise _bad("Its nodes are not a tree.")
    if not _entries(document, "meshes"):
        raise _bad("There is nothing to see in it.")
