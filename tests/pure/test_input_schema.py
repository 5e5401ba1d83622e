# SPDX-License-Identifier: GPL-3.0-or-later
"""A model's OpenAPI read: which fields are whose, what is left to set, and nothing that a document
of anybody's could break."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_render.core.errors import InvalidInput
from genai_render.core.models import input_schema
from genai_render.core.models.catalog import Model, with_schema


def document(required=(), **properties):
    schema = {"type": "object", "properties": properties, "required": list(required)}
    content = {"application/json": {"schema": schema}}
    return {"paths": {"/some/model": {"post": {"requestBody": {"content": content}}}}}


def image(says=""):
    return {"type": "string", "description": says}


PROMPT = {"type": "string"}


@pytest.mark.parametrize(
    ("endpoint", "fields", "places"),
    [
        ("a/edit", {"image_urls": {"type": "array", "items": PROMPT}}, {"images": "image_urls"}),
        ("a/i2i", {"image_url": image("The image to change")}, {"color": "image_url"}),
        ("a/x", {"image_url": image("URL of the depth map")}, {"depth": "image_url"}),
        ("a/x", {"image_url": image("A normal map, in camera space")}, {"normal": "image_url"}),
        ("a/lora-depth", {"image_url": image("for canny input")}, {"depth": "image_url"}),
        ("a/control-depth", {"control_image_url": image(), "image_url": image()},
         {"depth": "control_image_url", "color": "image_url"}),
        ("a/control-canny", {"control_image_url": image()}, {}),
        ("a/fill", {"image_url": image(), "mask_url": image()},
         {"color": "image_url", "mask": "mask_url"}),
        ("a/style", {"style_image_url": image(), "reference_image_url": image()},
         {"reference_1": "style_image_url", "reference_2": "reference_image_url"}),
        ("a/tryon", {"garment_image_url": image(), "video_url": image()}, {}),
    ],
)  # fmt: skip
def test_images_go_where_names_and_descriptions_say(endpoint, fields, places):
    found = input_schema.of_openapi(document(prompt=PROMPT, **fields))
    assert input_schema.places(found, endpoint) == places


def test_what_finds_depth_in_a_picture_gets_the_picture():
    found = input_schema.of_openapi(document(image_url=image("Input image url")))
    assert input_schema.places(found, "a/depth-anything") == {"color": "image_url"}


def test_a_mapping_comes_first_and_a_wrong_one_is_said():
    found = input_schema.of_openapi(document(image_url=image(), other_image_url=image()))
    given_ = {"image_url": "", "other_image_url": "depth"}
    assert input_schema.places(found, "a/b", given_) == {"depth": "other_image_url"}
    with pytest.raises(InvalidInput, match="cannot go to"):
        input_schema.places(found, "a/b", {"image_url": "smell"})


def test_options_have_the_bounds_and_choices_of_the_schema():
    found = input_schema.of_openapi(
        document(
            prompt=PROMPT,
            steps={"type": "integer", "default": 20, "minimum": 1, "maximum": 50},
            seed={"anyOf": [{"type": "integer"}, {"type": "null"}]},
            mode={"allOf": [{"enum": ["a", "b"], "type": "string"}], "title": "The Mode"},
            format={"type": "string", "enum": ["jpeg", "png", "svg"], "default": "jpeg"},
            denoise={"type": "number"},
            far={"type": "number", "default": 9, "maximum": 3},
            sync_mode={"type": "boolean", "default": False},
            parts={"type": "array", "items": {"type": "object"}},
        )
    )
    options = {table["id"]: table for table in input_schema.options(found)}
    assert set(options) == {"steps", "mode", "format"}
    assert (options["steps"]["minimum"], options["steps"]["maximum"]) == (1, 50)
    assert options["mode"]["choices"] == ("auto", "a", "b"), "not to say is a choice, too"
    assert options["mode"]["label"] == "The Mode"
    assert options["format"]["choices"] == ("jpeg", "png"), "what nothing here opens is left out"
    assert options["format"]["default"] == "png"


def test_sizes_and_how_many_images_are_read_from_words():
    size = {"type": "object", "properties": {"width": {}, "height": {}}}
    found = input_schema.of_openapi(
        document(
            image_urls={"type": "array", "items": PROMPT, "description": "Up to 6 images."},
            image_size={
                "anyOf": [size, {"enum": ["square"], "type": "string"}],
                "description": "Total pixels must be between 512x512 and 2048x2048.",
            },
            prompt={**PROMPT, "description": "Max 800 characters."},
        )
    )
    facts = input_schema.facts(found)
    assert facts["max_images"] == 6
    assert facts["sizes"]["min_pixels"] == 512 * 512
    assert facts["sizes"]["max_pixels"] == 2048 * 2048
    assert found["prompt"].longest == 800
    assert input_schema.sized(found, 640, 480, "", "1K") == {
        "image_size": {"width": 640, "height": 480}
    }


def test_what_is_kept_gives_the_same_again():
    found = input_schema.of_openapi(
        document(["prompt"], prompt=PROMPT, image_url=image("x"), steps={"type": "integer"})
    )
    kept = {name: one.compact() for name, one in found.items()}
    assert input_schema.of_table(kept) == found


@pytest.mark.parametrize("bad", [{"a": {}}, {"a": {"kind": "smell"}}, {"a": 3}, [1], {"a": {
    "kind": "int", "color": 1}}])  # fmt: skip
def test_a_table_that_makes_no_sense_is_said(bad):
    with pytest.raises(InvalidInput):
        input_schema.of_table(bad)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)
SCHEMA_WORDS = st.sampled_from(
    ["type", "enum", "default", "anyOf", "$ref", "description", "minimum", "maxItems", "title"]
)


@given(st.dictionaries(st.text("abc_urlimage", max_size=12), st.dictionaries(SCHEMA_WORDS, JSON)))
def test_no_document_breaks_it(properties):
    try:
        found = input_schema.of_openapi(document(**{f"x{k}": v for k, v in properties.items()}))
    except ValueError:
        return
    kept = {name: one.compact() for name, one in found.items()}
    with_schema(Model("a/b", "A", "fal", "a/b", extra={"schema": kept}), {})
