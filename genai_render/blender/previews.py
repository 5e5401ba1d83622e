# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures in the panel: loaded when they are first shown, freed when they have not been lately."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy.utils.previews
import numpy as np
from numpy.typing import NDArray

from ..core.catalog import DATA, Style

KEPT_PICTURES = 160

_styles: Any = None
_pictures: Any = None
_canvas: Any = None


def style_icon(style: Style) -> int:
    """The icon of a style's picture; 0 where it has none."""
    global _styles
    if not style.preview:
        return 0
    if _styles is None:
        _styles = bpy.utils.previews.new()
    if style.id not in _styles:
        path = DATA / style.preview
        if not path.is_file():
            return 0
        _styles.load(style.id, str(path), "IMAGE")
    return _styles[style.id].icon_id


def picture_icon(key: str, path: Path | None) -> int:
    """The icon of a picture file; 0 where there is none. Blender reads it when it draws it."""
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
        found = _pictures.load(key, str(path), "IMAGE")
    else:
        dict.__setitem__(_pictures, key, found)  # to the end: used last, freed last
    return found.icon_id


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
    global _styles, _pictures, _canvas
    for collection in (_styles, _pictures, _canvas):
        if collection is not None:
            bpy.utils.previews.remove(collection)
    _styles = _pictures = _canvas = None


def register() -> None:
    pass


def unregister() -> None:
    free()
