# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of History: what is where, in SQLite. The folders are the truth; this finds them.

Any number of threads and processes may use the same file. Each thread has its own connection.
Nothing in the file is believed: what cannot be read, or is not as it was written, is IndexDamaged.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import GenAIError, StorageError
from ..files import locks, storage
from . import schema
from .item import ID
from .ledger import Payment, payment, payment_of_row
from .schema import COLUMNS, DETAIL_COLUMNS, ITEM_COLUMNS, MIGRATIONS, search_words

BUSY_SECONDS = 30.0
SUFFIXES = ("-wal", "-shm", "")
"""What SQLite keeps beside its file, and the file itself, in the order in which they may go."""

BIN = "bin"

Values = dict[str, Any]
Identity = tuple[int, int]
State = tuple[str, int, int]
"""An item's id, whether it is in the bin, and whether it is a favorite."""


class IndexDamaged(GenAIError):
    """The index file is not what it was: it has to be made again from the folders."""

    code = "index_damaged"


class Ids:
    """The ids of items, in the one text that SQLite gives them as: to take it apart costs more."""

    def __init__(self, joined: str) -> None:
        self._joined = joined

    def __len__(self) -> int:
        return self._joined.count("/") + 1 if self._joined else 0

    def are(self, names: list[str]) -> bool:
        """Whether just these. False can be wrong: SQLite promises no order, and keeps one."""
        return len(names) == len(self) and "/".join(sorted(names)) == self._joined

    def ids(self) -> set[str]:
        return set(self._joined.split("/")) if self._joined else set()


class HistoryIndex:
    """One SQLite file. Every method raises StorageError, or IndexDamaged for a broken file.

    look: called before the file is opened; raises StorageError if it must not be made again.
    lock: a file that is locked while the index is opened or replaced; None for a file that nobody
        else knows.
    """

    def __init__(
        self, path: Path, look: Callable[[], None] = lambda: None, lock: Path | None = None
    ) -> None:
        self.path = path
        self._look = look
        self._lock_path = lock
        self._connections: dict[int, tuple[sqlite3.Connection, Identity]] = {}
        self._gate = threading.Condition()
        self._in_use = 0
        self._replacing: int | None = None  # the thread that does
        self._pid = os.getpid()

    def open(self) -> None:
        """Open it, which every other method does by itself. Makes it if it is not there."""
        with self._using():
            pass

    # ---- writing ------------------------------------------------------------------------------

    def put(self, *several: Mapping[str, Any]) -> None:
        """Add items, or replace what is known of them. Each by COLUMNS."""
        with self._writing() as db:
            schema.insert_items(db, list(several))
            schema.insert_spending(db, (p.row() for values in several if (p := payment(values))))

    def change(self, item_id: str, **values: Any) -> None:
        """Set columns of one item."""
        with self._writing() as db:
            found = _items(db, "items.id = ?", (item_id,), 1)
            if found:
                schema.insert_item(db, {**found[0], **values})

    def remove(self, ids: Sequence[str], unless: Callable[[str], bool] | None = None) -> int:
        """Forget items; how many. Those for which `unless` says True inside the write stay."""
        with self._writing() as db:
            gone = [(item_id,) for item_id in ids if unless is None or not unless(item_id)]
            for table in ("items", "words", "details"):
                db.executemany(f"DELETE FROM {table} WHERE id = ?", gone)
        return len(gone)

    # ---- finding ------------------------------------------------------------------------------

    def get(self, item_id: str) -> Values | None:
        with self._using() as db:
            found = _items(db, "items.id = ?", (item_id,), 1)
        return found[0] if found else None

    def with_prefix(self, prefix: str, limit: int = 2) -> list[str]:
        with self._using() as db:
            rows = db.execute(
                "SELECT id FROM items WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
                (prefix, prefix + "\U0010ffff", limit),
            ).fetchall()
        return [str(row[0]) for row in rows]

    def search(
        self, text: str, conditions: Mapping[str, Any], limit: int, offset: int
    ) -> list[Values]:
        """The newest first. text: every word must be somewhere; conditions: see `_where`."""
        tables, where, arguments = _where(text, conditions)
        first = tables.partition(" ")[0]
        with self._using() as db:
            db.execute("BEGIN")  # both questions are about the same moment
            try:
                ids = db.execute(
                    f"SELECT {first}.id FROM {tables} WHERE {where} "
                    f"ORDER BY {first}.id DESC LIMIT ? OFFSET ?",
                    (*arguments, limit, offset),
                ).fetchall()
                found: list[Values] = []
                for at in range(0, len(ids), 500):
                    some = [row[0] for row in ids[at : at + 500]]
                    marks = ", ".join("?" * len(some))
                    found += _items(db, f"items.id IN ({marks})", some, len(some))
            finally:
                db.rollback()
            if len(found) != len(ids):
                raise IndexDamaged("The index of History is damaged.", "A row of it is missing.")
        return found

    def count(self, text: str, conditions: Mapping[str, Any]) -> int:
        tables, where, arguments = _where(text, conditions)
        asked = {name: value for name, value in conditions.items() if value is not None}
        with self._using() as db:
            if tables == "items" or asked.keys() - {"in_bin", "status"}:
                return _one(db, f"SELECT COUNT(*) FROM {tables} WHERE {where}", arguments)
            # Nearly all items are of these kinds: so all that have the words, less those that are
            # not, which is twice as fast as asking each what it is.
            _, matches, words = _where(text, {})
            _, kinds, values = _where("", asked)
            rest = f"NOT ({kinds}) AND {matches}"
            joined = "items CROSS JOIN words ON words.id = items.id"
            found = _one(db, f"SELECT COUNT(*) FROM words WHERE {matches}", words)
            return found - _one(
                db, f"SELECT COUNT(*) FROM {joined} WHERE {rest}", [*values, *words]
            )

    def distinct(self, column: str) -> list[str]:
        """Every value of a column that is in use, sorted."""
        if column not in ITEM_COLUMNS:
            raise ValueError(column)
        with self._using() as db:
            rows = db.execute(
                f"SELECT DISTINCT {column} FROM items "
                f"WHERE NOT in_bin AND {column} != '' ORDER BY 1"
            ).fetchall()
        return [str(row[0]) for row in rows]

    # ---- agreeing with the folders ------------------------------------------------------------

    def ids(self) -> set[str]:
        """The ids of all items."""
        return self.ids_in(None).ids()

    def ids_in(self, folder: str | None) -> Ids:
        """The ids of the items that should be in one folder: "2026/11" or BIN."""
        where, arguments = _in_folder(folder)
        with self._using() as db:
            row = db.execute(
                f"SELECT group_concat(id, '/') FROM items WHERE {where}", arguments
            ).fetchone()
        return Ids(str(row[0] or ""))

    def counts(self, folders: Iterable[str]) -> tuple[int, dict[str, int]]:
        """How many items there are in all, and how many should be in each of these folders."""
        with self._using() as db:
            # All but the few that are not as most are, which is twice as fast as a look at each.
            kinds = db.execute(
                "SELECT in_bin, favourite, status, COUNT(*) FROM items WHERE in_bin IS NOT 0 "
                "OR favourite IS NOT 0 OR status IS NOT 'done' GROUP BY in_bin, favourite, status"
            ).fetchall()
            for in_bin, favourite, status, _ in kinds:
                # What no search would ask for, so that no one would ever see that it has changed.
                if not {in_bin, favourite} <= {0, 1} or status not in schema.STATUSES:
                    raise IndexDamaged(
                        "The index of History is damaged.", "A row of it has changed."
                    )
            total = _one(db, "SELECT COUNT(*) FROM items", ())
            in_bin = sum(kind[3] for kind in kinds if kind[0] == 1)
            each = {}
            for folder in folders:
                where, arguments = _in_folder(folder)
                query = f"SELECT COUNT(*) FROM items WHERE {where}"
                each[folder] = in_bin if folder == BIN else _one(db, query, arguments)
        return total, each

    def folders(self) -> dict[str, tuple[int, int]]:
        """By folder: its time of change and how many items it had when both agreed."""
        with self._using() as db:
            rows = db.execute("SELECT name, changed, items FROM folders").fetchall()
        return {str(row[0]): (row[1], row[2]) for row in rows}

    def note_folders(self, noted: Mapping[str, tuple[int, int] | None]) -> None:
        """Keep what `folders` tells; None to forget."""
        with self._writing() as db:
            for name, state in noted.items():
                db.execute("DELETE FROM folders WHERE name = ?", (name,))
                if state is not None:
                    db.execute("INSERT INTO folders VALUES (?, ?, ?)", (name, *state))

    def put_payments(self, payments: Iterable[Payment]) -> None:
        """A second copy of what the ledger has."""
        with self._writing() as db:
            schema.insert_spending(db, (paid.row() for paid in payments))

    def payments(self) -> list[Payment]:
        """Those that are as they were written."""
        with self._using() as db:
            return _payments(db)

    def payment_count(self) -> int:
        with self._using() as db:
            return _one(db, "SELECT COUNT(*) FROM spending", ())

    def salvaged_payments(self) -> list[Payment]:
        """What can still be read of them in a damaged index. Raises nothing."""
        if self._obstacle():
            return []
        try:
            with contextlib.closing(_connect(self.path, fresh=False)) as db:
                return _payments(db)
        except (sqlite3.Error, UnicodeError, OSError):
            return []

    # ---- care ---------------------------------------------------------------------------------

    def check(self) -> None:
        """Read all of the file. Raises IndexDamaged if anything in it is not as it should be."""
        with self._using() as db:
            verdict = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if verdict != "ok":
                raise IndexDamaged("The index of History is damaged.", str(verdict))
            _items(db, "1", (), -1)

    def close(self) -> None:
        """Close the connections of every thread. The index opens again when it is used."""
        with self._gate:
            self._gate.wait_for(lambda: self._in_use == 0, BUSY_SECONDS)
            self._drop_connections()

    @contextlib.contextmanager
    def replacing(self) -> Iterator[None]:
        """Nobody has the file open inside, nor opens it: no thread here, and no new process."""
        with self._gate:
            self._gate.wait_for(lambda: self._in_use == 0 and self._replacing is None)
            self._replacing = threading.get_ident()
            self._drop_connections()
        try:
            with self._opening():
                yield
        finally:
            with self._gate:
                self._replacing = None
                self._gate.notify_all()

    def move_aside(self, name: str) -> None:
        """Inside `replacing`: rename the files, so that a new index can be made in their place."""
        self._drop_connections()
        with storage.storage_errors("The damaged index of History cannot be moved aside."):
            for suffix in SUFFIXES:
                path = self._beside(suffix)
                if storage.is_there(path):
                    target = path.with_name(f"{name}.sqlite3{suffix}")
                    storage.patiently(lambda path=path, target=target: path.rename(target))

    def states(self) -> set[State]:
        """Of every item what can change of it."""
        with self._using() as db:
            return _states(db)

    def take_over(
        self, fresh: Path, before: set[State], late: Callable[[HistoryIndex, set[str]], None]
    ) -> None:
        """Inside `replacing`: put the file `fresh` in the index's place.

        before: `states`, from before `fresh` was filled. late: called with the new index and the
            ids of the items that others have changed since then, while they cannot change more.
        """
        if self._obstacle():
            self.move_aside(f"history.damaged-{secrets.token_hex(4)}")
        old: sqlite3.Connection | None = None
        new = HistoryIndex(fresh)
        try:
            changed: set[str] = set()
            with contextlib.suppress(sqlite3.Error, UnicodeError):  # a damaged one says nothing
                old = _connect(self.path, fresh=False)
                old.execute("BEGIN IMMEDIATE")  # others go on writing only in the new one
                changed = {str(state[0]) for state in before ^ _states(old)}
            late(new, changed)
            new.close()
            if os.name != "nt":
                for suffix in ("-wal", "-shm"):
                    with contextlib.suppress(OSError):
                        self._beside(suffix).unlink()
            elif old is not None:
                old.close()  # Windows replaces nothing that is open
            with storage.storage_errors("The new index of History cannot be put in place."):
                try:
                    storage.patiently(lambda: fresh.replace(self.path))
                except PermissionError:
                    _copy_over(fresh, self.path)  # another program has it open
                    fresh.unlink()
        finally:
            new.close()
            if old is not None:
                with contextlib.suppress(sqlite3.Error):
                    old.close()

    # ---- inside -------------------------------------------------------------------------------

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    def _obstacle(self) -> str:
        """What is no file where one should be; to open a pipe would wait for ever."""
        for suffix in SUFFIXES:
            path = self._beside(suffix)
            if storage.is_there(path) and not path.is_file():
                return path.name
        return ""

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._using(writing=True) as db:
            try:
                yield db
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    db.rollback()
                raise
            db.commit()

    @contextlib.contextmanager
    def _using(self, writing: bool = False) -> Iterator[sqlite3.Connection]:
        me = threading.get_ident()
        with self._gate:
            self._gate.wait_for(lambda: self._replacing in (None, me))
            self._in_use += 1
        try:
            yield self._connection(writing)
        except sqlite3.Error as error:
            raise self._readable(error) from error
        except (UnicodeError, OverflowError, MemoryError, TypeError, IndexError) as error:
            # Of values that no row of ours has.
            raise IndexDamaged("The index of History is damaged.", f"{error!r}.") from error
        finally:
            with self._gate:
                self._in_use -= 1
                self._gate.notify_all()

    def _connection(self, writing: bool) -> sqlite3.Connection:
        while True:
            db, identity = self._own()
            try:
                if writing:
                    db.execute("BEGIN IMMEDIATE")
                if _identity(self.path) == identity:
                    return db
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    db.rollback()
                raise
            if writing:
                db.rollback()
            with self._gate:
                self._connections.pop(threading.get_ident(), None)
            db.close()

    def _own(self) -> tuple[sqlite3.Connection, Identity]:
        """This thread's connection, opened if there is none."""
        me = threading.current_thread().ident or 0  # also makes it known to `enumerate`
        with self._gate:
            if self._pid != os.getpid():  # a fork must not use its parent's connections
                self._connections, self._pid = {}, os.getpid()
            if me in self._connections:
                return self._connections[me]
            alive = {thread.ident for thread in threading.enumerate()}
            for ended in [ident for ident in self._connections if ident not in alive | {me}]:
                self._connections.pop(ended)[0].close()
        self._look()
        with self._opening() if self._replacing != me else contextlib.nullcontext():
            if name := self._obstacle():
                raise IndexDamaged("The index of History is damaged.", f'"{name}" is not a file.')
            connection = _connect(self.path)
            try:
                _migrate(connection)
                identity = _identity(self.path)
                if identity is None:
                    raise StorageError("The index of History is gone.", action="Try again.")
            except BaseException:
                connection.close()
                raise
        with self._gate:
            self._connections[me] = connection, identity
        return connection, identity

    def _drop_connections(self) -> None:
        connections, self._connections = self._connections, {}
        if self._pid == os.getpid():
            for connection, _ in connections.values():
                with contextlib.suppress(sqlite3.Error):
                    connection.close()

    @contextlib.contextmanager
    def _opening(self) -> Iterator[None]:
        if self._lock_path is None:
            yield
            return
        what = "History cannot be opened."
        with locks.locked(self._lock_path, what, BUSY_SECONDS):
            yield

    def _readable(self, error: sqlite3.Error) -> GenAIError:
        what = "History cannot be opened or changed."
        name = str(getattr(error, "sqlite_errorname", ""))
        full = name.removeprefix("SQLITE_")
        kind = full.partition("_")[0]
        if kind == "FULL":
            return StorageError(what, "The disk is full.", "Free some space.")
        if kind in ("BUSY", "LOCKED", "PROTOCOL", "INTERRUPT"):
            return StorageError(
                what, "Another program has been using it for a long time.", "Try again."
            )
        if kind in ("CANTOPEN", "PERM", "AUTH", "READONLY") and not self._writable():
            return StorageError(what, "Its folder cannot be written to.", "Choose another folder.")
        if kind == "CANTOPEN" and not self.path.parent.is_dir():
            return StorageError(
                what, "Its folder is gone.", "Connect its drive, or choose another folder."
            )
        if kind == "IOERR" and full not in ("IOERR_READ", "IOERR_SHORT_READ", "IOERR_CORRUPTFS"):
            return StorageError(what, f"{error}.", "Check the disk, or choose another folder.")
        # Whatever else SQLite minds is in the file.
        return IndexDamaged("The index of History is damaged.", f"{error}.")

    def _writable(self) -> bool:
        paths = [path for path in (self.path, self.path.parent) if path.exists()]
        return all(os.access(path, os.W_OK) for path in paths)


def _connect(path: Path, fresh: bool = True) -> sqlite3.Connection:
    """fresh: the file may be made."""
    # Any thread may close it (`close`), but only its own uses it.
    options: dict[str, Any] = {
        "timeout": BUSY_SECONDS,
        "isolation_level": None,
        "check_same_thread": False,
    }
    mode = "rwc" if fresh else "rw"
    connection = sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, **options)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")  # finds damage sooner
        # Some network drives cannot do WAL; then it stays a plain journal, and works.
        connection.execute("PRAGMA journal_mode = WAL")
        # The folders are synced by themselves, and what the index lost, opening it finds again.
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(db: sqlite3.Connection) -> None:
    if db.execute("PRAGMA user_version").fetchone()[0] != len(MIGRATIONS):
        db.execute("BEGIN IMMEDIATE")  # another process may be doing it right now
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                # The header alone may be damaged.
                if db.execute("SELECT version FROM about").fetchall() == [(version,)]:
                    raise StorageError(
                        "This History was written by a newer genai_render.",
                        action="Update the add-on.",
                    )
                raise IndexDamaged("The index of History is damaged.", "Its version is wrong.")
            for step in MIGRATIONS[version:]:
                step(db)
            db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                db.rollback()
            raise
        db.commit()
    if schema.described(db) != schema.expected():
        raise IndexDamaged("The index of History is damaged.", "Its tables are not as they were.")


def _identity(path: Path) -> Identity | None:
    """Which file it is, whatever it is called; None if it is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 (before every question: a Path takes longer)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _items(
    db: sqlite3.Connection, where: str, arguments: Sequence[Any], limit: int
) -> list[Values]:
    """Whole items, newest first. Raises IndexDamaged for one that is not as it was put in."""
    names = [f"items.{name}" for name in ITEM_COLUMNS]
    names += [f"details.{name}" for name in DETAIL_COLUMNS]
    rows = db.execute(
        f"SELECT {', '.join(names)}, words.words, details.checksum "
        "FROM items LEFT JOIN details ON details.id = items.id LEFT JOIN words ON words.id = "
        f"items.id WHERE {where} ORDER BY items.id DESC LIMIT ?",
        (*arguments, limit),
    ).fetchall()
    found = []
    for *row, words, checksum in rows:
        values = dict(zip(COLUMNS, row, strict=True))
        if not schema.is_whole(values, words, checksum):
            raise IndexDamaged("The index of History is damaged.", "A row of it has changed.")
        found.append(values)
    return found


def _payments(db: sqlite3.Connection) -> list[Payment]:
    """A row at a time, so that a damaged page takes nothing with it that came before."""
    found: list[Payment] = []
    columns = {str(row[1]) for row in db.execute("PRAGMA table_info(spending)")}
    check = ", checksum" if "checksum" in columns else ""  # the first version had none
    rows = db.execute(f"SELECT id, created, session, blend, cost_usd{check} FROM spending")
    with contextlib.suppress(sqlite3.Error, UnicodeError):
        for row in rows:
            if check and not schema.spending_is_whole(row):
                continue
            *texts, cost = row[0], row[2], row[3], row[4]
            plausible = all(isinstance(text, str) for text in texts)
            plausible &= isinstance(row[1], float) and isinstance(cost, float)
            if plausible and ID.fullmatch(row[0]) and (paid := payment_of_row(row[:5])):
                found.append(paid)
    return found


def _one(db: sqlite3.Connection, query: str, arguments: Sequence[Any]) -> int:
    number = db.execute(query, arguments).fetchone()[0]
    if not isinstance(number, int):
        raise IndexDamaged("The index of History is damaged.", "It cannot be counted.")
    return number


def _in_folder(folder: str | None) -> tuple[str, tuple[str, ...]]:
    if folder is None:
        return "1", ()
    if folder == BIN:
        return "in_bin = 1", ()
    month = folder.replace("/", "")
    return "in_bin = 0 AND id >= ? AND id < ?", (month, month + "\U0010ffff")


def _states(db: sqlite3.Connection) -> set[State]:
    return set(db.execute("SELECT id, in_bin, favourite FROM items").fetchall())


def _copy_over(source: Path, target: Path) -> None:
    """Make a database that others have open a copy of another."""
    try:
        with (
            contextlib.closing(sqlite3.connect(source)) as fresh,
            contextlib.closing(sqlite3.connect(target, timeout=BUSY_SECONDS)) as old,
        ):
            fresh.backup(old)
    except sqlite3.Error as error:
        raise StorageError(
            "The index of History is in use by another program.",
            f"({error})",
            "Close other windows of Blender and try again.",
        ) from error


# name → SQL; a condition whose value is None is left out.
_CONDITIONS = {
    "in_bin": "items.in_bin = ?",
    "status": "items.status = ?",
    "kind": "items.kind = ?",
    "model": "items.model = ?",
    "style": "items.style = ?",
    "blend": "items.blend = ?",
    "scene": "items.scene = ?",
    "camera": "items.camera = ?",
    "session": "items.session = ?",
    "parent": "items.parent = ?",
    "favourite": "items.favourite = ?",
    "since": "items.created >= ?",
    "until": "items.created < ?",
    "before": "items.id < ?",
    # Asked once for all: the images that others were made from.
    "last": "(items.id NOT IN (SELECT parent FROM items WHERE kind = 'edit' AND in_bin = 0)) = ?",
}

_LONGEST_PATTERN = 5000  # SQLite takes no longer ones in LIKE than ten times that, in bytes


def _where(text: str, conditions: Mapping[str, Any]) -> tuple[str, str, list[Any]]:
    """The tables to look in, the condition and its arguments."""
    parts, arguments = ["1"], []
    # The longest word first: it is in the fewest items, as a rule.
    words = sorted(set(search_words(text).split()), key=len, reverse=True)
    for word in words:
        if len(word) > _LONGEST_PATTERN:
            parts.append("instr(words.words, ?)")
            arguments.append(word)
            continue
        # Twice as fast as instr().
        escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        parts.append("words.words LIKE ? ESCAPE '\\'")
        arguments.append(f"%{escaped}%")
    for name, value in conditions.items():
        if value is not None:
            parts.append(_CONDITIONS[name])
            arguments.append(value)
    # Halves of characters, from a broken file name, are in no item.
    arguments = [
        value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for value in arguments
    ]
    # The words first: few of them match, and only those are looked up.
    tables = "words CROSS JOIN items ON items.id = words.id" if words else "items"
    return tables, " AND ".join(parts), arguments
