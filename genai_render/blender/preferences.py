# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences, and what they decide: where History lives, which files add models."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..core import catalog
from ..core.catalog import Catalog
from ..core.errors import StorageError

PACKAGE = (__package__ or "genai_render").removesuffix(".blender")
"""`bl_ext.<repository>.genai_render` in Blender, `genai_render` with the bpy module."""


class GenAIRenderPreferences(bpy.types.AddonPreferences):
    bl_idname = PACKAGE

    history_folder: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="History Folder",
        description="Where results are kept. Empty for the extension's own folder",
        subtype="DIR_PATH",
    )
    models_file: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="More Models",
        description="A TOML file with models and styles of your own, in the form of the ones "
        "that ship",
        subtype="FILE_PATH",
    )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "history_folder", placeholder=str(default_history_folder(create=False)))
        layout.prop(self, "models_file")


def preferences() -> GenAIRenderPreferences | None:
    """None where the add-on is not enabled, as in `python -m genai_render`."""
    addon = bpy.context.preferences.addons.get(PACKAGE)
    return None if addon is None else addon.preferences  # pyright: ignore[reportReturnType]


def user_folder(name: str, create: bool = True) -> Path:
    """A folder that Blender keeps for this extension, the same with and without a window."""
    try:
        folder = bpy.utils.extension_path_user(PACKAGE, path=name, create=create)
    except ValueError:
        # With the bpy module we are no extension: share the folder of the one that is installed.
        folder = bpy.utils.user_resource(
            "EXTENSIONS", path=f".user/user_default/genai_render/{name}", create=create
        )
    if not folder:
        raise StorageError(
            "Blender has no folder for this extension's data.",
            action="Choose a History folder in the add-on's preferences, or give --history.",
        )
    return Path(folder)


def default_history_folder(create: bool = True) -> Path:
    """Where History lives if the preferences say nothing."""
    return user_folder("history", create)


def history_folder() -> Path:
    """What the preferences say, else the default."""
    prefs = preferences()
    if prefs is not None and prefs.history_folder:
        return Path(bpy.path.abspath(prefs.history_folder))
    return default_history_folder()


def load_catalog() -> Catalog:
    """The models and styles that ship, with the user's own file over them."""
    prefs = preferences()
    if prefs is not None and prefs.models_file:
        return catalog.load([Path(bpy.path.abspath(prefs.models_file))])
    return catalog.shipped()


def register() -> None:
    bpy.utils.register_class(GenAIRenderPreferences)


def unregister() -> None:
    bpy.utils.unregister_class(GenAIRenderPreferences)
