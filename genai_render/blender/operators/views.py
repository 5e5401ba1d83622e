# SPDX-License-Identifier: GPL-3.0-or-later
"""What uses the view that an image was made from: going back to it, projecting from it."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from typing import TYPE_CHECKING

import bpy

from ...core.errors import GenAIError, SceneError
from ..capture import viewport_frame
from ..jobs import history_page, session
from ..translation import translated
from ..viewport import overlay, projection
from .reporting import ItemOperator, TellingOperator, shows_a_view
from .results import new_image

if TYPE_CHECKING:
    from ...core.view.canvas import Canvas, View


class GENAI_RENDER_OT_project(ItemOperator):
    """Throw the image onto the objects that its view showed, as a projector would. \
The objects' own materials are kept and come back with Remove Projection"""

    bl_idname = "genai_render.project"
    bl_label = "Project onto Scene"
    bl_options = {"REGISTER", "UNDO"}

    occlude: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Only What Was Seen",
        description="What the view did not show keeps its own material, instead of getting what "
        "was in front of it",
        default=True,
    )
    show: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Show It",
        description="Switch the viewport to Material Preview if it does not show materials",
        default=True,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return shows_a_view(cls, context)

    def act(self, context: bpy.types.Context) -> set[str]:
        item = self.item(context)
        canvas = _canvas(item.id)
        depth = canvas.depth if self.occlude else None
        left_out = projection.put(context, item.id, new_image(item), canvas.view, depth)
        if left_out:
            text = f"{left_out} objects belong to another file and keep their materials"
            self.report({"WARNING"}, translated(text, "reports"))
        overlay.hide()
        found = viewport_frame.find_view(context)
        if self.show and found is not None and found[2].shading.type in ("WIREFRAME", "SOLID"):
            projection.of(context.scene).shading = found[2].shading.type
            found[2].shading.type = "MATERIAL"
        return {"FINISHED"}


class GENAI_RENDER_OT_unproject(TellingOperator):
    """Give all objects their own materials back"""

    bl_idname = "genai_render.unproject"
    bl_label = "Remove Projection"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not projection.is_on(context.scene):
            cls.poll_message_set(translated("No image is projected onto this scene", "tooltips"))
            return False
        return True

    def act(self, context: bpy.types.Context) -> set[str]:
        record = projection.of(context.scene)
        shading, record.shading = record.shading, ""
        projection.remove(context.scene)
        found = viewport_frame.find_view(context)
        if shading and found is not None and found[2].shading.type == "MATERIAL":
            found[2].shading.type = shading
        return {"FINISHED"}


class GENAI_RENDER_OT_return_to_view(ItemOperator):
    """Turn the viewport to where the image was made from"""

    bl_idname = "genai_render.return_to_view"
    bl_label = "Return to View of Image"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return shows_a_view(cls, context)

    def act(self, context: bpy.types.Context) -> set[str]:
        found = viewport_frame.find_view(context)
        if found is None:
            raise SceneError("There is no 3D Viewport.", action="Open one.")
        viewport_frame.go_to(context, *found, _view(self.item(context).id))
        return {"FINISHED"}


def _canvas(item_id: str) -> "Canvas":
    origin = history_page.made_from_view(item_id)
    canvas = session.session().store.canvas(origin) if origin else None
    if canvas is None:
        raise GenAIError("This image was made without a view.", action="Choose another one.")
    return canvas


def _view(item_id: str) -> "View":
    view = history_page.view_of(item_id)
    if view is None:
        raise GenAIError("This image was made without a view.", action="Choose another one.")
    return view


_CLASSES = (
    GENAI_RENDER_OT_project,
    GENAI_RENDER_OT_unproject,
    GENAI_RENDER_OT_return_to_view,
)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
