# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of TOML files as dataclasses; an error names the file, the entry and the setting."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..errors import InvalidInput, StorageError


def read(path: Path) -> dict[str, Any]:
    """Raises StorageError for a file that cannot be read, InvalidInput for one that is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f'"{path.name}" cannot be read.', f"{error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f'"{path.name}" is not a valid TOML file.', f"{error}.") from error


def tables(path: Path, within: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The [[name]] tables. Raises InvalidInput for what is written otherwise."""
    listed = within.get(name, [])
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise InvalidInput(
            f'"{name}" in "{path.name}" is not a list of tables.',
            action=f"Begin each with [[{name}]] on a line of its own.",
        )
    return listed


def entry(path: Path, kind: type[Any], values: Mapping[str, Any], called: str = "") -> Any:
    """The entry that the values make. Raises InvalidInput, which names the file and the entry."""
    called = called or f'{kind.__name__.lower()} "{values.get("id", "?")}"'
    what = f'The {called} in "{path.name}"'
    hints = get_type_hints(kind)
    arguments = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    for name, value in arguments.items():
        if name not in hints:
            raise InvalidInput(
                f'{what} has a setting that does not exist: "{name}".',
                action=suggest(name, hints),
            )
        if not _fits(value, hints[name]):
            raise InvalidInput(f'{what} has a "{name}" that cannot be used: {value!r}.')
    for known in fields(kind):
        if known.name not in arguments and known.default is known.default_factory is MISSING:
            raise InvalidInput(f'{what} is not complete: it lacks "{known.name}".')
    return kind(**arguments)


def suggest(name: str, known: Iterable[str]) -> str:
    """The nearest name that there is, as a sentence; else all of them."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f'Did you mean "{near[0]}"?'
    return f"Known: {', '.join(names)}." if names else ""


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
