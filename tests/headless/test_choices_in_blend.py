# SPDX-License-Identifier: GPL-3.0-or-later
"""What a .blend says of model, style and options, whatever is in the lists when it is opened."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")

from genai_render.blender import addon  # noqa: E402
from genai_render.blender import catalog as catalogs  # noqa: E402
from genai_render.blender.jobs import request_builder  # noqa: E402
from genai_render.blender.settings import (  # noqa: E402
    choices,
    id_choice,
    options,
    scene_settings,
)
from genai_render.core.errors import GenAIError, InvalidInput, NotFound  # noqa: E402
from genai_render.core.models import catalog  # noqa: E402

_MODEL = """
[[model]]
id = "{id}"
label = "{id} of mine"
backend = "offline"
online = false

[[model.option]]
id = "paper"
label = "Paper"
kind = "choice"
default = "smooth"
choices = [{papers}]
"""
_STYLE = '[[style]]\nid = "{id}"\nlabel = "{id} of mine"\n'


class Lists:
    """The user's own models and styles, which come and go."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = path
        monkeypatch.setattr(catalogs, "load", lambda problems=None: catalog.load([path]))

    def have(
        self, *styles: str, models: tuple[str, ...] = (), papers: tuple[str, ...] = ("smooth",)
    ) -> None:
        quoted = ", ".join(f'"{paper}"' for paper in papers)
        entries = [_STYLE.format(id=id) for id in styles]
        entries += [_MODEL.format(id=id, papers=quoted) for id in models]
        self._path.write_text("\n".join(entries))
        catalogs.reload()


def register() -> None:
    scene_settings.register()
    options.register()
    addon.state(options.OptionGroups)


def unregister() -> None:
    options.unregister()
    addon.discard_all()
    scene_settings.unregister()


def built() -> Any:
    """The request that the panel would send. Raises why there is none."""
    prepared = request_builder.prepared(bpy.context)
    if prepared.problem is not None:
        raise prepared.problem
    return prepared.request


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lists]:
    register()
    yield Lists(tmp_path / "mine.toml", monkeypatch)
    unregister()


def settings() -> Any:
    return bpy.context.scene.genai_render


def save_and_open(tmp_path: Path) -> None:
    path = str(tmp_path / "scene.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=path)


def save_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **numbers: int) -> Path:
    """A .blend as versions before ids were kept wrote it: plain enums, which are numbers."""
    unregister()
    bpy.ops.wm.read_factory_settings(use_empty=True)

    class GenAISettings(bpy.types.PropertyGroup):
        __annotations__ = {name: bpy.props.IntProperty() for name in ("model", "style")}

    class Paper(bpy.types.PropertyGroup):
        __annotations__ = {"paper": bpy.props.IntProperty()}

    class GenAIOptions(bpy.types.PropertyGroup):
        __annotations__ = {"mine": bpy.props.PointerProperty(type=Paper)}

    classes = (GenAISettings, Paper, GenAIOptions)
    for cls in classes:
        bpy.utils.register_class(cls)
    bpy.types.Scene.genai_render = bpy.props.PointerProperty(type=GenAISettings)
    bpy.types.Scene.genai_render_options = bpy.props.PointerProperty(type=GenAIOptions)
    for name, number in numbers.items():
        group = bpy.context.scene.genai_render
        if name == "paper":
            group = bpy.context.scene.genai_render_options.mine
        setattr(group, name, number)
    path = tmp_path / "before.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    del bpy.types.Scene.genai_render, bpy.types.Scene.genai_render_options
    for cls in reversed(classes):
        bpy.utils.unregister_class(cls)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    register()
    return path


def number_of_30_bits(id: str) -> int:
    return zlib.crc32(id.encode()) & 0x3FFFFFFF | 1


def items(name: str) -> dict[str, int]:
    """What Blender offers, and under which number."""
    choice: id_choice.IdChoice = getattr(choices, name.upper())
    return {item[0]: item[4] for item in choice._items(settings(), None)}


def test_every_number_passes_through_a_32_bit_float(lists: Lists) -> None:
    lists.have(*(f"style {n}" for n in range(300)), models=("mine",))
    for name in ("model", "style"):
        numbers = items(name)
        assert len(set(numbers.values())) == len(numbers)
        assert max(numbers.values()) < 2**24
        for id in numbers:
            setattr(settings(), name, id)
            assert getattr(settings(), name) == id


def test_a_saved_style_and_model_outlive_any_change_of_the_lists(
    lists: Lists, tmp_path: Path
) -> None:
    lists.have("ink", "zinc", models=("mine",), papers=("smooth", "rough"))
    settings().style, settings().model = "zinc", "mine"
    bpy.context.scene.genai_render_options.mine.paper = "rough"
    lists.have("alpha", "zinc", "omega", models=("a", "mine"), papers=("new", "rough", "smooth"))
    save_and_open(tmp_path)
    assert (settings().style, settings().model) == ("zinc", "mine")
    mine = choices.chosen_model(settings())
    assert options.option_values(bpy.context.scene, mine) == {"paper": "rough"}


def test_a_file_of_an_older_version_is_read_right(
    lists: Lists, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists.have("zinc", models=("mine",), papers=("smooth", "rough"))
    path = save_as_before(
        tmp_path,
        monkeypatch,
        style=number_of_30_bits("zinc"),
        model=number_of_30_bits("mine"),
        paper=1,
    )
    lists.have("alpha", "zinc", "omega", models=("a", "mine"), papers=("smooth", "rough"))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert (settings().style, settings().model) == ("zinc", "mine")
    mine = choices.chosen_model(settings())
    assert options.option_values(bpy.context.scene, mine) == {"paper": "rough"}

    # From now on it is known by its id, also when it has gone and others are in its place.
    lists.have(models=("mine",), papers=("rough", "smooth"))
    save_and_open(tmp_path)
    assert settings().style == "zinc"
    assert options.option_values(bpy.context.scene, mine) == {"paper": "rough"}


def test_a_shipped_style_of_an_older_version_is_read_right(
    lists: Lists, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for style in catalog.shipped().styles:
        number = 0 if style == "auto" else number_of_30_bits(style)
        path = save_as_before(tmp_path, monkeypatch, style=number)
        bpy.ops.wm.open_mainfile(filepath=str(path))
        assert settings().style == style


def test_an_old_number_that_nobody_knows_waits_for_its_style(
    lists: Lists, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_as_before(tmp_path, monkeypatch, style=number_of_30_bits("zinc"))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    with pytest.raises(NotFound):
        choices.chosen_style(settings())
    save_and_open(tmp_path)
    lists.have("zinc")
    assert choices.chosen_style(settings()).id == "zinc"


def test_what_is_missing_is_shown_and_refused_by_name(lists: Lists, tmp_path: Path) -> None:
    lists.have("zinc", models=("mine",), papers=("smooth", "rough"))
    settings().prompt = "a quiet harbour"
    settings().use_canvas = False
    settings().style, settings().model = "zinc", "mine"
    bpy.context.scene.genai_render_options.mine.paper = "rough"
    built()

    lists.have("zinc", models=("mine",), papers=("smooth",))
    assert options.missing_choices(bpy.context.scene, choices.chosen_model(settings()))
    with pytest.raises(InvalidInput, match='"paper" cannot be "rough"'):
        built()

    lists.have(models=("mine",), papers=("smooth", "rough"))
    assert items("style")["zinc"] < 2**24  # an item of its own, so that it can be seen
    with pytest.raises(NotFound, match='style "zinc" is missing'):
        built()

    lists.have("zinc")
    assert settings().model == "mine"
    assert 'model "mine" is missing' in str(request_builder.prepared(bpy.context).problem)
    with pytest.raises(GenAIError, match='model "mine" is missing'):
        built()

    lists.have("zinc", models=("mine",), papers=("smooth", "rough"))
    assert built().options == {"paper": "rough"}


def test_a_redraw_makes_no_list_again(lists: Lists) -> None:
    lists.have("zinc")
    for choice in (choices.STYLE, choices.MODEL):
        once = choice._items(settings(), None)
        assert choice._items(settings(), None) is once
    settings().style = "zinc"
    lists.have()
    once = choices.STYLE._items(settings(), None)
    assert choices.STYLE._items(settings(), None) is once
    assert "Missing: zinc" in [item[1] for item in once]


def test_what_an_older_version_set_later_is_what_counts(lists: Lists) -> None:
    settings().style = "comic"
    settings()["style"] = number_of_30_bits("movie")
    options._keep_ids()
    assert settings().style == "movie"
    settings().style = "fantasy"
    assert settings().style == "fantasy"


def test_options_of_models_with_the_longest_names_are_kept_apart(lists: Lists) -> None:
    stem = "provider/" + "long-name-" * 9
    lists.have(models=(f"{stem}one", f"{stem}two"), papers=("smooth", "rough"))
    for id, paper in ((f"{stem}one", "rough"), (f"{stem}two", "smooth")):
        model = catalogs.catalog().models[id]
        options.set_option_values(bpy.context.scene, model, {"paper": paper})
    first, second = (catalogs.catalog().models[f"{stem}{end}"] for end in ("one", "two"))
    assert options.option_values(bpy.context.scene, first) == {"paper": "rough"}
    assert options.option_values(bpy.context.scene, second) == {}


def test_every_model_that_ships_has_its_options(lists: Lists) -> None:
    catalogs.reload()
    for model in catalog.shipped().models.values():
        if model.options and model.id in catalogs.catalog().models:
            assert options.option_group(bpy.context.scene, model) is not None, model.id
