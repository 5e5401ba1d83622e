# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done with a finished picture: each action as the request that carries it out.

An action is an edit like any other: by one of the models of data/actions.toml on this computer,
or by a model that the user has chosen, with words and a mask in its place.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from .bounds import PROMPT_LIMIT
from .errors import InvalidInput
from .framing import ASPECTS, check_aspect

if TYPE_CHECKING:
    from .models.catalog import Model
    from .request import OptionValue, Role

ActionId = Literal[
    "upscale",
    "cutout",
    "background",
    "reframe",
    "relight",
    "swap-subject",
    "swap-face",
    "material",
]
ACTIONS: tuple[str, ...] = get_args(ActionId)

LABELS: dict[str, str] = {
    "upscale": "Upscale",
    "cutout": "Remove Background",
    "background": "Change Background",
    "reframe": "Reframe",
    "relight": "Relight",
    "swap-subject": "Swap Subject",
    "swap-face": "Swap Face",
    "material": "Change Material",
    "model": "3D Model",
}
"""What each is called."""

REFERRING: dict[str, Role] = {
    "swap-subject": "subject",
    "swap-face": "subject",
    "material": "material",
}
"""The actions that go by a reference image, and what is taken from it."""

CONSENT = "Use only the face of a person who has agreed to this picture."

POSITIONS: dict[str, tuple[float, float]] = {
    "top-left": (0.0, 0.0),
    "top": (0.5, 0.0),
    "top-right": (1.0, 0.0),
    "left": (0.0, 0.5),
    "center": (0.5, 0.5),
    "right": (1.0, 0.5),
    "bottom-left": (0.0, 1.0),
    "bottom": (0.5, 1.0),
    "bottom-right": (1.0, 1.0),
}
"""Where the picture lies in its new frame: the share of what is added that is left of and above
it."""

DAY = (2, 24)  # pictures of a day of light
_WORDS_FOR_CUTOUT = (
    "Remove the background. Keep the subject exactly as it is, on a transparent background."
)
_WORDS_FOR_REFRAME = (
    "Continue the picture seamlessly into the empty area around it, in the same place, light and "
    "style. Change nothing else."
)
_WORDS_FOR_SUBJECT = (
    "Replace {what} in Image 1 with the subject of the reference image. Keep the place, the size, "
    "the pose and the light that it has in Image 1, and everything around it."
)
_WORDS_FOR_FACE = (
    "Give the person in Image 1 the face of the person in the reference image. Keep the pose, the "
    "hair, the clothes and the light of Image 1, and everything around it."
)
_NUMBER = re.compile(r"\.\d{3,}$")  # Blender's, of a second object of a name
_FACTORS = ("times", "upscale_factor")


def offline_model(action: str) -> str:
    """The id of the model that carries it out on this computer; "" where none can."""
    if action in ("swap-subject", "swap-face"):
        return ""
    return "offline" if action == "material" else f"offline-{action}"


def prompt(action: str, before: str, words: str = "", detail: str = "") -> str:
    """What History calls the new picture: the action and what the picture shows.

    before: the prompt of the picture that it is made of. words: what the user wrote; else they are
    the words of the picture, without an earlier action's name.
    """
    name = f"{LABELS[action]} {detail}".strip()
    said = words.strip() or _subject(before)
    return f"{name}: {said}"[:PROMPT_LIMIT] if said else name


def _subject(before: str) -> str:
    head, colon, rest = before.partition(": ")
    named = any(head == label or head.startswith(f"{label} ") for label in LABELS.values())
    return rest.strip() if colon and named else ("" if named else before.strip())


def words_for_model(
    action: str, words: str, what: tuple[str, ...] = (), referring: bool = False
) -> str:
    """What a generative model is told to do. Raises InvalidInput where it takes the user's words
    and there are none.

    what: the objects that are meant, by name. referring: whether a reference goes along.
    """
    if action in REFERRING:
        return _words_by_reference(
            action, words.strip(), " and ".join(f"the {name}" for name in _said(what)), referring
        )
    if action == "cutout":
        return _WORDS_FOR_CUTOUT
    if action == "reframe":
        return f"{_WORDS_FOR_REFRAME} {words.strip()}".strip()
    if action == "background":
        if not words.strip():
            raise InvalidInput(
                "There are no words for the new background.",
                action='Say what is to be behind, such as "a pine forest in the morning".',
            )
        return (
            f"Replace the background with: {words.strip()}. Keep the subject exactly as it is, and "
            "fit light and shadows of the background to it."
        )
    return words.strip() or "Enlarge the image and keep it as it is."


def _words_by_reference(action: str, words: str, what: str, referring: bool) -> str:
    if action != "material" and not referring:
        raise InvalidInput(
            "There is no image to take it from.",
            action="Add one as a reference.",
        )
    if action == "swap-subject":
        return f"{_WORDS_FOR_SUBJECT.format(what=what or 'the main subject')} {words}".strip()
    if action == "swap-face":
        return f"{_WORDS_FOR_FACE} {words}".strip()
    if not (words or referring):
        raise InvalidInput(
            "It is not said which material.",
            action='Say it, such as "brushed brass", or add an image of it as a reference.',
        )
    to = ", ".join(
        filter(None, (words, "the material of the reference image" if referring else ""))
    )
    return (
        f"Make {what or 'the main subject'} of {to}. Keep its shape and the light on it, and "
        "everything around it."
    )


def _said(names: tuple[str, ...]) -> list[str]:
    """As a person would say them, each once: "Chair.001" is a chair."""
    said = dict.fromkeys(_NUMBER.sub("", name).replace("_", " ").strip() for name in names)
    return [name for name in said if name]


def words_for_engine(words: str, what: tuple[str, ...]) -> str:
    """What the embedded engine is told of the objects: "brass lamp". Raises InvalidInput."""
    if not words.strip():
        raise InvalidInput(
            "It is not said which material.", action='Say it, such as "brass" or "dark brown".'
        )
    return ", ".join(f"{words.strip()} {name}" for name in _said(what)) or words.strip()


def check_model(action: str, model: Model) -> None:
    """Raises InvalidInput for a model that cannot do it."""
    able = {
        "upscale": "upscale" in model.tasks,
        "cutout": "cutout" in model.tasks,
        "background": bool(model.extra.get("mask")),
        "reframe": bool(model.extra.get("mask")) or _has_margins(model),
        "relight": False,
        **dict.fromkeys(REFERRING, model.online and model.max_references > 0),
    }
    if model.backend == "offline":
        able[action] = model.id == offline_model(action)
    if not able[action]:
        raise InvalidInput(
            f"{model.label} cannot do this: {LABELS[action]}.",
            action="Choose another model, or do it offline.",
        )


def _has_margins(model: Model) -> bool:
    sizes = model.extra.get("sizes")
    return isinstance(sizes, dict) and len(sizes.get("margins", ())) == 4


def takes_margins(model: Model) -> bool:
    """Whether it adds pixels around a picture by itself, without being sent them empty."""
    return _has_margins(model)


def upscale_options(model: Model, times: int) -> dict[str, OptionValue]:
    """The model's option for how much larger, where it has one. Raises InvalidInput."""
    for name in _FACTORS:
        if model.has_option(name):
            option = model.option(name)
            return {name: option.parse(str(times))}
    return {}


def cutout_options(model: Model) -> dict[str, OptionValue]:
    """A transparent background, where the model has to be told so."""
    for name, value in (("background", "transparent"), ("format", "png")):
        if not (model.has_option(name) and value in model.option(name).choices):
            return {}
    return {"background": "transparent", "format": "png"}


@dataclass(frozen=True, slots=True)
class Margins:
    """Pixels that are added around a picture."""

    left: int
    right: int
    top: int
    bottom: int

    @property
    def any(self) -> bool:
        return any((self.left, self.right, self.top, self.bottom))

    def of(self, width: int, height: int) -> tuple[int, int]:
        """The size of a picture with them."""
        return width + self.left + self.right, height + self.top + self.bottom

    def options(self, model: Model) -> dict[str, OptionValue]:
        """As options of a model that adds them by itself."""
        names = model.extra["sizes"]["margins"]
        return dict(
            zip(names, (self.left, self.right, self.top, self.bottom), strict=True),
        )


def margins(width: int, height: int, aspect: str, position: str = "center") -> Margins:
    """What a picture needs around it to have that shape; nothing of it is cut off.

    Raises InvalidInput for a shape or a position that is not offered, and where it has the shape
    already.
    """
    name = check_aspect(aspect)
    if name not in ASPECTS:
        raise InvalidInput(
            "No shape was chosen for the new frame.", action=f"Choose {', '.join(ASPECTS)}."
        )
    if position not in POSITIONS:
        raise InvalidInput(
            f'"{position}" is not a position.', action=f"Choose {', '.join(POSITIONS)}."
        )
    wanted = ASPECTS[name]
    wide = max(0, round(height * wanted) - width)
    high = max(0, round(width / wanted) - height) if not wide else 0
    if wide + high < 2 or abs(math.log(width / height / wanted)) < 0.01:
        raise InvalidInput(f"The image has the shape {name} already.", action="Choose another one.")
    across, down = POSITIONS[position]
    left, top = round(wide * across), round(high * down)
    return Margins(left, wide - left, top, high - top)


@dataclass(frozen=True, slots=True)
class Sun:
    """Light of one time of the day, as the options of the relighting."""

    azimuth: float
    elevation: float
    sun: float
    warmth: float
    sky: float

    def options(self) -> dict[str, OptionValue]:
        return {
            "azimuth": round(self.azimuth, 2),
            "elevation": round(self.elevation, 2),
            "sun": round(self.sun, 3),
            "warmth": round(self.warmth, 3),
            "sky": round(self.sky, 3),
        }


def day_of_light(count: int, first: float = -100.0, last: float = 100.0) -> tuple[Sun, ...]:
    """The sun at so many times from its rise at one side of the camera to its set at the other.

    first, last: directions in degrees. Raises InvalidInput.
    """
    if not DAY[0] <= count <= DAY[1]:
        raise InvalidInput(
            f"A day of {count} pictures is not possible.", action=f"Choose {DAY[0]} to {DAY[1]}."
        )
    suns = []
    for number in range(count):
        share = number / (count - 1)
        high = math.sin(math.pi * (0.04 + 0.92 * share))
        low = (1 - high) ** 2  # how near the horizon it is
        suns.append(
            Sun(
                first + (last - first) * share,
                3 + 57 * high,
                1.15 - 0.45 * low,
                0.95 * low + 0.05,
                0.95 - 0.5 * low,
            )
        )
    return tuple(suns)
