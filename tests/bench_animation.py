# SPDX-License-Identifier: GPL-3.0-or-later
"""How much steadier an animation is with key frames than frame by frame, with the offline engine.

    python -m tests.bench_animation [FILE.blend] [--frames 48] [--every 8] [--side 512]

Without a file: a scene with a camera that goes around and a ball that rolls.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import bpy
import numpy as np

from genai_render.backends.http.settings import BackendSettings
from genai_render.backends.offline import OfflineBackend
from genai_render.blender.capture import CaptureSpec, capture
from genai_render.blender.cli.animating import _keys, _moved, _places
from genai_render.core import next_camera
from genai_render.core.events import CancelToken, Result
from genai_render.core.image import images
from genai_render.core.masks.inside_mask import kept_outside
from genai_render.core.models import catalog
from genai_render.core.request import RenderRequest
from genai_render.core.view import in_between
from genai_render.core.view.in_between import KeyFrame


def _scene() -> None:
    from .headless import stage

    bpy.ops.wm.read_factory_settings(use_empty=True)
    stage.build(around=128)
    stage.plane("Wall", 2.0, (-1.5, 2.5, 1.6), (90, 0, 15), stage.material("Blue", (0.1, 0.2, 0.6)))
    roller = stage.ball(
        "Roller", (2.0, -1.0, 0.0), 0.4, 96, stage.material("Yellow", (0.8, 0.6, 0.1))
    )
    roller.keyframe_insert("location", frame=1)
    roller.location.x = -1.2
    roller.keyframe_insert("location", frame=48)


def _orbit(frame: int, frames: int, start) -> None:
    """The camera goes around the middle of the scene by 40 degrees."""
    from mathutils import Matrix

    angle = math.radians(40) * (frame - 1) / max(1, frames - 1)
    bpy.context.scene.camera.matrix_world = Matrix.Rotation(angle, 4, "Z") @ start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--every", type=int, default=8)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--prompt", default="oil painting, golden hour")
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    if asked.file:
        bpy.ops.wm.open_mainfile(filepath=asked.file)
    else:
        _scene()
    camera = bpy.context.scene.camera
    camera.animation_data_clear()
    camera.constraints.clear()
    camera.parent = None
    start = camera.matrix_world.copy()
    side = asked.side
    model = catalog.load().model("offline")
    backend = OfflineBackend(BackendSettings(belong_together=True))

    def made(request: RenderRequest) -> np.ndarray:
        for event in backend.run(request, CancelToken()):
            if isinstance(event, Result):
                return images.decode(kept_outside(request, event)[0].image)[..., :3]
        raise AssertionError

    canvases, places, alone = [], [], []
    base = RenderRequest(asked.prompt, seed=1, width=side, height=side)
    for number in range(1, asked.frames + 1):
        bpy.context.scene.frame_set(number)
        _orbit(number, asked.frames, start)
        bpy.context.view_layer.update()
        canvases.append(capture(bpy.context, CaptureSpec(side, side, mode="fast")))
        places.append(_places())
        alone.append(made(base.with_(canvas=canvases[-1])))
        print("frame", number, flush=True)
    keys = _keys(asked.frames, asked.every)
    carried = list(alone)
    unseen = []
    for first, last in pairwise(keys):
        for index in range(first + 1, last):
            pair = [
                replace(
                    KeyFrame(at, alone[at], canvases[at]),
                    moved=_moved(places[index], places[at]),
                )
                for at in (first, last)
            ]
            over = in_between.between(*pair, canvases[index], index)
            unseen.append(over.share)
            near = first if index - first <= last - index else last
            accepted = next_camera.Accepted(
                "key", images.encode_png(alone[near]), canvases[near], base, 1
            )
            request = next_camera.request_with(accepted, model, canvases[index], over)
            carried[index] = made(request)
    for name, frames in (("frame by frame", alone), ("key frames", carried)):
        each = [
            in_between.unsteadiness(frames[i], canvases[i], frames[i + 1], canvases[i + 1])
            for i in range(len(frames) - 1)
        ]
        print(f"{name}: {in_between.mean_unsteadiness(each):.3f} of 255", flush=True)
    print(f"unseen between: {100 * np.mean(unseen):.1f} %")
    if asked.output:
        asked.output.mkdir(parents=True, exist_ok=True)
        for index in range(len(alone)):
            both = np.concatenate((alone[index], carried[index]), 1)
            (asked.output / f"{index + 1:04d}.png").write_bytes(images.encode_png(both))


if __name__ == "__main__":
    main()
