# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user's own servers had when they were last asked (*Refresh Models*): the files and names
that can be chosen there. Kept in a file with its day, so that it is known without them, too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..files.storage import replace_file
from .catalog import Catalog, Model
from .model_lists import plain_day

FILE = "server_lists.json"

_VERSION = 1
_MOST = 2000  # names of one option


@dataclass(frozen=True, slots=True)
class ServerList:
    """Of all servers of a kind together, as of a day ("2026-11-28").

    choices: by model and option, what can be chosen. lacking: by model, the nodes of its workflow
    that none of the servers has.
    """

    day: str
    choices: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    lacking: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many different names there are to choose from."""
        return len(
            {n for options in self.choices.values() for names in options.values() for n in names}
        )


def read(path: Path) -> dict[str, ServerList]:
    """The lists that were kept, by the kind of server. None from a file that cannot be used: the
    next refresh writes it again."""
    try:
        contents = json.loads(path.read_bytes())
        if contents["version"] != _VERSION:
            return {}
        return {str(kind): _list(kept) for kind, kept in contents["lists"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def write(path: Path, lists: Mapping[str, ServerList]) -> None:
    """Raises StorageError."""
    contents = {"version": _VERSION, "lists": {kind: asdict(kept) for kind, kept in lists.items()}}
    replace_file(path, json.dumps(contents, indent=1, ensure_ascii=False).encode())


def applied(catalog: Catalog, lists: Mapping[str, ServerList]) -> Catalog:
    """The catalogue whose options suggest what the servers have."""
    changed = [
        _with_list(model, lists[model.backend])
        for model in catalog.models.values()
        if model.backend in lists
    ]
    return catalog.plus(changed) if changed else catalog


def _with_list(model: Model, kept: ServerList) -> Model:
    choices = kept.choices.get(model.id, {})
    options = tuple(
        replace(option, suggested=tuple(choices[option.id])) if option.id in choices else option
        for option in model.options
    )
    lacking = kept.lacking.get(model.id, ())
    extra = {**model.extra, "lacking": list(lacking), "lacking_day": kept.day} if lacking else None
    return replace(model, options=options, extra=extra or model.extra)


def _list(kept: Any) -> ServerList:
    return ServerList(
        plain_day(kept["day"]),
        {
            str(model): {str(option): _names(names) for option, names in options.items()}
            for model, options in kept["choices"].items()
        },
        {str(model): _names(names) for model, names in kept["lacking"].items()},
    )


def _names(names: Any) -> tuple[str, ...]:
    return tuple(map(str, names))[:_MOST]
