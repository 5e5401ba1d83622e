# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cameras at which frames a command sees, one after another."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import bpy

from ...core.errors import SceneError
from ...core.framing import Size
from ...core.view.canvas import Canvas
from ..capture import CaptureSpec, camera_aspect, capture, viewport_aspect
from . import arguments
from .interrupt import shielded


@dataclass(frozen=True, slots=True)
class Shot:
    """One camera (by name) at one frame. viewport: seen as the 3D Viewport shows it; without a
    camera's name, from where the viewport looks."""

    camera: str
    frame: int
    viewport: bool = False

    @property
    def text(self) -> str:
        """For people."""
        seen = f'"{self.camera}"' if self.camera else "the viewport"
        return f"{seen}, frame {self.frame}"

    def failed(self, error: SceneError) -> SceneError:
        """The error, with which shot of many it is about."""
        return SceneError(f"{self.text}: {error.what}", error.why, error.action)

    def name(self, several_frames: bool) -> str:
        """For a file name: "Camera" or "Camera-0012"."""
        seen = self.camera or "Viewport"
        return f"{seen}-{self.frame:04d}" if several_frames else seen


def plan(parsed: argparse.Namespace) -> list[Shot]:
    """Every shot that is asked for. Raises SceneError without a camera, InvalidInput."""
    scene = bpy.context.scene
    numbers = [scene.frame_current]
    if parsed.frames is not None:
        numbers = arguments.frames(parsed.frames)
    if parsed.viewport and parsed.camera is None:
        return [Shot("", number, viewport=True) for number in numbers]
    seen = cameras(parsed.camera)
    return [Shot(camera.name, number, parsed.viewport) for number in numbers for camera in seen]


def cameras(name: str | None) -> list[bpy.types.Object]:
    """The scene's own camera, one by name, or "all". Raises SceneError."""
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


def take(
    shot: Shot,
    size: Size,
    mode: str,
    progress: Callable[[float], None] | None = None,
    position: tuple[float, float] = (0.5, 0.5),
) -> Canvas:
    """Capture one shot at that size. progress: called with 0 to 1 while Blender renders.
    position: see `CaptureSpec`."""
    scene = bpy.context.scene
    with shielded():
        if scene.frame_current != shot.frame:
            scene.frame_set(shot.frame)
        return capture(
            bpy.context,
            CaptureSpec(
                width=size.width,
                height=size.height,
                camera=shot.camera or None,
                mode=mode,
                source="viewport" if shot.viewport else "auto",
                position=position,
            ),
            progress,
        )


def own_aspect(parsed: argparse.Namespace) -> float:
    """What "auto" stands for: width over height of what the scene's camera or viewport frames."""
    if parsed.viewport and parsed.camera is None:
        return viewport_aspect(bpy.context)
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
