# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip as strips in the sequencer: its pictures, and its sound where it has one."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import bpy

from ...core.errors import SceneError
from ...core.files import file_names, storage

FOLDER = "clips"
"""Beside a saved .blend: a clip that the scene uses is kept with it, and not only in History."""


def sequencer_scene(context: bpy.types.Context) -> bpy.types.Scene:
    """The scene that the sequencer shows: of its own since Blender 5.0."""
    return getattr(context, "sequencer_scene", None) or context.scene


def add(scene: bpy.types.Scene, clip: Path, name: str, with_sound: bool) -> list[Any]:
    """Put a clip at the current frame, above what is there. Gives its strips; raises SceneError."""
    path = _beside_blend(clip, name)
    editor: Any = scene.sequence_editor or scene.sequence_editor_create()
    strips: Any = editor.strips if hasattr(editor, "strips") else editor.sequences  # before 4.4
    frame = scene.frame_current
    try:
        movie = strips.new_movie(name=name, filepath=path, channel=1, frame_start=frame)
    except RuntimeError as error:
        raise SceneError("The clip cannot be put into the sequencer.", str(error)) from error
    made = [movie]
    try:
        if not movie.fps:  # nothing could be opened
            raise SceneError("Blender cannot read this clip.", action="Play it, or make it again.")
        end = int(movie.frame_final_end)
        movie.channel = _free(strips, movie, frame, end)
        if with_sound:
            with contextlib.suppress(RuntimeError):  # then it is a clip without
                sound = strips.new_sound(
                    name=f"{name} Sound", filepath=path, channel=1, frame_start=frame
                )
                sound.channel = movie.channel
                sound.channel = _free(strips, sound, frame, end)
                made.append(sound)
    except BaseException:
        for strip in made:
            strips.remove(strip)
        raise
    for strip in strips:
        strip.select = strip in made
    editor.active_strip = movie
    return made


def pace(scene: bpy.types.Scene, movie: Any) -> str:
    """What to know of a clip whose pictures a second are not the scene's; "" for nothing.

    Blender gives scripts no safe way to let a strip run at its own pace.
    """
    own = scene.render.fps / scene.render.fps_base
    rate = float(movie.fps)
    if abs(rate - own) < 0.01:
        return ""
    return (
        f"The clip has {rate:.4g} frames a second and the scene {own:.4g}: set the scene's frame "
        "rate, or its pictures and its sound part."
    )


def _free(strips: Any, own: Any, start: int, end: int) -> int:
    """The channel above all that is there between two frames."""
    taken = [
        strip.channel
        for strip in strips
        if strip != own and strip.frame_final_start < end and strip.frame_final_end > start
    ]
    return max(taken, default=0) + 1


def _beside_blend(clip: Path, name: str) -> str:
    if not bpy.data.filepath:
        return str(clip)
    folder = Path(bpy.data.filepath).parent / FOLDER
    target = folder / file_names.file_name(name, clip.suffix)
    with storage.storage_errors(f'The clip cannot be copied to "{folder}".'):
        folder.mkdir(exist_ok=True)
        if not target.is_file() or target.stat().st_size != clip.stat().st_size:
            shutil.copyfile(clip, target)
    return bpy.path.relpath(str(target))
