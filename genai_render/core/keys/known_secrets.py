# SPDX-License-Identifier: GPL-3.0-or-later
"""Every key that was ever used here, and how to find it again in what others send back.

A server knows the key that it was given, and may return it: as it is, in capitals, backwards, with
spaces in between, as hexadecimal digits, percent signs or base64, alone or with what stood around
it. All of these can be turned back, so none may be stored or shown.
"""

from __future__ import annotations

import base64
import codecs
import json
import re
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

REMOVED = "[removed]"

SHORTEST = 4
"""Characters. A shorter text is no key, and hiding it would garble ordinary messages."""

LONG = 12
"""From so many characters on, nobody writes it by chance: it is found in pieces, too."""

_NOT_SQUEEZED = re.compile(r"[^a-z0-9]+")
_ESCAPED = re.compile(
    r"%([0-9A-Fa-f]{2})|&#x([0-9A-Fa-f]{1,6});|&#([0-9]{1,7});|\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})"
)
_BASE64_RUN = re.compile(r"[A-Za-z0-9+/=_-]*")


@dataclass(frozen=True, slots=True)
class _Forms:
    """How one secret is looked for. pattern: as it is, whatever its case.

    squeezed: among nothing but small letters and digits. packed: likewise, within base64.
    """

    length: int
    pattern: re.Pattern[str]
    squeezed: tuple[str, ...]
    packed: tuple[str, ...]


_known: dict[str, _Forms] = {}
_lock = threading.Lock()


def remember(value: str) -> None:
    """From now on it is taken out of every text, and so is a password after "name:"."""
    name, colon, password = value.partition(":")
    for one in (value, password) if colon and name else (value,):
        if len(one) >= SHORTEST and one not in _known:
            forms = _forms(one)
            with _lock:
                _known[one] = forms


def hidden(text: str, shortest: int = SHORTEST) -> str:
    """The text without any of them that is at least so long."""
    for forms in _sought(shortest):
        spans = sorted(_found(text, forms))
        for begin, end in reversed(_merged(spans)):
            text = text[:begin] + REMOVED + text[end:]
    return text


def holds(text: str, shortest: int = SHORTEST) -> bool:
    """Whether one of them is in the text, in whatever spelling."""
    return any(next(_found(text, forms), None) for forms in _sought(shortest))


def any_known() -> bool:
    return bool(_known)


def _sought(shortest: int) -> list[_Forms]:
    with _lock:
        forms = [forms for forms in _known.values() if forms.length >= shortest]
    return sorted(forms, key=lambda each: -each.length)


def _forms(value: str) -> _Forms:
    raw = value.encode()
    plain = {value, value[::-1], urllib.parse.quote(value, safe=""), json.dumps(value)[1:-1]}
    plain |= {urllib.parse.quote_plus(value), codecs.encode(value, "rot13")}
    patterns = [re.escape(form) for form in plain]
    if len(value) < LONG:
        # Spaced out evenly; here and there would be found in the middle of ordinary words.
        for form in (value, value[::-1]):
            patterns.append(r"[\W_]".join(map(re.escape, form)))
    squeezed = {_squeeze(form) for form in plain} if len(value) >= LONG else set()
    for form in (raw, raw[::-1]):
        squeezed.add(form.hex())
        squeezed.add("x".join(f"{byte:02x}" for byte in form))
        squeezed.add("u00".join(f"{byte:02x}" for byte in form))
    squeezed.add(_squeeze(base64.b32encode(raw).decode().rstrip("=")))
    packed = {_squeeze(core) for form in (raw, raw[::-1]) for core in _base64_cores(form)}
    return _Forms(
        len(value),
        re.compile("|".join(sorted(patterns, key=len, reverse=True)), re.IGNORECASE),
        tuple(form for form in squeezed if len(form) >= 8),
        tuple(form for form in packed if len(form) >= 8),
    )


def _base64_cores(raw: bytes) -> Iterator[str]:
    """What base64 makes of it wherever it stands: without the characters that also hold a part of
    what is before or behind it."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw + b"\0\0").decode()
        begin = -(-before * 8 // 6)
        end = (before + len(raw)) * 8 // 6
        yield text[begin:end]


def _found(text: str, forms: _Forms) -> Iterator[tuple[int, int]]:
    """Where it begins and ends, each time."""
    for match in forms.pattern.finditer(text):
        yield match.span()
    yield from _squeezed_spans(text, None, forms)
    if _ESCAPED.search(text):
        decoded, places = _unescaped(text)
        for match in forms.pattern.finditer(decoded):
            yield places[match.start()][0], places[match.end() - 1][1]
        yield from _squeezed_spans(decoded, places, forms)


def _squeezed_spans(
    text: str, places: list[tuple[int, int]] | None, forms: _Forms
) -> Iterator[tuple[int, int]]:
    small = _squeeze(text)
    cores = [(core, False) for core in forms.squeezed if core in small]
    cores += [(core, True) for core in forms.packed if core in small]
    if not cores:
        return
    kept = [at for at, char in enumerate(text.lower()) if char.isascii() and char.isalnum()]
    if len(kept) != len(small):  # a letter whose small form is longer: then all of it goes
        yield 0, (places[-1][1] if places else len(text))
        return
    for core, packed in cores:
        at = small.find(core)
        while at >= 0:
            begin, end = kept[at], kept[at + len(core) - 1] + 1
            if packed:
                begin -= len(_run_before(text, begin))
                match = _BASE64_RUN.match(text, end)
                end = match.end() if match else end
            yield (begin, end) if places is None else (places[begin][0], places[end - 1][1])
            at = small.find(core, at + 1)


def _run_before(text: str, end: int) -> str:
    match = _BASE64_RUN.match(text[max(0, end - 4096) : end][::-1])
    return match[0] if match else ""


def _unescaped(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text with what is written in numbers as characters, and where each of them stood."""
    made: list[str] = []
    places: list[tuple[int, int]] = []
    at = 0
    for match in _ESCAPED.finditer(text):
        for index in range(at, match.start()):
            made.append(text[index])
            places.append((index, index + 1))
        base = 10 if match[3] else 16
        code = int(next(group for group in match.groups() if group), base)
        made.append(chr(code) if code < 0xD800 else "?")
        places.append(match.span())
        at = match.end()
    for index in range(at, len(text)):
        made.append(text[index])
        places.append((index, index + 1))
    return "".join(made), places


def _squeeze(text: str) -> str:
    return _NOT_SQUEEZED.sub("", text.lower())


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, end in spans:
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged
