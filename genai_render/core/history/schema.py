# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of History's index, and the steps that bring an older one to them."""

from __future__ import annotations

import functools
import sqlite3
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .item import ID

ITEM_COLUMNS = (
    *("id", "in_bin", "status", "created", "kind", "parent", "session", "model", "style"),
    *("favourite", "blend", "scene", "camera"),
)
"""What can be asked for. Narrow, so that going through all of them is fast without any index."""

DETAIL_COLUMNS = (
    *("prompt", "seed", "width", "height", "image", "cost_usd", "seconds", "ai", "frame"),
    *("error_code", "error"),
)
"""What is only shown."""

COLUMNS = (*ITEM_COLUMNS, *DETAIL_COLUMNS)

_TEXTS = frozenset(
    (
        *("id", "status", "kind", "parent", "session", "model", "style", "blend", "scene"),
        *("camera", "prompt", "image", "error_code", "error"),
    )
)
_MAY_BE_UNKNOWN = frozenset(("seed", "cost_usd", "seconds"))
_REALS = frozenset(("created", "cost_usd", "seconds"))
STATUSES = ("done", "refused", "failed")


def _first_version(db: sqlite3.Connection) -> None:
    db.execute(
        """CREATE TABLE items (
            id TEXT PRIMARY KEY,
            in_bin INTEGER NOT NULL DEFAULT 0,
            status TEXT NOT NULL,
            created REAL NOT NULL,
            kind TEXT NOT NULL,
            parent TEXT NOT NULL DEFAULT '',
            session TEXT NOT NULL DEFAULT '',
            prompt TEXT NOT NULL,
            model TEXT NOT NULL,
            style TEXT NOT NULL,
            seed INTEGER,
            width INTEGER NOT NULL DEFAULT 0,
            height INTEGER NOT NULL DEFAULT 0,
            image TEXT NOT NULL DEFAULT '',
            cost_usd REAL,
            seconds REAL,
            ai INTEGER NOT NULL DEFAULT 1,
            favourite INTEGER NOT NULL DEFAULT 0,
            blend TEXT NOT NULL DEFAULT '',
            scene TEXT NOT NULL DEFAULT '',
            camera TEXT NOT NULL DEFAULT '',
            frame INTEGER NOT NULL DEFAULT 0,
            error_code TEXT NOT NULL DEFAULT '',
            error TEXT NOT NULL DEFAULT '',
            words TEXT NOT NULL
        ) WITHOUT ROWID"""
    )
    db.execute(
        """CREATE TABLE spending (
            id TEXT PRIMARY KEY,
            created REAL NOT NULL,
            session TEXT NOT NULL,
            blend TEXT NOT NULL,
            cost_usd REAL NOT NULL
        ) WITHOUT ROWID"""
    )
    db.execute("CREATE INDEX spending_by_time ON spending (created)")


def _narrow_tables(db: sqlite3.Connection) -> None:
    """What is gone through apart from what is shown, and a checksum of every item.

    What was spent is in the ledger now; here it stays as its second copy.
    """
    db.execute("ALTER TABLE items RENAME TO old_items")
    db.execute("ALTER TABLE spending RENAME TO old_spending")
    db.execute(
        """CREATE TABLE items (
            id TEXT PRIMARY KEY,
            in_bin INTEGER NOT NULL,
            status TEXT NOT NULL,
            created REAL NOT NULL,
            kind TEXT NOT NULL,
            parent TEXT NOT NULL,
            session TEXT NOT NULL,
            model TEXT NOT NULL,
            style TEXT NOT NULL,
            favourite INTEGER NOT NULL,
            blend TEXT NOT NULL,
            scene TEXT NOT NULL,
            camera TEXT NOT NULL
        ) WITHOUT ROWID"""
    )
    db.execute("CREATE TABLE words (id TEXT PRIMARY KEY, words TEXT NOT NULL) WITHOUT ROWID")
    db.execute(
        """CREATE TABLE details (
            id TEXT PRIMARY KEY,
            prompt TEXT NOT NULL,
            seed INTEGER,
            width INTEGER NOT NULL,
            height INTEGER NOT NULL,
            image TEXT NOT NULL,
            cost_usd REAL,
            seconds REAL,
            ai INTEGER NOT NULL,
            frame INTEGER NOT NULL,
            error_code TEXT NOT NULL,
            error TEXT NOT NULL,
            checksum INTEGER NOT NULL
        ) WITHOUT ROWID"""
    )
    db.execute(
        """CREATE TABLE spending (
            id TEXT PRIMARY KEY,
            created REAL NOT NULL,
            session TEXT NOT NULL,
            blend TEXT NOT NULL,
            cost_usd REAL NOT NULL,
            checksum INTEGER NOT NULL
        ) WITHOUT ROWID"""
    )
    # How each folder of items was when the index last agreed with it.
    db.execute(
        """CREATE TABLE folders (
            name TEXT PRIMARY KEY, changed INTEGER NOT NULL, items INTEGER NOT NULL
        ) WITHOUT ROWID"""
    )
    # user_version once more: a version that stands only in the file's header is a damaged one.
    db.execute("CREATE TABLE about (version INTEGER NOT NULL)")
    db.execute("INSERT INTO about VALUES (2)")
    names = ", ".join(COLUMNS)
    for row in db.execute(f"SELECT {names} FROM old_items").fetchall():
        insert_item(db, dict(zip(COLUMNS, row, strict=True)))
    spending = ("id", "created", "session", "blend", "cost_usd")
    insert_spending(db, db.execute(f"SELECT {', '.join(spending)} FROM old_spending").fetchall())
    db.execute("DROP TABLE old_items")
    db.execute("DROP TABLE old_spending")


# user_version n is reached by running the first n.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first_version, _narrow_tables)


@functools.cache
def expected() -> frozenset[tuple[str, str, str]]:
    """What `sqlite_master` of a whole index says."""
    with sqlite3.connect(":memory:", isolation_level=None) as db:
        for step in MIGRATIONS:
            step(db)
        found = described(db)
    db.close()
    return found


def described(db: sqlite3.Connection) -> frozenset[tuple[str, str, str]]:
    rows = db.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
    return frozenset((str(row[0]), str(row[1]), str(row[2])) for row in rows.fetchall())


def insert_item(db: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    """Add an item, or replace what is known of it. values: by COLUMNS."""
    insert_items(db, [values])


def insert_items(db: sqlite3.Connection, several: list[Mapping[str, Any]]) -> None:
    db.executemany(
        _INSERT["items"], [[values[name] for name in ITEM_COLUMNS] for values in several]
    )
    db.executemany(_INSERT["words"], [(values["id"], words_of(values)) for values in several])
    db.executemany(
        _INSERT["details"],
        [
            (values["id"], *[values[name] for name in DETAIL_COLUMNS], checksum(values))
            for values in several
        ],
    )


def insert_spending(db: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Each row: id, created, session, blend, cost_usd."""
    db.executemany(
        "INSERT OR REPLACE INTO spending (id, created, session, blend, cost_usd, checksum) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        ((*row, zlib.crc32(repr(row).encode())) for row in rows),
    )


def spending_is_whole(row: tuple[Any, ...]) -> bool:
    """Whether a row of `spending` is as `insert_spending` wrote it."""
    *values, check = row
    return check == zlib.crc32(repr(tuple(values)).encode("utf-8", "backslashreplace"))


_INSERT = {
    name: f"INSERT OR REPLACE INTO {name} ({', '.join(columns)}) "
    f"VALUES ({', '.join('?' * len(columns))})"
    for name, columns in {
        "items": ITEM_COLUMNS,
        "words": ("id", "words"),
        "details": ("id", *DETAIL_COLUMNS, "checksum"),
    }.items()
}


def checksum(values: Mapping[str, Any]) -> int:
    """Of an item's values: one byte of them that changes on the disk is noticed."""
    row = [values[name] for name in COLUMNS]
    return zlib.crc32(repr(row).encode("utf-8", "backslashreplace"))


def is_whole(values: Mapping[str, Any], words: Any, check: Any) -> bool:
    """Whether an item came back from the index as it was put in."""
    for name in COLUMNS:
        value = values[name]
        if value is None and name in _MAY_BE_UNKNOWN:
            continue
        kind = str if name in _TEXTS else float if name in _REALS else int
        if not isinstance(value, kind):
            return False
    if ID.fullmatch(values["id"]) is None or values["status"] not in STATUSES:
        return False
    return check == checksum(values) and words == words_of(values)


def words_of(values: Mapping[str, Any]) -> str:
    """What a search looks through: each word once."""
    names = ("prompt", "style", "model", "blend", "scene", "camera")
    text = search_words(*(str(values[name] or "") for name in names))
    return " ".join(dict.fromkeys(text.split()))


def search_words(*texts: str) -> str:
    """Texts as they are compared: without case, accents or kinds of width."""
    joined = "\n".join(texts).replace("\0", "")  # SQLite's LIKE stops there
    if joined.isascii():
        return joined.lower()
    return unicodedata.normalize("NFKD", joined).casefold().translate(_without_accents)


class _WithoutAccents(dict[int, "int | None"]):
    """For `translate`, which is several times as fast as asking for each character."""

    def __missing__(self, code: int) -> int | None:
        self[code] = None if unicodedata.combining(chr(code)) else code
        return self[code]


_without_accents = _WithoutAccents()
