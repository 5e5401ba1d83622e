# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences, and what they decide: where History lives, which files add models."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..backends.base import backend_info
from ..backends.http.settings import BackendSettings, endpoint_name
from ..core import catalog
from ..core.catalog import Catalog, Model
from ..core.errors import GenAIError, StorageError
from . import redraw
from .connections import keys, providers
from .connections import own_servers as server_preferences

PACKAGE = (__package__ or "genai_render").removesuffix(".blender")
"""`bl_ext.<repository>.genai_render` in Blender, `genai_render` with the bpy module."""


def _models_changed(self: bpy.types.AddonPreferences, context: bpy.types.Context) -> None:
    from .settings import properties

    properties.reload_catalog()


def _session_changed(self: bpy.types.AddonPreferences, context: bpy.types.Context) -> None:
    from .jobs import session

    current = session.opened()
    if current is None or not current.works():
        session.reopen()


def _limit_changed(self: bpy.types.AddonPreferences, context: bpy.types.Context) -> None:
    redraw.sidebars()


class GenAIRenderPreferences(
    providers.ConnectionSettings,
    providers.CloudConnections,
    bpy.types.AddonPreferences,
):
    bl_idname = PACKAGE

    show: bpy.props.EnumProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Show",
        description="Which of the preferences to show",
        items=[
            ("SERVICES", "Services", "Providers, servers and their keys"),
            ("COST", "Cost", "Budgets, and what was spent"),
            ("WORK", "Work", "Folders, models and the viewport"),
            ("KEYS", "Shortcuts", "Keys of the keyboard"),
        ],
        options={"SKIP_SAVE"},
    )
    tables: bpy.props.CollectionProperty(  # pyright: ignore[reportInvalidTypeForm]
        type=providers.GenAITableConnection
    )
    servers: bpy.props.CollectionProperty(  # pyright: ignore[reportInvalidTypeForm]
        type=providers.GenAIServerConnection
    )

    own_servers: bpy.props.CollectionProperty(  # pyright: ignore[reportInvalidTypeForm]
        type=server_preferences.GenAIOwnServer
    )
    workflow_folder: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Workflows",
        description="A folder with workflows of your own, exported from ComfyUI in API format",
        subtype="DIR_PATH",
        update=_models_changed,
    )

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
        update=_limit_changed,
    )
    max_cost: bpy.props.FloatProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="At Most (USD)",
        description="US dollars that one press of Generate may cost",
        update=_limit_changed,
        min=0.0,
        default=1.0,
        precision=2,
    )
    use_month_budget: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Limit the Cost of a Month",
        description="Refuse to send what would bring this month's sum above a budget",
        update=_limit_changed,
    )
    month_budget: bpy.props.FloatProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Budget (USD)",
        description="US dollars that all requests of a calendar month may cost together",
        update=_limit_changed,
        min=0.0,
        default=20.0,
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

    @property
    def run_limit(self) -> float | None:
        """US dollars for one request; None for no limit."""
        return self.max_cost if self.use_max_cost else None

    @property
    def month_limit(self) -> float | None:
        """US dollars for a calendar month; None for no limit."""
        return self.month_budget if self.use_month_budget else None

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.row().prop(self, "show", expand=True)
        layout.use_property_split = True
        layout.use_property_decorate = False
        if self.show == "SERVICES":
            from .panels import connections as shown

            shown.draw(layout, context, self)
            server_preferences.draw(layout, context, self)
            shown.draw_network(layout, self)
        elif self.show == "COST":
            from .panels import spending

            for limit, value in (
                ("use_max_cost", "max_cost"),
                ("use_month_budget", "month_budget"),
            ):
                row = layout.row(heading=self.bl_rna.properties[limit].name)
                row.prop(self, limit, text="")
                number = row.row()
                number.active = getattr(self, limit)
                number.prop(self, value, text="USD")
            spending.draw(layout, context)
        elif self.show == "WORK":
            folder = default_history_folder(create=False)
            layout.prop(self, "history_folder", placeholder=str(folder))
            layout.prop(self, "models_file")
            problem = models_problem()
            if problem:
                from .panels.wrapping import wrapped

                column = layout.column()
                column.alert = True
                wrapped(column, context, problem, icon="ERROR")
            layout.prop(self, "parallel_jobs")
            layout.prop(self, "show_result")
            layout.prop(self, "live_size")
        else:
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
    """The models and styles that ship, with the user's own file and servers over them.

    Raises StorageError or InvalidInput for a file that cannot be used.
    """
    prefs = preferences()
    files = catalog.files_in_environment()
    if prefs is not None and prefs.models_file:
        files.append(Path(bpy.path.abspath(prefs.models_file)))
    packs = user_folder(catalog.PACKS_FOLDER, create=False)
    if packs.is_dir():
        files.append(packs)
    known = catalog.load(files) if files else catalog.shipped()
    if prefs is None:
        return server_preferences.with_models(known, None)
    return _with_servers(known, prefs)


_models_problem = ""


def usable_catalog() -> Catalog:
    """As `load_catalog`, without a file that cannot be used: `models_problem` says why."""
    global _models_problem
    try:
        known, _models_problem = load_catalog(), ""
    except GenAIError as error:
        known, _models_problem = catalog.shipped(), error.text
        prefs = preferences()
        if prefs is not None:
            known = _with_servers(known, prefs)
    return known


def models_problem() -> str:
    """Why the user's own models are left out; "" if they are not."""
    return _models_problem


def _with_servers(known: Catalog, prefs: GenAIRenderPreferences) -> Catalog:
    for id in providers.CLOUD:
        known = known.plus(getattr(prefs, id).catalog_models(known))
    for table in prefs.tables:
        if table.name in known.providers:
            known = known.plus(table.catalog_models(known))
    known = known.plus(model for server in prefs.servers for model in server.catalog_models())
    return server_preferences.with_models(known, prefs)


def backend_settings(known: Catalog, model: Model | None = None) -> BackendSettings:
    """What a backend has to know of Blender and the preferences, as plain data for its thread.

    model: the one that it is for. Raises InvalidInput where its connection is set up wrongly.
    Without the add-on's preferences (`python -m genai_render`), the environment decides.
    """
    prefs = preferences()
    endpoints = {}
    if prefs is not None and model is not None:
        name = endpoint_name(model)
        for one in providers.all_connections(prefs):
            if one.endpoint == name:
                endpoints[name] = one.to_endpoint(prefs)
        if not endpoints and backend_info(model.backend).kind == "compatible":
            # A provider or a profile of the user's models file that has nothing here: its address
            # is in that file, and it is reached as everything is.
            endpoints[name] = providers.plain_endpoint(prefs)
        endpoints |= server_preferences.endpoints(prefs, model.backend)
    return BackendSettings(
        online_access=bpy.app.online_access,
        endpoints=endpoints,
        catalog=known,
        credentials=keys.credentials,
    )


_CLASSES = (*providers.CLASSES, *server_preferences.CLASSES, GenAIRenderPreferences)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
