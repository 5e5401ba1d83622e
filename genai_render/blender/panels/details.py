# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is known of an image, in a pop-up."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from .. import catalog
from ..jobs import history_page
from ..settings import thumbnails

if TYPE_CHECKING:
    from ...core.history.item import Item

_LETTERS = 70


def draw(layout: Any, item: Item) -> None:
    record = history_page.record(item.id)
    icon = thumbnails.picture_icon(f"{item.id}/thumb", item.thumbnail_path, at_once=True)
    if icon:
        layout.template_icon(icon, scale=12.0)
    _text(layout, "Prompt", item.prompt)
    sent = str((record.get("result") or {}).get("prompt_sent", ""))
    if sent and sent != item.prompt:
        _text(layout, "As Sent", sent)
    _facts(layout, item, record)
    _pictures(layout, item)
    row = layout.row(align=True)
    row.operator("genai_render.copy_prompt", icon="COPYDOWN").id = item.id
    row.operator("genai_render.reveal", text="Show Files", icon="FILE_FOLDER").id = item.id


def _text(layout: Any, title: str, text: str) -> None:
    box = layout.box()
    box.label(text=title)
    column = box.column(align=True)
    column.scale_y = 0.8
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, _LETTERS)]
    for line in lines[:14]:
        column.label(text=line, translate=False)


def _facts(layout: Any, item: Item, record: dict[str, Any]) -> None:
    request = record.get("request") or {}
    known = catalog.catalog()
    model, style = known.models.get(item.model), known.styles.get(item.style)
    cost = "unknown" if item.cost_usd is None else f"${item.cost_usd:.3f}"
    facts = [
        ("Model", model.label if model is not None else item.model),
        ("Style", style.label if style is not None else item.style),
        ("Size", f"{item.width} × {item.height}"),
        ("Aspect, Resolution", f"{request.get('aspect', '')}, {request.get('resolution', '')}"),
        ("Mode", str(request.get("mode", ""))),
        ("Seed", "—" if item.seed is None else str(item.seed)),
        ("Time", "—" if item.seconds is None else f"{item.seconds:.1f} s"),
        ("Cost", "free" if item.cost_usd == 0 else cost),
        ("Made", item.created.astimezone().strftime("%d %b %Y, %H:%M")),
        ("File, Scene", f"{item.blend or 'unsaved'}, {item.scene}"),
        ("Camera, Frame", f"{item.camera or 'view'}, {item.frame}"),
    ]
    facts += [(f"Option {key}", str(value)) for key, value in request.get("options", {}).items()]
    split = layout.split(factor=0.35)
    names, values = split.column(align=True), split.column(align=True)
    names.scale_y = values.scale_y = 0.85
    for name, value in facts:
        names.label(text=name)
        values.label(text=value, translate=False)


def _pictures(layout: Any, item: Item) -> None:
    """The view's colour, depth and normals, and the references, as they are kept."""
    row = layout.row()
    for stem, title in (
        ("canvas", "View"),
        ("depth", "Depth"),
        ("normal", "Normals"),
        ("reference-1", "Reference 1"),
        ("reference-2", "Reference 2"),
    ):
        path = next(iter(sorted(item.folder.glob(f"{stem}.*"))), None)
        if path is None:
            continue
        column = row.column(align=True)
        icon = thumbnails.picture_icon(f"{item.id}/{stem}", path, at_once=True)
        column.template_icon(icon, scale=4.0)
        name = column.row()
        name.alignment = "CENTER"
        name.label(text=title)
