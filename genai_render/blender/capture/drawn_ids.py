# SPDX-License-Identifier: GPL-3.0-or-later
"""Which object and material each pixel of a viewport shows: numbers that are drawn as colors.

Each part of a mesh that has one material is a surface with a number. It is drawn some times, each a
part of a pixel further, so that a pixel at an edge has a share of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import bpy

from ...core import lazy
from ...core.view import ids
from .cryptomatte import Surroundings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = lazy.module("numpy")

SAMPLES = ((-0.125, -0.375), (0.375, -0.125), (-0.375, 0.125), (0.125, 0.375))
"""Where in a pixel, from its center: no two in one row or column."""

_VERTEX = """
void main() {
  which = min(first + slot, last);
  gl_Position = modelViewProjection * vec4(position, 1.0);
}
"""
_FRAGMENT = """
void main() {
  float low = mod(which, 256.0);
  float middle = mod(floor(which / 256.0), 256.0);
  result = vec4(low, middle, floor(which / 65536.0), 255.0) / 255.0;
}
"""


@dataclass(slots=True)
class DrawnIds:
    """samples: (N, H, W), the number of a surface, 0 for none; row 0 at the bottom.
    things, materials: which object, and which material, each number stands for; -1 for none."""

    samples: NDArray[np.uint32]
    things: list[int]
    materials: list[int]
    thing_names: list[ids.Thing]
    material_names: list[str]

    def ids(self, hidden: NDArray[np.bool_]) -> ids.Ids | None:
        """Touches nothing of Blender's. hidden: pixels, row 0 on top, that something covers."""
        if max(len(self.thing_names), len(self.material_names)) > ids.MOST:
            return None
        samples = self.samples[:, ::-1]
        layers = []
        for numbers, names in (
            (self.things, self.thing_names),
            (self.materials, self.material_names),
        ):
            table = np.array([0, *(number + 1 for number in numbers)], np.uint16)
            layer = ids.from_samples(np.where(hidden, np.uint16(0), table[samples]))
            layer, places = ids.compact(layer, len(names))
            layers.append((layer, [names[place] for place in places]))
        (objects, things), (materials, painted) = layers
        return ids.Ids(objects, materials, tuple(things), tuple(painted))


class Surfaces:
    """Numbers for the surfaces of a view, and what they stand for. No Blender object is kept."""

    def __init__(self, scene: bpy.types.Scene) -> None:
        self._around = Surroundings(scene)
        self._first: dict[tuple[str, str, tuple[str, ...]], int] = {}
        self._things: list[int] = []
        self._materials: list[int] = []
        self._thing_names: dict[ids.Thing, int] = {}
        self._material_names: dict[str, int] = {}

    def of(self, thing: bpy.types.Object, instancer: bpy.types.Object | None) -> tuple[int, int]:
        """The number of its first surface, and how many it has."""
        own, shown_by = thing.name, "" if instancer is None else instancer.name
        if shown_by == own:  # an instance that is no object: it is its maker's
            shown_by = ""
        slots = thing.material_slots
        painted = tuple("" if slot.material is None else slot.material.name for slot in slots)
        painted = painted or ("",)
        key = own, shown_by, painted
        if key not in self._first:
            self._first[key] = len(self._things) + 1
            known = self._around.thing(own, shown_by)
            number = self._thing_names.setdefault(known, len(self._thing_names))
            for name in painted:
                self._things.append(number)
                materials = self._material_names
                place = materials.setdefault(name, len(materials)) if name else -1
                self._materials.append(place)
        return self._first[key], len(painted)

    def named(self, samples: NDArray[np.uint32]) -> DrawnIds:
        return DrawnIds(
            samples,
            list(self._things),
            list(self._materials),
            list(self._thing_names),
            list(self._material_names),
        )


class IdsShader:
    """Made when it is first drawn with, by the GPU that there is then."""

    def __init__(self) -> None:
        import gpu

        between = gpu.types.GPUStageInterfaceInfo("genai_render_ids")
        between.flat("FLOAT", "which")
        info = gpu.types.GPUShaderCreateInfo()
        info.push_constant("MAT4", "modelViewProjection")
        info.push_constant("FLOAT", "first")
        info.push_constant("FLOAT", "last")
        info.vertex_in(0, "VEC3", "position")
        info.vertex_in(1, "FLOAT", "slot")
        info.vertex_out(between)
        info.fragment_out(0, "VEC4", "result")
        info.vertex_source(_VERTEX)
        info.fragment_source(_FRAGMENT)
        self.shader = gpu.shader.create_from_info(info)

    def close(self) -> None:
        pass
