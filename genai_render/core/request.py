# SPDX-License-Identifier: GPL-3.0-or-later
"""RenderRequest: everything that makes an image, frozen, validated, and kept with the image."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from . import media
from .bounds import MAX_COUNT, MAX_REFERENCES, MAX_SEED, MAX_SIDE, PROMPT_LIMIT
from .errors import InvalidInput, StorageError
from .framing import check_aspect, check_resolution
from .image import images
from .view.canvas import Canvas

_CODES_PER_CHARACTER = 12  # a family of four with skin tones has 11; a joke has thousands

Role = Literal["style", "material", "subject", "composition", "free"]
ROLES: tuple[str, ...] = get_args(Role)
Mode = Literal["auto", "fast", "balanced", "quality"]
MODES: tuple[str, ...] = get_args(Mode)
Closeness = Literal["auto", "loose", "balanced", "close", "exact"]
CLOSENESS: tuple[str, ...] = get_args(Closeness)
"""How close to the view an image stays; "auto" is what a model does by itself."""
Kind = Literal["render", "edit", "video", "model"]
OptionValue = str | int | float | bool

SCHEMA = 1

# The fields whose values stand in JSON as they are.
_PLAIN = (
    *("prompt", "model", "style", "aspect", "resolution", "width", "height", "count", "seed"),
    *(
        "mode",
        "closeness",
        "options",
        "enhance",
        "scene_text",
        "kind",
        "carried",
        "parent",
        "batch",
    ),
)


def prompt_length(text: str) -> int:
    """How many characters a person sees: a letter with its accents, or an emoji, counts as one."""
    text = unicodedata.normalize("NFC", text)  # a Korean syllable is one, also when taken apart
    count = 0
    joined = False
    regional = 0
    for char in text:
        category = unicodedata.category(char)
        code = ord(char)
        if char == "\u200d":  # zero-width joiner: the next one belongs to the same emoji
            joined = True
            continue
        modifier = category in ("Mn", "Me", "Mc") or 0x1F3FB <= code <= 0x1F3FF
        if 0x1F1E6 <= code <= 0x1F1FF:  # two of them make one flag
            regional += 1
            count += regional % 2
            joined = False
            continue
        regional = 0
        if modifier or joined or category == "Cf":
            joined = False
            continue
        count += 1
    return count


def check_prompt(prompt: str) -> str:
    """The prompt without outer white space. Raises InvalidInput if it is empty or too long."""
    text = prompt.replace("\r\n", "\n").strip()
    if not text:
        raise InvalidInput(
            "The prompt is empty.", action='Say what you want to see, such as "golden hour".'
        )
    # Cs: half a character, from bytes in another encoding; it could not be sent or saved.
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t" for char in text):
        raise InvalidInput("The prompt has control characters in it.", action="Remove them.")
    length = prompt_length(text)
    if length == 0:
        raise InvalidInput("The prompt has nothing in it to see.", action="Write it again.")
    if len(text) > PROMPT_LIMIT * _CODES_PER_CHARACTER:
        raise InvalidInput("The prompt has too many accents on its letters.", action="Write less.")
    if length > PROMPT_LIMIT:
        raise InvalidInput(
            f"The prompt has {length} characters; {PROMPT_LIMIT} are possible.",
            action=f"Shorten it by {length - PROMPT_LIMIT}.",
        )
    return text


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference image, by content: deleting the file later loses nothing.

    data: the original file's bytes (PNG, JPEG or WebP). weight: 0 to 1.
    """

    data: bytes = field(repr=False)
    name: str = "reference.png"
    role: Role = "free"
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise InvalidInput(
                f'"{self.role}" is not a role of a reference.', action=f"Use {', '.join(ROLES)}."
            )
        if not (isinstance(self.weight, (int, float)) and 0 <= self.weight <= 1):
            raise InvalidInput(f"A reference's weight is from 0 to 1, not {self.weight}.")
        images.probe(self.data, self.name)

    @classmethod
    def from_path(cls, path: Path, role: str = "free", weight: float = 1.0) -> Reference:
        """Raises StorageError if it cannot be read, ImageError if it is not a usable image."""
        data = images.read_file(path)
        return cls(data, path.name, role, weight)  # pyright: ignore[reportArgumentType]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "role": self.role,
            "weight": self.weight,
            "sha256": self.digest,
        }


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """What the user asked for. Hashable by nothing, equal by value but for the canvas (by object).

    kind "edit" changes `source`, an encoded image; `mask` (PNG, transparent where to edit) and
    `markup` (transparent PNG laid over it) guide it. `parent` is the History id it came from.
    kind "video" lets `source` move: it is the first frame, a reference is the last, and `control`,
    an MP4 of the scene's depth, normals or grey, says how everything moves. kind "model" makes a
    3D model of `source`.
    options: the chosen model's own, by id.
    closeness: how close to the view it stays; what that means for the model is among its options
        already, or is in the words that are sent with it (see `models.closeness`).
    enhance: add a description taken from the scene (`scene_text`) to the prompt.
    width, height: the pixels asked for, once framing has decided them; 0 before.
    carried: `source` is another picture carried into the canvas's camera, and the mask is what that
        one did not show: an edit that completes it in the same look.
    batch: of which batch it is, and which picture of it.
    """

    prompt: str
    model: str = "offline"
    style: str = "auto"
    aspect: str = "auto"
    resolution: str = "1K"
    count: int = 1
    seed: int | None = None
    mode: Mode = "auto"
    closeness: Closeness = "auto"
    references: tuple[Reference, ...] = ()
    canvas: Canvas | None = field(default=None, repr=False, compare=False)
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    enhance: bool = False
    scene_text: str = ""
    kind: Kind = "render"
    source: bytes | None = field(default=None, repr=False)
    mask: bytes | None = field(default=None, repr=False)
    markup: bytes | None = field(default=None, repr=False)
    control: bytes | None = field(default=None, repr=False)
    carried: bool = False
    parent: str = ""
    batch: str = ""
    width: int = 0
    height: int = 0

    def __post_init__(self) -> None:
        for name in (
            "prompt",
            "model",
            "style",
            "aspect",
            "resolution",
            "scene_text",
            "parent",
            "batch",
        ):
            if not isinstance(getattr(self, name), str):
                raise InvalidInput(f"A request's {name} must be a text.")
        put = object.__setattr__
        put(self, "prompt", check_prompt(self.prompt))
        put(self, "aspect", check_aspect(self.aspect))
        put(self, "resolution", check_resolution(self.resolution))
        put(self, "references", tuple(self.references))
        put(self, "options", MappingProxyType(dict(self.options)))
        for name in ("model", "style"):
            if not getattr(self, name):
                raise InvalidInput(f"No {name} was chosen.")
        if type(self.count) is not int or not 1 <= self.count <= MAX_COUNT:
            raise InvalidInput(
                f"{self.count} images at once are not possible.",
                action=f"Ask for 1 to {MAX_COUNT}.",
            )
        if self.seed is not None and (type(self.seed) is not int or not 0 <= self.seed <= MAX_SEED):
            raise InvalidInput(
                f"{self.seed} cannot be a seed.", action=f"Use a whole number from 0 to {MAX_SEED}."
            )
        for name in ("width", "height"):
            side = getattr(self, name)
            if type(side) is not int or not 0 <= side <= MAX_SIDE:
                raise InvalidInput(
                    f"An image cannot have a {name} of {side} pixels.",
                    action=f"Use 1 to {MAX_SIDE}.",
                )
        if self.mode not in MODES:
            raise InvalidInput(f'"{self.mode}" is not a mode.', action=f"Use {', '.join(MODES)}.")
        if self.closeness not in CLOSENESS:
            raise InvalidInput(
                f'"{self.closeness}" does not say how close to the view.',
                action=f"Use {', '.join(CLOSENESS)}.",
            )
        if self.kind not in get_args(Kind):
            raise InvalidInput(f'"{self.kind}" is not a kind of request.')
        if len(self.references) > MAX_REFERENCES:
            raise InvalidInput(
                f"{len(self.references)} reference images were given; "
                f"{MAX_REFERENCES} are possible.",
                action="Leave some out.",
            )
        for key, value in self.options.items():
            if not isinstance(value, (str, int, float, bool)) or (
                isinstance(value, float) and not math.isfinite(value)
            ):
                raise InvalidInput(f'The option "{key}" has a value that cannot be used.')
        sent_on = self.kind in media.KINDS
        if sent_on or self.kind == "edit":
            if self.source is None:
                raise InvalidInput("There is no image to edit.", action="Choose one first.")
        elif self.source is not None:
            raise InvalidInput("A mask or markup belongs to an edit.", action="Choose an image.")
        if self.control is not None:
            if self.kind != "video":
                raise InvalidInput("A clip to follow belongs to a video.")
            media.read(self.control, "video", "The clip to follow")
        if self.kind != "edit" and (self.mask is not None or self.markup is not None):
            raise InvalidInput("A mask or markup belongs to an edit.", action="Choose an image.")
        if self.carried and (self.kind != "edit" or self.canvas is None):
            put(self, "carried", False)  # read again without its view, it is an edit as any other
        if self.mask is not None and self.markup is not None:
            raise InvalidInput("A mask and markup cannot be used together.", action="Choose one.")
        for name in ("source", "mask", "markup"):
            data = getattr(self, name)
            if data is not None:
                images.probe(data, name)

    def with_(self, **changes: Any) -> RenderRequest:
        """The same request with some values changed, validated again."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """JSON values only. Images stand as digests: their bytes are kept beside it."""
        return {
            "schema": SCHEMA,
            **{name: getattr(self, name) for name in _PLAIN},
            "options": dict(self.options),
            "references": [reference.to_json() for reference in self.references],
            "canvas": None if self.canvas is None else self.canvas.view.to_json(),
            "source": _digest(self.source),
            "mask": _digest(self.mask),
            "markup": _digest(self.markup),
            **({"control": _digest(self.control)} if self.control is not None else {}),
            "parent": self.parent,
        }

    @classmethod
    def from_json(
        cls,
        values: Mapping[str, Any],
        load: Callable[[str], bytes],
        canvas: Canvas | None = None,
    ) -> RenderRequest:
        """The request that `to_json` wrote. load(sha256) gives the bytes of an image.

        Raises InvalidInput for what is not a request, StorageError for a missing or changed image.
        """
        if not isinstance(values, Mapping) or "prompt" not in values:
            raise InvalidInput("This is not a saved request.")
        schema = values.get("schema", SCHEMA)
        if not isinstance(schema, int) or schema > SCHEMA:
            raise InvalidInput(
                "This request was saved by a newer genai_render.", action="Update the add-on."
            )

        def loaded(digest: str | None) -> bytes | None:
            if digest is None:
                return None
            data = load(digest)
            if hashlib.sha256(data).hexdigest() != digest:
                raise StorageError("A saved image has changed since it was kept.", f"({digest})")
            return data

        try:
            references = tuple(
                Reference(
                    loaded(entry["sha256"]) or b"",
                    entry.get("name", "reference.png"),
                    entry.get("role", "free"),
                    entry.get("weight", 1.0),
                )
                for entry in values.get("references", ())
            )
            return cls(
                **{name: values[name] for name in _PLAIN if name in values},
                references=references,
                canvas=canvas,
                source=loaded(values.get("source")),
                mask=loaded(values.get("mask")),
                markup=loaded(values.get("markup")),
                control=loaded(values.get("control")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput("This saved request is damaged.", f"{error!r}.") from error


def _digest(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()
