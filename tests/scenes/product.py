# SPDX-License-Identifier: GPL-3.0-or-later
"""An espresso machine on a stage: enamel, chrome, walnut, ceramic, glass; soft studio light."""

from __future__ import annotations

import math
import random

import bpy

from . import (
    arch_outline,
    area_light,
    ball,
    box,
    camera,
    cylinder,
    lathe,
    link,
    look,
    material,
    mesh,
    point_light,
    prism,
    rounded_outline,
    sky,
    speckled,
    srgb,
    subdivide,
    surface,
    tube,
    wood,
)


def build() -> None:
    """Fill the open file."""
    look("AgX", "AgX - Medium High Contrast", exposure=0.25)
    paint = _materials()
    _stage(paint)
    machine = _machine(paint)
    _props(paint)
    _lights()
    camera("Camera", (-0.62, -1.28, 0.56), (0.02, -0.03, 0.185), 52)
    camera("Close-up", (0.40, -0.66, 0.27), (-0.01, -0.10, 0.175), 70, focus=machine, fstop=4.0)
    camera("Straight", (0.0, -1.7, 0.30), (0.0, 0.0, 0.205), 65)


def _materials() -> dict[str, bpy.types.Material]:
    return {
        "enamel": material("Enamel", srgb("#2f6f63"), 0.22, coat=0.6, mottle=(60, 0.04)),
        "cream": material("Cream enamel", srgb("#efe2c8"), 0.25, coat=0.5),
        "chrome": material("Chrome", (0.78, 0.79, 0.80), 0.09, 1.0),
        "steel": material("Brushed steel", (0.56, 0.57, 0.58), 0.32, 1.0, bump=(400, 0.03)),
        "brass": material("Brass", srgb("#d9a441"), 0.2, 1.0),
        "rubber": material("Rubber", srgb("#1c1d20"), 0.65),
        "walnut": wood("Walnut", srgb("#3a1d10"), srgb("#8a5230"), scale=2.2, roughness=0.35),
        "oak": wood("Oak", srgb("#9c6b3c"), srgb("#d7a871"), scale=1.5, roughness=0.45),
        "ceramic": material("Ceramic", srgb("#f4efe6"), 0.2, coat=0.4),
        "glaze": material("Blue glaze", srgb("#2d4f78"), 0.18, coat=0.6, mottle=(35, 0.2)),
        "coffee": material("Coffee", srgb("#2a1208"), 0.12),
        "crema": material("Crema", srgb("#b8742f"), 0.35, mottle=(90, 0.25)),
        "bean": material("Bean", srgb("#3b1e10"), 0.38, coat=0.2, mottle=(120, 0.25)),
        "glass": material("Glass", (0.96, 0.98, 0.98), 0.02, transmission=1.0, ior=1.45),
        "clay": material("Terracotta", srgb("#c1663c"), 0.8, bump=(120, 0.2), mottle=(20, 0.12)),
        "leaf": material("Leaf", srgb("#3f7a3a"), 0.45, subsurface=0.1, mottle=(40, 0.25)),
        "stage": material("Stage", srgb("#e8b596"), 0.85, bump=(220, 0.04)),
        "arch": material("Arch", srgb("#d98a64"), 0.8, bump=(220, 0.05)),
        "disc": material("Disc", srgb("#f3d9b1"), 0.75, bump=(220, 0.05)),
        "terrazzo": speckled(
            "Terrazzo",
            srgb("#ece3d6"),
            [srgb("#c9795a"), srgb("#6f8f86"), srgb("#3c3a3a"), srgb("#d8b26a")],
            140,
        ),
        "linen": material("Linen", srgb("#d9cdb8"), 0.95, sheen=0.4, bump=(700, 0.5)),
        "lamp": material("Indicator", srgb("#ff8a2a"), 0.4, emission=6.0),
        "dial": material("Dial", srgb("#fbf6ea"), 0.4),
        "needle": material("Needle", srgb("#c5352b"), 0.4),
        "paper": material("Label", srgb("#f2e4c4"), 0.7),
    }


def _stage(paint: dict[str, bpy.types.Material]) -> None:
    def sweep(u: float, v: float) -> tuple[float, float, float]:
        """A floor that bends up into a wall."""
        x = (u - 0.5) * 7
        length, radius, floor = v * 6.5, 0.7, 3.4
        arc = radius * math.pi / 2
        if length < floor:
            return x, -2.4 + length, 0.0
        if length < floor + arc:
            angle = (length - floor) / radius
            return x, 1.0 + radius * math.sin(angle), radius * (1 - math.cos(angle))
        return x, 1.0 + radius, radius + length - floor - arc

    surface("Backdrop", sweep, 8, 160, paint["stage"], location=(0, 0, -0.06))
    prism(
        "Slab",
        rounded_outline(1.06, 0.66, 0.09),
        0.06,
        (0, -0.02, -0.03),
        paint["terrazzo"],
        rounded=0.006,
        rotation=(90, 0, 0),
    )
    prism("Arch", arch_outline(0.62, 0.72), 0.07, (0.17, 0.52, -0.06), paint["arch"], rounded=0.008)
    prism(
        "Low arch",
        arch_outline(0.42, 0.44),
        0.07,
        (-0.30, 0.47, -0.06),
        paint["disc"],
        rounded=0.008,
    )
    ball("Sphere", 0.085, (0.60, 0.30, 0.025), paint["disc"])
    cylinder("Podium", 0.13, 0.10, (0.60, 0.30, -0.06 - 0.04), paint["arch"], rounded=0.006)


def _machine(paint: dict[str, bpy.types.Material]) -> bpy.types.Object:
    # Seen from the left: foot, back and head in one piece.
    side = [
        (-0.185, 0.02),
        (0.165, 0.02),
        (0.165, 0.355),
        (-0.150, 0.355),
        (-0.185, 0.325),
        (-0.185, 0.245),
        (-0.020, 0.225),
        (0.0, 0.205),
        (0.0, 0.095),
        (-0.02, 0.075),
        (-0.185, 0.075),
    ]
    prism(
        "Body",
        side,
        0.27,
        (0, 0, 0),
        paint["enamel"],
        rounded=0.014,
        segments=5,
        rotation=(0, 0, 90),
    )
    panel = [
        (-0.178, 0.028),
        (0.158, 0.028),
        (0.158, 0.347),
        (-0.146, 0.347),
        (-0.178, 0.320),
        (-0.178, 0.252),
        (-0.006, 0.231),
        (0.012, 0.21),
        (0.012, 0.09),
        (-0.006, 0.068),
        (-0.178, 0.068),
    ]
    for sign in (-1, 1):
        prism(
            "Side panel",
            panel,
            0.014,
            (sign * 0.139, 0, 0),
            paint["walnut"],
            rounded=0.004,
            rotation=(0, 0, 90),
        )
        for y in (-0.15, 0.13):
            cylinder("Foot", 0.02, 0.024, (sign * 0.11, y, 0.0), paint["rubber"], rounded=0.003)
    box("Back plate", (0.235, 0.006, 0.125), (0, -0.003, 0.15), paint["steel"], rounded=0.002)
    box("Front band", (0.25, 0.006, 0.062), (0, -0.1865, 0.286), paint["steel"], rounded=0.002)

    # Drip tray.
    box("Tray", (0.24, 0.17, 0.008), (0, -0.10, 0.077), paint["rubber"], rounded=0.003)
    for i in range(15):
        box(
            "Slat",
            (0.224, 0.0055, 0.004),
            (0, -0.172 + i * 0.0105, 0.0835),
            paint["chrome"],
            rounded=0.0012,
        )
    for sign in (-1, 1):
        box(
            "Tray rim",
            (0.008, 0.17, 0.010),
            (sign * 0.116, -0.10, 0.083),
            paint["chrome"],
            rounded=0.002,
        )

    # Group head, portafilter, spouts.
    group = (0.0, -0.105)
    lathe(
        "Group head",
        [
            (0.0, 0.0),
            (0.036, 0.0),
            (0.036, 0.012),
            (0.043, 0.016),
            (0.043, 0.032),
            (0.034, 0.04),
            (0.034, 0.06),
            (0, 0.06),
        ],
        (*group, 0.196),
        paint["chrome"],
        rounded=0.0015,
    )
    lathe(
        "Basket",
        [(0.0, 0.0), (0.022, 0.0), (0.029, 0.006), (0.034, 0.016), (0.036, 0.034), (0.0, 0.034)],
        (*group, 0.164),
        paint["chrome"],
    )
    tube(
        "Handle arm",
        [(0, -0.135, 0.183), (0, -0.16, 0.183), (0, -0.19, 0.181)],
        0.0075,
        paint["chrome"],
    )
    lathe(
        "Handle",
        [
            (0, 0),
            (0.008, 0.0),
            (0.0105, 0.006),
            (0.0125, 0.03),
            (0.0135, 0.07),
            (0.0155, 0.098),
            (0.0135, 0.113),
            (0.006, 0.118),
            (0, 0.119),
        ],
        (0, -0.185, 0.1815),
        paint["walnut"],
        rotation=(93, 0, 0),
    )
    for sign in (-1, 1):
        tube(
            "Spout",
            [
                (0, group[1], 0.164),
                (sign * 0.012, group[1], 0.156),
                (sign * 0.015, group[1], 0.142),
            ],
            0.005,
            paint["chrome"],
        )
        tube(
            "Pour",
            [(sign * 0.015, group[1], 0.142), (sign * 0.0145, group[1], 0.122)],
            0.0014,
            paint["crema"],
            straight=True,
        )

    # Gauge.
    gauge = (0.0, -0.1905, 0.286)
    lathe(
        "Gauge",
        [(0.0, 0.0), (0.027, 0.0), (0.0275, 0.008), (0.0245, 0.011), (0.0235, 0.006), (0, 0.006)],
        gauge,
        paint["brass"],
        rotation=(90, 0, 0),
    )
    cylinder("Dial", 0.0235, 0.0066, gauge, paint["dial"], rotation=(90, 0, 0))
    for i in range(11):
        angle = math.radians(-130 + 26 * i)
        box(
            "Tick",
            (0.0012, 0.0006, 0.0045 if i % 2 == 0 else 0.0028),
            (0.0195 * math.sin(angle), gauge[1] - 0.0068, gauge[2] + 0.0195 * math.cos(angle)),
            paint["rubber"],
            rotation=(0, math.degrees(angle), 0),
        )
    box(
        "Needle",
        (0.0014, 0.0008, 0.021),
        (0.0045, gauge[1] - 0.0075, gauge[2] + 0.006),
        paint["needle"],
        rotation=(0, 38, 0),
    )
    cylinder("Needle pin", 0.0022, 0.0085, gauge, paint["rubber"], rotation=(90, 0, 0))

    # Switches and knobs.
    for x in (-0.098, -0.068):
        lathe(
            "Switch base",
            [(0, 0), (0.009, 0), (0.0085, 0.004), (0.004, 0.006), (0, 0.006)],
            (x, -0.1895, 0.286),
            paint["chrome"],
            rotation=(90, 0, 0),
        )
        tube(
            "Switch",
            [(x, -0.195, 0.286), (x, -0.209, 0.293)],
            0.0026,
            paint["chrome"],
            straight=True,
        )
    ball("Indicator", 0.0045, (0.060, -0.1905, 0.286), paint["lamp"], around=24)
    for x, z in ((0.096, 0.286),):
        lathe(
            "Knob",
            [
                (0, 0),
                (0.010, 0.0),
                (0.010, 0.008),
                (0.021, 0.012),
                (0.0225, 0.018),
                (0.0215, 0.030),
                (0.017, 0.033),
                (0, 0.0335),
            ],
            (x, -0.189, z),
            paint["walnut"],
            rotation=(90, 0, 0),
        )
        cylinder(
            "Knob cap",
            0.008,
            0.0345,
            (x, -0.189, z),
            paint["brass"],
            rotation=(90, 0, 0),
            rounded=0.001,
        )

    # Steam wand.
    ball("Wand joint", 0.011, (0.105, -0.135, 0.238), paint["chrome"])
    tube(
        "Steam wand",
        [
            (0.105, -0.135, 0.238),
            (0.112, -0.15, 0.21),
            (0.122, -0.172, 0.16),
            (0.124, -0.182, 0.118),
        ],
        0.0042,
        paint["chrome"],
    )
    lathe(
        "Wand tip",
        [(0, 0), (0.004, 0.0), (0.0062, 0.005), (0.005, 0.012), (0, 0.012)],
        (0.124, -0.182, 0.108),
        paint["chrome"],
        around=32,
    )

    # Rail and cups on top.
    rail = [
        (-0.118, -0.135, 0.372),
        (0.118, -0.135, 0.372),
        (0.118, 0.145, 0.372),
        (-0.118, 0.145, 0.372),
    ]
    tube("Rail", rail, 0.0042, paint["brass"], closed=True, straight=True)
    for x, y, _ in [*rail, (0, -0.135, 0), (0, 0.145, 0)]:
        cylinder("Rail post", 0.0032, 0.022, (x, y, 0.352), paint["brass"])
    for x, y, kind, turn in (
        (-0.068, -0.06, "ceramic", 200),
        (0.022, -0.075, "glaze", 160),
        (0.078, 0.03, "ceramic", 20),
        (-0.02, 0.05, "glaze", 100),
    ):
        _cup(paint, (x, y, 0.3555), kind, turn, full=False)
    _cup(paint, (-0.068, -0.06, 0.401), "ceramic", 160, full=False)
    return _cup(paint, (0.0, -0.105, 0.086), "ceramic", 215, full=True)


def _cup(
    paint: dict[str, bpy.types.Material],
    at: tuple[float, float, float],
    kind: str,
    turn: float,
    *,
    full: bool,
) -> bpy.types.Object:
    scale = 0.82
    profile = [
        (0, 0.002),
        (0.016, 0.002),
        (0.017, 0.0),
        (0.019, 0.001),
        (0.024, 0.008),
        (0.031, 0.022),
        (0.035, 0.04),
        (0.0362, 0.054),
        (0.0352, 0.055),
        (0.0340, 0.054),
        (0.0326, 0.040),
        (0.0285, 0.022),
        (0.020, 0.009),
        (0, 0.007),
    ]
    cup = lathe("Cup", profile, at, paint[kind], rotation=(0, 0, turn), scale=scale)
    ear = tube(
        "Cup handle",
        [
            (0.033, 0, 0.046),
            (0.047, 0, 0.046),
            (0.053, 0, 0.033),
            (0.044, 0, 0.02),
            (0.028, 0, 0.017),
        ],
        0.0034,
        paint[kind],
    )
    ear.parent = cup
    if full:
        drink = cylinder("Drink", 0.0318, 0.001, (0, 0, 0.038), paint["crema"])
        drink.parent = cup
    return cup


def _props(paint: dict[str, bpy.types.Material]) -> None:
    chance = random.Random(7)

    # A served cup on a saucer, on a board.
    prism(
        "Board",
        rounded_outline(0.25, 0.17, 0.03),
        0.014,
        (-0.30, -0.16, 0.007),
        paint["oak"],
        rounded=0.003,
        rotation=(90, 0, 18),
    )
    lathe(
        "Saucer",
        [
            (0, 0.0),
            (0.026, 0),
            (0.03, 0.003),
            (0.052, 0.011),
            (0.061, 0.016),
            (0.0605, 0.018),
            (0.05, 0.0135),
            (0.028, 0.006),
            (0, 0.005),
        ],
        (-0.315, -0.165, 0.0145),
        paint["glaze"],
    )
    _cup(paint, (-0.315, -0.165, 0.020), "glaze", 240, full=True)
    tube(
        "Spoon",
        [(-0.275, -0.205, 0.034), (-0.255, -0.18, 0.031), (-0.225, -0.145, 0.020)],
        0.0017,
        paint["brass"],
    )
    ball(
        "Spoon bowl",
        0.011,
        (-0.282, -0.213, 0.033),
        paint["brass"],
        scale=(1.3, 0.8, 0.35),
        rotation=(0, 0, 50),
    )

    # Milk jug.
    jug = lathe(
        "Milk jug",
        [
            (0, 0.0),
            (0.036, 0.0),
            (0.041, 0.004),
            (0.043, 0.02),
            (0.042, 0.045),
            (0.035, 0.075),
            (0.0335, 0.09),
            (0.037, 0.104),
            (0.0355, 0.1045),
            (0.032, 0.09),
            (0.0335, 0.075),
            (0.040, 0.045),
            (0.041, 0.02),
            (0.038, 0.006),
            (0, 0.004),
        ],
        (0.26, -0.16, 0),
        paint["steel"],
    )
    ear = tube(
        "Jug handle",
        [(0.034, 0, 0.09), (0.062, 0, 0.088), (0.068, 0, 0.05), (0.042, 0, 0.025)],
        0.0038,
        paint["steel"],
    )
    ear.parent = jug
    jug.rotation_euler.z = math.radians(-20)
    milk = cylinder("Milk", 0.0335, 0.001, (0, 0, 0.075), paint["ceramic"])
    milk.parent = jug

    # Tin of beans.
    cylinder("Tin", 0.052, 0.135, (-0.315, 0.075, 0), paint["cream"], rounded=0.004)
    cylinder("Tin label", 0.0525, 0.062, (-0.315, 0.075, 0.036), paint["paper"])
    cylinder("Tin stripe", 0.0527, 0.006, (-0.315, 0.075, 0.030), paint["needle"])
    cylinder("Tin stripe", 0.0527, 0.006, (-0.315, 0.075, 0.098), paint["needle"])
    cylinder("Tin lid", 0.054, 0.018, (-0.315, 0.075, 0.135), paint["brass"], rounded=0.003)
    ball("Tin knob", 0.011, (-0.315, 0.075, 0.163), paint["walnut"], around=32)

    # Glass jar with beans.
    lathe(
        "Jar",
        [
            (0, 0),
            (0.04, 0),
            (0.044, 0.004),
            (0.045, 0.09),
            (0.038, 0.104),
            (0.038, 0.115),
            (0.036, 0.115),
            (0.036, 0.103),
            (0.042, 0.089),
            (0.041, 0.007),
            (0, 0.006),
        ],
        (0.335, 0.055, 0),
        paint["glass"],
    )
    cylinder("Cork", 0.0365, 0.03, (0.335, 0.055, 0.104), paint["oak"], rounded=0.003)
    bean = _bean(paint["bean"])
    for layer in range(8):
        for _ in range(26):
            r, a = 0.035 * math.sqrt(chance.random()), chance.uniform(0, 2 * math.pi)
            _drop(
                bean,
                chance,
                (0.335 + r * math.cos(a), 0.055 + r * math.sin(a), 0.012 + layer * 0.0085),
            )

    # Beans on the slab.
    for _ in range(46):
        r, a = abs(chance.gauss(0, 0.06)), chance.uniform(0, 2 * math.pi)
        x, y = 0.175 + 1.5 * r * math.cos(a), -0.268 + 0.45 * r * math.sin(a)
        if y > -0.335 and abs(x) < 0.5 and math.hypot(x - 0.26, y + 0.16) > 0.055:
            _drop(bean, chance, (x, y, 0.0045), flat=True)

    # A plant.
    lathe(
        "Pot",
        [
            (0, 0),
            (0.04, 0),
            (0.053, 0.075),
            (0.058, 0.076),
            (0.060, 0.096),
            (0.054, 0.096),
            (0.051, 0.08),
            (0, 0.078),
        ],
        (0.44, 0.19, 0),
        paint["clay"],
    )
    for i in range(26):
        turn = i * 137.5
        lean = 8 + 62 * (i / 26)
        length = chance.uniform(0.12, 0.2)
        _blade(paint["leaf"], (0.44, 0.19, 0.082), turn, lean, length)
    _napkin(paint["linen"])


def _bean(brown: bpy.types.Material) -> bpy.types.Mesh:
    """Half an ellipsoid with a crease, about 1 cm."""
    rows, columns = 14, 20
    points = []
    for j in range(rows + 1):
        theta = math.pi * j / rows
        for i in range(columns):
            phi = 2 * math.pi * i / columns
            x = 0.0062 * math.cos(theta)
            y = 0.0043 * math.sin(theta) * math.cos(phi)
            z = 0.0036 * math.sin(theta) * math.sin(phi)
            if z > 0:
                z = z * 0.62 - 0.0013 * math.exp(-((y / 0.0007) ** 2)) * math.sin(theta)
            points.append((x, y, z))
    faces = [
        (
            j * columns + i,
            (j + 1) * columns + i,
            (j + 1) * columns + (i + 1) % columns,
            j * columns + (i + 1) % columns,
        )
        for j in range(rows)
        for i in range(columns)
    ]
    return mesh("Bean", points, faces, brown)


def _drop(
    bean: bpy.types.Mesh,
    chance: random.Random,
    at: tuple[float, float, float],
    *,
    flat: bool = False,
) -> None:
    tilt = (
        (chance.choice((0, 180)) + chance.uniform(-18, 18), chance.uniform(-10, 10))
        if flat
        else (chance.uniform(0, 360), chance.uniform(0, 360))
    )
    link("Bean", bean, at, (*tilt, chance.uniform(0, 360)), chance.uniform(0.9, 1.15))


def _blade(
    green: bpy.types.Material,
    at: tuple[float, float, float],
    turn: float,
    lean: float,
    length: float,
) -> None:
    def shape(u: float, v: float) -> tuple[float, float, float]:
        width = 0.017 * math.sin(math.pi * min(1.0, 0.08 + 0.92 * v)) ** 0.8
        bend = math.radians(lean) * (0.35 + 0.65 * v)
        fold = abs(u - 0.5) * width * 0.7
        return (
            (u - 0.5) * 2 * width,
            length * v * math.sin(bend),
            length * v * math.cos(bend) + fold,
        )

    surface("Leaf", shape, 6, 14, green, location=at, rotation=(0, 0, turn))


def _napkin(linen: bpy.types.Material) -> None:
    def shape(u: float, v: float) -> tuple[float, float, float]:
        x, y = (u - 0.5) * 0.22, (v - 0.5) * 0.15
        wave = 0.004 * math.sin(26 * x + 9 * y) + 0.003 * math.sin(40 * y - 12 * x)
        return x, y, 0.006 + wave + 0.002 * math.sin(90 * x)

    cloth = surface(
        "Napkin",
        shape,
        60,
        40,
        linen,
        thickness=0.002,
        location=(0.36, -0.14, 0),
        rotation=(0, 0, -24),
    )
    subdivide(cloth, 1)


def _lights() -> None:
    sky([(0.0, srgb("#e9c8ae")), (0.5, srgb("#f6e3d0")), (1.0, srgb("#cfdcea"))], 0.35)
    area_light("Key", (-1.5, -1.2, 1.7), (0, 0, 0.15), (0.9, 0.9), 46, srgb("#fff0dc"))
    area_light("Fill", (1.7, -1.3, 0.9), (0, 0, 0.15), (1.2, 1.2), 9, srgb("#d9e6ff"))
    area_light("Rim", (1.0, 1.0, 1.35), (0, 0, 0.2), (0.5, 0.9), 26, srgb("#ffd9b0"))
    area_light("Strip", (-0.9, -0.2, 0.55), (0, -0.05, 0.2), (0.12, 0.9), 3.5)
    point_light("Glow", (0.17, 0.44, 0.5), 0.8, srgb("#ffb27a"), 0.1)
