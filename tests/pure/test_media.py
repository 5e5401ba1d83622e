# SPDX-License-Identifier: GPL-3.0-or-later
"""Every medium: what a person would notice about the picture that it makes."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from synthetic import canvas

from genai_render.core.errors import Cancelled, NotFound
from genai_render.engine import media
from genai_render.engine.media import halftone, pixel
from genai_render.engine.media.shaded import Shaded
from genai_render.engine.raster.color import brightness
from genai_render.engine.raster.resample import ColorRows, Rows, resize
from genai_render.engine.strokes import hatching
from genai_render.engine.strokes.directions import surface_directions

DRAWN = ("pencil", "charcoal", "ink", "engraving", "colored_pencil")
PAINTED = ("watercolor", "gouache", "oil", "pastel")


def quiet(fraction: float, message: str) -> None:
    pass


def shaded_of(name: str, width: int, height: int, projection: str = "PERSP") -> Shaded:
    made = canvas(name, width, height, projection=projection, background=True, samples=1)
    assert made.albedo is not None
    color = made.color[..., :3].astype(np.float32) / 255
    albedo = made.albedo.astype(np.float32) / 255
    covered = made.covered
    albedo = np.where(covered[..., None], albedo, color)
    light = (brightness(color) + 0.02) / (brightness(albedo) + 0.02)
    tone = np.where(covered, np.clip(light / 1.3, 0, 1), brightness(color))
    color, albedo, tone = (plane.astype(np.float32) for plane in (color, albedo, tone))
    return Shaded(color, tone, albedo, made.depth, made.normal, made.view, seed=7)


def wall(tone: float, size: int = 256) -> Shaded:
    """A grey wall that fills the view, but for a black and a white strip that set the range."""
    sample = shaded_of("default_cube", size, size)
    value = np.full((size, size), tone, np.float32)
    value[:, : size // 16], value[:, -size // 16 :] = 0.0, 1.0
    color = np.repeat(value[..., None], 3, axis=2)
    normal = np.zeros((size, size, 3), np.float32)
    normal[..., 2] = 1
    depth = np.full((size, size), 5, np.float32)
    return Shaded(color, value, np.full_like(color, 0.6), depth, normal, sample.view, seed=7)


def middle(picture):
    height, width = picture.shape[:2]
    return picture[height // 8 : -height // 8, width // 8 : -width // 8]


def wall_brightness(medium: str, tone: float) -> float:
    """Of a wall of that tone, as the medium shows it."""
    return float(middle(brightness(media.apply(medium, wall(tone), 1.0, quiet))).mean())


@pytest.fixture(scope="module")
def product() -> Shaded:
    return shaded_of("product", 320, 240)


@pytest.fixture(scope="module")
def drawn(product: Shaded) -> dict[str, np.ndarray]:
    return {medium: media.apply(medium, product, 1.0, quiet) for medium in media.MEDIA}


@pytest.mark.parametrize("medium", media.MEDIA)
def test_a_medium_gives_a_whole_picture(medium, product, drawn):
    picture = drawn[medium]
    assert picture.shape == (240, 320, 3)
    assert picture.dtype == np.float32
    assert np.isfinite(picture).all()
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert picture.std() > 0.03
    assert np.abs(picture - product.color).mean() > 0.02


@pytest.mark.parametrize("medium", media.MEDIA)
def test_the_same_seed_gives_the_same_bytes(medium, product, drawn):
    again = media.apply(medium, product, 1.0, quiet)
    assert again.tobytes() == drawn[medium].tobytes()


@pytest.mark.parametrize("medium", media.MEDIA)
def test_another_seed_is_another_hand(medium, product, drawn):
    other = media.apply(medium, replace(product, seed=8), 1.0, quiet)
    assert other.tobytes() != drawn[medium].tobytes()
    # But the picture is the same.
    small = [resize(p, 12, 16, "box") for p in (other, drawn[medium])]
    assert np.abs(small[0] - small[1]).mean() < 0.06


@pytest.mark.parametrize("medium", media.MEDIA)
def test_what_is_given_is_not_changed(medium):
    given = shaded_of("default_cube", 96, 64)
    before = [np.copy(getattr(given, name)) for name in ("color", "tone", "albedo", "depth")]
    media.apply(medium, given, 1.0, quiet)
    after = [getattr(given, name) for name in ("color", "tone", "albedo", "depth")]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_amount_fades_a_medium_in(product, drawn):
    assert np.array_equal(media.apply("ink", product, 0.0, quiet), np.clip(product.color, 0, 1))
    half = media.apply("ink", product, 0.5, quiet)
    assert half == pytest.approx((product.color + drawn["ink"]) / 2, abs=1e-5)


def test_an_unknown_medium_is_named():
    with pytest.raises(NotFound, match="crayon"):
        media.apply("crayon", shaded_of("default_cube", 64, 64), 1.0, quiet)


@pytest.mark.parametrize("medium", media.MEDIA)
def test_progress_rises_and_cancel_is_heard(medium, product):
    heard: list[float] = []
    media.apply(medium, product, 1.0, lambda fraction, message: heard.append(fraction))
    assert len(heard) >= 3
    assert heard[0] < 0.2
    assert all(0 <= fraction <= 1 for fraction in heard)
    assert all(b >= a - 1e-6 for a, b in pairwise(heard))

    def cancel(fraction: float, message: str) -> None:
        if fraction > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        media.apply(medium, product, 1.0, cancel)


@pytest.mark.parametrize("medium", DRAWN)
def test_a_darker_wall_gets_more_ink(medium):
    tones = (0.95, 0.75, 0.55, 0.35, 0.15)
    left = [wall_brightness(medium, tone) for tone in tones]
    assert all(a >= b - 0.004 for a, b in pairwise(left)), left
    assert left[0] - left[-1] > 0.3
    assert left[0] > 0.8  # light is paper


@pytest.mark.parametrize("medium", [*PAINTED, "halftone", "pixel", "clay"])
def test_a_painted_wall_keeps_its_order_of_tones(medium):
    tones = (0.9, 0.6, 0.3)
    seen = [wall_brightness(medium, tone) for tone in tones]
    assert seen[0] > seen[1] > seen[2]


@pytest.mark.parametrize("medium", [*PAINTED, "colored_pencil", "pixel", "halftone"])
def test_colours_stay_what_they_are(medium, product, drawn):
    # The red machine is red, the teal ball teal.
    height, width = product.depth.shape
    red = (product.albedo[..., 0] > product.albedo[..., 1] + 0.3) & np.isfinite(product.depth)
    teal = product.albedo[..., 1] > product.albedo[..., 0] + 0.3
    picture = drawn[medium]
    assert picture[red].mean(axis=0).argmax() == 0
    assert picture[teal].mean(axis=0).argmin() == 0
    assert (height, width) == picture.shape[:2]


@pytest.mark.parametrize("medium", [m for m in media.MEDIA if m not in ("pixel",)])
def test_one_k_and_four_k_look_alike(medium):
    small = shaded_of("product", 400, 300)
    large = shaded_of("product", 1200, 900)
    one = media.apply(medium, small, 1.0, quiet)
    four = media.apply(medium, large, 1.0, quiet)
    a, b = (resize(p, 30, 40, "box") for p in (one, four))
    assert np.abs(a - b).mean() < 0.035
    correlation = np.corrcoef(brightness(a).ravel(), brightness(b).ravel())[0, 1]
    assert correlation > (0.9 if medium == "blueprint" else 0.96)


@pytest.mark.parametrize("medium", media.MEDIA)
@pytest.mark.parametrize("size", [(64, 64), (65, 301), (200, 71)])
def test_odd_sizes_work(medium, size):
    width, height = size
    picture = media.apply(medium, shaded_of("interior", width, height), 1.0, quiet)
    assert picture.shape == (height, width, 3)
    assert np.isfinite(picture).all()


@pytest.mark.parametrize("medium", media.MEDIA)
def test_orthographic_views_and_empty_ones_work(medium):
    flat = media.apply(medium, shaded_of("product", 160, 120, "ORTHO"), 1.0, quiet)
    assert flat.std() > 0.02
    size = (96, 128)
    empty = replace(
        shaded_of("default_cube", 128, 96),
        depth=np.full(size, np.inf, np.float32),
        normal=np.zeros((*size, 3), np.float32),
    )
    assert np.isfinite(media.apply(medium, empty, 1.0, quiet)).all()


def test_strokes_run_in_level_rings_around_a_ball():
    """A step along a ring, seen through the camera, goes the way of the field at every place."""
    given = shaded_of("product", 320, 240)
    (level,) = surface_directions(given.normal, given.view, (0.0,))
    rings = given.albedo[..., 1] > given.albedo[..., 0] + 0.3
    up = np.asarray(given.view.camera_to_world)[2, :3]
    rings &= np.abs(given.normal @ up) < 0.9  # at its top a ring has no direction
    assert rings.sum() > 300
    rows, columns = np.nonzero(rings)
    matrix = np.asarray(given.view.projection_matrix)
    depth = given.depth[rings].astype(float)
    point = np.stack(
        [
            ((columns + 0.5) / 320 * 2 - 1) / matrix[0, 0] * depth,
            (1 - (rows + 0.5) / 240 * 2) / matrix[1, 1] * depth,
            -depth,
        ],
        1,
    )
    along = np.cross(up, given.normal[rings])
    along /= np.linalg.norm(along, axis=1, keepdims=True)

    def on_picture(place):
        x = (matrix[0, 0] * place[:, 0] / -place[:, 2] + 1) / 2 * 320
        y = (1 - matrix[1, 1] * place[:, 1] / -place[:, 2]) / 2 * 240
        return np.stack([x, y], 1)

    step = on_picture(point + along * 1e-4) - on_picture(point - along * 1e-4)
    long = np.linalg.norm(step, axis=1)
    seen = long > 0.1 * long.max()  # at its rims a ring runs toward the viewer
    step /= long[:, None]
    field = level[rings]
    cross = np.abs(field[:, 0] * step[:, 1] - field[:, 1] * step[:, 0])
    assert cross[seen].max() < 0.02
    # Rings of a ball seen from above bend: level in its middle, rising toward its sides.
    assert field[seen][:, 1].std() > 0.1


def test_a_walls_hatching_follows_its_perspective():
    """Level strokes on a receding wall run to its vanishing point."""
    given = shaded_of("default_cube", 320, 240)
    to_camera = np.asarray(given.view.camera_to_world)[:3, :3].T
    for world_normal, world_level in (((1, 0, 0), (0, 1, 0)), ((0, -1, 0), (1, 0, 0))):
        normal = to_camera @ np.array(world_normal, float)
        face = np.isfinite(given.depth) & (given.normal @ normal > 0.99)
        assert face.sum() > 500
        (field,) = surface_directions(given.normal, given.view, (0.0,))
        direction = to_camera @ np.array(world_level, float)
        matrix = np.asarray(given.view.projection_matrix)
        vanishing = np.array(
            [
                (matrix[0, 0] * direction[0] / -direction[2] + 1) / 2 * 320,
                (1 - matrix[1, 1] * direction[1] / -direction[2]) / 2 * 240,
            ]
        )
        rows, columns = np.nonzero(face)
        toward = vanishing - np.stack([columns + 0.5, rows + 0.5], 1)
        toward /= np.linalg.norm(toward, axis=1, keepdims=True)
        cross = np.abs(field[face][:, 0] * toward[:, 1] - field[face][:, 1] * toward[:, 0])
        assert cross.max() < 0.01


def test_strokes_stop_at_a_barrier():
    field = np.zeros((60, 60, 2), np.float32)
    field[..., 0] = 1
    barrier = np.zeros((60, 60), bool)
    barrier[:, 30] = True
    start = np.full(20, 10.5, np.float32), np.linspace(5, 55, 20).astype(np.float32)
    x, _, alive, _ = hatching.trace(*start, field, barrier, np.full(20, 200, np.float32), 1.0)
    assert x[alive > 0].max() <= 30
    assert x[alive > 0].min() < 2


def test_hatching_covers_what_is_wanted():
    field = np.zeros((200, 200, 2), np.float32)
    field[..., 0], field[..., 1] = math.cos(0.6), math.sin(0.6)
    barrier = np.zeros((200, 200), bool)
    covered = []
    for want in (0.0, 0.15, 0.3, 0.45):
        rng = np.random.default_rng(1)
        wanted = np.full((200, 200), want, np.float32)
        made = hatching.hatch(wanted, field, barrier, 0.75, hatching.Hatching(), rng)
        laid = hatching.lay(made, 400, 400, 1.5, 1.2)
        covered.append(float(np.minimum(laid[60:-60, 60:-60], 1).mean()))
    assert covered[0] == 0
    assert covered == sorted(covered)
    assert covered[2] == pytest.approx(0.3, abs=0.12)


def test_halftone_dots_cover_the_share_asked_for():
    for share in (0.1, 0.3, 0.5, 0.8):
        dots = halftone.screen(300, 300, 45.0, 9.0)(0, 300, np.full((300, 300), share, np.float32))
        assert dots.mean() == pytest.approx(share, abs=0.02)
    assert halftone.screen(90, 90, 45.0, 9.0)(0, 90, np.zeros((90, 90), np.float32)).max() == 0


def test_a_smooth_floor_in_halftone_has_no_bands():
    """The mean over a few dots follows a smooth gradient without a step."""
    given = wall(0.5, 512)
    ramp = np.linspace(0.35, 0.85, 512, dtype=np.float32)[None, :].repeat(512, 0)
    given = replace(given, color=np.repeat(ramp[..., None], 3, 2), tone=ramp)
    means = brightness(media.apply("halftone", given, 1.0, quiet)).mean(axis=0)
    pitch = round(halftone.PITCH * 0.5 * math.sqrt(2) * 8)
    smooth = np.convolve(means, np.ones(pitch) / pitch, "valid")
    jumps = np.diff(smooth)
    assert jumps.min() > -0.012
    assert jumps.max() < 0.02


def test_pixel_art_is_made_of_square_pixels_of_few_colours(drawn):
    picture = (drawn["pixel"] * 255).round().astype(np.uint8)
    flat = picture.reshape(-1, 3)
    # Outlines are darker kinds of the palette's colours.
    assert len(np.unique(flat, axis=0)) < pixel.COLORS * 3
    size = max(2, round(pixel.PIXEL_UNITS * math.sqrt(240 * 320) / 1024))
    changes = (np.diff(picture.astype(int), axis=1) != 0).any(axis=(0, 2))
    assert changes.sum() <= 320 // size + 1


def test_pixel_art_keeps_small_things_colour():
    color = np.full((60, 80, 3), (0.75, 0.72, 0.68), np.float32)
    color += np.linspace(-0.2, 0.2, 80, dtype=np.float32)[None, :, None]
    color[20:24, 30:34] = (0.1, 0.2, 0.9)
    palette = pixel.choose_palette(color, 16, 1)
    assert np.abs(palette - (0.1, 0.2, 0.9)).max(axis=1).min() < 0.08


def test_watercolour_leaves_a_margin_of_paper(drawn):
    picture = drawn["watercolor"]
    border = np.concatenate([picture[:2].reshape(-1, 3), picture[:, :2].reshape(-1, 3)])
    assert brightness(border[None]).mean() > 0.9


def test_oil_shows_strokes_on_an_even_wall():
    light = middle(brightness(media.apply("oil", wall(0.5, 384), 1.0, quiet)))
    assert 0.008 < light.std() < 0.12


def test_rows_are_the_same_as_the_whole():
    image = np.random.default_rng(3).random((37, 53)).astype(np.float32)
    for how in ("bilinear", "bicubic"):
        whole = resize(image, 211, 307, how)
        rows = Rows(image, 211, 307, how)
        parts = np.concatenate([rows(top, min(211, top + 17)) for top in range(0, 211, 17)])
        assert parts == pytest.approx(whole, abs=2e-5)
    colors = np.stack([image] * 3, axis=2)
    assert ColorRows(colors, 74, 106)(10, 20).shape == (10, 106, 3)


def test_every_medium_has_its_own_file_and_loads_only_when_used():
    folder = Path(media.__file__).parent
    source = (folder / "__init__.py").read_text(encoding="utf-8")
    for medium in media.MEDIA:
        assert (folder / f"{medium}.py").is_file()
        assert not re.search(rf"^\s*(from|import) .*\b{medium}\b", source, re.MULTILINE)
