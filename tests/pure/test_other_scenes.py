# SPDX-License-Identifier: GPL-3.0-or-later
"""The offline engine on scenes of other kinds than those that its looks were made on."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import synthetic
from synthetic import Box, Ground, Scene, Sphere

from genai_render.core.models import catalog
from genai_render.core.view.canvas import Canvas
from genai_render.engine import Look, Stage, read, render, stage_for
from genai_render.engine.lines.captured_lines import find_captured_lines
from genai_render.engine.scene.analysis import analyze_scene, lay_floor
from genai_render.engine.scene.surfaces import Source

STYLES = tuple(catalog.shipped().styles)

CHART = Scene(
    (
        Box((-2, -1.5, 0), (2, 1.5, 0.02), (0.85, 0.85, 0.82)),
        Box((-1.6, -1.2, 0.02), (-1.0, 0.2, 0.04), (0.7, 0.08, 0.06)),
        Box((-0.6, -1.2, 0.02), (0.0, 0.9, 0.04), (0.06, 0.2, 0.6)),
        Box((0.4, -1.2, 0.02), (1.0, -0.3, 0.04), (0.05, 0.4, 0.12)),
    ),
    (0, 0, 7),
    (0, 0, 0),
    lens_mm=50,
)
PLATE = Scene(
    (
        Box((-2, -2, -0.2), (2, 2, 0), (0.75, 0.3, 0.08)),
        Box((-1.5, 0.2, 0), (-0.3, 1.4, 1.2), (0.1, 0.3, 0.55)),
        Sphere((0.9, -0.6, 0.5), 0.5, (0.7, 0.65, 0.1)),
    ),
    (6, -8, 6),
    (0, 0, 0.2),
    lens_mm=45,
)


def style(name: str, prompt: str = "") -> Look:
    look = Look.from_mapping(catalog.shipped().style(name).look)
    return read(prompt).apply(look) if prompt else look


def up_of(canvas: Canvas) -> np.ndarray:
    """The world's up in camera space."""
    return np.asarray(canvas.view.camera_to_world)[2, :3]


def gray(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(float) @ (0.2126, 0.7152, 0.0722)


def outline_kept(pixels: np.ndarray, covered: np.ndarray) -> float:
    """The share of the outline's pixels at which the picture has an edge."""
    light = pixels.astype(float)
    edge = np.zeros(covered.shape)
    edge[:, 1:] = np.abs(np.diff(light, axis=1)).max(-1)
    edge[1:] = np.maximum(edge[1:], np.abs(np.diff(light, axis=0)).max(-1))
    near = edge.copy()
    for axis in (0, 1):
        for way in (-1, 1):
            near = np.maximum(near, np.roll(edge, way, axis))
    border = np.zeros_like(covered)
    border[:, 1:] |= covered[:, 1:] != covered[:, :-1]
    border[1:] |= covered[1:] != covered[:-1]
    return float((near[border] > 12).mean())


def before(scene: Scene, color: tuple[int, int, int]) -> Canvas:
    """The scene before a world of that color."""
    canvas = synthetic.canvas(scene, 240, 180, background=True)
    pixels = canvas.color.copy()
    pixels[~canvas.covered, :3] = color
    return replace(canvas, color=pixels)


# --- where surfaces meet ------------------------------------------------------------------------


def test_a_thing_has_no_dark_stairs_where_it_stands_on_its_floor():
    """Along the shaded side's lower edge no pixel is darker than those just above and below."""
    canvas = synthetic.canvas("default_cube", 1024, 768, background=True)
    pixels = gray(render(canvas, style("auto"), seed=1))
    side = canvas.covered & (canvas.normal[..., 0] > 0.5)
    below = []
    for x in np.flatnonzero(side.any(0))[8:-8]:
        bottom = int(np.flatnonzero(side[:, x]).max())
        edge = pixels[bottom - 1 : bottom + 2, x].min()
        above, floor = pixels[bottom - 4 : bottom - 1, x], pixels[bottom + 3 : bottom + 6, x]
        below.append(min(above.min(), floor.min()) - edge)
    assert len(below) > 60
    assert np.quantile(below, 0.9) < 4


@pytest.mark.parametrize("look", ["auto", "movie", "3d_anime"])
def test_what_turns_away_along_an_edge_makes_no_stitches(look):
    """The underside of a rounded edge, seen in one pixel and gone in the next."""
    scene = Scene((Ground(), Box((-1, -1, 0), (1, 1, 1), (0.8, 0.8, 0.8))), (4, -5, 3), (0, 0, 0.4))
    canvas = synthetic.canvas(scene, 640, 480)
    level = canvas.normal @ up_of(canvas) > 0.9
    edge = np.zeros(level.shape, bool)  # the last of the cube's shaded sides above the floor
    edge[2:-3] = ~level[2:-3] & level[3:-2] & canvas.covered[2:-3]
    edge[:, ::6] = edge[:, 1::6] = edge[:, 2::6] = False
    normal = canvas.normal.copy()
    normal[edge] = np.array((0.1, -0.97, 0.2), np.float32) / np.linalg.norm((0.1, -0.97, 0.2))
    assert 30 < edge.sum() < 640
    even = gray(render(canvas, style(look), seed=1))
    stitched = gray(render(replace(canvas, normal=normal), style(look), seed=1))
    assert np.abs(stitched - even)[edge].mean() < 4


def test_a_thin_wall_casts_an_even_shadow():
    """Seen from above, a long wall's shadow has no stripes and no mosaic."""
    wall = Scene(
        (
            Box((-6, -5, -0.2), (6, 5, 0), (0.6, 0.6, 0.58)),
            Box((-3, 0, 0), (3, 0.12, 1.5), (0.5, 0.3, 0.2)),
        ),
        (0, 0, 16),
        (0, 0, 0),
        lens_mm=45,
    )
    canvas = synthetic.canvas(wall, 480, 360)
    low = {"azimuth": 150.0, "elevation": 40.0}
    shaded = style("movie").with_({"light": low})
    open_ = shaded.with_({"light": {"shadow": 0.0}})
    lost = gray(render(canvas, open_, seed=1)) - gray(render(canvas, shaded, seed=1))
    middle = lost[:, 190:290]
    deep = np.flatnonzero(middle.mean(1) > 0.5 * middle.mean(1).max())
    shadow = middle[deep[0] : deep[-1] + 1]
    assert shadow.mean() > 25
    assert (shadow - shadow.mean(1, keepdims=True)).std() < 1.0


def test_a_ceiling_leaves_no_ripples_on_the_wall_below_it():
    room = Scene(
        (
            Box((-3, -4, 0), (3, 3, 2.7), (0.5, 0.6, 0.3)),
            Box((-3, -4, 2.6), (3, 3, 2.7), (0.12, 0.3, 0.08)),
        ),
        (0.5, -3.6, 1.5),
        (-0.6, 1.5, 1.3),
        (-0.3, -0.8, 0.6),
        0.4,
        lens_mm=24,
    )
    canvas = synthetic.canvas(room, 480, 320)
    pixels = gray(render(canvas, style("movie", "no grain"), seed=1))
    ceiling = canvas.normal @ up_of(canvas) < -0.9
    strip = []
    for x in range(180, 420):
        bottom = int(np.flatnonzero(ceiling[:, x]).max())
        strip.append(pixels[bottom + 4 : bottom + 14, x])
    along = np.asarray(strip)
    smooth = np.apply_along_axis(lambda v: np.convolve(v, np.ones(41) / 41, "valid"), 0, along)
    assert (along[20:-20] - smooth).std() < 1.5


# --- the subject stays --------------------------------------------------------------------------


@pytest.mark.parametrize("look", STYLES)
@pytest.mark.parametrize("background", [True, False])
def test_a_chart_seen_from_above_keeps_its_outline_and_colors(look, background):
    canvas = synthetic.canvas(CHART, 320, 240, background=background)
    pixels = render(canvas, style(look), seed=1)
    assert outline_kept(pixels, canvas.covered) > 0.9
    shown = pixels.astype(float)
    red = (canvas.albedo[..., 0] > 200) & (canvas.albedo[..., 1] < 120)
    blue = (canvas.albedo[..., 2] > 180) & (canvas.albedo[..., 0] < 120)
    tint = shown - shown.mean(-1, keepdims=True)
    assert tint[red].mean(0)[0] > tint[blue].mean(0)[0] + 15
    assert tint[blue].mean(0)[2] > tint[red].mean(0)[2] + 15


@pytest.mark.parametrize("look", ["auto", "movie", "3d_model", "japanese_anime"])
def test_the_backdrop_of_what_is_seen_from_above_takes_no_color_from_it(look):
    red = replace(CHART, things=(Box((-2, -1.5, 0), (2, 1.5, 0.02), (0.6, 0.05, 0.04)),))
    blue = replace(CHART, things=(Box((-2, -1.5, 0), (2, 1.5, 0.02), (0.05, 0.08, 0.6)),))
    hues = []
    for scene in (red, blue):
        canvas = synthetic.canvas(scene, 240, 180)
        behind = render(canvas, style(look), seed=1)[:12].reshape(-1, 3).astype(float).mean(0)
        hues.append(behind / behind.mean())
    assert np.abs(hues[0] - hues[1]).max() < 0.08


@pytest.mark.parametrize("look", ["auto", "movie", "3d_anime"])
def test_a_plate_seen_whole_is_a_thing_and_not_the_ground(look):
    canvas = synthetic.canvas(PLATE, 320, 240)
    pixels = render(canvas, style(look), seed=1)
    assert outline_kept(pixels, canvas.covered) > 0.85
    plate = canvas.covered & (canvas.normal @ up_of(canvas) > 0.99) & (canvas.albedo[..., 2] < 100)
    behind = pixels[~canvas.covered].astype(float).mean(0)
    orange = pixels[plate].astype(float).mean(0)
    assert orange[0] - orange[2] > 40, "it keeps its color"
    assert behind[0] - behind[2] < 0.6 * (orange[0] - orange[2]), "and does not run on as a floor"


@pytest.mark.parametrize("look", ["auto", "3d_anime"])
def test_a_plate_whose_end_is_seen_does_not_run_on(look):
    """A lawn that the frame cuts off on one side and that ends within it on the others."""
    scene = Scene(
        (
            Ground(half=3, color=(0.05, 0.6, 0.05)),
            Box((-0.8, -0.8, 0), (0.8, 0.8, 1), (0.7, 0.7, 0.7)),
        ),
        (3.0, -3.7, 3.0),
        (0.6, -0.4, 0.2),
        lens_mm=35,
    )
    canvas = synthetic.canvas(scene, 320, 240)
    assert canvas.covered[-1].mean() > 0.3
    assert (~canvas.covered).mean() > 0.02
    pixels = render(canvas, style(look), seed=1).astype(float)
    behind = pixels[~canvas.covered].mean(0)
    assert behind[1] - behind[[0, 2]].mean() < 25
    lawn = pixels[canvas.covered & (canvas.albedo[..., 0] < 90)].mean(0)
    assert lawn[1] - lawn[[0, 2]].mean() > 50


def test_things_in_black_space_have_no_sky_behind_them():
    scene = Scene(
        (
            Sphere((0, 40, 3), 6, (0.6, 0.6, 0.6)),
            Sphere((-30, 150, 0), 20, (0.7, 0.5, 0.1)),
            Box((1, 6, -1), (3, 9, 0.5), (0.4, 0.4, 0.5)),
        ),
        (0, -4, 2),
        (0, 40, 2),
        lens_mm=35,
    )
    space = before(scene, (0, 0, 0))
    shown = gray(render(space, style("auto"), seed=1))
    assert shown[~space.covered].mean() < 20
    assert shown[space.covered].mean() > 60
    day = gray(render(before(scene, (64, 64, 64)), style("auto"), seed=1))
    assert day[~space.covered].mean() > 60


def test_no_floor_is_laid_in_space():
    """A ship's deck that leaves the frame is no ground to carry on."""
    scene = Scene((Ground(half=200), Sphere((0, 0, 1), 1)), (0, -9, 2), (0, 0, 1.2))
    canvas = synthetic.canvas(scene, 240, 180)
    small = Source(canvas).low_res(240)
    analysis = analyze_scene(small, canvas.view)
    assert lay_floor(small, analysis, (0.5, 0.5, 0.5)) is not None
    assert lay_floor(small, replace(analysis, space=True), (0.5, 0.5, 0.5)) is None


def test_a_sheet_on_a_floor_does_not_fade_with_it():
    """The floor becomes the studio's backdrop; the paper that lies on it far out does not."""
    scene = Scene(
        (
            Ground(half=9, color=(0.5, 0.48, 0.45)),
            Box((-0.4, -0.4, 0), (0.4, 0.4, 0.8), (0.2, 0.3, 0.5)),
            Box((-3.4, -2.0, 0), (-1.4, 0.6, 0.01), (0.75, 0.15, 0.1)),
        ),
        (0.5, -7, 3.6),
        (-0.6, 0, 0.2),
        lens_mm=32,
    )
    canvas = synthetic.canvas(scene, 320, 240)
    pixels = render(canvas, style("auto", "studio"), seed=1).astype(float)
    paper = canvas.covered & (canvas.albedo[..., 0] > canvas.albedo[..., 1].astype(int) + 60)
    assert paper.sum() > 800
    red = (pixels[..., 0] - pixels[..., 2])[paper]
    assert np.quantile(red, 0.05) > 0.6 * np.median(red)


# --- what the scene leaves dark -----------------------------------------------------------------


def unlit(scene: Scene, width: int = 240, height: int = 180) -> Canvas:
    """As captured where no light falls: the color is black, the albedo is not."""
    canvas = synthetic.canvas(scene, width, height)
    side = canvas.covered & (canvas.normal[..., 0] > 0.3)
    color = canvas.color.copy()
    color[side, :3] = color[side, :3] // 40
    return replace(canvas, color=color)


@pytest.mark.parametrize("look", STYLES)
def test_white_tiles_that_no_light_reaches_are_not_black(look):
    scene = synthetic.default_cube()
    canvas = unlit(scene)
    pixels = gray(render(canvas, style(look), seed=1))
    dark = canvas.covered & (canvas.normal[..., 0] > 0.3)
    light = canvas.covered & ~dark
    assert pixels[dark].mean() > 0.25 * pixels[light].mean()
    assert pixels[dark].mean() > 30


def test_a_picture_that_shines_by_itself_keeps_its_colors():
    """A screen's material has no albedo: what the capture shows is its color."""
    canvas = synthetic.canvas("product", 240, 180)
    screen = canvas.covered & (canvas.albedo[..., 0] > 190) & (canvas.albedo[..., 1] < 110)
    y, x = np.nonzero(screen)
    color, albedo = canvas.color.copy(), canvas.albedo.copy()
    stripes = np.where((x // 8 % 2 == 0)[:, None], (40, 190, 70), (60, 60, 220))
    color[y, x, :3], albedo[y, x] = stripes, 0
    for look in ("auto", "japanese_anime"):
        pixels = render(replace(canvas, color=color, albedo=albedo), style(look), seed=1)
        shown = pixels[y, x].astype(float)
        green, blue = shown[x // 8 % 2 == 0].mean(0), shown[x // 8 % 2 == 1].mean(0)
        assert green[1] > green[2] + 30
        assert blue[2] > blue[1] + 30
        assert gray(shown).mean() > 25


def test_a_scene_of_black_things_stays_dark():
    black = replace(
        synthetic.product(),
        things=tuple(replace(t, color=(0.012, 0.012, 0.013)) for t in synthetic.product().things),
    )
    canvas = synthetic.canvas(black, 240, 180)
    things = canvas.covered & (np.abs(canvas.normal @ up_of(canvas)) < 0.9)
    pixels = gray(render(canvas, style("auto", "studio"), seed=1))
    usual = gray(render(synthetic.canvas("product", 240, 180), style("auto", "studio"), seed=1))
    assert pixels[things].mean() < 0.6 * usual[things].mean()


def test_a_plain_wall_has_no_blotches_of_color():
    """The noise of a picture of few samples, in patches as a denoiser leaves them."""
    canvas = synthetic.canvas("interior", 320, 240)
    chance = np.random.default_rng(4).normal(0, 1, (30, 40, 3))
    patches = chance.repeat(8, 0).repeat(8, 1) * (1, 0.3, 1)
    color = canvas.color.copy()
    color[..., :3] = np.clip(color[..., :3] * (1 + 0.05 * patches), 0, 255).astype(np.uint8)
    wall = canvas.covered & (canvas.normal[..., 2] > 0.99) & (canvas.albedo[..., 0] > 200)
    wall &= np.ptp(canvas.albedo.astype(int), axis=-1) < 40
    clean = render(canvas, style("auto"), seed=1).astype(float)[wall]
    noisy = render(replace(canvas, color=color), style("auto"), seed=1).astype(float)[wall]

    def spread(pixels: np.ndarray) -> float:
        return float((pixels[:, 0] / pixels[:, 2]).std())

    sent = color[wall].astype(float)
    assert wall.sum() > 1000
    assert spread(noisy) - spread(clean) < 0.3 * spread(sent)


@pytest.mark.parametrize("color", [(3, 7, 50), (163, 114, 66)], ids=["night", "poster"])
def test_the_plain_color_of_a_world_stays_behind_a_thing(color):
    scene = replace(PLATE, things=PLATE.things[1:])
    canvas = before(scene, color)
    shown = render(canvas, style("auto"), seed=1).astype(float)[~canvas.covered].mean(0)
    wanted = np.asarray(color, float)
    assert np.argmax(shown) == np.argmax(wanted)
    assert np.abs(shown - wanted).max() < 40


def test_a_gray_world_and_a_lost_texture_are_no_backdrop():
    scene = replace(PLATE, things=PLATE.things[1:])
    for color in ((64, 64, 64), (255, 0, 255)):
        canvas = before(scene, color)
        shown = render(canvas, style("auto"), seed=1).astype(float)[~canvas.covered]
        assert np.ptp(shown.mean(0)) < 40
        assert shown.mean() > 100


def test_a_dark_world_does_not_bleach_what_is_before_it():
    scene = replace(PLATE, things=PLATE.things[1:])
    things = synthetic.canvas(scene, 240, 180).covered
    night = gray(render(before(scene, (3, 7, 50)), style("auto"), seed=1))[things]
    day = gray(render(before(scene, (64, 64, 64)), style("auto"), seed=1))[things]
    assert night.mean() < 1.15 * day.mean()


@pytest.mark.parametrize("look", ["auto", "movie"])
def test_a_room_in_light_of_one_color_has_no_pale_outlines(look):
    """White things by a magenta light: their borders are as magenta as they are themselves."""
    canvas = synthetic.canvas("interior", 320, 240)
    color = canvas.color.copy()
    color[..., 1] = 0
    color[..., 2] = color[..., 0]
    albedo = np.full_like(canvas.albedo, 221)
    pixels = render(replace(canvas, color=color, albedo=albedo), style(look), seed=1).astype(float)
    share = pixels[..., 1] / np.maximum(pixels.max(-1), 1)
    turn = (canvas.normal[:, 1:] * canvas.normal[:, :-1]).sum(-1) < 0.8
    border, even = np.zeros(turn.shape, bool), np.ones(turn.shape, bool)
    border[:, 2:-2] = turn[:, 2:-2]
    for shift in range(-6, 7):
        even &= ~np.roll(turn, shift, 1)
    assert border.sum() > 100
    border_share, even_share = np.median(share[:, 1:][border]), np.median(share[:, 1:][even])
    assert abs(border_share - even_share) < 0.08


def test_an_orange_lamp_is_orange_where_it_is_brightest():
    """Bounds on how dark and bright its light may be are no bounds on each color of it."""
    scene = Scene(
        (Ground(color=(0.7, 0.7, 0.7)), Sphere((0, 0, 1), 1, (0.7, 0.7, 0.7))),
        (0, -6, 2.5),
        (0, 0, 0.6),
    )
    canvas = synthetic.canvas(scene, 240, 180)
    height, width = canvas.depth.shape
    y, x = np.mgrid[:height, :width]
    away = ((x - width / 2) ** 2 + (y - height * 0.6) ** 2) / width**2
    light = np.exp(-away * 40)[..., None] * (1.0, 0.3, 0.015) + 0.001
    color = canvas.color.copy()
    color[..., :3] = (np.clip(0.7 * light, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
    pixels = render(replace(canvas, color=color), style("auto"), seed=1).astype(float)
    lit = pixels[canvas.covered & (away < 0.01)].mean(0)
    assert lit[0] - lit[1] > 25
    assert lit[1] - lit[2] > 25


# --- one stage for a batch ----------------------------------------------------------------------


def test_the_stage_of_a_batch_does_not_change_with_its_frames():
    """A ball crosses the frame; what is behind it is the same in every picture."""
    frames = []
    for x in (-2.5, 0.0, 2.5):
        ball = Sphere((x, 0, 0.4), 0.4, (0.8, 0.3, 0.05))
        scene = Scene(
            (ball, Box((-0.4, 1, 0), (0.4, 1.6, 1), (0.2, 0.2, 0.6))), (0, -8, 3), (0, 0, 0.3)
        )
        frames.append(synthetic.canvas(scene, 240, 160))
    look = style("auto")
    stage = stage_for(frames[0], look)
    assert stage is not None
    again = Stage.from_json(stage.to_json())
    assert again == stage
    pictures = [render(frame, look, seed=1, stage=again).astype(float) for frame in frames]
    bare = ~(frames[0].covered | frames[1].covered | frames[2].covered)
    bare[:, :40] = bare[:, -40:] = False
    for a, b in pairwise(pictures):
        assert np.abs(a - b)[bare].mean() < 12


def test_a_stage_of_one_camera_serves_another():
    front = synthetic.canvas(PLATE, 200, 150)
    above = synthetic.canvas(replace(PLATE, eye=(0, 0, 12), target=(0, 0, 0)), 200, 150)
    stage = stage_for(front, style("auto"))
    assert stage is not None
    assert stage.backdrop == "studio"
    assert stage.floor is not None
    picture = render(above, style("auto"), seed=1, stage=stage)
    assert outline_kept(picture, above.covered) > 0.85


@pytest.mark.parametrize(
    "broken", [{}, {"backdrop": "space", "place": False, "indoor": False, "floor": None}]
)
def test_a_broken_stage_is_refused(broken):
    with pytest.raises((KeyError, ValueError)):
        Stage.from_json(broken)


# --- what the capture has drawn -----------------------------------------------------------------


def with_lines(canvas: Canvas, transparent: bool) -> tuple[Canvas, np.ndarray]:
    """Lines as Freestyle draws them: along outlines and creases, half of them outside."""
    changed = np.zeros(canvas.covered.shape, bool)
    changed[:, 1:] = np.abs(np.diff(canvas.normal, axis=1)).max(-1) > 0.3
    changed[1:] |= np.abs(np.diff(canvas.normal, axis=0)).max(-1) > 0.3
    line = changed.copy()
    line[:, :-1] |= changed[:, 1:]
    line[:-1] |= changed[1:]
    color = canvas.color.copy()
    color[line] = (8, 8, 10, 255)
    if not transparent:
        color[..., 3] = 255
        color[~canvas.covered & ~line, :3] = 200
    return replace(canvas, color=color), line


@pytest.mark.parametrize("transparent", [True, False])
@pytest.mark.parametrize("look", ["auto", "3d_anime", "movie"])
def test_lines_that_are_in_the_canvas_stay(transparent, look):
    plain = synthetic.canvas(PLATE, 480, 360)
    canvas, line = with_lines(plain, transparent)
    pixels = gray(render(canvas, style(look), seed=1))
    around = np.zeros_like(line)
    for axis in (0, 1):
        for way in (-4, 4):
            around |= np.roll(line, way, axis)
    assert np.median(pixels[line]) < 0.45 * np.median(pixels[around & ~line])


def test_no_lines_are_found_where_none_are_drawn():
    for name in synthetic.SCENES:
        assert find_captured_lines(synthetic.canvas(name, 320, 240)) is None
    assert find_captured_lines(synthetic.canvas(CHART, 320, 240)) is None
    assert find_captured_lines(synthetic.canvas(PLATE, 320, 240, background=True)) is None
