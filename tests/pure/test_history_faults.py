# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage, links, other disks, other computers and other programs: nothing of History is lost."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from history_samples import full_request, request, result

from genai_render.core.errors import GenAIError, NotFound, StorageError
from genai_render.core.files.locks import FileLock, Held
from genai_render.core.history import schema
from genai_render.core.history import store as history_store
from genai_render.core.history.folders import MARK
from genai_render.core.history.store import INDEX, HistoryStore, Rebuilding
from tests.faults import corruptions

ROOT = Path(__file__).parents[2]
LEDGER = "spending.jsonl"

posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "history"


def filled(folder: Path, items: int = 12, **options) -> list[str]:
    """A closed History; the ids of its items, oldest first. Each cost 10 cents."""
    with HistoryStore(folder, **options) as store:
        made = [
            store.add(request(f"number {n}"), result(n % 3, cost_usd=0.1)) for n in range(items)
        ]
    return [item.id for item in made]


def everything(store: HistoryStore) -> set[str]:
    found = store.search(limit=10**6) + store.search(limit=10**6, in_bin=True)
    return {item.id for item in found}


@contextlib.contextmanager
def another_process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python of its own that runs `code`, with the tests' samples at hand."""
    head = "import sys\nfrom history_samples import *\n"
    head += "from genai_render.core.history.store import HistoryStore\n"
    process = subprocess.Popen(
        [sys.executable, "-c", head + code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


# ---- damage --------------------------------------------------------------------------------------


@posix
def test_bytes_that_change_in_index_and_ledger_lose_nothing():
    """A part of the campaign (`python -m tests.faults`): the same seeds each time."""
    with corruptions.harm() as harm:
        bad = {seed: said for seed in range(40) if (said := harm.one(random.Random(seed)))}
    assert bad == {}


def damage_a_row(path: Path) -> None:
    """A letter in the middle of a prompt: to SQLite all is well."""
    data = path.read_bytes()
    at = data.index(b"number 7")
    path.write_bytes(data[:at] + b"numbex 7" + data[at + 8 :])


@pytest.mark.parametrize("status", ["odd", "", None, 5, "\x00"])
def test_a_record_that_no_index_can_hold_keeps_nothing_else_from_opening(
    folder: Path, status: object
):
    """Its row would be taken for a damaged index each time that it was made again."""
    ids = filled(folder, 3)
    path = next(folder.glob(f"results/*/*/{ids[1]}/request.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": status}))
    with HistoryStore(folder) as store:
        assert store.rebuild().unreadable == (ids[1],)
        assert everything(store) == {ids[0], ids[2]}
        store.add(request(), result())
    for path in folder.glob(f"{INDEX}*"):
        path.unlink()
    with HistoryStore(folder) as store:
        assert everything(store) >= {ids[0], ids[2]}
        assert store.count() == 3
    assert not list(folder.glob("history.damaged*"))


def drop_a_table(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE details")


def drop_a_column(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("ALTER TABLE items DROP COLUMN camera")


def lose_rows(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM details WHERE id IN (SELECT id FROM details LIMIT 3)")


def wrong_type(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE items SET created = x'00ff'")


def neither_in_the_bin_nor_out(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE items SET in_bin = 65 WHERE id IN (SELECT id FROM items LIMIT 1)")


def another_status(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE items SET status = 'dnne' WHERE id IN (SELECT id FROM items LIMIT 1)")


def wrong_version(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 129")


def no_text(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(
        data.replace(b"golden hour", b"golden h\xff\xfer").replace(b"auto", b"a\xffto")
    )


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").write_text("x")


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def nothing(path: Path) -> None:
    path.unlink()


DAMAGES = (
    *(damage_a_row, drop_a_table, drop_a_column, lose_rows, wrong_type, wrong_version, no_text),
    *(neither_in_the_bin_nor_out, another_status),
    *(a_folder, a_pipe, a_link_to_itself, nothing),
)


@posix
@pytest.mark.parametrize("while_open", [False, True], ids=["closed", "open"])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_whatever_is_in_the_indexs_place_it_is_made_again(
    folder: Path, damage: Callable[[Path], None], while_open: bool
):
    ids = set(filled(folder))
    with HistoryStore(folder) as store:
        store.search()
        if not while_open:
            store.close()
        damage(folder / INDEX)
        if not while_open:
            store.rebuild()
    with HistoryStore(folder) as store:
        assert everything(store) == ids
        assert store.count() == len(ids)
        assert [item.prompt for item in store.search("number 7", limit=1)] == ["number 7"]
        assert store.spent() == pytest.approx(1.2)
        assert all(store.check(id) == [] for id in ids)
        added = store.add(request(), result())
        assert store.rebuild().items == len(ids) + 1
        assert everything(store) == ids | {added.id}


@pytest.mark.parametrize("harm", ["text", "cut", "gone", "folder", "empty"])
def test_what_was_spent_survives_the_ledger_and_the_index(folder: Path, harm: str):
    ids = filled(folder)
    with HistoryStore(folder) as store:
        store.delete(ids[0])
        assert store.empty_bin() == 1
    path = folder / LEDGER
    data = path.read_bytes()
    if harm == "text":
        path.write_bytes(data.replace(b"0.1]", b"9.1]", 3))
    elif harm == "cut":
        path.write_bytes(data[: data.index(b"\n", 50) + 1])
    elif harm == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
        if harm == "folder":
            path.mkdir()
    with HistoryStore(folder) as store:  # from the index's copy, the erased one, too
        assert store.spent() == pytest.approx(1.2)
    for index in folder.glob(f"{INDEX}*"):
        index.unlink()
    with HistoryStore(folder) as store:  # from the ledger, which was made good
        assert store.spent() == pytest.approx(1.2)
        assert store.spent_this_month() == pytest.approx(1.2)
        with pytest.raises(NotFound):
            store.get(ids[0])


def test_both_gone_leaves_what_the_items_cost(folder: Path):
    filled(folder)
    for path in [*folder.glob(f"{INDEX}*"), folder / LEDGER]:
        path.unlink()
    with HistoryStore(folder) as store:
        assert store.spent() == pytest.approx(1.2)


def test_what_two_processes_spend_is_counted_in_both(folder: Path):
    with HistoryStore(folder) as store:
        assert store.spent() == 0
        code = "store = HistoryStore(sys.argv[1])\n"
        code += "for n in range(20): store.add(request(), result(cost_usd=0.01))\n"
        code += "print(store.spent())\n"
        with another_process(code, folder) as one, another_process(code, folder) as two:
            for _ in range(20):
                store.add(request(), result(cost_usd=0.01))
            assert float(line_of(one)) >= 0.2
            assert float(line_of(two)) >= 0.2
        assert store.spent() == pytest.approx(0.6)


def first_version(folder: Path) -> None:
    """The index as the first version of genai_render made it, with an item and one erased."""
    ids = filled(folder, 2)
    with HistoryStore(folder) as store:
        values = store._index.get(ids[0])
        assert values is not None
    for path in [*folder.glob(f"{INDEX}*"), folder / LEDGER, folder / "results" / MARK]:
        path.unlink()
    shutil.rmtree(store._place(ids[1]))
    from genai_render.core.history.schema import MIGRATIONS

    with contextlib.closing(sqlite3.connect(folder / INDEX)) as db, db:
        MIGRATIONS[0](db)
        db.execute("PRAGMA user_version = 1")
        row = {**values, "words": values["prompt"]}
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        db.execute(f"INSERT INTO items ({names}) VALUES ({marks})", tuple(row.values()))
        for id in ids:
            db.execute("INSERT INTO spending VALUES (?, 1.0, 's', '', 0.1)", (id,))


@pytest.mark.parametrize("whole", [True, False])
def test_the_first_versions_history_still_opens(folder: Path, whole: bool):
    first_version(folder)
    if not whole:
        with contextlib.closing(sqlite3.connect(folder / INDEX)) as db, db:
            db.execute("DROP TABLE items")
    with HistoryStore(folder) as store:
        assert [item.prompt for item in store.search("number")] == ["number 0"]
        assert store.spent() == pytest.approx(0.2)  # with the one that is gone
    for path in folder.glob(f"{INDEX}*"):
        path.unlink()
    with HistoryStore(folder) as store:
        assert store.spent() == pytest.approx(0.2)


def test_a_rebuild_swaps_a_new_file_in_while_others_write(folder: Path):
    filled(folder, 30)
    code = """
store = HistoryStore(sys.argv[1])
n = 0
while True:
    item = store.add(request(f"other {n}"), result(n % 3))
    store.set_favourite(item.id)
    if n % 3 == 0:
        store.delete(item.id)
    n += 1
    print(item.id, flush=True)
"""
    with HistoryStore(folder) as store, another_process(code, folder) as other:
        told = [line_of(other)]
        before = (folder / INDEX).stat().st_ino
        for _ in range(5):
            store.rebuild()
            told += [line_of(other) for _ in range(5)]
        if os.name != "nt":
            assert (folder / INDEX).stat().st_ino != before
        other.kill()
        other.wait()
        assert set(told) <= everything(store)
        assert store.count("number") == 30
        favourites = {item.id for item in store.search(favourite=True, limit=10**4)}
        favourites |= {i.id for i in store.search(favourite=True, in_bin=True, limit=10**4)}
        assert set(told[:-1]) <= favourites
        assert store._index.check() is None
    HistoryStore(folder).close()  # it was killed at any moment, and may have left something
    assert not list(folder.glob("history.damaged*"))
    assert list((folder / "writing").iterdir()) == []


def test_a_rebuild_enters_items_all_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Also those that the index did not have: one by one, 100,000 take minutes."""
    ids = filled(folder)
    entered: list[int] = []
    real = schema.insert_items

    def counted(db: sqlite3.Connection, several: list) -> None:
        entered.append(len(several))
        real(db, several)

    with HistoryStore(folder) as store:
        with contextlib.closing(sqlite3.connect(folder / INDEX)) as db, db:
            for table in ("items", "words", "details"):
                db.execute(f"DELETE FROM {table}")
        monkeypatch.setattr(schema, "insert_items", counted)
        assert store.rebuild().added == len(ids)
        assert [count for count in entered if count] == [len(ids)]
        assert everything(store) == set(ids)


def test_a_rebuild_in_the_background_shows_the_newest_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    ids = filled(folder, 40)
    for module in (history_store, sys.modules[history_store.fill.__module__]):
        monkeypatch.setattr(module, "BATCH", 10)
    (folder / INDEX).write_bytes(b"nothing" * 2000)
    seen: list[Rebuilding] = []
    gate = FileLock(folder / "gate")
    assert gate.take() is Held.YES
    real = history_store.values_in_folder

    def slow(folders, item_id, in_bin):
        if item_id == ids[15]:  # wait here until the test has looked
            inner = FileLock(folder / "gate")
            inner.take(30)
            inner.release()
        return real(folders, item_id, in_bin)

    monkeypatch.setattr(sys.modules[history_store.fill.__module__], "values_in_folder", slow)
    with HistoryStore(folder, background=True) as store:
        until = time.monotonic() + 30
        while store.count() < 20 and time.monotonic() < until:
            time.sleep(0.01)
        progress = store.rebuilding
        assert progress is not None
        seen.append(progress)
        assert {item.id for item in store.search()} == set(ids[20:])  # the panel works
        assert store.get(ids[0]).prompt == "number 0"
        added = store.add(request("meanwhile"), result(cost_usd=0.1))
        assert store.spent() == pytest.approx(4.1)  # a budget forgets nothing meanwhile
        gate.release()
        assert store.wait(30)
        assert store.rebuilding is None
        assert everything(store) == {*ids, added.id}
    assert seen[0].total in (39, 40)
    assert 0 < seen[0].fraction < 1
    assert "of 40" in seen[0].text or "of 39" in seen[0].text


def test_a_rebuild_can_be_followed(folder: Path):
    ids = filled(folder)
    with HistoryStore(folder, background=True) as store:
        assert store.wait(60)
        assert everything(store) == set(ids)
        told: list[tuple[int, int]] = []
        store.rebuild(lambda done, total: told.append((done, total)))
        assert told[0] == (0, 12)
        assert told[-1] == (12, 12)


# ---- links and disks -----------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("place", ["item", "inside", "writing"])
def test_emptying_the_bin_follows_no_link(folder: Path, tmp_path: Path, place: str):
    ids = filled(folder)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("five years")
    with HistoryStore(folder) as store:
        if place == "item":
            store.delete(ids[0])
            kept = shutil.copytree(folder / "bin" / ids[0], precious / "item")
            shutil.rmtree(folder / "bin" / ids[0])
            (folder / "bin" / ids[0]).symlink_to(kept, target_is_directory=True)
            expected = {path.name for path in kept.iterdir()}
        elif place == "inside":
            item = store.delete(ids[0])
            (item.folder / "sent").symlink_to(precious, target_is_directory=True)
            expected = set()
        else:
            (folder / "writing" / "erased-x").symlink_to(precious, target_is_directory=True)
            store.delete(ids[0])
            expected = set()
        assert store.empty_bin() == 1
        store.rebuild()
    assert (precious / "thesis.txt").read_text() == "five years"
    if expected:
        assert {path.name for path in (precious / "item").iterdir()} == expected
    assert list((folder / "bin").iterdir()) == []
    assert list((folder / "writing").iterdir()) == []


@posix
@pytest.mark.parametrize("which", ["results", "bin"])
def test_results_or_bin_on_another_disk(folder: Path, which: str):
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == folder.parent.stat().st_dev:
        pytest.skip("there is no other disk")
    disk = other / f"genai-render-test-{os.getpid()}"
    disk.mkdir()
    try:
        folder.mkdir()
        (folder / which).symlink_to(disk, target_is_directory=True)
        with HistoryStore(folder) as store:
            one, two = (store.add(full_request(n), result(n)) for n in range(2))
            store.set_favourite(one.id)
            assert store.delete(one.id).in_bin
            assert store.check(one.id) == []
            assert store.restore(one.id).folder == one.folder
            assert store.check(one.id) == []
            assert store.request(one.id) == full_request(0)
            assert store.get(one.id).favourite
            store.delete(two.id)
            assert store.empty_bin() == 1
            assert everything(store) == {one.id}
            assert store.rebuild().items == 1
        left = [path.name for path in disk.rglob("*") if path.parent.name == ".writing"]
        assert left == []
        assert list((folder / "writing").iterdir()) == []
    finally:
        shutil.rmtree(disk)


@posix
def test_dying_between_two_disks_leaves_the_item_where_it_was(folder: Path):
    """A copy in the bin of an item that is still in the results."""
    ids = filled(folder)
    with HistoryStore(folder) as store:
        shutil.copytree(store.get(ids[0]).folder, folder / "bin" / ids[0])
    for path in folder.glob(f"{INDEX}*"):
        path.unlink()
    with HistoryStore(folder) as store:
        assert not store.get(ids[0]).in_bin
        assert store.count() == 12
        store.empty_bin()
        assert not store.get(ids[0]).in_bin
        store.delete(ids[0])
        assert store.restore(ids[0]).folder.is_dir()


# ---- writers elsewhere ---------------------------------------------------------------------------

WRITING = """
import os
real = os.fsync
def fsync(handle):
    print("writing", flush=True)
    sys.stdin.readline()
    os.fsync = real
    real(handle)
store = HistoryStore(sys.argv[1])
os.fsync = fsync
print(store.add(request(), result()).id, flush=True)
"""


def test_a_running_writers_folder_is_no_leftover_whatever_its_clock_says(folder: Path):
    filled(folder, 1)
    with another_process(WRITING, folder) as writer:
        assert line_of(writer) == "writing"
        for path in (folder / "writing").iterdir():
            os.utime(path, (1, 1))
        with HistoryStore(folder) as store:
            store.rebuild()
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
            assert store.get(line_of(writer)).status == "done"


def test_a_dead_writers_folder_is_a_leftover_whatever_its_clock_says(folder: Path):
    filled(folder, 1)
    with another_process(WRITING, folder) as writer:
        assert line_of(writer) == "writing"
        writer.kill()
        writer.wait()
    left = list((folder / "writing").iterdir())
    assert len(left) == 2  # the folder and its lock
    for path in left:
        os.utime(path, (4e9, 4e9))
    with HistoryStore(folder) as store:
        store.rebuild()
        assert store.count() == 1
    assert list((folder / "writing").iterdir()) == []


def test_another_computers_folder_is_left_alone(folder: Path):
    """Its lock may not be seen from here, over a network."""
    filled(folder, 1)
    name = "20261128-010203-000004-abcdef-0123456789-abcdef"
    theirs = folder / "writing" / name
    theirs.mkdir()
    (folder / "writing" / f"{name}.lock").touch()
    with HistoryStore(folder) as store:
        store.rebuild()
    assert theirs.is_dir()


# ---- what cannot be read -------------------------------------------------------------------------


def as_another_user(work: Callable[[], None]) -> None:
    """In a process of a user who may not do everything."""
    if os.geteuid() != 0:
        work()
        return
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            work()
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0


def opened_for_all(folder: Path) -> None:
    """So that another user may write there."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o777)
    for path in folder.parents:
        if path.stat().st_uid == os.geteuid() and path != path.parent and path != Path("/tmp"):
            path.chmod(path.stat().st_mode | 0o755)


@posix
def test_a_month_that_cannot_be_entered_is_skipped_and_named(folder: Path):
    ids = filled(folder)
    closed = folder / "results" / "2019" / "03"
    old = "20190304-010203-000004-abcdef"
    shutil.copytree(next(folder.glob(f"results/*/*/{ids[0]}")), closed / old)
    record = json.loads((closed / old / "request.json").read_text())
    (closed / old / "request.json").write_text(json.dumps({**record, "id": old}))
    with HistoryStore(folder) as store:
        assert store.count() == 13
    (folder / "results" / "2020").write_text("a stray file")
    (folder / "results" / "2021").mkdir()
    (folder / "results" / "2021" / "05").write_text("another")
    opened_for_all(folder)
    closed.chmod(0)

    def work() -> None:
        with HistoryStore(folder) as store:
            assert everything(store) == set(ids)
            assert sorted(s.name for s in store.skipped) == ["2019/03", "2020", "2021/05"]
            assert all(s.why and s.name in s.text for s in store.skipped)
            assert {s.name for s in store.rebuild().skipped} == {"2019/03", "2020", "2021/05"}
            store.add(request(), result())

    try:
        as_another_user(work)
    finally:
        closed.chmod(0o777)
    with HistoryStore(folder) as store:
        assert store.get(old)
        assert store.count() == 14


@posix
@pytest.mark.parametrize("name", ["bin", "writing"])
def test_a_file_in_the_bins_place_keeps_nothing_from_opening(folder: Path, name: str):
    ids = filled(folder)
    shutil.rmtree(folder / name)
    (folder / name).write_text("not a folder")
    with HistoryStore(folder) as store:
        assert everything(store) == set(ids)
        if name == "bin":
            assert [s.name for s in store.skipped] == ["bin"]
            store.add(request(), result())
            with pytest.raises(StorageError, match="in the way"):
                store.empty_bin()
        else:
            with pytest.raises(StorageError, match="in the way"):
                store.add(request(), result())


# ---- vanished ------------------------------------------------------------------------------------


def test_a_history_that_vanishes_while_it_is_open_is_an_error(folder: Path, tmp_path: Path):
    ids = filled(folder)
    with HistoryStore(folder) as store:
        assert len(store.search()) == 12
        away = folder.rename(tmp_path / "unplugged")
        for put_there in (False, True):  # nothing at all, and then an empty mount point
            if put_there:
                folder.mkdir()
            for attempt in (
                lambda: store.search(),
                lambda: store.count(),
                lambda: store.get(ids[0]),
                lambda: store.add(request(), result()),
                lambda: store.rebuild(),
                lambda: store.delete(ids[0]),
            ):
                with pytest.raises(GenAIError, match=r"not there|missing|gone") as caught:
                    attempt()
                assert isinstance(caught.value, StorageError)
            assert put_there == folder.exists()
            assert not put_there or list(folder.iterdir()) == []
        folder.rmdir()
        away.rename(folder)
        assert {item.id for item in store.search()} == set(ids)
        store.add(request(), result())
        assert store.count() == 13


def test_results_that_vanished_are_not_an_empty_history(folder: Path, tmp_path: Path):
    ids = filled(folder)
    away = (folder / "results").rename(tmp_path / "elsewhere")
    for empty_mount_point in (False, True):
        if empty_mount_point:
            (folder / "results").mkdir()
        with pytest.raises(StorageError, match="is not there"):
            HistoryStore(folder)
    with HistoryStore(folder, accept_loss=True) as store:
        assert store.rebuild().items == 0
        assert store.spent() == pytest.approx(1.2)
    shutil.rmtree(folder / "results")
    away.rename(folder / "results")
    with HistoryStore(folder) as store:
        assert everything(store) == set(ids)


def test_a_known_history_is_not_made_again_under_its_mount_point(tmp_path: Path):
    mount, known = tmp_path / "mnt", tmp_path / "config" / "known.json"
    known.parent.mkdir()
    ids = filled(mount / "history", known=known)
    (tmp_path / "mnt").rename(tmp_path / "unplugged")
    mount.mkdir()
    with pytest.raises(StorageError, match="is not there"):
        HistoryStore(mount / "history", known=known)
    assert list(mount.iterdir()) == []
    filled(mount / "another", 1, known=known)  # a new one is made as ever
    shutil.rmtree(mount)
    (tmp_path / "unplugged").rename(mount)
    with HistoryStore(mount / "history", known=known) as store:
        assert everything(store) == set(ids)


def test_results_deleted_by_hand_are_no_error_where_the_folder_is_there(folder: Path):
    filled(folder)
    for path in (folder / "results").iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    with HistoryStore(folder) as store:
        assert everything(store) == set()
        assert store.spent() == pytest.approx(1.2)


# ---- read-only -----------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("damaged", [False, True])
def test_one_opened_read_only_is_whole_and_writable_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
):
    monkeypatch.setattr(history_store, "_LOOK_SECONDS", 0.0)
    code = "store = HistoryStore(sys.argv[1])\n"
    code += "for n in range(3): store.add(request(f'number {n}'), result(n, cost_usd=0.1))\n"
    code += "print('added', flush=True)\nsys.stdin.readline()\n"
    with another_process(code, folder) as writer:  # killed: its entries stay in SQLite's log
        assert line_of(writer) == "added"
    if damaged:
        (folder / INDEX).write_bytes(b"x" * 9000)
    opened_for_all(folder)
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)

    def work() -> None:
        with HistoryStore(folder) as store:
            assert store.read_only
            assert store.count() == 3
            assert len(store.search("number 1")) == 1
            assert store.spent() == pytest.approx(0.3)
            (one, *_) = store.search()
            assert store.image(one.id)
            for attempt in (
                lambda: store.add(request(), result()),
                lambda: store.delete(one.id),
                lambda: store.set_favourite(one.id),
            ):
                with pytest.raises(StorageError, match=r"may not write|read-only"):
                    attempt()
            assert store.rebuild().items == 3
            print("looked", flush=True)
            told.write(b"looked")
            assert wait.read(5) == b"ready"
            assert store.count() == 4
            assert not store.read_only
            store.add(request(), result(cost_usd=0.1))
            assert store.count() == 5
            assert store.spent() == pytest.approx(0.5)

    reading, writing = os.pipe()
    reading2, writing2 = os.pipe()
    told, wait = os.fdopen(writing, "wb", 0), os.fdopen(reading2, "rb", 0)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            work()
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    told.close()
    assert os.fdopen(reading, "rb", 0).read(6) == b"looked"
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    with HistoryStore(folder) as store:  # another puts something in, now that one can
        store.add(request(), result(cost_usd=0.1))
    opened_for_all(folder)
    os.write(writing2, b"ready")
    assert os.waitpid(pid, 0)[1] == 0
