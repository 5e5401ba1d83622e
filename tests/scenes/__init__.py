# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample scenes, built by code: `product`, `interior` and `street`, each with `build()`.

`build()` fills the open (empty) file through bpy's data alone, so that it works in background, on
Blender 4.2 to 5.2, and gives the same scene each time. Lengths are metres.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import bpy
from mathutils import Matrix, Vector

Color = tuple[float, float, float]
Point = tuple[float, float, float]

SMOOTH_BELOW = math.radians(32)  # edges sharper than this stay sharp on a smooth mesh


def srgb(code: str) -> Color:
    """A linear colour from "#rrggbb"."""
    channels = (int(code[i : i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return r, g, b


# --- objects ------------------------------------------------------------------------------------


def link(
    name: str,
    data: bpy.types.ID | None,
    location: Point = (0, 0, 0),
    rotation: Point = (0, 0, 0),
    scale: Point | float = 1.0,
    collection: bpy.types.Collection | None = None,
) -> bpy.types.Object:
    """A new object in the scene (or in `collection`). Rotation in degrees."""
    made = bpy.data.objects.new(name, data)
    made.location = location
    made.rotation_euler = [math.radians(angle) for angle in rotation]
    made.scale = (scale, scale, scale) if isinstance(scale, int | float) else scale
    (collection or bpy.context.scene.collection).objects.link(made)
    return made


def collection(name: str, hidden: bool = False) -> bpy.types.Collection:
    """A new collection; a hidden one is only there to be instanced."""
    made = bpy.data.collections.new(name)
    if not hidden:
        bpy.context.scene.collection.children.link(made)
    return made


def instance(
    group: bpy.types.Collection,
    location: Point,
    turn: float = 0.0,
    scale: Point | float = 1.0,
) -> bpy.types.Object:
    made = link(f"{group.name} instance", None, location, (0, 0, turn), scale)
    made.instance_type = "COLLECTION"
    made.instance_collection = group
    return made


def mesh(
    name: str,
    vertices: Iterable[Sequence[float]],
    faces: Iterable[Sequence[int]],
    material: bpy.types.Material | None = None,
    *,
    smooth: bool = True,
) -> bpy.types.Mesh:
    """Mesh data; a smooth one keeps its sharp edges."""
    made = bpy.data.meshes.new(name)
    made.from_pydata([tuple(v) for v in vertices], [], [tuple(f) for f in faces])
    made.validate()
    if material is not None:
        made.materials.append(material)
    if smooth:
        made.polygons.foreach_set("use_smooth", [True] * len(made.polygons))
        made.set_sharp_from_angle(angle=SMOOTH_BELOW)
    made.update()
    return made


def bevel(target: bpy.types.Object, width: float, segments: int = 3) -> bpy.types.Object:
    if width > 0:
        modifier = target.modifiers.new("Bevel", "BEVEL")
        modifier.width = width
        modifier.segments = segments
        modifier.limit_method = "ANGLE"
        modifier.angle_limit = math.radians(35)
        modifier.harden_normals = True
    return target


def subdivide(target: bpy.types.Object, levels: int = 2) -> bpy.types.Object:
    modifier = target.modifiers.new("Subdivision", "SUBSURF")
    modifier.levels = modifier.render_levels = levels
    return target


def box(
    name: str,
    size: Point,
    location: Point,
    material: bpy.types.Material,
    *,
    rounded: float = 0.0,
    segments: int = 3,
    rotation: Point = (0, 0, 0),
    group: bpy.types.Collection | None = None,
) -> bpy.types.Object:
    """A box around `location`."""
    x, y, z = (side / 2 for side in size)
    corners = [(sx * x, sy * y, sz * z) for sz in (-1, 1) for sy in (-1, 1) for sx in (-1, 1)]
    faces = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
    data = mesh(name, corners, faces, material, smooth=rounded > 0)
    if rounded > 0:  # the bevel makes the shape round: no edge of the box itself stays sharp
        data.set_sharp_from_angle(angle=math.pi)
    return bevel(link(name, data, location, rotation, collection=group), rounded, segments)


def prism(
    name: str,
    outline: Sequence[tuple[float, float]],
    depth: float,
    location: Point,
    material: bpy.types.Material,
    *,
    rounded: float = 0.0,
    segments: int = 3,
    rotation: Point = (0, 0, 0),
    group: bpy.types.Collection | None = None,
) -> bpy.types.Object:
    """An outline in the XZ plane, counter-clockwise as seen from -Y, extruded along Y."""
    count = len(outline)
    vertices = [(x, y, z) for y in (-depth / 2, depth / 2) for x, z in outline]
    sides = [(i, i + count, (i + 1) % count + count, (i + 1) % count) for i in range(count)]
    faces = [tuple(range(count)), tuple(reversed(range(count, 2 * count))), *sides]
    data = mesh(name, vertices, faces, material)
    if rounded > 0:
        data.set_sharp_from_angle(angle=math.pi)
    return bevel(link(name, data, location, rotation, collection=group), rounded, segments)


def lathe(
    name: str,
    profile: Sequence[tuple[float, float]],
    location: Point,
    material: bpy.types.Material,
    *,
    around: int = 64,
    rounded: float = 0.0,
    rotation: Point = (0, 0, 0),
    scale: Point | float = 1.0,
    group: bpy.types.Collection | None = None,
) -> bpy.types.Object:
    """A profile of (radius, height), from below upwards on the outside, turned around Z."""
    vertices: list[Point] = []
    rings: list[list[int]] = []
    for radius, height in profile:
        start = len(vertices)
        if radius <= 1e-9:
            vertices.append((0.0, 0.0, height))
            rings.append([start] * around)
            continue
        for step in range(around):
            angle = 2 * math.pi * step / around
            vertices.append((radius * math.cos(angle), radius * math.sin(angle), height))
        rings.append(list(range(start, start + around)))
    faces = []
    for below, above in itertools.pairwise(rings):
        for step in range(around):
            after = (step + 1) % around
            corners = (below[step], below[after], above[after], above[step])
            unique = tuple(dict.fromkeys(corners))
            if len(unique) > 2:
                faces.append(unique)
    data = mesh(name, vertices, faces, material)
    if rounded > 0:
        data.set_sharp_from_angle(angle=math.pi)
    return bevel(link(name, data, location, rotation, scale, group), rounded, 3)


def cylinder(
    name: str,
    radius: float,
    height: float,
    location: Point,
    material: bpy.types.Material,
    *,
    rounded: float = 0.0,
    rotation: Point = (0, 0, 0),
    around: int = 64,
    group: bpy.types.Collection | None = None,
) -> bpy.types.Object:
    """A cylinder that stands on `location`."""
    profile = [(0, 0), (radius, 0), (radius, height), (0, height)]
    return lathe(
        name,
        profile,
        location,
        material,
        rounded=rounded,
        rotation=rotation,
        around=around,
        group=group,
    )


def ball(
    name: str,
    radius: float,
    location: Point,
    material: bpy.types.Material,
    *,
    scale: Point = (1, 1, 1),
    rotation: Point = (0, 0, 0),
    around: int = 48,
    group: bpy.types.Collection | None = None,
) -> bpy.types.Object:
    half = around // 2
    profile = [
        (radius * math.sin(math.pi * i / half), -radius * math.cos(math.pi * i / half))
        for i in range(half + 1)
    ]
    profile[0], profile[-1] = (0, -radius), (0, radius)
    return lathe(
        name,
        profile,
        location,
        material,
        around=around,
        rotation=rotation,
        scale=scale,
        group=group,
    )


def tube(
    name: str,
    points: Sequence[Point],
    radius: float,
    material: bpy.types.Material,
    *,
    closed: bool = False,
    straight: bool = False,
    location: Point = (0, 0, 0),
    group: bpy.types.Collection | None = None,
) -> bpy.types.Object:
    """A round rod through the points, as a curve."""
    data = bpy.data.curves.new(name, "CURVE")
    data.dimensions = "3D"
    data.bevel_depth = radius
    data.bevel_resolution = 6
    data.use_fill_caps = True
    data.resolution_u = 16
    data.materials.append(material)
    spline = data.splines.new("POLY" if straight else "BEZIER")
    if straight:
        spline.points.add(len(points) - 1)
        for point, co in zip(spline.points, points, strict=True):
            point.co = (*co, 1.0)
    else:
        spline.bezier_points.add(len(points) - 1)
        for knot, co in zip(spline.bezier_points, points, strict=True):
            knot.co = co
            knot.handle_left_type = knot.handle_right_type = "AUTO"
    spline.use_cyclic_u = closed
    return link(name, data, location, collection=group)


def surface(
    name: str,
    shape: Callable[[float, float], Point],
    across: int,
    along: int,
    material: bpy.types.Material,
    *,
    thickness: float = 0.0,
    location: Point = (0, 0, 0),
    rotation: Point = (0, 0, 0),
    scale: Point | float = 1.0,
    group: bpy.types.Collection | None = None,
) -> bpy.types.Object:
    """A grid of `shape(u, v)`, u and v from 0 to 1."""
    vertices = [shape(i / across, j / along) for j in range(along + 1) for i in range(across + 1)]
    row = across + 1
    faces = [
        (j * row + i, j * row + i + 1, (j + 1) * row + i + 1, (j + 1) * row + i)
        for j in range(along)
        for i in range(across)
    ]
    data = mesh(name, vertices, faces, material)
    data.set_sharp_from_angle(angle=math.pi)
    made = link(name, data, location, rotation, scale, group)
    if thickness > 0:
        solid = made.modifiers.new("Solidify", "SOLIDIFY")
        solid.thickness = thickness
    return made


def rounded_outline(
    width: float, height: float, radius: float, steps: int = 8
) -> list[tuple[float, float]]:
    """A rectangle around the origin with round corners, counter-clockwise."""
    corners = ((1, -1, -90), (1, 1, 0), (-1, 1, 90), (-1, -1, 180))
    points = []
    for sx, sz, start in corners:
        for step in range(steps + 1):
            angle = math.radians(start + 90 * step / steps)
            points.append(
                (
                    sx * (width / 2 - radius) + radius * math.cos(angle),
                    sz * (height / 2 - radius) + radius * math.sin(angle),
                )
            )
    return points


def arch_outline(width: float, height: float, steps: int = 32) -> list[tuple[float, float]]:
    """An arch that stands on z = 0, counter-clockwise."""
    radius = width / 2
    curve = [
        (
            radius * math.cos(math.pi * i / steps),
            height - radius + radius * math.sin(math.pi * i / steps),
        )
        for i in range(steps + 1)
    ]
    return [(-radius, 0.0), (radius, 0.0), *curve]


# --- cameras and lights ---------------------------------------------------------------------------


def aim(location: Point, target: Point, roll: float = 0.0) -> Matrix:
    """The matrix of something at `location` that looks (along -Z) at `target`."""
    direction = Vector(target) - Vector(location)
    turn = direction.to_track_quat("-Z", "Y").to_matrix().to_4x4()
    return Matrix.Translation(location) @ turn @ Matrix.Rotation(math.radians(roll), 4, "Z")


def camera(
    name: str,
    location: Point,
    target: Point,
    lens: float = 50.0,
    *,
    focus: bpy.types.Object | None = None,
    fstop: float = 2.8,
    shift: tuple[float, float] = (0.0, 0.0),
) -> bpy.types.Object:
    data = bpy.data.cameras.new(name)
    data.lens = lens
    data.clip_start = 0.02
    data.clip_end = 500.0
    data.shift_x, data.shift_y = shift
    if focus is not None:
        data.dof.use_dof = True
        data.dof.focus_object = focus
        data.dof.aperture_fstop = fstop
    made = link(name, data)
    made.matrix_world = aim(location, target)
    if bpy.context.scene.camera is None:
        bpy.context.scene.camera = made
    return made


def area_light(
    name: str,
    location: Point,
    target: Point,
    size: tuple[float, float],
    watts: float,
    color: Color = (1, 1, 1),
) -> bpy.types.Object:
    data = bpy.data.lights.new(name, "AREA")
    data.shape = "RECTANGLE"
    data.size, data.size_y = size
    data.energy = watts
    data.color = color
    made = link(name, data)
    made.matrix_world = aim(location, target)
    return made


def sun(direction_from: Point, strength: float, color: Color, angle: float = 0.6) -> None:
    data = bpy.data.lights.new("Sun", "SUN")
    data.energy = strength
    data.color = color
    data.angle = math.radians(angle)
    made = link("Sun", data)
    made.matrix_world = aim(direction_from, (0, 0, 0))


def point_light(
    name: str, location: Point, watts: float, color: Color, radius: float = 0.05
) -> bpy.types.Object:
    data = bpy.data.lights.new(name, "POINT")
    data.energy = watts
    data.color = color
    data.shadow_soft_size = radius
    return link(name, data, location)


def sky(stops: Sequence[tuple[float, Color]], strength: float = 1.0) -> None:
    """A world that goes through `stops` (position 0: straight down, 1: straight up)."""
    world = bpy.data.worlds.new("World")
    bpy.context.scene.world = world
    if bpy.app.version < (5, 0, 0):
        world.use_nodes = True
    tree = world.node_tree
    tree.nodes.clear()
    output = tree.nodes.new("ShaderNodeOutputWorld")
    background = tree.nodes.new("ShaderNodeBackground")
    background.inputs["Strength"].default_value = strength
    coordinates = tree.nodes.new("ShaderNodeTexCoord")
    separate = tree.nodes.new("ShaderNodeSeparateXYZ")
    spread = tree.nodes.new("ShaderNodeMapRange")
    spread.inputs["From Min"].default_value = -1.0
    ramp = _ramp(tree, stops)
    tree.links.new(coordinates.outputs["Generated"], separate.inputs[0])
    tree.links.new(separate.outputs["Z"], spread.inputs["Value"])
    tree.links.new(spread.outputs["Result"], ramp.inputs["Fac"])
    tree.links.new(ramp.outputs["Color"], background.inputs["Color"])
    tree.links.new(background.outputs[0], output.inputs["Surface"])


# --- materials ----------------------------------------------------------------------------------


def _ramp(tree: bpy.types.NodeTree, stops: Sequence[tuple[float, Color]]) -> bpy.types.Node:
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    elements = ramp.color_ramp.elements
    while len(elements) > 1:
        elements.remove(elements[-1])
    for index, (position, color) in enumerate(stops):
        element = elements[0] if index == 0 else elements.new(position)
        element.position = position
        element.color = (*color, 1.0)
    return ramp


def material(
    name: str,
    color: Color,
    roughness: float = 0.5,
    metallic: float = 0.0,
    *,
    coat: float = 0.0,
    sheen: float = 0.0,
    transmission: float = 0.0,
    ior: float = 1.5,
    alpha: float = 1.0,
    subsurface: float = 0.0,
    emission: float = 0.0,
    bump: tuple[float, float] | None = None,
    mottle: tuple[float, float] | None = None,
) -> bpy.types.Material:
    """A Principled material. bump and mottle: (scale, strength) of noise in height or colour.

    The viewport's Solid mode shows the same colour.
    """
    made, tree, shader = _principled(name)
    made.diffuse_color = (*color, 1.0)
    made.roughness, made.metallic = roughness, metallic
    values = {
        "Base Color": (*color, 1.0),
        "Roughness": roughness,
        "Metallic": metallic,
        "IOR": ior,
        "Alpha": alpha,
        "Coat Weight": coat,
        "Sheen Weight": sheen,
        "Transmission Weight": transmission,
        "Subsurface Weight": subsurface,
        "Emission Color": (*color, 1.0),
        "Emission Strength": emission,
    }
    for socket, value in values.items():
        shader.inputs[socket].default_value = value
    if subsurface > 0:
        shader.inputs["Subsurface Scale"].default_value = 0.01
    if mottle is not None:
        scale, strength = mottle
        noise = _noise(tree, scale)
        dark = tuple(c * (1 - strength) for c in color)
        light = tuple(min(1.0, c * (1 + strength)) for c in color)
        ramp = _ramp(tree, [(0.3, dark), (0.7, light)])
        tree.links.new(noise.outputs[0], ramp.inputs["Fac"])
        tree.links.new(ramp.outputs["Color"], shader.inputs["Base Color"])
    if bump is not None:
        _bump(tree, shader, _noise(tree, bump[0]).outputs[0], bump[1])
    return made


def wood(
    name: str, dark: Color, light: Color, *, scale: float = 1.0, roughness: float = 0.4
) -> bpy.types.Material:
    """Grain along the object's X."""
    made, tree, shader = _principled(name)
    made.diffuse_color = (*(0.5 * (d + w) for d, w in zip(dark, light, strict=True)), 1.0)
    made.roughness = roughness
    stretch = _mapping(tree, (0.6 * scale, 8 * scale, 8 * scale))
    warp = _noise(tree, 2.5, stretch, detail=6.0)
    rings = tree.nodes.new("ShaderNodeTexWave")
    rings.inputs["Scale"].default_value = 1.2
    rings.inputs["Distortion"].default_value = 7.0
    rings.inputs["Detail"].default_value = 3.0
    tree.links.new(stretch.outputs[0], rings.inputs["Vector"])
    grain = tree.nodes.new("ShaderNodeMath")
    grain.operation = "MULTIPLY_ADD"
    grain.inputs[1].default_value = 0.45
    tree.links.new(rings.outputs["Fac"], grain.inputs[0])
    tree.links.new(warp.outputs[0], grain.inputs[2])
    ramp = _ramp(tree, [(0.35, dark), (0.95, light)])
    tree.links.new(grain.outputs[0], ramp.inputs["Fac"])
    tree.links.new(ramp.outputs["Color"], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = roughness
    _bump(tree, shader, grain.outputs[0], 0.06)
    return made


def bricks(
    name: str,
    first: Color,
    second: Color,
    mortar: Color,
    size: tuple[float, float],
    *,
    gap: float = 0.012,
    roughness: float = 0.7,
    strength: float = 0.25,
    upright: bool = False,
) -> bpy.types.Material:
    """Bricks, tiles or planks of `size` metres on the object's XY (or, upright, XZ) plane."""
    made, tree, shader = _principled(name)
    made.diffuse_color = (*(0.5 * (a + b) for a, b in zip(first, second, strict=True)), 1.0)
    made.roughness = roughness
    plane = _mapping(tree, (1, 1, 1), rotation=(math.radians(-90) if upright else 0.0, 0, 0))
    pattern = tree.nodes.new("ShaderNodeTexBrick")
    pattern.inputs["Color1"].default_value = (*first, 1)
    pattern.inputs["Color2"].default_value = (*second, 1)
    pattern.inputs["Mortar"].default_value = (*mortar, 1)
    pattern.inputs["Scale"].default_value = 1.0
    pattern.inputs["Brick Width"].default_value = size[0]
    pattern.inputs["Row Height"].default_value = size[1]
    pattern.inputs["Mortar Size"].default_value = gap
    pattern.inputs["Mortar Smooth"].default_value = 0.3
    tree.links.new(plane.outputs[0], pattern.inputs["Vector"])
    tree.links.new(pattern.outputs["Color"], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = roughness
    _bump(tree, shader, pattern.outputs["Fac"], -strength)
    return made


def speckled(
    name: str, base: Color, specks: Sequence[Color], scale: float, roughness: float = 0.3
) -> bpy.types.Material:
    """Terrazzo: chips of several colours in a base."""
    made, tree, shader = _principled(name)
    made.diffuse_color = (*base, 1.0)
    cells = tree.nodes.new("ShaderNodeTexVoronoi")
    cells.inputs["Scale"].default_value = scale
    tree.links.new(_mapping(tree, (1, 1, 1)).outputs[0], cells.inputs["Vector"])
    share = 0.34 / len(specks)
    stops = [(0.0, base)]
    for index, speck in enumerate(specks):
        stops += [(0.66 + index * share, speck)]
    colors = _ramp(tree, stops)
    colors.color_ramp.interpolation = "CONSTANT"
    tree.links.new(cells.outputs["Color"], colors.inputs["Fac"])
    tree.links.new(colors.outputs["Color"], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = roughness
    return made


def _principled(name: str) -> tuple[bpy.types.Material, bpy.types.NodeTree, bpy.types.Node]:
    made = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0, 0):
        made.use_nodes = True
    tree = made.node_tree
    tree.nodes.clear()
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    shader = tree.nodes.new("ShaderNodeBsdfPrincipled")
    tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
    return made, tree, shader


def _mapping(tree: bpy.types.NodeTree, scale: Point, rotation: Point = (0, 0, 0)) -> bpy.types.Node:
    coordinates = tree.nodes.new("ShaderNodeTexCoord")
    mapping = tree.nodes.new("ShaderNodeMapping")
    mapping.inputs["Scale"].default_value = scale
    mapping.inputs["Rotation"].default_value = rotation
    tree.links.new(coordinates.outputs["Object"], mapping.inputs["Vector"])
    return mapping


def _noise(
    tree: bpy.types.NodeTree,
    scale: float,
    mapping: bpy.types.Node | None = None,
    detail: float = 3.0,
) -> bpy.types.Node:
    noise = tree.nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value = scale
    noise.inputs["Detail"].default_value = detail
    mapping = mapping or _mapping(tree, (1, 1, 1))
    tree.links.new(mapping.outputs[0], noise.inputs["Vector"])
    return noise


def _bump(
    tree: bpy.types.NodeTree,
    shader: bpy.types.Node,
    height: bpy.types.NodeSocket,
    strength: float,
) -> None:
    node = tree.nodes.new("ShaderNodeBump")
    node.invert = strength < 0
    node.inputs["Strength"].default_value = abs(strength)
    node.inputs["Distance"].default_value = 0.01
    tree.links.new(height, node.inputs["Height"])
    tree.links.new(node.outputs["Normal"], shader.inputs["Normal"])


# --- the scene ----------------------------------------------------------------------------------


def look(view_transform: str = "AgX", contrast: str = "None", exposure: float = 0.0) -> None:
    """Render settings that every sample scene shares, and its colours."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = 64
    scene.cycles.use_denoising = True
    scene.render.resolution_x, scene.render.resolution_y = 1600, 1000
    scene.view_settings.view_transform = view_transform
    if contrast != "None":
        scene.view_settings.look = contrast
    scene.view_settings.exposure = exposure
    scene.display.shading.light = "STUDIO"
    scene.display.shading.color_type = "MATERIAL"
    scene.display.shading.show_cavity = True
    scene.display.shading.show_shadows = True
