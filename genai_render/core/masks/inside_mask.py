# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of an edit with a mask: what a model drew within it, the source everywhere else.

A model that is given a mask takes it as a hint: it draws the whole picture again, in a size of its
own. Here the source's own pixels come back wherever the mask says that they stay, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import lazy
from ..errors import GenAIError, ImageError
from ..events import CancelToken, Event, Result
from ..image import images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from ..request import RenderRequest

    Run = Callable[[RenderRequest, CancelToken], Iterator[Event]]
else:
    np = lazy.module("numpy")
    Image = lazy.module("PIL.Image")

SAME_SHAPE = 0.02  # how far width over height may be off, which sizes in steps of 16 pixels cause
OFFLINE = "offline"  # the model of the embedded engine, which knows what to do by itself
_BAND = 512  # rows that are mixed at a time


def kept_outside(request: RenderRequest, result: Result) -> tuple[Result, str]:
    """What is kept of a result: outside of the request's mask, the source as it is.

    With what there is to say where that cannot be: it was paid for, and stays as it came.
    """
    if request.mask is None or request.source is None:
        return result, ""
    try:
        return combined(request.source, request.mask, result), ""
    except GenAIError as error:
        return result, f"The image was changed outside of the mask, too. {error.text}"


def drawn_where_new(run: Run) -> Run:
    """A backend's `run` that asks no model where a carried picture has all that is to be seen."""

    def asked(request: RenderRequest, cancel: CancelToken) -> Iterator[Event]:
        if request.carried and request.mask is None and request.model != OFFLINE:
            yield _whole(request)
        else:
            yield from run(request, cancel)

    return asked


def _whole(request: RenderRequest) -> Result:
    """A picture that was carried into another camera as a whole: nothing of it is to be made."""
    assert request.source is not None, "it is an edit"
    info = images.probe(request.source)
    return Result(
        *(request.source, info.mime, info.width, info.height),
        seed=request.seed,
        prompt_sent=request.prompt,
        info={"carried": "whole"},
        cost_usd=0.0,
    )


def combined(source: bytes, mask: bytes, result: Result) -> Result:
    """The result within the mask, the source elsewhere, as a PNG of the source's size.

    mask: transparent where the image may change; in between, the two are mixed.
    Raises ImageError for a result that has another shape or cannot be read.
    """
    before = images.decode(source, "The source")
    drawn = images.decode(result.image, "The result")
    height, width = before.shape[:2]
    shape = drawn.shape[1] / drawn.shape[0]
    if abs(shape / (width / height) - 1) > SAME_SHAPE:
        raise ImageError(
            "It came in another shape than the source.",
            f"{drawn.shape[1]} × {drawn.shape[0]} instead of {width} × {height} pixels.",
        )
    same_size = drawn.shape[:2] == before.shape[:2]
    channels = max(before.shape[2], drawn.shape[2])
    before, drawn = _with_channels(before, channels), _with_channels(drawn, channels)
    drawn = _scaled(drawn, width, height, Image.Resampling.LANCZOS)
    kept = _scaled(images.decode(mask, "The mask"), width, height, Image.Resampling.BILINEAR)
    out = before.copy()
    for top in range(0, height, _BAND):
        rows = slice(top, top + _BAND)
        alpha = kept[rows, :, 3:] if kept.shape[2] == 4 else np.full_like(kept[rows, :, :1], 255)
        share = (255 - alpha.astype(np.float32)) / np.float32(255)
        own = before[rows].astype(np.float32)
        mixed = own + (drawn[rows] - own) * share + np.float32(0.5)
        out[rows] = np.where(alpha == 255, before[rows], mixed.astype(np.uint8))
    if result.mime == "image/png" and same_size and (out == drawn).all():
        return result  # the backend has kept to it
    info = {**result.info, "kept_outside_mask": True}
    image = images.encode_png(out)
    return replace(result, image=image, mime="image/png", width=width, height=height, info=info)


def _with_channels(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Opaque where it had no transparency."""
    if pixels.shape[2] == channels:
        return pixels
    out = np.full((*pixels.shape[:2], channels), 255, np.uint8)
    out[..., : pixels.shape[2]] = pixels
    return out


def _scaled(
    pixels: NDArray[np.uint8], width: int, height: int, how: Image.Resampling
) -> NDArray[np.uint8]:
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), how))
