# SPDX-License-Identifier: GPL-3.0-or-later
"""Which input of a model takes what, where a person says so."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("httpx2")

from genai_render.core.errors import InvalidInput
from genai_render.core.models import catalog, input_maps, input_schema
from tests.pure.test_fal import make, order
from tests.servers.client import canvas
from tests.servers.fal_api import FalServer

DEPTH = "fal/fal-ai/flux-control-lora-depth"
LIST = "fal/fal-ai/flux-2-pro/edit"


def mapped(model: str, **roles: str) -> catalog.Model:
    return input_maps.applied(catalog.shipped(), {model: roles}).model(model)


def test_what_a_person_says_comes_before_what_names_say() -> None:
    model = catalog.shipped().model(DEPTH)
    assert input_maps.found(model, {}) == {"control_lora_image_url": "depth"}
    said = {"image_url": "depth"}
    # The other field, which has the depth by its name, has to do without.
    assert input_maps.found(model, {**said, "control_lora_image_url": ""}) == said
    swapped = {"control_lora_image_url": "normal", "image_url": "color"}
    assert input_maps.found(model, swapped) == swapped


def test_a_mapped_model_has_the_facts_of_its_new_inputs() -> None:
    before = catalog.shipped().model(DEPTH)
    after = mapped(DEPTH, image_url="reference_1")
    assert (before.max_references, after.max_references) == (0, 1)
    assert (before.extra["max_images"], after.extra["max_images"]) == (1, 2)
    assert after.options == before.options
    assert after.price == before.price
    assert input_maps.found(after, {}) == {"control_lora_image_url": "depth"}, "as it ships"
    # Mapped back, it is as it was.
    again = mapped(DEPTH)
    assert again.max_references == before.max_references
    assert again.extra["max_images"] == before.extra["max_images"]


def test_a_field_that_is_gone_and_a_model_that_is_gone_change_nothing() -> None:
    maps = {DEPTH: {"old_url": "normal"}, "fal/gone": {"image_url": "depth"}, "offline": {"a": ""}}
    known = input_maps.applied(catalog.shipped(), maps)
    assert set(known.models) == set(catalog.shipped().models)
    assert input_maps.found(known.model(DEPTH), {}) == {"control_lora_image_url": "depth"}


def test_what_cannot_be_is_said() -> None:
    model = catalog.shipped().model(DEPTH)
    with pytest.raises(InvalidInput, match="cannot both take the same image"):
        input_maps.check(model, {"image_url": "depth", "control_lora_image_url": "depth"})
    with pytest.raises(InvalidInput, match="takes one image, not all of them"):
        input_maps.check(model, {"image_url": "images"})
    input_maps.check(catalog.shipped().model(LIST), {"image_urls": "images"})
    input_maps.check(model, {"image_url": "", "control_lora_image_url": ""})


def test_maps_are_kept_and_a_damaged_file_has_none(tmp_path: Path) -> None:
    file = tmp_path / input_maps.FILE
    input_maps.write(file, {DEPTH: {"image_url": "depth", "x": ""}, LIST: {}})
    assert input_maps.read(file) == {DEPTH: {"image_url": "depth", "x": ""}}
    file.write_text('{"a": {"b": "sideways", "c": "depth"}}')
    assert input_maps.read(file) == {"a": {"c": "depth"}}
    for damage in ("", "[]", '{"a": 3}', '{"a": {"b": []}}'):
        file.write_text(damage)
        assert not any(input_maps.read(file).values())


def test_the_images_go_where_a_person_says() -> None:
    model = mapped(DEPTH, image_url="color", control_lora_image_url="normal")
    with FalServer() as server:
        made = make(server, model, catalog.shipped().plus([model]), canvas=canvas())
        sent = order(server)
    assert made.error is None
    assert sent["image_url"] != sent["control_lora_image_url"]
    assert {"canvas.png", "normal.png"} == set(made.results[0].sent)


def test_every_model_that_ships_has_its_inputs_by_name() -> None:
    for model in catalog.shipped().models.values():
        for field in input_maps.image_fields(model):
            assert field.kind in ("image", "images")
        roles = input_maps.found(model, {}).values()
        assert set(roles) <= set(input_schema.IMAGE_INPUTS)
        assert len(set(roles)) == len(roles)
