# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of a picture: shares, names, files, and masks of them."""

from __future__ import annotations

from dataclasses import replace

import history_samples as samples
import numpy as np
import pytest

from genai_render.core.errors import ImageError, InvalidInput, NotFound, StorageError
from genai_render.core.history.kept_ids import origin
from genai_render.core.history.store import HistoryStore
from genai_render.core.masks import mask
from genai_render.core.view.ids import Ids, Layer, Thing, compact, from_samples


def halves(width: int = 32, height: int = 20) -> Ids:
    """A cup in the left half, and a leaf of two trees in the right one; the column between is
    half and half. All of it is clay but for the top row, which is moss."""
    left, right = np.full((height, width), 1), np.full((height, width), 2)
    met = np.stack([left, left, left, left])
    met[:, :, width // 2 + 1 :] = right[:, width // 2 + 1 :]
    met[2:, :, width // 2] = 2
    painted = np.full((1, height, width), 1)
    painted[:, 0] = 2
    things = (
        Thing("Cup", ("Table", "Room")),
        Thing("Leaf", ("Forest",), ("Tree", "Tree.001")),
    )
    return Ids(from_samples(met), from_samples(painted), things, ("Clay", "Moss"))


def test_shares_of_objects_materials_and_collections() -> None:
    ids = halves()
    cup = ids.share_of(objects=["Cup"])
    assert (cup[:, :16] == 255).all()
    assert (cup[:, 16] == 128).all()
    assert (cup[:, 17:] == 0).all()
    assert (ids.share_of(collections=["Room"]) == cup).all()
    leaf = ids.share_of(objects=["Tree.001"])
    assert (leaf[:, 16] == 128).all()
    assert (leaf[:, 17:] == 255).all()
    assert (ids.share_of(objects=["Cup", "Leaf"]) == 255).all()
    top = ids.share_of(objects=["Leaf"], materials=["Moss"])
    assert (top[0] == 255).all()
    assert (top[1:, :16] == 0).all()


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"objects": ["Mug"]}, 'called "Mug".* It shows "Cup", "Leaf", "Tree", "Tree.001"'),
        ({"materials": ["clay"]}, 'called "clay".* "Clay", "Moss"'),
        ({"collections": ["Cup"]}, 'called "Cup".* "Forest", "Room", "Table"'),
    ],
)
def test_a_wrong_name_lists_what_there_is(wanted, said) -> None:
    with pytest.raises(NotFound, match=said):
        halves().share_of(**wanted)


def test_at_most_three_of_a_pixel_are_kept_the_largest_first() -> None:
    met = np.array([4, 3, 3, 0, 2, 3, 4, 1]).reshape(8, 1, 1)
    layer = from_samples(met)
    assert layer.which[:, 0, 0].tolist()[:2] == [3, 4]
    assert layer.share[:, 0, 0].tolist()[:2] == [96, 64]
    assert layer.which[2, 0, 0] in (1, 2)


def test_only_what_is_seen_is_named() -> None:
    which = np.zeros((3, 1, 4), np.uint16)
    share = np.zeros_like(which, np.uint8)
    which[0, 0] = 5, 2, 9, 0
    share[0, 0] = 255, 255, 0, 0
    layer, places = compact(Layer(which, share), 9)
    assert places == [1, 4]
    assert layer.which[0, 0].tolist() == [2, 1, 0, 0]


def test_the_mask_is_of_the_picture_s_size() -> None:
    ids = halves()
    made = ids.mask(64, 40, objects=["Cup"])
    changes = mask.changes(made)
    assert changes.shape == (40, 64)
    assert changes[:, :31].all()
    assert not changes[:, 35:].any()
    with pytest.raises(ImageError, match="another shape"):
        ids.mask(64, 64, objects=["Cup"])


def test_files_and_back(tmp_path) -> None:
    many = tuple(Thing(f"Ball.{n:03}") for n in range(600))
    numbers = np.arange(1, 601).reshape(1, 20, 30)
    ids = Ids(from_samples(numbers), from_samples(numbers * 0), many, ())
    files, parts = ids.files()
    again = Ids.from_files(parts, files.__getitem__)
    assert again.digest() == ids.digest()
    assert again.share_of(objects=["Ball.599"]).sum() == 255
    files[parts["names"]] = b'{"objects": [], "materials": []}'
    with pytest.raises(InvalidInput, match="damaged"):
        Ids.from_files(parts, files.__getitem__)


def test_history_keeps_them_and_finds_them_through_edits(tmp_path) -> None:
    with HistoryStore(tmp_path / "history") as store:
        request = samples.request(canvas=samples.canvas())
        canvas = request.canvas
        assert canvas is not None
        ids = halves(canvas.width, canvas.height)
        plain = store.add(request, samples.result())
        with_ids = store.add(request.with_(canvas=replace(canvas, ids=ids)), samples.result())
        edit = store.add(
            samples.request(
                "a cup", kind="edit", source=samples.result().image, parent=with_ids.id
            ),
            samples.result(),
        )
        kept = store.canvas(with_ids.id)
        assert kept is not None
        assert kept.ids is not None
        assert kept.ids.digest() == ids.digest()
        assert store.check(with_ids.id) == []
        for item in (with_ids, edit):
            found = origin(store, item.id)
            assert found.ids is not None
            assert found.ids.digest() == ids.digest()
        old = origin(store, plain.id)
        assert old.ids is None
        assert old.view == canvas.view
        (with_ids.folder / "objects-share.png").unlink()
        with pytest.raises(StorageError):
            origin(store, edit.id)


def test_a_canvas_with_objects_is_another_one(tmp_path) -> None:
    canvas = samples.request(canvas=samples.canvas()).canvas
    assert canvas is not None
    more = replace(canvas, ids=halves(canvas.width, canvas.height))
    assert more.digest() != canvas.digest()
    with pytest.raises(InvalidInput):
        replace(canvas, ids=halves(canvas.width + 2, canvas.height))
