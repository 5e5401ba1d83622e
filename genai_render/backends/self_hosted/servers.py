# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's own servers: what they are called, where they are, and what kind each is.

They stand among the endpoints of the settings as "comfyui:Studio 1" or "a1111:Desk"; where the
environment names some, those are used in their place. Never in a scene.
"""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from ...core.errors import CredentialsError, GenAIError, InvalidInput
from ...core.keys.credentials import Secret
from ..base import BACKENDS, of_kind
from ..http.settings import Access, BackendSettings, Endpoint, access

KINDS = tuple(row.id for row in of_kind("self-hosted"))

WORKFLOWS_VARIABLE = "GENAI_RENDER_WORKFLOWS"
"""A folder of workflows of one's own, in ComfyUI's API format."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server as a job sees it. name: the user's own for it."""

    kind: str
    name: str
    where: Access

    @property
    def address(self) -> str:
        return self.where.base_url

    @property
    def label(self) -> str:
        """For people: 'ComfyUI "Studio 1"'."""
        return f'{BACKENDS[self.kind].label} "{self.name}"'


def endpoint_name(kind: str, name: str) -> str:
    return f"{kind}:{name}"


def from_environment(
    kind: str, environ: Mapping[str, str] | None = None, problems: list[GenAIError] | None = None
) -> dict[str, Endpoint]:
    """Servers that the environment names, as endpoints, each called by its host and path.

    A name and password, or a key, may stand in an address as in any other:
    "https://name:password@host". problems: gets what is wrong with single addresses, which are
    left out; without it, it is raised where no address can be used.
    """
    environ = os.environ if environ is None else environ
    variable = BACKENDS[kind].variable
    endpoints: dict[str, Endpoint] = {}
    wrong: list[GenAIError] = []
    for text in environ.get(variable, "").split(","):
        if not text.strip():
            continue
        address, key = _apart(text.strip())
        name = address.partition("://")[2]  # two paths on one host are two servers
        try:
            endpoint = Endpoint(base_url=address, needs_key=False, key=key)
        except InvalidInput as error:
            wrong.append(
                InvalidInput(f"One address in {variable} cannot be used.", error.what, error.action)
            )
            continue
        endpoints[endpoint_name(kind, name)] = endpoint
    if problems is not None:
        problems += wrong
    elif wrong and not endpoints:
        raise wrong[0]
    return endpoints


def _apart(text: str) -> tuple[str, Secret | None]:
    """An address without what stands before its host, and that as the key."""
    scheme, mark, rest = text.rpartition("://")
    place, slash, path = rest.partition("/")
    known, at, host = place.rpartition("@")
    key = Secret(urllib.parse.unquote(known)) if at and known else None
    return f"{scheme if mark else 'http'}://" + f"{host}{slash}{path}".rstrip("/"), key


def endpoints_of(settings: BackendSettings, kind: str) -> dict[str, Endpoint]:
    """By the user's name for each."""
    named = from_environment(kind) or {
        name: endpoint
        for name, endpoint in settings.endpoints.items()
        if name.startswith(f"{kind}:") and endpoint.base_url
    }
    return {name.partition(":")[2]: endpoint for name, endpoint in named.items()}


def names_of(settings: BackendSettings, backend: str) -> list[str]:
    """The user's names of a backend's servers; none for a backend that has no servers."""
    return list(endpoints_of(settings, backend)) if backend in KINDS else []


def servers_of(settings: BackendSettings, kind: str, only: str = "") -> list[Server]:
    """The servers of a kind that may be reached, in the user's order. only: "comfyui:NAME" for a
    single one.

    Raises InvalidInput where there is none, OnlineAccessOff where none may be reached.
    """
    endpoints = endpoints_of(settings, kind)
    if only:
        name = only.partition(":")[2]
        if name not in endpoints:
            raise InvalidInput(f'There is no {BACKENDS[kind].label} server called "{name}".')
        endpoints = {name: endpoints[name]}
    if not endpoints:
        row = BACKENDS[kind]
        raise InvalidInput(
            f"No {row.label} server is known.",
            action=f"Add one in the add-on's preferences, or name it in {row.variable}.",
        )
    servers: list[Server] = []
    refused: Exception | None = None
    for name, endpoint in endpoints.items():
        key = endpoint_name(kind, name)
        known = BackendSettings(
            settings.online_access, {key: endpoint}, settings.catalog, settings.credentials
        )
        try:
            servers.append(Server(kind, name, access(known, key)))
        except (GenAIError, OSError) as error:
            # One that cannot be used hides no other.
            if refused is None or isinstance(error, (InvalidInput, CredentialsError)):
                refused = error
    if not servers and refused is not None:
        raise refused
    return servers
