# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel shows, kept in the window manager: nothing that makes an image."""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import PropertyGroup

from .. import addon, redraw
from ..translation import CONTEXT


class Paging:
    """Where in History the pages begin that are shown; what there is decides how far it can go.

    start: how many images come before. size: how many are on the page that was drawn last.
    """

    def __init__(self) -> None:
        self.start = 0
        self.size = 12

    @property
    def number(self) -> int:
        """From 1."""
        return self.start // self.size + 1

    def go_to(self, number: int) -> None:
        self.start = max(0, number - 1) * self.size
        redraw.sidebars()

    def close(self) -> None:
        pass


def paging() -> Paging:
    return addon.state(Paging)


def _get_page(self: Any) -> int:
    return paging().number


def _set_page(self: Any, number: int) -> None:
    paging().go_to(number)


def _overlay_changed(self: Any, context: bpy.types.Context) -> None:
    redraw.viewports()


class LiveSwitch:
    """Who is told when the live render is switched on or off."""

    def __init__(self) -> None:
        self.told: Callable[[bpy.types.Context], object] = lambda _: None

    def close(self) -> None:
        pass


def _live_render_changed(self: Any, context: bpy.types.Context) -> None:
    addon.state(LiveSwitch).told(context)


class GenAIWindow(PropertyGroup):
    """What the panel shows: nothing that makes an image."""

    canvas_view: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Show",
        description="What of the view to show in the panel",
        items=[
            ("COLOR", "Color", "The view as it looks", "SHADING_TEXTURE", 0),
            ("DEPTH", "Depth", "How far away everything is, near is white", "DRIVER_DISTANCE", 1),
            ("NORMAL", "Normals", "Which way every surface faces", "NORMALS_FACE", 2),
        ],
        options={"SKIP_SAVE"},
    )
    show_live: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Live",
        description="Keep the picture of the view up to date while you work",
        default=True,
        options={"SKIP_SAVE"},
    )
    show_frame: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Show Frame",
        description="Draw over the viewport what will be in the image",
        default=True,
        update=_overlay_changed,
        options={"SKIP_SAVE"},
    )
    live_render: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Live Render",
        description="Show a picture that follows the view. The offline engine draws it as you "
        "turn the view; other models are asked when it rests, within the limit per minute",
        update=_live_render_changed,
        options={"SKIP_SAVE"},
    )
    wipe: FloatProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Wipe",
        description="How much of the frame the image covers, the live scene is to the right",
        min=0.0,
        max=1.0,
        default=1.0,
        subtype="FACTOR",
        update=_overlay_changed,
        options={"SKIP_SAVE"},
    )
    show_heat: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Where It Left the Scene",
        description="Color the image over the view: green where its edges lie on those of the "
        "scene, red where they are off by the limit of the preferences or were not found",
        update=_overlay_changed,
        options={"SKIP_SAVE"},
    )
    opacity: FloatProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Opacity",
        description="How much the image hides of the scene behind it",
        min=0.0,
        max=1.0,
        default=1.0,
        subtype="FACTOR",
        update=_overlay_changed,
        options={"SKIP_SAVE"},
    )
    search: StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Search",
        translation_context=CONTEXT,
        description="Words of the prompt, model, style, file, scene or camera",
        options={"SKIP_SAVE", "TEXTEDIT_UPDATE"},
    )
    only_favourites: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Favorites",
        description="Show only what you marked",
        options={"SKIP_SAVE"},
    )
    only_this_file: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="This File",
        description="Show only what was made from this .blend file",
        options={"SKIP_SAVE"},
    )
    only_style: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="This Style",
        description="Show only what was made in the style that is chosen now",
        options={"SKIP_SAVE"},
    )
    only_model: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="This Model",
        description="Show only what was made with the model that is chosen now",
        options={"SKIP_SAVE"},
    )
    only_last: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Last of Each Line",
        description="Leave out images from which others were made by an edit: they stand under the "
        "image that came of them",
        options={"SKIP_SAVE"},
    )
    only_pack: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="This Pack",
        description="Show only the shots of the pack that is chosen now",
        options={"SKIP_SAVE"},
    )
    period: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="From",
        description="How far back to look",
        items=[
            ("ALL", "Any Time", "Everything"),
            ("DAY", "Today", "Since midnight"),
            ("WEEK", "7 Days", "The last seven days"),
            ("MONTH", "30 Days", "The last thirty days"),
        ],
        options={"SKIP_SAVE"},
    )
    show_bin: BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Deleted",
        description="Show what was deleted, to restore it",
        options={"SKIP_SAVE"},
    )
    layout: EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Layout",
        translation_context=CONTEXT,
        description="How History is shown",
        items=[
            ("GRID", "Grid", "Pictures", "IMGDISPLAY", 0),
            ("LIST", "List", "Small pictures with their prompts", "LONGDISPLAY", 1),
        ],
        options={"SKIP_SAVE"},
    )
    history_page: IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Page",
        description="Which page of History is shown. Drag to leaf through it",
        min=1,
        soft_max=1000,
        get=_get_page,
        set=_set_page,
        options={"SKIP_SAVE"},
    )
    selected: StringProperty(options={"SKIP_SAVE", "HIDDEN"})  # pyright: ignore[reportInvalidTypeForm]


def window(context: bpy.types.Context | None = None) -> Any:
    """The GenAIWindow."""
    return (context or bpy.context).window_manager.genai_render


def register() -> None:
    bpy.utils.register_class(GenAIWindow)
    bpy.types.WindowManager.genai_render = PointerProperty(type=GenAIWindow)


def unregister() -> None:
    del bpy.types.WindowManager.genai_render
    bpy.utils.unregister_class(GenAIWindow)
