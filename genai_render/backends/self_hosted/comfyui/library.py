# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflows there are, as models: those that ship, and the user's own from a folder.

A workflow of one's own is a file that ComfyUI exported in API format. Beside "name.json" there may
be a "name.mapping.json" that says where its inputs are (see `comfyui_workflow.of_graph`).
"""

from __future__ import annotations

import functools
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ....core.errors import GenAIError, InvalidInput, NotFound, StorageError
from ....core.framing import RESOLUTIONS
from ....core.models import catalog
from ....core.models.catalog import DATA, Catalog, Model, Price
from .workflow import Workflow, of_graph, read

SHIPPED = DATA / "workflows"
MAPPING_SUFFIX = ".mapping.json"
OWN_PRICE = Price(dict.fromkeys(RESOLUTIONS, 0.0), "Your own server")
_SIZES = {"kind": "any", "step": 8, "max_edge": 4096, "max_ratio": 4.0}


def with_workflows(
    known: Catalog, folder: Path | None = None, online: bool = False, base_url: str = ""
) -> tuple[Catalog, list[GenAIError]]:
    """A catalogue with the shipped workflows and those of a folder as models, and what is wrong
    with files that cannot be used.

    online: a server is not on this computer. base_url: of one of the servers.
    """
    models = dict(known.models)
    problems: list[GenAIError] = []
    for model in shipped():
        models[model.id] = _placed(model, online, base_url)
    for path in _files(folder):
        try:
            model = of_file(path)
        except GenAIError as error:
            problems.append(error)
            continue
        models[model.id] = _placed(model, online, base_url)
    return replace(known, models=models), problems


@functools.cache
def shipped() -> tuple[Model, ...]:
    """The workflows that ship, as models."""
    models = catalog.load([SHIPPED / "workflows.toml"]).models.values()
    return tuple(model for model in models if model.backend == "comfyui")


def of_file(path: Path) -> Model:
    """A workflow of the user's own as a model. Raises what is wrong with it."""
    workflow = _own(path)
    return Model(
        id=f"comfyui/{_id(path.stem)}",
        label=path.stem,
        backend="comfyui",
        name=path.stem,
        description="Your own workflow",
        options=workflow.options,
        needs_canvas_or_reference=False,
        # Without a place for a size, the image that goes in has the one that comes out.
        extra={
            "workflow_file": str(path),
            "sizes": _SIZES if workflow.takes("width") else {**_SIZES, "kind": "source"},
        },
    )


def workflow_of(model: Model) -> Workflow:
    """Raises StorageError or InvalidWorkflow if it cannot be read."""
    own = model.extra.get("workflow_file")
    if own:
        return _own(Path(own))
    name = model.extra.get("workflow")
    if not isinstance(name, str) or not re.fullmatch(r"[\w-]+", name):
        raise InvalidInput(f"{model.label} names no workflow.")
    graph = read(SHIPPED / f"{name}.json")
    workflow = of_graph(model.label, graph, {"inputs": model.extra.get("inputs", {})})
    places = {id: _several(where) for id, where in model.extra.get("set", {}).items()}
    return replace(
        workflow,
        options=model.options,
        option_places=places,
        needs=model.extra.get("needs", {}),
        packs=model.extra.get("packs", {}),
    )


def add(path: Path, folder: Path) -> Path:
    """Copy an exported workflow into a folder of workflows, with its mapping if there is one, and
    give its path there. Raises InvalidWorkflow, before anything is copied, or StorageError."""
    of_graph(path.stem, read(path), read_mapping(path))
    target = folder / path.name
    if target.exists() and target.resolve() == path.resolve():
        return target
    number = 2
    while target.exists():
        target, number = folder / f"{path.stem} {number}.json", number + 1
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if mapping_path(path).exists():
            shutil.copyfile(mapping_path(path), mapping_path(target))
        shutil.copyfile(path, target)
    except OSError as error:
        raise StorageError(
            f'"{path.name}" cannot be copied to "{folder}".',
            f"({error.strerror})",
            "Choose another folder for workflows in the add-on's preferences.",
        ) from error
    return target


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping beside a workflow's file; empty where there is none."""
    beside = mapping_path(path)
    try:
        values = json.loads(beside.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StorageError(f'"{beside.name}" cannot be read.', f"({error})") from error
    return values if isinstance(values, dict) else {}


def write_mapping(path: Path, mapping: Mapping[str, Any]) -> None:
    """Keep a mapping beside a workflow's file, after looking whether it fits it."""
    of_graph(path.stem, read(path), mapping)
    beside = mapping_path(path)
    fresh = beside.with_suffix(".new")
    try:
        fresh.write_text(json.dumps(mapping, indent=2), encoding="utf-8")
        fresh.replace(beside)
    except OSError as error:
        raise StorageError(f'"{beside.name}" cannot be written.', f"({error.strerror})") from error


def mapping_path(path: Path) -> Path:
    return path.with_name(path.stem + MAPPING_SUFFIX)


def _own(path: Path) -> Workflow:
    if not path.exists():
        raise NotFound(f'The workflow "{path.name}" is gone.', action="Choose another.")
    return of_graph(path.stem, read(path), read_mapping(path))


def _files(folder: Path | None) -> list[Path]:
    if folder is None or not folder.is_dir():
        return []
    return [
        path for path in sorted(folder.glob("*.json")) if not path.name.endswith(MAPPING_SUFFIX)
    ]


def _placed(model: Model, online: bool, base_url: str) -> Model:
    extra = {**model.extra, "base_url": base_url} if base_url else model.extra
    return replace(model, online=online, extra=extra, price=OWN_PRICE)


def _id(stem: str) -> str:
    return re.sub(r"[^\w.-]+", "-", stem.strip()).strip("-").lower() or "workflow"


def _several(where: Any) -> tuple[str, ...]:
    return (where,) if isinstance(where, str) else tuple(map(str, where))
