# SPDX-License-Identifier: GPL-3.0-or-later
"""`models` and `styles`: what there is to choose from."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ...backends.http.errors import OnlineAccessOff
from ...backends.refresh import Answered, ServersAnswered, refreshed
from ...console import Console
from ...core.errors import GenAIError
from ...core.events import CancelToken
from ...core.models import cost
from ...core.models.catalog import Catalog, Model
from ...core.models.model_lists import KnownList
from ...core.models.server_lists import ServerList
from .. import backend_settings
from .. import catalog as catalogs

_SUGGESTED = 8  # names that are printed of an option


def known_catalog(console: Console) -> Catalog:
    """Everything that can be chosen. What is wrong with single addresses and workflow files, which
    are left out, is said."""
    problems: list[GenAIError] = []
    catalog = catalogs.load(problems)
    for problem in problems:
        console.notice(problem.text)
    return catalog


def models(parsed: argparse.Namespace, console: Console) -> int:
    if parsed.refresh:
        _refresh(console)
    known = known_catalog(console)
    entries = {**known.models, **known.media}
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
                "makes": model.makes,
                "usd_per_image": prices if model.makes == "image" else {},
                "usd_per_second": {} if model.price is None else dict(model.price.per_second),
                "usd_per_model": {} if model.price is None else dict(model.price.per_model),
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
            says = f"  {option.description}." if option.description else ""
            console.line(f"{'':{width}}    --option {option.id}=…{says}")
            if option.suggested:
                there = ", ".join(option.suggested[:_SUGGESTED])
                more = " …" if len(option.suggested) > _SUGGESTED else ""
                console.line(f"{'':{width}}      There is: {there}{more}")
    return 0


def _refresh(console: Console) -> None:
    """Ask the providers and the user's own servers. Raises the first problem where none has
    answered."""
    lists: dict[str, KnownList] = {}
    server_lists: dict[str, ServerList] = {}
    problem: GenAIError | None = None
    known = known_catalog(console)
    try:
        for one in refreshed(backend_settings.for_all(known), CancelToken()):
            problem = problem or one.problem
            if isinstance(one, ServersAnswered):
                if one.known is not None:
                    server_lists[one.kind] = one.known
                _tell_of_servers(one, console)
                continue
            if one.known is not None:
                lists[one.provider.id] = one.known
            _tell(one, console)
    except OnlineAccessOff:
        raise OnlineAccessOff(
            "The lists of models need the network.", "", backend_settings.how_to_allow()
        ) from None
    if not lists and not server_lists and problem is not None:
        raise problem
    if lists:
        catalogs.keep_lists(lists)
    if server_lists:
        catalogs.keep_server_lists(server_lists)


def _tell_of_servers(one: ServersAnswered, console: Console) -> None:
    if one.known is None:
        text = one.problem.text if one.problem is not None else ""
        console.event("not_refreshed", servers=one.kind, problem=text)
        console.line(f"{one.label}: {text}")
        return
    lacking = {model: list(nodes) for model, nodes in one.known.lacking.items()}
    console.event(
        "refreshed", servers=one.kind, day=one.known.day, names=one.known.count, lacking=lacking
    )
    console.line(f"{one.label}: names to choose from: {one.known.count}.")
    for model, nodes in lacking.items():
        console.line(f"{model} cannot run there. Nodes that are missing: {', '.join(nodes)}.")


def _tell(one: Answered, console: Console) -> None:
    provider = one.provider
    if one.known is None:
        text = one.problem.text if one.problem is not None else ""
        console.event("not_refreshed", provider=provider.id, problem=text)
        console.line(f"{provider.label}: {text}")
        return
    count, new = len(one.known.models), [listed.name for listed in one.new]
    console.event("refreshed", provider=provider.id, day=one.known.day, models=count, new=new)
    console.line(f"{provider.label}: {count} models, {len(new)} of them new here.")


def _price(model: Model, prices: dict[str, float | None]) -> str:
    if model.makes != "image":
        return _price_of_media(model)
    known = [f"{size} {cost.dollars(usd)}" for size, usd in prices.items() if usd is not None]
    if not known:
        return "What an image costs is not known."
    if not any(prices.values()):
        return "Costs nothing."
    read = model.price.text if model.price is not None else ""
    return f"One image, without what is sent: {', '.join(known)}" + (f" ({read})." if read else ".")


def _price_of_media(model: Model) -> str:
    price = model.price
    each = {} if price is None else price.per_second or price.per_model
    if price is None or not each:
        return "What it costs is not known."
    if not any(each.values()):
        return "Costs nothing."
    what = "One second" if model.makes == "video" else "One 3D model"
    known = [f"{name} {cost.dollars(usd)}".strip() for name, usd in each.items()]
    return f"{what}: {', '.join(known)} ({price.text})."


def styles(_parsed: argparse.Namespace, console: Console) -> int:
    entries = known_catalog(console).styles
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
