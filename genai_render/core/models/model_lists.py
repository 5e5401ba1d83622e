# SPDX-License-Identifier: GPL-3.0-or-later
"""What providers said of their models when they were last asked (*Refresh Models*). It is kept in a
file, with its day, so that it is known without the network, too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ..errors import InvalidInput, NotFound
from ..files.storage import replace_file
from ..framing import RESOLUTIONS
from ..provider import Provider
from . import input_schema
from .catalog import Catalog, Model, Option, Price, with_schema

FILE = "model_lists.json"

_VERSION = 1
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_DESCRIBED = 160  # characters


@dataclass(frozen=True, slots=True)
class Listed:
    """A model in a provider's own list. name: the provider's.

    shutdown: the day from which on it is not there any more; "" for none.
    takes: the parameters that it has, as OpenRouter describes them: {"type": "enum", "values":
        […]}, {"type": "range", "max": …} or {"type": "boolean"} each; None where the provider does
        not tell. streams: it shows unfinished pictures.
    schema: the fields of its requests, as `models.input_schema` keeps them; None where the provider
        does not tell.
    prices: what is charged, as OpenRouter writes it: {"billable": "output_image", "unit": "image",
        "cost_usd": 0.04}; a "variant" is for one resolution or quality.
    """

    name: str
    label: str = ""
    description: str = ""
    shutdown: str = ""
    takes: Mapping[str, Any] | None = None
    streams: bool = False
    prices: tuple[Mapping[str, Any], ...] = ()
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class KnownList:
    """A provider's list as of a day ("2026-11-28")."""

    day: str
    models: tuple[Listed, ...] = field(default_factory=tuple)


def read(path: Path) -> dict[str, KnownList]:
    """The lists that were kept, by the provider's id. None from a file that cannot be used: the
    next refresh writes it again."""
    try:
        contents = json.loads(path.read_bytes())
        if contents["version"] != _VERSION:
            return {}
        return {
            str(id): KnownList(plain_day(kept["day"]), tuple(map(_listed, kept["models"])))
            for id, kept in contents["lists"].items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def write(path: Path, lists: Mapping[str, KnownList]) -> None:
    """Raises StorageError."""
    contents = {"version": _VERSION, "lists": {id: asdict(kept) for id, kept in lists.items()}}
    replace_file(path, json.dumps(contents, indent=1, ensure_ascii=False).encode())


def applied(catalog: Catalog, lists: Mapping[str, KnownList]) -> Catalog:
    """The catalogue with what the lists say: when a model ends, what it costs, which one its
    provider does not list any more, and the image models that are new."""
    for id, kept in lists.items():
        provider = catalog.providers.get(id)
        if provider is not None and kept.models:
            catalog = _with_list(catalog, provider, kept)
    return catalog


def new_in(catalog: Catalog, provider: Provider, models: Iterable[Listed]) -> list[Listed]:
    """The image models of a list that the catalogue does not have. A dated version of one that it
    has is not new."""
    known = [m.name for m in catalog.models.values() if provider.id == (m.provider or m.backend)]
    return [
        listed
        for listed in models
        if provider.models.makes_images(listed.name)
        and listed.name not in known
        and not any(_is_version_of(name, listed.name) for name in known)
    ]


def _is_version_of(name: str, listed: str) -> bool:
    # There can be a thousand of them: what does not even begin alike is seen at once.
    rest = listed.removeprefix(f"{name}-")
    return rest != listed and re.fullmatch(r"preview|latest|20\d\d.*", rest) is not None


def _with_list(catalog: Catalog, provider: Provider, kept: KnownList) -> Catalog:
    listed = {one.name: one for one in kept.models}
    said_by = f"{provider.label}'s own list"
    changed = []
    for model in catalog.models.values():
        if provider.id != (model.provider or model.backend):
            continue
        own = listed.get(model.name)
        if own is None:
            changed.append(replace(model, not_listed_on=kept.day))
            continue
        if own.shutdown:
            model = replace(model, shutdown=own.shutdown, dates_source=f"{said_by}, {kept.day}")
        model = _with_schema(catalog, model, own)
        price = _price(own, model, said_by, kept.day)
        changed.append(model if price is None else replace(model, price=price))
    new = [
        _new_model(catalog, provider, one, said_by, kept.day)
        for one in new_in(catalog, provider, kept.models)
    ]
    return catalog.plus([*changed, *filter(None, new)])


def _new_model(
    catalog: Catalog, provider: Provider, listed: Listed, said_by: str, day: str
) -> Model | None:
    """Taken to be as the known one whose name is most like it, but for what the list tells."""
    try:
        if listed.schema is not None:
            id = f"{provider.id}/{listed.name}"
            near = Model(id, id, provider.backend, listed.name, provider=provider.id)
        else:
            near = catalog.like_known(provider.id, listed.name)
    except NotFound:
        return None
    suffix = "" if provider.dialect == "own" else f" ({provider.label})"
    model = replace(
        near,
        label=f"{listed.label}{suffix}" if listed.label else near.label,
        description=_sentence(listed.description) or f"New in {said_by} of {day}",
        good_for="",
        speed="",
        tasks=(),
        successor="",
        available_from="",
        not_listed_on="",
        shutdown=listed.shutdown,
        dates_source=f"{said_by}, {day}" if listed.shutdown else "",
    )
    if listed.takes is not None:
        model = _as_described(catalog, provider, model, listed)
    if listed.schema is not None:
        model = _by_schema(catalog, model, listed)
    price = _price(listed, model, said_by, day)
    return model if price is None else replace(model, price=price)


def _as_described(catalog: Catalog, provider: Provider, model: Model, listed: Listed) -> Model:
    takes = listed.takes or {}
    images, count = _most(takes, "input_references"), _most(takes, "n")
    sizes = [name for name in _values(takes, "resolution") if name in RESOLUTIONS]
    shapes = [name for name in _values(takes, "aspect_ratio") if ":" in name]
    extra: dict[str, Any] = {
        "max_images": images,
        "one_per_call": count < 2,
        "stream": listed.streams,
        # What the model does not take is left out of what the provider's table sends.
        "without": [
            name
            for name in provider.body
            if name not in ("model", "prompt", "stream") and name not in takes
        ],
    }
    if shapes:
        extra["sizes"] = {"kind": "ratios", "list": shapes}
    options = [option for option in model.options if option.id == "guides" and images]
    for id in ("quality", "background"):
        options += _choice_like(catalog, id, _values(takes, id))
    return replace(
        model,
        extra=extra,
        max_references=min(2, images),
        resolutions=tuple(sizes) or ("1K",),
        options=tuple(options),
    )


def _by_schema(catalog: Catalog, model: Model, listed: Listed) -> Model:
    """A model that nothing is known of but the fields of its requests."""
    bare = replace(model, options=(), extra={})
    try:
        fields = input_schema.of_table(listed.schema)
        where = input_schema.places(fields, listed.name)
        described = _with_schema(catalog, bare, listed)
    except InvalidInput:
        return bare
    guides = [
        option
        for other in catalog.models.values()
        for option in other.options
        if option.id == "guides" and "images" in where
    ][:1]
    return replace(
        described,
        options=(*guides, *described.options),
        max_references=input_schema.reference_limit(fields, where),
        needs_canvas_or_reference=any(fields[name].required for name in where.values()),
        resolutions=input_schema.resolutions(fields),
    )


def _with_schema(catalog: Catalog, model: Model, listed: Listed) -> Model:
    """With the options that its fields have now, in place of those of the fields before."""
    if listed.schema is None:
        return model
    before = model.extra.get("schema", {})
    kept = tuple(option for option in model.options if option.id not in before)
    fresh = replace(model, options=kept, extra={**model.extra, "schema": listed.schema})
    try:
        return with_schema(fresh, catalog.named_options)
    except InvalidInput:
        return model


def _choice_like(catalog: Catalog, id: str, values: list[str]) -> list[Option]:
    """An option as other models have it, with these choices; none where nothing is to choose."""
    for model in catalog.models.values():
        if len(values) > 1 and model.has_option(id):
            known = model.option(id)
            choices = tuple(value for value in known.choices if value in values)
            if known.kind == "choice" and known.default in choices and len(choices) > 1:
                return [replace(known, choices=choices)]
    return []


def _price(listed: Listed, model: Model, source: str, day: str) -> Price | None:
    """What an image costs, where the list tells it as a whole; None where it does not."""
    per_image: dict[str, float] = {}
    per_megapixel = per_input_image = 0.0
    input_images: int | Literal["unknown"] = 0
    for line in listed.prices:
        usd, what, unit = line.get("cost_usd"), line.get("billable"), line.get("unit")
        variant = str(line.get("variant") or "")
        if isinstance(usd, bool) or not isinstance(usd, (int, float)) or not 0 <= usd < 1000:
            continue
        if what == "output_image" and unit in ("image", "request"):
            names = [variant.upper()] if variant else list(model.resolutions)
            per_image |= {name: float(usd) for name in names if name in RESOLUTIONS}
        elif what == "output_image" and unit == "megapixel" and not variant:
            per_megapixel = float(usd)
        elif what in ("input_image", "input_reference") and unit == "image" and not variant:
            per_input_image = float(usd)
        else:
            input_images = "unknown"
    if not per_image and not per_megapixel:
        return None
    return Price(
        per_image,
        source,
        day,
        per_megapixel=per_megapixel,
        per_input_image=per_input_image,
        input_images=input_images,
    )


def _values(takes: Mapping[str, Any], name: str) -> list[str]:
    described = takes.get(name)
    values = described.get("values") if isinstance(described, Mapping) else None
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _most(takes: Mapping[str, Any], name: str) -> int:
    described = takes.get(name)
    most = described.get("max") if isinstance(described, Mapping) else None
    if isinstance(most, bool) or not isinstance(most, (int, float)) or not 0 <= most < 1000:
        return 0
    return int(most)


def _sentence(text: str) -> str:
    """The first sentence of a description, without its full stop."""
    first = re.split(r"(?<=[.!?])\s|\n", " ".join(text.split()), maxsplit=1)[0].rstrip(".")
    return first if len(first) <= _DESCRIBED else f"{first[: _DESCRIBED - 1].rstrip()}…"


def plain_day(text: Any) -> str:
    """The day in a date; "" for what is none."""
    day = str(text or "")[:10]
    return day if _DAY.fullmatch(day) else ""


def _listed(values: Any) -> Listed:
    takes = values.get("takes")
    return Listed(
        str(values["name"]),
        str(values.get("label") or ""),
        str(values.get("description") or ""),
        plain_day(values.get("shutdown")),
        takes if isinstance(takes, dict) else None,
        bool(values.get("streams")),
        tuple(line for line in values.get("prices", ()) if isinstance(line, dict)),
        schema if isinstance(schema := values.get("schema"), dict) else None,
    )


def listed(name: str, shutdown: Any = None, **more: Any) -> Listed:
    """An entry of a list as a provider sends it: what is not a day is left out."""
    return Listed(name, shutdown=plain_day(shutdown), **more)
