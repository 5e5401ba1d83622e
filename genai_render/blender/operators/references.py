# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference pictures: from files, images of the .blend, renders, History and the clipboard."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
import contextlib
import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
from bpy_extras.io_utils import ImportHelper

from ...core.errors import GenAIError, ImageError, StorageError
from ...core.image import images, system_clipboard
from .. import addon, background, redraw
from ..jobs import session
from ..settings import reference_store, scene_settings
from ..translation import CONTEXT, translated
from .reporting import ItemOperator, TellingOperator, attempt

_PICTURES = "*.png;*.jpg;*.jpeg;*.webp"

_SLOT = {
    "name": "Slot",
    "description": "Which of the two references; the first that is free if it is 0",
    "min": 0,
    "max": 2,
    "default": 0,
}


class _LastFolder:
    """Where the last reference came from, in this run of Blender."""

    def __init__(self) -> None:
        self.path = ""

    def close(self) -> None:
        pass


def slot_of(context: bpy.types.Context, number: int) -> Any:
    """The slot with that number; for 0, the first that is free, else the first."""
    return slot_in(context.scene, number)


def slot_in(scene: Any, number: int) -> Any:
    slots = scene_settings.references(scene.genai_render)
    if number:
        return slots[number - 1]
    return next((slot for slot in slots if not slot.digest), slots[0])


class GENAI_RENDER_OT_reference_file(bpy.types.Operator, ImportHelper):
    """Choose an image file as a reference"""

    bl_idname = "genai_render.reference_file"
    bl_label = "Add Reference"
    bl_options = {"REGISTER", "UNDO"}

    slot: bpy.props.IntProperty(**_SLOT, options={"SKIP_SAVE"})  # pyright: ignore
    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE", "HIDDEN"})  # pyright: ignore[reportInvalidTypeForm]
    files: bpy.props.CollectionProperty(  # pyright: ignore[reportInvalidTypeForm]
        type=bpy.types.OperatorFileListElement, options={"SKIP_SAVE", "HIDDEN"}
    )
    filter_glob: bpy.props.StringProperty(default=_PICTURES, options={"HIDDEN"})  # pyright: ignore[reportInvalidTypeForm]
    # The browser takes these from its operator by their names.
    display_type: bpy.props.EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        items=[
            ("DEFAULT", "Default", ""),
            ("LIST_VERTICAL", "Vertical List", ""),
            ("LIST_HORIZONTAL", "Horizontal List", ""),
            ("THUMBNAIL", "Thumbnails", ""),
        ],
        default="THUMBNAIL",
        options={"SKIP_SAVE", "HIDDEN"},
    )
    filter_image: bpy.props.BoolProperty(default=True, options={"SKIP_SAVE", "HIDDEN"})  # pyright: ignore[reportInvalidTypeForm]
    filter_folder: bpy.props.BoolProperty(default=True, options={"SKIP_SAVE", "HIDDEN"})  # pyright: ignore[reportInvalidTypeForm]

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        if self.directory and len(self.files):  # dropped onto Blender
            return self.execute(context)
        # The folder of the last one, and no name: its own would be that of the .blend.
        folder = addon.state(_LastFolder).path or bpy.path.abspath("//") or str(Path.home())
        self.filepath = str(Path(folder) / "x")[:-1]
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def draw(self, context: bpy.types.Context) -> None:
        """Nothing: which slot it goes to was chosen with the button."""

    def execute(self, context: bpy.types.Context) -> set[str]:  # pyright: ignore
        return attempt(self, lambda: self._load(context))

    def _load(self, context: bpy.types.Context) -> set[str]:
        if self.filepath:
            addon.state(_LastFolder).path = str(Path(self.filepath).parent)
        names = [one.name for one in self.files if one.name]
        paths = [Path(self.directory) / name for name in names] or [Path(self.filepath)]
        for number, path in enumerate(paths[:2]):
            slot = slot_of(context, self.slot + number if self.slot == 1 else self.slot)
            reference_store.fill(slot, images.read_file(path), path.name)
        return {"FINISHED"}


class GENAI_RENDER_OT_reference_image(TellingOperator):
    """Use an image of this .blend file as a reference, the Render Result too"""

    bl_idname = "genai_render.reference_image"
    bl_label = "Reference from Image"
    bl_options = {"REGISTER", "UNDO"}

    slot: bpy.props.IntProperty(**_SLOT, options={"SKIP_SAVE"})  # pyright: ignore
    image: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Image",
        description="The image's name; the one in the Image Editor if it is empty",
        options={"SKIP_SAVE"},
    )

    def act(self, context: bpy.types.Context) -> set[str]:
        image = bpy.data.images.get(self.image) if self.image else _edited_image(context)
        if image is None:
            raise ImageError("There is no such image.", action="Open one in an Image Editor.")
        data = encoded(image, context.scene)
        reference_store.fill(slot_of(context, self.slot), data, f"{image.name}.png")
        return {"FINISHED"}


class GENAI_RENDER_OT_use_as_reference(ItemOperator):
    """Use this image as a reference for the next one"""

    bl_idname = "genai_render.use_as_reference"
    bl_label = "Use as Reference"
    bl_options = {"REGISTER", "UNDO"}

    slot: bpy.props.IntProperty(**_SLOT, options={"SKIP_SAVE"})  # pyright: ignore

    def act(self, context: bpy.types.Context) -> set[str]:
        item = self.item(context)
        data = session.session().store.image(item.id)
        name = item.image_path.name if item.image_path is not None else "image.png"
        reference_store.fill(slot_of(context, self.slot), data, f"{item.id[-6:]}-{name}")
        return {"FINISHED"}


class GENAI_RENDER_OT_reference_paste(TellingOperator):
    """Use the picture on the clipboard as a reference"""

    bl_idname = "genai_render.reference_paste"
    bl_label = "Reference from Clipboard"
    bl_options = {"REGISTER", "UNDO"}

    slot: bpy.props.IntProperty(**_SLOT, options={"SKIP_SAVE"})  # pyright: ignore

    def act(self, context: bpy.types.Context) -> set[str]:
        slot = slot_of(context, self.slot)
        data = _pasted(context)
        if data is not None:
            reference_store.fill(slot, data, "Clipboard.png")
            return {"FINISHED"}
        if not sys.platform.startswith("linux"):
            raise system_clipboard.nothing_there()
        # What was copied in Blender itself, Blender has to hand out: it must not wait here.
        background.run(_from_system, functools.partial(_take_pasted, slot.id_data, self.slot))
        return {"CANCELLED"}  # until then there is nothing to undo


class GENAI_RENDER_OT_reference_clear(TellingOperator):
    """Take the reference out of the slot"""

    bl_idname = "genai_render.reference_clear"
    bl_label = "Clear Reference"
    bl_options = {"REGISTER", "UNDO"}

    slot: bpy.props.IntProperty(name="Slot", translation_context=CONTEXT, min=1, max=2, default=1)  # pyright: ignore[reportInvalidTypeForm]

    def act(self, context: bpy.types.Context) -> set[str]:
        reference_store.clear(slot_of(context, self.slot))
        return {"FINISHED"}


class GENAI_RENDER_OT_reference_swap(TellingOperator):
    """Swap the two references"""

    bl_idname = "genai_render.reference_swap"
    bl_label = "Swap References"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        slots = scene_settings.references(scene_settings.settings(context))
        if not all(slot.digest for slot in slots):
            cls.poll_message_set(translated("There are no two references to swap", "tooltips"))
            return False
        return True

    def act(self, context: bpy.types.Context) -> set[str]:
        reference_store.swap(*scene_settings.references(scene_settings.settings(context)))
        return {"FINISHED"}


class GENAI_RENDER_FH_picture(bpy.types.FileHandler):
    bl_idname = "GENAI_RENDER_FH_picture"
    bl_label = "Reference for GenAI Render"
    bl_import_operator = "genai_render.reference_file"
    bl_file_extensions = ".png;.jpg;.jpeg;.webp"

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        area = context.area
        return area is not None and area.type == "VIEW_3D"


def _pasted(context: bpy.types.Context) -> bytes | None:
    """The picture that Blender itself has from the clipboard; None without one."""
    before = {image.name for image in bpy.data.images}
    try:
        with _image_editor(context):
            bpy.ops.image.clipboard_paste()
    except (RuntimeError, TypeError):
        return None
    made = [image for image in bpy.data.images if image.name not in before]
    try:
        return encoded(made[0], context.scene) if made else None
    finally:
        for image in made:
            bpy.data.images.remove(image)


def _from_system() -> tuple[bytes, str] | GenAIError:
    try:
        return system_clipboard.picture()
    except GenAIError as error:
        return error


def _take_pasted(scene: Any, number: int, answer: tuple[bytes, str] | GenAIError) -> None:
    """Back on the main thread: into the slot that is free by now, if its file is still open."""
    if scene not in bpy.data.scenes.values():
        return
    try:
        if isinstance(answer, GenAIError):
            raise answer
        reference_store.fill(slot_in(scene, number), *answer)
        bpy.ops.ed.undo_push(message=GENAI_RENDER_OT_reference_paste.bl_label)
    except GenAIError as error:
        session.session().tell(error.text, True)
    redraw.sidebars()


def _edited_image(context: bpy.types.Context) -> bpy.types.Image | None:
    space = context.space_data
    if isinstance(space, bpy.types.SpaceImageEditor):
        return space.image
    return None


@contextlib.contextmanager
def _image_editor(context: bpy.types.Context) -> Iterator[None]:
    """With an Image Editor in the context: Blender takes pictures from the clipboard only there.

    Where none is open, the smallest area that is no 3D Viewport is one for a moment.
    """
    areas = list(context.window.screen.areas) if context.window else []
    areas.sort(key=lambda one: (one.type != "IMAGE_EDITOR", one.width * one.height))
    area = next((one for one in areas if one.type != "VIEW_3D"), None)
    if area is None:
        raise ImageError(
            "Blender takes pictures from the clipboard only in an Image Editor.",
            action="Open one next to the viewport.",
        )
    before = area.ui_type
    try:
        if area.type != "IMAGE_EDITOR":
            area.ui_type = "IMAGE_EDITOR"
        region = next(one for one in area.regions if one.type == "WINDOW")
        with context.temp_override(area=area, region=region):
            yield
    finally:
        if area.ui_type != before:
            area.ui_type = before


def encoded(image: bpy.types.Image, scene: bpy.types.Scene) -> bytes:
    """An image of the .blend as a file: its own, where it is one that models take; else a PNG as
    it is shown. Raises ImageError for an image without pixels.
    """
    import tempfile

    own = _own_file(image)
    if own is not None:
        return own
    if image.type != "RENDER_RESULT" and not image.has_data:
        image.update()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.png"
        settings = scene.render.image_settings
        kept = {
            name: getattr(settings, name)
            for name in ("media_type", "file_format", "color_mode", "color_depth")
            if hasattr(settings, name)
        }
        try:
            if "media_type" in kept:
                settings.media_type = "IMAGE"
            settings.file_format, settings.color_mode = "PNG", "RGBA"
            settings.color_depth = "8"
            image.save_render(str(path), scene=scene)
        except RuntimeError as error:
            raise ImageError(
                f'The image "{image.name}" has no pixels.', action="Render or load it first."
            ) from error
        finally:
            for name, value in kept.items():
                setattr(settings, name, value)
        return images.read_file(path)


def _own_file(image: bpy.types.Image) -> bytes | None:
    """The bytes of an untouched PNG, JPEG or WebP, packed or on the disk."""
    if image.source != "FILE" or image.is_dirty:
        return None
    data: bytes | None = None
    if image.packed_file is not None:
        data = image.packed_file.data  # pyright: ignore
    elif image.filepath:
        try:
            data = images.read_file(Path(bpy.path.abspath(image.filepath)))
        except (StorageError, ImageError):
            return None
    try:
        if data is not None:
            images.probe(data, image.name)
    except GenAIError:
        return None
    return data


_CLASSES = (
    GENAI_RENDER_OT_reference_file,
    GENAI_RENDER_OT_reference_image,
    GENAI_RENDER_OT_use_as_reference,
    GENAI_RENDER_OT_reference_paste,
    GENAI_RENDER_OT_reference_clear,
    GENAI_RENDER_OT_reference_swap,
    GENAI_RENDER_FH_picture,
)

register, unregister = bpy.utils.register_classes_factory(_CLASSES)
