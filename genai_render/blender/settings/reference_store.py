# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference pictures by content: the user's original stays whole when its file is deleted."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import bpy

from ...core.errors import NotFound
from ...core.files import storage
from ...core.image import images
from ...core.request import Reference
from ..addon import user_folder

_DIGEST = re.compile(r"[0-9a-f]{64}")


def keep(data: bytes, name: str) -> str:
    """Keep a picture's file and give the digest it is found by.

    Raises ImageError for what is not a usable picture, StorageError if it cannot be kept.
    """
    info = images.probe(data, name)
    images.decode(data, name)  # broken files are refused now, not when an image is wanted
    digest = hashlib.sha256(data).hexdigest()
    folder = user_folder("references")
    path = folder / f"{digest}{info.suffix}"
    if not path.exists():
        storage.replace_file(path, data)
    return digest


def path_of(digest: str) -> Path | None:
    """Where a picture is kept; None where this computer does not have it."""
    if not _DIGEST.fullmatch(digest):
        return None
    folder = user_folder("references", create=False)
    for suffix in images.SUFFIXES.values():
        path = folder / f"{digest}{suffix}"
        if path.exists():
            return path
    return None


def load(slot: Any) -> Reference:
    """The reference in a slot. Raises NotFound if its picture is not on this computer."""
    path = path_of(slot.digest)
    if path is None:
        raise NotFound(
            f'The reference picture "{slot.file_name}" is not on this computer.',
            "This file was saved on another one.",
            "Choose the picture again.",
        )
    return Reference(images.read_file(path), slot.file_name, slot.role, slot.weight)


def fill(slot: Any, data: bytes, name: str, role: str = "", weight: float | None = None) -> None:
    """Put a picture into a slot. Raises like `keep`."""
    slot.digest = keep(data, name)
    slot.file_name = bpy.path.basename(name)
    if role:
        slot.role = role
    if weight is not None:
        slot.weight = weight


def clear(slot: Any) -> None:
    slot.digest = ""
    slot.file_name = ""


def swap(one: Any, other: Any) -> None:
    for name in ("digest", "file_name", "role", "weight"):
        first, second = getattr(one, name), getattr(other, name)
        setattr(one, name, second)
        setattr(other, name, first)
