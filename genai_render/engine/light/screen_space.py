# SPDX-License-Identifier: GPL-3.0-or-later
"""What light does between surfaces, found on the small picture: occlusion, bounce, shadow, mirror.

It knows only what is on screen: what is behind things or outside the frame casts nothing.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..look.look import Look
from ..raster.arrays import Plane, smoothstep
from ..raster.parallel import each_band, run_all
from ..scene.camera import Camera, Vector, dot
from ..scene.surfaces import FAR, Surfaces

# Interleaved 4 × 4 offsets: neighbours try different rays, and a 4 × 4 mean gathers them all.
_JITTER = (
    np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) + 0.5
) / 16


def occlusion(
    camera: Camera, surfaces: Surfaces, radius: float, directions: int = 12, levels: int = 6
) -> Plane:
    """How open each point is to the light around it, 0..1. radius: metres at depth `radius`' reach.

    Along each direction on screen the steepest neighbour counts, fading with its distance.
    """
    height, width = surfaces.depth.shape
    steps = _steps(min(height, width), levels)
    pad = steps[-1] + 2
    point = camera.positions(surfaces.depth)
    wide = np.stack([np.pad(axis, pad, mode="edge") for axis in point])
    wide[:, :pad] = wide[:, -pad:] = FAR
    wide[:, :, :pad] = wide[:, :, -pad:] = FAR
    normal = surfaces.normal
    reach = np.float32(1 / radius**2)
    bias = np.float32(0.06)

    def along(index: int) -> Plane:
        # Every second direction uses steps in between: fewer rings show.
        stretch = 1.0 if index % 2 else 1.35
        angle = 2 * math.pi * (index + 0.25) / directions
        highest = np.zeros((height, width), np.float32)
        for step in steps:
            dx = round(math.cos(angle) * step * stretch)
            dy = round(math.sin(angle) * step * stretch)
            dx, dy = (max(-pad, min(pad, v)) for v in (dx, dy))
            if not (dx or dy):
                continue
            there = wide[:, pad + dy : pad + dy + height, pad + dx : pad + dx + width]
            vx, vy, vz = there[0] - point[0], there[1] - point[1], there[2] - point[2]
            square = vx * vx
            square += vy * vy
            square += vz * vz
            vx *= normal[0]
            vy *= normal[1]
            vz *= normal[2]
            vx += vy
            vx += vz
            np.maximum(square, np.float32(1e-9), out=square)
            vx /= np.sqrt(square)
            vx -= bias
            square *= -reach
            square += np.float32(1)
            np.maximum(square, 0, out=square)
            vx *= square
            np.maximum(highest, vx, out=highest)
        return highest

    # Added up in one order, whichever direction is done first.
    heights = run_all([partial(along, index) for index in range(directions)])
    total = (sum(heights[::2]) + sum(heights[1::2])) * np.float32(1.9 / directions)
    open_ = 1 - np.clip(total, 0, 1)
    return np.where(surfaces.covered, open_, np.float32(1)).astype(np.float32)


def bounce(camera: Camera, surfaces: Surfaces, lit: Plane, radius: float) -> Plane:
    """(3, h, w) light that arrives from lit surfaces nearby: one bounce, from what is on screen."""
    height, width = surfaces.depth.shape
    steps = _steps(min(height, width), 5)
    pad = steps[-1] + 2
    point = camera.positions(surfaces.depth)

    def widen(planes: Plane, fill: float) -> Plane:
        wide = np.full((3, height + 2 * pad, width + 2 * pad), fill, np.float32)
        wide[:, pad:-pad, pad:-pad] = planes
        return wide

    points = widen(point, float(FAR))
    normals = widen(surfaces.normal, 0)
    lights = widen(np.where(surfaces.covered, lit, 0).astype(np.float32), 0)
    reach = np.float32(1 / radius**2)
    total = np.zeros((3, height, width), np.float32)
    directions = 10
    for index in range(directions):
        angle = 2 * math.pi * (index + 0.5) / directions
        for step in steps:
            dx, dy = round(math.cos(angle) * step), round(math.sin(angle) * step)
            if not (dx or dy):
                continue
            window = (
                slice(None),
                slice(pad + dy, pad + dy + height),
                slice(pad + dx, pad + dx + width),
            )
            v = points[window] - point
            square = np.maximum((v * v).sum(0), np.float32(1e-9))
            inverse = 1 / np.sqrt(square)
            here = np.maximum((v * surfaces.normal).sum(0) * inverse, 0)
            # A slanted sender still gives: a screen shows few of the sides that face each other.
            there = np.clip(-(v * normals[window]).sum(0) * inverse + np.float32(0.15), 0, 1)
            weight = here * there * np.maximum(1 - square * reach, 0)
            total += lights[window] * weight
    total *= np.float32(2.2 / (directions * len(steps)))
    return total


def shadow(
    camera: Camera,
    surfaces: Surfaces,
    toward: Vector,
    softness: float,
    length: float,
    steps: int = 44,
) -> Plane:
    """How much of a light in that direction each point sees, 0..1. length: metres of the search."""
    height, width = surfaces.depth.shape
    result = np.ones((height, width), np.float32)
    facing = dot(surfaces.normal, toward)
    active = surfaces.covered & (facing > -0.05)
    jitter = np.tile(_JITTER, (height // 4 + 1, width // 4 + 1))[:height, :width]
    other = np.tile(_JITTER.T[::-1], (height // 4 + 1, width // 4 + 1))[:height, :width]
    point = camera.positions(surfaces.depth)
    # Two directions across the light, to spread the rays over its area.
    main = np.asarray(toward)
    side = np.cross(main, (0.0, 1.0, 0.0) if abs(main[1]) < 0.9 else (1.0, 0.0, 0.0))
    side /= np.linalg.norm(side)
    over = np.cross(main, side)
    spread = 0.02 + 0.16 * softness
    # Above the highest thing in view nothing is hit: what is left to search is searched finely.
    height_of = dot(point, camera.up)
    seen = height_of[surfaces.covered]
    top = np.float32(seen.max()) if seen.size else np.float32(0)
    pixel = 2.0 / max(abs(camera.scale[0]) * width, 1e-9)  # a pixel's width at a depth of 1

    def work(first: int, last: int) -> None:
        chosen = np.flatnonzero(active[first:last])
        if not len(chosen):
            return
        start = point[:, first:last].reshape(3, -1)[:, chosen]
        normal = surfaces.normal[:, first:last].reshape(3, -1)[:, chosen]
        a = (jitter[first:last].reshape(-1)[chosen] - np.float32(0.5)) * np.float32(2 * spread)
        b = (other[first:last].reshape(-1)[chosen] - np.float32(0.5)) * np.float32(2 * spread)
        ray = np.stack(
            [
                np.float32(main[i]) + a * np.float32(side[i]) + b * np.float32(over[i])
                for i in range(3)
            ]
        )
        begin = jitter[first:last].reshape(-1)[chosen]
        rise = ray[0] * np.float32(camera.up[0])
        rise += ray[1] * np.float32(camera.up[1])
        rise += ray[2] * np.float32(camera.up[2])
        away = np.float32(1) if camera.ortho else -start[2]
        above = top - height_of[first:last].reshape(-1)[chosen] - away * np.float32(3 * pixel)
        reach = np.where(rise > 0.05, above / np.maximum(rise, np.float32(0.05)), length)
        # Just below it: a ceiling that the frame shows does not shade its room.
        reach = np.clip(reach * np.float32(0.97), 1e-6, length).astype(np.float32)
        hit, _, _ = march(camera, surfaces.depth, start, normal, ray, length, steps, begin, reach)
        result[first:last].reshape(-1)[chosen] = 1 - hit

    each_band(height, width, work, pixels=1 << 15)
    # The 4 × 4 mean that the offsets are made for, then a little more, kept within surfaces.
    result = smooth_all(result[None], surfaces, 2, even=True)
    return smooth_all(result, surfaces, 1)[0]


def march(
    camera: Camera,
    depth: Plane,
    start: Plane,
    normal: Plane,
    ray: Plane,
    length: float,
    steps: int,
    begin: Plane,
    reach: Plane | None = None,
) -> tuple[Plane, NDArray[np.intp], Plane]:
    """Follow rays over the screen from (3, n) points. begin: 0..1, where in its step each starts.

    reach: how far each has to go at most, where that is less than `length`.

    Returns how surely something was hit (0..1), the flat index of the pixel it was hit in, and how
    far away, as a part of `length`.
    """
    height, width = depth.shape
    flat = depth.reshape(-1)
    pixel = 2.0 / max(abs(camera.scale[0]) * width, 1e-9)  # a pixel's width at a depth of 1
    away = np.float32(1) if camera.ortho else -start[2]
    origin = start + normal * (away * np.float32(pixel * 1.6))
    # Toward the camera a ray must stop before it passes it.
    limit = np.full(start.shape[1], length, np.float32) if reach is None else reach.copy()
    if not camera.ortho:
        nearing = ray[2] > 1e-4
        limit[nearing] = np.minimum(limit[nearing], 0.9 * -origin[2][nearing] / ray[2][nearing])
    hit = np.zeros(start.shape[1], np.float32)
    pixel_hit = np.zeros(start.shape[1], np.intp)
    distance = np.ones(start.shape[1], np.float32)
    for k in range(steps):
        part = ((k + begin) / np.float32(steps)) ** np.float32(1.8)
        t = limit * part
        at = origin + ray * t
        column, row = camera.project(at)
        x, y = np.rint(column), np.rint(row)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        index = np.clip(y, 0, height - 1).astype(np.intp) * width + np.clip(x, 0, width - 1).astype(
            np.intp
        )
        behind = -at[2] - flat.take(index)
        # How deep things are is unknown: deeper the farther the ray has come.
        slack = away * np.float32(pixel * 1.5) + t * np.float32(0.015)
        thick = away * np.float32(0.03) + t * np.float32(0.55)
        new = inside & (behind > slack) & (behind < thick) & (hit == 0)
        pixel_hit[new] = index[new]
        distance[new] = t[new] * np.float32(1 / length)
        hit[new] = 1
    fade = 1 - np.clip((distance - np.float32(0.7)) / np.float32(0.3), 0, 1)
    return hit * fade, pixel_hit, distance


def mirror(
    camera: Camera,
    surfaces: Surfaces,
    wanted: NDArray[np.bool_],
    picture: Plane,
    length: float,
    steps: int = 56,
) -> tuple[Plane, Plane]:
    """What the wanted points mirror of the (3, h, w) picture, and where something was found."""
    height, width = surfaces.depth.shape
    colors = np.zeros((3, height, width), np.float32)
    share = np.zeros((height, width), np.float32)
    point = camera.positions(surfaces.depth)
    flat = picture.reshape(3, -1)

    def work(first: int, last: int) -> None:
        chosen = np.flatnonzero(wanted[first:last])
        if not len(chosen):
            return
        rows = last - first
        viewer = np.stack(
            [
                np.broadcast_to(np.asarray(v, np.float32), (rows, width)).reshape(-1)[chosen]
                for v in camera.toward_viewer(first, rows)
            ]
        )
        start = point[:, first:last].reshape(3, -1)[:, chosen]
        normal = surfaces.normal[:, first:last].reshape(3, -1)[:, chosen]
        ray = 2 * (viewer * normal).sum(0) * normal - viewer
        begin = np.tile(_JITTER, (rows // 4 + 1, width // 4 + 1))[:rows, :width].reshape(-1)[chosen]
        hit, index, _ = march(camera, surfaces.depth, start, normal, ray, length, steps, begin)
        share[first:last].reshape(-1)[chosen] = hit
        colors[:, first:last].reshape(3, -1)[:, chosen] = flat[:, index] * hit

    each_band(height, width, work, pixels=1 << 15)
    return colors, share


def calm_normals(surfaces: Surfaces) -> tuple[Plane, Plane] | None:
    """(3, h, w) normals without their fine bumps, and (h, w) 0..1 where they are that bumpy.

    None where nothing is. Stepped and coloured light would make noise of cloth and carpets.
    """
    mean = smooth_all(surfaces.normal, surfaces, 2, within=False)
    length = np.sqrt((mean * mean).sum(0))
    spread = 1 - length
    # Round forms turn a little with each pixel; bumps turn as much from one to the next as at all.
    normal = surfaces.normal
    turn = np.zeros_like(spread)
    turn[:, :-1] += 1 - (normal[:, :, 1:] * normal[:, :, :-1]).sum(0)
    turn[:-1] += 1 - (normal[:, 1:] * normal[:, :-1]).sum(0)
    turn = smooth(turn * np.float32(0.5), surfaces, 2, within=False)
    busy = np.maximum(turn - np.float32(1.2) * spread, 0) * surfaces.covered
    wide = smooth_all(mean, surfaces, 4, within=False)
    # A crease is busy along a line; only what is busy all around is bumpy.
    bumpy = _extreme(_extreme(busy, 4, np.minimum), 5, np.maximum)
    bumpy = smooth(smoothstep(0.0002, 0.002, bumpy), surfaces, 1)
    if float(bumpy.mean()) < 0.002:
        return None
    length = np.sqrt((wide * wide).sum(0))
    return wide / np.maximum(length, np.float32(1e-3)), bumpy


def _extreme(plane: Plane, radius: int, pick: np.ufunc) -> Plane:
    for axis in (0, 1):
        size = plane.shape[axis]
        pad = [(0, 0), (0, 0)]
        pad[axis] = (radius, radius)
        wide = np.pad(plane, pad, mode="edge")
        for i in range(2 * radius + 1):
            part = wide[i : i + size] if axis == 0 else wide[:, i : i + size]
            plane = part.copy() if i == 0 else pick(plane, part)
    return plane


def smooth(plane: Plane, surfaces: Surfaces, radius: int, within: bool = True) -> Plane:
    """A mean over (2 radius + 1)² pixels that stays on its surface; within: on its side of it."""
    return smooth_all(plane[None], surfaces, radius, within)[0]


def smooth_all(
    planes: Plane, surfaces: Surfaces, radius: int, within: bool = True, even: bool = False
) -> Plane:
    """(n, h, w) planes, each smoothed: their weights are found once.

    even: the outermost pixels count half, so that a pattern of 2 radius pixels leaves no trace.
    """
    height, width = surfaces.depth.shape
    depth = np.maximum(surfaces.depth, np.float32(1e-6))
    inverse = 1 / depth
    narrow = np.float32(1 / 0.02)
    normal = surfaces.normal
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (radius, radius)
        around = np.pad(planes, [(0, 0), *pad], mode="edge")
        depths = np.pad(inverse, pad, mode="edge")
        normals = np.pad(normal, [(0, 0), *pad], mode="edge") if within else normal
        result = np.empty_like(planes)

        def work(
            first: int,
            last: int,
            axis: int = axis,
            before: Plane = planes,
            around: Plane = around,
            depths: Plane = depths,
            normals: Plane = normals,
            result: Plane = result,
        ) -> None:
            total = before[:, first:last].copy()
            weights = np.ones_like(total[0])
            for i in range(2 * radius + 1):
                if i == radius:  # itself
                    continue
                down, right = (i, 0) if axis == 0 else (0, i)
                part = (slice(first + down, last + down), slice(right, right + width))
                weight = depths[part] * depth[first:last]
                weight -= np.float32(1)
                np.abs(weight, out=weight)
                weight *= -narrow
                weight += np.float32(1)
                np.maximum(weight, 0, out=weight)
                if within:
                    alike = normals[0][part] * normal[0, first:last]
                    alike += normals[1][part] * normal[1, first:last]
                    alike += normals[2][part] * normal[2, first:last]
                    weight *= np.maximum(alike, 0, out=alike)
                if even and i in (0, 2 * radius):
                    weight *= np.float32(0.5)
                for plane, value in zip(total, around, strict=True):
                    plane += value[part] * weight
                weights += weight
            result[:, first:last] = total / weights

        each_band(height, width, work, pixels=1 << 15)
        planes = result
    return planes


def floors(camera: Camera, surfaces: Surfaces) -> Plane:
    """0..1: how much each point faces the sky."""
    return smoothstep(0.86, 0.97, dot(surfaces.normal, camera.up)) * surfaces.covered


def _steps(side: int, levels: int) -> list[int]:
    """Distances in pixels, from the next pixel to a tenth of the picture, doubling or so."""
    last = max(6.0, side * 0.11)
    return [max(1, round(1.4 * (last / 1.4) ** (i / (levels - 1)))) for i in range(levels)]


def flatten_bumps(
    look: Look, surfaces: Surfaces, calmed: Plane, bumpy: Plane, strength: float
) -> None:
    """Turn bumpy normals toward the calm ones, in place: wholly for stepped light."""
    hard = look.toon.steps or look.light.neon > 0 or look.surface.metal > 0
    share = bumpy * np.float32(1 if hard else strength)
    normal = surfaces.normal
    normal += (calmed - normal) * share
    length = np.sqrt((normal * normal).sum(0))
    normal /= np.maximum(length, np.float32(1e-6))
