# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request costs: an estimate before anything is sent, the real sum after, and budgets.

Everything is in US dollars, from the prices in models.toml. What is not known is None, and said
so; it is never guessed.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from ..errors import OverBudget
from ..image import images
from ..request import RenderRequest
from .output_spec import clip_seconds, output_spec

if TYPE_CHECKING:
    from .catalog import Model, Price

_CHARACTERS_PER_TOKEN = 4
_PATCH, _MOST_PATCHES = 32, 1536
_TILE = 512


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a provider counted, by what they were."""

    text_in: int = 0
    image_in: int = 0
    text_out: int = 0
    image_out: int = 0

    def to_json(self) -> dict[str, int]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            *(getattr(self, field.name) + getattr(other, field.name) for field in fields(self))
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """images: for what comes out. inputs: for what is sent. None where unknown.

    seen: how many times as much the last images of the model have really cost; 1.0 where the price
    list is right, or nothing else is known (see `models.seen_costs`).
    """

    images: float | None
    inputs: float | None
    seen: float = 1.0

    @property
    def listed(self) -> float | None:
        """All of it by the price list; None unless both are known."""
        if self.images is None or self.inputs is None:
            return None
        return self.images + self.inputs

    @property
    def usd(self) -> float | None:
        """What it is taken to cost; None unless all of it is known."""
        return None if self.listed is None else self.listed * self.seen

    @property
    def text(self) -> str:
        """For people: "about $0.06", "about $0.05, as seen", "unknown", "free"."""
        if self.usd is None:
            return "unknown" if self.images is None else f"{dollars(self.images)} and the inputs"
        as_seen = ", as seen" if self.seen != 1.0 else ""
        return "free" if self.usd == 0 else f"about {dollars(self.usd)}{as_seen}"


UNKNOWN = Estimate(None, None)


def dollars(usd: float) -> str:
    """ "$0.004", "$0.21", "$12.50": small sums with as many digits as they need."""
    if usd == 0 or usd >= 0.1:
        return f"${usd:.2f}"
    return f"${usd:.3f}".removesuffix("0") if usd >= 0.001 else f"${usd:.2g}"


def estimate(
    model: Model, request: RenderRequest, canvas_size: tuple[int, int] | None = None
) -> float | None:
    """US dollars for all images of the request and its inputs; None where it is unknown.

    canvas_size: width and height of a canvas that is still to be captured.
    """
    return estimate_parts(model, request, canvas_size).usd


def per_image(model: Model, resolution: str) -> float | None:
    """What one square image of that resolution costs without any inputs: for lists."""
    if model.price is None:
        return None
    return _image(model, model.price, RenderRequest(prompt="-", resolution=resolution))


def estimate_parts(
    model: Model, request: RenderRequest, canvas_size: tuple[int, int] | None = None
) -> Estimate:
    """As `estimate`, outputs and inputs apart."""
    price = model.price
    if price is None:
        return UNKNOWN
    if request.kind in ("video", "model"):
        return Estimate(sent_on(model, price, request), 0.0)
    if request.canvas is not None:
        canvas_size = request.canvas.width, request.canvas.height
    aspect = canvas_size[0] / canvas_size[1] if canvas_size is not None else None
    each = _image(model, price, request, aspect if request.kind == "render" else None)
    calls = request.count if model.extra.get("one_per_call") else 1
    inputs = _inputs(model, price, request, canvas_size)
    return Estimate(
        None if each is None else each * request.count, None if inputs is None else inputs * calls
    )


def sent_on(model: Model, price: Price, request: RenderRequest) -> float | None:
    """A clip by its seconds, or a 3D model; None where its price is not known.

    What it depends on is named by the values of the options in `extra.priced_by`.
    """
    named = model.extra.get("priced_by", ())
    values = (model.value(request.options, str(name)) for name in named)
    key = " ".join(str(value).lower() for value in values)
    if request.kind == "model":
        return price.per_model.get(key)
    each = price.per_second.get(key)
    return None if each is None else each * clip_seconds(model, request)


def actual(model: Model, usage: Usage | None) -> float | None:
    """US dollars for what the provider counted; None if it counted nothing or has no price."""
    if usage is None or model.price is None or not model.price.per_million:
        return None
    total = 0.0
    for field in fields(usage):
        tokens = getattr(usage, field.name)
        if not tokens:
            continue
        rate = model.price.per_million.get(field.name)
        if rate is None:
            return None
        total += tokens * rate / 1e6
    return total


def check_budget(estimated: float | None, maximum: float | None) -> None:
    """Raises OverBudget if it would cost more than the maximum, or nobody can tell."""
    if maximum is None:
        return
    if estimated is None:
        raise OverBudget(
            "The price of this model is not known, so your limit cannot be kept.",
            action="Leave the limit out, or choose another model.",
        )
    if estimated > maximum:
        raise OverBudget(
            f"This would cost about {dollars(estimated)}; your limit is {dollars(maximum)}.",
            action="Raise the limit, lower the count or the resolution, or choose another model.",
        )


def check_month(estimated: float | None, spent: float, maximum: float | None) -> None:
    """Raises OverBudget if what was spent this month and this request together would be more than
    the month's budget, or nobody can tell. spent: with what is on its way (`Reservations`)."""
    if maximum is None or estimated == 0:
        return
    if estimated is None:
        raise OverBudget(
            "The price of this model is not known, so your monthly budget cannot be kept.",
            action="Take the budget away in the preferences, or choose another model.",
        )
    if spent + estimated > maximum:
        raise OverBudget(
            f"This would cost about {dollars(estimated)}, and {dollars(spent)} of this month's "
            f"{dollars(maximum)} are spent.",
            action="Raise the monthly budget in the preferences, or choose a cheaper model.",
        )


class Reservations:
    """What jobs on their way will cost, so that several at once cannot pass a budget together.

    Safe in any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, float] = {}

    @property
    def total(self) -> float:
        with self._lock:
            return sum(self._held.values())

    def hold(self, job: int, estimated: float | None, spent: float, maximum: float | None) -> None:
        """Check the month's budget (see `check_month`) and hold the sum until `release`."""
        with self._lock:
            check_month(estimated, spent + sum(self._held.values()), maximum)
            self._held[job] = estimated or 0.0

    def release(self, job: int) -> None:
        with self._lock:
            self._held.pop(job, None)


# ---- outputs -----------------------------------------------------------------------------------


def _image(
    model: Model, price: Price, request: RenderRequest, aspect: float | None = None
) -> float | None:
    """One image that comes out."""
    planned = output_spec(model, request, aspect)
    quality = planned.quality
    for key in (f"{quality} {planned.size}", f"{quality} {planned.resolution}", planned.resolution):
        if key in price.per_image:
            return price.per_image[key]
    pixels = planned.width * planned.height * planned.times**2
    for most in sorted(price.up_to_megapixels, key=float):
        if pixels <= float(most) * 1e6:
            return price.up_to_megapixels[most]
    if price.per_next_megapixel:
        following = _megapixels(pixels) - 1
        return price.per_megapixel + price.per_next_megapixel * following
    if price.per_megapixel:
        return price.per_megapixel * pixels / 1e6
    tokens: float | None = None
    if price.tokens_by_resolution:
        tokens = price.tokens_by_resolution.get(planned.resolution)
    elif planned.quality in price.grid_by_quality:
        tokens = grid_tokens(planned.width, planned.height, price.grid_by_quality[planned.quality])
    rate = price.per_million.get("image_out")
    if tokens is None or rate is None:
        return None
    if request.count == 1 and price.tokens_per_partial:
        tokens += price.tokens_per_partial * int(model.value(request.options, "partials", 0))
    return tokens * rate / 1e6


def _megapixels(pixels: float) -> int:
    """Of 1024 by 1024 pixels, as they are counted where each that has begun is charged."""
    return math.ceil(pixels / 1024**2)


def grid_tokens(width: int, height: int, grid: int) -> int:
    """The output tokens of a GPT Image 2 or later: a grid over the longer side by quality, as
    many cells over the shorter as keep them square, and more of each for more pixels."""
    long, short = max(width, height), min(width, height)
    cells = grid * round(grid * short / long)
    return math.ceil(cells * (2_000_000 + width * height) / 4_000_000)


# ---- inputs ------------------------------------------------------------------------------------


def _inputs(
    model: Model, price: Price, request: RenderRequest, canvas_size: tuple[int, int] | None
) -> float | None:
    """What is sent with one call: the text, and every image."""
    sizes = _sent_sizes(model, request, canvas_size)
    if price.per_next_megapixel:
        return price.per_next_megapixel * sum(_megapixels(w * h) for w, h in sizes)
    if not price.per_million:
        return price.per_input_image * max(0, len(sizes) - price.free_inputs)
    if sizes and price.input_images == "unknown":
        return None
    tokens = sum(_image_tokens(price, model, request, size) for size in sizes)
    words = len(request.prompt) + (len(request.scene_text) if request.enhance else 0)
    text = (words + 200 + 100 * len(sizes)) / _CHARACTERS_PER_TOKEN
    rates = price.per_million
    if "text_in" not in rates or (sizes and "image_in" not in rates):
        return None
    return (text * rates["text_in"] + tokens * rates.get("image_in", 0.0)) / 1e6


def _sent_sizes(
    model: Model, request: RenderRequest, canvas_size: tuple[int, int] | None
) -> list[tuple[int, int]]:
    """Width and height of every image that will go with the request."""
    sizes: list[tuple[int, int]] = []
    if request.kind == "edit" and request.source is not None:
        sizes.append(_size(request.source))
        for data, place in ((request.mask, "mask"), (request.markup, "markup")):
            if data is not None:
                sizes.append(_size(request.source) if not model.extra.get(place) else _size(data))
    elif canvas_size is not None:
        guides = str(model.value(request.options, "guides"))
        number = 1 + ("depth" in guides) + ("normals" in guides)
        sizes += [canvas_size] * number
    sizes += [_size(reference.data) for reference in request.references]
    return sizes[: int(model.extra.get("max_images", len(sizes)))]


def _size(data: bytes) -> tuple[int, int]:
    info = images.probe(data)
    return info.width, info.height


def _image_tokens(
    price: Price, model: Model, request: RenderRequest, size: tuple[int, int]
) -> float:
    if isinstance(price.input_images, int):
        return price.input_images
    width, height = size
    if price.input_images == "patches":
        return _patches(width, height)
    # "tiles": scaled to 512 on the shorter side, then so many tiles of 512.
    scale = min(1.0, _TILE / min(width, height))
    tiles = math.ceil(width * scale / _TILE) * math.ceil(height * scale / _TILE)
    tokens = 65 + 129 * tiles
    if model.value(request.options, "fidelity", "low") == "high":
        tokens += 4160 if 0.9 < width / height < 1.1 else 6240
    return tokens


def _patches(width: int, height: int) -> int:
    """32-pixel patches, after scaling down to as many as the model looks at."""

    def count(scale: float) -> int:
        return math.ceil(width * scale / _PATCH) * math.ceil(height * scale / _PATCH)

    scale = 1.0
    if count(scale) > _MOST_PATCHES:
        scale = math.sqrt(_MOST_PATCHES * _PATCH**2 / (width * height))
        while count(scale) > _MOST_PATCHES:
            scale *= 0.99
    return count(scale)
