# SPDX-License-Identifier: GPL-3.0-or-later
"""The models, styles and providers that can be chosen, read from data files."""

from __future__ import annotations

import difflib
import functools
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from ..errors import InvalidInput, NotFound
from ..files.toml_tables import entry, read, suggest, tables
from ..framing import RESOLUTIONS
from ..media import MediaKind
from ..provider import Answer, BatchPrice, ModelList, Provider
from ..request import OptionValue, RenderRequest
from . import input_schema
from .tasks import Task

DATA = Path(__file__).resolve().parents[2] / "data"

SOON_DAYS = 60
"""How many days before its end a model is said to go."""

_SHIPPED = (
    *("providers.toml", "options.toml", "models.toml", "actions.toml"),
    *("hosted.toml", "fal.toml", "media.toml", "styles.toml"),
)

PACKS_FOLDER = "packs"
"""The folder among the add-on's own that is read without being named anywhere."""

FILES_VARIABLE = "GENAI_RENDER_MODELS"
"""Environment variable that names TOML files and folders of the user's own, as PATH names
folders."""

_WORDS = ("label", "description")
_READS_NO_MARKS = ("offline", "a1111", "comfyui")  # backends
"""What an option of a schema takes from one of that name that is written once for several."""

_MAKES = {
    "image": "It makes images.",
    "video": "It makes clips of an image.",
    "model": "It makes 3D models of an image.",
}

OptionKind = Literal["choice", "bool", "int", "float", "text"]


@dataclass(frozen=True, slots=True)
class Option:
    """A setting that one model has and others may not. Shown and checked by what is said here.

    closeness: its values from one that leaves the image free to one that holds it to the view;
    empty where it has nothing to do with that (see `models.closeness`). suggested: of a text, what
    is known to be there; any other can be written, too.
    """

    id: str
    label: str
    kind: OptionKind
    default: OptionValue
    description: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    closeness: tuple[OptionValue, ...] = ()
    suggested: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(OptionKind):
            raise InvalidInput(f'The option "{self.id}" is of an unknown kind, "{self.kind}".')
        for value in (self.default, *self.closeness):
            self.check(value)

    def check(self, value: OptionValue) -> OptionValue:
        """The value if this option can have it. Raises InvalidInput."""
        if self.kind == "choice":
            good = value in self.choices
            hint = f"Choose {', '.join(self.choices)}."
        elif self.kind == "bool":
            good = isinstance(value, bool)
            hint = "It is on or off."
        elif self.kind == "text":
            good = isinstance(value, str)
            hint = "It is a text."
        else:
            whole = self.kind == "int"
            good = (
                not isinstance(value, bool)
                and isinstance(value, int if whole else (int, float))
                and math.isfinite(value)
                and (self.minimum is None or value >= self.minimum)
                and (self.maximum is None or value <= self.maximum)
            )
            hint = (
                f"It is a whole number{self._range()}."
                if whole
                else f"It is a number{self._range()}."
            )
        if not good:
            raise InvalidInput(f'The option "{self.id}" cannot be "{value}".', action=hint)
        return value

    def parse(self, text: str) -> OptionValue:
        """The value that a text from the command line means. Raises InvalidInput."""
        value: OptionValue = text
        if self.kind == "bool":
            value = {"true": True, "on": True, "yes": True, "1": True}.get(
                text.lower(),
                {"false": False, "off": False, "no": False, "0": False}.get(text.lower(), text),
            )
        elif self.kind in ("int", "float"):
            try:
                value = int(text) if self.kind == "int" else float(text)
            except ValueError:
                value = text
        return self.check(value)

    def value_in(self, values: Mapping[str, OptionValue]) -> OptionValue:
        """Its value among those that were set, else its default."""
        return values.get(self.id, self.default)

    def _range(self) -> str:
        if self.minimum is not None and self.maximum is not None:
            return f" from {self.minimum:g} to {self.maximum:g}"
        if self.minimum is not None:
            return f" of at least {self.minimum:g}"
        return f" of at most {self.maximum:g}" if self.maximum is not None else ""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars, where they were read (`source`) and when (`date`). What is left out is unknown.

    per_image: for one image, by resolution, {"1K": 0.04}, by quality and size or resolution,
        {"low 1024x1024": 0.009, "low 2K": 0.06}. per_megapixel: for a million pixels that come
        out. up_to_megapixels: for one image by the million pixels that come out at most, {"24":
        0.08}. per_input_image: for each image that is sent, but for the first free_inputs.
    per_next_megapixel: then per_megapixel is for the first of 1024 by 1024 pixels that the model
        works on, and this for each that follows, what is sent counted in, each image rounded up.
    per_second: for a second of a clip, and per_model: for a 3D model, by the options that matter,
        {"720p": 0.4, "": 0.02}. Else it follows from tokens:
    per_million: for a million tokens, by kind: text_in, image_in, text_out, image_out.
    tokens_by_resolution: of one image, {"1K": 1120}.
    grid_by_quality: cells on the longer side, {"low": 16} (see `cost.grid_tokens`).
    tokens_per_partial: what each unfinished image adds.
    input_images: tokens of an image that is sent: a number for any, or how they are counted.
    """

    per_image: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    date: str = ""
    per_million: Mapping[str, float] = field(default_factory=dict)
    tokens_by_resolution: Mapping[str, int] = field(default_factory=dict)
    grid_by_quality: Mapping[str, int] = field(default_factory=dict)
    tokens_per_partial: int = 0
    input_images: int | Literal["patches", "tiles", "unknown"] = "unknown"
    per_megapixel: float = 0.0
    per_input_image: float = 0.0
    free_inputs: int = 0
    per_next_megapixel: float = 0.0
    up_to_megapixels: Mapping[str, float] = field(default_factory=dict)
    per_second: Mapping[str, float] = field(default_factory=dict)
    per_model: Mapping[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Where and when it was read, for people: "OpenAI, developers.openai.com, 2026-10-09"."""
        return ", ".join(part for part in (self.source, self.date) if part)


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the model list.

    backend: the name in `backends.base`. name: what the provider calls it.
    provider: the id of the provider whose table says how it is reached; "" for the backend's own.
    online: it needs the network. ai: a generative model makes the image.
    price: None where it is unknown.
    available_from, shutdown: the day from which on it can be used, and the one from which on no
        longer ("2026-12-01"); "" where none is known. dates_source: where that was read.
    not_listed_on: the day on which its provider's own list was without it; "" where it was in it.
    successor: the id of the model that takes its place.
    tasks: what it is recommended for, of `TASKS`.
    makes: "video" or "model" for one that a picture is sent on to.
    """

    id: str
    label: str
    backend: str
    name: str = ""
    description: str = ""
    good_for: str = ""
    speed: str = ""
    online: bool = True
    ai: bool = True
    needs_canvas_or_reference: bool = False
    max_references: int = 2
    max_count: int = 4
    resolutions: tuple[str, ...] = tuple(RESOLUTIONS)
    options: tuple[Option, ...] = ()
    price: Price | None = None
    provider: str = ""
    available_from: str = ""
    shutdown: str = ""
    dates_source: str = ""
    not_listed_on: str = ""
    successor: str = ""
    tasks: tuple[Task, ...] = ()
    makes: Literal["image"] | MediaKind = "image"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for day in (self.available_from, self.shutdown):
            if day and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", day):
                raise InvalidInput(
                    f'"{day}" of the model "{self.id}" is not a day.',
                    action='Write it as "2026-12-01".',
                )

    def offered(self, today: date | None = None) -> bool:
        """Whether it can be used today: it is there already, and not gone yet."""
        now = (today or date.today()).isoformat()
        return self.available_from <= now and not (self.shutdown and self.shutdown <= now)

    def dates_note(self, today: date | None = None) -> str:
        """What to know of its end or its beginning, as a sentence; "" for nothing."""
        now = today or date.today()
        if self.available_from > now.isoformat():
            return f"It is there from {self.available_from} on"
        if not self.shutdown:
            day = self.not_listed_on
            return f"Its provider did not list it on {day}" if day else ""
        if self.shutdown <= now.isoformat():
            return f"Its provider shut it down on {self.shutdown}"
        if (date.fromisoformat(self.shutdown) - now).days > SOON_DAYS:
            return ""
        return f"Its provider shuts it down on {self.shutdown}"

    def check(self, request: RenderRequest, today: date | None = None) -> None:
        """Raises InvalidInput if this model cannot do what is asked, or is not there today.

        Where `models.output_spec` finds the nearest resolution and says so, any can be asked for.
        """
        if not self.offered(today):
            raise InvalidInput(
                f"{self.label} cannot be used.",
                f"{self.dates_note(today)}.",
                f'Choose "{self.successor}" in its place.'
                if self.successor
                else "Choose another model.",
            )
        if request.resolution not in self.resolutions and "sizes" not in self.extra:
            raise InvalidInput(
                f"{self.label} cannot make {request.resolution} images.",
                action=f"Choose {', '.join(self.resolutions)}.",
            )
        if (request.kind if request.kind in ("video", "model") else "image") != self.makes:
            raise InvalidInput(
                f"{self.label} does not make this.",
                _MAKES[self.makes],
                "Choose another model.",
            )
        if request.count > self.max_count:
            raise InvalidInput(f"{self.label} makes at most {self.max_count} images at once.")
        if len(request.references) > self.max_references:
            raise InvalidInput(
                f"{self.label} takes at most {self.max_references} reference images.",
                action="Leave some out.",
            )
        if request.markup is not None and self.backend in _READS_NO_MARKS:
            raise InvalidInput(
                f"{self.label} cannot read marks.", action="Draw a mask, or choose another model."
            )
        for id, value in request.options.items():
            self.option(id).check(value)

    def option(self, id: str) -> Option:
        """Raises InvalidInput if this model has no such option."""
        for option in self.options:
            if option.id == id:
                return option
        raise InvalidInput(
            f'{self.label} has no option called "{id}".',
            action=suggest(id, (option.id for option in self.options)),
        )

    def has_option(self, id: str) -> bool:
        return any(option.id == id for option in self.options)

    def value(
        self, values: Mapping[str, OptionValue], id: str, otherwise: OptionValue = ""
    ) -> OptionValue:
        """An option's value among those that were set, else its default; `otherwise` where this
        model has no such option."""
        return next((o.value_in(values) for o in self.options if o.id == id), otherwise)


@dataclass(frozen=True, slots=True)
class Style:
    """One entry of the style list.

    prompt: the words that it adds for a generative model.
    look: what it means to the offline engine.
    preview: the file of its picture: in data/, or a whole path.
    """

    id: str
    label: str
    description: str = ""
    prompt: str = ""
    preview: str = ""
    look: Mapping[str, Any] = field(default_factory=dict)

    @property
    def preview_path(self) -> Path | None:
        """Where its picture is; None if it has none."""
        return DATA / self.preview if self.preview else None


Entry = TypeVar("Entry", Model, Style)


@dataclass(frozen=True, slots=True)
class Catalog:
    """named_options: those that are written once for several models, as tables by their names.
    media: models that make clips or 3D models of a picture; they are in no list of the others.
    """

    models: Mapping[str, Model]
    styles: Mapping[str, Style]
    providers: Mapping[str, Provider] = field(default_factory=dict)
    named_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    media: Mapping[str, Model] = field(default_factory=dict)

    def making(self, kind: MediaKind, today: date | None = None) -> list[Model]:
        """The models that make clips or 3D models and can be used today."""
        return [one for one in self.media.values() if one.makes == kind and one.offered(today)]

    def plus(self, models: Iterable[Model]) -> Catalog:
        """With these models too; one with a known id replaces it."""
        return replace(self, models={**self.models, **{model.id: model for model in models}})

    def offered(self, today: date | None = None) -> dict[str, Model]:
        """The models that can be used today, by id. One that is gone can still be looked up."""
        return {id: model for id, model in self.models.items() if model.offered(today)}

    def recommended(self, task: Task, today: date | None = None) -> list[Model]:
        """The models for a task that can be used today, in the order of the catalogue."""
        return [model for model in self.offered(today).values() if task in model.tasks]

    def model(self, id: str) -> Model:
        """Raises NotFound, with the nearest name that there is."""
        if id in self.media:
            return self.media[id]
        return self._find("model", self.models, id)

    def style(self, id: str) -> Style:
        """Raises NotFound, with the nearest name that there is."""
        return self._find("style", self.styles, id)

    def like_known(self, endpoint: str, name: str) -> Model:
        """A model of that provider or backend that is known by nothing but its name: taken to be
        as the one whose name is most like it. A dated version of one costs as much, another is
        unknown.

        Raises NotFound where there is nothing to go by.
        """
        known = [m for m in self.models.values() if endpoint == (m.provider or m.backend)]
        provider = self.providers.get(endpoint)
        id, label = name, name
        if provider is not None and provider.dialect != "own":
            id, label = f"{endpoint}/{name}", f"{name} ({provider.label})"
            if not known and not provider.like:
                return Model(id, label, provider.backend, name, provider=endpoint)
        if provider is not None and provider.like and not known:
            known = [m for m in self.models.values() if m.backend == provider.like]
        if not known:
            raise NotFound(f'There is no model of "{endpoint}" to go by.')
        near = max(known, key=lambda model: difflib.SequenceMatcher(None, model.name, name).ratio())
        if provider is not None and provider.backend != near.backend:
            near = replace(near, backend=provider.backend, provider=endpoint)
        return replace(
            near,
            id=id,
            label=label,
            name=name,
            description=f"As entered in the preferences, taken to be like {near.label}",
            price=near.price if name.startswith(f"{near.name}-20") else None,
        )

    @staticmethod
    def _find(what: str, entries: Mapping[str, Entry], id: str) -> Entry:
        if id in entries:
            return entries[id]
        folded = _fold(id)
        for one in entries.values():
            if folded in (_fold(one.id), _fold(one.label)):
                return one
        raise NotFound(f'There is no {what} called "{id}".', action=suggest(id, entries))


def _fold(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())


def load(extra: Iterable[Path] = ()) -> Catalog:
    """The catalogue that ships, and the user's own files over it: an entry with a known id
    replaces it. A folder stands for the TOML files in it and in its folders.

    Raises StorageError for a file that cannot be read, InvalidInput for a bad one.
    """
    reader = _Reader()
    for name in _SHIPPED:
        reader.read(DATA / name)
    for path in extra:
        for file in files_of(path):
            reader.read(file, own=DATA not in file.parents)
    return Catalog(
        reader.models, reader.styles, reader.providers, reader.named_options, reader.media
    )


def with_schema(model: Model, named: Mapping[str, Mapping[str, Any]]) -> Model:
    """The model with the options of its `extra.schema`, after those that it has, and with what
    the schema says of it, as far as its own table does not. named: what options are called.

    Raises InvalidInput for a schema that makes no sense.
    """
    if not model.extra.get("schema"):
        return model
    taken = input_schema.of_table(model.extra["schema"])
    options = list(model.options)
    for table in input_schema.options(taken, model.name):
        if not model.has_option(table["id"]):
            words = named.get(table["id"], {})
            options.append(Option(**{**table, **{k: v for k, v in words.items() if k in _WORDS}}))
    facts = input_schema.facts(taken, model.name, model.extra.get("inputs"))
    return replace(model, options=tuple(options), extra={**facts, **model.extra})


def files_of(path: Path) -> list[Path]:
    """A file itself; of a folder its TOML files and those in its folders, by name."""
    if not path.is_dir():
        return [path]
    return sorted([*path.glob("*.toml"), *path.glob("*/*.toml")])


def files_in_environment(environ: Mapping[str, str] | None = None) -> list[Path]:
    """The user's own files and folders that the environment names."""
    named = (os.environ if environ is None else environ).get(FILES_VARIABLE, "")
    return [Path(part) for part in named.split(os.pathsep) if part.strip()]


def server_model(profile: str, name: str, usd: float | None = None) -> Model:
    """A model on an OpenAI-compatible server of the user's. usd: for an image; None if unknown."""
    price = None
    if usd is not None:
        price = Price(dict.fromkeys(RESOLUTIONS, usd), "Your own entry in the preferences")
    return Model(
        id=f"{profile}/{name}",
        label=f"{name} ({profile})",
        backend="compatible",
        name=name,
        description=f"On the server {profile}, as entered in the preferences",
        price=price,
        extra={"profile": profile},
    )


@functools.cache
def shipped() -> Catalog:
    """The catalogue that ships, read once."""
    return load()


class _Reader:
    """What was read so far: a later file can use what stands in those before it."""

    def __init__(self) -> None:
        self.models: dict[str, Model] = {}
        self.media: dict[str, Model] = {}
        self.styles: dict[str, Style] = {}
        self.providers: dict[str, Provider] = {}
        self._sizes: dict[str, Mapping[str, Any]] = {}
        self.named_options: dict[str, Mapping[str, Any]] = {}
        self._shipped: dict[str, Provider] = {}

    def read(self, path: Path, own: bool = False) -> None:
        """own: the file is the user's."""
        contents = read(path)
        for name, values in _named(path, contents, "options").items():
            self.named_options[name] = {"id": name, **values}
        self._sizes |= _named(path, contents, "sizes")
        for values in tables(path, contents, "provider"):
            self._provider(path, values, own)
        for values in tables(path, contents, "model"):
            self._model(path, values)
        for values in tables(path, contents, "style"):
            style = entry(path, Style, values)
            if own and style.preview:
                style = replace(style, preview=str(_beside(path, style.preview)))
            self.styles[style.id] = style

    def _provider(self, path: Path, values: Mapping[str, Any], own: bool) -> None:
        fields = dict(values)
        models = tables(path, fields, "model")
        fields.pop("model", None)
        called = f'of the provider "{fields.get("id", "?")}"'
        for name, kind in (("answer", Answer), ("models", ModelList), ("batch", BatchPrice)):
            if isinstance(fields.get(name), dict):
                fields[name] = entry(path, kind, fields[name], f"{name} {called}")
        provider: Provider = entry(path, Provider, fields)
        provider.check()
        if own:
            provider.check_own(self._shipped)
        else:
            self._shipped[provider.id] = provider
        self.providers[provider.id] = provider
        for model in models:
            self._model(path, {"provider": provider.id, **model})

    def _model(self, path: Path, values: Mapping[str, Any]) -> None:
        fields = dict(values)
        called = f'model "{fields.get("id", fields.get("name", "?"))}" in "{path.name}"'
        if isinstance(fields.get("provider"), str):
            provider = self.providers.get(fields["provider"])
            if provider is None:
                raise InvalidInput(
                    f'The {called} names the provider "{fields["provider"]}", which is not known.',
                    action=suggest(fields["provider"], self.providers),
                )
            fields.setdefault("backend", provider.backend)
            name = fields.get("name", "")
            fields.setdefault("id", f"{provider.id}/{name}")
            fields.setdefault("label", f"{name} ({provider.label})")
        listed = fields.pop("options", [])
        if not isinstance(listed, list):
            raise InvalidInput(f'The "options" of the {called} are not a list.')
        fields["options"] = tuple(
            [self._named_option(path, called, each) for each in listed]
            + [entry(path, Option, option) for option in tables(path, fields, "option")]
        )
        fields.pop("option", None)
        if isinstance(fields.get("price"), dict):
            price_of = f"price of {fields.get('id', '?')}"
            fields["price"] = entry(path, Price, fields["price"], price_of)
        extra = fields.get("extra")
        if isinstance(extra, dict) and isinstance(extra.get("sizes"), str):
            fields["extra"] = {**extra, "sizes": self._named_sizes(called, extra["sizes"])}
        model = with_schema(entry(path, Model, fields), self.named_options)
        (self.models if model.makes == "image" else self.media)[model.id] = model

    def _named_sizes(self, called: str, name: str) -> Mapping[str, Any]:
        if name not in self._sizes:
            raise InvalidInput(
                f'The {called} names sizes that do not exist: "{name}".',
                action=suggest(name, self._sizes),
            )
        return self._sizes[name]

    def _named_option(self, path: Path, called: str, each: Any) -> Option:
        """One that is written once for several models: its name, or { use = name, … } with what
        is other than there."""
        changes = {"use": each} if isinstance(each, str) else dict(each)
        name = changes.pop("use", None)
        if name not in self.named_options:
            raise InvalidInput(
                f'The {called} names an option that does not exist: "{name}".',
                action=suggest(str(name), self.named_options),
            )
        return entry(
            path, Option, {**self.named_options[name], **changes}, f"{name} of the {called}"
        )


def _named(path: Path, contents: Mapping[str, Any], name: str) -> Mapping[str, Mapping[str, Any]]:
    """The [name.…] tables, by their names."""
    named = contents.get(name, {})
    if not isinstance(named, Mapping) or not all(isinstance(one, dict) for one in named.values()):
        raise InvalidInput(
            f'"{name}" in "{path.name}" is not a table of tables.',
            action=f"Write each as [{name}.its_name].",
        )
    return named


def _beside(path: Path, name: str) -> Path:
    """A file in the folder of a file of the user's, or below it."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise InvalidInput(
            f'"{name}" in "{path.name}" is not in the same folder.',
            action="Put it beside the file and write its name only.",
        )
    return (path.parent / name).resolve()
