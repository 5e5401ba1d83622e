# SPDX-License-Identifier: GPL-3.0-or-later
"""The providers and servers in the preferences: where each is, its key, and whether it answers.

All of it is kept in Blender's preferences and never in a scene, but for the keys, which are kept
in the operating system's keyring only.
"""

# Blender's stubs do not know a type's own members.
# pyright: reportAttributeAccessIssue=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, PointerProperty, StringProperty
from bpy.types import PropertyGroup

from ...backends.base import of_kind
from ...backends.http.proxies import NO_PROXY, OWN_PROXY, SYSTEM_PROXY
from ...core.errors import GenAIError, InvalidInput
from .. import addon, backend_settings, catalog
from ..translation import CONTEXT
from . import keys

if TYPE_CHECKING:
    from ...backends.http.settings import Endpoint
    from ...core.models.catalog import Catalog, Model


def _no_key(self: Any) -> str:
    return ""


def _take_key(self: Any, value: str) -> None:
    """What is typed goes to the keyring at once; the field itself never holds it."""
    if not value.strip():
        return
    try:
        keys.store(self.endpoint, backend_settings.for_connection(self, catalog.catalog()), value)
    except GenAIError as error:
        keys.say(self.endpoint, error)


def _changed(self: Any, context: bpy.types.Context) -> None:
    keys.forget(self.endpoint)


def _network_changed(self: Any, context: bpy.types.Context) -> None:
    keys.reached_otherwise()


def _models_changed(self: Any, context: bpy.types.Context) -> None:
    catalog.reload()


def _server_renamed(self: Any, context: bpy.types.Context) -> None:
    prefs = addon.preferences()
    assert prefs is not None, "a server stands in the preferences"
    taken = {other.name for other in prefs.servers if other != self}
    taken |= set(catalog.catalog().providers)
    free = free_name(self.name.strip() or "Server", taken.__contains__)
    if free != self.name:
        self.name = free  # which brings us here again
        return
    _models_changed(self, context)


def free_name(base: str, is_taken: Callable[[str], bool]) -> str:
    """The name, or with the first number behind it that makes it one that is not taken."""
    name, number = base, 2
    while is_taken(name):
        name, number = f"{base} {number}", number + 1
    return name


class Connection:
    """What every connection has."""

    base_url: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Base URL",
        description="Where the server is, if it is not the provider's usual address",
        update=_changed,
    )
    key_entry: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Key",
        translation_context=CONTEXT,
        description="Paste the key here. It goes to the system keyring at once, and this field "
        "stays empty",
        subtype="PASSWORD",
        get=_no_key,
        set=_take_key,
        options={"SKIP_SAVE"},
    )
    plain_key: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Unencrypted Key",
        description="The server, and the proxy, that the key may go to without encryption",
        options={"HIDDEN"},
    )
    show_server: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Server and Models",
        description="Show where the server is, and which models are added to the list",
        options={"SKIP_SAVE"},
    )

    def to_endpoint(self, prefs: Any) -> "Endpoint":
        """Raises InvalidInput for an address, a proxy or a file that cannot be used."""
        return replace(
            backend_settings.plain_endpoint(prefs),
            base_url=self.base_url.strip(),  # pyright: ignore
            organization=getattr(self, "organization", "").strip(),
            project=getattr(self, "project", "").strip(),
            plain_key=self.plain_key,  # pyright: ignore
            vertex=getattr(self, "vertex", False),
            location=getattr(self, "location", "").strip(),
            credentials_file=bpy.path.abspath(getattr(self, "credentials_file", "").strip()),
        )


class ProviderConnection(Connection):
    """What the connection to a provider has, whose models we know."""

    more_models: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="More Models",
        description="Names of models that are not in the list yet, with commas between. Each is "
        "taken to be like the one in the list whose name is most like it",
        update=_models_changed,
    )

    def catalog_models(self, known: "Catalog") -> "list[Model]":
        names = dict.fromkeys(name.strip() for name in self.more_models.split(","))
        models = [known.like_known(self.endpoint, name) for name in names if name]
        return [model for model in models if model.id not in known.models]


class OpenAIAccount:
    """What only OpenAI asks for."""

    organization: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Organization", description="Its id, if your account has several", update=_changed
    )
    project: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Project",
        translation_context=CONTEXT,
        description="Its id, if the costs go to one",
        update=_changed,
    )


class GoogleAccount:
    """What only Google has: Vertex AI, where a project of Google Cloud pays."""

    vertex: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Vertex AI",
        description="Reach Google's models through a project of Google Cloud, with this computer's "
        "login in place of a key",
        update=_changed,
    )
    project: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Project",
        description="The id of the Google Cloud project, else GOOGLE_CLOUD_PROJECT",
        update=_changed,
    )
    location: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Location",
        description="Such as us-central1, else GOOGLE_CLOUD_LOCATION, else global",
        update=_changed,
    )
    credentials_file: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Credentials File",
        description="Of a service account, else GOOGLE_APPLICATION_CREDENTIALS, else what "
        "gcloud auth application-default login wrote",
        subtype="FILE_PATH",
        update=_changed,
    )


_OF_SOME = {"openai": OpenAIAccount, "gemini": GoogleAccount}

CLOUD = {
    row.id: type(
        f"GenAI{row.id.title()}Connection",
        (*filter(None, (_OF_SOME.get(row.id),)), ProviderConnection, PropertyGroup),
        {"__doc__": f"{row.label}.", "endpoint": row.id, "backend": row.id},
    )
    for row in of_kind("cloud")
}
"""The connections of the providers that have a backend of their own, by its name."""

CloudConnections = type(
    "CloudConnections",
    (),
    {
        "__doc__": "For the preferences to inherit: a connection by the name of each.",
        "__annotations__": {id: PointerProperty(type=kind) for id, kind in CLOUD.items()},
    },
)


class GenAITableConnection(ProviderConnection, PropertyGroup):
    """A provider that has a table in a TOML file and no backend of its own."""

    name: StringProperty(name="Provider", options={"HIDDEN"})  # pyright: ignore[reportInvalidTypeForm]

    @property
    def endpoint(self) -> str:
        return self.name

    @property
    def backend(self) -> str:
        return catalog.catalog().providers[self.name].backend

    def catalog_models(self, known: "Catalog") -> "list[Model]":
        # A table may be gone: what was set for it waits until it is back.
        return super().catalog_models(known) if self.name in known.providers else []


class GenAIServerConnection(Connection, PropertyGroup):
    """A server that speaks OpenAI's image API: the models that it is said to have."""

    backend = "compatible"

    name: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Name", description="What you call this server", update=_server_renamed
    )
    models: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Models",
        description="The names of its image models as the server knows them, with commas between",
        update=_models_changed,
    )
    price_known: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Price Known",
        description="Count its images with this price, zero for a server of your own. A price "
        "that is not known keeps every budget from being spent on it",
        update=_models_changed,
    )
    price: FloatProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Price of an Image (USD)",
        description="In US dollars",
        min=0.0,
        default=0.0,
        precision=3,
        update=_models_changed,
    )

    @property
    def endpoint(self) -> str:
        return self.name

    def catalog_models(self, known: "Catalog") -> "list[Model]":
        names = [name.strip() for name in self.models.split(",")]
        price = self.price if self.price_known else None
        from ...core.models.catalog import server_model

        return [server_model(self.name, name, price) for name in dict.fromkeys(names) if name]


class ConnectionSettings:
    """How all of them are reached: for the preferences to inherit."""

    proxy: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Proxy",
        translation_context=CONTEXT,
        description="How the internet is reached. Servers on this computer are reached directly",
        items=[
            (SYSTEM_PROXY, "System", "As this computer is set up"),
            (NO_PROXY, "None", "Directly"),
            (OWN_PROXY, "Custom", "Through the proxy that is entered here"),
        ],
        default=SYSTEM_PROXY,
        update=_network_changed,
    )
    proxy_address: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Address", description="Such as http://proxy.example:3128", update=_network_changed
    )
    ca_file: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="CA File",
        description="Certificates to trust as well, in PEM form, for servers inside a company",
        subtype="FILE_PATH",
        update=_network_changed,
    )
    connect_timeout: FloatProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Connect Within",
        description="Seconds that a server may take to accept a connection",
        min=1.0,
        max=600.0,
        default=15.0,
        precision=0,
        subtype="TIME_ABSOLUTE",
    )
    read_timeout: FloatProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Answer Within",
        description="Seconds that a server may stay silent, which for an image can be minutes",
        min=5.0,
        max=3600.0,
        default=300.0,
        precision=0,
        subtype="TIME_ABSOLUTE",
    )


def of_tables(prefs: Any, known: "Catalog") -> list[Any]:
    """The connections of the providers that have a table: one for each that there is now."""
    kept = {one.name for one in prefs.tables}
    for provider in known.providers.values():
        if provider.dialect != "own" and provider.id not in kept:
            prefs.tables.add().name = provider.id
    return [one for one in prefs.tables if one.name in known.providers]


def connection(endpoint: str) -> Any:
    """The connection of that name. Raises InvalidInput."""
    prefs = addon.preferences()
    assert prefs is not None, "the preferences show the connections"
    for one in (*backend_settings.all_connections(prefs), *prefs.own_servers):
        if one.endpoint == endpoint:
            return one
    raise InvalidInput(f'There is no server called "{endpoint}".')


CLASSES = (*CLOUD.values(), GenAITableConnection, GenAIServerConnection)
