# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model will really be asked for: the nearest that it can do, said before anything is sent.

What sizes a model takes stands with it in models.toml, as `extra.sizes`:

- kind "any": any width and height in steps of `step`, within `max_edge`, `min_pixels`,
  `max_pixels` and `max_ratio`; above `experimental_pixels` it is less sure.
- kind "list": only the sizes in `list` ("1536x1024").
- kind "ratios": one of the shapes in `list` ("16:9") and a resolution are asked for; how many
  pixels come back is up to the provider.
- kind "table": a shape and a resolution are asked for, not pixels; `table` has the pixels that
  come back at 1K by shape, twice that at 2K, four times at 4K.
- kind "source": what comes back is as large as the image that is sent, `times` as long and wide
  (a number, or the id of the option that says it), with the pixels of the options in `margins`
  (left, right, top, bottom) around it. Without such an image as "any".

`extra.edits_keep_size`: an edit has the size of the image that it changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput
from ..framing import AUTO, RESOLUTIONS, check_resolution, ratio, size_for
from ..image import images

if TYPE_CHECKING:
    from ..request import RenderRequest
    from .catalog import Model

_QUALITY_OF_MODE = {"fast": "low", "balanced": "medium", "quality": "high"}
_QUALITY_OF_RESOLUTION = {"1K": "low", "2K": "medium", "4K": "high"}
_SAME_SHAPE = 0.02  # a difference in aspect ratio that nobody sees
_ANY_SIZE = {"kind": "any", "step": 16, "max_edge": 8192, "max_ratio": 8.0}


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """What is asked for, and in what it differs from what the user wanted (`notes`).

    width, height: pixels, as far as the model lets one choose; else what it is known to give.
    aspect: the shape by name, such as "16:9", for models that are told one; else "".
    quality: "low" … "max"; "" for a model without levels.
    times: how much longer and wider than this the image comes back, for a model that enlarges
        what it is sent.
    """

    width: int
    height: int
    aspect: str
    resolution: str
    quality: str = ""
    notes: tuple[str, ...] = ()
    times: float = 1.0

    @property
    def size(self) -> str:
        """ "1536x1024" """
        return f"{self.width}x{self.height}"

    @property
    def text(self) -> str:
        """For people: "1536 × 1024, high quality"."""
        quality = f", {self.quality} quality" if self.quality else ""
        return f"{self.width} × {self.height}{quality}"


def output_spec(
    model: Model, request: RenderRequest, canvas_aspect: float | None = None
) -> OutputSpec:
    """What this model will be asked for. canvas_aspect: width over height, where the canvas is
    not captured yet; else the request's own canvas, source or first reference decides.

    Raises InvalidInput for sizes in a models file that make no sense."""
    if request.kind in ("video", "model"):
        return _of_media(model, request)
    wanted = ratio(request.aspect, _own_aspect(request, canvas_aspect))
    if request.kind == "edit" and request.source is not None and model.extra.get("edits_keep_size"):
        own = images.probe(request.source)
        return OutputSpec(own.width, own.height, "", request.resolution, _quality(model, request))
    resolution, notes = _resolution(model, request.resolution)
    aspect, times = "", 1.0
    try:
        sizes = {**_ANY_SIZE, **model.extra.get("sizes", {})}
        if sizes["kind"] == "source":
            times = _times(model, sizes, request)
            if request.kind == "edit" and request.source is not None:
                return _of_source(model, sizes, request, resolution, times)
        if sizes["kind"] == "table":
            width, height, aspect, more = _from_table(model, sizes, wanted, resolution)
        elif sizes["kind"] == "ratios":
            width, height, aspect, more = _from_ratios(model, sizes, wanted, resolution)
        elif sizes["kind"] == "list":
            width, height, more = _from_list(model, sizes, wanted)
        else:
            width, height, more = _any(model, sizes, wanted, resolution)
    except (KeyError, ValueError, TypeError, ZeroDivisionError, OverflowError) as error:
        raise InvalidInput(
            f"The sizes that stand with {model.label} in the models file cannot be used.",
            f"({type(error).__name__}: {error})",
        ) from error
    notes += more
    if request.kind == "edit" and request.source is not None:
        source = images.probe(request.source)
        if (source.width, source.height) != (width, height):
            notes.append(
                f"The image has {source.width} × {source.height} pixels; "
                f"the edit will have about {width} × {height}."
            )
    quality = _quality(model, request)
    return OutputSpec(width, height, aspect, resolution, quality, tuple(notes), times)


def clip_seconds(model: Model, request: RenderRequest) -> float:
    """How long the clip of a request will be. Raises InvalidInput for a duration of no number."""
    said = model.value(request.options, "duration", model.extra.get("seconds", 0))
    try:
        return float(str(said))
    except ValueError:
        raise InvalidInput(f'"{said}" is not a duration in seconds.') from None


def _of_media(model: Model, request: RenderRequest) -> OutputSpec:
    """A clip has the nearest of the model's shapes, and its own where the model follows the first
    frame; a 3D model has no pixels: the picture's stand for it."""
    about = images.probe(request.source or b"")
    if request.kind == "model":
        return OutputSpec(about.width, about.height, "", request.resolution)
    wanted = ratio(request.aspect, about.width / about.height)
    _check_length(model, request)
    shapes, notes, aspect = model.extra.get("aspects", ()), [], ""
    if shapes:
        aspect, notes = _nearest(model, shapes, wanted)
        wanted = _shape(aspect)
    elif request.aspect != AUTO and _differ(wanted, about.width / about.height):
        wanted = about.width / about.height
        notes = [f"{model.label} keeps the shape of the first frame."]
    lines = str(model.value(request.options, "resolution", model.extra.get("lines", "720p")))
    short = {"480p": 480, "580p": 580, "720p": 720, "1080p": 1080, "4k": 2160}.get(lines, 720)
    long = round(short * max(wanted, 1 / wanted) / 2) * 2
    width, height = (long, short) if wanted >= 1 else (short, long)
    return OutputSpec(width, height, aspect, request.resolution, "", tuple(notes))


def _check_length(model: Model, request: RenderRequest) -> None:
    """Some models make a large clip, or one with a last frame, in one length only."""
    whole = model.extra.get("whole")
    if not isinstance(whole, Mapping) or clip_seconds(model, request) == float(whole["seconds"]):
        return
    lines = str(model.value(request.options, "resolution"))
    if lines in whole["resolutions"]:
        why = f"In {lines} it makes nothing shorter or longer."
    elif request.references:
        why = "With a last frame it makes nothing shorter or longer."
    else:
        return
    raise InvalidInput(
        f"{model.label} makes this {whole['seconds']} seconds long.",
        why,
        f"Choose {whole['seconds']} seconds.",
    )


def _of_source(
    model: Model, sizes: Mapping[str, Any], request: RenderRequest, resolution: str, times: float
) -> OutputSpec:
    """As large as the image that is changed, but for what is added: nothing differs from what was
    asked for, so there is nothing to say."""
    info = images.probe(request.source or b"")
    step = int(sizes["step"])
    names = tuple(sizes.get("margins", ()))
    added = [int(model.value(request.options, name, 0)) for name in names] or [0, 0, 0, 0]
    left, right, top, bottom = added
    sides = (info.width * times + left + right, info.height * times + top + bottom)
    width, height = (max(step, int(side) // step * step) for side in sides)
    return OutputSpec(width, height, "", resolution, _quality(model, request))


def _times(model: Model, sizes: Mapping[str, Any], request: RenderRequest) -> float:
    said = sizes.get("times", 1.0)
    return float(model.value(request.options, said, 1.0) if isinstance(said, str) else said)


def _own_aspect(request: RenderRequest, canvas_aspect: float | None) -> float:
    if canvas_aspect is not None:
        return canvas_aspect
    if request.kind == "edit" and request.source is not None:
        info = images.probe(request.source)
    elif request.canvas is not None:
        return request.canvas.view.aspect
    elif request.width and request.height:
        return request.width / request.height
    elif request.references:
        info = images.probe(request.references[0].data)
    else:
        return 1.0
    return info.width / info.height


def _resolution(model: Model, wanted: str) -> tuple[str, list[str]]:
    """The nearest resolution that the model has: the next smaller, else its smallest."""
    wanted = check_resolution(wanted)
    if wanted in model.resolutions or not model.resolutions:
        return wanted, []
    known = sorted(model.resolutions, key=lambda name: RESOLUTIONS[name])
    smaller = [name for name in known if RESOLUTIONS[name] < RESOLUTIONS[wanted]]
    nearest = smaller[-1] if smaller else known[0]
    return nearest, [f"{model.label} does not make {wanted} images; {nearest} is the nearest."]


def _shape(name: str) -> float:
    across, _, down = name.partition(":")
    return float(across) / float(down)


def _nearest(model: Model, shapes: Iterable[str], wanted: float) -> tuple[str, list[str]]:
    """The name of the shape that is most like it, and what to say where it is not the same."""
    aspect = min(shapes, key=lambda name: abs(math.log(_shape(name) / wanted)))
    if not _differ(_shape(aspect), wanted):
        return aspect, []
    return aspect, [
        f"{model.label} cannot make the shape {_shape_text(wanted)}; {aspect} is the nearest."
    ]


def _from_ratios(
    model: Model, sizes: Mapping[str, Any], wanted: float, resolution: str
) -> tuple[int, int, str, list[str]]:
    aspect, notes = _nearest(model, sizes["list"], wanted)
    size = size_for(AUTO, resolution, auto=_shape(aspect))
    return size.width, size.height, aspect, notes


def _from_table(
    model: Model, sizes: Mapping[str, Any], wanted: float, resolution: str
) -> tuple[int, int, str, list[str]]:
    table: Mapping[str, list[int]] = sizes["table"]
    aspect, notes = _nearest(model, table, wanted)
    times = RESOLUTIONS[resolution] // RESOLUTIONS["1K"]
    width, height = (int(side) * times for side in table[aspect])
    return width, height, aspect, notes


def _from_list(model: Model, sizes: Mapping[str, Any], wanted: float) -> tuple[int, int, list[str]]:
    known = [tuple(map(int, text.split("x"))) for text in sizes["list"]]
    width, height = min(known, key=lambda size: abs(math.log(size[0] / size[1] / wanted)))
    notes = []
    if _differ(width / height, wanted):
        notes.append(
            f"{model.label} cannot make the shape {_shape_text(wanted)}; "
            f"{width} × {height} is the nearest."
        )
    return width, height, notes


def _any(
    model: Model, sizes: Mapping[str, Any], wanted: float, resolution: str
) -> tuple[int, int, list[str]]:
    notes = []
    step, most = int(sizes["step"]), float(sizes["max_ratio"])
    shape = min(max(wanted, 1 / most), most)
    if _differ(shape, wanted):
        notes.append(
            f"{model.label} makes nothing longer than {most:g}:1; the shape will be "
            f"{_shape_text(shape)}."
        )
    asked = size_for(AUTO, resolution, auto=shape)
    pixels = asked.width * asked.height
    limit = sizes.get("max_pixels", math.inf)
    area = max(min(pixels, limit), sizes.get("min_pixels", 0))
    edge = min(int(sizes["max_edge"]), max(asked.width, asked.height) * 4)
    width, height = _fit(shape, area, edge, step, sizes.get("min_pixels", 0), limit, most)
    if width * height < 0.9 * pixels:
        notes.append(
            f"{model.label} does not make {asked.width} × {asked.height} pixels; "
            f"{width} × {height} is the most."
        )
    if width * height > sizes.get("experimental_pixels", math.inf):
        notes.append(f"{model.label} calls sizes as large as {width} × {height} experimental.")
    return width, height, notes


def _fit(
    shape: float,
    area: float,
    edge: int,
    step: int,
    least: float,
    limit: float,
    most: float,
) -> tuple[int, int]:
    """The size in whole steps that comes nearest to a shape and an area and is allowed."""
    ideal = math.sqrt(area * shape)
    best: tuple[float, int, int] | None = None
    for across in range(-4, 5):
        width = round(min(ideal, edge) / step + across) * step
        for down in range(-2, 3):
            height = round(width / shape / step + down) * step
            if not (step <= width <= edge and step <= height <= edge):
                continue
            if not least <= width * height <= limit:
                continue
            if max(width / height, height / width) > most:
                continue
            off = 4 * abs(math.log(width / height / shape)) + abs(math.log(width * height / area))
            if best is None or off < best[0]:
                best = off, width, height
    if best is None:  # a very long shape against the edge: give up some area
        long = min(edge, round(ideal / step) * step)
        width, height = (long, long / shape) if shape >= 1 else (long * shape, long)
        best = 0.0, max(step, round(width / step) * step), max(step, round(height / step) * step)
    return best[1], best[2]


def _quality(model: Model, request: RenderRequest) -> str:
    said = str(model.value(request.options, "quality"))
    if said != "auto":
        return said  # or nothing, for a model without levels
    if request.mode != "auto":
        level = _QUALITY_OF_MODE[request.mode]
    elif model.extra.get("resolution_as_quality"):
        level = _QUALITY_OF_RESOLUTION[check_resolution(request.resolution)]
    else:
        level = "medium"
    levels = model.option("quality").choices
    return level if level in levels else levels[-1]


def _differ(one: float, other: float) -> bool:
    return abs(math.log(one / other)) > _SAME_SHAPE


def _shape_text(shape: float) -> str:
    return f"{shape:.2f}:1" if shape >= 1 else f"1:{1 / shape:.2f}"
