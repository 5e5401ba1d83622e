# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs of shots: what they stand for, what is wrong with one, and where their cameras are."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import synthetic
from PIL import Image

from genai_render.backends.http.settings import BackendSettings
from genai_render.backends.offline import OfflineBackend
from genai_render.core.batch import contact_sheet, packs, plan, report
from genai_render.core.batch.rows import Row
from genai_render.core.errors import InvalidInput, NotFound
from genai_render.core.events import CancelToken, Result
from genai_render.core.framing import ASPECTS
from genai_render.core.request import RenderRequest
from genai_render.core.view import placement

GUIDE = Path(__file__).parents[2] / "docs" / "packs.md"


def _expand(pack, wishes=None, shots=None, cameras=("Left", "Right")):
    wishes = wishes or packs.Wishes(prompt="a lamp", styles=("auto", "movie"))
    return packs.expand(pack, pack.chosen(shots), wishes, lambda scene: list(cameras), _no_ranges)


def _no_ranges(text):
    raise AssertionError(text)


def _written(folder, text, name="mine.toml"):
    path = folder / name
    path.write_text(text)
    return path


def test_those_that_ship_are_whole_and_become_items_of_a_batch():
    known = packs.load([])
    assert set(known) >= {
        *("campaign", "turntable", "interior", "day-cycle", "character"),
        *("styles", "models", "seeds"),
    }
    for pack in known.values():
        items = _expand(pack)
        assert items
        assert len({item.key for _, item in items}) == len(items)
        titles = [packs.title(shot, item, items) for shot, item in items]
        assert len(set(titles)) == len(titles), titles
    campaign = known["campaign"]
    assert [shot.title for shot in campaign.shots] == [
        *("Website Hero", "Product Detail Lifestyle", "Social Square", "Story or Reel"),
        *("Email Banner", "Paid Ad", "Editorial Detail"),
    ]
    assert {item.resolution for _, item in _expand(campaign)} == {"2K"}
    assert len(_expand(known["turntable"])) == 12
    assert len(_expand(known["seeds"])) == 9
    assert {item.style for _, item in _expand(known["styles"])} == {"auto", "movie"}
    several = packs.Wishes(models=("offline", "other"), options={"strength": 0.5})
    compared = _expand(known["models"], several)
    assert {item.model for _, item in compared} == {"offline", "other"}
    assert all(not item.options for _, item in compared)


def test_what_is_said_is_in_each_prompt_and_what_is_not_is_the_packs():
    pack = packs.load([])["campaign"]
    wishes = packs.Wishes(prompt="a lamp", values={"location": "a bakery"}, resolution="1K")
    items = _expand(pack, wishes, ["hero", "story"])
    assert [shot.id for shot, _ in items] == ["hero", "story"]
    for _, item in items:
        assert item.prompt.startswith("a lamp, ")
        assert "set in a bakery" in item.prompt
        assert pack.fields["direction"].default in item.prompt
        assert item.resolution == "1K"
    with pytest.raises(NotFound, match="hero"):
        pack.chosen(["heroo"])


def test_a_placed_camera_is_around_what_was_named_and_else_there_is_a_camera():
    pack = packs.load([])["interior"]
    items = _expand(pack, packs.Wishes(around=("Chair",)))
    assert {item.camera for shot, item in items if shot.id == "day"} == {"Left", "Right"}
    (cropped,) = [item for shot, item in items if shot.id == "detail"]
    assert cropped.crop == (0.3, 0.15, 0.4, 0.7)
    hero = _expand(packs.load([])["campaign"], packs.Wishes(around=("Chair",)), ["hero"])[0][1]
    assert (hero.place, hero.around, hero.room) == ("hero", ("Chair",), "left")
    flat = _expand(packs.load([])["campaign"], packs.Wishes(canvas=False, reference=("a.png",)))
    assert {(item.canvas, item.place) for _, item in flat} == {(False, "")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no shot"),
        ('[[shot]]\nlabel = "x"\n', '"id"'),
        ('[[shot]]\nid = "a"\n[[shot]]\nid = "a"\n', "two shots"),
        ('[[shot]]\nid = "a"\ncamera = "heroo"\n', 'Did you mean "hero"'),
        ('[[shot]]\nid = "a"\naspect = "5:1"\n', "5:1"),
        ('[[shot]]\nid = "a"\ncamera = "crop"\n', "cropped"),
        ('[[shot]]\nid = "a"\nroom = "middle"\n', "middle"),
        ('[[shot]]\nid = "a"\nframing = 3\n', "framing"),
        ('[[shot]]\nid = "a"\ncount = 0\n', "count"),
        ('labl = "x"\n[[shot]]\nid = "a"\n', 'Did you mean "label"'),
        ('id = "x"\n[[shot]]\nid = "a"\n', "file's name"),
        ('resolution = "9K"\n[[shot]]\nid = "a"\n', "9K"),
        ('[field.place]\nwords = "in it"\n[[shot]]\nid = "a"\n', "place for what is said"),
        ('field = 3\n[[shot]]\nid = "a"\n', "field"),
        ("shot = 3\n", "shot"),
        ("[[shot\n", "TOML"),
    ],
)
def test_what_is_wrong_with_one_is_named(text, said, tmp_path):
    path = _written(tmp_path, text)
    with pytest.raises(InvalidInput) as error:
        packs.read(path)
    assert said in error.value.text
    problems: list = []
    known = packs.load([tmp_path], problems)
    assert "campaign" in known
    assert [one.text for one in problems] == [error.value.text]


def test_the_guides_pack_is_short_and_right_and_the_table_is_whole(tmp_path):
    guide = GUIDE.read_text(encoding="utf-8")
    text = guide.partition("```toml\n")[2].partition("```")[0]
    assert len(text.splitlines()) < 30
    pack = packs.read(_written(tmp_path, text, "rings.toml"))
    assert pack.id == "rings"
    assert len(_expand(pack)) == 1 + 2 * 2
    for name in packs.Shot.__slots__:
        assert f"`{name}`" in guide
    for id in packs.load([]):
        assert f"`{id}`" in guide


# --- cameras --------------------------------------------------------------------------------------


def _in_picture(points, found):
    matrix = np.array(found.matrix)
    local = (points - matrix[:3, 3]) @ matrix[:3, :3]
    ahead = -local[:, 2]
    assert (ahead > found.near).all()
    assert (ahead < found.far).all()
    return np.stack((local[:, 0] / ahead / found.width, local[:, 1] / ahead / found.height), 1) * 2


@pytest.mark.parametrize("how", placement.RULES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (9, 0.4, 1), (0.2, 0.2, 12), (4, 4, 0.01)])
def test_a_subject_of_any_shape_is_whole_in_a_picture_of_any_shape(how, shape):
    random = np.random.default_rng(5)
    points = random.uniform(-0.5, 0.5, (300, 3)) * shape + (3, -7, 40)
    rule = placement.rule(how)
    for aspect in ASPECTS.values():
        for room in placement.ROOMS:
            found = placement.place(points, rule, aspect, 30.0, room)
            assert found.width / found.height == pytest.approx(aspect)
            matrix = np.array(found.matrix)
            assert matrix[2, 3] > points[:, 2].min(), "below the ground"
            assert np.allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-9)
            assert matrix[2, 0] == 0, "the horizon is askew"
            if rule.part < 1:
                continue
            seen = _in_picture(points, found)
            assert np.abs(seen).max() <= rule.fill + 1e-6
            # As near as it may be: it reaches the edge of what is meant for it.
            spread = np.ptp(seen, axis=0) / (2 * rule.fill)
            assert spread.max() > 0.6
            if room in ("left", "right"):
                side = 1 if room == "left" else -1
                assert (side * seen[:, 0] > -0.33).all()


def test_what_cannot_be_placed_is_refused():
    rule = placement.rule("hero")
    with pytest.raises(InvalidInput):
        placement.place(np.empty((0, 3)), rule, 1.0)
    with pytest.raises(InvalidInput):
        placement.place(np.full((2, 3), np.nan), rule, 1.0)
    with pytest.raises(InvalidInput):
        placement.place(np.zeros((1, 3)), rule, 1.0, room="middle")
    with pytest.raises(InvalidInput):
        placement.rule("side")
    one = placement.place(np.zeros((1, 3)), rule, 1.0)
    assert np.isfinite(np.array(one.matrix)).all()


# --- items ----------------------------------------------------------------------------------------


def test_an_item_without_a_placed_camera_has_the_key_that_it_always_had():
    item = plan.BatchItem("a", seed=3)
    assert item.key == "3a459161d1420756"
    turned = plan.BatchItem("a", seed=3, place="hero", around=("Lamp",), crop=(0, 0, 1, 1))
    assert turned.key != item.key
    assert plan.item_of({**_plain(turned), "title": "x"}) == turned


def _plain(item):
    return json.loads(json.dumps(dataclasses.asdict(item)))


def test_a_batch_file_places_cameras_too():
    table = {"prompt": "a", "place": ["hero", "top"], "turn": [0, 45], "room": "left"}
    items = plan.expand([table], lambda scene: [], _no_ranges)
    assert {(item.place, item.turn) for item in items} == {
        *(("hero", 0.0), ("hero", 45.0), ("top", 0.0), ("top", 45.0))
    }
    for wrong in ({"place": "side"}, {"turn": "x"}, {"room": "middle"}, {"crop": [0, 0, 2, 1]}):
        with pytest.raises(InvalidInput):
            plan.expand([{"prompt": "a", **wrong}], lambda scene: [], _no_ranges)


# --- what came of it ------------------------------------------------------------------------------


def _webp(width, height, color):
    data = io.BytesIO()
    Image.new("RGB", (width, height), color).save(data, "WEBP")
    return data.getvalue()


def test_a_contact_sheet_shows_each_picture_whole_and_none_over_another():
    shapes = [(320, 180), (180, 320), (420, 180), (200, 200), (50, 500), (500, 50), (300, 200)]
    colors = [(255 - 30 * i, 30 * i, 128) for i in range(len(shapes))]
    rows = [
        Row(f"k{i}", f"Shot {i}", "", "id", thumbnail=_webp(*shape, color))
        for i, (shape, color) in enumerate(zip(shapes, colors, strict=True))
    ]
    data = contact_sheet.draw("Set", [*rows, Row("x", "Failed", "", error="no")])
    assert data is not None
    sheet = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    for shape, color in zip(shapes, colors, strict=True):
        near = np.abs(sheet - color).sum(-1) < 24
        # Without single pixels where the edge of another one happens to have this color.
        (top, bottom), (left, right) = (np.percentile(at, (1, 99)) for at in np.nonzero(near))
        wide, high = right - left + 1, bottom - top + 1
        assert wide / high == pytest.approx(shape[0] / shape[1], rel=0.15)
        assert near.sum() > 0.9 * wide * high
    assert contact_sheet.draw("None", [Row("x", "Failed", "", error="no")]) is None


def test_the_page_has_stars_and_the_command_for_the_winners(tmp_path):
    rows = [
        Row("aa", "One", "", "id-one", "/p.png", thumbnail=_webp(9, 9, (1, 2, 3)),
                   starred=True),
        Row("bb", "Two", "", "id-two", "/q.png", thumbnail=_webp(9, 9, (1, 2, 3))),
    ]  # fmt: skip
    page = report.write(tmp_path, "Set", "2", rows, "genai_render pack campaign").read_text()
    assert re.search(r'id="star-aa" checked', page)
    assert not re.search(r'id="star-bb" checked', page)
    command = page.partition("<code>")[2].partition("</code>")[0]
    assert command.startswith("genai_render pack campaign --winners<span")
    assert "id-one" in command
    assert "id-two" in command
    assert "<script" not in page
    assert (tmp_path / report.SHEET).is_file()


def test_who_goes_on_with_a_series_gets_the_same_backdrop_to_the_last_bit(tmp_path):
    near, far = synthetic.canvas("product", 160, 120), synthetic.canvas("street", 160, 120)
    settings = BackendSettings(belong_together=True, choices=tmp_path / "choices")

    def made(backend, canvas, seed):
        request = RenderRequest(prompt="daylight", canvas=canvas, seed=seed, mode="fast")
        return next(e for e in backend.run(request, CancelToken()) if isinstance(e, Result))

    first = OfflineBackend(settings)
    one, two = made(first, near, 1), made(first, far, 2)
    resumed = made(OfflineBackend(settings), far, 2)
    assert resumed.image == two.image
    assert resumed.info["stage"] == one.info["stage"]
    alone = made(OfflineBackend(BackendSettings(belong_together=True)), far, 2)
    assert alone.info["stage"] != two.info["stage"], "the test would show nothing"
