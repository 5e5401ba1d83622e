# SPDX-License-Identifier: GPL-3.0-or-later
"""An old town street in late sun: shop fronts, windows with frames, trees, cars, lamps."""

from __future__ import annotations

import math
import random

import bpy
from mathutils import Vector, noise

from . import (
    Point,
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
    mesh,
    point_light,
    prism,
    sky,
    srgb,
    subdivide,
    sun,
    tube,
    wood,
)

Paint = dict[str, bpy.types.Material]

ROAD = 3.4  # half the road's width: the street runs along Y
WALK = 2.6  # width of a pavement


def build() -> None:
    """Fill the open file."""
    look("AgX", "AgX - Medium High Contrast", exposure=0.55)
    paint = _materials()
    _ground(paint)
    _houses(paint)
    tree = _tree(paint)
    chance = random.Random(4)
    for y in (1.5, 10.5, 19.5, 28.5, 37.5):
        for sign in (-1, 1):
            if (sign, y) != (1, 1.5):
                _planted(paint, tree, (sign * (ROAD + 0.75), y + chance.uniform(-0.4, 0.4)), chance)
    lamp = _lamp_post(paint)
    for y in (6.0, 15.0, 24.0, 33.0):
        for sign in (-1, 1):
            instance(lamp, (sign * (ROAD + 0.45), y, 0.14), 0 if sign < 0 else 180)
    car = _car("Red car", paint, paint["red"])
    mint = _car("Mint car", paint, paint["mint"])
    cream = _car("Cream car", paint, paint["cream"])
    instance(car, (2.35, 4.2, 0.0), 0)
    instance(mint, (-2.35, 8.6, 0.0), 180)
    instance(cream, (2.35, 12.2, 0.0), 0)
    instance(car, (-2.35, 17.0, 0.0), 180)
    instance(mint, (2.35, 22.0, 0.0), 0)
    focus = _furniture(paint)
    sky(
        [
            (0.0, srgb("#8d7a6a")),
            (0.5, srgb("#ffdcb0")),
            (0.56, srgb("#cfdcec")),
            (0.75, srgb("#6f9fd6")),
        ],
        0.9,
    )
    sun((-3.6, -7.5, 7.2), 6.0, srgb("#ffd6a6"), angle=0.8)
    camera("Camera", (-0.9, -8.2, 1.75), (0.35, 10, 3.05), 30, shift=(0.0, 0.0))
    camera("Café", (0.6, 0.4, 1.55), (5.3, 7.4, 1.75), 38, focus=focus, fstop=2.0)
    camera("Roofs", (-2.5, -10.5, 9.5), (1.0, 14, 2.8), 35)


def _materials() -> Paint:
    walls = {
        "ochre": "#d9a452",
        "rose": "#c9796a",
        "cream": "#eadfc6",
        "blue": "#7f9db5",
        "sage": "#93a587",
        "brown": "#a9714b",
        "white": "#ece7dc",
        "peach": "#e3b08c",
    }
    paint = {
        f"wall {name}": material(
            f"Stucco {name}", srgb(code), 0.92, bump=(28, 0.12), mottle=(1.3, 0.1)
        )
        for name, code in walls.items()
    }
    return paint | {
        "brick": bricks(
            "Brick",
            srgb("#9c4a34"),
            srgb("#7d3a2b"),
            srgb("#b8a996"),
            (0.5, 0.16),
            gap=0.018,
            upright=True,
        ),
        "asphalt": material("Asphalt", srgb("#55555a"), 0.8, bump=(120, 0.3), mottle=(2, 0.15)),
        "paving": bricks(
            "Paving",
            srgb("#a99f93"),
            srgb("#94897c"),
            srgb("#5e574f"),
            (0.8, 0.4),
            gap=0.014,
            roughness=0.75,
        ),
        "kerb": material("Kerb", srgb("#b6afa5"), 0.8, bump=(30, 0.2)),
        "line": material("Road line", srgb("#e9e6dd"), 0.7),
        "stone": material("Stone", srgb("#d8ccb6"), 0.85, bump=(20, 0.25), mottle=(3, 0.1)),
        "frame": material("White frame", srgb("#f2eee4"), 0.45),
        "dark": material("Dark paint", srgb("#22352f"), 0.35, coat=0.3),
        "navy": material("Navy paint", srgb("#24344f"), 0.35, coat=0.3),
        "wine": material("Wine paint", srgb("#6d2530"), 0.35, coat=0.3),
        "pane": material("Window pane", srgb("#46586a"), 0.06, 0.0, coat=0.8),
        "lit": material("Lit window", srgb("#ffb659"), 0.3, emission=1.4),
        "shop": material("Shop window", srgb("#e9b873"), 0.08, coat=1.0, emission=0.35),
        "tiles": bricks(
            "Roof tiles",
            srgb("#a44d33"),
            srgb("#8b3f2b"),
            srgb("#5c2a1e"),
            (0.3, 0.24),
            gap=0.02,
            roughness=0.8,
            strength=0.6,
        ),
        "slate": bricks(
            "Slate",
            srgb("#565f6b"),
            srgb("#48505b"),
            srgb("#2b3038"),
            (0.4, 0.26),
            gap=0.014,
            roughness=0.6,
            strength=0.5,
        ),
        "iron": material("Iron", srgb("#202326"), 0.42, 0.7),
        "glow": material("Lamp glass", srgb("#ffd898"), 0.3, emission=5.0),
        "bark": material("Bark", srgb("#5a4433"), 0.95, bump=(30, 1.0), mottle=(8, 0.3)),
        "leaves": material("Leaves", srgb("#6f8f3c"), 0.7, mottle=(5, 0.3)),
        "gold leaves": material("Golden leaves", srgb("#c99a33"), 0.7, mottle=(5, 0.3)),
        "red": material("Car red", srgb("#b3261e"), 0.22, coat=1.0),
        "mint": material("Car mint", srgb("#8cc3b2"), 0.22, coat=1.0),
        "cream": material("Car cream", srgb("#efe3c4"), 0.22, coat=1.0),
        "glass": material("Car glass", srgb("#1d2830"), 0.04, coat=1.0),
        "chrome": material("Chrome", (0.75, 0.75, 0.76), 0.12, 1.0),
        "tyre": material("Tyre", srgb("#1a1a1b"), 0.8),
        "head light": material("Head light", srgb("#fff2d2"), 0.1, emission=1.5),
        "tail light": material("Tail light", srgb("#ff3b2a"), 0.2, emission=1.2),
        "red cloth": material("Red cloth", srgb("#b8372c"), 0.9, sheen=0.2),
        "white cloth": material("White cloth", srgb("#f1e8d6"), 0.9, sheen=0.2),
        "green cloth": material("Green cloth", srgb("#2f6a4d"), 0.9, sheen=0.2),
        "wood": wood("Bench wood", srgb("#5d3a20"), srgb("#a87647"), scale=0.8, roughness=0.5),
        "clay": material("Flower pot", srgb("#b5633f"), 0.85),
        "flower": material("Geranium", srgb("#d8324a"), 0.6),
    }


def _ground(paint: Paint) -> None:
    box("Road", (2 * ROAD, 90, 0.2), (0, 25, -0.1), paint["asphalt"])
    for sign in (-1, 1):
        box(
            "Pavement",
            (WALK, 90, 0.14),
            (sign * (ROAD + WALK / 2 + 0.15), 25, 0.07),
            paint["paving"],
        )
        for i in range(45):
            box(
                "Kerb",
                (0.17, 1.96, 0.17),
                (sign * (ROAD + 0.07), -19 + 2 * i, 0.075),
                paint["kerb"],
                rounded=0.02,
            )
    for i in range(13):
        box("Road dash", (0.14, 1.7, 0.012), (0, -0.4 + i * 4.2, 0.0), paint["line"])
    for i in range(8):
        box("Crossing", (0.5, 2.6, 0.014), (-ROAD + 0.55 + i * 0.9, -3.4, 0.0), paint["line"])
    cylinder("Manhole", 0.36, 0.012, (-1.2, 1.5, 0), paint["iron"], rounded=0.004)


def _houses(paint: Paint) -> None:
    chance = random.Random(21)
    windows = {
        (lit, style): _window(paint, lit, style) for lit in (False, True) for style in (0, 1)
    }
    walls = ["ochre", "blue", "cream", "rose", "white", "sage", "peach", "brown"]
    for sign in (-1, 1):
        y = -9.0
        index = 0 if sign > 0 else 3
        while y < 46:
            width = chance.choice((5.4, 6.3, 7.2))
            floors = chance.choice((2, 3, 3, 4))
            wall = paint["brick"] if index % 5 == 4 else paint[f"wall {walls[index % len(walls)]}"]
            _house(paint, chance, windows, sign, y, width, floors, wall, index)
            y += width
            index += 1
    # What closes the street: a church with a tower.
    box("Church", (11, 8, 9), (-1.5, 56, 4.5), paint["wall cream"])
    prism("Church roof", [(-5.9, 0), (5.9, 0), (0, 5.2)], 8.4, (-1.5, 56, 9), paint["tiles"])
    box("Tower", (4, 4, 17), (3.6, 53.4, 8.5), paint["wall white"])
    for z in (9.0, 16.8):
        box("Tower band", (4.3, 4.3, 0.35), (3.6, 53.4, z), paint["stone"], rounded=0.05)
    lathe(
        "Spire",
        [(0, 0), (2.75, 0.0), (2.0, 0.9), (1.3, 3.4), (0.0, 9.5)],
        (3.6, 53.4, 17),
        paint["slate"],
        around=8,
        rotation=(0, 0, 22.5),
    )
    cylinder(
        "Clock", 1.05, 0.12, (3.6, 51.39, 14.4), paint["frame"], rotation=(90, 0, 0), rounded=0.03
    )
    box("Hand", (0.08, 0.06, 0.75), (3.6, 51.25, 14.7), paint["iron"])
    box("Hand", (0.55, 0.06, 0.08), (3.85, 51.25, 14.4), paint["iron"])


def _window(paint: Paint, lit: bool, style: int) -> bpy.types.Collection:
    """A window that looks along -Y, 1.0 × 1.7, its sill at z = 0."""
    group = collection(f"Window {style} {'lit' if lit else 'dark'}", hidden=True)
    pane = paint["lit" if lit else "pane"]
    box("Pane", (0.96, 0.02, 1.66), (0, 0.04, 0.85), pane, group=group)
    for x in (-0.48, 0.48):
        box("Frame", (0.08, 0.10, 1.7), (x, 0, 0.85), paint["frame"], rounded=0.01, group=group)
    for z in (0.04, 1.66):
        box("Frame", (1.0, 0.10, 0.08), (0, 0, z), paint["frame"], rounded=0.01, group=group)
    box(
        "Mullion", (0.055, 0.07, 1.66), (0, 0.005, 0.85), paint["frame"], rounded=0.008, group=group
    )
    box("Transom", (0.96, 0.07, 0.05), (0, 0.005, 1.18), paint["frame"], rounded=0.008, group=group)
    box("Sill", (1.3, 0.26, 0.09), (0, -0.06, -0.045), paint["stone"], rounded=0.015, group=group)
    if style == 0:
        box("Lintel", (1.4, 0.2, 0.22), (0, -0.03, 1.82), paint["stone"], rounded=0.02, group=group)
        box(
            "Lintel top",
            (1.55, 0.28, 0.07),
            (0, -0.06, 1.96),
            paint["stone"],
            rounded=0.015,
            group=group,
        )
    else:
        for sign in (-1, 1):
            box(
                "Shutter",
                (0.46, 0.05, 1.7),
                (sign * 0.75, -0.09, 0.85),
                paint["dark"],
                rounded=0.008,
                group=group,
            )
            for i in range(11):
                box(
                    "Slat",
                    (0.36, 0.03, 0.085),
                    (sign * 0.75, -0.12, 0.16 + i * 0.137),
                    paint["dark"],
                    rounded=0.008,
                    rotation=(28, 0, 0),
                    group=group,
                )
    return group


def _house(
    paint: Paint,
    chance: random.Random,
    windows: dict[tuple[bool, int], bpy.types.Collection],
    sign: int,
    y: float,
    width: float,
    floors: int,
    wall: bpy.types.Material,
    index: int,
) -> None:
    front = ROAD + WALK + 0.15
    depth = 7.0
    ground, storey = 3.5, 2.9
    height = ground + storey * floors
    middle = y + width / 2
    # Everything below is made for a front that looks along -Y, then turned to the street.
    facing = 90 * -sign  # +90 turns -Y to +X
    base = (sign * front, middle)

    def place(x: float, out: float, z: float) -> Point:
        """x along the front, `out` from the wall towards the street."""
        return base[0] - sign * out, base[1] + x * -sign, z

    # The wall's own Z axis is up and X along the front: upright patterns need that.
    box(
        "House",
        (width, depth, height),
        place(0, -depth / 2, height / 2),
        wall,
        rotation=(0, 0, facing),
    )
    box(
        "Plinth",
        (width, 0.12, 0.6),
        place(0, 0.03, 0.3),
        paint["stone"],
        rounded=0.02,
        rotation=(0, 0, facing),
    )
    box(
        "Band",
        (width, 0.24, 0.22),
        place(0, 0.06, ground),
        paint["stone"],
        rounded=0.03,
        rotation=(0, 0, facing),
    )
    box(
        "Cornice",
        (width, 0.5, 0.16),
        place(0, 0.16, height - 0.06),
        paint["stone"],
        rounded=0.03,
        rotation=(0, 0, facing),
    )
    box(
        "Cornice",
        (width, 0.32, 0.2),
        place(0, 0.08, height - 0.24),
        paint["stone"],
        rounded=0.03,
        rotation=(0, 0, facing),
    )
    for i in range(int(width / 0.6)):
        box(
            "Bracket",
            (0.14, 0.26, 0.22),
            place(-width / 2 + 0.3 + i * 0.6, 0.16, height - 0.26),
            paint["stone"],
            rounded=0.02,
            rotation=(0, 0, facing),
        )
    roof = paint["tiles" if index % 3 else "slate"]
    rise = chance.uniform(2.2, 3.2)
    for slope in (-1, 1):
        angle = math.degrees(math.atan2(rise, depth / 2))
        length = math.hypot(rise, depth / 2) + 0.3
        box(
            "Roof",
            (width, length, 0.16),
            place(0, -depth / 2 - slope * -0.5 * depth / 2, height + rise / 2),
            roof,
            rotation=(angle * slope, 0, facing),
        )
    prism(
        "Gable",
        [(-depth / 2, 0), (depth / 2, 0), (0, rise)],
        width - 0.02,
        place(0, -depth / 2, height),
        wall,
        rotation=(0, 0, facing + 90),
    )
    if chance.random() < 0.8:
        x = chance.uniform(-width / 3, width / 3)
        box(
            "Chimney",
            (0.7, 0.5, 2.2),
            place(x, -depth / 2 + 0.7, height + rise),
            paint["brick"],
            rotation=(0, 0, facing),
        )
        for dx in (-0.17, 0.17):
            cylinder(
                "Chimney pot",
                0.12,
                0.45,
                place(x + dx, -depth / 2 + 0.7, height + rise + 1.1),
                paint["clay"],
                around=24,
            )

    # Windows.
    columns = max(2, round(width / 2.0))
    style = index % 2
    for floor in range(floors):
        for column in range(columns):
            x = -width / 2 + (column + 0.5) * width / columns
            lit = chance.random() < 0.16
            instance(windows[(lit, style)], place(x, 0.02, ground + floor * storey + 0.72), facing)
            if floor == 0 and index % 3 == 1:
                _flower_box(paint, chance, place(x, 0.26, ground + 0.72), facing)
    if index % 4 == 2:
        _balcony(paint, place(0, 0.5, ground + storey + 0.3), facing, width * 0.6)
    _shop(paint, place, facing, width, index)


def _flower_box(paint: Paint, chance: random.Random, at: Point, facing: float) -> None:
    box("Flower box", (1.1, 0.24, 0.2), at, paint["clay"], rounded=0.02, rotation=(0, 0, facing))
    turn = math.radians(facing)
    for _ in range(16):
        along = chance.uniform(-0.5, 0.5)
        spot = (
            at[0] + along * math.cos(turn) + chance.uniform(-0.08, 0.08),
            at[1] + along * math.sin(turn) + chance.uniform(-0.08, 0.08),
            at[2] + chance.uniform(0.1, 0.26),
        )
        kind = "flower" if chance.random() < 0.5 else "leaves"
        ball("Flower", chance.uniform(0.05, 0.1), spot, paint[kind], around=12)


def _balcony(paint: Paint, at: Point, facing: float, width: float) -> None:
    box("Balcony", (width, 1.0, 0.14), at, paint["stone"], rounded=0.03, rotation=(0, 0, facing))
    turn = math.radians(facing)

    def spot(x: float, y: float, z: float) -> Point:
        return (
            at[0] + x * math.cos(turn) - y * math.sin(turn),
            at[1] + x * math.sin(turn) + y * math.cos(turn),
            at[2] + z,
        )

    corners = [
        spot(-width / 2, 0.45, 1.0),
        spot(-width / 2, -0.45, 1.0),
        spot(width / 2, -0.45, 1.0),
        spot(width / 2, 0.45, 1.0),
    ]
    tube("Balcony rail", corners, 0.03, paint["iron"], straight=True)
    count = int(width / 0.14)
    for i in range(count + 1):
        x = -width / 2 + width * i / count
        tube(
            "Baluster",
            [spot(x, -0.45, 0.05), spot(x, -0.45, 1.0)],
            0.011,
            paint["iron"],
            straight=True,
        )


def _shop(paint: Paint, place, facing: float, width: float, index: int) -> None:
    trim = paint[("dark", "wine", "navy")[index % 3]]
    door = -width / 2 + 0.95
    glass_from, glass_to = -width / 2 + 1.75, width / 2 - 0.45
    glass, middle = glass_to - glass_from, (glass_from + glass_to) / 2
    box(
        "Shop front",
        (width - 0.5, 0.16, 3.0),
        place(0, 0.06, 1.6),
        trim,
        rounded=0.02,
        rotation=(0, 0, facing),
    )
    box(
        "Shop glass",
        (glass, 0.04, 1.75),
        place(middle, 0.13, 1.65),
        paint["shop"],
        rotation=(0, 0, facing),
    )
    for i in range(4):
        x = glass_from + glass * i / 3
        box(
            "Shop mullion",
            (0.07, 0.12, 1.85),
            place(x, 0.16, 1.65),
            trim,
            rounded=0.01,
            rotation=(0, 0, facing),
        )
    for z in (0.75, 2.52, 2.1):
        box(
            "Shop rail",
            (glass, 0.12, 0.07),
            place(middle, 0.16, z),
            trim,
            rounded=0.01,
            rotation=(0, 0, facing),
        )
    box(
        "Sign",
        (width - 0.6, 0.2, 0.46),
        place(0, 0.14, 3.0),
        paint["frame" if index % 2 else "wood"],
        rounded=0.03,
        rotation=(0, 0, facing),
    )
    box(
        "Door",
        (0.95, 0.1, 2.25),
        place(door, 0.12, 1.28),
        paint["wood"],
        rounded=0.02,
        rotation=(0, 0, facing),
    )
    box(
        "Door glass",
        (0.6, 0.06, 1.1),
        place(door, 0.155, 1.65),
        paint["shop"],
        rotation=(0, 0, facing),
    )
    box(
        "Step",
        (1.3, 0.5, 0.14),
        place(door, 0.25, 0.2),
        paint["stone"],
        rounded=0.02,
        rotation=(0, 0, facing),
    )
    tube(
        "Door handle",
        [place(door + 0.36, 0.22, 1.05), place(door + 0.36, 0.22, 1.35)],
        0.015,
        paint["chrome"],
        straight=True,
    )
    if index % 2 == 0:
        _awning(paint, place, middle, glass + 0.3, index)


def _awning(paint: Paint, place, middle: float, width: float, index: int) -> None:
    cloth = [paint["red cloth" if index % 4 else "green cloth"], paint["white cloth"]]
    count = max(6, round(width / 0.3))
    step = width / count
    for i in range(count):
        x0, x1 = middle - width / 2 + i * step, middle - width / 2 + (i + 1) * step
        rings = [(0.15, 2.78), (1.35, 2.42), (1.37, 2.2)]
        points = [place(x, out, z) for out, z in rings for x in (x0, x1)]
        points[-2:] = [place(x0 + step * 0.12, 1.37, 2.22), place(x1 - step * 0.12, 1.37, 2.22)]
        data = mesh("Awning", points, [(0, 1, 3, 2), (2, 3, 5, 4)], cloth[i % 2], smooth=False)
        strip = link("Awning", data)
        solid = strip.modifiers.new("Solidify", "SOLIDIFY")
        solid.thickness = 0.015


def _tree(paint: Paint) -> list[bpy.types.Collection]:
    """Two kinds of trees, about 5 m."""
    kinds = []
    for name, green, seed in (("Green tree", "leaves", 1), ("Golden tree", "gold leaves", 2)):
        group = collection(name, hidden=True)
        chance = random.Random(seed)
        tube(
            "Trunk",
            [(0, 0, 0), (0.04, 0.03, 1.3), (-0.05, 0, 2.6), (0, 0, 3.8)],
            0.12,
            paint["bark"],
            group=group,
        )
        tips = []
        for i in range(7):
            turn = math.radians(i * 137.5)
            tip = (1.05 * math.cos(turn), 1.05 * math.sin(turn), 3.2 + 0.25 * i)
            tube(
                "Branch",
                [(0, 0, 2.1 + 0.15 * i), (*tuple(0.5 * c for c in tip[:2]), tip[2] - 0.45), tip],
                0.045,
                paint["bark"],
                group=group,
            )
            tips.append(tip)
        tips += [(0, 0, 4.5), (0.3, -0.2, 5.0)]
        leaf_points: list[Point] = []
        leaf_faces: list[tuple[int, ...]] = []
        for tip in tips:
            for _ in range(230):
                direction = Vector((chance.gauss(0, 1), chance.gauss(0, 1), chance.gauss(0, 0.8)))
                direction.normalize()
                lumps = 0.72 + 0.5 * noise.noise(direction * 1.7 + Vector(tip))
                spot = Vector(tip) + direction * 0.95 * lumps * chance.uniform(0.72, 1.0)
                _leaf(leaf_points, leaf_faces, spot, direction, chance)
        data = mesh("Foliage", leaf_points, leaf_faces, paint[green], smooth=False)
        link("Foliage", data, collection=group)
        kinds.append(group)
    return kinds


def _leaf(
    points: list[Point],
    faces: list[tuple[int, ...]],
    at: Vector,
    outward: Vector,
    chance: random.Random,
) -> None:
    """A four-cornered leaf, large for a real one: a street is seen from afar."""
    lean = outward + Vector((chance.gauss(0, 0.6), chance.gauss(0, 0.6), chance.gauss(0.3, 0.6)))
    along = lean.cross(Vector((chance.gauss(0, 1), chance.gauss(0, 1), 0.2))).normalized()
    across = lean.cross(along).normalized()
    length = chance.uniform(0.10, 0.17)
    start = len(points)
    for a, c in ((-1, 0), (0, -0.55), (1, 0), (0, 0.55)):
        points.append(tuple(at + along * a * length + across * c * length))
    faces.append((start, start + 1, start + 2, start + 3))


def _planted(
    paint: Paint, kinds: list[bpy.types.Collection], at: tuple[float, float], chance: random.Random
) -> None:
    box("Tree bed", (1.0, 1.0, 0.03), (*at, 0.14), paint["iron"], rounded=0.01)
    instance(chance.choice(kinds), (*at, 0.12), chance.uniform(0, 360), chance.uniform(0.85, 1.05))


def _lamp_post(paint: Paint) -> bpy.types.Collection:
    group = collection("Lamp post", hidden=True)
    lathe(
        "Post",
        [
            (0, 0),
            (0.16, 0),
            (0.16, 0.1),
            (0.11, 0.16),
            (0.10, 0.6),
            (0.065, 0.7),
            (0.05, 2.9),
            (0.08, 2.95),
            (0.05, 3.02),
            (0.04, 3.3),
            (0, 3.3),
        ],
        (0, 0, 0),
        paint["iron"],
        around=32,
        group=group,
    )
    lathe(
        "Lantern",
        [(0, 0), (0.09, 0), (0.17, 0.38), (0, 0.38)],
        (0, 0, 3.32),
        paint["glow"],
        around=6,
        group=group,
    )
    for i in range(6):
        angle = 2 * math.pi * i / 6
        c, s = math.cos(angle), math.sin(angle)
        tube(
            "Bar",
            [(0.095 * c, 0.095 * s, 3.32), (0.175 * c, 0.175 * s, 3.70)],
            0.012,
            paint["iron"],
            straight=True,
            group=group,
        )
    lathe(
        "Hat",
        [(0, 0), (0.22, 0), (0.20, 0.05), (0.09, 0.17), (0.03, 0.22), (0.03, 0.28), (0, 0.30)],
        (0, 0, 3.70),
        paint["iron"],
        around=6,
        group=group,
    )
    return group


def _car(name: str, paint: Paint, body: bpy.types.Material) -> bpy.types.Collection:
    """A small car, 3.5 m, that drives along +Y."""
    group = collection(name, hidden=True)
    # Half widths and heights along the car: y, half width, sill, belt.
    stations = [
        (-1.72, 0.50, 0.42, 0.66),
        (-1.66, 0.66, 0.32, 0.78),
        (-1.35, 0.76, 0.26, 0.90),
        (-0.8, 0.79, 0.25, 0.94),
        (0.0, 0.80, 0.25, 0.95),
        (0.55, 0.79, 0.25, 0.94),
        (1.1, 0.76, 0.26, 0.86),
        (1.55, 0.70, 0.30, 0.76),
        (1.74, 0.58, 0.36, 0.64),
    ]

    def shell(y: float, half: float, low: float, high: float) -> list[Point]:
        ring = []
        for x, z in ((0.62, 0.0), (0.98, 0.12), (1.0, 0.55), (0.93, 0.92), (0.60, 1.0)):
            ring.append((x * half, y, low + z * (high - low)))
        return [*ring, *[(-x, y2, z) for x, y2, z in reversed(ring)]]

    _loft("Car body", [shell(*s) for s in stations], body, group)
    cabin = [
        (-1.25, 0.58, 0.90, 1.02),
        (-1.02, 0.64, 0.90, 1.34),
        (-0.5, 0.66, 0.92, 1.45),
        (0.05, 0.66, 0.92, 1.44),
        (0.42, 0.64, 0.92, 1.30),
        (0.86, 0.60, 0.90, 0.95),
    ]

    def roof(y: float, half: float, low: float, high: float) -> list[Point]:
        ring = []
        for x, z in ((1.0, 0.0), (0.97, 0.4), (0.84, 0.88), (0.55, 1.0)):
            ring.append((x * half, y, low + z * (high - low)))
        return [*ring, *[(-x, y2, z) for x, y2, z in reversed(ring)]]

    _loft("Car cabin", [roof(*s) for s in cabin], paint["glass"], group)
    top = [(y, half * 0.9, high - 0.05, high + 0.012) for y, half, _, high in cabin[1:-1]]
    _loft("Car roof", [roof(*s) for s in top], body, group)
    for sign in (-1, 1):
        pillar = 0.012
        tube(
            "Pillar",
            [(sign * 0.52, 0.84, 0.955), (sign * 0.555, 0.42, 1.29)],
            0.028,
            body,
            straight=True,
            group=group,
        )
        tube(
            "Pillar",
            [(sign * 0.635, -0.30, 0.93), (sign * 0.585, -0.30, 1.37)],
            0.026,
            body,
            straight=True,
            group=group,
        )
        tube(
            "Pillar",
            [(sign * 0.53, -1.22, 0.98), (sign * 0.56, -1.0, 1.32)],
            0.04,
            body,
            straight=True,
            group=group,
        )
        tube(
            "Trim",
            [
                (sign * 0.735, 1.45, 0.66),
                (sign * 0.80, 0.5, 0.72),
                (sign * 0.805, -0.6, 0.72),
                (sign * 0.75, -1.45, 0.68),
            ],
            pillar,
            paint["chrome"],
            group=group,
        )
        ball(
            "Head light",
            0.125,
            (sign * 0.47, 1.60, 0.63),
            paint["head light"],
            scale=(1, 0.55, 1),
            around=32,
            group=group,
        )
        lathe(
            "Light ring",
            [(0.125, 0), (0.145, 0.0), (0.145, 0.035), (0.125, 0.035)],
            (sign * 0.47, 1.63, 0.63),
            paint["chrome"],
            rotation=(90, 0, 0),
            around=32,
            group=group,
        )
        ball(
            "Tail light",
            0.085,
            (sign * 0.49, -1.67, 0.62),
            paint["tail light"],
            scale=(0.8, 0.5, 1.3),
            around=24,
            group=group,
        )
        ball(
            "Mirror",
            0.075,
            (sign * 0.86, 0.55, 1.0),
            paint["chrome"],
            scale=(1, 0.6, 0.8),
            around=24,
            group=group,
        )
        for y in (-1.05, 1.08):
            lathe(
                "Tyre",
                [
                    (0.17, -0.09),
                    (0.27, -0.09),
                    (0.30, -0.06),
                    (0.30, 0.06),
                    (0.27, 0.09),
                    (0.17, 0.09),
                ],
                (sign * 0.70, y, 0.30),
                paint["tyre"],
                rotation=(0, 90, 0),
                around=48,
                group=group,
            )
            lathe(
                "Hub",
                [(0, -0.07), (0.18, -0.075), (0.18, 0.075), (0.10, 0.10), (0, 0.105)],
                (sign * 0.70, y, 0.30),
                paint["chrome"],
                rotation=(0, 90 * sign, 0),
                around=48,
                group=group,
            )
    for y, z in ((1.76, 0.42), (-1.74, 0.42)):
        bend = 0.10 if y > 0 else -0.10
        tube(
            "Bumper",
            [(-0.66, y - bend * 1.4, z), (-0.4, y, z), (0.4, y, z), (0.66, y - bend * 1.4, z)],
            0.05,
            paint["chrome"],
            group=group,
        )
        box(
            "Plate",
            (0.42, 0.02, 0.11),
            (0, y + 0.06 * math.copysign(1, y), z),
            paint["frame"],
            rounded=0.008,
            group=group,
        )
    return group


def _loft(
    name: str,
    rings: list[list[Point]],
    skin: bpy.types.Material,
    group: bpy.types.Collection,
) -> None:
    count = len(rings[0])
    points = [point for ring in rings for point in ring]
    faces: list[tuple[int, ...]] = [tuple(reversed(range(count)))]
    for j in range(len(rings) - 1):
        for i in range(count):
            k = (i + 1) % count
            faces.append((j * count + i, j * count + k, (j + 1) * count + k, (j + 1) * count + i))
    faces.append(tuple(range((len(rings) - 1) * count, len(rings) * count)))
    faces = [tuple(reversed(face)) for face in faces]
    data = mesh(name, points, faces, skin)
    data.set_sharp_from_angle(angle=math.pi)
    subdivide(link(name, data, collection=group), 3)


def _furniture(paint: Paint) -> bpy.types.Object:
    """Café tables, chairs, a bench, bollards."""
    front = ROAD + WALK + 0.15
    chair = collection("Chair", hidden=True)
    cylinder("Seat", 0.2, 0.035, (0, 0, 0.44), paint["wood"], rounded=0.01, group=chair)
    for angle in (45, 135, 225, 315):
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        tube(
            "Leg",
            [(0.15 * c, 0.15 * s, 0.45), (0.22 * c, 0.22 * s, 0)],
            0.012,
            paint["iron"],
            straight=True,
            group=chair,
        )
    tube(
        "Back",
        [
            (-0.17, 0.14, 0.46),
            (-0.16, 0.20, 0.72),
            (0, 0.22, 0.86),
            (0.16, 0.20, 0.72),
            (0.17, 0.14, 0.46),
        ],
        0.012,
        paint["iron"],
        group=chair,
    )
    tube(
        "Back inner",
        [(-0.09, 0.16, 0.46), (0, 0.20, 0.70), (0.09, 0.16, 0.46)],
        0.009,
        paint["iron"],
        group=chair,
    )
    focus = None
    for x, y in ((front - 1.1, 5.6), (front - 1.2, 7.6), (front - 1.1, 9.3)):
        lathe(
            "Café table",
            [
                (0, 0),
                (0.2, 0),
                (0.2, 0.02),
                (0.03, 0.05),
                (0.025, 0.70),
                (0.1, 0.72),
                (0.34, 0.72),
                (0.35, 0.735),
                (0.34, 0.75),
                (0, 0.75),
            ],
            (x, y, 0.14),
            paint["iron"],
        )
        cylinder("Table cloth", 0.36, 0.01, (x, y, 0.888), paint["white cloth"], rounded=0.004)
        pot = lathe(
            "Table vase",
            [(0, 0), (0.035, 0), (0.05, 0.05), (0.025, 0.11), (0.03, 0.13), (0, 0.12)],
            (x, y, 0.898),
            paint["navy"],
            around=32,
        )
        for i in range(9):
            ball(
                "Bloom",
                0.028,
                (x + 0.05 * math.cos(i * 2.4), y + 0.05 * math.sin(i * 2.4), 1.05 + 0.008 * i),
                paint["flower" if i % 2 else "gold leaves"],
                around=16,
            )
        instance(chair, (x - 0.05, y - 0.62, 0.14), 172)
        instance(chair, (x + 0.1, y + 0.62, 0.14), -8)
        focus = focus or pot
    for y in (-1.6, 12.8):
        for sign in (-1, 1):
            cylinder(
                "Bollard",
                0.075,
                0.8,
                (sign * (ROAD + 0.32), y, 0.14),
                paint["iron"],
                rounded=0.03,
                around=32,
            )
            cylinder(
                "Bollard ring",
                0.08,
                0.05,
                (sign * (ROAD + 0.32), y, 0.72),
                paint["frame"],
                around=32,
            )
    bench = (-(ROAD + 1.75), 5.6)
    for i in range(4):
        box(
            "Bench slat",
            (0.10, 1.7, 0.035),
            (bench[0] - 0.18 + i * 0.12, bench[1], 0.58),
            paint["wood"],
            rounded=0.008,
        )
    for i in range(3):
        box(
            "Bench back",
            (0.035, 1.7, 0.10),
            (bench[0] - 0.30 - 0.03 * i, bench[1], 0.72 + 0.13 * i),
            paint["wood"],
            rounded=0.008,
            rotation=(0, -12, 0),
        )
    for y in (-0.7, 0.7):
        tube(
            "Bench frame",
            [
                (bench[0] + 0.22, bench[1] + y, 0.14),
                (bench[0] + 0.2, bench[1] + y, 0.55),
                (bench[0] - 0.26, bench[1] + y, 0.55),
                (bench[0] - 0.40, bench[1] + y, 1.06),
            ],
            0.022,
            paint["iron"],
            straight=True,
        )
    point_light("Shop glow", (front - 0.9, 7.5, 2.1), 30, srgb("#ffbf70"), 0.3)
    for i, y in enumerate((4.4, 10.6)):
        lathe(
            "Planter",
            [(0, 0), (0.24, 0), (0.32, 0.5), (0.34, 0.52), (0.34, 0.58), (0.29, 0.58), (0, 0.5)],
            (front - 0.55, y, 0.14),
            paint["clay"],
        )
        ball("Box ball", 0.42, (front - 0.55, y, 1.02 + 0.02 * i), paint["leaves"])
    assert focus is not None
    return focus
