# SPDX-License-Identifier: GPL-3.0-or-later
"""`history`: list, show, export, favourite, delete, restore and rebuild what was made."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from ...console import Console
from ...core.errors import InvalidInput, NotFound
from ...core.history import merging
from ...core.history.folders import gone
from ...core.history.store import HistoryStore, Item
from ..addon import history_folder
from ..history_place import forget, open_history, vanished
from .output_folder import OutputFolder


def run(parsed: argparse.Namespace, console: Console) -> int:
    folder = folder_of(parsed)
    rebuilding = parsed.action == "rebuild"
    if vanished(folder):
        if not rebuilding:
            raise gone(folder)
        forget(folder)
    if parsed.action == "merge":
        return _merge(folder, parsed, console)
    if not folder.exists():
        # To look at a History must not make one.
        if getattr(parsed, "ids", ()):
            raise NotFound(
                f'There is no result "{parsed.ids[0]}".', f'There is no History in "{folder}".'
            )
        console.line(f'Nothing was made yet: there is no History in "{folder}".')
        return 0
    # To rebuild the index is also how the user says that what is missing is gone for good.
    with open_history(folder, accept_loss=rebuilding) as store:
        code = _ACTIONS[parsed.action](store, parsed, console)
        for skipped in store.skipped:
            console.notice(skipped.text)
        return code


def folder_of(parsed: argparse.Namespace) -> Path:
    """--history, else what the preferences say."""
    return parsed.history if parsed.history is not None else history_folder()


def existing_item(folder: Path, id: str) -> Item:
    """An item of a History that is there; none is made to look for it. Raises NotFound."""
    if vanished(folder):
        raise gone(folder)
    if not folder.exists():
        raise NotFound(
            f'"{id}" is neither a file nor a result.', f'There is no History in "{folder}".'
        )
    with open_history(folder) as store:
        return store.get(id)


def _list(store: HistoryStore, parsed: argparse.Namespace, console: Console) -> int:
    if parsed.limit < 1:
        raise InvalidInput(f"--limit {parsed.limit} would list nothing.")
    filters = {
        "model": parsed.model,
        "style": parsed.style,
        "since": _day(parsed.since),
        "until": _day(parsed.until, end=True),
        "blend": parsed.blend,
        "favourite": True if parsed.favourite else None,
        "last": True if parsed.last else None,
        "in_bin": parsed.bin,
    }
    for item in store.search(parsed.search, limit=parsed.limit, **filters):
        console.event("item", **_described(item))
        mark = "*" if item.favourite else " "
        what = f"{item.width}×{item.height}" if item.image else item.status
        when = item.created.astimezone().strftime("%Y-%m-%d %H:%M")
        prompt = " ".join(item.prompt.split())
        console.line(f"{item.id} {mark} {when}  {item.style:14} {what:>10}  {prompt[:60]}")
    return 0


def _show(store: HistoryStore, parsed: argparse.Namespace, console: Console) -> int:
    for id in parsed.ids:
        item = store.get(id)
        described = _described(item)
        console.event("item", **described, request=store.record(item.id))
        for key, value in described.items():
            if value not in (None, ""):
                console.line(f"{key + ':':14} {value}")
        console.line(f"{'files:':14} {', '.join(sorted(p.name for p in item.folder.iterdir()))}")
    return 0


def _export(store: HistoryStore, parsed: argparse.Namespace, console: Console) -> int:
    items = [store.get(id) for id in parsed.ids]
    with OutputFolder(parsed.output) as output:
        for item in items:
            name = f"{Path(item.blend).stem or 'image'}-{item.style}-{item.id}"
            path = output.write(store, item, name, parsed.format, parsed.quality)
            console.event("exported", id=item.id, path=str(path))
            console.line(str(path))
    return 0


def _each(
    change: Callable[[HistoryStore, str, argparse.Namespace], Item], event: str
) -> Callable[[HistoryStore, argparse.Namespace, Console], int]:
    def action(store: HistoryStore, parsed: argparse.Namespace, console: Console) -> int:
        # All of them must exist before one is changed.
        ids: Sequence[str] = [store.get(id).id for id in parsed.ids]
        for id in ids:
            item = change(store, id, parsed)
            console.event(event, **_described(item))
            console.line(f"{event}: {item.id}")
        return 0

    return action


def _empty_bin(store: HistoryStore, _parsed: argparse.Namespace, console: Console) -> int:
    erased = store.empty_bin()
    console.event("emptied", items=erased)
    console.line(f"Deleted for good: {erased}")
    return 0


def _rebuild(store: HistoryStore, _parsed: argparse.Namespace, console: Console) -> int:
    def tell(done: int, total: int) -> None:
        console.progress(done / total if total else None, f"{done:,} of {total:,} read")

    rebuilt = store.rebuild(tell)
    console.event(
        "rebuilt",
        items=rebuilt.items,
        added=rebuilt.added,
        dropped=rebuilt.dropped,
        unreadable=list(rebuilt.unreadable),
        skipped=[skipped.name for skipped in rebuilt.skipped],
    )
    console.line(f"{rebuilt.items} results, {rebuilt.added} added, {rebuilt.dropped} dropped")
    for folder in rebuilt.unreadable:
        console.notice(f'"{folder}" has no record that can be read; it was left alone.')
    return 0


def _merge(folder: Path, parsed: argparse.Namespace, console: Console) -> int:
    for source in parsed.folders:

        def tell(done: int, total: int, source: Path = source) -> None:
            console.progress(done / total, f"{source.name}: {done:,} of {total:,}")

        merged = merging.merge(folder, source, tell)
        console.event(
            "merged",
            folder=str(source),
            added=merged.added,
            known=merged.known,
            broken=list(merged.broken),
        )
        console.line(f"{source}: {merged.added} added, {merged.known} were there already")
        for id in merged.broken:
            console.notice(f'"{id}" in "{source}" has no record; it was left there.')
    with open_history(folder) as store:  # the index catches up
        console.line(f"{store.count()} results in {folder}")
    return 0


_ACTIONS: dict[str, Callable[[HistoryStore, argparse.Namespace, Console], int]] = {
    "list": _list,
    "show": _show,
    "export": _export,
    "favourite": _each(
        lambda store, id, parsed: store.set_favourite(id, not parsed.off), "favourite"
    ),
    "delete": _each(lambda store, id, _parsed: store.delete(id), "deleted"),
    "restore": _each(lambda store, id, _parsed: store.restore(id), "restored"),
    "empty-bin": _empty_bin,
    "rebuild": _rebuild,
}


def _described(item: Item) -> dict[str, object]:
    path = item.image_path
    return {**item.to_json(), "path": None if path is None else str(path)}


def _day(text: str | None, end: bool = False) -> datetime | None:
    """The start of a day in local time, or with `end` of the next one."""
    if text is None:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").astimezone()
    except ValueError:
        raise InvalidInput(f'"{text}" is not a date.', action="Write YYYY-MM-DD.") from None
    return day + timedelta(days=1) if end else day
