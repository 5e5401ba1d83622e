# SPDX-License-Identifier: GPL-3.0-or-later
"""Which model and which style are chosen, among those that there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...core.enum_numbers import number_before
from ...core.errors import NotFound
from .. import catalog
from . import thumbnails
from .id_choice import Entry, IdChoice

if TYPE_CHECKING:
    from ...core.models.catalog import Model, Style

DEFAULT_MODEL = "offline"
DEFAULT_STYLE = "auto"


class _Entries:
    """What can be chosen, made again when the catalogue is another one."""

    def __init__(self, make: Callable[[], dict[str, Entry]], default: str) -> None:
        self._make = make
        self._default = default
        self._revision = -1
        self._known: dict[str, Entry] = {}
        self._by_number: dict[int, str] = {}

    def __call__(self) -> Mapping[str, Entry]:
        if self._revision != catalog.revision():
            self._revision = catalog.revision()
            self._known = self._make()
            ids = (*self._known, self._default)
            self._by_number = {number_before(id, self._default): id for id in ids}
        return self._known

    def from_number(self, number: int) -> str | None:
        """What a number in an older .blend stands for."""
        self()
        return self._by_number.get(number)


def _model_entries() -> dict[str, Entry]:
    return {
        model.id: Entry(model.label, _about(model), "URL" if model.online else "DISK_DRIVE")
        for model in catalog.catalog().offered().values()
    }


def _about(model: Model) -> str:
    """What helps to choose: what it does, what it is good at, how fast it is and what it costs."""
    from ...core.models import cost

    facts = [model.description, model.good_for and f"Good for: {model.good_for}"]
    usd = cost.per_image(model, "1K")
    price = "free" if usd == 0 else f"about {cost.dollars(usd)} each" if usd is not None else ""
    facts.append(", ".join(text for text in (model.speed, price) if text))
    facts.append(model.dates_note())
    return ".\n".join(text.rstrip(".") for text in facts if text)


def _style_entries() -> dict[str, Entry]:
    return {
        style.id: Entry(style.label, style.description.rstrip("."), thumbnails.style_icon(style))
        for style in catalog.catalog().styles.values()
    }


def _why_no_model(id: str) -> str:
    gone = catalog.catalog().models.get(id)
    if gone is None:
        return _why_missing()
    successor = catalog.catalog().models.get(gone.successor)
    instead = f". {successor.label} takes its place" if successor is not None else ""
    return gone.dates_note() + instead


def _why_missing(id: str = "") -> str:
    return catalog.models_problem() or (
        "It is from a file, server or workflow that was removed, or is on another computer."
    )


def _missing(what: str, id: str) -> NotFound:
    return NotFound(
        f'The {what} "{id}" is missing.',
        _why_missing(),
        f"Choose another {what}, or add it again in the preferences.",
    )


_MODELS = _Entries(_model_entries, DEFAULT_MODEL)
_STYLES = _Entries(_style_entries, DEFAULT_STYLE)

MODEL = IdChoice(
    *("model", "model_id", DEFAULT_MODEL),
    entries=_MODELS,
    from_number=_MODELS.from_number,
    reason=_why_no_model,
)
STYLE = IdChoice(
    *("style", "style_id", DEFAULT_STYLE),
    entries=_STYLES,
    from_number=_STYLES.from_number,
    reason=_why_missing,
)


def chosen_model(settings: Any) -> Model:
    """The model that is chosen. Raises NotFound, with the reason, if it is missing."""
    id = MODEL.id_of(settings)
    model = catalog.catalog().models.get(id)
    if model is None:
        raise _missing("model", id)
    return model


def known_model(settings: Any) -> Model | None:
    """The model that is chosen; None if it is missing."""
    return catalog.catalog().models.get(MODEL.id_of(settings))


def known_style(settings: Any) -> Style | None:
    """The style that is chosen; None if it is missing."""
    return catalog.catalog().styles.get(STYLE.id_of(settings))


def chosen_style(settings: Any) -> Style:
    """The style that is chosen. Raises NotFound, with the reason, if it is missing."""
    id = STYLE.id_of(settings)
    style = catalog.catalog().styles.get(id)
    if style is None:
        raise _missing("style", id)
    return style
