# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that go with a request to a generative model: which, in what order, how encoded."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.errors import InvalidInput
from ...core.image import images
from ...core.masks import mask as mask_of
from ...core.models.catalog import Model
from ...core.prompt import ImageRole, SentImage
from ...core.request import RenderRequest
from ...core.view.canvas import Canvas
from ...core.view.guides import encode_depth, encode_normal

GUIDES_OPTION = "guides"
"""The option by which the user chooses among color, depth and normals."""

LONGEST_SIDE = 2048
"""Models look at an input with about 1.5 megapixels; more only takes longer to send."""

MASK_BYTES = 4 * 1000 * 1000
_BACKGROUND = (225, 225, 225)
_MOST_BYTES = 20 * 1000 * 1000


@dataclass(frozen=True, slots=True)
class Attachment:
    """One image as it is sent. name: for people and for what is kept ("depth.png")."""

    name: str
    data: bytes
    mime: str
    role: ImageRole
    weight: float = 1.0

    @property
    def sent(self) -> SentImage:
        return SentImage(self.role, self.weight)


@dataclass(frozen=True, slots=True)
class Attachments:
    """images: in the order in which they are sent. mask, markup: PNG files of their own, for an
    API that has a place for them. notices: what was left out and why."""

    images: tuple[Attachment, ...]
    mask: bytes | None = None
    markup: bytes | None = None
    notices: tuple[str, ...] = ()

    @property
    def roles(self) -> tuple[SentImage, ...]:
        return tuple(image.sent for image in self.images)

    def kept(self) -> dict[str, bytes]:
        """What to keep with the result, by name."""
        kept = {image.name: image.data for image in self.images}
        if self.mask is not None:
            kept["mask-sent.png"] = self.mask
        if self.markup is not None:
            kept["markup-sent.png"] = self.markup
        return kept


def attachments(model: Model, request: RenderRequest) -> Attachments:
    """What goes with this request to this model.

    model.extra: `max_images` and `max_bytes` it takes; `mask`, `markup`: it has a place for them,
    else they become an image of their own. Raises InvalidInput for a mask that does not fit.
    """
    attached: list[Attachment] = []
    mask = markup = None
    if request.kind == "edit" and request.source is not None:
        # Never made smaller: a mask has to fit it pixel by pixel.
        attached.append(_file("source", request.source, "source", shrink=False))
        if request.mask is not None:
            mask_of.check_size(request.source, request.mask, "mask")
            if model.extra.get("mask"):
                mask = _light_mask(request.mask)
            else:
                attached.append(_png("mask.png", mask_of.white(request.mask), "mask"))
        if request.markup is not None:
            mask_of.check_size(request.source, request.markup, "markup")
            if model.extra.get("markup"):
                markup = images.encode_png(_markup(request.markup))
            else:
                drawn = _drawn_over(request.source, request.markup)
                attached.append(_png("marked.png", drawn, "markup"))
    elif request.canvas is not None:
        guides = str(model.value(request.options, GUIDES_OPTION, "color"))
        attached += of_canvas(request.canvas, guides)
    for number, reference in enumerate(request.references, start=1):
        name = f"reference-{number}"
        attached.append(_file(name, reference.data, reference.role, reference.weight))
    kept, notices = _within(attached, int(model.extra.get("max_images", 16)), model.label)
    if "max_bytes" in model.extra:
        kept = _lighter(kept, int(model.extra["max_bytes"]))
    return Attachments(tuple(kept), mask, markup, tuple(notices))


def of_canvas(canvas: Canvas, guides: str) -> list[Attachment]:
    """What is sent of a view: its colors, and what `guides` names besides."""
    # Laid over grey: models take transparency now for a mask, now for black.
    sent = [_png("canvas.png", images.flatten(canvas.color, _BACKGROUND), "canvas")]
    if canvas.depth_range() is None:
        return sent  # an empty view: nothing that depth or normals could tell
    if "depth" in guides:
        sent.append(_png("depth.png", encode_depth(canvas.depth, "disparity", 8)[0], "depth"))
    if "normals" in guides:
        sent.append(_png("normal.png", encode_normal(canvas.normal), "normal"))
    return sent


def _within(
    attached: list[Attachment], most: int, label: str
) -> tuple[list[Attachment], list[str]]:
    """Leave out what matters least where the model does not take so many."""
    names = {"normal": "the normals", "depth": "the depth", "markup": "the marks"}
    left_out = []
    for role in names:
        if len(attached) > most and any(image.role == role for image in attached):
            attached = [image for image in attached if image.role != role]
            left_out.append(names[role])
    while len(attached) > most:
        left_out.append(attached.pop().name)
    if not left_out:
        return attached, []
    number = "no images" if most == 0 else "1 image" if most == 1 else f"{most} images"
    return attached, [f"{label} takes {number}: {' and '.join(left_out)} left out."]


def _file(
    name: str, data: bytes, role: ImageRole, weight: float = 1.0, shrink: bool = True
) -> Attachment:
    """An image of the user's, as it is where that is possible."""
    info = images.probe(data, name)
    if len(data) <= _MOST_BYTES:
        return Attachment(name + info.suffix, data, info.mime, role, weight)
    pixels = images.decode(data, name)
    smaller = images.encode_jpeg(_smaller(pixels) if shrink else pixels, 95)
    return Attachment(f"{name}.jpg", smaller, "image/jpeg", role, weight)


def _lighter(lighter: list[Attachment], most: int) -> list[Attachment]:
    """The same, with the heaviest as JPEG, and then smaller, until all together have no more than
    `most` bytes."""
    lighter = list(lighter)
    for side, quality in ((LONGEST_SIDE, 90), (1536, 85), (1024, 80)):
        for place in sorted(range(len(lighter)), key=lambda place: -len(lighter[place].data)):
            if sum(len(image.data) for image in lighter) <= most:
                return lighter
            image = lighter[place]
            if image.role == "mask":
                continue
            pixels = images.decode(image.data, image.name)
            if image.role != "source":
                pixels = _smaller(pixels, side)
            name = image.name.rpartition(".")[0] + ".jpg"
            data = images.encode_jpeg(pixels, quality)
            lighter[place] = replace(image, name=name, data=data, mime="image/jpeg")
    return lighter


def _png(name: str, pixels: NDArray[np.uint8], role: ImageRole) -> Attachment:
    return Attachment(name, images.encode_png(_smaller(pixels)), "image/png", role)


def _smaller(pixels: NDArray[np.uint8], side: int | None = None) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = (side or LONGEST_SIDE) / max(width, height)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def _markup(data: bytes) -> NDArray[np.uint8]:
    pixels = images.decode(data, "markup")
    if pixels.shape[2] != 4 or pixels[..., 3].min() == 255:
        raise InvalidInput(
            "The markup has no transparent pixels.",
            action="It must be a PNG that is transparent where nothing is drawn.",
        )
    return pixels


def _light_mask(data: bytes) -> bytes:
    """The mask as the API wants it: a PNG below its limit, fully transparent where to edit."""
    png = mask_of.hard(data)
    if len(png) >= MASK_BYTES:
        raise InvalidInput("The mask is too intricate to be sent.", action="Draw larger areas.")
    return png


def _drawn_over(source: bytes, markup: bytes) -> NDArray[np.uint8]:
    below = Image.fromarray(images.decode(source, "source")).convert("RGBA")
    below.alpha_composite(Image.fromarray(_markup(markup)))
    return np.asarray(below.convert("RGB"))
