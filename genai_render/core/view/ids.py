# SPDX-License-Identifier: GPL-3.0-or-later
"""Which object and which material each pixel of a view shows, and masks of them.

At an edge, a pixel shows more than one: up to `RANKS` are kept, each with its share of the pixel.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import lazy
from ..errors import ImageError, InvalidInput, NotFound
from ..image import images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image
else:
    np = lazy.module("numpy")
    Image = lazy.module("PIL.Image")

RANKS = 3
MOST = 0xFFFF  # objects, and materials, of one picture
SAME_SHAPE = 0.02  # how far width over height may be off, which sizes in steps of 16 pixels cause
_LISTED = 20  # names that an error lists
_NAMES = "ids.json"


@dataclass(frozen=True, slots=True)
class Thing:
    """An object that is seen. collections: all that it is in, from the innermost outwards.

    instancers: objects that it is an instance of, such as the empty that shows a collection.
    """

    name: str
    collections: tuple[str, ...] = ()
    instancers: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """By which it can be asked for."""
        return (self.name, *self.instancers)


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """which: (RANKS, H, W) uint16, a place in a list of names plus 1; 0 for nothing. share: the
    same form, uint8, how much of the pixel it covers. The largest share comes first."""

    which: NDArray[np.uint16]
    share: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Ids:
    """Row 0 is the top. things, materials: what the layers' numbers stand for."""

    objects: Layer
    of_materials: Layer
    things: tuple[Thing, ...]
    materials: tuple[str, ...]

    @property
    def width(self) -> int:
        return self.objects.which.shape[2]

    @property
    def height(self) -> int:
        return self.objects.which.shape[1]

    @property
    def object_names(self) -> list[str]:
        return sorted({name for thing in self.things for name in thing.names})

    @property
    def collection_names(self) -> list[str]:
        return sorted({name for thing in self.things for name in thing.collections})

    def share_of(
        self,
        objects: Sequence[str] = (),
        materials: Sequence[str] = (),
        collections: Sequence[str] = (),
    ) -> NDArray[np.uint8]:
        """(H, W): how much of each pixel all of them cover together.

        Raises NotFound, with what there is, for a name that the picture shows nothing of.
        """
        _check(objects, self.object_names)
        _check(materials, sorted(self.materials))
        _check(collections, self.collection_names)
        wanted = [
            place
            for place, thing in enumerate(self.things, 1)
            if set(objects) & set(thing.names) or set(collections) & set(thing.collections)
        ]
        painted = [place for place, name in enumerate(self.materials, 1) if name in materials]
        # Objects do not overlap in a pixel, and neither do materials; these two do.
        return np.maximum(_covered(self.objects, wanted), _covered(self.of_materials, painted))

    def mask(
        self,
        width: int,
        height: int,
        objects: Sequence[str] = (),
        materials: Sequence[str] = (),
        collections: Sequence[str] = (),
    ) -> bytes:
        """The mask of an edit of a picture of that view, which may have another size.

        Raises NotFound as `share_of` does, ImageError for a picture that cannot be of that view.
        """
        if abs(width / height / (self.width / self.height) - 1) > SAME_SHAPE:
            raise ImageError(
                "This picture has another shape than the view that it was made from.",
                f"It has {width} × {height} pixels, the view {self.width} × {self.height}.",
                "Paint a mask in its place.",
            )
        share = self.share_of(objects, materials, collections)
        if share.shape != (height, width):
            larger = Image.fromarray(share).resize((width, height), Image.Resampling.BILINEAR)
            share = np.asarray(larger)
        pixels = np.zeros((height, width, 4), np.uint8)
        pixels[..., 3] = 255 - share
        return images.encode_png(pixels)

    def digest(self) -> str:
        sha = hashlib.sha256(repr((self.things, self.materials)).encode())
        for layer in (self.objects, self.of_materials):
            sha.update(np.ascontiguousarray(layer.which).tobytes())
            sha.update(np.ascontiguousarray(layer.share).tobytes())
        return sha.hexdigest()

    # ---- as files -----------------------------------------------------------------------------

    def files(self) -> tuple[dict[str, bytes], dict[str, Any]]:
        """PNG files whose three channels are the ranks, one of names, and which is which."""
        files: dict[str, bytes] = {}
        parts: dict[str, Any] = {"names": _NAMES}
        for name, layer in (("objects", self.objects), ("materials", self.of_materials)):
            planes = {"index": layer.which & 0xFF, "share": layer.share}
            if layer.which.max(initial=0) > 0xFF:
                planes["high"] = layer.which >> 8
            parts[name] = {}
            for plane, pixels in planes.items():
                file = f"{name}-{plane}.png"
                colors = np.ascontiguousarray(pixels.astype(np.uint8).transpose(1, 2, 0))
                files[file] = images.encode_png(colors)
                parts[name][plane] = file
        names = {
            "objects": [
                {
                    "name": thing.name,
                    "collections": list(thing.collections),
                    "instancers": list(thing.instancers),
                }
                for thing in self.things
            ],
            "materials": list(self.materials),
        }
        files[_NAMES] = json.dumps(names, ensure_ascii=False).encode()
        return files, parts

    @classmethod
    def from_files(cls, parts: Mapping[str, Any], read: Callable[[str], bytes]) -> Ids:
        """What `files` gave. Raises InvalidInput for what is no such thing, and what read does."""
        try:
            names = json.loads(read(parts["names"]))
            layers = []
            for name in ("objects", "materials"):
                planes = {
                    plane: images.decode(read(file), file, ours=True)[..., :RANKS]
                    for plane, file in parts[name].items()
                }
                which = planes["index"].astype(np.uint16)
                if "high" in planes:
                    which |= planes["high"].astype(np.uint16) << 8
                if which.shape != planes["share"].shape or which.max(initial=0) > len(names[name]):
                    raise ValueError(f"the {name} do not fit together")
                layers.append(Layer(which.transpose(2, 0, 1), planes["share"].transpose(2, 0, 1)))
            things = tuple(
                Thing(
                    str(one["name"]),
                    tuple(map(str, one.get("collections", ()))),
                    tuple(map(str, one.get("instancers", ()))),
                )
                for one in names["objects"]
            )
            return cls(layers[0], layers[1], things, tuple(map(str, names["materials"])))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise InvalidInput("The objects of this view are damaged.", f"({error})") from error


def from_samples(samples: NDArray[np.integer[Any]]) -> Layer:
    """samples: (N, H, W), what was met at N places of each pixel; 0 for nothing."""
    count = len(samples)
    same = np.ones(samples.shape[1:], bool)
    for sample in samples[1:]:
        same &= sample == samples[0]
    which = np.zeros((RANKS, *same.shape), np.uint16)
    share = np.zeros((RANKS, *same.shape), np.uint8)
    which[0] = samples[0]
    share[0] = np.where(samples[0] > 0, 255, 0)
    mixed = ~same
    if mixed.any():
        met = np.sort(samples[:, mixed], axis=0)  # (N, pixels)
        times = (met[:, None] == met[None]).sum(axis=1)
        times[met == 0] = 0
        times[1:][met[1:] == met[:-1]] = 0  # each counts once
        order = np.argsort(-times, axis=0, kind="stable")[:RANKS]
        found, often = (np.take_along_axis(one, order, 0) for one in (met, times))
        for rank in range(min(RANKS, count)):
            there = often[rank] > 0
            which[rank][mixed] = np.where(there, found[rank], 0)
            share[rank][mixed] = np.rint(often[rank] * (255 / count))
    return Layer(which, share)


def compact(layer: Layer, count: int) -> tuple[Layer, list[int]]:
    """With new numbers for what is seen of `count` only; the places of those in the old list."""
    seen = np.zeros(count + 1, bool)
    for which, share in zip(layer.which, layer.share, strict=True):
        seen[which[share > 0]] = True
    seen[0] = False
    places = np.flatnonzero(seen)
    numbers = np.zeros(count + 1, np.uint16)
    numbers[places] = np.arange(1, len(places) + 1)
    return Layer(numbers[layer.which], layer.share), [int(place) - 1 for place in places]


def _covered(layer: Layer, places: list[int]) -> NDArray[np.uint8]:
    wanted = np.zeros(MOST + 1, bool)
    wanted[places] = True
    total = np.zeros(layer.which.shape[1:], np.uint16)
    for which, share in zip(layer.which, layer.share, strict=True):
        total += np.where(wanted[which], share, 0)
    return np.minimum(total, 255).astype(np.uint8)


def _check(wanted: Sequence[str], there: list[str]) -> None:
    for name in wanted:
        if name not in there:
            listed = ", ".join(f'"{one}"' for one in there[:_LISTED])
            if len(there) > _LISTED:
                listed += f" and {len(there) - _LISTED} more"
            raise NotFound(
                f'The image shows nothing that is called "{name}".',
                f"It shows {listed}." if there else "It shows nothing of that kind.",
                "Check the name.",
            )
