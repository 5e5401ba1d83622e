# SPDX-License-Identifier: GPL-3.0-or-later
"""What the list of models shows, in the window manager: filled whenever that changes, since
Blender lets nothing be written while it draws."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import CollectionProperty, EnumProperty, IntProperty, PointerProperty, StringProperty
from bpy.types import PropertyGroup

from ...core.models import model_picker
from ...core.models.tasks import SHELVES
from .. import catalog
from . import scene_settings
from .choices import MODEL
from .model_marks import marks

if TYPE_CHECKING:
    from ...core.models.catalog import Model

_NO_ROW = -1


def _changed(self: Any, context: bpy.types.Context) -> None:
    fill()


def _get_index(self: Any) -> int:
    chosen = MODEL.id_of(scene_settings.settings())
    return next((at for at, row in enumerate(self.rows) if row.name == chosen), _NO_ROW)


def _set_index(self: Any, index: int) -> None:
    """A click beside the words of a row means the row, too."""
    if 0 <= index < len(self.rows) and index != _get_index(self):
        bpy.ops.genai_render.use_model("EXEC_DEFAULT", True, model=self.rows[index].name)


class GenAIModelRow(PropertyGroup):
    """A model in the list: its id is its name."""


class GenAIModelRows(PropertyGroup):
    """The list of models as it is shown."""

    shelf: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Show",
        description="Which models to show",
        items=[
            ("all", SHELVES["all"], "Everything that can be used", "WORLD", 0),
            ("favorites", SHELVES["favorites"], "Those that you marked", "SOLO_ON", 1),
            ("recent", SHELVES["recent"], "Those that you used last", "TIME", 2),
            ("geometry", SHELVES["geometry"], "For images that hold to the view", "MESH_CUBE", 3),
            ("restyle", SHELVES["restyle"], "For images that leave the view", "BRUSH_DATA", 4),
            ("edit", SHELVES["edit"], "For changes to an image that is there", "GREASEPENCIL", 5),
            ("text", SHELVES["text"], "For signs, labels and posters", "FONT_DATA", 6),
            ("fast", SHELVES["fast"], "For quick looks", "PLAY", 7),
            ("cheap", SHELVES["cheap"], "For many images", "TRIA_DOWN", 8),
            ("cutout", SHELVES["cutout"], "For things without what is behind", "IMAGE_ALPHA", 9),
            ("upscale", SHELVES["upscale"], "For more pixels of an image", "FULLSCREEN_ENTER", 10),
        ],
        update=_changed,
        options={"SKIP_SAVE"},
    )
    search: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Search",
        description="Words of the name, the provider, or what a model is good for",
        update=_changed,
        options={"SKIP_SAVE", "TEXTEDIT_UPDATE"},
    )
    rows: CollectionProperty(type=GenAIModelRow, options={"SKIP_SAVE"})  # pyright: ignore[reportInvalidTypeForm]
    index: IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Model", get=_get_index, set=_set_index, options={"SKIP_SAVE"}
    )


def rows() -> Any:
    """The GenAIModelRows."""
    return bpy.context.window_manager.genai_render_models


def shown() -> "list[Model]":
    """The models of the group that is chosen, with the words that are looked for."""
    known, state = catalog.catalog(), rows()
    return model_picker.found(
        known, model_picker.on_shelf(known, state.shelf, marks().known), state.search
    )


def fill() -> None:
    """Show what is to be shown now."""
    state = rows()
    state.rows.clear()
    for model in shown():
        state.rows.add().name = model.id


_CLASSES = (GenAIModelRow, GenAIModelRows)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.WindowManager.genai_render_models = PointerProperty(type=GenAIModelRows)


def unregister() -> None:
    del bpy.types.WindowManager.genai_render_models
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
