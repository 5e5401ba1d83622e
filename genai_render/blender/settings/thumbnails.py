# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures in the panel: loaded when they are first shown, freed when they have not been lately.

They are decoded in the background: Blender would do so while it draws, and write a copy of each
to its cache.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
import bpy.utils.previews

from ...core import lazy
from ...core.errors import GenAIError
from ...core.image import images
from .. import addon, background, redraw

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...core.models.catalog import Style
else:
    np = lazy.module("numpy")

KEPT_PICTURES = 160
LANE = "previews"
_SIDE = 256  # pixels, of a picture in the panel


class Thumbnails:
    """Blender's previews of ours: of styles, of pictures by key, and of the live view."""

    def __init__(self) -> None:
        self._styles: Any = None
        self.pictures: Any = None
        self._canvas: Any = None

    def style(self, path: Path) -> int:
        key = str(path)
        if self._styles is None:
            self._styles = bpy.utils.previews.new()
        if key not in self._styles:
            if not path.is_file():
                return 0
            self._styles.load(key, key, "IMAGE")
        return self._styles[key].icon_id

    def picture(self, key: str, path: Path, at_once: bool) -> int:
        if self.pictures is None:
            self.pictures = bpy.utils.previews.new()
        preview = self.pictures.pop(key, None)
        if preview is not None:
            dict.__setitem__(self.pictures, key, preview)  # to the end: used last, freed last
            return preview.icon_id
        if not path.is_file():
            return 0
        while len(self.pictures) >= KEPT_PICTURES:
            del self.pictures[next(iter(self.pictures))]
        if at_once:
            return self.pictures.load(key, str(path), "IMAGE").icon_id
        preview = self.pictures.new(key)
        background.run(lambda: _decode(path), lambda floats: self._decoded(key, floats), lane=LANE)
        return preview.icon_id

    def _decoded(self, key: str, floats: NDArray[np.float32] | None) -> None:
        if floats is None or self.pictures is None or key not in self.pictures:
            return
        preview = self.pictures[key]
        preview.image_size = floats.shape[1], floats.shape[0]
        preview.image_pixels_float.foreach_set(floats.ravel())
        redraw.sidebars()

    def canvas_icon(self) -> int:
        if self._canvas is None or "canvas" not in self._canvas:
            return 0
        return self._canvas["canvas"].icon_id

    def canvas_aspect(self) -> float:
        if not self.canvas_icon():
            return 1.0
        width, height = self._canvas["canvas"].image_size
        return width / height if height else 1.0

    def set_canvas(self, pixels: NDArray[np.uint8]) -> None:
        if self._canvas is None:
            self._canvas = bpy.utils.previews.new()
        preview = self._canvas["canvas"] if "canvas" in self._canvas else self._canvas.new("canvas")
        height, width = pixels.shape[:2]
        if tuple(preview.image_size) != (width, height):
            preview.image_size = (width, height)
        upside_down = np.ascontiguousarray(pixels[::-1], np.float32) / 255
        preview.image_pixels_float.foreach_set(upside_down.ravel())

    def close(self) -> None:
        for collection in (self._styles, self.pictures, self._canvas):
            if collection is not None:
                bpy.utils.previews.remove(collection)
        self._styles = self.pictures = self._canvas = None


def _decode(path: Path) -> NDArray[np.float32] | None:
    """In the background: (H, W, 4) from 0 to 1, row 0 at the bottom; None for a broken file."""
    from PIL import Image

    try:
        pixels = images.decode(images.read_file(path), path.name)
    except GenAIError:
        return None
    picture = Image.fromarray(pixels).convert("RGBA")
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(picture)[::-1].astype(np.float32) / np.float32(255)


def style_icon(style: Style) -> int:
    """The icon of a style's picture; 0 where it has none."""
    path = style.preview_path
    return 0 if path is None else addon.state(Thumbnails).style(path)


def picture_icon(key: str, path: Path | None, at_once: bool = False) -> int:
    """The icon of a picture file, empty until it has been read; 0 where there is none.

    at_once: Blender reads it when it draws it, as pop-ups need, which are not drawn again.
    """
    return 0 if path is None else addon.state(Thumbnails).picture(key, path, at_once)


def canvas_icon() -> int:
    """The icon of the live view; 0 before there is one."""
    return addon.state(Thumbnails).canvas_icon()


def canvas_aspect() -> float:
    """Width to height of the live view's picture; 1 before there is one."""
    return addon.state(Thumbnails).canvas_aspect()


def set_canvas(pixels: NDArray[np.uint8]) -> None:
    """(H, W, 4) uint8, row 0 on top, becomes the picture of the live view."""
    addon.state(Thumbnails).set_canvas(pixels)
