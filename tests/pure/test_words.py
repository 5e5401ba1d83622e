# SPDX-License-Identifier: GPL-3.0-or-later
"""Translations: every text of the interface has one in every language, and is found again."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from building import interface_texts as search
from building import words as tables
from building.project import Project
from genai_render.core import words
from genai_render.core.errors import InvalidInput, ServerError

PROJECT = Project(Path(__file__).resolve().parent.parent.parent)


@cache
def texts() -> tuple[search.Found, ...]:
    return tuple(search.texts(PROJECT))


@cache
def language(name: str) -> words.Words:
    return words.Words(words.read(name))


def test_every_language_has_a_table() -> None:
    assert [path.stem for path in tables.files(PROJECT)] == sorted(words.LANGUAGES)


@pytest.mark.parametrize("name", words.LANGUAGES)
def test_every_text_has_a_translation(name: str) -> None:
    gaps = tables.gaps_of(words.read(name), {found.text for found in texts()})
    assert not gaps.missing, "`build.py words` prints these to be filled in"
    assert not gaps.unused, "`build.py words --fill` takes these away"
    assert not gaps.wrong


def test_texts_with_values_are_translated_before_they_are_drawn() -> None:
    drawn = []
    for path in sorted((PROJECT.package / "blender").rglob("*.py")):
        drawn += search.unwrapped(path.read_text("utf-8"), path.name)
    assert drawn == []


@pytest.mark.parametrize("name", words.LANGUAGES)
def test_a_message_is_known_by_what_stands_around_its_values(name: str) -> None:
    table = words.read(name)
    spoken = language(name)
    for text in table:
        values = dict.fromkeys(words.PLACEHOLDER.findall(text))
        filled, expected = text, table[text]
        for number, value in enumerate(values):
            filled = filled.replace(f"{{{value}}}", f"Q{number}x")
            expected = expected.replace(f"{{{value}}}", f"Q{number}x")
        assert spoken.of(filled) == expected, text


def test_sentences_of_an_error_are_translated_each() -> None:
    error = InvalidInput(
        "The prompt is empty.", action='Say what you want to see, such as "golden hour".'
    )
    assert language("de").of(error.text) == (
        "Der Prompt ist leer. Sagen Sie, was Sie sehen möchten, etwa „golden hour“."
    )
    assert (
        language("ja").of("Try again. It is damaged.") == "もう一度試してください。破損しています。"
    )


def test_what_nobody_translated_stays_between_what_is() -> None:
    error = ServerError("Nano refused to make this image.", "A server's own words!", "Try again.")
    assert language("de").of(error.text) == (
        "Nano hat es abgelehnt, dieses Bild zu machen. A server's own words! "
        "Versuchen Sie es erneut."
    )
    assert language("de").of("Räucherlachs") == "Räucherlachs"


def test_values_are_translated_unless_they_are_names() -> None:
    de = language("de")
    assert de.of("Nano takes 1 image: the normals and the depth left out.") == (
        "Nano nimmt 1 Bild, weggelassen: die Normalen und die Tiefe."
    )
    assert de.of("1536 × 1024, high quality") == "1536 × 1024, Qualität: hoch"
    assert de.of("Lighting · 4 s of about 9 s") == "Beleuchtung · 4 s von etwa 9 s"
    assert de.of('"Depth" is empty.') == "„Depth“ ist leer."
    assert de.of('"The image" is empty.') == "„Das Bild“ ist leer."


def test_a_description_may_end_as_a_sentence() -> None:
    told = language("zh_HANS").of("A few seconds.\nGood for: Drafts and series.\nabout $0.03 each")
    assert told == "几秒。\n适用于：草图和系列图像。\n每张约 $0.03"


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("de_DE", "de"),
        ("es", "es"),
        ("fr_FR", "fr"),
        ("ja_JP", "ja"),
        ("zh_HANS", "zh_HANS"),
        ("zh_CN", "zh_HANS"),
        ("zh_HANT", ""),
        ("en_US", ""),
        ("", ""),
        ("eo", ""),
    ],
)
def test_language_of_a_locale_of_blender(locale: str, expected: str) -> None:
    assert words.language_of(locale) == expected


SOURCE = '''
class GENAI_RENDER_OT_thing(Operator):
    """Do the thing"""
    bl_label = "Thing"
    size: IntProperty(name="Size", description="How large it is")

    def draw(self, context):
        log.info("Not for people")
        layout.label(text=f"{len(found)} things are here")
        if kind == "Some Kind":
            raise InvalidInput(f'"{thing.name}" is no thing.', action="Choose one.")
        raise ValueError("Not for people either")

    @classmethod
    def poll(cls, context):
        cls.poll_message_set("Not now")
'''


def test_texts_are_found_in_code() -> None:
    found = [one.text for one in search.in_code(SOURCE, "blender/panels/things.py")]
    assert sorted(found) == [
        '"{name}" is no thing.',
        "Choose one.",
        "Do the thing",
        "How large it is",
        "Not now",
        "Size",
        "Thing",
        "{found} things are here",
    ]
    raw = [one.text for one in search.unwrapped(SOURCE, "things.py")]
    assert sorted(raw) == ["'Not now'", "{found} things are here"]


def test_what_is_wrong_with_a_table_is_said() -> None:
    table = {"{n} things": "{m} Dinge", "Gone": "Weg", "Here": "", "Fine": "Gut"}
    gaps = tables.gaps_of(table, {"{n} things", "Here", "Fine", "New"})
    assert gaps.missing == ("New",)
    assert gaps.unused == ("Gone",)
    assert [text for text, _ in gaps.wrong] == ["{n} things", "Here"]


def test_a_value_that_is_named_otherwise_keeps_the_translation() -> None:
    table = {"{label} has {n} things": "{n} Dinge hat {label}", "Gone": "Weg"}
    tables.rename_values(table, {"{name} has {n} things", "New"})
    assert table["{name} has {n} things"] == "{n} Dinge hat {name}"
    assert "New" not in table
