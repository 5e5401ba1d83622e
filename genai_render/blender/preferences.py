# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences, as Blender keeps and shows them.

Others ask `addon.preferences()` for them; nothing imports this.
"""

# Not `from __future__ import annotations`: Blender would compile each when it registers a class.
import bpy

from . import addon, catalog, keymaps, redraw
from .connections import own_servers, providers
from .jobs import session
from .panels import connections as connection_panels
from .panels import log as log_panel
from .panels import model_picker, spending
from .panels import servers as server_panels
from .panels.wrapping import wrapped


def _models_changed(self: bpy.types.AddonPreferences, context: bpy.types.Context) -> None:
    catalog.reload()


def _session_changed(self: bpy.types.AddonPreferences, context: bpy.types.Context) -> None:
    current = session.opened()
    if current is None or not current.works():
        session.reopen()


def _limit_changed(self: bpy.types.AddonPreferences, context: bpy.types.Context) -> None:
    redraw.sidebars()


class GenAIRenderPreferences(
    providers.ConnectionSettings, providers.CloudConnections, bpy.types.AddonPreferences
):
    bl_idname = addon.PACKAGE

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
        type=own_servers.GenAIOwnServer
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
    knows_consent: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Knows About Consent",
        description="The note on the use of other people's faces has been read",
        options={"HIDDEN"},
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
    live_limit: bpy.props.FloatProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Live Render per Minute (USD)",
        description="US dollars that the live render may spend in any minute. At 0 it uses only "
        "what costs nothing",
        min=0.0,
        default=0.0,
        precision=2,
    )
    show_result: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Show Results over the View",
        description="Draw a new image over the viewport that it was made from",
        default=True,
    )
    scene_limit: bpy.props.FloatProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Mark Images That Are Off By",
        description="Images whose edges lie farther than that from the scene that they were made "
        "from are marked. 0 marks none",
        min=0.0,
        soft_max=64.0,
        default=6.0,
        precision=1,
        subtype="PIXEL",
    )
    scene_again: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Make Those Once More",
        description="An image that is off by more is made again with another seed, once and within "
        "the limits on what may be spent",
        default=False,
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
            connection_panels.draw(layout, context, self)
            server_panels.draw_preferences(layout, context, self)
            model_picker.draw_refresh(layout.column(), context)
            connection_panels.draw_network(layout, self)
        elif self.show == "COST":
            self._draw_limits(layout)
            spending.draw(layout, context)
        elif self.show == "WORK":
            self._draw_work(layout, context)
        else:
            keymaps.draw(layout, context)

    def _draw_limits(self, layout: bpy.types.UILayout) -> None:
        for limit, value in (("use_max_cost", "max_cost"), ("use_month_budget", "month_budget")):
            row = layout.row(heading=self.bl_rna.properties[limit].name)
            row.prop(self, limit, text="")
            number = row.row()
            number.active = getattr(self, limit)
            number.prop(self, value, text="USD")
        layout.prop(self, "live_limit")

    def _draw_work(self, layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
        folder = addon.default_history_folder(create=False)
        layout.prop(self, "history_folder", placeholder=str(folder))
        layout.prop(self, "models_file")
        split = layout.split(factor=0.4)
        name = split.row()
        name.alignment = "RIGHT"
        name.label(text="Packs")
        row = split.row(align=True)
        row.operator("genai_render.open_packs", icon="FILE_FOLDER")
        row.operator("genai_render.read_models", text="", icon="FILE_REFRESH")
        problem = catalog.models_problem()
        if problem:
            column = layout.column()
            column.alert = True
            wrapped(column, context, problem, icon="ERROR")
        layout.prop(self, "parallel_jobs")
        layout.prop(self, "show_result")
        layout.prop(self, "scene_limit")
        again = layout.row()
        again.enabled = self.scene_limit > 0
        again.prop(self, "scene_again")
        layout.prop(self, "live_size")
        log_panel.draw(layout)


_CLASSES = (*providers.CLASSES, *own_servers.CLASSES, GenAIRenderPreferences)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
