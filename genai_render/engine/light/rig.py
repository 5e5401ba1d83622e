# SPDX-License-Identifier: GPL-3.0-or-later
"""Light on surfaces: what a look's lamps, sky and materials make of a canvas's planes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..look.look import Color, Look
from ..raster.arrays import Plane, smoothstep
from ..raster.color import luminance
from ..scene.analysis import SceneAnalysis
from ..scene.camera import Camera, Vector, dot
from ..scene.captured_light import PLAIN_ENGINES, CapturedLight, paint_under
from ..scene.surfaces import Surfaces


@dataclass(slots=True, eq=False)
class LightFields:
    """What was found on the small picture, for the same pixels as the surfaces to be shaded.

    open, shadow: 0..1 planes. bounce: (3, h, w) light. glow: 0..1, how much it shines by itself.
    captured: (3, h, w) the light that fell in the captured picture, smoothed; None where unknown.
    own: 0..1, how much of a surface's color the captured picture knows and the albedo does not.
    """

    open: Plane
    shadow: Plane
    glow: Plane
    bounce: Plane | None = None
    captured: Plane | None = None
    own: Plane | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """A look's lamps, set up for one view. Directions are in camera space, toward the light.

    lamps: where neon lamps are, in camera space, how many metres they reach well, and whether each
    has the left one's colour.
    trust: 0..1, how far the captured picture's own light is worth keeping (0 for Solid views).
    captured_gain: brings that light to the brightness of the new. captured_level: its usual
    brightness where it is lit.
    paint_gain: keeps albedos believable.
    """

    look: Look
    key: Vector
    fill: Vector
    rim: Vector
    lamps: tuple[tuple[Vector, float, bool], ...]
    up: Vector
    fit: CapturedLight
    flat: bool
    trust: float
    captured_gain: float
    captured_level: float
    paint_gain: float

    @classmethod
    def of(
        cls, look: Look, camera: Camera, analysis: SceneAnalysis, fit: CapturedLight, engine: str
    ) -> Rig:
        light = look.light
        if analysis.indoor:
            # Indoors walls send light from all sides, and the ground's is the ceiling's too.
            mixed = _between(light.ground_color, light.side_color, 0.6)
            sky = _between(light.sky_color, light.side_color, 0.5)
            light = replace(light, ground_color=mixed, sky_color=sky, ambient=light.ambient * 1.1)
            look = replace(look, light=light)
        side = -1.0 if light.azimuth > 0 else 1.0
        back = 180.0 + side * 35 if abs(light.azimuth) < 120 else -light.azimuth
        return cls(
            look,
            camera.direction(light.azimuth, light.elevation),
            camera.direction(side * 55, 18),
            camera.direction(back, 35),
            _lamps(camera, analysis),
            camera.up,
            fit,
            analysis.flat,
            0.0 if engine in PLAIN_ENGINES else 1.0,
            1.0,
            1.0,
            1.0,
        )

    @property
    def calming(self) -> float:
        """How far bumpy normals are calmed: detail that stays has the bumps already."""
        return 0.9 if self.trust > 0 and self.look.surface.detail > 0.3 else 0.4

    def with_paint_gain(self, surfaces: Surfaces) -> Rig:
        """The same rig with its paint gain set by the small picture."""
        covered = surfaces.covered
        if not covered.any() or surfaces.albedo is not None:
            return self
        bright = float(np.quantile(luminance(self._paint(surfaces, None, None))[covered], 0.95))
        return replace(self, paint_gain=min(1.5, 0.8 / bright) if bright > 0.8 else 1.0)

    def with_captured_level(self, captured: Plane, covered: Plane) -> Rig:
        """The same rig, knowing how bright the (3, h, w) captured light usually is."""
        if not covered.any():
            return self
        level = float(np.quantile(luminance(captured)[covered], 0.7))
        return replace(self, captured_level=max(level, 1e-4))

    def with_captured_gain(self, captured: Plane, new: Plane, covered: Plane) -> Rig:
        """The same rig with the captured light as bright as the new: (h, w) luminances.

        What is hardly lit does not count: most of a night is dark, and its lamps set the level.
        """
        if not covered.any():
            return self
        lit = covered & (captured > self.captured_level * 0.15)
        chosen = lit if lit.any() else covered
        ratio = float(np.median(new[chosen])) / max(float(np.median(captured[chosen])), 1e-4)
        return replace(self, captured_gain=ratio)

    def _paint(self, surfaces: Surfaces, captured: Plane | None, own: Plane | None) -> Plane:
        if surfaces.albedo is None:
            light = self.fit.on(surfaces.normal)
            light **= np.float32(-min(self.look.light.relight, 0.8))
            return surfaces.color * (light * np.float32(self.paint_gain))
        detail = np.float32(self.look.surface.detail * self.trust)
        if captured is None or (detail <= 0 and own is None):
            return surfaces.albedo
        # The picture without its light still has its highlights, mirrors and fine shadows; but at
        # an outline a pixel's colour is that of two things, and what is unlit shows nothing.
        detail = _inside(surfaces.depth, surfaces.normal) * detail
        detail *= self._lit(captured)
        full = paint_under(captured, surfaces.color, surfaces.albedo, own)
        full = _one_hue(full, surfaces.albedo, own)
        if own is None:
            np.minimum(full, surfaces.albedo * np.float32(3) + np.float32(0.35), out=full)
        else:
            most = surfaces.albedo * np.float32(3) + np.float32(0.35)
            most += (1 - most) * own
            np.minimum(full, most, out=full)
            detail = np.maximum(detail, own)
        full -= surfaces.albedo
        full *= detail
        full += surfaces.albedo
        return full

    def _lit(self, captured: Plane) -> Plane:
        """0..1: how far the captured light is enough to see a surface by."""
        level = np.float32(max(self.captured_level, 0.06))
        return smoothstep(0.08, 0.3, luminance(captured) / level)

    def albedo(self, surfaces: Surfaces, fields: LightFields) -> Plane:
        """(3, h, w) linear: the surfaces' own colours, as the look wants them."""
        if self.flat:
            return surfaces.color
        paint = self._paint(surfaces, fields.captured, fields.own)
        look = self.look.surface
        if look.saturation != 1:
            gray = luminance(paint)
            paint = gray + (paint - gray) * np.float32(look.saturation)
            np.maximum(paint, np.float32(0.0), out=paint)
        if look.lightness != 1:
            paint = paint * np.float32(look.lightness)
        if look.clay > 0:
            clay = np.asarray(look.clay_color, np.float32)[:, None, None]
            paint = paint + (clay - paint) * np.float32(look.clay)
        if look.snow > 0:
            cover = smoothstep(0.35, 0.75, dot(surfaces.normal, self.up)) * np.float32(look.snow)
            paint = paint + (np.float32(0.86) - paint) * cover
        return paint if surfaces.albedo is not None else np.minimum(paint, np.float32(0.95))

    def _keep(self, light: Plane, surfaces: Surfaces, fields: LightFields) -> None:
        """Bend the (3, h, w) light toward the captured one, in place, as the look keeps it."""
        keep = np.float32(self.look.light.keep * self.trust)
        if keep <= 0:
            return
        if fields.captured is None:
            share = self.fit.on(surfaces.normal)
            np.clip(share, np.float32(0.2), np.float32(3), out=share)
            light *= share**keep
            return
        # What the scene leaves unlit is dark, not black: its own color is what is known of it.
        # Where a lamp is close it is bright, not white. The bounds are on the brightness, so that
        # the lamp's color stays.
        gain = np.float32(self.captured_gain)
        share = luminance(fields.captured) * gain
        share /= np.maximum(luminance(light), np.float32(0.02))
        bounded = np.clip(share, np.float32(0.2), np.float32(3))
        bounded /= np.maximum(share, np.float32(1e-3))
        bounded *= gain
        lowest = np.float32(0.2) - np.float32(0.15) * smoothstep(0.3, 1.0, share)
        for axis in range(3):
            captured = fields.captured[axis] * bounded
            captured /= np.maximum(light[axis], np.float32(0.02))
            np.clip(captured, lowest, np.float32(6), out=captured)
            light[axis] *= captured**keep

    def light(
        self,
        surfaces: Surfaces,
        albedo: Plane,
        fields: LightFields,
        viewer: tuple[Plane | float, ...],
        point: Plane | None = None,
    ) -> tuple[Plane, Plane]:
        """(3, h, w) linear radiance toward the viewer, and (h, w) how lit each point is."""
        if self.flat:
            # A picture without depth has its light: it can only take the colour of another.
            tint = np.asarray(self.look.light.key_color, np.float32)[:, None, None]
            tint = 1 + (tint / max(float(luminance(tint).max()), 1e-3) - 1) * np.float32(0.5)
            return surfaces.color * tint, luminance(surfaces.color)
        light, toon, look = self.look.light, self.look.toon, self.look
        normal = surfaces.normal
        facing = dot(normal, self.key)
        shade = fields.shadow * np.float32(light.shadow) + np.float32(1 - light.shadow)
        open_ = fields.open * np.float32(light.occlusion) + np.float32(1 - light.occlusion)
        wrap = np.float32(0.3 * light.softness)
        direct = facing + wrap
        direct *= 1 / (1 + wrap)
        np.clip(direct, 0, 1, out=direct)
        direct *= shade
        upward = dot(normal, self.up)
        result = np.empty_like(albedo)
        # The sky above, the horizon around, the ground below.
        over = np.maximum(upward, 0)
        under = np.maximum(-upward, 0)
        fill = dot(normal, self.fill)
        fill += np.float32(0.35)
        np.clip(fill, 0, None, out=fill)
        stepped = self._steps(direct, open_) if toon.steps else None
        for axis in range(3):
            side = light.side_color[axis] * light.ambient
            around = over * np.float32(light.sky_color[axis] * light.ambient - side)
            around += under * np.float32(light.ground_color[axis] * light.ambient - side)
            around += np.float32(side)
            around += fill * np.float32(light.fill * light.fill_color[axis])
            around *= open_
            around += direct * np.float32(light.key * light.key_color[axis])
            if stepped is not None:
                full = light.key * light.key_color[axis] + side
                dark = toon.shade_color[axis]
                flat = stepped * np.float32(full * (1 - dark)) + np.float32(full * dark)
                flat -= around
                flat *= np.float32(toon.amount)
                around += flat
            if fields.bounce is not None:
                around += fields.bounce[axis] * np.float32(light.bounce)
            result[axis] = around
        tone = luminance(result)
        if self.trust and light.keep:
            self._keep(result, surfaces, fields)
            tone = luminance(result)
        if light.neon > 0:
            assert point is not None
            self._neon(result, normal, open_, point)
        result *= albedo
        self._shine(result, surfaces, albedo, viewer, facing, shade, open_, upward)
        glow = fields.glow * np.float32(light.emission)
        if look.surface.clay < 1:
            for axis in range(3):
                result[axis] += surfaces.color[axis] * glow
        return result, tone

    def _steps(self, direct: Plane, open_: Plane) -> Plane:
        """Light in steps, 0..1: where it turns away is a line, not a ramp."""
        toon = self.look.toon
        light = direct * (np.float32(0.55) + np.float32(0.45) * open_)
        edge = max(toon.edge, 0.01)
        lit = smoothstep(0.3 - edge, 0.3 + edge, light)
        if toon.steps >= 3:
            lit = np.float32(0.62) * lit + np.float32(0.38) * smoothstep(
                0.66 - edge, 0.66 + edge, light
            )
        # Corners stay a little darker, so that things stand on the floor.
        lit *= np.float32(0.75) + np.float32(0.25) * open_
        return lit

    def _neon(self, result: Plane, normal: Plane, open_: Plane, point: Plane) -> None:
        """Add coloured tubes of light at either side of the subject, in place."""
        light = self.look.light
        for place, reach, left in self.lamps:
            color = light.neon_left if left else light.neon_right
            x = np.float32(place[0]) - point[0]
            y = np.float32(place[1]) - point[1]
            z = np.float32(place[2]) - point[2]
            facing = normal[0] * x
            facing += normal[1] * y
            facing += normal[2] * z
            x *= x
            y *= y
            z *= z
            x += y
            x += z  # the squared distance
            facing /= np.sqrt(x)
            facing += np.float32(0.18)
            np.clip(facing, 0, None, out=facing)
            x *= np.float32(1 / reach**2)
            x += np.float32(0.35)
            facing /= x
            facing *= np.float32(0.62 * light.neon)
            facing *= open_
            for axis in range(3):
                result[axis] += facing * np.float32(color[axis])

    def _shine(
        self,
        result: Plane,
        surfaces: Surfaces,
        albedo: Plane,
        viewer: tuple[Plane | float, ...],
        facing: Plane,
        shade: Plane,
        open_: Plane,
        upward: Plane,
    ) -> None:
        """Add highlights, the mirrored surroundings and the rim of light, in place."""
        look, light = self.look, self.look.light
        normal = surfaces.normal
        vx, vy, vz = viewer
        across = normal[0] * vx
        across += normal[1] * vy
        across += normal[2] * vz
        np.clip(across, 0, 1, out=across)
        graze = 1 - across
        third = graze * graze * graze
        gloss = look.surface.gloss
        if gloss > 0:
            # Half-way vector, not normalised: its length follows from the angle between the two.
            k = self.key
            cosine = vx * np.float32(k[0]) + vy * np.float32(k[1]) + vz * np.float32(k[2])
            half = facing + across
            half /= np.sqrt(np.maximum(2 + 2 * cosine, np.float32(1e-4)))
            np.clip(half, 0, 1, out=half)
            rough = max(0.08, look.surface.roughness)
            power = 2 / rough**3.2
            # (1 + a (1 - h²))^-2 stands for h^power: the same core, a soft tail, no powers.
            half *= half
            tail = np.float32(power / 3.2) * (1 - half)
            tail += np.float32(1)
            tail *= tail
            spark = np.float32(gloss * light.key * (0.1 + 0.22 / rough)) / tail
            spark *= shade
            spark *= smoothstep(-0.05, 0.2, facing)
            if look.toon.steps and look.toon.highlight > 0:
                level = gloss * light.key * (0.1 + 0.22 / rough) * 0.45
                step = smoothstep(level * 0.85, level * 1.15, spark)
                # On a level floor the highlight's edge would be a stain, not a sparkle.
                step *= 1 - smoothstep(0.93, 0.98, upward)
                spark += step * np.float32(look.toon.highlight)
            # The mirrored surroundings: sky above, ground below, by the mirrored ray's height.
            high = across * upward
            high *= 2
            high -= (
                vx * np.float32(self.up[0])
                + vy * np.float32(self.up[1])
                + vz * np.float32(self.up[2])
            )
            fresnel = third * graze * np.float32(0.55 * gloss)
            fresnel += np.float32(0.035 * gloss)
            fresnel *= open_
            fresnel *= open_
            if surfaces.albedo is not None and self.trust:
                # What is black in the picture and by itself has few highlights: it would look gray.
                dull = smoothstep(0.0, 0.06, luminance(albedo)) * np.float32(0.65)
                dull += np.float32(0.35)
                fresnel *= dull
                spark *= dull
            above = smoothstep(-0.15, 0.5, high)
            metal = np.float32(look.surface.metal)
            if look.surface.metal > 0:
                # Metal is what it mirrors: a dark room with a bright horizon and a lamp above.
                fresnel *= 1 - metal
                fresnel += metal * (np.float32(0.45) + np.float32(0.55) * open_)
                room = np.float32(0.1) + smoothstep(0.2, 0.5, high) * np.float32(0.5)
                room += smoothstep(0.62, 0.72, high) * smoothstep(0.97, 0.86, high)
                room += np.exp((high - np.float32(0.06)) ** 2 * np.float32(-60)) * np.float32(0.8)
                above += (room - above) * metal
                result *= 1 - metal * np.float32(0.88)
            for axis in range(3):
                low = light.ground_color[axis] * 0.5 * float(1 - look.surface.metal * 0.9)
                surroundings = above * np.float32(light.sky_color[axis] - low) + np.float32(low)
                surroundings *= fresnel
                surroundings *= np.float32(max(light.ambient, 0.15) * 1.4)
                surroundings += spark * np.float32(light.key_color[axis])
                if look.surface.metal > 0:
                    surroundings *= 1 + metal * (albedo[axis] - 1)
                result[axis] += surroundings
        if light.rim > 0:
            rim = dot(normal, self.rim)
            rim += np.float32(0.15)
            np.clip(rim, 0, None, out=rim)
            rim *= third
            if look.toon.steps:
                rim = smoothstep(0.08, 0.14, rim) * np.float32(0.35)
            rim *= np.float32(light.rim * 1.6) * open_
            for axis in range(3):
                # Rims are of the surface's own colour too, or all things look dusted.
                result[axis] += rim * (
                    np.float32(light.rim_color[axis])
                    * (np.float32(0.3) + np.float32(0.7) * albedo[axis])
                )


def _between(a: Color, b: Color, t: float) -> Color:
    return tuple(x + (y - x) * t for x, y in zip(a, b, strict=True))  # pyright: ignore[reportReturnType]


def _one_hue(full: Plane, albedo: Plane, own: Plane | None) -> Plane:
    """The (3, h, w) color without light, in the albedo's hue where it hardly differs from it.

    What differs a little is the noise of a picture of few samples: blotches on a plain wall.
    """
    share = full + np.float32(0.02)
    share /= albedo + np.float32(0.02)
    gray = luminance(share)
    share -= gray
    keep = smoothstep(0.12, 0.4, np.abs(share).max(0) / np.maximum(gray, np.float32(0.05)))
    if own is not None:
        np.maximum(keep, own, out=keep)
    share *= keep
    share += gray
    share *= albedo + np.float32(0.02)
    share -= np.float32(0.02)
    return np.maximum(share, 0, out=share)


def _inside(depth: Plane, normal: Plane) -> Plane:
    """0 on both sides of an outline and of a crease between two even surfaces, 1 elsewhere."""
    near = 1 / depth
    result = np.ones_like(near)
    for turned, facing, of in (
        (near, normal, result),
        (near.T, normal.transpose(0, 2, 1), result.T),
    ):
        # On any plane 1 / depth is linear on screen.
        bend = np.abs(turned[:-2] + turned[2:] - 2 * turned[1:-1])
        of[1:-1] *= bend < turned[1:-1] * np.float32(0.01)
        if len(turned) < 5:
            continue
        steady = _alike(facing[:, :-1], facing[:, 1:]) > np.float32(0.97)
        crease = _alike(facing[:, 1:-3], facing[:, 3:-1]) < np.float32(0.85)
        crease &= steady[:-3] & steady[3:]
        of[2:-2] *= ~crease
    return result


def _alike(a: Plane, b: Plane) -> Plane:
    result = a[0] * b[0]
    result += a[1] * b[1]
    result += a[2] * b[2]
    return result


def _lamps(camera: Camera, analysis: SceneAnalysis) -> tuple[tuple[Vector, float, bool], ...]:
    """Lamps beside the subject, a little before and above it; along a street, several."""
    center, size = np.asarray(analysis.center), max(analysis.size, 1e-6)
    right, ahead, up = (np.asarray(v) for v in (camera.right, camera.ahead, camera.up))

    def lamp(side: float, forth: float, reach: float, left: bool) -> tuple[Vector, float, bool]:
        place = center + right * (side * size) + ahead * (forth * size) + up * (0.2 * size)
        return (float(place[0]), float(place[1]), float(place[2])), reach * size, left

    pair = lamp(-0.62, -0.3, 0.75, True), lamp(0.62, -0.3, 0.75, False)
    if not analysis.place or analysis.indoor:
        return pair
    return (
        lamp(-0.42, -0.35, 0.4, True),
        lamp(0.45, -0.05, 0.4, False),
        lamp(-0.4, 0.7, 0.55, False),
        lamp(0.4, 1.6, 0.8, True),
    )
