# SPDX-License-Identifier: GPL-3.0-or-later
"""English texts in another language, by a table: whole labels, and messages with values in them.

A message is an f-string where it arises: in English, as the command line, the log and History
keep it. What a window shows of it is translated from the finished text. The table's entry for
`f"{model.label} needs the network."` is "{label} needs the network.", and the values are found
again by what stands around them. So a message from a worker, another process or an old file is
translated like any other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "data" / "translations"
LANGUAGES = ("de", "es", "fr", "ja", "zh_HANS")
PLACEHOLDER = re.compile(r"\{(\w+)\}")

_BETWEEN = re.compile(r"((?<=[.?!])\s+|\s+·\s+|\n)")  # sentences, and facts on one line
_LIST = re.compile(r"(, | and |; )")
_DEEPEST = 4  # of messages within messages


def language_of(locale: str) -> str:
    """Which of LANGUAGES a locale of Blender's asks for; "" for none of them."""
    if locale in ("zh_HANS", "zh_CN"):  # as Blender 4 and later, and others, call it
        return "zh_HANS"
    language = locale.partition("_")[0]
    return language if language in LANGUAGES else ""


def read(language: str) -> dict[str, str]:
    """Its table: English to that language."""
    return json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))


class Words:
    """A language. table: English to that language, with the same {names} in both."""

    def __init__(self, table: Mapping[str, str]) -> None:
        self._table = table
        self._stop = "。" if any(words.endswith("。") for words in table.values()) else "."
        self._templates = [_Template.of(key) for key in table if PLACEHOLDER.search(key)]
        self.of = lru_cache(maxsize=2048)(self._of)

    def _of(self, text: str) -> str:
        """The text in that language, as far as it is known; all else stays as it is."""
        return self._translated(text, 0)

    def _translated(self, text: str, depth: int) -> str:
        if text in self._table:
            return self._table[text]
        if depth > _DEEPEST or not any(map(str.isalpha, text)):
            return text
        parts = _BETWEEN.split(text)
        known = [template for template in self._templates if template.anchor in text]
        # From the last part to the first: the best that can be made of each and all after it.
        best = [(0, "")] * (len(parts) + 2)
        for start in reversed(range(0, len(parts), 2)):
            gap = parts[start + 1] if start + 1 < len(parts) else ""
            after = best[start + 2]
            best[start] = after[0], _joined(parts[start], gap, after[1])
            for end in range(len(parts), start, -2):
                weight, words = self._whole("".join(parts[start:end]), known, depth)
                gap, after = (parts[end], best[end + 1]) if end < len(parts) else ("", (0, ""))
                if weight + after[0] > best[start][0]:
                    best[start] = weight + after[0], _joined(words, gap, after[1])
        return best[0][1]

    def _whole(self, text: str, known: list[_Template], depth: int) -> tuple[int, str]:
        """How many characters of the text are a table's, and its translation."""
        if text in self._table:
            return len(text), self._table[text]
        if text.removesuffix(".") in self._table:  # a description, as a sentence
            return len(text), self._table[text.removesuffix(".")] + self._stop
        best = self._list(text, known, depth)
        for template in known:
            values = template.values(text) if template.weight > best[0] else None
            if values is not None:
                said = {
                    name: self._quoted(value) if quoted else self._value(value, depth)
                    for name, value, quoted in values
                }
                filled = PLACEHOLDER.sub(
                    lambda match, said=said: said[match[1]], self._table[template.key]
                )
                best = template.weight, filled
        return best

    def _list(self, text: str, known: list[_Template], depth: int) -> tuple[int, str]:
        """The same of several texts with commas between, of which each is known."""
        parts = _LIST.split(text)
        if len(parts) == 1 or depth > _DEEPEST or _BETWEEN.search(text):
            return 0, text
        told = [self._whole(part, known, depth + 1) for part in parts[::2]]
        for part, (weight, _) in zip(parts[::2], told, strict=True):
            if not weight and any(map(str.isalpha, part)):
                return 0, text
        parts[::2] = [words for _, words in told]
        for place, part in enumerate(parts[1::2]):
            word = part.strip()
            parts[2 * place + 1] = part.replace(word, self._table.get(word, word))
        return sum(weight for weight, _ in told), "".join(parts)

    def _quoted(self, name: str) -> str:
        """The name of something, or "The image" where it has none."""
        return self._table.get(name, name) if " " in name else name

    def _value(self, value: str, depth: int) -> str:
        """What stands in a message: a message itself, a list of known words, or a name."""
        text = value.strip().lstrip(".,; ")
        if not text:
            return value
        return value.replace(text, self._translated(text, depth + 1))


@dataclass(frozen=True, slots=True)
class _Template:
    """anchor: its longest literal part. weight: how many characters are literal.

    quoted: by value, whether it stands in quotes, as names of things do, which stay as they are.
    """

    key: str
    names: tuple[str, ...]
    anchor: str
    weight: int
    quoted: tuple[bool, ...]

    @classmethod
    def of(cls, key: str) -> _Template:
        parts = PLACEHOLDER.split(key)
        names, literals = parts[1::2], parts[::2]
        quoted = [
            before.endswith('"') and after.startswith('"') for before, after in pairwise(literals)
        ]
        return cls(
            key,
            tuple(names),
            max(literals, key=len),
            sum(map(len, literals)),
            tuple(quoted),
        )

    def values(self, text: str) -> list[tuple[str, str, bool]] | None:
        match = _pattern(self.key).fullmatch(text)
        if match is None:
            return None
        return list(zip(self.names, match.groups(), self.quoted, strict=True))


@cache
def _pattern(key: str) -> re.Pattern[str]:
    """Made when it is first tried: there are hundreds, and few are ever met."""
    literals = PLACEHOLDER.split(key)[::2]
    return re.compile("(.*?)".join(map(re.escape, literals)), re.DOTALL)


def _joined(one: str, gap: str, rest: str) -> str:
    """Chinese and Japanese have no space after a full stop."""
    return one + ("" if gap == " " and one.endswith(("。", "？")) else gap) + rest
