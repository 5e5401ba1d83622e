# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's annotations as marks on an image: those of the 3D Viewport as the image's view sees
them, those of an Image Editor that shows the image as they are.

What a stroke is measured in, Blender 4.3 and later do not say. Annotations of a viewport are in the
scene unless they are placed in the view, and those of an Image Editor are parts of the image.

A layer that was given a name says with it what is to be done there: it is a numbered marker.
"""

# Blender's stubs know neither what a context always has here nor a type's own members.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import bpy

from ...core import lazy
from ...core.errors import InvalidInput
from ...core.masks.markup import Marks, Stroke, drawn
from ..capture.camera import unit_metres

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...core.view.canvas import View
else:
    np = lazy.module("numpy")

_POINTS_ACROSS = 1000  # the width of a picture for which a stroke's thickness is meant
_NUMBER = re.compile(r"\.\d+$")  # Blender's, of a second layer of a name
_UNNAMED = ("", "note", "gp_layer", "layer", "fills", "lines")
_SHOWS = "genai_render"  # on an image: which item of History it is


def marks(
    context: bpy.types.Context, item_id: str, view: View | None, width: int, height: int
) -> Marks:
    """All annotations on an image of History.

    view: where it was seen from, if it was. Raises InvalidInput without any.
    """
    strokes: list[Stroke] = []
    instructions: list[str] = []
    if view is not None:
        strokes += of_scene(context.scene, view, width, height)
        instructions += _instructions(_annotation(context.scene))
    for space in _image_editors(context):
        if space.image is not None and space.image.get(_SHOWS) == item_id:
            annotation = _annotation(space)
            strokes += of_image(annotation, width, height, len(instructions))
            instructions += _instructions(annotation)
    if not strokes:
        raise InvalidInput(
            "Nothing is drawn on this image.",
            action="Draw on it with Blender's tool Annotate, over the view that it was made from "
            "or in an Image Editor that shows it.",
        )
    return Marks(drawn(strokes, width, height), tuple(instructions))


def is_annotated(scene: bpy.types.Scene) -> bool:
    return _annotation(scene) is not None


def of_scene(scene: bpy.types.Scene, view: View, width: int, height: int) -> list[Stroke]:
    """What is drawn in the scene, as the view sees it."""
    metres = unit_metres(scene)
    to_camera = np.linalg.inv(np.array(view.camera_to_world, np.float64))
    to_clip = np.array(view.projection_matrix, np.float64) @ to_camera
    strokes = []
    for points, color, thick, number in _strokes(_annotation(scene)):
        place = np.column_stack((points * metres, np.ones(len(points))))
        clip = place @ to_clip.T
        # A stroke that goes behind the viewer is one up to there.
        for part in _runs(clip[:, 3] > 1e-6):
            seen = clip[part, :2] / clip[part, 3:]
            pixels = np.column_stack(((seen[:, 0] + 1) / 2 * width, (1 - seen[:, 1]) / 2 * height))
            strokes.append(Stroke(pixels, color, _width(thick, width), number))
    return strokes


def of_image(annotation: Any, width: int, height: int, before: int = 0) -> list[Stroke]:
    """What is drawn on an image in an Image Editor. before: how many markers there are already."""
    return [
        Stroke(
            np.column_stack((points[:, 0] * width, (1 - points[:, 1]) * height)),
            color,
            _width(thick, width),
            number + before if number else 0,
        )
        for points, color, thick, number in _strokes(annotation)
    ]


def _annotation(owner: Any) -> Any:
    """Of a scene or an editor: before Blender 5, annotations were called grease pencil."""
    return getattr(owner, "annotation", None) or getattr(owner, "grease_pencil", None)


def _drawn_on(annotation: Any) -> Iterator[tuple[Any, list[Any]]]:
    """The layers that are seen now, with their strokes."""
    for layer in () if annotation is None else annotation.layers:
        frame = layer.active_frame or _frame_now(layer)
        if layer.annotation_hide or layer.is_ruler or frame is None:
            continue
        strokes = [stroke for stroke in frame.strokes if len(stroke.points)]
        if strokes:
            yield layer, strokes


def _instruction(layer: Any) -> str:
    """What its name asks for; "" where nobody has named it."""
    name = layer.info.strip()
    bare = _NUMBER.sub("", name)
    # Blender names a new one in the language of its interface, where new data is translated.
    unnamed = bare.lower() in _UNNAMED or bare == bpy.app.translations.pgettext_data("Note")
    return "" if unnamed else name


def _instructions(annotation: Any) -> list[str]:
    return [text for layer, _ in _drawn_on(annotation) if (text := _instruction(layer))]


def _strokes(
    annotation: Any,
) -> Iterator[tuple[NDArray[np.float64], tuple[float, float, float, float], float, int]]:
    """Points, color, thickness, and the number of the marker; 0 for none."""
    marker = 0
    for layer, strokes in _drawn_on(annotation):
        red, green, blue = layer.color
        color = (red, green, blue, layer.annotation_opacity)
        named = bool(_instruction(layer))
        marker += named
        for stroke in strokes:
            flat = np.empty(len(stroke.points) * 3, np.float32)
            stroke.points.foreach_get("co", flat)
            points = flat.reshape(-1, 3).astype(np.float64)
            yield points, color, layer.thickness, marker if named else 0


def _frame_now(layer: Any) -> Any:
    """Of a layer that Blender has not drawn yet."""
    now = bpy.context.scene.frame_current
    past = [frame for frame in layer.frames if frame.frame_number <= now]
    return max(past, key=lambda frame: frame.frame_number, default=None)


def _runs(there: NDArray[np.bool_]) -> Iterator[slice]:
    """The parts of a row that are True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], there.astype(np.int8), [0]))))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        yield slice(int(start), int(stop))


def _width(thickness: float, width: int) -> float:
    return thickness * max(width / _POINTS_ACROSS, 0.5)


def _image_editors(context: bpy.types.Context) -> Iterator[Any]:
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                yield area.spaces.active
