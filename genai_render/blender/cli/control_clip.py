# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene's animation as a clip that a model follows: depth, normals or grey, one frame after
another."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import bpy
import numpy as np

from ...core.errors import InvalidInput
from ...core.image import images
from ...core.view import guides
from ..capture import CaptureSpec, capture
from . import movie

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...core.view.canvas import Canvas

Layer = Literal["depth", "normal", "grey"]
LAYERS: tuple[str, ...] = get_args(Layer)
MOST_FRAMES = 300


def times(start: int, seconds: float, rate: float, scene_rate: float) -> list[tuple[int, float]]:
    """The frames of the scene, each with its subframe, that a clip shows. Raises InvalidInput."""
    number = round(seconds * rate) + 1
    if not 1 < number <= MOST_FRAMES:
        raise InvalidInput(f"A clip to follow has 2 to {MOST_FRAMES} frames, not {number}.")
    at = [start + index * scene_rate / rate for index in range(number)]
    return [(int(moment // 1), round(moment % 1, 4)) for moment in at]


def make(
    context: bpy.types.Context,
    layer: Layer,
    size: tuple[int, int],
    moments: list[tuple[int, float]],
    rate: int,
    camera: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> bytes:
    """The clip as MP4. The scene is at its own frame again afterwards. Raises SceneError."""
    canvases: list[Any] = []
    with _own_frame(context.scene):
        for number, (frame, subframe) in enumerate(moments):
            context.scene.frame_set(frame, subframe=subframe)
            spec = CaptureSpec(width=size[0], height=size[1], camera=camera, mode="fast", ids=False)
            canvases.append(_kept(capture(context, spec), layer))
            if progress is not None:
                progress((number + 1) / len(moments))
    return encode(shown(canvases, layer), rate)


def _kept(canvas: Canvas, layer: Layer) -> NDArray[Any]:
    """What is needed of it: eighty whole canvases would fill the memory."""
    if layer == "depth":
        return canvas.depth
    if layer == "normal":
        return guides.encode_normal(canvas.normal)
    shares = np.array([0.2126, 0.7152, 0.0722], np.float32)
    color = canvas.color[..., :3].astype(np.float32) @ shares
    return (color * (canvas.color[..., 3] / 255)).round().astype(np.uint8)


def shown(kept: list[NDArray[Any]], layer: Layer) -> list[NDArray[np.uint8]]:
    """As pictures; depth with one scale for all, or the same wall would change as others come."""
    if layer != "depth":
        return kept
    ends = [(depth[np.isfinite(depth) & (depth > 0)]) for depth in kept]
    near = min((float(one.min()) for one in ends if one.size), default=1.0)
    far = max((float(one.max()) for one in ends if one.size), default=1.0)
    return [guides.encode_depth(depth, "disparity", 8, near, far)[0] for depth in kept]


def encode(pictures: list[NDArray[np.uint8]], rate: int) -> bytes:
    """The pictures as H.264 in MP4. Raises StorageError."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number:05}.png" for number in range(len(pictures))]
        for path, picture in zip(files, pictures, strict=True):
            path.write_bytes(images.encode_png(picture))
        return movie.write(files, Path(folder) / "clip.mp4", rate, "PERC_LOSSLESS").read_bytes()


@contextlib.contextmanager
def _own_frame(scene: bpy.types.Scene) -> Iterator[None]:
    frame, subframe = scene.frame_current, scene.frame_subframe
    try:
        yield
    finally:
        scene.frame_set(frame, subframe=subframe)
