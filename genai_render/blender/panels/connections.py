# SPDX-License-Identifier: GPL-3.0-or-later
"""Providers and servers, as the preferences show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...backends.base import BACKENDS, of_kind
from ...backends.http.proxies import OWN_PROXY
from ...core.errors import CredentialsError, GenAIError
from ...core.keys import credentials
from .. import backend_settings, catalog
from ..connections import keys, plain_keys, providers
from ..translation import translated
from .wrapping import wrapped

if TYPE_CHECKING:
    from ...core.provider import Provider


def draw(layout: Any, context: Any, prefs: Any) -> None:
    """All connections but those to servers of other kinds."""
    known = catalog.catalog()
    for info in of_kind("cloud"):
        _draw_one(layout, context, getattr(prefs, info.id), info.label, known.providers[info.id])
    for connection in providers.of_tables(prefs, known):
        provider = known.providers[connection.name]
        _draw_folded(layout, context, connection, provider)
    for number, server in enumerate(prefs.servers):
        _draw_server(layout, context, server, number)
    row = layout.row()
    row.alignment = "LEFT"
    row.operator("genai_render.server_add", icon="ADD")


def draw_network(layout: Any, prefs: Any) -> None:
    """How all of them are reached."""
    layout.separator(type="LINE")
    column = layout.column(align=True)
    column.prop(prefs, "proxy")
    if prefs.proxy == OWN_PROXY:
        column.prop(prefs, "proxy_address")
    column.prop(prefs, "ca_file")
    column.prop(prefs, "connect_timeout")
    column.prop(prefs, "read_timeout")


def _draw_one(layout: Any, context: Any, connection: Any, label: str, provider: Provider) -> None:
    box = layout.box()
    row = box.row()
    row.label(text=label, icon="URL", translate=False)
    _draw_buttons(row, connection)
    _draw_key(box, context, connection, provider)
    row = box.row()
    row.alignment = "LEFT"
    row.use_property_split = False
    row.prop(
        connection,
        "show_server",
        icon="DOWNARROW_HLT" if connection.show_server else "RIGHTARROW",
        emboss=False,
    )
    if connection.show_server:
        column = box.column()
        column.prop(connection, "base_url", placeholder=provider.base_url)
        if hasattr(connection, "vertex"):
            column.prop(connection, "vertex")
        fields = column.column()
        fields.active = getattr(connection, "vertex", True)
        for name in ("organization", "project", "location", "credentials_file"):
            if hasattr(connection, name):
                fields.prop(connection, name)
        column.prop(connection, "more_models", placeholder="Names, with commas between")


def _draw_folded(layout: Any, context: Any, connection: Any, provider: Provider) -> None:
    """One of many: a line, with all the rest below it once it is opened."""
    box = layout.box()
    row = box.row()
    row.use_property_split = False
    name = row.row()
    name.alignment = "LEFT"
    name.prop(
        connection,
        "show_server",
        text=provider.label,
        icon="DOWNARROW_HLT" if connection.show_server else "RIGHTARROW",
        emboss=False,
        translate=False,
    )
    if not connection.show_server:
        known = _key_status(connection)
        about = row.row()
        about.active = False
        has_key = known is not None and known.source
        about.label(text=provider.description, icon="KEYINGSET" if has_key else "NONE")
    _draw_buttons(row, connection)
    if not connection.show_server:
        return
    if provider.description:
        line = box.row()
        line.active = False
        line.label(text=provider.description)
    _draw_key(box, context, connection, provider)
    column = box.column()
    column.prop(connection, "base_url", placeholder=provider.base_url)
    column.prop(connection, "more_models", placeholder="Names, with commas between")
    for model in catalog.catalog().models.values():
        if model.provider == provider.id and "shipped_inputs" in model.extra:
            row = column.row()
            row.label(text=model.label, icon="NODETREE", translate=False)
            part = row.row()
            part.alignment = "RIGHT"
            part.operator("genai_render.input_map").model = model.id


def _draw_server(layout: Any, context: Any, server: Any, number: int) -> None:
    box = layout.box()
    row = box.row()
    row.label(text=server.name, icon="NETWORK_DRIVE", translate=False)
    _draw_buttons(row, server)
    row.operator("genai_render.server_remove", text="", icon="X", emboss=False).index = number
    column = box.column()
    column.prop(server, "name")
    column.prop(server, "base_url", placeholder=BACKENDS[server.backend].usual_address)
    row = column.row(align=True)
    row.prop(server, "models", placeholder="flux.1-dev, sd-3.5-large")
    row.operator("genai_render.server_models", text="", icon="FILE_REFRESH").index = number
    row = column.row(align=True, heading="Price of an Image")
    row.prop(server, "price_known", text="")
    value = row.row()
    value.active = server.price_known
    value.prop(server, "price", text="USD" if server.price_known else "Unknown")
    _draw_key(box, context, server)


def _draw_buttons(row: Any, connection: Any) -> None:
    part = row.row(align=True)
    part.alignment = "RIGHT"
    part.enabled = not keys.busy(connection.endpoint)
    part.operator("genai_render.test_access", icon="PLUGIN").endpoint = connection.endpoint


def _draw_key(box: Any, context: Any, connection: Any, provider: Provider | None = None) -> None:
    needed = provider is not None and provider.needs_key
    known, problem = None, ""
    try:
        known = _looked_up(connection)
    except GenAIError as error:
        problem = error.text
    source = known.source if known is not None else ""
    row = box.row(align=True)
    row.prop(connection, "key_entry", placeholder="Paste it here" if needed else "If it needs one")
    if source == credentials.IN_KEYRING:
        row.operator("genai_render.key_remove", text="", icon="X").endpoint = connection.endpoint
    column = box.column(align=True)
    if source:
        wrapped(column, context, f"The key comes from {source}.", icon="KEYINGSET")
    elif provider and known is not None and isinstance(known.problem, CredentialsError):
        _draw_how_to_get_one(column, provider)
    elif problem or (known is not None and known.problem is not None):
        wrapped(column, context, problem or str(known and known.problem), icon="INFO")
    draw_plain_key(column, context, connection)
    doing, told = keys.busy(connection.endpoint), keys.told(connection.endpoint)
    if doing:
        column.label(text=f"{translated(doing)} …", icon="SORTTIME", translate=False)
    elif told is not None:
        column.alert = told.is_error
        wrapped(column, context, told.text, icon="ERROR" if told.is_error else "CHECKMARK")


def draw_plain_key(column: Any, context: Any, connection: Any) -> None:
    """A key that others could read on its way: who could, and whether the user allows it."""
    try:
        found = plain_keys.of_connection(connection)
    except GenAIError:
        return  # said where the address or the proxy is
    if found is None:
        return
    if found.allowed:
        row = column.row()
        row.label(
            text=translated(f"The key goes to {found.server} unencrypted, as you allowed"),
            icon="UNLOCKED",
            translate=False,
        )
        if connection.plain_key == found.way:  # and not by the environment
            operator = row.operator("genai_render.plain_key_forbid", text="", icon="X")
            operator.endpoint = connection.endpoint
        return
    part = column.column(align=True)
    part.alert = True
    wrapped(part, context, f"The key is not sent: {found.warning}", icon="ERROR")
    row = column.row()
    row.alignment = "LEFT"
    text = f"Allow for {found.server} …"
    operator = row.operator("genai_render.plain_key_allow", text=text, translate=False)
    operator.endpoint = connection.endpoint


def _looked_up(connection: Any) -> keys.KeyStatus | None:
    """Raises InvalidInput for an address that cannot be used."""
    # Looking for a key sends nothing, so it does not need Blender's online access.
    from dataclasses import replace  # not needed to start

    looking = replace(
        backend_settings.for_connection(connection, catalog.catalog()), online_access=True
    )
    return keys.key_status(connection.endpoint, looking)


def _key_status(connection: Any) -> keys.KeyStatus | None:
    """None, too, where the connection is not set up: it is said once the row is opened."""
    try:
        return _looked_up(connection)
    except GenAIError:
        return None


def _draw_how_to_get_one(column: Any, provider: Provider) -> None:
    row = column.row()
    variables = " or ".join(provider.variables)
    hint = f". {variables} in the environment would do, too" if variables else ""
    row.label(text=translated(f"There is no key yet{hint}"), icon="INFO", translate=False)
    if not provider.key_page:
        return
    part = row.row()
    part.alignment = "RIGHT"
    part.operator("wm.url_open", text="Get a Key", icon="URL").url = provider.key_page
