# SPDX-License-Identifier: GPL-3.0-or-later
"""From a finished picture to what is sent for a clip or a 3D model of it: one request, priced.

The panel's dialog and the command line both come through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..core import actions
from ..core.errors import GenAIError, InvalidInput
from ..core.preflight import Prepared, prepare
from ..core.request import Reference, RenderRequest

if TYPE_CHECKING:
    from ..core.media import MediaKind
    from ..core.models.catalog import Catalog, Model
    from ..core.request import OptionValue
    from .action_requests import Picture


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be made. words: how it moves; not needed for a 3D model. end: the last frame.
    control: a clip of the scene to follow. options: the model's own."""

    kind: MediaKind
    words: str = ""
    aspect: str = "auto"
    end: Reference | None = field(default=None, repr=False)
    control: bytes | None = field(default=None, repr=False)
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    seed: int | None = None


def model_of(catalog: Catalog, kind: MediaKind, name: str = "") -> Model:
    """The model of that id or name, else the first that there is. Raises NotFound, InvalidInput."""
    offered = catalog.making(kind)
    if not name:
        return offered[0]
    folded = name.casefold()
    for model in offered:
        if folded in (model.id.casefold(), model.label.casefold(), model.name.casefold()):
            return model
    catalog.model(name)  # raises for one that is not there at all
    raise InvalidInput(
        f'"{name}" does not make this.',
        action=f"Choose {', '.join(model.id for model in offered)}.",
    )


def prepared(wish: Wish, model: Model, picture: Picture, seen: float = 1.0) -> Prepared:
    """What would be sent, and what it costs. Raises nothing: see `problem`."""
    try:
        options = {name: model.option(name).check(value) for name, value in wish.options.items()}
    except GenAIError as error:
        return Prepared(model, None, problem=error)

    def build() -> RenderRequest:
        words = wish.words.strip()
        if wish.kind == "video" and not words:
            raise InvalidInput(
                "There are no words for the motion.",
                action='Say how it moves, such as "the camera glides slowly forward".',
            )
        return RenderRequest(
            prompt=words or actions.prompt("model", picture.prompt),
            kind=wish.kind,
            model=model.id,
            aspect=wish.aspect,
            seed=wish.seed,
            source=picture.data,
            references=(wish.end,) if wish.end is not None else (),
            control=wish.control,
            options=options,
            parent=picture.parent,
        )

    return prepare(model, build, seen=seen)
