# SPDX-License-Identifier: GPL-3.0-or-later
"""The models and styles that can be chosen, read from data files."""

from __future__ import annotations

import difflib
import functools
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import InvalidInput, NotFound, StorageError
from .framing import RESOLUTIONS
from .request import OptionValue, RenderRequest

DATA = Path(__file__).resolve().parent.parent / "data"

OptionKind = Literal["choice", "bool", "int", "float", "text"]


@dataclass(frozen=True, slots=True)
class Option:
    """A setting that one model has and others may not. Shown and checked by what is said here."""

    id: str
    label: str
    kind: OptionKind
    default: OptionValue
    description: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(OptionKind):
            raise InvalidInput(f'The option "{self.id}" is of an unknown kind, "{self.kind}".')
        self.check(self.default)

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
            hint = f"It is a {'whole ' if whole else ''}number{self._range()}."
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

    def _range(self) -> str:
        if self.minimum is not None and self.maximum is not None:
            return f" from {self.minimum:g} to {self.maximum:g}"
        if self.minimum is not None:
            return f" of at least {self.minimum:g}"
        return f" of at most {self.maximum:g}" if self.maximum is not None else ""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars, where they were read (`source`) and when (`date`). What is left out is unknown.

    per_image: for one image, by resolution, {"1K": 0.04}, or by quality and size,
        {"low 1024x1024": 0.009}. Else it follows from tokens:
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

    @property
    def text(self) -> str:
        """Where and when it was read, for people: "OpenAI, developers.openai.com, 2026-10-09"."""
        return ", ".join(part for part in (self.source, self.date) if part)


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the model list.

    backend: the name in `backends.base`. name: what the provider calls it.
    online: it needs the network. ai: a generative model makes the image.
    price: None where it is unknown.
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
    extra: Mapping[str, Any] = field(default_factory=dict)

    def check(self, request: RenderRequest) -> None:
        """Raises InvalidInput if this model cannot do what is asked.

        Where `core.output_spec` finds the nearest resolution and says so, any can be asked for.
        """
        if request.resolution not in self.resolutions and "sizes" not in self.extra:
            raise InvalidInput(
                f"{self.label} cannot make {request.resolution} images.",
                action=f"Choose {', '.join(self.resolutions)}.",
            )
        if request.count > self.max_count:
            raise InvalidInput(f"{self.label} makes at most {self.max_count} images at once.")
        if len(request.references) > self.max_references:
            raise InvalidInput(
                f"{self.label} takes at most {self.max_references} reference images.",
                action="Leave some out.",
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
            action=_suggest(id, (option.id for option in self.options)),
        )


@dataclass(frozen=True, slots=True)
class Style:
    """One entry of the style list.

    prompt: the words that it adds for a generative model.
    look: what it means to the offline engine.
    preview: the file of its picture, in data/.
    """

    id: str
    label: str
    description: str = ""
    prompt: str = ""
    preview: str = ""
    look: Mapping[str, Any] = field(default_factory=dict)


Entry = TypeVar("Entry", Model, Style)


@dataclass(frozen=True, slots=True)
class Catalog:
    models: Mapping[str, Model]
    styles: Mapping[str, Style]

    def plus(self, models: Iterable[Model]) -> Catalog:
        """With these models too; one with a known id replaces it."""
        return Catalog({**self.models, **{model.id: model for model in models}}, self.styles)

    def model(self, id: str) -> Model:
        """Raises NotFound, with the nearest name that there is."""
        return self._find("model", self.models, id)

    def style(self, id: str) -> Style:
        """Raises NotFound, with the nearest name that there is."""
        return self._find("style", self.styles, id)

    def like_known(self, backend: str, name: str) -> Model:
        """A model of that backend that is known by nothing but its name: taken to be as the one
        whose name is most like it. A dated version of one costs as much, another is unknown.

        Raises NotFound for a backend without any model.
        """
        known = [model for model in self.models.values() if model.backend == backend]
        if not known:
            raise NotFound(f'There is no model of "{backend}" to go by.')
        near = max(known, key=lambda model: difflib.SequenceMatcher(None, model.name, name).ratio())
        return replace(
            near,
            id=name,
            label=name,
            name=name,
            description=f"As entered in the preferences, taken to be like {near.label}",
            price=near.price if name.startswith(f"{near.name}-20") else None,
        )

    @staticmethod
    def _find(what: str, entries: Mapping[str, Entry], id: str) -> Entry:
        if id in entries:
            return entries[id]
        folded = _fold(id)
        for entry in entries.values():
            if folded in (_fold(entry.id), _fold(entry.label)):
                return entry
        raise NotFound(f'There is no {what} called "{id}".', action=_suggest(id, entries))


def _fold(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())


def _suggest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f'Did you mean "{near[0]}"?'
    return f"Known: {', '.join(names)}." if names else ""


def load(extra: Iterable[Path] = ()) -> Catalog:
    """The catalogue that ships, and the user's own files over it: an entry with a known id
    replaces it. Raises StorageError for a file that cannot be read, InvalidInput for a bad one.
    """
    models: dict[str, Model] = {}
    styles: dict[str, Style] = {}
    for path in (DATA / "models.toml", DATA / "styles.toml", *extra):
        tables = _read(path)
        for values in _tables(path, tables, "model"):
            model = _entry(path, Model, _model_values(path, values))
            models[model.id] = model
        for values in _tables(path, tables, "style"):
            style = _entry(path, Style, values)
            styles[style.id] = style
    return Catalog(models, styles)


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


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f'"{path.name}" cannot be read.', f"{error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f'"{path.name}" is not a valid TOML file.', f"{error}.") from error


def _tables(path: Path, within: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The [[name]] tables. Raises InvalidInput for what is written otherwise."""
    found = within.get(name, [])
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise InvalidInput(
            f'"{name}" in "{path.name}" is not a list of tables.',
            action=f"Begin each with [[{name}]] on a line of its own.",
        )
    return found


def _model_values(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(values)
    made["options"] = tuple(
        _entry(path, Option, option) for option in _tables(path, made, "option")
    )
    made.pop("option", None)
    if isinstance(made.get("price"), dict):
        made["price"] = _entry(path, Price, made["price"], f"price of {values.get('id', '?')}")
    return made


def _entry(path: Path, kind: type[Any], values: Mapping[str, Any], called: str = "") -> Any:
    """The entry that the values make. Raises InvalidInput, which names the file and the entry."""
    called = called or f'{kind.__name__.lower()} "{values.get("id", "?")}"'
    what = f'The {called} in "{path.name}"'
    hints = get_type_hints(kind)
    made = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    for name, value in made.items():
        if name not in hints:
            raise InvalidInput(
                f'{what} has a setting that does not exist: "{name}".',
                action=_suggest(name, hints),
            )
        if not _fits(value, hints[name]):
            raise InvalidInput(f'{what} has a "{name}" that cannot be used: {value!r}.')
    for known in fields(kind):
        if known.name not in made and known.default is known.default_factory is MISSING:
            raise InvalidInput(f'{what} is not complete: it lacks "{known.name}".')
    return kind(**made)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value from a TOML file has the type that a field says."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (UnionType, Union):
        return any(_fits(value, each) for each in inner)
    if origin is Literal:
        return value in inner
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(each, inner[0]) for each in value)
    if origin is not None:
        return isinstance(value, Mapping) and all(_fits(each, inner[1]) for each in value.values())
    if hint is Any:
        return True
    if hint in (int, float):
        number = isinstance(value, int if hint is int else (int, float))
        return number and not isinstance(value, bool)
    return isinstance(value, hint)
