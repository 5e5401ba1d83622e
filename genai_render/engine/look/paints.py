# SPDX-License-Identifier: GPL-3.0-or-later
"""Colors that a prompt has for one thing: "navy blue sofa", "paint the walls sage".

They come from what of a prompt is no word for the whole picture; the colors are in a data file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from . import color_words
from .color_words import Paint
from .terms import Reading, name_words, singular

_SMALL = ("in", "and", "with", "painted", "colored", "paint", "recolor", "change")


@dataclass(frozen=True, slots=True)
class Wish:
    """A paint, the words around it, one of which may be a thing's name, and the whole phrase."""

    paint: Paint
    around: tuple[str, ...]
    phrase: str


def wishes(reading: Reading) -> list[Wish]:
    """What of a prompt may be a color of one thing, as it was written."""
    return [wish for phrase in reading.not_used if (wish := _wish(phrase)) is not None]


def _wish(phrase: str) -> Wish | None:
    paints, changes = color_words.paints(), color_words.changes()
    words = phrase.casefold().split()
    at = next((number for number, word in enumerate(words) if word in paints), None)
    if at is None:
        return None
    paint, around = paints[words[at]], [*words[:at], *words[at + 1 :]]
    if at + 1 < len(words) and words[at + 1] in paints:  # "navy blue"
        del around[at]
    label = paint.label
    if at and words[at - 1] in changes:
        lighter, colorful = changes[words[at - 1]]
        paint = replace(paint, lighter=lighter, colorful=colorful)
        label = f"{words[at - 1]} {label}"
        del around[at - 1]
    around = [word for word in around if word not in _SMALL]
    return Wish(replace(paint, label=label), tuple(around), phrase)


def named(wish: Wish, names: Iterable[str]) -> list[str]:
    """Which of these objects or materials the wish is about; none where it names none of them.

    A name that has all of the words goes before one that has some: "bed cover" is not the bed.
    """
    wanted = {singular(word) for word in wish.around}
    hits: dict[str, int] = {}
    for name in names:
        own = [singular(word) for word in name_words(name)]
        shared = len(wanted & set(own))
        if shared:
            hits[name] = 100 * shared - len(set(own) - wanted)
    best = max(hits.values(), default=0)
    return [name for name, hit in hits.items() if hit == best]


def obeyed(reading: Reading, done: Sequence[tuple[Wish, str]]) -> Reading:
    """The reading where these wishes were fulfilled, for things of that name ("" for what a mask
    lets change): they are no longer among what was not used."""
    phrases = {wish.phrase for wish, _ in done}
    used = [f"{wish.paint.label} {thing}".strip() for wish, thing in done]
    rest: list[str] = []
    for wish, thing in done:
        own = set(name_words(thing)) | set(thing.casefold().split())
        left = [word for word in wish.around if singular(word) not in {singular(w) for w in own}]
        if not thing and len(left) == 1:  # it is what the mask is of
            left = []
        rest += [" ".join(left)] if left else []
    return replace(
        reading,
        used=(*reading.used, *used),
        not_used=(*(words for words in reading.not_used if words not in phrases), *rest),
        of_things=tuple(words for words in reading.of_things if words not in phrases),
    )
