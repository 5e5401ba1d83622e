# SPDX-License-Identifier: GPL-3.0-or-later
"""`models` and `styles`: what there is to choose from."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ...console import Console
from ...core import cost
from ...core.catalog import Model
from .. import catalog as catalogs


def models(_parsed: argparse.Namespace, console: Console) -> int:
    entries = catalogs.load().models
    width = max(map(len, entries))
    for model in entries.values():
        prices = {size: cost.per_image(model, size) for size in model.resolutions}
        console.event(
            "model",
            **{
                "id": model.id,
                "label": model.label,
                "backend": model.backend,
                "description": model.description,
                "good_for": model.good_for,
                "online": model.online,
                "ai": model.ai,
                "max_references": model.max_references,
                "max_count": model.max_count,
                "resolutions": list(model.resolutions),
                "options": [asdict(option) for option in model.options],
                "usd_per_image": prices,
                "price_source": "" if model.price is None else model.price.source,
                "price_date": "" if model.price is None else model.price.date,
                "offered": model.offered(),
                "available_from": model.available_from,
                "shutdown": model.shutdown,
                "successor": model.successor,
            },
        )
        console.line(f"{model.id:{width}}  {model.label}: {model.description}.")
        console.line(f"{'':{width}}    {_price(model, prices)}")
        if model.dates_note():
            instead = f" Use {model.successor}." if model.successor else ""
            console.line(f"{'':{width}}    {model.dates_note()}.{instead}")
        for option in model.options:
            console.line(f"{'':{width}}    --option {option.id}=…  {option.description}.")
    return 0


def _price(model: Model, prices: dict[str, float | None]) -> str:
    known = [f"{size} {cost.dollars(usd)}" for size, usd in prices.items() if usd is not None]
    if not known:
        return "What an image costs is not known."
    if not any(prices.values()):
        return "Costs nothing."
    read = model.price.text if model.price is not None else ""
    return f"One image, without what is sent: {', '.join(known)}" + (f" ({read})." if read else ".")


def styles(_parsed: argparse.Namespace, console: Console) -> int:
    entries = catalogs.load().styles
    width = max(map(len, entries))
    for style in entries.values():
        console.event(
            "style",
            id=style.id,
            label=style.label,
            description=style.description,
            prompt=style.prompt,
        )
        console.line(f"{style.id:{width}}  {style.label}: {style.description}")
    return 0
