# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of History that the panel shows: looked up when something has changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import bpy

from ...core.errors import GenAIError
from ...core.history.lineage import view_holder
from ...core.jobs import Finished, JobEvent, Saved
from ...core.view.canvas import View
from .. import addon, redraw
from ..settings import scene_settings, window_state
from . import pack_jobs, session

if TYPE_CHECKING:
    from ...core.history.background import Rebuilding
    from ...core.history.item import Item
    from ...core.history.store import HistoryStore
    from .work import Work

PAGE = 12
_REBUILDING_SECONDS = 0.5  # between two looks at an index that is being made again
_SHOWN_BEFORE, _SHOWN_AFTER = 4, 8


@dataclass(frozen=True, slots=True)
class Page:
    """items: as many as fit. start: how many come before. total: how many there are.

    rebuilding: how far the index is, while it is made again and not all can be found yet.
    """

    items: tuple[Item, ...]
    start: int
    total: int
    problem: str = ""
    rebuilding: Rebuilding | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """before: the images that one was made from, the first one first. after: what was made from
    it, the newest first."""

    before: tuple[Item, ...]
    after: tuple[Item, ...]

    @property
    def any(self) -> bool:
        return bool(self.before or self.after)


class HistoryPage:
    """The pages that were looked up last, of each size that is shown, for the filters that were
    set then.

    details: what the store says of single items, by id. lines: of which images they come, and
    what comes of them.
    """

    def __init__(self) -> None:
        self.pages: dict[int, Page] = {}
        self.details: dict[str, dict[str, Any]] = {}
        self.lines: dict[str, Line] = {}
        self._wanted: tuple[Any, ...] = ()

    def look_up(self, context: bpy.types.Context, size: int) -> Page:
        filters, paging = _filters(context), window_state.paging()
        group = _group(context)
        wanted = (*filters.values(), group)
        if wanted != self._wanted:
            if self._wanted:
                paging.start = 0  # another search begins at its beginning
            self.pages.clear()
            self._wanted = wanted
        paging.size = size
        start = paging.start // size * size
        known = self.pages.get(size)
        if known is None or known.start != start:
            known = self.pages[size] = self._find(filters, group, start, size)
            if known.start < start:
                paging.start = known.start
        return known

    def _find(
        self, filters: dict[str, Any], group: tuple[str, ...] | None, start: int, size: int
    ) -> Page:
        try:
            store = session.session().store
            if group is not None:
                return _of_group(store, filters, group, start, size)
            total = store.count(**filters)
            start = min(start, max(0, total - 1) // size * size)
            items = store.search(**filters, limit=size, offset=start)
            rebuilding = store.rebuilding
            if rebuilding is not None:
                self._look_again_soon()
            return Page(tuple(items), start, total, rebuilding=rebuilding)
        except GenAIError as error:
            return Page((), start, 0, error.text)

    def _look_again_soon(self) -> None:
        if not bpy.app.timers.is_registered(invalidate):
            bpy.app.timers.register(invalidate, first_interval=_REBUILDING_SECONDS)

    def forget(self) -> None:
        self.pages.clear()
        self.details.clear()
        self.lines.clear()

    def close(self) -> None:
        if bpy.app.timers.is_registered(invalidate):
            bpy.app.timers.unregister(invalidate)


def _history() -> HistoryPage:
    return addon.state(HistoryPage)


def page(context: bpy.types.Context, size: int = PAGE) -> Page:
    """What to show now: looked up when the filters or History have changed."""
    return _history().look_up(context, size)


def _filters(context: bpy.types.Context) -> dict[str, Any]:
    state, settings = window_state.window(context), scene_settings.settings(context)
    days = {"DAY": 0, "WEEK": 6, "MONTH": 29}.get(state.period)
    since = None
    if days is not None:
        midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        since = (midnight - timedelta(days=days)).astimezone(UTC)
    return {
        "text": state.search,
        "favourite": True if state.only_favourites else None,
        "last": True if state.only_last and not state.show_bin else None,
        "blend": bpy.path.basename(bpy.data.filepath) if state.only_this_file else None,
        "style": settings.style if state.only_style else None,
        "model": settings.model if state.only_model else None,
        "since": since,
        "status": "done",
        "in_bin": state.show_bin,
    }


def _group(context: bpy.types.Context) -> tuple[str, ...] | None:
    """The ids of the images that are shown alone; None for no such group."""
    if not window_state.window(context).only_pack or session.opened() is None:
        return None
    return pack_jobs.packs_made().ids(context)


def _of_group(
    store: HistoryStore, filters: dict[str, Any], ids: tuple[str, ...], start: int, size: int
) -> Page:
    """Of a pack: in the order of its shots."""
    items = []
    for id in ids:
        try:
            item = store.get(id)
        except GenAIError:
            continue
        if item.in_bin == filters["in_bin"] and (item.favourite or not filters["favourite"]):
            items.append(item)
    start = min(start, max(0, len(items) - 1) // size * size)
    return Page(tuple(items[start : start + size]), start, len(items))


def known_empty() -> bool:
    """Whether History has been looked up and there is nothing in it to show."""
    known = _history().pages.values()
    return bool(known) and not any(page.items for page in known)


def turn(pages: int) -> None:
    """Show a later (positive) or earlier page."""
    paging = window_state.paging()
    paging.go_to(paging.number + pages)


def invalidate() -> None:
    """History has changed: look it up again when it is drawn next."""
    _history().forget()
    redraw.sidebars()


def item(item_id: str) -> Item | None:
    """An item by its id, from the page if it is there."""
    if not item_id:
        return None
    for known in _history().pages.values():
        for one in known.items:
            if one.id == item_id:
                return one
    try:
        return session.session().store.get(item_id)
    except GenAIError:
        return None


def record(item_id: str) -> dict[str, Any]:
    """All that is known of an item; {} where it cannot be read."""
    details = _history().details
    if item_id not in details:
        try:
            details[item_id] = session.session().store.record(item_id)
        except GenAIError:
            details[item_id] = {}
    return details[item_id]


def line(item_id: str) -> Line:
    """What an image comes from and what comes of it, as far as a row shows."""
    known = _history().lines
    if item_id not in known:
        known[item_id] = _line(item_id)
    return known[item_id]


def _line(item_id: str) -> Line:
    before: list[Item] = []
    at = item(item_id)
    while at is not None and at.parent and len(before) < _SHOWN_BEFORE:
        at = item(at.parent)
        if at is not None and at.id not in (one.id for one in before):
            before.insert(0, at)
    try:
        found = session.session().store.search(parent=item_id, status="done", limit=_SHOWN_AFTER)
    except GenAIError:
        found = []
    return Line(tuple(before), tuple(found))


def made_from_view(item_id: str) -> str:
    """The item whose view an image shows, or of the image that it changes; "" if none was kept."""
    return view_holder(record, item_id)


def view_of(item_id: str) -> View | None:
    """What an image shows the scene from; None if it was made without a view."""
    origin = made_from_view(item_id)
    values = (record(origin).get("request") or {}).get("canvas") if origin else None
    return View.from_json(values) if values else None


def siblings(item_id: str) -> list[str]:
    """The ids of the page, for going through them from this one; itself if it is elsewhere."""
    for known in _history().pages.values():
        ids = [one.id for one in known.items]
        if item_id in ids:
            return ids
    return [item_id]


def hear(work: Work, event: JobEvent) -> None:
    """A new image is selected, and History is another one."""
    if isinstance(event, Saved):
        if work.file == session.session().file:
            window_state.paging().start = 0
            window_state.window().selected = event.id
        invalidate()
    elif isinstance(event, Finished):
        invalidate()


def file_saved() -> None:
    """The filters may be about the file that is open."""
    _history().forget()


def file_opened() -> None:
    """What was shown and told is of the file before."""
    _history().forget()
    window_state.window().selected = ""
    current = session.opened()
    if current is not None:
        current.leave_file()
