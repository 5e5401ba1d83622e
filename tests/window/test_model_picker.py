# SPDX-License-Identifier: GPL-3.0-or-later
"""A newcomer with one key: finds the models, makes a picture with two of them, sees the costs."""

from __future__ import annotations

from ..servers.json_providers import KEY, OpenRouterServer
from .blender_window import BlenderWindow
from .test_cloud import _KEYRING


def use_openrouter(window: BlenderWindow, server: OpenRouterServer) -> None:
    """One key, of OpenRouter, in the ring; its server in the provider's place."""
    window.run(
        f"{_KEYRING}\n"
        f"ring.kept['genai_render', {server.origin!r}] = {KEY!r}\n"
        "from importlib import import_module\n"
        "connections = ours('connections.providers').of_tables(prefs, ours('catalog').catalog())\n"
        "one = next(c for c in connections if c.endpoint == 'openrouter')\n"
        f"one.base_url = {server.base_url!r}\n"
        "ours('connections.keys').forget('openrouter')\n"
        "bpy.context.scene.genai_render.prompt = 'a house of glass at golden hour'"
    )
    window.settle(1)


def test_explore(scene: BlenderWindow) -> None:
    with OpenRouterServer() as server:
        use_openrouter(scene, server)
        scene.screenshot("picker-0-closed")
        place = scene.find_button("genai_render.pick_model", across=0.8)
        scene.move_mouse(*place)
        scene.settle(1.5)
        scene.screenshot("picker-1-tooltip")
        scene.click(*place)
        scene.settle(1)
        scene.screenshot("picker-2-open")
        scene.key("Escape")
        left, top, right, bottom = popup_over(scene, *place)
        print("POPUP", place, left, top, right, bottom)
        width = right - left
        scene.click(left + width * 0.5, top + 16)
        scene.settle(0.3)
        scene.type("seedream")
        scene.settle(0.5)
        scene.screenshot("picker-3-typing")
        scene.key("Return")
        scene.settle(0.5)
        scene.screenshot("picker-4-found")
        scene.click(left + width * 0.1, top + 20 * 3.5)
        scene.settle(0.5)
        scene.screenshot("picker-5-shelf")
        scene.click(left + width * 0.35, top + 20 * 5)
        scene.settle(0.5)
        scene.screenshot("picker-6-row")
        print("MODEL", scene.run("answer = bpy.context.scene.genai_render.model"))
        scene.scroll(6)
        scene.settle(0.5)
        scene.screenshot("picker-7-scrolled")
        scene.key("Escape")
        scene.settle(0.5)
        # the panel, open
        x, y = place
        left, _, width, _ = scene.region("UI")
        scene.click(left + 40, y)
        scene.settle(0.5)
        scene.run("bpy.context.scene.genai_render.closeness = 'close'")
        scene.settle(0.5)
        scene.screenshot("picker-8-panel")
        scene.run("with override('UI'): bpy.ops.genai_render.search_model('INVOKE_DEFAULT')")
        scene.settle(0.5)
        scene.type("flux.2 pro")
        scene.settle(0.5)
        scene.screenshot("picker-9-search")
        scene.key("Return")
        scene.settle(0.5)
        scene.screenshot("picker-10-searched")
        print("MODEL", scene.run("answer = bpy.context.scene.genai_render.model"))
        scene.run("bpy.context.scene.genai_render.model_id = 'openrouter/openai/gpt-image-2.5-sunburst'")
        scene.click(left + 40, y)
        scene.settle(0.5)
        scene.screenshot("picker-11-long-name")
        with preferences(scene, "SERVICES"):
            scene.screenshot("picker-12-prefs")
        with preferences(scene, "WORK"):
            scene.screenshot("picker-13-prefs-work")
