# SPDX-License-Identifier: GPL-3.0-or-later
"""What helps to choose a model: what it would cost as things are set now, and all else about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core.models import cost
from ...core.models.model_picker import terms
from .. import addon
from ..connections import model_access
from . import request_builder, session

if TYPE_CHECKING:
    import bpy

    from ...core.models.catalog import Model


class Prices:
    """What each model would cost, as long as nothing is set otherwise."""

    def __init__(self) -> None:
        self._settings: tuple[Any, ...] = ()
        self._known: dict[str, str] = {}

    def of(self, context: bpy.types.Context, model: Model) -> str:
        settings = request_builder.what_is_set(context)
        if settings != self._settings:
            self._settings = settings
            self._known.clear()
        if model.id not in self._known:
            self._known[model.id] = _price(context, model)
        return self._known[model.id]

    def close(self) -> None:
        pass


def price(context: bpy.types.Context, model: Model) -> str:
    """For people: what pressing Generate with this model would cost now."""
    return addon.state(Prices).of(context, model)


def _price(context: bpy.types.Context, model: Model) -> str:
    prepared = request_builder.with_model(context, model)
    if prepared.spec is not None:
        return prepared.estimate.text
    usd = cost.per_image(model, model.resolutions[0])  # what is set is more than it can do
    return "unknown" if usd is None else "free" if usd == 0 else f"about {cost.dollars(usd)} each"


def about(context: bpy.types.Context, model: Model) -> str:
    """Everything, in lines: for a tooltip."""
    now = price(context, model)
    lines = [model.description, model.good_for and f"Good for: {model.good_for}"]
    lines.append(", ".join(part for part in (model.speed, terms(model)) if part))
    lines.append(f"With what is set now: {'price unknown' if now == 'unknown' else now}")
    lines += [session.correction(model.id).text, dates(model)]
    provider = model_access.provider_of(model)
    if provider is not None and model_access.needs_key(model):
        lines.append(f"It needs a key of {provider.label}")
    return ".\n".join(line.rstrip(".") for line in lines if line)


def dates(model: Model) -> str:
    """That it goes soon or is gone, and where its dates were read."""
    note = model.dates_note()
    return f"{note} ({model.dates_source})" if note and model.dates_source else note
