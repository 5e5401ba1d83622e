# SPDX-License-Identifier: GPL-3.0-or-later
"""The offline backend: a request in, events and finished files out."""

from __future__ import annotations

import io
import json
import threading
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import synthetic
from PIL import Image

from genai_render.backends.base import create_backend
from genai_render.backends.http.settings import BackendSettings
from genai_render.backends.offline import OfflineBackend, fitted, varied
from genai_render.core.errors import Cancelled, ImageError, InvalidInput, NotFound
from genai_render.core.events import CancelToken, Notice, Progress, Result
from genai_render.core.models import catalog
from genai_render.core.request import Reference, RenderRequest
from genai_render.engine import Look, Stage
from genai_render.engine.finish import neural_style


@pytest.fixture(scope="module")
def canvas():
    return synthetic.canvas("product", 160, 120)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def run(request: RenderRequest, cancel: CancelToken | None = None):
    return list(create_backend("offline").run(request, cancel or CancelToken()))


def results(events) -> list[Result]:
    return [event for event in events if isinstance(event, Result)]


def pixels(result: Result) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(result.image)))


def picture(width: int = 120, height: int = 80) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack((x * 255 // width, y * 255 // height, np.full_like(x, 90)), -1)


def test_a_picture_with_its_words(canvas):
    request = RenderRequest("golden hour, sleeping cat", canvas=canvas, seed=5)
    events = run(request)
    (result,) = results(events)
    assert (result.mime, result.width, result.height) == ("image/png", 160, 120)
    assert pixels(result).shape == (120, 160, 3)
    assert (result.seed, result.index, result.cost_usd, result.ai) == (5, 0, 0.0, False)
    assert result.info["used"] == ["golden hour"]
    assert result.info["not_used"] == ["sleeping cat"]
    said = [event.text for event in events if isinstance(event, Notice)]
    assert said == ["Used: golden hour. Not used offline: sleeping cat."]
    told = [event.fraction for event in events if isinstance(event, Progress)]
    assert told == sorted(told)
    assert told[0] == 0
    assert told[-1] > 0.9


def test_the_same_request_gives_the_same_bytes(canvas):
    request = RenderRequest("night, film grain, rain", canvas=canvas, seed=11, style="movie")
    assert results(run(request))[0].image == results(run(request))[0].image


def test_without_a_seed_one_is_made_and_recorded(canvas):
    request = RenderRequest("snow", canvas=canvas)
    first = results(run(request))[0]
    assert first.seed is not None
    again = results(run(request.with_(seed=first.seed)))[0]
    assert again.image == first.image
    assert results(run(request))[0].seed != first.seed


def test_four_pictures_differ_and_each_has_its_seed(canvas):
    made = results(run(RenderRequest("studio light", canvas=canvas, count=4, seed=20)))
    assert [r.index for r in made] == [0, 1, 2, 3]
    assert [r.seed for r in made] == [20, 21, 22, 23]
    shown = [pixels(r).astype(int) for r in made]
    for i, a in enumerate(shown):
        for b in shown[i + 1 :]:
            assert np.abs(a - b).mean() > 3
    # The composition is the same: outlines stay where they are.
    edges = [np.abs(np.diff(s.sum(-1), axis=1)) > 60 for s in shown]
    both = (edges[0] & edges[1]).sum() / max(edges[0].sum(), 1)
    assert both > 0.4


def test_variations_stay_believable():
    for style in catalog.shipped().styles.values():
        look = Look.from_mapping(style.look)
        for index in range(4):
            light = varied(look, index).light
            assert 0 < light.elevation <= 80
            assert abs(light.azimuth) <= max(100, abs(look.light.azimuth))


def test_a_style_that_the_prompt_names_is_taken_for_auto_only(canvas):
    auto = results(run(RenderRequest("cyberpunk", canvas=canvas, seed=1)))[0]
    named = results(run(RenderRequest("car", canvas=canvas, seed=1, style="cyberpunk")))[0]
    assert auto.image == named.image
    kept = results(run(RenderRequest("cyberpunk", canvas=canvas, seed=1, style="comic")))[0]
    assert kept.image != auto.image


def test_an_unknown_style_is_named(canvas):
    with pytest.raises(NotFound, match="cyberpunk"):
        run(RenderRequest("car", canvas=canvas, style="cyberpnk"))


def test_the_size_asked_for_is_made_without_squashing(canvas):
    request = RenderRequest("studio", canvas=canvas, width=96, height=128, seed=1)
    assert pixels(results(run(request))[0]).shape == (128, 96, 3)


def test_a_ball_stays_round_when_the_canvas_is_cropped():
    canvas = synthetic.canvas("product", 200, 150)
    other = fitted(canvas, 120, 180)
    teal = other.covered & (other.albedo[..., 2] > 150) & (other.albedo[..., 0] < 90)
    # The crop keeps the middle; the ball is cut, so measure its upright half-height by depth.
    assert other.view.projection_matrix[0][0] / other.view.projection_matrix[1][1] == pytest.approx(
        180 / 120
    )
    assert other.view.aspect == pytest.approx(120 / 180)
    assert teal.shape == (180, 120)


@pytest.mark.parametrize("mode", ["fast", "balanced", "quality", "auto"])
def test_modes(canvas, mode):
    request = RenderRequest("golden hour", canvas=canvas, mode=mode, seed=1)
    assert results(run(request))[0].width == 160


def test_without_a_canvas_the_first_reference_is_redrawn():
    shown = picture()
    request = RenderRequest("black and white", references=(Reference(png(shown)),), seed=1)
    events = run(request)
    made = pixels(results(events)[0]).astype(int)
    assert made.shape == (80, 120, 3)
    assert (made.max(-1) - made.min(-1)).max() <= 6
    gray = shown @ (0.2126, 0.7152, 0.0722)
    assert np.corrcoef(made[..., 0].ravel(), gray.ravel())[0, 1] > 0.95
    assert any("first reference" in e.text for e in events if isinstance(e, Notice))


def test_pictures_of_a_batch_share_their_stage(canvas):
    """Frame 2 is a view that would get a sky by itself; it gets the first one's studio."""
    place = synthetic.canvas("street", 160, 120)
    shared = OfflineBackend(BackendSettings(belong_together=True))
    first, second = (
        results(list(shared.run(RenderRequest("day", canvas=c, seed=1), CancelToken())))[0]
        for c in (canvas, place)
    )
    assert first.info["stage"]["backdrop"] == second.info["stage"]["backdrop"] == "studio"
    alone = results(run(RenderRequest("day", canvas=place, seed=1)))[0]
    assert "stage" not in alone.info
    assert alone.image != second.image
    # What History keeps is enough to go on with.
    kept = Stage.from_json(json.loads(json.dumps(first.info["stage"])))
    again = OfflineBackend(stage=kept)
    later = list(again.run(RenderRequest("day", canvas=place, seed=1), CancelToken()))
    assert results(later)[0].image == second.image


def test_without_canvas_and_reference_it_says_what_it_needs():
    with pytest.raises(InvalidInput) as caught:
        run(RenderRequest("a cat"))
    assert "canvas" in caught.value.text
    assert "reference" in caught.value.text


def test_an_edit_changes_only_what_the_mask_leaves_open():
    shown = picture(200, 100)
    mask = np.zeros((100, 200, 4))
    mask[..., 3] = 255
    mask[:, :100, 3] = 0  # transparent where to edit
    request = RenderRequest(
        "sepia", kind="edit", source=png(shown), mask=png(mask), seed=1, width=64, height=64
    )
    made = pixels(results(run(request))[0])
    assert made.shape == (100, 200, 3), "an edit has the size of its source"
    assert np.array_equal(made[:, 101:], shown[:, 101:])
    assert np.abs(made[:, :99].astype(int) - shown[:, :99]).mean() > 8


def test_an_edit_without_a_mask_changes_all():
    shown = picture()
    made = pixels(results(run(RenderRequest("sepia", kind="edit", source=png(shown), seed=1)))[0])
    assert np.abs(made.astype(int) - shown).mean((0, 1)).min() > 3


def test_an_edit_of_a_view_is_lit_by_its_depth_and_normals(canvas):
    """A new sun lights each surface by where it faces, which no change of colors alone does."""
    source = png(canvas.albedo[..., :3])
    made = [
        pixels(
            results(
                run(RenderRequest("golden hour", kind="edit", source=source, canvas=seen, seed=1))
            )[0]
        ).astype(float)
        for seen in (canvas, None)
    ]
    assert made[0].shape == made[1].shape == (*canvas.depth.shape, 3)
    light = np.log(np.maximum(made[0].mean(-1), 1) / np.maximum(made[1].mean(-1), 1))
    assert light[canvas.covered].std() > 0.08


def test_a_picture_that_was_cut_to_another_shape_is_edited_as_it_is(canvas):
    shown = picture(100, 100)
    request = RenderRequest("sepia", kind="edit", source=png(shown), canvas=canvas, seed=1)
    assert pixels(results(run(request))[0]).shape == (100, 100, 3)


def test_strength_goes_back_to_the_view(canvas):
    def made(strength: float) -> np.ndarray:
        options = {"strength": strength}
        request = RenderRequest("night", canvas=canvas, seed=1, options=options)
        return pixels(results(run(request))[0]).astype(int)

    solid = canvas.color[..., 3] == 255
    view = canvas.color[..., :3].astype(int)
    away = [np.abs(made(strength) - view)[solid].mean() for strength in (0.0, 0.5, 1.0)]
    assert away[0] < 1 < away[1] < away[2]


def test_roles_that_cannot_be_used_are_told(canvas):
    guide = Reference(png(picture()), "guide.png", "composition")
    events = run(RenderRequest("studio", canvas=canvas, references=(guide,), seed=1))
    said = " ".join(event.text for event in events if isinstance(event, Notice))
    assert "composition: cannot be used offline" in said
    assert results(events)[0].info["notes"]


def test_references_change_the_colours(canvas):
    plain = results(run(RenderRequest("studio", canvas=canvas, seed=1)))[0]
    blue = np.zeros((40, 40, 3))
    blue[..., 2] = np.linspace(60, 255, 40)
    guide = Reference(png(blue), "blue.png", "style")
    request = RenderRequest("studio", canvas=canvas, references=(guide,), seed=1)
    tinted = results(run(request))[0]
    a, b = (pixels(r).astype(float).mean((0, 1)) for r in (plain, tinted))
    assert b[2] / b[0] > a[2] / a[0] * 1.15


def test_a_broken_reference_is_an_error_in_words(canvas):
    data = bytearray(png(picture()))
    data[60:400] = b"\0" * 340
    broken = Reference(bytes(data), "broken.png")
    with pytest.raises(ImageError, match=r"broken\.png"):
        run(RenderRequest("studio", canvas=canvas, references=(broken,), seed=1))


def test_neural_style_is_said_to_be_missing_where_it_is(canvas, monkeypatch):
    monkeypatch.setattr(neural_style, "find_spec", lambda name: None)
    neural_style._session.cache_clear()
    monkeypatch.setattr(neural_style, "_models", lambda: None)
    guide = Reference(png(picture()), "guide.png", "style")
    options = {"neural": True}
    events = run(
        RenderRequest("studio", canvas=canvas, references=(guide,), seed=1, options=options)
    )
    (result,) = results(events)
    assert not result.ai
    assert any("left out" in event.text for event in events if isinstance(event, Notice))


@pytest.mark.skipif(
    not all(find_spec(name) for name in ("onnxruntime", neural_style.PACKAGE)),
    reason="onnxruntime and its networks are not installed",
)
def test_neural_style_repaints_and_is_called_ai(canvas):
    guide = Reference(png(picture()), "guide.png", "style")
    request = RenderRequest("studio", canvas=canvas, references=(guide,), seed=1)
    plain = results(run(request))[0]
    painted = results(run(request.with_(options={"neural": True})))[0]
    assert painted.ai
    assert not plain.ai
    assert np.abs(pixels(painted).astype(int) - pixels(plain)).mean() > 2


def test_neural_style_without_a_reference_says_so(canvas):
    events = run(RenderRequest("studio", canvas=canvas, seed=1, options={"neural": True}))
    assert any("needs a reference" in e.text for e in events if isinstance(e, Notice))
    assert not results(events)[0].ai


def test_a_cancel_stops_it_between_steps(canvas):
    cancel = CancelToken()
    request = RenderRequest("studio", canvas=canvas, count=4, seed=1)
    seen = []

    def listen() -> None:
        for event in create_backend("offline").run(request, cancel):
            seen.append(event)
            if isinstance(event, Progress) and (event.fraction or 0) > 0.3:
                cancel.cancel()

    with pytest.raises(Cancelled):
        listen()
    assert len(results(seen)) <= 2


def test_a_listener_that_leaves_stops_the_work(canvas):
    before = threading.active_count()
    events = create_backend("offline").run(
        RenderRequest("studio", canvas=canvas, count=4, seed=1), CancelToken()
    )
    for event in events:
        if isinstance(event, Progress) and (event.fraction or 0) > 0.05:
            break
    events.close()
    assert threading.active_count() == before


def test_a_solid_view_without_albedo_works_from_end_to_end():
    canvas = synthetic.canvas("default_cube", 128, 96, albedo=False, engine="SOLID")
    made = pixels(results(run(RenderRequest("studio", canvas=canvas, seed=1)))[0])
    assert made.std() > 10


def test_a_canvas_of_a_picture_only_is_graded_not_relit(canvas):
    flat = replace(
        canvas,
        depth=np.ones_like(canvas.depth),
        normal=np.tile(np.float32([0, 0, 1]), (120, 160, 1)),
        view=replace(canvas.view, source="image"),
        albedo=None,
    )
    made = pixels(results(run(RenderRequest("night", canvas=flat, seed=1)))[0]).astype(float)
    assert made.mean() < flat.color[..., :3].mean()
