# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys in the 3D Viewport, which the user can change in the preferences.

Those for an image over the view do nothing while there is none: their operators say no, and
Blender goes on to its own use of the key.
"""

from __future__ import annotations

from typing import Any

import bpy

_KEYS: tuple[tuple[str, str, dict[str, Any], dict[str, Any]], ...] = (
    ("genai_render.generate", "RET", {"ctrl": True}, {}),
    ("genai_render.hide_result", "ESC", {}, {}),
    ("genai_render.step_result", "LEFT_ARROW", {}, {"by": -1}),
    ("genai_render.step_result", "RIGHT_ARROW", {}, {"by": 1}),
    ("genai_render.wipe", "BACK_SLASH", {}, {}),
)

_added: list[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]] = []


def draw(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The keys, in the preferences."""
    import rna_keymap_ui

    keyconfig = context.window_manager.keyconfigs.user
    keymap = keyconfig.keymaps.get("3D View") if keyconfig is not None else None
    if keymap is None:
        return
    column = layout.column(heading="Keys")
    ours = {entry[0] for entry in _KEYS}
    for item in keymap.keymap_items:
        if item.idname in ours:
            rna_keymap_ui.draw_kmi([], keyconfig, keymap, item, column, 0)


def register() -> None:
    keyconfig = bpy.context.window_manager.keyconfigs.addon
    if keyconfig is None:  # in background
        return
    keymap = keyconfig.keymaps.new("3D View", space_type="VIEW_3D")
    for operator, key, modifiers, values in _KEYS:
        item = keymap.keymap_items.new(operator, key, "PRESS", **modifiers)
        for name, value in values.items():
            setattr(item.properties, name, value)
        _added.append((keymap, item))


def unregister() -> None:
    for keymap, item in _added:
        keymap.keymap_items.remove(item)
    _added.clear()
