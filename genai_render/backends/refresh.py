# SPDX-License-Identifier: GPL-3.0-or-later
"""*Refresh Models*: ask every provider that has a key for its own list of models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from ..core.errors import Cancelled, CredentialsError, GenAIError, InvalidInput
from ..core.events import CancelToken
from ..core.models.model_lists import KnownList, Listed, new_in
from ..core.models.server_lists import ServerList
from ..core.provider import Provider
from .base import BACKENDS, create_backend
from .http.errors import OnlineAccessOff
from .http.settings import BackendSettings, access
from .self_hosted import offers, servers


@dataclass(frozen=True, slots=True)
class Answered:
    """What one provider said. new: image models that the catalogue does not have. problem: why it
    did not say anything."""

    provider: Provider
    known: KnownList | None = None
    new: tuple[Listed, ...] = ()
    problem: GenAIError | None = None


@dataclass(frozen=True, slots=True)
class ServersAnswered:
    """What the user's own servers of one kind said. problem: why none of them said anything."""

    kind: str
    known: ServerList | None = None
    problem: GenAIError | None = None

    @property
    def label(self) -> str:
        """For people: "Your ComfyUI servers"."""
        return f"Your {BACKENDS[self.kind].label} servers"


def refreshed(
    settings: BackendSettings, cancel: CancelToken
) -> Iterator[Answered | ServersAnswered]:
    """The lists of the providers that have a key and of the user's own servers, one after the
    other; costs nothing. For a worker thread. Raises Cancelled, and where nobody was asked
    OnlineAccessOff, or CredentialsError: no provider has a key."""
    catalog, asked = settings.models(), 0
    offline: OnlineAccessOff | None = None
    day = date.today().isoformat()
    for provider in catalog.providers.values():
        if not provider.models.path:
            continue
        try:
            access(settings, provider.id)
        except OnlineAccessOff as error:
            offline = offline or error
            continue
        except (CredentialsError, InvalidInput):
            continue  # without a key, or without an address as a deployment of one's own has it
        asked += 1
        try:
            backend = create_backend(provider.backend, settings)
            models = tuple(backend.model_list(cancel, provider.id))
        except Cancelled:
            raise
        except GenAIError as error:
            yield Answered(provider, problem=error.with_traceback(None))
            continue
        yield Answered(provider, KnownList(day, models), tuple(new_in(catalog, provider, models)))
    for kind in servers.KINDS:
        if not servers.names_of(settings, kind):
            continue
        try:
            known = offers.offers(settings, kind, cancel)
        except Cancelled:
            raise
        except OnlineAccessOff as error:
            offline = offline or error
            continue
        except GenAIError as error:
            asked += 1
            yield ServersAnswered(kind, problem=error.with_traceback(None))
            continue
        asked += 1
        yield ServersAnswered(kind, known)
    if not asked and offline is not None:
        raise offline.with_traceback(None)
    if not asked:
        raise CredentialsError(
            "No provider was asked for its models.",
            "There is no key for any.",
            "Enter one in the add-on's preferences, or in the environment.",
        )
