# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models a list shows, and in what order: by what they are good at, by marks, by words."""

from __future__ import annotations

from datetime import date

from .catalog import Catalog, Model
from .model_marks import ModelMarks
from .tasks import TASKS, Shelf


def on_shelf(
    catalog: Catalog, shelf: Shelf, marks: ModelMarks, today: date | None = None
) -> list[Model]:
    """The models of a group that can be used today. Those for a task stand in the order in which
    they are recommended."""
    offered = catalog.offered(today)
    if shelf == "all":
        return list(offered.values())
    if shelf == "favorites":
        return [offered[id] for id in marks.favorites if id in offered]
    if shelf == "recent":
        return [offered[id] for id in marks.recent if id in offered]
    return catalog.recommended(shelf, today)


def found(catalog: Catalog, models: list[Model], words: str) -> list[Model]:
    """Those with all the words, wherever they stand: in the name, in what it is good for, in its
    provider's name, or among its tasks."""
    wanted = words.casefold().split()
    if not wanted:
        return models
    texts = {model.id: _text(catalog, model) for model in models}
    return [model for model in models if all(word in texts[model.id] for word in wanted)]


def _text(catalog: Catalog, model: Model) -> str:
    provider = catalog.providers.get(model.provider or model.backend)
    return " ".join(
        [
            *(model.label, model.id, model.description, model.good_for),
            provider.label if provider is not None else "",
            *(TASKS[task] for task in model.tasks),
        ]
    ).casefold()


def terms(model: Model) -> str:
    """The sizes and the references that it takes: "1K to 4K, 2 references"."""
    count = model.max_references
    references = {0: "no references", 1: "1 reference"}.get(count, f"{count} references")
    return f"{sizes(model).replace('–', ' to ')}, {references}"


def sizes(model: Model) -> str:
    """ "1K–4K" """
    known = model.resolutions
    return known[0] if len(known) == 1 else f"{known[0]}–{known[-1]}"
