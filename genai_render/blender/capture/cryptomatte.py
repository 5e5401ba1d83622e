# SPDX-License-Identifier: GPL-3.0-or-later
"""Which object and material each pixel shows, by the Cryptomatte passes of a render.

A pixel is the mean of its rays; of each object and material they met, Cryptomatte says which share
it has. They are told apart by a number that is made from their name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ...core import lazy
from ...core.view import ids
from .exr import read_header, read_passes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = lazy.module("numpy")

_LEVELS = 4  # objects that a pixel can have; two are in a pass
_FEWEST = 3  # of 255: less is the film's filter, which reaches beyond the pixel
# It is meant to be JSON, but Blender escapes no quotation marks in it.
_PAIR = re.compile(r'"(.*?)":"([0-9a-f]{8})"(?=[,}])', re.DOTALL)
_NO_SURFACE = re.compile(r"default_\w+|shader")  # what Cycles calls lights, the world and air


def ask(layer: Any) -> None:
    layer.use_pass_cryptomatte_object = layer.use_pass_cryptomatte_material = True
    layer.pass_cryptomatte_depth = _LEVELS


def read(path: Path, scene: bpy.types.Scene) -> ids.Ids | None:
    """From an OpenEXR file of a render that was asked for them; None if it has none."""
    passes = read_passes(path, lambda name: name.startswith("Crypto"))
    manifests = _manifests(read_header(path))
    found = []
    for kind in ("Object", "Material"):
        ranks = [
            plane for name, plane in sorted(passes.items()) if name.startswith(f"Crypto{kind}")
        ]
        names = manifests.get(f"Crypto{kind}")
        if not ranks or names is None or len(names) > ids.MOST:
            return None
        layer, there = _layer(ranks, names)
        layer, places = ids.compact(layer, len(there))
        found.append((layer, [there[place] for place in places]))
    (objects, things), (materials, painted) = found
    known = Surroundings(scene)
    return ids.Ids(objects, materials, tuple(known.thing(name) for name in things), tuple(painted))


def joined(parts: list[ids.Ids]) -> ids.Ids:
    """Strips of a picture, from the top, as one."""
    if len(parts) == 1:
        return parts[0]
    things = list(dict.fromkeys(thing for part in parts for thing in part.things))
    materials = list(dict.fromkeys(name for part in parts for name in part.materials))

    def layer(which: str, own: str, all_of_them: list[Any]) -> ids.Layer:
        planes = []
        for part in parts:
            numbers = np.array([0, *(all_of_them.index(one) + 1 for one in getattr(part, own))])
            planes.append(numbers.astype(np.uint16)[getattr(part, which).which])
        shares = [getattr(part, which).share for part in parts]
        return ids.Layer(np.concatenate(planes, axis=1), np.concatenate(shares, axis=1))

    return ids.Ids(
        layer("objects", "things", things),
        layer("of_materials", "materials", materials),
        tuple(things),
        tuple(materials),
    )


class Surroundings:
    """Of each object of a scene, the collections that it is in and what it is an instance of."""

    def __init__(self, scene: bpy.types.Scene) -> None:
        self._collections: dict[str, tuple[str, ...]] = {}
        for path in _paths(scene.collection, ()):
            inside = tuple(one.name for one in path)
            for thing in path[0].objects if path else ():
                self._add(self._collections, thing.name, inside)
        self._instancers: dict[str, tuple[str, ...]] = {}
        for thing in scene.objects:
            shown = thing.instance_collection
            if thing.instance_type != "COLLECTION" or shown is None:
                continue
            for path in _paths(shown, (shown,)):
                inside = tuple(one.name for one in path)
                for one in path[0].objects:
                    self._add(self._instancers, one.name, (thing.name,))
                    around = self._collections.get(thing.name, ())
                    self._add(self._collections, one.name, (*inside, *around))

    def thing(self, name: str, instancer: str | None = None) -> ids.Thing:
        """instancer: the one whose instance it is; "" for none; None where nobody knows."""
        inside = self._collections.get(name, ())
        if instancer is None:
            return ids.Thing(name, inside, self._instancers.get(name, ()))
        if not instancer:
            return ids.Thing(name, inside)
        around = self._collections.get(instancer, ())
        return ids.Thing(name, tuple(dict.fromkeys((*inside, *around))), (instancer,))

    @staticmethod
    def _add(kept: dict[str, tuple[str, ...]], name: str, more: tuple[str, ...]) -> None:
        kept[name] = tuple(dict.fromkeys((*kept.get(name, ()), *more)))


def _paths(
    collection: bpy.types.Collection, path: tuple[bpy.types.Collection, ...]
) -> Iterator[tuple[bpy.types.Collection, ...]]:
    """Every collection in it, each with those around it, the innermost first."""
    if path:
        yield path
    for child in collection.children:
        yield from _paths(child, (child, *path))


def _manifests(header: dict[str, bytes]) -> dict[str, dict[str, str]]:
    """Names to numbers in hexadecimal, by pass."""
    found = {}
    for attribute, value in header.items():
        if attribute.startswith("cryptomatte/") and attribute.endswith("/name"):
            manifest = header.get(attribute.removesuffix("name") + "manifest", b"{}")
            name = value.decode("utf-8", "replace").rpartition(".")[2]
            found[name] = dict(_PAIR.findall(manifest.decode("utf-8", "replace")))
    return found


def _layer(ranks: list[NDArray[np.float32]], names: dict[str, str]) -> tuple[ids.Layer, list[str]]:
    known = {
        int(number, 16): name for name, number in names.items() if not _NO_SURFACE.fullmatch(name)
    }
    numbers = np.array(sorted(known), np.uint32)
    height, width = ranks[0].shape[:2]
    which = np.zeros((ids.RANKS, height, width), np.uint16)
    share = np.zeros((ids.RANKS, height, width), np.uint8)
    if len(numbers) == 0:
        return ids.Layer(which, share), []
    for rank in range(min(ids.RANKS, 2 * len(ranks))):
        plane, channel = ranks[rank // 2], rank % 2 * 2
        covered = np.rint(np.clip(plane[..., channel + 1], 0, 1) * 255).astype(np.uint8)
        there = covered >= _FEWEST
        asked = np.ascontiguousarray(plane[..., channel])[there].view(np.uint32)
        place = np.minimum(np.searchsorted(numbers, asked), len(numbers) - 1)
        right = numbers[place] == asked
        which[rank][there] = np.where(right, place + 1, 0)
        share[rank][there] = np.where(right, covered[there], 0)
    return ids.Layer(which, share), [known[int(number)] for number in numbers]
