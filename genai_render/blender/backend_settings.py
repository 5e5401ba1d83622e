# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backend has to know of Blender and the preferences, as plain data for its thread."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import bpy

from ..backends import base
from ..backends.http import errors as http_errors
from ..backends.http import settings as http_settings
from ..backends.http.proxies import OWN_PROXY
from ..backends.self_hosted import servers
from ..core.errors import GenAIError, InvalidInput
from ..core.keys.credentials import origin_of
from . import addon
from .connections import keys

if TYPE_CHECKING:
    from ..backends.http.settings import BackendSettings, Endpoint
    from ..core.models.catalog import Catalog, Model

ONLINE_VARIABLE = "GENAI_RENDER_ONLINE"
"""Set to 1, it allows `python -m genai_render` to use the network."""


def plain_endpoint(prefs: Any) -> Endpoint:
    """How anything is reached, without an address. Raises InvalidInput for a bad proxy."""
    proxy = prefs.proxy_address.strip() if prefs.proxy == OWN_PROXY else prefs.proxy
    if not proxy:
        raise InvalidInput(
            "The proxy has no address.", action="Enter it in the add-on's preferences."
        )
    return http_settings.Endpoint(
        proxy=proxy,
        ca_file=bpy.path.abspath(prefs.ca_file) if prefs.ca_file else "",
        connect_timeout=prefs.connect_timeout,
        read_timeout=prefs.read_timeout,
    )


def own_endpoints(
    prefs: Any | None, kind: str, problems: list[GenAIError] | None = None
) -> dict[str, Endpoint]:
    """Of the user's servers of that kind that are used.

    problems: gets what is wrong with single servers, which are left out; without it, it is raised
    where none can be used.
    """
    endpoints: dict[str, Endpoint] = {}
    wrong: list[GenAIError] = []
    for server in prefs.own_servers if prefs is not None else ():
        if server.kind != kind or not server.use:
            continue
        try:
            endpoints[server.endpoint] = server.to_endpoint(prefs)
        except InvalidInput as error:
            wrong.append(
                InvalidInput(
                    f'The server "{server.name}" cannot be used.', error.what, error.action
                )
            )
    if problems is not None:
        problems += wrong
    elif wrong and not endpoints:
        raise wrong[0]
    return endpoints


def _settings(endpoints: dict[str, Endpoint], known: Catalog | None = None) -> BackendSettings:
    return http_settings.BackendSettings(
        online_access=bpy.app.online_access,
        endpoints=endpoints,
        catalog=known,
        credentials=keys.credentials,
    )


def all_connections(prefs: Any) -> list[Any]:
    """To providers with a backend of their own, to those with a table, and to servers."""
    cloud = [getattr(prefs, row.id) for row in base.of_kind("cloud")]
    return [*cloud, *prefs.tables, *prefs.servers]


def for_connection(connection: Any, known: Catalog) -> BackendSettings:
    """For one connection of the preferences. Raises InvalidInput for what cannot be used."""
    return _settings({connection.endpoint: connection.to_endpoint(addon.preferences())}, known)


def for_own_servers(kind: str) -> BackendSettings:
    """For the user's servers of one kind. Raises InvalidInput for a bad address."""
    return _settings(own_endpoints(addon.preferences(), kind))


def for_model(known: Catalog, model: Model) -> BackendSettings:
    """For a job with this model. Raises InvalidInput where its connection is set up wrongly.

    Without the add-on's preferences (`python -m genai_render`), the environment decides.
    """
    prefs = addon.preferences()
    endpoints: dict[str, Endpoint] = {}
    if prefs is not None:
        name = http_settings.endpoint_name(model)
        for one in all_connections(prefs):
            if one.endpoint == name:
                endpoints[name] = one.to_endpoint(prefs)
        if not endpoints and base.backend_info(model.backend).kind == "compatible":
            # A provider or a profile of the user's own file that has nothing here: its address is
            # in that file, and it is reached as everything is.
            endpoints[name] = plain_endpoint(prefs)
        endpoints |= own_endpoints(prefs, model.backend)
    return _settings(endpoints, known)


def for_all(known: Catalog) -> BackendSettings:
    """For everything that the preferences connect to; what is set up wrongly is left out."""
    prefs = addon.preferences()
    endpoints: dict[str, Endpoint] = {}
    for one in all_connections(prefs) if prefs is not None else ():
        with contextlib.suppress(InvalidInput):
            endpoints[one.endpoint] = one.to_endpoint(prefs)
    for kind in servers.KINDS:
        endpoints |= own_endpoints(prefs, kind, [])
    return _settings(endpoints, known)


def check_access(known: Catalog, model: Model, wait: bool) -> None:
    """Whether a model may be reached now and has the key it needs. Raises a GenAIError.

    wait: look the key up now, which may take as long as a keyring that asks for its password;
    else what is known so far decides, and the job itself finds out the rest.
    """
    if not model.online:
        return
    try:
        settings = for_model(known, model)
        row = base.backend_info(model.backend)
        if model.backend == "gemini" and model.makes == "video":
            from ..backends.cloud import veo  # not needed to start

            veo.check_place(model, http_settings.vertex_of(settings, "gemini") is not None)
        if row.connects:
            name, own = http_settings.endpoint_name(model), str(model.extra.get("base_url", ""))
            if wait:
                has_key = http_settings.access(settings, name, own).key is not None
            else:
                status = keys.key_status(name, settings, own)
                if status is not None and status.problem is not None:
                    raise status.problem
                has_key = status is not None and bool(status.source)
            if has_key:
                origin = origin_of(http_settings.address_of(settings, name, own))
                http_settings.check_key_may_go(settings.endpoint(name), origin)
        elif row.kind == "self-hosted":
            if wait:
                servers.servers_of(settings, model.backend)
            elif not bpy.app.online_access:
                raise http_errors.OnlineAccessOff()
        elif not bpy.app.online_access:
            raise http_errors.OnlineAccessOff()
    except http_errors.OnlineAccessOff:
        raise http_errors.OnlineAccessOff(
            f"{model.label} needs the network.", "", how_to_allow()
        ) from None


def allow_online(asked: bool) -> None:
    """Let the bpy module use the network for this process, where the command line or the
    environment says so. Blender itself has a word of its own for that, which counts there.

    Raises OnlineAccessOff where it was asked for in Blender.
    """
    said = os.environ.get(ONLINE_VARIABLE, "").strip().lower() in ("1", "true", "yes", "on")
    if bpy.app.online_access or not (asked or said):
        return
    if getattr(bpy.app, "module", False) and bpy.context.preferences is not None:
        bpy.context.preferences.system.use_online_access = True
    elif asked:
        raise http_errors.OnlineAccessOff(
            "--online is for python -m genai_render.", "", how_to_allow()
        )


def how_to_allow() -> str:
    """What a person does to allow the network."""
    if bpy.app.online_access_override:
        return "Blender was started without it: start it without --offline-mode."
    if bpy.app.background:
        return (
            f"Add --online or set {ONLINE_VARIABLE}=1 for python -m genai_render; start blender -b "
            "with --online-mode."
        )
    return "Turn on Allow Online Access in Preferences, System."
