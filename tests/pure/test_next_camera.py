# SPDX-License-Identifier: GPL-3.0-or-later
"""An accepted picture from another camera: carried where it can be, made in its look where not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import synthetic

from genai_render.backends.offline import OfflineBackend
from genai_render.core import next_camera
from genai_render.core.errors import InvalidInput
from genai_render.core.events import CancelToken, Result
from genai_render.core.image import images
from genai_render.core.masks.inside_mask import drawn_where_new, kept_outside
from genai_render.core.models import catalog
from genai_render.core.prompt import build_prompt
from genai_render.core.request import RenderRequest
from genai_render.core.view import look_match


def _made(request: RenderRequest) -> Result:
    for event in OfflineBackend().run(request, CancelToken()):
        if isinstance(event, Result):
            return kept_outside(request, event)[0]
    raise AssertionError


@pytest.fixture(scope="module")
def accepted() -> next_camera.Accepted:
    canvas = synthetic.canvas("product", 320, 240, background=True)
    request = RenderRequest("golden hour", style="movie", canvas=canvas, seed=4)
    return next_camera.Accepted("one", _made(request).image, canvas, request, 4)


@pytest.fixture(scope="module")
def target():
    scene = replace(synthetic.product(), eye=(2.4, -4.9, 2.5))
    return synthetic.canvas(scene, 320, 240, background=True)


def test_what_was_seen_stays_and_the_rest_is_in_its_look(accepted, target) -> None:
    model = catalog.load().model("offline")
    request = next_camera.request_for(accepted, model, target)
    assert request.carried
    assert (request.parent, request.prompt, request.style) == ("one", "golden hour", "movie")
    assert request.mask is not None
    made = images.decode(_made(request).image)[..., :3]
    kept = images.decode(request.mask)[..., 3] == 255
    assert 0.4 < kept.mean() < 1
    over = next_camera.carried([(accepted.pixels, accepted.canvas)], target)
    assert (made[kept] == over.color[kept]).all()  # bit for bit
    # No seam: across the border of the mask, colors step no more than within what was kept.
    steps = np.abs(np.diff(made.astype(int), axis=1)).max(-1)
    border = kept[:, 1:] != kept[:, :-1]
    inside = kept[:, 1:] & kept[:, :-1]
    assert steps[border].mean() < 2.5 * steps[inside].mean() + 4


def test_the_request_is_the_same_when_it_is_read_again(accepted, target) -> None:
    request = next_camera.request_for(accepted, catalog.load().model("offline"), target)
    stored = {images_sha(data): data for data in (request.source, request.mask) if data}
    again = RenderRequest.from_json(request.to_json(), stored.__getitem__, request.canvas)
    assert again == request
    assert again.carried


def images_sha(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def test_a_model_is_told_to_complete_the_picture(accepted, target) -> None:
    known = catalog.load()
    request = next_camera.request_for(accepted, known.model("offline"), target)
    words = build_prompt(request, known.style("movie"))
    assert words.startswith("Complete the image")
    assert "golden hour" in words


def test_where_all_was_seen_no_model_is_asked(accepted) -> None:
    model = next(m for m in catalog.load().models.values() if m.online)
    request = next_camera.request_for(accepted, model, accepted.canvas)
    assert request.mask is None

    def asked(_request, _cancel):
        raise AssertionError("it was asked")
        yield

    (result,) = drawn_where_new(asked)(request, CancelToken())
    assert isinstance(result, Result)
    assert result.cost_usd == 0
    assert (images.decode(result.image)[..., :3] == accepted.pixels).all()


def test_other_pictures_fill_what_the_first_did_not_see(accepted, target) -> None:
    pictures = [(accepted.pixels, accepted.canvas)]
    alone = next_camera.carried(pictures, target)
    both = next_camera.carried([*pictures, (target.color[..., :3], target)], target)
    assert both.share < 0.02 < alone.share


def test_a_turntable_ends_where_it_began(accepted) -> None:
    view = accepted.canvas.view
    views = next_camera.around(view, (0.0, 0.0, 0.5), 4)
    assert len(views) == 3
    last = next_camera.turned(views[-1], (0.0, 0.0, 0.5), np.pi / 2)
    assert np.allclose(last.camera_to_world, view.camera_to_world)
    half = np.array(views[1].camera_to_world)[:3, 3] + np.array(view.camera_to_world)[:3, 3]
    assert np.allclose(half[:2], 0)
    with pytest.raises(InvalidInput, match="turntable"):
        next_camera.around(view, (0.0, 0.0, 0.0), 1)


def test_colors_follow_what_both_show() -> None:
    random = np.random.default_rng(2)
    base = random.integers(40, 200, (96, 128, 3)).astype(np.uint8)
    look = (base.astype(float) * (0.7, 0.9, 0.6) + (30, 5, 10)).astype(np.uint8)
    unseen = np.zeros((96, 128), np.float32)
    unseen[20:70, 40:90] = 1
    known = np.where(unseen[..., None] > 0, 0, look).astype(np.uint8)
    made = look_match.continued(base, known, unseen, look)
    assert np.abs(made.astype(int) - look.astype(int)).mean() < 4
