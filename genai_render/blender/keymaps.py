# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys in the 3D Viewport, which the user can change in the preferences.

Those for an image over the view do nothing while there is none: their operators say no, and
Blender goes on to its own use of the key.
"""

from __future__ import annotations

from typing import Any

import bpy

# Keymap, operator, key, modifiers, properties. In a viewport, Blender asks "Frames" before
# "3D View", so that is where the arrows have to be.
_KEYS: tuple[tuple[str, str, str, dict[str, Any], dict[str, Any]], ...] = (
    ("3D View", "genai_render.generate", "RET", {"ctrl": True}, {}),
    ("3D View", "genai_render.hide_result", "ESC", {}, {}),
    ("3D View", "genai_render.wipe", "BACK_SLASH", {}, {}),
    ("Frames", "genai_render.previous_result", "LEFT_ARROW", {}, {}),
    ("Frames", "genai_render.step_result", "RIGHT_ARROW", {}, {"by": 1}),
)

_added: list[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]] = []


def draw(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The keys, in the preferences."""
    import rna_keymap_ui

    keyconfig = context.window_manager.keyconfigs.user
    if keyconfig is None:
        return
    column = layout.column()
    column.use_property_split = False
    column.label(text="Keys in the 3D Viewport")
    for name in dict.fromkeys(entry[0] for entry in _KEYS):
        keymap = keyconfig.keymaps.get(name)
        for item in keymap.keymap_items if keymap is not None else ():
            if item.idname in {entry[1] for entry in _KEYS}:
                rna_keymap_ui.draw_kmi([], keyconfig, keymap, item, column, 0)


def register() -> None:
    keyconfig = bpy.context.window_manager.keyconfigs.addon
    if keyconfig is None:  # in background
        return
    for name, operator, key, modifiers, values in _KEYS:
        space = "VIEW_3D" if name == "3D View" else "EMPTY"
        keymap = keyconfig.keymaps.new(name, space_type=space)
        item = keymap.keymap_items.new(operator, key, "PRESS", **modifiers)
        for property, value in values.items():
            setattr(item.properties, property, value)
        _added.append((keymap, item))


def unregister() -> None:
    for keymap, item in _added:
        keymap.keymap_items.remove(item)
    _added.clear()
