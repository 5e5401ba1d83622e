# SPDX-License-Identifier: GPL-3.0-or-later
"""A newcomer with one key: finds the models, makes a picture with two of them, sees the costs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..servers.json_providers import KEY, OpenRouterServer
from .blender_window import BlenderWindow
from .test_cloud import _KEYRING, preferences, wait
from .test_panel import item
from .test_style_tiles import popup_over

MODEL = "bpy.context.scene.genai_render.model_id"
SHOWN = "[row.name for row in bpy.context.window_manager.genai_render_models.rows]"
FLUX = "openrouter/black-forest-labs/flux.2-pro"
SEEDREAM = "openrouter/bytedance-seed/seedream-5-0-lite"
FIRST_ROW = 72  # pixels below the top of the list


@pytest.fixture
def newcomer(scene: BlenderWindow) -> Iterator[BlenderWindow]:
    """One key, of OpenRouter, in the ring; a server of ours in its place."""
    with OpenRouterServer() as server:
        scene.run(
            f"{_KEYRING}\n"
            f"ring.kept['genai_render', {server.origin!r}] = {KEY!r}\n"
            "known = ours('catalog').catalog()\n"
            "ours('connections.providers').of_tables(prefs, known)\n"
            "one = next(each for each in prefs.tables if each.name == 'openrouter')\n"
            f"one.base_url = {server.base_url!r}\n"
            "ours('connections.keys').forget('openrouter')\n"
            "bpy.context.scene.genai_render.prompt = 'a house of glass at golden hour'\n"
            "bpy.context.window_manager.genai_render.show_live = False\n"
            "bpy.context.window_manager.genai_render_models.shelf = 'all'"
        )
        scene.settle(0.5)
        yield scene
        scene.run("one.base_url = ''")


def make(window: BlenderWindow) -> dict[str, object]:
    """Press Generate; what History keeps of the picture."""
    window.press("genai_render.generate", across=0.6)
    wait(window)
    return item(window, window.run("answer = bpy.context.window_manager.genai_render.selected"))


def test_thirty_models_with_one_key_and_a_picture_with_two_of_them(
    newcomer: BlenderWindow,
) -> None:
    header = newcomer.find_button("genai_render.pick_model", across=0.8)
    left, top, right, _ = popup_over(newcomer, *header)
    newcomer.screenshot("models-all")
    search = (left + (right - left) * 0.5, top + 16)
    newcomer.click(*search)
    newcomer.type("openrouter")
    shown = newcomer.run(f"answer = {SHOWN}")
    assert len(shown) >= 30
    assert all(id.startswith("openrouter/") for id in shown)
    newcomer.screenshot("models-of-one-key")
    newcomer.key("ctrl+a")
    newcomer.type("flux.2 pro")
    newcomer.key("Return")
    newcomer.click(left + (right - left) * 0.3, top + FIRST_ROW)
    assert newcomer.run(f"answer = {MODEL}") == FLUX
    newcomer.key("Escape")
    first = make(newcomer)
    newcomer.screenshot("models-first-picture")

    # The other by keys alone, and held closer to the view.
    newcomer.run("with override('UI'): bpy.ops.genai_render.search_model('INVOKE_DEFAULT')")
    newcomer.settle(0.5)
    newcomer.type("seedream 5.0 lite")
    newcomer.key("Return")
    assert newcomer.run(f"answer = {MODEL}") == SEEDREAM
    newcomer.run("bpy.context.scene.genai_render.closeness = 'exact'")
    second = make(newcomer)
    newcomer.screenshot("models-second-picture")

    for kept, model in ((first, FLUX), (second, SEEDREAM)):
        assert kept["request"]["model"] == model  # pyright: ignore
        assert kept["cost_usd"] == OpenRouterServer.cost
        assert 0 < kept["estimated_usd"] == kept["listed_usd"]  # pyright: ignore
    assert second["request"]["closeness"] == "exact"  # pyright: ignore
    assert "Guides: color, depth and normals" in second["result"]["info"]["closeness"]  # pyright: ignore
    assert {"depth.png", "normal.png"} <= {
        name.removeprefix("sent/")
        for name in second["files"]  # pyright: ignore
    }
    assert newcomer.run("answer = ours('settings.model_marks').marks().known.recent[:2]") == [
        SEEDREAM,
        FLUX,
    ]


def test_a_price_that_was_wrong_a_model_that_goes_and_one_that_is_gone(
    newcomer: BlenderWindow,
) -> None:
    newcomer.run(
        "store = ours('jobs.session').session().store\n"
        "from importlib import import_module\n"
        "core = 'bl_ext.user_default.genai_render.core'\n"
        "Result = import_module(core + '.events').Result\n"
        "Request = import_module(core + '.request').RenderRequest\n"
        "import io; from PIL import Image\n"
        "data = io.BytesIO(); Image.new('RGB', (64, 48)).save(data, 'PNG')\n"
        "def keep(model, paid, listed):\n"
        "    result = Result(data.getvalue(), 'image/png', 64, 48, cost_usd=paid,\n"
        "                    estimated_usd=listed, listed_usd=listed)\n"
        "    return store.add(Request('a house', model=model), result).id\n"
        f"for _ in range(8): keep({SEEDREAM!r}, 0.07, 0.035)\n"
        "known = ours('catalog').catalog()\n"
        "gone = next(m for m in known.models.values() if not m.offered())\n"
        "import dataclasses, datetime\n"
        "day = str(datetime.date.today() + datetime.timedelta(20))\n"
        f"soon = dataclasses.replace(known.models[{FLUX!r}], shutdown=day,\n"
        f"                           dates_source='OpenRouter', successor={SEEDREAM!r})\n"
        "ours('addon').state(ours('catalog').Catalogs)._known = known.plus([soon])\n"
        "old = keep(gone.id, 0.01, 0.01)\n"
        "ours('jobs.session').session()._corrections.clear()\n"
        "def choose(id):\n"
        "    with override('UI'): bpy.ops.genai_render.use_model(model=id)\n"
    )
    newcomer.run("choose('openrouter/google/gemini-3.1-flash-lite-image')")
    newcomer.screenshot("models-long-name")
    newcomer.run(f"choose({SEEDREAM!r})")
    label = "ours('jobs.request_builder').prepared(bpy.context).cost"
    assert newcomer.run(f"answer = {label}") == "about $0.07, as seen"
    _, y = newcomer.find_button("genai_render.pick_model", across=0.8)
    newcomer.click(newcomer.region("UI")[0] + 40, y)  # opens the panel
    newcomer.settle(0.5)
    newcomer.screenshot("models-as-seen")
    newcomer.run("choose(soon.id)")
    newcomer.screenshot("models-goes-soon")

    newcomer.run("with override(): bpy.ops.genai_render.recall(id=old)\nours('redraw').sidebars()")
    assert newcomer.run(f"answer = {MODEL} == gone.id")
    newcomer.screenshot("models-gone")
    newcomer.press("genai_render.use_model", across=0.5)
    assert newcomer.run(f"answer = {MODEL} == gone.successor")
    newcomer.screenshot("models-successor")
    newcomer.click(newcomer.region("UI")[0] + 40, y)


def test_the_properties_editor_opens_the_same_list(newcomer: BlenderWindow) -> None:
    newcomer.run(
        "bpy.context.scene.render.engine = 'GENAI_RENDER'\n"
        "spot = area('PROPERTIES'); spot.spaces.active.context = 'RENDER'; spot.tag_redraw()"
    )
    newcomer.settle(1)
    newcomer.press("genai_render.pick_model", across=0.6, kind="WINDOW", area="PROPERTIES")
    newcomer.settle(1)
    newcomer.screenshot("models-properties")
    assert newcomer.run(f"answer = len({SHOWN})") > 30
    newcomer.key("Escape")


def test_services_are_folded_and_refresh_says_what_came(newcomer: BlenderWindow) -> None:
    newcomer.run("bpy.context.preferences.system.use_online_access = True")
    try:
        with preferences(newcomer, "SERVICES") as where:
            newcomer.screenshot("models-services-folded")
            left, top, width, height = newcomer.region(**where)
            newcomer.move_mouse(left + width * 0.5, top + height * 0.5)
            newcomer.scroll(15)
            newcomer.settle(0.5)
            newcomer.press("genai_render.refresh_models", across=0.35, begin=0.5, **where)
            newcomer.wait_for("not ours('connections.model_refresh').state().running")
            newcomer.settle(0.5)
            newcomer.screenshot("models-refreshed")
            lines = newcomer.run(
                "answer = [line.text for line in ours('connections.model_refresh').state().lines]"
            )
            assert lines[0].startswith("OpenRouter: "), lines
            assert newcomer.run("answer = list(ours('catalog').list_days())") == ["openrouter"]
            newcomer.run("one.show_server = True; ours('redraw').preferences()")
            newcomer.screenshot("models-service-open")
            newcomer.run("prefs.show = 'WORK'; ours('redraw').preferences()")
            newcomer.screenshot("models-packs")
    finally:
        newcomer.run("bpy.context.preferences.system.use_online_access = False")
