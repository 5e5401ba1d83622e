# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an edit may change its image: an image of the .blend, or what the scene's view shows."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import bpy

from ...core import lazy
from ...core.errors import GenAIError, ImageError, InvalidInput, NotFound
from ...core.history.kept_ids import Origin, origin
from ...core.image import images
from ...core.masks import mask as mask_pictures
from ...core.masks.mask_shape import Shaping
from .. import addon
from . import session

if TYPE_CHECKING:
    import numpy as np

    from ...core.view.ids import Ids
else:
    np = lazy.module("numpy")

PAINTED = "genai_render_mask"
"""On an image: which item of History it is painted as a mask for."""


class Chosen(NamedTuple):
    """kind: as the operator calls it. image: a name, for IMAGE. names: for the others."""

    kind: str
    image: str
    names: tuple[str, ...]
    shaping: Shaping


class Masks:
    """Of one image of History, each made once, not at every letter of a prompt."""

    def __init__(self, item_id: str) -> None:
        self.item_id = item_id
        self._made: dict[Chosen, bytes | GenAIError] = {}
        self._origin: Origin | None = None
        self._again: Ids | GenAIError | None = None

    def mask(self, source: bytes, chosen: Chosen) -> bytes | None:
        """Raises a GenAIError that says why there is none."""
        if chosen.kind in ("NONE", "MARKS"):
            return None
        if chosen not in self._made:
            try:
                made = chosen.shaping.applied(self._of(source, chosen))
                if chosen.kind == "IMAGE":
                    _check_painted(made)
                self._made[chosen] = made
            except GenAIError as error:
                self._made[chosen] = error
        made = self._made[chosen]
        if isinstance(made, GenAIError):
            raise made
        return made

    def look_again(self, context: bpy.types.Context) -> None:
        """See where the objects are in the scene as it is now, which takes a moment."""
        view = self.origin.view
        if self._again is None and view is not None:
            from ..capture.old_views import ids_now

            try:
                self._again = ids_now(context, view)[0]
            except GenAIError as error:
                self._again = error
            self._made.clear()

    @property
    def origin(self) -> Origin:
        if self._origin is None:
            self._origin = origin(session.session().store, self.item_id)
        return self._origin

    @property
    def is_old(self) -> bool:
        """Whether its view was kept without its objects, and could be looked at again."""
        try:
            return self.origin.ids is None and self.origin.view is not None
        except GenAIError:  # that is said where the mask is made
            return False

    def names(self, kind: str) -> list[str]:
        """What can be chosen, as far as it is known."""
        try:
            ids = self._again or self.origin.ids
        except GenAIError:
            return []
        if ids is None or isinstance(ids, GenAIError):
            return []
        known = {
            "OBJECT": ids.object_names,
            "COLLECTION": ids.collection_names,
            "MATERIAL": sorted(ids.materials),
        }
        return known.get(kind, [])

    def _of(self, source: bytes, chosen: Chosen) -> bytes:
        size = images.probe(source)
        if chosen.kind == "IMAGE":
            return _of_image(chosen.image, size.width, size.height)
        ids = self._ids()
        if chosen.kind == "SELECTED":
            # A camera or a lamp that is selected, too, is no reason to refuse.
            seen = [name for name in chosen.names if name in ids.object_names]
            if not seen:
                raise NotFound(
                    "The image shows no object that is selected.",
                    f"It shows {_listed(ids.object_names)}.",
                    "Select what is to be changed.",
                )
            return ids.mask(size.width, size.height, objects=seen)
        if not any(chosen.names):
            raise InvalidInput("Choose what is to be changed.")
        kinds = {"OBJECT": "objects", "COLLECTION": "collections", "MATERIAL": "materials"}
        return ids.mask(size.width, size.height, **{kinds[chosen.kind]: chosen.names})

    def _ids(self) -> Ids:
        if isinstance(self._again, GenAIError):
            raise self._again
        if self._again is not None:
            return self._again
        found = self.origin
        if found.ids is not None:
            return found.ids
        if found.view is None:
            raise InvalidInput(
                "This image was not made from a view of a scene.", action="Paint a mask."
            )
        raise InvalidInput(
            "The view of this image was kept without its objects.",
            "An earlier version made it.",
            "Turn on Look at View Again, or paint a mask.",
        )


class _Open:
    """The masks of the dialog that is open, or was."""

    def __init__(self) -> None:
        self.masks: Masks | None = None

    def close(self) -> None:
        pass


def of(item_id: str) -> Masks:
    state = addon.state(_Open)
    if state.masks is None or state.masks.item_id != item_id:
        state.masks = Masks(item_id)
    return state.masks


def forget() -> None:
    addon.state(_Open).masks = None


def painted_for(item_id: str) -> bpy.types.Image | None:
    """The mask that is painted for an item, if this file has one."""
    return next((one for one in bpy.data.images if one.get(PAINTED) == item_id), None)


def _of_image(mask: str, width: int, height: int) -> bytes:
    """An image of the .blend as the mask of an edit: a PNG, transparent where to edit.

    Raises ImageError for an image without pixels.
    """
    if not mask:
        raise InvalidInput("Choose an image as the mask.")
    image = bpy.data.images.get(mask)
    if image is None:
        raise ImageError(f'There is no image "{mask}".', action="Choose another mask.")
    pixels: Any = image.pixels
    size: Any = image.size
    across, up = size
    if not (across and up) or len(pixels) == 0:
        raise ImageError(f'The image "{image.name}" has no pixels.', action="Choose another mask.")
    flat = np.empty(across * up * image.channels, np.float32)
    pixels.foreach_get(flat)
    rows = flat.reshape(up, across, image.channels)[::-1]
    return mask_pictures.of_picture(rows, width, height)


def _check_painted(mask: bytes) -> None:
    try:
        mask_pictures.changes(mask)
    except InvalidInput as error:
        raise InvalidInput(
            "The mask leaves nothing to edit.", action="Paint in white what may change."
        ) from error


def _listed(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names[:20]) or "no object at all"
