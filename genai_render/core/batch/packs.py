# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs: named sets of shots, each a TOML file, that become the items of a batch.

label = "Campaign"
prompt = "commercial photograph"      # goes into each shot

[field.location]                      # what can be said besides the prompt
default = "a bright studio"
words = "set in {}"

[[shot]]
id = "hero"
aspect = "16:9"
camera = "hero"                       # this, each, crop, or a way to place one
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import framing
from ..errors import GenAIError, InvalidInput, NotFound
from ..files import toml_tables
from ..view import placement
from . import plan
from .plan import BatchItem

SHIPPED = Path(__file__).resolve().parents[2] / "data" / "packs"
THIS, EACH, CROP = "this", "each", "crop"
CAMERAS = (THIS, EACH, CROP, *placement.RULES)
EVERY = "all"
_NO_PROMPT = "a picture of this scene"

Texts = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of a pack, or several that belong together.

    camera: see CAMERAS; several of them give a picture each. turn: degrees that a placed camera is
    turned round its subject. room: the side of the picture that is left free. framing: advice that
    is sent with the prompt. style, model: "all" for each there is; "" for the one that is chosen.
    """

    id: str
    label: str = ""
    aspect: str = "auto"
    camera: Texts = THIS
    turn: float | tuple[float, ...] = 0.0
    room: str = ""
    crop: tuple[float, ...] = ()
    framing: str = ""
    prompt: Texts = ""
    style: Texts = ""
    model: Texts = ""
    resolution: str = ""
    count: int = 1

    @property
    def title(self) -> str:
        return self.label or self.id.replace("-", " ").replace("_", " ").title()


@dataclass(frozen=True, slots=True)
class Field:
    """What can be said of all shots at once. words: what is sent, with {} for what was said."""

    label: str = ""
    default: str = ""
    words: str = "{}"


@dataclass(frozen=True, slots=True)
class Pack:
    """id: the name of its file. shots: at least one, each with an id of its own."""

    id: str
    label: str
    description: str = ""
    prompt: str = ""
    resolution: str = "1K"
    shots: tuple[Shot, ...] = ()
    fields: Mapping[str, Field] = field(default_factory=dict)

    @property
    def places_cameras(self) -> bool:
        """Whether it has to be known what the subject is."""
        named = {camera for shot in self.shots for camera in _each(shot.camera)}
        return bool(named & set(placement.RULES))

    def chosen(self, ids: Iterable[str] | None) -> tuple[Shot, ...]:
        """All of them for None. Raises NotFound."""
        if ids is None:
            return self.shots
        known = {shot.id: shot for shot in self.shots}
        wanted = list(ids)
        for id in wanted:
            if id not in known:
                raise NotFound(
                    f'The pack "{self.id}" has no shot "{id}".',
                    action=toml_tables.suggest(id, known),
                )
        return tuple(shot for shot in self.shots if shot.id in wanted)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is said besides the pack. resolution, camera: "" for what the pack and the scene say.

    values: of its fields. models: what "all" means for a comparison. around: the subject's objects.
    """

    prompt: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    style: str = "auto"
    model: str = "offline"
    models: Sequence[str] = ()
    styles: Sequence[str] = ()
    camera: str = ""
    resolution: str = ""
    seed: int | None = None
    mode: str = "auto"
    canvas: bool = True
    reference: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    around: Sequence[str] = ()


def read(path: Path) -> Pack:
    """Raises StorageError, InvalidInput, which name the file and what is wrong in it."""
    values = toml_tables.read(path)
    shots = toml_tables.tables(path, values, "shot")
    fields = values.get("field", {})
    if not isinstance(fields, dict) or not all(isinstance(one, dict) for one in fields.values()):
        raise InvalidInput(
            f'"field" in "{path.name}" is not a table of tables.',
            action="Begin one with [field.location].",
        )
    rest = {name: value for name, value in values.items() if name not in ("shot", "field")}
    if "id" in rest:
        raise InvalidInput(
            f'"{path.name}" has an "id".', action="The file's name is the pack's id: leave it out."
        )
    known = [one.name for one in dataclasses.fields(Pack) if one.name not in ("shots", "fields")]
    for name in rest:
        if name not in known:
            raise InvalidInput(
                f'"{path.name}" has a setting that does not exist: "{name}".',
                action=toml_tables.suggest(name, (*known[1:], "shot", "field")),
            )
    rest.setdefault("label", path.stem.replace("-", " ").replace("_", " ").title())
    pack: Pack = toml_tables.entry(path, Pack, {"id": path.stem, **rest})
    pack = dataclasses.replace(
        pack,
        shots=tuple(_shot(path, one) for one in shots),
        fields={name: _field(path, name, one) for name, one in fields.items()},
    )
    _check(path, pack)
    return pack


def _shot(path: Path, values: Mapping[str, Any]) -> Shot:
    shot: Shot = toml_tables.entry(path, Shot, values)
    what = f'The shot "{shot.id}" in "{path.name}"'
    try:
        framing.check_aspect(shot.aspect)
        if shot.resolution:
            framing.check_resolution(shot.resolution)
    except GenAIError as error:
        raise InvalidInput(f"{what} cannot be made: {error.what}", action=error.action) from None
    for camera in _each(shot.camera):
        if camera not in CAMERAS:
            raise InvalidInput(
                f'{what} has a "camera" that cannot be used: {camera!r}.',
                action=toml_tables.suggest(camera, CAMERAS),
            )
    if (CROP in _each(shot.camera)) != bool(shot.crop):
        raise InvalidInput(
            f'{what} needs both: camera = "crop" and what it is cropped to.',
            action="Write crop = [left, bottom, width, height], 0 to 1.",
        )
    if shot.room not in placement.ROOMS:
        raise InvalidInput(
            f'{what} has a "room" that cannot be used: {shot.room!r}.',
            action=f"Use {', '.join(placement.ROOMS[1:])}.",
        )
    if shot.count < 1:
        raise InvalidInput(f'{what} has a "count" that cannot be used: {shot.count}.')
    return shot


def _field(path: Path, name: str, values: Mapping[str, Any]) -> Field:
    made: Field = toml_tables.entry(path, Field, values, f'field "{name}"')
    if made.words.count("{}") != 1 or made.words.replace("{}", "").strip("{}") != (
        made.words.replace("{}", "")
    ):
        raise InvalidInput(
            f'The field "{name}" in "{path.name}" has "words" without a place for what is said.',
            action='Write them like "set in {}".',
        )
    return dataclasses.replace(made, label=made.label or name.replace("_", " ").title())


def _check(path: Path, pack: Pack) -> None:
    if not pack.shots:
        raise InvalidInput(f'"{path.name}" has no shot.', action="Begin one with [[shot]].")
    ids = [shot.id for shot in pack.shots]
    for id in ids:
        if ids.count(id) > 1:
            raise InvalidInput(
                f'"{path.name}" has two shots called "{id}".', action="Give each its own id."
            )
    framing.check_resolution(pack.resolution)


def load(folders: Iterable[Path], problems: list[GenAIError] | None = None) -> dict[str, Pack]:
    """Those that ship and those in the folders, of which a later one counts more.

    problems: gets what is wrong with single files, which are left out; without it, it is raised.
    """
    packs: dict[str, Pack] = {}
    for folder in (SHIPPED, *folders):
        for path in sorted(folder.glob("*.toml")):
            try:
                pack = read(path)
            except GenAIError as error:
                if problems is None:
                    raise
                problems.append(error)
                continue
            packs[pack.id] = pack
    return packs


def expand(
    pack: Pack,
    shots: Iterable[Shot],
    wishes: Wishes,
    cameras: plan.Cameras,
    ranges: plan.Ranges,
) -> list[tuple[Shot, BatchItem]]:
    """Every picture with its shot, each once. Raises InvalidInput, SceneError."""
    found: dict[str, tuple[Shot, BatchItem]] = {}
    for shot in shots:
        for table in _tables(pack, shot, wishes):
            for item in plan.expand([table], cameras, ranges):
                found.setdefault(item.key, (shot, item))
    return list(found.values())


def title(
    shot: Shot,
    item: BatchItem,
    items: list[tuple[Shot, BatchItem]],
) -> str:
    """The shot's, with what tells its pictures apart where it has several."""
    others = [other for one, other in items if one.id == shot.id]
    parts = [shot.title]
    for name, text in (
        ("style", item.style),
        ("model", item.model),
        ("camera", item.camera),
        ("place", item.place),
        ("turn", f"{item.turn:g}°"),
        ("seed", str(item.seed)),
    ):
        varies = len({getattr(other, name) for other in others}) > 1
        if varies and not (name == "seed" and len(parts) > 1):
            parts.append(text)
    if len(others) > 1 and isinstance(shot.prompt, tuple):
        own = next((text for text in shot.prompt if text in item.prompt), "")
        parts = [shot.title, own.partition(",")[0]]
    return " ".join(part for part in parts if part)


def prompts_of(pack: Pack, shot: Shot, wishes: Wishes) -> list[str]:
    """What is asked for, in one line each."""
    said = [
        one.words.replace("{}", text)
        for name, one in pack.fields.items()
        if (text := wishes.values.get(name, one.default).strip())
    ]
    whole = []
    for own in _each(shot.prompt) or ("",):
        parts = [wishes.prompt, own, pack.prompt, shot.framing, *said]
        text = ", ".join(part.strip().rstrip(".,") for part in parts if part.strip())
        whole.append(text or _NO_PROMPT)
    return whole


def _tables(pack: Pack, shot: Shot, wishes: Wishes) -> list[dict[str, Any]]:
    common: dict[str, Any] = {
        "prompt": prompts_of(pack, shot, wishes),
        "style": _several(shot.style, wishes.style, wishes.styles),
        "model": _several(shot.model, wishes.model, wishes.models or (wishes.model,)),
        "resolution": wishes.resolution or shot.resolution or pack.resolution,
        "aspect": shot.aspect,
        "mode": wishes.mode,
        "canvas": wishes.canvas,
        # Those of one model mean nothing to others.
        "options": {} if EVERY in _each(shot.model) else dict(wishes.options),
        "reference": list(wishes.reference),
        "count": shot.count,
    }
    if wishes.seed is not None:
        common["seed"] = wishes.seed
    if not wishes.canvas:
        return [common]
    tables = []
    for camera in _each(shot.camera):
        table = dict(common)
        if camera in placement.RULES:
            turns = shot.turn if isinstance(shot.turn, tuple) else (shot.turn,)
            table |= {"place": camera, "turn": list(turns), "room": shot.room}
            table["around"] = list(wishes.around)
        elif camera == EACH and not wishes.camera:
            table["camera"] = plan.ALL_CAMERAS
        elif wishes.camera:
            table["camera"] = wishes.camera
        if camera == CROP:
            table["crop"] = list(shot.crop)
        tables.append(table)
    return tables


def _several(said: Texts, chosen: str, every: Sequence[str]) -> list[str]:
    names = _each(said)
    if names == (EVERY,):
        return list(every) or [chosen]
    return list(names) or [chosen]


def _each(texts: Texts) -> tuple[str, ...]:
    if isinstance(texts, str):
        return (texts,) if texts else ()
    return texts
