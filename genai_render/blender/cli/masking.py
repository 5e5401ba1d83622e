# SPDX-License-Identifier: GPL-3.0-or-later
"""The mask of `edit`: a file, or objects, materials and collections by name."""

from __future__ import annotations

import argparse

import bpy

from ...console import Console
from ...core.errors import InvalidInput
from ...core.history.kept_ids import origin
from ...core.image import images
from ...core.masks.mask_shape import Shaping
from ..capture.old_views import ids_now
from ..history_place import open_history
from .history import folder_of


def check(parsed: argparse.Namespace) -> None:
    """Raises InvalidInput for words that do not go together."""
    if parsed.mask is not None and _named(parsed):
        raise InvalidInput(
            "A mask and the name of what is to be changed were given.", action="Give one of them."
        )
    if parsed.mask is None and not _named(parsed):
        if not _shaping(parsed).changes_nothing:
            raise InvalidInput(
                "There is no mask to change.",
                action="Give one with --mask, --object, --material or --collection.",
            )
        if parsed.recapture:
            raise InvalidInput(
                "Nothing is named that could be looked for.",
                action="Give --object, --material or --collection.",
            )


def mask(parsed: argparse.Namespace, console: Console, source: bytes, parent: str) -> bytes | None:
    """parent: the item of History that is edited; "" for a file."""
    if parsed.mask is not None:
        return _shaping(parsed).applied(images.read_file(parsed.mask))
    if not _named(parsed):
        return None
    if not parent:
        raise InvalidInput(
            "A file does not say where which object is.",
            action="Give the id of an image in History, or a mask.",
        )
    with open_history(folder_of(parsed)) as store:
        found = origin(store, parent)
    ids = found.ids
    if ids is None or parsed.recapture:
        if found.view is None:
            raise InvalidInput(
                "This image was not made from a view of a scene.",
                action="Give a mask with --mask.",
            )
        if not parsed.recapture:
            raise InvalidInput(
                "The view of this image was kept without its objects.",
                "An earlier version made it.",
                "Add --recapture to look for them in the scene as it is now.",
            )
        ids, notices = ids_now(bpy.context, found.view)
        for text in notices:
            console.notice(text)
    info = images.probe(source)
    made = ids.mask(info.width, info.height, parsed.object, parsed.material, parsed.collection)
    return _shaping(parsed).applied(made)


def _named(parsed: argparse.Namespace) -> bool:
    return bool(parsed.object or parsed.material or parsed.collection)


def _shaping(parsed: argparse.Namespace) -> Shaping:
    return Shaping(parsed.invert, parsed.grow, parsed.feather)
