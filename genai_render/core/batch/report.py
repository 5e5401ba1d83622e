# SPDX-License-Identifier: GPL-3.0-or-later
"""A page that shows all pictures of a batch, for any browser, with nothing from the network, and
no script: what is starred can be seen alone, side by side, and says how it is made again larger."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..files import storage
from . import contact_sheet
from .rows import Row

PAGE, TABLE, PICTURES, SHEET = "index.html", "results.json", "pictures", "contact-sheet.jpg"

_STYLE = """
body { font: 14px system-ui, sans-serif; margin: 24px; background: #1d1d1d; color: #ddd; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); gap: 16px; }
figure { margin: 0; background: #2b2b2b; border-radius: 6px; overflow: hidden; }
figure img { width: 100%; display: block; }
figcaption { padding: 8px 10px; }
figure:has(.star:checked) { outline: 3px solid #e8b93c; }
label { cursor: pointer; user-select: none; }
.star { display: none; }
.mark { float: right; font-size: 22px; line-height: 18px; color: #666; }
.star:checked + .mark { color: #e8b93c; }
body:has(#only:checked) figure:not(:has(.star:checked)) { display: none; }
body:has(#only:checked) main { grid-template-columns: repeat(auto-fit, minmax(45%, 1fr)); }
.bar { position: sticky; top: 0; padding: 8px 0; background: #1d1d1d; z-index: 1; }
.winners { display: none; }
body:has(.star:checked) .winners { display: block; }
.winners span { display: none; }
code { user-select: all; color: #9fc8ff; }
.failed { padding: 32px 10px; color: #f99; }
small { color: #999; }
"""


def write(folder: Path, title: str, summary: str, rows: Sequence[Row], winners: str = "") -> Path:
    """The page's path; what was there of an earlier report is written over. Raises StorageError.

    winners: the words of a command that makes again what is named after them.
    """
    with storage.storage_errors(f'The report cannot be written to "{folder}".'):
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)
        for row in rows:
            if row.thumbnail is not None:
                storage.write_file(folder / PICTURES / f"{row.key}.webp", row.thumbnail)
    listed = [
        {name: value for name, value in asdict(row).items() if name != "thumbnail"} for row in rows
    ]
    table = json.dumps({"title": title, "summary": summary, "pictures": listed}, indent=1)
    storage.replace_file(folder / TABLE, table.encode())
    sheet = contact_sheet.draw(title, rows)
    if sheet is not None:
        storage.replace_file(folder / SHEET, sheet)
    page = "\n".join(
        (
            "<!doctype html>",
            f'<meta charset="utf-8"><title>{html.escape(title)}</title>',
            f"<style>{_STYLE}{_shown(rows)}</style>",
            f"<h1>{html.escape(title)}</h1><p>{html.escape(summary)}</p>",
            '<p class="bar"><label><input type="checkbox" id="only"> ',
            "Only what is starred, side by side</label></p>",
            _winners(rows, winners),
            "<main>",
            *(_figure(row) for row in rows),
            "</main>",
        )
    )
    storage.replace_file(folder / PAGE, page.encode())
    return folder / PAGE


def _shown(rows: Sequence[Row]) -> str:
    """Each starred picture's id appears in the command."""
    return "".join(
        f"body:has(#star-{row.key}:checked) .id-{row.key} {{ display: inline; }}\n"
        for row in rows
        if row.id
    )


def _winners(rows: Sequence[Row], command: str) -> str:
    if not command:
        return ""
    ids = "".join(f'<span class="id-{row.key}"> {row.id}</span>' for row in rows if row.id)
    return (
        f'<p class="winners">The same at 4K: <code>{html.escape(command)} --winners{ids}</code></p>'
    )


def _figure(row: Row) -> str:
    picture = f'<div class="failed">{html.escape(row.error)}</div>'
    star = ""
    if row.thumbnail is not None:
        image = f'<img loading="lazy" src="{PICTURES}/{row.key}.webp" alt="">'
        picture = image
        if row.path:
            picture = f'<a href="{html.escape(Path(row.path).as_uri())}">{image}</a>'
        checked = " checked" if row.starred else ""
        star = (
            f'<label><input class="star" type="checkbox" id="star-{row.key}"{checked}>'
            '<span class="mark" title="Star">★</span></label>'
        )
    size = f"{row.size[0]} × {row.size[1]}, " if row.size[0] else ""
    prompt = f' title="{html.escape(row.prompt)}"' if row.prompt else ""
    about = f"{html.escape(size + row.about)}<br>{html.escape(row.id)}"
    words = f"{star}<span{prompt}>{html.escape(row.title)}</span><br><small>{about}</small>"
    return f"<figure>{picture}<figcaption>{words}</figcaption></figure>"
