# SPDX-License-Identifier: GPL-3.0-or-later
"""What the person at the keyboard reads: lines, and how paths, versions and tables look in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def say(text: str) -> None:
    print(text, flush=True)


def dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def either(names: Sequence[str]) -> str:
    """ "a", "a or b", "a, b or c"."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def short_path(path: Path) -> str:
    """The path from where the person stands, if it lies below that."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def last_line(text: str) -> str:
    """The last line that says something: where most programs put what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def table(rows: Sequence[dict[str, str]]) -> list[str]:
    """The rows as aligned text; columns in seconds, whose name ends in " s", to the right."""
    heads = list(rows[0])
    widths = {head: max(len(head), *(len(row[head]) for row in rows)) for head in heads}

    def line(row: dict[str, str]) -> str:
        cells = [
            row[head].rjust(widths[head]) if head.endswith(" s") else row[head].ljust(widths[head])
            for head in heads
        ]
        return "  ".join(cells).rstrip()

    titles = {head: head for head in heads}
    rules = {head: "-" * widths[head] for head in heads}
    return [line(row) for row in (titles, rules, *rows)]
