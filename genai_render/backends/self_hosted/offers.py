# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user's servers have to choose from: checkpoints, samplers, ControlNets, and which nodes
of the workflows are there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from ...core.errors import Cancelled, GenAIError
from ...core.events import CancelToken
from ...core.models.catalog import Model
from ...core.models.server_lists import ServerList
from ..http.settings import BackendSettings
from .a1111_client import A1111Client
from .comfyui import library
from .comfyui.client import ComfyClient
from .comfyui.workflow import choices_of
from .servers import Server, servers_of

_READ_TIMEOUT = 15.0  # seconds

Choices = dict[str, dict[str, tuple[str, ...]]]
"""By model and option."""


def offers(settings: BackendSettings, kind: str, cancel: CancelToken) -> ServerList:
    """Of all servers of a kind together; of those that can be reached. For a worker thread.

    Raises what stands against the first where none can be.
    """
    models = [model for model in settings.models().models.values() if model.backend == kind]
    look: Callable[[Server, list[Model], BackendSettings, CancelToken], ServerList]
    look = _of_comfyui if kind == "comfyui" else _of_a1111
    found: list[ServerList] = []
    problem: GenAIError | None = None
    for server in servers_of(settings, kind):
        try:
            found.append(look(server, models, settings, cancel))
        except Cancelled:
            raise
        except GenAIError as error:
            problem = problem or error
    if not found and problem is not None:
        raise problem.with_traceback(None)
    return _together(found)


def _of_comfyui(
    server: Server, models: list[Model], settings: BackendSettings, cancel: CancelToken
) -> ServerList:
    choices: Choices = {}
    lacking: dict[str, tuple[str, ...]] = {}
    specs: dict[str, dict[str, object] | None] = {}
    with ComfyClient(
        server.where, server.label, cancel, settings.online_access, _READ_TIMEOUT
    ) as client:
        for model in models:
            try:
                workflow = library.workflow_of(model)
            except GenAIError:
                continue  # said where workflows are listed
            for name in workflow.classes:
                if name not in specs:
                    specs[name] = client.node(name)
            missing = tuple(name for name in workflow.classes if specs[name] is None)
            if missing:
                lacking[model.id] = missing
            for option in model.options:
                for place in workflow.option_places.get(option.id, ()):
                    id, _, key = place.partition(".")
                    node = workflow.graph.get(id)
                    spec = specs.get(str(node["class_type"])) if node is not None else None
                    names = None if spec is None else choices_of(spec, key)
                    if names:
                        choices.setdefault(model.id, {})[option.id] = names
    return ServerList("", choices, lacking)


def _of_a1111(
    server: Server, models: list[Model], settings: BackendSettings, cancel: CancelToken
) -> ServerList:
    with A1111Client(server, cancel, settings.online_access, _READ_TIMEOUT) as client:
        controls = tuple(client.controls().names)
        there = {
            "checkpoint": tuple(client.models()),
            "sampler": tuple(client.samplers()),
            "depth_model": ("auto", *controls),
            "normal_model": ("auto", *controls),
        }
    return ServerList(
        "",
        {
            model.id: {id: names for id, names in there.items() if names and model.has_option(id)}
            for model in models
        },
    )


def _together(found: list[ServerList]) -> ServerList:
    """A name that any of them has can be chosen; a node is lacking that none has."""
    choices: Choices = {}
    for one in found:
        for model, options in one.choices.items():
            for id, names in options.items():
                before = choices.setdefault(model, {}).get(id, ())
                choices[model][id] = tuple(dict.fromkeys((*before, *names)))
    lacking: dict[str, tuple[str, ...]] = {}
    for model, names in (found[0].lacking if found else {}).items():
        everywhere = [
            name for name in names if all(name in o.lacking.get(model, ()) for o in found)
        ]
        # Nodes from two servers do not make one workflow: it runs where all of them are.
        if everywhere and all(model in one.lacking for one in found):
            lacking[model] = tuple(everywhere)
    return ServerList(date.today().isoformat(), choices, lacking)
