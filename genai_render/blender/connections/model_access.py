# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a model waits for a key, and where one comes from: for lists of models."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ...backends import base
from ...backends.http import settings as http_settings
from ...core.errors import CredentialsError, GenAIError
from .. import addon, backend_settings, background, catalog
from . import keys

if TYPE_CHECKING:
    from ...core.models.catalog import Model
    from ...core.provider import Provider

_BLINK_SECONDS = 0.15


def provider_of(model: Model) -> Provider | None:
    """Whose model it is; None for one of this computer or of the user's own servers."""
    return catalog.catalog().providers.get(model.provider or model.backend)


def needs_key(model: Model) -> bool:
    """It needs a key and there is none. False as long as that is being looked up.

    Looking for a key sends nothing, so it does not need Blender's online access.
    """
    provider = provider_of(model)
    if provider is None or not provider.needs_key or not base.backend_info(model.backend).connects:
        return False
    try:
        settings = replace(backend_settings.for_model(catalog.catalog(), model), online_access=True)
        status = keys.key_status(
            http_settings.endpoint_name(model), settings, str(model.extra.get("base_url", ""))
        )
    except GenAIError as error:
        return isinstance(error, CredentialsError)
    return status is not None and isinstance(status.problem, CredentialsError)


def look_up_all() -> None:
    """Look for every provider's key, so that a list knows of them when it is first drawn. What
    takes longer than a blink, as a keyring that asks for its password, comes later."""
    seen: set[str] = set()
    for model in catalog.catalog().models.values():
        name = model.provider or model.backend
        if name not in seen:
            seen.add(name)
            needs_key(model)
    ends = time.monotonic() + _BLINK_SECONDS
    while addon.state(background.Background).pending and time.monotonic() < ends:
        time.sleep(0.005)
        addon.state(background.Background).take()
