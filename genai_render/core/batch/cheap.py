# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pictures of a batch a provider makes in a batch of its own, for less, and what they cost
then; and that a batch was begun that way, for those who go on with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from ..files import storage
from .run import Picture

if TYPE_CHECKING:
    from ..models.catalog import Model
    from ..preflight import Prepared
    from ..provider import BatchPrice

_FILE = "cheap.json"

PriceOf = Callable[["Model"], "BatchPrice | None"]


def at(prepared: Prepared, factor: float) -> Prepared:
    """The same for that part of the usual price."""
    estimate = prepared.estimate
    images, inputs = estimate.images, estimate.inputs
    return replace(
        prepared,
        estimate=replace(
            estimate,
            images=None if images is None else images * factor,
            inputs=None if inputs is None else inputs * factor,
        ),
    )


def priced(pictures: Sequence[Picture], price_of: PriceOf) -> list[Picture]:
    """The same, with those that have a batch endpoint at its price."""
    return [
        one if factor is None else replace(one, prepared=at(one.prepared, factor))
        for one, factor in ((one, factor_of(one, price_of)) for one in pictures)
    ]


def factor_of(picture: Picture, price_of: PriceOf) -> float | None:
    """None for one that is made the plain way: what costs nothing is, too."""
    prepared = picture.prepared
    if prepared.model is None or prepared.estimate.usd == 0:
        return None
    price = price_of(prepared.model)
    return None if price is None else price.factor


def check_all(pictures: Sequence[Picture], price_of: PriceOf) -> None:
    """Raises InvalidInput for paid ones that no batch endpoint makes."""
    without = {
        one.prepared.model.label
        for one in pictures
        if one.prepared.model is not None
        and one.prepared.estimate.usd != 0
        and factor_of(one, price_of) is None
    }
    if without:
        raise InvalidInput(
            f"There is no batch endpoint for {', '.join(sorted(without))}.",
            "So these pictures have no lower price.",
            "Add --or-plain to make them at once for the usual price, or take another model.",
        )


@dataclass(frozen=True, slots=True)
class Begun:
    """or_plain: what has no batch endpoint is made the plain way."""

    or_plain: bool = False


def keep(folder: Path, begun: Begun) -> None:
    """Raises StorageError."""
    storage.replace_file(folder / _FILE, json.dumps({"or_plain": begun.or_plain}).encode())


def kept(folder: Path) -> Begun | None:
    """None for a batch that was not begun this way."""
    try:
        values = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return Begun(bool(values.get("or_plain"))) if isinstance(values, dict) else None
