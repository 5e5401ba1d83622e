# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and folders are taken out of texts; the rest of a text stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_render.core.keys.redaction import base_name, redact, redact_json, redact_keys

A40 = "abcdefghij" * 4


@pytest.mark.parametrize(
    "key",
    [
        f"sk-{A40}",
        f"sk-proj-{A40}_x-y",
        f"sk-ant-api03-{A40}",
        f"sk-or-v1-{A40}",
        f"AIza{A40[:35]}",
        f"ya29.{A40}",
        f"hf_{A40}",
        f"r8_{A40}",
        f"xai-{A40}",
        f"ghp_{A40}",
        "AKIAABCDEFGHIJKLMNOP",
        f"eyJ{A40}.eyJ{A40}.{A40}",
        f"01234567-89ab-cdef-0123-456789abcdef:{'0123456789abcdef' * 2}",
    ],
)
def test_keys_are_removed_wherever_they_stand(key):
    for text in ("{}", "my key is {}, thanks", '"{}"', "key={}\n", "({})", "x/{}"):
        assert key[5:] not in redact_keys(text.format(key))
    assert redact_keys(f"a {key} b") == "a [removed] b"


def test_headers_and_addresses():
    assert redact_keys(f"Authorization: Bearer {A40}") == "Authorization: Bearer [removed]"
    assert redact_keys(f"https://a.b/c?key={A40}&n=1") == "https://a.b/c?key=[removed]&n=1"
    assert redact_keys("http://me:secret@host:8188/") == "http://[removed]@host:8188/"


@pytest.mark.parametrize(
    "text",
    [
        "a task-based workflow, sk-8 boards",
        "skyscraper at 16:9, f/2.8, 35mm",
        "and/or, black/white, 1/2",
        "https://example.org/home/pictures?size=1",
        "the key to the city",
        "token of love, basic shapes, bearer of light",
        "~ 20 °C / 68 °F",
        "a/home/for/all",
    ],
)
def test_ordinary_words_stay(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/ada/a b/c.png", "c.png"),
        ("see /Users/ada/x.blend, and more", "see x.blend, and more"),
        (r"C:\Users\ada\wood.png", "wood.png"),
        ("C:/Users/ada/wood.png", "wood.png"),
        (r"\\server\share\wood.png", "wood.png"),
        ("file:///home/ada/wood.png", "wood.png"),
        ('{"a": "/tmp/x/y.json"}', '{"a": "y.json"}'),
        ("/mnt/c", "c"),
        ("/home/ada/x.blend, black and/or white", "x.blend, black and/or white"),
    ],
)
def test_of_a_path_only_the_name_stays(text, expected):
    assert redact(text) == expected


def test_json_values_of_any_depth():
    values = {
        "api_key": "hunter2",
        "X-Api-Key": "hunter2",
        "Authorization": "hunter2",
        "refresh_token": "hunter2",
        "tokens": 1200,
        "total_tokens": 3,
        "token": None,
        "list": [{"password": "hunter2", "path": Path("/home/ada/x.png")}, (1, 2.5, True)],
        "keyboard": "a monkey",
    }
    found = redact_json(values)
    assert "hunter2" not in str(found)
    assert found["tokens"] == 1200
    assert found["list"][1] == [1, 2.5, True]
    assert found["list"][0]["path"] == "x.png"
    assert found["keyboard"] == "a monkey"


def test_names_of_files_of_any_system():
    for path in ("/a/b/c.png", r"C:\a\b\c.png", r"\\s\t\c.png", "c.png", "a\\b/c.png"):
        assert base_name(path) == "c.png"


@given(st.text())
def test_any_text_can_be_saved_afterwards_and_twice_is_as_good_as_once(text):
    once = redact(text)
    once.encode()
    assert redact_json({text: [text]}) == {once: [once]}
