# SPDX-License-Identifier: GPL-3.0-or-later
"""A look: every parameter of a picture that the offline engine can make, as frozen plain data.

Colours are linear sRGB; in the data files they are written "#rrggbb" (display sRGB).
Angles are in degrees. Unless said otherwise a number is 0 for "none" and 1 for "full".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, get_args

from ...core.errors import InvalidInput

Color = tuple[float, float, float]

MEDIA: tuple[str, ...] = (
    *("watercolor", "gouache", "oil", "pastel"),
    *("pencil", "colored_pencil", "charcoal", "ink", "engraving"),
    *("halftone", "screen_print", "pixel", "blueprint", "clay"),
)
"""What a picture can be redrawn in: each is a file in engine/media."""
PAINTED = frozenset(MEDIA[:4])
"""Media whose strokes are wider than the picture's finest shadows."""

Backdrop = Literal["auto", "keep", "sky", "studio"]


def hex_color(text: str) -> Color:
    """Linear sRGB from "#rrggbb". Raises InvalidInput."""
    digits = text.removeprefix("#")
    try:
        values = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    except ValueError:
        values = []
    if len(digits) != 6 or len(values) != 3:
        raise InvalidInput(f'"{text}" is not a color.', action='Write it as "#rrggbb".')
    r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return r, g, b


@dataclass(frozen=True, slots=True)
class Light:
    """Where light comes from.

    azimuth: of the key light, from behind the camera (0) to the right (90) to facing it (180).
    elevation: of the key light above the horizon.
    key, ambient, fill, rim, neon: strengths; a white surface that faces a key of 1 becomes 1.
    softness: 0 a point, 1 a large soft box: penumbra and wrap.
    shadow, occlusion, bounce: how much cast shadows, ambient occlusion and bounced light count.
    keep: how much of the light that is already in a rendered picture stays; Solid views keep none.
    relight: how much of that light is divided out first where the capture has no albedo (0 to 0.8).
    emission: how much surfaces that glow in the capture glow here.
    """

    azimuth: float = -42.0
    elevation: float = 46.0
    key: float = 1.0
    key_color: Color = field(default=hex_color("#fff3e2"))
    softness: float = 0.4
    ambient: float = 0.6
    sky_color: Color = field(default=hex_color("#dbe8ff"))
    side_color: Color = field(default=hex_color("#e6e3df"))
    ground_color: Color = field(default=hex_color("#8f8780"))
    fill: float = 0.12
    fill_color: Color = field(default=hex_color("#e4ecff"))
    rim: float = 0.0
    rim_color: Color = field(default=hex_color("#ffffff"))
    neon: float = 0.0
    neon_left: Color = field(default=hex_color("#19e0ff"))
    neon_right: Color = field(default=hex_color("#ff2bc2"))
    shadow: float = 0.85
    occlusion: float = 0.8
    bounce: float = 0.6
    keep: float = 0.35
    relight: float = 0.7
    emission: float = 1.0


@dataclass(frozen=True, slots=True)
class Surface:
    """What everything is made of.

    gloss: strength of highlights and of the mirrored sky; roughness: how wide they are.
    wet: floors mirror the scene. snow: upward surfaces turn white. clay: all takes clay_color.
    saturation, lightness: of the surfaces' own colours, before light (1 leaves them).
    metal: highlights take the surface's colour and it darkens (gold, chrome).
    detail: how much of a rendered picture's own highlights, mirrors and grain stays on surfaces;
    0 is the bare colour, as if painted.
    """

    gloss: float = 0.35
    roughness: float = 0.45
    wet: float = 0.0
    snow: float = 0.0
    clay: float = 0.0
    clay_color: Color = field(default=hex_color("#d9d3ca"))
    metal: float = 0.0
    detail: float = 0.8
    saturation: float = 1.0
    lightness: float = 1.0


@dataclass(frozen=True, slots=True)
class Sky:
    """What is behind everything.

    backdrop: "auto" keeps a world that has something in it and replaces an empty one: by a studio
    backdrop for things on a table, by a sky for places. "keep" leaves it; others set it.
    zenith, horizon, ground: colours; studio: the backdrop's colour. brightness: scales them all.
    clouds, stars, sun (disc), glow (around the sun): amounts. rain, snow: falling, drawn in front.
    floor: give things that stand on nothing a floor to stand on (with a studio backdrop).
    """

    backdrop: Backdrop = "auto"
    zenith: Color = field(default=hex_color("#4f86c6"))
    horizon: Color = field(default=hex_color("#cfe0ee"))
    ground: Color = field(default=hex_color("#a9a49c"))
    studio: Color = field(default=hex_color("#d6d3cf"))
    brightness: float = 1.0
    clouds: float = 0.45
    cloud_color: Color = field(default=hex_color("#ffffff"))
    cloud_shade: Color = field(default=hex_color("#a3b1c4"))
    stars: float = 0.0
    sun: float = 0.0
    glow: float = 0.3
    rain: float = 0.0
    snow: float = 0.0
    floor: bool = True


@dataclass(frozen=True, slots=True)
class Air:
    """Between the camera and things. fog: 1 hides what lies at the far end of the view.

    mist: fog near the ground only. rays: shafts of light. fog_color mixes with the sky's horizon
    by fog_tint. dust: floating motes.
    """

    fog: float = 0.06
    mist: float = 0.0
    fog_color: Color = field(default=hex_color("#c9d4de"))
    fog_tint: float = 0.0
    rays: float = 0.0
    dust: float = 0.0


@dataclass(frozen=True, slots=True)
class Lens:
    """The camera. blur: depth of field; 1 is a fast portrait lens. bars: letterbox, as an aspect
    ratio (2.39), 0 for none. fringe: chromatic aberration. flare: anamorphic streaks."""

    blur: float = 0.0
    bloom: float = 0.25
    vignette: float = 0.12
    grain: float = 0.0
    fringe: float = 0.0
    flare: float = 0.0
    bars: float = 0.0


@dataclass(frozen=True, slots=True)
class Grade:
    """Development. exposure: stops around an automatic one (`auto` 0 turns that off).

    contrast, saturation: 1 leaves as is. vibrance: saturates dull colours more than vivid ones.
    temperature: warm above 0; tint: magenta above 0. fade: lifted blacks.
    shadow_tint, light_tint: colours mixed into darks and lights by split.
    mono: 1 is black and white; mono_color tints it (sepia). invert: negative.
    """

    exposure: float = 0.0
    auto: float = 0.85
    contrast: float = 1.06
    saturation: float = 1.08
    vibrance: float = 0.15
    temperature: float = 0.0
    tint: float = 0.0
    fade: float = 0.0
    shadow_tint: Color = field(default=hex_color("#2b4a66"))
    light_tint: Color = field(default=hex_color("#ffd9a8"))
    split: float = 0.0
    mono: float = 0.0
    mono_color: Color = field(default=hex_color("#ffffff"))
    invert: float = 0.0


@dataclass(frozen=True, slots=True)
class Toon:
    """Light in steps. steps: 0 for smooth light, else 2 or 3. edge: how soft a step's edge is.

    shade_color: what shaded areas are multiplied by; amount: mix of stepped and smooth light.
    """

    steps: int = 0
    amount: float = 1.0
    edge: float = 0.05
    shade_color: Color = field(default=hex_color("#8d8fc4"))
    highlight: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """Drawn outlines. width: pixels on a picture of 1024. paint: lines between colours too."""

    strength: float = 0.0
    width: float = 1.6
    color: Color = field(default=hex_color("#1a1613"))
    paint: float = 0.4


@dataclass(frozen=True, slots=True)
class Look:
    """Everything. medium: one of MEDIA, or "" for none; amount: how strongly it is applied."""

    light: Light = field(default_factory=Light)
    surface: Surface = field(default_factory=Surface)
    sky: Sky = field(default_factory=Sky)
    air: Air = field(default_factory=Air)
    lens: Lens = field(default_factory=Lens)
    grade: Grade = field(default_factory=Grade)
    toon: Toon = field(default_factory=Toon)
    line: Line = field(default_factory=Line)
    medium: str = ""
    amount: float = 1.0

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Look:
        """A look from nested tables as they stand in a data file. Raises InvalidInput."""
        return cls().with_(values)

    def with_(self, values: Mapping[str, Any], strength: float = 1.0) -> Look:
        """This look with some values changed; with strength, that far on the way to them.

        Raises InvalidInput for a name or a value that is not part of a look.
        """
        return _changed(self, values, strength, "")

    def value(self, path: str) -> Any:
        """The value at a dotted path, such as "light.key"."""
        part: Any = self
        for name in path.split("."):
            if not hasattr(part, name):
                raise InvalidInput(f'A look has no "{path}".')
            part = getattr(part, name)
        return part


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Tables within tables from dotted names: {"light.key": 1} → {"light": {"key": 1}}."""
    result: dict[str, Any] = {}
    for path, value in values.items():
        *groups, name = path.split(".")
        table = result
        for group in groups:
            table = table.setdefault(group, {})
        table[name] = value
    return result


def _changed(part: Any, values: Mapping[str, Any], strength: float, path: str) -> Any:
    names = {f.name for f in fields(part)}
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name not in names:
            raise InvalidInput(f'A look has no "{path}{name}".')
        old = getattr(part, name)
        if is_dataclass(old):
            if not isinstance(value, Mapping):
                raise InvalidInput(f'"{path}{name}" of a look must be a table.')
            changes[name] = _changed(old, value, strength, f"{path}{name}.")
        else:
            changes[name] = _converted(old, value, strength, path + name)
    return replace(part, **changes)


def _converted(old: Any, value: Any, strength: float, path: str) -> Any:
    if isinstance(old, tuple) and isinstance(value, str):
        value = hex_color(value)
    if isinstance(old, tuple):
        if not (isinstance(value, (tuple, list)) and len(value) == 3):
            raise InvalidInput(f'"{path}" of a look must be a color, such as "#ffcc88".')
        return tuple(
            a + (float(b) - a) * min(strength, 1.0) for a, b in zip(old, value, strict=True)
        )
    if isinstance(old, bool):
        if not isinstance(value, bool):
            raise InvalidInput(f'"{path}" of a look must be true or false.')
        return value
    if isinstance(old, str):
        allowed = get_args(Backdrop) if path == "sky.backdrop" else ("", *MEDIA)
        if value not in allowed:
            raise InvalidInput(
                f'"{value}" is not possible for "{path}" of a look.',
                action=f"Use one of: {', '.join(filter(None, allowed))}.",
            )
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidInput(f'"{path}" of a look must be a number.')
    if isinstance(old, int):
        return int(value)
    if path in ("light.azimuth", "light.elevation", "lens.bars"):
        return float(value)  # half way between two lights is a third light, not a weaker one
    return float(old + (value - old) * strength)
