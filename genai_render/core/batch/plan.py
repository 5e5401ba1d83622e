# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch file: tables of lists, each of which stands for all combinations of what is in it.

TOML with [[batch]] tables, or JSONL with such a table as an object a line:

    [[batch]]
    prompt = ["golden hour", "night, moonlight"]
    style = ["auto", "movie"]
    camera = "all"
    seed = "1-4"

is 2 × 2 × 4 pictures of every camera.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InvalidInput, StorageError
from ..files import toml_tables
from ..request import MAX_SEED
from ..view import placement

MOST = 100_000
LISTS = (
    *("prompt", "style", "model", "scene", "camera", "place", "turn", "frame", "seed"),
    *("resolution", "aspect"),
)
"""What may be a list, from what changes last to what changes first."""
SINGLE = ("mode", "count", "canvas", "reference", "options", "crop", "room", "around")
ALL_CAMERAS = "all"
_LATER = ("place", "turn", "room", "around", "crop")
_SEED_OF_TEXT = 8  # bytes

Ranges = Callable[[str], list[int]]
"""Numbers of "1-24,30". Raises InvalidInput."""


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One picture. scene, camera: by name; "" for the one that is set. frame: None for the scene's
    own. canvas: whether the view is sent. reference: as on the command line, PATH[=ROLE[:WEIGHT]].

    place: how a camera is placed by itself instead (see `placement.RULES`), turned by `turn`
    degrees, around the objects of these names, with room at that side of the picture.
    crop: left, bottom, width and height of the part of the camera's frame that is meant, 0 to 1.
    """

    prompt: str
    style: str = "auto"
    model: str = "offline"
    scene: str = ""
    camera: str = ""
    frame: int | None = None
    seed: int = 0
    resolution: str = "1K"
    aspect: str = "auto"
    mode: str = "auto"
    canvas: bool = True
    reference: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    place: str = ""
    turn: float = 0.0
    room: str = ""
    around: tuple[str, ...] = ()
    crop: tuple[float, ...] = ()

    @property
    def key(self) -> str:
        """The same for the same picture, whatever else is in the file."""
        values = asdict(self)
        for name in _LATER:  # so that a batch of an older version is gone on with
            if not values[name]:
                del values[name]
        text = json.dumps(values, sort_keys=True, default=list)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


Cameras = Callable[[str], list[str]]
"""The names of a scene's cameras ("": of the one that is set). Raises SceneError."""


def read(path: Path) -> list[dict[str, Any]]:
    """The tables of a batch file. Raises StorageError, InvalidInput."""
    if path.suffix.lower() != ".jsonl":
        found = toml_tables.tables(path, toml_tables.read(path), "batch")
    else:
        found = _json_lines(path)
    if not found:
        raise InvalidInput(
            f'"{path.name}" has nothing to make.', action="Begin a table with [[batch]]."
        )
    return found


def _json_lines(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StorageError(f'"{path.name}" cannot be read.', f"{error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f'"{path.name}" is not a text in UTF-8.') from error
    tables = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            table = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f'Line {number} of "{path.name}" is not JSON.') from error
        if not isinstance(table, dict):
            raise InvalidInput(f'Line {number} of "{path.name}" is not an object in braces.')
        tables.append(table)
    return tables


def expand(
    tables: Iterable[Mapping[str, Any]], cameras: Cameras, ranges: Ranges
) -> list[BatchItem]:
    """Every picture, each once, in the order of the file. Raises InvalidInput, SceneError."""
    items: dict[str, BatchItem] = {}
    for number, table in enumerate(tables, start=1):
        for item in _combinations(f"Table {number}", table, cameras, ranges):
            items.setdefault(item.key, item)
            if len(items) > MOST:
                raise InvalidInput(f"The batch has more than {MOST} pictures.", action="Split it.")
    return list(items.values())


def _combinations(
    called: str, table: Mapping[str, Any], cameras: Cameras, ranges: Ranges
) -> Iterator[BatchItem]:
    for name in table:
        if name not in (*LISTS, *SINGLE):
            raise InvalidInput(
                f'{called} has a setting that does not exist: "{name}".',
                action=toml_tables.suggest(name, (*LISTS, *SINGLE)),
            )
    if not table.get("prompt"):
        raise InvalidInput(f"{called} has no prompt.")
    lists: dict[str, list[Any]] = {}
    for name in LISTS:
        if name in table:
            lists[name] = _list(called, name, table[name], ranges)
    count = table.get("count", 1)
    if type(count) is not int or count < 1:
        raise InvalidInput(f'{called} has a "count" that cannot be used: {count!r}.')
    plain = ("mode", "canvas", "options", "room")
    single = {name: table[name] for name in plain if name in table}
    for name in ("reference", "around"):
        if name in table:
            given = table[name]
            single[name] = tuple(given) if isinstance(given, list) else (given,)
    if "crop" in table:
        single["crop"] = _crop(called, table["crop"])
    for values in itertools.product(*lists.values()):
        one = dict(zip(lists, values, strict=True))
        named = [one.get("camera", "")]
        if named == [ALL_CAMERAS]:
            named = cameras(one.get("scene", ""))
        for camera in named:
            base = {**one, **single, "camera": camera}
            first = one.get("seed", _seed_of(base))
            for index in range(count):
                yield _item(called, {**base, "seed": (first + index) % (MAX_SEED + 1)})


def _list(called: str, name: str, value: Any, ranges: Ranges) -> list[Any]:
    if name in ("frame", "seed"):
        parts = value if isinstance(value, list) else [value]
        numbers: list[int] = []
        for part in parts:
            if isinstance(part, str):
                numbers += ranges(part)
            elif type(part) is int:
                numbers.append(part)
            else:
                raise InvalidInput(f'{called} has a "{name}" that cannot be used: {part!r}.')
        return numbers
    if name == "turn":
        turns = value if isinstance(value, list) else [value]
        if not turns or not all(type(turn) in (int, float) for turn in turns):
            raise InvalidInput(f'{called} has a "{name}" that cannot be used: {value!r}.')
        return [float(turn) for turn in turns]
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise InvalidInput(f'{called} has a "{name}" that cannot be used: {value!r}.')
    return texts


def _seed_of(values: Mapping[str, Any]) -> int:
    """Always the same for the same picture, and for all frames and cameras of one."""
    text = "\n".join(str(values.get(name, "")) for name in ("prompt", "style", "model"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:_SEED_OF_TEXT], "big") % MAX_SEED


def _crop(called: str, value: Any) -> tuple[float, ...]:
    numbers = isinstance(value, list) and all(type(one) in (int, float) for one in value)
    if numbers and len(value) == 4:
        left, bottom, width, height = (float(one) for one in value)
        inside = left + width <= 1 and bottom + height <= 1
        if left >= 0 and bottom >= 0 and width > 0 and height > 0 and inside:
            return left, bottom, width, height
    raise InvalidInput(
        f'{called} has a "crop" that cannot be used: {value!r}.',
        action="Write left, bottom, width and height, 0 to 1: [0.25, 0.25, 0.5, 0.5].",
    )


_KINDS = {"mode": str, "canvas": bool, "options": dict, "seed": int, "room": str}


def _item(called: str, values: Mapping[str, Any]) -> BatchItem:
    for name, kind in _KINDS.items():
        if name in values and not isinstance(values[name], kind):
            raise InvalidInput(f'{called} has a "{name}" that cannot be used: {values[name]!r}.')
    for name in ("reference", "around"):
        if not all(isinstance(text, str) for text in values.get(name, ())):
            raise InvalidInput(f'{called} has a "{name}" that is not a text.')
    if values.get("place"):
        placement.rule(values["place"])
    if values.get("room", "") not in placement.ROOMS:
        raise InvalidInput(
            f'{called} has a "room" that cannot be used: {values["room"]!r}.',
            action=f"Use {', '.join(placement.ROOMS[1:])}.",
        )
    return BatchItem(**values)


def item_of(values: Mapping[str, Any]) -> BatchItem:
    """The item that was written down as JSON. Raises InvalidInput."""
    known = {name: values[name] for name in BatchItem.__slots__ if name in values}
    for name in ("reference", "around", "crop"):
        if isinstance(known.get(name), list):
            known[name] = tuple(known[name])
    try:
        return BatchItem(**known)
    except TypeError as error:
        raise InvalidInput("What was noted of this picture is damaged.", f"{error}.") from error


def shard(items: list[BatchItem], text: str) -> list[BatchItem]:
    """A part of the items: "3/8" is the third of eight. Raises InvalidInput."""
    part, slash, whole = text.partition("/")
    if not (slash and part.isdigit() and whole.isdigit() and 1 <= int(part) <= int(whole)):
        raise InvalidInput(f'"{text}" is not a part of a batch.', action='Write it like "3/8".')
    # By what it is, not by its place: a file to which something was added is cut the same way.
    return [item for item in items if int(item.key, 16) % int(whole) == int(part) - 1]
