# SPDX-License-Identifier: GPL-3.0-or-later
"""A request holds what was asked for, refuses what cannot be asked, and survives being saved."""

from __future__ import annotations

import json
import math
import unicodedata

import pytest
from history_samples import canvas, pixels, png
from hypothesis import example, given
from hypothesis import strategies as st

from genai_render.core.bounds import MAX_SEED, PROMPT_LIMIT
from genai_render.core.errors import ImageError, InvalidInput, StorageError
from genai_render.core.framing import ASPECTS, RESOLUTIONS
from genai_render.core.image import images
from genai_render.core.request import (
    MODES,
    ROLES,
    Reference,
    RenderRequest,
    check_prompt,
    prompt_length,
)

PNG, JPEG, MASK = png(1), images.encode_jpeg(pixels(2)), png(3)
IMAGES = {hash_: data for data in (PNG, JPEG, MASK) for hash_ in [Reference(data).digest]}


def load(digest: str) -> bytes:
    return IMAGES[digest]


# ---- saved and back ------------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=60)
prompts = texts.filter(lambda text: prompt_length(text.strip()) > 0)
references = st.builds(
    Reference,
    st.sampled_from([PNG, JPEG]),
    texts,
    st.sampled_from(ROLES),
    st.floats(0, 1, allow_nan=False),
)
options = st.dictionaries(
    texts, st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
)
common = {
    "prompt": prompts,
    "model": texts.filter(bool),
    "style": texts.filter(bool),
    "aspect": st.sampled_from(["auto", *ASPECTS]),
    "resolution": st.sampled_from(sorted(RESOLUTIONS)),
    "count": st.integers(1, 4),
    "seed": st.none() | st.integers(0, MAX_SEED),
    "mode": st.sampled_from(MODES),
    "references": st.lists(references, max_size=2).map(tuple),
    "options": options,
    "enhance": st.booleans(),
    "scene_text": texts,
    "parent": texts,
    "width": st.integers(0, 8192),
    "height": st.integers(0, 8192),
}
renders = st.builds(RenderRequest, **common)
edits = st.builds(
    lambda guide, **values: RenderRequest(kind="edit", source=PNG, **guide, **values),
    st.sampled_from([{}, {"mask": MASK}, {"markup": MASK}]),
    **common,
)


@given(renders | edits)
def test_a_request_comes_back_from_json_equal(request):
    saved = json.loads(json.dumps(request.to_json()))
    again = RenderRequest.from_json(saved, load)
    assert again == request
    assert again.to_json() == request.to_json()


def test_the_images_are_not_in_the_json_and_the_view_is():
    request = RenderRequest("x", references=(Reference(PNG),), canvas=canvas())
    saved = json.dumps(request.to_json())
    assert len(saved) < 4000
    assert json.loads(saved)["canvas"]["camera"] == "Camera"
    view = canvas()
    assert RenderRequest.from_json(json.loads(saved), load, view).canvas is view


def test_a_saved_image_that_changed_or_is_missing_is_told():
    saved = RenderRequest("x", references=(Reference(PNG),)).to_json()
    with pytest.raises(StorageError, match="changed"):
        RenderRequest.from_json(saved, lambda _: JPEG)

    def missing(digest: str) -> bytes:
        raise StorageError("An image of this request was not kept.")

    with pytest.raises(StorageError, match="not kept"):
        RenderRequest.from_json(saved, missing)


def test_a_request_of_the_future_is_refused_and_unknown_fields_are_not():
    saved = RenderRequest("x").to_json()
    with pytest.raises(InvalidInput, match="newer"):
        RenderRequest.from_json({**saved, "schema": 2}, load)
    assert RenderRequest.from_json({**saved, "used": {"seed": 3}}, load) == RenderRequest("x")
    assert RenderRequest.from_json({"prompt": "x"}, load) == RenderRequest("x")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@given(st.sampled_from(sorted(RenderRequest("x").to_json())), json_values)
def test_a_damaged_request_is_an_error_in_words(name, value):
    saved = {**RenderRequest("x", references=(Reference(PNG),)).to_json(), name: value}
    try:
        RenderRequest.from_json(saved, load)
    except (InvalidInput, StorageError):
        return
    assert name not in ("prompt", "aspect") or isinstance(value, str)


def test_what_is_no_request_at_all():
    for wrong in (None, [], "x", {}, {"Prompt": "x"}):
        with pytest.raises(InvalidInput):
            RenderRequest.from_json(wrong, load)  # pyright: ignore[reportArgumentType]


# ---- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"prompt": ""},
        {"prompt": "  \n\t "},
        {"prompt": "\u200b\u200d\ufe0f"},  # nothing to see
        {"prompt": "a\0b"},
        {"prompt": "a\x1b[31mb"},
        {"prompt": "caf\udce9"},  # half a character, from a console in another encoding
        {"prompt": "a" * (PROMPT_LIMIT + 1)},
        {"prompt": "a" + "\u0301" * 100_000},
        {"prompt": None},
        {"model": ""},
        {"style": ""},
        {"aspect": "5:4"},
        {"aspect": 1.5},
        {"resolution": "8K"},
        {"count": 0},
        {"count": 5},
        {"count": 9},
        {"count": 2.0},
        {"count": True},
        {"seed": -1},
        {"seed": MAX_SEED + 1},
        {"seed": 1.5},
        {"mode": "turbo"},
        {"kind": "upscale"},
        {"width": -1},
        {"height": 8193},
        {"references": (Reference(PNG),) * 3},
        {"options": {"a": float("nan")}},
        {"options": {"a": [1]}},
        {"kind": "edit"},
        {"source": PNG},
        {"mask": MASK},
        {"kind": "edit", "source": PNG, "mask": MASK, "markup": MASK},
        {"kind": "edit", "source": b"no image"},
        {"kind": "edit", "source": PNG, "mask": b"no image"},
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_one_line(values):
    with pytest.raises(InvalidInput) as caught:
        RenderRequest(**{"prompt": "x", **values})
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.text
    assert len(caught.value.text) < 300


def test_spellings_are_forgiven():
    request = RenderRequest("  golden\r\nhour ", aspect=" AUTO ", resolution="4k")
    assert (request.prompt, request.aspect, request.resolution) == ("golden\nhour", "auto", "4K")


def test_a_request_cannot_be_changed_behind_ones_back():
    given_options = {"steps": 20}
    request = RenderRequest("x", options=given_options)
    given_options["steps"] = 99
    assert request.options == {"steps": 20}
    with pytest.raises(TypeError):
        request.options["steps"] = 1  # pyright: ignore[reportIndexIssue]
    with pytest.raises(AttributeError):
        request.prompt = "y"  # pyright: ignore[reportAttributeAccessIssue]
    changed = request.with_(prompt="y")
    assert (request.prompt, changed.prompt) == ("x", "y")
    with pytest.raises(InvalidInput):
        request.with_(count=9)


# ---- references ----------------------------------------------------------------------------------


def test_a_reference_is_its_content_not_its_file(tmp_path):
    path = tmp_path / "Paint.png"
    path.write_bytes(PNG)
    reference = Reference.from_path(path, "style", 0.5)
    path.unlink()
    assert reference == Reference(PNG, "Paint.png", "style", 0.5)
    assert str(tmp_path) not in json.dumps(reference.to_json())


def test_files_that_are_no_reference(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("this is not a picture")
    with pytest.raises(ImageError, match=r'"notes\.txt" is not an image'):
        Reference.from_path(text)
    with pytest.raises(StorageError):
        Reference.from_path(tmp_path / "missing.png")
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(PNG[:16] + (60_000).to_bytes(4, "big") * 2 + PNG[24:])
    with pytest.raises(ImageError, match=r'"bomb\.png" has too many pixels'):
        Reference.from_path(bomb)
    for role, weight in (("mood", 1.0), ("style", -0.1), ("style", 1.1), ("style", math.nan)):
        with pytest.raises(InvalidInput):
            Reference(PNG, "x.png", role, weight)  # pyright: ignore[reportArgumentType]


# ---- the prompt's length -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("golden hour", 11),
        ("café", 4),
        (unicodedata.normalize("NFD", "café"), 4),
        ("猫の絵", 3),
        (unicodedata.normalize("NFD", "한국"), 2),
        ("👍🏽", 1),
        ("👩‍👩‍👧‍👦", 1),
        ("❤️", 1),
        ("🇫🇷🇩🇪", 2),
        ("1️⃣", 1),
        ("🏴󠁧󠁢󠁳󠁣󠁴󠁿", 1),
        ("a\u200bb", 2),
        ("line\nbreak", 10),
    ],
)
def test_a_prompt_is_as_long_as_a_person_sees_it(text, length):
    assert prompt_length(text) == length


def test_a_prompt_may_be_as_long_as_is_said():
    for character in ("a", "猫", "👍🏽", "é"):
        assert check_prompt(character * PROMPT_LIMIT)
        with pytest.raises(InvalidInput, match=r"Shorten it by 1\."):
            check_prompt(character * (PROMPT_LIMIT + 1))


@given(texts, texts)
@example("e", "\u0301")
def test_the_length_never_exceeds_what_is_there_and_grows_with_it(one, two):
    assert 0 <= prompt_length(one) <= len(one)
    assert prompt_length(one + " " + two) >= max(prompt_length(one), prompt_length(two))
