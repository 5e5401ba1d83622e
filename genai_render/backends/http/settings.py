# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backend that uses the network is told: where to connect, how, and with which key."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...core.errors import CredentialsError, InvalidInput
from ...core.keys.credentials import Credentials, Secret, origin_of
from ...core.models import catalog
from ...core.models.catalog import Catalog, Model
from ...core.provider import Provider
from . import vertex
from .errors import OnlineAccessOff
from .proxies import NO_PROXY, SYSTEM_PROXY
from .proxy_route import proxy_for
from .reach import is_loopback
from .vertex import Vertex


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server, as the preferences describe it. Empty means the provider's own, or none.

    proxy: "system", "none", or "http://host:port".
    ca_file: a PEM file of certificates to trust as well, for a server inside a company.
    connect_timeout, read_timeout: seconds; the latter is how long the server may stay silent,
        which for an image can be minutes.
    key: in place of the one that is looked up. needs_key: without one nothing is sent.
    plain_key: the way that a key may go without encryption, as `plain_way` tells it: the user was
        warned, by the server's name, that it can be read there, and allows it all the same. Another
        address or proxy is another way.
    vertex: for Google: through Vertex AI, with `project`, `location` and the login in
        `credentials_file`; what of them is empty is as the environment says.
    """

    base_url: str = ""
    organization: str = ""
    project: str = ""
    proxy: str = SYSTEM_PROXY
    ca_file: str = ""
    connect_timeout: float = 15.0
    read_timeout: float = 300.0
    key: Secret | None = None
    needs_key: bool = True
    plain_key: str = ""
    vertex: bool = False
    location: str = ""
    credentials_file: str = ""

    @property
    def overall(self) -> float:
        """Seconds that a request may take altogether, also where something comes now and then."""
        return 2 * self.read_timeout + 10.0

    def __post_init__(self) -> None:
        if self.base_url:
            origin_of(self.base_url)
        if self.proxy not in (SYSTEM_PROXY, NO_PROXY, ""):
            _check_proxy(self.proxy)
        for name in ("connect_timeout", "read_timeout"):
            if not 0 < getattr(self, name) <= 3600:
                raise InvalidInput("A timeout is more than 0 and at most 3600 seconds.")


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """Plain data for `create_backend`, read once from the preferences by the main thread.

    online_access: Blender's own switch. Where it is off, only this computer itself is reached.
    belong_together: the pictures of this run are of one series, as the frames of an animation:
        what a backend chooses by itself is chosen once.
    choices: where that is kept, for those that go on with the series later; None for nowhere.
    endpoints: by name: "openai", "gemini", or an OpenAI-compatible profile's own name.
    catalog: with the user's models in it; None for the one that ships.
    """

    online_access: bool = True
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    catalog: Catalog | None = None
    credentials: Credentials = field(default_factory=Credentials)
    belong_together: bool = False
    choices: Path | None = None

    def models(self) -> Catalog:
        return self.catalog if self.catalog is not None else catalog.shipped()

    def endpoint(self, name: str) -> Endpoint:
        return self.endpoints.get(name, Endpoint())

    def provider(self, name: str) -> Provider:
        """Who is behind an endpoint: one that has a table, or a profile of the user's own, which
        has no key but the one that was entered for it."""
        known = self.models().providers.get(name) or catalog.shipped().providers.get(name)
        return known or Provider(name, name, needs_key=False)


@dataclass(frozen=True, slots=True)
class Access:
    """An endpoint with its address and key found: what one job connects with.

    key: None for a server that needs none. source: where the key comes from, in words; "" for none.
    vertex: the project that pays in place of a key, whose token the job itself gets.
    """

    provider: Provider
    endpoint: Endpoint
    base_url: str
    key: Secret | None
    source: str = ""
    vertex: Vertex | None = None

    @property
    def origin(self) -> str:
        return origin_of(self.base_url)

    @property
    def local(self) -> bool:
        """On this very computer."""
        return is_loopback(urllib.parse.urlsplit(self.origin).hostname or "")


CA_VARIABLE = "GENAI_RENDER_CA"
"""A PEM file of certificates to trust as well, where the preferences name none."""

PLAIN_KEY_VARIABLE = "GENAI_RENDER_PLAIN_KEY"
"""Ways, as `plain_way` tells them and with commas in between, that a key may go unencrypted."""


def check_key_may_go(endpoint: Endpoint, origin: str) -> None:
    """Raises CredentialsError for a key that others could read on its way: over plain http it goes
    to this computer only, unless the user allowed it for that server."""
    if may_send_key(endpoint, origin):
        return
    raise CredentialsError(
        f"The key for {urllib.parse.urlsplit(origin).netloc} was not sent: "
        f"{plain_key_warning(endpoint, origin)}",
        action='Use an address that begins with "https", or allow it for this server in the '
        f"add-on's preferences or with {PLAIN_KEY_VARIABLE}={plain_way(endpoint, origin)!r}.",
    )


def is_plain(origin: str) -> bool:
    """Whether a key could be read on its way there."""
    parts = urllib.parse.urlsplit(origin)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def may_send_key(endpoint: Endpoint, origin: str) -> bool:
    """Whether no one could read it on its way, or the user allowed just that way."""
    if not is_plain(origin):
        return True
    named = os.environ.get(PLAIN_KEY_VARIABLE, "").split(",")
    allowed = {endpoint.plain_key, *(text.strip().rstrip("/") for text in named)}
    return plain_way(endpoint, origin) in allowed


def plain_way(endpoint: Endpoint, origin: str) -> str:
    """Where a key goes that is not encrypted: to that server, and through a proxy that sees it."""
    proxy = _proxy_on_the_way(endpoint, origin)
    return f"{origin} through {proxy}" if proxy else origin


def plain_key_warning(endpoint: Endpoint, origin: str) -> str:
    """What the user is told before it is allowed, with the names of those who would see it."""
    host = urllib.parse.urlsplit(origin).netloc
    proxy = _proxy_on_the_way(endpoint, origin)
    return (
        f"everybody on the network between this computer and {host}"
        f"{f', and the proxy {proxy},' if proxy else ''} could read it, because its address begins "
        "with http."
    )


def _proxy_on_the_way(endpoint: Endpoint, origin: str) -> str:
    """Its host and port; "" for none."""
    proxy = proxy_for(endpoint.proxy, origin)
    return urllib.parse.urlsplit(proxy[0]).netloc if proxy else ""


def vertex_of(settings: BackendSettings, name: str) -> Vertex | None:
    """The project of Google Cloud that Google's models are reached through; None without one, and
    for every other provider. Raises what `vertex.place` does."""
    if name != "gemini":
        return None
    endpoint, environ = settings.endpoint(name), settings.credentials.environ
    if endpoint.key is not None and not endpoint.vertex:
        return None  # with a key of its own, whatever the environment says for others
    return vertex.place(endpoint, environ) if vertex.is_on(endpoint, environ) else None


def address_of(settings: BackendSettings, name: str, base_url: str = "") -> str:
    """Where `name` is reached. base_url: what the model itself says.

    Raises InvalidInput for a bad address or none, OnlineAccessOff where it may not be reached.
    """
    endpoint = settings.endpoint(name)
    by_project = vertex_of(settings, name)
    if by_project is not None:
        said = settings.credentials.environ.get(vertex.ADDRESS, "").strip()
        address = (endpoint.base_url.strip() or said or by_project.address).rstrip("/")
    else:
        provider = settings.provider(name)
        address = settings.credentials.base_url(provider, endpoint.base_url or base_url)
    if not address:
        raise InvalidInput(
            f'No address is known for "{name}".',
            action="Enter the server's base URL in the add-on's preferences.",
        )
    host = urllib.parse.urlsplit(origin_of(address)).hostname or ""
    if not settings.online_access and not is_loopback(host):
        raise OnlineAccessOff()
    return address


def access(settings: BackendSettings, name: str, base_url: str = "") -> Access:
    """Where `name` is reached and with which key, which may ask the system's keyring and wait.

    Raises what `address_of` does, and CredentialsError if it needs a key and there is none.
    """
    address = address_of(settings, name, base_url)
    endpoint, provider = settings.endpoint(name), settings.provider(name)
    by_project = vertex_of(settings, name)
    if by_project is not None:
        vertex.check_file(by_project)
        return Access(provider, endpoint, address, None, by_project.source, by_project)
    own_server = ":" in name  # "comfyui:Studio"
    if endpoint.key is not None:
        host = urllib.parse.urlsplit(address).hostname
        check_key(endpoint.key, f"The key for {host}", own_server)
        return Access(provider, endpoint, address, endpoint.key or None)
    if endpoint.needs_key and provider.needs_key:
        credential = settings.credentials.need(provider, address)
    else:
        credential = settings.credentials.find(provider, address)
    if credential is None:
        return Access(provider, endpoint, address, None)
    check_key(credential.secret, f"The key from {credential.source}", own_server)
    return Access(provider, endpoint, address, credential.secret, credential.source)


def check_key(key: Secret, what: str, may_be_pair: bool) -> None:
    """Raises CredentialsError for one that no header can hold: told before anything is sent.

    may_be_pair: a name and a password, with a colon between, have a form of their own, which can.
    """
    text = key.reveal()
    pair = may_be_pair and ":" in text
    if text.isprintable() and (pair or (text.isascii() and " " not in text)):
        return
    raise CredentialsError(
        f"{what} cannot be sent: it has a character in it that no key has.",
        "That may be a letter outside ASCII, a space or a line break that was copied along.",
        "Copy the key again, whole and without anything else.",
    )


def endpoint_name(model: Model) -> str:
    """The endpoint that a model is reached through: its provider's, its own profile, or its
    backend's."""
    if model.provider:
        return model.provider
    if model.backend == "compatible":
        return str(model.extra.get("profile", "compatible"))
    return model.backend


def _check_proxy(proxy: str) -> None:
    if not proxy.startswith("http://"):
        raise InvalidInput(
            "Only HTTP proxies can be used.", action='Write it such as "http://127.0.0.1:3128".'
        )
