# SPDX-License-Identifier: GPL-3.0-or-later
"""What the words of a prompt mean to a look: a table of terms, applied to a style's look.

The style is the base. Groups of terms apply in a fixed order, and within a group the word that
stands later in the prompt wins. The longest phrase is taken first.

A material beside the name of a thing ("brass lamp") is meant for that thing. The engine knows no
things, only a picture, and would turn the whole room to brass: such words are left out, and said.
"""

from __future__ import annotations

import functools
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.errors import InvalidInput
from . import color_words
from .look import Look, nested

GROUPS = (
    *("style", "time", "weather", "light", "air", "mood", "color"),
    *("lens", "material", "medium", "finish"),
)

_DATA = Path(__file__).resolve().parents[2] / "data" / "terms.toml"
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[,.;:!?()\[\]\n|/]")
_BREAKS = set(",.;:!?()[]\n|/")
_MOST = 2.0
"""The most that words such as "very" multiply a term by."""


@dataclass(frozen=True, slots=True)
class Term:
    """changes, off: dotted names of a look and their values; off is what a negation does.

    style: the style whose look this word stands for, where it is one.
    """

    id: str
    label: str
    group: str
    phrases: tuple[str, ...]
    changes: Mapping[str, Any] = field(default_factory=dict)
    off: Mapping[str, Any] = field(default_factory=dict)
    style: str = ""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All terms, and the small words that go with them."""

    terms: tuple[Term, ...]
    negations: frozenset[str]
    ends: frozenset[str]
    stronger: Mapping[str, float]
    ignored: frozenset[str]
    spelling: Mapping[str, str]
    phrases: Mapping[tuple[str, ...], Term]
    longest: int


@dataclass(frozen=True, slots=True)
class Mention:
    """A term as it stands in a prompt. strength: 1 as it is, more for "very"."""

    term: Term
    negated: bool
    strength: float


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt, understood as far as it goes.

    used: labels of what was understood, "no …" where negated. not_used: the rest, in its words.
    of_things: what of the rest is a color or a material of one thing.
    """

    mentions: tuple[Mention, ...]
    used: tuple[str, ...]
    not_used: tuple[str, ...]
    of_things: tuple[str, ...] = ()

    @property
    def style(self) -> str:
        """The style that a word of the prompt stands for, "" if none does."""
        named = [f.term.style for f in self.mentions if f.term.style and not f.negated]
        return named[-1] if named else ""

    def apply(self, look: Look) -> Look:
        """The look as the words want it."""
        for group in GROUPS:
            for mention in self.mentions:
                if mention.term.group != group:
                    continue
                changes = mention.term.off if mention.negated else mention.term.changes
                if changes:
                    strength = 1.0 if mention.negated else mention.strength
                    look = look.with_(nested(_resolved(look, changes, strength)), 1.0)
        return look

    @property
    def sentence(self) -> str:
        """For a person: "Used: golden hour. Not used offline: sleeping cat."."""
        parts = []
        if self.used:
            parts.append(f"Used: {', '.join(self.used)}.")
        others = [words for words in self.not_used if words not in self.of_things]
        if others:
            parts.append(f"Not used offline: {', '.join(others)}.")
        if self.of_things:
            parts.append(
                "Left out, since offline a color or material goes to everything: "
                f"{', '.join(self.of_things)}."
            )
        return " ".join(parts)


@functools.cache
def vocabulary() -> Vocabulary:
    """The terms that ship. Raises InvalidInput if the data file is wrong."""
    return parse(tomllib.loads(_DATA.read_text(encoding="utf-8")))


def parse(tables: Mapping[str, Any]) -> Vocabulary:
    """A vocabulary from the tables of a data file. Raises InvalidInput."""
    words = tables["words"]
    spelling: Mapping[str, str] = words["spelling"]
    terms: list[Term] = []
    phrases: dict[tuple[str, ...], Term] = {}
    for values in tables["term"]:
        term = Term(
            values["id"],
            values.get("label", values["phrases"][0]),
            values["group"],
            tuple(values["phrases"]),
            values.get("set", {}),
            values.get("off", {}),
            values.get("style", ""),
        )
        if term.group not in GROUPS:
            raise InvalidInput(f'The term "{term.id}" is of an unknown group, "{term.group}".')
        for changes in (term.changes, term.off):
            Look().with_(nested(_resolved(Look(), changes, 1.0)))
        for phrase in term.phrases:
            key = tuple(_words(phrase, spelling))
            if phrases.get(key, term) is not term:
                raise InvalidInput(f'"{phrase}" stands for "{phrases[key].id}" and "{term.id}".')
            phrases[key] = term
        terms.append(term)
    return Vocabulary(
        tuple(terms),
        frozenset(words["negations"]),
        frozenset(words["ends"]),
        dict(words["strength"]),
        frozenset(words["ignored"]),
        dict(spelling),
        phrases,
        max(len(key) for key in phrases),
    )


def read(
    prompt: str,
    known: Vocabulary | None = None,
    names: Iterable[str] = (),
    of_one: bool = False,
) -> Reading:
    """What of the prompt the engine understands. names: of the objects in the scene.

    of_one: it is about one thing, as an edit of a part is: a material is meant for all of that.
    """
    known = known or vocabulary()
    things = {singular(word) for name in names for word in name_words(name)}
    tokens = _words(prompt, known.spelling)
    shown = _words(prompt, {})
    mentions: list[Mention] = []
    used: list[str] = []
    rest: list[list[str]] = [[]]
    owned: list[list[str]] = []
    negated = False
    strength = 1.0
    at = 0

    def drop_rest() -> None:
        if rest[-1]:
            rest.append([])

    while at < len(tokens):
        token = tokens[at]
        if token in _BREAKS:
            negated, strength = False, 1.0
            drop_rest()
            at += 1
            continue
        length, term = _match(tokens, at, known)
        colored = _color_of_a_thing(tokens, at, length, term, of_one)
        if colored:
            rest[-1].extend(shown[at : at + colored])
            strength = 1.0
            at += colored
            continue
        owner = None
        if term is not None and not of_one:
            owner = _owner(tokens, at, length, term, known, things)
        if owner is not None:
            if owner < at:  # "lamp made of brass"
                rest[-1].extend(shown[owner + 1 : at + length])
            else:
                rest[-1].extend(shown[at : at + length])
            owned.append(rest[-1])
            strength = 1.0
            at += length
            continue
        if term is not None:
            hit = Mention(term, negated, strength)
            mentions = [f for f in mentions if f.term.id != term.id]
            mentions.append(hit)
            label = f"no {term.label}" if negated else term.label
            used = [u for u in used if u not in (term.label, f"no {term.label}")]
            used.append(label)
            strength = 1.0
            drop_rest()
            at += length
            continue
        if token in known.negations:
            negated = True
        elif token in known.ends:
            negated = False
        elif token in known.stronger:
            strength = min(_MOST, strength * known.stronger[token])
            if not _leads_to_term(tokens, at + 1, known):
                rest[-1].append(shown[at])
        elif token not in known.ignored:
            rest[-1].append(shown[at])
            strength = 1.0
        elif rest[-1] and token in ("and", "or", "with", "on", "in", "at", "by", "under", "over"):
            drop_rest()
        at += 1
    others = [" ".join(words) for words in rest if words]
    of_things = tuple(dict.fromkeys(" ".join(words) for words in owned))
    return Reading(tuple(mentions), tuple(used), tuple(dict.fromkeys(others)), of_things)


def _color_of_a_thing(
    tokens: list[str], at: int, length: int, term: Term | None, of_one: bool
) -> int:
    """How many words here are a paint and no word for the whole picture: "dark" of "dark green"; of
    an edit of one thing, the color itself, too."""
    paints = color_words.paints()
    if term is None or length > 1:
        return 0
    if tokens[at] in color_words.changes() and at + 1 < len(tokens) and tokens[at + 1] in paints:
        return 2
    return 1 if of_one and term.group == "color" and tokens[at] in paints else 0


def _owner(
    tokens: list[str], at: int, length: int, term: Term, known: Vocabulary, things: set[str]
) -> int | None:
    """Where the thing stands that a color or material word is meant for; None for the whole.

    A material right before a word that is no term is that thing's, whether the scene has it or
    not; a color goes to the whole picture unless the thing is in the scene.
    """
    if term.group not in ("material", "color"):
        return None
    after = at + length
    while after < len(tokens) and _is_noun(tokens, after, known):
        if term.group == "material" or singular(tokens[after]) in things:
            return after
        after += 1
    before = at - 1
    while before >= 0 and tokens[before] in known.ignored:
        before -= 1
    linked = before < at - 1 or tokens[at] in ("made",)
    if linked and before >= 0 and singular(tokens[before]) in things:
        return before
    return None


def _is_noun(tokens: list[str], at: int, known: Vocabulary) -> bool:
    word = tokens[at]
    small = word in _BREAKS or word in known.ignored or word in known.ends
    small = small or word in known.negations or word in known.stronger
    return not small and _match(tokens, at, known)[1] is None


def singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") else word


def name_words(name: str) -> list[str]:
    """The words of an object's name, such as "FloorLamp_02.001"."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word.casefold() for word in re.findall(r"[^\W\d_]{3,}", parted)]


def _leads_to_term(tokens: list[str], at: int, known: Vocabulary) -> bool:
    """A strengthening word belongs to a term if one follows, after small words at most."""
    while at < len(tokens) and (tokens[at] in known.stronger or tokens[at] in known.ignored):
        at += 1
    return at < len(tokens) and _match(tokens, at, known)[1] is not None


def _match(tokens: list[str], at: int, known: Vocabulary) -> tuple[int, Term | None]:
    for length in range(min(known.longest, len(tokens) - at), 0, -1):
        key = tuple(tokens[at : at + length])
        term = known.phrases.get(key)
        if term is None and len(key[-1]) > 3 and key[-1].endswith("s"):
            term = known.phrases.get((*key[:-1], key[-1][:-1]))
        if term is not None:
            return length, term
    return 0, None


def _words(text: str, spelling: Mapping[str, str]) -> list[str]:
    """Words and breaks, in small letters, one spelling for each word; hyphens part words."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return [spelling.get(word, word) for word in _WORD.findall(plain)]


def _resolved(look: Look, changes: Mapping[str, Any], strength: float) -> dict[str, Any]:
    """Plain values: "+0.5" and "*1.2" stand for the look's own value changed by that."""
    result: dict[str, Any] = {}
    for path, value in changes.items():
        old = look.value(path)
        if isinstance(value, str) and re.fullmatch(r"[+*-]\d*\.?\d+", value):
            if isinstance(old, (bool, str, tuple)):
                raise InvalidInput(f'"{path}" of a look cannot be changed by "{value}".')
            number = float(value[1:])
            if value[0] == "*":
                result[path] = old * (1 + (number - 1) * strength)
            else:
                result[path] = old + (number if value[0] == "+" else -number) * strength
        elif (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and isinstance(old, float)
            and path not in _FIXED
        ):
            result[path] = old + (value - old) * strength
        else:
            result[path] = value
    return result


# Values that a "very" does not make more of.
_FIXED = frozenset(
    ("light.azimuth", "light.elevation", "lens.bars", "grade.mono", "surface.clay", "sky.sun")
)
