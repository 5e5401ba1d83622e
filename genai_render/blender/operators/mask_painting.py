# SPDX-License-Identifier: GPL-3.0-or-later
"""Paint by hand where an image of History may change."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
import bpy

from ..jobs import edit_masks
from ..translation import CONTEXT
from ..viewport import mask_painting
from .reporting import ItemOperator


class GENAI_RENDER_OT_paint_mask(ItemOperator):
    """Paint over the image where an edit may change it; Ctrl paints what is to stay"""

    bl_idname = "genai_render.paint_mask"
    bl_label = "Paint Mask"
    bl_options = {"REGISTER", "UNDO"}

    action: bpy.props.EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Action",
        translation_context=CONTEXT,
        items=(
            ("PAINT", "Paint", "Open the mask in an Image Editor, over the image"),
            ("CLEAR", "Clear", "Nothing is painted any more"),
            ("INVERT", "Invert", "What is painted is not, and the other way round"),
            ("USE", "Edit Painted Part", "Say what to change in what is painted"),
            ("END", "End Painting", "Show the image without its mask; the mask stays"),
        ),
        options={"SKIP_SAVE"},
    )

    def act(self, context: bpy.types.Context) -> set[str]:
        item = self.item(context)
        if self.action == "PAINT":
            mask_painting.begin(context, item)
        elif self.action == "CLEAR":
            mask_painting.fill(edit_masks.painted_for(item.id), inverted=False)
        elif self.action == "INVERT":
            mask_painting.fill(edit_masks.painted_for(item.id), inverted=True)
        elif self.action == "END":
            mask_painting.end(context)
        else:
            return bpy.ops.genai_render.edit("INVOKE_DEFAULT", id=item.id)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((GENAI_RENDER_OT_paint_mask,))
