# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences, and what they decide: where History lives, which files add models."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..backends.settings import BackendSettings
from ..core import catalog
from ..core.catalog import Catalog
from ..core.errors import StorageError

PACKAGE = (__package__ or "genai_render").removesuffix(".blender")
"""`bl_ext.<repository>.genai_render` in Blender, `genai_render` with the bpy module."""


def _models_changed(self: bpy.types.AddonPreferences, context: bpy.types.Context) -> None:
    from . import properties

    properties.reload_catalog()


def _session_changed(self: bpy.types.AddonPreferences, context: bpy.types.Context) -> None:
    from . import session

    current = session.opened()
    if current is None or not current.works():
        session.reopen()


class GenAIRenderPreferences(bpy.types.AddonPreferences):
    bl_idname = PACKAGE

    history_folder: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="History Folder",
        description="Where results are kept. Empty for the extension's own folder",
        subtype="DIR_PATH",
        update=_session_changed,
    )
    models_file: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="More Models",
        description="A TOML file with models and styles of your own, in the form of the ones "
        "that ship",
        subtype="FILE_PATH",
        update=_models_changed,
    )
    parallel_jobs: bpy.props.IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Jobs at Once",
        description="How many images are made at the same time, the others wait for their turn",
        min=1,
        max=8,
        default=2,
        update=_session_changed,
    )
    use_max_cost: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Limit the Cost of a Request",
        description="Refuse to send what is estimated to cost more",
    )
    max_cost: bpy.props.FloatProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="At Most (USD)",
        description="US dollars that one press of Generate may cost",
        min=0.0,
        default=1.0,
        precision=2,
    )
    show_result: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Show Results over the View",
        description="Draw a new image over the viewport that it was made from",
        default=True,
    )
    live_size: bpy.props.IntProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Live View Size",
        description="Pixels on the longer side of the view's picture in the panel",
        min=64,
        max=512,
        default=256,
        subtype="PIXEL",
    )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "history_folder", placeholder=str(default_history_folder(create=False)))
        layout.prop(self, "models_file")
        layout.prop(self, "parallel_jobs")
        column = layout.column(heading="Cost", align=True)
        row = column.row(align=True)
        row.prop(self, "use_max_cost", text="")
        value = row.row()
        value.active = self.use_max_cost
        value.prop(self, "max_cost", text="At Most (USD)")
        layout.prop(self, "show_result")
        layout.prop(self, "live_size")
        from . import keymaps

        keymaps.draw(layout, context)


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


def backend_settings(known: Catalog) -> BackendSettings:
    """What a backend has to know of Blender, as plain data for its thread."""
    return BackendSettings(online_access=bpy.app.online_access, catalog=known)


def register() -> None:
    bpy.utils.register_class(GenAIRenderPreferences)


def unregister() -> None:
    bpy.utils.unregister_class(GenAIRenderPreferences)
