# SPDX-License-Identifier: GPL-3.0-or-later
"""The second Blender: draws the canvases of a render, one line of JSON for each.

It runs this module's `main` and nothing else. What it is asked comes on standard input, what it
answers goes to standard output behind a mark, since Blender prints there, too. It ends when its
input does, which is when the first Blender is gone.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...core import log
from ...core.errors import GenAIError, SceneError
from ...core.image import display_transform
from ..capture import CaptureSpec, capture
from ..capture.passes import use_srgb_display
from ..capture.planes import linear_from_rec709
from .canvas_process import MARK


def main() -> None:
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line))
        except GenAIError as error:
            answer = {"what": error.what, "why": error.why, "action": error.action}
        except Exception as failure:
            answer = {"what": log.internal_error(failure).text, "why": "", "action": ""}
        sys.stdout.write(f"\n{MARK}{json.dumps(answer)}\n")
        sys.stdout.flush()


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    match asked["do"]:
        case "open":
            return _open(asked)
        case "capture":
            return _capture(asked)
        case "colors":
            return _colors(asked)
    raise SceneError(f'"{asked["do"]}" is nothing that can be asked.')


def _open(asked: dict[str, Any]) -> dict[str, Any]:
    bpy.ops.wm.open_mainfile(
        filepath=asked["file"],
        load_ui=False,
        use_scripts=asked["scripts"],
        display_file_selector=False,
    )
    bpy.context.window.scene = bpy.data.scenes[asked["scene"]]  # pyright: ignore
    return {}


def _capture(asked: dict[str, Any]) -> dict[str, Any]:
    scene = bpy.data.scenes[asked["scene"]]
    if (scene.frame_current, scene.frame_subframe) != (asked["frame"], asked["subframe"]):
        scene.frame_set(asked["frame"], subframe=asked["subframe"])
    folder = Path(asked["folder"])
    with bpy.context.temp_override(scene=scene, view_layer=scene.view_layers[asked["layer"]]):
        canvas = capture(bpy.context, CaptureSpec(**asked["spec"], ids=False))
    for name in ("color", "depth", "normal", "albedo"):
        plane = getattr(canvas, name)
        if plane is not None:
            np.save(folder / f"{name}.npy", plane)
    return {"view": canvas.view.to_json(), "notices": canvas.notices}


def _colors(asked: dict[str, Any]) -> dict[str, Any]:
    """The way back through the scene's view transform."""
    # Each capture sets all of this for itself.
    scene: Any = bpy.data.scenes[asked["scene"]]
    use_srgb_display(scene)
    scene.render.dither_intensity = 0
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "PNG"
    settings.color_mode = "RGB"
    settings.color_depth = "16"
    settings.compression = 0
    settings.color_management = "FOLLOW_SCENE"
    inverse = display_transform.invert(lambda colors: _shown(scene, colors))
    if inverse.places is not None and inverse.primaries is not None:
        np.save(Path(asked["folder"]) / "places.npy", inverse.places)
        np.save(Path(asked["folder"]) / "primaries.npy", inverse.primaries)
    return {}


def _shown(scene: bpy.types.Scene, colors: NDArray[np.float32]) -> NDArray[np.float32]:
    """What Blender makes of scene-linear colors when it saves a picture."""
    side = math.ceil(math.sqrt(len(colors)))
    pixels = np.ones((side * side, 4), np.float32)
    pixels[: len(colors), :3] = linear_from_rec709(colors)
    with tempfile.TemporaryDirectory(prefix="genai_render-") as folder:
        path = str(Path(folder) / "shown.png")
        image: Any = bpy.data.images.new("genai_render", side, side, float_buffer=True)
        try:
            image.pixels.foreach_set(pixels.ravel())
            image.save_render(path, scene=scene)
        finally:
            bpy.data.images.remove(image)
        image = bpy.data.images.load(path)
        try:
            image.colorspace_settings.name = "Non-Color"  # the file's own numbers
            image.pixels.foreach_get(pixels.reshape(-1))
        finally:
            bpy.data.images.remove(image)
    return pixels[: len(colors), :3]
