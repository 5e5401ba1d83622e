# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py words: what the translations lack of the texts that a window shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .console import say
from .interface_texts import PLACEHOLDER, texts
from .project import Project

TRANSLATIONS = "data/translations"


@dataclass(frozen=True)
class Gaps:
    """missing: without a translation. unused: with one that nothing needs. wrong: by key, why."""

    missing: tuple[str, ...]
    unused: tuple[str, ...]
    wrong: tuple[tuple[str, str], ...]


def words(project: Project, fill: Path | None) -> int:
    """Print what the translations lack, as JSON to be filled in and given back with --fill.

    fill: such a file. Its translations are taken over, and those that nothing needs are dropped;
    one whose text only names a value otherwise now is kept with that name.
    """
    sought = {found.text: found for found in texts(project)}
    tables = {path.stem: json.loads(path.read_text("utf-8")) for path in files(project)}
    if fill is not None:
        for text, filled in json.loads(fill.read_text(encoding="utf-8")).items():
            for language, translation in filled.items():
                if translation.strip():
                    tables[language][text] = translation
        for path in files(project):
            rename_values(tables[path.stem], set(sought))
            table = {text: tables[path.stem][text] for text in sought if text in tables[path.stem]}
            tables[path.stem] = table
            path.write_text(_as_json(table, sort_keys=True) + "\n", encoding="utf-8")
    missing: dict[str, dict[str, str]] = {}
    bad = False
    for language, table in tables.items():
        gaps = gaps_of(table, set(sought))
        bad = bad or any((gaps.missing, gaps.unused, gaps.wrong))
        for text in gaps.missing:
            missing.setdefault(text, {})[language] = ""
        for text in gaps.unused:
            say(f"{language}: not used any more: {text}")
        for text, why in gaps.wrong:
            say(f"{language}: {why}: {text}")
    if missing:
        for text in missing:
            say(f"{sought[text].path}:{sought[text].line}: {text}")
        say(_as_json(missing))
    say(f"{len(sought)} texts, {len(tables)} languages, {len(missing)} texts to translate.")
    return 1 if bad else 0


def rename_values(table: dict[str, str], sought: set[str]) -> None:
    """Give texts that are missing the translation of one that differs in names in braces only."""
    unused = {PLACEHOLDER.sub("{}", text): text for text in table.keys() - sought}
    for text in sought - table.keys():
        old = unused.get(PLACEHOLDER.sub("{}", text))
        if old is not None:
            names = dict(zip(PLACEHOLDER.findall(old), PLACEHOLDER.findall(text), strict=True))
            table[text] = PLACEHOLDER.sub(
                lambda match, names=names: "{" + names[match[1]] + "}", table[old]
            )


def _as_json(table: dict[str, Any], sort_keys: bool = False) -> str:
    return json.dumps(table, ensure_ascii=False, indent=1, sort_keys=sort_keys)


def files(project: Project) -> list[Path]:
    return sorted((project.package / TRANSLATIONS).glob("*.json"))


def gaps_of(table: dict[str, str], sought: set[str]) -> Gaps:
    wrong = []
    for text, translation in table.items():
        if sorted(set(PLACEHOLDER.findall(text))) != sorted(set(PLACEHOLDER.findall(translation))):
            wrong.append((text, "other values in braces"))
        elif not translation.strip():
            wrong.append((text, "empty"))
    missing = tuple(sorted(sought - table.keys()))
    return Gaps(missing, tuple(sorted(table.keys() - sought)), tuple(wrong))
