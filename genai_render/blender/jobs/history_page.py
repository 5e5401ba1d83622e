# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of History that the panel shows: looked up when something has changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import bpy

from ...core.errors import GenAIError
from ...core.history.store import Item
from ...core.jobs import Finished, JobEvent, Saved
from .. import redraw
from ..settings import properties
from . import session
from .session import Work

PAGE = 12
_LONGEST_CHAIN = 64  # of edits of edits


@dataclass(frozen=True, slots=True)
class Page:
    """items: at most PAGE of them. start: how many come before. total: how many there are."""

    items: tuple[Item, ...]
    start: int
    total: int
    problem: str = ""


_page: Page | None = None
_start = 0
_details: dict[str, dict[str, Any]] = {}


def page(context: bpy.types.Context) -> Page:
    """What to show now."""
    global _page, _start
    if _page is None:
        try:
            store = session.session().store
            wanted = _filters(context)
            total = store.count(**wanted)
            _start = max(0, min(_start, (total - 1) // PAGE * PAGE))
            found = store.search(**wanted, limit=PAGE, offset=_start)
            _page = Page(tuple(found), _start, total)
        except GenAIError as error:
            _page = Page((), 0, 0, error.text)
    return _page


def _filters(context: bpy.types.Context) -> dict[str, Any]:
    state, settings = properties.window(context), properties.settings(context)
    days = {"DAY": 0, "WEEK": 6, "MONTH": 29}.get(state.period)
    since = None
    if days is not None:
        midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        since = (midnight - timedelta(days=days)).astimezone(UTC)
    return {
        "text": state.search,
        "favourite": True if state.only_favourites else None,
        "blend": bpy.path.basename(bpy.data.filepath) if state.only_this_file else None,
        "style": settings.style if state.only_style else None,
        "model": settings.model if state.only_model else None,
        "since": since,
        "status": "done",
        "in_bin": state.show_bin,
    }


def known_empty() -> bool:
    """Whether the page has been looked up and there is nothing on it."""
    return _page is not None and not _page.items


def turn(pages: int) -> None:
    """Show a later (positive) or earlier page."""
    go_to_page(page_number() + pages)


def page_number() -> int:
    """The page that is shown, from 1."""
    return _start // PAGE + 1


def go_to_page(number: int) -> None:
    """Show a page, from 1; the last one where there are not so many."""
    global _start
    _start = max(0, number - 1) * PAGE
    invalidate()


def invalidate() -> None:
    """Something has changed: look it up again when it is drawn next."""
    global _page
    _page = None
    _details.clear()
    redraw.sidebars()


def item(item_id: str) -> Item | None:
    """An item by its id, from the page if it is there."""
    if not item_id:
        return None
    if _page is not None:
        for one in _page.items:
            if one.id == item_id:
                return one
    try:
        return session.session().store.get(item_id)
    except GenAIError:
        return None


def record(item_id: str) -> dict[str, Any]:
    """All that is known of an item; {} where it cannot be read."""
    if item_id not in _details:
        try:
            _details[item_id] = session.session().store.record(item_id)
        except GenAIError:
            _details[item_id] = {}
    return _details[item_id]


def made_from_view(item_id: str) -> str:
    """The item whose view an image shows: its own, or that of the image which it changes; "" if
    there was none.
    """
    for _ in range(_LONGEST_CHAIN):
        known = record(item_id)
        if known.get("canvas"):
            return item_id
        request = known.get("request") or {}
        if request.get("kind") != "edit" or not request.get("parent"):
            return ""
        item_id = str(request["parent"])
    return ""


def siblings(item_id: str) -> list[str]:
    """The ids of the page, for going through them from this one; itself if it is elsewhere."""
    ids = [one.id for one in _page.items] if _page is not None else []
    return ids if item_id in ids else [item_id]


def _heard(work: Work, event: JobEvent) -> None:
    if isinstance(event, Saved):
        global _start
        _start = 0
        properties.window().selected = event.id
        invalidate()
    elif isinstance(event, Finished):
        invalidate()


@bpy.app.handlers.persistent
def _file_changed(*_: object) -> None:
    global _page
    _page = None


def register() -> None:
    session.listeners.append(_heard)
    bpy.app.handlers.load_post.append(_file_changed)
    bpy.app.handlers.save_post.append(_file_changed)


def unregister() -> None:
    global _page, _start
    if _heard in session.listeners:
        session.listeners.remove(_heard)
    for handlers in (bpy.app.handlers.load_post, bpy.app.handlers.save_post):
        if _file_changed in handlers:
            handlers.remove(_file_changed)
    _page, _start = None, 0
    _details.clear()
