# SPDX-License-Identifier: GPL-3.0-or-later
"""From an accepted picture to the request for the same scene, in the same look, from elsewhere.

What the picture shows is carried into the other view; only what it does not show is left to be
made, by a model that can edit, within a mask.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import lazy
from .errors import InvalidInput
from .history.lineage import view_holder
from .image import images
from .request import RenderRequest
from .view import look_match, reprojection
from .view.canvas import Canvas, View
from .view.reprojection import Carried

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .history.store import HistoryStore
    from .models.catalog import Model
else:
    np = lazy.module("numpy")

_LEAST_UNSEEN = 0.5  # of the mask, where an edit has to have something to change


@dataclass(frozen=True, slots=True, eq=False)
class Accepted:
    """A picture of History that others are to look like. request: what made it."""

    id: str
    image: bytes
    canvas: Canvas
    request: RenderRequest
    seed: int | None = None

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3)"""
        return images.decode(self.image, "The picture")[..., :3]


def carried(pictures: Sequence[tuple[NDArray[np.uint8], Canvas]], target: Canvas) -> Carried:
    """What all of them show of the target: the first counts most, the others fill what it lacks."""
    if not pictures:
        raise InvalidInput("There is no picture to carry.")
    whole: Carried | None = None
    for picture, canvas in pictures:
        part = reprojection.carry(picture, canvas, target)
        if whole is None:
            whole = part
            continue
        gap = (whole.unseen * (part.unseen < 1))[..., None]
        color = whole.color * (1 - gap) + part.color * gap
        unseen = np.where(part.unseen < 1, whole.unseen * part.unseen, whole.unseen)
        whole = Carried((color + 0.5).astype(np.uint8), unseen.astype(np.float32))
        if not whole.unseen.any():
            break
    assert whole is not None, "there is at least one"
    return whole


def request_for(
    accepted: Accepted,
    model: Model,
    target: Canvas,
    others: Sequence[tuple[NDArray[np.uint8], Canvas]] = (),
) -> RenderRequest:
    """What asks that model for the unseen alone. others: pictures that were made from it already.

    Raises InvalidInput for a picture of another shape than its view.
    """
    over = carried([(accepted.pixels, accepted.canvas), *others], target)
    return request_with(accepted, model, target, over)


def request_with(accepted: Accepted, model: Model, target: Canvas, over: Carried) -> RenderRequest:
    """The same for what was carried already, of this picture and maybe others."""
    picture = accepted.pixels
    shown = np.ascontiguousarray(target.color[..., :3])
    # A model sees roughly what stands there, in the picture's colors, and not a hole.
    filled = look_match.continued(shown, over.color, over.unseen, picture)
    mask = None
    if float(over.unseen.max()) > _LEAST_UNSEEN:
        mask = images.encode_png(reprojection.as_mask(over.unseen))
    return _request(accepted, model, target, images.encode_png(filled), mask)


def _request(
    accepted: Accepted, model: Model, canvas: Canvas, source: bytes, mask: bytes | None
) -> RenderRequest:
    asked = accepted.request
    same = model.id == asked.model
    return RenderRequest(
        prompt=asked.prompt,
        model=model.id,
        style=asked.style,
        resolution=asked.resolution,
        seed=accepted.seed,
        mode=asked.mode,
        references=asked.references[: model.max_references],
        options={k: v for k, v in asked.options.items() if same and model.has_option(k)},
        scene_text=asked.scene_text,
        kind="edit",
        carried=True,
        source=source,
        mask=mask,
        canvas=canvas,
        parent=accepted.id,
    )


def planned(accepted: Accepted, model: Model) -> RenderRequest:
    """The same before anything was captured or carried: for what it would be and cost."""
    info = images.probe(accepted.image)
    mask = images.encode_png(np.zeros((info.height, info.width, 4), np.uint8))  # it is sent, too
    return _request(accepted, model, accepted.canvas, accepted.image, mask)


def load(store: HistoryStore, item_id: str) -> Accepted:
    """An item of History with the view that it, or the image that it changes, was made from.

    Raises InvalidInput for one without an image or a view, StorageError, NotFound.
    """
    item = store.get(item_id)
    if item.image_path is None:
        raise InvalidInput(f'"{item.id}" has no image: its request {item.status}.')
    request = store.request(item.id)
    seen = view_holder(store.record, item.id)
    canvas = store.canvas(seen) if seen else None
    if canvas is None or canvas.view.source == "image":
        raise InvalidInput(
            "This image was made without a view.",
            "Only what has depth can be carried into another camera.",
            "Choose an image that was made from the scene.",
        )
    return Accepted(item.id, store.image(item.id), canvas, request, item.seed)


def turned(view: View, center: Sequence[float], angle: float) -> View:
    """The view after its camera went around a vertical axis through that point, in radians."""
    turn = np.array(
        [
            [math.cos(angle), -math.sin(angle), 0.0],
            [math.sin(angle), math.cos(angle), 0.0],
            [0.0, 0.0, 1.0],
        ]
    )
    matrix = np.array(view.camera_to_world, np.float64)
    middle = np.array(center, np.float64)
    matrix[:3, :3] = turn @ matrix[:3, :3]
    matrix[:3, 3] = turn @ (matrix[:3, 3] - middle) + middle
    rows = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in matrix)
    return replace(view, camera_to_world=rows, camera="")


def around(view: View, center: Sequence[float], count: int) -> list[View]:
    """`count` views all the way around, without the first, which is the one that is given."""
    if count < 2:
        raise InvalidInput(f"{count} views make no turntable.", action="Ask for 2 or more.")
    return [turned(view, center, 2 * math.pi * number / count) for number in range(1, count)]
