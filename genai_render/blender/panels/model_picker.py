# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of models in a pop-up: groups, a search, rows, and all about the chosen one."""

# Blender's stubs do not know what a list always has.
# pyright: reportArgumentType=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ...core.models import input_maps
from ...core.models import model_picker as facts_of
from ...core.models.tasks import TASKS
from .. import catalog
from ..connections import model_access, model_refresh
from ..jobs import model_facts, session
from ..settings import choices, model_rows, scene_settings
from ..settings.model_marks import marks
from .wrapping import wrapped

if TYPE_CHECKING:
    from ...core.models.catalog import Model

_WIDEST = 860
_SHELVES = 0.2  # of the width
_NAMES = 0.44  # of a row
_ROWS = 14
_TITLES = ("Cost as Set Now", "Speed", "Sizes, References")


def width(context: bpy.types.Context) -> int:
    window: Any = context.window
    return round(min(_WIDEST, window.width / context.preferences.system.ui_scale * 0.9))


class GENAI_RENDER_UL_models(bpy.types.UIList):
    bl_idname = "GENAI_RENDER_UL_models"

    def draw_item(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        context: Any,
        layout: Any,
        data: Any,
        item: Any,
        icon: Any,
        active_data: Any,
        active_property: Any,
    ) -> None:
        model = catalog.catalog().models.get(item.name)
        if model is None:  # the catalogue is another one by now
            return
        row = layout.row(align=True)
        draw_star(row, model)
        split = row.split(factor=_NAMES)
        name = split.row()
        name.alignment = "LEFT"
        name.operator(
            "genai_render.use_model",
            text=model.label,
            icon=_icon(model),
            emboss=False,
            translate=False,
        ).model = model.id
        price, speed, taken = _columns(split)
        price.label(text=model_facts.price(context, model), translate=False)
        speed.label(text=model.speed, translate=False)
        taken.label(text=f"{facts_of.sizes(model)}, {model.max_references}", translate=False)

    def draw_filter(self, context: Any, layout: Any) -> None:
        """The search stands above the list."""

    def filter_items(self, context: Any, data: Any, property: str) -> Any:
        return [], []


def _icon(model: Model) -> str:
    if model_access.needs_key(model):
        return "LOCKED"
    return "URL" if model.online else "DISK_DRIVE"


def draw_star(row: Any, model: Model) -> None:
    is_favorite = model.id in marks().known.favorites
    row.operator(
        "genai_render.favourite_model",
        text="",
        icon="SOLO_ON" if is_favorite else "SOLO_OFF",
        emboss=False,
    ).model = model.id


def draw(layout: Any, context: bpy.types.Context, pixels: int) -> None:
    state = model_rows.rows()
    split = layout.split(factor=_SHELVES)
    split.column(align=True).prop(state, "shelf", expand=True)
    column = split.column()
    row = column.row(align=True)
    row.prop(state, "search", text="", icon="VIEWZOOM", placeholder="Search")
    pixels = round(pixels * (1 - _SHELVES))
    if not len(state.rows):
        column.label(text=_nothing(state), icon="INFO")
    else:
        _draw_recommended(column, context, state)
        _draw_titles(column)
        column.template_list(
            *("GENAI_RENDER_UL_models", "", state, "rows", state, "index"),
            rows=_ROWS,
            maxrows=_ROWS,
        )
    model = choices.known_model(scene_settings.settings(context))
    if model is not None:
        _draw_chosen(column.box(), context, model, pixels)
    draw_refresh(column, context, pixels)


def _columns(split: Any) -> tuple[Any, Any, Any]:
    """For cost, speed, and what it takes."""
    first = split.split(factor=0.3)
    first.active = False
    price = first.row()
    second = first.split(factor=0.55)
    return price, second.row(), second.row()


def _draw_titles(column: Any) -> None:
    row = column.row(align=True)
    row.active = False
    row.separator(factor=4.0)
    split = row.split(factor=_NAMES)
    split.label(text="Model")
    for column, title in zip(_columns(split), _TITLES, strict=True):
        column.label(text=title)
    row.separator(factor=2.0)


def _nothing(state: Any) -> str:
    if state.search:
        return "No model has these words"
    if state.shelf == "favorites":
        return "Mark a model with its star, and it stands here"
    if state.shelf == "recent":
        return "Models that you have made images with stand here"
    return "There is no model for this"


def _draw_recommended(column: Any, context: Any, state: Any) -> None:
    """The first for the task that can be used right away; else the first."""
    if state.shelf not in TASKS or state.search:
        return
    shown = [catalog.catalog().models[row.name] for row in state.rows]
    ready = [model for model in shown if not model_access.needs_key(model)]
    best = (ready or shown)[0]
    row = column.row(align=True)
    text = f"Recommended: {best.label}, {model_facts.price(context, best)}"
    row.operator(
        "genai_render.use_model", text=text, icon="CHECKMARK", translate=False
    ).model = best.id


def _draw_chosen(box: Any, context: Any, model: Model, pixels: int) -> None:
    """As high for every model but one with something unusual to say, or the list would move away
    from below the mouse."""
    row = box.row(align=True)
    row.label(text=model.label, icon=_icon(model), translate=False)
    draw_star(row, model)
    column = box.column(align=True)
    about = f"{model.description}." + (f" Good for: {model.good_for}." if model.good_for else "")
    wrapped(column, context, about, width=pixels, least=2)
    dim = column.column(align=True)
    dim.active = False
    facts = (model.speed, facts_of.terms(model), f"at most {model.max_count} at once")
    wrapped(dim, context, " · ".join(part for part in facts if part), width=pixels, most=1)
    now = model_facts.price(context, model)
    source = f" ({model.price.text})" if model.price is not None and model.price.text else ""
    wrapped(dim, context, f"Cost as set now: {now}{source}", width=pixels, most=1)
    draw_notes(column, context, model, pixels)
    if not model_access.needs_key(model):
        wrapped(column, context, "", width=pixels, least=1)
        column.row().label(text="")


def draw_notes(column: Any, context: Any, model: Model, pixels: float = 0.0) -> None:
    """What a person should know before using it: its end, its price as seen, its key."""
    seen = session.correction(model.id).text
    if seen:
        wrapped(column, context, f"{seen}.", icon="INFO", width=pixels)
    draw_end(column, context, model, pixels)
    lacking = model.extra.get("lacking")
    if lacking:
        nodes, day = ", ".join(lacking), model.extra.get("lacking_day", "")
        text = f"Your servers did not have all of its nodes on {day}. Missing: {nodes}."
        wrapped(column, context, text, icon="ERROR", width=pixels)
    provider = model_access.provider_of(model)
    if provider is None or not model_access.needs_key(model):
        return
    wrapped(column, context, f"It needs a key of {provider.label}.", icon="LOCKED", width=pixels)
    row = column.row(align=True)
    if provider.key_page:
        row.operator("wm.url_open", text="Get a Key", icon="URL").url = provider.key_page
    row.operator("genai_render.enter_key", icon="KEYINGSET").provider = provider.id


def draw_inputs(layout: Any, model: Model) -> None:
    """A button for which of its inputs takes what, for a model whose schema tells its inputs."""
    if input_maps.image_fields(model):
        layout.operator("genai_render.input_map", icon="NODETREE").model = model.id


def draw_end(column: Any, context: Any, model: Model, pixels: float = 0.0) -> None:
    """That it goes soon or is gone, with a button for what takes its place."""
    note = model_facts.dates(model)
    if not note:
        return
    wrapped(column, context, f"{note}.", icon="ERROR", width=pixels)
    draw_successor(column, model)


def draw_successor(column: Any, model: Model) -> None:
    """A button for what takes its place, where that is there."""
    successor = catalog.catalog().models.get(model.successor)
    if successor is not None and successor.offered():
        column.operator(
            "genai_render.use_model",
            text=f"Use {successor.label}",
            icon="LOOP_FORWARDS",
            translate=False,
        ).model = successor.id


def draw_refresh(column: Any, context: Any, pixels: float = 0.0) -> None:
    """The button, what the providers said, and from when their lists are."""
    refresh = model_refresh.state()
    row = column.row(align=True)
    row.operator("genai_render.refresh_models", icon="FILE_REFRESH")
    if not bpy.app.online_access:
        row.operator("genai_render.allow_online_access", icon="INTERNET")
    if refresh.running:
        row.operator("genai_render.stop_refresh", text="", icon="X")
    days = catalog.list_days()
    if refresh.running:
        column.label(text="Asking the providers …", icon="SORTTIME")
    elif days:
        labels = {id: one.label for id, one in catalog.catalog().providers.items()}
        said = ", ".join(f"{labels.get(id, id)} {day}" for id, day in days.items())
        dim = column.column(align=True)
        dim.active = False
        wrapped(dim, context, f"Lists of {said}", width=pixels)
    for line in refresh.lines:
        part = column.column(align=True)
        part.alert = line.is_error
        icon = "ERROR" if line.is_error else "CHECKMARK"
        wrapped(part, context, line.text, icon=icon, width=pixels)


register, unregister = bpy.utils.register_classes_factory((GENAI_RENDER_UL_models,))
