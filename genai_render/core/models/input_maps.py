# SPDX-License-Identifier: GPL-3.0-or-later
"""Which input of a model takes the view, its depth, a mask or a reference, where a person says so
for a model that tells its inputs by a schema: a file of theirs, over what is found by names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import InvalidInput
from ..files.storage import replace_file
from . import input_schema
from .catalog import Catalog, Model, with_schema

FILE = "input_maps.json"

Roles = Mapping[str, str]
"""By field, what goes there (see `input_schema.IMAGE_INPUTS`); "" for nothing."""


def read(path: Path) -> dict[str, dict[str, str]]:
    """By model. None from a file that cannot be used."""
    try:
        contents = json.loads(path.read_bytes())
        return {
            str(model): {
                str(field): role
                for field, role in roles.items()
                if role in ("", *input_schema.IMAGE_INPUTS)
            }
            for model, roles in contents.items()
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def write(path: Path, maps: Mapping[str, Roles]) -> None:
    """Raises StorageError."""
    contents = {model: dict(roles) for model, roles in maps.items() if roles}
    replace_file(path, json.dumps(contents, indent=1).encode())


def image_fields(model: Model) -> list[input_schema.InputField]:
    """Those of its inputs that can take an image; none for a model without a schema."""
    fields = input_schema.of_table(model.extra.get("schema", {}))
    return [one for one in fields.values() if one.kind in ("image", "images")]


def found(model: Model, roles: Roles) -> dict[str, str]:
    """By field, what goes there with these roles and what is found by names."""
    fields = input_schema.of_table(model.extra.get("schema", {}))
    given = {**model.extra.get("shipped_inputs", model.extra.get("inputs", {})), **roles}
    where = input_schema.places(fields, model.name, given)
    return {field: role for role, field in where.items()}


def check(model: Model, roles: Roles) -> None:
    """Raises InvalidInput for roles that cannot be."""
    kinds = {field.name: field.kind for field in image_fields(model)}
    taken: dict[str, str] = {}
    for field, role in roles.items():
        if not role:
            continue
        if role == "images" and kinds.get(field) != "images":
            raise InvalidInput(
                f'"{field}" takes one image, not all of them.', action="Choose which one."
            )
        if role in taken:
            raise InvalidInput(
                f'"{taken[role]}" and "{field}" cannot both take the same image.',
                action="Choose another for one of them.",
            )
        taken[role] = field


def applied(catalog: Catalog, maps: Mapping[str, Roles]) -> Catalog:
    """The catalogue with what a person said of its models. What does not fit a model any more, as
    after its provider changed its inputs, is left out."""
    changed = []
    for id, roles in maps.items():
        model = catalog.models.get(id)
        if model is not None and model.extra.get("schema"):
            changed.append(_mapped(model, roles, catalog))
    return catalog.plus(changed) if changed else catalog


def _mapped(model: Model, roles: Roles, catalog: Catalog) -> Model:
    fields = input_schema.of_table(model.extra["schema"])
    shipped = model.extra.get("inputs", {})
    fitting = {field: role for field, role in roles.items() if field in fields}
    inputs = {**shipped, **fitting}
    before = input_schema.facts(fields, model.name, shipped)
    # What stands in the model's own table is kept, what came from where its images go is not.
    own = {
        name: value
        for name, value in model.extra.items()
        if name not in before or before[name] != value
    }
    fresh = replace(model, extra={**own, "inputs": inputs, "shipped_inputs": shipped})
    limits = [
        input_schema.reference_limit(fields, input_schema.places(fields, model.name, given))
        for given in (shipped, inputs)
    ]
    if limits[0] != limits[1]:
        fresh = replace(fresh, max_references=limits[1])
    return with_schema(fresh, catalog.named_options)
