# SPDX-License-Identifier: GPL-3.0-or-later
"""From an action on a finished picture to what is sent for it: one request, or one for each hour.

The panel's dialog and the command line both come through here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import actions
from ..core.errors import GenAIError, InvalidInput
from ..core.history.lineage import view_holder
from ..core.image import images
from ..core.preflight import Prepared, prepare
from ..core.request import Reference, RenderRequest
from ..engine.actions import extend, subject
from ..engine.grade.palette import decode
from .picture_canvas import viewed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..core.history.store import HistoryStore
    from ..core.models.catalog import Model
    from ..core.request import OptionValue
    from ..core.view.canvas import Canvas


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What is acted on. parent: its id in History, "" for a file. prompt: what it shows.

    canvas: of the view that it shows; None where there is none, or it is of no use.
    """

    data: bytes = field(repr=False)
    parent: str = ""
    prompt: str = ""
    canvas: Canvas | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done, as far as the action asks for it.

    words: for a new background, for what is beyond the edges, or of a material. behind: "color",
    "gradient", "sky", "image", as data/actions.toml has it. image: that one, or what a swap or a
    material goes by. mask: where the picture may change; what: the objects that are meant, by name.
    light: options of the relighting. day: pictures of one day of light; 0 for one picture by
    `light`.
    """

    action: str
    words: str = ""
    times: int = 2
    method: str = "auto"
    behind: str = "color"
    color: str = "#d6d3cf"
    color_below: str = "#8f8b86"
    image: Reference | None = field(default=None, repr=False)
    mask: bytes | None = field(default=None, repr=False)
    what: tuple[str, ...] = ()
    distance: float = 0.0
    floor: subject.Floor = "auto"
    aspect: str = "16:9"
    position: str = "center"
    light: tuple[tuple[str, OptionValue], ...] = ()
    day: int = 0
    seed: int | None = None


def from_history(store: HistoryStore, item_id: str, with_canvas: bool = True) -> Picture:
    """Raises NotFound for an item without an image, StorageError."""
    item = store.get(item_id)
    data = store.image(item_id)
    seen = view_holder(store.record, item_id) if with_canvas else ""
    canvas = store.canvas(seen) if seen else None
    return Picture(data, item.id, item.prompt, canvas)


def needs_canvas(action: str) -> bool:
    return action in ("cutout", "background", "relight", "material")


def prepared(
    wish: Wish, model: Model, picture: Picture, seen: Callable[[str], float] = lambda _id: 1.0
) -> list[Prepared]:
    """What would be sent: one, or one for each picture of a day. Raises nothing: see `problem`."""
    try:
        actions.check_model(wish.action, model)
        suns = actions.day_of_light(wish.day) if wish.day and wish.action == "relight" else ()
    except GenAIError as error:
        return [Prepared(model, None, problem=error)]
    if not suns:
        return [prepare(model, lambda: _request(wish, model, picture), seen=seen(model.id))]
    made = []
    for number, sun in enumerate(suns, start=1):
        light = {**dict(wish.light), **sun.options()}
        detail = f"{number}/{len(suns)}"

        def build(light: dict[str, Any] = light, detail: str = detail) -> RenderRequest:
            return _offline(wish, model, picture, light, detail)

        made.append(prepare(model, build, seen=seen(model.id)))
    return made


def _request(wish: Wish, model: Model, picture: Picture) -> RenderRequest:
    if model.backend == "offline":
        return _offline(wish, model, picture, _offline_options(wish, picture))
    return _by_model(wish, model, picture)


def _offline_options(wish: Wish, picture: Picture) -> dict[str, OptionValue]:
    if wish.action == "upscale":
        return {"times": str(wish.times), "method": wish.method}
    if wish.action == "cutout":
        return {"distance": wish.distance, "floor": wish.floor}
    if wish.action == "background":
        return {
            "behind": wish.behind,
            "color": wish.color,
            "color_below": wish.color_below,
            "distance": wish.distance,
            "floor": wish.floor,
        }
    if wish.action == "reframe":
        sides = _margins(wish, picture)
        return {"left": sides.left, "right": sides.right, "top": sides.top, "bottom": sides.bottom}
    return dict(wish.light)


def _offline(
    wish: Wish,
    model: Model,
    picture: Picture,
    options: dict[str, OptionValue],
    detail: str = "",
) -> RenderRequest:
    if wish.action == "material":
        return _repainted(wish, model, picture)
    if wish.action == "upscale":
        detail = f"{wish.times}×"
    elif wish.action == "reframe":
        detail = wish.aspect
    wants_image = wish.action == "background" and wish.behind == "image"
    if wants_image and wish.image is None:
        raise InvalidInput("There is no image to put behind.", action="Choose one.")
    words = wish.words if wish.action == "background" and wish.behind == "sky" else ""
    if wish.action == "background" and wish.behind == "sky" and not words.strip():
        raise InvalidInput(
            "There are no words for the sky.", action='Say which, such as "sunset" or "overcast".'
        )
    return RenderRequest(
        prompt=actions.prompt(wish.action, picture.prompt, words, detail),
        kind="edit",
        model=model.id,
        seed=wish.seed,
        source=picture.data,
        canvas=picture.canvas if needs_canvas(wish.action) else None,
        references=(wish.image,) if wants_image and wish.image is not None else (),
        options=options,
        parent=picture.parent,
    )


def _repainted(wish: Wish, model: Model, picture: Picture) -> RenderRequest:
    """By the embedded engine, which paints what a mask shows of the view."""
    if wish.mask is None:
        raise InvalidInput(
            "It is not said what is to get the material.",
            "This computer does not know by itself what a picture shows.",
            "Choose the object, or a model that knows it.",
        )
    return RenderRequest(
        prompt=actions.words_for_engine(wish.words, wish.what),
        kind="edit",
        model=model.id,
        seed=wish.seed,
        source=picture.data,
        mask=wish.mask,
        canvas=picture.canvas,
        references=() if wish.image is None else (wish.image,),
        parent=picture.parent,
    )


def _by_model(wish: Wish, model: Model, picture: Picture) -> RenderRequest:
    options: dict[str, OptionValue] = {}
    source, mask = picture.data, wish.mask
    by_reference = wish.action in actions.REFERRING and wish.image is not None
    if wish.action == "upscale":
        options = actions.upscale_options(model, wish.times)
    elif wish.action == "cutout":
        options = actions.cutout_options(model)
    elif wish.action == "background":
        mask = background_mask(picture, wish.distance, wish.floor)
    elif wish.action == "reframe":
        sides = _margins(wish, picture)
        if actions.takes_margins(model):
            options = sides.options(model)
        else:
            source, mask = _with_room(picture.data, sides)
    return RenderRequest(
        prompt=actions.words_for_model(wish.action, wish.words, wish.what, by_reference),
        kind="edit",
        model=model.id,
        references=(wish.image,) if by_reference and wish.image is not None else (),
        resolution=_resolution(source),
        seed=wish.seed,
        source=source,
        mask=mask,
        options=options,
        parent=picture.parent,
    )


def background_mask(picture: Picture, distance: float, floor: subject.Floor) -> bytes:
    """A PNG of the picture's size, transparent where its background is.

    Raises InvalidInput where that cannot be told.
    """
    pixels = _pixels(picture.data)
    if pixels[..., 3].min() < 255:
        alpha = pixels[..., 3]
    else:
        view = viewed(pixels, picture.canvas)
        if view is None or picture.canvas is None:
            raise InvalidInput(
                "It is not known what of this picture is background.",
                "It was not made from a view of the scene, or has another shape than that view.",
                "Choose a picture in History that was made from the scene, or edit it with a mask.",
            )
        scale = pixels.shape[1] / picture.canvas.width
        alpha = subject.find_subject(view, distance, floor, scale).alpha
    mask = np.zeros_like(pixels)
    mask[..., 3] = alpha
    return images.encode_png(mask)


def _margins(wish: Wish, picture: Picture) -> actions.Margins:
    info = images.probe(picture.data)
    return actions.margins(info.width, info.height, wish.aspect, wish.position)


def _with_room(data: bytes, sides: actions.Margins) -> tuple[bytes, bytes]:
    """The picture with room around it, and the mask of that room."""
    pixels = _pixels(data)[..., :3]
    height, width = pixels.shape[:2]
    larger = extend.extended(pixels, sides.left, sides.right, sides.top, sides.bottom)
    mask = np.zeros((*larger.shape[:2], 4), np.uint8)
    mask[sides.top : sides.top + height, sides.left : sides.left + width, 3] = 255
    return images.encode_png(larger), images.encode_png(mask)


def _pixels(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(decode(data, "The image").convert("RGBA"))


def _resolution(source: bytes) -> str:
    """The one that is nearest to the picture's own size."""
    info = images.probe(source)
    side = (info.width * info.height) ** 0.5
    return "1K" if side < 1450 else "2K" if side < 2900 else "4K"
