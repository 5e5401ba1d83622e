# SPDX-License-Identifier: GPL-3.0-or-later
"""Handles on a picture over the viewport: the wipe's edge, previous and next, close."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false
from __future__ import annotations

from typing import Any

import bpy
from mathutils import Matrix

from ..settings import window_state
from . import overlay

_REACH = 10  # pixels to either side of the wipe's edge
_BUTTON = 14


class GENAI_RENDER_GT_wipe(bpy.types.Gizmo):
    """The edge between the picture and the live scene, to be dragged."""

    bl_idname = "GENAI_RENDER_GT_wipe"

    def _edge(self, context: bpy.types.Context) -> tuple[float, float, float] | None:
        box = overlay.rectangle()
        if box is None:
            return None
        x = box[0] + window_state.window(context).wipe * (box[2] - box[0])
        return x, box[1], box[3]

    def draw(self, context: bpy.types.Context) -> None:
        edge = self._edge(context)
        if edge is not None:
            strength = 1.0 if self.is_highlight or self.is_modal else 0.85
            overlay.draw_handle(edge[0], (edge[1] + edge[2]) / 2, strength)

    def test_select(self, context: bpy.types.Context, location: tuple[int, int]) -> int:
        edge = self._edge(context)
        if edge is None:
            return -1
        reach = _REACH * context.preferences.system.ui_scale
        inside = abs(location[0] - edge[0]) <= reach and edge[1] <= location[1] <= edge[2]
        return 0 if inside else -1

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        self.before = window_state.window(context).wipe
        return {"RUNNING_MODAL"}

    def modal(
        self, context: bpy.types.Context, event: bpy.types.Event, tweak: set[str]
    ) -> set[str]:  # pyright: ignore
        box = overlay.rectangle()
        if box is not None:
            share = (event.mouse_region_x - box[0]) / max(1.0, box[2] - box[0])
            window_state.window(context).wipe = max(0.0, min(1.0, share))
        return {"RUNNING_MODAL"}

    def exit(self, context: bpy.types.Context, cancel: bool) -> None:
        if cancel:
            window_state.window(context).wipe = self.before


class GENAI_RENDER_GGT_result(bpy.types.GizmoGroup):
    bl_idname = "GENAI_RENDER_GGT_result"
    bl_label = "GenAI Image over the View"
    bl_space_type = "VIEW_3D"
    bl_region_type = "WINDOW"
    bl_options = {"PERSISTENT", "SCALE"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        shown = overlay.shown()
        return shown is not None and not shown.compared and overlay.is_over(context.space_data)

    def setup(self, context: bpy.types.Context) -> None:
        self.edge = self.gizmos.new(GENAI_RENDER_GT_wipe.bl_idname)
        self.edge.use_draw_modal = True
        self.previous = self._button("TRIA_LEFT", "genai_render.step_result", {"by": -1})
        self.next = self._button("TRIA_RIGHT", "genai_render.step_result", {"by": 1})
        self.leave = self._button("X", "genai_render.hide_result", {})

    def _button(self, icon: str, operator: str, values: dict[str, Any]) -> Any:
        button = self.gizmos.new("GIZMO_GT_button_2d")
        button.icon = icon
        button.draw_options = {"BACKDROP", "OUTLINE"}
        button.color = 0.1, 0.1, 0.1
        button.alpha = 0.6
        button.color_highlight = 0.3, 0.3, 0.3
        button.alpha_highlight = 0.9
        button.scale_basis = _BUTTON
        target = button.target_set_operator(operator)
        for name, value in values.items():
            setattr(target, name, value)
        return button

    def draw_prepare(self, context: bpy.types.Context) -> None:
        box, shown = overlay.rectangle(), overlay.shown()
        several = shown is not None and len(shown.ids) > 1
        self.previous.hide = self.next.hide = box is None or not several
        self.leave.hide = self.edge.hide = box is None
        if box is None:
            return
        scale = context.preferences.system.ui_scale
        # At the bottom: Blender's own navigation is at the top right.
        middle, y, apart = (box[0] + box[2]) / 2, box[1] + 24 * scale, 40 * scale
        places = (
            (self.previous, middle - apart, y),
            (self.leave, middle, y),
            (self.next, middle + apart, y),
        )
        for button, x, y in places:
            button.matrix_basis = Matrix.Translation((x, y, 0.0))


_CLASSES = (GENAI_RENDER_GT_wipe, GENAI_RENDER_GGT_result)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
