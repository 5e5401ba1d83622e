# SPDX-License-Identifier: GPL-3.0-or-later
"""Small scenes whose every pixel is known: a ball of radius 1 on a floor, and a camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Euler, Matrix, Vector
from numpy.typing import NDArray

from genai_render.core.view.canvas import Canvas, View

BALL = Vector((0.3, -0.2, 1.1))
FLOOR_Z = -0.4
FLOOR_HALF = 6.0


def material(name: str, color: tuple[float, float, float], emission: float = 0.0):
    made = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0, 0):
        made.use_nodes = True
    shader = next(n for n in made.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*color, 1)
    shader.inputs["Emission Color"].default_value = (*color, 1)
    shader.inputs["Emission Strength"].default_value = emission
    return made


def add(name: str, data, location=(0, 0, 0), rotation=(0, 0, 0), collection=None):
    made = bpy.data.objects.new(name, data)
    made.location = location
    made.rotation_euler = Euler([math.radians(angle) for angle in rotation])
    (collection or bpy.context.scene.collection).objects.link(made)
    return made


def ball(name="Ball", location=tuple(BALL), radius=1.0, around=512, paint=None, collection=None):
    """A smooth sphere, fine enough to be compared with a true one."""
    rings = around // 2
    theta = np.linspace(0, math.pi, rings + 1)[1:-1]
    phi = np.arange(around) * 2 * math.pi / around
    points = np.stack(
        [
            np.sin(theta)[:, None] * np.cos(phi),
            np.sin(theta)[:, None] * np.sin(phi),
            np.broadcast_to(np.cos(theta)[:, None], (rings - 1, around)),
        ],
        axis=-1,
    ).reshape(-1, 3)
    points = np.concatenate([points, [[0, 0, 1], [0, 0, -1]]]) * radius
    grid = np.arange((rings - 1) * around).reshape(rings - 1, around)
    after = np.roll(grid, -1, axis=1)
    quads = np.stack([grid[:-1], grid[1:], after[1:], after[:-1]], axis=-1).reshape(-1, 4)
    top, bottom = len(points) - 2, len(points) - 1
    caps = [(top, grid[0, i], after[0, i]) for i in range(around)]
    caps += [(bottom, after[-1, i], grid[-1, i]) for i in range(around)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points.tolist(), [], [*quads.tolist(), *caps])
    mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
    if paint is not None:
        mesh.materials.append(paint)
    return add(name, mesh, location, collection=collection)


def plane(
    name="Floor",
    half=FLOOR_HALF,
    location=(0, 0, FLOOR_Z),
    rotation=(0, 0, 0),
    paint=None,
    collection=None,
):
    corners = [(-half, -half, 0), (half, -half, 0), (half, half, 0), (-half, half, 0)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    if paint is not None:
        mesh.materials.append(paint)
    return add(name, mesh, location, rotation, collection)


def camera(name="Camera", location=(3.2, -6.1, 2.9), target=tuple(BALL), lens=45.0, roll=7.0):
    data = bpy.data.cameras.new(name)
    data.lens = lens
    made = add(name, data)
    look = (Vector(target) - Vector(location)).to_track_quat("-Z", "Y").to_matrix().to_4x4()
    made.matrix_world = (
        Matrix.Translation(location) @ look @ Matrix.Rotation(math.radians(roll), 4, "Z")
    )
    if bpy.context.scene.camera is None:
        bpy.context.scene.camera = made
    return made


def light(strength=3.0):
    data = bpy.data.lights.new("Sun", "SUN")
    data.energy = strength
    return add("Sun", data, (0, 0, 5), (35, 20, 0))


def build(around=512):
    """The ball, the floor, a sun and the camera, 320 × 200 in Cycles."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 4
    scene.render.resolution_x, scene.render.resolution_y = 320, 200
    ball(around=around, paint=material("Red", (0.8, 0.1, 0.05)))
    plane(paint=material("Gray", (0.4, 0.4, 0.4)))
    light()
    made = camera()
    bpy.context.view_layer.update()
    return made


@dataclass
class Truth:
    """What geometry says. depth +inf and normal 0 where a pixel's ray meets nothing."""

    depth: NDArray[np.float64]
    normal: NDArray[np.float64]
    inner: NDArray[np.bool_]  # at least two pixels from any change of surface


def truth(view: View, metres: float = 1.0) -> Truth:
    """The ball and the floor as seen through the view's own matrices. metres: of a Blender unit."""
    xs = (np.arange(view.width) + 0.5) / view.width * 2 - 1
    ys = 1 - (np.arange(view.height) + 0.5) / view.height * 2
    clip = np.empty((view.height, view.width, 4))
    clip[..., 0], clip[..., 1] = xs, ys[:, None]
    back = np.linalg.inv(np.array(view.projection_matrix, np.float64))

    def unproject(z: float) -> NDArray[np.float64]:
        clip[..., 2], clip[..., 3] = z, 1
        point = clip @ back.T
        return point[..., :3] / point[..., 3:]

    near, far = unproject(-1.0), unproject(0.5)
    world = np.array(view.camera_to_world, np.float64)
    start = near @ world[:3, :3].T + world[:3, 3]
    along = (far - near) @ world[:3, :3].T
    along /= np.linalg.norm(along, axis=-1, keepdims=True)

    center = np.array(BALL) * metres
    offset = start - center
    b = (offset * along).sum(-1)
    inside = b * b - (offset**2).sum(-1) + metres**2
    with np.errstate(invalid="ignore", divide="ignore"):
        hit_ball = np.where(inside > 0, -b - np.sqrt(inside), np.inf)
        hit_floor = (FLOOR_Z * metres - start[..., 2]) / along[..., 2]
    hit_ball[hit_ball <= 0] = np.inf
    hit_floor[~(hit_floor > 0)] = np.inf
    spot = start + along * np.where(np.isfinite(hit_floor), hit_floor, 0)[..., None]
    hit_floor[(np.abs(spot[..., :2]) > FLOOR_HALF * metres).any(-1)] = np.inf
    distance = np.minimum(hit_ball, hit_floor)
    kind = np.where(~np.isfinite(distance), 0, np.where(hit_ball < hit_floor, 1, 2))
    place = start + along * np.where(np.isfinite(distance), distance, 0)[..., None]
    depth = -((place - world[:3, 3]) @ world[:3, :3])[..., 2]
    normal = np.where((kind == 1)[..., None], (place - center) / metres, [0.0, 0.0, 1.0])
    normal = normal @ world[:3, :3]
    depth[kind == 0] = np.inf
    normal[kind == 0] = 0
    inner = np.ones(kind.shape, bool)
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            inner &= np.roll(kind, (dy, dx), (0, 1)) == kind
    inner[:2] = inner[-2:] = inner[:, :2] = inner[:, -2:] = False
    return Truth(depth, normal, inner)


def angles(first: NDArray, second: NDArray) -> NDArray[np.float64]:
    """Degrees between unit vectors."""
    apart = np.linalg.norm(np.asarray(first, np.float64) - second, axis=-1)
    return np.degrees(2 * np.arcsin(np.clip(apart / 2, 0, 1)))


def grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True also beside True."""
    padded = np.pad(mask, 1)
    height, width = mask.shape
    return np.any(
        [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)], axis=0
    )


def agree_to_a_pixel(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> bool:
    return bool((first <= grown(second)).all() and (second <= grown(first)).all())


def check_against_truth(canvas: Canvas, metres: float = 1.0) -> None:
    """Depth within 1e-4 on 99.9 % of pixels; normals within 0.1° mean, 0.5° on 99.9 %."""
    known = truth(canvas.view, metres)
    surface = np.isfinite(known.depth) & known.inner
    assert surface.mean() > 0.2, "the test's own scene fills too little of the picture"
    assert canvas.covered[surface].all()
    assert agree_to_a_pixel(canvas.covered, np.isfinite(known.depth))
    relative = np.abs(canvas.depth[surface] - known.depth[surface]) / known.depth[surface]
    assert np.quantile(relative, 0.999) < 1e-4
    off = angles(canvas.normal[surface], known.normal[surface])
    assert off.mean() < 0.1
    assert np.quantile(off, 0.999) < 0.5
