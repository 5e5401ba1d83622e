# SPDX-License-Identifier: GPL-3.0-or-later
"""A living room in the afternoon: sofa, armchair, window with sun, lamp, books, plants."""

from __future__ import annotations

import math
import random

import bpy

from . import (
    Point,
    area_light,
    ball,
    box,
    bricks,
    camera,
    collection,
    cylinder,
    instance,
    lathe,
    link,
    look,
    material,
    point_light,
    prism,
    rounded_outline,
    sky,
    srgb,
    subdivide,
    sun,
    surface,
    tube,
    wood,
)

Paint = dict[str, bpy.types.Material]

WIDTH, DEPTH, HEIGHT = 5.6, 4.6, 2.8  # the room: x from -2.8 to 2.8, y from -2.3 to 2.3


def build() -> None:
    """Fill the open file."""
    look("AgX", "AgX - Medium High Contrast", exposure=0.45)
    paint = _materials()
    _room(paint)
    _window(paint)
    sofa = _sofa(paint)
    _armchair(paint)
    _table(paint)
    _lamp(paint)
    _shelf(paint)
    _pictures(paint)
    _plants(paint)
    sky([(0.0, srgb("#b9a98e")), (0.5, srgb("#e8e2d2")), (0.7, srgb("#9cc3e8"))], 1.6)
    sun((-3.6, 2.2, 2.6), 7.5, srgb("#ffd9a3"), angle=0.9)
    area_light(
        "Sky through the window",
        (-2.72, 0.35, 1.55),
        (0, 0.2, 1.0),
        (1.7, 1.5),
        55,
        srgb("#dbe8ff"),
    )
    area_light("Bounce", (1.6, -2.1, 2.2), (-0.2, 0.8, 0.8), (2.0, 1.2), 22, srgb("#ffe9cf"))
    camera("Camera", (1.95, -3.6, 1.42), (-0.42, 0.65, 0.98), 30)
    camera("Sofa corner", (-1.7, -1.35, 1.15), (1.0, 1.6, 0.85), 34)
    camera("Table", (0.85, -1.75, 0.78), (-0.12, -0.05, 0.45), 50, focus=sofa["mug"], fstop=1.8)


def _materials() -> Paint:
    return {
        "wall": material("Plaster", srgb("#e9dfcf"), 0.9, bump=(90, 0.06)),
        "accent": material("Green wall", srgb("#5f7466"), 0.88, bump=(90, 0.06)),
        "white": material("Woodwork", srgb("#f3efe7"), 0.4),
        "floor": bricks(
            "Planks",
            srgb("#a8723f"),
            srgb("#8c5a30"),
            srgb("#4b2e18"),
            (1.3, 0.14),
            gap=0.003,
            roughness=0.32,
            strength=0.2,
        ),
        "velvet": material(
            "Velvet", srgb("#b5532f"), 0.85, sheen=0.6, mottle=(14, 0.10), bump=(500, 0.12)
        ),
        "mustard": material("Mustard wool", srgb("#d7a036"), 0.95, sheen=0.3, bump=(260, 0.45)),
        "teal": material("Teal cotton", srgb("#2b6670"), 0.9, sheen=0.3, bump=(420, 0.3)),
        "cream": material("Cream boucle", srgb("#ece2d0"), 0.98, sheen=0.4, bump=(150, 0.9)),
        "leather": material("Leather", srgb("#8c4f2b"), 0.38, mottle=(10, 0.18), bump=(190, 0.18)),
        "walnut": wood("Walnut", srgb("#3b1f12"), srgb("#80502f"), scale=1.0, roughness=0.4),
        "oak": wood("Oak", srgb("#a67a4a"), srgb("#d9b483"), scale=0.8, roughness=0.5),
        "rug": material("Rug", srgb("#e3d6bd"), 1.0, sheen=0.4, bump=(120, 1.0)),
        "rug band": material("Rug band", srgb("#3f5d63"), 1.0, sheen=0.4, bump=(120, 1.0)),
        "rug mark": material("Rug mark", srgb("#c06a3f"), 1.0, sheen=0.4, bump=(120, 1.0)),
        "brass": material("Brass", srgb("#c99b45"), 0.24, 1.0),
        "black": material("Black steel", srgb("#1b1c1e"), 0.35, 0.6),
        "shade": material("Lamp shade", srgb("#ffe1ad"), 0.9, emission=2.2),
        "ceramic": material("Ceramic", srgb("#efe9dd"), 0.25, coat=0.4),
        "clay": material("Terracotta", srgb("#b9643f"), 0.85, bump=(60, 0.2), mottle=(8, 0.1)),
        "blue": material("Blue glaze", srgb("#325f86"), 0.2, coat=0.5, mottle=(18, 0.2)),
        "soil": material("Soil", srgb("#2c1d13"), 1.0, bump=(80, 1.0)),
        "leaf": material("Leaf", srgb("#2f6b35"), 0.35, mottle=(10, 0.25)),
        "pale leaf": material("Pale leaf", srgb("#6e9a4c"), 0.45, mottle=(10, 0.25)),
        "glass": material("Window glass", (1, 1, 1), 0.0, transmission=1.0, ior=1.01),
        "vase": material("Smoked glass", srgb("#9fc4bd"), 0.03, transmission=1.0, ior=1.4),
        "linen": material("Linen", srgb("#f0e8da"), 0.95, sheen=0.3, bump=(300, 0.3)),
        "paper": material("Paper", srgb("#f4ecdc"), 0.8),
        "grass": material("Garden", srgb("#7d9a55"), 1.0, mottle=(2, 0.3)),
    }


def _room(paint: Paint) -> None:
    box("Floor", (WIDTH, DEPTH + 3, 0.1), (0, -1.5, -0.05), paint["floor"])
    box("Ceiling", (WIDTH + 0.4, DEPTH + 3, 0.1), (0, -1.5, HEIGHT + 0.05), paint["wall"])
    box("Back wall", (WIDTH + 0.4, 0.2, HEIGHT), (0, DEPTH / 2 + 0.1, HEIGHT / 2), paint["accent"])
    box("Right wall", (0.2, DEPTH + 3, HEIGHT), (WIDTH / 2 + 0.1, -1.5, HEIGHT / 2), paint["wall"])
    # The left wall leaves an opening: y from -0.75 to 1.45, z from 0.65 to 2.45.
    left = -WIDTH / 2 - 0.1
    box("Wall below", (0.2, 2.2, 0.65), (left, 0.35, 0.325), paint["wall"])
    box("Wall above", (0.2, 2.2, HEIGHT - 2.45), (left, 0.35, (HEIGHT + 2.45) / 2), paint["wall"])
    box("Wall beside", (0.2, 0.85, HEIGHT), (left, 1.875, HEIGHT / 2), paint["wall"])
    box("Wall beside", (0.2, 4.25, HEIGHT), (left, -2.875, HEIGHT / 2), paint["wall"])
    box(
        "Skirting", (WIDTH, 0.02, 0.13), (0, DEPTH / 2 - 0.01, 0.065), paint["white"], rounded=0.006
    )
    for x in (-WIDTH / 2 + 0.01, WIDTH / 2 - 0.01):
        box("Skirting", (0.02, DEPTH + 2, 0.13), (x, -1.0, 0.065), paint["white"], rounded=0.006)
    box(
        "Picture rail",
        (WIDTH, 0.025, 0.045),
        (0, DEPTH / 2 - 0.012, 2.42),
        paint["white"],
        rounded=0.008,
    )
    # Panels on the back wall.
    for x in (-2.05, -0.68, 0.68, 2.05):
        for dx, dz, sx, sz in (
            (0, 0.78, 1.15, 0.03),
            (0, 0.24, 1.15, 0.03),
            (-0.575, 0.51, 0.03, 0.57),
            (0.575, 0.51, 0.03, 0.57),
        ):
            box(
                "Panel",
                (sx, 0.018, sz),
                (x + dx, DEPTH / 2 - 0.008, dz),
                paint["accent"],
                rounded=0.005,
            )
    box("Garden", (14, 14, 0.1), (-10, 0, -0.5), paint["grass"])


def _window(paint: Paint) -> None:
    x = -WIDTH / 2 - 0.06
    bottom, top, near, far = 0.65, 2.45, -0.75, 1.45
    middle_y, middle_z = (near + far) / 2, (bottom + top) / 2
    for y in (near + 0.035, far - 0.035, middle_y):
        box("Frame", (0.09, 0.07, top - bottom), (x, y, middle_z), paint["white"], rounded=0.008)
    for z in (bottom + 0.035, top - 0.035):
        box("Frame", (0.09, far - near, 0.07), (x, middle_y, z), paint["white"], rounded=0.008)
    for z in (1.25, 1.85):
        box("Muntin", (0.04, far - near, 0.026), (x, middle_y, z), paint["white"], rounded=0.004)
    for y in (near + 0.56, far - 0.56):
        box("Muntin", (0.04, 0.026, top - bottom), (x, y, middle_z), paint["white"], rounded=0.004)
    box(
        "Sill",
        (0.30, far - near + 0.2, 0.04),
        (-WIDTH / 2 + 0.04, middle_y, bottom - 0.02),
        paint["white"],
        rounded=0.008,
    )
    tube(
        "Curtain rod",
        [(-WIDTH / 2 + 0.11, near - 0.45, 2.58), (-WIDTH / 2 + 0.11, far + 0.4, 2.58)],
        0.013,
        paint["brass"],
        straight=True,
    )
    for y in (near - 0.45, far + 0.4):
        ball("Finial", 0.032, (-WIDTH / 2 + 0.11, y, 2.58), paint["brass"])

    def drape(start: float, width: float, seed: float):
        def shape(u: float, v: float) -> Point:
            gather = 1.0 - 0.10 * math.sin(math.pi * v)
            wave = 0.045 * math.sin(2 * math.pi * 7 * u + seed) * (0.5 + 0.5 * (1 - v))
            wave += 0.014 * math.sin(2 * math.pi * 15 * u + 2 * seed)
            return (
                -WIDTH / 2 + 0.11 + wave,
                start + width * ((u - 0.5) * gather + 0.5),
                0.03 + v * 2.53,
            )

        return shape

    surface("Curtain", drape(near - 0.42, 0.55, 0.4), 140, 24, paint["linen"], thickness=0.004)
    surface("Curtain", drape(far - 0.12, 0.50, 1.7), 140, 24, paint["linen"], thickness=0.004)
    # Trees outside.
    chance = random.Random(2)
    for _ in range(16):
        y = chance.uniform(-3, 6)
        ball(
            "Bush",
            chance.uniform(0.5, 1.1),
            (-7 + chance.uniform(-1, 1), y, chance.uniform(-0.2, 1)),
            paint["grass"],
            around=24,
        )


def _cushion(
    name: str,
    size: Point,
    at: Point,
    cover: bpy.types.Material,
    rotation: Point = (0, 0, 0),
    puff: float = 1.0,
) -> bpy.types.Object:
    """A pillow: thick in the middle, thin and pointed at its corners."""

    def side(sign: float):
        def shape(u: float, v: float) -> Point:
            a, b = 2 * u - 1, 2 * v - 1
            bulge = max(0.0, (1 - a**4) * (1 - b**4)) ** 0.5
            pull_x, pull_y = 1 - 0.07 * (1 - b * b), 1 - 0.07 * (1 - a * a)
            crease = 0.04 * math.sin(5 * a + 3 * b) * (1 - bulge)
            return (
                a * pull_x * size[0] / 2,
                b * pull_y * size[1] / 2,
                sign * bulge * size[2] / 2 * puff + crease * size[2],
            )

        return shape

    front = surface(name, side(1), 28, 28, cover, location=at, rotation=rotation)
    back = surface(name, lambda u, v: side(-1)(1 - u, v), 28, 28, cover)
    back.parent = front
    return front


def _soft(
    name: str,
    size: Point,
    at: Point,
    cover: bpy.types.Material,
    rounded: float,
    rotation: Point = (0, 0, 0),
) -> bpy.types.Object:
    """An upholstered block that bulges a little."""
    block = box(name, size, at, cover, rounded=rounded, segments=6, rotation=rotation)
    return block


def _sofa(paint: Paint) -> dict[str, bpy.types.Object]:
    x, y = -0.25, 1.62
    _soft("Sofa base", (2.25, 0.86, 0.20), (x, y, 0.25), paint["velvet"], 0.05)
    _soft("Sofa back", (2.25, 0.24, 0.62), (x, y + 0.36, 0.56), paint["velvet"], 0.09)
    for sign in (-1, 1):
        _soft(
            "Sofa arm", (0.22, 0.90, 0.44), (x + sign * 1.08, y - 0.01, 0.42), paint["velvet"], 0.09
        )
        _soft(
            "Sofa seat",
            (0.96, 0.74, 0.20),
            (x + sign * 0.485, y - 0.07, 0.42),
            paint["velvet"],
            0.075,
        )
        _soft(
            "Sofa cushion",
            (0.95, 0.22, 0.46),
            (x + sign * 0.485, y + 0.20, 0.69),
            paint["velvet"],
            0.095,
            (-9, 0, 0),
        )
        for dy in (-0.34, 0.34):
            lathe(
                "Sofa leg",
                [(0, 0), (0.017, 0), (0.03, 0.16), (0, 0.16)],
                (x + sign * 0.98, y + dy, 0),
                paint["walnut"],
                around=32,
            )
    _cushion(
        "Cushion", (0.48, 0.48, 0.20), (x - 0.72, y - 0.02, 0.74), paint["mustard"], (68, 8, 14)
    )
    _cushion(
        "Cushion", (0.44, 0.44, 0.19), (x - 0.40, y - 0.06, 0.71), paint["teal"], (66, -10, -8)
    )
    _cushion(
        "Cushion", (0.55, 0.36, 0.18), (x + 0.74, y - 0.03, 0.69), paint["cream"], (67, 4, -12)
    )

    def throw(u: float, v: float) -> Point:
        """A blanket over the right arm."""
        across = (u - 0.5) * 0.5
        length = v * 1.15
        ripple = 0.008 * math.sin(40 * across + 2 * v)
        if length < 0.42:
            return 0.135 + ripple, across, length - 0.42 + 0.0
        if length < 0.42 + 0.27:
            t = (length - 0.42) / 0.27
            angle = math.pi * t
            return 0.13 * math.cos(angle), across, 0.05 * math.sin(angle) ** 0.5 + ripple * 0.5
        return -0.135 + ripple, across, -(length - 0.69)

    surface(
        "Throw",
        throw,
        40,
        70,
        paint["cream"],
        thickness=0.012,
        location=(x + 1.08, y - 0.14, 0.645),
    )

    # Rug.
    prism(
        "Rug",
        rounded_outline(2.9, 2.1, 0.05),
        0.014,
        (-0.2, 0.10, 0.007),
        paint["rug"],
        rounded=0.006,
        rotation=(90, 0, 0),
    )
    for dx in (-1.32, 1.32):
        box(
            "Rug stripe",
            (0.07, 2.0, 0.0165),
            (-0.2 + dx, 0.10, 0.00825),
            paint["rug band"],
            rounded=0.002,
        )
    for i in range(7):
        for j in range(5):
            if (i + j) % 2 == 0:
                box(
                    "Rug mark",
                    (0.13, 0.13, 0.0165),
                    (-1.1 + i * 0.3, -0.62 + j * 0.36, 0.00826),
                    paint["rug mark" if (i * j) % 3 else "rug band"],
                    rounded=0.002,
                    rotation=(0, 0, 45),
                )
    return {"mug": _mug(paint, (0.12, -0.14, 0.405), "blue", 40)}


def _mug(paint: Paint, at: Point, kind: str, turn: float) -> bpy.types.Object:
    profile = [
        (0, 0),
        (0.036, 0),
        (0.040, 0.004),
        (0.042, 0.09),
        (0.0405, 0.092),
        (0.038, 0.09),
        (0.036, 0.008),
        (0, 0.007),
    ]
    mug = lathe("Mug", profile, at, paint[kind], rotation=(0, 0, turn))
    ear = tube(
        "Mug handle",
        [
            (0.039, 0, 0.075),
            (0.064, 0, 0.073),
            (0.068, 0, 0.045),
            (0.058, 0, 0.024),
            (0.038, 0, 0.022),
        ],
        0.006,
        paint[kind],
    )
    drink = cylinder("Tea", 0.037, 0.002, (0, 0, 0.074), paint["leather"])
    ear.parent = drink.parent = mug
    return mug


def _armchair(paint: Paint) -> None:
    root = link("Armchair", None, (1.75, 0.42, 0), (0, 0, 118))
    parts = [
        _soft("Chair seat", (0.62, 0.60, 0.15), (0, 0.0, 0.40), paint["leather"], 0.055),
        _soft(
            "Chair back", (0.62, 0.15, 0.62), (0, 0.31, 0.70), paint["leather"], 0.06, (-14, 0, 0)
        ),
        _cushion(
            "Chair cushion", (0.42, 0.42, 0.18), (0.02, 0.18, 0.66), paint["mustard"], (72, 5, 0)
        ),
    ]
    for sign in (-1, 1):
        side = sign * 0.36
        parts += [
            tube(
                "Arm rest",
                [(side, -0.32, 0.60), (side, -0.05, 0.62), (side, 0.34, 0.58)],
                0.024,
                paint["walnut"],
            ),
            tube(
                "Front leg",
                [(side, -0.30, 0.60), (side * 1.02, -0.30, 0.3), (side * 1.05, -0.33, 0.0)],
                0.020,
                paint["walnut"],
            ),
            tube(
                "Back leg",
                [(side, 0.34, 0.60), (side * 1.02, 0.36, 0.3), (side * 1.05, 0.44, 0.0)],
                0.020,
                paint["walnut"],
            ),
            tube(
                "Rail",
                [(side, -0.30, 0.33), (side, 0.36, 0.31)],
                0.016,
                paint["walnut"],
                straight=True,
            ),
        ]
    for y in (-0.30, 0.35):
        parts.append(
            tube(
                "Cross rail",
                [(-0.36, y, 0.33), (0.36, y, 0.33)],
                0.016,
                paint["walnut"],
                straight=True,
            )
        )
    for part in parts:
        part.parent = root


def _table(paint: Paint) -> None:
    lathe(
        "Table top",
        [(0, 0), (0.46, 0.0), (0.475, 0.012), (0.475, 0.022), (0.47, 0.028), (0, 0.028)],
        (-0.08, 0.05, 0.375),
        paint["walnut"],
        around=96,
    )
    for i in range(3):
        angle = math.radians(30 + 120 * i)
        c, s = math.cos(angle), math.sin(angle)
        tube(
            "Table leg",
            [(-0.08 + 0.24 * c, 0.05 + 0.24 * s, 0.38), (-0.08 + 0.40 * c, 0.05 + 0.40 * s, 0)],
            0.017,
            paint["walnut"],
            straight=True,
        )
    chance = random.Random(5)
    z = 0.404
    for color, size, turn in (
        ("teal", (0.24, 0.17, 0.028), 12),
        ("paper", (0.21, 0.155, 0.022), -6),
        ("rug mark", (0.19, 0.135, 0.026), 22),
    ):
        _book(paint, size, (-0.27, 0.10, z), paint[color], turn + chance.uniform(-3, 3))
        z += size[2] + 0.001
    lathe(
        "Bud vase",
        [
            (0, 0),
            (0.032, 0),
            (0.045, 0.03),
            (0.042, 0.075),
            (0.014, 0.12),
            (0.013, 0.16),
            (0.018, 0.172),
            (0.014, 0.171),
            (0.010, 0.155),
            (0.011, 0.12),
            (0.038, 0.075),
            (0.041, 0.03),
            (0.03, 0.006),
            (0, 0.005),
        ],
        (-0.02, 0.25, 0.404),
        paint["vase"],
    )
    for i in range(9):
        turn, lean = i * 137.5, 6 + 5 * i
        height = 0.30 - 0.012 * i
        dx = math.sin(math.radians(lean)) * math.cos(math.radians(turn)) * height * 0.7
        dy = math.sin(math.radians(lean)) * math.sin(math.radians(turn)) * height * 0.7
        top = (-0.02 + dx, 0.25 + dy, 0.47 + height)
        tube(
            "Stem",
            [(-0.02, 0.25, 0.45), (-0.02 + dx * 0.3, 0.25 + dy * 0.3, 0.47 + height * 0.55), top],
            0.0022,
            paint["leaf"],
        )
        for _ in range(6):
            near = tuple(c + chance.uniform(-0.022, 0.022) for c in top)
            ball(
                "Blossom",
                chance.uniform(0.009, 0.015),
                near,
                paint["mustard" if chance.random() < 0.7 else "cream"],
                around=16,
            )
    lathe(
        "Bowl",
        [
            (0, 0),
            (0.04, 0),
            (0.08, 0.025),
            (0.105, 0.06),
            (0.1, 0.061),
            (0.076, 0.03),
            (0.038, 0.008),
            (0, 0.006),
        ],
        (0.20, 0.16, 0.404),
        paint["ceramic"],
    )
    for dx, dy, dz in (
        (-0.03, 0.0, 0.05),
        (0.035, 0.02, 0.05),
        (0.0, -0.038, 0.052),
        (0.004, 0.012, 0.088),
    ):
        ball("Orange", 0.036, (0.20 + dx, 0.16 + dy, 0.404 + dz), paint["rug mark"], around=32)
    _mug(paint, (-0.30, -0.17, 0.405), "ceramic", 200)


def _book(
    paint: Paint, size: Point, at: Point, cover: bpy.types.Material, turn: float
) -> bpy.types.Object:
    """A closed book that lies at `at`."""
    pages = box(
        "Pages",
        (size[0] - 0.008, size[1] - 0.008, size[2] - 0.006),
        (at[0], at[1], at[2] + size[2] / 2),
        paint["paper"],
        rotation=(0, 0, turn),
    )
    for dz in (-size[2] / 2 + 0.0015, size[2] / 2 - 0.0015):
        board = box("Cover", (size[0], size[1], 0.003), (0, 0, dz), cover, rounded=0.0008)
        board.parent = pages
    spine = box("Spine", (size[0], 0.003, size[2]), (0, -size[1] / 2, 0), cover, rounded=0.001)
    spine.parent = pages
    return pages


def _lamp(paint: Paint) -> None:
    x, y = 1.28, 1.80
    cylinder("Lamp foot", 0.15, 0.025, (x, y, 0), paint["brass"], rounded=0.006)
    tube("Lamp pole", [(x, y, 0.02), (x, y, 1.42)], 0.011, paint["brass"], straight=True)
    lathe(
        "Lamp shade",
        [(0.235, 0.0), (0.16, 0.30), (0.157, 0.30), (0.232, 0.0), (0.235, 0.0)],
        (x, y, 1.36),
        paint["shade"],
    )
    point_light("Lamp", (x, y, 1.48), 16, srgb("#ffb765"), 0.05)
    # A pendant.
    tube("Cable", [(-0.15, 0.1, HEIGHT), (-0.15, 0.1, 2.28)], 0.004, paint["black"], straight=True)
    lathe(
        "Pendant",
        [(0.24, 0.0), (0.225, 0.06), (0.16, 0.13), (0.06, 0.17), (0.02, 0.21), (0, 0.212)],
        (-0.15, 0.1, 2.08),
        paint["black"],
    )
    lathe(
        "Pendant lining",
        [(0.238, 0.001), (0.222, 0.058), (0.157, 0.126), (0.055, 0.166), (0, 0.168)],
        (-0.15, 0.1, 2.08),
        paint["brass"],
    )
    ball("Bulb", 0.04, (-0.15, 0.1, 2.13), paint["shade"], around=32)


def _shelf(paint: Paint) -> None:
    x0, y, width, depth = 2.62, 0.95, 0.34, 1.7  # against the right wall
    chance = random.Random(11)
    for side in (-1, 1):
        box(
            "Shelf side",
            (width, 0.03, 2.1),
            (x0, y + side * depth / 2, 1.05),
            paint["oak"],
            rounded=0.004,
        )
    levels = [0.06, 0.47, 0.88, 1.29, 1.70, 2.085]
    for z in levels:
        box("Shelf board", (width, depth, 0.03), (x0, y, z), paint["oak"], rounded=0.004)
    box("Shelf back", (0.012, depth, 2.1), (x0 + width / 2, y, 1.05), paint["oak"])
    covers = [
        paint[name]
        for name in (
            "teal",
            "rug mark",
            "mustard",
            "paper",
            "rug band",
            "leather",
            "accent",
            "cream",
            "blue",
        )
    ]
    for level, z in enumerate(levels[:-1]):
        at = y - depth / 2 + 0.05
        stop = y + depth / 2 - 0.06
        while at < stop:
            if chance.random() < 0.09:
                at += chance.uniform(0.1, 0.22)
                continue
            thick = chance.uniform(0.018, 0.05)
            tall = chance.uniform(0.20, 0.31)
            lean = 9 if chance.random() < 0.08 else 0
            if at + thick > stop:
                break
            box(
                "Book",
                (0.2, thick, tall),
                (x0 - 0.03, at + thick / 2, z + 0.015 + tall / 2),
                chance.choice(covers),
                rounded=0.003,
                rotation=(lean, 0, 0),
            )
            at += thick + (0.03 if lean else 0.002)
        if level == 3:
            ball("Globe", 0.12, (x0 - 0.04, y - 0.1, z + 0.16), paint["blue"])
    lathe(
        "Tall vase",
        [
            (0, 0),
            (0.06, 0),
            (0.10, 0.1),
            (0.09, 0.2),
            (0.04, 0.28),
            (0.045, 0.33),
            (0.04, 0.33),
            (0.03, 0.28),
            (0, 0.27),
        ],
        (x0 - 0.02, y + 0.4, 2.1),
        paint["clay"],
    )


def _pictures(paint: Paint) -> None:
    wall = DEPTH / 2
    for x, z, w, h, kind in (
        (-0.98, 1.72, 0.62, 0.82, 0),
        (-0.25, 1.72, 0.62, 0.82, 1),
        (0.48, 1.72, 0.62, 0.82, 2),
    ):
        y = wall - 0.02
        for dx, dz, sx, sz in (
            (0, h / 2, w + 0.03, 0.03),
            (0, -h / 2, w + 0.03, 0.03),
            (w / 2, 0, 0.03, h + 0.03),
            (-w / 2, 0, 0.03, h + 0.03),
        ):
            box("Picture frame", (sx, 0.035, sz), (x + dx, y, z + dz), paint["oak"], rounded=0.004)
        box("Picture mount", (w, 0.01, h), (x, y + 0.008, z), paint["paper"])
        front = y - 0.001
        flat = {"rotation": (90, 0, 0)}
        if kind == 0:
            cylinder("Art", 0.15, 0.006, (x + 0.04, front, z + 0.12), paint["rug mark"], **flat)
            prism(
                "Art",
                [(-0.22, -0.3), (0.22, -0.3), (0.22, -0.12), (0.05, 0.0), (-0.22, -0.1)],
                0.008,
                (x, front, z),
                paint["teal"],
            )
            prism(
                "Art",
                [(-0.22, -0.3), (0.22, -0.3), (0.22, -0.22), (-0.05, -0.14), (-0.22, -0.2)],
                0.012,
                (x, front, z),
                paint["accent"],
            )
        elif kind == 1:
            for i in range(4):
                radius = 0.21 - 0.05 * i
                prism(
                    "Art",
                    [
                        (radius * math.cos(math.pi * k / 24), radius * math.sin(math.pi * k / 24))
                        for k in range(25)
                    ],
                    0.006 + 0.002 * i,
                    (x, front, z - 0.14),
                    paint[("rug band", "mustard", "rug mark", "paper")[i]],
                )
            cylinder("Art", 0.06, 0.006, (x + 0.12, front, z + 0.2), paint["mustard"], **flat)
        else:
            for i, name in enumerate(("mustard", "teal", "velvet")):
                prism(
                    "Art",
                    rounded_outline(0.34 - 0.07 * i, 0.16, 0.07),
                    0.006 + 0.002 * i,
                    (x + 0.03 * (i - 1), front, z - 0.18 + 0.17 * i),
                    paint[name],
                )


def _plants(paint: Paint) -> None:
    # A big one beside the window.
    at = (-2.25, 1.78, 0.0)
    lathe(
        "Big pot",
        [
            (0, 0),
            (0.16, 0),
            (0.21, 0.30),
            (0.225, 0.31),
            (0.225, 0.36),
            (0.205, 0.36),
            (0.195, 0.32),
            (0, 0.315),
        ],
        at,
        paint["ceramic"],
    )
    cylinder("Soil", 0.195, 0.02, (at[0], at[1], 0.30), paint["soil"])
    leaf = _leaf_group("Big leaf", paint["leaf"], 0.36, 0.24)
    chance = random.Random(3)
    for i in range(17):
        turn = math.radians(i * 137.5)
        rise = 0.45 + 0.075 * i
        out = 0.42 - 0.017 * i
        tip = (at[0] + out * math.cos(turn), at[1] + out * math.sin(turn) * 0.8, 0.32 + rise)
        tube(
            "Stalk",
            [
                (at[0], at[1], 0.31),
                (
                    at[0] + 0.3 * out * math.cos(turn),
                    at[1] + 0.3 * out * math.sin(turn),
                    0.32 + rise * 0.75,
                ),
                tip,
            ],
            0.007,
            paint["pale leaf"],
        )
        made = instance(leaf, tip, math.degrees(turn) - 90, chance.uniform(0.75, 1.1))
        made.rotation_euler.x = math.radians(chance.uniform(-12, 18))
    # Small ones on the sill and the shelf.
    small = _leaf_group("Small leaf", paint["pale leaf"], 0.13, 0.05)
    for spot, pot in (
        ((-2.66, -0.35, 0.65), "clay"),
        ((-2.66, 1.0, 0.65), "blue"),
        ((2.58, 0.45, 2.1), "ceramic"),
    ):
        lathe(
            "Small pot",
            [
                (0, 0),
                (0.05, 0),
                (0.068, 0.10),
                (0.073, 0.10),
                (0.073, 0.125),
                (0.062, 0.125),
                (0, 0.11),
            ],
            spot,
            paint[pot],
        )
        for i in range(22):
            made = instance(
                small, (spot[0], spot[1], spot[2] + 0.11), i * 137.5, chance.uniform(0.8, 1.3)
            )
            made.rotation_euler.x = math.radians(70 - 62 * (i / 22))


def _leaf_group(
    name: str, green: bpy.types.Material, length: float, width: float
) -> bpy.types.Collection:
    """A leaf that grows along Y, to be instanced."""
    group = collection(name, hidden=True)

    def shape(u: float, v: float) -> Point:
        half = width * (math.sin(math.pi * v**0.8) ** 0.7) / 2
        x = (2 * u - 1) * half
        droop = -0.35 * length * v * v
        fold = 0.35 * abs(x) + 0.008 * math.sin(22 * v) * abs(2 * u - 1)
        return x, length * v, droop + fold

    subdivide(surface(name, shape, 10, 18, green, group=group), 1)
    return group
