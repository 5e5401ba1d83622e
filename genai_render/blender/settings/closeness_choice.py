# SPDX-License-Identifier: GPL-3.0-or-later
"""*How Close to the View* as an enum whose tips say what each step does with the chosen model."""

# Blender's stubs do not know what a property group can do.
# pyright: reportArgumentType=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import EnumProperty

from ...core.models import closeness
from .. import catalog
from .choices import known_model

if TYPE_CHECKING:
    from ...core.models.catalog import Model
    from ...core.request import Closeness

# Blender keeps no copy of the texts of a dynamic enum's items: something has to hold them.
_held: dict[tuple[int, str], list[tuple[str, str, str, str, int]]] = {}


def _items(owner: Any, context: bpy.types.Context | None) -> list[Any]:
    model = known_model(owner) if owner is not None else None
    which = (catalog.revision(), "" if model is None else model.id)
    if which not in _held:
        if any(revision != which[0] for revision, _ in _held):
            _held.clear()
        _held[which] = [
            (step, label, _tip(model, step), "NONE", number)
            for number, (step, label) in enumerate(closeness.LABELS.items())
        ]
    return _held[which]


def _tip(model: Model | None, step: Closeness) -> str:
    if model is None:
        return ""
    return closeness.why_not(model).rstrip(".") or closeness.effect(model, step)


def closeness_property() -> Any:
    return EnumProperty(
        name="How Close to the View",
        description="How far the image may go from the view: one control for all models, which "
        "sets what the chosen model has for it",
        items=_items,
        default=0,
    )


def forget() -> None:
    """Let go of what Blender was given, when it asks no more."""
    _held.clear()
