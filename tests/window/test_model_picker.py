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
        place = scene.find_button("genai_render.pick_model", across=0.6)
        scene.move_mouse(*place)
        scene.settle(1.5)
        scene.screenshot("picker-1-tooltip")
        scene.click(*place)
        scene.settle(1)
        scene.screenshot("picker-2-open")
