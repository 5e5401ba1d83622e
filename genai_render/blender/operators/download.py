# SPDX-License-Identifier: GPL-3.0-or-later
"""Save an image of History as a file of the user's."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportOptionalMemberAccess=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from bpy_extras.io_utils import ExportHelper

from ...core.errors import GenAIError, StorageError
from ...core.files import file_names
from .. import addon, background, redraw
from ..jobs import history_page, session
from ..settings import window_state
from ..translation import translated
from .reporting import ItemOperator, attempt
from .results import sensible_name

_KNOWN = (".png", ".webp", ".jpg", ".jpeg", ".mp4", ".webm", ".glb")
_SUFFIXES = {"ORIGINAL": "", "PNG": ".png", "WEBP": ".webp", "JPEG": ".jpg"}


class _LastFolder:
    """Where the last image was saved, in this run of Blender."""

    def __init__(self) -> None:
        self.path = ""

    def close(self) -> None:
        pass


def _save_in_background(name: str, save: Callable[[], None]) -> None:
    """An image of 4K takes seconds to encode."""

    def work() -> GenAIError | None:
        try:
            save()
        except GenAIError as error:
            return error
        return None

    def then(error: GenAIError | None) -> None:
        current = session.opened()
        if current is not None:
            current.tell(f'Saved "{name}"' if error is None else error.text, error is not None)
            redraw.sidebars()

    background.run(work, then, must_finish=True)


class GENAI_RENDER_OT_download(bpy.types.Operator, ExportHelper):
    """Save the image as a file"""

    bl_idname = "genai_render.download"
    bl_label = "Download Image"
    bl_options = {"REGISTER"}

    id: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]
    filename_ext = ".png"
    _from_window = False
    check_extension = None
    filter_glob: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        default="*.png;*.webp;*.jpg;*.jpeg;*.mp4;*.webm;*.glb", options={"HIDDEN"}
    )
    format: bpy.props.EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Format",
        items=[
            ("ORIGINAL", "Original", "The file as it was made, with nothing changed"),
            ("PNG", "PNG", "Without loss"),
            ("WEBP", "WebP", "Small"),
            ("JPEG", "JPEG", "Opens everywhere, no transparency"),
        ],
    )
    quality: bpy.props.IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Quality",
        description="Of WebP and JPEG: higher is larger and nearer to the original",
        min=1,
        max=100,
        default=92,
        subtype="PERCENTAGE",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return ItemOperator.poll.__func__(cls, context)  # pyright: ignore

    def _item(self, context: bpy.types.Context) -> Any:
        return history_page.item(self.id or window_state.window(context).selected)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # pyright: ignore
        item = self._item(context)
        if item is None or item.image_path is None:
            self.report({"ERROR"}, "This image is not in History any more.")
            return {"CANCELLED"}
        made = item.media_path or item.image_path
        name = file_names.file_name(sensible_name(item), made.suffix)
        self._from_window = True
        folder = addon.state(_LastFolder).path
        self.filepath = str(Path(folder) / name) if folder else name
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def check(self, context: bpy.types.Context) -> bool:
        """The name's ending follows the format."""
        item = self._item(context)
        if item is None or item.image_path is None:
            return False
        suffix = _SUFFIXES[self.format] or item.image_path.suffix
        if item.media_path is not None:
            suffix = item.media_path.suffix
        path = Path(self.filepath)
        known = path.suffix.lower() in _KNOWN
        stem = path.stem if known else path.name
        wanted = str(path.parent / file_names.file_name(stem, suffix))
        changed, self.filepath = wanted != self.filepath, wanted
        return changed

    def execute(self, context: bpy.types.Context) -> set[str]:  # pyright: ignore
        return attempt(self, lambda: self._save(context))

    def _save(self, context: bpy.types.Context) -> set[str]:
        item = self._item(context)
        if item is None:
            raise StorageError("This image is not in History any more.")
        self.check(context)
        path = Path(bpy.path.abspath(self.filepath))
        format = None if self.format == "ORIGINAL" else self.format.lower()
        store, quality = session.session().store, self.quality

        def save() -> None:
            if item.media_path is not None:
                from ...core.history import kept_media

                kept_media.export(store, item.id, path)
                return
            store.export(item.id, path, format=format, quality=quality)  # pyright: ignore

        addon.state(_LastFolder).path = str(path.parent)
        if self._from_window:
            _save_in_background(path.name, save)
            return {"FINISHED"}
        save()  # a script goes on when the file is there
        self.report({"INFO"}, translated(f'Saved "{path.name}"', "reports"))
        return {"FINISHED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        item = self._item(context)
        if item is not None and item.media_path is not None:
            return  # a clip or a 3D model is saved as it came
        layout.prop(self, "format")
        row = layout.row()
        row.active = self.format in ("WEBP", "JPEG")
        row.prop(self, "quality", slider=True)


_CLASSES = (GENAI_RENDER_OT_download,)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
