# SPDX-License-Identifier: GPL-3.0-or-later
"""A page that shows all pictures of a batch, for any browser, with nothing from the network."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import storage

PAGE, TABLE, PICTURES = "index.html", "results.json", "pictures"

_STYLE = """
body { font: 14px system-ui, sans-serif; margin: 24px; background: #1d1d1d; color: #ddd; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); gap: 16px; }
figure { margin: 0; background: #2b2b2b; border-radius: 6px; overflow: hidden; }
figure img { width: 100%; display: block; }
figcaption { padding: 8px 10px; }
.failed { padding: 32px 10px; color: #f99; }
small { color: #999; }
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One picture. thumbnail: a WebP; None where there is no picture, and error says why."""

    key: str
    title: str
    about: str
    id: str = ""
    path: str = ""
    cost_usd: float | None = None
    error: str = ""
    thumbnail: bytes | None = None


def write(folder: Path, title: str, summary: str, rows: Sequence[Row]) -> Path:
    """The page's path; what was there of an earlier report is written over. Raises StorageError."""
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
    page = "\n".join(
        (
            "<!doctype html>",
            f'<meta charset="utf-8"><title>{html.escape(title)}</title>',
            f"<style>{_STYLE}</style>",
            f"<h1>{html.escape(title)}</h1><p>{html.escape(summary)}</p>",
            "<main>",
            *(_figure(row) for row in rows),
            "</main>",
        )
    )
    storage.replace_file(folder / PAGE, page.encode())
    return folder / PAGE


def _figure(row: Row) -> str:
    picture = f'<div class="failed">{html.escape(row.error)}</div>'
    if row.thumbnail is not None:
        image = f'<img loading="lazy" src="{PICTURES}/{row.key}.webp" alt="">'
        picture = image
        if row.path:
            picture = f'<a href="{html.escape(Path(row.path).as_uri())}">{image}</a>'
    words = f"{html.escape(row.title)}<br><small>{html.escape(row.about)}</small>"
    return f"<figure>{picture}<figcaption>{words}</figcaption></figure>"
