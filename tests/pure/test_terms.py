# SPDX-License-Identifier: GPL-3.0-or-later
"""What the offline engine makes of a prompt's words, and what it says about the rest."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_render.core.errors import InvalidInput
from genai_render.core.models import catalog
from genai_render.engine.look.look import Look
from genai_render.engine.look.terms import GROUPS, parse, read, vocabulary

TERMS = vocabulary().terms


def test_there_are_many_terms_and_phrases():
    assert len(TERMS) >= 60
    assert len(vocabulary().phrases) >= 300
    assert {term.group for term in TERMS} == set(GROUPS)
    assert len({term.id for term in TERMS}) == len(TERMS)


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.id)
def test_every_phrase_of_a_term_is_understood(term):
    for phrase in term.phrases:
        reading = read(phrase)
        assert [found.term.id for found in reading.mentions] == [term.id], phrase
        assert reading.used == (term.label,)
        assert reading.not_used == ()


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.id)
def test_every_term_changes_the_picture(term):
    if term.style:
        assert catalog.shipped().style(term.style).id == read(term.phrases[0]).style
        return
    looks = [Look.from_mapping(style.look) for style in catalog.shipped().styles.values()]
    changed = [read(term.phrases[0]).apply(look) for look in looks]
    assert any(a != b for a, b in zip(looks, changed, strict=True))


def test_the_rest_is_said_in_the_prompts_own_words():
    reading = read("Golden hour with a Sleeping Cat, shallow depth of field")
    assert reading.used == ("golden hour", "depth of field")
    assert reading.not_used == ("sleeping cat",)
    assert reading.sentence == (
        "Used: golden hour, depth of field. Not used offline: sleeping cat."
    )


def test_a_material_beside_a_thing_is_not_given_to_everything():
    reading = read("a brass lamp in a room, golden hour")
    assert reading.used == ("golden hour",)
    assert reading.of_things == ("brass lamp",)
    assert reading.apply(Look()).surface.metal == 0
    assert "Left out, since offline a color or material goes to everything: brass lamp." in (
        reading.sentence
    )
    assert read("old chrome desk lamp").of_things == ("old chrome desk lamp",)


def test_a_material_alone_is_for_everything():
    for prompt in ("gold", "all in gold, dramatic light", "clay render of a house", "chrome look"):
        assert read(prompt).of_things == ()
        assert read(prompt).apply(Look()) != Look()


def test_the_scenes_own_names_decide_about_colors():
    assert read("purple lamp, studio", names=["FloorLamp_02.001"]).of_things == ("purple lamp",)
    assert read("pink chairs", names=["Chair", "Chair.001"]).of_things == ("pink chairs",)
    assert read("warm cozy evening", names=["Lamp"]).used[0] == "warm"
    made = read("the lamp made of brass, night", names=["Lamp"])
    assert made.of_things == ("lamp made of brass",)
    assert made.used == ("night",)
    assert read("no brass lamp").used == ()


def test_small_words_are_not_reported():
    assert read("a picture of it, please").not_used == ()
    assert read("a picture of it, please").sentence == ""


@pytest.mark.parametrize(
    ("british", "american"),
    [
        ("watercolour", "watercolor"),
        ("muted colours", "muted colors"),
        ("grey sky", "gray sky"),
        ("coloured pencil", "colored pencil"),
        ("vivid colour", "vivid color"),
    ],
)
def test_british_and_american_spellings(british, american):
    assert read(british).used == read(american).used != ()


def test_negations():
    look = Look.from_mapping(catalog.shipped().style("fantasy").look)
    assert read("no fog").apply(look).air.fog == 0
    assert read("without fog or glow").apply(look).lens.bloom == 0
    assert read("no outlines").used == ("no outlines",)
    drawn = Look.from_mapping(catalog.shipped().style("comic").look)
    assert read("without outlines and not a painting").apply(drawn).line.strength == 0
    assert read("don't add halftone").apply(drawn).medium == ""


def test_a_negation_ends_with_its_clause():
    reading = read("no fog, golden hour")
    assert reading.used == ("no fog", "golden hour")
    assert read("no fog but golden hour").used == ("no fog", "golden hour")


def test_the_longest_phrase_is_taken():
    assert read("golden hour").used == ("golden hour",)
    assert read("oil pastel").used == ("pastel drawing",)
    assert read("black and white").used == ("black and white",)


def test_later_words_win_within_a_group():
    look = Look()
    assert read("sunset, noon").apply(look).light.elevation > 60
    assert read("noon, sunset").apply(look).light.elevation < 20
    assert read("watercolor then pencil").apply(look).medium == "pencil"


def test_groups_apply_in_their_own_order():
    # Colour comes after time of day wherever it stands.
    look = read("black and white sunset").apply(Look())
    assert look.grade.mono == 1
    assert look == read("sunset black and white").apply(Look())


def test_words_of_strength():
    base = Look()
    weak, plain, strong = (
        read(f"{word} foggy").apply(base).air.fog for word in ("slightly", "", "very")
    )
    assert base.air.fog < weak < plain < strong
    assert read("very foggy").not_used == ()
    assert read("a very old castle").not_used == ("very old castle",)


def test_the_last_of_a_repeated_word_counts():
    reading = read("fog, no fog")
    assert reading.used == ("no fog",)
    assert reading.apply(Look()).air.fog == 0


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_can_be_read(text):
    reading = read(text)
    reading.apply(Look())
    assert all(part.strip() for part in (*reading.used, *reading.not_used))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from([p for t in TERMS for p in t.phrases]), max_size=12))
def test_any_mix_of_terms_gives_a_look(phrases):
    look = Look.from_mapping(catalog.shipped().style("movie").look)
    look = read(", ".join(phrases)).apply(look)
    assert look.grade.contrast > 0
    assert 0 <= look.light.keep <= 1


def test_a_wrong_data_file_is_refused():
    words = {"negations": [], "ends": [], "ignored": [], "strength": {}, "spelling": {}}
    fog = {"id": "fog", "group": "air", "phrases": ["fog"]}
    for terms in (
        [{**fog, "group": "smell"}],
        [fog, {**fog, "id": "mist"}],
        [{**fog, "set": {"air.fogg": 1}}],
        [{**fog, "set": {"sky.backdrop": "+1"}}],
    ):
        with pytest.raises(InvalidInput):
            parse({"words": words, "term": terms})
