# SPDX-License-Identifier: GPL-3.0-or-later
"""What was spent: in this run of Blender, this month, and for the open file."""

from __future__ import annotations

from typing import Any

import bpy

from ...core.errors import GenAIError
from ...core.models import cost
from .. import addon
from ..jobs import session
from ..settings import choices, scene_settings
from ..translation import translated
from .main import SidebarPanel
from .wrapping import wrapped


class GENAI_RENDER_PT_spending(SidebarPanel, bpy.types.Panel):
    bl_idname = "GENAI_RENDER_PT_spending"
    bl_label = "Cost"
    bl_order = 6
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return session.opened() is not None

    def draw(self, context: bpy.types.Context) -> None:
        draw(self.layout, context)
        _draw_source(self.layout, context)


def _draw_source(layout: Any, context: Any) -> None:
    """Where the prices of the chosen model are from, and of when."""
    model = choices.known_model(scene_settings.settings(context))
    if model is None:
        return
    column = layout.column()
    column.active = False
    seen = session.correction(model.id).text
    if seen:
        wrapped(column, context, f"{seen}.", icon="INFO")
    if model.price is None:
        wrapped(column, context, f"What {model.label} costs is not known.")
    elif model.price.source:
        parts = (translated(model.price.source), model.price.date)
        text = ", ".join(part for part in parts if part)
        wrapped(column, context, f"Prices of {model.label}: {text}")


def draw(layout: Any, context: Any) -> None:
    """The sums, and what is left of this month's budget."""
    try:
        current = session.session()
        spent = current.spending()
    except GenAIError as error:
        layout.label(text=translated(error.what), icon="ERROR", translate=False)
        return
    rows = [
        ("This Session", cost.dollars(spent.session)),
        ("This Month", cost.dollars(spent.month)),
    ]
    if bpy.data.filepath:
        rows.append((bpy.path.basename(bpy.data.filepath), cost.dollars(spent.blend)))
    on_its_way = current.gate.coming
    if on_its_way:
        rows.append(("On Its Way", f"about {cost.dollars(on_its_way)}"))
    prefs = addon.preferences()
    if prefs is not None and prefs.month_limit is not None:
        left = max(0.0, prefs.month_limit - spent.month - on_its_way)
        rows.append(
            ("Left of the Budget", f"{cost.dollars(left)} of {cost.dollars(prefs.month_limit)}")
        )
    column = layout.column(align=True)
    for name, value in ((translated(name), translated(value)) for name, value in rows):
        row = column.split(factor=0.5)
        row.label(text=name, translate=False)
        row.label(text=value, translate=False)


register, unregister = bpy.utils.register_classes_factory((GENAI_RENDER_PT_spending,))
