# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cameras at which frames a command sees, one after another."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import bpy

from ...core.canvas import Canvas
from ...core.errors import SceneError
from ...core.framing import Size
from ..capture import CaptureSpec, camera_aspect, capture
from . import arguments
from .interrupt import shielded


@dataclass(frozen=True, slots=True)
class Shot:
    """One camera (by name) at one frame."""

    camera: str
    frame: int

    def name(self, several_frames: bool) -> str:
        """For a file name: "Camera" or "Camera-0012"."""
        return f"{self.camera}-{self.frame:04d}" if several_frames else self.camera


def plan(parsed: argparse.Namespace) -> list[Shot]:
    """Every shot that is asked for. Raises SceneError without a camera, InvalidInput."""
    scene = bpy.context.scene
    numbers = arguments.frames(parsed.frames) if parsed.frames else [scene.frame_current]
    return [Shot(camera.name, number) for number in numbers for camera in _cameras(parsed.camera)]


def _cameras(name: str | None) -> list[bpy.types.Object]:
    scene = bpy.context.scene
    if name is None:
        if scene.camera is None:
            raise SceneError(
                f'The scene "{scene.name}" has no camera.',
                action="Add one, or name one with --camera.",
            )
        return [scene.camera]
    there = sorted(
        (thing for thing in scene.objects if thing.type == "CAMERA"), key=lambda thing: thing.name
    )
    if name != "all":
        wanted = [camera for camera in there if camera.name == name]
        if not wanted:
            names = ", ".join(f'"{camera.name}"' for camera in there) or "none"
            raise SceneError(
                f'The scene "{scene.name}" has no camera called "{name}".',
                action=f"Its cameras: {names}.",
            )
        return wanted
    if not there:
        raise SceneError(f'The scene "{scene.name}" has no camera.', action="Add one.")
    return there


def take(shot: Shot, size: Size, mode: str) -> Canvas:
    """Capture one shot at that size."""
    scene = bpy.context.scene
    with shielded():
        if scene.frame_current != shot.frame:
            scene.frame_set(shot.frame)
        return capture(
            bpy.context,
            CaptureSpec(width=size.width, height=size.height, camera=shot.camera, mode=mode),
        )


def own_aspect() -> float:
    """What "auto" stands for: width over height of what the scene's camera frames."""
    return camera_aspect(bpy.context.scene)


@contextlib.contextmanager
def kept_frame() -> Iterator[None]:
    """The scene is at its own frame again afterwards."""
    scene = bpy.context.scene
    frame, subframe = scene.frame_current, scene.frame_subframe
    try:
        yield
    finally:
        if (scene.frame_current, scene.frame_subframe) != (frame, subframe):
            scene.frame_set(frame, subframe=subframe)
