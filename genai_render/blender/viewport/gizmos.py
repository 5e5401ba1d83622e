# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture over the viewport and what is clicked on it: the wipe's edge, buttons, badges."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false
from __future__ import annotations

from typing import Any

import bpy
from mathutils import Matrix

from ..capture import viewport_frame
from ..settings import window_state
from ..translation import translated
from . import drawing, live_render, overlay

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
            drawing.handle(edge[0], (edge[1] + edge[2]) / 2, strength)

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


class GENAI_RENDER_GT_picture(bpy.types.Gizmo):
    """The picture itself: a gizmo, since these are drawn after the camera's passepartout."""

    bl_idname = "GENAI_RENDER_GT_picture"

    def draw(self, context: bpy.types.Context) -> None:
        overlay.draw_pictures()

    def test_select(self, context: bpy.types.Context, location: tuple[int, int]) -> int:
        return -1


class GENAI_RENDER_GT_live(bpy.types.Gizmo):
    """The picture that follows the view."""

    bl_idname = "GENAI_RENDER_GT_live"

    def draw(self, context: bpy.types.Context) -> None:
        live_render.draw_picture()

    def test_select(self, context: bpy.types.Context, location: tuple[int, int]) -> int:
        return -1


class GENAI_RENDER_GT_badge(bpy.types.Gizmo):
    """A button with words. middle: where it is in the region."""

    bl_idname = "GENAI_RENDER_GT_badge"

    __slots__ = ("middle", "text")

    def setup(self) -> None:
        self.middle = (0.0, 0.0)
        self.text = ""

    def box(self, context: bpy.types.Context) -> drawing.Rectangle:
        scale = context.preferences.system.ui_scale
        half = drawing.width_of(translated(self.text)) / 2 + 14 * scale
        x, y = self.middle
        return x - half, y - 13 * scale, x + half, y + 13 * scale

    def draw(self, context: bpy.types.Context) -> None:
        region = context.region
        assert region is not None
        with drawing.pixels(region):
            drawing.badge(self.box(context), translated(self.text), float(self.is_highlight))

    def test_select(self, context: bpy.types.Context, location: tuple[int, int]) -> int:
        left, bottom, right, top = self.box(context)
        return 0 if left <= location[0] <= right and bottom <= location[1] <= top else -1


class GENAI_RENDER_GGT_result(bpy.types.GizmoGroup):
    bl_idname = "GENAI_RENDER_GGT_result"
    bl_label = "GenAI Image over the View"
    bl_space_type = "VIEW_3D"
    bl_region_type = "WINDOW"
    bl_options = {"PERSISTENT", "SCALE", "SHOW_MODAL_ALL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return overlay.is_here(context)

    def setup(self, context: bpy.types.Context) -> None:
        self.edge = self.gizmos.new(GENAI_RENDER_GT_wipe.bl_idname)
        self.previous = self._button("TRIA_LEFT", "genai_render.step_result", {"by": -1})
        self.next = self._button("TRIA_RIGHT", "genai_render.step_result", {"by": 1})
        self.leave = self._button("X", "genai_render.hide_result", {})
        self.offer = self._badge("Show Picture", "genai_render.show_result")
        self.back = self._badge("Return to Its View", "genai_render.return_to_view")
        # Gizmos are drawn from the last to the first.
        self.picture = self.gizmos.new(GENAI_RENDER_GT_picture.bl_idname)
        for gizmo in self.gizmos:
            gizmo.use_draw_modal = True

    def _badge(self, text: str, operator: str) -> Any:
        badge = self.gizmos.new(GENAI_RENDER_GT_badge.bl_idname)
        badge.text = text
        badge.target_set_operator(operator)
        return badge

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
        offered = overlay.is_offered(context)
        single = box is not None and not offered
        several = shown is not None and len(shown.ids) > 1
        self.previous.hide = self.next.hide = not (single and several)
        self.leave.hide = self.edge.hide = not single
        self.offer.hide = not offered
        self.back.hide = not (single and overlay.is_elsewhere())
        left, bottom, right, _ = viewport_frame.clear_part(context.area, context.region)
        scale = context.preferences.system.ui_scale
        self.offer.middle = (left + right) / 2, bottom + 24 * scale
        if offered and shown is not None:
            self.offer.target_set_operator("genai_render.show_result").id = shown.ids[shown.index]
        if box is None:
            return
        # At the bottom: Blender's own navigation is at the top right. Within what is clear: a
        # camera's frame may be larger than the viewport.
        middle = (max(box[0], left) + min(box[2], right)) / 2
        y, apart = max(box[1], bottom) + 24 * scale, 40 * scale
        places = (
            (self.previous, middle - apart, y),
            (self.leave, middle, y),
            (self.next, middle + apart, y),
        )
        for button, x, y in places:
            button.matrix_basis = Matrix.Translation((x, y, 0.0))
        self.back.middle = middle, y + 36 * scale
        if not self.back.hide and shown is not None and shown.ids:
            item_id = shown.ids[shown.index]
            self.back.target_set_operator("genai_render.return_to_view").id = item_id


class GENAI_RENDER_GGT_live(bpy.types.GizmoGroup):
    bl_idname = "GENAI_RENDER_GGT_live"
    bl_label = "GenAI Live Render"
    bl_space_type = "VIEW_3D"
    bl_region_type = "WINDOW"
    bl_options = {"PERSISTENT", "SCALE", "SHOW_MODAL_ALL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return live_render.is_here(context)

    def setup(self, context: bpy.types.Context) -> None:
        self.gizmos.new(GENAI_RENDER_GT_live.bl_idname).use_draw_modal = True


_CLASSES = (
    GENAI_RENDER_GT_wipe,
    GENAI_RENDER_GT_picture,
    GENAI_RENDER_GT_live,
    GENAI_RENDER_GT_badge,
    GENAI_RENDER_GGT_live,
    GENAI_RENDER_GGT_result,
)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
