# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of History: what is where, in SQLite. The folders are the truth; this finds them.

Any number of threads and processes may use the same file. Each thread has its own connection.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import GenAIError, StorageError

BUSY_SECONDS = 30.0

COLUMNS = (
    *("id", "in_bin", "status", "created", "kind", "parent", "session", "prompt", "model"),
    *("style", "seed", "width", "height", "image", "cost_usd", "seconds", "ai", "favourite"),
    *("blend", "scene", "camera", "frame", "error_code", "error"),
)


class IndexDamaged(GenAIError):
    """The index file is not a database any more: it has to be made anew from the folders."""


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
    # What was spent stays counted after its picture is gone.
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


# user_version n is reached by running the first n.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first_version,)


def search_words(*texts: str) -> str:
    """Texts as they are compared: without case, accents or kinds of width."""
    joined = unicodedata.normalize("NFKD", "\n".join(texts)).casefold()
    return "".join(char for char in joined if not unicodedata.combining(char))


class HistoryIndex:
    """One SQLite file. Every method raises StorageError, or IndexDamaged for a broken file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connections: dict[int, sqlite3.Connection] = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()
        try:
            with self._using() as db:
                _migrate(db)
        except BaseException:
            self.close()  # Windows could not move the file aside while it is open
            raise

    def put(self, values: Mapping[str, Any]) -> None:
        """Add an item, or replace what is known of it. values: by COLUMNS."""
        row = {**values, "words": _words(values)}
        names = (*COLUMNS, "words")
        marks = ", ".join(f":{name}" for name in names)
        with self._writing() as db:
            db.execute(f"INSERT OR REPLACE INTO items ({', '.join(names)}) VALUES ({marks})", row)
            if row["cost_usd"]:
                db.execute(
                    "INSERT OR REPLACE INTO spending (id, created, session, blend, cost_usd) "
                    "VALUES (:id, :created, :session, :blend, :cost_usd)",
                    row,
                )

    def get(self, item_id: str) -> dict[str, Any] | None:
        with self._using() as db:
            row = db.execute("SELECT * FROM items WHERE id = ?", (item_id,)).fetchone()
        return None if row is None else dict(row)

    def with_prefix(self, prefix: str, limit: int = 2) -> list[str]:
        with self._using() as db:
            rows = db.execute(
                "SELECT id FROM items WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
                (prefix, prefix + "\U0010ffff", limit),
            ).fetchall()
        return [row["id"] for row in rows]

    def search(
        self, text: str, conditions: Mapping[str, Any], limit: int, offset: int
    ) -> list[dict[str, Any]]:
        """The newest first. text: every word must be somewhere; conditions: see `_where`."""
        where, arguments = _where(text, conditions)
        with self._using() as db:
            rows = db.execute(
                f"SELECT * FROM items WHERE {where} ORDER BY id DESC LIMIT ? OFFSET ?",
                (*arguments, limit, offset),
            ).fetchall()
        return [dict(row) for row in rows]

    def count(self, text: str, conditions: Mapping[str, Any]) -> int:
        where, arguments = _where(text, conditions)
        with self._using() as db:
            return db.execute(f"SELECT COUNT(*) FROM items WHERE {where}", arguments).fetchone()[0]

    def distinct(self, column: str) -> list[str]:
        """Every value of a column that is in use, sorted."""
        if column not in COLUMNS:
            raise ValueError(column)
        with self._using() as db:
            rows = db.execute(
                f"SELECT DISTINCT {column} AS value FROM items "
                f"WHERE NOT in_bin AND {column} != '' ORDER BY value"
            ).fetchall()
        return [row["value"] for row in rows]

    def places(self) -> dict[str, bool]:
        """Every id, and whether it is in the bin."""
        with self._using() as db:
            rows = db.execute("SELECT id, in_bin FROM items").fetchall()
        return {row["id"]: bool(row["in_bin"]) for row in rows}

    def change(self, item_id: str, **values: Any) -> None:
        """Set columns of one item."""
        assignments = ", ".join(f"{name} = :{name}" for name in values if name in COLUMNS)
        with self._writing() as db:
            db.execute(
                f"UPDATE items SET {assignments} WHERE id = :key", {**values, "key": item_id}
            )

    def remove(self, ids: Sequence[str], unless: Callable[[str], bool] | None = None) -> int:
        """Forget items; how many. Those for which `unless` says True inside the write stay."""
        with self._writing() as db:
            gone = [item_id for item_id in ids if unless is None or not unless(item_id)]
            db.executemany("DELETE FROM items WHERE id = ?", [(item_id,) for item_id in gone])
        return len(gone)

    def spent(
        self,
        session: str | None = None,
        since: float | None = None,
        until: float | None = None,
        blend: str | None = None,
    ) -> float:
        """US dollars, of everything that was ever made, also what was deleted since."""
        conditions = {"session": session, "since": since, "until": until, "blend": blend}
        where, arguments = _where("", conditions)
        with self._using() as db:
            query = f"SELECT TOTAL(cost_usd) FROM spending WHERE {where}"
            return float(db.execute(query, arguments).fetchone()[0])

    def check(self) -> None:
        """Read all of the file. Raises IndexDamaged if anything in it is not as it should be."""
        with self._using() as db:
            verdict = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise IndexDamaged("The index of History is damaged.", str(verdict))

    def close(self) -> None:
        """Close the connections of every thread. The index opens again when it is used."""
        with self._lock:
            connections, self._connections = self._connections, {}
        if self._pid == os.getpid():
            for connection in connections.values():
                with contextlib.suppress(sqlite3.Error):
                    connection.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._using() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.rollback()
                raise
            db.commit()

    @contextlib.contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection()
        except sqlite3.Error as error:
            raise _readable(error) from error

    def _connection(self) -> sqlite3.Connection:
        me = threading.current_thread().ident or 0  # also makes it known to `enumerate`
        with self._lock:
            if self._pid != os.getpid():  # a fork must not use its parent's connections
                self._connections, self._pid = {}, os.getpid()
            if me in self._connections:
                return self._connections[me]
            alive = {thread.ident for thread in threading.enumerate()}
            for ended in [ident for ident in self._connections if ident not in alive | {me}]:
                self._connections.pop(ended).close()
        connection = _connect(self.path)
        with self._lock:
            self._connections[me] = connection
        return connection


def _connect(path: Path) -> sqlite3.Connection:
    # Any thread may close it (`close`), but only its own uses it.
    options: dict[str, Any] = {
        "timeout": BUSY_SECONDS,
        "isolation_level": None,
        "check_same_thread": False,
    }
    connection = sqlite3.connect(path, **options)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        # Some network drives cannot do WAL; then it stays a plain journal, and works.
        connection.execute("PRAGMA journal_mode = WAL")
        # The folders are synced by themselves, and what the index lost, opening it finds again.
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection
    except BaseException as error:
        connection.close()
        writable = os.access(path.parent, os.W_OK)
        if not isinstance(error, sqlite3.OperationalError) or writable or not path.exists():
            raise
    # On a read-only disk, one can still look.
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True, **options)
    connection.row_factory = sqlite3.Row
    return connection


def _migrate(db: sqlite3.Connection) -> None:
    if db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")  # another process may be doing it right now
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise StorageError(
                "This History was written by a newer genai_render.", action="Update the add-on."
            )
        for step in MIGRATIONS[version:]:
            step(db)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        db.rollback()
        raise
    db.commit()


def _words(values: Mapping[str, Any]) -> str:
    names = ("prompt", "style", "model", "blend", "scene", "camera")
    return search_words(*(str(values[name] or "") for name in names))


# name → SQL; a condition whose value is None is left out.
_CONDITIONS = {
    "in_bin": "in_bin = ?",
    "status": "status = ?",
    "kind": "kind = ?",
    "model": "model = ?",
    "style": "style = ?",
    "blend": "blend = ?",
    "scene": "scene = ?",
    "camera": "camera = ?",
    "session": "session = ?",
    "parent": "parent = ?",
    "favourite": "favourite = ?",
    "since": "created >= ?",
    "until": "created < ?",
    "before": "id < ?",
}


def _where(text: str, conditions: Mapping[str, Any]) -> tuple[str, list[Any]]:
    parts, arguments = ["1"], []
    for name, value in conditions.items():
        if value is not None:
            parts.append(_CONDITIONS[name])
            arguments.append(value)
    for word in search_words(text).split():
        parts.append("instr(words, ?)")
        arguments.append(word)
    return " AND ".join(parts), arguments


def _readable(error: sqlite3.Error) -> GenAIError:
    text = str(error).lower()
    what = "History cannot be opened or changed."
    if "malformed" in text or "not a database" in text or "no such table" in text:
        return IndexDamaged("The index of History is damaged.", f"{error}.")
    if "no such column" in text or "corrupt" in text:
        return IndexDamaged("The index of History is damaged.", f"{error}.")
    if "full" in text:
        return StorageError(what, "The disk is full.", "Free some space.")
    if "readonly" in text or "unable to open" in text:
        return StorageError(what, "Its folder cannot be written to.", "Choose another folder.")
    if "locked" in text or "busy" in text:
        return StorageError(
            what, "Another program has been using it for a long time.", "Try again."
        )
    return StorageError(what, f"{error}.", "Check the disk, or choose another folder.")
