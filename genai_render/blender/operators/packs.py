# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs of shots: start, go on, cancel, choose shots, and look at what came of it."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from typing import Any

import bpy

from ...core.errors import InvalidInput
from .. import addon
from ..jobs import history_page, pack_jobs
from ..settings import pack_choice, scene_settings, window_state
from ..translation import translated
from .reporting import TellingOperator, open_folder

_TIPS = {
    "START": "Make all shots of the pack that are ticked",
    "GO_ON": "Make what is left of the pack as it was started",
    "CANCEL": "Stop making the pack; what is done stays",
    "TICK": "Whether this shot is made",
    "SHEET": "Open the page with all shots of the pack side by side",
    "HISTORY": "Show only the shots of this pack in History, or everything again",
    "FOLDER": "Open the folder for packs of your own",
}


class GENAI_RENDER_OT_pack(TellingOperator):
    """Make all shots of the pack that are ticked"""

    bl_idname = "genai_render.pack"
    bl_label = "Make Pack of Shots"
    bl_options = {"REGISTER"}

    action: bpy.props.EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        items=[(name, name.replace("_", " ").title(), tip) for name, tip in _TIPS.items()],
        options={"HIDDEN", "SKIP_SAVE"},
    )
    shot: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]

    @classmethod
    def description(cls, context: bpy.types.Context, properties: Any) -> str:
        return translated(_TIPS[properties.action], "tooltips")

    def act(self, context: bpy.types.Context) -> set[str]:
        made = pack_jobs.packs_made()
        if self.action == "START":
            made.start(context)
        elif self.action == "GO_ON":
            made.go_on(context)
        elif self.action == "CANCEL":
            made.cancel()
        elif self.action == "TICK":
            pack_choice.tick(scene_settings.settings(context), self.shot)
        elif self.action == "SHEET":
            page = made.page(context)
            if page is None:
                raise InvalidInput("This pack has no contact sheet yet.", action="Make it first.")
            return open_folder(context, page)
        elif self.action == "HISTORY":
            state = window_state.window(context)
            state.only_pack = not state.only_pack
            history_page.invalidate()
        else:
            return open_folder(context, addon.user_folder(pack_choice.FOLDER))
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((GENAI_RENDER_OT_pack,))
