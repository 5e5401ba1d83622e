# SPDX-License-Identifier: GPL-3.0-or-later
"""The prompt as it is sent."""

from __future__ import annotations

from typing import get_args

import pytest

from genai_render.core.models import catalog
from genai_render.core.models.catalog import Style
from genai_render.core.prompt import ImageRole, SentImage, build_prompt, compose, describe
from genai_render.core.request import ROLES, RenderRequest
from tests.servers.client import image, layer

PLAIN = Style("plain", "Plain")
COMIC = Style("comic", "Comic", prompt="bold ink lines, flat colours")


def request(prompt="A red house", **more):
    return RenderRequest(prompt=prompt, **more)


def test_words_alone_stay_words_alone():
    assert compose(request(), PLAIN) == "A red house."


@pytest.mark.parametrize("prompt", ["Stop!", "Why?", "Done.", "And so…", "夜の街。"])
def test_a_sentence_that_has_an_end_gets_no_other(prompt):
    assert build_prompt(request(prompt), PLAIN) == prompt


def test_the_style_comes_after_the_users_words():
    assert compose(request(), COMIC).splitlines() == [
        "A red house.",
        "Style: bold ink lines, flat colours.",
    ]


def test_the_scene_is_described_only_if_that_was_asked_for():
    scene = {"scene_text": "A cup on a table"}
    assert "cup" not in compose(request(**scene), PLAIN)
    assert "The scene: A cup on a table." in compose(request(enhance=True, **scene), PLAIN)
    assert "The scene" not in compose(request(enhance=True), PLAIN)


def test_every_role_has_words_of_its_own():
    roles = [role for part in get_args(ImageRole) for role in (get_args(part) or (part,))]
    assert set(ROLES) <= set(roles)
    lines = describe([SentImage(role) for role in roles])
    assert len({line.partition(" is ")[2] for line in lines}) == len(roles)
    for number, line in enumerate(lines, start=1):
        assert line.startswith(f"Image {number} is ")
        assert line.endswith(".")


def test_images_are_numbered_in_the_order_in_which_they_are_sent():
    text = compose(request(), COMIC, [SentImage("canvas"), SentImage("depth"), SentImage("style")])
    lines = text.splitlines()
    assert "3D view" in lines[2]
    assert "depth map (near is white)" in lines[3]
    assert "style reference" in lines[4]
    assert lines[-1].startswith("Do not add")


@pytest.mark.parametrize(
    ("weight", "words"), [(1.0, ""), (0.8, ""), (0.5, ", loosely"), (0.1, "faint hint")]
)
def test_a_weight_becomes_words(weight, words):
    (line,) = describe([SentImage("style", weight)])
    assert words in line
    if not words:
        assert "loosely" not in line
        assert "hint" not in line


def test_an_edit_keeps_what_is_not_mentioned():
    edit = request(kind="edit", source=image())
    lines = compose(edit, PLAIN, [SentImage("source")]).splitlines()
    assert "keep everything that the text does not mention" in lines[1]
    assert lines[-1] == "Change nothing else."


def test_marks_are_explained_once():
    edit = request(kind="edit", source=image(40, 30), markup=layer(40, 30, clear=False))
    over = compose(edit, PLAIN, [SentImage("source")])
    assert "Do what the marks over Image 1 show" in over
    beside = compose(edit, PLAIN, [SentImage("source"), SentImage("markup")])
    assert "marks drawn on it" in beside
    assert "marks over Image 1" not in beside


def test_references_without_a_view_do_not_speak_of_one():
    text = compose(request(), PLAIN, [SentImage("subject")])
    assert "3D view" not in text
    assert "gizmos" not in text


def test_every_shipped_style_has_words_or_needs_none():
    for style in catalog.shipped().styles.values():
        text = compose(request(), style)
        assert text.startswith("A red house.")
        assert "  " not in text
        assert ".." not in text
