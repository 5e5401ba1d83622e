# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a connection's key may go to its server without encryption: asked for each server once,
and again when its address, or the proxy that leads to it, is another one."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass, replace
from typing import Any

from ...backends.http import settings as http_settings
from ...core.keys.credentials import origin_of
from .. import catalog
from ..backend_settings import for_connection
from . import keys


@dataclass(frozen=True, slots=True)
class PlainKey:
    """A key that is read easily on its way. server: its host and port, as the user entered them.

    way: what is allowed, or would be. warning: who could read the key.
    """

    server: str
    way: str
    allowed: bool
    warning: str


def of_connection(connection: Any) -> PlainKey | None:
    """None where the server has no key, or no one could read it. Never waits.

    Raises GenAIError for an address or a proxy that cannot be used.
    """
    # Looking for a key sends nothing, so it does not need Blender's online access.
    settings = replace(for_connection(connection, catalog.catalog()), online_access=True)
    name = connection.endpoint
    origin = origin_of(http_settings.address_of(settings, name))
    if not http_settings.is_plain(origin):
        return None
    status = keys.key_status(name, settings)
    if status is None or not status.source:
        return None
    endpoint = settings.endpoint(name)
    return PlainKey(
        urllib.parse.urlsplit(origin).netloc,
        http_settings.plain_way(endpoint, origin),
        http_settings.may_send_key(endpoint, origin),
        http_settings.plain_key_warning(endpoint, origin),
    )
