# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures in the panel: loaded when they are first shown, freed when they have not been lately.

A thread decodes them: Blender would do so while it draws, and write a copy of each to its cache.
"""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews
import numpy as np
from numpy.typing import NDArray

from ...core import images
from ...core.catalog import Style
from ...core.errors import GenAIError
from .. import redraw

KEPT_PICTURES = 160
_SIDE = 256  # pixels, of a picture in the panel

_styles: Any = None
_pictures: Any = None
_canvas: Any = None
_wanted: queue.SimpleQueue[tuple[str, Path] | None] = queue.SimpleQueue()
_decoded: queue.SimpleQueue[tuple[str, NDArray[np.float32] | None]] = queue.SimpleQueue()
_waiting: set[str] = set()
_thread: threading.Thread | None = None


def style_icon(style: Style) -> int:
    """The icon of a style's picture; 0 where it has none."""
    global _styles
    path = style.preview_path
    if path is None:
        return 0
    if _styles is None:
        _styles = bpy.utils.previews.new()
    if style.id not in _styles:
        if not path.is_file():
            return 0
        _styles.load(style.id, str(path), "IMAGE")
    return _styles[style.id].icon_id


def picture_icon(key: str, path: Path | None, at_once: bool = False) -> int:
    """The icon of a picture file, empty until it has been read; 0 where there is none.

    at_once: Blender reads it when it draws it, as pop-ups need, which are not drawn again.
    """
    global _pictures
    if path is None:
        return 0
    if _pictures is None:
        _pictures = bpy.utils.previews.new()
    found = _pictures.pop(key, None)
    if found is None:
        if not path.is_file():
            return 0
        while len(_pictures) >= KEPT_PICTURES:
            del _pictures[next(iter(_pictures))]
        if at_once:
            found = _pictures.load(key, str(path), "IMAGE")
        else:
            found = _pictures.new(key)
            _read(key, path)
    else:
        dict.__setitem__(_pictures, key, found)  # to the end: used last, freed last
    return found.icon_id


def _read(key: str, path: Path) -> None:
    global _thread
    if _thread is None:
        _thread = threading.Thread(target=_decode, name="genai-previews", daemon=True)
        _thread.start()
    _waiting.add(key)
    _wanted.put((key, path))
    if not bpy.app.timers.is_registered(_take_decoded):
        bpy.app.timers.register(_take_decoded, first_interval=0.02, persistent=True)


def _decode() -> None:
    """In the thread, until it is told to end."""
    from PIL import Image

    while (task := _wanted.get()) is not None:
        key, path = task
        try:
            pixels = images.decode(images.read_file(path), path.name)
            picture = Image.fromarray(pixels).convert("RGBA")
            picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
            upside_down = np.asarray(picture)[::-1].astype(np.float32)
            _decoded.put((key, upside_down / np.float32(255)))
        except GenAIError:
            _decoded.put((key, None))


def _take_decoded() -> float | None:
    while not _decoded.empty():
        key, floats = _decoded.get()
        _waiting.discard(key)
        if floats is None or _pictures is None or key not in _pictures:
            continue
        preview = _pictures[key]
        preview.image_size = floats.shape[1], floats.shape[0]
        preview.image_pixels_float.foreach_set(floats.ravel())
        redraw.sidebars()
    return 0.02 if _waiting else None


def canvas_icon() -> int:
    """The icon of the live view; 0 before there is one."""
    return 0 if _canvas is None or "canvas" not in _canvas else _canvas["canvas"].icon_id


def set_canvas(pixels: NDArray[np.uint8]) -> None:
    """(H, W, 4) uint8, row 0 on top, becomes the picture of the live view."""
    global _canvas
    if _canvas is None:
        _canvas = bpy.utils.previews.new()
    preview = _canvas["canvas"] if "canvas" in _canvas else _canvas.new("canvas")
    height, width = pixels.shape[:2]
    if tuple(preview.image_size) != (width, height):
        preview.image_size = (width, height)
    upside_down = np.ascontiguousarray(pixels[::-1], np.float32) / 255
    preview.image_pixels_float.foreach_set(upside_down.ravel())


def shown_pictures() -> int:
    """How many pictures are held now."""
    return 0 if _pictures is None else len(_pictures)


def free() -> None:
    global _styles, _pictures, _canvas, _thread
    if bpy.app.timers.is_registered(_take_decoded):
        bpy.app.timers.unregister(_take_decoded)
    if _thread is not None:
        while not _wanted.empty():
            _wanted.get()
        _wanted.put(None)
        _thread.join(5)
        _thread = None
    _waiting.clear()
    for collection in (_styles, _pictures, _canvas):
        if collection is not None:
            bpy.utils.previews.remove(collection)
    _styles = _pictures = _canvas = None


def register() -> None:
    pass


def unregister() -> None:
    free()
