# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is known of an image, in a pop-up: read when it opens, only drawn after that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...core.models.closeness import LABELS
from .. import catalog
from ..jobs import history_page, scene_state
from ..settings import thumbnails
from ..translation import translated
from . import tiles
from .wrapping import wrapped

if TYPE_CHECKING:
    from pathlib import Path

    import bpy

    from ...core.history.item import Item

WIDTH = 520
_MARGINS = 24
_LARGE_UNITS = 14.0
_PICTURES = (
    ("canvas", "View"),
    ("depth", "Depth"),
    ("normal", "Normals"),
    ("heat", "Off the Scene"),
    ("reference-1", "Reference 1"),
    ("reference-2", "Reference 2"),
)


@dataclass(frozen=True, slots=True)
class Details:
    """pictures: what was sent, as it is kept: the key of its thumbnail, its title and its file."""

    item: Item
    record: dict[str, Any]
    pictures: tuple[tuple[str, str, Path], ...]


def gather(item: Item) -> Details:
    files = {path.stem: path for path in sorted(item.folder.glob("*.*"), reverse=True)}
    pictures = [
        (f"{item.id}/{stem}", title, files[stem]) for stem, title in _PICTURES if stem in files
    ]
    return Details(item, history_page.record(item.id), tuple(pictures))


def draw(layout: Any, context: bpy.types.Context, details: Details) -> None:
    item, record = details.item, details.record
    icon = thumbnails.picture_icon(f"{item.id}/thumb", item.thumbnail_path, at_once=True)
    if icon:
        column = layout.column(align=True)
        empty = _LARGE_UNITS * max(0.0, 1 - item.height / item.width) if item.width else 0.0
        tiles.move(column, -empty / 2)
        column.template_icon(icon, scale=_LARGE_UNITS)
        tiles.move(column, -empty / 2)
    _text(layout, context, "Prompt", item.prompt)
    sent = str((record.get("result") or {}).get("prompt_sent", ""))
    if sent and sent != item.prompt:
        _text(layout, context, "As Sent", sent)
    _facts(layout, item, record)
    row = layout.row()
    for key, title, path in details.pictures:
        column = row.column(align=True)
        column.template_icon(thumbnails.picture_icon(key, path, at_once=True), scale=4.0)
        name = column.row()
        name.alignment = "CENTER"
        name.label(text=translated(title), translate=False)
    row = layout.row(align=True)
    row.operator("genai_render.copy_prompt", icon="COPYDOWN").id = item.id
    row.operator("genai_render.reveal", text="Show Files", icon="FILE_FOLDER").id = item.id


def _text(layout: Any, context: bpy.types.Context, title: str, text: str) -> None:
    box = layout.box()
    box.label(text=translated(title), translate=False)
    wrapped(box, context, text, width=WIDTH - _MARGINS, translate=False)


def _made(record: dict[str, Any]) -> str:
    """The clip or the 3D model beside the picture."""
    about = (record.get("result") or {}).get("media")
    if not isinstance(about, dict):
        return "—"
    name, seconds = str(about.get("file", "")), about.get("seconds")
    return f"{name}, {seconds:.1f} s" if isinstance(seconds, float) and seconds else name


def _facts(layout: Any, item: Item, record: dict[str, Any]) -> None:
    request = record.get("request") or {}
    known = catalog.catalog()
    model = known.models.get(item.model) or known.media.get(item.model)
    style = known.styles.get(item.style)
    cost = translated("unknown") if item.cost_usd is None else f"${item.cost_usd:.3f}"
    facts = [
        ("Model", model.label if model is not None else item.model),
        ("Style", translated(style.label) if style is not None else item.style),
        ("Size", f"{item.width} × {item.height}"),
        ("Made of It", _made(record)),
        ("Aspect, Resolution", f"{request.get('aspect', '')}, {request.get('resolution', '')}"),
        ("Mode", translated(str(request.get("mode", "")).title())),
        ("Close to the View", _closeness(record)),
        ("True to the Scene", scene_state.text(item) or "—"),
        ("Seed", "—" if item.seed is None else str(item.seed)),
        ("Time", "—" if item.seconds is None else f"{item.seconds:.1f} s"),
        ("Cost", translated("free") if item.cost_usd == 0 else cost),
        ("Estimated Before", _estimated(record)),
        ("Made", item.created.astimezone().strftime("%d %b %Y, %H:%M")),
        ("File, Scene", f"{item.blend or translated('unsaved')}, {item.scene}"),
        ("Camera, Frame", f"{item.camera or translated('view')}, {item.frame}"),
    ]
    facts += [
        (translated(f"Option {key}"), str(value))
        for key, value in request.get("options", {}).items()
    ]
    split = layout.split(factor=0.35)
    names, values = split.column(align=True), split.column(align=True)
    names.scale_y = values.scale_y = 0.85
    for name, value in facts:
        names.label(text=translated(name), translate=False)
        values.label(text=value, translate=False)


def _estimated(record: dict[str, Any]) -> str:
    """What it was said to cost before it was made."""
    estimated = record.get("estimated_usd")
    if not isinstance(estimated, (int, float)):
        return "unknown"
    listed = record.get("listed_usd")
    text = "free" if estimated == 0 else f"${estimated:.3f}"
    return f"{text}, ${listed:.3f} by the price list" if listed not in (None, estimated) else text


def _closeness(record: dict[str, Any]) -> str:
    """How it was held to the view, and by what."""
    step = str((record.get("request") or {}).get("closeness", "auto"))
    held = str(((record.get("result") or {}).get("info") or {}).get("closeness", ""))
    label = {**LABELS}.get(step, step)  # pyright: ignore[reportArgumentType, reportCallIssue]
    return f"{label}: {held}" if held else str(label)
