# SPDX-License-Identifier: GPL-3.0-or-later
"""What the offline engine's pictures show."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import synthetic
from PIL import Image

from genai_render.core.errors import Cancelled, InvalidInput
from genai_render.core.models import catalog
from genai_render.core.request import Reference
from genai_render.core.view.canvas import Canvas
from genai_render.engine import Look, Palette, render
from genai_render.engine.finish.antialias import antialias
from genai_render.engine.grade.grading import graded, lattice
from genai_render.engine.grade.palette import notes
from genai_render.engine.grade.tone_mapping import tone_map
from genai_render.engine.light.planner import plan_lighting
from genai_render.engine.look.look import Grade
from genai_render.engine.look.terms import read
from genai_render.engine.raster import parallel
from genai_render.engine.raster.color import luminance, oklab, to_display, to_linear
from genai_render.engine.raster.progress import silent
from genai_render.engine.scene.analysis import analyze_scene
from genai_render.engine.scene.camera import Camera, dot
from genai_render.engine.scene.captured_light import find_emission, fit_captured_light
from genai_render.engine.scene.surfaces import FAR, Source

STYLES = tuple(catalog.shipped().styles)
SCENES = tuple(synthetic.SCENES)


@pytest.fixture(scope="module")
def canvases() -> dict[str, Canvas]:
    return {name: synthetic.canvas(name, 192, 144) for name in SCENES}


def style(name: str, prompt: str = "") -> Look:
    look = Look.from_mapping(catalog.shipped().style(name).look)
    return read(prompt).apply(look) if prompt else look


def gray(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(float) @ (0.2126, 0.7152, 0.0722)


# --- every style, every scene ------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("look", STYLES)
def test_every_style_makes_a_picture_of_every_scene(canvases, name, look):
    canvas = canvases[name]
    pixels = render(canvas, style(look))
    assert pixels.shape == (144, 192, 3)
    assert pixels.dtype == np.uint8
    covered = canvas.covered
    shown = gray(pixels)[covered]
    assert shown.std() > 8, "the scene is to be seen, not an even colour"
    assert 12 < shown.mean() < 235, "neither black nor burnt out"
    change = np.abs(pixels[covered].astype(int) - canvas.color[covered][:, :3]).mean()
    assert change > 8, "clearly another picture than the input"


def test_styles_differ_from_each_other(canvases):
    pictures = [render(canvases["street"], style(look)).astype(int) for look in STYLES]
    for i, a in enumerate(pictures):
        for b in pictures[i + 1 :]:
            assert np.abs(a - b).mean() > 5


@pytest.mark.parametrize("name", ["product", "street"])
def test_the_world_in_the_picture_is_handled_like_an_empty_one(name):
    with_world = synthetic.canvas(name, 160, 120, background=True)
    without = synthetic.canvas(name, 160, 120)
    a, b = render(with_world, style("auto")), render(without, style("auto"))
    away = np.abs(a.astype(int) - b).mean(-1)
    assert np.median(away) < 12


def test_a_world_that_shows_something_is_kept():
    canvas = synthetic.canvas("product", 160, 120, background=True)
    checker = (np.indices((120, 160)).sum(0) // 12 % 2 * 200 + 20).astype(np.uint8)
    color = canvas.color.copy()
    empty = ~canvas.covered
    color[empty, :3] = checker[empty, None]
    shown = gray(render(replace(canvas, color=color), style("auto")))
    bright, dark = shown[empty & (checker > 128)].mean(), shown[empty & (checker < 128)].mean()
    assert bright > dark + 60


@pytest.mark.parametrize("albedo", [True, False])
@pytest.mark.parametrize("engine", ["CYCLES", "SOLID"])
def test_it_works_with_and_without_albedo_for_rendered_and_solid_views(albedo, engine):
    canvas = synthetic.canvas("product", 160, 120, albedo=albedo, engine=engine)
    pixels = render(canvas, style("auto"))
    red = pixels[canvas.albedo[..., 0] > 190 if albedo else (canvas.color[..., 0] > 150)]
    assert len(red)
    assert gray(pixels).std() > 8


def test_an_orthographic_view_is_lit_like_a_perspective_one():
    canvas = synthetic.canvas("product", 160, 120, projection="ORTHO")
    pixels = gray(render(canvas, style("auto", "studio")))
    up = np.asarray(Camera.of(canvas.view).up, np.float32)
    lift = canvas.normal @ up
    floor = canvas.covered & (lift > 0.95)
    assert pixels[floor].mean() > 90, "a floor under a soft box is bright"
    assert np.isfinite(pixels).all()


def test_a_view_with_nothing_in_it_still_gives_a_sky():
    canvas = synthetic.canvas("default_cube", 96, 64)
    empty = replace(
        canvas,
        color=np.zeros_like(canvas.color),
        depth=np.full_like(canvas.depth, np.inf),
        normal=np.zeros_like(canvas.normal),
        albedo=None,
    )
    for look in ("auto", "japanese_anime"):
        assert render(empty, style(look)).shape == (64, 96, 3)


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (201, 64)])
def test_odd_and_smallest_sizes(size):
    canvas = synthetic.canvas("product", *size, samples=1)
    for look in ("movie", "cyberpunk", "comic"):
        assert render(canvas, style(look)).shape == (size[1], size[0], 3)


# --- the same bytes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("look", "words"),
    [
        ("movie", "depth of field, wet floor"),
        ("cyberpunk", "rain"),
        ("japanese_anime", ""),
        ("auto", "oil painting"),
        ("auto", "pencil drawing"),
    ],
)
def test_the_same_seed_gives_the_same_bytes_whatever_the_threads(look, words, monkeypatch):
    # Large enough for several bands.
    canvas = synthetic.canvas("street", 640, 480, samples=1)
    pictures = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(parallel, "THREADS", threads)
        pictures.append(render(canvas, style(look, words), seed=7))
    assert np.array_equal(pictures[0], pictures[1])
    assert np.array_equal(pictures[0], pictures[2])


def test_another_seed_gives_another_sky(canvases):
    look = style("japanese_anime")
    a = render(canvases["street"], look, seed=1)
    b = render(canvases["street"], look, seed=2)
    assert not np.array_equal(a, b)


def test_the_canvas_is_not_changed(canvases):
    canvas = canvases["product"]
    before = canvas.digest()
    render(canvas, style("movie", "rain, depth of field"))
    assert canvas.digest() == before


@pytest.mark.parametrize("words", ["", "oil painting"])
def test_a_mode_decides_how_finely_the_light_is_planned(words):
    """More pixels are looked at, so finer things are seen, in a painted picture too."""
    canvas = synthetic.canvas("product", 800, 600, samples=1)
    look = style("auto", words)
    sizes = []
    for mode in ("fast", "balanced", "quality"):
        plan = plan_lighting(Source(canvas), look, 1, silent, mode)
        sizes.append(max(plan.shown.shape))
    assert sizes[0] < sizes[1] < sizes[2]


# --- what words do -----------------------------------------------------------------------------


def test_golden_hour_is_warm_and_night_is_dark_and_blue(canvases):
    canvas = canvases["street"]
    plain = render(canvas, style("auto")).astype(float).mean((0, 1))
    golden = render(canvas, style("auto", "golden hour")).astype(float).mean((0, 1))
    night = render(canvas, style("auto", "night")).astype(float).mean((0, 1))
    assert golden[0] / golden[2] > plain[0] / plain[2] * 1.1
    assert night.mean() < plain.mean() * 0.65
    assert night[2] > night[0]


def test_lamps_glow_at_night(canvases):
    canvas = canvases["street"]
    lamps = canvas.covered & (canvas.albedo == np.array([255, 231, 188])).all(-1)
    assert lamps.sum() > 10
    night = gray(render(canvas, style("auto", "night")))
    walls = canvas.covered & ~lamps
    assert night[lamps].mean() > np.quantile(night[walls], 0.99)


@pytest.mark.parametrize("name", ["product", "default_cube"])
@pytest.mark.parametrize("engine", ["CYCLES", "SOLID"])
@pytest.mark.parametrize("albedo", [True, False])
def test_nothing_glows_that_is_only_lit(name, engine, albedo):
    canvas = synthetic.canvas(name, 192, 144, engine=engine, albedo=albedo)
    surfaces = Source(canvas).low_res(192).surfaces
    assert find_emission(surfaces, fit_captured_light(surfaces), engine).mean() < 0.002


def test_fog_hides_the_far_more_than_the_near(canvases):
    canvas = canvases["street"]
    clear = gray(render(canvas, style("auto", "no fog")))
    foggy = gray(render(canvas, style("auto", "foggy")))
    near = canvas.covered & (canvas.depth < 12)
    far = canvas.covered & (canvas.depth > 45)
    assert foggy[far].std() < 0.5 * clear[far].std()
    assert foggy[near].std() > 0.6 * clear[near].std()


def test_fog_indoors_does_not_hide_the_room(canvases):
    canvas = canvases["interior"]
    clear = gray(render(canvas, style("auto", "no fog")))
    foggy = gray(render(canvas, style("auto", "foggy")))
    assert foggy.std() > 0.45 * clear.std()


def sharpness(pixels: np.ndarray, where: np.ndarray) -> float:
    light = gray(pixels)
    return float(np.abs(np.diff(light, axis=1))[where[:, 1:]].mean())


def test_depth_of_field_keeps_the_subject_sharp_and_blurs_the_rest():
    canvas = synthetic.canvas("street", 240, 160, focus=13.5)
    sharp = render(canvas, style("auto", "everything in focus"))
    blurred = render(canvas, style("auto", "bokeh"))
    subject = canvas.covered & (np.abs(canvas.depth - 13.5) < 1.5)
    far = canvas.covered & (canvas.depth > 50)
    assert sharpness(blurred, subject) > 0.75 * sharpness(sharp, subject)
    assert sharpness(blurred, far) < 0.75 * sharpness(sharp, far)


def test_snow_lies_on_what_faces_up_only(canvases):
    canvas = canvases["street"]
    pixels = render(canvas, style("auto", "snow")).astype(float)
    lift = canvas.normal @ np.asarray(Camera.of(canvas.view).up, np.float32)
    near = canvas.covered & (canvas.depth < 25)
    before = render(canvas, style("auto", "overcast")).astype(float)
    ground, walls = near & (lift > 0.95), near & (np.abs(lift) < 0.1)
    assert (pixels - before)[ground].mean() > 40
    assert (pixels - before)[walls].mean() < 25


def test_black_and_white_has_no_colour(canvases):
    pixels = render(canvases["product"], style("auto", "black and white")).astype(int)
    assert (pixels.max(-1) - pixels.min(-1)).max() <= 6


def test_bars_only_when_asked_for(canvases):
    assert render(canvases["product"], style("movie"))[:4].mean() > 3
    barred = render(canvases["product"], style("movie", "letterbox"))
    assert barred[:20].max() == 0
    assert barred[-20:].max() == 0
    assert barred[60:80].mean() > 10


def test_wet_ground_mirrors_what_stands_on_it():
    canvas = synthetic.canvas("product", 240, 180)
    dry = render(canvas, style("auto", "no reflections")).astype(int)
    wet = render(canvas, style("auto", "wet floor, puddles")).astype(int)
    # Before the teal ball, a little below where it meets the floor.
    teal = canvas.covered & (canvas.albedo[..., 2] > 150) & (canvas.albedo[..., 0] < 90)
    row, column = np.nonzero(teal)[0].max() + 5, int(np.median(np.nonzero(teal)[1]))
    spot = (slice(row, row + 6), slice(column - 6, column + 6))
    change = (wet - dry)[spot].mean((0, 1))
    assert change[0] < change[2], "redder light is lost, the ball's blue-green is gained"


def test_light_from_the_left_lights_the_left_side():
    canvas = synthetic.canvas("default_cube", 200, 150)
    left = render(canvas, style("auto", "light from the left")).astype(float).mean(-1)
    right = render(canvas, style("auto", "light from the right")).astype(float).mean(-1)
    normal = canvas.normal
    facing_left = canvas.covered & (normal[..., 0] < -0.5)
    facing_right = canvas.covered & (normal[..., 0] > 0.5)
    assert left[facing_left].mean() > left[facing_right].mean() + 15
    assert right[facing_right].mean() > right[facing_left].mean() + 15


def test_things_cast_shadows_away_from_the_light():
    canvas = synthetic.canvas("default_cube", 240, 180)
    look = style("auto", "dramatic light from the left, studio")
    pixels = gray(render(canvas, look))
    # The cube stands on a floor that was laid for it: right of it is darker than left of it.
    row = int(np.nonzero(canvas.covered)[0].max() - 30)
    here = np.nonzero(canvas.covered[row])[0]
    right = pixels[row, here.max() + 3 : here.max() + 12]
    left = pixels[row, here.min() - 12 : here.min() - 3]
    assert right.mean() < left.mean() - 10


# --- edges -------------------------------------------------------------------------------------


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("look", ["auto", "movie", "cyberpunk"])
def test_no_dashes_along_the_horizon(background, look):
    """Where a floor ends, no pixel is darker or brighter than both what is above and below."""
    canvas = synthetic.canvas("product", 240, 180, background=background)
    pixels = gray(render(canvas, style(look, "no grain, no vignette")))
    covered = canvas.covered
    worst = []
    for x in range(2, 70):
        top = int(np.argmax(covered[:, x]))
        if not 6 < top < 160:
            continue
        above, below = pixels[top - 6 : top - 2, x], pixels[top + 3 : top + 7, x]
        low, high = min(above.min(), below.min()), max(above.max(), below.max())
        edge = pixels[top - 2 : top + 3, x]
        worst.append(max(low - edge.min(), edge.max() - high, 0))
    assert len(worst) > 20
    assert np.quantile(worst, 0.95) < 10


def test_antialiasing_smooths_stairs_and_leaves_flat_areas():
    y, x = np.mgrid[0:80, 0:80]
    stairs = np.where(y * 4 > x, 230, 20).astype(np.uint8)
    pixels = np.repeat(stairs[..., None], 3, -1)
    smooth = antialias(pixels, silent)
    between = (smooth[..., 0] > 40) & (smooth[..., 0] < 210)
    assert between.sum() > 60
    flat = np.abs(y * 4 - x) > 12
    assert np.array_equal(smooth[flat], pixels[flat])


# --- parts -------------------------------------------------------------------------------------


def test_positions_and_projection_are_inverse():
    for projection in ("PERSP", "ORTHO"):
        canvas = synthetic.canvas("product", 90, 60, projection=projection)
        camera = Camera.of(canvas.view)
        depth = np.where(canvas.covered, canvas.depth, 5).astype(np.float32)
        column, row = camera.project(camera.positions(depth))
        y, x = np.mgrid[0:60, 0:90]
        assert np.abs(column - x).max() < 1e-2
        assert np.abs(row - y).max() < 1e-2


def test_world_up_points_away_from_the_floor():
    canvas = synthetic.canvas("product", 90, 60)
    normal = canvas.normal.transpose(2, 0, 1)
    lift = dot(normal, Camera.of(canvas.view).up)
    floor = canvas.covered & (np.arange(60)[:, None] > 50)
    assert lift[floor].min() > 0.99


def test_the_survey_tells_things_from_places(canvases):
    def found(name):
        canvas = canvases[name]
        return analyze_scene(Source(canvas).low_res(192), canvas.view)

    assert not found("product").place
    assert found("street").place
    assert not found("street").indoor
    assert found("interior").indoor
    assert found("street").floor_height == pytest.approx(0, abs=0.2)
    assert found("default_cube").floor_height is None
    focus = synthetic.canvas("product", 96, 64, focus=4.2)
    assert analyze_scene(Source(focus).low_res(96), focus.view).focus == pytest.approx(4.2)


def test_baked_light_is_found_and_divided_out():
    """A Solid view of one gray cube: its three sides become alike."""
    canvas = synthetic.canvas("default_cube", 160, 120, engine="SOLID", albedo=False)
    surfaces = Source(canvas).low_res(160).surfaces
    covered = surfaces.covered
    shown = luminance(surfaces.color)
    bare = shown / fit_captured_light(surfaces).on(surfaces.normal)
    assert bare[covered].std() / bare[covered].mean() < 0.3 * (
        shown[covered].std() / shown[covered].mean()
    )


def test_border_pixels_lose_the_old_background():
    canvas = synthetic.canvas("default_cube", 160, 120, background=True)
    color = canvas.color.copy()
    color[~canvas.covered] = (255, 0, 255, 255)
    mixed = replace(canvas, color=color)
    source = Source(mixed)
    source.mend()
    surfaces = source.rows(0, 120)
    shown = surfaces.alpha > 0
    excess = np.minimum(surfaces.color[0], surfaces.color[2]) - surfaces.color[1]
    assert excess[shown & (surfaces.depth < FAR)].max() < 0.35
    assert 0 <= surfaces.alpha.min() <= surfaces.alpha.max() <= 1


def test_the_film_curve_is_close_to_exact_srgb_and_keeps_order():
    ramp = np.linspace(0, 8, 400, dtype=np.float32)
    color = np.stack((ramp, ramp, ramp))[:, None, :].copy()
    tone_map(color, (1.0, 1.0, 1.0))
    out = color[0, 0]
    assert (np.diff(out) >= -1e-5).all()
    assert out[0] < 0.01
    assert out[-1] > 0.95
    linear = np.linspace(0, 1, 257, dtype=np.float32)
    assert np.abs(to_linear(to_display(linear)) - linear).max() < 1e-4


def test_the_grading_table_without_grading_changes_nothing():
    neutral = replace(Grade(), contrast=1.0, saturation=1.0, vibrance=0.0)
    colors = lattice()
    assert np.abs(graded(colors, neutral) - colors).max() < 2e-3


def test_a_cancel_stops_the_work():
    canvas = synthetic.canvas("product", 128, 96, samples=1)
    seen: list[float] = []

    def step(fraction: float, message: str) -> None:
        seen.append(fraction)
        if fraction > 0.3:
            raise Cancelled()

    with pytest.raises(Cancelled):
        render(canvas, style("movie"), step=step)
    assert seen == sorted(seen)


def test_progress_rises_to_one(canvases):
    seen: list[float] = []
    render(canvases["product"], style("fantasy"), step=lambda f, m: seen.append(f))
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] == 1


# --- references --------------------------------------------------------------------------------


def reference(color: tuple[int, int, int], role="style", weight=1.0, spread=40) -> Reference:
    random = np.random.default_rng(1)
    pixels = np.clip(np.asarray(color) + random.normal(0, spread, (48, 48, 3)), 0, 255)
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return Reference(file.getvalue(), "palette.png", role, weight)


def mean_colour(canvas, *references):
    pixels = render(canvas, style("auto"), Palette.of(references))
    return oklab(pixels.reshape(-1, 3).astype(np.float32) / 255)[:, 1:].mean(0)


def test_a_reference_lends_its_colours_by_weight(canvases):
    canvas = canvases["product"]
    target = oklab(np.array([[30, 60, 160]], np.float32) / 255)[0, 1:]
    plain = mean_colour(canvas)
    half = mean_colour(canvas, reference((30, 60, 160), weight=0.5))
    full = mean_colour(canvas, reference((30, 60, 160)))

    def away(colour):
        return np.linalg.norm(colour - target)

    assert away(full) < away(half) < away(plain)


def test_two_references_blend_by_their_weights(canvases):
    canvas = canvases["product"]
    blue, red = (30, 60, 160), (170, 50, 30)
    more_blue = mean_colour(canvas, reference(blue, weight=1.0), reference(red, weight=0.2))
    more_red = mean_colour(canvas, reference(blue, weight=0.2), reference(red, weight=1.0))
    assert more_blue[1] < more_red[1]


def test_roles_that_cannot_be_used_are_said():
    said = notes([reference((1, 2, 3), "subject"), reference((1, 2, 3), "composition")])
    assert said[0] == "subject: used for its colors only"
    assert said[1].startswith("composition: cannot be used offline")
    assert Palette.of([reference((9, 9, 9), "composition")]) is None
    assert Palette.of([reference((9, 9, 9), weight=0.0)]) is None
    assert notes([reference((1, 2, 3), "style")]) == []


# --- looks -------------------------------------------------------------------------------------


def test_a_look_refuses_what_it_does_not_have():
    for values in (
        {"light": {"kee": 1}},
        {"lamp": {}},
        {"light": {"key": "much"}},
        {"light": {"key_color": "#12"}},
        {"light": 3},
        {"sky": {"backdrop": "space"}},
        {"medium": "finger paint"},
        {"light": {"key": float("nan")}},
    ):
        with pytest.raises(InvalidInput):
            Look.from_mapping(values)


def test_a_look_can_go_half_way():
    look = Look().with_({"air": {"fog": 1.0}, "light": {"key_color": "#000000"}}, 0.5)
    assert look.air.fog == pytest.approx((1 + Look().air.fog) / 2)
    assert look.light.key_color[0] == pytest.approx(Look().light.key_color[0] / 2)
