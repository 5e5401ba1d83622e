# SPDX-License-Identifier: GPL-3.0-or-later
"""Colors that a prompt has for one thing, and what they do to it."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from genai_render.backends.painted_things import in_paint, in_paint_within
from genai_render.core.view.canvas import Canvas, View
from genai_render.core.view.ids import Ids, Layer, Thing
from genai_render.engine import named, read, repainted, wishes
from genai_render.engine.look import color_words
from genai_render.engine.raster.color import oklab


def wish(prompt: str) -> tuple[str, tuple[str, ...]] | None:
    found = wishes(read(prompt))
    return (found[-1].paint.label, found[-1].around) if found else None


def room() -> Canvas:
    """The left half is a chair, the right a wall; both pink, darker towards the bottom."""
    height, width = 40, 60
    light = np.linspace(220, 60, height)[:, None].repeat(width, 1)
    color = np.stack([light, light * 0.6, light * 0.6, np.full_like(light, 255)], -1)
    which = np.zeros((3, height, width), np.uint16)
    which[0, :, :30], which[0, :, 30:] = 1, 2
    share = np.zeros((3, height, width), np.uint8)
    share[0] = 255
    things = (Thing("ArmChair.001"), Thing("Back wall"))
    materials = Layer(np.zeros_like(which), np.zeros_like(share))
    seen = Ids(Layer(which, share), materials, things, ())
    depth = np.full((height, width), 3, np.float32)
    normal = np.zeros((height, width, 3), np.float32)
    normal[..., 2] = 1
    pixels = color.astype(np.uint8)
    view = View(width, height, "PERSP")
    return Canvas(pixels, depth, normal, view, pixels[..., :3].copy(), ids=seen)


def test_what_a_prompt_says_of_a_thing_is_told_from_the_rest():
    assert wish("golden hour, navy blue sofa") == ("navy", ("sofa",))
    assert wish("a dark green chair at night") == ("dark green", ("chair",))
    assert wish("paint the walls sage") == ("sage", ("walls",))
    assert wish("make it grey") == ("gray", ())
    assert wish("golden hour, cold tones, blue hour") is None
    assert wish("sleeping cat") is None


def test_a_color_for_the_whole_picture_is_one_for_a_thing_in_an_edit_of_it():
    assert wishes(read("pink")) == []
    assert read("pink").used == ("pink tint",)
    assert [one.paint.label for one in wishes(read("pink", of_one=True))] == ["pink"]
    assert [one.paint.label for one in wishes(read("pink lamp", names=["Lamp"]))] == ["pink"]
    assert read("dark, pale morning").not_used == ()
    assert len(color_words.paints()) > 40
    assert "grey" in color_words.paints()


def test_the_thing_that_is_named_is_found_by_the_words_of_its_name():
    names = ["Bed", "BedCover", "Wall.001", "Wall.002", "Lamp_Shade", "Floor"]

    def hit(prompt: str) -> list[str]:
        return named(wishes(read(prompt))[0], names)

    assert hit("blue bed") == ["Bed"]
    assert hit("blue bed cover") == ["BedCover"]
    assert hit("white walls") == ["Wall.001", "Wall.002"]
    assert hit("a red lampshade") == []
    assert hit("a red lamp shade") == ["Lamp_Shade"]


def test_a_surface_takes_the_color_and_keeps_its_light():
    canvas = room()
    share = np.zeros((40, 60), np.float32)
    share[:, :30] = 1
    blue = (0.17, 0.36, 0.65)
    made = repainted(canvas.color, share, blue)
    assert np.array_equal(made[:, 30:], canvas.color[:, 30:])
    left = made[:, 10, :3].astype(int)
    assert (left[:, 2] > left[:, 0] + 15).all()
    # As light and dark as it was: brighter above, in the same order all the way.
    before = oklab(canvas.color[:, 10, :3] / np.float32(255))[:, 0]
    after = oklab(made[:, 10, :3] / np.float32(255))[:, 0]
    assert (np.diff(after) < 0.003).all()
    assert np.corrcoef(before, after)[0, 1] > 0.98
    # Where the light is ordinary, it has that very color.
    nearest = np.abs(left - np.array(blue) * 255).max(1).min()
    assert nearest < 8
    assert repainted(canvas.color, share * 0, blue) is canvas.color


def test_the_chair_of_the_view_is_painted_and_nothing_else():
    canvas = room()
    reading = read("night, navy blue armchair, sleeping cat")
    made, told = in_paint(canvas, reading)
    assert np.array_equal(made.color, canvas.color)  # it is an "arm chair", in two words
    made, told = in_paint(canvas, read("night, navy blue chair, sleeping cat"))
    assert made.albedo is not None
    assert canvas.albedo is not None
    assert np.array_equal(made.color[:, 30:], canvas.color[:, 30:])
    assert np.array_equal(made.albedo[:, 30:], canvas.albedo[:, 30:])
    assert (made.color[:, :30, 2] > made.color[:, :30, 0]).all()
    assert told.sentence == "Used: night, navy chair. Not used offline: sleeping cat."
    without = replace(canvas, ids=None)
    assert in_paint(without, reading) == (without, reading)


def test_an_edit_paints_what_its_mask_lets_change():
    canvas = room()
    mask = np.zeros((40, 60, 4), np.uint8)
    mask[:, :30, 3] = 255  # kept
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    made, told = in_paint_within(canvas, buffer.getvalue(), read("sage wall", of_one=True))
    assert np.array_equal(made.color[:, :30], canvas.color[:, :30])
    assert (made.color[:, 30:, 1] >= made.color[:, 30:, 0]).all()
    assert told.sentence == "Used: sage."
    # A material is meant for all of it, and so is not left out.
    assert read("brass lamp", of_one=True).of_things == ()
