# SPDX-License-Identifier: GPL-3.0-or-later
"""Canvases of analytic scenes, ray-traced with numpy: what a capture would give, without Blender.

World space is Z up, in metres. Colours are linear sRGB. Depth and normals are those of the
pixel's centre; colour, alpha and albedo are the mean of `samples`² rays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from genai_render.core.view.canvas import Canvas, View

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Sphere:
    center: Vector
    radius: float
    color: Vector = (0.6, 0.6, 0.6)
    emission: float = 0.0

    def hit(self, origin, direction):
        offset = origin - np.asarray(self.center)
        b = np.sum(offset * direction, -1)
        disc = b * b - np.sum(offset * offset, -1) + self.radius**2
        root = np.sqrt(np.maximum(disc, 0))
        near, far = -b - root, -b + root
        t = np.where(near > 1e-4, near, far)
        t = np.where((disc > 0) & (t > 1e-4), t, np.inf)
        point = origin + np.where(np.isfinite(t), t, 0)[..., None] * direction
        return t, (point - np.asarray(self.center)) / self.radius


@dataclass(frozen=True)
class Box:
    low: Vector
    high: Vector
    color: Vector = (0.6, 0.6, 0.6)
    emission: float = 0.0

    def hit(self, origin, direction):
        safe = np.where(np.abs(direction) < 1e-9, 1e-9, direction)
        a = (np.asarray(self.low) - origin) / safe
        b = (np.asarray(self.high) - origin) / safe
        entry, leave = np.minimum(a, b), np.maximum(a, b)
        near, far = entry.max(-1), leave.min(-1)
        inside = near <= 1e-4
        t = np.where(inside, far, near)
        axis = np.where(inside, leave.argmin(-1), entry.argmax(-1))
        t = np.where((far > near) & (t > 1e-4), t, np.inf)
        normal = np.zeros(np.broadcast_shapes(origin.shape, direction.shape))
        np.put_along_axis(normal, axis[..., None], 1.0, -1)
        sign = -np.sign(np.sum(normal * direction, -1, keepdims=True))
        return t, normal * sign


@dataclass(frozen=True)
class Ground:
    """A horizontal square floor around the origin."""

    height: float = 0.0
    half: float = 50.0
    color: Vector = (0.55, 0.53, 0.5)
    emission: float = 0.0

    def hit(self, origin, direction):
        down = np.where(np.abs(direction[..., 2]) < 1e-9, 1e-9, direction[..., 2])
        t = (self.height - origin[..., 2]) / down
        safe = np.where(np.isfinite(t), t, 0)
        x = origin[..., 0] + safe * direction[..., 0]
        y = origin[..., 1] + safe * direction[..., 1]
        t = np.where((t > 1e-4) & (np.abs(x) < self.half) & (np.abs(y) < self.half), t, np.inf)
        normal = np.zeros(np.broadcast_shapes(origin.shape, direction.shape))
        normal[..., 2] = np.where(direction[..., 2] < 0, 1.0, -1.0)
        return t, normal


Thing = Sphere | Box | Ground


@dataclass(frozen=True)
class Scene:
    things: tuple[Thing, ...]
    eye: Vector
    target: Vector
    sun: Vector = (-0.45, -0.6, 0.75)
    sun_power: float = 2.2
    sky: Vector = (0.45, 0.5, 0.6)
    lens_mm: float = 35.0
    ortho_scale: float = 5.0


def product() -> Scene:
    return Scene(
        (
            Ground(half=6, color=(0.6, 0.58, 0.55)),
            Box((-0.9, -0.3, 0), (0.5, 0.9, 0.2), (0.05, 0.05, 0.055)),
            Box((-0.7, 0.3, 0.2), (0.3, 0.85, 1.7), (0.7, 0.09, 0.05)),
            Box((-0.75, -0.35, 1.3), (0.35, 0.85, 1.75), (0.72, 0.1, 0.055)),
            Sphere((-0.25, -0.1, 0.45), 0.25, (0.85, 0.82, 0.76)),
            Sphere((1.2, 0.2, 0.45), 0.45, (0.05, 0.42, 0.42)),
            Sphere((-1.5, -0.1, 0.25), 0.25, (0.8, 0.4, 0.05)),
            Sphere((-1.2, -0.5, 0.2), 0.2, (0.25, 0.55, 0.08)),
        ),
        (1.6, -5.2, 2.6),
        (-0.1, 0.1, 0.75),
    )


def street() -> Scene:
    things: list[Thing] = [Ground(half=120, color=(0.09, 0.09, 0.1))]
    random = np.random.default_rng(3)
    for side in (-1, 1):
        y = 0.0
        while y < 90:
            depth = float(random.uniform(7, 12))
            height = float(random.uniform(7, 22))
            tint = [(0.55, 0.5, 0.42), (0.6, 0.6, 0.62), (0.45, 0.25, 0.17)][random.integers(3)]
            x = sorted((side * 8.0, side * 16.0))
            things.append(Box((x[0], y, 0), (x[1], y + depth, height), tint))
            y += depth + 0.4
        pavement = sorted((side * 5.0, side * 8.0))
        things.append(Box((pavement[0], -20, 0), (pavement[1], 90, 0.16), (0.42, 0.41, 0.4)))
        for y in range(3, 60, 9):
            things.append(Sphere((side * 6.4, y, 3.6), 1.5, (0.12, 0.3, 0.06)))
            things.append(
                Box(
                    (side * 6.4 - 0.15, y - 0.15, 0),
                    (side * 6.4 + 0.15, y + 0.15, 2.4),
                    (0.2, 0.11, 0.06),
                )
            )
            things.append(Sphere((side * 5.3, y + 4, 4.2), 0.22, (1, 0.8, 0.5), 8.0))
    things.append(Box((1.2, 6, 0.35), (3.1, 10, 1.1), (0.62, 0.05, 0.03)))
    things.append(Box((1.35, 7, 1.1), (2.95, 9.4, 1.65), (0.06, 0.07, 0.09)))
    things.append(Box((-3.1, 16, 0.35), (-1.3, 20, 1.5), (0.6, 0.6, 0.6)))
    return Scene(tuple(things), (0.4, -7.5, 2.1), (0.1, 20, 3.2), (0.5, -0.35, 0.8), lens_mm=28)


def interior() -> Scene:
    return Scene(
        (
            Box((-3, -4, 0), (3, 3, 2.7), (0.72, 0.69, 0.64)),
            Box((-2.9, -3.9, 0), (2.9, 2.9, 0.02), (0.35, 0.2, 0.1)),
            Box((-1.4, 1.6, 0.15), (1.4, 2.6, 0.5), (0.25, 0.33, 0.38)),
            Box((-1.4, 2.3, 0.5), (1.4, 2.7, 1.0), (0.25, 0.33, 0.38)),
            Box((-0.7, -0.2, 0.4), (0.7, 0.6, 0.47), (0.4, 0.22, 0.1)),
            Box((-0.65, -0.15, 0), (-0.55, -0.05, 0.4), (0.4, 0.22, 0.1)),
            Box((0.55, -0.15, 0), (0.65, -0.05, 0.4), (0.4, 0.22, 0.1)),
            Sphere((0.1, 0.2, 0.62), 0.15, (0.8, 0.75, 0.65)),
            Sphere((2.2, 2.1, 1.6), 0.26, (1.0, 0.82, 0.6), 6.0),
            Box((2.17, 2.07, 0), (2.23, 2.13, 1.4), (0.1, 0.1, 0.1)),
            Box((-0.9, 2.95, 1.3), (0.1, 3.0, 2.0), (0.75, 0.35, 0.08)),
            Sphere((-2.3, 1.9, 0.5), 0.4, (0.08, 0.25, 0.07)),
        ),
        (0.3, -3.6, 1.5),
        (0, 1.5, 0.95),
        (-0.3, -0.8, 0.6),
        0.4,
        lens_mm=26,
    )


def default_cube() -> Scene:
    """What a new user sees first: one grey cube and nothing else."""
    cube = Box((-1, -1, -1), (1, 1, 1), (0.8, 0.8, 0.8))
    return Scene((cube,), (7.36, -6.93, 4.96), (0, 0, 0), lens_mm=50)


SCENES = {
    "product": product,
    "street": street,
    "interior": interior,
    "default_cube": default_cube,
}


def canvas(
    name: str | Scene = "product",
    width: int = 256,
    height: int = 192,
    *,
    projection: str = "PERSP",
    albedo: bool = True,
    background: bool = False,
    samples: int = 2,
    engine: str = "CYCLES",
    focus: float | None = None,
) -> Canvas:
    """A Canvas of one of SCENES, or of a scene that a test has made.

    background: the sky is in the colour, with alpha 1; else alpha is coverage.
    engine "SOLID": lit from the camera, as Blender's Solid view is; else a sun and a sky.
    """
    scene = name if isinstance(name, Scene) else SCENES[name]()
    eye = np.asarray(scene.eye, float)
    ahead = _unit(np.asarray(scene.target, float) - eye)
    level = np.cross(ahead, (0, 0, 1))
    right = _unit(level) if np.linalg.norm(level) > 1e-6 else np.array([1.0, 0, 0])
    up = np.cross(right, ahead)
    to_world = np.eye(4)
    to_world[:3, 0], to_world[:3, 1], to_world[:3, 2], to_world[:3, 3] = right, up, -ahead, eye
    near, far = 0.1, 500.0
    matrix = np.zeros((4, 4))
    if projection == "PERSP":
        slope = 36 / 2 / scene.lens_mm  # half the sensor's larger side over the focal length
        across = slope if width >= height else slope * width / height
        matrix[0, 0], matrix[1, 1] = 1 / across, width / height / across
        matrix[2, 2], matrix[2, 3] = -(far + near) / (far - near), -2 * far * near / (far - near)
        matrix[3, 2] = -1
    else:
        across = scene.ortho_scale / 2
        matrix[0, 0], matrix[1, 1] = 1 / across, width / height / across
        matrix[2, 2], matrix[2, 3] = -2 / (far - near), -(far + near) / (far - near)
        matrix[3, 3] = 1

    def rays(offset_x: float, offset_y: float):
        x = ((np.arange(width) + offset_x) / width * 2 - 1) / matrix[0, 0]
        y = (1 - (np.arange(height) + offset_y) / height * 2) / matrix[1, 1]
        x, y = np.meshgrid(x, y)
        if projection == "PERSP":
            local = np.stack((x, y, -np.ones_like(x)), -1)
            local /= np.linalg.norm(local, axis=-1, keepdims=True)
            return np.broadcast_to(eye, local.shape), local @ to_world[:3, :3].T
        local = np.stack((x, y, np.zeros_like(x)), -1)
        return local @ to_world[:3, :3].T + eye, np.broadcast_to(ahead, local.shape)

    origin, direction = rays(0.5, 0.5)
    t, normal, _ = _trace(scene, origin, direction)
    covered = np.isfinite(t)
    with np.errstate(invalid="ignore"):
        depth = np.where(covered, t * (direction @ ahead), np.inf).astype(np.float32)
    normal = np.where(covered[..., None], normal @ to_world[:3, :3], 0).astype(np.float32)

    color = np.zeros((height, width, 3))
    base = np.zeros((height, width, 3))
    alpha = np.zeros((height, width))
    for i in range(samples * samples):
        origin, direction = rays((i % samples + 0.5) / samples, (i // samples + 0.5) / samples)
        shaded, flat, hit = _shade(scene, origin, direction, engine, right, up)
        color += np.clip(shaded, 0, 1) * hit[..., None]
        base += flat * hit[..., None]
        alpha += hit
    count = samples * samples
    share = np.maximum(alpha, 1)[..., None]
    straight, base, alpha = color / share, base / share, alpha / count
    if background:
        _, direction = rays(0.5, 0.5)
        lift = np.clip(direction[..., 2:], 0, 1)
        sky = np.asarray(scene.sky) * (1.1 - 0.5 * lift)
        straight = straight * alpha[..., None] + sky * (1 - alpha[..., None])
        alpha = np.ones_like(alpha)
    view = View(
        width,
        height,
        projection,  # pyright: ignore[reportArgumentType]
        tuple(tuple(float(v) for v in row) for row in matrix),
        tuple(tuple(float(v) for v in row) for row in to_world),
        near,
        far,
        lens_mm=scene.lens_mm if projection == "PERSP" else None,
        focus_distance=focus,
        engine=engine,
        scene=name if isinstance(name, str) else "",
    )
    rgba = np.concatenate((_srgb(straight), alpha[..., None]), -1)
    return Canvas(
        np.round(rgba * 255).astype(np.uint8),
        depth,
        normal,
        view,
        np.round(_srgb(base) * 255).astype(np.uint8) if albedo else None,
    )


def without_albedo(canvas: Canvas) -> Canvas:
    return replace(canvas, albedo=None)


def _unit(vector):
    return vector / np.linalg.norm(vector)


def _srgb(linear):
    linear = np.clip(linear, 0, 1)
    return np.where(linear < 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def _trace(scene: Scene, origin, direction):
    best = np.full(direction.shape[:-1], np.inf)
    normal = np.zeros(direction.shape)
    which = np.full(direction.shape[:-1], -1)
    for index, thing in enumerate(scene.things):
        t, n = thing.hit(origin, direction)
        closer = t < best
        best = np.where(closer, t, best)
        normal = np.where(closer[..., None], n, normal)
        which = np.where(closer, index, which)
    return best, normal, which


def _shade(scene: Scene, origin, direction, engine: str, right, up):
    t, normal, which = _trace(scene, origin, direction)
    hit = np.isfinite(t)
    colors = np.asarray([thing.color for thing in scene.things] + [(0, 0, 0)])
    glow = np.asarray([thing.emission for thing in scene.things] + [0.0])
    base = colors[which]
    if engine == "SOLID":
        lamp = _unit(-direction[direction.shape[0] // 2, direction.shape[1] // 2] + 0.4 * up)
        side = _unit(right * 0.8 + 0.5 * up)
        light = 0.25 + 0.55 * np.clip(normal @ lamp, 0, 1) + 0.2 * np.clip(normal @ side, 0, 1)
        return base * light[..., None], base, hit
    sun = _unit(np.asarray(scene.sun))
    point = origin + np.where(hit, t, 0)[..., None] * direction + normal * 1e-3
    blocked, _, _ = _trace(scene, point, np.broadcast_to(sun, point.shape))
    direct = np.clip(normal @ sun, 0, 1) * ~np.isfinite(blocked) * scene.sun_power
    sky = np.asarray(scene.sky) * (0.6 + 0.4 * normal[..., 2:])
    light = direct[..., None] * np.asarray((1.0, 0.93, 0.82)) + sky
    return base * (light * 0.6 + glow[which][..., None]), base, hit
