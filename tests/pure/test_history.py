# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person can rely on in History: it is found again, exactly, and nothing gets out of it."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import re
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from history_samples import canvas, full_request, pixels, png, request, result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genai_render.core.errors import (
    GenAIError,
    ImageError,
    InvalidInput,
    NotFound,
    Refused,
    ServerError,
    StorageError,
)
from genai_render.core.history.index import MIGRATIONS, HistoryIndex
from genai_render.core.history.record import SCHEMA
from genai_render.core.history.store import HistoryStore, Rebuilt, new_id
from genai_render.core.image import images, metadata
from genai_render.core.view import guides
from genai_render.core.view.canvas import View


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "history"


@pytest.fixture
def store(folder: Path):
    with HistoryStore(folder) as store:
        yield store


# ---- kept ----------------------------------------------------------------------------------------


def test_a_result_is_kept_with_all_that_made_it(store: HistoryStore):
    asked = full_request()
    item = store.add(asked, result(seed=42, cost_usd=0.04), seconds=1.5)

    assert re.fullmatch(
        r"results/\d{4}/\d\d/" + item.id, item.folder.relative_to(store.folder).as_posix()
    )
    assert {path.name for path in item.folder.iterdir()} == {
        *("image.png", "thumb.webp", "request.json", "canvas.webp", "depth.png", "normal.png"),
        *("albedo.webp", "reference-1.png", "reference-2.jpg"),
    }
    assert item == store.get(item.id)
    assert (item.status, item.prompt, item.style) == ("done", asked.prompt, "comic")
    assert (item.width, item.height, item.seed) == (64, 48, 42)
    assert (item.cost_usd, item.seconds, item.ai) == (0.04, 1.5, False)
    assert (item.blend, item.scene, item.camera, item.frame) == (
        *("Street.blend", "Scene", "Camera"),
        7,
    )
    assert abs(datetime.now(UTC) - item.created) < timedelta(minutes=5)
    assert store.check(item.id) == []


def test_the_providers_bytes_are_untouched(store: HistoryStore):
    for kind in ("png", "webp", "jpeg"):
        data = images.encode(pixels(), kind)
        made = dataclasses.replace(result(), image=data, mime=f"image/{kind}")
        item = store.add(request(), made)
        assert store.image(item.id) == data
        assert item.image_path is not None
        assert item.image_path.suffix == {"jpeg": ".jpg"}.get(kind, f".{kind}")


def test_the_request_comes_back_exactly(store: HistoryStore):
    asked = full_request()
    assert asked.canvas is not None
    item = store.add(asked, result())
    again = store.request(item.id)

    assert again == asked  # but for the canvas, which is compared here:
    assert again.canvas is not None
    was, now = asked.canvas, again.canvas
    assert now.view == was.view
    assert np.array_equal(now.color, was.color)
    assert was.albedo is not None
    assert np.array_equal(now.albedo, was.albedo)  # pyright: ignore[reportArgumentType]
    assert np.array_equal(now.covered, was.covered)
    scale = guides.DepthScale.from_json(store.record(item.id)["canvas"]["depth"])
    off = np.abs(now.depth[was.covered] - was.depth[was.covered])
    assert np.all(off <= [1.01 * scale.error_at(d) + 1e-6 for d in was.depth[was.covered]])
    assert np.max(off / was.depth[was.covered]) < 1e-4
    cosine = np.sum(now.normal * was.normal, axis=2)[was.covered]
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() <= guides.NORMAL_ERROR_DEGREES
    assert not now.normal[~was.covered].any()


def test_an_edit_keeps_its_source_and_mask_and_where_it_came_from(store: HistoryStore):
    first = store.add(full_request(), result())
    edit = request(
        "a red car", kind="edit", source=store.image(first.id), mask=png(5), parent=first.id
    )
    item = store.add(edit, result(1))
    assert store.request(item.id) == edit
    assert (item.kind, item.parent, item.blend) == ("edit", first.id, "Street.blend")
    assert [found.id for found in store.search(parent=first.id)] == [item.id]
    assert [found.id for found in store.search(kind="edit")] == [item.id]


def test_guide_images_are_kept_as_they_were_sent(store: HistoryStore):
    sent = {"depth-16.png": b"1", "../../out.png": b"2", "out.png": b"3", "": b"4"}
    item = store.add(request(), result(sent=sent))
    kept = {path.name: path.read_bytes() for path in (item.folder / "sent").iterdir()}
    assert sorted(kept.values()) == [b"1", b"2", b"3", b"4"]
    assert kept["depth-16.png"] == b"1"
    assert not (store.folder / "out.png").exists()


def test_a_refusal_is_kept_so_that_it_can_be_tried_again(store: HistoryStore):
    asked = full_request()
    item = store.add_failed(asked, Refused("The provider declined.", "A face.", "Say it else."))
    assert (item.status, item.error_code) == ("refused", "refused")
    assert item.error == "The provider declined. A face. Say it else."
    assert item.image_path is None
    assert store.request(item.id) == asked
    with pytest.raises(NotFound):
        store.image(item.id)
    failed = store.add_failed(request(), ServerError("No answer."), cost_usd=0.02)
    assert failed.status == "failed"
    assert [found.id for found in store.search(status="refused")] == [item.id]
    assert store.spent() == pytest.approx(0.02)
    charged = Refused("The provider declined.")
    charged.cost_usd = 0.01
    assert store.add_failed(asked, charged).cost_usd == 0.01
    assert store.spent() == pytest.approx(0.03)


def test_a_view_without_surfaces_is_kept(store: HistoryStore):
    view = canvas()
    view.depth[:] = np.inf
    view.normal[:] = 0
    again = store.canvas(store.add(request(canvas=view), result()).id)
    assert again is not None
    assert not again.covered.any()
    assert not again.normal.any()


def test_an_orthographic_view_keeps_what_lies_behind_it(store: HistoryStore):
    view = canvas(projection="ORTHO")
    view.depth[20, :] = -3.0
    again = store.canvas(store.add(request(canvas=view), result()).id)
    assert again is not None
    assert np.abs(again.depth[view.covered] - view.depth[view.covered]).max() < 1e-3


def test_something_that_is_no_whole_image_is_not_kept(store: HistoryStore):
    for data in (b"", b"an error page", png()[:-30]):
        with pytest.raises(ImageError):
            store.add(request(), dataclasses.replace(result(), image=data))
    assert store.search() == []
    assert list((store.folder / "writing").iterdir()) == []


# ---- kept out ------------------------------------------------------------------------------------

SECRETS = (
    "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "hf_abcdefghijklmnopqrstuvwxyz0123",
)


def test_keys_and_paths_never_reach_the_disk_or_an_exported_file(
    store: HistoryStore, tmp_path: Path
):
    home = "/home/ada/secret project/"
    asked = request(
        f"a castle {SECRETS[0]}",
        canvas=canvas(blend_name=home + "castle.blend"),
        options={"note": f"key {SECRETS[1]}", "lora": home + "knight.safetensors"},
        scene_text=f"Texture C:\\Users\\ada\\wood.png, {SECRETS[2]}",
    )
    made = result(
        prompt_sent=f"castle {SECRETS[0]}",
        info={
            "headers": {"Authorization": "Bearer abcdefghijklmnop1234", "x-api-key": "hunter2"},
            "url": f"https://example.org/v1?key={SECRETS[1]}&size=1K",
            "workflow": [{"file": home + "a.png"}, Path(home) / "b.png"],
        },
    )
    error = ServerError(f"Could not read {home}x.png with {SECRETS[0]}.")
    items = [store.add(asked, made), store.add_failed(asked, error)]
    store.export(items[0].id, tmp_path / "out.png")
    store.export(items[0].id, tmp_path / "out.jpg")
    store.close()

    for path in [*store.folder.rglob("*"), *tmp_path.glob("out.*")]:
        if path.is_file():
            data = path.read_bytes()
            for secret in (
                *SECRETS,
                "hunter2",
                "abcdefghijklmnop1234",
                "/home/ada",
                "Users\\\\ada",
            ):
                assert secret.encode() not in data, (path, secret)
    record = store.record(items[0].id)
    assert items[0].prompt == "a castle [removed]"
    assert record["view"]["blend_name"] == "castle.blend"
    assert record["result"]["info"]["workflow"] == [{"file": "a.png"}, "b.png"]
    assert record["result"]["info"]["url"] == "https://example.org/v1?key=[removed]&size=1K"


def test_ids_from_outside_never_lead_out_of_the_folder(store: HistoryStore):
    for wrong in (
        "",
        "../../etc/passwd",
        "a/b",
        "%",
        "20261121-0754",
        "20261121-075432-123456-ZZZ",
    ):
        with pytest.raises(NotFound):
            store.get(wrong)


# ---- found ---------------------------------------------------------------------------------------


@pytest.fixture
def filled(store: HistoryStore) -> dict[str, str]:
    views = [View(8, 8, blend_name=name, camera="Front") for name in ("Casa.blend", "Loft.blend")]
    wanted = {
        "sunset": (request("Golden sunset over the café", style="comic"), views[0], 0.04),
        "cat": (request("可爱的猫 with 100% wool_hat", model="openai"), views[1], 0.10),
        "fog": (request("Fog, golden light", style="movie"), views[1], None),
    }
    return {
        name: store.add(asked, result(cost_usd=cost), view=view).id
        for name, (asked, view, cost) in wanted.items()
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["fog", "cat", "sunset"]),
        ("golden", ["fog", "sunset"]),
        ("GOLD cafe", ["sunset"]),
        ("猫", ["cat"]),
        ("100%", ["cat"]),
        ("%", ["cat"]),
        ("wool_h", ["cat"]),
        ("_", ["cat"]),
        ("loft", ["fog", "cat"]),
        ("movie", ["fog"]),
        ("' OR 1=1 --", []),
        ("unicorn", []),
    ],
)
def test_search_finds_words_in_part_and_whatever_their_case(
    store: HistoryStore, filled: dict[str, str], text: str, expected: list[str]
):
    found = [item.id for item in store.search(text)]
    assert found == [filled[name] for name in expected]
    assert store.count(text) == len(expected)


def test_search_filters(store: HistoryStore, filled: dict[str, str]):
    def names(**filters):
        found = [item.id for item in store.search(**filters)]
        assert store.count(**filters) == len(found)
        return [name for id in found for name, known in filled.items() if known == id]

    assert names(model="openai") == ["cat"]
    assert names(style="movie") == ["fog"]
    assert names(blend="Loft.blend") == ["fog", "cat"]
    assert names(camera="Front", style="comic") == ["sunset"]
    assert names(session=store.session) == ["fog", "cat", "sunset"]
    assert names(favourite=True) == []
    store.set_favourite(filled["cat"])
    assert names(favourite=True) == ["cat"]
    assert names(favourite=False) == ["fog", "sunset"]
    store.set_favourite(filled["cat"], False)
    assert names(favourite=True) == []
    moment = store.get(filled["cat"]).created
    assert names(since=moment) == ["fog", "cat"]
    assert names(until=moment) == ["sunset"]
    assert names(since=moment + timedelta(days=1)) == []
    assert store.known("blend") == ["Casa.blend", "Loft.blend"]
    assert store.known("style") == ["auto", "comic", "movie"]


def test_of_a_line_of_edits_only_the_last_is_found(store: HistoryStore):
    first = store.add(request("a house"), result(1)).id
    other = store.add(request("a tree"), result(2)).id
    edit = request("a red house", kind="edit", source=png(1), parent=first)
    second = store.add(edit, result(3)).id

    def last() -> list[str]:
        found = [item.id for item in store.search(last=True)]
        assert store.count(last=True) == len(found)
        assert store.count("house", last=True) == sum(
            "tree" not in store.get(i).prompt for i in found
        )
        return found

    assert last() == [second, other]
    store.delete(second)  # what it was made from stands for itself again
    assert last() == [other, first]


def test_pages_follow_each_other_even_while_new_items_come(store: HistoryStore):
    ids = [store.add(request(f"number {n}"), result()).id for n in range(7)][::-1]
    first = store.search(limit=3)
    newest = store.add(request("number 8"), result())
    second = store.search(limit=3, before=first[-1].id)
    third = store.search(limit=3, before=second[-1].id)
    assert [item.id for item in first + second + third] == ids
    assert [item.id for item in store.search(limit=2, offset=1)] == ids[:2]
    assert store.search(limit=1)[0] == newest


def test_an_item_is_found_by_the_beginning_of_its_id(store: HistoryStore):
    first, second = (store.add(request(), result()) for _ in range(2))
    assert store.get(first.id[:-2]).id == first.id
    with pytest.raises(InvalidInput, match="Several"):
        store.get(first.id[:10])
    assert second.id > first.id


def test_ids_sort_by_time_and_never_repeat():
    ids = [new_id() for _ in range(5000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 5000
    assert all(re.fullmatch(r"[0-9a-f-]{29}", id) for id in ids)


# ---- deleted, restored, exported -----------------------------------------------------------------


def test_the_bin(store: HistoryStore):
    kept, gone = store.add(request(), result()), store.add(full_request(), result(cost_usd=0.5))
    asked = store.request(gone.id)
    binned = store.delete(gone.id)
    assert binned.in_bin
    assert not gone.folder.exists()
    assert [item.id for item in store.search()] == [kept.id]
    assert [item.id for item in store.search(in_bin=True)] == [gone.id]
    assert store.delete(gone.id) == binned  # once more changes nothing

    assert store.restore(gone.id) == gone
    assert store.request(gone.id) == asked
    assert store.check(gone.id) == []

    store.delete(gone.id)
    assert store.empty_bin() == 1
    with pytest.raises(NotFound):
        store.get(gone.id)
    assert [path.name for path in store.folder.rglob("*") if gone.id in path.name] == []
    assert store.search()[0].id == kept.id
    assert store.spent() == pytest.approx(0.5)  # the money is gone all the same
    assert store.empty_bin() == 0


@pytest.mark.parametrize("kept", ["png", "webp", "jpeg"])
@pytest.mark.parametrize("wanted", ["png", "webp", "jpeg"])
def test_export_in_any_format_says_what_made_it(
    store: HistoryStore, tmp_path: Path, kept: images.Format, wanted: images.Format
):
    data = images.encode(pixels(), kept)
    made = dataclasses.replace(result(seed=5), image=data, ai=True)
    item = store.add(full_request(), made)
    path = store.export(item.id, tmp_path / "mine", format=wanted)

    out = path.read_bytes()
    assert images.probe(out).format == wanted
    found = metadata.read_metadata(out)
    assert found is not None
    assert found.source_type == metadata.COMPOSITE
    assert found.request is not None
    assert found.request["prompt"] == "golden hour, watercolour"
    assert found.request["used"]["seed"] == 5
    if kept == wanted:
        assert np.array_equal(images.decode(out), images.decode(data))
        bare = store.export(item.id, tmp_path / "bare", metadata=False)
        assert bare.read_bytes() == data
    assert store.image(item.id) == data


def test_export_names_the_file_by_its_format(store: HistoryStore, tmp_path: Path):
    item = store.add(request(), result())
    assert store.export(item.id, tmp_path).name == f"{item.id}.png"
    assert images.probe(store.export(item.id, tmp_path / "a.jpg").read_bytes()).format == "jpeg"
    assert images.probe(store.export(item.id, tmp_path / "b.WEBP").read_bytes()).format == "webp"
    with pytest.raises(InvalidInput):
        store.export(item.id, tmp_path / "c.png", format="tiff")  # pyright: ignore[reportArgumentType]
    with pytest.raises(StorageError, match="missing"):
        store.export(item.id, tmp_path / "nowhere" / "d.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["history", f"{item.id}.png", "a.jpg", "b.WEBP"]
    )


def test_what_was_spent(folder: Path):
    with HistoryStore(folder, session="yesterday") as store:
        store.add(request(canvas=canvas()), result(cost_usd=1.0))
    with HistoryStore(folder) as store:
        store.add(request(canvas=canvas()), result(cost_usd=0.25))
        store.add(request(), result(cost_usd=0.5))
        store.add(request(), result(cost_usd=None))
        store.add(request(), result(cost_usd=0.0))
        assert store.spent() == pytest.approx(1.75)
        assert store.spent_this_session() == pytest.approx(0.75)
        assert store.spent_this_month() == pytest.approx(1.75)
        assert store.spent(blend="Street.blend") == pytest.approx(1.25)
        assert store.spent(since=datetime.now(UTC) + timedelta(hours=1)) == 0


# ---- repaired ------------------------------------------------------------------------------------


def test_the_index_is_made_again_from_the_folders(folder: Path):
    with HistoryStore(folder) as store:
        ids = [store.add(full_request(n), result(n, cost_usd=0.1)).id for n in range(4)]
        store.delete(ids[0])
        store.set_favourite(ids[1])
        before = [store.get(id) for id in ids]
    for path in folder.glob("history.sqlite3*"):
        path.unlink()
    with HistoryStore(folder) as store:
        assert [store.get(id) for id in ids] == before
        assert store.count(in_bin=True) == 1
        assert store.search(favourite=True)[0].id == ids[1]
        assert store.spent() == pytest.approx(0.4)


def test_folders_and_index_that_differ_agree_again(folder: Path):
    with HistoryStore(folder) as store:
        lost, moved, kept, damaged = (store.add(request(), result()).id for _ in range(4))
    index = sqlite3.connect(folder / "history.sqlite3")
    with index:
        index.execute("DELETE FROM items WHERE id = ?", (kept,))
    index.close()
    with HistoryStore(folder) as store:
        assert store.get(kept)  # an item without an entry
        for path in store.get(lost).folder.iterdir():
            path.unlink()
        store.get(lost).folder.rmdir()
        store.get(moved).folder.rename(folder / "bin" / moved)
        (store.get(damaged).folder / "request.json").write_text("{")
        assert {item.id for item in store.search()} == {kept, damaged}
        assert store.get(moved).in_bin
        assert store.rebuild() == Rebuilt(2, 0, 1, (damaged,))
        assert {item.id for item in store.search()} == {kept}
        assert list(store.folder.glob(f"results/*/*/{damaged}/image.png"))  # left alone
        with pytest.raises(NotFound):
            store.get(lost)


@pytest.mark.parametrize("damage", ["text", "middle", "empty", "header"])
def test_a_damaged_index_is_moved_aside_and_made_again(folder: Path, damage: str):
    with HistoryStore(folder) as store:
        ids = {store.add(request(f"number {n}"), result()).id for n in range(30)}
    index = folder / "history.sqlite3"
    data = bytearray(index.read_bytes())
    if damage == "text":
        data = bytearray(b"not a database" * 1000)
    elif damage == "middle":
        data[4096:] = os.urandom(len(data) - 4096)
    elif damage == "empty":
        data = bytearray()
    else:
        data[:100] = os.urandom(100)
    index.write_bytes(data)
    with HistoryStore(folder) as store:
        assert {item.id for item in store.search()} == ids
        assert store.search("number 17")
    assert bool(list(folder.glob("history.damaged-*"))) == (damage != "empty")


def test_an_index_that_is_damaged_while_it_is_open(store: HistoryStore):
    ids = {store.add(request(f"number {n}"), result()).id for n in range(30)}
    store.close()
    index = store.folder / "history.sqlite3"
    data = bytearray(index.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    index.write_bytes(data)
    assert {item.id for item in store.search()} == ids
    assert store.add(request(), result()).id not in ids
    assert store.count() == 31


def test_a_history_of_the_future_is_left_alone(folder: Path):
    with HistoryStore(folder) as store:
        store.add(request(), result())
    index = sqlite3.connect(folder / "history.sqlite3")
    index.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with index:
        index.execute("UPDATE about SET version = ?", (len(MIGRATIONS) + 1,))
    index.close()
    with pytest.raises(StorageError, match="newer genai_render"):
        HistoryStore(folder)
    assert not list(folder.glob("history.damaged-*"))


def test_changed_and_missing_files_are_told(store: HistoryStore):
    item = store.add(full_request(), result())
    (item.folder / "depth.png").write_bytes(b"x")
    (item.folder / "reference-1.png").unlink()
    assert sorted(store.check(item.id)) == [
        "depth.png has changed",
        "reference-1.png is missing",
    ]
    with pytest.raises(StorageError):
        store.request(item.id)


def test_a_record_that_lies_is_an_error_in_words(store: HistoryStore):
    item = store.add(full_request(), result())
    path = item.folder / "request.json"
    good = json.loads(path.read_bytes())
    for change in (
        {"files": []},
        {"schema": 99},
        {"canvas": {**good["canvas"], "depth": {"file": "depth.png", "near": "x"}}},
        {"canvas": {**good["canvas"], "color": "../../../../etc/passwd"}},
        {"canvas": {**good["canvas"], "color": "missing.webp"}},
        {"request": {**good["request"], "canvas": {"width": -1, "height": 5}}},
        {"request": {}},
    ):
        path.write_text(json.dumps({**good, **change}))
        with pytest.raises((StorageError, InvalidInput)):
            store.request(item.id)


def test_a_record_whose_status_nobody_knows_is_no_item(store: HistoryStore):
    item = store.add(full_request(), result())
    path = item.folder / "request.json"
    good = path.read_text()
    for status in (None, "", "paid", ["done"]):
        path.write_text(json.dumps({**json.loads(good), "status": status}))
        assert store.rebuild().items == 0
    path.write_text(good)
    assert store.rebuild().items == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_record_with_anything_in_it_is_read_or_told(store: HistoryStore, data: st.DataObject):
    if not store.search():
        store.add(full_request(), result(sent={"a.png": b"x"}))
    (item,) = store.search()
    path = item.folder / "request.json"
    good = path.read_bytes()
    record = json.loads(good)
    inside = record
    while True:  # put something else in a random place
        key = data.draw(st.sampled_from(sorted(inside)))
        if isinstance(inside[key], dict) and inside[key] and data.draw(st.booleans()):
            inside = inside[key]
        else:
            inside[key] = data.draw(json_values)
            break
    path.write_text(json.dumps(record))
    try:
        for look in (store.record, store.request, store.canvas, store.image, store.check):
            with contextlib.suppress(GenAIError):
                look(item.id)
        store.rebuild()
    finally:
        path.write_bytes(good)
        assert store.rebuild().items == 1
    assert store.request(item.id) == full_request()


# ---- several at once -----------------------------------------------------------------------------


def test_many_threads_write_and_read_at_once(store: HistoryStore):
    problems: list[BaseException] = []
    ids: list[str] = []

    def work(number: int) -> None:
        try:
            for n in range(5):
                item = store.add(request(f"painter{number} number {n}"), result(n))
                ids.append(item.id)
                assert store.get(item.id) == item
                assert store.search(f"painter{number}", limit=1)[0] == item
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(set(ids)) == 40
    assert {item.id for item in store.search()} == set(ids)


def test_two_windows_see_each_others_results(folder: Path):
    with HistoryStore(folder) as one, HistoryStore(folder) as two:
        item = one.add(request(), result())
        assert two.get(item.id) == item
        assert two.delete(item.id).in_bin
        assert one.search() == []
        assert one.restore(item.id) == item
        assert two.search() == [item]


def test_a_closed_store_opens_again_when_it_is_used(store: HistoryStore):
    item = store.add(request(), result())
    store.close()
    store.close()
    assert store.search() == [item]


# ---- disks ---------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_used_is_said_in_words(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="A file is in the way"):
        HistoryStore(tmp_path / "file" / "history")
    with pytest.raises(StorageError):
        HistoryStore(tmp_path / "file")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do anything")
def test_a_folder_without_permission(tmp_path: Path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(StorageError, match="may not write"):
            HistoryStore(tmp_path / "history")
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "The disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "Input/output error"),
        (errno.ENOENT, "drive is missing"),
    ],
)
@pytest.mark.parametrize("after", [0, 1, 5, 8, 9, 12])
def test_a_disk_that_fails_in_the_middle_leaves_nothing(
    store: HistoryStore, monkeypatch: pytest.MonkeyPatch, code: int, words: str, after: int
):
    first = store.add(full_request(), result())
    left = after
    real = os.fsync

    def fsync(handle: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(code, os.strerror(code))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    if after < 9:  # then a file fails; later only folders do, which some systems cannot sync
        with pytest.raises(StorageError, match=words):
            store.add(full_request(), result())
        monkeypatch.undo()
        assert store.search() == [first]
    else:
        store.add(full_request(), result())
        monkeypatch.undo()
        assert store.count() == 2
    assert list((store.folder / "writing").iterdir()) == []
    assert store.rebuild().unreadable == ()


def test_a_result_is_safe_even_if_the_index_cannot_be_written(
    store: HistoryStore, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise StorageError("History cannot be changed.", "The disk is full.")

    monkeypatch.setattr(store._index, "put", full)
    item = store.add(request(), result())
    monkeypatch.undo()
    assert store.search() == [item]


def test_on_a_full_disk_one_can_still_look_and_throw_away(
    store: HistoryStore, monkeypatch: pytest.MonkeyPatch
):
    ids = [store.add(request(f"number {n}"), result()).id for n in range(3)]

    def full(*_: object, **__: object) -> None:
        raise StorageError("History cannot be changed.", "The disk is full.")

    for name in ("put", "change", "remove"):
        monkeypatch.setattr(HistoryIndex, name, full)
    assert store.delete(ids[0]).in_bin
    assert store.set_favourite(ids[1]).favourite
    assert [item.id for item in store.search()] == [ids[2], ids[1]]
    assert store.get(ids[0]).in_bin
    assert store.empty_bin() == 1
    with pytest.raises(NotFound):
        store.get(ids[0])
    with pytest.raises(StorageError, match="full"):
        store.rebuild()
    monkeypatch.undo()
    assert [item.id for item in store.search(favourite=True)] == [ids[1]]
    assert store.rebuild() == Rebuilt(2, 0, 0)


def test_the_images_of_one_view_encode_it_once(
    store: HistoryStore, monkeypatch: pytest.MonkeyPatch
):
    asked = full_request(77)
    first = store.add(asked, result())

    def again(*_: object, **__: object) -> bytes:
        raise AssertionError("encoded once more")

    monkeypatch.setattr(guides, "encode_depth", again)
    second = store.add(asked.with_(style="movie"), result(1))
    for name in ("canvas.webp", "depth.png", "normal.png"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


def test_the_record_says_what_every_file_is(store: HistoryStore):
    item = store.add(full_request(), result(), versions={"genai_render": "1.2.3"})
    record = store.record(item.id)
    on_disk = {path.name for path in item.folder.iterdir()} - {"request.json"}
    assert set(record["files"]) == on_disk
    for name, facts in record["files"].items():
        data = (item.folder / name).read_bytes()
        assert facts == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    assert record["versions"]["genai_render"] == "1.2.3"
    assert record["schema"] == SCHEMA
