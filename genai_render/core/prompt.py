# SPDX-License-Identifier: GPL-3.0-or-later
"""The prompt as it is sent: the user's words, the style's, the scene's, and which image is what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .models.catalog import Style
from .request import Closeness, Kind, RenderRequest, Role

ImageRole = Literal["canvas", "depth", "normal", "source", "mask", "markup"] | Role

_SAYS: dict[str, str] = {
    "canvas": "the 3D view to turn into a finished image: keep its camera, framing, shapes and "
    "layout exactly",
    "depth": "its depth map (near is white): keep every distance and silhouette",
    "normal": "its surface normals as colours: keep every surface's orientation",
    "source": "the image to change: keep everything that the text does not mention",
    "mask": "a mask of that image: change only what is white in it, keep what is black",
    "markup": "the same image with marks drawn on it: do what the marks show where they are, and "
    "leave the marks themselves out",
    "style": "a style reference: take its look, medium and mood, not its content",
    "material": "a material reference: take its surfaces, textures and finish",
    "subject": "a subject reference: keep the identity of what it shows",
    "composition": "a composition reference: take its arrangement, not its content",
    "free": "a reference image",
}


# What is said of the view where the image may move away from it; else it is as above.
_CLOSENESS_SAYS: dict[str, dict[str, str]] = {
    "close": {
        "canvas": "the 3D view to turn into a finished image: keep its camera, framing, layout and "
        "shapes, only small details may change",
    },
    "balanced": {
        "canvas": "the 3D view to turn into a finished image: keep its camera, framing and layout; "
        "shapes may be refined and details added",
        "depth": "its depth map (near is white): keep the distances roughly",
        "normal": "its surface normals as colours: keep the large surfaces' orientation",
    },
    "loose": {
        "canvas": "a 3D view as a starting point: take its camera and rough layout; shapes, "
        "proportions and details may change freely",
        "depth": "its depth map (near is white), only as a hint of what is near and far",
        "normal": "its surface normals as colours, only as a hint",
    },
}


# Of a picture that was carried into another camera.
_CARRIED = (
    "Complete the image where the mask lets it change: continue its surfaces, light, colors and "
    "style there, so that no seam is seen. The whole image is:"
)


@dataclass(frozen=True, slots=True)
class SentImage:
    """One image that goes with the prompt, in order. weight: 0 to 1, for references."""

    role: ImageRole
    weight: float = 1.0


def compose(request: RenderRequest, style: Style, images: Sequence[SentImage] = ()) -> str:
    """The text for a generative model: what to make first, then what each image is.

    Lines, each with one thought, because models follow those best.
    """
    described = describe(images, request.closeness)
    return "\n".join([build_prompt(request, style), *described, *ending(request, images)])


def build_prompt(request: RenderRequest, style: Style) -> str:
    """What to make: the user's words, the style's, the scene's."""
    lines = [_CARRIED] if request.carried else []
    lines.append(_closed(request.prompt))
    if style.prompt:
        lines.append(_closed(f"Style: {style.prompt}"))
    if request.enhance and request.scene_text:
        lines.append(_closed(f"The scene: {request.scene_text}"))
    return "\n".join(lines)


def describe(images: Sequence[SentImage], closeness: Closeness = "auto") -> list[str]:
    """One line for each image, in order: which it is, and what to take from it."""
    lines = []
    for number, image in enumerate(images, start=1):
        says = _CLOSENESS_SAYS.get(closeness, {}).get(image.role, _SAYS[image.role])
        if image.weight < 0.35:
            says += ", only as a faint hint"
        elif image.weight < 0.75:
            says += ", loosely"
        lines.append(f"Image {number} is {says}.")
    return lines


def ending(request: RenderRequest, images: Sequence[SentImage]) -> list[str]:
    """What must not happen, last, where models heed it best."""
    lines = []
    if request.markup is not None and all(image.role != "markup" for image in images):
        lines.append("Do what the marks over Image 1 show, and leave the marks themselves out.")
    if images and images[0].role in ("canvas", "source"):
        lines.append(_ending(request.kind))
    return lines


def _ending(kind: Kind) -> str:
    if kind == "edit":
        return "Change nothing else."
    return "Do not add text, borders, gizmos or interface elements."


def _closed(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?", "…", "。", "！", "？")) else f"{text}."
