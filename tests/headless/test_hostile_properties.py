# SPDX-License-Identifier: GPL-3.0-or-later
"""A .blend whose properties of ours are of another kind: they count as not set."""

from __future__ import annotations

from typing import Any

import bpy
import pytest

import genai_render.blender as ours
from genai_render.blender.settings import stored_properties


@pytest.fixture
def registered():
    ours.register()
    yield
    ours.unregister()


def stored(owner: Any) -> Any:
    """The raw values, as a file that somebody made by hand has them."""
    if hasattr(owner, "bl_system_properties_get"):
        return owner.bl_system_properties_get(do_create=True)
    return owner


def put(owner: Any, path: tuple[str, ...], value: Any) -> None:
    inside = stored(owner)
    for name in path[:-1]:
        if name not in inside.keys():  # noqa: SIM118 (no mapping, though it has keys)
            inside[name] = {}
        inside = inside[name]
    if path[-1] in inside.keys():  # noqa: SIM118
        del inside[path[-1]]
    inside[path[-1]] = value


WRONG = [
    ("prompt_text", "an object"),
    ("prompt", 5),
    ("prompt", {"a": 1}),
    ("enhance", "yes"),
    ("aspect", "16:9"),
    ("aspect", 9999),
    ("resolution", 1.5),
    ("count", 1000),
    ("count", "four"),
    ("seed", -5),
    ("seed", [1, 2]),
    ("reference_1", "a string"),
    ("reference_1", "an object"),
    ("reference_2", 7),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=str)
def test_a_setting_of_another_kind_is_not_set(registered, tmp_path, name, value):
    scene = bpy.context.scene
    expected = {p: repr(getattr(scene.genai_render, p)) for p in ("prompt", "count", "seed")}
    put(scene, ("genai_render", "parent"), "20261128-010203-000004-abcdef")
    put(
        scene,
        ("genai_render", name),
        bpy.data.objects.new("X", None) if value == "an object" else value,
    )
    path = str(tmp_path / "hostile.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    settings = bpy.context.scene.genai_render
    assert settings.prompt_text is None
    assert (settings.reference_1.digest, settings.reference_2.role) == ("", "style")
    assert (settings.aspect, settings.resolution) == ("auto", "1K")
    assert {p: repr(getattr(settings, p)) for p in expected} == expected
    assert not settings.enhance
    assert settings.parent == "20261128-010203-000004-abcdef"  # what is right stays


@pytest.mark.parametrize("value", [5, "text", "an object", [1.0, 2.0]], ids=str)
@pytest.mark.parametrize("name", ["genai_render", "genai_render_projection"])
def test_a_whole_group_of_another_kind_is_not_set(registered, tmp_path, name, value):
    scene = bpy.context.scene
    put(scene, (name,), bpy.data.objects.new("X", None) if value == "an object" else value)
    put(scene, ("mine",), "stays")
    path = str(tmp_path / "hostile.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    scene = bpy.context.scene
    assert scene.genai_render.prompt == ""
    assert scene.genai_render_projection.item == ""
    assert list(scene.genai_render_projection.slots) == []
    assert stored(scene)["mine"] == "stays"


def test_a_projection_that_names_things_of_other_kinds(registered):
    scene = bpy.context.scene
    text = bpy.data.texts.new("T")
    put(scene, ("genai_render_projection", "slots"), [{"object": text, "index": 0}])
    put(scene, ("genai_render_projection", "item"), 3)
    assert stored_properties.scrub_all() == 2
    assert scene.genai_render_projection.slots[0].object is None
    assert scene.genai_render_projection.item == ""


def test_settings_as_they_should_be_stay(registered, tmp_path):
    scene = bpy.context.scene
    settings = scene.genai_render
    settings.prompt, settings.count, settings.seed, settings.aspect = "A harbour", 3, 77, "16:9"
    settings.prompt_text = bpy.data.texts.new("Words")
    settings.reference_1.role, settings.reference_1.weight = "material", 0.3
    path = str(tmp_path / "good.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    settings = bpy.context.scene.genai_render
    assert stored_properties.scrub_all() == 0
    assert (settings.prompt, settings.count, settings.seed) == ("A harbour", 3, 77)
    assert (settings.aspect, settings.prompt_text.name) == ("16:9", "Words")
    assert settings.reference_1.role == "material"
    assert settings.reference_1.weight == pytest.approx(0.3)
