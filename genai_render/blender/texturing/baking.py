# SPDX-License-Identifier: GPL-3.0-or-later
"""From images of History to packed textures: what a worker does, with no Blender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core import next_camera
from ...core.errors import InvalidInput
from ...core.framing import RESOLUTIONS
from . import materials

if TYPE_CHECKING:
    from ...core.history.store import HistoryStore
    from ...engine.texture.bake import Progress
    from .surfaces import Thing

MOST_IMAGES = 24


@dataclass(frozen=True, slots=True)
class Texture:
    """A texture for an object, as the file that is packed. side: pixels. seen: the share of it that
    an image shows."""

    thing: Thing
    png: bytes
    side: int
    seen: float


def baked(
    store: HistoryStore,
    ids: Sequence[str],
    things: Sequence[Thing],
    resolution: str,
    progress: Progress,
) -> tuple[list[Texture], list[str]]:
    """The textures, and notices about what has none.

    Raises InvalidInput for images that cannot be baked, and what `progress` raises.
    """
    from ...engine.texture import bake

    ids = list(dict.fromkeys(ids))
    if len(ids) > MOST_IMAGES:
        raise InvalidInput(
            f"{len(ids)} images are too many for one texture.",
            f"It takes at most {MOST_IMAGES}.",
            "Choose fewer.",
        )
    pictures = []
    for item_id in ids:
        accepted = next_camera.load(store, item_id)
        pictures.append((accepted.pixels, accepted.canvas))
    made = bake.bake(
        [thing.surface for thing in things], pictures, RESOLUTIONS[resolution], progress=progress
    )
    textures, unseen = [], []
    for thing, one in zip(things, made, strict=True):
        if one is None:
            unseen.append(thing.name)
        else:
            side = one.pixels.shape[0]
            textures.append(Texture(thing, materials.encoded(one), side, one.seen))
    if not textures:
        raise InvalidInput(
            "The images show none of these objects.",
            "They may have moved since, or be hidden behind others.",
            "Choose images of the scene as it is now.",
        )
    notices = []
    if unseen:
        names = ", ".join(unseen[:5]) + (" …" if len(unseen) > 5 else "")
        notices.append(f"No image shows these objects, which stay as they are: {names}")
    return textures, notices


def summary(textures: Sequence[Texture]) -> str:
    """For people: how many, how large, and how much of them was seen."""
    largest = max(texture.side for texture in textures)
    seen = round(100 * sum(texture.seen for texture in textures) / len(textures))
    return (
        f"Baked textures: {len(textures)}, up to {largest} × {largest}. The images show {seen} % "
        "of their surface, the rest is continued from it."
    )
