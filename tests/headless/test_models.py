# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done with the list of models, without a window: by operators and settings."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

import genai_render  # noqa: E402
from genai_render.backends.http.settings import Endpoint  # noqa: E402
from genai_render.blender import addon, backend_settings, background, redraw  # noqa: E402
from genai_render.blender import catalog as catalogs  # noqa: E402
from genai_render.blender.cli import making  # noqa: E402
from genai_render.blender.connections import model_refresh  # noqa: E402
from genai_render.blender.jobs import model_facts, request_builder  # noqa: E402
from genai_render.blender.settings import choices, closeness_choice, model_rows  # noqa: E402
from genai_render.core.events import Result  # noqa: E402
from genai_render.core.history.store import HistoryStore  # noqa: E402
from genai_render.core.image.images import encode_png  # noqa: E402
from genai_render.core.keys.credentials import Secret  # noqa: E402
from genai_render.core.models import catalog  # noqa: E402
from genai_render.core.request import RenderRequest  # noqa: E402

from ..servers.http import Answer  # noqa: E402
from ..servers.json_providers import KEY, OpenRouterServer, XAIServer  # noqa: E402

pytestmark = pytest.mark.skipif(bpy.app.version < (5, 0), reason="as test_choices_in_blend")

FLUX = "openrouter/black-forest-labs/flux.2-pro"
TEXT_ONLY = "openrouter/recraft/recraft-v4.1-flash"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The add-on, with a folder of its own for what it keeps."""

    def user_folder(name: str, create: bool = True) -> Path:
        path = tmp_path / name
        if create:
            path.mkdir(parents=True, exist_ok=True)
        return path

    monkeypatch.setattr(addon, "user_folder", user_folder)
    genai_render.register()
    yield tmp_path
    genai_render.unregister()


def settings() -> Any:
    return bpy.context.scene.genai_render


def shown() -> list[str]:
    return [row.name for row in model_rows.rows().rows]


def request() -> Any:
    settings().prompt = "A red house"
    prepared = request_builder.for_render(bpy.context, 1.5)
    assert prepared.problem is None, prepared.problem
    return prepared.request


def test_a_model_is_chosen_by_its_id() -> None:
    bpy.ops.genai_render.use_model(model=FLUX)
    assert settings().model == FLUX
    bpy.ops.genai_render.search_model(model="offline")
    assert settings().model == "offline"
    with pytest.raises(RuntimeError, match="There is no model called"):
        bpy.ops.genai_render.use_model(model="openrouter/black-forest-labs/flux.2-proo")
    assert settings().model == "offline"


def test_groups_words_and_a_click_beside_the_words() -> None:
    rows = model_rows.rows()
    model_rows.fill()
    known = catalogs.catalog()
    assert shown() == list(known.offered())
    rows.shelf = "text"
    assert shown() == [model.id for model in known.recommended("text")]
    rows.shelf = "all"
    rows.search = "openrouter"
    assert len(shown()) >= 30
    rows.search = "bytedance flash"
    assert shown() == ["openrouter/bytedance-seed/seedream-5-0-flash"]
    rows.index = 0
    assert settings().model == shown()[0]
    assert rows.index == 0


def test_favorites_and_recent_are_the_users_not_the_scenes(folder: Path) -> None:
    rows = model_rows.rows()
    for id in (FLUX, "offline"):
        bpy.ops.genai_render.favourite_model(model=id)
    rows.shelf = "favorites"
    assert shown() == [FLUX, "offline"]
    kept = json.loads((folder / "models/model_marks.json").read_text())
    assert kept["favorites"] == [FLUX, "offline"]
    addon.discard_all()  # as after the next start
    bpy.ops.wm.read_factory_settings(use_empty=True)
    rows = model_rows.rows()
    rows.shelf = "favorites"
    assert shown() == [FLUX, "offline"]
    bpy.ops.genai_render.favourite_model(model=FLUX)
    assert shown() == ["offline"]


def test_how_close_to_the_view_is_what_the_model_has_for_it() -> None:
    settings().closeness = "exact"
    assert (request().closeness, dict(request().options)) == ("exact", {"strength": 0.25})
    settings().model = FLUX
    assert dict(request().options) == {"guides": "color, depth and normals"}
    settings().model = TEXT_ONLY
    settings().prompt = "A red house"
    prepared = request_builder.with_model(bpy.context, catalogs.catalog().model(TEXT_ONLY))
    assert prepared.request is None or prepared.request.closeness == "auto"


def test_its_tips_say_what_it_does_with_this_model() -> None:
    def tips() -> list[str]:
        return [item[2] for item in closeness_choice._items(settings(), None)]

    assert tips()[-1] == "Strength 0.25"
    settings().model = FLUX
    assert "Guides: color, depth and normals" in tips()[-1]
    settings().model = TEXT_ONLY
    assert set(tips()) == {"Recraft V4.1 Flash takes no view"}


def test_a_tooltip_has_the_price_of_what_is_set() -> None:
    model = catalogs.catalog().model(FLUX)
    one = model_facts.about(bpy.context, model)
    assert "With what is set now: about $0.0" in one
    settings().count = 4
    assert model_facts.about(bpy.context, model) != one


def test_a_model_that_is_gone_has_a_successor() -> None:
    gone = next(model for model in catalogs.catalog().models.values() if not model.offered())
    choices.MODEL.choose(settings(), gone.id)
    settings().prompt = "A red house"
    problem = request_builder.for_render(bpy.context, 1.5).problem
    assert problem is not None
    assert gone.successor in problem.text
    bpy.ops.genai_render.use_model(model=gone.successor)
    assert settings().model == gone.successor


def refresh(monkeypatch: pytest.MonkeyPatch, **servers: Any) -> list[model_refresh.Line]:
    """Press the button, with these servers in the providers' places."""
    known = catalogs.catalog()
    endpoints = {
        name: Endpoint(base_url=server.base_url, key=Secret(KEY))
        for name, server in servers.items()
    }
    monkeypatch.setattr(
        backend_settings,
        "for_all",
        lambda known: replace(backend_settings._settings(endpoints, known), online_access=True),
    )
    state = model_refresh.state()
    state.start()
    ends = time.monotonic() + 60
    while state.running:
        assert time.monotonic() < ends
        addon.state(background.Background).take()
        time.sleep(0.01)
    assert known is not None
    return state.lines


def test_refresh_keeps_each_providers_list_and_says_what_went_wrong(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redraw, "status_bars", lambda: None)
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    broken = XAIServer(lambda request, server: Answer.of_json({"error": "out"}, 401))
    with OpenRouterServer() as openrouter, broken as xai:
        lines = refresh(monkeypatch, openrouter=openrouter, xai=xai)
    good = [line.text for line in lines if not line.is_error]
    bad = [line.text for line in lines if line.is_error]
    assert len(good) == len(bad) == 1
    assert good[0].startswith("OpenRouter: ")
    assert "new here" in good[0]
    assert bad[0].startswith("xAI: ")
    assert KEY not in str(lines)
    assert list(catalogs.list_days()) == ["openrouter"]
    assert (folder / "lists").is_dir()
    price = catalogs.catalog().model(FLUX).price
    assert price is not None
    assert "OpenRouter" in price.source


def test_refresh_needs_online_access() -> None:
    if bpy.app.online_access:
        pytest.skip("it is allowed here")
    assert not bpy.ops.genai_render.refresh_models.poll()


def test_a_provider_that_nobody_knows_comes_by_a_table_in_the_packs_folder(folder: Path) -> None:
    guide = Path(genai_render.__file__).parent.parent / "docs/guide/provider.md"
    text = guide.read_text("utf-8")
    table = text.partition("```toml")[2].partition("```")[0]
    (addon.user_folder(catalog.PACKS_FOLDER) / "acme.toml").write_text(table, encoding="utf-8")
    bpy.ops.genai_render.read_models()
    rows = model_rows.rows()
    rows.shelf = "all"
    rows.search = "acme"
    assert shown() == ["acme/acme-xl"]


def test_the_command_line_goes_by_what_was_paid_too(tmp_path: Path) -> None:
    model = catalogs.catalog().model(FLUX)
    parsed = argparse.Namespace(history=tmp_path / "kept")
    assert making.seen(parsed, model) == 1.0
    assert not parsed.history.exists(), "asking makes no History"
    store = HistoryStore(parsed.history)
    data = encode_png(np.zeros((8, 8, 3), np.uint8))
    for _ in range(3):
        result = Result(data, "image/png", 8, 8, cost_usd=0.09, listed_usd=0.03)
        store.add(RenderRequest("A red house", model=FLUX), result)
    store.close()
    assert making.seen(parsed, model) == pytest.approx(3.0)
