# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask Blender to draw again where something of ours has changed."""

from __future__ import annotations

import bpy


def viewports() -> None:
    """All 3D Viewports, their sidebars included."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


def popup(context: bpy.types.Context) -> None:
    """The pop-up that a button was pressed in, which Blender draws as it was else."""
    region = getattr(context, "region_popup", None)
    if region is not None:
        region.tag_refresh_ui()


def sidebars() -> None:
    """Only the sidebars that have ours: the scene itself is not drawn again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "IMAGE_EDITOR"):
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


def preferences() -> None:
    """Wherever Blender's preferences are open."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()


def status_bars() -> None:
    """The status bar, which is in no screen's list of areas."""
    for window in bpy.context.window_manager.windows:
        # Setting no text is the only way to it; a tool that runs may be showing its own.
        if len(window.modal_operators) == 0 and window.workspace is not None:
            # Blender looks for the window in the context, and ends if there is none, as there is
            # in a timer after an undo or a new file.
            with bpy.context.temp_override(window=window):
                window.workspace.status_text_set(None)
