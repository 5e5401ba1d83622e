# SPDX-License-Identifier: GPL-3.0-or-later
"""Who takes a key and makes images for it, and how it is spoken to: one table of a TOML file.

A provider that speaks a known dialect needs no code. For dialect "openai" the table says where it
is and how its key is sent. For dialect "json" it also says what the body of a request is, as a
pattern, and where the images and the cost stand in the answer. For dialect "fal" each model has a
schema of its own, which is read (see `models.input_schema`). A body of dialect "json":

    [provider.body]
    prompt = "{prompt}"
    input_references = "{images}"
    count = "{count}"

A text that is one "{name}" alone becomes the value itself, a number or a list; an entry whose value
is not there is left out. The names are those of `PLACES`, and "option.ID" for an option of the
model.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .errors import InvalidInput

Dialect = Literal["own", "openai", "json", "fal"]

PLACES = (
    *("model", "prompt", "image", "images", "only_image", "more_images", "mask", "count", "seed"),
    *("size", "width", "height", "aspect", "resolution", "quality", "stream"),
)
"""What can stand in a pattern of a request's body. image: the first of `images`. only_image: where
there is one; more_images: where there are several. stream: true for a single image of a model whose
`extra.stream` says that unfinished ones come before it, as OpenAI's events."""

IMAGE_PLACES = ("data_uri", "base64", "mime")
"""What can stand in the pattern of one image."""

_PLACE = re.compile(r"\{([\w.-]+)\}")
_RESERVED = ("host", "content-length", "content-type", "transfer-encoding", "connection")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Answer:
    """Where things stand in a JSON answer, as names with dots in between ("usage.cost").

    images: the list of images. image: what holds an image in one of its entries, the first that is
        there; base64, a data URI or an address. "" for the entry itself.
    cost: of the whole answer, in units of which one is `usd_per_unit` US dollars.
    seed, revised_prompt: of an entry, or else of the answer.
    """

    images: str = "data"
    image: tuple[str, ...] = ("b64_json", "url")
    cost: str = ""
    usd_per_unit: float = 1.0
    seed: str = "seed"
    revised_prompt: str = "revised_prompt"


@dataclass(frozen=True, slots=True)
class ModelList:
    """Where a provider tells which models it has. path: below its address; "" if nowhere.

    items: the list in the answer. id: what names a model in an entry.
    images_only: the entries that make images, as "a.dotted.name" that holds the text "image".
    image_names: what the names of those that make images are like, as a regular expression; ""
        where the list does not tell, so that none is taken from it.
    details: where more of one model stands, "models/{name}"; prices: what it costs, within that.
    takes, streams, shutdown: within an entry, see `core.models.model_lists.Listed`.
    """

    path: str = "models"
    items: str = "data"
    id: str = "id"
    images_only: str = ""
    image_names: str = ""
    label: str = "name"
    description: str = "description"
    takes: str = "supported_parameters"
    streams: str = "supports_streaming"
    shutdown: str = "shutdown_date"
    details: str = ""
    prices: str = "endpoints.0.pricing"

    def makes_images(self, name: str) -> bool:
        return bool(self.image_names) and re.search(self.image_names, name) is not None


@dataclass(frozen=True, slots=True)
class BatchPrice:
    """Of what is handed in as a batch and made within a day: factor times the usual price. source,
    date: where and when that was read."""

    factor: float
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class Provider:
    """Who takes a key.

    base_url: where it is reached unless something else is said; base_url_variable says it in the
        environment. own_domain: keys from the environment may also go to hosts of this domain,
        such as a regional endpoint.
    variables: of the environment with a key in them, the first that is set wins.
    dialect: "own" for one that has a backend by its own id.
    key_header, key_format: how the key is sent. needs_key: without one nothing is sent.
    headers, query: sent along with everything. prefix: a path between the address and what is
        asked for; "{model}" in it is the model's name.
    without: parameters of OpenAI's that a provider of that dialect does not take.
    services: addresses of what else belongs to it, by name. Where something stands in for the
        provider, at an address of its own, they are below that address by these names.

    For dialect "json", path: for a request without images; edit_path: for one with images, `path`
    if left out. body: the pattern of the request; edit_body: of one with images, `body` if left
    out. image: the pattern of one image. words: how the provider calls a value of a place, such as
    { resolution = { "1K" = "1k" } }.
    like: the id of the provider whose models those that are only named are like.
    batch: what its batch endpoint costs; None for one without.
    """

    id: str
    label: str
    base_url: str = ""
    variables: tuple[str, ...] = ()
    base_url_variable: str = ""
    own_domain: str = ""
    key_page: str = ""
    description: str = ""
    dialect: Dialect = "openai"
    key_header: str = "Authorization"
    key_format: str = "Bearer {}"
    needs_key: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    without: tuple[str, ...] = ()
    services: Mapping[str, str] = field(default_factory=dict)
    path: str = "images/generations"
    edit_path: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    edit_body: Mapping[str, Any] = field(default_factory=dict)
    image: Any = "{data_uri}"
    words: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    like: str = ""
    answer: Answer = field(default_factory=Answer)
    models: ModelList = field(default_factory=ModelList)
    batch: BatchPrice | None = None

    @property
    def backend(self) -> str:
        """The name of the backend that speaks its dialect."""
        kinds = {"own": self.id, "openai": "compatible", "json": "json", "fal": "fal"}
        return kinds[self.dialect]

    def service(self, name: str, base_url: str) -> str:
        """Where one of its services is, if the provider is at `base_url`."""
        if name in self.services and base_url.rstrip("/") == self.base_url.rstrip("/"):
            return self.services[name].rstrip("/")
        return f"{base_url}/{name}"

    def address(self, base_url: str, model: str = "") -> str:
        """Where what is asked of a model begins."""
        prefix = self.prefix.replace("{model}", urllib.parse.quote(model, safe="")).strip("/")
        return f"{base_url}/{prefix}" if prefix else base_url

    def check(self) -> None:
        """Raises InvalidInput for a table that cannot work."""
        if not re.fullmatch(r"[\w.-]+", self.id):
            raise InvalidInput(
                f'"{self.id}" cannot be the id of a provider.', action="Use letters and digits."
            )
        if self.key_format.count("{}") != 1 or "{" in self.key_format.replace("{}", ""):
            raise InvalidInput(
                f'The "key_format" of the provider "{self.id}" does not say where the key goes.',
                action='Write "{}" in its place, such as "Bearer {}".',
            )
        for name in (*self.variables, *filter(None, (self.base_url_variable,))):
            if not _VARIABLE.fullmatch(name):
                raise InvalidInput(f'"{name}" cannot be the name of an environment variable.')
        for name, value in {**self.headers, self.key_header: "-"}.items():
            good = re.fullmatch(r"[A-Za-z0-9-]+", name) and value.isprintable() and value.isascii()
            if not good or name.lower() in _RESERVED:
                raise InvalidInput(f'The header "{name}" of the provider "{self.id}" is not one.')
        for address in self.services.values():
            if not address.startswith("https://"):
                raise InvalidInput(
                    f'"{address}" cannot be a service of the provider "{self.id}".',
                    action='Begin it with "https://".',
                )
        try:
            re.compile(self.models.image_names)
        except re.error as error:
            raise InvalidInput(
                f'The "image_names" of the provider "{self.id}" cannot be used.', f"{error}."
            ) from None
        if self.dialect != "json":
            return
        if not self.body:
            raise InvalidInput(
                f'The provider "{self.id}" does not say what is sent to it.',
                action="Add a [provider.body] table, as in the guide.",
            )
        for name in (*_places(self.body), *_places(self.edit_body)):
            if name not in PLACES and not name.startswith("option."):
                raise InvalidInput(
                    f'"{{{name}}}" in the body of the provider "{self.id}" is not known.',
                    action=f"Known: {', '.join(PLACES)}.",
                )
        for name in _places(self.image):
            if name not in IMAGE_PLACES:
                raise InvalidInput(
                    f'"{{{name}}}" in the image of the provider "{self.id}" is not known.',
                    action=f"Known: {', '.join(IMAGE_PLACES)}.",
                )

    def check_own(self, shipped: Mapping[str, Provider]) -> None:
        """Raises InvalidInput where a table of the user's would send a key of another provider to
        its own address: such a file may have come from somebody else."""
        if self.id in shipped:
            raise InvalidInput(
                f'There is a provider "{self.id}" already.', action="Choose another id for yours."
            )
        own = re.sub(r"\W", "_", self.id).upper() + "_"
        for name in (*self.variables, *filter(None, (self.base_url_variable,))):
            taken = any(
                name in (*other.variables, other.base_url_variable) for other in shipped.values()
            )
            if taken or not name.startswith(own):
                raise InvalidInput(
                    f'The provider "{self.id}" cannot have the variable {name}.',
                    "A key in the environment goes only to the provider that it is named after.",
                    f"Call it {own}API_KEY.",
                )


def _places(pattern: Any) -> list[str]:
    """The names that stand in a pattern."""
    if isinstance(pattern, str):
        return _PLACE.findall(pattern)
    if isinstance(pattern, Mapping):
        return [name for value in pattern.values() for name in _places(value)]
    if isinstance(pattern, (list, tuple)):
        return [name for value in pattern for name in _places(value)]
    return []


def filled(pattern: Any, values: Mapping[str, Any]) -> Any:
    """The pattern with values in it. What has none is left out; None where nothing is left."""
    if isinstance(pattern, str):
        whole = _PLACE.fullmatch(pattern)
        if whole:
            return values.get(whole.group(1))
        if any(values.get(name) is None for name in _PLACE.findall(pattern)):
            return None
        return _PLACE.sub(lambda place: str(values[place.group(1)]), pattern)
    if isinstance(pattern, Mapping):
        entries = {name: filled(value, values) for name, value in pattern.items()}
        entries = {name: value for name, value in entries.items() if value is not None}
        return entries or None
    if isinstance(pattern, (list, tuple)):
        parts = [part for part in (filled(value, values) for value in pattern) if part is not None]
        return parts or None
    return pattern


def names_in(pattern: Any) -> frozenset[str]:
    """What a pattern has a place for."""
    return frozenset(_places(pattern))


def at(answer: Any, path: str) -> Any:
    """What stands at a dotted path in JSON; the whole for "", None where there is nothing."""
    for name in path.split(".") if path else ():
        if isinstance(answer, Mapping):
            answer = answer.get(name)
        elif isinstance(answer, (list, tuple)) and name.isdigit() and int(name) < len(answer):
            answer = answer[int(name)]
        else:
            return None
    return answer
