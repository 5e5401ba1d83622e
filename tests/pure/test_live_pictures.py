# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick pictures of a view that moves: like the finished one, and of one piece."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from genai_render.backends.offline import LivePictures
from genai_render.core.errors import NotFound
from genai_render.core.models import catalog
from genai_render.core.request import RenderRequest
from tests.pure import synthetic

SIZE = (192, 120)


@pytest.fixture(scope="module")
def canvas():
    return synthetic.canvas("product", *SIZE, samples=1)


def _live(**values) -> LivePictures:
    request = RenderRequest(prompt="golden hour", model="offline", **values)
    return LivePictures(request, catalog.shipped())


def _coarse(pixels):
    return np.asarray(Image.fromarray(pixels).resize((24, 15), Image.Resampling.BOX), np.float32)


@pytest.mark.parametrize("style", ["auto", "movie", "comic", "japanese_anime"])
def test_a_draft_has_the_light_and_the_colors_of_the_finished_picture(canvas, style):
    live = _live(style=style)
    draft, finished = live.picture(canvas, draft=True), live.picture(canvas, draft=False)
    assert draft.shape == finished.shape == (SIZE[1], SIZE[0], 3)
    assert np.abs(_coarse(draft) - _coarse(finished)).mean() < 12


def test_what_is_behind_the_scene_stays_while_the_view_turns(canvas):
    """Only the upper half, without the floor, would get another stage if it came first."""
    live = _live()
    live.picture(canvas, draft=True)
    first = live._job.stage  # pyright: ignore
    assert first is not None
    other = synthetic.canvas("interior", *SIZE, samples=1)
    live.picture(other, draft=True)
    assert live._job.stage == first  # pyright: ignore


def test_the_same_view_gives_the_same_picture(canvas):
    one, other = _live(style="comic"), _live(style="comic")
    assert (one.picture(canvas, True) == other.picture(canvas, True)).all()


def test_what_is_wrong_is_said_before_anything_is_drawn():
    with pytest.raises(NotFound):
        _live(style="no such style")
