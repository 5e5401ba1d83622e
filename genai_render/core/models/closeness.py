# SPDX-License-Identifier: GPL-3.0-or-later
"""*How close to the view*: one control for all models, and what it means for each.

A model has what its entry in the catalogue says: options with values from free to close (the
strength of an image, the weight of a ControlNet, which guides are sent), and the words that are
sent with its images. What a model has nothing for cannot be asked of it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from ..files.toml_tables import read
from ..request import CLOSENESS, Closeness, OptionValue
from .catalog import DATA

if TYPE_CHECKING:
    from .catalog import Model, Option

LABELS: dict[Closeness, str] = {
    "auto": "Auto",
    "loose": "Loose",
    "balanced": "Balanced",
    "close": "Close",
    "exact": "Exact",
}
"""Each step, as people read it."""

# The backends that say in words what each image is; a workflow says it of itself.
_IN_WORDS = ("openai", "gemini", "compatible", "json")
_SAID: dict[Closeness, str] = {
    "loose": "the prompt lets shapes and details change",
    "balanced": "the prompt asks to keep camera and layout",
    "close": "the prompt asks to keep all but small details",
    "exact": "the prompt asks to keep camera, shapes and layout exactly",
}


def options_at(model: Model, step: Closeness) -> dict[str, OptionValue]:
    """The options of the model that the step decides, with their values; none for "auto"."""
    share = _share(step)
    if share is None:
        return {}
    found = {option: _values(model, option) for option in model.options}
    return {option.id: _along(option, values, share) for option, values in found.items() if values}


def effect(model: Model, step: Closeness) -> str:
    """What the step does with this model, for people: "Freedom 0.6, Depth 0.8"."""
    if step == "auto":
        return "What the model does by itself, or its options below say"
    parts = [
        f"{model.option(id).label} {value:g}"
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        else f"{model.option(id).label}: {value}"
        for id, value in options_at(model, step).items()
    ]
    if speaks(model):
        parts.append(_SAID[step])
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]


def why_not(model: Model) -> str:
    """Why the model cannot be held closer to the view, as a sentence; "" if it can."""
    if model.extra.get("max_images", 1) == 0:
        return f"{model.label} takes no view."
    if speaks(model) or any(_values(model, option) for option in model.options):
        return ""
    return f"{model.label} has nothing that holds it closer to the view."


def check(model: Model, step: Closeness) -> None:
    """Raises InvalidInput if it is asked of a model that has nothing for it."""
    reason = "" if step == "auto" else why_not(model)
    if reason:
        raise InvalidInput(
            reason, action='Leave "How Close to the View" at Auto, or choose another model.'
        )


def speaks(model: Model) -> bool:
    """Whether the words that are sent tell the model what to keep of its images."""
    if model.extra.get("max_images", 1) == 0:
        return False
    return bool(model.extra.get("describe_images", model.backend in _IN_WORDS))


def with_options(
    model: Model, step: Closeness, options: Mapping[str, OptionValue]
) -> dict[str, OptionValue]:
    """These options, with those that the step decides in their place."""
    return {**options, **options_at(model, step)}


def _share(step: Closeness) -> float | None:
    """How far from free (0) to close (1); None for "auto"."""
    return None if step == "auto" else (CLOSENESS.index(step) - 1) / (len(CLOSENESS) - 2)


def _values(model: Model, option: Option) -> tuple[OptionValue, ...]:
    """What the option goes through; empty where it has nothing to do with the view."""
    if option.closeness or not model.extra.get("schema"):
        return option.closeness
    named = _of_fields().get(option.id, ()) if option.kind in ("int", "float") else ()
    least = -math.inf if option.minimum is None else option.minimum
    most = math.inf if option.maximum is None else option.maximum
    return tuple(min(max(value, least), most) for value in named)


@functools.cache
def _of_fields() -> dict[str, tuple[float, ...]]:
    """By the name of a field of a schema."""
    fields = read(DATA / "closeness.toml")["fields"]
    return {name: tuple(map(float, values)) for name, values in fields.items()}


def _along(option: Option, values: tuple[OptionValue, ...], share: float) -> OptionValue:
    """The option's value at a share of the way: between two numbers, else the nearest."""
    place = share * (len(values) - 1)
    if option.kind not in ("int", "float"):
        return values[int(place + 0.5)]
    before = min(int(place), len(values) - 2) if len(values) > 1 else 0
    first, second = float(values[before]), float(values[min(before + 1, len(values) - 1)])
    number = first + (second - first) * (place - before)
    return round(number) if option.kind == "int" else round(number, 3)
