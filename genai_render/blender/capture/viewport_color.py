# SPDX-License-Identifier: GPL-3.0-or-later
"""From the light that a viewport holds to the colors that it shows.

Blender keeps a view's picture in linear light and turns it into colors only when it puts it on the
screen, where Python has no hand in it. So it is done again here, closely enough for a small
picture: within a hundredth of what is on the screen for Standard and AgX without a look.
"""

# Blender's stubs do not know what a scene always has.
# pyright: reportOptionalMemberAccess=false
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class ViewTransform:
    """How linear light becomes colors. name: as Blender calls it."""

    name: str
    exposure: float = 0.0
    gamma: float = 1.0

    def displayed(self, light: _Floats) -> _Floats:
        """(H, W, 3) linear Rec. 709 light as colors, 0 to 1."""
        light = np.maximum(light, 0) * np.float32(2**self.exposure)
        if self.name.startswith("AgX"):
            colors = _agx(light)
        elif self.name.startswith("Filmic"):
            colors = _filmic(light)
        elif self.name == "Raw":
            colors = np.clip(light, 0, 1)
        else:
            colors = _encoded(light)
        return colors if self.gamma == 1.0 else colors ** np.float32(1 / max(self.gamma, 1e-3))


def view_transform(scene: bpy.types.Scene, space: bpy.types.SpaceView3D) -> ViewTransform:
    """What a viewport is shown with: the scene's own, where it has any of the scene's light."""
    shading = space.shading
    if shading.type == "RENDERED":
        lit = shading.use_scene_lights_render or shading.use_scene_world_render
    else:
        lit = shading.use_scene_lights or shading.use_scene_world
    settings = scene.view_settings
    if lit:
        return ViewTransform(settings.view_transform, settings.exposure, settings.gamma)
    return ViewTransform("AgX")


def to_colors(light: _Floats, transform: ViewTransform) -> NDArray[np.uint8]:
    """(H, W, 4) light, multiplied by its alpha, as colors with straight alpha."""
    alpha = np.clip(light[..., 3:], 0, 1)
    straight = light[..., :3] / np.maximum(alpha, 1e-6)
    colors = np.concatenate((transform.displayed(np.where(alpha > 0, straight, 0)), alpha), -1)
    return (np.nan_to_num(colors) * 255 + 0.5).astype(np.uint8)


def shrunk(light: _Floats, width: int, height: int) -> _Floats:
    """A picture of that size, at most that of the one given, each pixel the mean of its part."""
    for axis, wanted in ((0, height), (1, width)):
        starts = np.arange(wanted) * light.shape[axis] // wanted
        counts = np.diff(np.append(starts, light.shape[axis]))
        shape = [1, 1, 1]
        shape[axis] = wanted
        light = np.add.reduceat(light, starts, axis) / counts.reshape(shape).astype(np.float32)
    return light


def _encoded(light: _Floats) -> _Floats:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


# AgX: from Rec. 709 to its own primaries, through a curve over the logarithm, and back. The curve
# is the polynomial that Filament and three.js use.
_TO_REC2020 = (
    (0.6274, 0.3293, 0.0433),
    (0.0691, 0.9195, 0.0113),
    (0.0164, 0.0880, 0.8956),
)
_FROM_REC2020 = (
    (1.6605, -0.5876, -0.0728),
    (-0.1246, 1.1329, -0.0083),
    (-0.0182, -0.1006, 1.1187),
)
_INSET = (
    (0.856627153, 0.095121241, 0.048251606),
    (0.137318973, 0.761241991, 0.101439036),
    (0.111898213, 0.076799419, 0.811302368),
)
_OUTSET = (
    (1.127100582, -0.110606643, -0.016493939),
    (-0.141329763, 1.157823702, -0.016493939),
    (-0.141329763, -0.110606643, 1.251936407),
)
_CURVE = (15.5, -40.14, 31.96, -6.868, 0.4298, 0.1191, -0.00232)
_STOPS = (-12.47393, 4.026069)


def _agx(light: _Floats) -> _Floats:
    low, high = _STOPS
    inside = light @ (np.array(_INSET) @ np.array(_TO_REC2020)).T
    stops = np.log2(np.maximum(inside, 1e-10))
    bent = np.polyval(_CURVE, np.clip((stops - low) / (high - low), 0, 1))
    outside = np.maximum(bent @ np.array(_OUTSET).T, 0) ** 2.4
    return _encoded(outside @ np.array(_FROM_REC2020).T)


def _filmic(light: _Floats) -> _Floats:
    """Close to Filmic with its base contrast: middle gray stays at 0.5, white is 4 stops up."""
    stops = np.clip((np.log2(np.maximum(light / 0.18, 1e-10)) + 10) / 16.5, 0, 1)
    return 1 / (1 + np.exp(-10.5 * (stops - 0.606)))
