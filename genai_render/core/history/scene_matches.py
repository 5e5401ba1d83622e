# SPDX-License-Identifier: GPL-3.0-or-later
"""How far each image of History is from the scene that it was made of, kept beside its record.

It is found out after the image is safe on the disk, by a thread that nobody waits for: an item may
be without. `match.json` has the figures; `heat.webp` shows where, over the picture in gray.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from .. import lazy
from ..errors import GenAIError
from ..files import storage
from ..image import images
from ..view import scene_match
from ..view.scene_match import Match
from .lineage import view_holder

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from ..view.canvas import Canvas
    from .store import HistoryStore
else:
    np = lazy.module("numpy")
    Image = lazy.module("PIL.Image")

FILE = "match.json"
HEAT = "heat.webp"
SCHEMA = 1
LIMIT = 6.0  # pixels: what an image is marked at unless the user says otherwise
_MOST_BYTES = 1 << 20


def measure(store: HistoryStore, item_id: str, canvas: Canvas, image: bytes) -> Match | None:
    """Compare an image with its view and keep what comes of it. May run in any thread.

    None where there is nothing to go by, or where it could not be kept.
    """
    if canvas.view.source == "image" or canvas.depth_range() is None:
        return None
    try:
        pixels = images.decode(image, "The result")
        found = scene_match.match(canvas, pixels)
        if found is None:
            return None
        folder = store.get(item_id).folder
        storage.replace_file(folder / HEAT, _heat(pixels, found))
        text = json.dumps({"schema": SCHEMA, **found.to_json()}) + "\n"
        storage.replace_file(folder / FILE, text.encode())
    except GenAIError:
        return None  # another shape than its view, or a full disk: the image is safe all the same
    return found


def measure_kept(store: HistoryStore, item_id: str) -> Match | None:
    """The same for an image of History, by the view that it, or what it changes, was made from."""
    seen = view_holder(store.record, item_id)
    canvas = store.canvas(seen) if seen else None
    return None if canvas is None else measure(store, item_id, canvas, store.image(item_id))


def kept(folder: Path) -> Match | None:
    """What was found out about the item of that folder; None where nothing was."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        values = json.loads(storage.read_file(folder / FILE, _MOST_BYTES).decode())
        if isinstance(values, dict) and values.get("schema") == SCHEMA:
            return Match.from_json(values)
    return None


def _heat(pixels: np.ndarray, found: Match) -> bytes:
    """The picture in gray, small, with how far it is off in colors over it."""
    gray = Image.fromarray(np.ascontiguousarray(pixels[..., :3])).convert("L")
    gray.thumbnail((images.THUMBNAIL_SIDE, images.THUMBNAIL_SIDE))
    under = np.asarray(gray.convert("RGB")).astype(np.float32) * np.float32(0.8)
    over = scene_match.heat_picture(found, LIMIT, gray.width, gray.height).astype(np.float32)
    share = over[..., 3:] / np.float32(255)
    mixed = under * (1 - share) + over[..., :3] * share
    return images.encode_webp(mixed.astype(np.uint8), quality=80)
