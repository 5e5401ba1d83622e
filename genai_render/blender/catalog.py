# SPDX-License-Identifier: GPL-3.0-or-later
"""The models and styles there are: those that ship, and the user's own models and servers.

Read once; `reload` reads again and tells whoever listens.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ..backends.http import settings as http_settings
from ..backends.self_hosted import servers
from ..core.errors import GenAIError
from ..core.keys.credentials import origin_of
from ..core.models import catalog as files
from ..core.models import input_maps, model_lists, server_lists
from . import addon
from .backend_settings import all_connections, own_endpoints

if TYPE_CHECKING:
    from ..core.models.catalog import Catalog
    from ..core.models.model_lists import KnownList
    from ..core.models.server_lists import ServerList

Listener = Callable[[], object]

_LISTS_FOLDER, _MODELS_FOLDER = "lists", "models"

# Of all catalogues that there ever were: what was made for one is never taken for another's.
_revisions = itertools.count(1)


class Catalogs:
    """The catalogue as it was read last, and what could not be read.

    problem: why the user's own file of models is left out; "" if it is not. server_problems: what
    is wrong with addresses and workflow files. revision: another number after each reading.
    """

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.problem = ""
        self.server_problems: list[GenAIError] = []
        self.revision = 0
        self.list_days: dict[str, str] = {}
        self._known: Catalog | None = None

    def catalog(self) -> Catalog:
        if self._known is None:
            self._known = self._read()
            self.revision = next(_revisions)
            self.list_days = {id: kept.day for id, kept in _kept_lists().items()}
        return self._known

    def reload(self) -> None:
        self._known = None
        for listener in list(self.listeners):
            listener()

    def _read(self) -> Catalog:
        """Without a file that cannot be used."""
        self.problem, self.server_problems = "", []
        try:
            return load(self.server_problems)
        except GenAIError as error:
            self.problem, self.server_problems = error.text, []
            return _with_own(files.shipped(), addon.preferences(), self.server_problems)

    def close(self) -> None:
        self.listeners.clear()


def catalog() -> Catalog:
    """The models and styles there are."""
    return addon.state(Catalogs).catalog()


def revision() -> int:
    """Another number whenever the catalogue is another one."""
    state = addon.state(Catalogs)
    state.catalog()
    return state.revision


def reload() -> None:
    """Read models and styles again, and tell who listens."""
    addon.state(Catalogs).reload()


def when_changed(listener: Listener) -> None:
    """Have `listener` called after each reload, until the add-on is disabled."""
    listeners = addon.state(Catalogs).listeners
    if listener not in listeners:
        listeners.append(listener)


def models_problem() -> str:
    """Why the user's own models are left out; "" if they are not."""
    return addon.state(Catalogs).problem


def server_problems() -> list[GenAIError]:
    """What is wrong with addresses and workflow files, as of the last reading."""
    return list(addon.state(Catalogs).server_problems)


def load(problems: list[GenAIError] | None = None) -> Catalog:
    """The models and styles that ship, with the user's own file and servers over them.

    problems: gets what is wrong with single servers and workflows, which are left out. Raises
    StorageError or InvalidInput for a file of models that cannot be used.
    """
    prefs = addon.preferences()
    problems = [] if problems is None else problems
    own = own_files(prefs)
    return _with_own(files.load(own) if own else files.shipped(), prefs, problems)


def own_files(prefs: Any | None) -> list[Path]:
    """The user's own files and folders with models, styles and providers: those that the
    environment and the preferences name, and the add-on's folder of packs."""
    own = files.files_in_environment()
    if prefs is not None and prefs.models_file:
        own.append(Path(bpy.path.abspath(prefs.models_file)))
    packs = addon.user_folder(files.PACKS_FOLDER, create=False)
    return [*own, packs] if packs.is_dir() else own


def lists_file() -> Path:
    """Where the providers' own lists of models are kept. Raises StorageError."""
    return addon.user_folder(_LISTS_FOLDER) / model_lists.FILE


def list_days() -> dict[str, str]:
    """The day of each provider's own list that is kept ("2026-11-28"), by the provider's id."""
    state = addon.state(Catalogs)
    state.catalog()
    return state.list_days


def keep_lists(lists: Mapping[str, KnownList]) -> None:
    """Keep what providers said of their models beside what the others said before, and read the
    catalogue again. Raises StorageError."""
    file = lists_file()
    model_lists.write(file, {**model_lists.read(file), **lists})
    reload()


def keep_server_lists(lists: Mapping[str, ServerList]) -> None:
    """The same for what the user's own servers said. Raises StorageError."""
    file = addon.user_folder(_LISTS_FOLDER) / server_lists.FILE
    server_lists.write(file, {**server_lists.read(file), **lists})
    reload()


def _kept_server_lists() -> dict[str, ServerList]:
    return server_lists.read(addon.user_folder(_LISTS_FOLDER, create=False) / server_lists.FILE)


def _kept_lists() -> dict[str, KnownList]:
    return model_lists.read(addon.user_folder(_LISTS_FOLDER, create=False) / model_lists.FILE)


def _with_own(known: Catalog, prefs: Any | None, problems: list[GenAIError]) -> Catalog:
    known = model_lists.applied(known, _kept_lists())
    if prefs is not None:
        for connection in all_connections(prefs):
            known = known.plus(connection.catalog_models(known))
    for kind in servers.KINDS:
        try:
            known = _with_servers(known, prefs, kind, problems)
        except GenAIError as error:
            problems.append(error)
    known = server_lists.applied(known, _kept_server_lists())
    return input_maps.applied(known, own_input_maps())


def own_input_maps() -> dict[str, dict[str, str]]:
    """By model, which of its inputs takes what, where the user has said so."""
    return input_maps.read(addon.user_folder(_MODELS_FOLDER, create=False) / input_maps.FILE)


def keep_input_map(model: str, roles: Mapping[str, str]) -> None:
    """Keep what goes where for a model, and read the catalogue again. Raises StorageError."""
    file = addon.user_folder(_MODELS_FOLDER) / input_maps.FILE
    input_maps.write(file, {**input_maps.read(file), model: dict(roles)})
    reload()


def _with_servers(
    known: Catalog, prefs: Any | None, kind: str, problems: list[GenAIError]
) -> Catalog:
    """With the models of one kind of server: without a server, none."""
    endpoints = servers.from_environment(kind, problems=problems)
    endpoints = endpoints or own_endpoints(prefs, kind, problems)
    addresses = [endpoint.base_url for endpoint in endpoints.values()]
    if not addresses:
        return known
    from ..backends.self_hosted.comfyui import library

    online = not all(map(_is_here, addresses))
    if kind == "model3d":
        own = {
            model.id: replace(model, online=online)
            for model in known.media.values()
            if model.backend == kind
        }
        return replace(known, media={**known.media, **own})
    if kind == "comfyui":
        known, of_workflows = library.with_workflows(
            known, workflow_folder(prefs), online, addresses[0]
        )
        problems.extend(of_workflows)
        return known
    shipped = files.load([files.DATA / "a1111.toml"]).models.values()
    return known.plus(
        replace(model, online=online, price=library.OWN_PRICE)
        for model in shipped
        if model.backend == kind
    )


def _is_here(address: str) -> bool:
    host = origin_of(address).partition("://")[2]
    return http_settings.is_loopback(host.rpartition(":")[0] if ":" in host else host)


def workflow_folder(prefs: Any | None, create: bool = False) -> Path | None:
    """The one that the environment or the preferences name, else one of the add-on's own.

    None where that is not there yet. Raises StorageError if it cannot be made.
    """
    said = os.environ.get(servers.WORKFLOWS_VARIABLE, "").strip()
    if said:
        return Path(said)
    if prefs is not None and prefs.workflow_folder:
        return Path(bpy.path.abspath(prefs.workflow_folder))
    folder = addon.user_folder("workflows", create)
    return folder if folder.is_dir() else None
