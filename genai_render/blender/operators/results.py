# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done with an image: look at it, use it in the scene."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportOptionalMemberAccess=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from typing import Any

import bpy

from ...core.errors import GenAIError, StorageError
from ..capture import viewport_frame
from ..jobs import history_page
from ..settings import window_state
from ..translation import translated
from ..viewport import image_editors, overlay
from .reporting import ItemOperator, TellingOperator


class GENAI_RENDER_OT_show_result(ItemOperator):
    """Show this image over the viewport"""

    bl_idname = "genai_render.show_result"
    bl_label = "Show Image over View"
    bl_options = {"REGISTER"}

    def act(self, context: bpy.types.Context) -> set[str]:
        item = self.item(context)
        ids = history_page.siblings(item.id)
        overlay.show(context, ids, ids.index(item.id))
        window_state.window(context).selected = item.id
        return {"FINISHED"}


class GENAI_RENDER_OT_hide_result(TellingOperator):
    """Show the live scene again"""

    bl_idname = "genai_render.hide_result"
    bl_label = "Hide Image over View"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if overlay.shown() is None or not _here(context):
            cls.poll_message_set(translated("No image lies over this viewport", "tooltips"))
            return False
        return True

    def act(self, context: bpy.types.Context) -> set[str]:
        overlay.hide()
        return {"FINISHED"}


class GENAI_RENDER_OT_step_result(TellingOperator):
    """Show the next image, or with -1 steps the one before"""

    bl_idname = "genai_render.step_result"
    bl_label = "Next Image over View"
    bl_options = {"REGISTER"}

    by: bpy.props.IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Steps", description="1 for the next, -1 for the previous", default=1, min=-1, max=1
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        shown = overlay.shown()
        if shown is None or shown.compared or len(shown.ids) < 2 or not _here(context):
            cls.poll_message_set(translated("There is no other image to step to", "tooltips"))
            return False
        return True

    def act(self, context: bpy.types.Context) -> set[str]:
        return _step(context, self.by)


class GENAI_RENDER_OT_previous_result(TellingOperator):
    """Show the previous image"""

    bl_idname = "genai_render.previous_result"
    bl_label = "Previous Image over View"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return GENAI_RENDER_OT_step_result.poll.__func__(cls, context)  # pyright: ignore

    def act(self, context: bpy.types.Context) -> set[str]:
        return _step(context, -1)


class GENAI_RENDER_OT_wipe(TellingOperator):
    """Show all of the image, or none of it"""

    bl_idname = "genai_render.wipe"
    bl_label = "Toggle Image and Scene"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if overlay.shown() is None or not _here(context):
            cls.poll_message_set(translated("No image lies over this viewport", "tooltips"))
            return False
        return True

    def act(self, context: bpy.types.Context) -> set[str]:
        state = window_state.window(context)
        state.wipe = 0.0 if state.wipe > 0.5 else 1.0
        return {"FINISHED"}


class GENAI_RENDER_OT_open_image(ItemOperator):
    """Open the image in an Image Editor, next to the viewport if none is open"""

    bl_idname = "genai_render.open_image"
    bl_label = "Open in Image Editor"
    bl_options = {"REGISTER", "UNDO"}

    def act(self, context: bpy.types.Context) -> set[str]:
        image = load_image(self.item(context))
        area = image_editors.find_or_open(context)
        if area is None:
            text = f'"{image.name}" is loaded; choose it in an Image Editor'
            self.report({"INFO"}, translated(text, "reports"))
            return {"FINISHED"}
        area.spaces.active.image = image  # pyright: ignore
        image_editors.show_all_of_it(area)
        return {"FINISHED"}


class GENAI_RENDER_OT_camera_background(ItemOperator):
    """Show the image behind the scene in camera view, to model against it"""

    bl_idname = "genai_render.camera_background"
    bl_label = "Set as Camera Background"
    bl_options = {"REGISTER", "UNDO"}

    in_front: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="In Front", description="Over the scene instead of behind it", default=False
    )
    alpha: bpy.props.FloatProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Opacity", min=0.0, max=1.0, default=1.0, subtype="FACTOR"
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        camera = context.scene.camera
        if camera is None or camera.type != "CAMERA":
            cls.poll_message_set(translated("The scene has no camera", "tooltips"))
            return False
        if camera.data is not None and not camera.data.is_editable:
            cls.poll_message_set(translated("The camera is linked from another file", "tooltips"))
            return False
        return ItemOperator.poll.__func__(cls, context)  # pyright: ignore

    def act(self, context: bpy.types.Context) -> set[str]:
        item = self.item(context)
        _check_is_from(context, item.id)
        image = load_image(item)
        data: Any = context.scene.camera.data
        data.show_background_images = True
        ours = (
            next((one for one in data.background_images if _is_ours(one.image)), None)
            or data.background_images.new()
        )
        ours.image = image
        ours.display_depth = "FRONT" if self.in_front else "BACK"
        ours.alpha = self.alpha
        # An image of another shape shows more than the camera does: its shorter side fits.
        ours.frame_method = "CROP"
        return {"FINISHED"}


def _check_is_from(context: bpy.types.Context, item_id: str) -> None:
    """Raises GenAIError if the scene's camera, where it is, does not see what the image shows."""
    camera: Any = context.scene.camera
    view = history_page.view_of(item_id)
    action = f'Generate it in the view of the camera "{camera.name}".'
    if view is None:
        raise GenAIError("This image was made without a view.", action=action)
    if not view.camera:
        raise GenAIError(
            "This image was made from a free view, so nothing would lie where it is.",
            action=action,
        )
    if view.camera != camera.name:
        raise GenAIError(
            f'This image is from the camera "{view.camera}", not from "{camera.name}".',
            action="Make that camera the scene's active one.",
        )
    if not viewport_frame.is_seen_by(context, camera, view):
        raise GenAIError(
            f'The camera "{camera.name}" has moved, turned or changed its lens since.',
            "The image would lie over other places of the scene.",
            "Put it back (Return to Its View shows from where it was), or generate again.",
        )


def _is_ours(image: bpy.types.Image | None) -> bool:
    return image is not None and bool(image.get("genai_render"))


def load_image(item: Any) -> bpy.types.Image:
    """The item as an image of the .blend, packed so that the file stays complete by itself."""
    for image in bpy.data.images:
        if image.get("genai_render") == item.id:
            return image
    image = new_image(item)
    image["genai_render"] = item.id
    return image


def new_image(item: Any) -> bpy.types.Image:
    """As `load_image`, whether or not it is in the .blend already."""
    if item.image_path is None:
        raise StorageError("This request gave no image.")
    try:
        image = bpy.data.images.load(str(item.image_path))
    except RuntimeError as error:
        raise StorageError("The image cannot be opened.", str(error)) from error
    image.name = sensible_name(item)
    image.pack()
    image.filepath_raw = ""  # a path of this computer has no business in the .blend
    return image


def sensible_name(item: Any) -> str:
    """A file name that says what it is: "golden-hour-watercolour-1128"."""
    words = "".join(char if char.isalnum() else " " for char in item.prompt.lower()).split()
    return "-".join([*words[:5], item.id[-6:]])[:80]


def _step(context: bpy.types.Context, by: int) -> set[str]:
    overlay.step(by)
    shown = overlay.shown()
    if shown is not None and shown.ids:
        window_state.window(context).selected = shown.ids[shown.index]
    return {"FINISHED"}


def _here(context: bpy.types.Context) -> bool:
    """In the viewport that the image lies over."""
    return overlay.is_over(context.space_data)


_CLASSES = (
    GENAI_RENDER_OT_show_result,
    GENAI_RENDER_OT_hide_result,
    GENAI_RENDER_OT_step_result,
    GENAI_RENDER_OT_previous_result,
    GENAI_RENDER_OT_wipe,
    GENAI_RENDER_OT_open_image,
    GENAI_RENDER_OT_camera_background,
)

register, unregister = bpy.utils.register_classes_factory(_CLASSES)
